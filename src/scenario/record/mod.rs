//! Recordings are made: measurements become a table that a trace plays.
//!
//! ```text
//! lines    the lines of a table, one by one, and what they come to
//! columns  answers of Prometheus, a column each, joined by time
//! top      what `kubectl top pod` prints, over and over
//! page     the metrics of a testero
//! ```
//!
//! What is not sorted, not known or too long is told with its line and not mended.

pub mod columns;
pub mod lines;
pub mod page;
pub mod top;

/// The name of a column, or `None` where nothing is known by it.
pub fn column(name: &str) -> Option<&'static str> {
    columns().into_iter().find(|known| *known == name)
}

/// The names of all columns that can be recorded.
pub fn columns() -> [&'static str; 7] {
    crate::scenario::track::TRACKS.map(|(_, kind)| kind.column())
}
