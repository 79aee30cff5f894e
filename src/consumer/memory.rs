//! Memory that is really there: mappings by size, filled page by page.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::content::Content;
use super::failure::Failure;
use super::guard::Promise;
use super::mapping::{HUGE_PAGE, Mapping};
use super::plan::{CLASSES, MEMORY, Plan};
use crate::shutdown::Stop;
use crate::sync::lock;

/// How much is made resident and filled at a time: as much as stays in the cache between the kernel's writing of
/// zeros and ours, and little enough to stop within a few milliseconds.
const STEP: usize = HUGE_PAGE;

/// The memory held.
#[derive(Debug, Default)]
pub struct Memory {
    /// Locked by the worker for the whole of its work; readers have the counts.
    parts: Mutex<Parts>,
    counts: [AtomicU64; CLASSES],
}

#[derive(Debug, Default)]
struct Parts {
    of_class: [Vec<Mapping>; CLASSES],
    content: Content,
}

impl Memory {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is resident now, counted part by part as they come and go.
    pub fn held(&self) -> Plan {
        Plan::of_counts(&MEMORY, std::array::from_fn(|class| self.counts[class].load(Ordering::Acquire)))
    }

    /// Makes what is held equal to `plan`: releases first, so that never more is held than before or after.
    ///
    /// # Errors
    /// When the kernel refuses or the service stops; what was done stays done.
    pub fn adjust(&self, plan: &Plan, promise: &mut Promise, stop: &Stop) -> Result<(), Failure> {
        promise.keep_back(plan.exchanged(&self.held()));
        let mut parts = lock(&self.parts);
        let Parts { of_class, content } = &mut *parts;
        for (class, (_, wanted)) in plan.parts().enumerate() {
            let held = &mut of_class[class];
            while held.len() as u64 > wanted {
                held.pop();
                self.count(class, held.len());
            }
            held.shrink_to_fit();
        }
        for (class, (size, wanted)) in plan.parts().enumerate() {
            let held = &mut of_class[class];
            while (held.len() as u64) < wanted {
                let part = filled(size as usize, content, stop)?;
                held.push(part);
                self.count(class, held.len());
                promise.kept(size);
            }
        }
        Ok(())
    }

    fn count(&self, class: usize, parts: usize) {
        self.counts[class].store(parts as u64, Ordering::Release);
    }
}

/// A new part, resident and filled.
fn filled(size: usize, content: &mut Content, stop: &Stop) -> Result<Mapping, Failure> {
    let refused = || Failure::of(format!("taking {size} bytes of memory"));
    let mut part = Mapping::new(size).map_err(refused())?;
    for offset in (0..size).step_by(STEP) {
        if stop.is_set() {
            return Err(Failure::Stopped);
        }
        let length = STEP.min(size - offset);
        part.populate(offset, length).map_err(refused())?;
        content.fill(&mut part.bytes_mut()[offset..offset + length]);
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::plan::Scheme;

    #[test]
    fn what_is_held_follows_the_plan_up_and_down() {
        let memory = Memory::new();
        let stop = Stop::new().unwrap();
        for bytes in [1, 30 << 20, 5 << 20, 0] {
            let plan = Plan::new(&MEMORY, bytes);
            memory.adjust(&plan, &mut Promise::none(), &stop).unwrap();
            assert_eq!(memory.held(), plan);
            for part in lock(&memory.parts).of_class.iter_mut().flatten() {
                assert!(part.bytes_mut().iter().all(|byte| (32..=126).contains(byte)));
            }
        }
    }

    #[test]
    fn a_stop_half_way_leaves_a_true_account() {
        let memory = Memory::new();
        let stop = Stop::new().unwrap();
        memory.adjust(&Plan::new(&MEMORY, 1 << 20), &mut Promise::none(), &stop).unwrap();
        stop.stop();
        let failed = memory.adjust(&Plan::new(&MEMORY, 8 << 20), &mut Promise::none(), &stop);
        assert!(matches!(failed, Err(Failure::Stopped)));
        assert_eq!(memory.held().total(), 1 << 20);
    }

    const HUGE: Scheme = Scheme { sizes: [MEMORY.sizes[0], 1 << 20, 4 << 20, 16 << 20, 1 << 60], aim: 20 };

    #[test]
    fn a_refusal_half_way_leaves_a_true_account() {
        let memory = Memory::new();
        let stop = Stop::new().unwrap();
        // More than any address space has: the kernel refuses the large parts after the small ones are there.
        let impossible = Plan::of_counts(&HUGE, [3, 0, 0, 0, 1]);
        let failure = memory.adjust(&impossible, &mut Promise::none(), &stop).unwrap_err().to_string();
        assert!(failure.starts_with("taking 1152921504606846976 bytes of memory: "), "{failure}");
        assert_eq!(memory.held().counts, [3, 0, 0, 0, 0]);
    }
}
