# What README.md says, done and looked at.
load ../../checks/recipe
load ../../checks/pressure

@test "a pod at podPidsLimit cannot fork and goes on, and a node that runs out of pids has PIDPressure and evicts" {
  needs node-pressure
  recipe pid-pressure
  step apply
  sweep_class testero-pid-pressure
  calm
  step pod-limit
  local limit near=yes why
  limit=$(grep -o '[-0-9]*$' <<<"$output" | head -n 1)
  in_reach pid.available 5000 500 pids || near=no
  # One pod brings the node to its threshold, or meets its own limit before that.
  if [[ $near == yes ]] && ((limit < 0 || limit > take + 300)); then
    node_part
  elif ((limit > 300 && limit <= 5000)) && { [[ $near == no ]] || ((limit + 300 < take - 500)); }; then
    pod_part "$limit"
  elif [[ $near == yes ]]; then
    skip "podPidsLimit is $limit, about as far as the node's threshold: none of the two can be met without the other"
  else
    skip "podPidsLimit is $limit, and $why"
  fi
  clean_up
}

pod_part() { # LIMIT
  more=$(($1 + 488))
  means "podPidsLimit is not in force: pids.max of the pod's cgroup is max"
  step within
  refused past
  claim "the pod's limit is met: no more threads can be made" shows 'given back, so that the service goes on.*Resource temporarily unavailable'
  means "who meets the limit does not get over it: see the pod's log and its restarts"
  step look
  claim "it holds what it could get, and the service answers" shows '^pid +[a-z]+ +[0-9]+ '
  expect 5 "nobody is killed for it" pod '{.items[*].status.containerStatuses[0].restartCount}' = '0 0'
  claim "no event tells of it" refute event . 'pids|Evict|Back-off'
}

node_part() {
  means "the kubelet does not look at pids: see node.rlimit in its stats/summary"
  step distance
  step take
  claim "the kubelet says that it is pids that are scarce" node_event EvictionThresholdMet 'Attempting to reclaim pids'
  means "the kubelet evicts others first: testero has no lower priority"
  step evicted
  claim "testero's pod is evicted for pids" \
    shows "^$pod +Failed +Evicted +The node was low on resource: pids\\. Threshold quantity: [0-9]+, available: [0-9]+\\."
  ended_by_kubelet
  claim "the bystander is left alone" left_alone bystander
  means "the condition stays: somebody else takes the pids"
  step over
  claim "the next pod runs" shows 'successfully rolled out'
}
