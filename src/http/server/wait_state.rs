//! Whom a connection waits for: on us, or on its client and since when. Its own thread says so, and whoever needs its slot
//! may take it away, but only while it waits on its client.
//!
//! Invariant: an eviction and the beginning of an answer exclude each other. Whichever comes first in the one atomic value
//! holds; an eviction that was decided by an older value fails.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The connection waits on us: it must not be closed under our hands.
const SERVED: u64 = 0;
/// The connection was told to go.
const GONE: u64 = u64::MAX;
/// The lowest bit of a waiting state: an answer is on its way out.
const ANSWERING: u64 = 1;

/// [`SERVED`], [`GONE`], or since when (in nanoseconds since the connection came) it waits for its client, with the lowest
/// bit telling an answer that is not taken from a request that does not come.
pub(super) struct WaitState(AtomicU64);

/// A moment's state of a connection that waits on its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits(u64);

impl Waits {
    /// Since when, in nanoseconds since the connection came, to within one.
    pub(super) fn since(self) -> u64 {
        self.0
    }

    /// Whether it waits for its answer to be taken, and not for a request.
    pub(super) fn is_answering(self) -> bool {
        self.0 & ANSWERING != 0
    }
}

impl WaitState {
    /// A connection that waits on us.
    pub(super) fn served() -> Self {
        Self(AtomicU64::new(SERVED))
    }

    /// How it waits on its client, if it does.
    pub(super) fn waits(&self) -> Option<Waits> {
        match self.0.load(Ordering::Acquire) {
            SERVED | GONE => None,
            state => Some(Waits(state)),
        }
    }

    /// From now on it waits on us. Returns whether it is still there; if not, it was evicted.
    pub(super) fn serve(&self) -> bool {
        let state = self.0.load(Ordering::Acquire);
        state != GONE && self.replace(state, SERVED)
    }

    /// From now on it waits for its client: to send, or to take an answer.
    pub(super) fn wait(&self, nanoseconds: u64, answering: bool) {
        let state = self.0.load(Ordering::Acquire);
        if state != GONE {
            // Never SERVED. It fails only when the connection is evicted in this very moment: then GONE stands.
            let since = (nanoseconds & !ANSWERING).clamp(2, GONE - 1);
            self.replace(state, since | u64::from(answering));
        }
    }

    /// The answer was taken; the wait for the next request began when it was given.
    pub(super) fn answer_taken(&self) {
        let state = self.0.load(Ordering::Acquire);
        if state != GONE {
            self.replace(state, state & !ANSWERING);
        }
    }

    /// Evicts it if it still waits as it did; says whether it did.
    pub(super) fn evict(&self, waits: Waits) -> bool {
        self.replace(waits.0, GONE)
    }

    fn replace(&self, now: u64, then: u64) -> bool {
        self.0.compare_exchange(now, then, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(all(test, loom))]
mod model;
