//! A paced change: a straight line from one level to another.

use std::time::Duration;

/// A straight line from one level to another.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    /// The level at its beginning.
    pub from: u64,
    /// The level at its end.
    pub to: u64,
    /// How long it is; not zero.
    pub length: Duration,
}

impl Ramp {
    /// The level after `elapsed`.
    pub fn at(&self, elapsed: Duration) -> u64 {
        if elapsed >= self.length {
            return self.to;
        }
        let way = u128::from(self.from.abs_diff(self.to)) * elapsed.as_nanos() / self.length.as_nanos();
        // At most the whole difference, which is below 2^64.
        if self.to >= self.from { self.from + way as u64 } else { self.from - way as u64 }
    }

    /// How long it takes to move by `grain`.
    pub fn time_for(&self, grain: u64) -> Duration {
        let change = self.from.abs_diff(self.to).max(1);
        self.length.mul_f64((grain as f64 / change as f64).min(1.0))
    }
}
