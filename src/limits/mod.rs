//! What this process may still take, as the kernel tells it: one file a source.
//!
//! | file | source |
//! | --- | --- |
//! | `cgroup` | the memory and pids controllers, v1 and v2, from our own group up to the root |
//! | `mountinfo` | where those hierarchies are mounted, and which part of them |
//! | `meminfo` | MemAvailable, and CommitLimit under strict overcommit |
//! | `rlimit` | RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE |
//! | `filesystem` | statvfs(3) and the file system's kind |
//!
//! All paths are taken below a root folder, `/` in the running program, so that tests can bring a machine as a folder.
//! A source that is not there bounds nothing: the smallest of those that are there counts.

pub mod cgroup;
pub mod filesystem;
pub mod meminfo;
mod mountinfo;
pub mod rlimit;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What the longest of the files usually stays below.
const USUAL_BYTES: usize = 4096;

/// The kernel's files, below a root folder.
#[derive(Clone, Debug)]
pub struct Kernel {
    root: PathBuf,
}

/// How much memory is left, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// In bytes.
    pub bytes: u64,
    /// The smallest memory limit of our cgroups, in bytes: what an in-place resize changes.
    pub limit: Option<u64>,
    /// The source that bounds it, for the log: `MemAvailable`, `memory.max of /sys/fs/cgroup/pod1`, `RLIMIT_AS` ….
    pub source: String,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Kernel {
    /// The kernel whose files are below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The memory this process could take now: the smallest of what all sources leave.
    ///
    /// Page cache that can be reclaimed (`inactive_file`) counts as available. Without any source: all there is.
    pub fn memory_available(&self) -> Available {
        let groups = cgroup::memory_groups(self);
        let limit = groups.iter().filter_map(|group| group.limit).min();
        let mut smallest = Available { bytes: u64::MAX, limit, source: String::from("no limit") };
        let mut bound = |bytes: Option<u64>, source: &dyn Fn() -> String| {
            if let Some(bytes) = bytes.filter(|&bytes| bytes < smallest.bytes) {
                (smallest.bytes, smallest.source) = (bytes, source());
            }
        };
        let memory = meminfo::MemInfo::read(self);
        bound(memory.available, &|| String::from("MemAvailable"));
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

    /// How many threads `pids.max` leaves us.
    pub fn threads_available(&self) -> Option<u64> {
        cgroup::threads_available(self)
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
