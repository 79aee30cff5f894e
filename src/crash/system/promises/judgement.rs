//! What a look at a promise comes to.

use std::time::Instant;

/// When somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookTime {
    /// While the system runs, about once a second.
    Running,
    /// When faults and load are over: what must hold at the end must hold now, or soon.
    End {
        /// Whether the load ended by itself, so that all is through.
        is_complete: bool,
    },
}

/// What a look comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// What was promised holds: what was looked at, for people.
    Holds(String),
    /// It does not: what is wrong, in some lines of which the first says it all.
    Broken(String),
    /// It cannot be told (yet): why.
    Unknown(String),
}

/// What looks at one promise.
pub trait PromiseKeeper: Send {
    /// Looks at what is new, or at the end at all of it; takes until `deadline` at most. What is broken while the system
    /// runs is broken for good; at the end it is looked at again until it holds or the time to settle is over.
    fn look(&mut self, when: LookTime, deadline: Instant) -> Judgement;
}
