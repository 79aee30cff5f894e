# What the checks of the recipes stand on. Each check.bats loads this file.
#
# A check runs the commands of its recipe's README and asserts what the README says to expect. The commands stand in the
# README alone, in named blocks:
#
#     ```console grow
#     $ kubectl -n testero-oom-kill exec deploy/testero -- /testero mem set 1Gi
#     what the command printed when the block was recorded
#     ```
#
#   recipe NAME                  begin: the recipe's folder and its namespace, testero-NAME
#   also NAMESPACE               a further namespace, which the recipe's commands use
#   step BLOCK                   run the commands of a block, in this shell; its output is in $output
#   refused BLOCK                the same for a block whose last command is refused
#   expect SECONDS CLAIM RESOURCE JSONPATH OPERATOR VALUE
#                                wait until a field is as claimed: = != =~ (regular expression) -eq -ne -lt -le -gt -ge
#   within SECONDS CLAIM COMMAND…   wait until a command succeeds
#   stays SECONDS CLAIM COMMAND…    a command succeeds all the time
#   claim CLAIM COMMAND…         a command succeeds now
#   means TEXT                   what it means when the next claims fail, and where to look
#   will_cordon NODE             the next commands cordon a node: whatever happens, it is uncordoned
#   will_add_capacity NODE RESOURCE
#                                the next commands give a node a resource testero.example/RESOURCE: it is taken away again
#   sweep_class NAME…            the recipe's PriorityClasses are removed, too, when the check is interrupted
#   asks NAMESPACE POD URL       a pod asks for a URL
#   insufficient_cpu             a pod is on no node for want of CPU, and says so
#   quantity QUANTITY            512Mi as a number
#   needs metrics | api GROUP/VERSION WHAT | version MINOR | nodes COUNT | storage | program NAME WHERE |
#         cluster-wide WHAT | node-pressure | nobody-else
#                                or the check is skipped, with the reason
#   clean_up                     run the block clean-up, and nothing is left
#
# With TESTERO_RECORD=yes the output of each block is written into the README.

# Prints each command of a README's block, one a line in base64: a command may have several lines.
block_commands() { # README BLOCK
  local line command='' inside=no found=no
  while IFS= read -r line; do
    if [[ $inside == no ]]; then
      [[ $line == "\`\`\`console $2" ]] && inside=yes found=yes
      continue
    fi
    [[ $line == '```' ]] && break
    if [[ -n $command ]]; then
      command+=$'\n'$line
    elif [[ $line == '$ '* ]]; then
      command=${line#'$ '}
    else
      # What a command printed when it was recorded.
      continue
    fi
    if is_complete "$command"; then
      base64 -w 0 <<<"$command"
      echo
      command=''
    fi
  done <"$1"
  [[ $found == yes ]] || { echo "$1 has no block '$2'" >&2; return 1; }
  [[ -z $command ]] || { echo "$1, block '$2': a command does not end" >&2; return 1; }
}

# Whether bash would run this, or wait for more lines.
is_complete() {
  [[ $1 != *\\ ]] && bash -n <<<"$1" 2>/dev/null
}

# kubectl for the cluster that the caller chose, and what it applies for the image and the node that the caller chose. In a
# block that is to succeed, it waits as much longer as the cluster is slow.
kubectl() {
  local kubectl=(command kubectl) argument arguments=()
  [[ -z ${TESTERO_CONTEXT:-} ]] || kubectl+=(--context "$TESTERO_CONTEXT")
  if [[ -n ${patient:-} ]]; then
    for argument in "$@"; do
      [[ ! $argument =~ ^--timeout=([0-9]+)([smh])$ ]] || argument=--timeout=$((BASH_REMATCH[1] * slowness))${BASH_REMATCH[2]}
      arguments+=("$argument")
    done
    set -- "${arguments[@]}"
  fi
  if [[ ${1:-} == apply && ${2:-} == -k && -n ${TESTERO_IMAGE:-}${TESTERO_NODE:-} ]]; then
    chosen "$3" | "${kubectl[@]}" apply -f -
  else
    "${kubectl[@]}" "$@"
  fi
}

# The manifests of a folder, with that image, and with all pods on that node whatever its taints.
chosen() { # FOLDER
  local overlay kind
  overlay=$(mktemp -d "$BATS_TEST_TMPDIR/overlay.XXXXXX")
  command kubectl kustomize "$1" | sed "s#localhost/testero:0\.1\.0#${TESTERO_IMAGE:-&}#" >"$overlay/all.yaml"
  {
    printf 'resources: [all.yaml]\n'
    [[ -z ${TESTERO_NODE:-} ]] || printf 'patches:\n'
    for kind in ${TESTERO_NODE:+Deployment StatefulSet Job}; do
      printf -- '- target: {kind: %s}\n  patch: |-\n' "$kind"
      printf '    - {op: add, path: /spec/template/spec/nodeSelector, value: {kubernetes.io/hostname: %s}}\n' "$TESTERO_NODE"
      printf '    - {op: add, path: /spec/template/spec/tolerations, value: [{operator: Exists}]}\n'
    done
  } >"$overlay/kustomization.yaml"
  command kubectl kustomize "$overlay"
}

# Time limits are for a quiet machine; a slow one multiplies them.
slowness=${TESTERO_SLOWNESS:-1}
owner=app.kubernetes.io/managed-by=testero-verify
meaning=''

recipe() {
  cd "$BATS_TEST_DIRNAME/../../.." || return
  recipe=$1
  readme=k8s/recipes/$1/README.md
  # Set only when it is ours: teardown removes what these name.
  namespace=''
  take "testero-$1"
  namespace=testero-$1
}

# A further namespace that the recipe's commands use: it is removed with the first.
also() {
  take "$1"
  also=$1
}

# Makes a namespace, or skips the check where somebody has it. The labels find it again when the check cannot end
# properly; the recipe's own apply keeps them.
take() {
  if kubectl get namespace "$1" >/dev/null 2>&1; then
    skip "there is a namespace $1 already: delete it first, or wait for the run that it is of"
  fi
  kubectl create namespace "$1" --save-config >/dev/null
  kubectl label namespace "$1" "$owner" testero-verify/run="${TESTERO_RUN:-by-hand}" >/dev/null
}

# After the test, whatever became of it. bats calls it.
teardown() {
  [[ -n ${namespace:-} ]] || return 0
  # A node that takes no pods, or has an invented resource, is nothing to look at.
  [[ -z ${TESTERO_KEEP:-} || -n ${cordons:-}${adds_to:-} ]] || return 0
  remove_all >/dev/null 2>&1
}

# The label tells k8s/verify which node to uncordon when this check is interrupted. A node that is cordoned already is not
# ours to uncordon.
will_cordon() {
  [[ $(kubectl get node "$1" -o jsonpath='{.spec.unschedulable}') != true ]] || give_up "node $1 takes pods before it is drained" cordoned
  kubectl label node "$1" testero-verify/cordoned="${TESTERO_RUN:-by-hand}" >/dev/null
  cordons=$1
}

# The label does the same for capacity: k8s/verify takes away every testero.example/… of a node that has it.
will_add_capacity() {
  local has
  has=$(kubectl get node "$1" -o "jsonpath={.status.capacity.testero\\.example/$2}")
  [[ -z $has ]] || give_up "node $1 has no testero.example/$2 of its own" "$has"
  kubectl label node "$1" testero-verify/capacity="${TESTERO_RUN:-by-hand}" >/dev/null
  adds_to=$1 resource=$2
}

# PriorityClasses of the recipe, which k8s/verify finds as it finds the namespace when this check is interrupted.
sweep_class() { # NAME…
  kubectl label priorityclass "$@" "$owner" testero-verify/run="${TESTERO_RUN:-by-hand}" >/dev/null
}

remove_all() {
  waiting "everything is removed"
  if [[ -n ${cordons:-} ]]; then
    kubectl uncordon "$cordons"
    kubectl label node "$cordons" testero-verify/cordoned-
  fi
  if [[ -n ${adds_to:-} ]]; then
    # It is gone already when the recipe's Clean up was run.
    kubectl patch node "$adds_to" --subresource=status --type=json \
      -p "[{\"op\":\"remove\",\"path\":\"/status/capacity/testero.example~1$resource\"}]" || true
    kubectl label node "$adds_to" testero-verify/capacity-
  fi
  [[ -z ${also:-} ]] || kubectl delete namespace "$also" --ignore-not-found --timeout=90s
  kubectl delete -k "k8s/recipes/$recipe" --ignore-not-found --timeout=90s ||
    kubectl delete namespace "$namespace" --ignore-not-found --timeout=90s
}

step() {
  local patient=yes
  run_block "$1" || give_up "the block '$1' of $readme" "$output"
}

refused() {
  if run_block "$1"; then
    give_up "the last command of block '$1' of $readme is refused" "$output"
  fi
}

# Leaves the output of all commands in $output. Fails with the last command; an earlier one that fails ends the test.
run_block() {
  local encoded command status=0 commands recorded
  commands=$(block_commands "$readme" "$1") || give_up "the block '$1'" "$commands"
  recorded=$BATS_TEST_TMPDIR/recorded
  : >"$recorded"
  output=''
  waiting "block $1"
  for encoded in $commands; do
    ((status == 0)) || give_up "a command of the block '$1' of $readme" "$output"
    command=$(base64 -d <<<"$encoded")
    printf '$ %s\n' "$command" >>"$recorded"
    # In this shell, so that later blocks see its functions and variables.
    eval "$command" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- || status=$?
    cat "$BATS_TEST_TMPDIR/out" >>"$recorded"
    output+=$(<"$BATS_TEST_TMPDIR/out")$'\n'
  done
  [[ -z ${TESTERO_RECORD:-} ]] || record "$1" "$recorded"
  return "$status"
}

# Replaces a block of the README by what was recorded, with names, times and addresses made stable. In a table a shorter
# name is filled up, so that the columns stay; of a long progress the first and the last lines are enough.
record() {
  perl -i -0777 -pe '
    s{^( *[0-9]+ %  .*\n)(?: *[0-9]+ %  .*\n){2,}( *[0-9]+ %  .*\n)}{$1…\n$2}gm;
    s{^(Waiting for .*\n)\1+}{$1}gm' "$2"
  perl -i -pe '
    s{\b((?:testero|traffic|requests|counter|client|bystander)[a-z-]*?)(-(?=[a-z]*[0-9])[a-z0-9]{6,10}(?:-[a-z0-9]{5})?)(?![a-z0-9-])([ ]{3,})?}
      {"$1-…" . ($3 ? " " x (length($2) - 2) . $3 : "")}gex;
    s{\([0-9a-f]{8}-[0-9a-f-]{27}\)}{(…)}g;
    s{\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b}{…}g;
    s{^(namespace/testero-[a-z-]+) configured$}{$1 created};
    s{[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z}{…}g;
    s{[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8},[0-9]{3}}{…}g;
    s{[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}}{…}g;
    s{\b[0-9]{19}\b}{…}g;
    s{/data/[a-z]{7}\b}{/data/…}g;
    s{\b127\.0\.0\.1:[0-9]{5}\b}{127.0.0.1:…}g;
    s{(containerd|cri-o)://[0-9a-f]{64}}{$1://…}g;
    s{\b(10(?:\.[0-9]{1,3}){3})(:\d+ \(\S+\))}{"10.…$2" . (" " x (length($1) - 4))}ge;
    s{\b10(?:\.[0-9]{1,3}){3}\b}{10.…}g;
    s{\s+$}{\n}' "$2"
  awk -v fence="\`\`\`console $1" -v recorded="$2" '
    $0 == fence { print; while ((getline line < recorded) > 0) print line; skip = 1; next }
    skip && $0 == "```" { skip = 0 }
    !skip { print }' "$readme" >"$readme.new"
  cat "$readme.new" >"$readme"
  rm "$readme.new"
}

clean_up() {
  local TESTERO_EVIDENCE=${TESTERO_EVIDENCE:+$TESTERO_EVIDENCE.clean-up}
  means "something of the recipe outlives its Clean up: see what is left with kubectl get all -n $namespace"
  step clean-up
  within 60 "the namespace is gone" absent namespace "$namespace"
  [[ -z ${also:-} ]] || within 60 "the other namespace is gone" absent namespace "$also"
}

# What the check is waiting for, for who watches.
waiting() {
  [[ -z ${TESTERO_PROGRESS:-} ]] || printf '%s\n' "$1" >"$TESTERO_PROGRESS"
}

# A claim that was seen to be true, and what showed it.
seen() {
  [[ -z ${TESTERO_EVIDENCE:-} ]] || printf '%s: %s\n' "$1" "$(head -c 400 <<<"$2" | tr '\n' ' ')" >>"$TESTERO_EVIDENCE"
}

give_up() { # CLAIM LAST-STATE
  printf 'Not so: %s\nLast seen: %s\n' "$1" "${2:-nothing}" >&2
  [[ -z $meaning ]] || printf 'That means: %s\n' "$meaning" >&2
  if [[ -n ${TESTERO_EVIDENCE:-} ]]; then
    printf 'FAILED %s. Last seen: %s\n' "$1" "$(head -c 400 <<<"${2:-nothing}" | tr '\n' ' ')" >>"$TESTERO_EVIDENCE"
    [[ -z $meaning ]] || printf 'MEANS %s\n' "$meaning" >>"$TESTERO_EVIDENCE"
  fi
  # bats ends the test at a command that fails, but not inside a condition.
  exit 1
}

means() { meaning=$1; }

within() {
  local limit=$(($1 * slowness)) claim=$2 end last
  shift 2
  waiting "$claim"
  end=$((SECONDS + limit))
  until last=$("$@" 2>&1); do
    ((SECONDS < end)) || give_up "$claim (within $limit s)" "$last"
    sleep 0.5
  done
  seen "$claim" "$last"
}

stays() {
  local end=$((SECONDS + $1)) claim=$2 last
  shift 2
  waiting "$claim, and stays so"
  while ((SECONDS < end)); do
    last=$("$@" 2>&1) || give_up "$claim, all the time" "$last"
    sleep 1
  done
  seen "$claim, all the time" "$last"
}

claim() {
  local claim=$1 last
  shift
  last=$("$@" 2>&1) || give_up "$claim" "$last"
  seen "$claim" "$last"
}

expect() {
  local limit=$1 claim=$2 resource=$3 path=$4 operator=$5 value=$6
  within "$limit" "$claim" field "$resource" "$path" "$operator" "$value"
}

# Whether a field is as claimed. RESOURCE is what kubectl get takes: "pod/x", "pod -l a=b"; the namespace is the recipe's.
field() { # RESOURCE JSONPATH OPERATOR VALUE
  local resource is
  read -ra resource <<<"$1"
  is=$(kubectl -n "$namespace" get "${resource[@]}" -o jsonpath="$2") || { echo "$is"; return 1; }
  printf '%s\n' "$is"
  compare "$is" "$3" "$4"
}

compare() { # IS OPERATOR VALUE
  case $2 in
    =) [[ $1 == "$3" ]] ;;
    !=) [[ $1 != "$3" ]] ;;
    =~) [[ $1 =~ $3 ]] ;;
    *) [[ $1 =~ ^-?[0-9]+$ ]] && test "$1" "$2" "$3" ;;
  esac
}

# A quantity of Kubernetes as a whole number: 512Mi, 165068Ki, 56466090666m.
quantity() {
  case $1 in
    *m) echo $((${1%m} / 1000)) ;;
    *Ki) echo $((${1%Ki} << 10)) ;;
    *Mi) echo $((${1%Mi} << 20)) ;;
    *Gi) echo $((${1%Gi} << 30)) ;;
    *Ti) echo $((${1%Ti} << 40)) ;;
    *k) echo $((${1%k} * 1000)) ;;
    *M) echo $((${1%M} * 1000000)) ;;
    *G) echo $((${1%G} * 1000000000)) ;;
    *) echo $(($1)) ;;
  esac
}

asks() { kubectl -n "$1" exec "$2" -- /testero health --url "$3"; }

# Whether a command fails.
refute() { ! "$@"; }

# Whether an object does not exist.
absent() {
  local answer
  answer=$(kubectl -n "$namespace" get "$@" --ignore-not-found -o name 2>&1) || return 1
  printf '%s\n' "${answer:-not there}"
  [[ -z $answer ]]
}

# Whether there is an event of this reason whose message matches. Events of one kind are combined, so they are never counted.
event() { # REASON PATTERN
  local events
  # With the reason "." any.
  [[ $1 == . ]] || set -- "$1" "$2" --field-selector "reason=$1"
  events=$(kubectl -n "$namespace" get events "${@:3}" \
    -o jsonpath='{range .items[*]}{.involvedObject.kind}/{.involvedObject.name} {.message}{"\n"}{end}')
  grep -E -m 1 -- "$2" <<<"$events" || { printf '%s\n' "${events:-no event $1}"; return 1; }
}

# A pod is on no node because no node has the CPU that it requests.
insufficient_cpu() {
  local conditions
  conditions=$(kubectl -n "$namespace" get pods \
    -o jsonpath='{range .items[*].status.conditions[?(@.type=="PodScheduled")]}{.status} {.reason} {.message}{"\n"}{end}')
  grep -E -m 1 '^False Unschedulable .*Insufficient cpu' <<<"$conditions" || { printf '%s\n' "$conditions"; return 1; }
}

# The output of the last block matches, line by line.
shows() { # PATTERN
  grep -E -m 1 -- "$1" <<<"$output" || { printf '%s\n' "$output"; return 1; }
}

# What a check cannot do without, or it is skipped.
needs() {
  case $1 in
    metrics)
      kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes >/dev/null 2>&1 ||
        skip "metrics-server is missing: kubectl top node does not answer" ;;
    api) # GROUP/VERSION WHAT
      kubectl get --raw "/apis/$2" >/dev/null 2>&1 || skip "$3 is missing: the API server has no $2" ;;
    version) # MINOR: of Kubernetes 1
      local minor
      minor=$(kubectl version -o yaml | sed -n '/^serverVersion/,$s/^ *minor: "\{0,1\}\([0-9]*\).*/\1/p')
      ((minor >= $2)) || skip "Kubernetes 1.$2 or later is missing: this is 1.$minor" ;;
    nodes) # COUNT
      local nodes
      nodes=$(kubectl get nodes -o jsonpath='{range .items[*]}{.spec.unschedulable}{.spec.taints[*].effect}{"\n"}{end}' |
        grep -c '^$\|^PreferNoSchedule$')
      ((nodes >= $2)) || skip "a node is missing: of the $2 that this needs there are $nodes that take any pod" ;;
    storage)
      kubectl get storageclass -o jsonpath='{.items[*].metadata.annotations.storageclass\.kubernetes\.io/is-default-class}' |
        grep -q true || skip "a default StorageClass is missing: kubectl get storageclass" ;;
    cluster-wide)
      [[ -n ${TESTERO_CLUSTER_WIDE:-} ]] || skip "--cluster-wide is missing: this changes $2"
      [[ $(kubectl auth can-i patch nodes 2>/dev/null) == yes ]] || skip "the right to patch nodes is missing" ;;
    program) # NAME WHERE
      command -v "$2" >/dev/null || skip "$2 is missing on this machine: $3" ;;
    node-pressure)
      [[ -n ${TESTERO_NODE_PRESSURE:-} ]] || skip "--node-pressure NODE is missing: this fills a node up" ;;
    # k8s/verify sees to it.
    nobody-else) ;;
    *) echo "needs: unknown: $1" >&2; return 1 ;;
  esac
}
