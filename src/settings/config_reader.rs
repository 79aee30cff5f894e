//! Values of a file, looked at one by one: what is wrong with any of them is collected, so that all is said at once.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::units::duration::span;
use crate::units::quantity::{Unit, quantity};
use crate::yaml::{MOST_BYTES, Node, NodeKind, NodePath};

/// More than anybody reads at a time; a file has room for a hundred thousand.
const MOST_LINES: usize = 200;

/// What is in a file.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(String::from("it is a folder"));
    }
    text_in(&file)
}

/// What is in a file that is open, or comes from a pipe.
pub(super) fn text_in(file: &File) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One more than is accepted says that there are more.
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!("line {}: it is not UTF-8", before.iter().filter(|&&b| b == b'\n').count() + 1)
    })?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(String::from("it is empty"));
    }
    Ok(text)
}

/// A value, and its path.
#[derive(Clone)]
pub(super) struct ConfigValue<'n> {
    pub(super) node: &'n Node,
    path: NodePath,
}

impl<'n> ConfigValue<'n> {
    pub(super) fn root(node: &'n Node) -> Self {
        Self { node, path: NodePath::default() }
    }

    /// The members of a list.
    pub(super) fn items(&self, nodes: &'n [Node]) -> impl Iterator<Item = ConfigValue<'n>> {
        nodes.iter().enumerate().map(|(place, node)| ConfigValue { node, path: self.path.index(place) })
    }

    /// The key or the value of a pair of the mapping: both have one path.
    pub(super) fn of_pair(&self, key: &Node, node: &'n Node) -> ConfigValue<'n> {
        ConfigValue { node, path: self.path.key(key.text().unwrap_or_default()) }
    }

    /// The value of a key, if it is there, whatever it is.
    pub(super) fn get(&self, key: &str) -> Option<ConfigValue<'n>> {
        self.node.get(key).map(|node| ConfigValue { node, path: self.path.key(key) })
    }
}

/// What is wrong, and what is odd.
pub(super) struct ConfigReader<'f> {
    /// The file's name stands for the path of the whole.
    file: &'f str,
    faults: FaultList,
    warnings: FaultList,
}

/// What is said, and how many lines more there would be.
#[derive(Default)]
struct FaultList {
    said: Vec<String>,
    further: usize,
}

impl FaultList {
    fn push(&mut self, line: impl FnOnce() -> String) {
        if self.said.len() < MOST_LINES {
            self.said.push(line());
        } else {
            self.further += 1;
        }
    }

    fn all(mut self, what: &str) -> Vec<String> {
        if self.further > 0 {
            self.said.push(format!("and {} further {what}", self.further));
        }
        self.said
    }
}

impl<'f> ConfigReader<'f> {
    pub(super) fn new(file: &'f str) -> Self {
        Self { file, faults: FaultList::default(), warnings: FaultList::default() }
    }

    /// What was read, and the warnings; or the faults, if there is one.
    pub(super) fn verdict<T>(self, read: Option<T>) -> Result<(T, Vec<String>), Vec<String>> {
        match read {
            Some(read) if self.faults.said.is_empty() => Ok((read, self.warnings.all("warnings"))),
            _ => Err(self.faults.all("faults")),
        }
    }

    pub(super) fn fault(&mut self, at: &ConfigValue<'_>, text: impl Display) {
        self.faults.push(|| line(self.file, &at.path, at.node.line, text));
    }

    pub(super) fn warn(&mut self, at: &ConfigValue<'_>, text: impl Display) {
        self.warnings.push(|| line(self.file, &at.path, at.node.line, text));
    }

    /// Whether it is a mapping. Keys of it beyond these are warned of.
    pub(super) fn is_mapping(&mut self, at: &ConfigValue<'_>, keys: &[&str]) -> bool {
        let Some(pairs) = at.node.as_mapping() else {
            self.fault(at, format_args!("expected a dict, instead got {}", at.node));
            return false;
        };
        for (key, _) in pairs {
            let name = key.text().unwrap_or_default();
            if !keys.contains(&name) {
                self.warnings.push(|| line(self.file, &at.path.key(name), key.line, "unknown key"));
            }
        }
        true
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&mut self, of: &ConfigValue<'n>, key: &str) -> Option<ConfigValue<'n>> {
        let value = of.get(key);
        if value.is_none() {
            self.fault(of, format_args!("no section {key} in {}", of.node));
        }
        value
    }

    /// The value of a key that may be missing, or have nothing behind it.
    pub(super) fn optional<'n>(&self, of: &ConfigValue<'n>, key: &str) -> Option<ConfigValue<'n>> {
        of.get(key).filter(|value| !value.node.is_null())
    }

    /// A text.
    pub(super) fn text<'n>(&mut self, at: &ConfigValue<'n>) -> Option<&'n str> {
        let text = at.node.as_str();
        if text.is_none() {
            self.fault(at, format_args!("expected a str, instead got {}{}", at.node, quotes(at.node)));
        }
        text
    }

    /// An address, or a name in its place: of these, the original has words of its own for what is no text.
    pub(super) fn address<'n>(&mut self, at: &ConfigValue<'n>) -> Option<&'n str> {
        let text = at.node.as_str();
        if text.is_none() {
            self.fault(at, format_args!("{} type is not str{}", at.node, quotes(at.node)));
        }
        text
    }

    /// A whole number from the first to the last, which `what` says in words.
    pub(super) fn integer(&mut self, at: &ConfigValue<'_>, most: RangeInclusive<i64>, what: &str) -> Option<i64> {
        let Some(number) = at.node.as_integer() else {
            let bare = at.node.text().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
            let hint = if bare.is_some() { "; without quotes it is one" } else { "" };
            self.fault(at, format_args!("{} type is not int{hint}", at.node));
            return None;
        };
        if !most.contains(&number) {
            let (least, most) = most.into_inner();
            self.fault(at, format_args!("expected {what} from {least} to {most}, instead got {}", at.node));
            return None;
        }
        Some(number)
    }

    pub(super) fn port(&mut self, at: &ConfigValue<'_>) -> Option<u16> {
        self.integer(at, 1..=i64::from(u16::MAX), "a port").map(|port| port as u16)
    }

    /// A number of things, of which there is at least `least`.
    pub(super) fn count(&mut self, of: &ConfigValue<'_>, key: &str, least: i64) -> Option<usize> {
        /// More than any machine has room for.
        const MOST: i64 = 10_000_000;
        let at = self.optional(of, key)?;
        self.integer(&at, least..=MOST, "a number").map(|number| number as usize)
    }

    /// A truth value; false where there is none.
    pub(super) fn flag(&mut self, of: &ConfigValue<'_>, key: &str) -> bool {
        let Some(at) = self.optional(of, key) else { return false };
        let flag = at.node.as_bool();
        if flag.is_none() {
            let bare = at.node.text().filter(|text| ["true", "false"].contains(text));
            let hint = if bare.is_some() { "; without quotes it is one" } else { "" };
            self.fault(&at, format_args!("expected true or false, instead got {}{hint}", at.node));
        }
        flag.unwrap_or_default()
    }

    /// A length of time, longer than 0.
    pub(super) fn span(&mut self, of: &ConfigValue<'_>, key: &str) -> Option<Duration> {
        /// Longer than any is written, and short enough to be shown.
        const MOST: usize = 40;
        let at = self.optional(of, key)?;
        match at.node.text().filter(|text| text.len() <= MOST).map(span) {
            None => self.fault(&at, format_args!("expected a duration like 10 or 500ms, instead got {}", at.node)),
            Some(Err(why)) => self.fault(&at, why),
            Some(Ok(length)) if length.is_zero() => {
                self.fault(&at, format_args!("expected a duration longer than 0, instead got {}", at.node));
            }
            Some(Ok(length)) => return Some(length),
        }
        None
    }

    /// An amount of bytes like `64Ki`, `most` at most.
    pub(super) fn bytes(&mut self, of: &ConfigValue<'_>, key: &str, most: u64) -> Option<u64> {
        let at = self.optional(of, key)?;
        match at.node.text().map(|text| quantity(text, Unit::Bytes)) {
            None => self.fault(&at, format_args!("expected an amount like 64Ki or 1000, instead got {}", at.node)),
            Some(Err(why)) => self.fault(&at, format_args!("{}: {why}; an amount is like 64Ki or 1000", at.node)),
            Some(Ok(bytes)) if bytes > most => {
                self.fault(&at, format_args!("expected {most} bytes at most, instead got {}", at.node));
            }
            Some(Ok(bytes)) => return Some(bytes),
        }
        None
    }

    /// What one of some words means, in any case.
    pub(super) fn choice<T: Copy>(&mut self, of: &ConfigValue<'_>, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let at = self.optional(of, key)?;
        let said = at.node.text().unwrap_or_default();
        let chosen = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(said)).map(|(_, meaning)| *meaning);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.fault(&at, format_args!("expected one of {}, instead got {}", words.join(", "), at.node));
        }
        chosen
    }
}

/// `proxy.listen.port (line 4): TEXT`.
fn line(file: &str, at: &NodePath, line: u32, text: impl Display) -> String {
    let path: &dyn Display = if at.is_root() { &file } else { at };
    format!("{path} (line {line}): {text}")
}

/// What to do about a number, a truth value or nothing where a text should be.
fn quotes(node: &Node) -> &'static str {
    if matches!(node.kind, NodeKind::Scalar { .. }) { "; in quotes it is one" } else { "" }
}
