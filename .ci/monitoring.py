"""What .ci/monitoring asks for: rules out of the PrometheusRule, checks of the dashboard, queries to a Prometheus."""

import json
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# Whose rules and dashboard: testero's, or the proxy's.
FOLDER, DASHBOARD = {
    "testero": ("k8s/monitoring", "testero.json"),
    "proxy": ("k8s/proxy/monitoring", "testero-proxy.json"),
}[os.environ.get("SUBJECT", "testero")]
RULE = f"{FOLDER}/prometheusrule.yaml"
DASHBOARD = f"{FOLDER}/dashboards/{DASHBOARD}"
VARIABLES = {
    "$namespace": os.environ.get("NAMESPACE", "ci"),
    "$pod": "testero-.*",
    "$service": ".*",
    "$objective": "0.999",
    "$__rate_interval": os.environ.get("RATE_INTERVAL", "5s"),
    "$__range": "1m",
}

# What a machine need not have. A query on one of these may be empty, but only where /metrics really lacks it.
OPTIONAL = {
    "testero_container_memory_bytes": "the root cgroup of v2 does not account memory",
    "testero_container_memory_limit_bytes": "no memory limit",
    "testero_container_memory_high_bytes": "no memory.high, which v1 does not know",
    "testero_container_cpu_quota_cores": "no CPU quota",
    "testero_container_cpu_seconds_total": "no CPU cgroup",
    "testero_container_cpu_periods_total": "no CPU cgroup but the root",
    "testero_container_cpu_throttled_periods_total": "no CPU cgroup but the root",
    "testero_container_cpu_throttled_seconds_total": "no CPU cgroup but the root",
    "testero_container_oom_kills_total": "no memory cgroup",
    "testero_container_pids": "no pids cgroup but the root",
    "testero_container_pids_limit": "no limit on pids",
    "testero_pressure_seconds_total": "a kernel without PSI",
}


def spec():
    import yaml

    with open(RULE, encoding="utf-8") as file:
        return yaml.safe_load(file)["spec"]


def rules():
    return [rule for group in spec()["groups"] for rule in group["rules"]]


def dashboard():
    with open(DASHBOARD, encoding="utf-8") as file:
        return json.load(file)


def needs():
    import yaml  # noqa: F401


def print_rules(hold=None):
    """The spec as Prometheus reads it (JSON is YAML); alerts that wait at all wait for `hold`, if given."""
    found = spec()
    for group in found["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                continue
            for part in ("for", "labels", "annotations"):
                assert part in rule, f"{rule['alert']} has no {part}"
            assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule["alert"]
            assert set(rule["annotations"]) >= {"summary", "description"}, rule["alert"]
            if hold and rule["for"] != "0s":
                rule["for"] = hold
    print(json.dumps(found, indent=1))


def same(path):
    import yaml

    with open(path, encoding="utf-8") as file:
        sys.exit(yaml.safe_load(file) != spec())


def check_dashboard():
    """No panel over another, none without a description, none with a data source of its own."""
    found = dashboard()
    taken, ids = {}, set()
    for panel in found["panels"]:
        title = panel["title"]
        assert panel["id"] not in ids, f"{title}: its id is another's"
        ids.add(panel["id"])
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, f"{title}: wider than the grid"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{title} lies over {taken[x, y]}"
                taken[x, y] = title
        if panel["type"] == "row":
            continue
        assert panel["description"], f"{title}: no description"
        assert panel["fieldConfig"]["defaults"]["unit"], f"{title}: no unit"
        for user in [panel, *panel["targets"]]:
            assert user["datasource"]["uid"] == "${datasource}", f"{title}: a data source of its own"
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), f"{title}: refIds"
    print(f"{len(ids)} panels and rows")


def ports(count):
    sockets = [socket.socket() for _ in range(int(count))]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    print(*(one.getsockname()[1] for one in sockets))


def ask(prometheus, path, **parameters):
    """The data, or an error's text."""
    url = f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"], None
    except urllib.error.HTTPError as error:
        return None, json.load(error)["error"]


def has(prometheus, query):
    try:
        found, _ = ask(prometheus, "query", query=query)
    except (OSError, ValueError):
        # Not there yet, or not ready: then it answers in plain text.
        found = None
    sys.exit(not (found and found["result"]))


def substituted(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query, f"a variable nobody knows: {query}"
    return query


def lacking(query, metrics):
    """The first optional metric of the query that this machine lacks, with the reason."""
    for name in re.findall(r"testero_\w+", query):
        if name in OPTIONAL and not re.search(rf"^{name}[ {{]", metrics, re.MULTILINE):
            return f"{name}: {OPTIONAL[name]}"
    return None


def evaluated(prometheus):
    """The rules as they were evaluated last. One evaluation that comes late, on a busy machine, fails; one of those within the
    next minute does not, unless the rule is wrong."""
    deadline = time.time() + 60
    while True:
        loaded, _ = ask(prometheus, "rules")
        all_rules = [rule for group in loaded["groups"] for rule in group["rules"]]
        if all(rule["health"] == "ok" for rule in all_rules) or time.time() > deadline:
            return all_rules
        time.sleep(1)


def queries(prometheus, metrics_file, since=None):
    """Whether every rule and query has an answer, those over time between `since` (seconds since the epoch) and now."""
    with open(metrics_file, encoding="utf-8") as file:
        metrics = file.read()
    wrong, empty, count = [], [], 0

    def judge(what, query, found, error):
        if error:
            wrong.append(f"{what}: {error}: {query}")
        elif found is not None and not found:
            reason = lacking(query, metrics)
            (empty if reason else wrong).append(f"{what}: {reason or 'no series: ' + query}")

    for rule in rules():
        found, error = ask(prometheus, "query", query=rule["expr"])
        # Healthy rules have no series.
        judge(rule.get("alert") or rule["record"], rule["expr"], None, error)
        count += 1
    for rule in evaluated(prometheus):
        if rule["health"] != "ok":
            wrong.append(f"{rule['name']}: {rule['health']}: {rule.get('lastError')}")
        for alert in rule.get("alerts", []):
            texts = " ".join(alert["annotations"].values())
            if re.search(r"<error|<no value>|%!|\{\{", texts):
                wrong.append(f"{rule['name']}: {texts}")
            if alert["state"] == "firing":
                print(f"{rule['name']}: {alert['annotations']['description']}")

    now = time.time()
    start = float(since) if since else now - 15
    found = dashboard()
    for variable in found["templating"]["list"]:
        if variable["type"] == "query":
            query = substituted(variable["definition"])
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
            values, error = ask(prometheus, f"label/{label}/values", **{"match[]": selector})
            judge(f"variable {variable['name']}", query, values, error)
            count += 1
    for panel in found["panels"]:
        for target in panel.get("targets", []):
            query = substituted(target["expr"])
            if target.get("instant"):
                data, error = ask(prometheus, "query", query=query)
            else:
                data, error = ask(prometheus, "query_range", query=query, start=start, end=now, step=1)
            result = data["result"] if data else []
            judge(f"panel {panel['title']}", query, result, error)
            count += 1
            # A legend of a label that the series do not have is an empty one.
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                if any(label not in series["metric"] for series in result):
                    wrong.append(f"panel {panel['title']}: no label {label}: {query}")

    for line in empty:
        print(f"empty on this machine: {line}")
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    print(f"{count} queries, {len(empty)} empty for a reason, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    {
        "needs": needs,
        "rules": print_rules,
        "same": same,
        "dashboard": check_dashboard,
        "ports": ports,
        "has": has,
        "queries": queries,
    }[command](*arguments)
