# What README.md says, done and looked at.
load ../../checks/recipe

@test "a NetworkPolicy lets in pods of its own namespace and nobody else" {
  # Engines that reject, and engines that drop.
  local closed='Connection refused|timed out|No route to host'
  recipe networkpolicy
  also testero-networkpolicy-outside
  step apply
  means "pods of the same namespace do not reach each other: the policy shuts out whom it lets in"
  # An engine learns of a new pod a moment after it runs.
  within 20 "a new pod gets through" asks "$namespace" "${pods[0]}" "http://$address:8080/healthz"
  # So do the rules of a Service, which may come later still.
  within 20 "it gets through to the Service" asks "$namespace" "${pods[0]}" http://testero:8080/healthz
  step inside
  step outside
  means "NetworkPolicy is accepted by the API and enforced by nobody: the network plugin has no policy engine"
  within 20 "a pod of another namespace is refused" refute asks testero-networkpolicy-outside deploy/testero "http://$address:8080/healthz"
  refused refused
  claim "it is the way there that is closed" shows "$closed"
  means "a policy's egress is enforced by nobody: pods of the namespace get out to whom it does not name"
  refused out
  claim "it is the way there that is closed" shows "$closed"
  means "even without a policy the pod is not reached, so the refusals above say nothing"
  step open
  claim "without the policy the pod is reached" asks testero-networkpolicy-outside deploy/testero "http://$address:8080/healthz"
  clean_up
}
