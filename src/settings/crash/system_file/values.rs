//! Values of a system's file: lists, texts, numbers and times within bounds, and the places in texts.

use std::time::Duration;

use crate::settings::config_reader::{ConfigReader, ConfigValue};
use crate::settings::crash::places::{TextPlace, places};
use crate::settings::crash::system::TimeRange;
use crate::settings::unknown_word::UnknownWord;
use crate::units::duration::span;
use crate::yaml::Node;

/// The longest text, in bytes: no path is longer (PATH_MAX).
const MOST_TEXT: usize = 4096;
/// The most words of a command.
const MOST_WORDS: usize = 256;
/// The most parts, and the most groups of pods.
pub(super) const MOST_PARTS: usize = 64;
/// The most faults: each has a thread.
pub(super) const MOST_FAULTS: usize = 256;
/// The most copies of a part.
pub(super) const MOST_COPIES: u64 = 64;
/// The longest time as it is written, in bytes: short enough to be shown.
const MOST_TIME: usize = 40;

/// What has a name in the file.
pub(super) struct KnownName<'n> {
    pub(super) name: &'n str,
    pub(super) kind: NameKind,
}

/// What it is the name of.
#[derive(Clone, Copy)]
pub(super) enum NameKind {
    /// A part of so many copies, those that a fault adds among them.
    Part(u64),
    /// Pods, which can be scaled or not.
    Pods(bool),
}

/// All names of parts and pods. They are known before anything is read, for texts may name what comes later.
pub(super) fn known_names(tree: &Node) -> Vec<KnownName<'_>> {
    let mut all = Vec::new();
    for section in ["run", "pods"] {
        for node in tree.get(section).and_then(Node::as_sequence).unwrap_or_default().iter().take(MOST_PARTS) {
            let Some(name) = node.get("name").and_then(Node::text) else { continue };
            let kind = if section == "pods" {
                NameKind::Pods(node.get("scale").is_some())
            } else {
                let copies = node.get("copies").filter(|copies| !copies.is_null());
                // Of a number that is wrong, that is said once.
                let number = |copies: &Node| copies.as_integer().map_or(MOST_COPIES, |number| number.max(0) as u64);
                NameKind::Part(copies.map_or(1, number))
            };
            all.push(KnownName { name, kind });
        }
    }
    // Copies that a fault adds have ports from the start.
    for fault in tree.get("faults").and_then(Node::as_sequence).unwrap_or_default().iter().take(MOST_FAULTS) {
        let text = |key: &str| fault.get(key).and_then(Node::text).unwrap_or_default();
        let most =
            ends(text("copies")).1.parse().ok().filter(|most: &u64| text("how") == "scale" && *most <= MOST_COPIES);
        for known in &mut all {
            if let (NameKind::Part(copies), Some(most)) = (&mut known.kind, most)
                && known.name == text("target")
            {
                *copies = most.max(*copies);
            }
        }
    }
    all
}

/// Reads values, and notes what is wrong with them. What is wrong reads as something that is empty or the default.
pub(super) struct SystemReader<'f, 'n> {
    pub(super) config: ConfigReader<'f>,
    pub(super) names: Vec<KnownName<'n>>,
    /// Names that were read, and in which line.
    pub(super) seen: Vec<(&'n str, u32)>,
}

impl<'n> SystemReader<'_, 'n> {
    /// Whether it is a mapping. Keys beyond these are wrong.
    pub(super) fn keys(&mut self, at: &ConfigValue<'n>, keys: &[&str]) -> bool {
        self.config.keys(at, keys)
    }

    /// The keys and values of a mapping, `most` of them at most.
    pub(super) fn members(&mut self, at: &ConfigValue<'n>, most: usize) -> Vec<(ConfigValue<'n>, ConfigValue<'n>)> {
        self.config.members(at, most)
    }

    /// The members of a list, `most` of them at most; none where there is no such key.
    pub(super) fn list(&mut self, of: &ConfigValue<'n>, key: &str, most: usize) -> Vec<ConfigValue<'n>> {
        self.config.list(of, key, most)
    }

    /// The value of a key that must be there, and be something.
    pub(super) fn required(&mut self, of: &ConfigValue<'n>, key: &str) -> Option<ConfigValue<'n>> {
        self.config.needed(of, key)
    }

    /// The value of the one key of these that must be there.
    pub(super) fn one_of<'k>(&mut self, at: &ConfigValue<'n>, keys: &[&'k str]) -> Option<(&'k str, ConfigValue<'n>)> {
        self.config.one_of(at, keys)
    }

    /// A text as it stands there; a number or a truth value is one, too.
    pub(super) fn text(&mut self, at: &ConfigValue<'n>, most: usize) -> &'n str {
        let text = at.node.text().filter(|_| !at.node.is_null());
        match text {
            None => self.config.fault(at, format_args!("expected a text, instead got {}", at.node)),
            Some(text) if text.len() > most => {
                self.config.fault(at, format_args!("it is longer than {most} bytes"));
            }
            Some(text) if text.contains('\0') => self.config.fault(at, "it has a NUL character in it"),
            Some(text) => return text,
        }
        ""
    }

    /// A text that is not empty, of a key that must be there.
    pub(super) fn word(&mut self, of: &ConfigValue<'n>, key: &str) -> String {
        let Some(at) = self.required(of, key) else { return String::new() };
        let text = self.text(&at, MOST_TEXT);
        if text.is_empty() && at.node.text() == Some("") {
            self.config.fault(&at, "it is empty");
        }
        text.to_owned()
    }

    /// The same of a key that may be missing.
    pub(super) fn optional_word(&mut self, of: &ConfigValue<'n>, key: &str) -> Option<String> {
        self.config.optional(of, key).map(|_| self.word(of, key))
    }

    /// A text with places, not empty, of a key that must be there. `own` is whether it is for one process of a part.
    pub(super) fn placed(&mut self, of: &ConfigValue<'n>, key: &str, own: bool) -> String {
        let text = self.word(of, key);
        if let Some(at) = of.get(key) {
            self.check_places(&at, &text, own);
        }
        text
    }

    /// A text with places that may be empty.
    pub(super) fn placed_text(&mut self, at: &ConfigValue<'n>, most: usize, own: bool) -> String {
        let text = self.text(at, most);
        self.check_places(at, text, own);
        text.to_owned()
    }

    /// A program and its arguments, with places.
    pub(super) fn command(&mut self, of: &ConfigValue<'n>, key: &str, own: bool) -> Vec<String> {
        let mut all = Vec::new();
        let Some(at) = self.required(of, key) else { return all };
        if at.node.as_sequence().is_none() {
            self.config
                .fault(&at, format_args!("expected a list like [./check, \"{{dir}}\"], instead got {}", at.node));
            return all;
        }
        for word in self.list(of, key, MOST_WORDS) {
            let text = self.placed_text(&word, MOST_TEXT, own);
            if all.is_empty() && text.is_empty() {
                self.config.fault(&word, "expected a program, instead got nothing");
            }
            all.push(text);
        }
        if all.is_empty() {
            self.config.fault(&at, "expected a program and its arguments, instead got nothing");
        }
        all
    }

    /// That all places of a text are there.
    fn check_places(&mut self, at: &ConfigValue<'n>, text: &str, own: bool) {
        for place in places(text) {
            match place {
                TextPlace::Dir | TextPlace::Program => {}
                TextPlace::Port | TextPlace::Number | TextPlace::Log if own => {}
                TextPlace::Port => self.config.fault(at, "{port} is for a part itself; elsewhere it is {port.NAME}"),
                TextPlace::Number => self.config.fault(at, "{n} is for a part itself"),
                TextPlace::Log => self.config.fault(at, "{log} is for a part itself"),
                TextPlace::PortOf { part, copy } => self.check_port(at, part, copy),
            }
        }
    }

    /// That a copy of a part is there, so that it has a port.
    fn check_port(&mut self, at: &ConfigValue<'n>, part: &str, copy: u32) {
        match self.kind(part) {
            None => self.unknown_name(at, "part", part),
            Some(NameKind::Pods(_)) => {
                self.config.fault(at, format_args!("{part} are pods, whose ports are not known here"));
            }
            Some(NameKind::Part(copies)) if u64::from(copy) >= copies => {
                self.config.fault(at, format_args!("{part} has {copies} copies, from 0 on: there is no {part}.{copy}"));
            }
            Some(NameKind::Part(_)) => {}
        }
    }

    /// What has this name.
    pub(super) fn kind(&self, name: &str) -> Option<NameKind> {
        self.names.iter().find(|known| known.name == name).map(|known| known.kind)
    }

    /// Notes that nothing has this name, and what has nearly the same.
    pub(super) fn unknown_name(&mut self, at: &ConfigValue<'n>, kind: &str, name: &str) {
        let mut names = Vec::with_capacity(self.names.len());
        for known in &self.names {
            // Pods are no parts; anything may be a target.
            if kind != "part" || matches!(known.kind, NameKind::Part(_)) {
                names.push(known.name);
            }
        }
        self.config.fault(at, UnknownWord { kind, word: name, names: &names });
    }

    /// A whole number; the least one where it is wrong.
    pub(super) fn number(&mut self, at: &ConfigValue<'n>, least: u64, most: u64) -> u64 {
        self.config.number(at, least, most)
    }

    /// The same of a key that may be missing.
    pub(super) fn number_or(&mut self, of: &ConfigValue<'n>, key: &str, least: u64, most: u64, default: u64) -> u64 {
        self.config.number_or(of, key, least, most, default)
    }

    /// A length of time, longer than 0.
    pub(super) fn time(&mut self, of: &ConfigValue<'n>, key: &str, default: Duration) -> Duration {
        self.config.span(of, key).unwrap_or(default)
    }

    /// `4s..8s`, or `4s`. Only where it says so, it may be no time at all.
    pub(super) fn range(
        &mut self,
        of: &ConfigValue<'n>,
        key: &str,
        default: TimeRange,
        may_be_zero: bool,
    ) -> TimeRange {
        let Some(at) = self.config.optional(of, key) else { return default };
        let text = at.node.text().filter(|text| text.len() <= MOST_TIME).unwrap_or_default();
        let (least, most) = ends(text);
        match (span(least), span(most)) {
            (Ok(least), Ok(most)) if least > most => {
                self.config.fault(&at, format_args!("the first one is longer, instead got {}", at.node));
            }
            (Ok(_), Ok(most)) if most.is_zero() && !may_be_zero => {
                self.config.fault(&at, format_args!("expected a time longer than 0, instead got {}", at.node));
            }
            (Ok(least), Ok(most)) => return TimeRange(least, most),
            _ => self.config.fault(&at, format_args!("expected a time like 4s, or 4s..8s, instead got {}", at.node)),
        }
        default
    }

    /// `1..3`, or `2`: copies.
    pub(super) fn copies(&mut self, of: &ConfigValue<'n>, key: &str) -> (u32, u32) {
        let Some(at) = self.required(of, key) else { return (1, 1) };
        let (least, most) = ends(at.node.text().unwrap_or_default());
        let number = |text: &str| text.parse().ok().filter(|number| (1..=MOST_COPIES as u32).contains(number));
        match (number(least), number(most)) {
            (Some(least), Some(most)) if least <= most => (least, most),
            _ => {
                let (most, got) = (MOST_COPIES, at.node);
                self.config.fault(&at, format_args!("expected copies like 1..3, {most} at most, instead got {got}"));
                (1, 1)
            }
        }
    }
}

/// Both ends of a range.
fn ends(text: &str) -> (&str, &str) {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    (least.trim(), most.trim())
}
