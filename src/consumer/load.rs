//! What is done for a time: CPU and io loads. One at a time in each group; its worker holds the ticket for all of it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::burn::End;
use super::group::{PATIENCE, Tally, WORKER_STACK_BYTES, count};
use super::id::{Id, Ids};
use super::number::NumberError;
use super::order::{Caller, Outcome};
use super::ticket::{Conflict, Request, Ticket};
use crate::audit;
use crate::clock::saturating_add;
use crate::json::Value;
use crate::shutdown::Stop;
use crate::sync::{lock, spawn};

/// How long `stop` waits for the load to be over before it answers. It is over within milliseconds; the bound is the
/// contract's promise about what comes after the answer.
const STOPPING: Duration = Duration::from_millis(100);
/// How long a load that is to replace another waits for its end.
const REPLACING: Duration = Duration::from_secs(5);

/// What a load is to do.
pub trait Spec: Send + Sync {
    /// Whether there is something to work on.
    ///
    /// # Errors
    /// When there is not.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// What is to be done, for programs: added to what is told of a dry run.
    fn told(&self, value: Value) -> Value;

    /// The same for people, in the middle of a sentence about the load: ` of 500m`, or nothing.
    fn words(&self) -> String {
        String::new()
    }

    /// Gets everything ready that can fail.
    ///
    /// # Errors
    /// When the kernel refuses, or there is nothing to work on.
    fn prepare(&self, deadline: Option<Instant>, stop: &Stop) -> io::Result<Box<dyn Task>>;
}

/// A load that is ready to run.
pub trait Task: Send + Sync {
    /// Runs until its deadline, or until it is cancelled or the service stops.
    ///
    /// # Errors
    /// Why it failed.
    fn run(&self, stop: &Stop) -> Result<End, String>;

    /// Makes it end early, whether it runs already or not.
    fn cancel(&self);

    /// What is wanted and what is achieved, at this moment.
    fn figures(&self) -> Figures;

    /// Millicores that it uses at most from now on: a ramp's end, or where it is, if that is more.
    fn most_millicores(&self) -> u64 {
        0
    }

    /// The same and more, for programs: added to what is told of every load.
    fn told(&self, value: Value) -> Value;

    /// The same for people.
    fn line(&self) -> String;
}

/// The CPU that a load wants and uses; what does not apply is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Millicores to be used at this moment.
    pub wanted: f64,
    /// Millicores used in the last second.
    pub achieved: f64,
}

/// What a client asks for.
pub struct LoadWish {
    /// What to do.
    pub spec: Box<dyn Spec>,
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
pub struct Load {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub task: Box<dyn Task>,
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

impl Load {
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

/// What is wrong, and what would be right.
impl fmt::Display for LoadRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(Conflict::Pending) => out.write_str("a load is accepted and has not begun yet"),
            Self::Conflict(Conflict::Busy) => {
                out.write_str("a load runs; replace=true takes its place, DELETE ends it")
            }
            Self::Absent => out.write_str("for how long? time=90s, for example"),
            Self::Number(error) => error.fmt(out),
            Self::Invalid(why) | Self::TooMuch(why) => out.write_str(why),
            Self::NotStarted(error) => write!(out, "it could not be started: {error}"),
            Self::Stopping => out.write_str("the service stops"),
        }
    }
}

/// At most one load at a time.
pub struct LoadGroup {
    name: &'static str,
    work: &'static str,
    ticket: Ticket,
    /// Locked while a load is made ready, before the ticket is taken for it: its threads are started only for one at a
    /// time, however many clients ask.
    preparing: Mutex<()>,
    ids: Arc<Ids>,
    stop: Stop,
    max_ttl: Option<Duration>,
    load: Mutex<Current>,
    ended: Condvar,
    tally: Tally,
}

struct Current {
    /// The load that was accepted and is not over.
    load: Option<Arc<Load>>,
    /// Why the last one failed.
    trouble: Option<String>,
}

impl LoadGroup {
    /// No load yet; none is longer than `max_ttl`.
    ///
    /// `name` is what it is called in paths and status (`cpu`), `work` what the log calls a load (`CPU load`).
    pub fn new(name: &'static str, work: &'static str, ids: Arc<Ids>, stop: Stop, max_ttl: Option<Duration>) -> Self {
        Self {
            name,
            work,
            ticket: Ticket::new(),
            preparing: Mutex::default(),
            ids,
            stop,
            max_ttl,
            load: Mutex::new(Current { load: None, trouble: None }),
            ended: Condvar::new(),
            tally: Tally::default(),
        }
    }

    /// Its name in paths and status.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the log calls its loads.
    pub fn work_name(&self) -> &'static str {
        self.work
    }

    /// What has become of its requests.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The load that was accepted and is not over.
    pub fn load(&self) -> Option<Arc<Load>> {
        lock(&self.load).load.clone()
    }

    /// Why the last load failed.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.load).trouble.clone()
    }

    /// A load that was to run from the start could not be started: the status tells.
    pub(super) fn is_in_trouble(&self, trouble: String) {
        lock(&self.load).trouble = Some(trouble);
    }

    /// The state in one word.
    pub fn state(&self) -> &'static str {
        let current = lock(&self.load);
        match (&current.load, &current.trouble) {
            (Some(_), _) if self.ticket.peek() == Err(Conflict::Pending) => "pending",
            (Some(_), _) => "working",
            (None, Some(_)) => "failed",
            (None, None) => "idle",
        }
    }

    /// Starts a load.
    ///
    /// # Errors
    /// When one runs, something is wrong with the wish, or it cannot be started.
    pub fn start(self: &Arc<Self>, wish: Result<LoadWish, LoadRefused>) -> Result<Arc<Load>, LoadRefused> {
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

    fn try_start(self: &Arc<Self>, wish: Result<LoadWish, LoadRefused>) -> Result<Arc<Load>, LoadRefused> {
        let replaces = wish.as_ref().is_ok_and(|wish| wish.replace);
        let patience = Instant::now() + REPLACING;
        let _preparing = lock(&self.preparing);
        if let Err(conflict) = self.ticket.peek()
            && (!replaces || Instant::now() >= patience)
        {
            return Err(LoadRefused::Conflict(conflict));
        }
        let wish = wish?;
        if self.stop.is_set() {
            return Err(LoadRefused::Stopping);
        }
        let length = self.length(&wish);
        let (sent, began) = (SystemTime::now(), Instant::now());
        // A deadline that no clock reaches is none.
        let deadline = length.and_then(|length| began.checked_add(length));
        // Before another load is ended for it: one that cannot be started ends none.
        let task = wish.spec.prepare(deadline, &self.stop).map_err(LoadRefused::NotStarted)?;
        let request = match replaces {
            true => self.take_from_another(patience),
            false => self.ticket.take().map_err(LoadRefused::Conflict),
        };
        let request = request.inspect_err(|_| task.cancel())?;
        let id = self.ids.next();
        let load = Arc::new(Load {
            id,
            task,
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
        let (group, work) = (Arc::clone(self), Arc::clone(&load));
        if let Err(error) = spawn(self.name, WORKER_STACK_BYTES, Box::new(move || group.work(&work))) {
            load.task.cancel();
            lock(&self.load).load = None;
            return Err(LoadRefused::NotStarted(error));
        }
        request.hand_over(id);
        if let (Some(asked), Some(length)) = (wish.length, length)
            && length < asked
        {
            log::info!(
                "{} {id}: {} seconds asked for, capped at {} seconds",
                self.work,
                asked.as_secs(),
                length.as_secs()
            );
        }
        Ok(load)
    }

    /// How long a load gets; `None` is until it is stopped.
    pub fn length(&self, wish: &LoadWish) -> Option<Duration> {
        [wish.length, wish.most, self.max_ttl].into_iter().flatten().min()
    }

    /// The ticket, whoever has it: what runs is cancelled.
    fn take_from_another(&self, deadline: Instant) -> Result<Request, LoadRefused> {
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
    pub fn cancel(&self, load: &Load) {
        load.cancelled.store(true, Ordering::Release);
        load.task.cancel();
        let current = lock(&self.load);
        let runs = |current: &mut Current| current.load.as_ref().is_some_and(|other| other.id == load.id);
        drop(self.ended.wait_timeout_while(current, STOPPING, runs));
    }

    /// Waits until `load` is over; `None` when `give_up` says so first, which is asked after each `pause`.
    pub fn wait(&self, load: &Load, pause: Duration, give_up: &mut dyn FnMut() -> bool) -> Option<Outcome> {
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
    fn work(&self, load: &Arc<Load>) {
        // Dropped last, and so after the ticket is free: whoever waits for the end can start the next load.
        let mut over = Over { group: self, load, outcome: Outcome::Failed(String::from("the load ended in a panic")) };
        let Ok(worker) = self.ticket.claim(load.id, PATIENCE) else {
            load.task.cancel();
            over.outcome = Outcome::Failed(String::from("the worker waited in vain for its ticket"));
            return;
        };
        if audit::is_long(load.length) {
            audit::begun(self.name, load.id, &load.words, &load.caller);
        }
        let result = load.task.run(&self.stop);
        let (seconds, id) = (load.began.elapsed().as_secs(), worker.id());
        match &result {
            Ok(end) => log::info!("{} {id} {} after {seconds} seconds", self.work, end.words()),
            Err(reason) => log::error!("{} {id} failed after {seconds} seconds: {reason}", self.work),
        }
        over.outcome = match result {
            Err(reason) => Outcome::Failed(reason),
            Ok(End::Stopped) if load.is_cancelled() => Outcome::Cancelled,
            Ok(End::Stopped) => Outcome::Stopped,
            Ok(End::Ended | End::Factored) => Outcome::Done,
        };
        drop(worker);
    }
}

/// Forgets the load when the worker ends, however it ends.
struct Over<'c> {
    group: &'c LoadGroup,
    load: &'c Arc<Load>,
    outcome: Outcome,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let (group, load) = (self.group, self.load);
        audit::load_ended(group.name, load.id, &load.words, &load.caller, &self.outcome, load.began.elapsed());
        let nanos = load.began.elapsed().as_nanos() as u64;
        group.tally.work_nanos.fetch_add(nanos, Ordering::Relaxed);
        count(match &self.outcome {
            Outcome::Done => &group.tally.done,
            Outcome::Failed(_) => &group.tally.failed,
            Outcome::Cancelled | Outcome::Expired | Outcome::Stopped => &group.tally.cancelled,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    /// How many tasks there are, and how many there were at most.
    #[derive(Default)]
    struct Alive {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    struct Counted(Arc<Alive>);

    impl Spec for Counted {
        fn prepare(&self, _: Option<Instant>, _: &Stop) -> io::Result<Box<dyn Task>> {
            let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
            Ok(Box::new(Sleeper { alive: Arc::clone(&self.0), cancelled: AtomicBool::new(false) }))
        }

        fn told(&self, value: Value) -> Value {
            value
        }
    }

    struct Sleeper {
        alive: Arc<Alive>,
        cancelled: AtomicBool,
    }

    impl Task for Sleeper {
        fn run(&self, _: &Stop) -> Result<End, String> {
            while !self.cancelled.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            Ok(End::Stopped)
        }

        fn cancel(&self) {
            self.cancelled.store(true, Ordering::SeqCst);
        }

        fn figures(&self) -> Figures {
            Figures::default()
        }

        fn told(&self, value: Value) -> Value {
            value
        }

        fn line(&self) -> String {
            String::new()
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            self.alive.now.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn of_many_that_replace_each_other_one_is_made_ready_at_a_time() {
        let alive = Arc::new(Alive::default());
        let group = Arc::new(LoadGroup::new("cpu", "CPU load", Arc::new(Ids::new()), Stop::new().unwrap(), None));
        thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let spec = Box::new(Counted(Arc::clone(&alive)));
                    let (caller, words) = (Caller::nobody(), String::new());
                    let wish = LoadWish { spec, length: None, most: None, replace: true, caller, words };
                    group.start(Ok(wish)).map(drop).unwrap();
                });
            }
        });
        group.cancel(&group.load().unwrap());
        // The one that runs, one that ends, one that is told of its end, and one that is made ready.
        assert!(alive.most.load(Ordering::SeqCst) <= 4, "{}", alive.most.load(Ordering::SeqCst));
    }
}
