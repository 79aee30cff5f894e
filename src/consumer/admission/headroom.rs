//! Live admission: no growing request may push the container over its limit.
//!
//! A request is looked at twice. [`MemoryAdmission::look`] reads the kernel's files, before the request has the ticket;
//! [`MemoryAdmission::admit`] is arithmetic, while it has it. What was admitted and is not taken yet is *reserved*: groups work
//! at the same time, and the kernel does not count what another group's worker is about to take.

use std::sync::{Arc, Mutex};

use crate::consumer::control::plan::{MEMORY, Plan};
use crate::kernel::Kernel;
use crate::sync::lock;

/// Page tables and the like: one byte for so many (an entry of 8 bytes for a page of 4096).
const OVERHEAD: u64 = 512;

/// What the service's own use may move by between the naming of a limit and its being asked for.
const SLACK: u64 = 1 << 20;

/// What memory `bytes` really cost.
pub(in crate::consumer) fn cost(bytes: u64) -> u64 {
    bytes.saturating_add(bytes.div_ceil(OVERHEAD))
}

/// The most bytes whose [`cost`] is at most `room`.
pub(in crate::consumer) fn affordable(room: u64) -> u64 {
    let bytes = (u128::from(room) * u128::from(OVERHEAD) / u128::from(OVERHEAD + 1)) as u64;
    if cost(bytes) > room { bytes.saturating_sub(1) } else { bytes }
}

/// Watches over this process's memory. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct MemoryAdmission(Arc<AdmissionState>);

struct AdmissionState {
    kernel: Kernel,
    reserve: u64,
    reserved: Mutex<Reserved>,
}

/// Sums over the life of the process; their difference is what is reserved and not taken yet.
#[derive(Default)]
struct Reserved {
    admitted: u64,
    kept: u64,
}

/// What the kernel said, and when.
#[derive(Clone, Debug)]
pub struct MemoryReading {
    /// Bytes left for us, without the reserve and without what is reserved.
    available: u64,
    /// The sum of what had been taken before the kernel was asked: what was taken after that, it may not have counted.
    kept_before: u64,
    /// The container's own limit, which an in-place resize changes.
    container: Option<u64>,
    /// Whether that is memory.high.
    container_is_high: bool,
    /// What bounds it.
    source: String,
}

impl MemoryAdmission {
    /// Admission that leaves `reserve` bytes for the service itself.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self(Arc::new(AdmissionState { kernel, reserve, reserved: Mutex::default() }))
    }

    /// Asks the kernel.
    pub fn look(&self) -> MemoryReading {
        let kept_before = lock(&self.0.reserved).kept;
        let available = self.0.kernel.memory_available();
        MemoryReading {
            available: available.bytes.saturating_sub(self.0.reserve),
            kept_before,
            container: available.limit,
            container_is_high: available.limit_is_high,
            source: available.source,
        }
    }

    /// What it leaves to the service, in words.
    fn kept(&self) -> String {
        format!("{} bytes kept for the service itself", self.0.reserve)
    }

    /// What bounds [`MemoryAdmission::room`].
    pub fn bound(&self, reading: &MemoryReading) -> String {
        format!("{}, less {}", reading.source, self.kept())
    }

    /// How many bytes could be taken as `reading` has it.
    pub fn room(&self, reading: &MemoryReading) -> u64 {
        affordable(lock(&self.0.reserved).left(reading))
    }

    /// Reserves `growth` bytes, if they fit.
    ///
    /// # Errors
    /// When they do not: how many bytes would.
    pub fn admit(&self, reading: &MemoryReading, growth: u64) -> Result<Reservation, u64> {
        let mut reserved = lock(&self.0.reserved);
        let left = reserved.left(reading);
        if cost(growth) > left {
            return Err(affordable(left));
        }
        reserved.admitted += cost(growth);
        Ok(Reservation { admission: Some(self.clone()), left: cost(growth) })
    }

    /// A reservation of nothing yet, for work that gives back before it takes.
    pub fn reserve_nothing(&self) -> Reservation {
        Reservation { admission: Some(self.clone()), left: 0 }
    }
}

impl Reserved {
    fn left(&self, reading: &MemoryReading) -> u64 {
        reading.available.saturating_sub(self.admitted.saturating_sub(reading.kept_before))
    }
}

/// Memory that was admitted and is not taken yet. Dropped, what is left of it is free for others.
#[must_use]
pub struct Reservation {
    admission: Option<MemoryAdmission>,
    left: u64,
}

impl Reservation {
    /// For work that admission does not watch: it takes no memory, or its user set the limit and means it.
    pub fn none() -> Self {
        Self { admission: None, left: 0 }
    }

    /// So many bytes are about to be given back and then taken again: in between, nobody else gets them.
    pub fn keep_back(&mut self, bytes: u64) {
        if let Some(admission) = &self.admission {
            self.left += cost(bytes);
            lock(&admission.0.reserved).admitted += cost(bytes);
        }
    }

    /// So many of the reserved bytes are taken now: from here on the kernel counts them.
    pub fn kept(&mut self, bytes: u64) {
        if let Some(admission) = &self.admission {
            let kept = cost(bytes).min(self.left);
            self.left -= kept;
            let mut reserved = lock(&admission.0.reserved);
            reserved.kept = reserved.kept.saturating_add(kept);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(admission) = &self.admission {
            let mut reserved = lock(&admission.0.reserved);
            reserved.kept = reserved.kept.saturating_add(self.left);
        }
    }
}

/// The most bytes of memory a request may ask for.
pub struct MemoryLimit {
    admission: MemoryAdmission,
    /// Set by the user, who means it: then admission lets everything below it pass.
    fixed: Option<u64>,
    computed: Mutex<Computed>,
}

struct Computed {
    container: Option<u64>,
    limit: u64,
    /// What it follows from.
    source: String,
}

impl MemoryLimit {
    /// The user's limit, or what is free now.
    pub fn new(admission: MemoryAdmission, fixed: Option<u64>) -> Self {
        let reading = admission.look();
        let limit = fixed.unwrap_or_else(|| largest(admission.room(&reading)));
        log::info!("HIGHMEMLIM set to: {limit} bytes.");
        if fixed.is_none() {
            log::info!(
                "Memory is bounded by {}, with {} bytes kept for the service itself",
                reading.source,
                admission.0.reserve
            );
        }
        let source = match fixed {
            Some(_) => String::from("HIGHMEMLIM"),
            None => format!("{} at the start, less {}", reading.source, admission.kept()),
        };
        Self { admission, fixed, computed: Mutex::new(Computed { container: reading.container, limit, source }) }
    }

    /// Whether the user set it.
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// What sets it: the user's variable, or what was free when it was computed.
    pub fn source(&self) -> String {
        lock(&self.computed).source.clone()
    }

    /// The limit in bytes, computed anew when the container's own limit has changed since (an in-place resize).
    pub fn get(&self, reading: &MemoryReading, held: u64) -> u64 {
        if let Some(limit) = self.fixed {
            return limit;
        }
        let container = reading.container;
        let limit = {
            let mut computed = lock(&self.computed);
            if computed.container == container {
                return computed.limit;
            }
            let limit = largest(self.admission.room(reading).saturating_add(held));
            let source = format!("{} at its last change, less {}", reading.source, self.admission.kept());
            *computed = Computed { container, limit, source };
            limit
        };
        log::info!("HIGHMEMLIM set to: {limit} bytes.");
        let name = if reading.container_is_high { "memory.high" } else { "own memory limit" };
        log::info!("The container's {name} has changed, it is {} now", in_words(container));
        limit
    }
}

/// The largest amount whose plan stays below `room`: a limit that is named should be accepted when asked for.
fn largest(room: u64) -> u64 {
    Plan::largest_amount(&MEMORY, u64::MAX, room.saturating_sub(SLACK))
}

fn in_words(limit: Option<u64>) -> String {
    limit.map_or_else(|| String::from("unlimited"), |bytes| format!("{bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn machine(available: u64) -> (tempfile::TempDir, MemoryAdmission) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc")).unwrap();
        set_available(&root, available);
        let admission = MemoryAdmission::new(Kernel::below(root.path()), 1024);
        (root, admission)
    }

    fn set_available(root: &tempfile::TempDir, bytes: u64) {
        fs::write(root.path().join("proc/meminfo"), format!("MemAvailable: {} kB\n", bytes / 1024)).unwrap();
    }

    #[test]
    fn what_is_reserved_is_not_reserved_twice() {
        let (root, admission) = machine(101 * 1024);
        let reading = admission.look();
        let mut first = admission.admit(&reading, 60 * 1024).unwrap();
        let left = admission.admit(&reading, 60 * 1024).err().unwrap();
        assert!(left <= 40 * 1024 && left > 39 * 1024, "{left}");
        // Half of it is taken; a kernel asked before does not know, one asked later does.
        first.kept(30 * 1024);
        assert_eq!(admission.admit(&reading, 60 * 1024).err(), Some(left));
        set_available(&root, 71 * 1024);
        let later = admission.look();
        // But for the page tables of what is taken, which a real kernel would count.
        assert!(admission.room(&later).abs_diff(left) <= cost(30 * 1024) - 30 * 1024);
        drop(first);
        assert!(admission.room(&admission.look()) > 69 * 1024, "what was not taken is free again");
        assert!(admission.admit(&admission.look(), 69 * 1024).is_ok());
    }

    #[test]
    fn what_is_given_back_to_be_taken_again_is_nobody_elses() {
        let (root, admission) = machine(51 * 1024);
        let mut reservation = admission.reserve_nothing();
        reservation.keep_back(40 * 1024);
        set_available(&root, 91 * 1024);
        let others = admission.room(&admission.look());
        assert!(others <= 50 * 1024 && others > 49 * 1024, "{others}");
        reservation.kept(40 * 1024);
        set_available(&root, 51 * 1024);
        assert!(admission.room(&admission.look()).abs_diff(others) <= 128);
    }

    #[test]
    fn a_resize_computes_the_limit_anew() {
        let (root, admission) = machine(1 << 30);
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::create_dir_all(root.path().join("cg")).unwrap();
        fs::write(root.path().join("proc/self/cgroup"), "0::/\n").unwrap();
        fs::write(root.path().join("proc/self/mountinfo"), "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n").unwrap();
        fs::write(root.path().join("cg/memory.max"), "4194304\n").unwrap();
        fs::write(root.path().join("cg/memory.current"), "0\n").unwrap();
        let limit = MemoryLimit::new(admission.clone(), None);
        let nothing = 0;
        let before = limit.get(&admission.look(), nothing);
        assert!((2 << 20..4_194_304).contains(&before));
        fs::write(root.path().join("cg/memory.current"), "1000000\n").unwrap();
        assert_eq!(limit.get(&admission.look(), nothing), before, "use alone changes no limit");
        fs::write(root.path().join("cg/memory.max"), "8388608\n").unwrap();
        assert!(limit.get(&admission.look(), nothing) > before);
        let fixed = MemoryLimit::new(admission.clone(), Some(77));
        assert_eq!(fixed.get(&admission.look(), nothing), 77);
    }

    proptest::proptest! {
        #[test]
        fn the_most_that_is_affordable_is_affordable_and_no_more(room: u64) {
            let bytes = affordable(room);
            proptest::prop_assert!(cost(bytes) <= room);
            proptest::prop_assert!(bytes == u64::MAX || cost(bytes + 1) > room);
        }
    }
}
