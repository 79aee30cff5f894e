# What README.md says, done and looked at.
load ../../checks/recipe

@test "a quota refuses the fourth pod at the ReplicaSet, and stalls a rollout that has no room for its surge" {
  recipe quota
  local exceeded='exceeded quota: testero, requested: requests.memory=64Mi, used: requests.memory=192Mi, limited: requests.memory=192Mi$'
  means "more pods are created than the quota has room for: there is no quota in the namespace, or it is not enforced"
  step apply
  step look
  expect 5 "three pods are ready, and no more" deploy/testero '{.status.readyReplicas}/{.status.replicas}' = 3/3
  expect 5 "the ReplicaSet wants five" rs '{.items[0].spec.replicas}' -eq 5
  expect 30 "the Deployment says why there is no fourth" deploy/testero \
    '{.status.conditions[?(@.type=="ReplicaFailure")].message}' =~ "$exceeded"
  expect 5 "the quota is used up" quota/testero '{.status.used.requests\.memory}' = 192Mi
  within 10 "an event of the ReplicaSet says so" event FailedCreate 'ReplicaSet/.*exceeded quota: testero'
  expect 5 "no pod is pending: the fourth was never created" "pod --field-selector=status.phase=Pending" '{.items[*].metadata.name}' = ''

  refused unsaid
  claim "a pod that requests nothing is refused, too" shows 'failed quota: testero: must specify .*requests.memory'

  means "the rollout went on although the quota has no room for its surge"
  refused stall
  claim "the rollout gives up at its deadline" shows 'exceeded its progress deadline'
  expect 5 "the Deployment says it" deploy/testero '{.status.conditions[?(@.type=="Progressing")].reason}' = ProgressDeadlineExceeded
  expect 5 "the old pods serve all the time" deploy/testero '{.status.readyReplicas}' -eq 3

  means "the ReplicaSet does not look again at a quota that has grown"
  step nudge
  clean_up
}
