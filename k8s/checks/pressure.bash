# shellcheck shell=bash disable=SC2154 # what recipe.bash sets
# What the checks that fill a node up have in common. They load this file after recipe.bash, and their READMEs set $NODE.
#
#   calm                         wait until the kubelet calls nothing scarce, and remember the node's events
#   reach SIGNAL MOST UNIT       what is free less the kubelet's threshold, in $distance; or the check is skipped, with the
#                                figures: no threshold, too far away (more than MOST), or passed already
#   sweep_class NAME             a PriorityClass of the recipe, for k8s/verify to remove when the check is interrupted
#   node_event REASON PATTERN    whether the node has a new event
#   transition                   how many seconds the kubelet keeps a condition after its cause

# Of the kubelet's configuration, all on one line.
configz() { kubectl get --raw "/api/v1/nodes/$NODE/proxy/configz"; }

# A number of the node itself, not of what runs on it: figure OBJECT FIELD, such as fs inodesFree.
figure() {
  kubectl get --raw "/api/v1/nodes/$NODE/proxy/stats/summary" | tr -d ' \t\n' | sed 's/"systemContainers":\[[^]]*\]//' |
    grep -o "\"$1\":{[^}]*}" | head -n 1 | grep -o "\"$2\":[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

# A threshold of evictionHard as a number; nothing where there is none.
threshold() { # SIGNAL TOTAL
  local value
  value=$(configz | grep -o '"evictionHard":{[^}]*}' | grep -o "\"$1\":\"[^\"]*\"" | sed 's/.*:"//; s/"$//')
  case $value in
    '') ;;
    *%) value=${value%\%}; echo $(($2 * ${value%.*} / 100)) ;;
    *Ki) echo $((${value%Ki} << 10)) ;;
    *Mi) echo $((${value%Mi} << 20)) ;;
    *Gi) echo $((${value%Gi} << 30)) ;;
    *Ti) echo $((${value%Ti} << 40)) ;;
    *k) echo $((${value%k} * 1000)) ;;
    *M) echo $((${value%M} * 1000000)) ;;
    *G) echo $((${value%G} * 1000000000)) ;;
    *) echo $((value)) ;;
  esac
}

reach() { # SIGNAL MOST UNIT
  local free total threshold images
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
  [[ -n ${free:-} && -n ${total:-} ]] || skip "the kubelet of $NODE does not say how much is free: no figure for $1 in stats/summary"
  threshold=$(threshold "$1" "$total")
  # Where images are on the same file system, the higher of the two thresholds comes first.
  if [[ $1 == nodefs.* && $total == "$(figure imageFs "$([[ $1 == *.inodesFree ]] && echo inodes || echo capacityBytes)")" ]]; then
    images=$(threshold "imagefs.${1#nodefs.}" "$total")
    ((${images:-0} <= ${threshold:-0})) || threshold=$images
  fi
  [[ -n $threshold ]] || skip "a threshold is missing: the kubelet of $NODE has no evictionHard $1"
  distance=$((free - threshold))
  local figures="$free $3 are free on $NODE, $1 is $threshold"
  ((distance > 0)) || skip "the node is short of it already: $figures"
  ((distance <= $2)) || skip "the threshold is too far away: $figures, and at most $2 are taken; the README says how to move it"
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

# The first one for a key; sed, because h, m and s may each be missing in "5m0s".
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

sweep_class() {
  kubectl label priorityclass "$1" "$owner" testero-verify/run="${TESTERO_RUN:-by-hand}" >/dev/null
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
