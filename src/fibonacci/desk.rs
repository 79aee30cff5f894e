//! The desk where requests hand in their steps, and wait until these are on disk.
//!
//! Group commit: whoever comes while nobody leads, leads. It takes all the steps that wait, has them on disk with one
//! sync, hands the lead to one of those that have come meanwhile, and tells the others what came of their steps. So at any
//! time one batch is being written, and the next one is gathering; the lock is never held while the disk works or a number
//! is computed.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::export::Export;
use super::journal::MOST_STEPS;
use super::ledger::Ledger;
use super::sequence::{Place, Step};
use crate::settings::fibonacci::Durability;
use crate::sync::lock;

/// A batch waits for more steps at most so long, and at most as long as the last sync took.
const MOST_WAIT: Duration = Duration::from_millis(2);
/// It goes on when none has come in so long: what a request takes until it is a step, on a busy machine.
const LULL: Duration = Duration::from_micros(50);
/// How many batches tell how many steps are to be expected: one that was late makes a batch of its own.
const REMEMBERED: usize = 4;

/// Why a step was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The next number would have too many digits.
    TooLong,
    /// The disk is full.
    Full(String),
    /// The disk fails otherwise.
    Failed(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => out.write_str(
                "the next number would have more digits than LIMITDIGITS allows; /previous steps back, /reset begins \
                 again, and a higher LIMITDIGITS goes on",
            ),
            Self::Full(why) => write!(out, "the disk is full, the step was not made: {why}; make room and ask again"),
            Self::Failed(why) => write!(out, "the step cannot be made to last, so it was not made: {why}"),
        }
    }
}

/// What the desk has done, for metrics.
#[derive(Default)]
pub struct Tally {
    /// Syncs that took steps to the disk.
    pub commits: AtomicU64,
    /// Steps in them.
    pub committed: AtomicU64,
    /// Nanoseconds they took.
    pub nanos: AtomicU64,
    /// Syncs that failed.
    pub failures: AtomicU64,
}

/// The desk.
pub struct Desk {
    inner: Mutex<Inner>,
    /// Locked by who leads, or flushes.
    ledger: Mutex<Ledger>,
    last_index: u64,
    durability: Durability,
    /// How long the last sync took, in nanoseconds.
    last_nanos: AtomicU64,
    /// Whether a start would not find the state.
    missing: AtomicBool,
    /// What it has done.
    pub tally: Tally,
}

struct Inner {
    /// Where clients see the sequence.
    place: Place,
    waiting: Vec<Waiting>,
    is_led: bool,
    /// How many steps were there at the end of each of the last batches: its own, and those that had come meanwhile.
    seen: [usize; REMEMBERED],
    /// Steps that were answered before they were on disk, as [`Durability::Interval`] has it.
    unflushed: Vec<Step>,
    /// Why these cannot be made to last.
    trouble: Option<Refusal>,
}

struct Waiting {
    step: Step,
    slot: Arc<Slot>,
}

/// Where a request learns what is next for it.
struct Slot {
    turn: Mutex<Option<Turn>>,
    thread: Thread,
}

enum Turn {
    Lead,
    Done(Result<Place, Refusal>),
}

impl Slot {
    fn give(&self, turn: Turn) {
        *lock(&self.turn) = Some(turn);
        self.thread.unpark();
    }

    fn wait(&self) -> Turn {
        loop {
            if let Some(turn) = lock(&self.turn).take() {
                return turn;
            }
            thread::park();
        }
    }
}

impl Desk {
    /// A desk over a ledger, where no number has an index above `last_index`.
    pub fn new(ledger: Ledger, place: Place, last_index: u64, durability: Durability) -> Self {
        let (waiting, unflushed) = (Vec::new(), Vec::new());
        let inner = Inner { place, waiting, is_led: false, seen: [1; REMEMBERED], unflushed, trouble: None };
        Self {
            inner: Mutex::new(inner),
            ledger: Mutex::new(ledger),
            last_index,
            durability,
            last_nanos: AtomicU64::new(0),
            missing: AtomicBool::new(false),
            tally: Tally::default(),
        }
    }

    /// Where the sequence stands.
    pub fn place(&self) -> Place {
        lock(&self.inner).place.clone()
    }

    /// How many digits the current number has.
    pub fn digits(&self) -> u64 {
        lock(&self.inner).place.current.digits() as u64
    }

    /// Whether the state is on no disk where a start would find it: files of it were removed, moved or replaced.
    pub fn is_missing(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    /// Makes a step, and waits until it lasts.
    ///
    /// # Errors
    /// When it was not made.
    pub fn step(&self, step: Step) -> Result<Place, Refusal> {
        if self.durability == Durability::Interval {
            return self.note(step);
        }
        let slot = Arc::new(Slot { turn: Mutex::new(None), thread: thread::current() });
        let leads = {
            let mut inner = lock(&self.inner);
            inner.waiting.push(Waiting { step, slot: Arc::clone(&slot) });
            !std::mem::replace(&mut inner.is_led, true)
        };
        let mut turn = if leads { Turn::Lead } else { slot.wait() };
        loop {
            match turn {
                Turn::Done(result) => return result,
                // Its own step is among those that wait, and so is done then.
                Turn::Lead => self.lead(),
            }
            turn = slot.wait();
        }
    }

    /// Takes all the steps that wait to the disk.
    fn lead(&self) {
        self.gather();
        let (batch, place) = {
            let mut inner = lock(&self.inner);
            let most = inner.waiting.len().min(MOST_STEPS);
            (inner.waiting.drain(..most).collect(), inner.place.clone())
        };
        let mut leading = Leading { desk: self, batch, results: Vec::new(), place };
        leading.make_steps();
    }

    /// Lets others run while that brings more steps, up to as many as there were with the last batches: a sync costs the
    /// same for many. It takes no longer than another sync would. Who was alone is not made to wait.
    fn gather(&self) {
        let most = Duration::from_nanos(self.last_nanos.load(Ordering::Relaxed)).min(MOST_WAIT);
        let began = Instant::now();
        let (mut before, mut last) = (0, began);
        loop {
            let (waiting, expected) = {
                let inner = lock(&self.inner);
                (inner.waiting.len(), inner.seen.into_iter().max().unwrap_or(1))
            };
            let now = Instant::now();
            if waiting > before {
                (before, last) = (waiting, now);
            }
            if waiting >= expected || now - last > LULL || now - began > most {
                break;
            }
            thread::yield_now();
        }
    }

    /// Where a step leads, if it may be made.
    fn after(&self, place: &Place, step: Step) -> Result<Place, Refusal> {
        if step == Step::Next && place.mark.index >= self.last_index {
            return Err(Refusal::TooLong);
        }
        Ok(place.after(step))
    }

    /// Makes a step at once. It is on disk at the next flush.
    fn note(&self, step: Step) -> Result<Place, Refusal> {
        let mut inner = lock(&self.inner);
        if let Some(trouble) = &inner.trouble {
            return Err(trouble.clone());
        }
        let place = self.after(&inner.place, step)?;
        inner.place = place.clone();
        inner.unflushed.push(step);
        Ok(place)
    }

    /// Has all steps on disk that are not yet, and says where the sequence stands there.
    ///
    /// # Errors
    /// When they cannot be; then steps are refused until they can.
    pub fn flush(&self) -> Result<Place, Refusal> {
        let mut ledger = lock(&self.ledger);
        loop {
            let (steps, place) = {
                let inner = lock(&self.inner);
                let steps = inner.unflushed[..inner.unflushed.len().min(MOST_STEPS)].to_vec();
                (steps, inner.place.clone())
            };
            if steps.is_empty() {
                let found = ledger.check().map_err(Refusal::from);
                self.missing.store(!ledger.is_found(), Ordering::Relaxed);
                let mut inner = lock(&self.inner);
                inner.trouble = found.as_ref().err().cloned();
                return found.map(|()| place);
            }
            let mark = steps.iter().fold(ledger.mark(), |mark, step| mark.after(*step));
            let result = self.commit(&mut ledger, &steps, mark);
            let mut inner = lock(&self.inner);
            match result {
                Ok(()) => drop(inner.unflushed.drain(..steps.len())),
                Err(refusal) => {
                    inner.trouble = Some(refusal.clone());
                    return Err(refusal);
                }
            }
        }
    }

    /// Writes the original's file; `false` when that is to be tried again with a newer place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn export(&self, export: &mut Export, place: &Place) -> io::Result<bool> {
        export.write(&self.ledger, place)
    }

    fn commit(&self, ledger: &mut Ledger, steps: &[Step], mark: super::sequence::Mark) -> Result<(), Refusal> {
        let began = Instant::now();
        let result = ledger.commit(steps, mark);
        self.missing.store(!ledger.is_found(), Ordering::Relaxed);
        let took = began.elapsed().as_nanos() as u64;
        self.last_nanos.store(took, Ordering::Relaxed);
        let (counter, amount) = match &result {
            Ok(()) => (&self.tally.committed, steps.len() as u64),
            Err(_) => (&self.tally.failures, 1),
        };
        counter.fetch_add(amount, Ordering::Relaxed);
        self.tally.commits.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
        self.tally.nanos.fetch_add(took, Ordering::Relaxed);
        result.map_err(Refusal::from)
    }
}

/// Who leads. Dropped, by a panic as well, it hands on the lead and gives out the results.
struct Leading<'d> {
    desk: &'d Desk,
    batch: Vec<Waiting>,
    /// One for each of the batch, once there are any.
    results: Vec<Result<Place, Refusal>>,
    /// Where the sequence stands on disk.
    place: Place,
}

impl Leading<'_> {
    fn make_steps(&mut self) {
        let (mut place, mut results) = (self.place.clone(), Vec::with_capacity(self.batch.len()));
        let mut steps = Vec::with_capacity(self.batch.len());
        for waiting in &self.batch {
            let result = self.desk.after(&place, waiting.step);
            if let Ok(after) = &result {
                place = after.clone();
                steps.push(waiting.step);
            }
            results.push(result);
        }
        if steps.is_empty() {
            self.results = results;
            return;
        }
        match self.desk.commit(&mut lock(&self.desk.ledger), &steps, place.mark) {
            Ok(()) => self.place = place,
            Err(refusal) => {
                results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(refusal.clone()));
            }
        }
        self.results = results;
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        {
            let mut inner = lock(&self.desk.inner);
            inner.place = self.place.clone();
            inner.seen.rotate_right(1);
            inner.seen[0] = self.batch.len() + inner.waiting.len();
            match inner.waiting.first() {
                Some(next) => next.slot.give(Turn::Lead),
                None => inner.is_led = false,
            }
        }
        let mut results = std::mem::take(&mut self.results).into_iter();
        for waiting in &self.batch {
            let lost = || Err(Refusal::Failed(String::from("the service failed in the middle of it")));
            waiting.slot.give(Turn::Done(results.next().unwrap_or_else(lost)));
        }
    }
}
