# shellcheck shell=bash
# etcd, the API server, the controllers, the scheduler, DNS and metrics-server: processes of node-1.

control_plane() {
  step "etcd" etcd
  start node-1 etcd etcd --data-dir "$state/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  wait_for 20 etcd_answers || true
  started node-1 etcd || fail "etcd has ended"
  step "the API server" apiserver
  start node-1 apiserver "$(program kube-apiserver)" --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$api" --bind-address=0.0.0.0 --secure-port=6443 --allow-privileged \
    --tls-cert-file="$state/pki/apiserver.crt" --tls-private-key-file="$state/pki/apiserver.key" \
    --client-ca-file="$state/pki/ca.crt" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-account-key-file="$state/pki/sa.pub" --service-account-signing-key-file="$state/pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/16 \
    --kubelet-client-certificate="$state/pki/kubelet-client.crt" --kubelet-client-key="$state/pki/kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP --enable-aggregator-routing \
    --requestheader-client-ca-file="$state/pki/ca.crt" --requestheader-allowed-names=front-proxy \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$state/pki/front-proxy.crt" --proxy-client-key-file="$state/pki/front-proxy.key"
  wait_for 60 apiserver_answers || true
  kubectl get --raw /readyz >/dev/null 2>&1 || fail "the API server is not ready"
  step "the controllers and the scheduler" controller-manager
  start node-1 controller-manager "$(program kube-controller-manager)" --kubeconfig="$state/controller-manager.conf" \
    --root-ca-file="$state/pki/ca.crt" --service-account-private-key-file="$state/pki/sa.key" \
    --use-service-account-credentials --leader-elect=false \
    --cluster-signing-cert-file="$state/pki/ca.crt" --cluster-signing-key-file="$state/pki/ca.key"
  start node-1 scheduler "$(program kube-scheduler)" --kubeconfig="$state/scheduler.conf" --leader-elect=false
}

apiserver_answers() { kubectl get --raw /readyz || ! started node-1 apiserver; }

# It does, or it never will.
etcd_answers() { netns node-1 bash -c ': </dev/tcp/127.0.0.1/2379' || ! started node-1 etcd; }

# service NAMESPACE NAME PORT TARGET-PORT [CLUSTER-IP] [PROTOCOL...]: a Service to a process of node-1, as JSON for kubectl
service() {
  local namespace=$1 service=$2 port=$3 target=$4 address=${5:-} protocols=("${@:6}")
  jq -n --arg namespace "$namespace" --arg name "$service" --argjson port "$port" --argjson target "$target" \
    --arg address "$address" --arg api "$api" '
    ($ARGS.positional | if . == [] then ["TCP"] else . end) as $protocols |
    {apiVersion: "v1", kind: "List", items: [
      {apiVersion: "v1", kind: "Service", metadata: {name: $name, namespace: $namespace},
       spec: ({ports: [$protocols[] | {name: ascii_downcase, port: $port, targetPort: $target, protocol: .}]}
         + if $address == "" then {} else {clusterIP: $address} end)},
      {apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
       metadata: {name: ($name + "-1"), namespace: $namespace, labels: {"kubernetes.io/service-name": $name}},
       ports: [$protocols[] | {name: ascii_downcase, port: $target, protocol: .}],
       endpoints: [{addresses: [$api], conditions: {ready: true}}]}]}' --args "${protocols[@]}"
}

# api_service GROUP VERSION NAMESPACE SERVICE: that group of the API is answered by that Service
api_service() {
  jq -n --arg group "$1" --arg version "$2" --arg namespace "$3" --arg service "$4" '
    {apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: {name: ($version + "." + $group)},
     spec: {service: {name: $service, namespace: $namespace}, group: $group, version: $version,
            insecureSkipTLSVerify: true, groupPriorityMinimum: 100, versionPriority: 100}}'
}

dns_and_metrics() {
  { service kube-system metrics-server 443 10443
    service kube-system kube-dns 53 53 10.96.0.10 UDP TCP
    api_service metrics.k8s.io v1beta1 kube-system metrics-server
  } | kubectl apply -f - >/dev/null
  start node-1 metrics-server "$(program metrics-server)" --kubeconfig="$state/admin.conf" \
    --authentication-kubeconfig="$state/admin.conf" --authorization-kubeconfig="$state/admin.conf" \
    --kubelet-preferred-address-types=InternalIP --kubelet-insecure-tls --secure-port=10443 \
    --cert-dir="$state/pki" --metric-resolution=15s
  printf '.:53 {\n  errors\n  bind %s\n  kubernetes cluster.local {\n    kubeconfig %s\n  }\n  cache 5\n}\n' \
    "$api" "$state/admin.conf" >"$state/Corefile"
  start node-1 coredns "$(program coredns)" -conf "$state/Corefile"
}
