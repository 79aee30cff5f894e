# What README.md says, done and looked at.
load ../../checks/recipe

@test "a pod that writes more than its ephemeral-storage limit is evicted, and replaced" {
  recipe ephemeral-eviction
  step apply
  means "the limit is not looked at: the kubelet does not measure ephemeral storage (localStorageCapacityIsolation, or a file system that it cannot measure)"
  # The kubelet looks at volumes once a minute.
  expect 150 "the kubelet evicts the pod" "pod $pod" '{.status.reason}' = Evicted
  step pod-limit
  claim "the pod has failed, for the limit of its containers" \
    shows '^Failed Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Gi\.'
  expect 10 "it was killed: an eviction gives one second" "pod $pod" '{.status.containerStatuses[0].state.terminated.exitCode}' -eq 137

  means "a volume's sizeLimit is not looked at"
  step volume
  expect 150 "the kubelet evicts the next pod" "pod $pod" '{.status.reason}' = Evicted
  step volume-limit
  claim "this time for the volume's size" shows '^Failed Evicted: Usage of EmptyDir volume "data" exceeds the limit "1280Mi"\.'
  claim "an event tells of it" event Evicted 'exceeds the (total )?limit'
  clean_up
}
