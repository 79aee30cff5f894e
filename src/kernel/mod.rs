//! What this process may still take, as the kernel tells it: one file a source.
//!
//! | file | source |
//! | --- | --- |
//! | `cgroup` | the memory and pids controllers, v1 and v2, from our own group up to the root |
//! | `mountinfo` | where those hierarchies are mounted, and which part of them |
//! | `meminfo` | MemAvailable, and CommitLimit under strict overcommit |
//! | `cpu` | the cpu controller's quota and throttling, and which cores we may run on |
//! | `container` | what the container as a whole uses, as its cgroup tells it |
//! | `pressure` | PSI: how long tasks waited for CPU, memory, io |
//! | `process` | this process: its memory, threads, descriptors, time |
//! | `rlimit` | RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_NPROC |
//! | `child`, `program` | processes of ours: signalled by pid and start time, run to their end |
//! | `terminal` | the size and keys of a terminal, and a screen of its own |
//! | `input` | the standard input, until it ends or a signal comes |
//! | `filesystem` | statvfs(3) and the file system's kind |
//!
//! All paths are taken below a root folder, `/` in the running program, so that tests can bring a machine as a folder.
//! A source that is not there bounds nothing: the smallest of those that are there counts.

pub mod cgroup;
#[cfg(feature = "crash")]
pub mod child;
pub mod clock;
pub mod container;
pub mod cpu;
pub mod filesystem;
#[cfg(feature = "scenario")]
pub mod input;
pub mod mapping;
pub mod meminfo;
mod mountinfo;
pub mod pressure;
pub mod process;
#[cfg(feature = "crash")]
pub mod program;
pub mod rlimit;
pub mod shutdown;
pub mod signals;
pub mod sys;
#[cfg(feature = "client")]
pub mod terminal;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What the longest of the files usually stays below.
const USUAL_BYTES: usize = 4096;

/// The kernel's files, below a root folder.
#[derive(Clone, Debug)]
pub struct Kernel {
    root: PathBuf,
    /// Bytes of the node's memory that are to stay free.
    kept_free: u64,
}

/// How much memory is left, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// In bytes.
    pub bytes: u64,
    /// The smallest memory limit of our cgroups, in bytes: what an in-place resize changes.
    pub limit: Option<u64>,
    /// Whether that is memory.high, where the kernel slows a group down, and not the hard limit.
    pub limit_is_high: bool,
    /// The source that bounds it, for the log: `MemAvailable`, `memory.max of /sys/fs/cgroup/pod1`, `RLIMIT_AS` ….
    pub source: String,
}

/// How many more threads there could be, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threads {
    /// So many more.
    pub left: u64,
    /// `pids.max of /sys/fs/cgroup/…`, `RLIMIT_NPROC`, `kernel.threads-max` ….
    pub source: String,
}

/// Mappings that are left for memory, stacks of our own and the binary.
const MAPPINGS: u64 = 8192;

impl Default for Kernel {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Kernel {
    /// The kernel whose files are below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), kept_free: 0 }
    }

    /// The same kernel, where so many bytes of MemAvailable are not for us: the node needs them.
    pub fn keeping_free(self, bytes: u64) -> Self {
        Self { kept_free: bytes, ..self }
    }

    /// The memory this process could take now: the smallest of what all sources leave.
    ///
    /// Page cache that can be reclaimed (`inactive_file`) counts as available. Without any source: all there is.
    pub fn memory_available(&self) -> Available {
        let groups = cgroup::memory_groups(self);
        let narrowest = groups.iter().filter(|group| group.limit.is_some()).min_by_key(|group| group.limit);
        let mut smallest = Available {
            bytes: u64::MAX,
            limit: narrowest.and_then(|group| group.limit),
            limit_is_high: narrowest.is_some_and(|group| group.source.starts_with("memory.high")),
            source: String::from("no limit"),
        };
        let mut bound = |bytes: Option<u64>, source: &dyn Fn() -> String| {
            if let Some(bytes) = bytes.filter(|&bytes| bytes < smallest.bytes) {
                (smallest.bytes, smallest.source) = (bytes, source());
            }
        };
        let memory = meminfo::MemInfo::read(self);
        let less = if self.kept_free > 0 { " less EVICTIONRESERVE" } else { "" };
        bound(memory.available.map(|bytes| bytes.saturating_sub(self.kept_free)), &|| format!("MemAvailable{less}"));
        if meminfo::overcommit_is_strict(self) {
            bound(memory.committable(self), &|| String::from("CommitLimit"));
        }
        for group in &groups {
            bound(group.available(), &|| group.source.clone());
        }
        for (limit, used, name) in rlimit::address_space(self) {
            bound(limit.map(|limit| limit.saturating_sub(used)), &|| name.to_owned());
        }
        smallest
    }

    /// The smallest memory limit of our cgroups, in bytes, and the file that sets it.
    pub fn memory_limit(&self) -> Option<(u64, String)> {
        let groups = cgroup::memory_groups(self).into_iter();
        groups.filter_map(|group| Some((group.limit?, group.source))).min()
    }

    /// Whether the kernel has IPv6.
    pub fn has_ipv6(&self) -> bool {
        self.locate(Path::new("/proc/net/if_inet6")).exists()
    }

    /// How many threads `pids.max` leaves us.
    pub fn threads_available(&self) -> Option<u64> {
        cgroup::threads_available(self).map(|(left, _)| left)
    }

    /// How many more threads there could be: the smallest of what all sources leave.
    pub fn threads(&self) -> Threads {
        let number = |path: &str| cgroup::number(self, Path::new(path));
        let own = process::Figures::read(self).threads;
        // The fourth field is `runnable/all`, of the whole machine.
        let load = self.read("/proc/loadavg").unwrap_or_default();
        let running = load.split([' ', '/']).nth(4).and_then(|all| all.parse().ok()).unwrap_or(0);
        // A stack and its guard page are a mapping each; some are left to everything else.
        let by_maps =
            number("/proc/sys/vm/max_map_count").map(|most| (most.saturating_sub(MAPPINGS) / 2).saturating_sub(own));
        let sources = [
            cgroup::threads_available(self),
            number("/proc/sys/kernel/threads-max")
                .map(|most| (most.saturating_sub(running), String::from("kernel.threads-max"))),
            number("/proc/sys/kernel/pid_max")
                .map(|most| (most.saturating_sub(running), String::from("kernel.pid_max"))),
            by_maps.map(|left| (left, String::from("vm.max_map_count"))),
        ];
        let smallest = sources.into_iter().flatten().min_by_key(|(left, _)| *left);
        let (mut left, mut source) = smallest.unwrap_or_else(|| (u64::MAX, String::from("no limit")));
        // It bounds the threads of our user in all processes. These are not counted where it cannot be the smallest even if
        // all that run were his.
        if let Some(most) = rlimit::threads().filter(|most| running == 0 || most.saturating_sub(running) < left) {
            let by_user = most.saturating_sub(process::threads_of(self, rlimit::user()).max(own));
            if by_user < left {
                (left, source) = (by_user, String::from("RLIMIT_NPROC"));
            }
        }
        Threads { left, source }
    }

    /// How many descriptors we have open.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn descriptors_open(&self) -> io::Result<u64> {
        // One of them is the folder that is being read.
        Ok((std::fs::read_dir(self.locate(Path::new("/proc/self/fd")))?.count() as u64).saturating_sub(1))
    }

    /// Reads a kernel file given by its absolute path. Names in it need not be UTF-8.
    fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        // The kernel makes up such a file as it is read and calls it empty before: one large read is one moment's truth.
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        File::open(self.locate(path.as_ref()))?.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where an absolute path is, below our root.
    fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

#[cfg(test)]
mod tests;
