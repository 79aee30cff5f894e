//! The memory and pids controllers of cgroup v1 and v2.
//!
//! Files and their meaning: the kernel's `admin-guide/cgroup-v2.rst` and `admin-guide/cgroup-v1/memory.rst`. Both
//! hierarchies are looked at, since a hybrid set-up mounts both and a controller lives in one of them.

use std::path::{Path, PathBuf};

use crate::kernel::Kernel;
use crate::kernel::mountinfo::{Mount, cgroup_mounts};

/// A v1 limit that is none: 2^63 rounded down to a page. Whatever is near it is none either.
pub(super) const UNLIMITED_V1: u64 = 1 << 62;

/// A group that limits memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryGroup {
    /// The limit in bytes, the smaller of hard and throttling limit; `None` is unlimited.
    pub limit: Option<u64>,
    /// What its processes use, in bytes, page cache included.
    pub used: u64,
    /// The page cache among it that can be reclaimed.
    pub reclaimable: u64,
    /// Which file set the limit, for the log.
    pub source: String,
}

impl MemoryGroup {
    /// What is left below the limit, in bytes; `None` without a limit.
    pub fn available(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used.saturating_sub(self.reclaimable)))
    }
}

/// The groups that count our memory, from our own up to the root, of v1 and v2.
pub fn memory_groups(kernel: &Kernel) -> Vec<MemoryGroup> {
    folders(kernel, "memory")
        .into_iter()
        .filter_map(|(version, folder)| match version {
            CgroupVersion::V1 => memory_v1(kernel, &folder),
            CgroupVersion::V2 => memory_v2(kernel, &folder),
        })
        .collect()
}

/// What `pids.max` leaves in the narrowest of our groups, and which file that is.
pub fn threads_available(kernel: &Kernel) -> Option<(u64, String)> {
    folders(kernel, "pids")
        .into_iter()
        .filter_map(|(_, folder)| {
            let most = number(kernel, &folder.join("pids.max"))?;
            let left = most.saturating_sub(number(kernel, &folder.join("pids.current")).unwrap_or(0));
            Some((left, format!("pids.max of {}", folder.display())))
        })
        .min()
}

/// The two hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CgroupVersion {
    V1,
    V2,
}

/// The folders of our groups that may have files of `controller`, from our own up to the root.
pub(super) fn folders(kernel: &Kernel, controller: &str) -> Vec<(CgroupVersion, PathBuf)> {
    let groups = kernel.read("/proc/self/cgroup").unwrap_or_default();
    let mounts = cgroup_mounts(&kernel.read("/proc/self/mountinfo").unwrap_or_default());
    let mut found = Vec::new();
    for line in groups.lines() {
        // `4:memory:/path` in v1, `0::/path` in v2.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let version = if controllers.is_empty() { CgroupVersion::V2 } else { CgroupVersion::V1 };
        if version == CgroupVersion::V1 && !controllers.split(',').any(|name| name == controller) {
            continue;
        }
        let fits = |mount: &&Mount| match version {
            CgroupVersion::V1 => mount.kind == "cgroup" && mount.controllers.iter().any(|name| name == controller),
            CgroupVersion::V2 => mount.kind == "cgroup2",
        };
        // The same hierarchy can be mounted more than once; a mount whose root we are below shows the most.
        let path = Path::new(path);
        let mount = mounts
            .iter()
            .filter(fits)
            .max_by_key(|mount| (path.starts_with(&mount.root), std::cmp::Reverse(mount.root.components().count())));
        if let Some(mount) = mount {
            found.extend(mount.folders(path).into_iter().map(|folder| (version, folder)));
        }
    }
    found
}

fn memory_v2(kernel: &Kernel, folder: &Path) -> Option<MemoryGroup> {
    let used = number(kernel, &folder.join("memory.current"))?;
    let bounds = ["memory.max", "memory.high"].map(|name| (number(kernel, &folder.join(name)), name));
    let (limit, name) = bounds.into_iter().min_by_key(|(limit, _)| limit.unwrap_or(u64::MAX))?;
    Some(MemoryGroup {
        limit,
        used,
        reclaimable: stat(kernel, folder, "inactive_file"),
        source: format!("{name} of {}", folder.display()),
    })
}

fn memory_v1(kernel: &Kernel, folder: &Path) -> Option<MemoryGroup> {
    let used = number(kernel, &folder.join("memory.usage_in_bytes"))?;
    let limit = number(kernel, &folder.join("memory.limit_in_bytes")).filter(|&limit| limit < UNLIMITED_V1);
    Some(MemoryGroup {
        limit,
        used,
        // The plain counters of a v1 parent leave its children out.
        reclaimable: stat(kernel, folder, "total_inactive_file"),
        source: format!("memory.limit_in_bytes of {}", folder.display()),
    })
}

/// A counter of `memory.stat`; 0 when it is not there.
fn stat(kernel: &Kernel, folder: &Path, name: &str) -> u64 {
    counter(&kernel.read(folder.join("memory.stat")).unwrap_or_default(), name).unwrap_or(0)
}

/// A line `name value` of a file of counters.
pub(super) fn counter(text: &str, name: &str) -> Option<u64> {
    let mut counters = text.lines().filter_map(|line| line.split_once(' '));
    counters.find(|(key, _)| *key == name).and_then(|(_, value)| value.trim().parse().ok())
}

/// A file with one number in it; `None` when it says `max` or is not there.
pub(super) fn number(kernel: &Kernel, path: &Path) -> Option<u64> {
    kernel.read(path).ok()?.trim().parse().ok()
}
