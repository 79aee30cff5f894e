//! Reconciles what is held with what is to be held: in small steps, so that it can be paced, watched and ended.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::consumer::control::audit;
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::Operation;
use crate::consumer::control::ramp::Ramp;
use crate::kernel::shutdown::Stop;

/// The longest sleep on a ramp: how late the end of the work may be noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);
/// The shortest: a ramp steeper than that is not slept on.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What a store can do in small steps.
pub trait Steps {
    /// What a ramp moves by at least, in the store's unit.
    fn grain(&self) -> u64;

    /// What it moves by at most, and what is exchanged at a time.
    fn stride(&self) -> u64;

    /// Gives back some of what has to go, about `most`. Returns how much that was; 0 when nothing is left to go.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn release(&mut self, most: u64) -> Result<u64, Failure>;

    /// Takes some of what has to come, about `most`. Returns how much that was; 0 when everything is there.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn take(&mut self, most: u64) -> Result<u64, Failure>;
}

/// How much of a store is held, in its unit. Kept by work, step by step, and read by everybody.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// The level now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Sets it to what was counted.
    pub fn set(&self, level: u64) {
        self.0.store(level, Ordering::Release);
    }
}

/// What work goes by: whether to go on, and how fast.
pub struct Work<'w> {
    operation: &'w Operation,
    level: &'w Level,
    stop: &'w Stop,
    began: Instant,
    line: Option<Ramp>,
    /// Something is given back and taken again.
    exchanges: bool,
    /// As what the log tells of its beginning, when it turns out to be long. Taken when that is told.
    group: Cell<Option<&'static str>>,
}

impl<'w> Work<'w> {
    /// Work for `operation` that starts now.
    pub fn new(operation: &'w Operation, level: &'w Level, stop: &'w Stop) -> Self {
        Self { operation, level, stop, began: Instant::now(), line: None, exchanges: false, group: Cell::new(None) }
    }

    /// Has the log tell of it when it takes long: at once where a ramp says so, otherwise when it does. What goes past
    /// a limit was told of when it was accepted, and a part of a larger change is told of with that.
    pub fn logged_as(self, group: &'static str) -> Self {
        self.group.set(Some(group).filter(|_| !self.operation.is_risky && !self.operation.is_part));
        self
    }

    fn tell_if_long(&self, length: Duration) {
        if let Some(group) = self.group.get().filter(|_| audit::is_long(Some(length))) {
            self.group.set(None);
            audit::begun(group, self.operation.id, &self.operation.words, &self.operation.caller);
        }
    }

    /// To be called when what is held was counted: from here it goes to `goal`, with `exchanged` of it given back and
    /// taken again.
    pub fn starts(&mut self, held: u64, goal: u64, exchanged: u64) {
        self.level.set(held);
        self.operation.progress.starts(held.abs_diff(goal).saturating_add(exchanged.saturating_mul(2)));
        self.line = self.operation.line(held, goal);
        self.exchanges = exchanged > 0;
        self.tell_if_long(self.line.map_or(Duration::ZERO, |line| line.length));
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Failure> {
        self.tell_if_long(self.began.elapsed());
        if self.stop.is_set() {
            return Err(Failure::Stopped);
        }
        if self.operation.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        if self.operation.has_expired() {
            return Err(Failure::Expired);
        }
        Ok(())
    }

    /// Sees it through: releases first, so that never more is held than before or after. On a ramp, it follows the line.
    ///
    /// # Errors
    /// When the kernel refuses, or the work is to end. What was done stays done.
    pub fn reconcile(&self, steps: &mut dyn Steps) -> Result<(), Failure> {
        let Some(line) = self.line else {
            while self.release(steps, u64::MAX)? {}
            while self.take(steps, u64::MAX)? {}
            return Ok(());
        };
        let (finest, stride) = (steps.grain(), steps.stride());
        let (mut going, mut coming) = (true, true);
        while going || coming {
            self.check()?;
            let elapsed = self.began.elapsed();
            let (want, held) = (line.at(elapsed), self.level.get());
            let over = elapsed >= line.length;
            // Near enough, unless the line is at its end.
            let grain = if over { 1 } else { finest };
            if going && held >= want.saturating_add(grain) {
                going = self.release(steps, (held - want).min(stride))?;
            } else if coming && want >= held.saturating_add(grain) {
                coming = self.take(steps, (want - held).min(stride))?;
            } else if going && coming && self.exchanges {
                // On the line: parts of one size are exchanged for parts of another, a stride at a time.
                going = self.release(steps, stride)?;
            } else if over {
                // What is left moves the level by nothing, or brings it to the goal.
                going = going && self.release(steps, stride)?;
                coming = coming && self.take(steps, stride)?;
            } else {
                thread::sleep(line.time_for(finest).clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
            }
        }
        Ok(())
    }

    /// One step down; says whether there was one to take.
    fn release(&self, steps: &mut dyn Steps, most: u64) -> Result<bool, Failure> {
        self.check()?;
        let moved = steps.release(most)?;
        self.level.set(self.level.get().saturating_sub(moved));
        self.operation.progress.moved(moved);
        Ok(moved > 0)
    }

    /// One step up; says whether there was one to take.
    fn take(&self, steps: &mut dyn Steps, most: u64) -> Result<bool, Failure> {
        self.check()?;
        let moved = steps.take(most)?;
        self.level.set(self.level.get().saturating_add(moved));
        self.operation.progress.moved(moved);
        Ok(moved > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::control::operation::{Caller, ChangeRequest, Pace};
    use crate::units::quantity::Amount;

    /// Parts that go and parts that come, and the highest and lowest level seen.
    struct Heap {
        going: u64,
        coming: u64,
        level: u64,
        highest: u64,
        lowest: u64,
        /// The level after each step, and when.
        steps: Vec<(Duration, u64)>,
        began: Instant,
        grain: u64,
        stride: u64,
    }

    impl Heap {
        fn new(level: u64, going: u64, coming: u64) -> Self {
            let (steps, began) = (Vec::new(), Instant::now());
            Self { going, coming, level, highest: level, lowest: level, steps, began, grain: 2, stride: 10 }
        }

        fn note(&mut self) {
            self.highest = self.highest.max(self.level);
            self.lowest = self.lowest.min(self.level);
            self.steps.push((self.began.elapsed(), self.level));
        }
    }

    impl Steps for Heap {
        fn grain(&self) -> u64 {
            self.grain
        }

        fn stride(&self) -> u64 {
            self.stride
        }

        fn release(&mut self, most: u64) -> Result<u64, Failure> {
            let moved = most.min(self.going);
            self.going -= moved;
            self.level -= moved;
            self.note();
            Ok(moved)
        }

        fn take(&mut self, most: u64) -> Result<u64, Failure> {
            let moved = most.min(self.coming).min(self.stride);
            self.coming -= moved;
            self.level += moved;
            self.note();
            Ok(moved)
        }
    }

    fn operation(over: Option<Duration>) -> Operation {
        let mut change = ChangeRequest::of(Amount::Exactly(0), Caller::nobody());
        change.pace = over.map(Pace::Over);
        Operation::new(crate::consumer::control::id::Id(1), &change, 0, 0, None)
    }

    fn walked(heap: &mut Heap, over: Option<Duration>) -> Duration {
        let (operation, level, stop) = (operation(over), Level::default(), Stop::new().unwrap());
        let mut work = Work::new(&operation, &level, &stop);
        let goal = heap.level + heap.coming - heap.going;
        work.starts(heap.level, goal, heap.coming.min(heap.going));
        let began = Instant::now();
        work.reconcile(heap).unwrap();
        assert_eq!((heap.going, heap.coming, heap.level, level.get()), (0, 0, goal, goal));
        assert!((operation.progress.share() - 1.0).abs() < 1e-9);
        began.elapsed()
    }

    #[test]
    fn without_a_ramp_it_releases_first() {
        let mut heap = Heap::new(100, 100, 120);
        walked(&mut heap, None);
        assert_eq!((heap.lowest, heap.highest), (0, 120));
    }

    #[test]
    fn a_ramp_exchanges_without_leaving_its_line() {
        for (level, going, coming) in
            [(100, 100, 120), (120, 120, 100), (0, 0, 100), (100, 100, 0), (50, 50, 50), (0, 0, 0)]
        {
            let mut heap = Heap::new(level, going, coming);
            let took = walked(&mut heap, Some(Duration::from_millis(100)));
            let goal = level + coming - going;
            assert!(heap.lowest + 2 * 10 >= level.min(goal), "{level} -{going} +{coming}: {}", heap.lowest);
            assert!(heap.highest <= level.max(goal) + 10, "{level} -{going} +{coming}: {}", heap.highest);
            assert!(level == goal || took >= Duration::from_millis(95), "{took:?}");
        }
    }

    #[test]
    fn few_things_are_moved_one_by_one_and_never_ahead_of_the_line() {
        let length = Duration::from_millis(200);
        for (level, going, coming) in [(60, 60, 0), (0, 0, 60), (3, 3, 0)] {
            let mut heap = Heap { grain: 1, stride: 64, ..Heap::new(level, going, coming) };
            let goal = level + coming - going;
            walked(&mut heap, Some(length));
            let line = Ramp { from: level, to: goal, length };
            for (at, reached) in &heap.steps {
                // The work began after the heap was made, so its line is behind this one.
                let there = line.at(*at);
                let ahead = if goal < level { there.saturating_sub(*reached) } else { reached.saturating_sub(there) };
                assert_eq!(ahead, 0, "{reached} of {level} after {at:?}");
            }
        }
    }

    #[test]
    fn the_line_is_straight_both_ways() {
        let length = Duration::from_secs(10);
        let up = Ramp { from: 100, to: 1100, length };
        let down = Ramp { from: u64::MAX, to: 0, length };
        for second in 0..=10 {
            assert_eq!(up.at(Duration::from_secs(second)), 100 + 100 * second);
        }
        assert_eq!(up.at(Duration::from_secs(99)), 1100);
        assert_eq!(down.at(Duration::from_secs(5)), u64::MAX - u64::MAX / 2);
        assert_eq!(down.at(length), 0);
    }

    #[test]
    fn work_ends_when_it_is_to() {
        let (cancelled, level, stop) =
            (operation(Some(Duration::from_secs(60))), Level::default(), Stop::new().unwrap());
        let mut work = Work::new(&cancelled, &level, &stop);
        work.starts(0, 100, 0);
        cancelled.cancel();
        assert!(matches!(work.reconcile(&mut Heap::new(0, 0, 100)), Err(Failure::Cancelled)));
        stop.stop();
        assert!(matches!(work.check(), Err(Failure::Stopped)));
    }

    #[test]
    fn a_beginning_is_told_once_at_once_on_a_long_ramp_and_otherwise_when_it_takes_long() {
        let (level, stop) = (Level::default(), Stop::new().unwrap());
        for (over, told_at_once) in [(None, false), (Some(1), false), (Some(2), true)] {
            let operation = operation(over.map(Duration::from_secs));
            let mut work = Work::new(&operation, &level, &stop).logged_as("mem");
            work.starts(0, 100, 0);
            work.check().unwrap();
            assert_eq!(work.group.get().is_none(), told_at_once, "{over:?}");
            work.began = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
            work.check().unwrap();
            assert_eq!(work.group.get(), None, "{over:?}");
        }
    }
}
