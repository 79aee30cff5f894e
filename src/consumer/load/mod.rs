//! What is done for a time: CPU and io loads. One at a time in each group; its worker holds the ticket for all of it.

pub mod cpu;
pub mod factor;
pub mod io;
#[cfg(feature = "scenario")]
pub mod steering;
pub mod task;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::consumer::control::audit;
use crate::consumer::control::group::{OperationCounters, PATIENCE, count};
use crate::consumer::control::id::Ids;
use crate::consumer::control::operation::Outcome;
use crate::consumer::control::ticket::{Conflict, Ticket, TicketRequest};
use crate::consumer::load::task::{Load, LoadEnd, LoadRefused, LoadRequest};
use crate::kernel::clock::saturating_add;
use crate::kernel::shutdown::Stop;
use crate::sync::WORKER_STACK_BYTES;
use crate::sync::{lock, spawn};

/// How long `stop` waits for the load to be over before it answers. It is over within milliseconds; the bound is the
/// contract's promise about what comes after the answer.
const STOPPING: Duration = Duration::from_millis(100);
/// How long a load that is to replace another waits for its end.
const REPLACING: Duration = Duration::from_secs(5);

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
    counters: OperationCounters,
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
            counters: OperationCounters::default(),
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
    pub fn counters(&self) -> &OperationCounters {
        &self.counters
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
    /// When one runs, something is wrong with the request, or it cannot be started.
    pub fn start(self: &Arc<Self>, change: Result<LoadRequest, LoadRefused>) -> Result<Arc<Load>, LoadRefused> {
        let result = self.try_start(change);
        count(match &result {
            Ok(_) => &self.counters.accepted,
            Err(LoadRefused::Conflict(_)) => &self.counters.conflicts,
            Err(LoadRefused::TooMuch(_)) => &self.counters.too_much,
            Err(LoadRefused::NotStarted(_) | LoadRefused::Stopping) => &self.counters.unavailable,
            Err(_) => &self.counters.invalid,
        });
        result
    }

    fn try_start(self: &Arc<Self>, change: Result<LoadRequest, LoadRefused>) -> Result<Arc<Load>, LoadRefused> {
        let replaces = change.as_ref().is_ok_and(|change| change.replace);
        let patience = Instant::now() + REPLACING;
        let _preparing = lock(&self.preparing);
        if let Err(conflict) = self.ticket.peek()
            && (!replaces || Instant::now() >= patience)
        {
            return Err(LoadRefused::Conflict(conflict));
        }
        let change = change?;
        if self.stop.is_set() {
            return Err(LoadRefused::Stopping);
        }
        let length = self.length(&change);
        let (sent, began) = (SystemTime::now(), Instant::now());
        // A deadline that no clock reaches is none.
        let deadline = length.and_then(|length| began.checked_add(length));
        // Before another load is ended for it: one that cannot be started ends none.
        let task = change.spec.prepare(deadline, &self.stop).map_err(LoadRefused::NotStarted)?;
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
            seconds: change.length.or(length).map_or(0, |length| length.as_secs()),
            length,
            ends: length.map(|length| saturating_add(sent, length)),
            deadline,
            caller: change.caller,
            words: change.words,
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
        if let (Some(params), Some(length)) = (change.length, length)
            && length < params
        {
            log::info!(
                "{} {id}: {} seconds asked for, capped at {} seconds",
                self.work,
                params.as_secs(),
                length.as_secs()
            );
        }
        Ok(load)
    }

    /// How long a load gets; `None` is until it is stopped.
    pub fn length(&self, change: &LoadRequest) -> Option<Duration> {
        [change.length, change.most, self.max_ttl].into_iter().flatten().min()
    }

    /// The ticket, whoever has it: what runs is cancelled.
    fn take_from_another(&self, deadline: Instant) -> Result<TicketRequest, LoadRefused> {
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
            Ok(LoadEnd::Stopped) if load.is_cancelled() => Outcome::Cancelled,
            Ok(LoadEnd::Stopped) => Outcome::Stopped,
            Ok(LoadEnd::Ended | LoadEnd::Factored) => Outcome::Done,
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
        group.counters.work_nanos.fetch_add(nanos, Ordering::Relaxed);
        count(match &self.outcome {
            Outcome::Done => &group.counters.done,
            Outcome::Failed(_) => &group.counters.failed,
            Outcome::Cancelled | Outcome::Expired | Outcome::Stopped => &group.counters.cancelled,
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
    use crate::consumer::control::operation::Caller;
    use crate::consumer::load::task::{LoadFigures, Spec, Task};
    use crate::service::json::Value;
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
        fn prepare(&self, _: Option<Instant>, _: &Stop) -> std::io::Result<Box<dyn Task>> {
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
        fn run(&self, _: &Stop) -> Result<LoadEnd, String> {
            while !self.cancelled.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            Ok(LoadEnd::Stopped)
        }

        fn cancel(&self) {
            self.cancelled.store(true, Ordering::SeqCst);
        }

        fn figures(&self) -> LoadFigures {
            LoadFigures::default()
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
                    let change = LoadRequest { spec, length: None, most: None, replace: true, caller, words };
                    group.start(Ok(change)).map(drop).unwrap();
                });
            }
        });
        group.cancel(&group.load().unwrap());
        // The one that runs, one that ends, one that is told of its end, and one that is made ready.
        assert!(alive.most.load(Ordering::SeqCst) <= 4, "{}", alive.most.load(Ordering::SeqCst));
    }
}
