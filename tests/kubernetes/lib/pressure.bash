# shellcheck shell=bash
# The node `pressure`: a kubelet whose file system is small, so that inodes and bytes run out soon. nodefs and imagefs are
# one. Thresholds are set with `cluster config pressure FILE`.

pressure_number=250
pressure_bytes=8G    # sparse: only what is written takes space here
pressure_inodes=100352

addon_pressure() {
  local disk=$state/pressure/disk
  need mke2fs:e2fsprogs
  add_namespaces pressure "$pressure_number"
  mkdir -p "$disk"
  truncate -s "$pressure_bytes" "$state/pressure/disk.img"
  mke2fs -q -F -t ext4 -N "$pressure_inodes" -m 0 "$state/pressure/disk.img"
  # Mounted in the node only: it goes with the node's mount namespace, and the loop device with it.
  if ! on pressure mount -o loop "$state/pressure/disk.img" "$disk" 2>/dev/null; then
    say "no loop device: the file system of the node pressure is in memory"
    rm "$state/pressure/disk.img"
    on pressure mount -t tmpfs -o "size=$pressure_bytes,nr_inodes=$pressure_inodes" tmpfs "$disk"
  fi
  echo testero.example/pressure=true >"$state/pressure.labels"
  node pressure '{"registerWithTaints": [{"key": "pressure", "value": "only", "effect": "NoSchedule"}]}'
  policies pressure
  kubectl wait --for=condition=Ready node/pressure --timeout=60s >/dev/null
}
