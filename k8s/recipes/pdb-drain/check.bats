# What README.md says, done and looked at.
load ../../checks/recipe

@test "a disruption budget refuses the second eviction, and a drain waits for replacements" {
  recipe pdb-drain
  means "nothing counts the healthy pods: there is no disruption budget, or its controller does not run"
  step apply
  expect 30 "three pods are healthy" pdb/testero '{.status.currentHealthy}' -eq 3
  expect 30 "one of them may go" pdb/testero '{.status.disruptionsAllowed}' -eq 1

  means "the budget is accepted by the API and heeded by nobody: evictions are granted past it"
  refused evict
  claim "the first eviction is granted" shows '"status":"Success"'
  claim "the second is refused" shows 'TooManyRequests.*Cannot evict pod as it would violate'
  step unready
  refused healthy
  claim "a healthy pod may not go while another is unready" shows 'TooManyRequests'
  step unhealthy
  claim "the unready one may: it is no loss" shows '"status":"Success"'

  if [[ -n ${TESTERO_CLUSTER_WIDE:-} ]]; then
    means "the drain does not heed the budget, or no other node takes the pods"
    will_cordon "$(kubectl -n "$namespace" get pod "${pods[1]}" -o jsonpath='{.spec.nodeName}')"
    step drain
    claim "the node is drained" shows '^node/.* drained'
    expect 60 "all three are healthy again" pdb/testero '{.status.currentHealthy}' -eq 3
  fi
  clean_up
}
