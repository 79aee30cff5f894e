//! Jobs beside the set amounts: each adds to what runs, for its own time, and goes by itself. The interface is that of
//! Kubernetes' resource-consumer, so that autoscaling tests can point at this service.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::burn::{Burn, End, Target};
use super::group::WORKER_STACK_BYTES;
use super::id::{Id, Ids};
use super::intent::Intent;
use super::mapping::page_size;
use super::memory::Memory;
use super::order::{Caller, Expiry, Kind, Order, Outcome, Wish};
use super::plan::{MEMORY, Plan};
use super::quantity::Amount;
use super::stores::MemoryStore;
use super::walk::{Level, Work};
use crate::audit;
use crate::limits::cpu::cores;
use crate::settings::Number;
use crate::shutdown::Stop;
use crate::sync::{lock, spawn};

/// Most jobs of a kind at a time: each is a thread or more.
pub const MOST_JOBS: usize = 64;
/// How soon a job notices that it is cancelled.
const LOOK: Duration = Duration::from_millis(100);
/// Who starts a job anew as often as it ends comes a little before or after that. A job is about to end when it has so
/// little time left.
const ABOUT_TO_END: Duration = Duration::from_secs(1);
/// How long a new job waits for those at most: giving back memory takes its time.
const PATIENCE: Duration = Duration::from_secs(3);
/// How jobs end, or do not begin.
pub const OUTCOMES: [&str; 4] = ["done", "cancelled", "failed", "refused"];
/// The kinds of jobs.
pub const KINDS: [&str; 2] = ["cpu", "mem"];
const CPU: usize = 0;
const MEM: usize = 1;

/// Why a job was not started.
#[derive(Debug)]
pub enum JobRefused {
    /// Too many run already.
    Full,
    /// More than there is room for: how much there would be.
    TooMuch(u64),
    /// The kernel gave no thread for it.
    NotStarted(io::Error),
    /// The service stops.
    Stopping,
}

/// The jobs that run.
pub struct Jobs {
    ids: Arc<Ids>,
    stop: Stop,
    number: Number,
    max_ttl: Option<Duration>,
    memory: Arc<MemoryStore>,
    intent: Intent,
    running: Mutex<Vec<Arc<Job>>>,
    changed: Condvar,
    /// How many have ended, by [`KINDS`] and [`OUTCOMES`].
    ended: [[AtomicU64; OUTCOMES.len()]; KINDS.len()],
}

/// A job that runs.
pub struct Listed {
    /// Its id.
    pub id: Id,
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// Millicores or bytes it is to use.
    pub wanted: u64,
    /// Those it uses.
    pub used: f64,
    /// Who asked for it.
    pub caller: String,
    /// In which words.
    pub words: String,
    /// When it ends.
    pub expires: Option<Expiry>,
}

/// A job that was started: its id, and when it ends.
pub type Started = (Id, Option<Expiry>);

struct Job {
    order: Order,
    /// Millicores or bytes it is to use.
    wanted: u64,
    uses: Uses,
}

enum Uses {
    Cpu(Arc<Burn>),
    Memory(Arc<Level>),
}

impl Job {
    /// Its place in [`KINDS`].
    fn kind(&self) -> usize {
        usize::from(matches!(self.uses, Uses::Memory(_)))
    }

    fn used(&self) -> f64 {
        match &self.uses {
            Uses::Cpu(burn) => burn.achieved(),
            Uses::Memory(level) => level.get() as f64,
        }
    }

    fn cancel(&self) {
        self.order.cancel();
        if let Uses::Cpu(burn) = &self.uses {
            burn.cancel();
        }
    }
}

/// A moment's sums over all jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// CPU jobs.
    pub cpu_jobs: u64,
    /// Millicores they are to use.
    pub millicores: u64,
    /// Millicores they use.
    pub achieved: f64,
    /// Memory jobs.
    pub memory_jobs: u64,
    /// Bytes they are to hold.
    pub bytes: u64,
    /// Bytes they hold.
    pub held: u64,
}

impl Jobs {
    /// None yet.
    pub(super) fn new(
        ids: Arc<Ids>,
        number: Number,
        memory: Arc<MemoryStore>,
        intent: Intent,
        max_ttl: Option<Duration>,
        stop: Stop,
    ) -> Arc<Self> {
        let (running, changed, ended) = (Mutex::default(), Condvar::new(), Default::default());
        Arc::new(Self { ids, stop, number, max_ttl, memory, intent, running, changed, ended })
    }

    /// Uses so many millicores more, for so long, `beside` those of the running load.
    ///
    /// # Errors
    /// When there are too many jobs, or all of them together would need more than all cores.
    pub fn add_cpu(
        self: &Arc<Self>,
        millicores: u64,
        length: Duration,
        beside: u64,
        caller: Caller,
        words: String,
    ) -> Result<Started, JobRefused> {
        let until = Instant::now() + PATIENCE;
        let mut running = lock(&self.running);
        loop {
            let (count, taken) = sum(&running, CPU);
            let left = (cores() * 1000).saturating_sub(taken + beside);
            let is_full = count >= MOST_JOBS;
            if !is_full && millicores <= left {
                break;
            }
            let refused = if is_full { JobRefused::Full } else { JobRefused::TooMuch(left) };
            running = self.turn(running, until, CPU, left, millicores).ok_or(refused)?;
        }
        let order = self.order(millicores, length, caller, words)?;
        let started = (order.id, order.expires);
        let deadline = order.expires.map(|expiry| expiry.at);
        let burn = Burn::start(Target::flat(millicores), deadline, self.number, false, &self.stop);
        let burn = burn.map_err(JobRefused::NotStarted)?;
        let job = Arc::new(Job { order, wanted: millicores, uses: Uses::Cpu(Arc::clone(&burn)) });
        let (jobs, own) = (Arc::clone(self), Arc::clone(&job));
        let work = move || {
            job_begins("cpu", &own.order);
            let outcome = match burn.run(&jobs.stop) {
                End::Stopped if own.order.is_cancelled() => Outcome::Cancelled,
                End::Stopped => Outcome::Stopped,
                End::Ended | End::Factored => Outcome::Done,
            };
            jobs.is_over(&own, &outcome);
        };
        if let Err(error) = spawn("cpu job", WORKER_STACK_BYTES, Box::new(work)) {
            job.cancel();
            return Err(JobRefused::NotStarted(error));
        }
        running.push(job);
        Ok(started)
    }

    /// Holds so many bytes of memory more, for so long.
    ///
    /// # Errors
    /// When there are too many jobs, or no room beside what is held.
    pub fn add_memory(
        self: &Arc<Self>,
        bytes: u64,
        length: Duration,
        caller: Caller,
        words: String,
    ) -> Result<Started, JobRefused> {
        let until = Instant::now() + PATIENCE;
        let mut running = lock(&self.running);
        let (mut promise, is_risky) = loop {
            let (left, refused) = if sum(&running, MEM).0 >= MOST_JOBS {
                (bytes, JobRefused::Full)
            } else {
                match self.memory.admit_job(bytes) {
                    Ok(admitted) => break admitted,
                    Err(left) => (left, JobRefused::TooMuch(left)),
                }
            };
            running = self.turn(running, until, MEM, left, bytes).ok_or(refused)?;
        };
        let mut order = match self.order(bytes, length, caller, words) {
            Ok(order) => order,
            Err(refused) => {
                self.memory.job_is_over(bytes);
                return Err(refused);
            }
        };
        let started = (order.id, order.expires);
        order.is_risky = is_risky;
        if is_risky {
            self.intent.note(Some(&order));
        }
        let level = Arc::new(Level::default());
        let job = Arc::new(Job { order, wanted: bytes, uses: Uses::Memory(Arc::clone(&level)) });
        let (jobs, own) = (Arc::clone(self), Arc::clone(&job));
        let work = move || {
            let memory = Memory::new();
            let plan = Plan::exact(&MEMORY, bytes, page_size());
            let mut work = Work::new(&own.order, &level, &jobs.stop);
            if own.order.is_risky {
                jobs.intent.sync();
            }
            job_begins("mem", &own.order);
            // No pages of files here, so no folder.
            let result = memory.adjust(&plan, Kind::Anon, std::path::Path::new("."), &mut promise, &mut work);
            drop(promise);
            let mut outcome = Outcome::of(&result);
            if result.is_ok() {
                jobs.wait_for(&own.order);
                outcome = match own.order.is_cancelled() {
                    true => Outcome::Cancelled,
                    false if own.order.has_expired() => Outcome::Done,
                    false => Outcome::Stopped,
                };
            }
            drop(memory);
            level.set(0);
            jobs.memory.job_is_over(bytes);
            jobs.is_over(&own, &outcome);
        };
        if let Err(error) = spawn("memory job", WORKER_STACK_BYTES, Box::new(work)) {
            self.memory.job_is_over(bytes);
            self.nothing_to_note(&running);
            return Err(JobRefused::NotStarted(error));
        }
        running.push(job);
        Ok(started)
    }

    /// Waits a moment where jobs of this kind that are about to end leave the room for `wanted` that is not `left` now.
    /// `None` when there is nothing to wait for any more.
    fn turn<'r>(
        &self,
        running: MutexGuard<'r, Vec<Arc<Job>>>,
        until: Instant,
        kind: usize,
        left: u64,
        wanted: u64,
    ) -> Option<MutexGuard<'r, Vec<Arc<Job>>>> {
        let freed = about_to_end(&running, kind);
        let fits = left.saturating_add(freed?) >= wanted;
        if !fits || Instant::now() >= until || self.stop.is_set() {
            return None;
        }
        Some(self.changed.wait_timeout(running, LOOK).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Logs and counts the end of `own`, which runs no more.
    fn is_over(&self, own: &Arc<Job>, outcome: &Outcome) {
        audit::ended(KINDS[own.kind()], &own.order, outcome, own.order.accepted.elapsed());
        let place = match outcome {
            Outcome::Done => 0,
            Outcome::Cancelled | Outcome::Expired | Outcome::Stopped => 1,
            Outcome::Failed(_) => 2,
        };
        self.ended[own.kind()][place].fetch_add(1, Ordering::Relaxed);
        let mut running = lock(&self.running);
        running.retain(|job| !Arc::ptr_eq(job, own));
        if own.kind() == MEM {
            self.nothing_to_note(&running);
        }
        drop(running);
        self.changed.notify_all();
    }

    /// One more was refused, of memory or of CPU.
    pub fn count_refused(&self, of_memory: bool) {
        self.ended[usize::from(of_memory)][3].fetch_add(1, Ordering::Relaxed);
    }

    /// How many jobs have ended how: kind, outcome, number.
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of =
            |kind: usize, place: usize| (KINDS[kind], OUTCOMES[place], self.ended[kind][place].load(Ordering::Relaxed));
        (0..KINDS.len() * OUTCOMES.len()).map(move |at| of(at / OUTCOMES.len(), at % OUTCOMES.len()))
    }

    /// All jobs that run.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |job: &Arc<Job>| Listed {
            id: job.order.id,
            kind: KINDS[job.kind()],
            wanted: job.wanted,
            used: job.used(),
            caller: job.order.caller.to_string(),
            words: job.order.words.clone(),
            expires: job.order.expires,
        };
        lock(&self.running).iter().map(listed).collect()
    }

    /// Cancels the job of this id, or all of them, and waits a moment for their end; whether there are any.
    pub fn cancel(&self, one: Option<Id>) -> bool {
        let is_meant = |job: &Arc<Job>| one.is_none_or(|id| job.order.id == id);
        let running = lock(&self.running);
        let mut found = false;
        for job in running.iter().filter(|job| is_meant(job)) {
            job.cancel();
            found = true;
        }
        self.changed.notify_all();
        let some = |running: &mut Vec<_>| running.iter().any(is_meant);
        drop(self.changed.wait_timeout_while(running, LOOK * 2, some));
        found
    }

    /// The note goes with the last job that it could be about.
    fn nothing_to_note(&self, running: &[Arc<Job>]) {
        if !running.iter().any(|job| job.order.is_risky) {
            self.intent.note(None);
        }
    }

    /// At the stop: waits, at most for `patience`, until all jobs have ended.
    pub(super) fn wait_for_end(&self, patience: Duration) {
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(lock(&self.running), patience, |running| !running.is_empty()));
    }

    /// Waits until the cancelled jobs have ended, or `give_up` says so, which is asked after each `pause`. Returns how many
    /// have not.
    pub fn wait_for_cancelled(&self, pause: Duration, give_up: &mut dyn FnMut() -> bool) -> u64 {
        loop {
            let running = lock(&self.running);
            let cancelled = |running: &[Arc<Job>]| running.iter().filter(|job| job.order.is_cancelled()).count();
            let waited = self.changed.wait_timeout_while(running, pause, |running| cancelled(running) > 0);
            let left = cancelled(&waited.unwrap_or_else(PoisonError::into_inner).0);
            if left == 0 || self.stop.is_set() || give_up() {
                return left as u64;
            }
        }
    }

    /// What they are and do, in sum.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for job in lock(&self.running).iter() {
            match &job.uses {
                Uses::Cpu(burn) => {
                    sums.cpu_jobs += 1;
                    sums.millicores += job.wanted;
                    sums.achieved += burn.achieved();
                }
                Uses::Memory(level) => {
                    sums.memory_jobs += 1;
                    sums.bytes += job.wanted;
                    sums.held += level.get();
                }
            }
        }
        sums
    }

    fn order(&self, units: u64, length: Duration, caller: Caller, words: String) -> Result<Order, JobRefused> {
        if self.stop.is_set() {
            return Err(JobRefused::Stopping);
        }
        let length = self.max_ttl.map_or(length, |most| most.min(length));
        let wish = Wish { words, ..Wish::of(Amount::Exactly(units), caller) };
        Ok(Order::new(self.ids.next(), &wish, units, units, Some(length)))
    }

    /// Waits until the time of `order` is over, or it is cancelled.
    fn wait_for(&self, order: &Order) {
        let mut running = lock(&self.running);
        while !order.has_expired() && !order.is_cancelled() && !self.stop.is_set() {
            let left = order.expires.map_or(LOOK, |expiry| expiry.at.saturating_duration_since(Instant::now()));
            let waited = self.changed.wait_timeout(running, left.max(Duration::from_millis(1)));
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Has the log tell of a job that takes long, or goes past a limit.
fn job_begins(group: &'static str, order: &Order) {
    if order.is_risky || audit::is_long(order.expires.map(|expiry| expiry.at.saturating_duration_since(order.accepted)))
    {
        audit::begun(group, order.id, &order.words, &order.caller);
    }
}

/// How many jobs of a kind there are, and their units in sum.
fn sum(running: &[Arc<Job>], kind: usize) -> (usize, u64) {
    let of_kind = running.iter().filter(|job| job.kind() == kind);
    of_kind.fold((0, 0), |(count, units), job| (count + 1, units + job.wanted))
}

/// The units of the jobs of a kind that are about to end; `None` where there are none.
fn about_to_end(running: &[Arc<Job>], kind: usize) -> Option<u64> {
    let soon = Instant::now() + ABOUT_TO_END;
    let ends = |order: &Order| order.is_cancelled() || order.expires.is_some_and(|expiry| expiry.at <= soon);
    let ending = running.iter().filter(|job| job.kind() == kind && ends(&job.order));
    ending.map(|job| job.wanted).reduce(u64::saturating_add)
}
