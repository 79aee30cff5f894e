# shellcheck shell=bash
# The whole cluster: up, down and the add-ons.

# is_up: complete, and it answers
is_up() { [[ -e $state/ready ]] && node_init node-1 >/dev/null && kubectl get --raw /readyz >/dev/null 2>&1; }

up() {
  local nodes=${1:-1} n
  [[ $nodes =~ ^[1-9][0-9]?$ ]] || fail "up [NODES]: a number from 1 to 99, not '$nodes'"
  trap report_failure EXIT
  trap 'exit 130' INT TERM
  step "packages and programs"
  need "${packages[@]}"
  require_program "${base_programs[@]}"
  step ''
  if is_up; then
    n=$(node_names | grep -c '^node-')
    ((n == nodes || $# == 0)) || fail "the cluster $name is up, with $n nodes and not $nodes: cluster down first"
    say "the cluster $name is up ($(node_names | xargs))"
    return
  fi
  if leftovers; then
    say "removing what is left of an earlier cluster $name"
    down
  fi
  requirements
  mkdir -p "$state"/{pki,log,nodes,images} "$run"
  step "certificates"
  cluster_pki
  step "the pause image"
  pause_image
  for ((n = 1; n <= nodes; n++)); do add_namespaces "node-$n" "$n"; done
  control_plane
  for ((n = 1; n <= nodes; n++)); do node "node-$n"; done
  step "DNS and metrics-server" metrics-server
  dns_and_metrics
  for ((n = 1; n <= nodes; n++)); do
    step "kube-router of node-$n" "node-$n-kubelet"
    policies "node-$n"
  done
  step "the nodes become Ready" node-1-kubelet
  kubectl wait --for=condition=Ready node --all --timeout=60s >/dev/null
  step "metrics-server answers" metrics-server
  kubectl wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=90s >/dev/null
  step ''
  touch "$state/ready"
  say "the cluster $name is up after $SECONDS s ($(node_names | xargs))"
}

leftovers() {
  [[ -e $state || -e $run ]] || compgen -G "/run/netns/$name.*" >/dev/null
}

# Everything at once: the kernel ends a node's processes and mounts with its first process.
down() {
  local file node pid pids=() hierarchy
  for file in "$run"/*/init; do
    [[ -e $file ]] || continue
    node=$(basename "$(dirname "$file")")
    pid=$(node_init "$node") || continue
    kill -KILL "$pid"
    pids+=("$pid")
  done
  for pid in "${pids[@]}"; do
    wait_for 20 test ! -e "/proc/$pid" || fail "process $pid does not end"
  done
  for file in "/run/netns/$name."*; do
    [[ ! -e $file ]] || ip netns del "$(basename "$file")"
  done
  for hierarchy in $(hierarchies); do
    [[ ! -d $hierarchy/$group ]] || wait_for 10 remove_cgroup "$hierarchy/$group" ||
      fail "cannot remove $hierarchy/$group: processes $(find "$hierarchy/$group" -name cgroup.procs -exec cat {} + | xargs)"
  done
  rm -rf "$state" "$run"
  rmdir --ignore-fail-on-non-empty "$states" "$runs" 2>/dev/null || true
}

# remove NODE: one that was added, so that it can be added again as it was at first
remove() {
  [[ ${1:-} == pressure || ${1:-} == cgroup2 ]] || fail "remove pressure or remove cgroup2"
  [[ -e $state/nodes/$1 ]] || fail "there is no node $1 in the cluster $name"
  local node=$1 other n pid hierarchy
  n=$(node_number "$node")
  # Nobody is left to confirm that the pods have ended.
  kubectl delete node "$node" --ignore-not-found >/dev/null
  kubectl delete pod -A --field-selector "spec.nodeName=$node" --force --grace-period=0 >/dev/null 2>&1 || true
  if pid=$(node_init "$node"); then
    kill -KILL "$pid"
    wait_for 20 test ! -e "/proc/$pid" || fail "process $pid does not end"
  fi
  rm -f "$state/nodes/$node" "$state/addons/$node"
  ip netns del "$name.$node" 2>/dev/null || true
  for other in $(node_names); do ip -n "$name.$other" route del "10.244.$n.0/24" 2>/dev/null || true; done
  for hierarchy in $(hierarchies); do
    [[ ! -d $hierarchy/$group/$node ]] || wait_for 10 remove_cgroup "$hierarchy/$group/$node" || fail "cannot remove $hierarchy/$group/$node"
  done
  rm -rf "${state:?}/$node" "${run:?}/$node" "$state/$node.conf" "$state/$node.labels" "$state/pki/$node."* "$state/log/$node-"*
}

# A group can be removed once its last process is gone to its end.
remove_cgroup() { find "$1" -depth -type d -exec rmdir {} + 2>/dev/null; [[ ! -e $1 ]]; }

add() {
  (($#)) || fail "add NAME...: vpa, monitoring, custom-metrics, storage, gateway, redis, pressure, cgroup2"
  is_up || fail "there is no cluster $name: cluster up"
  trap report_failure EXIT
  trap 'exit 130' INT TERM
  local addon since
  for addon in "$@"; do
    case $addon in vpa | monitoring | custom-metrics | storage | gateway | redis | pressure | cgroup2) ;;
      *) fail "there is no add-on $addon; there are: vpa monitoring custom-metrics storage gateway redis pressure cgroup2" ;;
    esac
    if [[ -e $state/addons/$addon ]]; then say "$addon is there"; continue; fi
    since=$SECONDS
    # What is left of an attempt that failed.
    [[ ! -e $state/nodes/$addon ]] || remove "$addon"
    step "the add-on $addon"
    "addon_${addon//-/_}"
    mkdir -p "$state/addons"
    touch "$state/addons/$addon"
    say "$addon is there after $((SECONDS - since)) s"
  done
  step ''
}
