//! Spikes at random, which a seed decides.

use crate::scenario::amount::{TrackAmount, between};
use crate::scenario::chance::chance;

/// What a number of chance is for.
const WHEN: u64 = 1;
const HOW_LONG: u64 = 2;
const HOW_HIGH: u64 = 3;

/// Spikes. From the beginning of one to that of the next it takes `every`, so no two overlap while a spike is no longer than
/// the least of that.
#[derive(Clone, Debug, PartialEq)]
pub struct Spikes {
    /// The least and the most that a spike is.
    pub height: (TrackAmount, TrackAmount),
    /// Seconds that a spike lasts, the least and the most.
    pub length: (f64, f64),
    /// Seconds from one beginning to the next, the least and the most; the least is no shorter than the longest spike.
    pub every: (f64, f64),
    /// Decides all of them.
    pub seed: u64,
}

impl Spikes {
    /// The value at its own second `t`.
    pub fn value(&self, t: f64, limit: Option<f64>) -> Option<f64> {
        let (least, most) = (self.height.0.resolve(limit)?, self.height.1.resolve(limit)?);
        for number in self.near(t) {
            let (begin, end) = self.spike(number);
            if (begin..end).contains(&t) {
                return Some(between(least, most, chance(self.seed, number, HOW_HIGH)));
            }
        }
        Some(0.0)
    }

    /// The first second after `t` where one begins or ends.
    pub fn edge_after(&self, t: f64) -> f64 {
        let mut edge = f64::INFINITY;
        for number in self.near(t) {
            let (begin, end) = self.spike(number);
            for at in [begin, end] {
                if at > t {
                    edge = edge.min(at);
                }
            }
        }
        edge
    }

    /// Those that may be going on at `t`, or come next.
    fn near(&self, t: f64) -> std::ops::RangeInclusive<u64> {
        let number = (t / self.mean()) as u64;
        number.saturating_sub(2)..=number.saturating_add(2)
    }

    fn mean(&self) -> f64 {
        (self.every.0 + self.every.1) / 2.0
    }

    /// When it begins and ends. Each begins near the middle of its own interval, which are all as long as the mean, and
    /// at most a quarter of the range away: so the distance of two is within the range.
    fn spike(&self, number: u64) -> (f64, f64) {
        let range = self.every.1 - self.every.0;
        let away = (chance(self.seed, number, WHEN) - 0.5) * range / 2.0;
        let begin = (number as f64 + 0.5) * self.mean() + away;
        (begin, begin + between(self.length.0, self.length.1, chance(self.seed, number, HOW_LONG)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spikes_keep_within_their_ranges(seed: u64, every in 10.0f64..100.0, range in 0.0f64..100.0, part in 0.1f64..1.0) {
            let amounts = (TrackAmount::Units(5.0), TrackAmount::Units(7.0));
            let length = (every * part / 2.0, every * part);
            let spikes = Spikes { height: amounts, length, every: (every, every + range), seed };
            let (mut t, mut last) = (0.0, None);
            for _ in 0..40 {
                let edge = spikes.edge_after(t);
                prop_assert!(edge > t);
                let value = spikes.value(edge, None).unwrap();
                prop_assert!(value == 0.0 || (5.0..=7.0).contains(&value));
                if value > 0.0 {
                    let gap = last.map_or(every, |last: f64| edge - last);
                    prop_assert!(gap >= every - 1e-6 && gap <= every + range + 1e-6, "{gap}");
                    last = Some(edge);
                } else if let Some(begin) = last {
                    prop_assert!((length.0 - 1e-6..=length.1 + 1e-6).contains(&(edge - begin)), "{}", edge - begin);
                }
                t = edge;
            }
        }
    }
}
