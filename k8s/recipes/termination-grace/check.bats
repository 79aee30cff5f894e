# What README.md says, done and looked at.
load ../../checks/recipe

# The container before of a pod ended as it should, so many seconds after it had got SIGTERM.
ended() { # POD EXIT-CODE FEWEST-SECONDS MOST-SECONDS
  local path='{.status.containerStatuses[0].lastState.terminated' finished received took
  finished=$(kubectl -n "$namespace" get pod "$1" -o jsonpath="$path.finishedAt}" | cut -c 12-19)
  received=$(kubectl -n "$namespace" logs "$1" --previous | sed -n 's/^[0-9/]* \([0-9:]*\) Signal received.*/\1/p')
  took=$((($(seconds_of "$finished") - $(seconds_of "$received") + 86400) % 86400))
  echo "SIGTERM at $received, the end at $finished: $took s"
  ((took >= $3 && took <= $4)) && field "pod/$1" "$path.exitCode}" -eq "$2"
}

@test "SIGTERM, then SIGKILL when the grace period is over: who obeys in time exits with 0, who does not with 137" {
  recipe termination-grace
  # The times in status and log are whole seconds.
  local late=$((1 + slowness)) began
  step apply
  step faults
  means "the liveness probe fails and nobody ends the container: see the events of the pods"
  step kill
  step look

  means "the container got no SIGTERM, which may have gone to a shell, or less time than terminationGracePeriodSeconds"
  claim "who obeys ends after SHUTDOWNDELAY, with 0" ended "${pods[0]}" 0 5 $((5 + late))
  claim "the log says so" shows 'Unready, and serving for 5 s more'
  claim "who obeys late ends within the grace period, with 0" ended "${pods[1]}" 0 15 $((15 + late))
  means "terminationGracePeriodSeconds of the pod is not what the kubelet gives"
  claim "who ignores SIGTERM is killed when 20 s are over" ended "${pods[2]}" 137 19 $((20 + late))
  claim "the reason is no lack of memory" shows '^exit code 137, Error, [0-9]+ s after SIGTERM$'

  means "files outlive a container that had the time to remove them, or a volume does not outlive its container"
  step files
  claim "who was killed had no time to remove its files" shows 'Removed /data/.*, which a testero that was killed had left behind'
  claim "who obeyed had" refute grep -q Removed <(kubectl -n "$namespace" logs "${pods[0]}")
  within 10 "an event says who ended it" event Killing 'testero failed liveness probe, will be restarted'

  means "a deleted pod does not get its grace period"
  step delete-obeyed
  claim "the pod that obeyed has succeeded" shows '^Succeeded, exit code 0$'
  began=$SECONDS
  step delete-late
  claim "the pod that did not has failed" shows '^Failed, exit code 137$'
  claim "it had 20 s" test $((SECONDS - began)) -ge 19
  clean_up
}
