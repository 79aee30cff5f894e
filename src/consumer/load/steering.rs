//! A demand that is steered while a load runs: straight pieces, one after the other.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::sync::lock;

/// What a load is to use or move at each moment, told piece by piece: millicores, or bytes a second.
#[derive(Debug)]
pub struct Steering {
    made: Instant,
    piece: Mutex<SteeredPiece>,
}

/// The piece that holds now: a straight line, and its end from there on.
#[derive(Clone, Copy, Debug, Default)]
struct SteeredPiece {
    /// When it begins.
    at: Duration,
    from: f64,
    to: f64,
    over: Duration,
    /// What was due when it began.
    before: f64,
}

impl SteeredPiece {
    fn value(&self, at: Duration) -> f64 {
        let passed = at.saturating_sub(self.at);
        if passed >= self.over {
            return self.to;
        }
        self.from + (self.to - self.from) * passed.as_secs_f64() / self.over.as_secs_f64()
    }

    fn due(&self, at: Duration) -> f64 {
        let passed = at.saturating_sub(self.at);
        let sloped = passed.min(self.over);
        let slope = (self.from + self.value(self.at + sloped)) / 2.0 * sloped.as_secs_f64();
        self.before + slope + self.to * (passed - sloped).as_secs_f64()
    }

    fn then(&self, at: Duration, from: f64, to: f64, over: Duration) -> Self {
        Self { at, from, to, over, before: self.due(at) }
    }
}

impl Steering {
    /// Nothing, until it is told.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { made: Instant::now(), piece: Mutex::default() })
    }

    /// From now on it is a straight line between these, so long, and stays at its end.
    pub fn steer(&self, from: f64, to: f64, over: Duration) {
        let mut piece = lock(&self.piece);
        *piece = piece.then(self.made.elapsed(), from, to, over);
    }

    /// The demand now.
    pub fn now(&self) -> f64 {
        lock(&self.piece).value(self.made.elapsed())
    }

    /// All that was due since it was made: the demand, times seconds.
    pub fn due(&self) -> f64 {
        lock(&self.piece).due(self.made.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_the_area_below_the_pieces() {
        let second = Duration::from_secs_f64;
        let first = SteeredPiece::default().then(second(1.0), 0.0, 100.0, second(2.0));
        assert_eq!((first.value(second(2.0)), first.due(second(2.0))), (50.0, 25.0));
        assert_eq!((first.value(second(9.0)), first.due(second(4.0))), (100.0, 200.0));
        // In the middle of it comes another: what was due is due.
        let other = first.then(second(2.0), 10.0, 10.0, Duration::ZERO);
        assert_eq!((other.value(second(2.0)), other.due(second(2.0)), other.due(second(3.0))), (10.0, 25.0, 35.0));
    }

    proptest::proptest! {
        #[test]
        fn it_never_falls(pieces in proptest::collection::vec((0.0f64..5.0, 0.0f64..1e4, 0.0f64..1e4, 0.0f64..3.0), 1..20)) {
            let (mut piece, mut at, mut due) = (SteeredPiece::default(), Duration::ZERO, 0.0);
            for (wait, from, to, over) in pieces {
                at += Duration::from_secs_f64(wait);
                piece = piece.then(at, from, to, Duration::from_secs_f64(over));
                for step in 0..10 {
                    let now = piece.due(at + Duration::from_secs_f64(wait) * step / 10);
                    proptest::prop_assert!(now + 1e-9 >= due || step == 0, "{now} after {due}");
                    due = now;
                }
            }
        }
    }
}
