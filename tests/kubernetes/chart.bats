#!/usr/bin/env bats
# k8s/chart on a real Kubernetes: each values file of k8s/chart/ci is installed, does what its NOTES and its values say, and is
# uninstalled; helm test, upgrade and rollback. About five minutes. The cluster is up with two nodes, has the image, and the
# add-ons gateway, monitoring and storage:
#   tests/kubernetes/cluster run bats tests/kubernetes/chart.bats
load ../../k8s/checks/recipe
load cases

setup_file() { begin_file gateway monitoring storage; }
teardown_file() {
  end_file
  kubectl delete priorityclass "testero-chart-$TESTERO_TESTS" --ignore-not-found >/dev/null
}

values=(persistence token-reads monitoring everything hpa persistence-shared names minimal small-volume token bare ingress
  httproute openshift scenario)

@test "each values file has a case" {
  run ls k8s/chart/ci
  [[ $output == "$(printf '%s.yaml\n' "${values[@]}" | sort)" ]]
}

@test "what each values file says is seen on the cluster; NOTES' commands do what they say; uninstall leaves nothing" {
  together "${values[@]}"
}

@test "helm test passes right after helm install, and says what is wrong when nothing serves; upgrades change what they say" {
  together no-replicas at-once upgrade volume without-a-volume
}

mib=1048576

# ------------------------------------------------------------------------------------------------------- what cases do

helm() { command helm --namespace "$namespace" "$@"; }

# Of helm: until the pods are ready.
until_ready=(--wait --timeout "$((60 * slowness))s")

# Installs the chart, and does what its NOTES say.
served() { # VALUES [ARGUMENT OF HELM…]
  local file=$1
  shift
  means "the chart does not come up with k8s/chart/ci/$file.yaml"
  quietly helm install testero k8s/chart --values "k8s/chart/ci/$file.yaml" "${until_ready[@]}" "$@"
  means "what helm install tells the user to do fails"
  printf '%s\n' "$output" >"$work/notes"
  notes
}

notes() {
  local line commands=0 before=$SECONDS
  while IFS= read -r line; do
    commands=$((commands + 1))
    case $line in
      'kubectl '*port-forward*) forward "${line/ 8080:/ :}" ;;
      TOKEN=*) eval "$line" ;;
      curl*) quietly eval "${line//localhost:8080/localhost:$port} --silent --show-error --fail-with-body"
        [[ $line != *status* ]] || claim "the status says that it is ready" shows '^testero .* ready ' ;;
      'helm test '*)
        before=$SECONDS
        quietly eval "$line"
        claim "helm test says that it succeeded" shows '^Phase: +Succeeded'
        echo "helm test took $((SECONDS - before)) s" ;;
      *) give_up "NOTES has commands of a kind that is known" "$line" ;;
    esac
  done < <(sed -n '/^NOTES:$/,$s/^  //p' "$work/notes" | sed -e ':again' -e '/\\$/{N;s/\\\n//;b again' -e '}')
  ((commands >= 5)) || give_up "NOTES has its commands" "$(<"$work/notes")"
}

uninstalled() { # [KEPT KIND]
  end_forward
  quietly helm uninstall testero
  nothing_left app.kubernetes.io/instance=testero "$@"
}

# A field of the status of the pod that the forward goes to.
status() { # JQ-FILTER VALUE
  local is
  is=$(curl -sS -m 10 ${TOKEN:+-H "Authorization: Bearer $TOKEN"} "http://localhost:$port/api/status?format=json") ||
    { echo "$is"; return 1; }
  is=$(jq -rc "$1" <<<"$is")
  echo "$is"
  [[ $is == "$2" ]]
}

# Until there are so many pods, all of them ready, and none that goes.
settled() { # PODS
  ready
  expect 60 "the pods of before are gone" "pod -l app.kubernetes.io/component=consumer" \
    '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{end}' = "$(printf 'True%.0s' $(seq "$1"))"
}

secret() { # KEY
  kubectl -n "$namespace" create secret generic testero-token --from-literal="$1=not-a-secret-0123456789"
}

bearer=(-H 'Authorization: Bearer not-a-secret-0123456789')

token_is_needed() {
  means "the token is not asked for, or not taken"
  claim "a change without the token is refused" answers 401 '/api/mem/set?amount=1Mi' -X POST
  claim "a change with a wrong one as well" answers 401 '/api/mem/set?amount=1Mi' -X POST -H 'Authorization: Bearer wrong'
  claim "with the right one it is done" answers 200 '/api/mem/set?amount=1Mi' -X POST "${bearer[@]}"
}

# ---------------------------------------------------------------------------------------------------- each values file

# The log of the pod.
told() { kubectl -n "$namespace" logs deploy/testero | grep -m 1 "$1"; }

scenario() {
  served scenario
  means "the scenario is not in the pod, or is not what the service plays"
  claim "it was played" told 'Scenario: the file is played'
  # The last command of NOTES gives back what it held, and so ends it.
  claim "it is ended" status .scenario null
  printf 'version: 1\ntracks: {fd: {constant: 30}}\n' >"$work/scenario.yaml"
  quietly helm upgrade testero k8s/chart --values k8s/chart/ci/scenario.yaml --set-file scenario="$work/scenario.yaml"
  means "the kubelet brings a changed ConfigMap into the pod within two minutes, and the service reads it again"
  within 120 "another one is played, by the same pod" status '[.scenario, .groups.fd.held]' '["playing",30]'
  expect 5 "which was not restarted" pod '{.items[*].status.containerStatuses[0].restartCount}' = 0
  uninstalled
}

minimal() {
  served minimal
  means "the container's limits are not the chart's, or testero does not see them"
  claim "memory is bounded by the container's limit" status .groups.mem.limit $((473 * mib))
  claim "files are bounded by ephemeral storage, less what logs may take" status .groups.disk.limit $((960 * mib))
  # The policy in front of it, which bare does not have.
  own "$namespace-outside"
  client "$namespace-outside"
  means "whoever is in the cluster reaches testero"
  within 20 "a pod of another namespace is refused" refute asks "$namespace-outside" client "http://testero.$namespace:8080/healthz"
  uninstalled
}

small-volume() {
  served small-volume
  claim "files are bounded by the volume, less what logs may take" status .groups.disk.limit $((448 * mib))
  claim "as many are written" in_pod disk set max --wait
  uninstalled
}

token() {
  secret bearer
  served token
  token_is_needed
  for path in /healthz /readyz /metrics /api/status; do
    claim "reads need none: $path" answers 200 "$path"
  done
  uninstalled
  claim "the Secret is not the chart's, and stays" kubectl -n "$namespace" get secret testero-token
}

token-reads() {
  served token-reads --set podMonitor.labels.release=kube-prometheus-stack
  token_is_needed
  for path in /healthz /readyz /metrics /api/status; do
    claim "reads need it, too: $path" answers 401 "$path"
    claim "and are answered with it: $path" answers 200 "$path" "${bearer[@]}"
  done
  scraped
  claim "the probes have the token: the container was not restarted" \
    field "pod -l app.kubernetes.io/component=consumer" '{.items[*].status.containerStatuses[*].restartCount}' = 0
  uninstalled
}

bare() {
  # 30080, which the file has, is the gateway's here.
  served bare --set service.nodePort=30081
  claim "NOTES warn of the open port" grep -F 'WARNING: there is a Service of type NodePort, and no token.' "$work/notes"
  means "the node's port leads nowhere"
  within 20 "it answers on the node's port" answers 200 "$(node_url 30081)/healthz"
  claim "there is no object that is off" none_of networkpolicy poddisruptionbudget
  claim "the pod runs as the namespace's own account" \
    field "pod -l app.kubernetes.io/component=consumer" '{.items[0].spec.serviceAccountName}' = default
  claim "nothing but the file system bounds files" status '.groups.disk.limit > 2000000000' true
  own "$namespace-outside"
  client "$namespace-outside"
  within 20 "another namespace gets through" asks "$namespace-outside" client "http://testero.$namespace:8080/healthz"
  uninstalled
}

node_url() { door | sed "s/:[0-9]*\$/:$1/"; }

none_of() { # KIND…
  local left
  left=$(kubectl -n "$namespace" get "$(IFS=,; echo "$*")" -l app.kubernetes.io/instance=testero -o name)
  echo "$left"
  [[ -z $left ]]
}

names() {
  local deployment=hungry
  # The image is what the nodes have. Its pull Secret is not there, which is an event and no failure.
  served names --set image.repository=localhost/testero,image.digest=,image.pullPolicy=IfNotPresent
  expect 30 "three pods are ready" deploy/hungry '{.status.readyReplicas}' -eq 3
  expect 30 "half of them, rounded up, may not be taken by a drain" poddisruptionbudget/hungry '{.status.disruptionsAllowed}' -eq 1
  claim "the account has its name and its annotation" \
    field serviceaccount/eater '{.metadata.annotations.example\.com/owner}' = team-a
  claim "the pods have their label, and not the annotations that were taken away" \
    field "pod -l team=a" '{range .items[*]}{.metadata.annotations.prometheus\.io/scrape}.{end}' = ...
  means "the headless Service has not all pods"
  within 20 "the client reaches each pod" spread_over 3 hungry-headless:8080
  uninstalled
}

spread_over() { # PODS SERVICE
  local said
  said=$(in_pod spread mem 30Mi --service "$2" 2>&1) || { echo "$said"; return 1; }
  echo "$said"
  grep -E "held by $1 of $1 pods" <<<"$said"
}

hpa() {
  served hpa
  means "the autoscaler gets no figures of the pods"
  expect 120 "the autoscaler has figures" hpa/testero '{.status.conditions[?(@.type=="ScalingActive")].status}' = True
  expect 30 "of the CPU" hpa/testero '{.status.currentMetrics[0].resource.name}' = cpu
  # A release that has no replicas of its own must not take the autoscaler's away.
  kubectl -n "$namespace" patch hpa testero --type merge -p '{"spec": {"minReplicas": 2}}'
  expect 60 "the autoscaler's replicas are there" deploy/testero '{.status.readyReplicas}' -eq 2
  quietly helm upgrade testero k8s/chart --values k8s/chart/ci/hpa.yaml --set autoscaling.minReplicas=2,podLabels.a=b \
    "${until_ready[@]}"
  claim "an upgrade leaves them" field deploy/testero '{.spec.replicas}' -eq 2
  uninstalled
}

ingress() {
  secret token
  served ingress
  means "the controller does not take the Ingress, or is not let in"
  # Of any host, so that no name is said; which pod answers, the status tells.
  within 30 "the controller answers with this release's pod" ours @any.example
  claim "and the token is needed there" answers 401 '@any.example/api/mem/set?amount=1Mi' -X POST
  claim "and taken" answers 200 '@any.example/api/mem/set?amount=1Mi' -X POST "${bearer[@]}"
  uninstalled
}

# The gateway answers under this name with a pod of the namespace.
ours() { # @HOST
  answers 200 "$1/api/status?format=json" && [[ $(jq -r .namespace "$work/body") == "$namespace" ]]
}

httproute() {
  secret token
  served httproute --set 'httpRoute.parentRefs[0].name=traefik,httpRoute.parentRefs[0].namespace=ingress-nginx' \
    --set "httpRoute.hostnames={$namespace.example}"
  means "the Gateway does not take the HTTPRoute, or is not let in"
  expect 30 "the Gateway has accepted the route" httproute/testero \
    '{.status.parents[0].conditions[?(@.type=="Accepted")].status}{.status.parents[0].conditions[?(@.type=="ResolvedRefs")].status}' = TrueTrue
  within 30 "the Gateway answers with this release's pod" ours "@$namespace.example"
  claim "and the token is needed there" answers 401 "@$namespace.example/api/mem/set?amount=1Mi" -X POST
  claim "and taken" answers 200 "@$namespace.example/api/mem/set?amount=1Mi" -X POST "${bearer[@]}"
  uninstalled
}

monitoring() {
  served monitoring --set podMonitor.labels.release=kube-prometheus-stack,prometheusRule.labels.release=kube-prometheus-stack
  scraped
  within 150 "Prometheus has the alerts" alerts 8
  uninstalled
}

# Prometheus has so many alerts from this namespace's PrometheusRule, and evaluates them without an error.
alerts() { # COUNT
  local rules
  rules=$(prometheus rules | jq -c --arg namespace "$namespace" \
    '[.data.groups[] | select(.file | contains("/\($namespace)-testero-")) | .rules[] | select(.type == "alerting") | .health]')
  echo "$rules"
  jq -e "length == $1 and all(. == \"ok\")" <<<"$rules"
}

persistence() {
  local class
  class=$(kubectl get storageclass -o json |
    jq -r '.items[].metadata | select(.annotations["storageclass.kubernetes.io/is-default-class"] == "true").name')
  served persistence --set "persistence.storageClass=$class"
  expect 5 "the claim has a volume of that class" pvc/testero '{.status.phase} {.spec.storageClassName}' = "Bound $class"
  claim "files are bounded by the file system alone" status '.groups.disk.limit > 2000000000' true
  claim "files are written there" in_pod disk set 20Mi --wait
  means "the new pod waits for the volume that the old one has"
  quietly helm upgrade testero k8s/chart --reuse-values --set podLabels.a=b "${until_ready[@]}"
  settled 1
  end_forward
  quietly helm uninstall testero
  claim "helm says that the claim is kept" shows '^\[PersistentVolumeClaim\] testero'
  nothing_left app.kubernetes.io/instance=testero persistentvolumeclaim
  claim "it is kept" field pvc/testero '{.status.phase}' = Bound
  means "a kept claim stands in the way of the next release"
  served persistence --set "persistence.storageClass=$class"
  uninstalled persistentvolumeclaim
}

persistence-shared() {
  local pods pod
  # The pods are on one node here: local volumes have no ReadWriteMany.
  kubectl -n "$namespace" apply -f - <<END
{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"}, "spec": {
  "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
END
  served persistence-shared
  settled 2
  claim "files are bounded by what was said" status .groups.disk.limit $((1024 * mib))
  read -ra pods <<<"$(kubectl -n "$namespace" get pod -l app.kubernetes.io/component=consumer -o jsonpath='{.items[*].metadata.name}')"
  for pod in "${pods[@]}"; do
    quietly kubectl -n "$namespace" exec "$pod" -- /testero disk set 20Mi --wait
  done
  means "a pod that starts on a shared volume sweeps away what another one holds"
  quietly kubectl -n "$namespace" delete pod "${pods[0]}"
  settled 2
  claim "the other pod has its files yet" intact "${pods[1]}" 20
  uninstalled
  claim "the claim is not the chart's, and stays" field pvc/shared '{.status.phase}' = Bound
}

# What a pod holds of files is there: it may be given back in part, and the rest is what was said.
intact() { # POD MIB
  local is
  is=$(kubectl -n "$namespace" exec "$1" -- /testero disk get --json)
  echo "$is"
  [[ $(jq .held <<<"$is") == $(($2 * mib)) ]] && kubectl -n "$namespace" exec "$1" -- /testero disk set "$(($2 / 2))Mi" --wait
}

everything() {
  local class=testero-chart-$TESTERO_TESTS TOKEN
  kubectl create priorityclass "$class" --value=-10 --description="of tests/kubernetes/chart.bats"
  served everything --set image.tag=0.1.0,resources.requests.cpu=100m,resources.requests.memory=128Mi \
    --set "priorityClassName=$class,ingress.className=traefik,ingress.hosts={$namespace.ingress.example}" \
    --set 'httpRoute.parentRefs[0].name=traefik,httpRoute.parentRefs[0].namespace=ingress-nginx' \
    --set "httpRoute.parentRefs[0].sectionName=web,httpRoute.hostnames={$namespace.route.example}" \
    --set 'networkPolicy.fromMonitoring.from[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name=monitoring'
  token_is_needed
  TOKEN=not-a-secret-0123456789
  means "a setting of the chart does not reach testero"
  claim "the limits are what was said" status '[.groups | .mem.limit, .disk.limit, .inode.limit, .pid.limit, .fd.limit]' \
    "[$((400 * mib)),1500000000,100000,50,1000]"
  claim "faults are on" status .faults_on true
  expect 60 "the autoscaler has two pods at least" deploy/testero '{.status.readyReplicas}' -ge 2
  within 20 "a pod took at its start what it was told to: NOTES' last command has released what the other one held" \
    one_has '.groups.mem.held == 67108864 and .groups.disk.held > 140000000'
  claim "the log is JSON" log_is_json
  claim "the pods have the class, the grace and the variable" field "pod -l app.kubernetes.io/component=consumer" \
    '{.items[0].spec.priorityClassName} {.items[0].spec.terminationGracePeriodSeconds} {.items[0].spec.containers[0].env[?(@.name=="GREETING")].value}' \
    = "$class 60 hello"
  within 30 "the Ingress leads to a pod" ours "@$namespace.ingress.example"
  within 30 "the HTTPRoute leads to a pod" ours "@$namespace.route.example"
  scraped
  within 150 "Prometheus has the alerts" alerts 8
  uninstalled
  kubectl delete priorityclass "$class"
}

# One of the pods has this in its status.
one_has() { # JQ-FILTER
  local pod
  for pod in $(kubectl -n "$namespace" get pod -l app.kubernetes.io/component=consumer -o name); do
    kubectl -n "$namespace" exec "$pod" -- /testero status --json | jq -c '.groups | .mem, .disk' || return
    kubectl -n "$namespace" exec "$pod" -- /testero status --json | jq -e "$1" && return
  done
  return 1
}

log_is_json() {
  local log
  log=$(kubectl -n "$namespace" logs deploy/testero)
  head -n 3 <<<"$log"
  jq -e -s 'length > 0' <<<"$log"
}

openshift() {
  secret token
  means "a cluster without OpenShift's API gets half of a release"
  output=$(helm install testero k8s/chart --values k8s/chart/ci/openshift.yaml 2>&1) && give_up "it is refused" "$output"
  claim "it says what is missing" shows 'no matches for kind "Route" in version "route\.openshift\.io/v1"'
  claim "and why" shows 'ensure CRDs are installed first'
  claim "no object is made" none app.kubernetes.io/instance=testero
}

# ------------------------------------------------------------------------------------------- helm test, upgrade, rollback

at-once() {
  local round
  means "helm test fails although nothing is wrong: it came before the pod, its policy or its Service"
  for round in 1 2 3; do
    quietly helm install testero k8s/chart
    quietly helm test testero
    claim "helm test succeeds right after helm install, round $round" shows '^Phase: +Succeeded'
    quietly helm uninstall testero --wait --timeout 60s
  done
  nothing_left app.kubernetes.io/instance=testero
}

no-replicas() {
  local before
  quietly helm install testero k8s/chart --set replicas=0
  means "helm test passes although nothing serves, or does not say what it saw"
  before=$SECONDS
  output=$(helm test testero 2>&1) && give_up "helm test fails when nothing serves" "$output"
  claim "it gives a pod a minute to start" test $((SECONDS - before)) -ge 55 -a $((SECONDS - before)) -le $((60 + 10 * slowness))
  claim "its log says why" shows 'testero: http://testero:8080/healthz: '
  claim "it says that it failed" shows '^Phase: +Failed'
  means "what a failed helm test left stays for ever: helm does not remove it with the release"
  uninstalled
}

upgrade() {
  local TOKEN
  quietly helm install testero k8s/chart "${until_ready[@]}"
  # A token.
  quietly helm upgrade testero k8s/chart --reuse-values --set token.value=not-a-secret-0123456789 "${until_ready[@]}"
  settled 1
  forward kubectl -n "$namespace" port-forward service/testero :8080
  token_is_needed
  # Limits.
  quietly helm upgrade testero k8s/chart --reuse-values "${until_ready[@]}" \
    --set resources.limits.memory=256Mi,resources.limits.ephemeral-storage=600Mi
  settled 1
  forward kubectl -n "$namespace" port-forward service/testero :8080
  TOKEN=not-a-secret-0123456789
  means "a changed limit is not the pod's, or testero does not see it"
  claim "the new limit of memory is there" status .groups.mem.limit $((234 * mib))
  claim "the new limit of files is there" status .groups.disk.limit $((536 * mib))
  token_is_needed
  uninstalled
}

volume() {
  quietly helm install testero k8s/chart "${until_ready[@]}"
  quietly helm upgrade testero k8s/chart --reuse-values --set persistence.enabled=true,persistence.size=2Gi "${until_ready[@]}"
  settled 1
  expect 5 "there is a volume" pvc/testero '{.status.phase}' = Bound
  forward kubectl -n "$namespace" port-forward service/testero :8080
  claim "files are bounded by the file system alone" status '.groups.disk.limit > 2000000000' true
  quietly helm rollback testero 1 "${until_ready[@]}"
  settled 1
  forward kubectl -n "$namespace" port-forward service/testero :8080
  claim "files are bounded as before" status .groups.disk.limit $((960 * mib))
  within 30 "the claim is gone" absent pvc testero
  uninstalled
}

without-a-volume() {
  quietly helm install testero k8s/chart "${until_ready[@]}"
  # A class that nobody makes volumes of.
  output=$(helm upgrade testero k8s/chart --reuse-values --set persistence.enabled=true,persistence.storageClass=- --wait --timeout 15s 2>&1) &&
    give_up "an upgrade to a volume that nobody makes fails" "$output"
  claim "it says so" shows 'context deadline exceeded'
  claim "nothing serves" field deploy/testero '{.status.readyReplicas}' = ''
  means "the way back that the chart's README tells is none"
  quietly helm rollback testero "${until_ready[@]}"
  settled 1
  within 30 "the claim is gone" absent pvc testero
  uninstalled
}
