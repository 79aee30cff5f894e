# What README.md says up to the pod that no node has room for, done and looked at. The rest needs a cloud.
load ../../checks/recipe

@test "a pod whose request fits on no node is Pending, and says what is insufficient, which is what an autoscaler looks for" {
  needs cluster-wide "the room on every node, and an autoscaler adds one"
  [[ -z ${TESTERO_NODE:-} ]] || skip "--node puts all pods on one node, and no autoscaler can add that one"
  recipe cluster-autoscaler
  step apply
  means "requests are not what the scheduler counts: see kubectl describe node"
  refused pending
  claim "not all pods are scheduled" shows 'timed out waiting for the condition on pods/'
  within 15 "one of them says that CPU is insufficient" insufficient_cpu
  step look
  claim "it is on no node" shows '^Pending +<none> +Unschedulable$'
  within 10 "an event says so, which an autoscaler's follows" event FailedScheduling 'nodes are available: .*Insufficient cpu'
  step release
  clean_up
}
