# shellcheck shell=bash disable=SC2154 # variables of ../cluster
# metrics-server and DNS, as processes of node-1 behind Services without a selector.

services() {
  kubectl apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics-server", "namespace": "kube-system"},
  "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 10443}]}},
 {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
  "metadata": {"name": "metrics-server-1", "namespace": "kube-system", "labels": {"kubernetes.io/service-name": "metrics-server"}},
  "ports": [{"name": "https", "port": 10443, "protocol": "TCP"}], "endpoints": [{"addresses": ["$api"], "conditions": {"ready": true}}]},
 {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
  "spec": {"service": {"name": "metrics-server", "namespace": "kube-system"}, "group": "metrics.k8s.io", "version": "v1beta1",
           "insecureSkipTLSVerify": true, "groupPriorityMinimum": 100, "versionPriority": 100}},
 {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
  "spec": {"clusterIP": "10.96.0.10", "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]}},
 {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
  "metadata": {"name": "kube-dns-1", "namespace": "kube-system", "labels": {"kubernetes.io/service-name": "kube-dns"}},
  "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}],
  "endpoints": [{"addresses": ["$api"], "conditions": {"ready": true}}]}]}
END
  start node-1 metrics-server "$bin/metrics-server" --kubeconfig="$state/admin.conf" \
    --authentication-kubeconfig="$state/admin.conf" --authorization-kubeconfig="$state/admin.conf" \
    --kubelet-preferred-address-types=InternalIP --kubelet-insecure-tls --secure-port=10443 \
    --cert-dir="$state/pki" --metric-resolution=15s
  printf '.:53 {\n  errors\n  bind %s\n  kubernetes cluster.local {\n    kubeconfig %s\n  }\n  cache 5\n}\n' \
    "$api" "$state/admin.conf" >"$state/Corefile"
  start node-1 coredns "$bin/coredns" -conf "$state/Corefile"
}
