# shellcheck shell=bash disable=SC2034,SC2154 # what the checks use, what recipe.bash sets
# What the checks that fill a node up have in common. They load this file after recipe.bash, and their READMEs set $NODE.
#
#   calm                         wait until the kubelet calls nothing scarce, and remember the node's events
#   reach SIGNAL MOST MARGIN UNIT   how much to take until the kubelet calls it scarce, and MARGIN more, in $take; or the check
#                                is skipped, with the figures: no threshold, too far away (more than MOST), or too low
#   in_reach …                   the same, but fails with the reason in $why
#   ended_by_kubelet             the pod $pod was ended by an eviction
#   node_event REASON PATTERN    whether the node has a new event
#   transition                   how many seconds the kubelet keeps a condition after its cause

# Of the kubelet's configuration, all on one line.
configz() { kubectl get --raw "/api/v1/nodes/$NODE/proxy/configz"; }

# A number of the node itself, not of what runs on it, in the summary: figure OBJECT FIELD, such as fs inodesFree.
figure() {
  grep -o "\"$1\":{[^}]*}" <<<"$summary" | head -n 1 | grep -o "\"$2\":[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

# A threshold of evictionHard as a number; nothing where there is none, or where it is turned off.
threshold() { # SIGNAL TOTAL
  local value
  value=$(configz | grep -o '"evictionHard":{[^}]*}' | grep -o "\"$1\":\"[^\"]*\"" | sed 's/.*:"//; s/"$//')
  case $value in
    '' | 0% | 100%) ;;
    *%) value=${value%\%}; echo $(($2 * ${value%.*} / 100)) ;;
    *) quantity "$value" ;;
  esac
}

reach() { in_reach "$@" || skip "$why"; }

in_reach() { # SIGNAL MOST MARGIN UNIT
  local summary free total threshold images figures
  waiting "how far $NODE is from its threshold"
  summary=$(kubectl get --raw "/api/v1/nodes/$NODE/proxy/stats/summary" | tr -d ' \t\n' | sed 's/"systemContainers":\[[^]]*\]//')
  why="the kubelet of $NODE does not say how much is free: stats/summary has no figure for $1"
  case $1 in
    memory.available)
      free=$(figure memory availableBytes)
      total=$((free + $(figure memory workingSetBytes))) ;;
    nodefs.available) free=$(figure fs availableBytes) total=$(figure fs capacityBytes) ;;
    nodefs.inodesFree) free=$(figure fs inodesFree) total=$(figure fs inodes) ;;
    pid.available)
      total=$(figure rlimit maxpid)
      free=$((total - $(figure rlimit curproc))) ;;
  esac
  [[ -n ${free:-} && -n ${total:-} ]] || return 1
  threshold=$(threshold "$1" "$total")
  # Where images are on the same file system, the higher of the two thresholds comes first.
  if [[ $1 == nodefs.* && $total == "$(figure imageFs "$([[ $1 == *.inodesFree ]] && echo inodes || echo capacityBytes)")" ]]; then
    images=$(threshold "imagefs.${1#nodefs.}" "$total")
    ((${images:-0} <= ${threshold:-0})) || threshold=$images
  fi
  why="a threshold is missing: the kubelet of $NODE has no evictionHard $1"
  [[ -n $threshold ]] || return 1
  figures="$free $4 are free on $NODE, and $1 is $threshold"
  why="the node is short of it already: $figures"
  ((free > threshold)) || return 1
  why="the threshold is too far away: $figures, at most $2 are taken. The README says how to move it"
  ((free - threshold <= $2)) || return 1
  why="the threshold is too low: $figures, and $3 $4 less must still be enough for the node. The README says how to move it"
  ((threshold > 2 * $3)) || return 1
  take=$((free - threshold + $3))
  seen "what is free, and the kubelet's threshold" "$figures"
}

calm() {
  local limit=$(($(transition) + 60)) condition
  for condition in MemoryPressure DiskPressure PIDPressure; do
    waiting "$NODE has no $condition"
    kubectl wait "node/$NODE" --for="condition=$condition=False" --timeout="${limit}s" >/dev/null 2>&1 ||
      skip "node $NODE has $condition before anything is taken, or does not answer"
  done
  known_events=$(node_events)
}

# sed, because h, m and s may each be missing, as in "5m0s".
transition() {
  local value
  value=$(configz | grep -o '"evictionPressureTransitionPeriod":"[^"]*"' | sed 's/.*:"//; s/"$//')
  echo $(($(sed 's/\([0-9]*\)h/\1*3600+/; s/\([0-9]*\)m/\1*60+/; s/\([0-9]*\)\(\.[0-9]*\)\{0,1\}s/\1+/; s/$/0/' <<<"${value:-5m}")))
}

node_events() {
  kubectl -n default get events --field-selector "involvedObject.kind=Node,involvedObject.name=$NODE" \
    -o jsonpath='{range .items[*]}{.metadata.name}/{.metadata.resourceVersion} {.reason} {.message}{"\n"}{end}'
}

# Events of earlier runs are there for an hour, and count up when they come again: with another version.
node_event() { # REASON PATTERN
  local new
  new=$(node_events | grep -vxF -- "${known_events:-none}")
  grep -E -m 1 -- "^[^ ]+ $1 .*$2" <<<"$new" || { printf '%s\n' "${new:-no new event of the node}"; return 1; }
}

# How $pod, which was evicted, ended.
ended_by_kubelet() {
  expect 10 "it was killed: an eviction gives one second" "pod $pod" '{.status.containerStatuses[0].state.terminated.exitCode}' -eq 137
  expect 10 "its condition says who ended it" "pod $pod" '{.status.conditions[?(@.type=="DisruptionTarget")].reason}' = TerminationByKubelet
}

# Whether just one pod was evicted while it ran. Those that came too early and were rejected have another message.
one_evicted() { # RESOURCE
  local messages
  messages=$(kubectl -n "$namespace" get pod -o jsonpath='{range .items[*]}{.metadata.name}: {.status.message}{"\n"}{end}')
  printf '%s\n' "$messages"
  (($(grep -c "The node was low on resource: $1" <<<"$messages") == 1))
}

# Whether a pod that has nothing to do with it goes on as it was.
left_alone() { # NAME
  local is
  is=$(kubectl -n "$namespace" get pod -l "app.kubernetes.io/name=$1" \
    -o jsonpath='{range .items[*]}{.metadata.name} {.status.phase} {.status.containerStatuses[0].restartCount} {.status.message}{"\n"}{end}')
  printf '%s\n' "$is"
  [[ $is =~ ^[^\ ]+\ Running\ 0\ *$ ]]
}

# When the kubelet last measured a pod's volumes.
measured_at() { # POD
  kubectl get --raw "/api/v1/nodes/$NODE/proxy/stats/summary" | tr -d ' \t\n' | sed -n "s/.*\"podRef\":{\"name\":\"$1\"//p" |
    grep -o '"volume":\[{"time":"[^"]*"' | head -n 1 | sed 's/.*:"//'
}
measured_after() { # POD TIME
  local now
  now=$(measured_at "$1")
  printf '%s\n' "$now"
  [[ -n $now && $now != "$2" ]]
}
