# shellcheck shell=bash
# The add-ons that are no node. What can be a process of node-1 is one; what a NetworkPolicy must tell apart is a pod.

manifest() { kubectl apply --server-side --force-conflicts -f "$1" >/dev/null; }

# load_image NAME ROOT CONFIG: made, loaded into every node, and its folder removed
load_image() {
  local file
  file=$(image_file "$1")
  image "$file" "$1" "$2" "$3"
  load "$file" "$1"
  rm -r "$2"
}

# load_large_image NAME ROOT CONFIG: the same, but not into nodes with a taint, on which its pods never run. They would need
# half a minute for it (cgroup2), or lose what there is to be filled (pressure).
load_large_image() {
  local node
  image "$state/large.tar" "$1" "$2" "$3"
  for node in $(node_names); do [[ $node != node-* ]] || import "$node" "$state/large.tar" "$1"; done
  rm -r "$state/large.tar" "$2"
}

# established CRD…: tries again, because kubectl fails at once for one that has no conditions yet
established() {
  wait_for 60 kubectl wait --for=condition=Established "$@" --timeout=60s || fail "not established: $*"
}

# module_version MODULE PATH: as its go.mod says
module_version() { awk -v path="$2" '$1 == path { print $2; exit }' "$here/programs/$1/go.mod"; }

# Only the recommender: it says what it would set, nothing is evicted or changed.
addon_vpa() {
  require_program recommender
  manifest "$(module_source prometheus k8s.io/autoscaler/vertical-pod-autoscaler)/deploy/vpa-v1-crd-gen.yaml"
  established crd/verticalpodautoscalers.autoscaling.k8s.io
  step "VPA's recommender" recommender
  start node-1 recommender "$(program recommender)" --kubeconfig="$state/admin.conf" --address=127.0.0.1:8942
  sleep 1
  started node-1 recommender || fail "the recommender has ended"
}

addon_monitoring() {
  local version reloader root=$state/root
  require_program prometheus-operator prometheus-config-reloader prometheus state-metrics
  # Prometheus 3.16 is the Go module's v0.316.
  version=$(module_version prometheus github.com/prometheus/prometheus | sed -E 's/^v0\.([0-9])0?([0-9]+)\./v\1.\2./')
  reloader=quay.io/prometheus-operator/prometheus-config-reloader:$(module_version kubernetes github.com/prometheus-operator/prometheus-operator)
  step "Prometheus' images"
  install -D "$(program prometheus)" "$root/bin/prometheus"
  mkdir -p "$root/tmp"
  load_large_image "quay.io/prometheus/prometheus:$version" "$root" '{"Entrypoint": ["/bin/prometheus"], "User": "65534"}'
  install -D "$(program prometheus-config-reloader)" "$root/bin/prometheus-config-reloader"
  load_large_image "$reloader" "$root" '{"Entrypoint": ["/bin/prometheus-config-reloader"], "User": "65534"}'
  step "the Prometheus operator" prometheus-operator
  manifest "$(module_source kubernetes github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd"
  established crd --all
  kubectl create namespace monitoring >/dev/null
  start node-1 prometheus-operator "$(program prometheus-operator)" --apiserver="https://$api:6443" \
    --ca-file="$state/pki/ca.crt" --cert-file="$state/pki/admin.crt" --key-file="$state/pki/admin.key" \
    --prometheus-config-reloader="$reloader" --config-reloader-cpu-request=10m --config-reloader-cpu-limit=0 \
    --kubelet-service=kube-system/kubelet --kubelet-endpointslice --kubelet-endpoints=false --kubelet-sync-period=30s \
    --web.listen-address=127.0.0.1:8943
  step "the stand-in for kube-state-metrics" state-metrics
  start node-1 state-metrics "$(program state-metrics)" --listen="$api:10240" --server="https://$api:6443" \
    --certificate-authority="$state/pki/ca.crt" --client-certificate="$state/pki/admin.crt" --client-key="$state/pki/admin.key"
  service monitoring kube-state-metrics 10240 10240 |
    jq '.items[].metadata.labels["app.kubernetes.io/name"] = "kube-state-metrics"' | kubectl apply -f - >/dev/null
  sed "s/VERSION/$version/" "$here/add-ons/monitoring.yaml" >"$state/monitoring.yaml"
  manifest "$state/monitoring.yaml"
  step "Prometheus becomes ready" prometheus-operator
  wait_for 60 kubectl -n monitoring get statefulset/prometheus-k8s || fail "the operator has made no StatefulSet after 60 s"
  kubectl -n monitoring rollout status statefulset/prometheus-k8s --timeout=120s >/dev/null
}

addon_custom_metrics() {
  [[ -e $state/addons/monitoring ]] || fail "custom-metrics asks Prometheus: cluster add monitoring custom-metrics"
  require_program custom-metrics
  certificate custom-metrics /CN=custom-metrics "IP:$api"
  step "custom.metrics.k8s.io" custom-metrics
  start node-1 custom-metrics "$(program custom-metrics)" --listen="$api:10241" \
    --tls-cert-file="$state/pki/custom-metrics.crt" --tls-private-key-file="$state/pki/custom-metrics.key" \
    --prometheus="http://$(kubectl -n monitoring get service prometheus -o jsonpath='{.spec.clusterIP}'):9090" \
    --values="$here/../../k8s/recipes/hpa-custom-metric/prometheus-adapter-values.yaml" --server="https://$api:6443" \
    --certificate-authority="$state/pki/ca.crt" --client-certificate="$state/pki/admin.crt" --client-key="$state/pki/admin.key"
  { service monitoring custom-metrics 443 10241
    api_service custom.metrics.k8s.io v1beta1 monitoring custom-metrics
  } | kubectl apply -f - >/dev/null
  kubectl wait --for=condition=Available apiservice/v1beta1.custom.metrics.k8s.io --timeout=60s >/dev/null
}

# busybox_into ROOT: with a link for each of its commands
busybox_into() {
  need busybox:busybox-static
  local applet
  install -D "$(command -v busybox)" "$1/bin/busybox"
  for applet in $("$1/bin/busybox" --list); do [[ $applet == busybox ]] || ln -s busybox "$1/bin/$applet"; done
  mkdir -p "$1/tmp"
  chmod 1777 "$1/tmp"
}

addon_storage() {
  require_program local-path-provisioner
  need mke2fs:e2fsprogs
  local root=$state/root folders=/var/lib/local-path-provisioner
  busybox_into "$root"
  # busybox has a command of this name, too, which knows ext2 alone.
  copy_program "$root" "$(command -v mke2fs)"
  ln -s "$(command -v mke2fs)" "$root/mke2fs"
  load_image localhost/busybox:1 "$root" '{"Cmd": ["sh"], "Env": ["PATH=/bin"]}'
  manifest "$here/add-ons/storage.yaml"
  # The folders are below /var/lib, which each node has for itself.
  jq -n --arg folders "$folders" \
    '{nodePathMap: [{node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [$folders + "/sized", $folders + "/folder"]}]}' >"$state/local-path.json"
  # It mounts what the node is to see.
  jq -n '{apiVersion: "v1", kind: "Pod", metadata: {name: "helper-pod"},
    spec: {containers: [{name: "helper-pod", image: "localhost/busybox:1", securityContext: {privileged: true},
      volumeMounts: [{name: "data", mountPropagation: "Bidirectional"}]}]}}' >"$state/local-path-pod.json"
  step "local-path-provisioner" local-path-provisioner
  start node-1 local-path-provisioner "$(program local-path-provisioner)" start --kubeconfig="$state/admin.conf" \
    --config="$state/local-path.json" --helper-pod-file="$state/local-path-pod.json" --helper-image=localhost/busybox:1 \
    --namespace=local-path-storage --configmap-name=local-path-config --service-account-name=local-path-provisioner
  sleep 1
  started node-1 local-path-provisioner || fail "the provisioner has ended"
}

# Images under the names that k8s/redis and the recipe counter use, from Debian's programs.
addon_redis() {
  need redis-server:redis-server curl:curl
  local root=$state/root
  copy_program "$root" "$(command -v redis-server)" "$(command -v redis-cli)"
  mkdir -p "$root/data"
  chmod 1777 "$root/data"
  # As the official image: protected mode is off, or every client that is not on its own host is refused.
  load_image docker.io/library/redis:7.2.5 "$root" '{"Entrypoint": ["/usr/bin/redis-server", "--protected-mode", "no"],
    "User": "999:999", "WorkingDir": "/data", "Env": ["PATH=/usr/bin:/bin"]}'
  busybox_into "$root"
  copy_program "$root" "$(command -v curl)"
  load_image docker.io/curlimages/curl:8.10.1 "$root" '{"Entrypoint": ["/usr/bin/curl"], "User": "100:101", "Env": ["PATH=/usr/bin:/bin"]}'
}

addon_gateway() {
  require_program traefik
  local root=$state/root version
  version=$(module_version kubernetes github.com/traefik/traefik/v3)
  install -D "$(program traefik)" "$root/traefik"
  mkdir -p "$root/tmp"
  chmod 1777 "$root/tmp"
  load_large_image "docker.io/library/traefik:$version" "$root" '{"Entrypoint": ["/traefik"]}'
  manifest "$(module_source kubernetes sigs.k8s.io/gateway-api)/config/crd/standard"
  established crd --all
  step "Traefik"
  sed "s/VERSION/$version/" "$here/add-ons/gateway.yaml" >"$state/gateway.yaml"
  manifest "$state/gateway.yaml"
  kubectl -n ingress-nginx rollout status deployment/traefik --timeout=90s >/dev/null
  kubectl wait --for=condition=Accepted gatewayclass/traefik --timeout=60s >/dev/null
  kubectl -n ingress-nginx wait --for=condition=Programmed gateway/traefik --timeout=60s >/dev/null
}
