//! Resource limits of the process (getrlimit(2)).

use rustix::process::{Resource, geteuid, getrlimit, getuid};

use crate::kernel::Kernel;
use crate::kernel::process::number;

/// RLIMIT_NOFILE in descriptors; `None` is unlimited.
pub fn descriptors() -> Option<u64> {
    soft_limit(Resource::Nofile)
}

/// RLIMIT_NPROC in threads of this user; `None` is unlimited, as it is for root.
pub fn threads() -> Option<u64> {
    if geteuid().is_root() { None } else { soft_limit(Resource::Nproc) }
}

/// Our real user ID, whose threads RLIMIT_NPROC bounds.
pub(super) fn user() -> u64 {
    u64::from(getuid().as_raw())
}

/// RLIMIT_FSIZE in bytes; `None` is unlimited.
pub fn file_size() -> Option<u64> {
    soft_limit(Resource::Fsize)
}

/// The limits on the address space: limit, what we use of it (both in bytes), and its name.
pub(super) fn address_space(kernel: &Kernel) -> [(Option<u64>, u64, &'static str); 2] {
    let limits = [soft_limit(Resource::As), soft_limit(Resource::Data)];
    let status = match limits {
        [None, None] => String::new(),
        _ => kernel.read("/proc/self/status").unwrap_or_default(),
    };
    let used = |name: &str| number(&status, name).unwrap_or(0).saturating_mul(1024);
    [(limits[0], used("VmSize"), "RLIMIT_AS"), (limits[1], used("VmData"), "RLIMIT_DATA")]
}

fn soft_limit(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}
