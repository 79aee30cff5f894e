//! Resource limits of the process (getrlimit(2)).

use std::mem::MaybeUninit;

use crate::kernel::Kernel;
use crate::kernel::process::number;

// The type of the resource argument differs between C libraries; its values do not.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// RLIMIT_NOFILE in descriptors; `None` is unlimited.
pub fn descriptors() -> Option<u64> {
    soft_limit(libc::RLIMIT_NOFILE)
}

/// RLIMIT_NPROC in threads of this user; `None` is unlimited, as it is for root.
pub fn threads() -> Option<u64> {
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if root { None } else { soft_limit(libc::RLIMIT_NPROC) }
}

/// Our real user ID, whose threads RLIMIT_NPROC bounds.
pub(super) fn user() -> u64 {
    // SAFETY: getuid takes nothing and cannot fail.
    u64::from(unsafe { libc::getuid() })
}

/// RLIMIT_FSIZE in bytes; `None` is unlimited.
pub fn file_size() -> Option<u64> {
    soft_limit(libc::RLIMIT_FSIZE)
}

/// The limits on the address space: limit, what we use of it (both in bytes), and its name.
pub(super) fn address_space(kernel: &Kernel) -> [(Option<u64>, u64, &'static str); 2] {
    let limits = [soft_limit(libc::RLIMIT_AS), soft_limit(libc::RLIMIT_DATA)];
    let status = match limits {
        [None, None] => String::new(),
        _ => kernel.read("/proc/self/status").unwrap_or_default(),
    };
    let used = |name: &str| number(&status, name).unwrap_or(0).saturating_mul(1024);
    [(limits[0], used("VmSize"), "RLIMIT_AS"), (limits[1], used("VmData"), "RLIMIT_DATA")]
}

fn soft_limit(resource: Resource) -> Option<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the pointer is to a live rlimit, which the call fills in.
    let result = unsafe { libc::getrlimit(resource, limit.as_mut_ptr()) };
    // SAFETY: an all-zero rlimit is valid, and so is a filled in one.
    let limit = unsafe { limit.assume_init() };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}
