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

mod told;
mod work;

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::guard::Promise;
use super::id::{Id, Ids};
use super::intent::Intent;
use super::order::{Caller, How, Order, Outcome, Wish};
use super::quantity::Amount;
use super::queue::{Place, Queue};
use super::store::{Goal, Limit, Outlook, Store};
use super::ticket::{Conflict, Request};
use crate::shutdown::Stop;
use crate::sync::lock;

pub(super) use told::count;
pub use told::{Accepted, Account, Phase, Preview, Refused, Report, Snapshot, Tally};

/// How long a worker waits for its ticket.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How often an amount that is relative to the most is resolved anew, when others take of it at the same time.
const MOST_TRIES: u32 = 3;
/// A worker's stack: it fills pages and buffers that are elsewhere.
pub const WORKER_STACK_BYTES: usize = 128 * 1024;

/// A group of requests that only one at a time may work for.
pub struct Group {
    queue: Queue<Arc<Order>>,
    ids: Arc<Ids>,
    store: Arc<dyn Store>,
    intent: Intent,
    stop: Stop,
    max_ttl: Option<Duration>,
    book: Mutex<Book>,
    /// An order has been accepted, or its work has ended.
    changed: Condvar,
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

impl Group {
    /// A group that holds nothing yet. Nothing is held for longer than `max_ttl`.
    pub(super) fn new(
        store: Arc<dyn Store>,
        intent: Intent,
        ids: Arc<Ids>,
        stop: Stop,
        max_ttl: Option<Duration>,
    ) -> Self {
        let book = Book { last: Id(0), goal: store.goal(0, false), trouble: None, phase: Phase::Over, order: None };
        Self {
            queue: Queue::default(),
            ids,
            store,
            intent,
            stop,
            max_ttl,
            book: Mutex::new(book),
            changed: Condvar::new(),
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
            order: book.order.clone(),
            held: self.store.level().get(),
            trouble: book.trouble.clone(),
        }
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
            Err(Refused::OverLimit { .. } | Refused::DoesNotFit { .. } | Refused::BelowNothing(_)) => {
                &self.tally.too_much
            }
            Err(_) => &self.tally.unavailable,
        });
        result
    }

    fn try_set(self: &Arc<Self>, wish: Result<Wish, Refused>) -> Result<Accepted, Refused> {
        let mut wish = Some(wish);
        let mut tries = 0;
        loop {
            // Reading folders and the kernel's files takes a while, so it is done before the ticket is taken, and
            // done again in the rare case that a work has ended in between.
            let works = self.queue.ticket().peek()?;
            let asked = match wish.as_ref() {
                Some(Ok(wish)) => Some(self.look(wish)),
                _ => None,
            };
            let request = self.queue.ticket().take()?;
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
            let promise = match self.admit(&asked, wish) {
                // Others were promised something since: the most is less now.
                Err(Refused::DoesNotFit { .. } | Refused::OverLimit { .. })
                    if wish.amount.is_relative() && tries < MOST_TRIES =>
                {
                    tries += 1;
                    continue;
                }
                promise => promise?,
            };
            let total = asked.goal.total();
            let mut order = Order::new(self.ids.next(), wish, asked.amount, total, self.ttl(wish.ttl));
            order.is_risky |= asked.outlook.as_ref().is_some_and(|outlook| outlook.is_risky(asked.held, total));
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
        if let Err(error) = self.spawn(&order, asked.goal, promise) {
            // What counts against the limit is what it was.
            self.reserve_again();
            return Err(Refused::NotStarted(error));
        }
        self.write_down(&order, asked.goal);
        self.queue.hand_over(request, order.id, Arc::clone(&order));
        Ok(Accepted { order, parts: asked.goal.parts(), limit: asked.limit })
    }

    /// What would become of a wish.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn preview(&self, wish: &Wish) -> Result<Preview, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let held = self.store.level().get();
        let (requested, outlook) = self.resolve(wish, held)?;
        let outlook = outlook.map_or_else(|| self.store.look(held, &wish.how), Ok).map_err(Refused::Unavailable)?;
        let (limit, most) = self.bounds(&*outlook, held, wish);
        let goal = self.store.goal(requested, wish.how.exact);
        // As `admit` has it, without a promise that others would have to keep clear of.
        let total = goal.total();
        let remakes = total > 0 && self.store.remakes(&wish.how);
        let passes = || outlook.passes(held, total) && !exceeds(&*outlook, held, total, wish);
        let refused = if requested > held && requested > limit.most {
            Some(Refused::OverLimit { requested, limit: limit.clone(), most })
        } else if (total > held || remakes) && !passes() {
            Some(Refused::DoesNotFit { requested, available: most, bound: outlook.bound(held) })
        } else {
            None
        };
        Ok(Preview { requested, planned: total, parts: goal.parts(), limit, most, refused })
    }

    /// The limit, and the largest amount that fits: with its rounding, within the limit and the room there is.
    fn bounds(&self, outlook: &dyn Outlook, held: u64, wish: &Wish) -> (Limit, u64) {
        let limit = outlook.limit();
        let most = self.store.largest(limit.most, limit.most.min(outlook.most(held)), wish.how.exact);
        (limit, most)
    }

    /// The limit now, and the largest amount that would be accepted.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn room(&self) -> Result<(Limit, u64), String> {
        let held = self.store.level().get();
        let wish = Wish::of(Amount::Exactly(0), Caller::nobody());
        let outlook = self.store.look(held, &wish.how)?;
        Ok(self.bounds(&*outlook, held, &wish))
    }

    fn look(&self, wish: &Wish) -> Result<Asked<'_>, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let held = self.store.held().map_err(Refused::Unavailable)?.total();
        let (amount, outlook) = self.resolve(wish, held)?;
        let goal = self.store.goal(amount, wish.how.exact);
        // Shrinking is always allowed, so nobody needs to be asked. Rounding can make the total more than what is held
        // where the amount is not: what is held need not be a whole plan.
        let grows = amount.max(goal.total()) > held || (goal.total() > 0 && self.store.remakes(&wish.how));
        let outlook = match outlook {
            None if grows => Some(self.store.look(held, &wish.how).map_err(Refused::Unavailable)?),
            outlook => outlook.filter(|_| grows),
        };
        let limit = outlook.as_ref().map(|outlook| outlook.limit());
        Ok(Asked { amount, goal, held, limit, outlook })
    }

    /// The units asked for. What is relative is relative to the limits as they are without force, and is admitted by the
    /// same reading of the kernel, which is returned: another one may see less, and refuse what was the most.
    fn resolve(&self, wish: &Wish, held: u64) -> Result<(u64, Option<Box<dyn Outlook + '_>>), Refused> {
        if !wish.amount.is_relative() {
            return Ok((wish.amount.resolve(0, 0).map_err(Refused::BelowNothing)?, None));
        }
        let outlook = self.store.look(held, &How { force: false, ..wish.how }).map_err(Refused::Unavailable)?;
        let (limit, most) = self.bounds(&*outlook, held, wish);
        let amount = wish.amount.resolve(limit.most, most).map_err(Refused::BelowNothing)?;
        Ok((amount, Some(outlook).filter(|_| !wish.how.force)))
    }

    fn admit(&self, asked: &Asked<'_>, wish: &Wish) -> Result<Promise, Refused> {
        let (Some(outlook), Some(limit)) = (&asked.outlook, &asked.limit) else {
            return Ok(self.store.promise_nothing());
        };
        let (requested, held) = (asked.amount, asked.held);
        let largest = |total| self.store.largest(limit.most, limit.most.min(total), wish.how.exact);
        let does_not_fit =
            |total| Refused::DoesNotFit { requested, available: largest(total), bound: outlook.bound(held) };
        if requested > held && requested > limit.most {
            let most = largest(outlook.most(held));
            return Err(Refused::OverLimit { requested, limit: limit.clone(), most });
        }
        let total = asked.goal.total();
        if exceeds(&**outlook, held, total, wish) {
            return Err(does_not_fit(outlook.most(held)));
        }
        outlook.admit(held, total).map_err(does_not_fit)
    }

    /// Releases everything, whatever runs: work is cancelled, and its worker sees to the release.
    ///
    /// # Errors
    /// When the store cannot be used or the service stops.
    pub fn release(self: &Arc<Self>, wish: &Wish) -> Result<Accepted, Refused> {
        if self.stop.is_set() {
            return Err(Refused::Stopping);
        }
        let order =
            Arc::new(Order::new(self.ids.next(), wish, 0, 0, self.ttl(wish.ttl).filter(|_| wish.pace.is_some())));
        let joins = |other: &Arc<Order>| {
            let is_under_way = other.outcome().is_none() && !other.is_cancelled();
            wish.pace.is_none() && other.is_plain_release() && is_under_way
        };
        let accepted = match self.queue.release(&order, joins) {
            // Who wants the same as another already does is served with it.
            Place::Joined(other) => other,
            Place::Waits { displaced } => {
                if let Some(displaced) = displaced {
                    displaced.ended(Outcome::Cancelled);
                }
                // The keeper of what is held looks whether it is still meant, and a cancelled order's waiters at its end.
                self.wake();
                order
            }
            Place::First(request) => self.release_now(request, order)?,
        };
        count(&self.tally.accepted);
        Ok(Accepted { order: accepted, parts: self.nothing().parts(), limit: None })
    }

    /// Releases what is held, in a thread of its own.
    fn release_now(self: &Arc<Self>, request: Request, order: Arc<Order>) -> Result<Arc<Order>, Refused> {
        match self.spawn(&order, self.nothing(), self.store.promise_nothing()) {
            Ok(()) => {
                self.write_down(&order, self.nothing());
                self.queue.hand_over(request, order.id, Arc::clone(&order));
            }
            // No thread to be had is no reason to keep what may be why. But a ramp takes its time, and nobody's connection
            // is held up for that.
            Err(_) if order.is_plain_release() => self.work_here(request, &order, Phase::Over),
            Err(error) => {
                count(&self.tally.unavailable);
                return Err(Refused::NotStarted(error));
            }
        }
        Ok(order)
    }

    /// Has everybody who waits for a change look again.
    fn wake(&self) {
        // Who has looked, and does not wait yet, has the book.
        drop(lock(&self.book));
        self.changed.notify_all();
    }

    /// Waits until the work of `order` is over; `None` when `give_up` says so first, which is asked once a second.
    pub fn wait(&self, order: &Order, pause: Duration, give_up: &mut dyn FnMut() -> bool) -> Option<Outcome> {
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

    /// Something that was to be there from the start could not be: the status tells.
    pub(super) fn is_in_trouble(&self, trouble: String) {
        let mut book = lock(&self.book);
        (book.phase, book.trouble) = (Phase::Failed, Some(trouble));
    }

    /// The longest that what is asked for with `asked` may be held.
    fn ttl(&self, asked: Option<Duration>) -> Option<Duration> {
        match (asked, self.max_ttl) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        }
    }

    /// What counts against the limit is what the last order asked for: another one came to nothing.
    fn reserve_again(&self) {
        let book = lock(&self.book);
        let how = book.order.as_ref().map_or_else(How::default, |order| order.how);
        self.store.accepted(book.goal.total(), &how);
    }

    /// Remembers that `order` is accepted, unless its worker has given up already.
    fn write_down(&self, order: &Arc<Order>, goal: Goal) {
        let mut book = lock(&self.book);
        if order.outcome().is_some() {
            return;
        }
        (book.goal, book.phase, book.order) = (goal, Phase::Pending, Some(Arc::clone(order)));
        // What the order before it failed of is not told of this one.
        book.trouble = None;
        drop(book);
        self.store.accepted(goal.total(), &order.how);
        self.changed.notify_all();
    }
}

/// Whether `total` is a share of the limit for which there is no room. An amount below a limit that the user set is
/// meant as it is written; of a share nobody knows how much it is.
fn exceeds(outlook: &dyn Outlook, held: u64, total: u64, wish: &Wish) -> bool {
    matches!(wish.amount, Amount::Share(_)) && !wish.how.force && total > held.max(outlook.most(held))
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

#[cfg(test)]
mod tests;
