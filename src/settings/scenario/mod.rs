//! The file of a scenario, YAML or JSON: read, checked, and all that is wrong with it said at once.
//!
//! ```text
//! values     seconds, amounts and ranges
//! shapes     what a track is the sum of
//! traces     recordings, in files beside it or in the file itself
//! intervals  readiness and faults
//! document   a file as a service takes it: recordings stand in it
//! examples   files that are built in, and the schema for editors
//! words      the command line of `testero scenario`
//! record_words, record_files   that of `scenario record`, and the files it reads and writes
//! ```
//!
//! `schema.json` says the same in the language of editors (JSON Schema, draft 2020-12).

pub mod document;
pub mod examples;
mod intervals;
pub mod record_files;
pub mod record_words;
mod shapes;
mod traces;
mod values;
pub mod words;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use crate::scenario::PodScenario;
use crate::scenario::plan::OnRestart;
use crate::scenario::start::{StartOffset, StartTime};
use crate::scenario::track::{AtLimit, TRACKS, Track};
use crate::settings::config_reader::{ConfigReader, ConfigValue, text_in, text_of};
use crate::settings::unknown_word::UnknownWord;
use crate::units::decimal::float;
use crate::yaml::{self, Node};

use values::ScenarioReader;

/// The one version of the format.
const VERSION: i64 = 1;
/// The fastest that a scenario is played: a day in less than a second.
const MOST_SPEED: f64 = 1e5;
/// The slowest.
const LEAST_SPEED: f64 = 1e-3;
/// More rounds than anybody waits for.
const MOST_ROUNDS: u64 = 1_000_000_000;
/// What a file says.
const KEYS: [&str; 8] = ["version", "speed", "repeat", "length", "start", "on_restart", "scale", "tracks"];
const ON_RESTART: [(&str, OnRestart); 2] = [("continue", OnRestart::Continue), ("begin", OnRestart::Begin)];
const AT_LIMIT: [(&str, AtLimit); 2] = [("clip", AtLimit::Clip), ("stop", AtLimit::Stop)];
/// The names under `tracks`.
const TRACK_NAMES: [&str; 9] = ["memory", "disk", "cpu", "inode", "pid", "fd", "io", "ready", "fault"];

/// Reads a file; `-` is the standard input. Recordings that it names are looked for from its folder on.
///
/// # Errors
/// All that is wrong, a line each, with its path and line in the file: `tracks.cpu.sine.low (line 8): …`. What concerns the
/// whole file begins with the file's name.
pub fn load(path: &Path) -> Result<PodScenario, Vec<String>> {
    let (name, text, folder) = opened(path)?;
    read(&name, &text, folder)
}

/// The name of a file for messages, its text, and the folder that its recordings are looked for in.
fn opened(path: &Path) -> Result<(String, String, Option<&Path>), Vec<String>> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { String::from("standard input") } else { path.display().to_string() };
    let text = if is_stdin {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string());
        stdin.and_then(|fd| text_in(&File::from(fd)))
    } else {
        text_of(path)
    };
    let text = text.map_err(|why| vec![format!("{name}: {why}")])?;
    let folder = if is_stdin { None } else { path.parent() };
    Ok((name, text, Some(folder.unwrap_or(Path::new("")))))
}

/// Reads a text of this name. Without a folder, it cannot name files.
///
/// # Errors
/// As [`load`].
pub fn read(name: &str, text: &str, folder: Option<&Path>) -> Result<PodScenario, Vec<String>> {
    read_tree(name, &parsed(name, text)?, folder)
}

fn parsed(name: &str, text: &str) -> Result<Node, Vec<String>> {
    yaml::parse(text).map_err(|fault| vec![format!("{name}: {fault}")])
}

fn read_tree(name: &str, tree: &Node, folder: Option<&Path>) -> Result<PodScenario, Vec<String>> {
    let mut reader = ScenarioReader { config: ConfigReader::new(name), folder, kept: 0 };
    let scenario = root(&mut reader, tree);
    reader.config.verdict(Some(scenario)).map(|(scenario, _)| scenario)
}

/// What the file says. Where it is wrong that is noted, and anything stands there.
fn root(reader: &mut ScenarioReader<'_, '_>, tree: &Node) -> PodScenario {
    let at = ConfigValue::root(tree);
    let mut scenario = PodScenario::default();
    if !reader.config.keys(&at, &KEYS) {
        return scenario;
    }
    if let Some(version) = reader.config.needed(&at, "version")
        && version.node.as_integer() != Some(VERSION)
    {
        reader.config.fault(&version, format_args!("expected {VERSION}, instead got {}", version.node));
    }
    if let Some(speed) = reader.config.optional(&at, "speed") {
        match speed.node.text().and_then(float).filter(|speed| (LEAST_SPEED..=MOST_SPEED).contains(speed)) {
            Some(factor) => scenario.speed = factor,
            None => reader.config.fault(
                &speed,
                format_args!("expected a factor from 0.001 to 100000, like 60, instead got {}", speed.node),
            ),
        }
    }
    let repeat = reader.config.optional(&at, "repeat");
    match &repeat {
        Some(repeat) if repeat.node.text() == Some("forever") => scenario.repeat = None,
        Some(repeat) => {
            if repeat.node.as_integer().is_none_or(|rounds| rounds < 1 || rounds as u64 > MOST_ROUNDS) {
                let got = repeat.node;
                reader.config.fault(
                    repeat,
                    format_args!("expected a whole number from 1 to {MOST_ROUNDS}, or forever, instead got {got}"),
                );
            }
            scenario.repeat = repeat.node.as_integer().map(|rounds| rounds.max(1) as u64);
        }
        None => {}
    }
    scenario.length = reader.optional_seconds(&at, "length", false);
    start(reader, &at, &mut scenario);
    scenario.on_restart = reader.config.choice(&at, "on_restart", &ON_RESTART).unwrap_or_default();
    if let Some(scale) = reader.config.optional(&at, "scale") {
        scenario.scale = reader.factor(&scale, "a scale like x0.5");
    }
    if let Some(tracks) = reader.config.needed(&at, "tracks") {
        self::tracks(reader, &tracks, &mut scenario);
    }
    if reader.config.optional(&at, "length").is_none() {
        scenario.length = scenario.natural_length();
        if let (None, Some(repeat)) = (scenario.length, &repeat) {
            reader.config.fault(
                repeat,
                "nothing in it has an end, so there is nothing to repeat: length says how long a round is",
            );
        }
    }
    scenario
}

/// When it begins: `now`, a time, or both a time and an offset.
fn start(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>, scenario: &mut PodScenario) {
    let Some(at) = reader.config.optional(of, "start") else { return };
    let mut time = Some(at.clone());
    if at.node.as_mapping().is_some() {
        reader.config.keys(&at, &["at", "offset"]);
        time = reader.config.optional(&at, "at");
        if let Some(offset) = reader.config.optional(&at, "offset")
            && reader.config.keys(&offset, &["ordinal", "hash"])
            && let Some((by, length)) = reader.config.one_of(&offset, &["ordinal", "hash"])
        {
            let seconds = reader.seconds(&length, false);
            scenario.offset = if by == "ordinal" { StartOffset::Ordinal(seconds) } else { StartOffset::Hash(seconds) };
        }
    }
    if let Some(time) = time {
        match time.node.text().map(StartTime::parse) {
            Some(Ok(time)) => scenario.start = time,
            Some(Err(why)) => reader.config.fault(&time, why),
            None => reader.config.fault(&time, format_args!("expected a time, instead got {}", time.node)),
        }
    }
}

fn tracks(reader: &mut ScenarioReader<'_, '_>, at: &ConfigValue<'_>, scenario: &mut PodScenario) {
    let members = reader.config.members(at, TRACK_NAMES.len());
    if members.is_empty() && at.node.as_mapping().is_some() {
        reader.config.fault(at, "there is no track");
    }
    for (key, value) in members {
        let word = key.node.text().unwrap_or_default();
        match word {
            "ready" => scenario.ready = intervals::ready(reader, at),
            "fault" => scenario.faults = intervals::faults(reader, at),
            _ => match TRACKS.iter().find(|(name, _)| *name == word) {
                None => reader.config.fault(&key, UnknownWord { kind: "track", word, names: &TRACK_NAMES }),
                Some((_, kind)) => {
                    let shapes = shapes::all(reader, &value, *kind);
                    let at_limit = reader.config.choice(&value, "at_limit", &AT_LIMIT).unwrap_or_default();
                    scenario.tracks.push(Track { kind: *kind, shapes, at_limit, scale: scenario.scale });
                }
            },
        }
    }
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
