//! What memory, files and the like have in common: a ticket, a plan, a store, and the way of a request through them.
//!
//! ```text
//!  change -- look (kernel's files) -- ticket -- admit -- operation -- worker: adjust -- keeper: touch, expire
//!                                                        |
//!                            release (never busy): cancels the work, and its worker does the release
//! ```
//!
//! A worker that is done gives the ticket back, and stays where something is left to do for what it made: pages to be
//! touched, a time that runs out. It goes as soon as another operation is accepted.

mod admit;
pub mod report;
mod work;

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::consumer::admission::headroom::Reservation;
use crate::consumer::control::audit;
use crate::consumer::control::forced_note::ForcedNote;
use crate::consumer::control::id::{Id, Ids};
use crate::consumer::control::operation::{ChangeRequest, Operation, Options, Outcome};
use crate::consumer::control::queue::{Queue, QueuePlace};
use crate::consumer::control::store::{Goal, Store};
use crate::consumer::control::ticket::{Conflict, TicketRequest};
use crate::kernel::shutdown::Stop;
use crate::sync::lock;

use report::Resolved;
pub(in crate::consumer) use report::count;
pub use report::{Accepted, Account, OperationCounters, Phase, Preview, Refused, Report, Snapshot};

/// How long a worker waits for its ticket.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How often an amount that is relative to the most is resolved anew, when others take of it at the same time.
const MOST_TRIES: u32 = 3;

/// A group of requests that only one at a time may work for.
pub struct Group {
    queue: Queue<Arc<Operation>>,
    ids: Arc<Ids>,
    store: Arc<dyn Store>,
    forced_note: ForcedNote,
    stop: Stop,
    max_ttl: Option<Duration>,
    book: Mutex<Book>,
    /// An operation has been accepted, or its work has ended.
    changed: Condvar,
    counters: OperationCounters,
}

/// What a group remembers.
struct Book {
    /// The last request whose work began.
    last: Id,
    /// The last goal that was accepted.
    goal: Goal,
    /// Why the last work did not reach its goal.
    trouble: Option<String>,
    phase: Phase,
    /// The last operation that was accepted.
    operation: Option<Arc<Operation>>,
}

impl Group {
    /// A group that holds nothing yet. Nothing is held for longer than `max_ttl`.
    pub(in crate::consumer) fn new(
        store: Arc<dyn Store>,
        forced_note: ForcedNote,
        ids: Arc<Ids>,
        stop: Stop,
        max_ttl: Option<Duration>,
    ) -> Self {
        let book = Book { last: Id(0), goal: store.goal(0, false), trouble: None, phase: Phase::Over, operation: None };
        Self {
            queue: Queue::default(),
            ids,
            store,
            forced_note,
            stop,
            max_ttl,
            book: Mutex::new(book),
            changed: Condvar::new(),
            counters: OperationCounters::default(),
        }
    }

    /// What it keeps its things in.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// What holding nothing is.
    fn nothing(&self) -> Goal {
        self.store.goal(0, false)
    }

    /// What has become of its requests.
    pub fn counters(&self) -> &OperationCounters {
        &self.counters
    }

    /// What the group remembers, if no work is pending or running.
    ///
    /// # Errors
    /// When there is.
    pub fn account(&self) -> Result<Account, Conflict> {
        self.remembered().map(|(account, _)| account)
    }

    /// The account, and how many works had ended by then.
    fn remembered(&self) -> Result<(Account, u64), Conflict> {
        let request = self.queue.ticket().take()?;
        let book = lock(&self.book);
        let account = Account { last: book.last, goal: book.goal, trouble: book.trouble.clone() };
        Ok((account, request.works()))
    }

    /// What the group remembers and what its store holds, at one and the same time between two works. The store is
    /// asked without the ticket: a client that only looks holds up nobody.
    ///
    /// # Errors
    /// When work is pending or running.
    pub fn report(&self) -> Result<Report, Conflict> {
        loop {
            let (account, works) = self.remembered()?;
            let held = self.store.held();
            if self.queue.ticket().peek()? == works {
                return Ok((account, held));
            }
        }
    }

    /// Whether its work runs: the ticket is a worker's.
    pub fn is_working(&self) -> bool {
        self.conflict() == Some(Conflict::Busy)
    }

    /// Why a request would be refused: work is pending or running.
    pub fn conflict(&self) -> Option<Conflict> {
        self.queue.ticket().peek().err()
    }

    /// The truth of this moment.
    pub fn snapshot(&self) -> Snapshot {
        let book = lock(&self.book);
        Snapshot {
            phase: book.phase,
            operation: book.operation.clone(),
            held: self.store.level().get(),
            trouble: book.trouble.clone(),
        }
    }

    /// Accepts a change: from here on a worker sees to it.
    ///
    /// # Errors
    /// When it is refused; then everything is as before. What is wrong with the change itself is told only when no work
    /// is pending or running, as the contract has it.
    pub fn set(self: &Arc<Self>, change: Result<ChangeRequest, Refused>) -> Result<Accepted, Refused> {
        let result = self.try_set(change);
        count(match &result {
            Ok(_) => &self.counters.accepted,
            Err(Refused::Conflict(_)) => &self.counters.conflicts,
            Err(Refused::Absent | Refused::Number(_) | Refused::Invalid(_)) => &self.counters.invalid,
            Err(Refused::OverLimit { .. } | Refused::DoesNotFit { .. } | Refused::BelowNothing(_)) => {
                &self.counters.too_much
            }
            Err(_) => &self.counters.unavailable,
        });
        result
    }

    fn try_set(self: &Arc<Self>, change: Result<ChangeRequest, Refused>) -> Result<Accepted, Refused> {
        let mut change = Some(change);
        let mut tries = 0;
        loop {
            // Reading folders and the kernel's files takes a while, so it is done before the ticket is taken, and
            // done again in the rare case that a work has ended in between.
            let works = self.queue.ticket().peek()?;
            let resolved = match change.as_ref() {
                Some(Ok(change)) => Some(self.look(change)),
                _ => None,
            };
            let request = self.queue.ticket().take()?;
            if request.works() != works {
                continue;
            }
            let (Some(Ok(change)), Some(resolved)) = (&change, resolved) else {
                return Err(change.take().and_then(Result::err).unwrap_or(Refused::Stopping));
            };
            let resolved = resolved?;
            if self.stop.is_set() {
                return Err(Refused::Stopping);
            }
            let reservation = match self.admit(&resolved, change) {
                // Others have reserved something since: the most is less now.
                Err(Refused::DoesNotFit { .. } | Refused::OverLimit { .. })
                    if change.amount.is_relative() && tries < MOST_TRIES =>
                {
                    tries += 1;
                    continue;
                }
                reservation => reservation?,
            };
            let total = resolved.goal.total();
            let mut operation = Operation::new(self.ids.next(), change, resolved.amount, total, self.ttl(change.ttl));
            operation.is_risky |=
                resolved.headroom.as_ref().is_some_and(|headroom| headroom.is_risky(resolved.held, total));
            return self.accept(request, Arc::new(operation), resolved, reservation);
        }
    }

    fn accept(
        self: &Arc<Self>,
        request: TicketRequest,
        operation: Arc<Operation>,
        resolved: Resolved<'_>,
        reservation: Reservation,
    ) -> Result<Accepted, Refused> {
        if let Err(error) = self.spawn(&operation, resolved.goal, reservation) {
            // What counts against the limit is what it was.
            self.reserve_again();
            return Err(Refused::NotStarted(error));
        }
        self.write_down(&operation, resolved.goal);
        self.queue.hand_over(request, operation.id, Arc::clone(&operation));
        Ok(Accepted { operation, parts: resolved.goal.parts(), limit: resolved.limit })
    }

    /// Releases everything, whatever runs: work is cancelled, and its worker sees to the release.
    ///
    /// # Errors
    /// When the store cannot be used or the service stops.
    pub fn release(self: &Arc<Self>, change: &ChangeRequest) -> Result<Accepted, Refused> {
        if self.stop.is_set() {
            return Err(Refused::Stopping);
        }
        let operation = Arc::new(Operation::new(
            self.ids.next(),
            change,
            0,
            0,
            self.ttl(change.ttl).filter(|_| change.pace.is_some()),
        ));
        let joins = |other: &Arc<Operation>| {
            let is_under_way = other.outcome().is_none() && !other.is_cancelled();
            change.pace.is_none() && other.is_plain_release() && is_under_way
        };
        let accepted = match self.queue.release(&operation, joins) {
            // Who wants the same as another already does is served with it.
            QueuePlace::Joined(other) => {
                audit::joined(&operation, other.id);
                other
            }
            QueuePlace::Waits { displaced } => {
                if let Some(displaced) = displaced {
                    audit::ended(self.store.name(), &displaced, &Outcome::Cancelled, displaced.accepted.elapsed());
                    displaced.ended(Outcome::Cancelled);
                }
                // The keeper of what is held looks whether it is still meant, and a cancelled operation's waiters at its end.
                self.wake();
                operation
            }
            QueuePlace::First(request) => self.release_now(request, operation)?,
        };
        count(&self.counters.accepted);
        Ok(Accepted { operation: accepted, parts: self.nothing().parts(), limit: None })
    }

    /// Releases what is held, in a thread of its own.
    fn release_now(
        self: &Arc<Self>,
        request: TicketRequest,
        operation: Arc<Operation>,
    ) -> Result<Arc<Operation>, Refused> {
        match self.spawn(&operation, self.nothing(), self.store.reserve_nothing()) {
            Ok(()) => {
                self.write_down(&operation, self.nothing());
                self.queue.hand_over(request, operation.id, Arc::clone(&operation));
            }
            // No thread to be had is no reason to keep what may be why. But a ramp takes its time, and nobody's connection
            // is held up for that.
            Err(_) if operation.is_plain_release() => self.work_here(request, &operation, Phase::Over),
            Err(error) => {
                count(&self.counters.unavailable);
                return Err(Refused::NotStarted(error));
            }
        }
        Ok(operation)
    }

    /// Has everybody who waits for a change look again.
    fn wake(&self) {
        // Who has looked, and does not wait yet, has the book.
        drop(lock(&self.book));
        self.changed.notify_all();
    }

    /// Waits until the work of `operation` is over; `None` when `give_up` says so first, which is asked once a second.
    pub fn wait(&self, operation: &Operation, pause: Duration, give_up: &mut dyn FnMut() -> bool) -> Option<Outcome> {
        loop {
            let book = lock(&self.book);
            let waited = self.changed.wait_timeout_while(book, pause, |_| operation.outcome().is_none());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if let Some(outcome) = operation.outcome() {
                return Some(outcome);
            }
            if self.stop.is_set() || give_up() {
                return None;
            }
        }
    }

    /// Something that was to be there from the start could not be: the status tells.
    pub(in crate::consumer) fn is_in_trouble(&self, trouble: String) {
        let mut book = lock(&self.book);
        (book.phase, book.trouble) = (Phase::Failed, Some(trouble));
    }

    /// The longest that what is asked for with `resolved` may be held.
    fn ttl(&self, resolved: Option<Duration>) -> Option<Duration> {
        match (resolved, self.max_ttl) {
            (Some(resolved), Some(most)) => Some(resolved.min(most)),
            (resolved, most) => resolved.or(most),
        }
    }

    /// What counts against the limit is what the last operation asked for: another one came to nothing.
    fn reserve_again(&self) {
        let book = lock(&self.book);
        let options = book.operation.as_ref().map_or_else(Options::default, |operation| operation.options);
        self.store.accepted(book.goal.total(), &options);
    }

    /// Remembers that `operation` is accepted, unless its worker has given up already.
    fn write_down(&self, operation: &Arc<Operation>, goal: Goal) {
        let mut book = lock(&self.book);
        if operation.outcome().is_some() {
            return;
        }
        (book.goal, book.phase, book.operation) = (goal, Phase::Pending, Some(Arc::clone(operation)));
        // What the operation before it failed of is not told of this one.
        book.trouble = None;
        drop(book);
        self.store.accepted(goal.total(), &operation.options);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
