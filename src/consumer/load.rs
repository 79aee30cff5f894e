//! What is done for a time: CPU and io loads. One at a time in each group; its worker holds the ticket for all of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::group::{PATIENCE, Tally, WORKER_STACK_BYTES, count};
use super::id::{Id, Ids};
use super::number::NumberError;
use super::order::{Caller, Outcome};
use super::ticket::{Conflict, Request, Ticket};
use crate::audit;
use crate::clock::saturating_add;
use crate::shutdown::Stop;
use crate::sync::lock;

/// How long `stop` waits for the load to be over before it answers. It is over within milliseconds; the bound is the
/// contract's promise about what comes after the answer.
const STOPPING: Duration = Duration::from_millis(100);
/// How long a load that is to replace another waits for its end.
const REPLACING: Duration = Duration::from_secs(5);

/// What a group does under load.
pub trait Engine: Send + Sync + 'static {
    /// What is asked for.
    type Spec: Clone + Send + Sync;
    /// A load that is ready to run, with what is to be told of it meanwhile.
    type Live: Send + Sync;

    /// Its name in paths and status: `cpu`.
    const NAME: &'static str;
    /// What the log calls it: `CPU load`.
    const WORK: &'static str;

    /// Gets everything ready that can fail.
    ///
    /// # Errors
    /// When the kernel refuses, or there is nothing to work on.
    fn prepare(&self, spec: &Self::Spec, deadline: Option<Instant>, stop: &Stop) -> io::Result<Self::Live>;

    /// Runs until the deadline, or until `load` is cancelled or the service stops.
    ///
    /// Returns how the log tells its end.
    ///
    /// # Errors
    /// Why it failed.
    fn run(&self, load: &Load<Self>, stop: &Stop) -> Result<&'static str, String>
    where
        Self: Sized;

    /// Makes a running load notice that it is cancelled.
    fn cancel(&self, live: &Self::Live);
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct LoadWish<S> {
    /// What to do.
    pub spec: S,
    /// For how long; until it is stopped without.
    pub length: Option<Duration>,
    /// For how long at most, whatever is asked.
    pub most: Option<Duration>,
    /// In place of the one that runs.
    pub replace: bool,
    /// Who asks.
    pub caller: Caller,
    /// In which words.
    pub words: String,
}

/// A load that was accepted.
pub struct Load<E: Engine> {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub spec: E::Spec,
    /// What is to be told of it while it runs.
    pub live: E::Live,
    /// When it was asked for.
    pub sent: SystemTime,
    /// When its time began, on a clock that nobody sets.
    pub began: Instant,
    /// For how long it was asked for, in whole seconds, as the contract tells it.
    pub seconds: u64,
    /// How long it really gets; `None` is until it is stopped.
    pub length: Option<Duration>,
    /// When it ends at the latest, if at all.
    pub ends: Option<SystemTime>,
    /// When it ends, on the same clock as `began`.
    pub deadline: Option<Instant>,
    /// Who asked for it.
    pub caller: Caller,
    /// In which words.
    pub words: String,
    cancelled: AtomicBool,
    outcome: Mutex<Option<Outcome>>,
}

impl<E: Engine> Load<E> {
    /// Whether it is to end early.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.outcome).clone()
    }
}

/// Why a load was not started.
#[derive(Debug)]
pub enum LoadRefused {
    /// Another one is pending or running.
    Conflict(Conflict),
    /// No time given.
    Absent,
    /// A time that is no number.
    Number(NumberError),
    /// Anything else that is wrong with what was asked.
    Invalid(String),
    /// More than there is.
    TooMuch(String),
    /// It could not be got ready.
    NotStarted(io::Error),
    /// The service stops.
    Stopping,
}

/// At most one load at a time.
pub struct LoadGroup<E: Engine> {
    ticket: Ticket,
    ids: Arc<Ids>,
    engine: E,
    stop: Stop,
    max_ttl: Option<Duration>,
    load: Mutex<Current<E>>,
    ended: Condvar,
    tally: Tally,
}

struct Current<E: Engine> {
    /// The load that was accepted and is not over.
    load: Option<Arc<Load<E>>>,
    /// Why the last one failed.
    trouble: Option<String>,
}

impl<E: Engine> LoadGroup<E> {
    /// No load yet; none is longer than `max_ttl`.
    pub fn new(engine: E, ids: Arc<Ids>, stop: Stop, max_ttl: Option<Duration>) -> Self {
        let load = Mutex::new(Current { load: None, trouble: None });
        Self { ticket: Ticket::new(), ids, engine, stop, max_ttl, load, ended: Condvar::new(), tally: Tally::default() }
    }

    /// What does the work.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// What has become of its requests.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The load that was accepted and is not over.
    pub fn load(&self) -> Option<Arc<Load<E>>> {
        lock(&self.load).load.clone()
    }

    /// Why the last load failed.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.load).trouble.clone()
    }

    /// Whether a load is pending: accepted, and not begun.
    pub fn is_pending(&self) -> bool {
        self.ticket.peek() == Err(Conflict::Pending)
    }

    /// Starts a load.
    ///
    /// # Errors
    /// When one runs, something is wrong with the wish, or it cannot be started.
    pub fn start(self: &Arc<Self>, wish: Result<LoadWish<E::Spec>, LoadRefused>) -> Result<Arc<Load<E>>, LoadRefused> {
        let result = self.try_start(wish);
        count(match &result {
            Ok(_) => &self.tally.accepted,
            Err(LoadRefused::Conflict(_)) => &self.tally.conflicts,
            Err(LoadRefused::TooMuch(_)) => &self.tally.too_much,
            Err(LoadRefused::NotStarted(_) | LoadRefused::Stopping) => &self.tally.unavailable,
            Err(_) => &self.tally.invalid,
        });
        result
    }

    fn try_start(self: &Arc<Self>, wish: Result<LoadWish<E::Spec>, LoadRefused>) -> Result<Arc<Load<E>>, LoadRefused> {
        let request = match &wish {
            Ok(wish) if wish.replace => self.take_from_another()?,
            _ => self.ticket.take().map_err(LoadRefused::Conflict)?,
        };
        let wish = wish?;
        if self.stop.is_set() {
            return Err(LoadRefused::Stopping);
        }
        let length = [wish.length, wish.most, self.max_ttl].into_iter().flatten().min();
        let (id, sent, began) = (self.ids.next(), SystemTime::now(), Instant::now());
        // A deadline that no clock reaches is none.
        let deadline = length.and_then(|length| began.checked_add(length));
        let live = self.engine.prepare(&wish.spec, deadline, &self.stop).map_err(LoadRefused::NotStarted)?;
        let load = Arc::new(Load {
            id,
            spec: wish.spec,
            live,
            sent,
            began,
            seconds: wish.length.or(length).map_or(0, |length| length.as_secs()),
            length,
            ends: length.map(|length| saturating_add(sent, length)),
            deadline,
            caller: wish.caller,
            words: wish.words,
            cancelled: AtomicBool::new(false),
            outcome: Mutex::default(),
        });
        lock(&self.load).load = Some(Arc::clone(&load));
        if let (Some(asked), Some(length)) = (wish.length, length)
            && length < asked
        {
            log::info!(
                "{} {id}: {} seconds asked for, capped at {} seconds",
                E::WORK,
                asked.as_secs(),
                length.as_secs()
            );
        }
        let (group, work) = (Arc::clone(self), Arc::clone(&load));
        let thread = thread::Builder::new().name(String::from(E::NAME)).stack_size(WORKER_STACK_BYTES);
        if let Err(error) = thread.spawn(move || group.work(&work)) {
            self.engine.cancel(&load.live);
            lock(&self.load).load = None;
            return Err(LoadRefused::NotStarted(error));
        }
        request.hand_over(id);
        Ok(load)
    }

    /// The ticket, whoever has it: what runs is cancelled.
    fn take_from_another(&self) -> Result<Request, LoadRefused> {
        let deadline = Instant::now() + REPLACING;
        loop {
            let conflict = match self.ticket.take() {
                Ok(request) => return Ok(request),
                Err(conflict) => conflict,
            };
            if Instant::now() >= deadline {
                return Err(LoadRefused::Conflict(conflict));
            }
            if let Some(load) = self.load() {
                self.cancel(&load);
            }
        }
    }

    /// Stops `load`, and waits for it to be over.
    pub fn cancel(&self, load: &Load<E>) {
        load.cancelled.store(true, Ordering::Release);
        self.engine.cancel(&load.live);
        let current = lock(&self.load);
        let runs = |current: &mut Current<E>| current.load.as_ref().is_some_and(|other| other.id == load.id);
        drop(self.ended.wait_timeout_while(current, STOPPING, runs));
    }

    /// Waits until `load` is over; `None` when `give_up` says so first, which is asked after each `pause`.
    pub fn wait(&self, load: &Load<E>, pause: Duration, mut give_up: impl FnMut() -> bool) -> Option<Outcome> {
        loop {
            let current = lock(&self.load);
            let waited = self.ended.wait_timeout_while(current, pause, |_| load.outcome().is_none());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if let Some(outcome) = load.outcome() {
                return Some(outcome);
            }
            if self.stop.is_set() || give_up() {
                return None;
            }
        }
    }

    /// The worker: holds the ticket for the whole load.
    fn work(&self, load: &Arc<Load<E>>) {
        // Dropped last, and so after the ticket is free: whoever waits for the end can start the next load.
        let mut over = Over { group: self, load, outcome: Outcome::Failed(String::from("the load ended in a panic")) };
        let Ok(worker) = self.ticket.claim(load.id, PATIENCE) else {
            self.engine.cancel(&load.live);
            over.outcome = Outcome::Failed(String::from("the worker waited in vain for its ticket"));
            return;
        };
        let result = self.engine.run(load, &self.stop);
        let (seconds, id) = (load.began.elapsed().as_secs(), worker.id());
        match &result {
            Ok(end) => log::info!("{} {id} {end} after {seconds} seconds", E::WORK),
            Err(reason) => log::error!("{} {id} failed after {seconds} seconds: {reason}", E::WORK),
        }
        over.outcome = match result {
            Err(reason) => Outcome::Failed(reason),
            Ok(_) if load.is_cancelled() => Outcome::Cancelled,
            Ok(_) => Outcome::Done,
        };
        drop(worker);
    }
}

/// Forgets the load when the worker ends, however it ends.
struct Over<'c, E: Engine> {
    group: &'c LoadGroup<E>,
    load: &'c Arc<Load<E>>,
    outcome: Outcome,
}

impl<E: Engine> Drop for Over<'_, E> {
    fn drop(&mut self) {
        let (group, load) = (self.group, self.load);
        audit::load_ended(E::NAME, load.id, &load.words, &load.caller, &self.outcome, load.began.elapsed());
        let nanos = load.began.elapsed().as_nanos() as u64;
        group.tally.work_nanos.fetch_add(nanos, Ordering::Relaxed);
        count(match &self.outcome {
            Outcome::Done => &group.tally.done,
            Outcome::Failed(_) => &group.tally.failed,
            Outcome::Cancelled | Outcome::Expired => &group.tally.cancelled,
        });
        *lock(&load.outcome) = Some(self.outcome.clone());
        let mut current = lock(&group.load);
        current.trouble = match &self.outcome {
            Outcome::Failed(reason) => Some(reason.clone()),
            _ => None,
        };
        // The ticket is free already: the current load may be the next one.
        if current.load.as_ref().is_some_and(|other| other.id == load.id) {
            current.load = None;
        }
        drop(current);
        group.ended.notify_all();
    }
}
