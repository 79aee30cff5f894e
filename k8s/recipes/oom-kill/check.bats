# What README.md says, done and looked at.
load ../../checks/recipe

backed_off() { event BackOff 'Back-off restarting failed container testero'; }

@test "a container over its memory limit is OOM-killed and restarted, and the next process tells of what" {
  recipe oom-kill
  step apply
  local status='{.items[0].status.containerStatuses[0]' uid
  uid=$(kubectl -n "$namespace" get pod -o jsonpath='{.items[0].metadata.uid}')

  means "testero sees no memory limit: the container's cgroup has none, or it cannot be read"
  refused refused
  claim "1Gi is refused, and the answer says what would fit" shows 'over the limit of [0-9.]+ MiB \(memory\.(max|high|limit_in_bytes) of .* at the start'

  means "the limit is not enforced: memory.max of the container is max"
  refused kill
  step look
  expect 30 "the container was killed by the kernel" pod "$status.lastState.terminated.reason}" = OOMKilled
  expect 5 "its exit code is that of SIGKILL" pod "$status.lastState.terminated.exitCode}" -eq 137
  expect 5 "the container was restarted in the same pod" pod '{.items[0].metadata.uid}' = "$uid"
  expect 5 "the pod goes on running" pod '{.items[0].status.phase}' = Running
  claim "the next process says what the one before died of" shows '^died .*mem/set\?.*force=true'
  claim "it removed the files of the dead one" shows 'Removed /data/.*, which a testero that was killed had left behind'

  means "the kubelet restarts at once for ever: containers that crash are not held up"
  refused again
  step back-off
  # The second restart is held up for 10 s after the kill, the third for 20 s and the fourth for 40 s. A kubelet that is slow to
  # look finds the first of them over.
  local restarts
  for restarts in 3 4; do
    ! backed_off >/dev/null || break
    refused again
    expect 60 "the container was restarted again" pod "$status.restartCount}" -ge "$restarts"
    expect 30 "the pod is ready again" pod '{.items[0].status.conditions[?(@.type=="Ready")].status}' = True
  done
  claim "an event tells of the back-off" backed_off
  claim "no event tells of an OOM kill" refute event . OOM
  clean_up
}
