# shellcheck shell=bash
# The programs: built from the Go modules in programs/, and kept by version. A folder's name has a hash of all that its
# programs are made from, so a changed go.mod is another folder and an unchanged one is never built again.

kubernetes_version=v1.34.4
unused_days=30

# The modules in the order in which they are built: the first has the libraries that e2e uses, too.
modules=(kubernetes prometheus custom-metrics e2e)

# module and package of each program
declare -A programs=(
  [kube-apiserver]="kubernetes k8s.io/kubernetes/cmd/kube-apiserver"
  [kube-controller-manager]="kubernetes k8s.io/kubernetes/cmd/kube-controller-manager"
  [kube-scheduler]="kubernetes k8s.io/kubernetes/cmd/kube-scheduler"
  [kubelet]="kubernetes k8s.io/kubernetes/cmd/kubelet"
  [kube-proxy]="kubernetes k8s.io/kubernetes/cmd/kube-proxy"
  [kubectl]="kubernetes k8s.io/kubernetes/cmd/kubectl"
  [metrics-server]="kubernetes sigs.k8s.io/metrics-server/cmd/metrics-server"
  [coredns]="kubernetes github.com/coredns/coredns"
  [kube-router]="kubernetes github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
  [helm]="kubernetes helm.sh/helm/v3/cmd/helm"
  [prometheus-operator]="kubernetes github.com/prometheus-operator/prometheus-operator/cmd/operator"
  [prometheus-config-reloader]="kubernetes github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader"
  [local-path-provisioner]="kubernetes github.com/rancher/local-path-provisioner"
  [traefik]="kubernetes github.com/traefik/traefik/v3/cmd/traefik"
  [agnhost]="kubernetes k8s.io/kubernetes/test/images/agnhost"
  [resource-consumer]="kubernetes k8s.io/kubernetes/test/images/resource-consumer"
  [consume-cpu]="kubernetes k8s.io/kubernetes/test/images/resource-consumer/consume-cpu"
  [prometheus]="prometheus github.com/prometheus/prometheus/cmd/prometheus"
  [recommender]="prometheus k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender"
  [custom-metrics]="custom-metrics testero/tests/kubernetes/programs/custom-metrics"
  [state-metrics]="custom-metrics testero/tests/kubernetes/programs/custom-metrics/state-metrics"
  [e2e]="e2e testero/tests/kubernetes/programs/e2e"
)
# It imports github.com/Sirupsen/logrus, and one `go build` refuses two paths that differ only in case.
built_alone=local-path-provisioner
base_programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl metrics-server coredns kube-router)

link_flags() {
  local flags="-s -w" package
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kubernetes_version -X $package.gitMajor=1 -X $package.gitMinor=34"
  done
  echo "$flags"
}

declare -A module_folders=()
# module_folder MODULE: sets module_folders[MODULE], once
module_folder() {
  [[ -z ${module_folders[$1]:-} ]] || return 0
  local hash
  hash=$({
    link_flags
    uname -m
    find "$here/programs/$1" -type f \( -name 'go.*' -o -name '*.go' \) -print0 | sort -z | xargs -0 cat
  } | sha256sum)
  module_folders[$1]=$cache/$1-${hash:0:16}
}

program() {
  local module=${programs[$1]%% *}
  module_folder "$module"
  echo "${module_folders[$module]}/$1"
}

program_path() {
  local module path=''
  for module in "${modules[@]}"; do
    module_folder "$module"
    path+=:${module_folders[$module]}
  done
  echo "${path#:}"
}

require_program() {
  local each missing=()
  for each in "$@"; do [[ -x $(program "$each") ]] || missing+=("$each"); done
  ((${#missing[@]} == 0)) || build "${missing[@]}"
}

# build [PROGRAM...]: what is not there yet; all of them without an argument
build() {
  local each module wanted=("$@") together alone
  (($#)) || mapfile -t wanted < <(printf '%s\n' "${!programs[@]}" | sort)
  for each in "${wanted[@]}"; do
    [[ -n ${programs[$each]:-} ]] || fail "there is no program $each; there are: $(printf '%s\n' "${!programs[@]}" | sort | xargs)"
  done
  for module in "${modules[@]}"; do
    module_folder "$module"
    together=() alone=()
    for each in "${wanted[@]}"; do
      [[ ${programs[$each]%% *} == "$module" && ! -x ${module_folders[$module]}/$each ]] || continue
      if [[ $each == "$built_alone" ]]; then alone+=("$each"); else together+=("$each"); fi
    done
    build_together "$module" "${together[@]}"
    build_together "$module" "${alone[@]}"
    [[ ! -d ${module_folders[$module]} ]] || touch "${module_folders[$module]}"
  done
  find "$cache" -mindepth 1 -maxdepth 1 -type d -name '*-????????????????' -mtime "+$unused_days" -exec rm -r {} +
}

# What a Go compiler may take before it collects garbage, in bytes: half of a processor's share of the memory. It ends within
# seconds, and without collecting uses a fifth less of the processor.
go_memory() { awk -v cores="$(nproc)" '/^MemAvailable/ { printf "%.0f", $2 * 1024 / 2 / cores }' /proc/meminfo; }

# build_together MODULE PROGRAM...: in one `go build`, so what they share is compiled once and both cores have work. One
# command at a time builds a module: another waits, and finds what it wanted.
build_together() {
  local module=$1 folder each new since=$SECONDS ticker wanted=() packages=()
  shift
  (($#)) || return 0
  command -v go >/dev/null || fail "go is missing: https://go.dev/dl, 1.25 or newer (it fetches the version that a go.mod names)"
  folder=$(dirname "$(program "$1")")
  mkdir -p "$folder"
  exec 8>>"$folder/lock"
  flock -n 8 || { say "another command builds $module, waiting for it"; flock 8; }
  for each in "$@"; do [[ -x $folder/$each ]] || wanted+=("$each") packages+=("${programs[$each]#* }"); done
  if ((${#wanted[@]})); then
    say "building ${wanted[*]}"
    # What an interrupted build has left.
    rm -rf "$folder"/new.*
    new=$(mktemp -d "$folder/new.XXXXXX")
    (while sleep 30; do say "  building for $((SECONDS - since)) s"; done) 8>&- 9>&- &
    ticker=$!
    # The linker takes debug information out again, so none is made.
    (cd "$here/programs/$module" && CGO_ENABLED=0 GOGC=off GOMEMLIMIT=$(go_memory) go build -mod=readonly -trimpath \
      -gcflags=all=-dwarf=false -ldflags "$(link_flags)" -o "$new/" "${packages[@]}") ||
      { kill "$ticker"; rm -r "$new"; fail "go build of ${wanted[*]} failed"; }
    kill "$ticker"
    wait "$ticker" 2>/dev/null || true
    # Moved when complete: an interrupted build leaves no half a program.
    for each in "${wanted[@]}"; do mv "$new/$(basename "${programs[$each]#* }")" "$folder/$each"; done
    rmdir "$new"
    say "built in $((SECONDS - since)) s"
  fi
  exec 8>&-
}

# module_source MODULE PATH: where Go keeps that module's source, which has the CRDs
module_source() { (cd "$here/programs/$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2"); }
