//! What the process asks of the kernel for itself.

use std::mem::MaybeUninit;

/// Makes writing past RLIMIT_FSIZE an ordinary error (EFBIG) instead of the death of the process.
pub fn ignore_file_size_signal() {
    // SAFETY: SIG_IGN installs no handler; the call touches no memory of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// SIGTERM and SIGINT, held back from this thread until this is dropped. The kernel delivers them then.
pub struct HeldSignals {
    before: libc::sigset_t,
}

/// Holds SIGTERM and SIGINT back, for as long as their handlers are being put in place: between the moment the kernel
/// knows a handler and the moment the handler knows what to do, a signal would be lost.
pub fn hold_signals() -> HeldSignals {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the pointer is to a live sigset_t, which the call fills in.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the pointer is to an initialised sigset_t.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: both pointers are to live sets; the second is filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: the call filled it in, and an all-zero set is a valid one.
    HeldSignals { before: unsafe { before.assume_init() } }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // SAFETY: the pointer is to a live set, and the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}
