//! What groups tell: of themselves, of operations, and of what they refuse.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::consumer::control::id::Id;
use crate::consumer::control::operation::{Operation, Options};
use crate::consumer::control::store::{Goal, Headroom, Limit};
use crate::consumer::control::ticket::Conflict;
use crate::units::quantity::{BelowNothing, Unit, in_words};
use crate::units::strconv::NumberError;

/// Where the last order of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, its work has not begun.
    Pending,
    /// Its work runs.
    Working,
    /// Its work is done.
    Over,
    /// Its work has failed.
    Failed,
    /// What it held was released when its time was over.
    Expired,
}

/// What the contract's reads tell.
#[derive(Clone, Debug)]
pub struct Account {
    /// The last request whose work began.
    pub last: Id,
    /// The last goal that was accepted.
    pub goal: Goal,
    /// Why the last work did not reach its goal.
    pub trouble: Option<String>,
}

/// An account, and what the store holds, if it can tell.
pub type Report = (Account, Result<Goal, String>);

/// A moment's truth about a group, told without waiting for anything.
pub struct Snapshot {
    /// Where the last operation is.
    pub phase: Phase,
    /// The last operation.
    pub operation: Option<Arc<Operation>>,
    /// What is held, in the store's unit.
    pub held: u64,
    /// Why the last work failed.
    pub trouble: Option<String>,
}

/// An operation, and the bounds it was accepted within.
pub struct Accepted {
    /// The operation.
    pub operation: Arc<Operation>,
    /// What it makes: sizes and counts.
    pub parts: Vec<(u64, u64)>,
    /// The limit, where growing needed one.
    pub limit: Option<Limit>,
}

/// What would become of a change.
pub struct Preview {
    /// Units asked for, resolved.
    pub requested: u64,
    /// Units that would be held.
    pub planned: u64,
    /// What they are made of.
    pub parts: Vec<(u64, u64)>,
    /// The limit.
    pub limit: Limit,
    /// The largest amount that would be accepted now.
    pub most: u64,
    /// How it would be held.
    pub options: Options,
    /// Why it would be refused.
    pub refused: Option<Refused>,
}

/// Why a request of a group was refused.
#[derive(Debug)]
pub enum Refused {
    /// Work is pending or running.
    Conflict(Conflict),
    /// No size given.
    Absent,
    /// A size that is no number.
    Number(NumberError),
    /// Anything else that is wrong with what was asked.
    Invalid(String),
    /// More than the limit.
    OverLimit {
        /// Units asked for.
        requested: u64,
        /// What may be asked for.
        limit: Limit,
        /// The most that would be accepted now.
        most: u64,
    },
    /// More than there is room for now.
    DoesNotFit {
        /// Units asked for.
        requested: u64,
        /// The most that would have been accepted.
        available: u64,
        /// What bounds it.
        bound: String,
    },
    /// Less than nothing, as things are now.
    BelowNothing(BelowNothing),
    /// The store cannot be used, and why.
    Unavailable(String),
    /// The kernel gave no thread for the work.
    NotStarted(io::Error),
    /// The service stops.
    Stopping,
}

impl Refused {
    /// What is wrong and what would be right, where the group counts in `unit`.
    pub fn in_words(&self, unit: Unit) -> String {
        let told = |units: &u64| match unit {
            Unit::Bytes => format!("{units} bytes ({})", in_words(*units, unit)),
            _ => units.to_string(),
        };
        match self {
            Self::OverLimit { requested, limit, most } => format!(
                "{} is over the limit of {} ({}); at most {} would be accepted now",
                told(requested),
                told(&limit.most),
                limit.source,
                told(most)
            ),
            Self::DoesNotFit { requested, available, bound } => {
                format!("{} does not fit now; at most {} would be accepted ({bound})", told(requested), told(available))
            }
            Self::BelowNothing(below) => below.in_words(&told),
            other => other.to_string(),
        }
    }
}

/// What is wrong, and what would be right.
impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(Conflict::Pending) => {
                out.write_str("a request of this group is accepted and has not begun yet")
            }
            Self::Conflict(Conflict::Busy) => {
                out.write_str("work of this group runs; /api/status tells how far it is, DELETE ends it")
            }
            Self::Absent => out.write_str("how much? amount=512Mi, or count=500 of what is counted; 0 releases"),
            Self::Number(error) => error.fmt(out),
            Self::Invalid(why) | Self::Unavailable(why) => out.write_str(why),
            Self::OverLimit { .. } | Self::DoesNotFit { .. } | Self::BelowNothing(_) => {
                out.write_str(&self.in_words(Unit::Count))
            }
            Self::NotStarted(error) => write!(out, "no thread for the work: {error}"),
            Self::Stopping => out.write_str("the service stops"),
        }
    }
}

impl From<Conflict> for Refused {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// What has become of a group's requests so far, for metrics.
#[derive(Debug, Default)]
pub struct OperationCounters {
    /// Orders accepted.
    pub accepted: AtomicU64,
    /// Refused because work was pending or running.
    pub conflicts: AtomicU64,
    /// Refused because something was wrong with them.
    pub invalid: AtomicU64,
    /// Refused because they were too much.
    pub too_much: AtomicU64,
    /// Refused for any other reason.
    pub unavailable: AtomicU64,
    /// Works done.
    pub done: AtomicU64,
    /// Works cancelled by a release, or by the end of their time.
    pub cancelled: AtomicU64,
    /// Works failed.
    pub failed: AtomicU64,
    /// Nanoseconds of work.
    pub work_nanos: AtomicU64,
}

/// One more.
pub(in crate::consumer) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A change, and what there was to know about it before the ticket was taken.
pub(in crate::consumer::control) struct Resolved<'s> {
    pub(in crate::consumer::control) amount: u64,
    pub(in crate::consumer::control) goal: Goal,
    pub(in crate::consumer::control) held: u64,
    pub(in crate::consumer::control) limit: Option<Limit>,
    /// Only where more is taken than held.
    pub(in crate::consumer::control) headroom: Option<Box<dyn Headroom + 's>>,
}
