# What README.md says, done and looked at.
load ../../checks/recipe

# So many faults of a kind are in the summary of the last block, at least.
did() { # KIND LEAST
  local count
  count=$(grep '^faults ' <<<"$output" | grep -oP "\d+(?= $1)" | tail -n 1)
  echo "${count:-no} $1"
  ((${count:-0} >= $2))
}

# The checks that a summary says to have passed.
passed() { # NAME…
  local name
  for name in "$@"; do
    grep -E "^PASS +$name " <<<"$output" || { printf 'not passed: %s\n%s\n' "$name" "$output"; return 1; }
  done
}

@test "parts are killed and paused, a store and pods deleted, and no byte and no number is lost or doubled" {
  recipe crash
  needs storage
  needs program testero "see README.md"
  means "see kubectl -n $namespace get events: an image that cannot be pulled, or a claim that gets no volume"
  step apply
  step job
  means "data went wrong, or the pipeline did not go on: see kubectl -n $namespace logs job/crash"
  step delete
  claim "the verdict is that it passed" shows '^verdict: passed \(exit code 0\)'
  claim "what came out is what went in" passed prefix contiguous stable owner bounds eof
  claim "workers, feeds and the sink were killed" did kill 5
  claim "a worker was paused" did pause 1

  step check
  claim "the file is good" shows 'pods.yaml is good'
  means "a number came twice or was lost, or the pod did not come back: see what the run says"
  step pods
  claim "the verdict is that it passed" shows '^verdict: passed \(exit code 0\)'
  claim "no number came twice, and none was lost" passed numbers
  claim "pods were deleted" did delete-pod 2
  clean_up
}
