//! Recordings: the points of one track, from CSV or from an answer of Prometheus.
//!
//! ```text
//! choice      what is read of it
//! source      bytes within bounds, and the line where they stand
//! number      decimal numbers, as recordings have them
//! points      points in the order of time become one value a step
//! csv         a column of a table
//! prometheus  a series of an answer
//! ```

mod choice;
mod csv;
pub(super) mod number;
mod points;
mod prometheus;
pub(super) mod source;

use std::io::Read;

pub use choice::TraceChoice;
pub use points::{GapRule, TracePoints};
pub use source::TraceFault;

use crate::scenario::amount::TrackAmount;
use source::TraceSource;

/// Reads a recording: JSON where it begins with `{`, CSV otherwise.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn read(from: &mut dyn Read, choice: &TraceChoice<'_>) -> Result<TracePoints, TraceFault> {
    let mut source = TraceSource::new(from);
    let first = loop {
        match source.peek()? {
            Some(byte) if byte.is_ascii_whitespace() => _ = source.next()?,
            first => break first,
        }
    };
    if first == Some(b'{') { prometheus::read(&mut source, choice) } else { csv::read(&mut source, choice) }
}

/// All points of a series of an answer of Prometheus, as pairs of a second and a value, as they stand there. `series` has
/// the labels that choose it.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn series_points(from: &mut dyn Read, series: &[(String, String)]) -> Result<Vec<(f64, f64)>, TraceFault> {
    let choice = TraceChoice { column: "", unit: 1.0, series, every: None, gaps: GapRule::default() };
    prometheus::points(&mut TraceSource::new(from), &choice)
}

/// A recording as a track plays it. Between two of its values it goes evenly; after the last it stays there.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceShape {
    /// What was recorded.
    pub points: TracePoints,
    /// How large it is.
    pub scale: TraceScale,
}

/// How large a recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TraceScale {
    /// So many times as large as it was.
    Times(f64),
    /// So that its largest value is this.
    To(TrackAmount),
}

impl TraceShape {
    /// The value at its own second `t`.
    pub fn value(&self, t: f64, limit: Option<f64>) -> Option<f64> {
        let value = self.points.value(t);
        Some(match self.scale {
            TraceScale::Times(factor) => value * factor,
            TraceScale::To(amount) => {
                let wanted = amount.resolve(limit)?;
                let largest = self.points.largest();
                if largest > 0.0 { value / largest * wanted } else { 0.0 }
            }
        })
    }
}

#[cfg(test)]
mod tests;
