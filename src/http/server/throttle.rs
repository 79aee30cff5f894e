//! Throttled answers: those that are held back on purpose or take long, and how many may be at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::kernel::shutdown::Stop;

/// Bounds the answers that are not given at once. Such an answer keeps its connection's permit and cannot give way to a
/// new connection, so at most half the permits may be held like that at a time: above that, an answer that is held back
/// goes out at once, and one that would take long is refused.
pub(in crate::http) struct Throttle {
    free: AtomicUsize,
    stop: Stop,
}

/// The right to an answer that takes long. Returned when dropped.
pub struct Hold(Arc<Throttle>);

impl Throttle {
    pub(in crate::http) fn new(connections: usize, stop: Stop) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(connections / 2), stop })
    }

    /// Waits `delay`, or less: not at all when too many wait already, and only until the service stops.
    pub(in crate::http) fn hold(self: &Arc<Self>, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        if let Some(_hold) = self.take() {
            self.stop.sleep(delay);
        }
    }

    /// The right to an answer that takes long, if not too many have it.
    pub(in crate::http) fn take(self: &Arc<Self>) -> Option<Hold> {
        let taken = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.is_ok().then(|| Hold(Arc::clone(self)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Instant;

    #[test]
    fn at_most_half_the_connections_wait() {
        let stop = Stop::new().unwrap();
        let throttle = Throttle::new(4, stop.clone());
        let start = Instant::now();
        let held = [throttle.take(), throttle.take(), throttle.take()];
        assert_eq!(held.each_ref().map(Option::is_some), [true, true, false]);
        throttle.hold(Duration::from_secs(600));
        assert!(start.elapsed() < Duration::from_secs(300), "above half, an answer goes out at once");
        drop(held);
        let waiting = thread::spawn({
            let throttle = Arc::clone(&throttle);
            move || throttle.hold(Duration::from_secs(600))
        });
        let begun = Instant::now();
        while throttle.take().is_some_and(|_one| throttle.take().is_some()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not held back");
            thread::yield_now();
        }
        stop.stop();
        waiting.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(300), "who waited leaves when the service stops");
        assert_eq!(throttle.free.load(Ordering::Acquire), 2);
    }
}
