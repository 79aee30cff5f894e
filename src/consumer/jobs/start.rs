//! How a job is started, and what its thread does.

use crate::consumer::control::audit;
use crate::consumer::control::operation::{Caller, ChangeRequest, MemoryKind, Operation, Outcome};
use crate::consumer::control::plan::{MEMORY, Plan};
use crate::consumer::control::reconcile::{Level, Work};
use crate::consumer::jobs::{CPU, Job, JobRefused, Jobs, LOOK, MEM, MOST_JOBS, StartedJob, Uses};
use crate::consumer::load::cpu::{CpuDemand, CpuLoad, Target};
use crate::consumer::load::task::LoadEnd;
use crate::consumer::memory::Memory;
use crate::kernel::cpu::cores;
use crate::kernel::mapping::page_size;
use crate::sync::WORKER_STACK_BYTES;
use crate::sync::{lock, spawn};
use crate::units::quantity::Amount;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who starts a job anew as often as it ends comes a little before or after that. A job is about to end when it has so
/// little time left.
const ABOUT_TO_END: Duration = Duration::from_secs(1);
/// How long a new job waits for those at most: giving back memory takes its time.
const PATIENCE: Duration = Duration::from_secs(3);

impl Jobs {
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
    ) -> Result<StartedJob, JobRefused> {
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
        let operation = self.operation(millicores, length, caller, words)?;
        let started = (operation.id, operation.expires);
        let deadline = operation.expires.map(|expiry| expiry.at);
        let burn = CpuLoad::start(CpuDemand::Fixed(Target::flat(millicores)), deadline, self.number, false, &self.stop);
        let burn = burn.map_err(JobRefused::NotStarted)?;
        let job = Arc::new(Job { operation, wanted: millicores, uses: Uses::Cpu(Arc::clone(&burn)) });
        let (jobs, own) = (Arc::clone(self), Arc::clone(&job));
        let work = move || {
            job_begins("cpu", &own.operation);
            let outcome = match burn.run(&jobs.stop) {
                LoadEnd::Stopped if own.operation.is_cancelled() => Outcome::Cancelled,
                LoadEnd::Stopped => Outcome::Stopped,
                LoadEnd::Ended | LoadEnd::Factored => Outcome::Done,
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
    ) -> Result<StartedJob, JobRefused> {
        let until = Instant::now() + PATIENCE;
        let mut running = lock(&self.running);
        let (mut reservation, is_risky) = loop {
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
        let mut operation = match self.operation(bytes, length, caller, words) {
            Ok(operation) => operation,
            Err(refused) => {
                self.memory.job_is_over(bytes);
                return Err(refused);
            }
        };
        let started = (operation.id, operation.expires);
        operation.is_risky = is_risky;
        if is_risky {
            self.forced_note.note(Some(&operation));
        }
        let level = Arc::new(Level::default());
        let job = Arc::new(Job { operation, wanted: bytes, uses: Uses::Memory(Arc::clone(&level)) });
        let (jobs, own) = (Arc::clone(self), Arc::clone(&job));
        let work = move || {
            let memory = Memory::new();
            let plan = Plan::exact(&MEMORY, bytes, page_size());
            let mut work = Work::new(&own.operation, &level, &jobs.stop);
            if own.operation.is_risky {
                jobs.forced_note.sync();
            }
            job_begins("mem", &own.operation);
            // No pages of files here, so no folder.
            let result = memory.adjust(&plan, MemoryKind::Anon, std::path::Path::new("."), &mut reservation, &mut work);
            drop(reservation);
            let mut outcome = Outcome::of(&result);
            if result.is_ok() {
                jobs.wait_for(&own.operation);
                outcome = match own.operation.is_cancelled() {
                    true => Outcome::Cancelled,
                    false if own.operation.has_expired() => Outcome::Done,
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

    fn operation(&self, units: u64, length: Duration, caller: Caller, words: String) -> Result<Operation, JobRefused> {
        if self.stop.is_set() {
            return Err(JobRefused::Stopping);
        }
        let length = self.max_ttl.map_or(length, |most| most.min(length));
        let change = ChangeRequest { words, ..ChangeRequest::of(Amount::Exactly(units), caller) };
        Ok(Operation::new(self.ids.next(), &change, units, units, Some(length)))
    }

    /// Waits until the time of `operation` is over, or it is cancelled.
    fn wait_for(&self, operation: &Operation) {
        let mut running = lock(&self.running);
        while !operation.has_expired() && !operation.is_cancelled() && !self.stop.is_set() {
            let left = operation.expires.map_or(LOOK, |expiry| expiry.at.saturating_duration_since(Instant::now()));
            let waited = self.changed.wait_timeout(running, left.max(Duration::from_millis(1)));
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Has the log tell of a job that takes long, or goes past a limit.
fn job_begins(group: &'static str, operation: &Operation) {
    if operation.is_risky
        || audit::is_long(operation.expires.map(|expiry| expiry.at.saturating_duration_since(operation.accepted)))
    {
        audit::begun(group, operation.id, &operation.words, &operation.caller);
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
    let ends =
        |operation: &Operation| operation.is_cancelled() || operation.expires.is_some_and(|expiry| expiry.at <= soon);
    let ending = running.iter().filter(|job| job.kind() == kind && ends(&job.operation));
    ending.map(|job| job.wanted).reduce(u64::saturating_add)
}
