# What README.md says, done and looked at.
load ../../checks/recipe

told() { kubectl -n "$namespace" exec deploy/testero -- /testero http GET /api/scenario; }
# Far above what the weekend needs, which is the floor of 25m; on a busy node the working hours get less than they want.
of_working_hours() {
  field vpa/testero '{.status.recommendation.containerRecommendations[?(@.containerName=="testero")].target.cpu}' =~ '^[2-4][0-9][0-9]m$'
}
# What the process used at most in a second, of two days.
gets_all() {
  local end=$((SECONDS + 100)) used
  until used=$(kubectl -n "$namespace" exec deploy/testero -- /testero http /metrics | sed -n 's/^testero_scenario_held{track="cpu"} //p') &&
    ((${used%.*} > 290)); do
    ((SECONDS < end)) || return 1
    sleep 2
  done
}

@test "a VerticalPodAutoscaler recommends for the working days, on the weekend as well, and for the week's highest memory" {
  recipe vpa-week
  needs metrics
  needs api autoscaling.k8s.io/v1 "the VerticalPodAutoscaler"
  local is='{.status.recommendation.containerRecommendations[?(@.containerName=="testero")]' memory
  means "the scenario is not played: see the log of deploy/testero"
  step apply
  claim "it is played" shows '^scenario  playing '
  gets_all || skip "the node is busy: a pod that wants 320m of CPU by day does not get them"
  means "the VerticalPodAutoscaler's recommender does not run, it cannot read metrics, or runs with another percentile than by default"
  within 300 "after some days the target for CPU is that of the working hours" of_working_hours
  step weekday
  step weekend
  claim "it is the weekend, or nearly: CPU is at rest" shows '^testero-[a-z0-9-]+ +[0-9]{1,2}m '
  claim "the target for CPU is still that of the working hours" of_working_hours
  means "the recommender does not see what the pod holds"
  memory=$(quantity "$(kubectl -n "$namespace" get vpa testero -o jsonpath="$is.target.memory}")")
  claim "that for memory is of the caches of Friday" compare "$memory" -ge 340000000
  clean_up
}
