//! Jobs beside the set amounts: each adds to what runs, for its own time, and goes by itself. The interface is that of
//! Kubernetes' resource-consumer, so that autoscaling tests can point at this service.

pub mod custom_metrics;
mod start;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::consumer::control::audit;
use crate::consumer::control::forced_note::ForcedNote;
use crate::consumer::control::id::{Id, Ids};
use crate::consumer::control::operation::{Expiry, Operation, Outcome};
use crate::consumer::control::reconcile::Level;
use crate::consumer::load::cpu::CpuLoad;
use crate::consumer::memory::store::MemoryStore;
use crate::kernel::shutdown::Stop;
use crate::settings::Number;
use crate::sync::lock;

/// Most jobs of a kind at a time: each is a thread or more.
pub const MOST_JOBS: usize = 64;
/// How soon a job notices that it is cancelled.
const LOOK: Duration = Duration::from_millis(100);
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
    forced_note: ForcedNote,
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
pub type StartedJob = (Id, Option<Expiry>);

struct Job {
    operation: Operation,
    /// Millicores or bytes it is to use.
    wanted: u64,
    uses: Uses,
}

enum Uses {
    Cpu(Arc<CpuLoad>),
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
        self.operation.cancel();
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
        forced_note: ForcedNote,
        max_ttl: Option<Duration>,
        stop: Stop,
    ) -> Arc<Self> {
        let (running, changed, ended) = (Mutex::default(), Condvar::new(), Default::default());
        Arc::new(Self { ids, stop, number, max_ttl, memory, forced_note, running, changed, ended })
    }

    /// Logs and counts the end of `own`, which runs no more.
    fn is_over(&self, own: &Arc<Job>, outcome: &Outcome) {
        audit::ended(KINDS[own.kind()], &own.operation, outcome, own.operation.accepted.elapsed());
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
            id: job.operation.id,
            kind: KINDS[job.kind()],
            wanted: job.wanted,
            used: job.used(),
            caller: job.operation.caller.to_string(),
            words: job.operation.words.clone(),
            expires: job.operation.expires,
        };
        lock(&self.running).iter().map(listed).collect()
    }

    /// Cancels the job of this id, or all of them, and waits a moment for their end; whether there are any.
    pub fn cancel(&self, one: Option<Id>) -> bool {
        let is_meant = |job: &Arc<Job>| one.is_none_or(|id| job.operation.id == id);
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
        if !running.iter().any(|job| job.operation.is_risky) {
            self.forced_note.note(None);
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
            let cancelled = |running: &[Arc<Job>]| running.iter().filter(|job| job.operation.is_cancelled()).count();
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
}
