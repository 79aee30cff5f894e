//! Who did what: one log line for each change of state, when its outcome is known.

use std::time::Duration;

use crate::consumer::id::Id;
use crate::consumer::order::{Caller, Order, Outcome};
use crate::decimal::fixed;
use crate::logging;
use crate::object;

/// The work of an order is over.
pub fn ended(group: &str, order: &Order, outcome: &Outcome, took: Duration) {
    // A release of everything is told once, not group by group.
    if order.is_part {
        return;
    }
    load_ended(group, order.id, &order.words, &order.caller, outcome, took);
}

/// A load is over.
pub fn load_ended(group: &str, id: Id, words: &str, caller: &Caller, outcome: &Outcome, took: Duration) {
    line(group, id, words, caller, &outcome.to_string(), took);
}

/// A change that needed no work, or that was refused.
pub fn answered(id: Id, words: &str, caller: &Caller, outcome: &str, took: Duration) {
    line("", id, words, caller, outcome, took);
}

fn line(group: &str, id: Id, words: &str, caller: &Caller, outcome: &str, took: Duration) {
    let seconds = fixed(took.as_secs_f64(), 3);
    // A refusal may be a sentence; here its words stand within one.
    let message = format!("Request {id}: {words} by {caller}: {}, {seconds} s", outcome.trim_end_matches('.'));
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
        "outcome": outcome,
        "seconds": took.as_secs_f64(),
    };
    log::info!(target: logging::FIELDS, "{fields}");
}
