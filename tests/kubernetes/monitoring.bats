#!/usr/bin/env bats
# What a real Prometheus operator makes of k8s/monitoring, of the chart's monitors and of k8s/proxy/monitoring, and whether the
# dashboards' queries find anything. About five minutes. The cluster is up, has the image and the add-on monitoring; jq, and a python3 with PyYAML
# ($PYTHON, if not the usual one):
#   tests/kubernetes/cluster run bats tests/kubernetes/monitoring.bats
load ../../k8s/checks/recipe
load cases

setup_file() {
  begin_file monitoring
  cp -r k8s "$BATS_FILE_TMPDIR/"
  cd "$BATS_FILE_TMPDIR/k8s/recipes" || return
  mkdir pods service
  # What the README says to put into a folder of its own.
  awk '/^```/ { inside = /yaml/; next } inside' ../monitoring/README.md >pods/kustomization.yaml
  sed -i 's/^namespace: testero$/namespace: monitoring-pods/' pods/kustomization.yaml
  # And with the other monitor.
  cp -r ../monitoring ../monitoring-service
  sed -i -e 's/^  - podmonitor/  # - podmonitor/' -e 's/^  # - servicemonitor/  - servicemonitor/' ../monitoring-service/kustomization.yaml
  sed -e 's/monitoring-pods/monitoring-service/' -e 's#\.\./\.\./monitoring#../../monitoring-service#' pods/kustomization.yaml >service/kustomization.yaml
  # A proxy with its monitoring, and the testero that its configuration has as a member.
  mkdir proxied
  printf '%s: %s\n' apiVersion kustomize.config.k8s.io/v1beta1 kind Kustomization namespace monitoring-proxied \
    resources '[../../base, ../../proxy/base, ../../proxy/monitoring]' >proxied/kustomization.yaml
  local name
  for name in pods service chart proxied; do own "monitoring-$name"; done
  for name in pods service proxied; do kubectl apply -k "$name"; done
  helm install testero ../chart --namespace monitoring-chart --values ../chart/ci/monitoring.yaml \
    --set podMonitor.labels.release=kube-prometheus-stack,prometheusRule.labels.release=kube-prometheus-stack
  for name in pods service chart proxied; do namespace=monitoring-$name ready; done
  namespace=monitoring-proxied deployment=testero-proxy ready
}

teardown_file() { end_file; }

# The claims are of this namespace, unless they name another.
namespace=monitoring-pods

# The labels of what is scraped in a namespace, and its value.
scraped_as() { # NAMESPACE EXPECTED
  local is
  is=$(query "up{namespace=\"$1\"}" | jq -c '.data.result[] | (.metric | del(.__name__, .instance, .pod)), .value[1]')
  printf '%s\n' "$is"
  [[ $is == "$2" ]]
}

# A query has so many results.
results() { # QUERY COUNT
  local answer
  answer=$(query "$1")
  printf '%s\n' "$answer"
  jq -e ".data.result | length == $2" <<<"$answer"
}

# Prometheus evaluates just these rules of a namespace.
evaluated() { # NAMESPACE RULES
  local is
  is=$(prometheus rules | jq -r --arg namespace "$1" '.data.groups[] | select(.file | contains($namespace)) | .rules[] | .name + " " + .health')
  printf '%s\n' "$is"
  # By group, which is not the file's order.
  [[ $(sort <<<"$is") == "$(sort <<<"$2")" ]]
}

@test "a PodMonitor's pod is scraped once, with the labels that the alerts and the dashboard want" {
  within 180 "the PodMonitor's pod is scraped" scraped_as monitoring-pods \
    '{"container":"testero","endpoint":"http","job":"testero","namespace":"monitoring-pods"}
"1"'
}

@test "a ServiceMonitor's pod as well, by the headless Service alone" {
  within 180 "the ServiceMonitor's pod is scraped" scraped_as monitoring-service \
    '{"container":"testero","endpoint":"http","job":"testero","namespace":"monitoring-service","service":"testero-headless"}
"1"'
}

@test "the chart's PodMonitor lets Prometheus in, and its pod is scraped" {
  within 180 "the chart's pod is scraped" scraped_as monitoring-chart \
    '{"container":"testero","endpoint":"http","job":"testero","namespace":"monitoring-chart"}
"1"'
}

@test "a pod that is not ready is scraped, by both monitors" {
  local name
  for name in pods service; do
    namespace=monitoring-$name in_pod ready disable --for 5m
    kubectl -n "monitoring-$name" wait pod -l app.kubernetes.io/name=testero --for=condition=Ready=false --timeout="$((30 * slowness))s"
  done
  for name in pods service; do
    within 60 "the pod that is not ready is scraped in monitoring-$name" \
      results "up{namespace=\"monitoring-$name\"}==1 and on (pod) testero_ready==0" 1
    namespace=monitoring-$name in_pod ready enable
  done
}

@test "the operator accepts all rules, and Prometheus evaluates them" {
  local expected name
  expected=$(sed -n 's/^ *- alert: \(.*\)/\1 ok/p' k8s/monitoring/prometheusrule.yaml)
  for name in pods service chart; do
    within 180 "Prometheus evaluates the rules of monitoring-$name" evaluated "monitoring-$name" "$expected"
  done
  expected=$(sed -nE 's/^ *- (alert|record): (.*)/\2 ok/p' k8s/proxy/monitoring/prometheusrule.yaml)
  within 180 "Prometheus evaluates the proxy's rules" evaluated monitoring-proxied "$expected"
}

@test "both proxies are scraped, with the labels that their rules and their dashboard want" {
  within 180 "the proxies are scraped" scraped_as monitoring-proxied \
    '{"container":"proxy","endpoint":"metrics","job":"testero-proxy","namespace":"monitoring-proxied"}
"1"
{"container":"proxy","endpoint":"metrics","job":"testero-proxy","namespace":"monitoring-proxied"}
"1"'
}

@test "Grafana's sidecar would find the dashboards, as they are in the repository" {
  kubectl -n monitoring-proxied get configmap -l grafana_dashboard=1 -o json |
    jq -j '.items[].data["testero-proxy.json"]' | cmp - k8s/proxy/monitoring/dashboards/testero-proxy.json
  kubectl -n monitoring-pods get configmap -l grafana_dashboard=1 -o json >"$BATS_TEST_TMPDIR/found"
  jq -j '.items[].data["testero.json"]' "$BATS_TEST_TMPDIR/found" | cmp - k8s/monitoring/dashboards/testero.json
}

@test "every query of the dashboard and every rule answers, or its metric is not to be had here" {
  in_pod disk set 16Mi
  in_pod mem set 95pct --exact --wait
  in_pod inode set 100 --wait
  in_pod pid set 10 --wait
  in_pod fd set 50 --wait
  in_pod io load --rate 1Mi --time 5m
  in_pod cpu load --cpu 100m --time 5m
  in_pod http POST '/BumpMetric?metric=qps&delta=5&durationSec=300'
  in_pod http POST '/ConsumeCPU?millicores=10&durationSec=300'
  # A rate needs four scrapes.
  within 120 "the metrics were scraped for 45 s" results 'qps{namespace="monitoring-pods"} offset 45s' 1
  # What is counted once it is over may be out of the last minute by now.
  in_pod disk set 20Mi --wait
  in_pod http POST '/ConsumeMem?megabytes=1&durationSec=1'
  run in_pod mem set 900Gi
  [[ $status != 0 ]]
  for counter in works jobs_ended; do
    within 60 "$counter counts in the last minute" results \
      "sum(increase(testero_${counter}_total{namespace=\"monitoring-pods\"}[1m])) > 0" 1
  done
  in_pod http /metrics >"$BATS_TEST_TMPDIR/metrics"
  NAMESPACE=monitoring-pods RATE_INTERVAL=1m "${PYTHON:-python3}" .ci/monitoring.py queries \
    "http://$(kubectl -n monitoring get service prometheus -o jsonpath='{.spec.clusterIP}'):9090" "$BATS_TEST_TMPDIR/metrics"
}

@test "every query of the proxy's dashboard and every rule of its own answers" {
  local namespace=monitoring-proxied
  # A rate wants something in each of a few scrapes.
  for _ in $(seq 8); do
    in_pod http --url http://testero-proxy /api/mem/getact
    run in_pod http --url http://testero-proxy.monitoring-proxied /
    [[ $output == *'400 Bad Request'* ]]
    sleep 8
  done
  kubectl -n monitoring-proxied exec deploy/testero-proxy -- /testero http --url http://127.0.0.1:8000 /metrics >"$BATS_TEST_TMPDIR/metrics"
  SUBJECT=proxy NAMESPACE=monitoring-proxied RATE_INTERVAL=1m "${PYTHON:-python3}" .ci/monitoring.py queries \
    "http://$(kubectl -n monitoring get service prometheus -o jsonpath='{.spec.clusterIP}'):9090" "$BATS_TEST_TMPDIR/metrics"
}
