//! What the benchmarks see of a process from outside, and of the machine.

#![allow(dead_code, reason = "not every benchmark needs all of it")]

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::server::Server;

pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// Its resident memory in MiB: what it holds, and its own.
pub(crate) fn resident(server: &Server) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", server.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<f64>().unwrap() / 1024.0
}

/// The most that was resident so far, in MiB.
pub(crate) fn most_resident(server: &Server) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<f64>().unwrap() / 1024.0
}

/// MiB of the files in a folder and below. Those whose names begin with a dot are the service's own.
pub(crate) fn blocks(folder: &Path) -> f64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0.0 };
    let each = |entry: fs::DirEntry| match entry.metadata() {
        _ if entry.file_name().as_encoded_bytes().starts_with(b".") => 0.0,
        Ok(data) if data.is_dir() => blocks(&entry.path()),
        // Allocation may be delayed; what is there is the larger of what is said and what is used.
        Ok(data) => (data.blocks() * 512).max(data.len()) as f64 / MIB,
        Err(_) => 0.0,
    };
    entries.flatten().map(each).sum()
}

/// The moment, and the CPU time that all of its threads have used by then, to the nanosecond.
pub(crate) fn cpu_time(server: &Server) -> (Instant, Duration) {
    let (mut clock, mut time) = (0, MaybeUninit::<libc::timespec>::zeroed());
    // SAFETY: the pointer is to a live clock id; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::clock_getcpuclockid(server.pid() as i32, &raw mut clock) }, 0);
    let now = Instant::now();
    // SAFETY: the pointer is to a live timespec.
    assert_eq!(unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) }, 0);
    // SAFETY: the call filled it in.
    let time = unsafe { time.assume_init() };
    (now, Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// For how long the machine's cores had nothing to do.
pub(crate) fn idle_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let ticks: f64 = text.split_whitespace().nth(4).unwrap().parse().unwrap();
    // USER_HZ is 100 on every machine Linux runs on.
    ticks / 100.0
}

/// Milliseconds since the machine's start in which somebody waited for a core, and for a disk; nothing where the kernel does
/// not tell.
pub(crate) fn waits() -> [f64; 2] {
    ["cpu", "io"].map(|of| {
        let text = fs::read_to_string(format!("/proc/pressure/{of}")).unwrap_or_default();
        let total = text.lines().next().and_then(|line| line.rsplit_once("total="));
        total.map_or(0.0, |(_, total)| total.parse::<f64>().unwrap() / 1000.0)
    })
}
