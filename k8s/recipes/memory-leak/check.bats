# What README.md says, done and looked at.
load ../../checks/recipe

# ask and alerts are the README's.
fires() { alerts | grep -x "$1 firing" || { alerts; return 1; }; }
restarts() { kubectl -n "$namespace" get pod -o jsonpath='{.items[0].status.containerStatuses[0].restartCount}'; }
told() { kubectl -n "$namespace" exec deploy/testero -- /testero http GET /api/scenario; }
# It was begun anew, and grows again.
begins_anew() { told | grep -E '^scenario  playing  second [0-9]{1,2}\.[0-9] '; }

@test "a leak is seen coming by a rule that looks ahead, is killed all the same, and begins again with the next process" {
  recipe memory-leak
  needs api monitoring.coreos.com/v1 "the Prometheus operator"
  means "the scenario is not played: see the log of deploy/testero"
  step apply
  kubectl get --raw "$prometheus/-/ready" >/dev/null 2>&1 ||
    skip "the operator's Prometheus in the namespace monitoring is missing, or the API server does not reach it"
  step scenario
  claim "it is played" shows '^scenario  playing '
  means "Prometheus does not scrape the pod: it selects another label than release: kube-prometheus-stack, or a NetworkPolicy \
keeps it out"
  step scraped
  local before
  before=$(restarts)
  means "the rule is not loaded, or looks at what is not scraped: see Prometheus' pages Rules and Targets"
  within 180 "MemoryLeak fires" fires MemoryLeak
  means "the alert comes when it is too late: scrapes or evaluations are too rare"
  claim "before the container is killed" compare "$(restarts)" -eq "$before"
  step alert
  means "what is held does not count for the container, or it has no memory limit"
  step killed
  within 30 "the next process leaks from the start" begins_anew
  clean_up
}
