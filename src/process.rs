//! What the process asks of the kernel for itself, once, at its start.

/// Makes writing past RLIMIT_FSIZE an ordinary error (EFBIG) instead of the death of the process.
pub fn ignore_file_size_signal() {
    // SAFETY: SIG_IGN installs no handler; the call touches no memory of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// The host's name, as uname(2) has it: in a pod, the pod's name.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| String::from("localhost"), |name| name.trim().to_owned())
}
