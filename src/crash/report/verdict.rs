//! The checks of a run, and the exit code that they lead to.

/// What a check is about, which is what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Data is right.
    Data,
    /// The system goes on.
    Liveness,
    /// No part ends by itself.
    Alive,
    /// Faults did something.
    Effect,
}

/// All checks, in the order of their numbers.
pub const CHECKS: [(&str, CheckKind); 11] = [
    ("prefix", CheckKind::Data),
    ("contiguous", CheckKind::Data),
    ("stable", CheckKind::Data),
    ("owner", CheckKind::Data),
    ("bounds", CheckKind::Data),
    ("ack-progress", CheckKind::Liveness),
    ("registry", CheckKind::Liveness),
    ("ready", CheckKind::Liveness),
    ("alive", CheckKind::Alive),
    ("eof", CheckKind::Data),
    ("effect", CheckKind::Effect),
];

/// A check of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub kind: CheckKind,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// What was checked, or what was wrong.
    pub detail: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// What was promised holds.
    Passed,
    /// It does not.
    Failed,
    /// There was nothing to tell by.
    Unknown,
    /// The user left it out.
    LeftOut,
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything promised holds.
    Passed,
    /// Data is wrong.
    DataWrong,
    /// The system did not go on.
    NotLive,
    /// Nothing was verified, or faults did nothing.
    CannotTell,
    /// A part ended by itself.
    PartDied,
    /// By a signal of this number.
    Interrupted(i32),
}

impl Verdict {
    /// What checks come to: the first failure decides, in the order of the exit codes.
    pub fn of(checks: &[Check]) -> Self {
        let failed = |kinds: &[CheckKind]| {
            checks.iter().any(|check| check.outcome == CheckOutcome::Failed && kinds.contains(&check.kind))
        };
        if failed(&[CheckKind::Data]) {
            Self::DataWrong
        } else if failed(&[CheckKind::Liveness]) {
            Self::NotLive
        } else if failed(&[CheckKind::Effect]) || !checks.iter().any(|check| check.outcome == CheckOutcome::Passed) {
            Self::CannotTell
        } else if failed(&[CheckKind::Alive]) {
            Self::PartDied
        } else if checks.iter().any(|check| check.outcome == CheckOutcome::Unknown) {
            Self::CannotTell
        } else {
            Self::Passed
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::DataWrong => 1,
            Self::NotLive => 3,
            Self::CannotTell => 4,
            Self::PartDied => 5,
            // A shell's habit; signals have small numbers.
            Self::Interrupted(signal) => 128 + signal as u8,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::DataWrong => "data wrong",
            Self::NotLive => "not live",
            Self::CannotTell => "cannot tell",
            Self::PartDied => "a part died by itself",
            Self::Interrupted(_) => "interrupted",
        }
    }
}
