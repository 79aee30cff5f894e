# shellcheck shell=bash disable=SC2154 # variables of ../cluster
# A node: containerd, its network plugin, the kubelet, kube-proxy and the policy engine.

node() { # NUMBER
  local n=$1 node=node-$1 dir=$state/node-$1 sockets=$run/node-$1
  mkdir -p "$dir"/{cni,kubelet,pods-log} "$sockets"
  certificate "$node" "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:10.240.0.$n"
  kubeconfig "$node"
  cat >"$dir/cni/10-pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods-$n", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "10.244.$n.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
  cat >"$dir/containerd.toml" <<END
version = 2
root = "$dir/containerd"
state = "$sockets/containerd"
[grpc]
  address = "$sockets/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
END
  local hierarchy
  for hierarchy in /sys/fs/cgroup/*/; do
    [[ -e $hierarchy/cgroup.procs ]] || continue
    mkdir -p "${hierarchy}testero-kubernetes/$node"
    for group in testero-kubernetes "testero-kubernetes/$node"; do
      for file in cpuset.cpus cpuset.mems; do
        [[ ! -e $hierarchy$group/$file || -s $hierarchy$group/$file && -n $(cat "$hierarchy$group/$file") ]] ||
          cat "$hierarchy$file" >"$hierarchy$group/$file"
      done
    done
  done
  echo "nameserver 10.96.0.10" >"$dir/resolv.conf"
  cat >"$dir/kubelet.json" <<END
{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
 "cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false, "cgroupRoot": "/testero-kubernetes/$node",
 "containerRuntimeEndpoint": "unix://$sockets/containerd.sock", "podCIDR": "10.244.$n.0/24", "podLogsDir": "$dir/pods-log",
 "authentication": {"anonymous": {"enabled": false}, "x509": {"clientCAFile": "$state/pki/ca.crt"}, "webhook": {"enabled": true}},
 "authorization": {"mode": "Webhook"}, "tlsCertFile": "$state/pki/$node.crt", "tlsPrivateKeyFile": "$state/pki/$node.key",
 "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local", "resolvConf": "$dir/resolv.conf",
 "evictionHard": {"memory.available": "100Mi", "nodefs.available": "2%", "imagefs.available": "2%", "nodefs.inodesFree": "1%"}}
END
  start "$node" "$node-containerd" containerd -c "$dir/containerd.toml"
  for _ in $(seq 100); do [[ -S $sockets/containerd.sock ]] && break; sleep 0.1; done
  ctr -a "$sockets/containerd.sock" -n k8s.io images import "$state/pause.tar" >/dev/null
  kubelet "$n"
  start "$node" "$node-proxy" "$bin/kube-proxy" --kubeconfig="$state/proxy.conf" --hostname-override="$node" \
    --cluster-cidr=10.244.0.0/16 --proxy-mode=iptables --conntrack-max-per-core=0
}

kubelet() { # NUMBER
  local node=node-$1 dir=$state/node-$1
  # --containerd: where cAdvisor asks for containers, so that /metrics/cadvisor has their series and not only the pods'.
  start "$node" "$node-kubelet" "$bin/kubelet" --config="$dir/kubelet.json" --kubeconfig="$state/$node.conf" \
    --hostname-override="$node" --node-ip="10.240.0.$1" --root-dir="$dir/kubelet" --containerd="$run/$node/containerd.sock"
}

policies() { # NUMBER: once the node is known to the API server
  local node=node-$1
  for _ in $(seq 240); do kubectl get node "$node" >/dev/null 2>&1 && break; sleep 0.25; done
  start "$node" "$node-router" "$bin/kube-router" --kubeconfig="$state/admin.conf" --hostname-override="$node" \
    --run-router=false --run-service-proxy=false --run-loadbalancer=false --enable-cni=false --run-firewall=true \
    --service-cluster-ip-range=10.96.0.0/16 --iptables-sync-period=1m
}

pause_image() {
  local dir
  dir=$(mktemp -d)
  cp "$(command -v catatonit)" "$dir/pause"
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause", "-P"]\n' >"$dir/Containerfile"
  buildah build --quiet --format oci -t localhost/pause:1 "$dir" >/dev/null
  rm -f "$state/pause.tar"
  buildah push --quiet localhost/pause:1 "docker-archive:$state/pause.tar:localhost/pause:1"
  rm -r "$dir"
}
