//! The tester: it starts a system, does things to its parts, and looks on.
//!
//! ```text
//! session      a run from the command line: folder, signals, reports, exit code
//! run          a run of the pipeline, from the first process to the verdict
//! plans        how its parts are started, and what words mean for them
//! growth       workers that join and leave
//! faults       processes that are killed or stopped
//! monitors     what is looked at all the while
//! sanity       what was put out is verified
//! outcome      what a run shows of each check
//! world        what all of them have in common
//! logs         what they write, bounded
//! screen       what is shown while it goes on
//! events       what was done and seen
//! probe        whether a process is ready
//! processes    the processes
//! starter      who starts them
//! steps        one step by hand
//! reset        a run folder is cleared
//! ```

pub mod events;
pub mod faults;
pub mod growth;
pub mod logs;
pub mod monitors;
pub mod outcome;
pub mod plans;
pub mod probe;
pub mod processes;
pub mod reset;
pub mod run;
pub mod sanity;
pub mod screen;
pub mod session;
pub mod starter;
pub mod steps;
pub mod world;
