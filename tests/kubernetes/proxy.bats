#!/usr/bin/env bats
# k8s/proxy, its chart and its script on a real Kubernetes: each values file of k8s/proxy/chart/ci is installed, does what its
# NOTES and its values say, and is uninstalled; a changed configuration is taken without a pod replaced or a request lost.
# About four minutes. The cluster is up with two nodes, has the image, and the add-ons gateway and monitoring; nobody else has
# the node ports 30303 and 30300:
#   tests/kubernetes/cluster run bats tests/kubernetes/proxy.bats
load ../../k8s/checks/recipe
load cases
load proxy

setup_file() { begin_file gateway monitoring; }
teardown_file() {
  end_file
  kubectl delete priorityclass "testero-proxy-$TESTERO_TESTS" --ignore-not-found >/dev/null
}

@test "each values file has a case" {
  run grep -oE '^  served [a-z]+' "$BATS_TEST_FILENAME"
  served=$(sed 's/^ *//' <<<"$output" | sort -u)
  run ls k8s/proxy/chart/ci
  [[ $served == "$(sed 's/^/served /;s/\.yaml$//' <<<"$output")" ]]
}

@test "what values, NOTES, the script and a changed configuration promise is seen on the cluster; uninstall leaves nothing" {
  together changes monitoring node-ports hpa everything script text ingress httproute bare clusterip base
}

# ---------------------------------------------------------------------------------------------------- each values file

# The fixed ports, so one after the other.
node-ports() {
  local node
  consumer
  served minimal
  for node in node-1 node-2; do
    means "the port of $node leads nowhere, or not to the proxy"
    within 20 "a member answers there" asked 200 testero-proxy "http://$(node_address "$node"):30303/healthz"
    claim "an unknown Host is the proxy's 400" asked 400 other "http://$(node_address "$node"):30303/healthz"
    within 20 "metrics answer there" answers 200 "http://$(node_address "$node"):30300/metrics"
    claim "they are the proxy's" grep '^status_total{' "$work/body"
  done
  expect 5 "the pods are on two nodes" "pod -l $proxies" '{.items[0].spec.nodeName} {.items[1].spec.nodeName}' =~ 'node-1 node-2|node-2 node-1'
  own "$namespace-outside"
  client "$namespace-outside"
  means "the policy shuts somebody out who is to be served, or metrics that are on a node port"
  within 20 "a pod of another namespace is answered: metrics" asks "$namespace-outside" client "http://testero-proxy-metrics.$namespace:8000/readyz"
  uninstalled
  served paralarva
  claim "it is a dry run" grep -F '<h1>200 OK (dry-run)</h1>' "$work/answer"
  claim "the file is where it is said to be" kubectl -n "$namespace" exec deploy/testero-proxy -- /testero proxy --check -f /etc/paralarva/paralarva.yaml
  claim "it listens on all addresses, and has its time-out" logged 'listening on 0\.0\.0\.0, port 8081' 'timeout: 3 s'
  claim "the level is what was said" field deploy/testero-proxy '{.spec.template.spec.containers[0].args}' =~ '"--log-level=debug"'
  uninstalled
}

logged() { # PATTERN…
  local log pattern
  log=$(kubectl -n "$namespace" logs -l "$proxies" --tail=-1)
  for pattern in "$@"; do
    grep -E -m 1 -- "$pattern" <<<"$log" || { echo "no $pattern"; head -n 20 <<<"$log"; return 1; }
  done
}

clusterip() {
  consumer
  served clusterip
  expect 5 "there are two pods" deploy/testero-proxy '{.status.readyReplicas}' -eq 2
  own "$namespace-outside"
  client "$namespace-outside"
  client "$namespace"
  means "the policy lets in whom it should not, or shuts out whom it should not"
  within 20 "the own namespace is answered by the member" says ok "$namespace" /healthz http://testero-proxy
  within 20 "and asks for metrics" asks "$namespace" client http://testero-proxy-metrics:8000/metrics
  within 20 "another namespace gets no metrics" refute asks "$namespace-outside" client "http://testero-proxy-metrics.$namespace:8000/metrics"
  means "another namespace is not served"
  within 20 "it is answered, with 400, since it says another Host" says '<h1>Error 400: Bad Request</h1>' "$namespace-outside" / "http://testero-proxy.$namespace"
  uninstalled
}

says() { # TEXT NAMESPACE PATH URL
  local said
  said=$(kubectl -n "$2" exec client -- /testero http "$3" --url "$4" 2>&1)
  echo "$said"
  [[ $said == *"$1"* ]]
}

text() {
  consumer
  served text
  claim "the file is the text, with its comments" field configmap/testero-proxy '{.data.config\.yaml}' =~ '# What an operator wrote stays\.'
  claim "members are those of the text" is_status '.services[0] | [.name, .strategy]' '["testero","RROBIN"]'
  claim "it listens below 1024" logged 'listening on ::, port 81'
  claim "each request has a line" logged '"service":"testero"'
  means "a file that is another only after a restart is not taken by helm upgrade"
  quietly helm upgrade testero-proxy k8s/proxy/chart --values k8s/proxy/chart/ci/text.yaml "${until_ready[@]}" \
    --set-json 'app.config={"proxy": {"listen": {"address": "0.0.0.0", "port": 8082}, "services": [{"name": "testero", "domain": "testero", "hosts": [{"address": "testero", "port": 8080}]}]}}'
  within 20 "the pods listen on the new port" logged 'listening on 0\.0\.0\.0, port 8082'
  within 20 "and answer" asked 200 testero "http://$(field service/testero-proxy '{.spec.clusterIP}' != '')/healthz"
  uninstalled
}

bare() {
  consumer
  served bare
  claim "there is no object that is off" none_of networkpolicy poddisruptionbudget serviceaccount
  claim "one pod, whose limit is 8 MiB" field "pod -l $proxies" '{range .items[*]}{.spec.containers[0].resources.limits.memory}{end}' = 8Mi
  means "64 clients need more than 8 MiB"
  quietly sixty_four
  claim "the pod was not restarted" field "pod -l $proxies" '{.items[*].status.containerStatuses[*].restartCount}' = 0
  uninstalled
}

# Two thousand requests on 64 connections.
sixty_four() {
  curl -sS --parallel --parallel-immediate --parallel-max 64 -H 'Host: testero-proxy' -o /dev/null -w '%{http_code}\n' \
    "http://$(field service/testero-proxy '{.spec.clusterIP}' != '')/healthz?[1-2000]" >"$work/codes"
  sort "$work/codes" | uniq -c
  [[ $(sort -u "$work/codes") == 200 && $(wc -l <"$work/codes") == 2000 ]]
}

everything() {
  local class=testero-proxy-$TESTERO_TESTS deployment here node url
  kubectl create priorityclass "$class" --value=-10 --description="of tests/kubernetes/proxy.bats"
  consumer
  deployment=front here=$(node_address node-1)
  # The image is what the nodes have. Its pull Secret is not there, which is an event and no failure. A load balancer is not
  # there either, and helm would wait for it.
  served everything --set "image.tag=0.1.0,priorityClassName=$class,app.service.type=NodePort" \
    --set "ingress.className=traefik,ingress.hosts[0]=$namespace.ingress.example" \
    --set 'httpRoute.parentRefs[0].name=traefik,httpRoute.parentRefs[0].namespace=ingress-nginx,httpRoute.parentRefs[0].sectionName=web' \
    --set "httpRoute.hostnames={$namespace.route.example},networkPolicy.from[1].ipBlock.cidr=$here/32" \
    --set 'networkPolicy.fromMonitoring.from[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name=monitoring'
  claim "the file is what was said: off is no truth value" \
    kubectl -n "$namespace" exec deploy/front -- /testero proxy --check -f /etc/testero/config.yaml
  claim "the pods have the class, the grace, the account, the label and the variable" field "pod -l team=a" \
    '{.items[0].spec.priorityClassName} {.items[0].spec.terminationGracePeriodSeconds} {.items[0].spec.serviceAccountName} {.items[0].spec.containers[0].env[?(@.name=="TZ")].value}' \
    = "$class 18 door CET-1CEST,M3.5.0,M10.5.0/3"
  expect 60 "the autoscaler has two pods at least" deploy/front '{.status.readyReplicas}' -ge 2
  expect 30 "half of them may not be taken by a drain" poddisruptionbudget/front '{.status.disruptionsAllowed}' -eq 1
  means "with externalTrafficPolicy Local, the proxy does not see who asks, or the policy does not"
  for node in node-2 node-1; do [[ -z $(proxy_pod "$node" 2>/dev/null) ]] || break; done
  url=http://$(node_address "$node"):$(field service/front '{.spec.ports[0].nodePort}' != '')/healthz
  within 20 "the node of a proxy answers" asked 200 testero.example "$url"
  claim "the proxy has seen the client's own address" has_client "$node" "$here"
  claim "an unknown Host is the proxy's 400, and a warning" asked 400 other "$url"
  claim "the log is JSON, of warnings alone" log_is_json
  own "$namespace-outside"
  client "$namespace-outside"
  means "who is not let in gets in"
  within 20 "another namespace is refused" refute asks "$namespace-outside" client "http://front.$namespace:8080/"
  scraped
  claim "under the job that the rules ask for" jobs_are testero-proxy
  within 150 "Prometheus has the alerts" alerts
  uninstalled
  kubectl delete priorityclass "$class"
}

has_client() { # NODE ADDRESS
  kubectl -n "$namespace" exec "$(proxy_pod "$1")" -- /testero http /metrics --url http://127.0.0.1:8000 | grep "^status_total{client=\"$2\""
}

log_is_json() {
  local log
  log=$(kubectl -n "$namespace" logs -l "$proxies" --tail=-1)
  head -n 3 <<<"$log"
  jq -e -s 'length > 0 and all(.level == "warn" or .level == "WARN")' <<<"$log"
}

hpa() {
  consumer
  served hpa
  means "the autoscaler gets no figures of the pods"
  expect 120 "the autoscaler has figures" hpa/testero-proxy '{.status.conditions[?(@.type=="ScalingActive")].status}' = True
  # A release that has no replicas of its own must not take the autoscaler's away.
  kubectl -n "$namespace" patch hpa testero-proxy --type merge -p '{"spec": {"minReplicas": 3}}'
  expect 60 "the autoscaler's replicas are there" deploy/testero-proxy '{.status.readyReplicas}' -eq 3
  quietly helm upgrade testero-proxy k8s/proxy/chart --values k8s/proxy/chart/ci/hpa.yaml --set autoscaling.minReplicas=3,podLabels.a=b \
    "${until_ready[@]}"
  claim "an upgrade leaves them" field deploy/testero-proxy '{.spec.replicas}' -eq 3
  uninstalled
}

# The default configuration with another domain, for helm.
with_domain() { sed "s/domain: testero-proxy/domain: $1/" k8s/proxy/base/config.yaml >"$work/config.yaml"; }

ingress() {
  consumer
  with_domain "$namespace.example"
  served ingress --set-file "app.config=$work/config.yaml" --set "ingress.hosts={$namespace.example}"
  means "the controller does not take the Ingress, is not let in, or does not pass on the Host"
  within 30 "a member answers through it" answers 200 "@$namespace.example/healthz"
  uninstalled
}

httproute() {
  consumer
  with_domain "$namespace.example"
  served httproute --set-file "app.config=$work/config.yaml" --set "httpRoute.hostnames={$namespace.example}" \
    --set 'httpRoute.parentRefs[0].name=traefik,httpRoute.parentRefs[0].namespace=ingress-nginx'
  means "the Gateway does not take the HTTPRoute, is not let in, or does not pass on the Host"
  within 30 "a member answers through it" answers 200 "@$namespace.example/healthz"
  uninstalled
}

monitoring() {
  consumer
  served monitoring --set podMonitor.labels.release=kube-prometheus-stack,prometheusRule.labels.release=kube-prometheus-stack
  scraped
  claim "under the job that the rules ask for" jobs_are testero-proxy
  within 150 "Prometheus has the alerts" alerts
  uninstalled
}

jobs_are() {
  local jobs
  jobs=$(query "count by (job) (up{namespace=\"$namespace\"})" | jq -r '.data.result[].metric.job')
  echo "$jobs"
  [[ $jobs == "$1" ]]
}

# Prometheus has all rules of the chart from this namespace's PrometheusRule, and evaluates them without an error.
alerts() {
  local rules
  rules=$(prometheus rules | jq -c --arg namespace "$namespace" \
    '[.data.groups[] | select(.file | contains("/\($namespace)-")) | .rules[].health]')
  echo "$rules"
  jq -e "length == $(grep -c '^ *- \(alert\|record\):' k8s/proxy/chart/files/rules.yaml) and all(. == \"ok\")" <<<"$rules"
}

# ------------------------------------------------------------------------------------------------------------ the base

base() {
  consumer
  client "$namespace"
  quietly kubectl -n "$namespace" apply -k k8s/proxy
  deployment=testero-proxy ready
  means "the base does not serve"
  within 20 "a pod of the namespace is answered by the member" says ok "$namespace" /healthz http://testero-proxy
  quietly kubectl -n "$namespace" delete -k k8s/proxy --timeout=60s
  nothing_left app.kubernetes.io/name=testero-proxy
}

# --------------------------------------------------------------------------------------------- a changed configuration

# All under load: one connection that stays, and one for each request.
changes() {
  local address before after began ip loads=()
  client "$namespace"
  ip=$(kubectl -n "$namespace" get pod client -o jsonpath='{.status.podIP}')
  configuration "$ip" 8080 first
  quietly helm install testero-proxy k8s/proxy/chart --values k8s/proxy/chart/ci/clusterip.yaml --set-file "app.config=$work/config.yaml" "${until_ready[@]}"
  address=$(field service/testero-proxy '{.spec.clusterIP}' != '')
  within 20 "the member answers" asked 200 first "http://$address/healthz"
  before=$(pods)
  requests "$address" kept
  requests "$address" new -H 'Connection: close'

  configuration "$ip" 9090 first second
  began=$SECONDS
  quietly helm upgrade testero-proxy k8s/proxy/chart --values k8s/proxy/chart/ci/clusterip.yaml --set-file "app.config=$work/config.yaml"
  means "a changed configuration is not taken"
  within 120 "both proxies have read the file again" read_again 2
  echo "taken by both after $((SECONDS - began)) s"
  claim "the new service is there" asked 200 second "http://$address/healthz"
  claim "and only the new member" is_status '[.services[].members[].member] | unique' "[\"$ip:9090\"]"

  means "a configuration with a mistake is taken, or ends the proxy"
  sed -i 's/port: 9090/&, weight: -1/' "$work/config.yaml"
  quietly helm upgrade testero-proxy k8s/proxy/chart --values k8s/proxy/chart/ci/clusterip.yaml --set-file "app.config=$work/config.yaml"
  # The kubelet looks after a pod at once when it changes, which is in the README, too.
  kubectl -n "$namespace" annotate pod -l "$proxies" looked-at=now
  within 30 "the proxies say what is wrong" mistaken
  claim "and go on as before" asked 200 second "http://$address/healthz"
  after=$(pods)
  claim "no pod was replaced, and no container started again" test "$before" == "$after"

  means "a restart of the proxies loses requests"
  configuration "$ip" 9090 first second
  quietly helm upgrade testero-proxy k8s/proxy/chart --values k8s/proxy/chart/ci/clusterip.yaml --set-file "app.config=$work/config.yaml" \
    --set podLabels.a=b "${until_ready[@]}"
  within 60 "the pods of before are gone" two_pods
  kill "${loads[@]}"
  wait "${loads[@]}" || true
  claim "no request was lost, whether on a connection that stays" lossless kept
  claim "or on new ones" lossless new
  uninstalled
}

# A file with these services, all of them with this member.
configuration() { # ADDRESS PORT SERVICE…
  local service
  {
    printf 'proxy:\n  listen: {address: 0.0.0.0, port: 8080}\n  services:\n'
    for service in "${@:3}"; do printf '  - {name: %s, domain: %s, hosts: [{address: %s, port: %s}]}\n' "$service" "$service" "$1" "$2"; done
  } >"$work/config.yaml"
}

pods() {
  kubectl -n "$namespace" get pod -l "$proxies" \
    -o jsonpath='{range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount}{"\n"}{end}' | sort
}

two_pods() { pods; [[ $(pods | wc -l) == 2 ]]; }

read_again() { # PODS
  local said
  said=$(kubectl -n "$namespace" logs -l "$proxies" --prefix --tail=-1 | grep 'configuration file read again')
  echo "$said"
  [[ $(cut -d ' ' -f 1 <<<"$said" | sort -u | wc -l) == "$1" ]]
}

mistaken() {
  local said
  said=$(kubectl -n "$namespace" logs -l "$proxies" --prefix --tail=-1 | grep -c 'the configuration stays as it was')
  echo "$said"
  ((said >= 2))
}

# Two hundred requests a second, until it is ended; what each was answered is in $work/NAME.
requests() { # ADDRESS NAME [ARGUMENT OF CURL…]
  timeout "$((300 * slowness))" curl -sS --rate 200/s -m 10 -H 'Host: first' "${@:3}" -o /dev/null -w '%{http_code}\n' "http://$1/healthz?[1-1000000]" >"$work/$2" 2>"$work/$2.errors" &
  loads+=("$!")
}

lossless() { # NAME
  sort "$work/$1" | uniq -c
  cat "$work/$1.errors"
  # A fraction of what is asked for: the machine may be busy.
  [[ $(sort -u "$work/$1") == 200 ]] && (($(wc -l <"$work/$1") > 500))
}

# ---------------------------------------------------------------------------------------------------------- the script

script() {
  local ports=(--set 'app.service.nodePort=30313,app.data.service.nodePort=30310') address stub=$work/bin
  local deploy=(k8s/proxy/deploy --namespace "$namespace")
  address=http://$(node_address node-1)
  consumer
  with_domain first.example
  means "k8s/proxy/deploy does not do what it says"
  quietly "${deploy[@]}" "$work/config.yaml" -- "${ports[@]}" "${until_ready[@]}"
  claim "it says which file it uses" shows "^using $work/config\.yaml as config file$"
  claim "and that it installs" shows '^installing testero-proxy helm release\.\.\.$'
  claim "the file is what it was, with its comments" field configmap/testero-proxy '{.data.config\.yaml}' = "$(<"$work/config.yaml")"
  within 20 "a member answers on the node port" asked 200 first.example "$address:30313/healthz"
  within 20 "and the metrics on theirs" answers 200 "$address:30310/metrics"

  # A pipe, and JSON.
  quietly "${deploy[@]}" <(json_configuration second.example) -- "${ports[@]}" "${until_ready[@]}"
  claim "it says that it upgrades" shows '^helm release testero-proxy already installed; upgrading it\.\.\.$'
  kubectl -n "$namespace" annotate pod -l "$proxies" looked-at=now
  within 30 "a member answers to the new Host" asked 200 second.example "$address:30313/healthz"

  output=$("${deploy[@]}" "$work/nowhere.yaml" 2>&1) && give_up "a file that is not there is refused" "$output"
  claim "it says so" shows '^deploy: cannot read .*nowhere\.yaml$'
  output=$("${deploy[@]}" - <<<'proxy: {listen: {address: 0.0.0.0, port: 70000}}' 2>&1) && give_up "a mistake is refused" "$output"
  claim "it says where" shows 'proxy\.listen\.port: expected a port from 1 to 65535'
  # In the place of testero: one that finds something.
  mkdir "$stub"
  printf '%s\n' '#!/bin/sh' '[ "$2" = --help ] || { echo "proxy.x (line 3): wrong"; exit 1; }' >"$stub/testero"
  chmod +x "$stub/testero"
  output=$(PATH=$stub:$PATH "${deploy[@]}" "$work/config.yaml" 2>&1) && give_up "what testero refuses is refused" "$output"
  claim "in testero's words" shows '^proxy\.x \(line 3\): wrong$'
  output=$("${deploy[@]}" --typo 2>&1) && give_up "an unknown option is refused" "$output"
  claim "it says so" shows '^deploy: unknown option --typo'
  quietly "${deploy[@]}" "$work/config.yaml" --dry-run --release dry -- --kube-version 1.34.0
  claim "a dry run prints the objects" shows '^  name: dry-testero-proxy$'
  claim "and changes nothing" none app.kubernetes.io/instance=dry
  claim "the release has had two revisions, and no more" revisions 2
  uninstalled
}

json_configuration() { # DOMAIN
  printf '{"proxy": {"listen": {"address": "127.0.0.1", "port": 8080},\n\t"services": [{"name": "a", "domain": "%s",\n\t"hosts": [{"address": "testero", "port": 8080}]}]}}\n' "$1"
}

revisions() {
  local is
  is=$(helm history testero-proxy -o json | jq length)
  echo "$is"
  [[ $is == "$1" ]]
}
