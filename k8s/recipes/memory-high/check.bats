# What README.md says, done and looked at.
load ../../checks/recipe

@test "above memory.high a container is made to wait, and only its limit kills it" {
  recipe memory-high
  step apply
  step limits
  local high before
  high=$(sed -n 's/^testero_container_memory_high_bytes //p' <<<"$output")
  [[ -n $high ]] || skip "memory.high is not set: the kubelet's MemoryQoS is off (as by default before Kubernetes 1.37), or the node has cgroup v1"
  ((high < 503316480)) || skip "memory.high is $high, and 480Mi are below it: the kubelet's memoryThrottlingFactor is not 0.9"
  means "testero does not count memory.high as its limit"
  claim "the log says that memory.high bounds the memory" logged 'Memory is bounded by memory\.high'
  step below
  before=$(waited)
  means "memory.high does not slow down who allocates above it"
  step above
  claim "480Mi are held, above memory.high" shows '^memory: 480\.0 MiB held'
  claim "the container's tasks have waited for memory" waited_more "$before"
  expect 5 "nobody is killed for it" pod '{.items[0].status.containerStatuses[0].restartCount}' -eq 0

  means "the limit is not enforced: memory.max of the container is max"
  refused kill
  step look
  claim "the container was killed at its limit, or ended by the liveness probe that came too late an answer" \
    shows '"reason":"(OOMKilled|Completed|Error)"'
  clean_up
}

logged() { # PATTERN
  kubectl -n "$namespace" logs deploy/testero | grep -E -m 1 -- "$1"
}

# Milliseconds that some tasks waited for memory, from the last block's output.
waited() {
  local seconds
  seconds=$(sed -n 's/^testero_pressure_seconds_total{resource="memory",tasks="some"[^}]*} //p' <<<"$output" | tail -n 1)
  printf '%.0f' "${seconds:-0}e3"
}

waited_more() { # MILLISECONDS
  local now
  now=$(waited)
  printf 'from %s to %s ms\n' "$1" "$now"
  ((now >= $1 + 100))
}
