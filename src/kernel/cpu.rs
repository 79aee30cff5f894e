//! How much CPU there is for us: cores we may run on, and the cpu controller's quota and throttling.
//!
//! Files: `cpu.max`, `cpu.stat` (v2), `cpu.cfs_quota_us`, `cpu.cfs_period_us`, `cpu.stat` (v1). A parent's quota binds
//! its children, so the smallest one up to the root counts.

use std::path::Path;

use rustix::thread::sched_getaffinity;

use crate::kernel::Kernel;
use crate::kernel::cgroup::{CgroupVersion, counter, folders, number};

/// A quota: so much CPU time in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In thousandths of a core.
    pub millicores: u64,
    /// The length of a period, in microseconds.
    pub period_us: u64,
}

/// How often a group was held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods that have passed.
    pub periods: u64,
    /// Of these, how many were throttled.
    pub throttled_periods: u64,
    /// For how long in all, in microseconds.
    pub throttled_us: u64,
}

/// The smallest quota that binds us, and how often it has held us back.
pub fn quota(kernel: &Kernel) -> (Option<Quota>, Option<Throttling>) {
    let groups: Vec<_> = folders(kernel, "cpu")
        .into_iter()
        .map(|(version, folder)| (quota_of(kernel, version, &folder), throttling_of(kernel, version, &folder)))
        .collect();
    let tightest =
        groups.iter().filter(|(quota, _)| quota.is_some()).min_by_key(|(quota, _)| quota.map(|q| q.millicores));
    match tightest {
        Some(&(quota, throttling)) => (quota, throttling),
        None => (None, groups.first().and_then(|(_, throttling)| *throttling)),
    }
}

fn quota_of(kernel: &Kernel, version: CgroupVersion, folder: &Path) -> Option<Quota> {
    let (quota, period_us) = match version {
        CgroupVersion::V2 => {
            // `max 100000` or `50000 100000`, in microseconds.
            let text = kernel.read(folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        // -1 is none, and no unsigned number.
        CgroupVersion::V1 => {
            (number(kernel, &folder.join("cpu.cfs_quota_us"))?, number(kernel, &folder.join("cpu.cfs_period_us"))?)
        }
    };
    (period_us > 0).then(|| Quota { millicores: quota.saturating_mul(1000) / period_us, period_us })
}

fn throttling_of(kernel: &Kernel, version: CgroupVersion, folder: &Path) -> Option<Throttling> {
    let text = kernel.read(folder.join("cpu.stat")).ok()?;
    let throttled_us = match version {
        CgroupVersion::V2 => counter(&text, "throttled_usec"),
        CgroupVersion::V1 => counter(&text, "throttled_time").map(|nanos| nanos / 1000),
    };
    Some(Throttling {
        periods: counter(&text, "nr_periods")?,
        throttled_periods: counter(&text, "nr_throttled")?,
        throttled_us: throttled_us?,
    })
}

/// How many cores this process may run on (sched_getaffinity(2)); at least one.
pub fn cores() -> u64 {
    // A kernel built for more cores than the set has room for does not tell: 1024 of them.
    sched_getaffinity(None).map_or(1, |set| u64::from(set.count()).max(1))
}

/// How many threads can work at the same time: one a core, and no more than the quota has whole cores; at least one.
pub fn parallelism(kernel: &Kernel) -> usize {
    let quota = quota(kernel).0.map_or(u64::MAX, |quota| (quota.millicores / 1000).max(1));
    usize::try_from(cores().min(quota)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_quota_up_to_the_root_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "0::/pod/one\n");
        write("proc/self/mountinfo", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
        write("cg/cpu.stat", "usage_usec 5\n");
        write("cg/pod/cpu.max", "150000 100000\n");
        write("cg/pod/cpu.stat", "usage_usec 5\nnr_periods 10\nnr_throttled 4\nthrottled_usec 900\n");
        write("cg/pod/one/cpu.max", "max 100000\n");
        let (found, throttling) = quota(&Kernel::below(root.path()));
        assert_eq!(found, Some(Quota { millicores: 1500, period_us: 100_000 }));
        assert_eq!(throttling, Some(Throttling { periods: 10, throttled_periods: 4, throttled_us: 900 }));
        write("cg/pod/one/cpu.max", "5000 20000\n");
        assert_eq!(quota(&Kernel::below(root.path())).0, Some(Quota { millicores: 250, period_us: 20_000 }));
        // Less than a core keeps one thread busy for a while.
        assert_eq!(parallelism(&Kernel::below(root.path())), 1);
        let unlimited = tempfile::tempdir().unwrap();
        assert_eq!(parallelism(&Kernel::below(unlimited.path())) as u64, cores());
    }

    #[test]
    fn version_1_has_its_own_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "4:cpu,cpuacct:/a\n");
        write("proc/self/mountinfo", "30 23 0:26 / /cg rw - cgroup cgroup rw,cpu,cpuacct\n");
        write("cg/a/cpu.cfs_quota_us", "-1\n");
        write("cg/a/cpu.cfs_period_us", "100000\n");
        write("cg/a/cpu.stat", "nr_periods 3\nnr_throttled 1\nthrottled_time 5000\n");
        assert_eq!(quota(&Kernel::below(root.path())).0, None);
        write("cg/a/cpu.cfs_quota_us", "70000\n");
        let (found, throttling) = quota(&Kernel::below(root.path()));
        assert_eq!(found.map(|quota| quota.millicores), Some(700));
        assert_eq!(throttling.map(|t| t.throttled_us), Some(5));
        assert!(cores() >= 1);
    }
}
