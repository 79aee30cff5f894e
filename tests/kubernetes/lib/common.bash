# shellcheck shell=bash
# Names, messages, the lock, and processes in a node.

name=${CLUSTER_NAME:-testero}
# The node's name follows after a dot, which is why no dot may be in it.
[[ $name =~ ^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$ ]] ||
  { echo "cluster: CLUSTER_NAME must be 1 to 20 of a-z, 0-9 and -, not '$name'" >&2; exit 2; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/testero-cluster
states=/var/lib/testero-cluster
state=$states/$name
runs=/run/testero-cluster
run=$runs/$name
group=testero-cluster-$name
api=10.240.0.1

say() { echo "cluster: $*"; }
fail() { echo "cluster: $*" >&2; exit 1; }

# One at a time changes this cluster. The lock is the cache's, which stays when all else is removed. File descriptor 9 is
# closed in all that outlives the command.
lock() {
  ((EUID == 0)) || fail "needs root: namespaces, mounts and cgroups"
  mkdir -p "$cache"
  exec 9>>"$cache/$name.lock"
  flock -n 9 || { say "another command changes the cluster $name, waiting for it" >&2; flock 9; }
}

# step TEXT [LOG]: what is being done, and the log to look into if it fails
part='' part_log=''
step() { part=$1 part_log=${2:-}; }

# Told at the exit of a command that failed: which part, and the end of its log.
report_failure() {
  local status=$?
  ((status)) || return 0
  [[ -n $part ]] || return "$status"
  if ((status == 130)); then echo "cluster: interrupted: $part" >&2; else echo "cluster: failed (exit status $status): $part" >&2; fi
  if [[ -n $part_log && -s $state/log/$part_log.log ]]; then
    echo "cluster: the end of $state/log/$part_log.log:" >&2
    tail -n 15 "$state/log/$part_log.log" | cut -c 1-300 >&2
  fi
  echo "cluster: what there is of the cluster is left to be looked at; cluster down removes it" >&2
  return "$status"
}

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

node_names() { local file; for file in "$state"/nodes/*; do [[ -e $file ]] && basename "$file"; done; true; }
node_number() { cat "$state/nodes/$1"; }
netns() { local node=$1; shift; nsenter --net="/run/netns/$name.$node" -- "$@"; }
inside() { [[ -e /run/netns/$name.node-1 ]] || fail "there is no cluster $name: cluster up"; netns node-1 "$@"; }
kubectl() { inside "$(program kubectl)" --kubeconfig="$state/admin.conf" "$@"; }

# The time at which a process started, in ticks since boot: with it, a process id is still the same process. The program's
# name in parentheses may have spaces.
start_time() { local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; stat=${stat##*) }; cut -d ' ' -f 20 <<<"$stat"; }

# The process id, seen from here, of the first process of the node's namespaces. Fails if it is gone.
node_init() {
  local pid ticks
  read -r pid ticks 2>/dev/null <"$run/$1/init" || return 1
  [[ $(start_time "$pid") == "$ticks" ]] || return 1
  echo "$pid"
}

# on NODE COMMAND...: in the node's namespaces
on() {
  local init
  init=$(node_init "$1") || fail "there is no node $1 running in the cluster $name"
  shift
  nsenter --target "$init" --mount --pid --uts --net -- "$@"
}

# start NODE NAME COMMAND...: in the node's namespaces, logged. The process id that is kept is the node's own.
start() {
  local node=$1 process=$2 init
  init=$(node_init "$node") || fail "there is no node $node running in the cluster $name"
  shift 2
  rm -f "$run/$node/$process.pid"
  # shellcheck disable=SC2016 # the inner shell's own variables
  setsid nsenter --target "$init" --mount --pid --uts --net -- \
    bash -c 'echo $$ >"$0"; exec "$@"' "$run/$node/$process.pid" "$@" >>"$state/log/$process.log" 2>&1 </dev/null 9>&- &
  wait_for 10 test -s "$run/$node/$process.pid" || fail "cannot start $process on $node"
}

# stop NODE NAME: what `start` started
stop() {
  local node=$1 pid
  pid=$(cat "$run/$node/$2.pid" 2>/dev/null) || return 0
  # Its id is of the node's own process namespace, in which nothing else of this machine can be hit.
  # shellcheck disable=SC2016
  on "$node" bash -c 'kill "$1" 2>/dev/null || exit 0
    for _ in $(seq 100); do kill -0 "$1" 2>/dev/null || exit 0; sleep 0.1; done
    kill -9 "$1"' - "$pid"
  rm -f "$run/$node/$2.pid"
}

# started NODE NAME: whether it runs
started() {
  local pid
  pid=$(cat "$run/$1/$2.pid" 2>/dev/null) && on "$1" kill -0 "$pid" 2>/dev/null
}

node_shell() { # NODE COMMAND
  (($# >= 2)) || fail "sh NODE COMMAND"
  local node=$1
  shift
  if [[ $node == cgroup2 ]]; then machine_shell "$@"; else on "$node" sh -c "$*"; fi
}

logs() {
  if (($# == 0)); then
    for file in "$state"/log/*.log; do [[ -e $file ]] && basename "$file" .log; done
    return 0
  fi
  [[ -e $state/log/$1.log ]] || fail "no log of $1; cluster logs lists them"
  tail -n "${2:-50}" "$state/log/$1.log"
}
