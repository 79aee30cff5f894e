# What README.md says, done and looked at.
load ../../checks/recipe

@test "an autoscaler adds replicas for the memory that one pod holds, and takes them away when it is given back" {
  recipe hpa-memory
  needs metrics
  step apply
  means "the autoscaler gets no figures: metrics-server does not see the pods, or the metric cannot be had"
  expect 120 "the autoscaler has figures" hpa/testero '{.status.conditions[?(@.type=="ScalingActive")].status}' = True
  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  step hold
  within 10 "an event says why" event SuccessfulRescale 'New size: [23]; reason: memory resource above target'
  stays 20 "three replicas stay: 54 MiB on average are within the target" \
    field hpa/testero '{.status.desiredReplicas}' -eq 3
  step more
  claim "more than five are wished for" shows '^TooManyReplicas$'
  step release
  within 10 "an event says why" event SuccessfulRescale 'New size: 1; reason: All metrics below target'
  clean_up
}
