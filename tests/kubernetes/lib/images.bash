# shellcheck shell=bash
# Images: made here from programs of this machine, without a builder and without a registry.

# image ARCHIVE NAME ROOT CONFIG: a docker-archive of one layer, the folder ROOT. CONFIG is the OCI image config (JSON).
image() {
  local archive=$1 reference=$2 root=$3 config=$4 work id
  work=$(mktemp -d "$state/image.XXXXXX")
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$root" -cf "$work/layer.tar" .
  id=$(sha256sum "$work/layer.tar")
  jq -n --argjson config "$config" --arg id "sha256:${id%% *}" --arg arch "$(go_architecture)" \
    '{architecture: $arch, os: "linux", config: $config, rootfs: {type: "layers", diff_ids: [$id]}}' >"$work/config.json"
  jq -n --arg name "$reference" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$archive" manifest.json config.json layer.tar
  rm -r "$work"
}

go_architecture() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac; }

# copy_program ROOT PROGRAM...: each at its own path, with the libraries that ldd names
copy_program() {
  local root=$1 each library
  shift
  for each in "$@"; do
    [[ -e $root$each ]] || install -D "$each" "$root$each"
    # ldd fails on a static program.
    { ldd "$each" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
      [[ -e $root$library ]] || install -D "$library" "$root$library"
    done
  done
}

pause_image() {
  local root=$state/pause.root
  # Debian's catatonit in its pause mode: it waits, and reaps what the pod's processes leave.
  install -D "$(command -v catatonit)" "$root/pause"
  local file
  file=$(image_file localhost/pause:1)
  image "$file" localhost/pause:1 "$root" '{"Entrypoint": ["/pause", "-P"]}'
  echo localhost/pause:1 >"${file%.tar}.name"
  rm -r "$root"
}

# import NODE ARCHIVE NAME: an archive says its own name, which need not be the one that is wanted
import() {
  local socket=$run/$1/containerd.sock reference
  if [[ $1 == cgroup2 ]]; then machine_import "$2" "$3"; return; fi
  reference=$(ctr -a "$socket" -n k8s.io images import "$2" | awk '/^unpacking/ { print $2; exit }')
  [[ -n $reference ]] || fail "node $1 cannot import $2"
  [[ $reference == "$3" ]] || ctr -a "$socket" -n k8s.io images tag --force "$reference" "$3" >/dev/null
}

# image_file NAME: where the archive of an image is kept for nodes that are added later
image_file() { echo "$state/images/$(printf %s "$1" | tr -c 'A-Za-z0-9.-' _).tar"; }

# load ARCHIVE NAME: into every node, and kept for nodes that are added later
load() {
  (($# == 2)) || fail "load ARCHIVE NAME"
  [[ -r $1 ]] || fail "cannot read $1"
  [[ -e $state/ready ]] || fail "there is no cluster $name: cluster up"
  local node file job jobs=() status=0
  file=$(image_file "$2")
  [[ $1 -ef $file ]] || cp "$1" "$file"
  echo "$2" >"${file%.tar}.name"
  for node in $(node_names); do import "$node" "$1" "$2" & jobs+=($!); done
  for job in "${jobs[@]}"; do wait "$job" || status=1; done
  return "$status"
}

# import_all NODE: what was loaded before the node was there
import_all() {
  local archive
  for archive in "$state"/images/*.tar; do import "$1" "$archive" "$(cat "${archive%.tar}.name")"; done
}
