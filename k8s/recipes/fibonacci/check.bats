# What README.md says, done and looked at.
load ../../checks/recipe

# What the steps told so far: how many there ever were, and "-" for each try without an answer.
told=''

remember() { told+=" $(grep -E '^[-0-9 ]+$' <<<"$output" | tr '\n' ' ')"; }

# Each step counted once. The one whose answer was lost may have been made all the same.
goes_on() {
  local hits last=0 most=1
  for hits in $told; do
    if [[ $hits == - ]]; then
      most=2
    else
      ((hits > last && hits <= last + most)) || { echo "$hits after $last: $told"; return 1; }
      last=$hits most=1
    fi
  done
  echo "$told"
  ((last > 0))
}

uid() { kubectl -n "$namespace" get "$1" -o jsonpath='{.metadata.uid}'; }

@test "a StatefulSet's pod is deleted, deleted by force and replaced, and the state on its volume loses nothing" {
  recipe fibonacci
  needs storage
  local volume before
  means "the claim gets no volume, or the pod may not write to it: see the events of pvc/data-fibonacci-0 and the pod's log"
  step apply
  expect 5 "the claim is bound" pvc/data-fibonacci-0 '{.status.phase}' = Bound
  step steps
  told=1
  remember
  claim "each answer is one step" goes_on
  volume=$(uid pvc/data-fibonacci-0)

  means "a step that was answered is lost or was made twice: the pod came back with another volume, the volume forgot what was \
synced, or two processes had it at once"
  before=$(uid pod/fibonacci-0)
  step delete
  expect 60 "the deleted pod is replaced by one of its name" pod/fibonacci-0 '{.metadata.uid}' != "$before"
  remember
  claim "no step is lost by a deletion" goes_on

  before=$(uid pod/fibonacci-0)
  step force
  expect 60 "so is one that was deleted by force" pod/fibonacci-0 '{.metadata.uid}' != "$before"
  remember
  claim "no step is lost by a forced deletion" goes_on

  before=$(uid pod/fibonacci-0)
  step rollout
  expect 60 "so is one whose template has changed" pod/fibonacci-0 '{.metadata.uid}' != "$before"
  expect 5 "it has the new limit" pod/fibonacci-0 '{.spec.containers[0].resources.limits.memory}' = 160Mi
  remember
  claim "no step is lost by a rollout" goes_on

  step look
  claim "the last process found the state on the volume" shows 'The sequence stands at position [0-9]+ after [1-9][0-9]* hits'
  expect 5 "the volume is the first one" pvc/data-fibonacci-0 '{.metadata.uid}' = "$volume"
  expect 5 "no container was restarted in its pod" pod/fibonacci-0 '{.status.containerStatuses[0].restartCount}' -eq 0
  clean_up
}
