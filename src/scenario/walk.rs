//! A walk at random within bounds, which a seed decides.

use std::sync::Mutex;

use crate::scenario::amount::{TrackAmount, between};
use crate::scenario::chance::chance;
use crate::sync::lock;

/// After so many steps a walk begins again, so that finding any place takes some milliseconds at most: twelve days of a step
/// a second.
pub const MOST_STEPS: u64 = 1 << 20;

/// A walk: a step up or down, of any size up to `step`, after each `every`. At the bounds it turns.
#[derive(Debug)]
pub struct Walk {
    /// The least.
    pub low: TrackAmount,
    /// The most.
    pub high: TrackAmount,
    /// The longest step.
    pub step: TrackAmount,
    /// Seconds, more than 0.
    pub every: f64,
    /// Decides where it begins and each step.
    pub seed: u64,
    /// The place that was found last. It saves the way there, and changes no value.
    found: Mutex<WalkPlace>,
}

/// A place of a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct WalkPlace {
    /// The bounds and the step that it was found with, for a limit may change.
    with: (f64, f64, f64),
    steps: u64,
    value: f64,
}

impl Walk {
    /// A walk that has not begun.
    pub fn new(low: TrackAmount, high: TrackAmount, step: TrackAmount, every: f64, seed: u64) -> Self {
        Self { low, high, step, every, seed, found: Mutex::default() }
    }

    /// The value at its own second `t`.
    pub fn value(&self, t: f64, limit: Option<f64>) -> Option<f64> {
        let (low, high) = (self.low.resolve(limit)?, self.high.resolve(limit)?);
        let high = high.max(low);
        let with = (low, high, self.step.resolve(limit)?);
        let steps = (t / self.every) as u64 % MOST_STEPS;
        let mut found = lock(&self.found);
        if found.with != with || found.steps > steps || found.steps == 0 {
            *found = WalkPlace { with, steps: 0, value: between(low, high, chance(self.seed, 0, 0)) };
        }
        while found.steps < steps {
            found.steps += 1;
            let moved = found.value + (2.0 * chance(self.seed, found.steps, 0) - 1.0) * with.2;
            let turned = if moved > high { 2.0 * high - moved } else { moved };
            let turned = if turned < low { 2.0 * low - turned } else { turned };
            found.value = turned.clamp(low, high);
        }
        Some(found.value)
    }

    /// The first second after `t` where it takes a step.
    pub fn edge_after(&self, t: f64) -> f64 {
        let edge = ((t / self.every).floor() + 1.0) * self.every;
        // Rounding may have led back to where it was.
        if edge > t { edge } else { edge + self.every }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(seed: u64) -> Walk {
        Walk::new(TrackAmount::Units(10.0), TrackAmount::Share(0.5), TrackAmount::Units(3.0), 2.0, seed)
    }

    proptest! {
        #[test]
        fn a_walk_keeps_within_bounds_and_steps(seed: u64, limit in 30.0f64..100.0) {
            let walk = walk(seed);
            let mut last = walk.value(0.0, Some(limit)).unwrap();
            for step in 1..500 {
                let value = walk.value(f64::from(step) * 2.0 + 0.5, Some(limit)).unwrap();
                prop_assert!((10.0..=limit / 2.0).contains(&value) && (value - last).abs() <= 3.0 + 1e-9);
                last = value;
            }
        }

        #[test]
        fn where_it_was_asked_before_does_not_matter(seed: u64, times in prop::collection::vec(0.0f64..5000.0, 1..20)) {
            let played = walk(seed);
            for t in times {
                prop_assert_eq!(played.value(t, Some(90.0)), walk(seed).value(t, Some(90.0)));
                prop_assert_eq!(played.value(t, Some(50.0)), walk(seed).value(t, Some(50.0)));
            }
        }
    }

    #[test]
    fn a_walk_begins_again_after_its_steps() {
        let walk = walk(7);
        let length = MOST_STEPS as f64 * 2.0;
        assert!(walk.value(1e300, Some(90.0)).is_some());
        assert_eq!(walk.value(length + 100.0, Some(90.0)), walk.value(100.0, Some(90.0)));
        assert_eq!(walk.value(100.0, None), None);
    }
}
