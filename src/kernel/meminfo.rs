//! `/proc/meminfo` (proc_meminfo(5)).

use crate::kernel::Kernel;

/// The lines that bound us, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// All the memory of the machine.
    pub total: Option<u64>,
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
        Self {
            total: line("MemTotal"),
            available: line("MemAvailable"),
            commit_limit: line("CommitLimit"),
            committed: line("Committed_AS"),
        }
    }

    /// What may still be promised to us, in bytes. The kernel keeps two reserves back: one for administrators, one of
    /// which a process gets none (`admin-guide/sysctl/vm.rst`).
    pub fn committable(&self, kernel: &Kernel) -> Option<u64> {
        let reserves = ["admin_reserve_kbytes", "user_reserve_kbytes"].map(|name| {
            let text = kernel.read(format!("/proc/sys/vm/{name}")).unwrap_or_default();
            text.trim().parse::<u64>().unwrap_or(0).saturating_mul(1024)
        });
        let taken = reserves.into_iter().fold(self.committed?, u64::saturating_add);
        Some(self.commit_limit?.saturating_sub(taken))
    }
}

/// Whether the kernel refuses to promise more than CommitLimit (`vm.overcommit_memory` is 2).
pub fn overcommit_is_strict(kernel: &Kernel) -> bool {
    kernel.read("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2")
}
