# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC2154 # variables of recipe.bash and cases.bash
# What the cases of proxy.bats do with a release of k8s/proxy/chart, which is called testero-proxy.
#
#   consumer                  makes a member, which is where the default configuration has it
#   served VALUES CODE …      installs the chart with a file of k8s/proxy/chart/ci, and does what its NOTES say
#   uninstalled               removes the release, and nothing is left
#   asked CODE HOST URL …     what curl is answered who asks for this Host
#   is_status FILTER VALUE    a field of a proxy's /status, in JSON

helm() { command helm --namespace "$namespace" "$@"; }

# Of helm: until the pods are ready.
until_ready=(--wait --timeout "$((60 * slowness))s")
proxies='app.kubernetes.io/component=proxy'
member=$'SERVICE +MEMBER +STATE'

# A member, which is where the default configuration has it.
consumer() {
  quietly kubectl -n "$namespace" apply -k k8s/base
  ready
}

# Installs the chart, and does what its NOTES say.
served() { # VALUES [ARGUMENT OF HELM…]
  local file=$1
  shift
  means "the chart does not come up with k8s/proxy/chart/ci/$file.yaml"
  quietly helm install testero-proxy k8s/proxy/chart --values "k8s/proxy/chart/ci/$file.yaml" "${until_ready[@]}" "$@"
  means "what helm install tells the user to do fails"
  printf '%s\n' "$output" >"$work/notes"
  notes
}

notes() {
  local line commands=0 NODE PORT
  while IFS= read -r line; do
    commands=$((commands + 1))
    case $line in
      'kubectl '*port-forward*) forward_both "$line" ;;
      NODE=* | PORT=*) eval "$line" ;;
      'curl -H'*)
        within 10 "a request is answered" curled 200 "$line"
        cp "$work/body" "$work/answer" ;;
      'curl '*/status) claim "the status shows members" curled 200 "$line" && claim "as a table" grep -E "$member" "$work/body" ;;
      'helm test '*)
        quietly eval "$line"
        claim "helm test says that it succeeded" shows '^Phase: +Succeeded' ;;
      'kubectl '*logs*) claim "the log tells of the configuration, where info is logged" told "$line" ;;
      *) give_up "NOTES has commands of a kind that is known" "$line" ;;
    esac
  done < <(sed -n '/^NOTES:$/,$s/^  \([^ ]\)/\1/p' "$work/notes")
  ((commands >= 5)) || give_up "NOTES has its commands" "$(<"$work/notes")"
}

# Local ports are whichever are free.
forward_both() {
  local line=${1/ 8080:/ :} port_of=0
  [[ $line == *' :'* ]] || port_of=1
  forward "${line/% 8000/ :8000}"
  [[ $line != *' 8000' ]] || within 10 "the metrics' port is forwarded" forwarded 1
  [[ $line != *' 8000' ]] || data=$(forwarded 1)
  port=$(forwarded "$port_of")
}

told() { # COMMAND
  local said
  said=$(eval "$1") || [[ $deployment == front ]]
  printf '%s\n' "$said"
}

forwarded() { # 0 | 1, for the metrics
  sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) -> \(.*\)$/\2 \1/p' "$work/forward" | awk -v data="$1" '($1 == 8000) == data { print $2 }' | grep .
}

curled() { # CODE COMMAND
  local is command=${2//localhost:8080/localhost:$port}
  is=$(eval "${command//localhost:8000/localhost:$data} -sS -m 10 -o $work/body -w '%{http_code}'" 2>&1)
  printf '%s %s\n' "$is" "$(head -c 300 "$work/body")"
  [[ $is == "$1" ]]
}

uninstalled() {
  end_forward
  quietly helm uninstall testero-proxy
  nothing_left app.kubernetes.io/instance=testero-proxy
}

# A pod of the release, on this node if one is named.
proxy_pod() { # [NODE]
  kubectl -n "$namespace" get pod -l "$proxies" ${1:+--field-selector "spec.nodeName=$1"} -o jsonpath='{.items[0].metadata.name}'
}

status_of() { # JQ-FILTER
  kubectl -n "$namespace" exec "$(proxy_pod)" -- /testero http '/status?format=json' --url http://127.0.0.1:8000 | jq -c "$1"
}

is_status() { # JQ-FILTER VALUE
  local is
  is=$(status_of "$1") || return
  echo "$is"
  [[ $is == "$2" ]]
}

node_address() { kubectl get node "$1" -o jsonpath='{.status.addresses[0].address}'; }

none_of() { # KIND…
  local left
  left=$(kubectl -n "$namespace" get "$(IFS=,; echo "$*")" -l app.kubernetes.io/instance=testero-proxy -o name)
  echo "$left"
  [[ -z $left ]]
}

asked() { # CODE HOST URL [ARGUMENT OF CURL…]
  answers "$1" "$3" -H "Host: $2" "${@:4}"
}
