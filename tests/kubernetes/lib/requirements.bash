# shellcheck shell=bash
# What the machine must have. Everything that is missing is told at once, before anything is started.

packages=(containerd:containerd runc:runc etcd:etcd-server conntrack:conntrack iptables:iptables ipset:ipset ip:iproute2
  catatonit:catatonit jq:jq openssl:openssl /usr/lib/cni/bridge:containernetworking-plugins)

# need COMMAND:PACKAGE...: installs the Debian packages whose command is missing
need() {
  local entry missing=()
  for entry in "$@"; do
    [[ $entry == /* ]] && [[ -e ${entry%%:*} ]] && continue
    PATH="$PATH:/usr/sbin:/sbin" command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || fail "missing: ${missing[*]} (these are Debian's package names); install them, there is no apt-get"
  say "installing ${missing[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"; } \
    >"$cache/apt.log" 2>&1 || { tail -n 5 "$cache/apt.log" >&2; fail "apt-get could not install ${missing[*]}, see $cache/apt.log"; }
}

# The mounted hierarchies: one with cgroup v2, one for each controller with v1.
hierarchies() {
  if [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]]; then echo /sys/fs/cgroup; return; fi
  local hierarchy
  for hierarchy in /sys/fs/cgroup/*/; do [[ -e $hierarchy/cgroup.procs ]] && echo "${hierarchy%/}"; done
}

requirements() {
  local missing=() controller probe=$state/probe
  # try TEXT COMMAND...: all in namespaces that end with the command
  try() { local text=$1; shift; unshare --net --mount --uts --pid --fork -- "$@" >/dev/null 2>&1 || missing+=("$text"); }
  if ! unshare --net --mount --uts --pid --fork true 2>/dev/null; then
    missing+=("namespaces (unshare is refused): give the container CAP_SYS_ADMIN, or run it privileged")
  else
    try "veth links: modprobe veth" ip link add name probe0 type veth peer name probe1
    try "bridges: modprobe bridge" ip link add name probe0 type bridge
    try "iptables' nat table: modprobe iptable_nat, or nf_tables and nft_compat" \
      iptables -w -t nat -A POSTROUTING -m comment --comment x -m conntrack --ctstate DNAT -j MASQUERADE
    try "iptables' filter table with ipset: modprobe xt_set ip_set_hash_ip" \
      sh -c 'ipset create x hash:ip && iptables -w -A FORWARD -m set --match-set x src -j ACCEPT'
    try "overlayfs on $states: modprobe overlay, or mount a file system there that may lie under it (ext4, xfs)" sh -c "
      mkdir -p $probe/lower $probe/upper $probe/work $probe/merged &&
        mount -t overlay -o lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work overlay $probe/merged"
    rm -rf "$probe"
  fi
  for controller in cpu cpuset memory pids; do
    [[ -d /sys/fs/cgroup/$controller ]] || grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
      missing+=("the cgroup controller $controller: mount /sys/fs/cgroup (in a container: --privileged --cgroupns=host)")
  done
  for hierarchy in $(hierarchies); do
    mkdir -p "$hierarchy/$group" 2>/dev/null ||
      { missing+=("a writable $hierarchy: mount it read-write (in a container: --privileged)"); break; }
  done
  ((${#missing[@]} == 0)) || { printf 'cluster: this machine lacks %s\n' "${missing[@]}" >&2; exit 1; }
}
