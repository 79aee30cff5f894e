//! What was said to a command: its words and flags, checked.

use crate::client::commands::Verb;
use crate::client::flags::{CPU, Flag, RATE, SERVICE, TIME, Takes};
use crate::client::output::{AnswerForm, Output};
use crate::http::client::with_port;
use crate::settings::consumer;
use crate::settings::unknown_word::meant;
use crate::sorting::sort_by_key;
use crate::units::duration::span;
use crate::units::quantity::{Amount, Unit, rate};

/// For how long a load runs that does not say: long enough to see it, too short to be forgotten.
const LOAD_TIME: &str = "60s";

/// What was said to a command.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) words: Vec<String>,
    /// Flags that were given, with their values.
    flags: Vec<(&'static Flag, String)>,
}

impl Arguments {
    /// Adds a flag. The last of its name counts; of services all do.
    pub(super) fn add(&mut self, flag: &'static Flag, value: String) {
        self.flags.retain(|(known, _)| known.name != flag.name || flag.name == SERVICE.name);
        self.flags.push((flag, value));
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag.name == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether every flag is one of this verb, and means something.
    pub(super) fn checked(&self, verb: &Verb, called: &str) -> Result<(), String> {
        for (flag, value) in &self.flags {
            let Some(own) = verb.flag(flag.name) else {
                return Err(format!("{called} takes no --{}", flag.name));
            };
            let why = match own.takes {
                Takes::Span => span(value).err(),
                Takes::OneOf(words) if !words.contains(&value.as_str()) => Some(format!("one of {}", words.join(", "))),
                _ => None,
            };
            if let Some(why) = why {
                return Err(format!("--{} '{value}': {why}", flag.name));
            }
        }
        for (one, other) in [("over", "rate"), ("exact", "rounded"), ("json", "output"), ("ignore", "delay")] {
            if self.has(one) && self.has(other) && (one, self.value(other)) != ("json", Some("json")) {
                return Err(format!("--{one} and --{other} are both given: which one counts?"));
            }
        }
        Ok(())
    }

    /// Whether there is an amount, or another operand, where one belongs, and nothing else.
    pub(super) fn has_operand(&mut self, verb: &Verb, called: &str) -> Result<(), String> {
        // An amount may have its unit behind a blank, as it is printed: 512 MiB.
        if let ([number, unit], true) = (self.words.as_slice(), verb.operand.contains("AMOUNT"))
            && unit.starts_with(|c: char| c.is_ascii_alphabetic() || c == '%')
            && number.ends_with(|c: char| c.is_ascii_digit())
        {
            self.words = vec![format!("{number} {unit}")];
        }
        match self.words.as_slice() {
            [] if verb.takes_amount() => Err(format!("{called}: how much? An amount like 512Mi, 50pct or max")),
            [] if verb.operand.is_empty() || verb.operand.starts_with('[') => Ok(()),
            [] => Err(format!("{called}: which {}? As in {called} {}", verb.operand, verb.examples[0])),
            [_] if !verb.operand.is_empty() => Ok(()),
            [.., last] => Err(format!("{called}: what is '{last}'?")),
        }
    }

    /// A load's amount may stand as a word: `cpu load 500m`.
    pub(super) fn takes_the_amount(&mut self, command: &str) -> Result<(), String> {
        let flag = if command == "cpu" { &CPU } else { &RATE };
        if self.words.len() != 1 {
            return Ok(());
        }
        if self.has(flag.name) {
            return Err(format!("testero {command} load: '{}' and --{} say the same", self.words[0], flag.name));
        }
        let amount = self.words.remove(0);
        self.add(flag, amount);
        Ok(())
    }

    pub(super) fn amount(&self, unit: Unit) -> Result<Amount, String> {
        Amount::parse(self.words.first().map_or("", String::as_str), unit)
    }

    /// The parameters that the flags become.
    pub(super) fn parameters(&self, unit: Unit) -> Result<Vec<(&'static str, String)>, String> {
        let mut parameters = Vec::new();
        for (flag, value) in &self.flags {
            if flag.parameter.is_empty() {
                continue;
            }
            if flag.takes == Takes::Amount {
                match flag.name {
                    "cpu" => Amount::parse(value, Unit::Millicores).map(drop),
                    _ => rate(value, unit).map(drop),
                }
                .map_err(|why| format!("--{} '{value}': {why}", flag.name))?;
            }
            parameters.push((flag.parameter, value.clone()));
        }
        Ok(parameters)
    }

    /// Those of a set: what can be exact is, unless it is to be rounded.
    pub(super) fn of_set(&self, group: &str, unit: Unit) -> Result<Vec<(&'static str, String)>, String> {
        let mut parameters = self.parameters(unit)?;
        if matches!(group, "mem" | "disk") && !self.has("rounded") && !self.has("exact") {
            parameters.push((crate::parameters::EXACT.name, String::from("true")));
        }
        Ok(parameters)
    }

    /// Those of a load: for how long comes first.
    pub(super) fn of_load(&self, unit: Unit) -> Result<Vec<(&'static str, String)>, String> {
        let mut parameters = self.parameters(unit)?;
        if !self.has("time") {
            parameters.push((TIME.parameter, String::from(LOAD_TIME)));
        }
        sort_by_key(&mut parameters, &|(name, _)| *name != TIME.parameter);
        Ok(parameters)
    }

    /// How the answer is printed.
    pub(super) fn output(&self) -> Output {
        let form = match self.value("output") {
            Some("wide") => AnswerForm::Wide,
            Some("yaml") => AnswerForm::Yaml,
            Some("name") => AnswerForm::Name,
            Some(_) => AnswerForm::Json,
            None if self.has("json") => AnswerForm::Json,
            None => AnswerForm::Words,
        };
        let colors = match self.value("color") {
            Some("always") => Some(true),
            Some("never") => Some(false),
            _ => None,
        };
        Output { form, quiet: self.has("quiet"), colors }
    }

    /// The names that `--service` has, with ports.
    pub(super) fn services(&self) -> Result<Vec<String>, String> {
        let mut services = Vec::new();
        for (_, value) in self.flags.iter().filter(|(flag, _)| flag.name == SERVICE.name) {
            for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                if name.contains('/') {
                    return Err(format!("--service '{name}': a name and a port, like testero-headless:8080"));
                }
                services.push(with_port(name, consumer::PORT));
            }
        }
        Ok(services)
    }
}

/// A name that somebody may have meant, as a question.
pub(super) fn did_you_mean(word: &str, before: &str, names: &mut dyn Iterator<Item = &'static str>) -> String {
    meant(word, names).map_or_else(String::new, |meant| format!("; did you mean '{before}{meant}'?"))
}

/// What the amounts of a group count.
pub(super) fn unit_of(group: &str) -> Unit {
    match group {
        "mem" | "disk" | "io" => Unit::Bytes,
        "cpu" => Unit::Millicores,
        _ => Unit::Count,
    }
}
