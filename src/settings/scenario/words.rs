//! The command line of `testero scenario`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::scenario::track::{TRACKS, TrackKind};
use crate::settings::help::Help;
use crate::settings::scenario::examples::{EXAMPLES, ScenarioExample, list};
use crate::settings::scenario::record_words::RecordWords;
use crate::settings::unknown_word::unknown;
use crate::units::quantity::quantity;

/// What may be wanted. Some of it is asked of a service, and read by the client.
#[cfg(feature = "client")]
const VERBS: [&str; 7] = ["check", "examples", "record", "schema", "run", "status", "stop"];
#[cfg(not(feature = "client"))]
const VERBS: [&str; 4] = ["check", "examples", "record", "schema"];

/// What is wanted of `testero scenario`.
#[derive(Debug)]
pub enum ScenarioWords {
    /// Say whether a file is good, and what it comes to.
    Check {
        /// The file; `-` is the standard input.
        path: PathBuf,
        /// Limits that amounts are shares of, in units.
        limits: Vec<(TrackKind, f64)>,
    },
    /// Show a file that is built in.
    Example(&'static ScenarioExample),
    /// Make a recording.
    Record(Box<RecordWords>),
    /// Show the schema of files.
    Schema,
    /// Show this text.
    Show(String),
}

impl ScenarioWords {
    /// Reads what follows `scenario` on a command line, with `variable` looking up the environment, and `default_url`
    /// where a service is that nothing else is said of.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub fn read(
        mut parser: Parser,
        variable: &dyn Fn(&str) -> Option<OsString>,
        default_url: &dyn Fn() -> Result<String, String>,
    ) -> Result<Self, String> {
        let (mut words, mut limits) = (Vec::new(), None);
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            match arg {
                Arg::Long("help") | Arg::Short('h') => return Ok(Self::Show(Help::Scenario.text())),
                Arg::Long("version") | Arg::Short('V') => {
                    return Ok(Self::Show(concat!("testero ", env!("CARGO_PKG_VERSION"), "\n").to_owned()));
                }
                Arg::Long("limit") => {
                    let text = parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())?;
                    limits = Some(self::limits(&text)?);
                }
                Arg::Value(word) if words.is_empty() && limits.is_none() && word == "record" => {
                    let record = RecordWords::read(parser, variable, default_url)?;
                    let help = || Self::Show(Help::Scenario.text());
                    return Ok(record.map_or_else(help, |record| Self::Record(Box::new(record))));
                }
                Arg::Value(word) => words.push(word),
                other => return Err(other.unexpected().to_string()),
            }
        }
        let mut words = words.into_iter();
        let action = words.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
        let operand = words.next();
        if let Some(word) = words.next() {
            return Err(format!("unexpected word '{}'", word.to_string_lossy()));
        }
        if limits.is_some() && action != "check" {
            return Err(String::from("--limit is for check"));
        }
        match (action.as_str(), operand) {
            ("check", Some(path)) => Ok(Self::Check { path: path.into(), limits: limits.unwrap_or_default() }),
            ("check", None) => Err(String::from("check needs a file; - is the standard input")),
            ("examples", None) => Ok(Self::Show(list())),
            ("examples", Some(name)) => {
                let name = name.to_string_lossy();
                let known = EXAMPLES.iter().find(|example| example.name == name);
                known.map(Self::Example).ok_or_else(|| {
                    let names: Vec<String> = EXAMPLES.iter().map(|example| example.name.to_owned()).collect();
                    unknown("example", &name, &names)
                })
            }
            ("schema", None) => Ok(Self::Schema),
            ("schema", Some(word)) => Err(format!("unexpected word '{}'", word.to_string_lossy())),
            ("", _) => Err(String::from("what is to be done? check FILE, record, examples or schema")),
            (word, _) => Err(unknown("word", word, &VERBS.map(String::from))),
        }
    }
}

/// `memory=512Mi,cpu=2`.
fn limits(text: &str) -> Result<Vec<(TrackKind, f64)>, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (name, amount) = part.split_once('=').ok_or("--limit is written like memory=512Mi,cpu=2")?;
        let known = TRACKS.iter().find(|(known, kind)| *known == name && kind.has_limit());
        let Some((_, kind)) = known else {
            return Err(format!("--limit: {name} has no limit: there are memory, disk, cpu, inode, pid and fd"));
        };
        let units = quantity(amount, kind.unit()).map_err(|why| format!("--limit: {name}={amount}: {why}"))?;
        all.push((*kind, units as f64));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<ScenarioWords, String> {
        ScenarioWords::read(Parser::from_args(words), &|_| None, &|| Err(String::from("nowhere")))
    }

    #[test]
    fn words_are_understood() {
        let Ok(ScenarioWords::Check { path, limits }) = read(&["check", "a.yaml", "--limit", "memory=1Ki,cpu=2"])
        else {
            panic!("it is not understood");
        };
        assert_eq!(
            (path, limits),
            (PathBuf::from("a.yaml"), vec![(TrackKind::Memory, 1024.0), (TrackKind::Cpu, 2000.0)])
        );
        assert!(matches!(read(&["examples"]), Ok(ScenarioWords::Show(text)) if text.contains("day")));
        assert!(matches!(read(&["examples", "day"]), Ok(ScenarioWords::Example(example)) if example.name == "day"));
        assert!(matches!(read(&["schema"]), Ok(ScenarioWords::Schema)));
        assert!(matches!(read(&["record", "--top", "-"]), Ok(ScenarioWords::Record(_))));
        assert!(matches!(read(&["record", "-h"]), Ok(ScenarioWords::Show(text)) if text.contains("--top")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, why) in [
            (&[][..], "what is to be done"),
            (&["chek"], "the nearest is 'check'"),
            (&["check"], "check needs a file"),
            (&["check", "a", "b"], "unexpected word 'b'"),
            (&["examples", "dya"], "the nearest is 'day'"),
            (&["schema", "--limit", "cpu=1"], "--limit is for check"),
            (&["--limit", "cpu=1", "record"], "--limit is for check"),
            (&["record"], "record what?"),
            (&["check", "a", "--limit", "io=1"], "io has no limit"),
            (&["check", "a", "--limit", "cpu"], "memory=512Mi,cpu=2"),
            (&["check", "a", "--limit", "cpu=x"], "cpu=x"),
            (&["check", "a", "--nope"], "--nope"),
        ] {
            let problem = read(words).unwrap_err();
            assert!(problem.contains(why), "{problem}");
        }
    }
}
