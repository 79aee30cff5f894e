//! Waves: what comes again after each period.

use crate::scenario::amount::{TrackAmount, between};

/// What a period looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WaveForm {
    /// Smoothly from `low` to `high` and back.
    Sine,
    /// Evenly from `low` to `high`, and at once back.
    Sawtooth,
    /// `high` for this part of the period (0 to 1), then `low`.
    Square(f64),
}

/// A wave between two amounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// What a period looks like.
    pub form: WaveForm,
    /// The least.
    pub low: TrackAmount,
    /// The most.
    pub high: TrackAmount,
    /// Seconds, more than 0.
    pub period: f64,
    /// How far into its period it begins, in seconds.
    pub phase: f64,
}

impl Wave {
    /// The value at its own second `t`.
    pub fn value(&self, t: f64, limit: Option<f64>) -> Option<f64> {
        let (low, high) = (self.low.resolve(limit)?, self.high.resolve(limit)?);
        let turns = (t + self.phase) / self.period;
        let way = turns - turns.floor();
        Some(between(
            low,
            high,
            match self.form {
                WaveForm::Sine => rise(way),
                WaveForm::Sawtooth => way,
                WaveForm::Square(duty) => f64::from(u8::from(way < duty)),
            },
        ))
    }

    /// The first second after `t` where it jumps, or turns.
    pub fn edge_after(&self, t: f64) -> f64 {
        let turns = (t + self.phase) / self.period;
        let (whole, way) = (turns.floor(), turns - turns.floor());
        let middle = match self.form {
            WaveForm::Sine => 0.5,
            WaveForm::Sawtooth => 1.0,
            WaveForm::Square(duty) => duty,
        };
        let next = if way < middle { whole + middle } else { whole + 1.0 };
        let edge = next * self.period - self.phase;
        // Rounding may have led back to where it was.
        if edge > t { edge } else { edge + self.period * 0.5 }
    }
}

/// `(1 - cos(2πx)) / 2` for x from 0 to 1, within a millionth. The sum has what the series of the cosine has, and the
/// standard library's cosine, right for any number, would be two KiB of the binary.
fn rise(x: f64) -> f64 {
    // From the middle of the wave, where it is the odd function sin(y)/2, y from -π/2 to π/2.
    let x = if x > 0.5 { 1.0 - x } else { x };
    let y = (x * 2.0 - 0.5) * std::f64::consts::PI;
    let square = y * y;
    let sine = y
        * (1.0
            - square / 6.0
                * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0 * (1.0 - square / 110.0)))));
    (0.5 + sine / 2.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(form: WaveForm, phase: f64) -> Wave {
        Wave { form, low: TrackAmount::Units(10.0), high: TrackAmount::Units(20.0), period: 8.0, phase }
    }

    #[test]
    fn each_form_is_what_its_name_says() {
        let at = |form, t| wave(form, 0.0).value(t, None).unwrap();
        for (t, value) in [(0.0, 10.0), (2.0, 15.0), (4.0, 20.0), (6.0, 15.0), (8.0, 10.0), (12.0, 20.0)] {
            assert!((at(WaveForm::Sine, t) - value).abs() < 1e-5, "{t}");
        }
        for (t, value) in [(0.0, 10.0), (4.0, 15.0), (7.2, 19.0), (8.0, 10.0)] {
            assert!((at(WaveForm::Sawtooth, t) - value).abs() < 1e-9, "{t}");
        }
        for (t, value) in [(0.0, 20.0), (1.9, 20.0), (2.0, 10.0), (7.9, 10.0), (8.0, 20.0)] {
            assert_eq!(at(WaveForm::Square(0.25), t), value, "{t}");
        }
        assert!((wave(WaveForm::Sine, 4.0).value(0.0, None).unwrap() - 20.0).abs() < 1e-5);
    }

    #[test]
    fn a_sine_is_one() {
        for x in 0..=1000 {
            let x = f64::from(x) / 1000.0;
            assert!((rise(x) - (1.0 - (x * std::f64::consts::TAU).cos()) / 2.0).abs() < 1e-6, "{x}");
        }
    }

    proptest::proptest! {
        #[test]
        fn edges_lie_ahead(duty in 0.0f64..1.0, form in 0..3, phase in 0.0f64..8.0, t in 0.0f64..1e7) {
            let form = [WaveForm::Sine, WaveForm::Sawtooth, WaveForm::Square(duty)][form as usize];
            let edge = wave(form, phase).edge_after(t);
            proptest::prop_assert!(edge > t && edge <= t + 8.001, "{t} {edge}");
        }
    }
}
