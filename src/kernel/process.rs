//! This process, as `/proc/self` tells it (proc_pid_status(5), proc_pid_stat(5)).

use std::path::Path;

use crate::kernel::Kernel;

/// Clock ticks a second in `/proc`: USER_HZ, which is 100 on every machine Linux runs on.
const TICKS: f64 = 100.0;

/// How many processes are looked at to count a user's threads: a fraction of a second on a slow machine.
const PROCESSES: usize = 8192;

/// Its figures; 0 where the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Address space, in bytes.
    pub address_space: u64,
    /// Threads.
    pub threads: u64,
    /// CPU time used, in seconds.
    pub cpu_seconds: f64,
}

impl Figures {
    /// Reads them.
    pub fn read(kernel: &Kernel) -> Self {
        let status = kernel.read("/proc/self/status").unwrap_or_default();
        let kilobytes = |name: &str| number(&status, name).unwrap_or(0).saturating_mul(1024);
        // The name in brackets may hold anything; the times are the 14th and 15th field.
        let stat = kernel.read("/proc/self/stat").unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Self {
            resident: kilobytes("VmRSS"),
            address_space: kilobytes("VmSize"),
            threads: number(&status, "Threads").unwrap_or(0),
            cpu_seconds: ticks as f64 / TICKS,
        }
    }
}

/// The first number of a line of a `status` file.
pub(super) fn number(status: &str, name: &str) -> Option<u64> {
    let (_, value) = status.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name)?;
    value.split_whitespace().next()?.parse().ok()
}

/// Threads of all processes with this real user ID, as far as `/proc` shows them: with `hidepid`, or from within a PID
/// namespace, it does not show all that count.
pub(super) fn threads_of(kernel: &Kernel, user: u64) -> u64 {
    let Ok(entries) = std::fs::read_dir(kernel.locate(Path::new("/proc"))) else { return 0 };
    let mut threads = 0;
    let processes = entries.flatten().map(|entry| entry.file_name());
    for name in processes.filter(|name| name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)).take(PROCESSES)
    {
        // One that has ended meanwhile has no threads.
        let status = kernel.read(Path::new("/proc").join(name).join("status")).unwrap_or_default();
        // The first of four numbers is the real user.
        if number(&status, "Uid") == Some(user) {
            threads += number(&status, "Threads").unwrap_or(0);
        }
    }
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_there() {
        let figures = Figures::read(&Kernel::default());
        assert!(figures.resident > 100_000 && figures.address_space > figures.resident && figures.threads >= 1);
    }

    #[test]
    fn threads_are_counted_by_their_real_user() {
        let root = tempfile::tempdir().unwrap();
        let kernel = Kernel::below(root.path());
        assert_eq!(threads_of(&kernel, 7), 0);
        for (name, status) in [
            ("1", "Name:\ta\nUid:\t0\t0\t0\t0\nThreads:\t100\n"),
            ("22", "Name:\tb\nUid:\t7\t0\t0\t0\nThreads:\t20\n"),
            ("23", "Name:\tUid: 9\nUid:\t7\t7\t7\t7\nThreads:\t3\n"),
            ("24", "Name:\td\nUid:\t70\t7\t7\t7\nThreads:\t1000\n"),
            ("self", "Name:\tb\nUid:\t7\t7\t7\t7\nThreads:\t20\n"),
        ] {
            std::fs::create_dir_all(root.path().join("proc").join(name)).unwrap();
            std::fs::write(root.path().join("proc").join(name).join("status"), status).unwrap();
        }
        std::fs::create_dir(root.path().join("proc/25")).unwrap();
        assert_eq!((threads_of(&kernel, 7), threads_of(&kernel, 8)), (23, 0));
    }

    #[test]
    fn any_name_will_do() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/self")).unwrap();
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0\n";
        std::fs::write(root.path().join("proc/self/stat"), stat).unwrap();
        assert_eq!(Figures::read(&Kernel::below(root.path())).cpu_seconds, 2.0);
    }
}
