//! The busy/ticket lock: one request of a group at a time, and one worker, whatever the clients do.
//!
//! A ticket holds one value:
//!
//! | value | meaning | who may take it |
//! | --- | --- | --- |
//! | 0 | free | any request |
//! | a timestamp | a request was accepted, its worker is on the way | that worker alone |
//! | – (held by a request) | it is being looked at, for microseconds | nobody; other requests wait for it |
//! | – (held by a worker) | the work runs | nobody; requests are told *busy* |
//!
//! The way of a request that is accepted:
//!
//! ```text
//!      take()               hand_over(id)             claim(id)                 drop
//!  0 ----------> request ------------------> id ------------------> worker ------------> 0
//!                   | drop                    | nobody claims it in time
//!                   +-----------> 0           +------------> 0
//! ```
//!
//! Whoever holds the ticket holds a guard, and a guard that is dropped, by a panic too, puts the right value back. A
//! worker that gives up takes its timestamp with it, whether it is there already or comes later, so nothing stays
//! pending for ever.

use std::time::{Duration, Instant};

#[cfg(loom)]
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::consumer::control::id::Id;

/// Why a request cannot have the ticket now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// A request was accepted and its work has not begun.
    Pending,
    /// Work runs.
    Busy,
}

/// The worker waited in vain for its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaveUp;

/// What a ticket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TicketValue {
    Free,
    Pending(Id),
    Request,
    Worker,
}

/// The value, and what has to be remembered beside it.
#[derive(Debug)]
struct TicketState {
    value: TicketValue,
    /// The worker of this timestamp gave up before it was put back.
    given_up: Option<Id>,
    /// How many wait for another value. Waking nobody costs a system call as well.
    waiting: usize,
    /// How many works have ended.
    works: u64,
}

/// The lock of a group. Cheap to clone; all clones are the same lock.
#[derive(Clone)]
pub struct Ticket(Arc<TicketCell>);

struct TicketCell {
    slot: Mutex<TicketState>,
    changed: Condvar,
}

impl Default for Ticket {
    fn default() -> Self {
        Self::new()
    }
}

impl Ticket {
    /// A free ticket.
    pub fn new() -> Self {
        let slot = TicketState { value: TicketValue::Free, given_up: None, waiting: 0, works: 0 };
        Self(Arc::new(TicketCell { slot: Mutex::new(slot), changed: Condvar::new() }))
    }

    /// Takes the ticket for a request. Waits for other requests, never for work.
    ///
    /// # Errors
    /// When work is pending or running.
    pub fn take(&self) -> Result<TicketRequest, Conflict> {
        let mut slot = self.0.lock();
        while slot.value == TicketValue::Request {
            slot.waiting += 1;
            slot = self.0.changed.wait(slot).unwrap_or_else(|poisoned| poisoned.into_inner());
            slot.waiting -= 1;
        }
        slot.conflict()?;
        slot.value = TicketValue::Request;
        Ok(TicketRequest { shared: Arc::clone(&self.0), works: slot.works, put_back: TicketValue::Free })
    }

    /// Whether work is pending or running, without taking anything. Returns how many works have ended.
    ///
    /// # Errors
    /// When work is pending or running.
    pub fn peek(&self) -> Result<u64, Conflict> {
        let slot = self.0.lock();
        slot.conflict().map(|()| slot.works)
    }

    /// Takes the ticket for the worker of `id`: waits, at most for `patience`, until the ticket holds that timestamp.
    /// Any other value is put back, and logged.
    ///
    /// # Errors
    /// When the time is over. Then the timestamp counts as taken: if it is there, or comes later, it becomes 0.
    pub fn claim(&self, id: Id, patience: Duration) -> Result<Worker, GaveUp> {
        let deadline = Instant::now() + patience;
        let mut seen = None;
        let mut slot = self.0.lock();
        loop {
            match slot.value {
                TicketValue::Pending(there) if there == id => {
                    slot.value = TicketValue::Worker;
                    return Ok(Worker { shared: Arc::clone(&self.0), id });
                }
                TicketValue::Request => {}
                other if seen != Some(other) => {
                    // Whoever reads the log may be slow: nobody waits for the ticket meanwhile.
                    drop(slot);
                    log::warn!("Worker {id} put back a ticket that is not its own: {other:?}");
                    seen = Some(other);
                    slot = self.0.lock();
                    continue;
                }
                _ => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                slot.given_up = Some(id);
                drop(slot);
                log::error!("Worker {id} waited in vain for its ticket: timeout, the work is dropped");
                return Err(GaveUp);
            }
            slot.waiting += 1;
            slot = match self.0.changed.wait_timeout(slot, left) {
                Ok((slot, _)) => slot,
                Err(poisoned) => poisoned.into_inner().0,
            };
            slot.waiting -= 1;
        }
    }
}

impl TicketState {
    fn conflict(&self) -> Result<(), Conflict> {
        match self.value {
            TicketValue::Free | TicketValue::Request => Ok(()),
            TicketValue::Pending(_) => Err(Conflict::Pending),
            TicketValue::Worker => Err(Conflict::Busy),
        }
    }
}

impl TicketCell {
    fn lock(&self) -> MutexGuard<'_, TicketState> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts a value into the ticket and wakes all who wait for one.
    fn put(&self, value: TicketValue) {
        let mut slot = self.lock();
        if slot.value == TicketValue::Worker {
            slot.works += 1;
        }
        slot.value = match value {
            TicketValue::Pending(id) if slot.given_up == Some(id) => TicketValue::Free,
            value => value,
        };
        let is_waited_for = slot.waiting > 0;
        drop(slot);
        if is_waited_for {
            self.changed.notify_all();
        }
    }
}

/// The ticket, held by a request. Dropped, it is free again.
#[must_use]
pub struct TicketRequest {
    shared: Arc<TicketCell>,
    works: u64,
    put_back: TicketValue,
}

impl TicketRequest {
    /// How many works have ended: what was learnt at the same count (see [`Ticket::peek`]) still holds.
    pub fn works(&self) -> u64 {
        self.works
    }

    /// Puts the timestamp of an accepted request into the ticket: from here on, only its worker can take it.
    pub fn hand_over(mut self, id: Id) {
        self.put_back = TicketValue::Pending(id);
    }
}

impl Drop for TicketRequest {
    fn drop(&mut self) {
        self.shared.put(self.put_back);
    }
}

/// The ticket, held by a worker. Dropped, however the work ended, it is free again.
#[must_use]
pub struct Worker {
    shared: Arc<TicketCell>,
    id: Id,
}

impl Worker {
    /// The timestamp it was taken with.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.put(TicketValue::Free);
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
