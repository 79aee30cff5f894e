# What README.md says, done and looked at.
load ../../checks/recipe

memory_is_taken() {
  kubectl -n "$namespace" exec deploy/testero -- /testero http POST /GetCurrentStatus | grep -E '^jobs +2 +160\.0 MiB'
}

@test "started as Kubernetes' resource-consumer, it takes its requests, and an autoscaler sees what they consume" {
  recipe resource-consumer
  needs metrics
  means "the autoscaler gets no figures: metrics-server does not see the pods, or the metric cannot be had"
  step apply

  means "a request is not answered as resource-consumer answers it: whoever reads its answers is misled"
  step consume
  claim "CPU is answered in the original's words" answers $'ConsumeCPU\n50 millicores\n120 durationSec'
  claim "memory as well" answers $'ConsumeMem\n100 megabytes\n120 durationSec'
  claim "and a second request" answers $'ConsumeMem\n60 megabytes\n120 durationSec'
  claim "and a metric" answers $'BumpMetric\nQPS metric\n10 delta\n120 durationSec'

  means "the requests are answered, but nothing runs: see the log of the pod"
  within 60 "the memory is taken" memory_is_taken
  step look
  claim "two requests for memory run, and hold it in full" shows '^jobs +2 +160\.0 MiB'
  claim "the CPU is being used" shows '^cpu jobs +1: 50m wanted'
  claim "the metric is there" shows '^QPS 10$'

  means "testero sees no memory limit: the container's cgroup has none, or it cannot be read"
  refused refused
  claim "it is refused with what would fit" shows '422 .*at most [0-9]+ megabytes more would be accepted now'

  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  step up
  means "what was asked for 120 s is still held, or the autoscaler does not shrink"
  step down
  claim "an event says why it grew" shows '^SuccessfulRescale +New size: 3; reason: memory resource above target'
  claim "and why it shrank" shows '^SuccessfulRescale +New size: 1; reason: All metrics below target'
  expect 5 "nothing was killed meanwhile" pod '{.items[0].status.containerStatuses[0].restartCount}' -eq 0
  clean_up
}

# Whether the last block printed these lines, one after the other.
answers() { # LINES
  printf '%s\n' "$output"
  [[ $output == *"$1"$'\n'* ]]
}
