# What README.md says, done and looked at.
load ../../checks/recipe

# ask and alerts are the README's.
fires() { alerts | grep -x "$1 firing" || { alerts; return 1; }; }
at_rest() { alerts | refute grep firing; }
# POD PATH PATTERN
says() { kubectl -n "$namespace" exec "$1" -- /testero http "$2" | grep -E -- "$3"; }
# More than a quarter of the periods of the last minute.
throttled() {
  local periods='periods_total{namespace="testero-alerts"}[1m])'
  ask "rate(testero_container_cpu_throttled_$periods / rate(testero_container_cpu_$periods > 0.25"
}
both_scraped() {
  # By their names: Prometheus may still have those of an earlier run.
  ask "count(testero_ready{pod=~\"$first|$second\"})" | grep '"2"' || { ask 'up{namespace="testero-alerts"}'; return 1; }
}

# The rules look at what is counted from one scrape to the next, so a pod is to be there before something happens to it.
both_told_of() { ask "count(kube_pod_container_status_restarts_total{namespace=\"$namespace\",pod=~\"$first|$second\"})" | grep '"2"'; }

@test "every alert of k8s/monitoring fires when what it tells of is so, and none of a pod at rest" {
  recipe alerts
  needs api monitoring.coreos.com/v1 "the Prometheus operator"
  step ask
  kubectl get --raw "$prometheus/-/ready" >/dev/null 2>&1 ||
    skip "the operator's Prometheus in the namespace monitoring is missing, or the API server does not reach it"
  step apply
  means "Prometheus does not scrape the pods: it selects another label than release: kube-prometheus-stack, a NetworkPolicy \
keeps it out, or the operator does not run; see kubectl -n monitoring get prometheus -o yaml, and Prometheus' page Targets"
  within 240 "both pods are scraped" both_scraped
  step scraped
  [[ $(ask kube_pod_container_status_restarts_total) == *'"metric"'* ]] ||
    skip "kube-state-metrics is missing: Prometheus has none of its series"
  within 120 "kube-state-metrics tells of both pods" both_told_of
  means "an alert fires for pods that do nothing: its rule is wrong"
  # Of an earlier run in this namespace the rules may see something for five minutes more.
  within 120 "no alert fires for two pods at rest" at_rest

  refused files
  step hold
  refused kill
  means "the kubelet was not told that the kernel killed the container"
  expect 30 "its container was killed for its memory" "pod/$second" '{.status.containerStatuses[0].lastState.terminated.reason}' = OOMKilled
  means "the alert's rule is not loaded (Prometheus selects another label than release: kube-prometheus-stack), or its metrics are \
not scraped: see Prometheus' pages Rules and Targets"
  within 120 "TesteroOOMKilled fires for the pod that was killed" fires TesteroOOMKilled
  within 120 "TesteroRestarted fires for the pod that was killed" fires TesteroRestarted
  step killed
  claim "the next process says what the one before died of" \
    shows 'The process before this one died doing: POST /api/mem/set\?.*force=true'
  claim "the container's own counter tells nothing of it" says "$second" /metrics '^testero_container_oom_kills_total 0$'
  refused lock-out
  within 240 "TesteroTargetNotHeld fires: the files did not fit" fires TesteroTargetNotHeld
  within 240 "TesteroNearLimit fires: 95 % of the memory is held" fires TesteroNearLimit
  within 240 "TesteroWorkingSetNearLimit fires: the container is near its limit" fires TesteroWorkingSetNearLimit
  within 240 "TesteroCPUBelowTarget fires: the limit is below what is wanted" fires TesteroCPUBelowTarget
  throttled | grep '"value"' >/dev/null ||
    skip "the node is busy: a container that may use 200m and wants 1500m gets $(says "$first" /metrics '^testero_cpu_achieved_cores')"
  within 480 "TesteroCPUThrottled fires: the container may use 200m and wants 1500m" fires TesteroCPUThrottled
  means "Prometheus still reaches a pod that the NetworkPolicy does not let it reach: policies are accepted and enforced by \
nobody, or the alert's rule is not loaded"
  within 480 "TesteroNotScraped fires for the pod that is locked out" fires TesteroNotScraped
  step all
  step let-in
  clean_up
}
