//! Who did what: one log line for each change of state, when its outcome is known.

use std::time::Duration;

use crate::consumer::id::Id;
use crate::consumer::order::{Caller, Order, Outcome};
use crate::decimal::fixed;
use crate::logging;
use crate::object;

/// The work of an order is over.
pub fn ended(group: &str, order: &Order, outcome: &Outcome, took: Duration) {
    load_ended(group, order.id, &order.words, &order.caller, outcome, took);
}

/// A load is over.
pub fn load_ended(group: &str, id: Id, words: &str, caller: &Caller, outcome: &Outcome, took: Duration) {
    line(Some((group, id)), words, caller, &outcome.to_string(), took);
}

/// A change that needed no work, or that was refused.
pub fn answered(words: &str, caller: &Caller, outcome: &str, took: Duration) {
    line(None, words, caller, outcome, took);
}

fn line(request: Option<(&str, Id)>, words: &str, caller: &Caller, outcome: &str, took: Duration) {
    let seconds = fixed(took.as_secs_f64(), 3);
    let before = request.map_or_else(String::new, |(_, id)| format!("Request {id}: "));
    let message = format!("{before}{words} by {caller}: {outcome}, {seconds} s");
    if !logging::is_json() {
        return log::info!("{message}");
    }
    let mut fields = object! { "message": message };
    if let Some((group, id)) = request {
        fields = fields.with("group", group).with("id", id.to_string());
    }
    fields = fields
        .with("asked", words)
        .with("peer", caller.peer.map(|peer| peer.to_string()))
        .with("agent", caller.agent.as_str())
        .with("outcome", outcome)
        .with("seconds", took.as_secs_f64());
    log::info!(target: logging::FIELDS, "{fields}");
}
