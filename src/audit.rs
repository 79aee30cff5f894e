//! Who did what: one log line for each change of state, when its outcome is known.

use std::time::Duration;

use crate::consumer::id::Id;
use crate::consumer::order::{Caller, Order, Outcome};

/// The work of an order is over.
pub fn ended(group: &str, order: &Order, outcome: &Outcome, took: Duration) {
    load_ended(group, order.id, &order.words, &order.caller, outcome, took);
}

/// A load is over.
pub fn load_ended(group: &str, id: Id, words: &str, caller: &Caller, outcome: &Outcome, took: Duration) {
    line(group, id.0, words, caller, &outcome.to_string(), took);
}

/// A change that needed no work, or that was refused.
pub fn answered(words: &str, caller: &Caller, outcome: &str, took: Duration) {
    line("", 0, words, caller, outcome, took);
}

fn line(group: &str, id: u64, words: &str, caller: &Caller, outcome: &str, took: Duration) {
    let seconds = took.as_secs_f64();
    let peer = caller.peer.map_or_else(String::new, |peer| peer.to_string());
    let agent = caller.agent.as_str();
    if id == 0 {
        log::info!(asked = words, peer, agent, outcome, seconds; "{words} by {caller}: {outcome}, {seconds:.3} s");
    } else {
        log::info!(
            group, id, asked = words, peer, agent, outcome, seconds;
            "Request {id}: {words} by {caller}: {outcome}, {seconds:.3} s"
        );
    }
}
