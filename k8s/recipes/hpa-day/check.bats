# What README.md says, done and looked at.
load ../../checks/recipe

# What all pods together use, by the service's own figures.
millicores() {
  local pod sum=0 used
  for pod in $(kubectl -n "$namespace" get pod -l app.kubernetes.io/name=testero -o jsonpath='{.items[*].metadata.name}'); do
    used=$(kubectl -n "$namespace" exec "$pod" -- /testero http /metrics | sed -n 's/^testero_scenario_held{track="cpu"} //p')
    # One that has just come has no part yet.
    used=${used%.*}
    sum=$((sum + ${used:-0}))
  done
  echo "$sum"
}

@test "an autoscaler follows a day's traffic, up in the morning and down in the evening, and the traffic is divided by its pods" {
  recipe hpa-day
  needs metrics
  means "the autoscaler gets no figures: metrics-server does not see the pods"
  step apply
  step day
  claim "the day is drawn" shows '^cpu +240m at most, after 10 h 30 m'
  step begin
  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  step morning
  local used
  used=$(millicores)
  ((used > 170)) || skip "the node is busy: of some 230m that the pods want they get ${used}m"
  means "each pod plays the whole day: the traffic is not divided"
  claim "all pods together use what one would" compare "$used" -le 260
  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  expect 30 "four to six pods at half past ten" hpa/testero '{.status.desiredReplicas}' =~ '^[456]$'
  step evening
  claim "the day came to its end" shows 'over'
  claim "it grew in steps" event SuccessfulRescale 'New size: [3456]; reason: cpu resource utilization'
  claim "it shrank to one" event SuccessfulRescale 'New size: 1; reason: All metrics below target'
  clean_up
}
