//! The table holds together.

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
    for command in COMMANDS {
        for verb in command.verbs {
            let group = if command.name == "spread" { verb.word } else { command.name };
            let list = match (group, verb.word) {
                ("release", _) => ParameterList::ReleaseAll,
                (_, "release") => ParameterList::Release,
                ("mem", _) => ParameterList::SetMemory,
                ("disk", _) => ParameterList::SetFiles,
                ("inode" | "pid" | "fd", _) => ParameterList::SetCounted,
                ("cpu", _) => ParameterList::CpuLoad,
                ("io", _) => ParameterList::IoLoad,
                (_, "disable") => ParameterList::Disable,
                ("fault", "exit") => ParameterList::FaultExit,
                ("fault", "abort") => ParameterList::FaultAbort,
                ("fault", "hang") => ParameterList::FaultHang,
                ("fault", "delay") => ParameterList::FaultDelay,
                ("fault", "status") => ParameterList::FaultStatus,
                ("fault", "log") => ParameterList::FaultLog,
                ("fault", "term") => ParameterList::FaultTerm,
                _ => ParameterList::Nothing,
            };
            for flag in verb.flags().filter(|flag| !flag.parameter.is_empty()) {
                let taken = list.uses().iter().find(|one| one.parameter.name == flag.parameter);
                let kind =
                    taken.unwrap_or_else(|| panic!("{} {} --{}", command.name, verb.word, flag.name)).parameter.kind;
                assert_eq!(flag.takes == Takes::Nothing, kind == ParameterKind::Switch, "{}", flag.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn a_flag_and_a_letter_stand_for_one_thing_in_a_verb() {
    for verb in COMMANDS.iter().flat_map(|command| command.verbs) {
        for (place, flag) in verb.flags().enumerate() {
            for other in verb.flags().skip(place + 1) {
                assert_ne!(flag.name, other.name, "{}", verb.purpose);
                assert!(flag.letter == 0 || flag.letter != other.letter, "{}: -{}", verb.purpose, flag.letter);
            }
        }
    }
}
