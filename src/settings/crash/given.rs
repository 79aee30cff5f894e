//! The words and the options of a command line, taken apart.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser};

use crate::settings::help::Help;
use crate::settings::unknown_word::unknown;
use crate::units::duration::span;

/// The options, and whether a value follows.
const OPTIONS: [(&str, bool); 20] = [
    ("dir", true),
    ("keys", true),
    ("lines", true),
    ("rate", true),
    ("store", true),
    ("lease", true),
    ("for", true),
    ("seed", true),
    ("ack-within", true),
    ("abort-every", true),
    ("break", true),
    ("json", true),
    ("junit", true),
    ("html", true),
    ("hold", false),
    ("verbose", false),
    ("wait", true),
    ("file", true),
    ("check", false),
    ("print", true),
];

/// The words and the options as they were said; of an option that was said twice, the last one counts.
#[derive(Debug, Default)]
pub(super) struct CrashGiven {
    pub(super) words: Vec<String>,
    pub(super) options: Vec<(&'static str, String)>,
}

impl CrashGiven {
    /// Takes a command line apart; what the user wants instead may be a text, or the version (`None`).
    ///
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn read(mut parser: Parser) -> Result<Result<Self, Option<String>>, String> {
        let mut given = Self::default();
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let name = match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Err(Some(Help::Crash.text()))),
                Arg::Short('V') | Arg::Long("version") => return Ok(Err(None)),
                Arg::Value(word) => {
                    let word = word.into_string().map_err(|word| format!("'{}' is not UTF-8", word.display()))?;
                    given.words.push(word);
                    continue;
                }
                Arg::Long(name) => name,
                Arg::Short('f') => "file",
                Arg::Short('v') => "verbose",
                Arg::Short('w') => "wait",
                // `-n N` of the scripts: how many workers there will be. Here workers find each other.
                Arg::Short('n') => {
                    parser.value().map_err(|_| String::from("option '-n' needs a value"))?;
                    continue;
                }
                Arg::Short(letter) => return Err(format!("unknown option '-{letter}'")),
            };
            let known = OPTIONS.iter().find(|(known, _)| *known == name);
            let (name, has_value) = *known.ok_or_else(|| unknown("option", &format!("--{name}"), &names()))?;
            let mut text = String::new();
            if has_value {
                let value = parser.value().map_err(|_| format!("option '--{name}' needs a value"))?;
                text = value
                    .into_string()
                    .map_err(|value| format!("option '--{name}': '{}' is not UTF-8", value.display()))?;
            }
            given.options.push((name, text));
        }
        Ok(Ok(given))
    }

    /// Adds the options that a run folder keeps, unless they are said here.
    pub(super) fn recall(&mut self, path: &Path) -> Result<(), String> {
        let at = |why: String| format!("{}: {why}", path.display());
        let kept = match std::fs::read_to_string(path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(error.to_string())),
        };
        if let Ok(mut kept) = Self::read(Parser::from_args(kept.lines())).map_err(at)? {
            kept.options.append(&mut self.options);
            self.options = kept.options;
        }
        Ok(())
    }

    pub(super) fn said(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }

    pub(super) fn span(&self, name: &str) -> Result<Option<Duration>, String> {
        self.said(name).map(|text| span(text).map_err(|why| format!("--{name}: {why}"))).transpose()
    }

    pub(super) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, String> {
        let Some(text) = self.said(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| format!("--{name} '{text}' is not a whole number from {least} to {most}"))
    }

    pub(super) fn path(&self, name: &str) -> Result<Option<PathBuf>, String> {
        match self.said(name) {
            Some("") => Err(format!("--{name} is empty; a path is needed")),
            path => Ok(path.map(PathBuf::from)),
        }
    }
}

fn names() -> Vec<String> {
    OPTIONS.iter().map(|(name, _)| format!("--{name}")).collect()
}
