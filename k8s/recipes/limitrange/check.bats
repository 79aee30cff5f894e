# What README.md says, done and looked at.
load ../../checks/recipe

@test "a LimitRange gives limits to a container without any, and refuses what is above its maximum" {
  recipe limitrange
  means "the pod runs without limits: there is no LimitRange in the namespace, or the admission plugin LimitRanger is off"
  step apply
  step look
  claim "the template says nothing about resources" shows '^[{][}]$'
  expect 5 "the pod has the default memory limit" pod '{.items[0].spec.containers[0].resources.limits.memory}' = 256Mi
  expect 5 "the pod has the default CPU limit" pod '{.items[0].spec.containers[0].resources.limits.cpu}' = 500m
  expect 5 "the pod has the default request" pod '{.items[0].spec.containers[0].resources.requests.memory}' = 32Mi
  claim "an annotation says who wrote them" shows '^LimitRanger plugin set: cpu, ephemeral-storage, memory request for container testero'
  expect 5 "the pod is Burstable" pod '{.items[0].status.qosClass}' = Burstable

  means "the limit stands in the pod and is not enforced: memory.max of the container is max"
  step log
  claim "files are bounded by the ephemeral-storage limit, less 64Mi" shows 'HIGHFILELIM set to: 469762048 bytes'
  refused too-much
  claim "more than the limit is refused" shows 'over the limit of 2[0-9]{2}\.[0-9] MiB '

  means "a container above the maximum was admitted"
  step max
  claim "the maximum is said" shows 'maximum memory usage per Container is 512Mi, but limit is 1Gi'
  within 10 "an event of the ReplicaSet says so" event FailedCreate 'ReplicaSet/.*maximum memory usage per Container is 512Mi'
  expect 5 "the old pod goes on serving" deploy/testero '{.status.readyReplicas}' -eq 1
  step undo
  clean_up
}
