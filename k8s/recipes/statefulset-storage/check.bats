# What README.md says, done and looked at.
load ../../checks/recipe

# Why nothing can be full here, if it cannot.
boundless() {
  local size limit
  size=$(kubectl -n "$namespace" get pvc/data-testero-0 -o jsonpath='{.status.capacity.storage}')
  limit=$(kubectl -n "$namespace" exec testero-0 -- /testero disk get --json | grep -oP '"limit":\K\d+')
  if ((limit >= $(quantity "$size"))); then
    echo "the size of a claim binds nobody: of $size, $((limit >> 20)) MiB can be filled, which others miss then; the rest holds"
  elif ((limit >= 1100 << 20)); then
    echo "a claim of 1Gi was given $size, in which 1100Mi fit; the rest holds"
  fi
}

volumes_gone() {
  local left
  left=$(kubectl get pv -o jsonpath="{.items[?(@.spec.claimRef.namespace==\"$namespace\")].metadata.name}")
  echo "${left:-none}"
  [[ -z $left ]]
}

@test "a full volume fails the write and not the pod, and claims outlive pods that are killed and scaled away" {
  recipe statefulset-storage
  needs storage
  local why volume before policy
  means "the claim gets no volume, or the pod may not write to it: see the events of pvc/data-testero-0 and the pod's log"
  step apply
  expect 5 "the claim is bound" pvc/data-testero-0 '{.status.phase}' = Bound
  volume=$(kubectl -n "$namespace" get pvc/data-testero-0 -o jsonpath='{.metadata.uid}')
  policy=$(kubectl get pv "$(kubectl -n "$namespace" get pvc/data-testero-0 -o jsonpath='{.spec.volumeName}')" \
    -o jsonpath='{.spec.persistentVolumeReclaimPolicy}')

  why=$(boundless)
  if [[ -z $why ]]; then
    means "the volume is not as large as its file system says"
    refused refused
    claim "more than the volume has is refused" shows 'is over the limit of [0-9.]+ [KMGT]iB '
    refused full
    claim "the write fails at the end of the volume" shows 'failed: writing /data/.*: No space left on device'
    means "a full volume takes the pod with it: see the pod's events and those of its node"
    stays 15 "the pod stays ready" field pod/testero-0 '{.status.conditions[?(@.type=="Ready")].status}' = True
    step look
    claim "the state is told" shows '^disk +failed +[0-9.]+ MiB .*No space left on device'
    claim "what was given back can be used again" shows '^disk: 200\.0 MiB held'
    expect 5 "nothing was restarted" pod/testero-0 '{.status.containerStatuses[0].restartCount}' -eq 0
  fi

  means "the pod came back with another volume, or was not killed"
  before=$(kubectl -n "$namespace" get pod/testero-0 -o jsonpath='{.metadata.uid}')
  step kill
  claim "the next pod finds and removes the files of the killed one" \
    shows 'Removed /data/.*, which a testero that was killed had left behind'
  expect 5 "it is another pod" pod/testero-0 '{.metadata.uid}' != "$before"
  expect 5 "it has the same claim" pvc/data-testero-0 '{.metadata.uid}' = "$volume"

  means "scaling a StatefulSet down took a claim with it, although it has whenScaled: Retain"
  step scale
  claim "the claim of the pod that was scaled away is there" shows '^data-testero-1 +Bound '
  clean_up
  if [[ $policy == Delete ]]; then
    means "volumes outlive their claims although their reclaim policy is Delete: see kubectl get pv, and the provisioner's log"
    within 90 "the volumes are gone" volumes_gone
  fi
  [[ -z $why ]] || skip "$why"
}
