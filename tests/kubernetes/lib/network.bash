# shellcheck shell=bash
# One network namespace a node, all on one bridge, which is node-1's. Nothing leads out of them.

# network NODE NUMBER: 10.240.0.NUMBER for the node, 10.244.NUMBER.0/24 for its pods
network() {
  local node=$1 n=$2
  ip netns add "$name.$node"
  ip -n "$name.$node" link set lo up
  if [[ $node == node-1 ]]; then
    ip -n "$name.node-1" link add fabric type bridge
    ip -n "$name.node-1" addr add "$api/24" dev fabric
    # A bridge without a port has no carrier.
    ip -n "$name.node-1" link add idle0 type veth peer name idle1
    ip -n "$name.node-1" link set idle0 master fabric
    local link
    for link in idle0 idle1 fabric; do ip -n "$name.node-1" link set $link up; done
    ip -n "$name.node-1" route add default dev fabric
  else
    ip -n "$name.node-1" link add "to-$node" type veth peer name eth0 netns "$name.$node"
    ip -n "$name.node-1" link set "to-$node" master fabric up
    ip -n "$name.$node" addr add "10.240.0.$n/24" dev eth0
    ip -n "$name.$node" link set eth0 up
    ip -n "$name.$node" route add default via "$api"
  fi
  netns "$node" sysctl -qw net.ipv4.ip_forward=1
}

# routes NODE NUMBER: to the pods of all other nodes, and theirs to this one's
routes() {
  local node=$1 n=$2 other number
  for other in $(node_names); do
    [[ $other != "$node" ]] || continue
    number=$(node_number "$other")
    ip -n "$name.$node" route replace "10.244.$number.0/24" via "10.240.0.$number"
    ip -n "$name.$other" route replace "10.244.$n.0/24" via "10.240.0.$n"
  done
}
