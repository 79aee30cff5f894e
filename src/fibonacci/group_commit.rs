//! Group commit: requests hand in their steps, and wait until these are on disk, with one sync for all that are there.
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
use super::sequence::{State, Step};
use super::state_store::StateStore;
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

/// What group commit has done, for metrics.
#[derive(Default)]
pub struct CommitCounters {
    /// Syncs that took steps to the disk.
    pub commits: AtomicU64,
    /// Steps in them.
    pub committed: AtomicU64,
    /// Nanoseconds they took.
    pub nanos: AtomicU64,
    /// Syncs that failed.
    pub failures: AtomicU64,
}

/// Group commit over a store.
pub struct GroupCommit {
    inner: Mutex<Shared>,
    /// Locked by who leads, or flushes.
    store: Mutex<StateStore>,
    last_index: u64,
    durability: Durability,
    /// How long the last sync took, in nanoseconds.
    last_nanos: AtomicU64,
    /// Whether a start would not find the state.
    missing: AtomicBool,
    /// What it has done.
    pub counters: CommitCounters,
}

struct Shared {
    /// Where clients see the sequence.
    state: State,
    waiting: Vec<WaitingStep>,
    is_led: bool,
    /// How many steps were there at the end of each of the last batches: its own, and those that had come meanwhile.
    seen: [usize; REMEMBERED],
    /// Steps that were answered before they were on disk, as [`Durability::Interval`] has it.
    unflushed: Vec<Step>,
    /// Why these cannot be made to last.
    trouble: Option<Refusal>,
}

struct WaitingStep {
    step: Step,
    caller: Arc<WaitingThread>,
}

/// Where a request learns what is next for it.
struct WaitingThread {
    next: Mutex<Option<Wakeup>>,
    thread: Thread,
}

enum Wakeup {
    Lead,
    Done(Result<State, Refusal>),
}

impl WaitingThread {
    fn give(&self, next: Wakeup) {
        *lock(&self.next) = Some(next);
        self.thread.unpark();
    }

    fn wait(&self) -> Wakeup {
        loop {
            if let Some(next) = lock(&self.next).take() {
                return next;
            }
            thread::park();
        }
    }
}

impl GroupCommit {
    /// Group commit over a store, where no number has an index above `last_index`.
    pub fn new(store: StateStore, state: State, last_index: u64, durability: Durability) -> Self {
        let (waiting, unflushed) = (Vec::new(), Vec::new());
        let inner = Shared { state, waiting, is_led: false, seen: [1; REMEMBERED], unflushed, trouble: None };
        Self {
            inner: Mutex::new(inner),
            store: Mutex::new(store),
            last_index,
            durability,
            last_nanos: AtomicU64::new(0),
            missing: AtomicBool::new(false),
            counters: CommitCounters::default(),
        }
    }

    /// Where the sequence stands.
    pub fn state(&self) -> State {
        lock(&self.inner).state.clone()
    }

    /// How many digits the current number has.
    pub fn digits(&self) -> u64 {
        lock(&self.inner).state.current.digits() as u64
    }

    /// Whether the state is on no disk where a start would find it: files of it were removed, moved or replaced.
    pub fn is_missing(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    /// Makes a step, and waits until it lasts.
    ///
    /// # Errors
    /// When it was not made.
    pub fn step(&self, step: Step) -> Result<State, Refusal> {
        if self.durability == Durability::Interval {
            return self.note(step);
        }
        let caller = Arc::new(WaitingThread { next: Mutex::new(None), thread: thread::current() });
        let leads = {
            let mut inner = lock(&self.inner);
            inner.waiting.push(WaitingStep { step, caller: Arc::clone(&caller) });
            !std::mem::replace(&mut inner.is_led, true)
        };
        let mut next = if leads { Wakeup::Lead } else { caller.wait() };
        loop {
            match next {
                Wakeup::Done(result) => return result,
                // Its own step is among those that wait, and so is done then.
                Wakeup::Lead => self.lead(),
            }
            next = caller.wait();
        }
    }

    /// Takes all the steps that wait to the disk.
    fn lead(&self) {
        self.gather();
        let (batch, state) = {
            let mut inner = lock(&self.inner);
            let most = inner.waiting.len().min(MOST_STEPS);
            (inner.waiting.drain(..most).collect(), inner.state.clone())
        };
        let mut leading = Leading { group_commit: self, batch, results: Vec::new(), state };
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
    fn after(&self, state: &State, step: Step) -> Result<State, Refusal> {
        if step == Step::Next && state.at.index >= self.last_index {
            return Err(Refusal::TooLong);
        }
        Ok(state.after(step))
    }

    /// Makes a step at once. It is on disk at the next flush.
    fn note(&self, step: Step) -> Result<State, Refusal> {
        let mut inner = lock(&self.inner);
        if let Some(trouble) = &inner.trouble {
            return Err(trouble.clone());
        }
        let state = self.after(&inner.state, step)?;
        inner.state = state.clone();
        inner.unflushed.push(step);
        Ok(state)
    }

    /// Has all steps on disk that are not yet, and says where the sequence stands there.
    ///
    /// # Errors
    /// When they cannot be; then steps are refused until they can.
    pub fn flush(&self) -> Result<State, Refusal> {
        let mut store = lock(&self.store);
        loop {
            let (steps, state) = {
                let inner = lock(&self.inner);
                let steps = inner.unflushed[..inner.unflushed.len().min(MOST_STEPS)].to_vec();
                (steps, inner.state.clone())
            };
            if steps.is_empty() {
                let found = store.check().map_err(Refusal::from);
                self.missing.store(!store.is_found(), Ordering::Relaxed);
                let mut inner = lock(&self.inner);
                inner.trouble = found.as_ref().err().cloned();
                return found.map(|()| state);
            }
            let at = steps.iter().fold(store.at(), |at, step| at.after(*step));
            let result = self.commit(&mut store, &steps, at);
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

    /// Writes the original's file; `false` when that is to be tried again with a newer state.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn export(&self, export: &mut Export, state: &State) -> io::Result<bool> {
        export.write(&self.store, state)
    }

    fn commit(&self, store: &mut StateStore, steps: &[Step], at: super::sequence::Position) -> Result<(), Refusal> {
        let began = Instant::now();
        let result = store.commit(steps, at);
        self.missing.store(!store.is_found(), Ordering::Relaxed);
        let took = began.elapsed().as_nanos() as u64;
        self.last_nanos.store(took, Ordering::Relaxed);
        let (counter, amount) = match &result {
            Ok(()) => (&self.counters.committed, steps.len() as u64),
            Err(_) => (&self.counters.failures, 1),
        };
        counter.fetch_add(amount, Ordering::Relaxed);
        self.counters.commits.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
        self.counters.nanos.fetch_add(took, Ordering::Relaxed);
        result.map_err(Refusal::from)
    }
}

/// Who leads. Dropped, by a panic as well, it hands on the lead and gives out the results.
struct Leading<'d> {
    group_commit: &'d GroupCommit,
    batch: Vec<WaitingStep>,
    /// One for each of the batch, once there are any.
    results: Vec<Result<State, Refusal>>,
    /// Where the sequence stands on disk.
    state: State,
}

impl Leading<'_> {
    fn make_steps(&mut self) {
        let (mut state, mut results) = (self.state.clone(), Vec::with_capacity(self.batch.len()));
        let mut steps = Vec::with_capacity(self.batch.len());
        for waiting in &self.batch {
            let result = self.group_commit.after(&state, waiting.step);
            if let Ok(after) = &result {
                state = after.clone();
                steps.push(waiting.step);
            }
            results.push(result);
        }
        if steps.is_empty() {
            self.results = results;
            return;
        }
        match self.group_commit.commit(&mut lock(&self.group_commit.store), &steps, state.at) {
            Ok(()) => self.state = state,
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
            let mut inner = lock(&self.group_commit.inner);
            inner.state = self.state.clone();
            inner.seen.rotate_right(1);
            inner.seen[0] = self.batch.len() + inner.waiting.len();
            match inner.waiting.first() {
                Some(next) => next.caller.give(Wakeup::Lead),
                None => inner.is_led = false,
            }
        }
        let mut results = std::mem::take(&mut self.results).into_iter();
        for waiting in &self.batch {
            let lost = || Err(Refusal::Failed(String::from("the service failed in the middle of it")));
            waiting.caller.give(Wakeup::Done(results.next().unwrap_or_else(lost)));
        }
    }
}
