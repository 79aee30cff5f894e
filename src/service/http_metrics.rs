//! How often each route was asked, what the answers were, and how long they took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The statuses that are counted one by one; any other counts as the last.
pub const STATUSES: [u16; 18] =
    [200, 202, 301, 400, 401, 403, 404, 405, 408, 409, 413, 422, 500, 501, 503, 504, 507, 0];
/// Upper bounds of the histogram, in milliseconds.
pub const BOUNDS: [u64; 10] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 30_000, 120_000];

/// The counters of all routes.
pub struct HttpMetrics(Box<[RouteMetrics]>);

/// The counters of a route.
pub struct RouteMetrics {
    /// What metrics call the route.
    pub name: &'static str,
    /// Answers by status, as in [`STATUSES`].
    pub statuses: [AtomicU64; STATUSES.len()],
    /// Answers by time, as in [`BOUNDS`]; the last are slower.
    pub times: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds that all of them took.
    pub total_us: AtomicU64,
}

/// What metrics call paths that are no routes, and what the edge refused.
const REST: [&str; 2] = ["other", "refused"];

impl HttpMetrics {
    /// Counters at zero, for these routes.
    pub fn new(routes: impl Iterator<Item = &'static str>) -> Self {
        let zeros = |name| RouteMetrics {
            name,
            statuses: [const { AtomicU64::new(0) }; STATUSES.len()],
            times: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            total_us: AtomicU64::new(0),
        };
        Self(routes.chain(REST).map(zeros).collect())
    }

    /// One more answer, of the route in this place; without one the path was none.
    pub fn count(&self, place: Option<usize>, status: u16, took: Duration) {
        let other = self.0.len() - REST.len();
        self.0[place.unwrap_or(other)].count(status, took);
    }

    /// One more request that the edge refused.
    pub fn count_refusal(&self, status: u16) {
        self.0[self.0.len() - 1].count(status, Duration::ZERO);
    }

    /// All of them.
    pub fn routes(&self) -> &[RouteMetrics] {
        &self.0
    }
}

impl RouteMetrics {
    fn count(&self, status: u16, took: Duration) {
        let of_status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
        let of_time = BOUNDS.iter().position(|bound| took <= Duration::from_millis(*bound)).unwrap_or(BOUNDS.len());
        self.statuses[of_status].fetch_add(1, Ordering::Relaxed);
        self.times[of_time].fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_counted_once() {
        let tally = HttpMetrics::new(["/a", "/b"].into_iter());
        tally.count(Some(0), 200, Duration::from_millis(3));
        tally.count(None, 418, Duration::from_secs(1000));
        tally.count_refusal(408);
        let sum = |counters: &[AtomicU64]| counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum::<u64>();
        let sums = tally.routes().iter().map(|route| (route.name, sum(&route.statuses), sum(&route.times)));
        assert_eq!(sums.collect::<Vec<_>>(), [("/a", 1, 1), ("/b", 0, 0), ("other", 1, 1), ("refused", 1, 1)]);
    }
}
