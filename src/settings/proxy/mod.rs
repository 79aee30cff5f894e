//! What was said to the proxy: its flags, which are the original's and some of ours, and the [`mod@file`] that they name.

pub mod config;
pub mod file;
pub mod network;
mod service;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};
use log::LevelFilter;

use crate::settings::Identity;
use crate::settings::given::{Given, Vocabulary, Words};
use crate::settings::help::Help;
use crate::units::duration::LONGEST;

/// The file that is read unless told otherwise.
const FILE: &str = "config.yaml";
/// The port of the metrics unless told otherwise.
const METRICS_PORT: u16 = 8000;
/// For how long a member may be silent unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For how long requests in flight may go on after SIGTERM unless told otherwise.
const DRAIN: Duration = Duration::from_secs(30);
/// More threads than any machine has CPUs for would only be memory.
const MOST_THREADS: usize = 1024;

/// A flag: its letter, its name, and whether a value follows.
const FLAGS: [(Option<char>, &str, bool); 12] = [
    (Some('f'), "file", true),
    (Some('l'), "log-level", true),
    (Some('p'), "prometheus-port", true),
    (Some('n'), "next-port", false),
    (Some('d'), "dry-run", false),
    (Some('a'), "listen-all-addr", false),
    (Some('t'), "timeout", true),
    (None, "check", false),
    (None, "shutdown-delay", true),
    (None, "drain", true),
    (None, "threads", true),
    (None, "log-format", true),
];

/// What it knows from the environment is what every role does. Of where to listen, the file tells.
const VOCABULARY: Vocabulary = Vocabulary { names: &[], serves: false, help: Help::Proxy };

/// How to run the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// The configuration.
    pub file: PathBuf,
    /// What is logged.
    pub log_level: LevelFilter,
    /// The port of the metrics, on all addresses. 0 is any.
    pub metrics_port: u16,
    /// Whether the next port is tried where the one to listen on is taken.
    pub next_port: bool,
    /// Whether requests are answered without asking a member.
    pub dry_run: bool,
    /// Whether it listens on 0.0.0.0 in place of the configured address.
    pub listen_all: bool,
    /// For how long a member may be silent; at least a second.
    pub timeout: Duration,
    /// Whether the file is looked at, and nothing more.
    pub check: bool,
    /// For how long the service goes on, unready, after SIGTERM.
    pub shutdown_delay: Duration,
    /// For how long requests in flight may go on after that.
    pub drain: Duration,
    /// How many threads work, if the user set it.
    pub threads: Option<usize>,
    /// Whether log lines are JSON.
    pub json_log: bool,
    /// Which pod this is.
    pub identity: Identity,
}

/// Takes the proxy's words apart: it has flags without values, and letters for them, which the other roles have not.
///
/// # Errors
/// When a word is unknown, a flag lacks its value, or a value is not text.
pub(crate) fn words(mut parser: Parser, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Words, String> {
    let mut flags = Vec::new();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let known = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Words::Help(VOCABULARY.help.text())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Words::Version),
            Arg::Value(word) => return Err(format!("unexpected word '{}'", word.display())),
            Arg::Long(name) => FLAGS.iter().find(|(_, long, _)| *long == name).ok_or(format!("--{name}")),
            Arg::Short(letter) => FLAGS.iter().find(|(short, ..)| *short == Some(letter)).ok_or(format!("-{letter}")),
        };
        let (_, name, has_value) = known.map_err(|word| format!("unknown option '{word}'"))?;
        let mut text = String::new();
        if *has_value {
            let value = parser.value().map_err(|_| format!("option '--{name}' needs a value"))?;
            text = value
                .into_string()
                .map_err(|value| format!("option '--{name}': '{}' is not UTF-8", value.display()))?;
        }
        flags.push((*name, text));
    }
    let mut words = Given::read(Parser::from_args([""; 0]), &VOCABULARY, variable)?;
    if let Words::Given(said) = &mut words {
        said.flags = flags;
    }
    Ok(words)
}

impl Given {
    fn is_set(&self, flag: &str) -> bool {
        self.said(flag).is_some()
    }

    fn log_level(&self) -> Result<LevelFilter, String> {
        match self.said("log-level") {
            None | Some((_, "info")) => Ok(LevelFilter::Info),
            Some((_, "debug")) => Ok(LevelFilter::Debug),
            Some((_, "warn")) => Ok(LevelFilter::Warn),
            Some((_, "error")) => Ok(LevelFilter::Error),
            Some((name, text)) => Err(format!("{name} '{text}' is none of debug, info, warn and error")),
        }
    }

    fn metrics_port(&self) -> Result<u16, String> {
        let Some((name, text)) = self.said("prometheus-port") else { return Ok(METRICS_PORT) };
        whole(text, 0, u64::from(u16::MAX))
            .map(|port| port as u16)
            .ok_or_else(|| format!("{name} '{text}' is not a port, 0 to 65535"))
    }

    fn timeout(&self) -> Result<Duration, String> {
        let Some((name, text)) = self.said("timeout") else { return Ok(TIMEOUT) };
        let most = LONGEST.as_secs();
        whole(text, 1, most)
            .map(Duration::from_secs)
            .ok_or_else(|| format!("{name} '{text}' is no number of whole seconds, 1 to {most}"))
    }

    fn threads(&self) -> Result<Option<usize>, String> {
        let Some((name, text)) = self.said("threads") else { return Ok(None) };
        whole(text, 1, MOST_THREADS as u64)
            .map(|number| Some(number as usize))
            .ok_or_else(|| format!("{name} '{text}' is no number from 1 to {MOST_THREADS}"))
    }
}

/// A number of digits alone, within bounds.
fn whole(text: &str, least: u64, most: u64) -> Option<u64> {
    let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))?;
    (least..=most).contains(&number).then_some(number)
}

impl ProxySettings {
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub(crate) fn mean(said: &Given) -> Result<Self, String> {
        Ok(Self {
            file: PathBuf::from(said.said("file").map_or(FILE, |(_, path)| path)),
            log_level: said.log_level()?,
            metrics_port: said.metrics_port()?,
            next_port: said.is_set("next-port"),
            dry_run: said.is_set("dry-run"),
            listen_all: said.is_set("listen-all-addr"),
            timeout: said.timeout()?,
            check: said.is_set("check"),
            shutdown_delay: said.shutdown_delay()?,
            drain: said.span("drain")?.unwrap_or(DRAIN),
            threads: said.threads()?,
            json_log: said.json_log()?,
            identity: said.identity(),
        })
    }
}

#[cfg(test)]
mod tests;
