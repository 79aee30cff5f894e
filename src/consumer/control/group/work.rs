//! The worker's side of a group: one operation's work, the releases that came meanwhile, and what is left to do for what was
//! made. It is the worker, too, that notes what goes past admission: that takes a disk's time, and no request waits for it.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::consumer::admission::headroom::Reservation;
use crate::consumer::control::audit;
use crate::consumer::control::failure::Failure;
use crate::consumer::control::group::{Book, Group, PATIENCE, Phase, count};
use crate::consumer::control::operation::{Caller, ChangeRequest, Operation, Outcome};
use crate::consumer::control::reconcile::Work;
use crate::consumer::control::store::Goal;
use crate::consumer::control::ticket::{TicketRequest, Worker};
use crate::sync::WORKER_STACK_BYTES;
use crate::sync::{lock, spawn};
use crate::units::quantity::Amount;

impl Group {
    /// Starts the worker of `operation`, which is about to be accepted. To be called with the ticket.
    pub(super) fn spawn(
        self: &Arc<Self>,
        operation: &Arc<Operation>,
        goal: Goal,
        reservation: Reservation,
    ) -> io::Result<()> {
        let (group, operation) = (Arc::clone(self), Arc::clone(operation));
        let before = {
            let book = lock(&self.book);
            (book.operation.clone(), book.goal)
        };
        let work = move || match group.queue.ticket().claim(operation.id, PATIENCE) {
            Ok(worker) => group.keep(&group.work(worker, operation, goal, reservation, Phase::Over)),
            Err(_) => {
                drop(reservation);
                group.give_up(&operation, before);
            }
        };
        spawn(self.store.work(), WORKER_STACK_BYTES, Box::new(work)).map(|_| ())
    }

    /// Does a release in this thread.
    pub(super) fn work_here(&self, request: TicketRequest, release: &Arc<Operation>, over: Phase) {
        let goal = self.nothing();
        self.write_down(release, goal);
        self.queue.hand_over(request, release.id, Arc::clone(release));
        if let Ok(worker) = self.queue.ticket().claim(release.id, PATIENCE) {
            self.work(worker, Arc::clone(release), goal, self.store.reserve_nothing(), over);
        }
    }

    /// The worker of `operation` never got its ticket: nothing was done, and what is held is what `before` asked for. Its
    /// keeper has gone when `operation` was accepted, so this thread takes its place.
    fn give_up(&self, operation: &Operation, before: (Option<Arc<Operation>>, Goal)) {
        let trouble = "the worker waited in vain for its ticket";
        let is_replaced = {
            let mut book = lock(&self.book);
            operation.ended(Outcome::Failed(String::from(trouble)));
            (book.phase, book.trouble) = (Phase::Failed, Some(String::from(trouble)));
            let is_replaced = book.operation.as_ref().is_some_and(|current| current.id == operation.id);
            if is_replaced {
                (book.operation, book.goal) = before.clone();
            }
            is_replaced
        };
        self.reserve_again();
        self.changed.notify_all();
        if let Some(before) = before.0.filter(|_| is_replaced) {
            self.keep(&before);
        }
    }

    /// Works for `operation`, then for the releases that came meanwhile. Returns the last operation worked for.
    fn work(
        &self,
        worker: Worker,
        operation: Arc<Operation>,
        goal: Goal,
        reservation: Reservation,
        over: Phase,
    ) -> Arc<Operation> {
        let mut outcome = self.work_once(&operation, &goal, reservation, over);
        let (mut worker, mut operation) = (worker, operation);
        loop {
            let mut expiry = None;
            let next = self.queue.next(worker, || {
                expiry = (outcome == Outcome::Expired).then(|| self.expiry(&operation));
                expiry.clone()
            });
            // Whoever waits for the operation hears of its end when the ticket is free, and so can go on at once.
            self.tell(&operation, outcome);
            let Some((same, release)) = next else { return operation };
            (worker, operation) = (same, release);
            let nothing = self.nothing();
            self.write_down(&operation, nothing);
            let over = if expiry.is_some() { Phase::Expired } else { Phase::Over };
            outcome = self.work_once(&operation, &nothing, self.store.reserve_nothing(), over);
        }
    }

    fn work_once(&self, operation: &Operation, goal: &Goal, mut reservation: Reservation, over: Phase) -> Outcome {
        let began = Instant::now();
        {
            let mut book = lock(&self.book);
            book.last = operation.id;
            book.phase = Phase::Working;
        }
        if operation.is_risky {
            // Before it happens: it may be the last thing this process does.
            let name = self.store.name();
            log::warn!("{name} past the guard, request {}: {} by {}", operation.id, operation.words, operation.caller);
            self.forced_note.note(Some(operation));
            self.forced_note.sync();
        }
        let mut work = Work::new(operation, self.store.level(), &self.stop).logged_as(self.store.name());
        let adjusted =
            panic::catch_unwind(AssertUnwindSafe(|| self.store.adjust(goal, operation, &mut reservation, &mut work)));
        let result = adjusted.unwrap_or(Err(Failure::Panicked));
        let level = self.store.level();
        let held = match &result {
            Ok(()) => Some(level.get()),
            // What became of a part that was not finished is known to the store alone.
            Err(_) => self.store.held().ok().map(|held| held.total()).inspect(|held| level.set(*held)),
        };
        self.store.settled(held.unwrap_or(0));
        // What was taken past admission is gone, or something else has taken its place.
        if level.get() == 0 || (result.is_ok() && !operation.is_risky) {
            self.forced_note.note(None);
        }
        let outcome = Outcome::of(&result);
        let (name, id, seconds) = (self.store.work(), operation.id, began.elapsed().as_secs());
        match &result {
            Ok(()) | Err(Failure::Cancelled | Failure::Expired) if operation.options.follows => {}
            Ok(()) => log::info!("{name}: Request {id} completed in {seconds} seconds"),
            Err(Failure::Cancelled | Failure::Expired) => {
                log::info!("{name}: Request {id} {outcome} after {seconds} seconds");
            }
            Err(failure) => log::error!("{name}: Request {id} failed after {seconds} seconds: {failure}"),
        }
        audit::ended(self.store.name(), operation, &outcome, began.elapsed());
        self.counters.work_nanos.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        count(match &outcome {
            Outcome::Done => &self.counters.done,
            Outcome::Failed(_) => &self.counters.failed,
            Outcome::Cancelled | Outcome::Expired | Outcome::Stopped => &self.counters.cancelled,
        });
        {
            let mut book = lock(&self.book);
            book.phase = if result.is_ok() { over } else { Phase::Failed };
            book.trouble = result.err().map(|failure| failure.to_string());
        }
        // The reservation first, then the ticket: the next request finds both settled.
        drop(reservation);
        outcome
    }

    /// Tells all who wait for it that an operation has ended, and how.
    fn tell(&self, operation: &Operation, outcome: Outcome) {
        operation.ended(outcome);
        self.wake();
    }

    /// Stays with what `operation` holds: touches it, releases it when its time is over, until another operation is accepted.
    fn keep(&self, operation: &Arc<Operation>) {
        let is_ours = |book: &Book| book.operation.as_ref().is_some_and(|current| current.id == operation.id);
        let touch = operation.options.touch.filter(|_| self.store.level().get() > 0);
        let mut next_touch = touch.map(|period| Instant::now() + period);
        loop {
            let due = [operation.expires.map(|expiry| expiry.at), next_touch].into_iter().flatten().min();
            let Some(due) = due else { return };
            let book = lock(&self.book);
            let left = due.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout_while(book, left, |book| is_ours(book));
            let (book, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if !is_ours(&book) || self.stop.is_set() {
                return;
            }
            drop(book);
            if operation.has_expired() {
                return self.expire(operation);
            }
            if let (Some(period), Some(_)) = (touch, next_touch) {
                self.store.touch(&|| self.stop.is_set() || operation.has_expired() || !is_ours(&lock(&self.book)));
                next_touch = Some(Instant::now() + period);
            }
        }
    }

    /// Releases what `operation` holds, in the thread that kept it.
    fn expire(&self, operation: &Operation) {
        // Whoever has the ticket was accepted after `operation`, and takes its place.
        let Ok(request) = self.queue.ticket().take() else { return };
        if lock(&self.book).operation.as_ref().is_some_and(|current| current.id == operation.id) {
            self.work_here(request, &self.expiry(operation), Phase::Expired);
        }
    }

    /// The operation to release what `operation` holds, because its time is over.
    fn expiry(&self, operation: &Operation) -> Arc<Operation> {
        let mut change = ChangeRequest::of(Amount::Exactly(0), Caller::nobody());
        change.words = format!("release: the time of request {} is over", operation.id);
        Arc::new(Operation::new(self.ids.next(), &change, 0, 0, None))
    }
}
