//! `/proc/meminfo` (proc_meminfo(5)).

use super::Kernel;

/// The lines that bound us, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// What new work can have without swapping.
    pub available: Option<u64>,
    /// What may be promised under strict overcommit.
    pub commit_limit: Option<u64>,
    /// What is promised.
    pub committed: Option<u64>,
}

impl MemInfo {
    /// Reads it; a line that is missing is `None`.
    pub fn read(kernel: &Kernel) -> Self {
        let text = kernel.read("/proc/meminfo").unwrap_or_default();
        let line = |name: &str| {
            let (_, value) = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name)?;
            value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        Self { available: line("MemAvailable"), commit_limit: line("CommitLimit"), committed: line("Committed_AS") }
    }

    /// What may still be promised, in bytes.
    pub fn committable(&self) -> Option<u64> {
        Some(self.commit_limit?.saturating_sub(self.committed?))
    }
}

/// Whether the kernel refuses to promise more than CommitLimit (`vm.overcommit_memory` is 2).
pub fn overcommit_is_strict(kernel: &Kernel) -> bool {
    kernel.read("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2")
}
