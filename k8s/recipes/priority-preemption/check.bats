# What README.md says, done and looked at.
load ../../checks/recipe

@test "a pod of higher priority takes the place of one of lower, which gets its grace period and waits for a place again" {
  needs cluster-wide "the capacity of a node, and makes two PriorityClasses"
  recipe priority-preemption
  local low='pod -l app.kubernetes.io/instance=low' high='pod -l app.kubernetes.io/instance=high'
  step node
  NODE=${TESTERO_NODE:-$NODE}
  [[ -n $NODE ]] || skip "a node without taints is missing"
  will_add_capacity "$NODE" slot
  means "the kubelet does not take over what a node is said to have: see its log"
  step slot
  means "the low one does not get the place that is free: see kubectl -n $namespace describe pod"
  step apply
  sweep_class testero-priority-preemption-{low,high}

  means "the scheduler pre-empts nobody: the pods have no priorities, or the class says preemptionPolicy Never"
  step preempt
  claim "the victim had the time to end by itself" shows '^Succeeded, exit code 0$'
  claim "the scheduler ended it for another" shows '^PreemptionByScheduler: .*higher priority pod'
  expect 5 "the one of high priority is on the node" "$high" '{.items[0].spec.nodeName}' = "$NODE"
  step look
  claim "an event says who was pre-empted" shows '^Preempted +Preempted by pod .* on node '"$NODE"
  expect 10 "the low one waits for a place" "$low" \
    '{.items[0].status.conditions[?(@.type=="PodScheduled")].reason}' = Unschedulable

  means "a pod that waits for a place does not get it when it is free again"
  step return
  expect 10 "the low one has the place again" "$low" '{.items[0].spec.nodeName}' = "$NODE"
  clean_up
  expect 10 "the node's slot is gone" "node/$NODE" '{.status.capacity.testero\.example/slot}' = ''
  within 10 "the PriorityClasses are gone" absent priorityclass testero-priority-preemption-low testero-priority-preemption-high
}
