# What README.md says, done and looked at.
load ../../checks/recipe

@test "an autoscaler follows a metric of a pod's own, from the pod by way of Prometheus and custom.metrics.k8s.io" {
  recipe hpa-custom-metric
  needs api monitoring.coreos.com/v1 "the Prometheus operator"
  needs api custom.metrics.k8s.io/v1beta1 "prometheus-adapter"
  step apply
  means "a link of the chain is missing: Prometheus does not scrape the pod (its labels, the NetworkPolicy), or the adapter has \
another rule than prometheus-adapter-values.yaml; the events of hpa/testero and Prometheus' targets tell"
  expect 240 "the autoscaler has figures" hpa/testero '{.status.conditions[?(@.type=="ScalingActive")].status}' = True
  step metric
  claim "a pod that was never bumped counts as 0" shows '"metricName":"queue_length".*"value":"0m?"'
  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  step bump
  within 10 "an event says why" event SuccessfulRescale 'New size: 3; reason: pods metric queue_length above target'
  stays 30 "three replicas stay: 25 among three are within the target" \
    field hpa/testero '{.status.desiredReplicas}' -eq 3
  step more
  within 60 "more than five are wished for" field hpa/testero '{.status.conditions[?(@.type=="ScalingLimited")].reason}' = TooManyReplicas
  step release
  within 10 "an event says why" event SuccessfulRescale 'New size: 1; reason: All metrics below target'
  clean_up
}
