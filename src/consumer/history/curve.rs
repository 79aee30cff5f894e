//! One curve over the last ten minutes.

/// Seconds that are kept.
pub const POINTS: usize = 600;

/// A value a second. As long as it stays what it is, it is one number; then 600 of four bytes, which tell an amount to a
/// sixteen-millionth of it.
#[derive(Debug)]
pub(super) struct Curve {
    /// What all points are, while there are none. Not a number is not known.
    flat: f32,
    points: Option<Box<[f32; POINTS]>>,
}

impl Default for Curve {
    fn default() -> Self {
        Self::of(None)
    }
}

fn kept(value: Option<f64>) -> f32 {
    value.map_or(f32::NAN, |value| value as f32)
}

fn place(second: u64) -> usize {
    (second % POINTS as u64) as usize
}

impl Curve {
    /// One that has always been `value`.
    pub(super) fn of(value: Option<f64>) -> Self {
        Self { flat: kept(value), points: None }
    }

    /// What it is in a second. Those before keep theirs, but for the one that it takes the place of.
    pub(super) fn put(&mut self, second: u64, value: Option<f64>) {
        let (value, flat) = (kept(value), self.flat);
        if self.points.is_none() && (value == flat || value.is_nan() && flat.is_nan()) {
            return;
        }
        self.points.get_or_insert_with(|| Box::new([flat; POINTS]))[place(second)] = value;
    }

    /// What it was in a second of the last ten minutes.
    pub(super) fn at(&self, second: u64) -> Option<f64> {
        let value = self.points.as_ref().map_or(self.flat, |points| points[place(second)]);
        Some(f64::from(value)).filter(|value| !value.is_nan())
    }
}
