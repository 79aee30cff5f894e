//! Who works for a group: the operation that has its ticket, and the release that waits for it.
//!
//! A release is never refused. Where work is pending or running, the release cancels it and waits, and the worker that
//! has the ticket does the release when its own work has ended.
//!
//! Invariant: while a release waits, the ticket is pending or a worker's, and that worker asks [`Queue::next`] before it
//! gives the ticket back. What is cancelled is the operation that the ticket is held for at that moment, under the same lock
//! as the release is put into the queue: a release never cancels itself or what was accepted after it.

use crate::consumer::control::id::Id;
use crate::consumer::control::ticket::{Ticket, TicketRequest, Worker};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// What a group works for. Clones are the same entry.
pub trait Entry: Clone {
    /// Makes its work end early.
    fn cancel(&self);
}

/// The ticket of a group, with what it is held for.
pub struct Queue<T> {
    ticket: Ticket,
    line: Mutex<QueueState<T>>,
}

struct QueueState<T> {
    /// What the ticket is held for; stale while the ticket is free.
    current: Option<T>,
    /// The release that is next.
    waiting: Option<T>,
}

/// Where a release stands.
pub enum QueuePlace<T> {
    /// First: the ticket was free.
    First(TicketRequest),
    /// Behind the current work, which is cancelled; it took the place of the release that waited before.
    Waits {
        /// The release that waited before, if one did.
        displaced: Option<T>,
    },
    /// Another release does for both.
    Joined(T),
}

impl<T> Default for Queue<T> {
    /// A free ticket, and nobody waits.
    fn default() -> Self {
        Self { ticket: Ticket::new(), line: Mutex::new(QueueState { current: None, waiting: None }) }
    }
}

impl<T: Entry> Queue<T> {
    /// The ticket, to be taken by requests and claimed by workers.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Gives the ticket to the worker of `id`, which works for `entry`.
    pub fn hand_over(&self, request: TicketRequest, id: Id, entry: T) {
        self.lock().current = Some(entry);
        request.hand_over(id);
    }

    /// Puts a release first, behind what runs, or together with a release for which `joins` holds.
    pub fn release(&self, release: &T, joins: impl Fn(&T) -> bool) -> QueuePlace<T> {
        loop {
            // Not under the lock: whoever has the ticket as a request needs that to hand it over.
            if let Ok(request) = self.ticket.take() {
                return QueuePlace::First(request);
            }
            let mut line = self.lock();
            if self.ticket.peek().is_ok() {
                // The work has ended since.
                continue;
            }
            if let Some(other) = line.waiting.as_ref().or(line.current.as_ref()).filter(|other| joins(other)) {
                return QueuePlace::Joined(other.clone());
            }
            let displaced = line.waiting.replace(release.clone());
            if let Some(current) = &line.current {
                current.cancel();
            }
            return QueuePlace::Waits { displaced };
        }
    }

    /// What the worker does next: the release that waits, or else what `otherwise` says. Without either, the ticket is
    /// given back, under the lock, so that no release waits for a worker that has gone.
    pub fn next(&self, worker: Worker, otherwise: impl FnOnce() -> Option<T>) -> Option<(Worker, T)> {
        let mut line = self.lock();
        line.current = line.waiting.take().or_else(otherwise);
        match line.current.clone() {
            Some(next) => Some((worker, next)),
            None => {
                drop(worker);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.line.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(all(test, loom))]
mod model;
