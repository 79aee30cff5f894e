#!/usr/bin/env bats
# k8s/base and k8s/components on a real Kubernetes, without a recipe around them. About three minutes. The cluster is up, has
# the image, and the add-ons gateway, monitoring and storage:
#   tests/kubernetes/cluster run bats tests/kubernetes/base.bats
load ../../k8s/checks/recipe
load cases

setup_file() { begin_file gateway monitoring storage; }
teardown_file() { end_file; }

@test "the base is ready at once, satisfies the pod security standard \"restricted\", and goes without a rest" { together base; }

@test "the base's NetworkPolicy lets in and out whom its comments say" { together policy; }

@test "each component does what it is for, and nothing without it" { together token ingress monitoring; }

# with COMPONENT…: the base with these components, in a kustomization in $work/NAME
overlay() { # NAME COMPONENT…
  local folder=$work/$1 base
  mkdir -p "$folder"
  base=$(realpath --relative-to "$folder" k8s)
  shift
  {
    printf 'resources: [%s/base]\n' "$base"
    printf 'namespace: %s\n' "$namespace"
    (($# == 0)) || printf 'components:\n'
    (($# == 0)) || printf -- "- $base/components/%s\n" "$@"
  } >"$folder/kustomization.yaml"
}

base() {
  means "the pods are refused by a namespace with pod security, or do not become ready"
  quietly kubectl -n "$namespace" apply -k k8s/
  quietly ready
  means "the pod is ready, and does not do what it is for"
  quietly in_pod mem set 100Mi --wait
  claim "it holds 100 MiB" holds 100
  # What is there already is taken as it is.
  quietly kubectl -n "$namespace" apply -k k8s/
  quietly ready
  claim "it still holds 100 MiB: applying again changes no pod" holds 100
  quietly kubectl -n "$namespace" delete -k k8s/ --timeout=60s
  nothing_left app.kubernetes.io/part-of=testero
}

holds() { # MIB
  local is
  is=$(in_pod mem get --json)
  echo "$is"
  [[ $(jq .held <<<"$is") == $(($1 * 1048576)) ]]
}

policy() {
  local outside=$namespace-outside here there address
  own "$outside"
  client "$outside"
  client "$namespace"
  overlay base
  # One on the node that this runs on, one on another.
  cat >>"$work/base/kustomization.yaml" <<END
patches:
- target: {kind: Deployment}
  patch: |
    - {op: replace, path: /spec/replicas, value: 2}
    - {op: add, path: /spec/template/spec/topologySpreadConstraints, value: [{maxSkew: 1, topologyKey: kubernetes.io/hostname,
       whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app.kubernetes.io/name: testero}}}]}
END
  kubectl apply -k "$work/base"
  ready
  here=$(pod_address '=')
  there=$(pod_address '!=')

  means "the own namespace is shut out, and testero is reached by kubectl alone"
  within 20 "a pod of the namespace gets through to the Service" asks "$namespace" client http://testero:8080/healthz
  within 20 "to the headless Service" asks "$namespace" client http://testero-headless:8080/healthz
  for address in "$here" "$there"; do
    within 20 "to a pod's address" asks "$namespace" client "http://$address:8080/healthz"
  done
  means "probes fail: the policy shuts out the pod's own node"
  within 20 "the pod's own node gets through" answers 200 "http://$here:8080/healthz"

  means "whoever is in the cluster reaches testero, and takes what the limits allow"
  for address in "$here" "$there" "testero.$namespace" "testero-headless.$namespace"; do
    within 20 "a pod of another namespace is refused" refute asks "$outside" client "http://$address:8080/healthz"
  done
  within 20 "another node is refused" refute answers 200 "http://$there:8080/healthz"

  means "testero does not reach its own kind: spread does not work"
  for address in testero testero-headless "$there" "$here" "$(client_address "$namespace")"; do
    within 20 "testero gets through to $address on 8080" asks "$namespace" deploy/testero "http://$address:8080/healthz"
  done
  means "testero reaches more than it needs to"
  address=http://$(client_address "$namespace"):9090/healthz
  claim "another port of a pod of the namespace is open" asks "$outside" client "$address"
  within 20 "and testero is refused there" refute asks "$namespace" deploy/testero "$address"
  address=http://$(client_address "$outside"):8080/healthz
  claim "a pod of another namespace is open" asks "$namespace" client "$address"
  within 20 "and testero is refused there" refute asks "$namespace" deploy/testero "$address"
  address=http://kubernetes.default:443/
  claim "the API server is open" asks "$namespace" client "$address"
  within 20 "and testero is refused there" refute asks "$namespace" deploy/testero "$address"
}

client_address() { kubectl -n "$1" get pod client -o jsonpath='{.status.podIP}'; }

# Of testero's pod on this node, or on the other. Which node this is, its address tells.
pod_address() { # = | !=
  kubectl -n "$namespace" get pod -l app.kubernetes.io/name=testero \
    -o jsonpath='{range .items[*]}{.status.hostIP} {.status.podIP}{"\n"}{end}' |
    awk -v here=" $(hostname -I) " -v same="$1" '(same == "=") == (index(here, " " $1 " ") > 0) { print $2; exit }'
}

token() {
  overlay base token
  kubectl apply -k "$work/base"
  means "a pod whose token's Secret is missing starts without a token"
  within 30 "an event says that the Secret is missing" event FailedMount 'secret "testero-token" not found'
  kubectl -n "$namespace" create secret generic testero-token --from-literal=token=first
  means "the pod does not start although its Secret is there now"
  within 60 "it is ready once the Secret is made" ready

  means "changes need no token, or reads need one"
  forward kubectl -n "$namespace" port-forward deploy/testero :8080
  claim "a change without the token is refused" answers 401 '/api/mem/set?amount=1Mi' -X POST
  claim "and told what is missing" answers 401 '/api/mem/set?amount=1Mi' -X POST -D "$work/head"
  claim "also in the way of HTTP" grep -i '^www-authenticate: bearer realm="testero"' "$work/head"
  claim "a wrong one is refused" answers 401 '/api/mem/set?amount=1Mi' -X POST -H 'Authorization: Bearer second'
  claim "the right one does it" answers 200 '/api/mem/set?amount=1Mi' -X POST -H 'Authorization: Bearer first'
  for path in /healthz /readyz /metrics /api/status; do
    claim "reads need none: $path" answers 200 "$path"
  done
  claim "the client in the pod finds the token by itself" in_pod mem set 2Mi --wait
  claim "and fails with a wrong one" refute in_pod mem set 3Mi --wait --token wrong

  means "a changed Secret is not taken up: a token that is known to somebody goes on being good"
  kubectl -n "$namespace" create secret generic testero-token --from-literal=token=second --dry-run=client -o yaml |
    kubectl apply -f -
  within 150 "the new token is taken" answers 200 '/api/mem/set?amount=1Mi' -X POST -H 'Authorization: Bearer second'
  claim "the old one is not good any more" answers 401 '/api/mem/set?amount=1Mi' -X POST -H 'Authorization: Bearer first'
  claim "nothing was restarted" field pod '{.items[*].status.containerStatuses[*].restartCount}' = 0
}

ingress() {
  local outside=$namespace-outside
  own "$outside"
  client "$outside"
  overlay base
  overlay opened ingress
  kubectl apply -k "$work/base"
  kubectl -n "$namespace" apply -f - <<END
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "testero"}, "spec": {"rules": [
  {"host": "$namespace.ingress.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
   "backend": {"service": {"name": "testero", "port": {"name": "http"}}}}]}}]}},
 {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "testero"}, "spec": {
  "parentRefs": [{"name": "traefik", "namespace": "ingress-nginx"}], "hostnames": ["$namespace.route.example"],
  "rules": [{"backendRefs": [{"name": "testero", "port": 8080}]}]}}]}
END
  ready
  means "the controller gets in without the component, so nobody needs it"
  for way in ingress route; do
    within 30 "the controller has the $way, and is shut out" answers 502 "@$namespace.$way.example/healthz"
  done
  kubectl apply -k "$work/opened"
  means "the component does not let the controller in"
  for way in ingress route; do
    within 30 "the controller gets through by the $way" answers 200 "@$namespace.$way.example/healthz"
  done
  means "the component lets in more than the controller"
  claim "a pod of another namespace is refused" refute asks "$outside" client "http://testero.$namespace:8080/healthz"
}

monitoring() {
  local outside=$namespace-outside
  own "$outside"
  client "$outside"
  client monitoring
  overlay base
  overlay opened monitoring
  kubectl apply -k "$work/base"
  ready
  within 20 "the namespace monitoring is refused without the component" \
    refute asks monitoring client "http://testero.$namespace:8080/metrics"
  kubectl apply -k "$work/opened"
  means "the component does not let Prometheus in"
  within 20 "the namespace monitoring is let in" asks monitoring client "http://testero.$namespace:8080/metrics"
  means "the component lets in more than the namespace monitoring"
  claim "another namespace is refused" refute asks "$outside" client "http://testero.$namespace:8080/metrics"
}
