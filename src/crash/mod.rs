//! A laboratory for data: a system is started, parts of it are killed, paused, joined and removed over and over, and all
//! the while it is checked that nothing promised is lost, doubled or reordered.
//!
//! ```text
//! input       what is fed: lines that are all different
//! key_map     something for each key
//! folder      where a run keeps its files
//! pipeline    the system that is built in: feeds, workers, a sink, and the store between them
//! verify      what was put out against what was fed; what a difference is
//! system      a system of the user's own
//! report      what came of a run, for people and programs
//! tester      it starts the system, does things to its parts, and looks on
//! gzip        how logs of killed processes are kept
//! ```

pub mod folder;
pub mod gzip;
pub mod input;
pub mod key_map;
pub mod pipeline;
pub mod report;
pub mod system;
pub mod tester;
pub mod verify;

use std::io::{self, Write};

use crate::crash::system::run::SystemSubject;
use crate::crash::tester::run::PipelineSubject;
use crate::crash::tester::{session, steps};
use crate::settings::crash::{CrashAction, CrashSettings};

/// Does what the words say; `arguments` are they, as they were said. The exit code.
///
/// # Errors
/// When it cannot be done: the exit code for it, and why.
pub fn run(settings: &CrashSettings, arguments: &[String]) -> Result<u8, (u8, String)> {
    crate::checksum::prepare();
    // 1 would say that data is wrong.
    let not_begun = |error: io::Error| (2, error.to_string());
    match (&settings.action, &settings.dir) {
        (CrashAction::Run { workers, words }, _) => {
            let mut subject = PipelineSubject::new(settings, *workers, words);
            session::run(settings, &mut subject, arguments).map_err(not_begun)
        }
        (CrashAction::Step(step), Some(dir)) => steps::step(settings, step, dir).map_err(|why| (1, why)),
        (CrashAction::Step(_), None) => Err((2, String::from("a step by hand needs its run folder"))),
        (CrashAction::System(config), _) => {
            let mut subject = SystemSubject::new(config);
            session::run(settings, &mut subject, arguments).map_err(not_begun)
        }
        (CrashAction::CheckSystem { name, config }, _) => {
            show(&mut io::stdout().lock(), &format!("{name} is good: {}\n", config.summary())).map(|()| 0)
        }
        (CrashAction::RefuseSystem(mistakes), _) => {
            // Who does not listen to what is wrong has the exit code.
            let _ = show(&mut io::stderr().lock(), &(mistakes.join("\n") + "\n"));
            Ok(2)
        }
        (CrashAction::PrintExample(text), _) => show(&mut io::stdout().lock(), text).map(|()| 0),
    }
}

/// Writes a text for the user. A reader that has gone away is no failure.
fn show(out: &mut dyn Write, text: &str) -> Result<(), (u8, String)> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err((2, format!("cannot write: {error}"))),
        _ => Ok(()),
    }
}
