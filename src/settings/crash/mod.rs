//! What was said to the crash tester: a number and words for a run, or one step by hand, and the options of both.

pub mod examples;
mod file_words;
mod given;
mod pipeline;
pub mod places;
pub mod system;
pub mod system_file;
mod words;

pub use pipeline::{BUGS, Bug, PipelineSettings, StoreChoice};
pub use words::{CrashAction, ManualStep, Scenario, Word};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Parser;

use given::CrashGiven;

/// Within what time each key must get further unless told otherwise.
const ACK_WITHIN: Duration = Duration::from_secs(300);

/// The file of a run folder with what the pipeline is like, an option a line.
pub const KEPT_OPTIONS: &str = "options";

/// What the command line comes to.
#[derive(Debug)]
pub enum CrashWords {
    /// Something to do.
    Do(Box<CrashSettings>),
    /// The user wants this text.
    Help(String),
    /// The user wants the version.
    Version,
}

/// What to do, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashSettings {
    /// What to do.
    pub action: CrashAction,
    /// The run folder, if it was named.
    pub dir: Option<PathBuf>,
    /// What the pipeline is like.
    pub pipeline: PipelineSettings,
    /// For how long there are faults; until the end of the input where nothing was said.
    pub for_time: Option<Duration>,
    /// Within what time each key must get further.
    pub ack_within: Duration,
    /// Whether a world that was paused stays so until somebody has looked.
    pub hold: bool,
    /// Where reports go.
    pub reports: ReportPaths,
}

/// Where reports go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportPaths {
    /// JSON.
    pub json: Option<PathBuf>,
    /// JUnit's XML.
    pub junit: Option<PathBuf>,
    /// One page.
    pub html: Option<PathBuf>,
}

impl CrashSettings {
    /// Reads a command line, with `variable` looking up the environment.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub fn read(parser: Parser, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<CrashWords, String> {
        let mut given = match CrashGiven::read(parser)? {
            Ok(given) => given,
            Err(Some(text)) => return Ok(CrashWords::Help(text)),
            Err(None) => return Ok(CrashWords::Version),
        };
        let action = match file_words::action(&given)? {
            Some(action) => action,
            None => words::action(&given.words, |name| given.said(name).map(str::to_owned))?,
        };
        let dir = match given.path("dir")? {
            None => variable("CRASH_DIR").filter(|path| !path.is_empty()).map(PathBuf::from),
            dir => dir,
        };
        if dir.is_none() && matches!(action, CrashAction::Step(_)) {
            return Err(String::from(
                "a step by hand needs its run folder: --dir DIR, or CRASH_DIR in the environment",
            ));
        }
        if let (CrashAction::Step(_), Some(dir)) = (&action, &dir) {
            given.recall(&dir.join(KEPT_OPTIONS))?;
        }
        let crash_store = |action: &CrashAction| match action {
            CrashAction::Run { words, .. } => words.contains(&Word::CrashStore),
            _ => false,
        };
        if crash_store(&action) && given.said("store") != Some("redis") {
            return Err(String::from("crash-store needs --store redis: only a redis-server of its own is crashed"));
        }
        // A file has a system of its own, which the pipeline's variables do not concern.
        let is_pipeline = matches!(action, CrashAction::Run { .. } | CrashAction::Step(_));
        let pipeline = if is_pipeline {
            PipelineSettings::mean(&given, variable)
        } else {
            PipelineSettings::mean(&given, &|_| None)
        };
        let pipeline = pipeline?;
        Ok(CrashWords::Do(Box::new(Self {
            action,
            dir,
            pipeline,
            for_time: given.span("for")?,
            ack_within: given.span("ack-within")?.unwrap_or(ACK_WITHIN),
            hold: given.said("hold").is_some(),
            reports: ReportPaths { json: given.path("json")?, junit: given.path("junit")?, html: given.path("html")? },
        })))
    }
}

#[cfg(test)]
mod tests;
