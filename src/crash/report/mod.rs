//! What came of a run, for people and programs.
//!
//! ```text
//! verdict     the checks, and the exit code that they lead to
//! summary     what the records of a run come to
//! terminal    what is printed at the end
//! json        for programs
//! junit       for continuous integration
//! html        for a browser
//! files       the last three as files
//! text        any text, as something that does nothing but be read
//! ```

mod files;
pub mod html;
pub mod json;
pub mod junit;
pub mod summary;
pub mod terminal;
pub mod text;
pub mod verdict;

use std::time::{Duration, SystemTime};

use crate::crash::input::StreamKey;
use crate::crash::pipeline::store::Offsets;
use verdict::{Check, Verdict};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// When it began.
    pub began: SystemTime,
    /// For how long it went on.
    pub took: Duration,
    /// What choices were made from.
    pub seed: u64,
    /// The command line, without the program's name.
    pub arguments: Vec<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The checks, in the order of their numbers.
    pub checks: Vec<Check>,
    /// What was done, in the order in which it was.
    pub faults: Vec<FaultRecord>,
    /// How far each key came.
    pub keys: Vec<KeyProgress>,
    /// How often what happened: zeros are told as well.
    pub coverage: Vec<(&'static str, u64)>,
    /// A lane for each process, by name.
    pub lanes: Vec<Lane>,
    /// How far the keys were over time.
    pub samples: Vec<Sample>,
    /// The first thing that was wrong.
    pub violation: Option<Violation>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// When, since the run began.
    pub at: Duration,
    /// What: `kill`, `pause`, `join`, `shrink`, …
    pub kind: &'static str,
    /// To whom: `worker.1`, `sink`.
    pub target: String,
    /// What was there before: `pid 17`.
    pub before: String,
    /// What was there after.
    pub after: String,
    /// What shows that it did something; without that it had no effect.
    pub effect: Option<String>,
    /// For how long its target was down or stopped.
    pub down: Option<Duration>,
    /// After what time from its restart it was ready.
    pub ready: Option<Duration>,
}

impl FaultRecord {
    /// One that has just begun: what comes of it is not known.
    pub fn begun(at: Duration, kind: &'static str, target: &str) -> Self {
        let (target, before, after) = (target.to_owned(), String::new(), String::new());
        Self { at, kind, target, before, after, effect: None, down: None, ready: None }
    }
}

/// How far a key came, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyProgress {
    /// Which one.
    pub key: StreamKey,
    /// How long its input is.
    pub input: u64,
    /// What the store says.
    pub offsets: Offsets,
    /// How much of what was put out was verified.
    pub verified: u64,
}

/// How far a key was at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, since the run began.
    pub at: Duration,
    /// How far.
    pub progress: KeyProgress,
}

/// A process, over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Which one: `worker.1`.
    pub name: String,
    /// What it was, one after the other; in between it was not there.
    pub spans: Vec<Span>,
}

/// A time in which a process was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Since when, since the run began.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
    /// What it was.
    pub state: LaneState,
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// Started, and not ready yet.
    Starting,
    /// Ready.
    Ready,
    /// Stopped by SIGSTOP.
    Paused,
    /// Not there.
    Down,
}

/// The first thing that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, since the run began.
    pub at: Duration,
    /// Which check found it.
    pub check: &'static str,
    /// All that is known about it: some lines of text.
    pub diagnosis: String,
}

#[cfg(test)]
mod examples;
