# What README.md says, done and looked at.
load ../../checks/recipe

# ask, clients, proxies, logs, all_up, alerts, available and query are the README's.
# How many clients of the last block, or of a file, got what matches.
count() { # PATTERN [FILE]
  local text=$output
  [[ -z ${2:-} ]] || text=$(<"$2")
  awk -v pattern="^($1)\$" '
    /^ +[0-9]+ / { n = $1; $1 = ""; sub(/^ /, ""); if ($0 ~ pattern) sum += n }
    END { print sum + 0 }' <<<"$text"
}
# Of so many clients all were answered, and nobody got anything else.
all_answered() { # COUNT|any [FILE]
  local text=$output answered
  [[ -z ${2:-} ]] || text=$(<"$2")
  answered=$(count answered "${@:2}")
  printf '%s\n' "$text"
  [[ $1 == any ]] || ((answered == $1)) || return 1
  ((answered > 0 && answered == $(count '.*' "${@:2}")))
}
# What the status says of a member, in every proxy.
is() { # MEMBER STATE
  local table
  table=$(proxies /status)
  [[ $(grep -c "($1[.].*) *$2 " <<<"$table") == 2 ]] || { printf '%s\n' "$table"; return 1; }
  grep "($1[.].*) *$2 " <<<"$table"
}
# How often the proxies have set a member aside.
aside() { logs "member $1[.].* is set aside" | wc -l; }
fires() { clients 4 >/dev/null; alerts | grep " $1 firing" || { alerts; return 1; }; }
# Whether it is on its way, while clients ask: where nobody does there is no share of errors.
tells() { clients 4 >/dev/null; alerts | grep -E " $1 (pending|firing)" || { alerts; return 1; }; }
scraped() { query "count(testero_proxy_build_info{namespace=\"$namespace\"})" | grep '"2"'; }
both_read() { [[ $(logs 'read again: .* 2 services' | wc -l) == 2 ]] || { logs 'read again|configuration'; return 1; }; }
restarts() { kubectl -n "$namespace" get pod -l app.kubernetes.io/name=testero-proxy -o jsonpath='{.items[*].status.containerStatuses[0].restartCount}'; }

@test "a proxy's clients do not see a member die, nor a restart of everything; of slow and failing members they see little" {
  recipe proxy
  # The clients stop where this folder is removed, whatever became of the check.
  local TMPDIR=$BATS_TEST_TMPDIR has_alerts='' name before
  step apply
  if kubectl get --raw /apis/monitoring.coreos.com/v1 >/dev/null 2>&1; then
    step monitoring
    ! kubectl get --raw "$prometheus/-/ready" >/dev/null 2>&1 || has_alerts=yes
  fi
  step functions
  means "the proxies do not reach the members: their names are unknown to DNS, or a NetworkPolicy is in between"
  within 60 "both proxies have both members" all_up
  step calm
  claim "40 of 40 requests are answered" all_answered 40

  means "a request that a member did not take is not sent to the other one: retries are off, or no member is left"
  step kill
  within 30 "both proxies see that a member is down" is testero-0 down
  step killed
  claim "80 of 80 requests are answered, though a member died twice" all_answered 80 "$got"
  # How many depends on how many clients came by while the member was dead and not known to be: on a slow machine few, or none.
  claim "it is counted how many were sent to another member" shows '^testero_proxy_retries_total\{service="web"\} [0-9]'
  means "a member that is back gets no requests"
  within 120 "both proxies have both members again" all_up
  step alive

  means "a member's own errors are not told from those of a member that is no good"
  step status-500
  claim "some clients get the member's 500" test "$(count '500 Internal Server Error')" -gt 0
  claim "the others are answered" test "$(count answered)" -gt 0
  claim "a member with 500 goes on getting requests" refute shows 'testero-0.*(down|aside)'
  means "a member that answers 503 is not set aside: every second client gets its 503"
  before=$(aside testero-0)
  step status-503
  claim "of 40 clients a few get the member's 503" test "$(count '503 Service Unavailable')" -gt 0
  claim "and not more than it takes to see it" test "$(count '503 Service Unavailable')" -le 16
  claim "the member is set aside" test "$(aside testero-0)" -gt "$before"

  means "a member that is slower than it may be is not noticed"
  step slow
  claim "all requests are answered, some late" all_answered 16
  before=$(aside testero-1)
  step too-slow
  claim "of 24 clients a few get 504" test "$(count '504 Gateway Timeout')" -gt 0
  claim "and not more than it takes to see it" test "$(count '504 Gateway Timeout')" -le 16
  claim "the member is set aside" test "$(aside testero-1)" -gt "$before"

  step change
  claim "the other domain is not served yet" shows '400 Bad Request'
  means "the proxies have members that nobody knows of"
  step gone
  claim "no request is answered" test "$(count answered)" -eq 0
  claim "the clients get 502 or 504" test "$(count '502 Bad Gateway|504 Gateway Timeout')" -eq 12
  claim "both members are down" shows 'testero-1.* (down|aside)'
  if [[ -n $has_alerts ]]; then
    means "Prometheus does not scrape the proxies, or has not loaded the rules: it selects another label than release: \
kube-prometheus-stack, a NetworkPolicy keeps it out, or the operator does not run"
    within 240 "both proxies are scraped" scraped
    within 180 "TesteroProxyAllMembersOut fires" fires TesteroProxyAllMembersOut
    step alerts
    # Those on budgets look back for an hour and more, to earlier runs in this namespace as well.
    for name in ErrorAnswers MemberOut; do
      within 90 "TesteroProxy$name is on its way" tells "TesteroProxy$name"
    done
  fi
  means "members that come back get no requests"
  step back
  claim "all requests are answered again" all_answered 24

  means "a changed ConfigMap is not read again, or does not come into the pods"
  within 180 "both proxies have read the changed file" both_read
  step changed
  claim "the other domain is served" shows '^answered'
  claim "no proxy was restarted for it" test "$(restarts)" = '0 0'
  means "a file that is wrong is taken, or nobody says what is wrong"
  step wrong
  within 180 "the log says what is wrong with the file" logs eighty
  step kept
  claim "all requests are answered by the old configuration" all_answered 8

  means "a request fails while pods are replaced: a proxy ends before its Service has left it out, or a member before the \
proxies have its successor"
  step restart
  claim "no request failed" all_answered any "$got"
  claim "there were many" test "$(count answered "$got")" -gt 100
  clean_up
}
