//! Why work did not reach its target.

use std::fmt;
use std::io;

/// What ended work early. What was done until then stays, and is counted.
#[derive(Debug)]
pub enum Failure {
    /// The service stops.
    Stopped,
    /// A release was asked for.
    Cancelled,
    /// Its time is over.
    Expired,
    /// It panicked: a mistake of ours, and no reason to take anything else with it.
    Panicked,
    /// The kernel refused: what was tried, and why not.
    Refused {
        /// In words for the user: `writing /data/abcdefg/d-524288/f-1`.
        what: String,
        /// The kernel's reason.
        error: io::Error,
    },
}

impl Failure {
    /// For `map_err`: the kernel refused what `what` says.
    pub fn of(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Refused { what, error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => formatter.write_str("the service stops"),
            Self::Cancelled => formatter.write_str("it was cancelled by a release"),
            Self::Expired => formatter.write_str("its time is over"),
            Self::Panicked => formatter.write_str("the work ended in a panic, the log tells more"),
            Self::Refused { what, error } => write!(formatter, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Failure {}
