# shellcheck shell=bash disable=SC2154 # variables of ../cluster
# What runs for the cluster, and its end. Every process is ended by its own id, or by the cgroup that it is in.

netns() { local node=$1; shift; nsenter --net="/run/netns/tk-$node" "$@"; }
kubectl() { netns node-1 "$bin/kubectl" --kubeconfig="$state/admin.conf" "$@"; }
in_cluster() {
  [[ -e $state/admin.conf ]] || fail "there is no cluster: cluster up"
  netns node-1 env KUBECONFIG="$state/admin.conf" PATH="$bin:$PATH" "$@"
}

# start NODE NAME COMMAND...: in that node's network, logged, its process id kept
start() {
  local node=$1 name=$2
  shift 2
  setsid nsenter --net="/run/netns/tk-$node" "$@" >>"$state/log/$name.log" 2>&1 </dev/null &
  echo $! >"$state/pid/$name"
}

stop() { # NAME
  local pid name
  pid=$(cat "$state/pid/$1" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$state/pid/$1"
}

# The nodes' agents first, or they would start again what ends; then all pods at once, by their cgroups.
down() {
  local file name namespaces
  for file in "$state"/pid/*-kubelet "$state"/pid/*; do
    if [[ -e $file ]]; then kill -9 "$(cat "$file")" 2>/dev/null || true; fi
  done
  namespaces=$(pod_networks)
  for _ in $(seq 50); do
    in_cgroups | xargs -r kill -9 2>/dev/null || true
    [[ -n $(in_cgroups) ]] || break
    sleep 0.1
  done
  # A shim is in no pod's cgroup. Its arguments have the socket of its containerd.
  for file in /proc/[0-9]*/cmdline; do
    name=$(tr '\0' ' ' <"$file" 2>/dev/null) || continue
    if [[ $name =~ ^[^\ ]*containerd-shim-runc-v2\ .*-address\ "$run"/ ]]; then
      name=${file#/proc/}
      kill -9 "${name%/cmdline}" 2>/dev/null || true
    fi
  done
  awk -v s="$state/" -v r="$run/" 'index($2, s) == 1 || index($2, r) == 1 { print $2 }' /proc/mounts | sort -r |
    xargs -r -n 50 umount -l || true
  for name in $namespaces $(ip netns list | awk '/^tk-node-/ { print $1 }'); do
    ip netns delete "$name" 2>/dev/null || true
  done
  for name in /sys/fs/cgroup/testero-kubernetes /sys/fs/cgroup/*/testero-kubernetes; do
    # The kernel takes a moment to see that the killed are gone.
    for _ in $(seq 20); do
      [[ -d $name ]] || break
      find "$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
  done
  rm -rf "$state" "$run"
}

in_cgroups() {
  find /sys/fs/cgroup/ -path '*/testero-kubernetes/*' -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un
}

# The network namespaces that the network plugin made for the pods: those in /run/netns that a pod's process is in.
pod_networks() {
  local pid name
  for pid in $(in_cgroups); do stat -L -c %i "/proc/$pid/ns/net" 2>/dev/null || true; done | sort -u >"$run/networks"
  for name in /run/netns/cni-*; do
    if [[ -e $name ]] && grep -qx "$(stat -c %i "$name")" "$run/networks"; then basename "$name"; fi
  done
} 2>/dev/null
