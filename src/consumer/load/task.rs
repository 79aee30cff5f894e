//! A load, from what a client asks for to how it ended.

use std::fmt;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::consumer::control::id::Id;
use crate::consumer::control::operation::{Caller, Outcome};
use crate::consumer::control::ticket::Conflict;
use crate::kernel::shutdown::Stop;
use crate::service::json::Value;
use crate::sync::lock;
use crate::units::strconv::NumberError;

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEnd {
    /// Its time was over.
    Ended,
    /// It was stopped.
    Stopped,
    /// The user's number is factored.
    Factored,
}

/// What a load is to do.
pub trait Spec: Send + Sync {
    /// Whether there is something to work on.
    ///
    /// # Errors
    /// When there is not.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// What is to be done, for programs: added to what is told of a dry run.
    fn told(&self, value: Value) -> Value;

    /// The same for people, in the middle of a sentence about the load: ` of 500m`, or nothing.
    fn words(&self) -> String {
        String::new()
    }

    /// Gets everything ready that can fail.
    ///
    /// # Errors
    /// When the kernel refuses, or there is nothing to work on.
    fn prepare(&self, deadline: Option<Instant>, stop: &Stop) -> io::Result<Box<dyn Task>>;
}

/// A load that is ready to run.
pub trait Task: Send + Sync {
    /// Runs until its deadline, or until it is cancelled or the service stops.
    ///
    /// # Errors
    /// Why it failed.
    fn run(&self, stop: &Stop) -> Result<LoadEnd, String>;

    /// Makes it end early, whether it runs already or not.
    fn cancel(&self);

    /// What is wanted and what is achieved, at this moment.
    fn figures(&self) -> LoadFigures;

    /// Millicores that it uses at most from now on: a ramp's end, or where it is, if that is more.
    fn most_millicores(&self) -> u64 {
        0
    }

    /// The same and more, for programs: added to what is told of every load.
    fn told(&self, value: Value) -> Value;

    /// The same for people.
    fn line(&self) -> String;
}

/// What a load wants and uses: millicores, or bytes a second, written and read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadFigures {
    /// To be used at this moment; 0 where it is as much as there is.
    pub wanted: f64,
    /// Used in the last second.
    pub achieved: f64,
}

/// What a client asks for.
pub struct LoadRequest {
    /// What to do.
    pub spec: Box<dyn Spec>,
    /// For how long; until it is stopped without.
    pub length: Option<Duration>,
    /// For how long at most, whatever is asked.
    pub most: Option<Duration>,
    /// In place of the one that runs.
    pub replace: bool,
    /// Who asks.
    pub caller: Caller,
    /// In which words.
    pub words: String,
}

/// A load that was accepted.
pub struct Load {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub task: Box<dyn Task>,
    /// When it was asked for.
    pub sent: SystemTime,
    /// When its time began, on a clock that nobody sets.
    pub began: Instant,
    /// For how long it was asked for, in whole seconds, as the contract tells it.
    pub seconds: u64,
    /// How long it really gets; `None` is until it is stopped.
    pub length: Option<Duration>,
    /// When it ends at the latest, if at all.
    pub ends: Option<SystemTime>,
    /// When it ends, on the same clock as `began`.
    pub deadline: Option<Instant>,
    /// Who asked for it.
    pub caller: Caller,
    /// In which words.
    pub words: String,
    pub(super) cancelled: AtomicBool,
    pub(super) outcome: Mutex<Option<Outcome>>,
}

impl Load {
    /// Whether it is to end early.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.outcome).clone()
    }
}

/// Why a load was not started.
#[derive(Debug)]
pub enum LoadRefused {
    /// Another one is pending or running.
    Conflict(Conflict),
    /// No time given.
    Absent,
    /// A time that is no number.
    Number(NumberError),
    /// Anything else that is wrong with what was asked.
    Invalid(String),
    /// More than there is.
    TooMuch(String),
    /// It could not be got ready.
    NotStarted(io::Error),
    /// The service stops.
    Stopping,
}

/// What is wrong, and what would be right.
impl fmt::Display for LoadRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(Conflict::Pending) => out.write_str("a load is accepted and has not begun yet"),
            Self::Conflict(Conflict::Busy) => {
                out.write_str("a load runs; replace=true takes its place, DELETE ends it")
            }
            Self::Absent => out.write_str("for how long? time=90s, for example"),
            Self::Number(error) => error.fmt(out),
            Self::Invalid(why) | Self::TooMuch(why) => out.write_str(why),
            Self::NotStarted(error) => write!(out, "it could not be started: {error}"),
            Self::Stopping => out.write_str("the service stops"),
        }
    }
}
