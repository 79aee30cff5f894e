# What README.md says, done and looked at.
load ../../checks/recipe

# Whether so many pods are on the first and the second node, and so many on none.
spread() { # FIRST SECOND WITHOUT
  local now place
  now=$(per_node)
  printf '%s\n' "$now"
  for place in "${nodes[0]} $1" "${nodes[1]} $2" "<none> $3"; do
    (($(awk -v node="${place% *}" '$2 == node { pods = $1 } END { print pods + 0 }' <<<"$now") == ${place##* })) || return 1
  done
}

# Why no node takes the pod that is Pending.
unplaced() { # PATTERN
  local message
  message=$(kubectl -n "$namespace" get pods \
    -o jsonpath='{range .items[?(@.status.phase=="Pending")]}{.status.conditions[?(@.type=="PodScheduled")].message}{"\n"}{end}')
  grep -E -m 1 -- "$1" <<<"$message" || { printf '%s\n' "$message"; return 1; }
}

@test "replicas are spread over two nodes, and a drain does not end where the cordoned node still counts in the spread" {
  [[ -z ${TESTERO_NODE:-} ]] || skip "--node puts all pods on one node"
  needs nodes 2
  needs version 27
  recipe topology-spread
  means "the scheduler does not heed topologySpreadConstraints: it is not the default one, or the plugin PodTopologySpread is off"
  step nodes
  step apply
  step look
  claim "each node has two of four" spread 2 2 0
  refused domains
  within 10 "the third of the new pods would be out of balance" unplaced "didn't match pod topology spread constraints"
  step undo
  within 30 "each node has two of four again" spread 2 2 0

  if [[ -n ${TESTERO_CLUSTER_WIDE:-} ]]; then
    will_cordon "${nodes[1]}"
    means "the cordoned node does not count: the pods tolerate its taint, or the default of nodeTaintsPolicy is another"
    refused stuck
    claim "the budget refuses the second eviction" shows 'Cannot evict pod as it would violate'
    expect 10 "no disruption is allowed" pdb/testero '{.status.disruptionsAllowed}' -eq 0
    claim "the replacement is on no node" spread 2 1 1
    within 10 "it would be out of balance on the other" unplaced "didn't match pod topology spread constraints"
    step why
    within 10 "it goes to the node that is uncordoned" spread 2 2 0

    means "nodeTaintsPolicy is not heeded, which is on by default since Kubernetes 1.26"
    step honor
    claim "a rollout keeps the spread" spread 2 2 0
    step drain
    claim "the node is drained" shows "^node/${nodes[1]} drained"
    means "something moves pods that run, like a descheduler"
    stays 10 "nothing comes back by itself" spread 4 0 0
    means "new pods are not spread: see kubectl -n $namespace describe pod"
    step restart
    within 10 "a rollout spreads them again" spread 2 2 0
  fi
  clean_up
}
