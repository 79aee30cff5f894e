# What README.md says, done and looked at.
load ../../checks/recipe

# Per cent of the periods between the two looks of the last block in which the container was throttled.
share() {
  awk '/^quota/ { match($0, /in [0-9]+ of [0-9]+/); split(substr($0, RSTART, RLENGTH), n, " ")
                  t = n[2] - t; p = n[4] - p }
       END { print p ? int(100 * t / p) : -1 }' <<<"$output"
}

# Millicores that the load got, at the last look.
achieved() { sed -n 's/^cpu .* \([0-9]*\)m achieved.*/\1/p' <<<"$output" | tail -n 1; }

@test "a container that wants more CPU than its limit is throttled in most periods, and nothing else tells of it" {
  recipe cpu-throttling
  step apply
  means "the container has no CPU limit, or testero cannot read it: see cpu.max in its cgroup"
  step below
  claim "testero sees the limit" shows '^quota +100m,'
  means "a load below the limit is throttled: something else in the container uses CPU, or its periods are shorter than 100 ms"
  claim "under half of the limit few periods are throttled: $(share) %" compare "$(share)" -lt 30

  step above
  local share got
  share=$(share) got=$(achieved)
  # A node that gives the load less than its limit does not throttle it.
  ((share > 50 || ${got:-999} >= 75)) || skip "the node is busy: of the 100m that the limit allows, the load got ${got}m"
  means "the limit is not enforced: cpuCFSQuota is off in the kubelet's configuration, or the kernel lacks CFS bandwidth control"
  claim "testero says by how much the limit is exceeded" shows '^quota +100m, capped by 1400m,'
  claim "the load gets no more than the limit: ${got}m" compare "$got" -lt 130
  claim "under fifteen times the limit most periods are throttled: $share %" compare "$share" -gt 50
  claim "the metrics say so, too" shows '^testero_container_cpu_throttled_periods_total [1-9]'
  means "throttling is taken for a failure: a probe's timeoutSeconds is too short for it"
  expect 5 "nothing was restarted" pod '{.items[0].status.containerStatuses[0].restartCount}' -eq 0
  claim "no liveness probe failed" refute event Unhealthy 'Liveness probe failed'
  clean_up
}
