# What README.md says, done and looked at.
load ../../checks/recipe

@test "a spike asks for more pods than there is room for, which are Pending, and gone again when it is over" {
  needs cluster-wide "the room on every node, and an autoscaler adds one"
  [[ -z ${TESTERO_NODE:-} ]] || skip "--node puts all pods on one node, and no autoscaler can add that one"
  recipe autoscaler-spikes
  needs metrics
  means "the autoscaler gets no figures: metrics-server does not see the pods"
  step apply
  step hour
  claim "the spikes are played" shows '^scenario  playing '
  means "there is room for twelve pods on these nodes, or the autoscaler does not see the spikes: see the events of hpa/testero"
  within 240 "a pod says that CPU is insufficient" insufficient_cpu
  step spike
  claim "it is on no node" shows '^Pending +<none> +Unschedulable$'
  within 10 "an event says so, which an autoscaler's follows" event FailedScheduling 'nodes are available: .*Insufficient cpu'
  means "the autoscaler does not see that the spike is over: see the events of hpa/testero"
  step over
  within 10 "an event says why" event SuccessfulRescale 'New size: 1; reason: All metrics below target'
  clean_up
}
