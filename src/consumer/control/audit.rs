//! Who did what: one log line for each change of state, when its outcome is known, and one when long work begins.

use std::time::Duration;

use crate::consumer::control::id::Id;
use crate::consumer::control::operation::{Caller, Operation, Outcome};
use crate::object;
use crate::service::logging;
use crate::units::decimal::fixed;

/// What takes longer is told of when it begins, too: it may take an hour, or end the process.
const LONG: Duration = Duration::from_secs(1);

/// Whether something of this length is told of when it begins; without one it has no end.
pub fn is_long(length: Option<Duration>) -> bool {
    length.is_none_or(|length| length > LONG)
}

/// Long work begins.
pub fn begun(group: &str, id: Id, words: &str, caller: &Caller) {
    line(group, id, words, caller, None);
}

/// The work of an operation is over.
pub fn ended(group: &str, operation: &Operation, outcome: &Outcome, took: Duration) {
    // A release of everything is told once, not group by group.
    if operation.is_part {
        return;
    }
    load_ended(group, operation.id, &operation.words, &operation.caller, outcome, took);
}

/// A release is done together with another one, whose end is told under its own id.
pub fn joined(operation: &Operation, other: Id) {
    if !operation.is_part {
        let told = format!("done with request {other}");
        answered(operation.id, &operation.words, &operation.caller, &told, operation.accepted.elapsed());
    }
}

/// A load is over.
pub fn load_ended(group: &str, id: Id, words: &str, caller: &Caller, outcome: &Outcome, took: Duration) {
    line(group, id, words, caller, Some((&outcome.to_string(), took)));
}

/// A change that needed no work, or that was refused.
pub fn answered(id: Id, words: &str, caller: &Caller, outcome: &str, took: Duration) {
    line("", id, words, caller, Some((outcome, took)));
}

/// An end has an outcome and a length, a beginning neither.
fn line(group: &str, id: Id, words: &str, caller: &Caller, end: Option<(&str, Duration)>) {
    let told = end.map_or_else(
        || String::from("begins"),
        // A refusal may be a sentence; here its words stand within one.
        |(outcome, took)| format!("{}, {} s", outcome.trim_end_matches('.'), fixed(took.as_secs_f64(), 3)),
    );
    let message = format!("Request {id}: {words} by {caller}: {told}");
    if !logging::is_json() {
        return log::info!("{message}");
    }
    let fields = object! {
        "message": message,
        "id": id.to_string(),
        "group": (!group.is_empty()).then_some(group),
        "asked": words,
        "peer": caller.peer.map(|peer| peer.to_string()),
        "agent": caller.agent.as_str(),
        "outcome": end.map(|(outcome, _)| outcome),
        "seconds": end.map(|(_, took)| took.as_secs_f64()),
    };
    log::info!(target: logging::FIELDS, "{fields}");
}
