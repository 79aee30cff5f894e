# What README.md says, done and looked at.
load ../../checks/recipe

# Skips where the load does not get the CPU that it wants: the autoscaler sees what is used.
gets() { # MILLICORES
  local wanted=$1 used
  sleep 5
  used=$(kubectl -n "$namespace" exec "$pod" -- /testero http GET /metrics | sed -n 's/^testero_cpu_achieved_cores //p')
  awk -v used="$used" -v wanted="$wanted" 'BEGIN { exit !(1000 * used < 0.9 * wanted) }' || return 0
  skip "the node is busy: of the ${wanted}m that the load wants it gets $used cores"
}

# What the last block shows under TARGETS, in per cent of what is requested.
average() { sed -n 's/^testero .* cpu: \([0-9]*\)%.*/\1/p' <<<"$output"; }

@test "an autoscaler adds replicas for the CPU that one pod uses, up to its bound, and takes them away when it is idle" {
  recipe hpa-cpu
  needs metrics
  means "the autoscaler gets no figures: metrics-server does not see the pods, or the pods request no CPU, of which it could tell \
the share"
  step apply
  means "the autoscaler does not do what its figures say: see the events of hpa/testero"
  step load
  gets 54
  step three
  step average
  claim "the average of three is near the target: $(average) %" compare "$(average)" -ge 15
  claim "the average of three is near the target: $(average) %" compare "$(average)" -le 22
  stays 30 "three replicas stay" field hpa/testero '{.status.desiredReplicas}' -eq 3
  step more
  gets 95
  step four
  step bound
  within 60 "more than four are wished for" field hpa/testero '{.status.conditions[?(@.type=="ScalingLimited")].reason}' = TooManyReplicas
  step stop
  within 10 "an event says why" event SuccessfulRescale 'New size: 1; reason: All metrics below target'
  claim "one says why it grew" event SuccessfulRescale \
    'New size: 4; reason: cpu resource utilization \(percentage of request\) above target'
  clean_up
}
