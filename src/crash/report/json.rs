//! A report for programs: JSON.
//!
//! Members may be added; what is there keeps its meaning as long as `schema` is 1. A member whose name ends in `_ms` is in
//! milliseconds; `at` is in seconds since the run began; offsets are in bytes. What is not known is `null`.

use std::time::Duration;

use crate::crash::report::summary::Recovery;
use crate::crash::report::verdict::CheckOutcome;
use crate::crash::report::{FaultRecord, KeyProgress, RunReport};
use crate::kernel::clock::utc_stamp;
use crate::object;
use crate::service::json::{Value, list};

/// The report, one line.
pub fn json(report: &RunReport) -> String {
    let mut coverage = Value::object();
    for (name, count) in &report.coverage {
        coverage.add(name, count);
    }
    let never = report.coverage.iter().filter(|(_, count)| *count == 0).map(|(name, _)| Value::of(name));
    let recovery = Recovery::of(&report.faults).map(|times| {
        object! { "count": times.count, "p50": ms(times.p50), "p99": ms(times.p99), "max": ms(times.max) }
    });
    let violation = report.violation.as_ref().map(|violation| {
        object! { "at": at(violation.at), "check": violation.check, "diagnosis": violation.diagnosis }
    });
    let checks = report.checks.iter().map(|check| {
        object! { "name": check.name, "outcome": outcome(check.outcome), "detail": check.detail }
    });
    let report = object! {
        "schema": 1u32,
        "version": env!("CARGO_PKG_VERSION"),
        "seed": report.seed,
        "arguments": list(&mut report.arguments.iter().map(|word| Value::of(word))),
        "command": report.command(),
        "began": utc_stamp(report.began),
        "took_ms": ms(report.took),
        "verdict": report.verdict.words(),
        "exit_code": u32::from(report.verdict.code()),
        "checks": list(&mut checks.into_iter()),
        "faults": list(&mut report.faults.iter().map(fault)),
        "keys": list(&mut report.keys.iter().map(key)),
        "coverage": coverage,
        "never_happened": list(&mut never.into_iter()),
        "recovery_ms": recovery,
        "violation": violation,
    };
    format!("{report}\n")
}

fn fault(fault: &FaultRecord) -> Value {
    object! {
        "at": at(fault.at), "kind": fault.kind, "target": fault.target, "before": fault.before, "after": fault.after,
        "effect": fault.effect, "down_ms": fault.down.map(ms), "ready_ms": fault.ready.map(ms),
    }
}

fn key(progress: &KeyProgress) -> Value {
    let offsets = &progress.offsets;
    object! {
        "key": progress.key.to_string(), "input": progress.input, "fed": offsets.fed, "in": offsets.taken,
        "out": offsets.made, "acked": offsets.acknowledged, "verified": progress.verified,
    }
}

/// The word for an outcome.
fn outcome(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Failed => "failed",
        CheckOutcome::Unknown => "unknown",
        CheckOutcome::LeftOut => "left out",
    }
}

/// Seconds since the run began, to the millisecond.
fn at(time: Duration) -> f64 {
    ms(time) as f64 / 1000.0
}

fn ms(time: Duration) -> u64 {
    // A run is shorter than the 500 million years that fit.
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::report::examples;
    use serde_json::{Value as Parsed, json as parsed};

    fn read(report: &RunReport) -> Parsed {
        serde_json::from_str(&json(report)).unwrap()
    }

    #[test]
    fn everything_of_a_run_is_there() {
        let report = examples::failed();
        let read = read(&report);
        for (name, value) in [
            ("schema", parsed!(1)),
            ("version", parsed!(env!("CARGO_PKG_VERSION"))),
            ("seed", parsed!(report.seed)),
            ("arguments", parsed!(report.arguments)),
            ("command", parsed!(report.command())),
            ("began", parsed!("2026-11-28T20:00:00Z")),
            ("took_ms", parsed!(report.took.as_millis() as u64)),
            ("verdict", parsed!("data wrong")),
            ("exit_code", parsed!(1)),
        ] {
            assert_eq!(read[name], value, "{name}");
        }
        let violation = report.violation.as_ref().unwrap();
        let wanted = parsed!({
            "at": violation.at.as_secs_f64(), "check": violation.check, "diagnosis": violation.diagnosis
        });
        assert_eq!(read["violation"], wanted);
        let checks = read["checks"].as_array().unwrap();
        assert_eq!(checks.len(), report.checks.len());
        assert_eq!(checks[0], parsed!({"name": "prefix", "outcome": "failed", "detail": report.checks[0].detail}));
        let words: Vec<&str> = checks.iter().map(|check| check["outcome"].as_str().unwrap()).collect();
        assert!(words.contains(&"passed") && words.contains(&"unknown") && words.contains(&"left out"), "{words:?}");
        let keys = read["keys"].as_array().unwrap();
        let first = &report.keys[0];
        let wanted = parsed!({
            "key": first.key.to_string(), "input": first.input, "fed": first.offsets.fed, "in": first.offsets.taken,
            "out": first.offsets.made, "acked": first.offsets.acknowledged, "verified": first.verified,
        });
        assert_eq!((keys.len(), &keys[0]), (report.keys.len(), &wanted));
    }

    #[test]
    fn faults_and_what_they_come_to_are_there() {
        let mut report = examples::empty();
        report.faults.push(examples::fault(1250));
        report.faults.push(FaultRecord { effect: None, ready: None, down: None, ..examples::fault(2000) });
        report.coverage = vec![("fenced", 3), ("torn tails cut", 0)];
        let read = read(&report);
        let fault = parsed!({
            "at": 1.25, "kind": "kill", "target": "worker.1", "before": "pid 4711", "after": "pid 4712",
            "effect": "ended by signal 9", "down_ms": 1800, "ready_ms": 420,
        });
        let without = parsed!({
            "at": 2.0, "kind": "kill", "target": "worker.1", "before": "pid 4711", "after": "pid 4712",
            "effect": null, "down_ms": null, "ready_ms": null,
        });
        // serde_json knows 2 from 2.0.
        assert_eq!(read["faults"][0], fault);
        assert_eq!(read["faults"][1]["at"].as_f64(), without["at"].as_f64());
        assert_eq!(read["faults"][1]["effect"], without["effect"]);
        assert_eq!(read["faults"][1]["down_ms"], without["down_ms"]);
        assert_eq!(read["coverage"], parsed!({"fenced": 3, "torn tails cut": 0}));
        assert_eq!(read["never_happened"], parsed!(["torn tails cut"]));
        assert_eq!(read["recovery_ms"], parsed!({"count": 1, "p50": 420, "p99": 420, "max": 420}));
    }

    #[test]
    fn a_run_without_anything_is_json_too() {
        let read = read(&examples::empty());
        assert_eq!((&read["faults"], &read["coverage"]), (&parsed!([]), &parsed!({})));
        assert_eq!((&read["recovery_ms"], &read["violation"]), (&Parsed::Null, &Parsed::Null));
        assert_eq!(read["exit_code"], parsed!(4));
    }

    #[test]
    fn any_text_is_read_as_it_was() {
        let report = examples::hostile();
        let read = read(&report);
        assert_eq!(read["violation"]["diagnosis"], parsed!(report.violation.as_ref().unwrap().diagnosis));
        assert_eq!(read["faults"][0]["target"], parsed!(report.faults[0].target));
        assert_eq!(read["arguments"], parsed!(report.arguments));
    }
}
