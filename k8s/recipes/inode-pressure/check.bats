# What README.md says, done and looked at.
load ../../checks/recipe
load ../../checks/pressure

@test "a node that runs out of inodes has DiskPressure, and the kubelet evicts the pod of the lowest priority" {
  needs node-pressure
  recipe inode-pressure
  step apply
  sweep_class testero-inode-pressure
  calm
  reach nodefs.inodesFree 80000 20000 inodes
  step distance

  means "the kubelet does not look at inodes: the file system has no fixed number of them (Btrfs), or it is not the one under its --root-dir"
  step take
  claim "the kubelet says that it is inodes that are scarce" node_event EvictionThresholdMet 'Attempting to reclaim inodes'
  means "the kubelet evicts others first: testero has no lower priority, or nothing is evicted at all"
  step evicted
  claim "testero's pod is evicted for inodes" shows 'Evicted +The node was low on resource: inodes\. Threshold quantity: [0-9]+, available: [0-9]+\.'
  ended_by_kubelet
  claim "who asked for nothing is left alone" left_alone bystander
  claim "one pod was evicted, whatever was rejected since" one_evicted inodes

  means "the condition stays: evictionPressureTransitionPeriod is longer than the kubelet says, or the inodes did not come back"
  step over
  claim "the next pod runs" shows 'successfully rolled out'
  clean_up
}
