# shellcheck shell=bash disable=SC2034,SC2154 # variables of recipe.bash
# What base.bats, chart.bats and monitoring.bats stand on: cases, each a function that runs in a shell and a namespace of its
# own, a few at a time. The namespaces enforce the pod security standard "restricted", and warn of it. Their claims are those of
# k8s/checks/recipe.bash, which is read first.
#
#   begin_file ADD-ON…        for setup_file: these add-ons are there
#   together CASE…            runs these cases, and fails when one of them does, twice
#   own NAMESPACE             makes a namespace that is removed when the case ends
#   client NAMESPACE          makes a pod `client` there that belongs to nobody and serves on 8080 and 9090
#   in_pod ARGUMENT…          testero's client, in the pod of deploy/testero, or of deploy/$deployment
#   ready                     waits until all of that deployment's pods are
#   quietly COMMAND…          a command succeeds without a warning; what it said is in $output
#   forward COMMAND           runs that port-forward to any local port, which is then $port
#   answers CODE URL…         what curl is answered; / alone is the forwarded port, @HOST/ the add-on gateway under that name
#   scraped                   Prometheus has taken up the pods of the namespace, and gets their metrics
#   query PROMQL, prometheus PATH   Prometheus' answer, in JSON
#   nothing_left LABEL [KIND] within a minute no object has this label but of that kind

at_once=${TESTERO_JOBS:-3}
label=app.kubernetes.io/managed-by=testero-tests

# For setup_file. The label's value is a process that lives as long as the file.
begin_file() { # ADD-ON…
  cd "$BATS_TEST_DIRNAME/../.." || return
  export TESTERO_TESTS=$$
  local add_on missing=()
  for add_on in "$@"; do has_add_on "$add_on" || missing+=("$add_on"); done
  ((${#missing[@]} == 0)) || { echo "this needs: tests/kubernetes/cluster add ${missing[*]}" >&2; return 1; }
  remove_namespaces ended
}

has_add_on() {
  case $1 in
    gateway) kubectl get namespace ingress-nginx ;;
    monitoring) kubectl get namespace monitoring ;;
    storage) [[ -n $(kubectl get storageclass -o name) ]] ;;
  esac >/dev/null 2>&1
}

# Without waiting: the next run does, if it comes that soon.
end_file() { remove_namespaces own --wait=false; }

# Of this run, or of those that could not remove theirs because they were killed.
remove_namespaces() { # own | ended [OPTION OF KUBECTL DELETE]
  local name of left=()
  while read -r name of; do
    if [[ -n $name && $1:$of == "own:$TESTERO_TESTS" ]] || ! kill -0 "$of" 2>/dev/null; then left+=("$name"); fi
  done < <(kubectl get namespace -l "$label" --no-headers -o custom-columns=N:.metadata.name,R:.metadata.labels.testero-tests/run)
  ((${#left[@]} == 0)) || kubectl delete namespace "${left[@]}" --ignore-not-found --timeout=120s "${@:2}" >/dev/null
}

setup() { cd "$BATS_TEST_DIRNAME/../.." || return; }
# What recipe.bash has here is for recipes.
teardown() { :; }

# What failed beside others is tried once more, alone: these machines are slow at times, and a program that is wrong is so again.
together() {
  local name log failed=() twice=()
  for name in "$@"; do
    while (($(jobs -rp | wc -l) >= at_once)); do sleep 0.2; done
    one "$name" >>"$BATS_TEST_TMPDIR/$name.log" 2>&1 3>&- &
  done
  wait
  for name in "$@"; do passed "$name" || failed+=("$name"); done
  for name in "${failed[@]}"; do
    log=$BATS_TEST_TMPDIR/$name.log
    printf '== %s\n' "$name"
    cat "$log"
    { echo "#   $name failed, and is tried once more:"; grep -A 3 '^Not so: ' "$log" || tail -n 3 "$log"; } | sed '2,$s/^/#     /' >&3
    rm -rf "${BATS_TEST_TMPDIR:?}/$name"
    # Its names are those of the first try.
    within 120 "the namespaces of the first try are gone" ended
    # In the background: where a function is a condition, bash would go on after a command that fails.
    one "$name" >"$log" 2>&1 3>&- &
    wait
    passed "$name" || { cat "$log"; twice+=("$name"); }
  done
  ((${#twice[@]} == 0)) || { printf 'failed twice: %s\n' "${twice[@]}"; return 1; }
}

# It is there when the case came to its end. (Their exit codes are not: `jobs` lets bash forget who has ended.)
passed() { # CASE
  [[ -e $BATS_TEST_TMPDIR/$1.seconds ]] || return
  echo "#   $1: $(<"$BATS_TEST_TMPDIR/$1.seconds") s" >&3
}

ended() {
  local left
  left=$(kubectl get namespace -l "$label,testero-tests/run=$TESTERO_TESTS" -o jsonpath='{range .items[?(@.status.phase=="Terminating")]}{.metadata.name} {end}')
  echo "$left"
  [[ -z $left ]]
}

one() { # CASE
  SECONDS=0 work=$BATS_TEST_TMPDIR/$1 namespace='' namespaces=() clients=() forward='' port=''
  # Each claim that was seen is told of, too, in case a later one is not.
  TESTERO_EVIDENCE=/dev/stderr
  mkdir "$work"
  trap end_case EXIT
  own "testero-$(basename "$BATS_TEST_FILENAME" .bats)-${1//_/-}"
  namespace=${namespaces[0]}
  "$1"
  echo "$SECONDS" >"$work.seconds"
}

end_case() {
  local status=$? client
  set +e
  trap - EXIT
  end_forward
  if ((status)); then
    kubectl -n "$namespace" get pods,events 2>&1 | cut -c 1-200 | tail -n 30
  fi
  for client in "${clients[@]}"; do kubectl -n "$client" delete pod client --wait=false; done
  kubectl delete namespace "${namespaces[@]}" --wait=false
  exit "$status"
} >&2

own() {
  kubectl create -f - <<END
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "$1", "labels": {
  "${label%=*}": "${label#*=}", "testero-tests/run": "$TESTERO_TESTS",
  "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}}}
END
  namespaces+=("$1")
}

client() {
  local security='{"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}'
  kubectl -n "$1" apply -f - <<END
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"}, "spec": {
  "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
  "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [
  {"name": "client", "image": "localhost/testero:0.1.0", "securityContext": $security},
  {"name": "other", "image": "localhost/testero:0.1.0", "securityContext": $security,
   "env": [{"name": "PORT", "value": "9090"}]}]}}
END
  clients+=("$1")
  kubectl -n "$1" wait --for=condition=Ready pod/client --timeout="$((60 * slowness))s"
}

in_pod() { kubectl -n "$namespace" exec "deploy/${deployment:-testero}" -- /testero "$@"; }

ready() { kubectl -n "$namespace" rollout status "deploy/${deployment:-testero}" --timeout="$((60 * slowness))s"; }

quietly() {
  output=$("$@" 2>&1) || give_up "this succeeds: $*" "$output"
  printf '%s\n' "$output"
  ! grep -E 'Warning:|warnings\.go' <<<"$output" || give_up "this says no warning: $*" "$output"
}

forward() {
  end_forward
  # Not the function of recipe.bash but the program itself, or the process that is ended would be a shell around it.
  # shellcheck disable=SC2294 # a command line of NOTES
  (eval "exec $*") >"$work/forward" 2>&1 &
  forward=$!
  within 20 "a port is forwarded" grep -q '^Forwarding from' "$work/forward"
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$work/forward")
}

end_forward() {
  [[ -n ${forward:-} ]] || return 0
  kill "$forward"
  wait "$forward" || true
  forward=''
}

answers() { # CODE URL [ARGUMENTS OF CURL…]
  local code=$1 url=$2 is host
  shift 2
  case $url in
    /*) url=http://localhost:$port$url ;;
    @*) host=${url%%/*} url=$(door)/${url#*/}; set -- -H "Host: ${host#@}" "$@" ;;
  esac
  : >"$work/body"
  is=$(curl -sS -m 10 -o "$work/body" -w '%{http_code}' "$@" "$url" 2>&1) || true
  printf '%s %s\n' "$is" "$(head -c 300 "$work/body")"
  [[ $is == "$code" ]]
}

# Where the add-on gateway is reached from a node.
door() {
  printf 'http://%s:%s' "$(kubectl -n ingress-nginx get gateway traefik -o jsonpath='{.status.addresses[0].value}')" \
    "$(kubectl -n ingress-nginx get service traefik -o jsonpath='{.spec.ports[0].nodePort}')"
}

scraped() {
  means "Prometheus does not take the monitor, or does not get through to the pods"
  # Its configuration is a Secret's volume, which the kubelet looks at once a minute.
  within 150 "Prometheus scrapes the pods" up
}

up() {
  local answer
  answer=$(query "min(up{namespace=\"$namespace\"})")
  echo "$answer"
  jq -e '.data.result[0].value[1] == "1"' <<<"$answer"
}

query() { prometheus "query?query=$(jq -rn --arg query "$1" '$query | @uri')"; }

prometheus() { kubectl get --raw "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/$1"; }

nothing_left() {
  means "something is left that nobody removes"
  within 60 "nothing is left" none "$@"
}

none() { # LABEL [KIND]
  local left
  left=$(kubectl -n "$namespace" get "$(kubectl api-resources --namespaced --verbs=list,delete -o name | paste -sd ,)" \
    -l "$1" -o name --ignore-not-found) || return 1
  [[ -z ${2:-} ]] || left=$(grep -v "^$2/" <<<"$left")
  printf '%s\n' "$left"
  [[ -z $left ]]
}
