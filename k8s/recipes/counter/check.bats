# What README.md says, done and looked at.
load ../../checks/recipe

# The totals of the last block are one more each, from one to the other.
counts() { # FIRST LAST
  local totals
  totals=$(grep -oP '(cluster_requests":|and request )\K\d+' <<<"$output")
  [[ $totals == "$(seq "$1" "$2")" ]] || { echo "$output"; return 1; }
  echo "$1 to $2"
}

# Every replica has the store: kube-proxy has told its node where it is. Of no replica a request is counted.
has_store() {
  local address
  for address in $(kubectl -n "$namespace" get pod -l "$counter" -o jsonpath='{.items[*].status.podIP}'); do
    in_client -sf "http://$address:8083/readyz?store" || return 1
  done
}

# A replica that is none of these answers.
reaches_another_than() { # NAMES
  run in_client -s 'http://counter:8083/?format=json'
  answered 1 "$1"
}

in_client() { kubectl -n "$namespace" exec deploy/client -- curl "$@"; }

# A total of the last block goes on from that one. A number may be missing: its answer was lost, and it was asked for again.
goes_on() { # LAST
  local total
  total=$(total)
  echo "${total:-$output} after $1"
  ((total > $1 && total <= $1 + 10))
}

# The last total of the last block.
total() { grep -oP 'cluster_requests":\K\d+' <<<"$output" | tail -n 1; }

# So many replicas answered in the last block, at least; one of them is none of these.
answered() { # REPLICAS [NAMES]
  local names
  names=$(grep -oE 'counter-[a-z0-9]+-[a-z0-9]+' <<<"$output" | sort -u)
  echo "$names"
  (($(wc -l <<<"$names") >= $1)) && grep -qvxF -- "${2:-none}" <<<"$names"
}

# One more request than there were is counted.
next_is() { # TOTAL
  run in_client -s 'http://counter:8083/?format=json'
  echo "$output"
  (($(total) == $1))
}

@test "a Service spreads requests over replicas, and their total survives a Redis that goes and comes back" {
  recipe counter
  needs storage
  local first last counter='app.kubernetes.io/component=counter'
  means "see kubectl -n $namespace get events: an image that cannot be pulled, or a claim that gets no volume"
  step apply
  means "the Service goes to one pod alone, or replicas do not share their total"
  within 20 "every replica has the store" has_store
  step ask
  claim "requests are counted one by one" counts 1 9
  claim "at least two of the three replicas answer nine requests" answered 2
  first=$(kubectl -n "$namespace" get pod -l "$counter" -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}')
  means "new replicas are ready and get no traffic: see kubectl -n $namespace get endpointslices, and kube-proxy"
  step scale
  within 20 "kube-proxy knows the new ones" reaches_another_than "$first"
  within 20 "they have the store" has_store
  run in_client -s 'http://counter:8083/?format=json'
  last=$(total)
  step spread
  claim "one of the new replicas answers" answered 2 "$first"
  claim "thirty requests were thirty numbers" next_is $((last += 31))

  means "clients do not see that the store is away, or the replicas fall with it"
  step away
  claim "a request is refused, and not kept waiting" shows '^501 after [0-4]\.'
  claim "the answer says why" shows '^Increment Transaction Error$'
  claim "/readyz?store says that the store is away" shows '^503$'
  claim "so does the metric" shows '^testero_count_store_up 0$'
  stays 5 "the replicas stay ready" field deploy/counter '{.status.readyReplicas}' -eq 5

  means "Redis came back without what it had: its volume is another one, or it does not write what it counts"
  step back
  claim "the total goes on" goes_on "$last"
  last=$(total)
  step delete
  claim "it goes on after Redis was deleted" goes_on "$last"
  expect 5 "no replica was restarted for it" \
    "pod -l $counter" '{.items[*].status.containerStatuses[0].restartCount}' = '0 0 0 0 0'
  clean_up
}
