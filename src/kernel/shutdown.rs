//! One stop signal that everybody watches.
//!
//! SIGTERM and SIGINT become a [`Stop`]: workers look at it between two small steps, sleepers wait on it, and the
//! accepting thread polls its descriptor. A second signal ends the process at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::sync::lock;

/// The stop signal: cheap to clone, set once, never unset.
#[derive(Clone)]
pub struct Stop(Arc<StopState>);

struct StopState {
    stopped: AtomicBool,
    sleepers: Mutex<()>,
    wake: Condvar,
    /// Readable once the signal is set. Nobody reads from it, so it stays readable for everybody who polls.
    bell: UnixStream,
    ringer: UnixStream,
}

impl Stop {
    /// A signal that is not set.
    ///
    /// # Errors
    /// When the kernel has no pair of sockets for it.
    pub fn new() -> io::Result<Self> {
        let (bell, ringer) = UnixStream::pair()?;
        Ok(Self(Arc::new(StopState {
            stopped: AtomicBool::new(false),
            sleepers: Mutex::new(()),
            wake: Condvar::new(),
            bell,
            ringer,
        })))
    }

    /// One that the first SIGTERM or SIGINT sets. The second ends the process at once.
    ///
    /// # Errors
    /// When the kernel refuses a handler or a thread.
    pub fn at_signal() -> io::Result<Self> {
        let stop = Self::new()?;
        let mut caught = Caught::start()?;
        let stopper = stop.clone();
        let wait = move || {
            caught.wait(|_| false);
            stopper.stop();
        };
        std::thread::Builder::new().name(String::from("signals")).spawn(wait)?;
        Ok(stop)
    }

    /// Sets the signal and wakes all who wait for it.
    pub fn stop(&self) {
        let sleepers = lock(&self.0.sleepers);
        if !self.0.stopped.swap(true, Ordering::AcqRel) {
            // One byte into an empty socket buffer always fits; were it ever to fail, the flag still stands.
            let _ = io::Write::write(&mut &self.0.ringer, b"!");
        }
        drop(sleepers);
        self.0.wake.notify_all();
    }

    /// Whether the signal is set.
    pub fn is_set(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Sleeps for `length`, or until the signal is set; says whether it is.
    pub fn sleep(&self, length: Duration) -> bool {
        let sleepers = lock(&self.0.sleepers);
        match self.0.wake.wait_timeout_while(sleepers, length, |()| !self.is_set()) {
            Ok(_) | Err(_) => self.is_set(),
        }
    }

    /// A descriptor that is readable from the moment the signal is set.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }
}

/// A signal that asks us to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// Its name as the contract writes it.
    pub fn name(&self) -> &'static str {
        if self.0 == SIGINT { "interrupt" } else { "terminated" }
    }

    /// Whether it is SIGTERM.
    pub fn is_term(&self) -> bool {
        self.0 == SIGTERM
    }
}

/// SIGTERM and SIGINT, caught.
pub struct Caught {
    signals: Signals,
    /// From now on, a signal ends the process at once.
    armed: Arc<AtomicBool>,
}

impl Caught {
    /// Catches both signals from now on. They are handed to [`Caught::wait`]; the one after the first that is not to be
    /// passed over ends the process at once, with the status a shell gives a process that died of it.
    ///
    /// # Errors
    /// When the kernel refuses a handler.
    pub fn start() -> io::Result<Self> {
        let _held = crate::kernel::signals::hold_signals();
        let armed = Arc::new(AtomicBool::new(false));
        // Before the other: they are called in this order, and the first signal must not meet what waiting for it arms.
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))?;
        }
        let signals = Signals::new([SIGTERM, SIGINT])?;
        Ok(Self { signals, armed })
    }

    /// Waits for the next signal. Unless it is to be passed over, the next one after it is not waited for any more.
    pub fn wait(&mut self, passed_over: impl Fn(&Signal) -> bool) -> Signal {
        // The iterator ends only when it is closed, which nobody does.
        let signal = Signal(self.signals.forever().next().unwrap_or(SIGTERM));
        self.armed.store(!passed_over(&signal), Ordering::Release);
        signal
    }

    /// The signal that has come, if one has. A second one ends the process.
    pub fn came(&mut self) -> Option<Signal> {
        let signal = Signal(self.signals.pending().next()?);
        self.armed.store(true, Ordering::Release);
        Some(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Instant;

    #[test]
    fn a_sleeper_leaves_at_once_when_stopped() {
        let stop = Stop::new().unwrap();
        let other = stop.clone();
        let start = Instant::now();
        let sleeper = thread::spawn(move || other.sleep(Duration::from_secs(60)));
        stop.stop();
        assert!(sleeper.join().unwrap());
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(stop.is_set());
    }

    #[test]
    fn a_sleeper_sleeps_its_time_when_nobody_stops() {
        let stop = Stop::new().unwrap();
        let start = Instant::now();
        assert!(!stop.sleep(Duration::from_millis(30)));
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
