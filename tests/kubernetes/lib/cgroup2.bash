# shellcheck shell=bash
# The node `cgroup2`: a kubelet with a real cgroup v2 hierarchy, in a virtual machine whose CPU is emulated (no /dev/kvm is
# needed, and everything takes several times as long). It has the label cgroup=v2 and the taint cgroup2=only:NoSchedule.
#
# The machine is Debian's cloud kernel, an initramfs that loads the disk's modules, and an ext4 disk with busybox,
# containerd, runc, the CNI plugins and the kubelet. A disk and not the initramfs, because runc's pivot_root refuses an
# initramfs, the kubelet needs a file system to measure, and io.max and io.stat need a block device.
#
# In front of it is a network namespace like that of any node, which routes to it: kube-proxy and kube-router run there, so
# the machine itself needs no iptables. Only what goes from one of its pods to another does not pass there, and no
# NetworkPolicy holds for that.

machine_number=251
machine_router=10.240.0.252   # the namespace's own address; the node's is the machine's
machine_gateway=169.254.1.1   # the machine's way out: link-local, so it takes no address of the cluster
machine_mib=${CLUSTER_CGROUP2_MIB:-3072}
machine_disk=8G               # sparse
machine_ready_s=150
# What the kernel package has as modules: the disk's go into the initramfs, the others onto the disk.
machine_disk_modules=(virtio_pci virtio_blk)
machine_modules=(virtio_net overlay bridge veth)

# The kernel package is unpacked, not installed: it lies in the cache.
machine_kernel() {
  local kernel package folder=$cache/kernel
  [[ $(uname -m) == x86_64 ]] || fail "the node cgroup2 is an x86_64 machine, and this is none"
  [[ -c /dev/net/tun ]] || fail "the node cgroup2 needs /dev/net/tun: modprobe tun"
  need qemu-system-x86_64:qemu-system-x86 cpio:cpio depmod:kmod mke2fs:e2fsprogs busybox:busybox-static
  mkdir -p "$folder"
  if ! compgen -G "$folder/boot/vmlinuz-*" >/dev/null; then
    say "fetching Debian's cloud kernel"
    apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || apt-get update -q >"$cache/apt.log" 2>&1
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
    (cd "$folder" && apt-get download -qq "$package" >"$cache/apt.log" 2>&1 && dpkg -x "$package"_*.deb . && rm "$package"_*.deb) ||
      fail "cannot fetch the kernel $package, see $cache/apt.log"
  fi
  kernel=$(compgen -G "$folder/boot/vmlinuz-*" | sort -V | tail -n 1)
  machine_version=${kernel##*/vmlinuz-}
  # The package leaves modules.dep to its installation.
  [[ -e $folder/lib/modules/$machine_version/modules.dep ]] || depmod -b "$folder" "$machine_version"
}

# copy_modules ROOT NAME...: the modules with all that they need, and ROOT/modules/order, the order in which to insert them
copy_modules() {
  local root=$1 file
  shift
  mkdir -p "$root/modules"
  modprobe -d "$cache/kernel" -S "$machine_version" --show-depends -a "$@" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r file; do
      cp "$file" "$root/modules/"
      echo "${file##*/}" >>"$root/modules/order"
    done
}

machine_initramfs() { # finds the disk and goes there
  local root=$state/cgroup2/initramfs
  mkdir -p "$root"/{bin,proc,sys,dev,disk}
  install "$(command -v busybox)" "$root/bin/busybox"
  copy_modules "$root" "${machine_disk_modules[@]}"
  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
until [ -b /dev/vda ]; do usleep 50000; done
mount -t ext4 -o noatime /dev/vda /disk
mount --move /dev /disk/dev
exec switch_root /disk /sbin/init
INIT
  chmod +x "$root/init"
  # Not compressed: an emulated CPU is slower at inflating than QEMU is at copying.
  (cd "$root" && find . | cpio -o -H newc 2>/dev/null) >"$state/cgroup2/initramfs.cpio"
  rm -r "$root"
}

machine_root() { # ROOT: the disk's files
  local root=$1 archive
  mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,run,images,var/log,var/lib,etc/cni/net.d,etc/containerd,etc/kubernetes}
  install "$(command -v busybox)" "$root/bin/busybox"
  copy_modules "$root" "${machine_modules[@]}"
  copy_program "$root" "$(command -v containerd)" "$(command -v containerd-shim-runc-v2)" "$(command -v runc)" \
    "$(command -v ctr)" /usr/lib/cni/{bridge,host-local,loopback,portmap}
  install -D "$(program kubelet)" "$root/usr/bin/kubelet"
  install -m 600 "$state/cgroup2.conf" "$root/etc/kubernetes/kubelet.conf"
  install -m 600 "$state/pki/ca.crt" "$state/pki/cgroup2.crt" "$state/pki/cgroup2.key" "$root/etc/kubernetes/"
  for archive in "$state"/images/*.tar; do
    cp "$archive" "${archive%.tar}.name" "$root/images/"
  done
  echo cgroup2 >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n10.240.0.%s cgroup2\n' "$machine_number" >"$root/etc/hosts"
  echo "nameserver 10.96.0.10" >"$root/etc/resolv.conf"
  echo root:x:0:0:root:/:/bin/sh >"$root/etc/passwd"
  echo root:x:0: >"$root/etc/group"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  printf 'ID=debian\nPRETTY_NAME="busybox on a Debian kernel, emulated"\n' >"$root/etc/os-release"
  # No portmap: it needs iptables, so a hostPort does not work there.
  cni_configuration "$machine_number" /var/lib/cni-ipam | jq 'del(.plugins[1])' >"$root/etc/cni/net.d/10-pods.conflist"
  cat >"$root/etc/containerd/config.toml" <<'END'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
END
  cp "$state/cgroup2/kubelet.json" "$root/etc/kubernetes/"
  cat >"$root/sbin/init" <<INIT
#!/bin/busybox sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=0,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# The kubelet hands volumes on to containers by mount propagation.
mount --make-rshared /
for controller in cpuset cpu io memory hugetlb pids; do echo "+\$controller" >/sys/fs/cgroup/cgroup.subtree_control; done
hostname -F /etc/hostname

# \`cluster sh cgroup2\`, on the second serial port: lines of a mark and a command in base64.
stty -F /dev/ttyS1 raw -echo
while read -r mark command; do
  echo "\$command" | base64 -d >/run/command
  sh /run/command </dev/null 2>&1
  printf '\n%s %s\n' "\$mark" \$?
done </dev/ttyS1 >/dev/ttyS1 &

while read -r module; do
  # The initramfs has inserted some of them.
  grep -q "^\${module%.ko} " /proc/modules || insmod "/modules/\$module"
done </modules/order
ip link set lo up
ip addr add 10.240.0.$machine_number/32 dev eth0
ip link set eth0 up
ip route add $machine_gateway dev eth0
ip route add default via $machine_gateway
sysctl -qw net.ipv4.ip_forward=1
echo "cgroup2: booted after \$(cut -d ' ' -f 1 /proc/uptime) s"

containerd >/var/log/containerd.log 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do usleep 100000; done
for archive in /images/*.tar; do
  image=\$(cat "\${archive%.tar}.name")
  import-image "\$archive" "\$image" || echo "cgroup2: cannot import \$image"
  rm "\$archive"
done
echo "cgroup2: images imported after \$(cut -d ' ' -f 1 /proc/uptime) s"

# Again if it ends: that is how a changed configuration takes effect.
while :; do
  kubelet --config=/etc/kubernetes/kubelet.json --kubeconfig=/etc/kubernetes/kubelet.conf --hostname-override=cgroup2 \
    --node-ip=10.240.0.$machine_number --node-labels=cgroup=v2 >>/var/log/kubelet.log 2>&1
  sleep 1
done
INIT
  cat >"$root/bin/import-image" <<'IMPORT'
#!/bin/busybox sh
# ARCHIVE NAME: an archive says its own name, which need not be the one that is wanted.
image=$(ctr -n k8s.io images import "$1" | awk '/^unpacking/ { print $2; exit }')
[ -n "$image" ] || exit 1
[ "$image" = "$2" ] || ctr -n k8s.io images tag --force "$image" "$2" >/dev/null
IMPORT
  chmod +x "$root/sbin/init" "$root/bin/import-image"
}

# The namespace gives its address to the machine and answers for it on the cluster's bridge (proxy_arp).
machine_network() {
  local namespace=$name.cgroup2 address=10.240.0.$machine_number
  ip -n "$namespace" addr del "$address/24" dev eth0
  ip -n "$namespace" addr add "$machine_router/24" dev eth0
  ip -n "$namespace" tuntap add machine mode tap
  ip -n "$namespace" addr add "$machine_gateway/32" dev machine
  ip -n "$namespace" link set machine up
  ip -n "$namespace" route add "$address" dev machine
  ip -n "$namespace" route add "10.244.$machine_number.0/24" via "$address" dev machine onlink
  # An address that was removed took its routes with it.
  ip -n "$namespace" route replace default via "$api"
  routes cgroup2 "$machine_number"
  netns cgroup2 sysctl -qw net.ipv4.conf.eth0.proxy_arp=1 net.ipv4.conf.eth0.proxy_delay=0 2>/dev/null ||
    netns cgroup2 sysctl -qw net.ipv4.conf.eth0.proxy_arp=1
}

addon_cgroup2() {
  local dir=$state/cgroup2 address=10.240.0.$machine_number
  machine_kernel
  add_namespaces cgroup2 "$machine_number"
  step "the machine's network"
  machine_network
  cgroups cgroup2
  step "the machine's disk"
  certificate cgroup2 /O=system:nodes/CN=system:node:cgroup2 "DNS:cgroup2,IP:$address"
  kubeconfig cgroup2
  kubelet_configuration cgroup2 "$machine_number" /etc/kubernetes /etc/resolv.conf unix:///run/containerd/containerd.sock |
    jq '. * {featureGates: {MemoryQoS: true}, memoryThrottlingFactor: 0.9,
      registerWithTaints: [{key: "cgroup2", value: "only", effect: "NoSchedule"}]}' >"$dir/kubelet.json"
  machine_initramfs
  machine_root "$dir/root"
  step "the machine boots" cgroup2-console
  # On a busy processor an emulated one may hang ("soft lockup") and not come back: then it is started once more.
  if ! machine_boots; then
    echo "cluster: no node cgroup2 after $machine_ready_s s: its machine is started once more" >&2
    stop cgroup2 cgroup2-machine
    machine_boots || fail "there is no node cgroup2 after twice $machine_ready_s s"
  fi
  rm -r "$dir/root"
  kubectl wait --for=condition=Ready node/cgroup2 --timeout="${machine_ready_s}s" >/dev/null
  ! grep '^cgroup2: cannot import' "$state/log/cgroup2-console.log" >&2 || fail "the node lacks an image"
  # A pod that asks a Service whose endpoint is on the machine as well: the answer would not pass the namespace, which has
  # translated the question. Only then it gets the namespace's address; the policies of other nodes must see the pod's own.
  on cgroup2 iptables -w -t nat -A POSTROUTING -s "10.244.$machine_number.0/24" -o machine -m conntrack --ctstate DNAT -j MASQUERADE
  proxy cgroup2
  policies cgroup2
}

# With a new disk of what is in its root. For use in a condition, where bash does not end at a command that fails.
machine_boots() {
  rm -f "$dir"/shell.{in,out} "$dir/disk.img"
  # No journal and no cleaning in the background: the disk lives as long as the machine.
  truncate -s "$machine_disk" "$dir/disk.img" &&
    mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=0,nodiscard -d "$dir/root" "$dir/disk.img" &&
    mkfifo "$dir"/shell.{in,out} || fail "the machine gets no disk"
  # -cpu max has RDRAND: no wait for entropy. cache=unsafe: nothing of the disk outlives the machine. The terminal is a log,
  # the second port the shell.
  start cgroup2 cgroup2-machine qemu-system-x86_64 \
    -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m "$machine_mib" -no-reboot -display none -monitor none \
    -kernel "$cache/kernel/boot/vmlinuz-$machine_version" -initrd "$dir/initramfs.cpio" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off apparmor=0" \
    -drive "file=$dir/disk.img,format=raw,if=virtio,cache=unsafe" \
    -netdev tap,id=net,ifname=machine,script=no,downscript=no -device virtio-net-pci,netdev=net,romfile= \
    -serial "file:$state/log/cgroup2-console.log" -chardev "pipe,id=shell,path=$dir/shell" -serial chardev:shell
  wait_for "$machine_ready_s" machine_registered || return
  started cgroup2 cgroup2-machine || { tail -n 5 "$state/log/cgroup2-machine.log" >&2; fail "the machine has ended"; }
}

# It is there, or it will never be.
machine_registered() { kubectl get node cgroup2 || ! started cgroup2 cgroup2-machine; }

# machine_shell COMMAND: as a line of a mark and base64, whatever quotes and lines are in it. After its output comes a line
# of the mark and its exit status. One at a time.
machine_shell() {
  [[ -e $state/cgroup2/shell.in ]] && started cgroup2 cgroup2-machine || fail "there is no node cgroup2: cluster add cgroup2"
  local mark=end-$$-$RANDOM line held='' first=1 shell_lock answers
  exec {shell_lock}>"$state/cgroup2/shell.lock"
  flock "$shell_lock"
  exec {answers}<>"$state/cgroup2/shell.out"
  echo "$mark $(base64 -w 0 <<<"$*")" >"$state/cgroup2/shell.in"
  # The line before the mark is empty where the output ended with a newline.
  while IFS= read -r -u "$answers" line; do
    if [[ $line == "$mark "* ]]; then
      [[ -z $held ]] || printf '%s\n' "$held"
      exec {answers}<&- {shell_lock}>&-
      return "${line##* }"
    fi
    ((first)) || printf '%s\n' "$held"
    held=$line first=0
  done
}

machine_import() { # ARCHIVE NAME: over the network, on which the machine listens for this once
  local receiver port=9999 import_lock
  exec {import_lock}>"$state/cgroup2/import.lock"
  flock "$import_lock"
  machine_shell "timeout 120 nc -l -p $port >/run/image.tar && import-image /run/image.tar '$2'; status=\$?; rm -f /run/image.tar; exit \$status" &
  receiver=$!
  # shellcheck disable=SC2016 # the inner shell's own variables
  netns cgroup2 bash -c 'for _ in $(seq 100); do
      exec 7>"/dev/tcp/$1/$2" && break; sleep 0.2
    done 2>/dev/null
    cat "$3" >&7' - "10.240.0.$machine_number" "$port" "$1"
  wait "$receiver"
  exec {import_lock}>&-
}

machine_config() { # FILE
  local dir=$state/cgroup2
  jq -s '.[0] * .[1]' "$dir/kubelet.json" "$1" >"$dir/kubelet.json.new"
  mv "$dir/kubelet.json.new" "$dir/kubelet.json"
  machine_shell "echo $(base64 -w 0 "$dir/kubelet.json") | base64 -d >/etc/kubernetes/kubelet.json && killall kubelet"
}
