//! How long members take.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in seconds, as they are written.
const BOUNDS: [(u64, &str); 14] = [
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (75_000, "0.075"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (750_000, "0.75"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (7_500_000, "7.5"),
    (10_000_000, "10.0"),
];
/// Durations by size.
#[derive(Debug, Default)]
pub(super) struct DurationHistogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl DurationHistogram {
    pub(super) fn observe(&self, duration: Duration) {
        let microseconds = duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros());
        let bucket = BOUNDS.iter().position(|(bound, _)| microseconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// How many are at most as long as each bound, as it is written; and the sum of all, in microseconds.
    pub(super) fn read(&self) -> (Vec<(&'static str, u64)>, u64) {
        let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        let mut count = 0;
        let buckets = bounds.zip(&self.buckets).map(|(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (bound, count)
        });
        (buckets.collect(), self.microseconds.load(Ordering::Relaxed))
    }

    /// Its lines, with `labels` on all: those before `le` in the alphabet there are none of.
    pub(super) fn write(&self, out: &mut String, name: &str, labels: &str) {
        let (buckets, microseconds) = self.read();
        for (bound, count) in &buckets {
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\",{labels}}} {count}.0");
        }
        let count = buckets.last().map_or(0, |(_, count)| *count);
        let _ = writeln!(out, "{name}_count{{{labels}}} {count}.0");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// What was sent to a member that its answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The request as a whole.
    Whole,
    /// Its head, where the body waits to be asked for.
    HeadAlone,
    /// The body after that.
    Body,
}

impl Order {
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Whole, "0"), (Self::Body, "1"), (Self::HeadAlone, "None")];
}

/// What a member's answers took.
#[derive(Debug, Default)]
pub(super) struct MemberTimes {
    pub(super) processing: DurationHistogram,
    /// By [`Order`].
    pub(super) exchange: [DurationHistogram; 3],
}

impl MemberTimes {
    /// From connecting to the end of the answer, or of the waiting for it.
    pub(super) fn answered(&self, duration: Duration) {
        self.processing.observe(duration);
    }

    /// From sending to the first bytes back.
    pub(super) fn exchanged(&self, order: Order, duration: Duration) {
        self.exchange[order as usize].observe(duration);
    }
}
