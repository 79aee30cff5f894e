//! Machines as folders: v1, v2, hybrid, nested, deep mounts, unlimited, and files that are missing.

use std::fs;
use std::path::Path;

use crate::kernel::*;

/// A machine made of `(path, content)` pairs.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Kernel) {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path.strip_prefix('/').unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let kernel = Kernel::below(root.path());
    (root, kernel)
}

const MIB: u64 = 1 << 20;
const MEMINFO: (&str, &str) = ("/proc/meminfo", "MemTotal: 9999999 kB\nMemAvailable:    8388608 kB\n");
const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
                        40 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n";

#[test]
fn v2_takes_the_narrowest_group_up_to_the_root() {
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "0::/kubepods/pod1/abc\n"),
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/sys/fs/cgroup/kubepods/pod1/abc/memory.max", "max\n"),
        ("/sys/fs/cgroup/kubepods/pod1/abc/memory.high", "max\n"),
        ("/sys/fs/cgroup/kubepods/pod1/abc/memory.current", "1048576\n"),
        ("/sys/fs/cgroup/kubepods/pod1/memory.max", "268435456\n"),
        ("/sys/fs/cgroup/kubepods/pod1/memory.high", "max\n"),
        ("/sys/fs/cgroup/kubepods/pod1/memory.current", "104857600\n"),
        ("/sys/fs/cgroup/kubepods/pod1/memory.stat", "anon 1\nfile 9\ninactive_file 4194304\nactive_file 7\n"),
        ("/sys/fs/cgroup/kubepods/memory.max", "1073741824\n"),
        ("/sys/fs/cgroup/kubepods/memory.current", "1000000000\n"),
    ]);
    let available = kernel.memory_available();
    assert_eq!(available.bytes, 73_741_824, "the node's pods leave less than the pod's own limit");
    assert_eq!(available.source, "memory.max of /sys/fs/cgroup/kubepods");
    assert_eq!(kernel.memory_available().limit, Some(256 * MIB));
}

#[test]
fn v2_reclaimable_page_cache_is_not_used() {
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/sys/fs/cgroup/memory.max", "268435456\n"),
        ("/sys/fs/cgroup/memory.current", "104857600\n"),
        ("/sys/fs/cgroup/memory.stat", "inactive_file 4194304\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, (256 - 100 + 4) * MIB);
}

#[test]
fn v2_memory_high_binds_too() {
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/sys/fs/cgroup/memory.max", "268435456\n"),
        ("/sys/fs/cgroup/memory.high", "134217728\n"),
        ("/sys/fs/cgroup/memory.current", "0\n"),
    ]);
    let available = kernel.memory_available();
    assert_eq!((available.bytes, available.source.as_str()), (128 * MIB, "memory.high of /sys/fs/cgroup"));
    assert_eq!((available.limit, available.limit_is_high), (Some(128 * MIB), true));
}

#[test]
fn what_the_node_keeps_free_comes_off_what_the_node_has_and_off_nothing_else() {
    let limited = [
        MEMINFO,
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/sys/fs/cgroup/memory.max", "4294967296\n"),
        ("/sys/fs/cgroup/memory.current", "0\n"),
    ];
    let (_root, kernel) = machine(&limited);
    let available = |kept| kernel.clone().keeping_free(kept * MIB).memory_available();
    let told = |kept| (available(kept).bytes, available(kept).source);
    let by_limit = (4096 * MIB, String::from("memory.max of /sys/fs/cgroup"));
    assert_eq!((told(0), told(4000)), (by_limit.clone(), by_limit));
    assert_eq!(told(5000), (3192 * MIB, String::from("MemAvailable less EVICTIONRESERVE")));
    assert_eq!(told(10_000).0, 0);
    assert!(!available(0).limit_is_high);
}

#[test]
fn pressure_says_whose_it_is() {
    let line = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
    let (_root, kernel) = machine(&[
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/sys/fs/cgroup/cpu.pressure", line),
        ("/proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"),
        ("/proc/pressure/io", line),
    ]);
    let whose = |resource| pressure::pressure(&kernel, resource).map(|found| (found.is_own, found.some_us));
    assert_eq!((whose("cpu"), whose("io"), whose("memory")), (Some((true, 7)), Some((false, 7)), None));
}

#[test]
fn v1_counts_children_and_knows_unlimited() {
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "9:name=systemd:/\n8:pids:/docker/abc\n4:memory:/docker/abc\n0::/\n"),
        ("/proc/self/mountinfo", V1_MOUNT),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n"),
        ("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "536870912\n"),
        ("/sys/fs/cgroup/memory/docker/memory.usage_in_bytes", "419430400\n"),
        ("/sys/fs/cgroup/memory/docker/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n"),
        ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n"),
        ("/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "1048576\n"),
        ("/sys/fs/cgroup/pids/docker/abc/pids.max", "100\n"),
        ("/sys/fs/cgroup/pids/docker/abc/pids.current", "7\n"),
        ("/sys/fs/cgroup/pids/docker/pids.max", "max\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, (512 - 400 + 10) * MIB);
    assert_eq!(kernel.memory_available().limit, Some(256 * MIB));
    assert_eq!(kernel.threads_available(), Some(93));
}

#[test]
fn a_mount_that_starts_at_our_group_is_our_group() {
    // Docker on v1 without a cgroup namespace: the path is the host's, the mount shows our own group only.
    let mounts = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "4:memory:/docker/abc\n"),
        ("/proc/self/mountinfo", mounts),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
        ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, 127 * MIB);
}

#[test]
fn a_mount_that_starts_above_our_group_is_walked_from_there() {
    let mounts = "30 23 0:26 /kubepods /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "0::/kubepods/pod1\n"),
        ("/proc/self/mountinfo", mounts),
        ("/sys/fs/cgroup/pod1/memory.max", "1048576\n"),
        ("/sys/fs/cgroup/pod1/memory.current", "0\n"),
        ("/sys/fs/cgroup/memory.max", "524288\n"),
        ("/sys/fs/cgroup/memory.current", "0\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, 524_288);
}

#[test]
fn a_path_outside_the_mount_falls_back_to_the_mount_point() {
    // A cgroup namespace: our path is `/`, or climbs out of it, whatever part of the hierarchy is mounted.
    for path in ["0::/\n", "0::/../other\n"] {
        let mounts = "30 23 0:26 /deep/er /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let (_root, kernel) = machine(&[
            MEMINFO,
            ("/proc/self/cgroup", path),
            ("/proc/self/mountinfo", mounts),
            ("/sys/fs/cgroup/memory.max", "1048576\n"),
            ("/sys/fs/cgroup/memory.current", "4096\n"),
        ]);
        assert_eq!(kernel.memory_available().bytes, MIB - 4096, "{path}");
    }
}

#[test]
fn hybrid_looks_at_both_hierarchies() {
    let mounts = format!("{V1_MOUNT}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    let (_root, kernel) = machine(&[
        MEMINFO,
        ("/proc/self/cgroup", "4:memory:/a\n0::/a\n"),
        ("/proc/self/mountinfo", &mounts),
        ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "268435456\n"),
        ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "0\n"),
        ("/sys/fs/cgroup/unified/a/cgroup.procs", "1\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, 256 * MIB);
}

#[test]
fn without_limits_the_host_decides_and_without_files_nothing_does() {
    let (_root, kernel) = machine(&[MEMINFO]);
    let available = kernel.memory_available();
    // RLIMIT_AS and RLIMIT_DATA are this test process's own; where they are unlimited, the host decides.
    assert!(available.bytes <= 8192 * MIB);
    assert_eq!(kernel.memory_available().limit, None);
    assert_eq!(kernel.threads_available(), None);
    let (_root, kernel) = machine(&[]);
    assert!(kernel.memory_available().bytes > 8192 * MIB);
}

#[test]
fn strict_overcommit_binds() {
    let (_root, kernel) = machine(&[
        ("/proc/meminfo", "MemAvailable: 8388608 kB\nCommitLimit: 2048 kB\nCommitted_AS: 1024 kB\n"),
        ("/proc/sys/vm/overcommit_memory", "2\n"),
        ("/proc/sys/vm/admin_reserve_kbytes", "1\n"),
        ("/proc/sys/vm/user_reserve_kbytes", "2\n"),
    ]);
    let available = kernel.memory_available();
    assert_eq!((available.bytes, available.source.as_str()), (MIB - 3 * 1024, "CommitLimit"));
    let (_root, kernel) = machine(&[
        ("/proc/meminfo", "MemAvailable: 8192 kB\nCommitLimit: 2048 kB\nCommitted_AS: 4096 kB\n"),
        ("/proc/sys/vm/overcommit_memory", "0\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, 8 * MIB);
}

#[test]
fn usage_over_the_limit_leaves_nothing() {
    let (_root, kernel) = machine(&[
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", V2_MOUNT),
        ("/sys/fs/cgroup/memory.max", "1000\n"),
        ("/sys/fs/cgroup/memory.current", "5000\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, 0);
}

#[test]
fn a_mount_whose_name_is_not_utf8_hides_no_other() {
    let (root, kernel) = machine(&[
        ("/proc/self/cgroup", "0::/\n"),
        ("/sys/fs/cgroup/memory.max", "1000\n"),
        ("/sys/fs/cgroup/memory.current", "0\n"),
    ]);
    let latin = b"77 23 0:99 / /mnt/\xe9t\xe9 rw - ext4 /dev/sda rw\n";
    fs::write(root.path().join("proc/self/mountinfo"), [latin, V2_MOUNT.as_bytes()].concat()).unwrap();
    assert_eq!(kernel.memory_available().bytes, 1000);
}

#[test]
fn a_mount_point_with_a_space_is_found() {
    let mounts = "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n";
    let (_root, kernel) = machine(&[
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", mounts),
        ("/my groups/memory.max", "1000\n"),
        ("/my groups/memory.current", "0\n"),
    ]);
    assert_eq!(kernel.memory_available().bytes, 1000);
}

#[test]
fn this_machine_can_be_read() {
    let available = Kernel::default().memory_available();
    assert!(available.bytes > 0 && available.bytes < u64::MAX, "{available:?}");
    assert!(Path::new("/proc/self/cgroup").exists());
}

proptest::proptest! {
    #[test]
    fn no_content_makes_reading_panic(groups in "[0-9:/a-z,\n]{0,60}", mounts in "[0-9:/ a-z,\\\\\n-]{0,90}") {
        let (_root, kernel) = machine(&[("/proc/self/cgroup", &groups), ("/proc/self/mountinfo", &mounts)]);
        let _ = kernel.memory_available();
    }
}
