#!/usr/bin/env bats
# What a real Prometheus operator makes of k8s/monitoring and of the chart's monitors, and whether the dashboard's queries find
# anything. Needs a cluster that is up, with testero's image and the add-on monitoring; jq, and a python3 with PyYAML ($PYTHON,
# if not the usual one); about five minutes.

cluster() { "$BATS_TEST_DIRNAME/cluster" "$@"; }

setup_file() {
  cd "$BATS_TEST_DIRNAME/../.."
  cluster kubectl -n monitoring get prometheus k8s >/dev/null || { echo "# NOT RUN: cluster add monitoring" >&3; skip "no add-on monitoring"; }
  cp -r k8s "$BATS_FILE_TMPDIR/"
  cd "$BATS_FILE_TMPDIR/k8s/recipes"
  mkdir pods service
  # What the README says to put into a folder of its own.
  awk '/^```/ { inside = /yaml/; next } inside' ../monitoring/README.md >pods/kustomization.yaml
  sed -i 's/^namespace: testero$/namespace: monitoring-pods/' pods/kustomization.yaml
  # And with the other monitor.
  cp -r ../monitoring ../monitoring-service
  sed -i -e 's/^  - podmonitor/  # - podmonitor/' -e 's/^  # - servicemonitor/  - servicemonitor/' ../monitoring-service/kustomization.yaml
  sed -e 's/monitoring-pods/monitoring-service/' -e 's#\.\./\.\./monitoring#../../monitoring-service#' pods/kustomization.yaml >service/kustomization.yaml
  local name
  for name in pods service; do
    cluster kubectl create namespace "monitoring-$name"
    cluster kubectl apply -k "$name"
  done
  cluster helm upgrade --install testero ../chart --namespace monitoring-chart --create-namespace --values ../chart/ci/monitoring.yaml \
    --set podMonitor.labels.release=kube-prometheus-stack,prometheusRule.labels.release=kube-prometheus-stack
  for name in pods service chart; do
    cluster kubectl -n "monitoring-$name" rollout status deployment/testero --timeout=120s
  done
}

teardown_file() { cluster kubectl delete namespace --ignore-not-found monitoring-pods monitoring-service monitoring-chart; }

# The answer's data, of Prometheus' API.
ask() { cluster kubectl get --raw "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy/api/v1/$1" | jq -e .data; }
# up NAMESPACE: the labels of what is scraped there, and its value
up() { ask "query?query=up{namespace=\"$1\"}" | jq -c '.result[] | (.metric | del(.__name__, .instance, .pod)), .value[1]'; }
within() { # SECONDS COMMAND…
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { "$@"; return; }
    sleep 3
  done
}
is() { # EXPECTED COMMAND…
  local expected=$1
  shift
  diff <(echo "$expected") <("$@")
}
testero() { cluster kubectl -n monitoring-pods exec deploy/testero -- /testero "$@"; }

@test "a PodMonitor's pod is scraped once, with the labels that the alerts and the dashboard want" {
  within 180 is '{"container":"testero","endpoint":"http","job":"testero","namespace":"monitoring-pods"}
"1"' up monitoring-pods
}

@test "a ServiceMonitor's pod as well, by the headless Service alone" {
  within 180 is '{"container":"testero","endpoint":"http","job":"testero","namespace":"monitoring-service","service":"testero-headless"}
"1"' up monitoring-service
}

@test "the chart's PodMonitor lets Prometheus in, and its pod is scraped" {
  within 180 is '{"container":"testero","endpoint":"http","job":"testero","namespace":"monitoring-chart"}
"1"' up monitoring-chart
}

@test "a pod that is not ready is scraped, by both monitors" {
  local name
  for name in pods service; do
    cluster kubectl -n "monitoring-$name" exec deploy/testero -- /testero ready disable --for 120s
    cluster kubectl -n "monitoring-$name" wait pod -l app.kubernetes.io/name=testero --for=condition=Ready=false --timeout=30s
  done
  unready() { ask "query?query=up{namespace=\"$1\"}==1 and on (pod) testero_ready==0" | jq -e '.result | length == 1'; }
  within 60 unready monitoring-pods
  within 60 unready monitoring-service
  for name in pods service; do
    cluster kubectl -n "monitoring-$name" exec deploy/testero -- /testero ready enable
  done
}

@test "the operator accepts all rules, and Prometheus evaluates them" {
  rules() { ask rules | jq -r '.groups[] | select(.file | contains("'"$1"'")) | .rules[] | .name + " " + .health'; }
  local expected name
  expected=$(sed -n 's/^ *- alert: \(.*\)/\1 ok/p' "$BATS_TEST_DIRNAME/../../k8s/monitoring/prometheusrule.yaml")
  for name in pods service chart; do within 180 is "$expected" rules "monitoring-$name"; done
}

@test "Grafana's sidecar would find the dashboard, as it is in the repository" {
  cluster kubectl -n monitoring-pods get configmap -l grafana_dashboard=1 -o json >"$BATS_TEST_TMPDIR/found"
  jq -j '.items[].data["testero.json"]' "$BATS_TEST_TMPDIR/found" | cmp - "$BATS_TEST_DIRNAME/../../k8s/monitoring/dashboards/testero.json"
}

@test "every query of the dashboard and every rule answers, or its metric is not to be had here" {
  testero disk set 16Mi
  testero mem set 95pct --exact --wait
  testero inode set 100 --wait
  testero pid set 10 --wait
  testero fd set 50 --wait
  testero io load --rate 1Mi --time 5m
  testero cpu load --cpu 100m --time 5m
  testero http POST '/BumpMetric?metric=qps&delta=5&durationSec=300'
  testero http POST '/ConsumeCPU?millicores=10&durationSec=300'
  testero http POST '/ConsumeMem?megabytes=1&durationSec=1'
  run testero mem set 900Gi
  [[ $status != 0 ]]
  # A rate needs four scrapes.
  within 120 eval 'ask "query?query=qps{namespace=\"monitoring-pods\"} offset 45s" | jq -e ".result | length == 1"'
  testero http /metrics >"$BATS_TEST_TMPDIR/metrics"
  cd "$BATS_TEST_DIRNAME/../.."
  NAMESPACE=monitoring-pods RATE_INTERVAL=1m cluster run "${PYTHON:-python3}" .ci/monitoring.py queries \
    "http://$(cluster kubectl -n monitoring get service prometheus -o jsonpath='{.spec.clusterIP}'):9090" "$BATS_TEST_TMPDIR/metrics"
}
