//! What a run's records come to: recovery times, faults by kind, and how to run it again.

use std::time::Duration;

use crate::crash::report::text::shell_word;
use crate::crash::report::verdict::{Check, Verdict};
use crate::crash::report::{FaultRecord, RunReport};
use crate::sorting::sort_by;

/// How long it took from restarts until what was restarted was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How many times there are.
    pub count: usize,
    /// Half of them are at most this.
    pub p50: Duration,
    /// 99 of 100 are at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Recovery {
    /// That of these faults; `None` when nothing became ready after any.
    pub fn of(faults: &[FaultRecord]) -> Option<Self> {
        let mut times: Vec<Duration> = faults.iter().filter_map(|fault| fault.ready).collect();
        sort_by(&mut times, &Ord::cmp);
        // The nearest rank: a time that was measured.
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { count: times.len(), p50: rank(50)?, p99: rank(99)?, max: rank(100)? })
    }
}

/// Faults of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCount {
    /// Which kind.
    pub kind: &'static str,
    /// How many there were.
    pub done: usize,
    /// How many of them had an effect.
    pub effective: usize,
}

impl FaultCount {
    /// Those of each kind, in the order in which the kinds first come.
    pub fn of(faults: &[FaultRecord]) -> Vec<Self> {
        let mut counts: Vec<Self> = Vec::new();
        for fault in faults {
            let place = counts.iter().position(|count| count.kind == fault.kind).unwrap_or_else(|| {
                counts.push(Self { kind: fault.kind, done: 0, effective: 0 });
                counts.len() - 1
            });
            counts[place].done += 1;
            counts[place].effective += usize::from(fault.effect.is_some());
        }
        counts
    }
}

impl RunReport {
    /// A command line for a shell that makes the same choices again.
    pub fn command(&self) -> String {
        let mut words = vec![String::from("testero")];
        // Whether the role's name is among the arguments is up to who kept them.
        if self.arguments.first().is_none_or(|word| word != "crash") {
            words.push(String::from("crash"));
        }
        words.extend(self.arguments.iter().map(|word| shell_word(word)));
        if !self.arguments.iter().any(|word| word == "--seed" || word.starts_with("--seed=")) {
            words.push(format!("--seed={}", self.seed));
        }
        words.join(" ")
    }

    /// The check that found the violation, where that is one of the run's.
    pub(super) fn violated(&self) -> Option<&Check> {
        let violation = self.violation.as_ref()?;
        self.checks.iter().find(|check| check.name == violation.check)
    }

    /// The verdict with its exit code: `data wrong (exit code 1)`.
    pub fn verdict_line(&self) -> String {
        let by = match self.verdict {
            Verdict::Interrupted(signal) => format!(" by signal {signal}"),
            _ => String::new(),
        };
        format!("{}{by} (exit code {})", self.verdict.words(), self.verdict.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::report::examples;

    fn fault(kind: &'static str, ready: Option<u64>) -> FaultRecord {
        FaultRecord { kind, ready: ready.map(Duration::from_millis), ..examples::fault(0) }
    }

    #[test]
    fn recovery_times_are_of_the_nearest_rank() {
        let faults: Vec<FaultRecord> = (1..=200).rev().map(|ms| fault("kill", Some(ms))).collect();
        let ms = Duration::from_millis;
        let recovery = Recovery { count: 200, p50: ms(100), p99: ms(198), max: ms(200) };
        assert_eq!(Recovery::of(&faults), Some(recovery));
        let one = Recovery { count: 1, p50: ms(3), p99: ms(3), max: ms(3) };
        assert_eq!(Recovery::of(&[fault("kill", Some(3)), fault("shrink", None)]), Some(one));
        assert_eq!(Recovery::of(&[fault("shrink", None)]), None);
    }

    #[test]
    fn faults_are_counted_by_kind() {
        let none = FaultRecord { effect: None, ..fault("kill", None) };
        let counts = FaultCount::of(&[fault("kill", None), fault("pause", None), none]);
        let count = |kind, done, effective| FaultCount { kind, done, effective };
        assert_eq!(counts, [count("kill", 2, 1), count("pause", 1, 1)]);
    }

    #[test]
    fn a_command_line_has_the_seed_once() {
        let mut report = examples::empty();
        report.seed = 9;
        for (arguments, command) in [
            (&["3", "crash1", "--keys", "A B"][..], "testero crash 3 crash1 --keys 'A B' --seed=9"),
            (&["crash", "3", "--seed", "9"], "testero crash 3 --seed 9"),
            (&["3", "--seed=9"], "testero crash 3 --seed=9"),
        ] {
            report.arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(report.command(), command);
        }
    }
}
