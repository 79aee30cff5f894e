//! The commands that ask a service, and their flags: the one table that arguments are read by, and completions made of.

use crate::parameters::{self, Parameter, ParameterKind};

/// A flag: its name, the parameter it becomes, and what it takes.
pub struct Flag {
    /// Without its dashes.
    pub name: &'static str,
    /// The parameter it becomes; none where it is empty.
    pub parameter: &'static str,
    /// What its value is.
    pub takes: Takes,
}

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It has none.
    Nothing,
    /// A duration: `90s`.
    Span,
    /// An amount a second, or in all.
    Amount,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Anything.
    Text,
}

/// A flag that is for the command itself.
const fn own(name: &'static str, takes: Takes) -> Flag {
    Flag { name, parameter: "", takes }
}

/// A flag that becomes a parameter, and takes what that takes.
const fn flag(name: &'static str, parameter: Parameter) -> Flag {
    let takes = match parameter.kind {
        ParameterKind::Switch => Takes::Nothing,
        ParameterKind::Span | ParameterKind::Length => Takes::Span,
        ParameterKind::Amount | ParameterKind::Rate | ParameterKind::Cores => Takes::Amount,
        ParameterKind::OneOf(values) => Takes::OneOf(values),
        _ => Takes::Text,
    };
    Flag { name, parameter: parameter.name, takes }
}

/// The flags of every command that asks a service.
pub const COMMON: [Flag; 3] = [own("url", Takes::Text), own("token", Takes::Text), own("token-file", Takes::Text)];
const OVER: Flag = flag("over", parameters::OVER);
/// How much a second.
pub const RATE: Flag = flag("rate", parameters::RATE);
/// It becomes `follow`, which tells how far the work is.
const WAIT: Flag = own("wait", Takes::Nothing);
const DRY_RUN: Flag = flag("dry-run", parameters::DRY_RUN);
const TTL: Flag = flag("ttl", parameters::TTL);
const EXACT: Flag = flag("exact", parameters::EXACT);
const FORCE: Flag = flag("force", parameters::FORCE);
/// For how long.
pub const TIME: Flag = flag("time", parameters::DURATION);
const REPLACE: Flag = flag("replace", parameters::REPLACE);
const JSON: Flag = own("json", Takes::Nothing);
const FOR: Flag = flag("for", parameters::FOR);
/// Which service it is for: `spread` may name several.
pub const SERVICE: Flag = own("service", Takes::Text);
const BY: Flag = own("by", Takes::OneOf(&["even", "available"]));

const SET_MEMORY: [Flag; 9] =
    [TTL, OVER, RATE, EXACT, FORCE, flag("kind", parameters::KIND), flag("touch", parameters::TOUCH), DRY_RUN, WAIT];
const SET_DISK: [Flag; 8] = [TTL, OVER, RATE, EXACT, FORCE, flag("fsync", parameters::FSYNC), DRY_RUN, WAIT];
const SET_COUNT: [Flag; 6] = [TTL, OVER, RATE, FORCE, DRY_RUN, WAIT];
/// How much CPU a load uses.
pub const CPU: Flag = flag("cpu", parameters::CPU);
const CPU_LOAD: [Flag; 6] = [CPU, TIME, OVER, REPLACE, DRY_RUN, WAIT];
const IO_LOAD: [Flag; 5] = [RATE, TIME, REPLACE, DRY_RUN, WAIT];
const RELEASE: [Flag; 3] = [OVER, RATE, WAIT];
const SPREAD_MEMORY: [Flag; 7] = [SERVICE, BY, TTL, OVER, RATE, EXACT, FORCE];
const SPREAD_CPU: [Flag; 6] = [SERVICE, BY, TIME, OVER, REPLACE, WAIT];

/// What stands behind a command: its second word, whether an amount follows, and its flags.
pub type Verb = (&'static str, bool, &'static [Flag]);

/// All commands that ask a service, and what stands behind them. An empty second word is none.
pub const COMMANDS: &[(&str, &[Verb])] = &[
    ("status", &[("", false, &[own("watch", Takes::Nothing), JSON])]),
    ("mem", &[("set", true, &SET_MEMORY), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("disk", &[("set", true, &SET_DISK), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("inode", &[("set", true, &SET_COUNT), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("pid", &[("set", true, &SET_COUNT), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("fd", &[("set", true, &SET_COUNT), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("cpu", &[("load", false, &CPU_LOAD), ("stop", false, &[]), ("get", false, &[JSON])]),
    ("io", &[("load", false, &IO_LOAD), ("stop", false, &[]), ("get", false, &[JSON])]),
    ("release", &[("", false, &[])]),
    ("ready", &[("disable", false, &[FOR]), ("enable", false, &[])]),
    ("health", &[("disable", false, &[FOR]), ("enable", false, &[])]),
    ("http", &[("", false, &[own("timeout", Takes::Span)])]),
    ("spread", &[("mem", true, &SPREAD_MEMORY), ("disk", true, &SPREAD_MEMORY), ("cpu", true, &SPREAD_CPU)]),
];

/// What stands behind `scenario`, where it asks a service.
#[cfg(feature = "scenario")]
pub const SCENARIO: [Verb; 3] = [
    (
        "run",
        false,
        &[SERVICE, own("divide", Takes::Nothing), own("replace", Takes::Nothing), WAIT, own("timeout", Takes::Span)],
    ),
    ("stop", false, &[SERVICE]),
    ("status", false, &[SERVICE]),
];

/// What stands behind a command.
pub fn verbs_of(command: &str) -> &'static [Verb] {
    #[cfg(feature = "scenario")]
    if command == "scenario" {
        return &SCENARIO;
    }
    COMMANDS.iter().find(|(known, _)| *known == command).map_or(&[][..], |(_, verbs)| verbs)
}

/// Whether the words behind `scenario` ask a service: the first that is no flag, or the first verb behind flags.
#[cfg(feature = "scenario")]
pub fn asks_of_scenario(words: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    let mut is_behind_flags = false;
    for word in words {
        if SCENARIO.iter().any(|(verb, ..)| word == *verb) {
            return true;
        }
        is_behind_flags |= word.to_string_lossy().starts_with('-');
        if !is_behind_flags || word == "check" || word == "record" {
            return false;
        }
    }
    false
}

/// Methods that are offered for `testero http`; it takes others as well.
pub const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// The shells there is a script for.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Whether a first word is a command of this kind.
pub fn is_command(word: &str) -> bool {
    word == "completions" || COMMANDS.iter().any(|(command, _)| *command == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{ParameterKind, ParameterList};

    #[cfg(feature = "scenario")]
    #[test]
    fn some_words_behind_scenario_ask_a_service() {
        for (words, asks) in [
            ("run a.yaml", true),
            ("--url x --wait run a.yaml", true),
            ("status", true),
            ("check run", false),
            ("--limit cpu=1 check run", false),
            ("examples", false),
            ("--help", false),
            ("", false),
        ] {
            assert_eq!(asks_of_scenario(words.split(' ').map(std::ffi::OsString::from)), asks, "{words}");
        }
    }

    #[test]
    fn every_flag_becomes_a_parameter_that_the_service_takes() {
        let mut seen = 0;
        for (command, verbs) in COMMANDS {
            for (verb, _, flags) in *verbs {
                let group = if *command == "spread" { verb } else { command };
                let list = match (*group, *verb) {
                    (_, "release") => ParameterList::Release,
                    ("mem", _) => ParameterList::SetMemory,
                    ("disk", _) => ParameterList::SetFiles,
                    ("inode" | "pid" | "fd", _) => ParameterList::SetCounted,
                    ("cpu", _) => ParameterList::CpuLoad,
                    ("io", _) => ParameterList::IoLoad,
                    (_, "disable") => ParameterList::Disable,
                    _ => ParameterList::Nothing,
                };
                for flag in flags.iter().filter(|flag| !flag.parameter.is_empty()) {
                    let taken = list.uses().iter().find(|one| one.parameter.name == flag.parameter);
                    let kind = taken.unwrap_or_else(|| panic!("{command} {verb} --{}", flag.name)).parameter.kind;
                    assert_eq!(flag.takes == Takes::Nothing, kind == ParameterKind::Switch, "{}", flag.name);
                    seen += 1;
                }
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
