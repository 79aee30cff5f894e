//! Jobs beside the set amounts: each adds to what runs, for its own time, and goes by itself. The interface is that of
//! Kubernetes' resource-consumer, so that autoscaling tests can point at this service.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::burn::{Burn, End, Target};
use super::group::WORKER_STACK_BYTES;
use super::id::Ids;
use super::intent::Intent;
use super::mapping::page_size;
use super::memory::Memory;
use super::order::{Caller, Kind, Order, Outcome, Wish};
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
    running: Mutex<Running>,
    changed: Condvar,
}

#[derive(Default)]
struct Running {
    cpu: Vec<Arc<CpuJob>>,
    memory: Vec<Arc<MemoryJob>>,
}

struct CpuJob {
    order: Order,
    burn: Arc<Burn>,
    millicores: u64,
}

struct MemoryJob {
    order: Order,
    level: Level,
    bytes: u64,
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
        let (running, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Self { ids, stop, number, max_ttl, memory, intent, running, changed })
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
    ) -> Result<(), JobRefused> {
        let order = self.order(millicores, length, caller, words)?;
        let deadline = order.expires.map(|expiry| expiry.at);
        let mut running = lock(&self.running);
        if running.cpu.len() >= MOST_JOBS {
            return Err(JobRefused::Full);
        }
        let left = (cores() * 1000).saturating_sub(running.cpu.iter().map(|job| job.millicores).sum::<u64>() + beside);
        if millicores > left {
            return Err(JobRefused::TooMuch(left));
        }
        let burn = Burn::start(Target::flat(millicores), deadline, self.number, false, &self.stop);
        let burn = burn.map_err(JobRefused::NotStarted)?;
        let job = Arc::new(CpuJob { order, burn, millicores });
        let (jobs, own) = (Arc::clone(self), Arc::clone(&job));
        let work = move || {
            job_begins("cpu", &own.order);
            let outcome = match own.burn.run(&jobs.stop) {
                End::Stopped if own.order.is_cancelled() => Outcome::Cancelled,
                End::Stopped => Outcome::Stopped,
                End::Ended | End::Factored => Outcome::Done,
            };
            audit::ended("cpu", &own.order, &outcome, own.order.accepted.elapsed());
            lock(&jobs.running).cpu.retain(|job| !Arc::ptr_eq(job, &own));
            jobs.changed.notify_all();
        };
        if let Err(error) = spawn("cpu job", WORKER_STACK_BYTES, Box::new(work)) {
            job.burn.cancel();
            return Err(JobRefused::NotStarted(error));
        }
        running.cpu.push(job);
        Ok(())
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
    ) -> Result<(), JobRefused> {
        let mut order = self.order(bytes, length, caller, words)?;
        let mut running = lock(&self.running);
        if running.memory.len() >= MOST_JOBS {
            return Err(JobRefused::Full);
        }
        let (mut promise, is_risky) = self.memory.admit_job(bytes).map_err(JobRefused::TooMuch)?;
        order.is_risky = is_risky;
        if is_risky {
            self.intent.note(Some(&order));
        }
        let job = Arc::new(MemoryJob { order, level: Level::default(), bytes });
        let (jobs, own) = (Arc::clone(self), Arc::clone(&job));
        let work = move || {
            let memory = Memory::new();
            let plan = Plan::exact(&MEMORY, bytes, page_size());
            let mut work = Work::new(&own.order, &own.level, &jobs.stop);
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
            own.level.set(0);
            jobs.memory.job_is_over(bytes);
            audit::ended("mem", &own.order, &outcome, own.order.accepted.elapsed());
            let mut running = lock(&jobs.running);
            running.memory.retain(|job| !Arc::ptr_eq(job, &own));
            jobs.nothing_to_note(&running);
            drop(running);
            jobs.changed.notify_all();
        };
        if let Err(error) = spawn("memory job", WORKER_STACK_BYTES, Box::new(work)) {
            self.memory.job_is_over(bytes);
            self.nothing_to_note(&running);
            return Err(JobRefused::NotStarted(error));
        }
        running.memory.push(job);
        Ok(())
    }

    /// The note goes with the last job that it could be about.
    fn nothing_to_note(&self, running: &Running) {
        if !running.memory.iter().any(|job| job.order.is_risky) {
            self.intent.note(None);
        }
    }

    /// At the stop: waits, at most for `patience`, until all jobs have ended.
    pub(super) fn wait_for_end(&self, patience: Duration) {
        self.changed.notify_all();
        self.wait_until_none(lock(&self.running), patience);
    }

    fn wait_until_none(&self, running: MutexGuard<'_, Running>, patience: Duration) {
        let some = |running: &mut Running| !running.cpu.is_empty() || !running.memory.is_empty();
        drop(self.changed.wait_timeout_while(running, patience, some));
    }

    /// Cancels all jobs, and waits a moment for their end.
    pub fn cancel_all(&self) {
        let running = lock(&self.running);
        for job in &running.cpu {
            job.order.cancel();
            job.burn.cancel();
        }
        running.memory.iter().for_each(|job| job.order.cancel());
        self.changed.notify_all();
        self.wait_until_none(running, LOOK * 2);
    }

    /// Waits until the cancelled jobs have ended, or `give_up` says so, which is asked after each `pause`. Returns how many
    /// have not.
    pub fn wait_for_cancelled(&self, pause: Duration, mut give_up: impl FnMut() -> bool) -> u64 {
        loop {
            let running = lock(&self.running);
            let cancelled = |running: &Running| {
                let cpu = running.cpu.iter().filter(|job| job.order.is_cancelled()).count();
                cpu + running.memory.iter().filter(|job| job.order.is_cancelled()).count()
            };
            let waited = self.changed.wait_timeout_while(running, pause, |running| cancelled(running) > 0);
            let left = cancelled(&waited.unwrap_or_else(PoisonError::into_inner).0);
            if left == 0 || self.stop.is_set() || give_up() {
                return left as u64;
            }
        }
    }

    /// What they are and do, in sum.
    pub fn sums(&self) -> Sums {
        let running = lock(&self.running);
        Sums {
            cpu_jobs: running.cpu.len() as u64,
            millicores: running.cpu.iter().map(|job| job.millicores).sum(),
            achieved: running.cpu.iter().map(|job| job.burn.achieved()).sum(),
            memory_jobs: running.memory.len() as u64,
            bytes: running.memory.iter().map(|job| job.bytes).sum(),
            held: running.memory.iter().map(|job| job.level.get()).sum(),
        }
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
