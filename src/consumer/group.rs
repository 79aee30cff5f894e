//! What memory, files and the like have in common: a ticket, a plan, a store, and the walk of a request through them.
//!
//! ```text
//!  wish -- look (kernel's files) -- ticket -- admit -- order -- worker: adjust -- keeper: touch, expire
//!                                                        |
//!                            release (never busy): cancels the work, and its worker does the release
//! ```
//!
//! A worker that is done gives the ticket back, and stays where something is left to do for what it made: pages to be
//! touched, a time that runs out. It goes as soon as another order is accepted.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::guard::Promise;
use super::id::{Id, Ids};
use super::number::NumberError;
use super::order::{Caller, How, Order, Outcome, Wish};
use super::quantity::Amount;
use super::store::{Goal, Limit, Outlook, Store};
use super::ticket::{Conflict, Request, Ticket, Worker};
use super::walk::{Level, Work};
use crate::audit;
use crate::shutdown::Stop;
use crate::sync::{lock, spawn};

/// How long a worker waits for its ticket.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// A worker's stack: it fills pages and buffers that are elsewhere.
pub const WORKER_STACK_BYTES: usize = 128 * 1024;

/// A group of requests that only one at a time may work for.
pub struct Group {
    ticket: Ticket,
    ids: Arc<Ids>,
    store: Arc<dyn Store>,
    stop: Stop,
    max_ttl: Option<Duration>,
    book: Mutex<Book>,
    /// An order has been accepted, or its work has ended.
    changed: Condvar,
    /// A release that waits for the running work to end. Locked before the ticket is taken or given back.
    queue: Mutex<Option<Queued>>,
    level: Level,
    tally: Tally,
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
    /// The last order that was accepted.
    order: Option<Arc<Order>>,
}

/// Where the last order of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, its work has not begun.
    Pending,
    /// Its work runs.
    Working,
    /// Its work is done.
    Over,
    /// Its work has failed.
    Failed,
    /// What it held was released when its time was over.
    Expired,
}

/// A release on its way.
struct Queued {
    order: Arc<Order>,
    phase: Phase,
}

/// What the contract's reads tell.
#[derive(Clone, Debug)]
pub struct Account {
    /// The last request whose work began.
    pub last: Id,
    /// The last goal that was accepted.
    pub goal: Goal,
    /// Why the last work did not reach its goal.
    pub trouble: Option<String>,
}

/// An account, and what the store holds, if it can tell.
pub type Report = (Account, Result<Goal, String>);

/// A moment's truth about a group, told without waiting for anything.
pub struct Snapshot {
    /// Where the last order is.
    pub phase: Phase,
    /// The last order.
    pub order: Option<Arc<Order>>,
    /// What is held, in the store's unit.
    pub held: u64,
    /// Why the last work failed.
    pub trouble: Option<String>,
}

/// An order, and the bounds it was accepted within.
pub struct Accepted {
    /// The order.
    pub order: Arc<Order>,
    /// What it makes: sizes and counts.
    pub parts: Vec<(u64, u64)>,
    /// The limit, where growing needed one.
    pub limit: Option<Limit>,
}

/// What would become of a wish.
pub struct Preview {
    /// Units asked for, resolved.
    pub requested: u64,
    /// Units that would be held.
    pub planned: u64,
    /// What they are made of.
    pub parts: Vec<(u64, u64)>,
    /// The limit.
    pub limit: Limit,
    /// The largest amount that would be accepted now.
    pub most: u64,
    /// Why it would be refused.
    pub refused: Option<Refused>,
}

/// Why a request of a group was refused.
#[derive(Debug)]
pub enum Refused {
    /// Work is pending or running.
    Conflict(Conflict),
    /// No size given.
    Absent,
    /// A size that is no number.
    Number(NumberError),
    /// Anything else that is wrong with what was asked.
    Invalid(String),
    /// More than the limit.
    OverLimit {
        /// Units asked for.
        requested: u64,
        /// What may be asked for.
        limit: Limit,
        /// The most that would be accepted now.
        most: u64,
    },
    /// More than there is room for now.
    DoesNotFit {
        /// Units asked for.
        requested: u64,
        /// The most that would have been accepted.
        available: u64,
    },
    /// The store cannot be used, and why.
    Unavailable(String),
    /// The kernel gave no thread for the work.
    NotStarted(io::Error),
    /// The service stops.
    Stopping,
}

impl From<Conflict> for Refused {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// What has become of a group's requests so far, for metrics.
#[derive(Debug, Default)]
pub struct Tally {
    /// Orders accepted.
    pub accepted: AtomicU64,
    /// Refused because work was pending or running.
    pub conflicts: AtomicU64,
    /// Refused because something was wrong with them.
    pub invalid: AtomicU64,
    /// Refused because they were too much.
    pub too_much: AtomicU64,
    /// Refused for any other reason.
    pub unavailable: AtomicU64,
    /// Works done.
    pub done: AtomicU64,
    /// Works cancelled by a release, or by the end of their time.
    pub cancelled: AtomicU64,
    /// Works failed.
    pub failed: AtomicU64,
    /// Nanoseconds of work.
    pub work_nanos: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Group {
    /// A group that holds nothing yet. Nothing is held for longer than `max_ttl`.
    pub fn new(store: Arc<dyn Store>, ids: Arc<Ids>, stop: Stop, max_ttl: Option<Duration>) -> Self {
        let book = Book { last: Id(0), goal: store.goal(0, false), trouble: None, phase: Phase::Over, order: None };
        Self {
            ticket: Ticket::new(),
            ids,
            store,
            stop,
            max_ttl,
            book: Mutex::new(book),
            changed: Condvar::new(),
            queue: Mutex::default(),
            level: Level::default(),
            tally: Tally::default(),
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
    pub fn tally(&self) -> &Tally {
        &self.tally
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
        let request = self.ticket.take()?;
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
            if self.ticket.peek()? == works {
                return Ok((account, held));
            }
        }
    }

    /// Whether its work runs: the ticket is a worker's.
    pub fn is_working(&self) -> bool {
        self.ticket.peek() == Err(Conflict::Busy)
    }

    /// The truth of this moment.
    pub fn snapshot(&self) -> Snapshot {
        let book = lock(&self.book);
        Snapshot { phase: book.phase, order: book.order.clone(), held: self.level.get(), trouble: book.trouble.clone() }
    }

    /// Accepts a wish: from here on a worker sees to it.
    ///
    /// # Errors
    /// When it is refused; then everything is as before. What is wrong with the wish itself is told only when no work
    /// is pending or running, as the contract has it.
    pub fn set(self: &Arc<Self>, wish: Result<Wish, Refused>) -> Result<Accepted, Refused> {
        let result = self.try_set(wish);
        count(match &result {
            Ok(_) => &self.tally.accepted,
            Err(Refused::Conflict(_)) => &self.tally.conflicts,
            Err(Refused::Absent | Refused::Number(_) | Refused::Invalid(_)) => &self.tally.invalid,
            Err(Refused::OverLimit { .. } | Refused::DoesNotFit { .. }) => &self.tally.too_much,
            Err(_) => &self.tally.unavailable,
        });
        result
    }

    fn try_set(self: &Arc<Self>, wish: Result<Wish, Refused>) -> Result<Accepted, Refused> {
        let mut wish = Some(wish);
        loop {
            // Reading folders and the kernel's files takes a while, so it is done before the ticket is taken, and
            // done again in the rare case that a work has ended in between.
            let works = self.ticket.peek()?;
            let asked = match wish.as_ref() {
                Some(Ok(wish)) => Some(self.look(wish)),
                _ => None,
            };
            let request = self.ticket.take()?;
            if request.works() != works {
                continue;
            }
            let (Some(Ok(wish)), Some(asked)) = (&wish, asked) else {
                return Err(wish.take().and_then(Result::err).unwrap_or(Refused::Stopping));
            };
            let asked = asked?;
            if self.stop.is_set() {
                return Err(Refused::Stopping);
            }
            let promise = self.admit(&asked, wish)?;
            let order = Order::new(self.ids.next(), wish, asked.amount, asked.goal.total(), self.ttl(wish.ttl));
            return self.accept(request, Arc::new(order), asked, promise);
        }
    }

    fn accept(
        self: &Arc<Self>,
        request: Request,
        order: Arc<Order>,
        asked: Asked<'_>,
        promise: Promise,
    ) -> Result<Accepted, Refused> {
        if order.how.force {
            // Before it happens: it may be the last thing this process does.
            log::warn!(
                "{} past the guard, request {}: {} by {}",
                self.store.name(),
                order.id,
                order.words,
                order.caller
            );
            self.store.intend(Some(&order));
        }
        self.spawn(&order, asked.goal, promise).map_err(Refused::NotStarted)?;
        self.write_down(&order, asked.goal, Phase::Pending);
        request.hand_over(order.id);
        Ok(Accepted { order, parts: asked.goal.parts(), limit: asked.limit })
    }

    /// What would become of a wish.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn preview(&self, wish: &Wish) -> Result<Preview, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let held = self.level.get();
        let outlook = self.store.look(held, &wish.how).map_err(Refused::Unavailable)?;
        let (limit, most) = self.bounds(&*outlook, held, wish);
        let requested = self.resolve(wish, held)?;
        let goal = self.store.goal(requested, wish.how.exact);
        let asked = Asked { amount: requested, goal, held, limit: Some(limit.clone()), outlook: Some(outlook) };
        // Nothing is promised for longer than this line.
        let refused = if requested.max(goal.total()) > held { self.admit(&asked, wish).err() } else { None };
        Ok(Preview { requested, planned: goal.total(), parts: goal.parts(), limit, most, refused })
    }

    /// The limit, and the largest amount that would be accepted within it.
    fn bounds(&self, outlook: &dyn Outlook, held: u64, wish: &Wish) -> (Limit, u64) {
        let limit = outlook.limit();
        let total = outlook.most(held);
        let most = self.store.largest(limit.most.max(held), total, wish.how.exact);
        (limit, most)
    }

    /// The limit now, and the largest amount that would be accepted.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn room(&self) -> Result<(Limit, u64), String> {
        let held = self.level.get();
        let wish = Wish::of(Amount::Exactly(0), Caller::nobody());
        let outlook = self.store.look(held, &wish.how)?;
        Ok(self.bounds(&*outlook, held, &wish))
    }

    fn look(&self, wish: &Wish) -> Result<Asked<'_>, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let held = self.store.held().map_err(Refused::Unavailable)?.total();
        let amount = self.resolve(wish, held)?;
        let goal = self.store.goal(amount, wish.how.exact);
        // Shrinking is always allowed, so nobody needs to be asked. Rounding can make the total more than what is held
        // where the amount is not: what is held need not be a whole plan.
        let grows = amount.max(goal.total()) > held;
        let outlook = grows.then(|| self.store.look(held, &wish.how)).transpose().map_err(Refused::Unavailable)?;
        let limit = outlook.as_ref().map(|outlook| outlook.limit());
        Ok(Asked { amount, goal, held, limit, outlook })
    }

    /// The units asked for. What is relative is relative to the limits as they are without force.
    fn resolve(&self, wish: &Wish, held: u64) -> Result<u64, Refused> {
        if !wish.amount.is_relative() {
            return Ok(wish.amount.resolve(0, 0));
        }
        let outlook = self.store.look(held, &How { force: false, ..wish.how }).map_err(Refused::Unavailable)?;
        let (limit, most) = self.bounds(&*outlook, held, wish);
        Ok(wish.amount.resolve(limit.most, most))
    }

    fn admit(&self, asked: &Asked<'_>, wish: &Wish) -> Result<Promise, Refused> {
        let (Some(outlook), Some(limit)) = (&asked.outlook, &asked.limit) else {
            return Ok(self.store.promise_nothing());
        };
        let (requested, held) = (asked.amount, asked.held);
        let largest = |total| self.store.largest(limit.most.max(held), total, wish.how.exact);
        if requested > held && requested > limit.most {
            let most = largest(outlook.most(held));
            return Err(Refused::OverLimit { requested, limit: limit.clone(), most });
        }
        let total = asked.goal.total();
        outlook.admit(held, total).map_err(|total| Refused::DoesNotFit { requested, available: largest(total) })
    }

    /// Releases everything, whatever runs: work is cancelled, and its worker sees to the release.
    ///
    /// # Errors
    /// When the store cannot be used or the service stops.
    pub fn release(self: &Arc<Self>, wish: &Wish) -> Result<Accepted, Refused> {
        if self.stop.is_set() {
            return Err(Refused::Stopping);
        }
        let order = Arc::new(Order::new(self.ids.next(), wish, 0, 0, None));
        let parts = self.nothing().parts();
        count(&self.tally.accepted);
        let mut queue = lock(&self.queue);
        match self.ticket.take() {
            Ok(request) => {
                drop(queue);
                let promise = self.store.promise_nothing();
                let goal = self.nothing();
                if self.spawn(&order, goal, promise).is_ok() {
                    self.write_down(&order, goal, Phase::Pending);
                    request.hand_over(order.id);
                } else {
                    // No thread to be had is no reason to keep what may be why.
                    self.work_here(request, Queued { order: Arc::clone(&order), phase: Phase::Over });
                }
            }
            Err(_) => {
                if let Some(before) = queue.replace(Queued { order: Arc::clone(&order), phase: Phase::Over }) {
                    before.order.ended(Outcome::Cancelled);
                }
                drop(queue);
                self.cancel();
            }
        }
        Ok(Accepted { order, parts, limit: None })
    }

    /// Cancels the last order, if its work is not over.
    fn cancel(&self) {
        if let Some(order) = &lock(&self.book).order {
            order.cancel();
        }
        self.changed.notify_all();
    }

    /// Waits until the work of `order` is over; `None` when `give_up` says so first, which is asked once a second.
    pub fn wait(&self, order: &Order, pause: Duration, mut give_up: impl FnMut() -> bool) -> Option<Outcome> {
        loop {
            let book = lock(&self.book);
            let waited = self.changed.wait_timeout_while(book, pause, |_| order.outcome().is_none());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if let Some(outcome) = order.outcome() {
                return Some(outcome);
            }
            if self.stop.is_set() || give_up() {
                return None;
            }
        }
    }

    /// The longest that what is asked for with `asked` may be held.
    fn ttl(&self, asked: Option<Duration>) -> Option<Duration> {
        match (asked, self.max_ttl) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        }
    }

    fn write_down(&self, order: &Arc<Order>, goal: Goal, phase: Phase) {
        let mut book = lock(&self.book);
        (book.goal, book.phase, book.order) = (goal, phase, Some(Arc::clone(order)));
        drop(book);
        self.store.accepted(goal.total());
        self.changed.notify_all();
    }

    fn spawn(self: &Arc<Self>, order: &Arc<Order>, goal: Goal, promise: Promise) -> io::Result<()> {
        let (group, order) = (Arc::clone(self), Arc::clone(order));
        let work = move || match group.ticket.claim(order.id, PATIENCE) {
            Ok(worker) => {
                let kept = group.work(worker, order, goal, promise, Phase::Over);
                group.keep(&kept);
            }
            Err(_) => group.gave_up(&order),
        };
        spawn(self.store.work(), WORKER_STACK_BYTES, Box::new(work)).map(|_| ())
    }

    /// Does a release in this thread.
    fn work_here(&self, request: Request, release: Queued) {
        let Queued { order, phase } = release;
        let goal = self.nothing();
        self.write_down(&order, goal, Phase::Pending);
        request.hand_over(order.id);
        if let Ok(worker) = self.ticket.claim(order.id, PATIENCE) {
            self.work(worker, order, goal, self.store.promise_nothing(), phase);
        }
    }

    /// The worker of `order` never got its ticket: nothing was done. A release that waited for it is not forgotten.
    fn gave_up(&self, order: &Order) {
        order.ended(Outcome::Failed(String::from("the worker waited in vain for its ticket")));
        {
            let mut book = lock(&self.book);
            book.phase = Phase::Failed;
            book.trouble = Some(String::from("the worker waited in vain for its ticket"));
        }
        self.changed.notify_all();
        let mut queue = lock(&self.queue);
        if let Some(release) = queue.take() {
            drop(queue);
            match self.ticket.take() {
                Ok(request) => self.work_here(request, release),
                Err(_) => release.order.ended(Outcome::Cancelled),
            }
        }
    }

    /// Works for `order`, then for the releases that came meanwhile. Returns the last order worked for.
    fn work(&self, worker: Worker, order: Arc<Order>, goal: Goal, promise: Promise, over: Phase) -> Arc<Order> {
        let mut outcome = self.work_once(&order, &goal, promise, over);
        let mut order = order;
        loop {
            let mut queue = lock(&self.queue);
            let expired =
                || (outcome == Outcome::Expired).then(|| Queued { order: self.expiry(&order), phase: Phase::Expired });
            let Some(next) = queue.take().or_else(expired) else {
                // With the queue locked, so that no release is queued behind a worker that has gone.
                drop(worker);
                return order;
            };
            drop(queue);
            order = next.order;
            let nothing = self.nothing();
            self.write_down(&order, nothing, Phase::Working);
            outcome = self.work_once(&order, &nothing, self.store.promise_nothing(), next.phase);
        }
    }

    fn work_once(&self, order: &Order, goal: &Goal, mut promise: Promise, over: Phase) -> Outcome {
        let began = Instant::now();
        {
            let mut book = lock(&self.book);
            book.last = order.id;
            book.phase = Phase::Working;
        }
        let mut work = Work::new(order, &self.level, &self.stop);
        let adjusted =
            panic::catch_unwind(AssertUnwindSafe(|| self.store.adjust(goal, order, &mut promise, &mut work)));
        let result = adjusted.unwrap_or(Err(Failure::Panicked));
        // What became of a part that was not finished is known to the store alone.
        if let (Err(_), Ok(held)) = (&result, self.store.held()) {
            self.level.set(held.total());
        }
        if self.level.get() == 0 {
            self.store.intend(None);
        }
        let outcome = Outcome::of(&result);
        let (name, id, seconds) = (self.store.work(), order.id, began.elapsed().as_secs());
        match &result {
            Ok(()) => log::info!("{name}: Request {id} completed in {seconds} seconds"),
            Err(failure) => log::error!("{name}: Request {id} failed after {seconds} seconds: {failure}"),
        }
        audit::ended(self.store.name(), order, &outcome, began.elapsed());
        self.tally.work_nanos.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        count(match &outcome {
            Outcome::Done => &self.tally.done,
            Outcome::Failed(_) => &self.tally.failed,
            Outcome::Cancelled | Outcome::Expired => &self.tally.cancelled,
        });
        {
            let mut book = lock(&self.book);
            book.phase = if result.is_ok() { over } else { Phase::Failed };
            book.trouble = result.err().map(|failure| failure.to_string());
        }
        // The promise first, then the ticket: the next request finds both settled.
        drop(promise);
        order.ended(outcome.clone());
        self.changed.notify_all();
        outcome
    }

    /// Stays with what `order` holds: touches it, releases it when its time is over, until another order is accepted.
    fn keep(&self, order: &Arc<Order>) {
        let is_ours = |book: &Book| book.order.as_ref().is_some_and(|current| current.id == order.id);
        let touch = order.how.touch.filter(|_| self.level.get() > 0);
        let mut next_touch = touch.map(|period| Instant::now() + period);
        loop {
            let due = [order.expires.map(|expiry| expiry.at), next_touch].into_iter().flatten().min();
            let Some(due) = due else { return };
            let book = lock(&self.book);
            let left = due.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout_while(book, left, |book| is_ours(book));
            let (book, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if !is_ours(&book) || self.stop.is_set() {
                return;
            }
            drop(book);
            if order.has_expired() {
                return self.expire(order);
            }
            if let (Some(period), Some(_)) = (touch, next_touch) {
                self.store.touch(&|| self.stop.is_set() || order.has_expired() || !is_ours(&lock(&self.book)));
                next_touch = Some(Instant::now() + period);
            }
        }
    }

    /// Releases what `order` holds, in the thread that kept it.
    fn expire(&self, order: &Order) {
        // Whoever has the ticket was accepted after `order`, and takes its place.
        let Ok(request) = self.ticket.take() else { return };
        if lock(&self.book).order.as_ref().is_some_and(|current| current.id == order.id) {
            self.work_here(request, Queued { order: self.expiry(order), phase: Phase::Expired });
        }
    }

    /// The order to release what `order` holds, because its time is over.
    fn expiry(&self, order: &Order) -> Arc<Order> {
        let mut wish = Wish::of(Amount::Exactly(0), Caller::nobody());
        wish.words = format!("release: the time of request {} is over", order.id);
        Arc::new(Order::new(self.ids.next(), &wish, 0, 0, None))
    }
}

/// A wish, and what there was to know about it before the ticket was taken.
struct Asked<'s> {
    amount: u64,
    goal: Goal,
    held: u64,
    limit: Option<Limit>,
    /// Only where more is taken than held.
    outlook: Option<Box<dyn Outlook + 's>>,
}
