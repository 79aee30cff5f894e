# shellcheck shell=bash disable=SC2154 # variables of ../cluster
# One network namespace a node, all on one bridge in that of node-1. A node has the pods of 10.244.NUMBER.0/24.

network() { # NUMBER: that node's network namespace, on one bridge with the others
  local n=$1 node=node-$1
  ip netns add "tk-$node"
  ip -n "tk-$node" link set lo up
  if ((n == 1)); then
    ip -n tk-node-1 link add fabric type bridge
    ip -n tk-node-1 addr add "$api/24" dev fabric
    # A bridge without a port has no carrier.
    ip -n tk-node-1 link add idle0 type veth peer name idle1
    ip -n tk-node-1 link set idle0 master fabric
    for link in idle0 idle1 fabric; do ip -n tk-node-1 link set $link up; done
    ip -n tk-node-1 route add default dev fabric
  else
    ip -n tk-node-1 link add "to-$node" type veth peer name eth0 netns "tk-$node"
    ip -n tk-node-1 link set "to-$node" master fabric up
    ip -n "tk-$node" addr add "10.240.0.$n/24" dev eth0
    ip -n "tk-$node" link set eth0 up
    ip -n "tk-$node" route add default via "$api"
    for ((other = 1; other < n; other++)); do
      ip -n "tk-$node" route add "10.244.$other.0/24" via "10.240.0.$other"
      ip -n "tk-node-$other" route add "10.244.$n.0/24" via "10.240.0.$n"
    done
  fi
  netns "$node" sysctl -qw net.ipv4.ip_forward=1
}
