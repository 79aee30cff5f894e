//! What a run shows of each check.

use crate::crash::report::FaultRecord;
use crate::crash::report::verdict::{CHECKS, Check, CheckKind, CheckOutcome};
use crate::settings::crash::Word;

/// What is known of a run at its end.
pub struct RunFacts<'r> {
    /// What was to be done, and left out.
    pub words: &'r [Word],
    /// What was done.
    pub faults: &'r [FaultRecord],
    /// What failed, and why.
    pub failed: &'r [(&'static str, String)],
    /// How many bytes were verified.
    pub verified: u64,
    /// Of how many keys.
    pub keys: usize,
    /// Whether it came to its end.
    pub interrupted: bool,
}

/// What it shows of each check.
pub fn checks_of(facts: &RunFacts<'_>) -> Vec<Check> {
    CHECKS.iter().map(|(name, kind)| check_of(name, *kind, facts.failed, &|| outcome(facts, name))).collect()
}

/// A check that failed, if it is among those that did; else what came of it otherwise.
pub fn check_of(
    name: &'static str,
    kind: CheckKind,
    failed: &[(&'static str, String)],
    otherwise: &dyn Fn() -> (CheckOutcome, String),
) -> Check {
    let (outcome, detail) = match failed.iter().find(|(failed, _)| *failed == name) {
        // The first line says what; all of the first violation is told beside the checks.
        Some((_, why)) => {
            let first = why.lines().next().unwrap_or_default();
            let named = first.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
            (CheckOutcome::Failed, named.unwrap_or(first).to_owned())
        }
        None => otherwise(),
    };
    Check { name, kind, outcome, detail }
}

fn outcome(facts: &RunFacts<'_>, name: &str) -> (CheckOutcome, String) {
    let left_out = match name {
        "prefix" | "contiguous" | "stable" | "owner" => Some(Word::NoSanity),
        "ack-progress" => Some(Word::NoAckProgress),
        "registry" => Some(Word::NoRegistry),
        _ => None,
    };
    if left_out.is_some_and(|word| facts.words.contains(&word)) {
        return (CheckOutcome::LeftOut, String::from("left out, as asked"));
    }
    let ended_early = facts.interrupted || !facts.failed.is_empty();
    let verified = format!("{} bytes of {} keys", facts.verified, facts.keys);
    match name {
        "prefix" | "contiguous" | "stable" | "owner" if facts.verified == 0 => {
            (CheckOutcome::Unknown, String::from("nothing was put out"))
        }
        "prefix" | "contiguous" | "stable" | "owner" => (CheckOutcome::Passed, verified),
        "eof" if ended_early => (CheckOutcome::Unknown, String::from("the run ended early")),
        "eof" => (CheckOutcome::Passed, format!("all that was fed, not a byte more: {verified}")),
        "effect" => {
            let is_fault = |word: &Word| {
                !matches!(word, Word::NoSanity | Word::NoAckProgress | Word::NoRegistry | Word::ResetOnly)
            };
            effect_of(facts.faults, facts.words.iter().any(is_fault), ended_early)
        }
        _ => (CheckOutcome::Passed, String::from("at all times")),
    }
}

/// Each fault is to have had an effect, and there is to be one where one was asked for.
pub fn effect_of(faults: &[FaultRecord], is_asked: bool, ended_early: bool) -> (CheckOutcome, String) {
    let without: Vec<&FaultRecord> = faults.iter().filter(|fault| fault.effect.is_none()).collect();
    if let Some(first) = without.first() {
        let (count, all) = (without.len(), faults.len());
        let what = format!("{} of {}: {}", first.kind, first.target, first.after);
        return (CheckOutcome::Failed, format!("{count} of {all} faults did nothing, the first one {what}"));
    }
    match (faults.len(), is_asked) {
        (0, true) if !ended_early => (CheckOutcome::Failed, String::from("no fault came: the run was too short")),
        (0, true) => (CheckOutcome::Unknown, String::from("no fault came before the end")),
        (0, false) => (CheckOutcome::Passed, String::from("none was asked for")),
        (count, _) => (CheckOutcome::Passed, format!("each of {count} faults was seen to do something")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::report::verdict::Verdict;
    use std::time::Duration;

    fn fault(effect: Option<&str>) -> FaultRecord {
        FaultRecord {
            at: Duration::ZERO,
            kind: "kill",
            target: String::from("worker.1"),
            before: String::from("pid 1"),
            after: String::from("pid 2"),
            effect: effect.map(str::to_owned),
            down: None,
            ready: None,
        }
    }

    fn verdict(words: &[Word], faults: &[FaultRecord], failed: &[(&'static str, &str)], verified: u64) -> Verdict {
        let failed: Vec<_> = failed.iter().map(|(name, why)| (*name, (*why).to_owned())).collect();
        Verdict::of(&checks_of(&RunFacts { words, faults, failed: &failed, verified, keys: 1, interrupted: false }))
    }

    #[test]
    fn what_a_run_comes_to() {
        let crash = [Word::CrashSink];
        let (good, idle) = (fault(Some("exit by signal 9")), fault(None));
        assert_eq!(verdict(&[], &[], &[], 9), Verdict::Passed);
        assert_eq!(verdict(&crash, std::slice::from_ref(&good), &[], 9), Verdict::Passed);
        assert_eq!(verdict(&crash, &[], &[], 9), Verdict::CannotTell);
        assert_eq!(verdict(&crash, &[good.clone(), idle], &[], 9), Verdict::CannotTell);
        assert_eq!(verdict(&[], &[], &[], 0), Verdict::CannotTell);
        assert_eq!(verdict(&[], &[], &[("alive", "")], 9), Verdict::PartDied);
        assert_eq!(verdict(&[], &[], &[("alive", ""), ("ready", "")], 9), Verdict::NotLive);
        assert_eq!(verdict(&[], &[], &[("ready", ""), ("owner", "")], 9), Verdict::DataWrong);
        assert_eq!(verdict(&[Word::NoSanity], &[], &[], 9), Verdict::Passed);
    }
}
