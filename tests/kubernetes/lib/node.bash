# shellcheck shell=bash
# A node: its namespaces, containerd, kubelet, kube-proxy, and kube-router for NetworkPolicies.

# namespaces NODE: process, mount and host name namespaces. Their first process only waits and reaps; when it is killed, the
# kernel ends all that runs in the node and drops its mounts. What the node's programs write to paths that cannot be
# configured (/run/containerd, /run/netns, /var/lib/cni, /var/log/containers) lies in the node's own folders.
namespaces() {
  local node=$1 own=$state/$1/own init
  mkdir -p "$own"/{lib,log,run} "$own/lib/${states#/var/lib/}" "$run/$node"
  init='
    set -eu
    # /proc is still the one of the machine, so this is the process id there.
    read -r line </proc/self/stat
    pid=${line%% *}
    set -- ${line##*) }
    started=${20}
    hostname "$node"
    mount -t proc proc /proc
    mount --bind "$states" "$own/lib/${states#/var/lib/}"
    mount --rbind "$own/lib" /var/lib
    mount --bind "$own/log" /var/log
    mount -t tmpfs tmpfs "$own/run"
    mkdir -p "$own/run/netns" "$own/run/lock" "$own/run/${runs#/run/}"
    mount --bind "$runs" "$own/run/${runs#/run/}"
    mount --rbind "$own/run" /run
    # The kubelet hands volumes on to containers by mount propagation.
    mount --make-rshared /
    echo "$pid $started" >"$run/$node/init.new"
    mv "$run/$node/init.new" "$run/$node/init"
    exec catatonit -P'
  rm -f "$run/$node/init"
  env node="$node" own="$own" run="$run" runs="$runs" states="$states" \
    setsid nsenter --net="/run/netns/$name.$node" -- unshare --pid --fork --mount --uts --propagation private -- \
    bash -c "$init" >>"$state/log/$node-init.log" 2>&1 </dev/null 9>&- &
  wait_for 10 node_init "$node" || { step "the namespaces of $node" "$node-init"; fail "they are not there after 10 s"; }
}

# The group of the node in every hierarchy; with cgroup v1, a cpuset has no processors until told.
cgroups() {
  local node=$1 hierarchy each file
  for hierarchy in $(hierarchies); do
    mkdir -p "$hierarchy/$group/$node"
    for each in "$group" "$group/$node"; do
      for file in cpuset.cpus cpuset.mems; do
        [[ ! -e $hierarchy/cgroup.clone_children || ! -e $hierarchy/$each/$file || -n $(cat "$hierarchy/$each/$file") ]] ||
          cat "$(dirname "$hierarchy/$each")/$file" >"$hierarchy/$each/$file"
      done
    done
    # cgroup v2 hands controllers down level by level.
    if [[ $hierarchy == /sys/fs/cgroup ]]; then
      for each in "" "$group" "$group/$node"; do
        echo "+cpu +cpuset +memory +pids +io" >"$hierarchy/$each/cgroup.subtree_control" 2>/dev/null || true
      done
    fi
  done
}

# kubelet_configuration NODE NUMBER PKI RESOLV RUNTIME: what all nodes have in common. No image can be pulled here, so none
# is collected before it is a day old.
kubelet_configuration() {
  jq -n --arg pods "10.244.$2.0/24" --arg pki "$3" --arg node "$1" --arg resolv "$4" --arg runtime "$5" '
    {apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration",
     cgroupDriver: "cgroupfs", containerRuntimeEndpoint: $runtime, podCIDR: $pods,
     authentication: {anonymous: {enabled: false}, x509: {clientCAFile: ($pki + "/ca.crt")}, webhook: {enabled: true}},
     authorization: {mode: "Webhook"}, tlsCertFile: ($pki + "/" + $node + ".crt"), tlsPrivateKeyFile: ($pki + "/" + $node + ".key"),
     clusterDNS: ["10.96.0.10"], clusterDomain: "cluster.local", resolvConf: $resolv, imageMinimumGCAge: "24h",
     evictionHard: {"memory.available": "100Mi", "nodefs.available": "2%", "imagefs.available": "2%", "nodefs.inodesFree": "1%"}}'
}

cni_configuration() { # NUMBER [DATA-DIR]
  jq -n --arg n "$1" --arg data "$2" '
    {cniVersion: "1.0.0", name: ("pods-" + $n), plugins: [
      {type: "bridge", bridge: "pods", isGateway: true, ipMasq: false, hairpinMode: true,
       ipam: {type: "host-local", dataDir: $data, ranges: [[{subnet: ("10.244." + $n + ".0/24")}]], routes: [{dst: "0.0.0.0/0"}]}},
      {type: "portmap", capabilities: {portMappings: true}}]}'
}

# node NODE [OPTIONS]: OPTIONS is a kubelet configuration (JSON) merged over the common one. The labels are in the file
# $state/NODE.labels, if there are any. The node's network and namespaces are there already.
node() {
  local node=$1 options=${2:-{\}} dir=$state/$1 n
  n=$(node_number "$node")
  mkdir -p "$dir/cni"
  # The pressure node has a small file system there. Made inside, where that is mounted.
  on "$node" mkdir -p "$dir"/disk/{kubelet,pods-log}
  certificate "$node" "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:10.240.0.$n"
  kubeconfig "$node"
  cni_configuration "$n" "$dir/ipam" >"$dir/cni/10-pods.conflist"
  cat >"$dir/containerd.toml" <<END
version = 2
root = "$dir/disk/containerd"
state = "$run/$node/containerd"
[grpc]
  address = "$run/$node/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # Without CAP_SYS_RESOURCE a pause container cannot have the score that it should.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
END
  cgroups "$node"
  echo "nameserver 10.96.0.10" >"$dir/resolv.conf"
  kubelet_configuration "$node" "$n" "$state/pki" "$dir/resolv.conf" "unix://$run/$node/containerd.sock" |
    jq --arg group "/$group/$node" --arg dir "$dir" --argjson options "$options" '. * {failCgroupV1: false, failSwapOn: false,
      cgroupRoot: $group, podLogsDir: ($dir + "/disk/pods-log"), volumePluginDir: ($dir + "/plugins")} * $options' >"$dir/kubelet.json"
  step "containerd of $node" "$node-containerd"
  start "$node" "$node-containerd" containerd -c "$dir/containerd.toml"
  wait_for 30 ctr -a "$run/$node/containerd.sock" version || fail "containerd does not answer after 30 s"
  import_all "$node"
  ctr -a "$run/$node/containerd.sock" -n k8s.io images label localhost/pause:1 io.cri-containerd.pinned=pinned >/dev/null
  step "the kubelet of $node" "$node-kubelet"
  kubelet "$node"
  proxy "$node"
}

kubelet() { # NODE
  local node=$1 dir=$state/$1
  # --containerd: where cAdvisor asks for containers, so that /metrics/cadvisor has their series and not only the pods'.
  start "$node" "$node-kubelet" "$(program kubelet)" --config="$dir/kubelet.json" --kubeconfig="$state/$node.conf" \
    --hostname-override="$node" --node-ip="10.240.0.$(node_number "$node")" --root-dir="$dir/disk/kubelet" \
    --containerd="$run/$node/containerd.sock" --node-labels="$(cat "$state/$node.labels" 2>/dev/null || true)"
}

proxy() { # NODE [OPTIONS...]
  local node=$1
  start "$node" "$node-proxy" "$(program kube-proxy)" --kubeconfig="$state/proxy.conf" --hostname-override="$node" \
    --cluster-cidr=10.244.0.0/16 --proxy-mode=iptables --conntrack-max-per-core=0 "${@:2}"
}

# Policies over iptables and ipset: nftables may have no nf_queue, which kube-network-policies would need.
policies() { # NODE: once it is known to the API server
  local node=$1
  wait_for 60 kubectl get node "$node" || fail "the kubelet has not registered $node after 60 s"
  start "$node" "$node-router" "$(program kube-router)" --kubeconfig="$state/admin.conf" --hostname-override="$node" \
    --run-router=false --run-service-proxy=false --run-loadbalancer=false --enable-cni=false --run-firewall=true \
    --service-cluster-ip-range=10.96.0.0/16 --iptables-sync-period=1m
}

# add_namespaces NODE NUMBER: everything of the node that is not a program of Kubernetes
add_namespaces() {
  echo "$2" >"$state/nodes/$1"
  step "the network of $1"
  network "$1" "$2"
  routes "$1" "$2"
  step "the namespaces of $1" "$1-init"
  namespaces "$1"
}

config() { # NODE FILE
  (($# == 2)) || fail "config NODE FILE"
  [[ -e $state/nodes/$1 ]] || fail "there is no node $1; there are: $(node_names | xargs)"
  jq -e 'type == "object"' "$2" >/dev/null || fail "$2 is not a JSON object"
  if [[ $1 == cgroup2 ]]; then machine_config "$2"; return; fi
  local dir=$state/$1
  jq -s '.[0] * .[1]' "$dir/kubelet.json" "$2" >"$dir/kubelet.json.new"
  mv "$dir/kubelet.json.new" "$dir/kubelet.json"
  stop "$1" "$1-kubelet"
  : >"$state/log/$1-kubelet.log"
  kubelet "$1"
  # A configuration that it refuses is told of here and not by a node that is NotReady a minute later.
  wait_for 30 kubelet_answers "$1" || true
  sleep 0.5
  started "$1" "$1-kubelet" || { tail -n 3 "$state/log/$1-kubelet.log" >&2; fail "the kubelet of $1 does not take this configuration"; }
}

# kubelet_answers NODE: it does, or it never will
kubelet_answers() { netns "$1" bash -c ': </dev/tcp/127.0.0.1/10248' || ! started "$1" "$1-kubelet"; }
