# shellcheck shell=bash disable=SC2154 # variables of ../cluster
# The programs of the cluster. They are built from Go modules, because nothing else can be had without the internet, and
# kept by what they are made of: a changed go.mod makes a new folder.

# MODULE PACKAGE: its last component is the program's name. One module for all that agree on their Kubernetes libraries,
# so that these are compiled once. metrics-server wants an older Prometheus library than the others.
programs=(
  "kubernetes k8s.io/kubernetes/cmd/kube-apiserver"
  "kubernetes k8s.io/kubernetes/cmd/kube-controller-manager"
  "kubernetes k8s.io/kubernetes/cmd/kube-scheduler"
  "kubernetes k8s.io/kubernetes/cmd/kubelet"
  "kubernetes k8s.io/kubernetes/cmd/kube-proxy"
  "kubernetes k8s.io/kubernetes/cmd/kubectl"
  "kubernetes github.com/coredns/coredns"
  "kubernetes github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
  "kubernetes helm.sh/helm/v3/cmd/helm"
  "metrics-server sigs.k8s.io/metrics-server/cmd/metrics-server"
)
kubernetes=v1.34.4

bin=${XDG_CACHE_HOME:-$HOME/.cache}/testero-cluster/$(cat "$here"/programs/*/go.{mod,sum} "$here/lib/programs.bash" | sha256sum | cut -c 1-16)

# What Debian has.
packages() {
  local command missing=no
  for command in containerd runc etcd catatonit buildah jq ipset conntrack iptables ip openssl go; do
    command -v "$command" >/dev/null || missing=yes
  done
  [[ -x /usr/lib/cni/bridge ]] || missing=yes
  [[ $missing == yes ]] || return 0
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    containerd runc etcd-server containernetworking-plugins conntrack iptables ipset iproute2 catatonit buildah jq openssl >/dev/null
  command -v go >/dev/null || fail "Go is missing: https://go.dev/dl tells how to get it"
}

build() {
  local module package entry missing flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=34"
  done
  mkdir -p "$bin"
  for module in kubernetes metrics-server; do
    missing=()
    for entry in "${programs[@]}"; do
      package=${entry#* }
      [[ ${entry% *} != "$module" || -x $bin/${package##*/} ]] || missing+=("$package")
    done
    ((${#missing[@]})) || continue
    echo "cluster: building ${missing[*]##*/}" >&2
    (cd "$here/programs/$module" && CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$bin/" "${missing[@]}")
  done
}
