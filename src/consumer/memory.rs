//! Memory that is really there: mappings by size, filled page by page.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::content::Content;
use super::failure::Failure;
use super::guard::Promise;
use super::mapping::{Backing, HUGE_PAGE, Mapping};
use super::order::Kind;
use super::plan::{CLASSES, MEMORY, Plan};
use super::walk::{Steps, Work};
use crate::sync::lock;

/// How much is made resident and filled at a time: as much as stays in the cache between the kernel's writing of
/// zeros and ours, and little enough to stop within a few milliseconds.
const STEP: u64 = HUGE_PAGE as u64;

/// What a ramp moves by at least: a small part, and whole pages whatever their size.
const GRAIN: u64 = 256 << 10;

/// Kinds in a byte.
const FILE: u8 = 1;
const SHM: u8 = 2;

/// The memory held.
#[derive(Debug, Default)]
pub struct Memory {
    /// Locked by the worker for the whole of its work; readers have the counts.
    parts: Mutex<Parts>,
    counts: [AtomicU64; CLASSES],
    odd: AtomicU64,
    /// 0, [`FILE`] or [`SHM`].
    kind: AtomicU8,
}

#[derive(Debug, Default)]
struct Parts {
    of_class: [Vec<Mapping>; CLASSES],
    odd: Option<Mapping>,
    /// What all of them are made of.
    kind: Kind,
    content: Content,
}

impl Memory {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is resident now, counted part by part as they come and go.
    pub fn held(&self) -> Plan {
        let counts = std::array::from_fn(|class| self.counts[class].load(Ordering::Acquire));
        Plan::of_counts(&MEMORY, counts).with_odd(self.odd.load(Ordering::Acquire))
    }

    /// What it is made of.
    pub fn kind(&self) -> Kind {
        match self.kind.load(Ordering::Acquire) {
            FILE => Kind::File,
            SHM => Kind::Shm,
            _ => Kind::Anon,
        }
    }

    /// Makes what is held equal to `plan`, of this kind: releases first, so that never more is held than before or after.
    /// Files of mapped pages are made in `folder`.
    ///
    /// # Errors
    /// When the kernel refuses or the work is to end; what was done stays done.
    pub fn adjust(
        &self,
        plan: &Plan,
        kind: Kind,
        folder: &Path,
        promise: &mut Promise,
        work: &mut Work<'_>,
    ) -> Result<(), Failure> {
        let mut parts = lock(&self.parts);
        let held = self.held();
        let other_kind = parts.kind != kind && held.total() > 0;
        let exchanged = if other_kind { plan.total().min(held.total()) } else { plan.exchanged(&held) };
        promise.keep_back(exchanged);
        work.starts(held.total(), plan.total(), exchanged);
        let mut going = Vec::new();
        if other_kind {
            for class in 0..CLASSES {
                going.append(&mut parts.of_class[class]);
                self.count(class, 0);
            }
        }
        // The old odd part goes before the new one comes, whatever the ramp: there is room for one in the books.
        if let Some(odd) = parts.odd.take_if(|odd| other_kind || odd.len() as u64 != plan.odd) {
            going.push(odd);
            self.odd.store(0, Ordering::Release);
        }
        parts.kind = kind;
        let code = match kind {
            Kind::Anon => 0,
            Kind::File => FILE,
            Kind::Shm => SHM,
        };
        self.kind.store(code, Ordering::Release);
        let mut steps = MemorySteps { memory: self, parts: &mut parts, plan, folder, promise, going, coming: None };
        let result = work.walk(&mut steps);
        drop(steps);
        for class in &mut parts.of_class {
            class.shrink_to_fit();
        }
        parts.content.rest();
        result
    }

    /// Writes all pages again, a piece at a time, until `superseded`.
    pub fn touch(&self, superseded: &dyn Fn() -> bool) {
        for class in 0..=CLASSES {
            for place in 0.. {
                for offset in (0..).step_by(HUGE_PAGE) {
                    if superseded() {
                        return;
                    }
                    let mut parts = lock(&self.parts);
                    let Parts { of_class, odd, content, .. } = &mut *parts;
                    let part =
                        of_class.get_mut(class).map_or(odd.as_mut().filter(|_| place == 0), |c| c.get_mut(place));
                    let Some(part) = part.filter(|part| offset < part.len()) else { break };
                    let length = HUGE_PAGE.min(part.len() - offset);
                    if let Err(error) = part.write(offset, length, &mut |bytes| content.fill(bytes)) {
                        log::warn!("Cannot touch {length} bytes of memory: {error}");
                        return;
                    }
                }
                let parts = lock(&self.parts);
                if parts.of_class.get(class).is_none_or(|parts| place + 1 >= parts.len()) {
                    break;
                }
            }
        }
    }

    fn count(&self, class: usize, parts: usize) {
        self.counts[class].store(parts as u64, Ordering::Release);
    }
}

/// One work's steps. A part that is not whole is in none of the lists: what is left of it goes when the work ends early.
struct MemorySteps<'m> {
    memory: &'m Memory,
    parts: &'m mut Parts,
    plan: &'m Plan,
    folder: &'m Path,
    promise: &'m mut Promise,
    /// Parts that go, the next one last: those of another kind, and the one that is given back piece by piece.
    going: Vec<Mapping>,
    coming: Option<Coming>,
}

/// A part that is being filled.
struct Coming {
    part: Mapping,
    filled: u64,
    /// `None` is the odd part.
    class: Option<usize>,
}

impl MemorySteps<'_> {
    /// A part that has to go, out of its list.
    fn next_to_go(&mut self) -> Option<Mapping> {
        if let Some(part) = self.going.pop() {
            return Some(part);
        }
        for (class, held) in self.parts.of_class.iter_mut().enumerate() {
            if held.len() as u64 > self.plan.counts[class] {
                let part = held.pop();
                self.memory.count(class, held.len());
                return part;
            }
        }
        None
    }

    /// The size of a part that has to come, and its class.
    fn next_to_come(&self) -> Option<(u64, Option<usize>)> {
        let missing = |(class, (_, wanted)): &(usize, (u64, u64))| (self.parts.of_class[*class].len() as u64) < *wanted;
        let next = self.plan.parts().enumerate().find(missing).map(|(class, (size, _))| (size, Some(class)));
        let odd = self.plan.odd;
        next.or_else(|| (odd > 0 && self.parts.odd.is_none()).then_some((odd, None)))
    }

    fn backing(&self) -> io::Result<Backing> {
        Ok(match self.parts.kind {
            Kind::Anon => Backing::Private,
            Kind::Shm => Backing::Shared,
            // It has no name: whatever becomes of us, nothing is left behind.
            Kind::File => Backing::File(tempfile::tempfile_in(self.folder)?),
        })
    }
}

impl Steps for MemorySteps<'_> {
    fn grain(&self) -> u64 {
        GRAIN
    }

    fn stride(&self) -> u64 {
        STEP
    }

    fn release(&mut self, most: u64) -> Result<u64, Failure> {
        let Some(mut part) = self.next_to_go() else { return Ok(0) };
        let length = part.len() as u64;
        if most >= length {
            return Ok(length);
        }
        // In whole grains, which are whole pages whatever the size of a page.
        let left = length.saturating_sub(most.next_multiple_of(GRAIN));
        if left > 0 {
            part.cut_back(left as usize)
                .map_err(Failure::of(format!("giving back {} bytes of memory", length - left)))?;
            self.going.push(part);
        }
        Ok(length - left)
    }

    fn take(&mut self, most: u64) -> Result<u64, Failure> {
        let mut coming = match self.coming.take() {
            Some(coming) => coming,
            None => {
                let Some((size, class)) = self.next_to_come() else { return Ok(0) };
                let part = self.backing().and_then(|backing| Mapping::new(size as usize, backing));
                let part = part.map_err(Failure::of(format!("taking {size} bytes of memory")))?;
                Coming { part, filled: 0, class }
            }
        };
        let size = coming.part.len() as u64;
        let now = most.clamp(1, STEP).next_multiple_of(GRAIN).min(size - coming.filled);
        let content = &mut self.parts.content;
        coming
            .part
            .write(coming.filled as usize, now as usize, &mut |bytes| content.fill(bytes))
            .map_err(Failure::of(format!("taking {size} bytes of memory")))?;
        coming.filled += now;
        self.promise.kept(now);
        if coming.filled < size {
            self.coming = Some(coming);
            return Ok(now);
        }
        match coming.class {
            Some(class) => {
                self.parts.of_class[class].push(coming.part);
                self.memory.count(class, self.parts.of_class[class].len());
            }
            None => {
                self.parts.odd = Some(coming.part);
                self.memory.odd.store(size, Ordering::Release);
            }
        }
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::{Caller, Order, Pace, Wish};
    use super::super::quantity::Amount;
    use super::super::walk::Level;
    use super::*;
    use crate::consumer::id::Id;
    use crate::consumer::plan::Scheme;
    use crate::shutdown::Stop;
    use std::time::Duration;

    struct Bench {
        memory: Memory,
        level: Level,
        stop: Stop,
        folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { memory: Memory::new(), level: Level::default(), stop: Stop::new().unwrap(), folder }
        }

        fn adjust(&self, plan: &Plan, kind: Kind, over: Option<Duration>) -> Result<(), Failure> {
            let mut wish = Wish::of(Amount::Exactly(0), Caller::nobody());
            wish.pace = over.map(Pace::Over);
            let order = Order::new(Id(1), &wish, 0, 0, None);
            let mut work = Work::new(&order, &self.level, &self.stop);
            self.memory.adjust(plan, kind, self.folder.path(), &mut Promise::none(), &mut work)
        }
    }

    #[test]
    fn what_is_held_follows_the_plan_up_and_down_whatever_it_is_made_of() {
        let bench = Bench::new();
        for kind in [Kind::Anon, Kind::Shm, Kind::File, Kind::Anon] {
            for bytes in [1, 30 << 20, 5 << 20] {
                for over in [None, Some(Duration::from_millis(30))] {
                    for plan in [Plan::new(&MEMORY, bytes), Plan::exact(&MEMORY, bytes + 4097, 4096)] {
                        bench.adjust(&plan, kind, over).unwrap();
                        assert_eq!((bench.memory.held(), bench.level.get()), (plan, plan.total()));
                        bench.memory.touch(&|| false);
                    }
                }
            }
        }
        bench.adjust(&Plan::empty(&MEMORY), Kind::Shm, None).unwrap();
        assert_eq!(bench.memory.held().total(), 0);
    }

    #[test]
    fn a_stop_half_way_leaves_a_true_account() {
        let bench = Bench::new();
        bench.adjust(&Plan::new(&MEMORY, 1 << 20), Kind::Anon, None).unwrap();
        bench.stop.stop();
        let failed = bench.adjust(&Plan::new(&MEMORY, 8 << 20), Kind::Anon, None);
        assert!(matches!(failed, Err(Failure::Stopped)));
        assert_eq!(bench.memory.held().total(), 1 << 20);
    }

    const HUGE: Scheme = Scheme { sizes: [MEMORY.sizes[0], 1 << 20, 4 << 20, 16 << 20, 1 << 60], aim: 20 };

    #[test]
    fn a_refusal_half_way_leaves_a_true_account() {
        let bench = Bench::new();
        // More than any address space has: the kernel refuses the large parts after the small ones are there.
        let impossible = Plan::of_counts(&HUGE, [3, 0, 0, 0, 1]);
        let failure = bench.adjust(&impossible, Kind::Anon, None).unwrap_err().to_string();
        assert!(failure.starts_with("taking 1152921504606846976 bytes of memory: "), "{failure}");
        assert_eq!(bench.memory.held().counts, [3, 0, 0, 0, 0]);
    }
}
