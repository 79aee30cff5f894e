# What README.md says, done and looked at.
load ../../checks/recipe

# Whether the average that the autoscaler sees is between so many MiB. It comes in bytes, as 165068Ki or as 56466090666m.
averages() { # FROM TO
  local value
  value=$(kubectl -n "$namespace" get hpa testero -o jsonpath='{.status.currentMetrics[0].resource.current.averageValue}')
  echo "$value"
  value=$(quantity "$value")
  ((value >= $1 << 20 && value <= $2 << 20))
}

@test "an autoscaler adds replicas for the memory that one pod holds, and takes them away when it is given back" {
  recipe hpa-memory
  needs metrics
  step apply
  means "the autoscaler gets no figures: metrics-server does not see the pods, or the metric cannot be had"
  expect 120 "the autoscaler has figures" hpa/testero '{.status.conditions[?(@.type=="ScalingActive")].status}' = True
  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  step hold
  within 10 "an event says why" event SuccessfulRescale 'New size: [23]; reason: memory resource above target'
  # All three have a sample by then, and 161 MiB of a sample that knows only one of them are over.
  within 60 "they hold 50 to 58 MiB on average" averages 50 58
  step average
  stays 60 "three replicas stay: that is within the target" field hpa/testero '{.status.desiredReplicas}' -eq 3
  step more
  within 60 "more than five are wished for" field hpa/testero '{.status.conditions[?(@.type=="ScalingLimited")].reason}' = TooManyReplicas
  local since=$SECONDS
  step release
  claim "it waited for the window of 60 s" test $((SECONDS - since)) -ge 45
  within 10 "an event says why" event SuccessfulRescale 'New size: 1; reason: All metrics below target'
  clean_up
}
