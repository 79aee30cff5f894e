# What README.md says, done and looked at.
load ../../checks/recipe
load ../../checks/pressure

@test "a node whose disk gets full has DiskPressure, and the kubelet evicts by figures a minute old, unless priorities say whom" {
  needs node-pressure
  recipe disk-pressure
  step apply
  sweep_class testero-disk-pressure
  calm
  reach nodefs.available $((4 << 30)) $((400 << 20)) bytes
  step distance
  take=$((take >> 20))Mi

  means "the kubelet does not look at the disk: see node.fs in its stats/summary, and its evictionHard"
  # The kubelet measures volumes each minute or two. What is written right after that, it does not see for a minute.
  pod=$(kubectl -n "$namespace" get pod -l app.kubernetes.io/name=testero -o jsonpath='{.items[0].metadata.name}')
  measured=$(measured_at "$pod")
  within 180 "the kubelet measures the volumes" measured_after "$pod" "$measured"
  step fill
  claim "the kubelet says that it is the disk that is full" node_event EvictionThresholdMet 'Attempting to reclaim ephemeral-storage'
  means "the kubelet knew at once who wrote: it measures volumes by quotas, or more often than each minute"
  step innocent
  claim "a pod that wrote next to nothing, and requested nothing, is evicted first" \
    shows "^$bystander +Failed +Evicted +The node was low on resource: ephemeral-storage\\..* was using [0-9]+Ki, request is 0, has larger consumption"
  means "the disk is full for ever: who filled it is not evicted, or its volume is not removed"
  step writer
  claim "then the one that filled the disk" shows "^$pod +Failed +Evicted +The node was low on resource: ephemeral-storage\\."

  claim "in this order" before "$bystander" "$pod"

  means "the kubelet does not heed priorities, or the pod is below its request in the kubelet's figures"
  calm
  step lower
  reach nodefs.available $((4 << 30)) $((400 << 20)) bytes
  take=$((take >> 20))Mi
  step again
  step guilty
  claim "the pod of the lowest priority is evicted, which is the one that writes" \
    shows "^$pod +Failed +Evicted +The node was low on resource: ephemeral-storage\\."
  claim "the bystander is left alone" left_alone bystander
  step over
  clean_up
}

# Whether one pod was evicted before another, or in the same second.
before() { # POD POD
  local path='{.status.conditions[?(@.type=="DisruptionTarget")].lastTransitionTime}' first second
  first=$(kubectl -n "$namespace" get pod "$1" -o jsonpath="$path")
  second=$(kubectl -n "$namespace" get pod "$2" -o jsonpath="$path")
  printf '%s %s\n' "$first" "$second"
  [[ -n $first && ! $first > $second ]]
}
