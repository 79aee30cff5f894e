//! When a pod is ready, and what goes wrong.

use crate::parameters::{EXIT_CODE, LINES, LOG_RATE, MS, PERCENT, STATUS_CODE, Whole};
use crate::scenario::track::{FAULT_NAMES, FaultInterval, Interval, PlannedFault, ReadyInterval};
use crate::settings::config_reader::ConfigValue;
use crate::settings::scenario::values::ScenarioReader;
use crate::settings::unknown_word::UnknownWord;

/// The most intervals of a track.
const MOST_INTERVALS: usize = 1000;
/// For how long a fault lasts that does not say.
const FAULT_SECONDS: f64 = 60.0;
const ANSWERS: [(&str, bool); 4] = [("yes", true), ("true", true), ("no", false), ("false", false)];
/// What a fault of each kind says beside `at` and `kind`, in the order of their names.
const FAULT_KEYS: [&[&str]; FAULT_NAMES.len()] =
    [&["code"], &[], &["for"], &["for", "ms"], &["for", "code", "percent"], &["lines", "rate"], &["for", "delay"]];

/// The intervals of `ready`.
pub(super) fn ready(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>) -> Vec<ReadyInterval> {
    let mut all = Vec::new();
    for at in reader.config.list(of, "ready", MOST_INTERVALS) {
        if !reader.config.keys(&at, &["at", "for", "is"]) {
            continue;
        }
        let begin = reader.needed_seconds(&at, "at", true);
        let interval = Interval { at: begin, length: reader.needed_seconds(&at, "for", false) };
        reader.config.needed(&at, "is");
        let is_ready = reader.config.choice(&at, "is", &ANSWERS).unwrap_or_default();
        all.push(ReadyInterval { interval, is_ready });
    }
    all
}

/// The intervals of `fault`.
pub(super) fn faults(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>) -> Vec<FaultInterval> {
    let mut all = Vec::new();
    for at in reader.config.list(of, "fault", MOST_INTERVALS) {
        let Some(kind) = reader.config.needed(&at, "kind") else { continue };
        let word = kind.node.text().unwrap_or_default();
        let Some(place) = FAULT_NAMES.iter().position(|name| *name == word) else {
            reader.config.fault(&kind, UnknownWord { kind: "fault", word, names: &FAULT_NAMES });
            continue;
        };
        if !reader.config.keys(&at, &[&["at", "kind"], FAULT_KEYS[place]].concat()) {
            continue;
        }
        let begin = reader.needed_seconds(&at, "at", true);
        let fault = match word {
            "exit" => PlannedFault::Exit(number(reader, &at, const { &EXIT_CODE.whole() }) as u8),
            "abort" => PlannedFault::Abort,
            "hang" => PlannedFault::Hang,
            "delay" => PlannedFault::Delay(number(reader, &at, const { &MS.whole() })),
            "status" => PlannedFault::Status {
                code: number(reader, &at, const { &STATUS_CODE.whole() }) as u16,
                percent: number(reader, &at, const { &PERCENT.whole() }),
            },
            "log" => PlannedFault::Log {
                lines: number(reader, &at, const { &LINES.whole() }),
                rate: number(reader, &at, const { &LOG_RATE.whole() }),
            },
            _ => PlannedFault::Term(reader.optional_seconds(&at, "delay", false)),
        };
        let length = match fault {
            PlannedFault::Exit(_) | PlannedFault::Abort => 0.0,
            PlannedFault::Log { lines, rate } => lines as f64 / rate as f64,
            _ => reader.optional_seconds(&at, "for", false).unwrap_or(FAULT_SECONDS),
        };
        all.push(FaultInterval { interval: Interval { at: begin, length }, fault });
    }
    all
}

/// A number within the bounds that it has in a request.
fn number(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>, whole: &Whole) -> u64 {
    match whole.default {
        Some(default) => reader.config.number_or(of, whole.name, whole.least, whole.most, default),
        None => {
            let at = reader.config.needed(of, whole.name);
            at.map_or(whole.least, |at| reader.config.number(&at, whole.least, whole.most))
        }
    }
}
