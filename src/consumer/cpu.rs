//! One CPU flat out, for as long as asked.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::factor::Factoring;
use super::group::{PATIENCE, WORKER_STACK_BYTES};
use super::id::{Id, Ids};
use super::number::{NumberError, parse_unsigned};
use super::ticket::{Conflict, Ticket};
use crate::clock::saturating_add;
use crate::settings::{CpuLimit, Number};
use crate::shutdown::Stop;
use crate::sync::lock;

/// Divisions between two looks at the clock: well under a millisecond, whatever the processor.
const DIVISIONS: u32 = 4096;
/// How long `stop` waits for the load to be over before it answers. It is over within a millisecond; the bound is the
/// contract's promise about what comes after the answer.
const STOPPING: Duration = Duration::from_millis(100);

/// The CPU group: at most one load at a time.
pub struct Cpu {
    ticket: Ticket,
    ids: Arc<Ids>,
    number: Number,
    limit: CpuLimit,
    stop: Stop,
    load: Mutex<Option<Load>>,
    ended: Condvar,
}

/// A load that was accepted and is not over.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its id.
    pub id: Id,
    /// When it was asked for.
    pub sent: SystemTime,
    /// For how many seconds it was asked for.
    pub seconds: u64,
    /// When it ends at the latest.
    pub ends: SystemTime,
    cancelled: Arc<AtomicBool>,
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
    /// The kernel gave no thread for it.
    NotStarted(io::Error),
}

impl Cpu {
    /// No load yet.
    pub fn new(ids: Arc<Ids>, number: Number, limit: CpuLimit, stop: Stop) -> Self {
        Self { ticket: Ticket::new(), ids, number, limit, stop, load: Mutex::default(), ended: Condvar::new() }
    }

    /// The number that is factored.
    pub fn number(&self) -> u128 {
        self.number.value
    }

    /// Starts a load of so many seconds.
    ///
    /// # Errors
    /// When one runs, the time is no number, or there is no thread for it.
    pub fn start(self: &Arc<Self>, time: Option<&[u8]>) -> Result<Load, LoadRefused> {
        let request = self.ticket.take().map_err(LoadRefused::Conflict)?;
        let seconds = parse_unsigned(time.ok_or(LoadRefused::Absent)?).map_err(LoadRefused::Number)?;
        let length = Duration::from_secs(self.limit.cap(seconds, &self.number));
        let (id, sent) = (self.ids.next(), SystemTime::now());
        let ends = saturating_add(sent, length);
        let load = Load { id, sent, seconds, ends, cancelled: Arc::default() };
        // The time is counted from here, on a clock that nobody sets.
        let began = Instant::now();
        *lock(&self.load) = Some(load.clone());
        let (cpu, work) = (Arc::clone(self), load.clone());
        let thread = thread::Builder::new().name(String::from("cpu")).stack_size(WORKER_STACK_BYTES);
        if let Err(error) = thread.spawn(move || cpu.work(&work, began, length)) {
            *lock(&self.load) = None;
            return Err(LoadRefused::NotStarted(error));
        }
        if length.as_secs() < seconds {
            log::info!(
                "CPU load {id}: {seconds} seconds asked for, capped at HIGHCPULIM, {} seconds",
                length.as_secs()
            );
        }
        request.hand_over(id);
        Ok(load)
    }

    /// The load that was accepted and is not over.
    pub fn load(&self) -> Option<Load> {
        lock(&self.load).clone()
    }

    /// Stops `load`, and waits for it to be over.
    pub fn cancel(&self, load: &Load) {
        load.cancelled.store(true, Ordering::Release);
        let current = lock(&self.load);
        let runs = |current: &mut Option<Load>| current.as_ref().is_some_and(|other| other.id == load.id);
        drop(self.ended.wait_timeout_while(current, STOPPING, runs));
    }

    /// The worker: holds the ticket for the whole load.
    fn work(&self, load: &Load, began: Instant, length: Duration) {
        // Dropped last, and so after the ticket is free: whoever waits for the end can start the next load.
        let _over = Over { cpu: self, id: load.id };
        let Ok(worker) = self.ticket.claim(load.id, PATIENCE) else { return };
        // A deadline that no clock reaches is none.
        let outcome = self.burn(load, began.checked_add(length));
        log::info!("CPU load {} {outcome} after {} seconds", worker.id(), began.elapsed().as_secs());
    }

    fn burn(&self, load: &Load, deadline: Option<Instant>) -> &'static str {
        let mut factoring = Factoring::new(self.number.value);
        loop {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return "ended";
            }
            if load.cancelled.load(Ordering::Acquire) || self.stop.is_set() {
                return "stopped";
            }
            if factoring.advance(DIVISIONS) {
                if self.number.set_by_user {
                    log::info!("Number factored: {factoring}");
                    return "ended, its number is factored,";
                }
                // The default number is only there to be worked on.
                factoring = Factoring::new(self.number.value);
            }
        }
    }
}

/// Forgets the load when the worker ends, however it ends.
struct Over<'c> {
    cpu: &'c Cpu,
    id: Id,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut current = lock(&self.cpu.load);
        // The ticket is free already: the current load may be the next one.
        if current.as_ref().is_some_and(|load| load.id == self.id) {
            *current = None;
        }
        drop(current);
        self.cpu.ended.notify_all();
    }
}
