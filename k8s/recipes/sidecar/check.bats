# What README.md says, done and looked at.
load ../../checks/recipe

# When a container logged that its end was asked for, by the last block: seconds of the day.
asked_to_end() { # CONTAINER
  grep "^\[pod/[^/]*/$1\] .*Signal received: terminated" <<<"$output" |
    awk '{ split($3, time, ":"); print time[1] * 3600 + time[2] * 60 + time[3] }'
}

@test "a sidecar and its main container have a memory limit each, are killed one by one, and end one after the other" {
  recipe sidecar
  needs version 29
  local main='{.items[0].status.containerStatuses[0]' sidecar='{.items[0].status.initContainerStatuses[0]'
  step apply
  means "the two containers do not have the limits that the manifest gives them: see memory.max of each one's cgroup"
  claim "the main container's own limit is that of 512Mi" shows '^mem .* 4[0-9]{2}\.[0-9] MiB'
  claim "the sidecar's own limit is that of 64Mi" shows '^mem .* 5[0-9]\.[0-9] MiB'

  means "an OOM kill of one container reaches the other: they share a limit"
  refused main
  step main-restarted
  expect 5 "the main container was killed by the kernel" pod "$main.lastState.terminated.reason}" = OOMKilled
  expect 5 "its sidecar was not" pod "$sidecar.restartCount}" -eq 0
  refused sidecar
  step sidecar-restarted
  expect 5 "the sidecar was killed by the kernel" pod "$sidecar.lastState.terminated.reason}" = OOMKilled
  expect 5 "the main container was not" pod "$main.restartCount}" -eq 1
  claim "the main container still holds 300 MiB" shows '^mem +holding +300\.0 MiB'

  means "a sidecar ends before the container that it is for, which then does without it: this is no native sidecar"
  step end
  claim "the main container was asked to end" compare "$(asked_to_end testero)" -ge 0
  claim "the sidecar was asked to end" compare "$(asked_to_end sidecar)" -ge 0
  claim "the sidecar was asked when the main container had taken its 5 s" \
    compare "$((($(asked_to_end sidecar) - $(asked_to_end testero) + 86400) % 86400))" -ge 4
  clean_up
}
