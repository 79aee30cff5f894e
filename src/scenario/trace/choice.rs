//! What is read of a recording.

use crate::scenario::trace::points::GapRule;

/// What is read of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceChoice<'c> {
    /// The column of a CSV.
    pub column: &'c str,
    /// What a value there, or in an answer of Prometheus, is multiplied by to become units.
    pub unit: f64,
    /// Labels of the series, of an answer of Prometheus.
    pub series: &'c [(String, String)],
    /// Seconds from one value that is kept to the next; the usual distance of points where it is not given.
    pub every: Option<f64>,
    /// What stands where points are missing.
    pub gaps: GapRule,
}
