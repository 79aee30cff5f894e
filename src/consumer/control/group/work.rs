//! The worker's side of a group: one order's work, the releases that came meanwhile, and what is left to do for what was
//! made. It is the worker, too, that notes what goes past the guard: that takes a disk's time, and no request waits for it.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::consumer::admission::headroom::Promise;
use crate::consumer::control::audit;
use crate::consumer::control::failure::Failure;
use crate::consumer::control::group::{Book, Group, PATIENCE, Phase, WORKER_STACK_BYTES, count};
use crate::consumer::control::operation::{Caller, Order, Outcome, Wish};
use crate::consumer::control::reconcile::Work;
use crate::consumer::control::store::Goal;
use crate::consumer::control::ticket::{Request, Worker};
use crate::sync::{lock, spawn};
use crate::units::quantity::Amount;

impl Group {
    /// Starts the worker of `order`, which is about to be accepted. To be called with the ticket.
    pub(super) fn spawn(self: &Arc<Self>, order: &Arc<Order>, goal: Goal, promise: Promise) -> io::Result<()> {
        let (group, order) = (Arc::clone(self), Arc::clone(order));
        let before = {
            let book = lock(&self.book);
            (book.order.clone(), book.goal)
        };
        let work = move || match group.queue.ticket().claim(order.id, PATIENCE) {
            Ok(worker) => group.keep(&group.work(worker, order, goal, promise, Phase::Over)),
            Err(_) => {
                drop(promise);
                group.give_up(&order, before);
            }
        };
        spawn(self.store.work(), WORKER_STACK_BYTES, Box::new(work)).map(|_| ())
    }

    /// Does a release in this thread.
    pub(super) fn work_here(&self, request: Request, release: &Arc<Order>, over: Phase) {
        let goal = self.nothing();
        self.write_down(release, goal);
        self.queue.hand_over(request, release.id, Arc::clone(release));
        if let Ok(worker) = self.queue.ticket().claim(release.id, PATIENCE) {
            self.work(worker, Arc::clone(release), goal, self.store.promise_nothing(), over);
        }
    }

    /// The worker of `order` never got its ticket: nothing was done, and what is held is what `before` asked for. Its
    /// keeper has gone when `order` was accepted, so this thread takes its place.
    fn give_up(&self, order: &Order, before: (Option<Arc<Order>>, Goal)) {
        let trouble = "the worker waited in vain for its ticket";
        let is_replaced = {
            let mut book = lock(&self.book);
            order.ended(Outcome::Failed(String::from(trouble)));
            (book.phase, book.trouble) = (Phase::Failed, Some(String::from(trouble)));
            let is_replaced = book.order.as_ref().is_some_and(|current| current.id == order.id);
            if is_replaced {
                (book.order, book.goal) = before.clone();
            }
            is_replaced
        };
        self.reserve_again();
        self.changed.notify_all();
        if let Some(before) = before.0.filter(|_| is_replaced) {
            self.keep(&before);
        }
    }

    /// Works for `order`, then for the releases that came meanwhile. Returns the last order worked for.
    fn work(&self, worker: Worker, order: Arc<Order>, goal: Goal, promise: Promise, over: Phase) -> Arc<Order> {
        let mut outcome = self.work_once(&order, &goal, promise, over);
        let (mut worker, mut order) = (worker, order);
        loop {
            let mut expiry = None;
            let next = self.queue.next(worker, || {
                expiry = (outcome == Outcome::Expired).then(|| self.expiry(&order));
                expiry.clone()
            });
            // Whoever waits for the order hears of its end when the ticket is free, and so can go on at once.
            self.tell(&order, outcome);
            let Some((same, release)) = next else { return order };
            (worker, order) = (same, release);
            let nothing = self.nothing();
            self.write_down(&order, nothing);
            let over = if expiry.is_some() { Phase::Expired } else { Phase::Over };
            outcome = self.work_once(&order, &nothing, self.store.promise_nothing(), over);
        }
    }

    fn work_once(&self, order: &Order, goal: &Goal, mut promise: Promise, over: Phase) -> Outcome {
        let began = Instant::now();
        {
            let mut book = lock(&self.book);
            book.last = order.id;
            book.phase = Phase::Working;
        }
        if order.is_risky {
            // Before it happens: it may be the last thing this process does.
            let name = self.store.name();
            log::warn!("{name} past the guard, request {}: {} by {}", order.id, order.words, order.caller);
            self.intent.note(Some(order));
            self.intent.sync();
        }
        let mut work = Work::new(order, self.store.level(), &self.stop).logged_as(self.store.name());
        let adjusted =
            panic::catch_unwind(AssertUnwindSafe(|| self.store.adjust(goal, order, &mut promise, &mut work)));
        let result = adjusted.unwrap_or(Err(Failure::Panicked));
        let level = self.store.level();
        let held = match &result {
            Ok(()) => Some(level.get()),
            // What became of a part that was not finished is known to the store alone.
            Err(_) => self.store.held().ok().map(|held| held.total()).inspect(|held| level.set(*held)),
        };
        self.store.settled(held.unwrap_or(0));
        // What was taken past the guard is gone, or something else has taken its place.
        if level.get() == 0 || (result.is_ok() && !order.is_risky) {
            self.intent.note(None);
        }
        let outcome = Outcome::of(&result);
        let (name, id, seconds) = (self.store.work(), order.id, began.elapsed().as_secs());
        match &result {
            Ok(()) => log::info!("{name}: Request {id} completed in {seconds} seconds"),
            Err(Failure::Cancelled | Failure::Expired) => {
                log::info!("{name}: Request {id} {outcome} after {seconds} seconds");
            }
            Err(failure) => log::error!("{name}: Request {id} failed after {seconds} seconds: {failure}"),
        }
        audit::ended(self.store.name(), order, &outcome, began.elapsed());
        self.tally.work_nanos.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        count(match &outcome {
            Outcome::Done => &self.tally.done,
            Outcome::Failed(_) => &self.tally.failed,
            Outcome::Cancelled | Outcome::Expired | Outcome::Stopped => &self.tally.cancelled,
        });
        {
            let mut book = lock(&self.book);
            book.phase = if result.is_ok() { over } else { Phase::Failed };
            book.trouble = result.err().map(|failure| failure.to_string());
        }
        // The promise first, then the ticket: the next request finds both settled.
        drop(promise);
        outcome
    }

    /// Tells all who wait for it that an order has ended, and how.
    fn tell(&self, order: &Order, outcome: Outcome) {
        order.ended(outcome);
        self.wake();
    }

    /// Stays with what `order` holds: touches it, releases it when its time is over, until another order is accepted.
    fn keep(&self, order: &Arc<Order>) {
        let is_ours = |book: &Book| book.order.as_ref().is_some_and(|current| current.id == order.id);
        let touch = order.how.touch.filter(|_| self.store.level().get() > 0);
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
        let Ok(request) = self.queue.ticket().take() else { return };
        if lock(&self.book).order.as_ref().is_some_and(|current| current.id == order.id) {
            self.work_here(request, &self.expiry(order), Phase::Expired);
        }
    }

    /// The order to release what `order` holds, because its time is over.
    fn expiry(&self, order: &Order) -> Arc<Order> {
        let mut wish = Wish::of(Amount::Exactly(0), Caller::nobody());
        wish.words = format!("release: the time of request {} is over", order.id);
        Arc::new(Order::new(self.ids.next(), &wish, 0, 0, None))
    }
}
