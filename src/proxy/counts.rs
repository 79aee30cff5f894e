//! What is counted of a service and of its members: a counter stands beside what it counts, so that nobody looks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::proxy::availability::ServiceAvailability;
use crate::proxy::times::DurationHistogram;

/// Requests by the class of their answer's status.
#[derive(Debug, Default)]
pub(super) struct StatusClasses([AtomicU64; 6]);

impl StatusClasses {
    /// As they are shown: the first is that of requests that got no answer, because their client left.
    pub(super) const LABELS: [&'static str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

    pub(super) fn count(&self, status: Option<u16>) {
        let class = status.map_or(0, |status| usize::from(status / 100).min(5));
        self.0[class].fetch_add(1, Ordering::Relaxed);
    }

    /// By label.
    pub(super) fn read(&self) -> [u64; 6] {
        std::array::from_fn(|class| self.0[class].load(Ordering::Relaxed))
    }
}

/// What is counted of a service.
#[derive(Debug, Default)]
pub(super) struct ServiceCounts {
    /// From a request's head to the end of its answer.
    pub(super) durations: DurationHistogram,
    /// Bytes of bodies from clients.
    pub(super) received: AtomicU64,
    /// Bytes of bodies to clients.
    pub(super) sent: AtomicU64,
    /// Further members that were asked, after one that had failed.
    pub(super) retries: AtomicU64,
    /// Requests that the proxy answered without asking a member.
    pub(super) memberless: StatusClasses,
    /// Requests that no member answered: the proxy said so.
    pub(super) failed: AtomicU64,
    pub(super) availability: ServiceAvailability,
}

impl ServiceCounts {
    /// The proxy answered with this status before a member was asked.
    pub(super) fn answered_without_member(&self, status: u16) {
        if status >= 500 {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.memberless.count(Some(status));
    }

    /// How many requests were answered, by whomever.
    pub(super) fn answered(&self) -> u64 {
        self.durations.count() + self.memberless.read()[1..].iter().sum::<u64>()
    }
}

/// Connections to a member.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounts {
    open: AtomicUsize,
    idle: AtomicUsize,
    made: AtomicU64,
}

impl ConnectionCounts {
    /// How many are idle and in use now, and how many there ever were.
    pub(super) fn read(&self) -> (usize, usize, u64) {
        let idle = self.idle.load(Ordering::Relaxed);
        (idle, self.open.load(Ordering::Relaxed).saturating_sub(idle), self.made.load(Ordering::Relaxed))
    }
}

/// A connection to a member, as it is counted until it is dropped.
#[derive(Debug)]
pub(super) struct CountedConnection {
    counts: Arc<ConnectionCounts>,
    is_idle: bool,
}

impl CountedConnection {
    /// A new one, in use.
    pub(super) fn new(counts: &Arc<ConnectionCounts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        counts.made.fetch_add(1, Ordering::Relaxed);
        Self { counts: Arc::clone(counts), is_idle: false }
    }

    pub(super) fn set_idle(&mut self, is_idle: bool) {
        match (self.is_idle, is_idle) {
            (false, true) => _ = self.counts.idle.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.counts.idle.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        self.is_idle = is_idle;
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.set_idle(false);
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_counted_for_as_long_as_it_is_there() {
        let counts = Arc::default();
        let mut one = CountedConnection::new(&counts);
        let two = CountedConnection::new(&counts);
        assert_eq!(counts.read(), (0, 2, 2));
        one.set_idle(true);
        one.set_idle(true);
        assert_eq!(counts.read(), (1, 1, 2));
        drop(one);
        assert_eq!(counts.read(), (0, 1, 2));
        drop(two);
        assert_eq!(counts.read(), (0, 0, 2));
    }

    #[test]
    fn a_status_has_a_class() {
        let classes = StatusClasses::default();
        for status in [None, Some(101), Some(200), Some(299), Some(599), Some(999)] {
            classes.count(status);
        }
        assert_eq!(classes.read(), [1, 1, 2, 0, 0, 2]);
    }
}
