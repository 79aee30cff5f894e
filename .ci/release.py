"""What .ci/release does with JSON: the labels, the SBOM of a binary, and the index around the images."""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path

# The library, its validation, and all they need.
REQUIREMENTS = """
attrs==26.1.0
boolean.py==5.0
cyclonedx-python-lib==11.12.0
defusedxml==0.7.1
jsonschema==4.26.0
jsonschema-specifications==2025.9.1
license-expression==30.4.4
packageurl-python==0.17.6
py-serializable==2.1.0
referencing==0.37.0
rpds-py==2026.9.1
sortedcontainers==2.4.0
typing_extensions==4.16.0
"""

TARGETS = {"amd64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"}
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@functools.cache
def metadata(*options):
    return json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", *options))


def package():
    return metadata("--no-deps")["packages"][0]


def created():
    return datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)


def source():
    """Where the source is published, as a URL; empty if nothing says so."""
    if package()["repository"]:
        return package()["repository"]
    origin = subprocess.run(["git", "remote", "get-url", "origin"], capture_output=True, text=True).stdout.strip()
    # git@host:path, or a URL; a token in it must not get out.
    match = re.fullmatch(
        r"(?:https?://|ssh://|git://)?(?:[^@/]+@)?([^/:]+\.[^/:]+)(?::\d+/|[:/])(.+?)(?:\.git)?/?", origin)
    return f"https://{match[1]}/{match[2]}" if match else ""


def labels(revision):
    of = package()
    values = {
        "created": created().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": of["description"],
        "licenses": of["license"],
        "revision": revision,
        "source": os.environ["SOURCE_URL"],
        "title": of["name"],
        "version": of["version"],
    }
    return [f"org.opencontainers.image.{name}={value}" for name, value in values.items()]


# The SBOM.


def linked(target):
    """The packages whose code is linked for this target, by id: neither for tests, nor for building, nor macros."""
    tree = run("cargo", "tree", "--locked", "--target", target, "--edges", "normal,no-proc-macro", "--prefix", "none",
               "--format", "{p}")
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    packages = metadata("--filter-platform", target)["packages"]
    return {each["id"]: each for each in packages if (each["name"], "v" + each["version"]) in names}


def checksums():
    """SHA-256 of each crate's archive as Cargo.lock has it."""
    lock = tomllib.loads(Path("Cargo.lock").read_text())
    return {(each["name"], each["version"]): each["checksum"] for each in lock["package"] if "checksum" in each}


def musl(sysroot, target):
    """The version of the musl that Rust brings for this target; None where the binary was linked with another one."""
    library = Path(sysroot, "lib/rustlib", target, "lib/self-contained/libc.a")
    if not library.exists():
        return None
    found = re.search(rb"\0?(\d+\.\d+\.\d+)\0", subprocess.run(
        ["ar", "p", library, "version.lo"], check=True, stdout=subprocess.PIPE).stdout)
    return found[1].decode() if found else None


def sbom(arch, binary, compiler, revision, out):
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from cyclonedx.validation import make_schemabased_validator
    from packageurl import PackageURL

    licence = LicenseFactory().make_from_string
    target = TARGETS[arch]
    rustc = dict(line.split(": ", 1) for line in Path(compiler).read_text().splitlines() if ": " in line)
    inside = linked(target)
    root = metadata("--filter-platform", target)["resolve"]["root"]
    sums = checksums()
    digest = hashlib.sha256(Path(binary).read_bytes()).hexdigest()

    def component(of):
        name, version = of["name"], of["version"]
        if of["id"] == root:
            # Not pkg:cargo: whoever takes this name on crates.io is somebody else.
            where = {"vcs_url": f"git+{os.environ['SOURCE_URL']}@{revision}"}
            return Component(
                type=ComponentType.APPLICATION, name=name, version=version, description=of["description"],
                bom_ref=name, purl=PackageURL("generic", None, name, version, where),
                licenses=[licence(of["license"])], hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
                external_references=[ExternalReference(
                    type=ExternalReferenceType.VCS, url=XsUri(os.environ["SOURCE_URL"]))],
                properties=[Property(name="testero:target", value=target)])
        purl = PackageURL("cargo", None, name, version)
        checksum = sums.get((name, version))
        description = " ".join((of["description"] or "").split())
        return Component(
            type=ComponentType.LIBRARY, name=name, version=version, description=description,
            bom_ref=purl.to_string(), purl=purl,
            # The slash is how crates said OR before SPDX.
            licenses=[licence(of["license"].replace("/", " OR "))] if of["license"] else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
            external_references=[ExternalReference(
                type=ExternalReferenceType.VCS, url=XsUri(of["repository"]))] if of["repository"] else [])

    def runtime(name, version, expression, product):
        purl = PackageURL("generic", None, name, version)
        return Component(type=ComponentType.LIBRARY, name=name, version=version, bom_ref=name, purl=purl,
                         licenses=[licence(expression)], cpe=product and version and f"cpe:2.3:a:{product}:{version}"
                         + ":*" * 7)

    # A static binary has these in it, too, and they are the ones that become known to be vulnerable.
    libc = musl(rustc["sysroot"], target)
    standard = runtime("rust-std", rustc["release"], "MIT OR Apache-2.0", "rust-lang:rust")
    runtimes = [
        standard,
        runtime("musl", libc, "MIT", "musl-libc:musl"),
        runtime("libunwind", rustc["LLVM version"] if libc else None, "Apache-2.0 WITH LLVM-exception", None),
    ]
    components = {each: component(of) for each, of in inside.items()}
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"testero {revision} {target} {digest}"),
        metadata=BomMetaData(timestamp=created(), component=components[root], properties=[
            Property(name="testero:rustc", value=f"{rustc['release']} ({rustc['commit-hash']})")]),
        components=[*(each for key, each in components.items() if key != root), *runtimes])
    for node in metadata("--filter-platform", target)["resolve"]["nodes"]:
        if node["id"] in components:
            on = [components[each["pkg"]] for each in node["deps"] if each["pkg"] in components
                  and any(kind["kind"] is None for kind in each["dep_kinds"])]
            bom.register_dependency(components[node["id"]], on + [standard] * (node["id"] == root))
    bom.register_dependency(standard, runtimes[1:])

    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"
    wrong = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text)
    if wrong:
        sys.exit(f"the SBOM is not valid: {wrong}")
    Path(out).write_text(text)


# The index.


class Layout:
    """The blobs of an OCI image layout."""

    def __init__(self, folder):
        self.folder = folder

    def read(self, descriptor):
        return json.loads(self.blob(descriptor["digest"]).read_bytes())

    def blob(self, digest):
        return self.folder / "blobs" / digest.replace(":", "/")

    def write(self, media_type, content):
        """Adds a blob; its descriptor."""
        data = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blob(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def attestation(layout, image, platform, name, bom):
    """The SBOM as BuildKit attaches one to an image: a manifest beside it in the index, for no platform there is."""
    statement = layout.write("application/vnd.in-toto+json", {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://cyclonedx.org/bom",
        "subject": [{"name": f"{name} {platform['os']}/{platform['architecture']}",
                     "digest": {"sha256": image["digest"].removeprefix("sha256:")}}],
        "predicate": bom,
    })
    statement["annotations"] = {"in-toto.io/predicate-type": "https://cyclonedx.org/bom"}
    nowhere = {"architecture": "unknown", "os": "unknown"}
    config = layout.write(CONFIG, {
        **nowhere, "config": {}, "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}})
    manifest = layout.write(MANIFEST, {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement]})
    return {**manifest, "platform": nowhere, "annotations": {
        "vnd.docker.reference.digest": image["digest"], "vnd.docker.reference.type": "attestation-manifest"}}


def index(out, name, stem, *labels):
    out = Path(out)
    layout = Layout(out / "oci")
    annotations = dict(each.split("=", 1) for each in labels)
    images, attestations = [], []
    for built in sorted(json.loads((layout.folder / "index.json").read_text())["manifests"],
                        key=lambda each: each["annotations"]["org.opencontainers.image.ref.name"]):
        manifest = layout.read(built)
        # buildah says what the image is based on, even if that is nothing.
        manifest["annotations"] = {key: value for key, value in manifest["annotations"].items() if value}
        layout.blob(built["digest"]).unlink()
        config = layout.read(manifest["config"])
        platform = {key: config[key] for key in ("architecture", "os", "variant") if config.get(key)}
        image = {**layout.write(MANIFEST, manifest), "platform": platform}
        bom = json.loads((out / f"{stem}-{platform['architecture']}.cdx.json").read_text())
        images.append(image)
        attestations.append(attestation(layout, image, platform, name, bom))
    if [each["platform"]["architecture"] for each in images] != list(TARGETS):
        sys.exit(f"these are not the images expected: {images}")
    # The attestations come last, where what asks for any platform does not meet them first.
    top = layout.write(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": images + attestations,
                               "annotations": annotations})
    # Tools differ in which of the two names they load it by.
    named = {**top, "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}}
    (layout.folder / "index.json").write_text(json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}, separators=(",", ":")))
    (out / "digest").write_text(top["digest"] + "\n")
    archive(layout.folder, out / f"{stem}.oci.tar")


def archive(folder, out):
    def same(member):
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        member.mtime = int(os.environ["SOURCE_DATE_EPOCH"])
        return member

    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        # The small files that say what this is come first, so that a reader of a stream knows early.
        for path in sorted(folder.rglob("*"), key=lambda each: (each.parts[len(folder.parts)] == "blobs", each)):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=same)


def main(command, *arguments):
    match command:
        case "requirements":
            print(REQUIREMENTS.strip())
        case "source":
            print(source())
        case "version":
            print(package()["version"])
        case "labels":
            print(*labels(*arguments), sep="\n")
        case "sbom":
            sbom(*arguments)
        case "index":
            index(*arguments)
        case _:
            sys.exit(f"{command}?")


main(*sys.argv[1:])
