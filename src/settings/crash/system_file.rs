//! The file of a system of the user's own: read, checked, and all that is wrong with it said at once.
//!
//! ```text
//! values     lists, texts, numbers and times within bounds; places in texts
//! parts      what is written and started, and what uses it
//! faults     what is done, and whether it can be done to that
//! promises   what must hold
//! ```

mod faults;
mod parts;
mod promises;
mod values;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::config_reader::{ConfigReader, ConfigValue, text_in, text_of};
use crate::settings::crash::system::{EndConfig, FAULTS, FaultConfig, FaultHow, LoadConfig, SystemConfig};
use crate::settings::unknown_word::UnknownWord;
use crate::yaml::{self, Node};

use values::{SystemReader, known_names};

/// The one version of the format.
const VERSION: i64 = 1;
/// How long it may take after the last fault unless told otherwise.
const SETTLE: Duration = Duration::from_secs(30);
/// More faults than a run has time for.
const MOST_REQUIRED: u64 = 1_000_000;
/// What a file says.
const KEYS: [&str; 9] = ["version", "files", "run", "pods", "load", "faults", "verify", "end", "require"];

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemSource {
    /// From here.
    Path(PathBuf),
    /// From who started this program.
    Stdin,
    /// It is known already, as a built-in one is.
    Text {
        /// Its name, for messages.
        name: &'static str,
        /// What is in it.
        text: &'static str,
    },
}

impl SystemSource {
    /// What it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Stdin => String::from("standard input"),
            Self::Text { name, .. } => (*name).to_owned(),
        }
    }

    fn text(&self) -> Result<String, String> {
        match self {
            Self::Path(path) => text_of(path),
            Self::Stdin => {
                let fd = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
                text_in(&File::from(fd))
            }
            Self::Text { text, .. } => Ok((*text).to_owned()),
        }
    }

    /// The folder of the file; of others, the one that this program works in.
    fn base(&self) -> Result<PathBuf, String> {
        let path = match self {
            Self::Path(path) => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        let here = std::env::current_dir().map_err(|error| format!("the working folder: {error}"))?;
        Ok(here.join(path))
    }
}

/// Reads a file.
///
/// # Errors
/// All that is wrong, a line each, with its path and line in the file: `faults[2].how (line 14): …`. What concerns the
/// whole file begins with the file's name.
pub fn load(source: &SystemSource) -> Result<SystemConfig, Vec<String>> {
    let name = source.name();
    let whole = |why: String| vec![format!("{name}: {why}")];
    let base = source.base().map_err(whole)?;
    let tree = yaml::parse(&source.text().map_err(whole)?).map_err(|fault| whole(fault.to_string()))?;
    let mut reader = SystemReader { config: ConfigReader::new(&name), names: known_names(&tree), seen: Vec::new() };
    let system = root(&mut reader, &tree, base);
    reader.config.verdict(Some(system)).map(|(system, _)| system)
}

/// What the file says. Where it is wrong that is noted, and anything stands there.
fn root<'n>(reader: &mut SystemReader<'_, 'n>, tree: &'n Node, base: PathBuf) -> SystemConfig {
    let at = ConfigValue::root(tree);
    let end = EndConfig { after: None, settle: SETTLE };
    let (files, parts, pods, faults, verify, required) = Default::default();
    let mut system = SystemConfig { base, files, parts, pods, load: None, faults, verify, end, require: required };
    if !reader.keys(&at, &KEYS) {
        return system;
    }
    if let Some(version) = reader.required(&at, "version")
        && version.node.as_integer() != Some(VERSION)
    {
        reader.config.fault(&version, format_args!("expected {VERSION}, instead got {}", version.node));
    }
    system.files = parts::files(reader, &at);
    system.parts = parts::run(reader, &at);
    system.pods = parts::pods(reader, &at);
    if at.get("run").is_none() && at.get("pods").is_none() {
        reader.config.fault(&at, "there is neither run nor pods: what is to be tested?");
    }
    system.load = parts::load(reader, &at);
    system.faults = faults::all(reader, &at);
    system.verify = promises::all(reader, &at);
    if let Some(at) = reader.config.optional(&at, "end")
        && reader.keys(&at, &["after", "settle"])
    {
        system.end.after = reader.config.span(&at, "after");
        system.end.settle = reader.time(&at, "settle", SETTLE);
    }
    let end = reader.config.optional(&at, "end");
    // A load that is wrong may have an end.
    let is_endless = match &system.load {
        None => reader.config.optional(&at, "load").is_none(),
        Some(load) => matches!(load, LoadConfig::Http(_)),
    };
    let ends = end.as_ref().is_some_and(|end| reader.config.optional(end, "after").is_some());
    if is_endless && !ends {
        let why = "it would never end: say end: {after: 5m}, or have a load that is a command and ends by itself";
        reader.config.fault(end.as_ref().unwrap_or(&at), why);
    }
    system.require = require(reader, &at, &system.faults);
    system
}

/// How many faults of a kind must have had an effect.
fn require<'n>(
    reader: &mut SystemReader<'_, 'n>,
    of: &ConfigValue<'n>,
    faults: &[FaultConfig],
) -> Vec<(FaultHow, u64)> {
    let mut all = Vec::new();
    let Some(at) = reader.config.optional(of, "require") else { return all };
    for (kind, number) in reader.members(&at, FAULTS.len()) {
        let word = kind.node.text().unwrap_or_default();
        let Some((_, how)) = FAULTS.iter().find(|(known, _)| *known == word) else {
            let names = FAULTS.map(|(known, _)| known);
            reader.config.fault(&kind, UnknownWord { kind: "fault", word, names: &names });
            continue;
        };
        if !faults.iter().any(|fault| fault.how == *how) {
            reader.config.fault(&kind, format_args!("none of the faults is {word}, so there will be none"));
        }
        all.push((*how, reader.number(&number, 1, MOST_REQUIRED)));
    }
    all
}

#[cfg(test)]
mod mistake_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
