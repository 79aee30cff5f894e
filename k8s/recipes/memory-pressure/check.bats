# What README.md says, done and looked at.
load ../../checks/recipe
load ../../checks/pressure

@test "a node that runs out of memory has MemoryPressure, and the kubelet evicts who is furthest above its request" {
  needs node-pressure
  recipe memory-pressure
  step apply
  calm
  reach memory.available $((4 << 30)) $((1 << 30)) bytes
  step distance
  take=$((take >> 20))Mi

  means "the kubelet does not see the node's memory: its figures are in stats/summary, under node.memory"
  step take
  claim "the kubelet says that it is memory that is scarce" node_event EvictionThresholdMet 'Attempting to reclaim memory'
  means "the kubelet evicts others first: see the requests and the use of the node's pods, by kubectl top pod -A"
  step evicted
  claim "testero's pod is evicted for memory" shows "^$pod +Failed +Evicted +The node was low on resource: memory\\. Threshold quantity: [0-9]+[KMG]?i?, available: [0-9]+Ki\\."
  claim "the message says what it used, and what it had requested" \
    shows 'Container testero was using [0-9]+Ki, request is 64Mi, has larger consumption of memory\.'
  ended_by_kubelet
  claim "who is above its request, but less, is left alone" left_alone bystander-above
  claim "who is within its request is left alone" left_alone bystander

  means "the condition stays: the memory did not come back, or somebody else takes it"
  step over
  claim "the next pod runs" shows 'successfully rolled out'
  clean_up
}
