//! PSI: for how long tasks waited for CPU, memory and io (the kernel's `accounting/psi.rst`).

use crate::kernel::Kernel;
use crate::kernel::cgroup::{CgroupVersion, folders};
use crate::units::decimal::float;

/// What is waited for.
pub const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

/// One resource's pressure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// Whether it is our own cgroup's (v2), and not the whole machine's.
    pub is_own: bool,
    /// Some tasks waited, in microseconds since the start.
    pub some_us: u64,
    /// All tasks waited at the same time, in microseconds; not told for the CPU of a whole machine by old kernels.
    pub full_us: Option<u64>,
    /// The share of the last ten seconds in which some tasks waited, in percent.
    pub some_avg10: f64,
}

/// The pressure on a resource: our own cgroup's where the kernel tells it, the machine's otherwise.
pub fn pressure(kernel: &Kernel, resource: &str) -> Option<Pressure> {
    let group = folders(kernel, resource).into_iter().find(|(version, _)| *version == CgroupVersion::V2);
    let own = group.and_then(|(_, folder)| kernel.read(folder.join(format!("{resource}.pressure"))).ok());
    let own = own.filter(|text| !text.is_empty());
    let is_own = own.is_some();
    let text = own.or_else(|| kernel.read(format!("/proc/pressure/{resource}")).ok())?;
    parse(&text).map(|pressure| Pressure { is_own, ..pressure })
}

/// `some avg10=0.12 avg60=0.00 avg300=0.00 total=12345`, and the same for `full`.
fn parse(text: &str) -> Option<Pressure> {
    let field = |kind: &str, name: &str| -> Option<&str> {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    Some(Pressure {
        is_own: false,
        some_us: field("some", "total")?.parse().ok()?,
        full_us: field("full", "total").and_then(|total| total.parse().ok()),
        some_avg10: float(field("some", "avg10")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_files_are_read() {
        let text =
            "some avg10=1.50 avg60=0.00 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=45\n";
        let expected = Pressure { is_own: false, some_us: 123, full_us: Some(45), some_avg10: 1.5 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("some avg10=1.50 total=9\n").and_then(|p| p.full_us), None);
        assert_eq!(parse(""), None);
        assert_eq!(pressure(&Kernel::below("/nowhere"), "cpu"), None);
    }
}
