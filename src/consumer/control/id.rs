//! Request ids: the time in nanoseconds since the epoch, never the same twice and never going back.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The id of an accepted request, which is also its timestamp. 0 stands for "none yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub u64);

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Hands out ids that strictly increase, whatever the clock does.
#[derive(Debug, Default)]
pub struct Ids {
    last: AtomicU64,
}

impl Ids {
    /// Starts from the clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock's time, or one more than the last id where the clock stands still or goes back.
    pub fn next(&self) -> Id {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        self.next_at(now)
    }

    fn next_at(&self, now: u64) -> Id {
        let after = |last: u64| Some(now.max(last + 1));
        // The closure never declines, so the update cannot fail.
        let last = self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, after).unwrap_or_else(|last| last);
        Id(now.max(last + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_whatever_the_clock_does() {
        let ids = Ids::new();
        let handed_out: Vec<u64> = [50, 50, 40, 60, 1, 61].map(|now| ids.next_at(now).0).into();
        assert_eq!(handed_out, [50, 51, 52, 60, 61, 62]);
        assert!(ids.next().0.to_string().len() == 19);
    }
}
