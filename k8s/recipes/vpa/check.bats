# What README.md says, done and looked at.
load ../../checks/recipe

# What the process used since the load began, on average.
millicores() {
  kubectl -n "$namespace" exec deploy/testero -- /testero http /metrics |
    awk -v seconds=$((SECONDS - began)) '$1 == "process_cpu_seconds_total" { print int($2 * 1000 / seconds) }'
}

@test "the VerticalPodAutoscaler recommends what a container really used and 15 % more, and changes nothing" {
  recipe vpa
  needs metrics
  needs api autoscaling.k8s.io/v1 "the VerticalPodAutoscaler"
  step apply
  step use
  local began=$SECONDS
  local pod='{.items[0]'
  local is='{.status.recommendation.containerRecommendations[?(@.containerName=="testero")]'
  means "the VerticalPodAutoscaler's recommender does not run, or it cannot read metrics: its objects are known, and \
nobody acts on them"
  expect 180 "a recommendation is given" vpa/testero '{.status.conditions[?(@.type=="RecommendationProvided")].status}' = True
  step recommended
  means "the recommender does not see what the pod holds, or runs with another percentile, margin or floor than by default"
  # 350 to 400 million bytes, however they are written: the end of a bucket of 5 %, and 15 % more.
  expect 240 "the target for memory is that of 300 MiB" vpa/testero "$is.target.memory}" =~ \
    '^(3[5-9][0-9]{7}|3[5-9][0-9]{4}k|3[4-7][0-9]Mi)$'
  if (($(millicores) > 270)); then
    means "the recommender does not see what the pod uses, or runs with another percentile or margin than by default"
    expect 120 "the target for CPU is that of 300m" vpa/testero "$is.target.cpu}" =~ '^3[0-6][0-9]m$'
  else
    seen "not looked at: the target for CPU, because the node is busy and gives less than 300m" "$(millicores)m"
  fi
  step look
  means "maxAllowed is not heeded: a short history leads to bounds of a hundred times what was used"
  expect 5 "the upper bound for memory is maxAllowed" vpa/testero "$is.upperBound.memory}" = 512Mi
  expect 5 "that for CPU is maxAllowed" vpa/testero "$is.upperBound.cpu}" = 1
  means "something else than this recommender changes pods: see who patched them in .metadata.managedFields"
  expect 5 "the pod's request for CPU is what it was" pod "$pod.spec.containers[0].resources.requests.cpu}" = 100m
  expect 5 "that for memory as well" pod "$pod.spec.containers[0].resources.requests.memory}" = 64Mi
  expect 5 "it was not restarted" pod "$pod.status.containerStatuses[0].restartCount}" -eq 0
  clean_up
}
