//! The options that are about files: a system of the user's own, and the examples of one.

use std::path::Path;

use crate::settings::crash::examples::{EXAMPLES, example};
use crate::settings::crash::given::CrashGiven;
use crate::settings::crash::system_file::{SystemSource, load};
use crate::settings::crash::words::CrashAction;
use crate::settings::unknown_word::unknown;

/// What holds for a system of the user's own. All others are the built-in pipeline's.
const OF_SYSTEM: [&str; 9] = ["file", "check", "dir", "seed", "for", "hold", "json", "junit", "html"];

/// What is to be done with a file, if one is meant.
///
/// # Errors
/// One line that says what is wrong with the options. What is wrong with the file is an action, for it may be much.
pub(super) fn action(given: &CrashGiven) -> Result<Option<CrashAction>, String> {
    if let Some(name) = given.said("print") {
        let alone = given.words.is_empty() && given.options.iter().all(|(option, _)| *option == "print");
        return match example(name) {
            _ if !alone => Err(String::from("--print NAME shows a built-in file, and takes nothing beside it")),
            Some(text) => Ok(Some(CrashAction::PrintExample(text))),
            None => Err(unknown("built-in file", name, &EXAMPLES.map(String::from))),
        };
    }
    let Some(file) = given.path("file")? else {
        let check = given.said("check").map(|_| String::from("--check needs a file: -f FILE"));
        return check.map_or(Ok(None), Err);
    };
    if let Some(word) = given.words.first() {
        return Err(format!("unexpected word '{word}': with -f, the file says what is started and what is done to it"));
    }
    if let Some((name, _)) = given.options.iter().find(|(name, _)| !OF_SYSTEM.contains(name)) {
        return Err(format!("--{name} is for the built-in pipeline; with -f, the file says how things are"));
    }
    let source = if file == Path::new("-") { SystemSource::Stdin } else { SystemSource::Path(file) };
    let after = given.span("for")?;
    Ok(Some(match load(&source) {
        Err(faults) => CrashAction::RefuseSystem(faults),
        Ok(config) if given.said("check").is_some() => {
            CrashAction::CheckSystem { name: source.name(), config: Box::new(config) }
        }
        Ok(mut config) => {
            config.end.after = after.or(config.end.after);
            CrashAction::System(Box::new(config))
        }
    }))
}
