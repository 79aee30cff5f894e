#!/usr/bin/env bats
# The test cluster itself: what it starts works, and `down` leaves nothing. Needs root; about two minutes once the programs are
# built. A cluster of its own name, so one that is in use is not touched.

setup_file() {
  [[ $EUID == 0 ]] || { echo "# NOT RUN: needs root" >&3; skip "needs root"; }
  CLUSTER_NAME=bats-$$
  export CLUSTER_NAME
  BEFORE=$(mktemp)
  export BEFORE
  machine >"$BEFORE"
}

teardown_file() { "$BATS_TEST_DIRNAME/cluster" down; rm -f "$BEFORE" "${XDG_CACHE_HOME:-$HOME/.cache}/testero-cluster/$CLUSTER_NAME.lock"; }

cluster() { "$BATS_TEST_DIRNAME/cluster" "$@"; }

# All that could be left behind. Other clusters of this script may come and go meanwhile.
machine() { listing | grep -vE -e "/run/testero-cluster/(\$|[^/]*\$)" -e " (/run/netns/)?[a-z0-9-]+\.(node-[0-9]+|pressure|cgroup2)\$" -e '^file /run/lock'; ours; }

listing() {
  ip -brief link | sed 's/[ @].*//; s/^/link /'
  ip netns list | sed 's/ .*//; s/^/netns /'
  awk '{ print "mount", $2 }' /proc/self/mounts
  iptables-save 2>/dev/null | grep '^-A' | sed 's/^/iptables /'
  ipset list -name 2>/dev/null | sed 's/^/ipset /'
  find /run /var/lib/cni /var/lib/kubelet /var/log/containers /var/lib/containers -maxdepth 2 2>/dev/null | sed 's/^/file /'
}

# What has this cluster's name. A process has its folder in its arguments (and grep a pattern that does not match itself).
ours() {
  ip netns list | grep -F "$CLUSTER_NAME." | sed 's/^/netns /'
  losetup --list --noheadings --output BACK-FILE | grep -F "/$CLUSTER_NAME/" | sed 's/^/loop /'
  grep -F "/$CLUSTER_NAME/" /proc/self/mounts | sed 's/^/mount /'
  find /sys/fs/cgroup -type d -name "*$CLUSTER_NAME*" 2>/dev/null | sed 's/^/cgroup /'
  find /var/lib/testero-cluster /run/testero-cluster -maxdepth 1 -name "$CLUSTER_NAME" 2>/dev/null | sed 's/^/file /'
  grep -lsE "/[${CLUSTER_NAME:0:1}]${CLUSTER_NAME:1}/" /proc/[0-9]*/cmdline | sed 's/^/process /'
  true
}

@test "up builds and starts two nodes, which are Ready" {
  cluster up 2
  [[ $(cluster kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l) == 2 ]]
}

@test "up again says that it is up, and other numbers of nodes are refused" {
  run cluster up
  [[ $status == 0 && $output == *"is up (node-1 node-2)"* ]]
  run cluster up 3
  [[ $status == 1 && $output == *"with 2 nodes and not 3: cluster down first"* ]]
}

@test "two commands at the same time wait for each other" {
  (flock 9; sleep 2) 9>>"${XDG_CACHE_HOME:-$HOME/.cache}/testero-cluster/$CLUSTER_NAME.lock" &
  sleep 0.3
  run cluster up
  [[ $status == 0 && $output == *"waiting for it"*"is up"* ]]
}

@test "metrics-server has figures, and cAdvisor has series of containers" {
  cluster add storage
  cluster kubectl apply -f - <<'END'
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "busy"}, "spec": {"terminationGracePeriodSeconds": 0,
 "containers": [{"name": "busy", "image": "localhost/busybox:1", "command": ["sleep", "9999"]}]}}
END
  cluster kubectl wait --for=condition=Ready pod/busy --timeout=60s
  node=$(cluster kubectl get pod busy -o jsonpath='{.spec.nodeName}')
  for _ in $(seq 60); do
    cluster kubectl get --raw "/api/v1/nodes/$node/proxy/metrics/cadvisor" |
      grep -q 'container_memory_working_set_bytes{container="busy"' && cluster kubectl top pod busy && break
    sleep 1
  done
  cluster kubectl top pod busy
}

@test "a volume is made for a claim, and may be written" {
  cluster kubectl apply -f - <<'END'
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
  "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}},
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": {"restartPolicy": "Never",
  "securityContext": {"runAsUser": 1000},
  "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
  "containers": [{"name": "writer", "image": "localhost/busybox:1", "command": ["touch", "/data/file"],
                  "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}}]}
END
  cluster kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/writer --timeout=60s
}

@test "the node pressure has few inodes, tells of a refused configuration, and can be added again" {
  cluster add pressure
  free=$(cluster kubectl get --raw /api/v1/nodes/pressure/proxy/stats/summary | jq .node.fs.inodes)
  ((free < 110000))
  echo '{"evictionHard": {"nodefs.inodesFree": "-5"}}' >"$BATS_TEST_TMPDIR/bad.json"
  run cluster config pressure "$BATS_TEST_TMPDIR/bad.json"
  [[ $status == 1 && $output == *"must be positive"* ]]
  cluster remove pressure
  cluster add pressure
  cluster kubectl wait --for=condition=Ready node/pressure --timeout=30s
}

# The namespace in front of the machine translates Services; the policy of another node must see the pod's own address.
@test "a pod on cgroup2 reaches a Service on another node that a policy opens to its namespace, and no other does" {
  cluster add cgroup2
  cluster kubectl create namespace other
  for namespace in default other; do
    cluster kubectl -n "$namespace" apply -f - <<'END'
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "machine"}, "spec": {"terminationGracePeriodSeconds": 0,
  "nodeSelector": {"cgroup": "v2"}, "tolerations": [{"operator": "Exists"}],
  "containers": [{"name": "c", "image": "localhost/busybox:1", "command": ["sleep", "9999"]}]}},
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "server", "labels": {"app": "server"}},
  "spec": {"terminationGracePeriodSeconds": 0, "nodeSelector": {"kubernetes.io/hostname": "node-2"},
  "containers": [{"name": "c", "image": "localhost/busybox:1", "command": ["sh", "-c", "echo served >/tmp/index.html; httpd -f -p 8000 -h /tmp"]}]}},
 {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"},
  "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8000}]}},
 {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "own"},
  "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}}]}
END
    cluster kubectl -n "$namespace" wait --for=condition=Ready pod/machine pod/server --timeout=90s
  done
  ask() { cluster kubectl exec machine -- timeout 4 wget -q -O - "http://server.$1.svc.cluster.local/"; }
  # kube-router takes a moment to take up what has changed.
  for _ in $(seq 30); do ask default && break; sleep 1; done
  [[ $(ask default) == served ]]
  for _ in $(seq 30); do ask other || break; sleep 1; done
  run ask other
  [[ $status != 0 ]]
}

@test "a dead leftover is removed by the next up" {
  # As after a crash: all of node-1 has ended, its files and links are there.
  read -r pid _ <"/run/testero-cluster/$CLUSTER_NAME/node-1/init"
  kill -KILL "$pid"
  run cluster up
  [[ $status == 0 && $output == *"removing what is left of an earlier cluster"* && $output == *"is up after"* ]]
}

@test "an up that fails says which part with its log, and down removes it" {
  cluster down
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\necho this etcd does not start >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/bin/etcd"
  chmod +x "$BATS_TEST_TMPDIR/bin/etcd"
  run env PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$BATS_TEST_DIRNAME/cluster" up
  [[ $status == 1 && $output == *"failed (exit status 1): etcd"*"this etcd does not start"*"cluster down removes it"* ]]
  cluster down
  [[ ! -e /var/lib/testero-cluster/$CLUSTER_NAME ]]
}

@test "down takes seconds and leaves nothing" {
  cluster up 2
  cluster add pressure
  SECONDS=0
  cluster down
  ((SECONDS <= 5))
  for _ in $(seq 50); do
    machine >"$BATS_TEST_TMPDIR/after"
    left=$(comm -13 <(sort "$BEFORE") <(sort "$BATS_TEST_TMPDIR/after"))
    [[ -n $left ]] || return 0
    sleep 0.1
  done
  echo "$left"
  return 1
}
