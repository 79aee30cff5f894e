//! How often each route was asked, what the answers were, and how long they took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::table::ROUTES;

/// The place of paths that are in no table.
pub const UNKNOWN: usize = ROUTES.len();
/// The place of what the edge refused.
pub const REFUSED: usize = ROUTES.len() + 1;
/// How many places there are.
const PLACES: usize = ROUTES.len() + 2;

/// The statuses that are counted one by one; any other counts as the last.
pub const STATUSES: [u16; 16] = [200, 202, 301, 400, 401, 403, 404, 405, 408, 409, 413, 422, 500, 503, 504, 0];
/// Upper bounds of the histogram, in milliseconds.
pub const BOUNDS: [u64; 10] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 30_000, 120_000];

/// The counters of all routes.
pub struct HttpTally {
    routes: Box<[RouteTally; PLACES]>,
}

/// The counters of a route.
pub struct RouteTally {
    /// Answers by status, as in [`STATUSES`].
    pub statuses: [AtomicU64; STATUSES.len()],
    /// Answers by time, as in [`BOUNDS`]; the last are slower.
    pub times: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds that all of them took.
    pub total_us: AtomicU64,
}

impl Default for HttpTally {
    fn default() -> Self {
        let zeros = |_| RouteTally {
            statuses: std::array::from_fn(|_| AtomicU64::new(0)),
            times: std::array::from_fn(|_| AtomicU64::new(0)),
            total_us: AtomicU64::new(0),
        };
        Self { routes: Box::new(std::array::from_fn(zeros)) }
    }
}

impl HttpTally {
    /// One more answer.
    pub fn count(&self, place: usize, status: u16, took: Duration) {
        let route = &self.routes[place.min(PLACES - 1)];
        let of_status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
        let of_time = BOUNDS.iter().position(|bound| took <= Duration::from_millis(*bound)).unwrap_or(BOUNDS.len());
        route.statuses[of_status].fetch_add(1, Ordering::Relaxed);
        route.times[of_time].fetch_add(1, Ordering::Relaxed);
        route.total_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// What metrics call each route, and its counters.
    pub fn routes(&self) -> impl Iterator<Item = (&'static str, &RouteTally)> {
        let names = ROUTES.iter().map(|(path, _)| *path).chain(["other", "refused"]);
        names.zip(self.routes.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_counted_once() {
        let tally = HttpTally::default();
        tally.count(0, 200, Duration::from_millis(3));
        tally.count(UNKNOWN, 418, Duration::from_secs(1000));
        tally.count(REFUSED, 408, Duration::ZERO);
        let sums: Vec<(&str, u64, u64)> = tally
            .routes()
            .map(|(name, route)| {
                let sum = |counters: &[AtomicU64]| counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum();
                (name, sum(&route.statuses), sum(&route.times))
            })
            .filter(|(_, statuses, times)| statuses + times > 0)
            .collect();
        assert_eq!(sums, [("/api/mem/set", 1, 1), ("other", 1, 1), ("refused", 1, 1)]);
    }
}
