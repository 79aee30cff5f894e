# What README.md says, done and looked at.
load ../../checks/recipe

# How many questions a pod has answered, by the last block that says so; of the others the sum.
first() { sed -n 's/^pod 0: //p' <<<"$output"; }
others() { echo $(($(sed -n 's/^pod [12]: //p' <<<"$output" | paste -sd +))); }

# What an EndpointSlice says of the first pod.
endpoint() { # SERVICE 'READY SERVING'
  local is
  is=$(kubectl -n "$namespace" get endpointslices -l "kubernetes.io/service-name=$1" \
    -o jsonpath='{range .items[*].endpoints[*]}{.targetRef.name} {.conditions.ready} {.conditions.serving}{"\n"}{end}')
  grep "^${pods[0]} $2$" <<<"$is" || { echo "$is"; return 1; }
}

@test "a pod that is not ready gets nothing from its Service, is not restarted, and gets its share again when it is" {
  recipe readiness-traffic
  local asked of_others since changed='{.status.conditions[?(@.type=="Ready")].lastTransitionTime}'
  step apply
  step functions
  asked=$(first) of_others=$(others)

  means "the kubelet does not believe the readiness probe, or nobody tells the EndpointSlices; or the Service names \
its pods whether they are ready or not (publishNotReadyAddresses)"
  step unready
  expect 5 "two of three are available" deploy/testero '{.status.availableReplicas}' -eq 2
  within 10 "the Service's slice has the pod as unready" endpoint testero 'false false'
  within 10 "the headless Service's slice names it all the same" endpoint testero-headless 'true false'
  within 10 "an event says why" event Unhealthy "${pods[0]} Readiness probe failed: HTTP probe failed with statuscode: 503"

  means "kube-proxy, or what takes its place, sends requests to a pod that is not ready"
  step away
  claim "the unready pod got none of 30 questions" test "$(first)" -eq "$asked"
  claim "the others got all" test "$(others)" -eq $((of_others + 30))
  step headless
  claim "the headless Service leads to all three" shows 'held by 3 of 3 pods'

  means "a pod that was unready once stays without requests"
  step back
  expect 5 "it was not restarted" "pod/${pods[0]}" '{.status.containerStatuses[0].restartCount}' -eq 0
  claim "the pod gets its share again" test "$(first)" -gt "$asked"
  since=$(kubectl -n "$namespace" get pod "${pods[0]}" -o jsonpath="$changed")

  means "one failed probe is enough: failureThreshold is not what the kubelet counts to"
  refused short
  claim "4 s are not noticed" refute shows 'condition met'
  expect 5 "the pod was ready all the time" "pod/${pods[0]}" "$changed" = "$since"
  step long
  clean_up
}
