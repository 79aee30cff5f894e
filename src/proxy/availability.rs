//! For how long a service was available: a counter to which the time since the last check is added where the check passes.
//!
//! A check passes where a member may be asked, and not all requests since the last check have failed for want of a member that
//! answers. Where there were none, it passes if the last one did.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::sync::lock;

/// The availability of a service.
#[derive(Debug, Default)]
pub(super) struct ServiceAvailability {
    milliseconds: AtomicU64,
    last: Mutex<Option<LastCheck>>,
}

#[derive(Clone, Copy, Debug)]
struct LastCheck {
    at: Instant,
    answered: u64,
    failed: u64,
    /// Most that had been answered and had not failed: a failure may be seen a check before its answer is.
    good: u64,
    /// Whether requests were answered when there were some last.
    is_answering: bool,
}

impl ServiceAvailability {
    /// Checks: how many requests have been answered so far, and how many of them by the proxy, because no member did.
    pub(super) fn check(&self, now: Instant, has_member: bool, answered: u64, failed: u64) {
        let mut last = lock(&self.last);
        let good = answered.saturating_sub(failed);
        let Some(before) = *last else {
            *last = Some(LastCheck { at: now, answered, failed, good, is_answering: true });
            return;
        };
        let is_quiet = (answered, failed) == (before.answered, before.failed);
        let is_answering = if is_quiet { before.is_answering } else { good > before.good };
        if has_member && is_answering {
            let since = now.saturating_duration_since(before.at).as_millis();
            self.milliseconds.fetch_add(since as u64, Ordering::Relaxed);
        }
        *last = Some(LastCheck { at: now, answered, failed, good: good.max(before.good), is_answering });
    }

    /// For how long it was available.
    pub(super) fn milliseconds(&self) -> u64 {
        self.milliseconds.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn time_counts_where_the_check_passes() {
        let availability = ServiceAvailability::default();
        let began = Instant::now();
        for (second, has_member, answered, failed, available) in [
            (0, true, 5, 0, 0),
            // Nobody asks.
            (10, true, 5, 0, 10_000),
            // Some fail, not all.
            (11, true, 15, 9, 11_000),
            // All fail, and then nobody asks.
            (12, true, 17, 11, 11_000),
            (20, true, 17, 11, 11_000),
            (21, true, 18, 11, 12_000),
            // There is no member, and then there is one again.
            (22, false, 18, 11, 12_000),
            (23, true, 18, 11, 13_000),
            // A failure is seen a check before its answer.
            (24, true, 18, 12, 13_000),
            (25, true, 19, 12, 13_000),
            (26, true, 20, 12, 14_000),
        ] {
            availability.check(began + Duration::from_secs(second), has_member, answered, failed);
            assert_eq!(availability.milliseconds(), available, "{second}");
        }
    }
}
