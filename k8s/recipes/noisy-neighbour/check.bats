# What README.md says, done and looked at.
load ../../checks/recipe

# What a pod used, in thousandths, by the last block.
used_by() { awk -v pod="$1" '$1 == pod { print int($2 * 1000) }' <<<"$output"; }

# metrics is the README's.
plays() { metrics testero | grep '^testero_scenario_state{state="playing"} 1'; }

@test "beside a neighbour that takes every CPU, a pod gets what it requests, and one that requests nothing gets what is left" {
  needs nobody-else
  recipe noisy-neighbour
  step apply
  claim "one pod has a request" shows '^requests-[a-z0-9]+-[a-z0-9]+ +Burstable$'
  claim "the others have none" shows '^requests-nothing-[a-z0-9]+-[a-z0-9]+ +BestEffort$'
  step load
  means "the scenario is not played: see the log of deploy/testero"
  within 30 "the neighbours play it" plays
  step quiet
  (($(used_by requests) > 360 && $(used_by requests-nothing) > 530)) ||
    skip "the node is busy: of 400m and 600m that pods want in a quiet minute they get $(used_by requests)m and $(used_by requests-nothing)m"
  step loud
  means "requests are no weights here: see cpu.shares or cpu.weight of the pods' cgroups on the node"
  claim "the pod with the request has what it requests" compare "$(used_by requests)" -ge 350
  means "the neighbours do not get enough to be noisy: the node has more CPUs than they have threads, or they have limits"
  claim "the pod without one has less than it wants" compare "$(used_by requests-nothing)" -le 480
  clean_up
}
