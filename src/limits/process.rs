//! This process, as `/proc/self` tells it (proc_pid_status(5), proc_pid_stat(5)).

use super::Kernel;

/// Clock ticks a second in `/proc`: USER_HZ, which is 100 on every machine Linux runs on.
const TICKS: f64 = 100.0;

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
        let line = |name: &str| {
            let (_, value) = status.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name)?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        };
        let kilobytes = |name: &str| line(name).unwrap_or(0).saturating_mul(1024);
        // The name in brackets may hold anything; the times are the 14th and 15th field.
        let stat = kernel.read("/proc/self/stat").unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Self {
            resident: kilobytes("VmRSS"),
            address_space: kilobytes("VmSize"),
            threads: line("Threads").unwrap_or(0),
            cpu_seconds: ticks as f64 / TICKS,
        }
    }
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
    fn any_name_will_do() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/self")).unwrap();
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0\n";
        std::fs::write(root.path().join("proc/self/stat"), stat).unwrap();
        assert_eq!(Figures::read(&Kernel::below(root.path())).cpu_seconds, 2.0);
    }
}
