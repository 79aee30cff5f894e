//! What the container as a whole uses, as its own cgroup tells it; what is not told is `None`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::kernel::Kernel;
use crate::kernel::cgroup::{CgroupVersion, counter, folders, number};

/// The figures of our own cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Bytes in use, page cache included.
    pub current: Option<u64>,
    /// The limit in bytes.
    pub max: Option<u64>,
    /// Bytes above which the kernel reclaims hard and slows us down.
    pub high: Option<u64>,
    /// What the kubelet looks at: current without the inactive part of the page cache.
    pub working_set: Option<u64>,
    /// Anonymous pages, in bytes.
    pub anon: Option<u64>,
    /// Page cache, in bytes.
    pub file: Option<u64>,
    /// How often a process was killed because the limit was reached.
    pub oom_kills: Option<u64>,
    /// CPU time used, in microseconds.
    pub cpu_us: Option<u64>,
    /// Threads there are.
    pub pids: Option<u64>,
    /// Threads there may be.
    pub pids_max: Option<u64>,
}

impl Container {
    /// Reads them.
    pub fn read(kernel: &Kernel) -> Self {
        let mut found = Self::default();
        if let Some((version, folder)) = folders(kernel, "memory").into_iter().find(|(v, f)| has_memory(kernel, *v, f))
        {
            found.memory(kernel, version, &folder);
        }
        for (version, folder) in folders(kernel, "cpuacct").into_iter().chain(folders(kernel, "cpu")).take(1) {
            found.cpu_us = match version {
                CgroupVersion::V1 => number(kernel, &folder.join("cpuacct.usage")).map(|nanos| nanos / 1000),
                CgroupVersion::V2 => counter(&kernel.read(folder.join("cpu.stat")).unwrap_or_default(), "usage_usec"),
            };
        }
        if let Some((_, folder)) = folders(kernel, "pids").into_iter().next() {
            found.pids = number(kernel, &folder.join("pids.current"));
            found.pids_max = number(kernel, &folder.join("pids.max"));
        }
        found
    }

    fn memory(&mut self, kernel: &Kernel, version: CgroupVersion, folder: &Path) {
        let file = |name: &str| number(kernel, &folder.join(name));
        let stat = kernel.read(folder.join("memory.stat")).unwrap_or_default();
        // The plain counters of a v1 group leave its children out.
        let (current, max, high, names) = match version {
            CgroupVersion::V1 => (
                "memory.usage_in_bytes",
                "memory.limit_in_bytes",
                "",
                ["total_inactive_file", "total_rss", "total_cache"],
            ),
            CgroupVersion::V2 => ("memory.current", "memory.max", "memory.high", ["inactive_file", "anon", "file"]),
        };
        let [inactive, anon, cache] = names.map(|name| counter(&stat, name));
        self.current = file(current);
        self.max = file(max).filter(|&most| most < crate::kernel::cgroup::UNLIMITED_V1);
        self.high = if high.is_empty() { None } else { file(high) };
        self.working_set = self.current.map(|bytes| bytes.saturating_sub(inactive.unwrap_or(0)));
        (self.anon, self.file) = (anon, cache);
        let events = kernel.read(folder.join(if high.is_empty() { "memory.oom_control" } else { "memory.events" }));
        self.oom_kills = events.ok().and_then(|text| counter(&text, "oom_kill"));
    }
}

/// How often a process of our memory cgroup was killed because the limit was reached, after the number of that cgroup,
/// which no other gets while the machine runs: counts of another one do not go on from ours.
pub fn oom_kills(kernel: &Kernel) -> Option<(u64, u64)> {
    let (version, folder) = folders(kernel, "memory").into_iter().find(|(v, f)| has_memory(kernel, *v, f))?;
    let name = if version == CgroupVersion::V1 { "memory.oom_control" } else { "memory.events" };
    let kills = counter(&kernel.read(folder.join(name)).ok()?, "oom_kill")?;
    Some((fs::metadata(kernel.locate(&folder)).ok()?.ino(), kills))
}

fn has_memory(kernel: &Kernel, version: CgroupVersion, folder: &Path) -> bool {
    let name = if version == CgroupVersion::V1 { "memory.usage_in_bytes" } else { "memory.current" };
    number(kernel, &folder.join(name)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_tells_all() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "0::/\n");
        write("proc/self/mountinfo", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
        write("cg/memory.current", "1000\n");
        write("cg/memory.max", "max\n");
        write("cg/memory.high", "5000\n");
        write("cg/memory.stat", "anon 600\nfile 400\ninactive_file 300\n");
        write("cg/memory.events", "low 0\noom 2\noom_kill 1\n");
        write("cg/cpu.stat", "usage_usec 77\n");
        write("cg/pids.current", "9\n");
        write("cg/pids.max", "max\n");
        let expected = Container {
            current: Some(1000),
            max: None,
            high: Some(5000),
            working_set: Some(700),
            anon: Some(600),
            file: Some(400),
            oom_kills: Some(1),
            cpu_us: Some(77),
            pids: Some(9),
            pids_max: None,
        };
        assert_eq!(Container::read(&Kernel::below(root.path())), expected);
        assert_eq!(Container::read(&Kernel::below("/nowhere")), Container::default());
    }
}
