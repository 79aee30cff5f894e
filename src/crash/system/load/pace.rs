//! When the next request begins.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Turns, so many in a second at most, at even distances. What was missed is not caught up with.
#[derive(Debug)]
pub(super) struct RequestPace {
    distance: Duration,
    next: Mutex<Instant>,
}

impl RequestPace {
    /// So many turns in a second.
    pub(super) fn new(rate: u64) -> Self {
        let distance = Duration::from_nanos(1_000_000_000 / rate.max(1));
        Self { distance, next: Mutex::new(Instant::now()) }
    }

    /// How long to wait from now until the turn that is taken by this.
    pub(super) fn take(&self, now: Instant) -> Duration {
        let mut next = lock(&self.next);
        let turn = (*next).max(now);
        *next = turn + self.distance;
        turn.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_even_and_what_was_missed_is_missed() {
        let pace = RequestPace::new(100);
        let start = Instant::now() + Duration::from_secs(1);
        let millis = |n| Duration::from_millis(n);
        assert_eq!([0, 0, 15, 15].map(|at| pace.take(start + millis(at))), [0, 10, 5, 15].map(millis));
        // A second later nobody has waited.
        assert_eq!([1000, 1000].map(|at| pace.take(start + millis(at))), [0, 10].map(millis));
    }
}
