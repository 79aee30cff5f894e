# What README.md says, done and looked at.
load ../../checks/recipe

@test "two containers that share their pod's memory limit both take it for their own, and one is killed for the other's request" {
  recipe pod-level-resources
  needs version 34
  means "the pod's own resources were dropped: the feature PodLevelResources is off in the API server"
  step apply
  expect 5 "the pod has the limit" pod '{.items[0].spec.resources.limits.memory}' = 512Mi
  claim "its containers have none" refute shows '^(testero|second) .*"memory"'

  means "a container without a limit does not get its pod's: the feature PodLevelResources is off in the kubelet, and testero \
takes the node's memory for what there is"
  step limits
  claim "both see a limit of 512Mi" compare "$(grep -cE '^mem .* 4[0-9]{2}\.[0-9] MiB +4[0-9]{2}\.[0-9] MiB' <<<"$output")" -eq 2
  refused refused
  claim "more than the pod's limit is refused" shows 'over the limit of [0-9.]+ MiB \(memory\.(max|high|limit_in_bytes) of .* at the start'

  means "the pod's limit is not enforced: memory.max of the pod's cgroup is max"
  step both
  claim "what the first holds leaves the second's room as it was" shows '^mem +idle .* 4[0-9]{2}\.[0-9] MiB +4[0-9]{2}\.[0-9] MiB'
  step killed
  claim "the one that held more was killed, not the one that asked" shows '^testero restarted 1 OOMKilled$'
  claim "the one that asked was not" shows '^second restarted 0 *$'
  claim "it holds what it asked for" shows '^mem +holding +250\.0 MiB'
  clean_up
}
