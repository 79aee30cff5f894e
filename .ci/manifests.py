"""What .ci/manifests checks, once kubectl and helm have rendered everything under k8s/.

Each check is a function from what was rendered to complaints. The last part turns the checks on what is wrong on
purpose, because a check that cannot fail is none.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

import kubernetes_validate
import wrong_values
import yaml

K8S = pathlib.Path("k8s")
CHART = K8S / "chart"
PROXY = K8S / "proxy"
PROXY_CHART = PROXY / "chart"
# The oldest that clouds still sell, the newest there is a schema of, and some between them.
VERSIONS = ["1.30.0", "1.32.0", "1.34.0", "1.36.0", "1.37.0"]
# Kinds of others, whose schemas are not to be had here.
UNCHECKED_GROUPS = {
    "monitoring.coreos.com",
    "autoscaling.k8s.io",
    "gateway.networking.k8s.io",
    "route.openshift.io",
}

# ---------------------------------------------------------------------------------------------------- rendering


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"FAILED: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def kustomize(folder):
    """The objects of a kustomization; of a component, those it makes of the base."""
    if yaml.safe_load((folder / "kustomization.yaml").read_text())["kind"] != "Component":
        return documents(run("kubectl", "kustomize", folder))
    with tempfile.TemporaryDirectory(dir=K8S, prefix=".ci-") as overlay:
        overlay = pathlib.Path(overlay)
        (overlay / "kustomization.yaml").write_text(
            yaml.safe_dump({"resources": ["../base"], "components": [f"../{folder.relative_to(K8S)}"]})
        )
        return documents(run("kubectl", "kustomize", overlay))


def chart(folder, *options):
    """The objects of a chart, as a release with the chart's own name."""
    release = yaml.safe_load((folder / "Chart.yaml").read_text())["name"]
    return documents(run("helm", "template", release, folder, "--namespace", "default", *options))


def render():
    """Everything there is to render, by name."""
    folders = sorted(path.parent for path in K8S.rglob("kustomization.yaml"))
    rendered = {str(folder): kustomize(folder) for folder in folders}
    for what, folder in {"chart": CHART, "proxy's chart": PROXY_CHART}.items():
        rendered[what] = chart(folder)
        run("helm", "lint", "--strict", folder)
        for values in sorted((folder / "ci").glob("*.yaml")):
            run("helm", "lint", "--strict", folder, "--values", values)
            rendered[f"{what} with {values.name}"] = chart(folder, "--values", values)
    return rendered


# ----------------------------------------------------------------------------------------------------- reading


def name(document):
    return f"{document['kind']} {document['metadata'].get('name', '?')}"


def pod_templates(document):
    """The pods that an object makes: their metadata and spec."""
    spec = document.get("spec", {})
    match document["kind"]:
        case "Pod":
            yield document
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            yield spec["template"]
        case "CronJob":
            yield spec["jobTemplate"]["spec"]["template"]


def containers(pod):
    return [
        container
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for container in pod.get(kind, [])
    ]


def find(rendered, kind, name_=None):
    found = [d for d in rendered if d["kind"] == kind and name_ in (None, d["metadata"]["name"])]
    if not found:
        raise SystemExit(f"FAILED: no {kind} {name_ or ''}")
    return found[0]


# ------------------------------------------------------------------------------------------------------ checks


def oldest(where):
    """Of 1.N, the oldest that a recipe is for: its check says `needs version N`."""
    check = pathlib.Path(where) / "check.bats"
    needed = re.search(r"^\s*needs version (\d+)$", check.read_text(), re.M) if check.exists() else None
    return int(needed[1]) if needed else 0


def against_schemas(rendered, since=0):
    """Strictly: a field that does not exist is an error."""
    for document in rendered:
        group = document["apiVersion"].rpartition("/")[0]
        if group in UNCHECKED_GROUPS:
            continue
        for version in VERSIONS:
            if int(version.split(".")[1]) < since:
                continue
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name(document)}, Kubernetes {version}: {error.message}"
            except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
                yield f"{name(document)}, Kubernetes {version}: no schema: {error}"


def restricted(pod):
    """The Pod Security Standard "restricted", rule by rule (kubernetes.io, Pod Security Standards)."""
    common = pod.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} is set"
    # Of those that the standard allows, the one that is used here.
    if {sysctl["name"] for sysctl in common.get("sysctls", [])} - {"net.ipv4.ip_unprivileged_port_start"}:
        yield "sysctls are set"
    volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.get("volumes", []):
        if not volume.keys() - {"name"} <= volumes:
            yield f"volume {volume['name']} is none of {sorted(volumes)}"
    for container in containers(pod):
        own = container.get("securityContext", {})
        wrong = []
        if own.get("privileged"):
            wrong.append("privileged is set")
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append("allowPrivilegeEscalation is not false")
        if own.get("runAsNonRoot", common.get("runAsNonRoot")) is not True:
            wrong.append("runAsNonRoot is not true")
        if 0 in (own.get("runAsUser"), common.get("runAsUser")):
            wrong.append("runAsUser is 0")
        seccomp = own.get("seccompProfile", common.get("seccompProfile", {})).get("type")
        if seccomp not in ("RuntimeDefault", "Localhost"):
            wrong.append("seccompProfile is neither RuntimeDefault nor Localhost")
        capabilities = own.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []):
            wrong.append("capabilities are not dropped")
        if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            wrong.append("capabilities are added")
        if own.get("procMount", "Default") != "Default":
            wrong.append("procMount is set")
        for options in (own, common):
            if options.get("seLinuxOptions") or options.get("windowsOptions") or options.get("appArmorProfile"):
                wrong.append("seLinuxOptions, windowsOptions or appArmorProfile are set")
        if any(port.get("hostPort") for port in container.get("ports", [])):
            wrong.append("there is a hostPort")
        handlers = [container.get(probe, {}) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += container.get("lifecycle", {}).values()
        if any(handler.get(way, {}).get("host") for handler in handlers for way in ("httpGet", "tcpSocket")):
            wrong.append("a probe names a host")
        yield from (f"container {container['name']}: {complaint}" for complaint in wrong)


def house(pod):
    """What we ask of our own pods beyond "restricted"."""
    for container in containers(pod):
        image = container["image"]
        if not re.search(r"(:v?\d[\w.+-]*|@sha256:[0-9a-f]{64})$", image):
            yield f"container {container['name']}: image {image} is not pinned"
        if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
            yield f"container {container['name']}: the root can be written"
    if pod.get("automountServiceAccountToken") is not False:
        yield "the ServiceAccount's token is mounted"


def pods(rendered):
    for document in rendered:
        for template in pod_templates(document):
            for complaint in [*restricted(template["spec"]), *house(template["spec"])]:
                yield f"{name(document)}: {complaint}"


def selectors(rendered, all_pods):
    """Whatever selects something finds it: labels by labels, ports by name, scale targets by name."""
    services = [d for d in rendered if d["kind"] == "Service"]
    names = {(d["kind"], d["metadata"]["name"]) for d in rendered}
    for document in rendered:
        spec = document.get("spec", {})
        labels, ports, among = None, [], all_pods
        match document["kind"]:
            case "Service":
                labels = spec.get("selector", {})
                ports = [port.get("targetPort") for port in spec["ports"]]
            case "PodDisruptionBudget" | "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet":
                labels = spec.get("selector", {}).get("matchLabels", {})
            case "NetworkPolicy":
                labels = spec["podSelector"].get("matchLabels", {})
            case "PodMonitor":
                labels = spec["selector"].get("matchLabels", {})
                ports = [endpoint["port"] for endpoint in spec["podMetricsEndpoints"]]
            case "ServiceMonitor":
                labels = spec["selector"].get("matchLabels", {})
                among = services
            case "HorizontalPodAutoscaler" | "VerticalPodAutoscaler":
                target = spec.get("scaleTargetRef") or spec["targetRef"]
                if (target["kind"], target["name"]) not in names:
                    yield f"{name(document)}: its target {target['kind']} {target['name']} does not exist"
                continue
            case _:
                continue
        if not labels:
            yield f"{name(document)}: selects nothing in particular"
            continue
        found = [one for one in among if labels.items() <= one["metadata"].get("labels", {}).items()]
        if not found:
            yield f"{name(document)}: selects nothing: {labels}"
        for port in ports:
            named = [p.get("name") for one in found for c in containers(one["spec"]) for p in c.get("ports", [])]
            if found and port not in named:
                yield f"{name(document)}: there is no port {port}"


def files_fit(pod):
    """HIGHFILELIM is the ephemeral storage's limit, and that is below the volume's, so neither evicts unasked."""
    container = find_container(pod, "testero")
    limit = next((e for e in container["env"] if e["name"] == "HIGHFILELIM"), {})
    if limit.get("valueFrom", {}).get("resourceFieldRef", {}).get("resource") != "limits.ephemeral-storage":
        yield "HIGHFILELIM is not limits.ephemeral-storage"
        return
    most = quantity(container["resources"]["limits"]["ephemeral-storage"])
    for volume in pod["volumes"]:
        if "emptyDir" in volume and quantity(volume["emptyDir"]["sizeLimit"]) <= most:
            yield f"volume {volume['name']}: its sizeLimit is not above HIGHFILELIM"


def find_container(pod, name_):
    return next(container for container in pod["containers"] if container["name"] == name_)


def quantity(text):
    number, suffix = re.fullmatch(r"([\d.]+)(\w*)", str(text)).groups()
    return float(number) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[suffix]


def same(base, chart_):
    """Kustomize and the chart make the same of everything, and exactly the same pod."""
    for document in base:
        twin = find(chart_, document["kind"], document["metadata"]["name"])
        ours, theirs = (copy.deepcopy({k: v for k, v in d.items() if k != "metadata"}) for d in (document, twin))
        for one in (ours, theirs):
            spec = one.get("spec", {})
            # The labels of an installation differ, and so do the selectors that name it.
            spec.pop("selector", None)
            spec.pop("podSelector", None)
            if "template" in spec:
                spec["template"] = spec["template"]["spec"]
                for constraint in spec["template"].get("topologySpreadConstraints", []):
                    constraint.pop("labelSelector")
        if ours != theirs:
            yield f"{name(document)}: kustomize\n{yaml.safe_dump(ours)}\nand the chart\n{yaml.safe_dump(theirs)}"


def same_inside(inside, default):
    """The proxy's defaults are node ports. They change how it is reached, and nothing else."""
    reached = ("Service", "NetworkPolicy")
    ours, theirs = ([d for d in one if d["kind"] not in reached] for one in (inside, default))
    if ours != theirs:
        yield "the defaults differ from ci/clusterip.yaml in more than Services and policy"
    ports = {port["nodePort"] for d in default if d["kind"] == "Service" for port in d["spec"]["ports"]}
    if ports != {30303, 30300}:
        yield f"the node ports are {ports}"


def versions(base, folder, container):
    crate = tomllib.loads(pathlib.Path("Cargo.toml").read_text())["package"]["version"]
    about = yaml.safe_load((folder / "Chart.yaml").read_text())
    pod = find(base, "Deployment")["spec"]["template"]
    said = {
        "the chart's version": about["version"],
        "the chart's appVersion": str(about["appVersion"]),
        "the version label": pod["metadata"]["labels"]["app.kubernetes.io/version"],
        "the image's tag": find_container(pod["spec"], container)["image"].rpartition(":")[2],
    }
    yield from (f"{what} is {version}, the crate's is {crate}" for what, version in said.items() if version != crate)


def copies():
    """A chart can't read files above it, so it has some once more: the same ones."""
    for monitoring, folder in ((K8S / "monitoring", CHART), (PROXY / "monitoring", PROXY_CHART)):
        rule, rules = monitoring / "prometheusrule.yaml", folder / "files" / "rules.yaml"
        if yaml.safe_load(rule.read_text())["spec"] != yaml.safe_load(rules.read_text()):
            yield f"{rules} is not the spec of {rule}"
    if (PROXY / "base" / "config.yaml").read_text() != (PROXY_CHART / "files" / "config.yaml").read_text():
        yield f"{PROXY_CHART}/files/config.yaml is not {PROXY}/base/config.yaml"


def recipes():
    """Each recipe is told of in the documents, and says what it must."""
    told = pathlib.Path("docs/kubernetes.md").read_text()
    for folder in sorted((K8S / "recipes").iterdir()):
        if not (folder / "README.md").exists():
            yield f"{folder} has no README.md"
            continue
        text = (folder / "README.md").read_text()
        for heading in ("## Do", "## Expect", "## Clean up"):
            if heading not in text.splitlines():
                yield f"{folder}/README.md: no heading '{heading}'"
        if "minute" not in text:
            yield f"{folder}/README.md does not say how long it takes"
        if "Not run on a cluster; by:" in text:
            sources = text.split("Not run on a cluster; by:")[1:]
            if not all("https://" in source for source in sources):
                yield f"{folder}/README.md: what was not run has no source"
        if f"k8s/recipes/{folder.name}" not in told:
            yield f"docs/kubernetes.md does not tell of {folder}"


# ------------------------------------------------------------------------------------------- the checks, checked


def mutations(pod):
    """The pod with one thing wrong each."""

    def with_(path, value):
        wrong = copy.deepcopy(pod)
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return ".".join(map(str, path)), wrong

    security = ["containers", 0, "securityContext"]
    yield with_(["hostNetwork"], True)
    yield with_(["hostPID"], True)
    yield with_(["hostIPC"], True)
    yield with_(["securityContext", "runAsNonRoot"], False)
    yield with_(["securityContext", "runAsUser"], 0)
    yield with_(["securityContext", "seccompProfile", "type"], "Unconfined")
    yield with_(["securityContext", "sysctls"], [{"name": "kernel.msgmax", "value": "1"}])
    yield with_(["volumes", 0], {"name": "data", "hostPath": {"path": "/"}})
    yield with_([*security, "privileged"], True)
    yield with_([*security, "allowPrivilegeEscalation"], True)
    yield with_([*security, "runAsNonRoot"], False)
    yield with_([*security, "readOnlyRootFilesystem"], False)
    yield with_([*security, "capabilities"], {"drop": ["NET_RAW"]})
    yield with_([*security, "capabilities"], {"drop": ["ALL"], "add": ["SYS_ADMIN"]})
    yield with_([*security, "procMount"], "Unmasked")
    yield with_([*security, "seLinuxOptions"], {"user": "x"})
    yield with_(["containers", 0, "ports", 0, "hostPort"], 80)
    yield with_(["containers", 0, "livenessProbe", "httpGet", "host"], "169.254.169.254")
    yield with_(["containers", 0, "image"], "testero:latest")
    yield with_(["containers", 0, "image"], "testero")
    yield with_(["automountServiceAccountToken"], True)
    yield with_(["initContainers"], [{"name": "x", "image": "x:1"}])


def check_the_checks(base):
    pod = find(base, "Deployment")["spec"]["template"]["spec"]
    for what, wrong in mutations(pod):
        if not [*restricted(wrong), *house(wrong)]:
            yield f"a pod with a wrong {what} passes"
    deployment = copy.deepcopy(find(base, "Deployment"))
    deployment["spec"]["template"]["spec"]["containers"][0]["portz"] = []
    if not [*against_schemas([deployment])]:
        yield "a misspelt field passes"
    service = copy.deepcopy(find(base, "Service"))
    service["spec"]["selector"]["app.kubernetes.io/name"] = "other"
    if not [*selectors([service], [])]:
        yield "a Service that selects nothing passes"
    tight = copy.deepcopy(pod)
    tight["volumes"][0]["emptyDir"]["sizeLimit"] = "1Gi"
    if not [*files_fit(tight)]:
        yield "a volume as small as HIGHFILELIM passes"
    right = yaml.safe_load((PROXY / "base" / "config.yaml").read_text())
    for config in (right, json.dumps(right)):
        chart(PROXY_CHART, "--set-json", f"app.config={json.dumps(config)}")
    for folder, wrong in ((CHART, wrong_values.CONSUMER), (PROXY_CHART, wrong_values.proxy(right))):
        for option in wrong:
            refused = subprocess.run(["helm", "template", folder, *option], capture_output=True, text=True)
            if refused.returncode == 0:
                yield f"{folder} takes {' '.join(option)}"


def main():
    rendered = render()
    base = rendered["k8s"]
    base_pods = [template for document in base for template in pod_templates(document)]
    proxy = rendered["k8s/proxy"]
    proxy_pods = [template for document in proxy for template in pod_templates(document)]
    complaints, checks, unchecked = [], 0, set()

    def check(where, found):
        nonlocal checks
        checks += 1
        complaints.extend(f"{where}: {complaint}" for complaint in found)

    for where, objects in rendered.items():
        # What comes without pods of its own is for those of the base, or of the proxy's.
        theirs, their_pods = (proxy, proxy_pods) if where.startswith("k8s/proxy/") else (base, base_pods)
        own = [template for document in objects for template in pod_templates(document)]
        check(where, against_schemas(objects, oldest(where)))
        check(where, pods(objects))
        check(where, selectors([*objects, *([] if own else theirs)], own or their_pods))
        unchecked |= {d["kind"] for d in objects if d["apiVersion"].rpartition("/")[0] in UNCHECKED_GROUPS}
    check("k8s", files_fit(base_pods[0]["spec"]))
    check("k8s", same(base, rendered["chart"]))
    check("k8s", versions(base, CHART, "testero"))
    inside = rendered["proxy's chart with clusterip.yaml"]
    check("k8s/proxy", same(proxy, inside))
    check("k8s/proxy", same_inside(inside, rendered["proxy's chart"]))
    check("k8s/proxy", versions(proxy, PROXY_CHART, "proxy"))
    check("k8s", copies())
    check("k8s", recipes())
    check("the checks", check_the_checks(base))

    print(f"{len(rendered)} renderings, {sum(map(len, rendered.values()))} objects, Kubernetes {', '.join(VERSIONS)}")
    print(f"unchecked, because there is no schema for them here: {', '.join(sorted(unchecked)) or 'none'}")
    for complaint in complaints:
        print(f"FAILED: {complaint}")
    print(f"{checks} checks, {len(complaints)} complaints")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
