# What README.md says, done and looked at.
load ../../checks/recipe

@test "limits of a running pod change without a restart, and are not lowered below what is in use" {
  recipe in-place-resize
  needs version 33
  local container='{.items[0].status.containerStatuses[0]'
  step apply
  refused refused
  claim "700Mi do not fit into 512Mi" shows 'over the limit of 4[0-9]{2}\.[0-9] MiB '

  means "a resize does not reach the container, or restarts it: see the conditions of the pod, and its resizePolicy"
  step grow
  claim "700Mi fit into 1Gi" shows '^memory: 700\.0 MiB held'
  claim "the log says that the limit has changed" shows "(own memory limit|memory\\.high) has changed, it is [0-9]+ bytes now"
  expect 5 "the container was not restarted" pod "$container.restartCount}" -eq 0

  means "a CPU limit that was resized is not that of the container's cgroup: see its cpu.max"
  step cpu
  claim "the smaller quota was in force" shows '^quota +200m, capped by 200m'
  claim "the former one is again" shows '^quota +1000m'
  claim "the metrics say so" shows '^testero_container_cpu_quota_cores 1$'

  means "a memory limit was lowered below what is in use, which kills the container: the kubelet did not look first"
  step shrink
  claim "the kubelet did not lower the limit below what is in use" shows 'cannot decrease memory limits'
  expect 30 "nothing is left to be done" pod '{.items[0].status.conditions[?(@.type=="PodResizeInProgress")].type}' = ''

  means "the kubelet takes on what its node does not have"
  step infeasible
  claim "the node does not have 1000 CPUs" shows "Node didn't have enough capacity: cpu, requested: 1000000"
  expect 30 "nothing is pending any more" pod '{.items[0].status.conditions[?(@.type=="PodResizePending")].type}' = ''
  refused class
  claim "the QoS class is for life" shows 'Pod QOS Class may not change as a result of resizing'
  step look
  claim "the container was never restarted" shows '^restarted 0$'
  expect 5 "it is the first one" pod "$container.lastState.terminated.reason}" = ''
  expect 5 "the template is as it was" deploy/testero '{.spec.template.spec.containers[0].resources.limits.memory}' = 512Mi
  clean_up
}
