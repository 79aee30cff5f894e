//! `set` and `add`: a total of what is held is asked for, and answered at once, at its end, or as it is reached.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::consumer::Consumer;
use crate::consumer::api::account::parts;
use crate::consumer::api::params::{Params, caller, words};
use crate::consumer::api::refusals::{not_done, refused, say_late, stopping};
use crate::consumer::api::rounding::{noted, rounding};
use crate::consumer::api::status::{of_group, of_operation};
use crate::consumer::api::status_text::group_line;
use crate::consumer::api::table::Holder;
use crate::consumer::api::text;
use crate::consumer::api::waiting::{Followed, Long, PAUSE, PROGRESS, follow, long_answer};
use crate::consumer::control::group::{Accepted, Group, Preview, Refused};
use crate::consumer::control::operation::{ChangeRequest, Operation, Outcome};
use crate::http::{Answer, Request};
use crate::kernel::clock::utc_stamp;
use crate::object;
use crate::parameters::DRY_RUN;
use crate::service::json::Value;
use crate::service::problem::{json, say, unsaid, with_field};
use crate::units::quantity::Amount;

impl Consumer {
    /// `set` and `add`, which are the same.
    pub(super) fn set(&self, holder: Holder, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        let group = self.group(holder);
        let verb = if request.path.ends_with(b"add") { "add" } else { "set" };
        let change = params.change(group.store().unit(), caller(request), words(request));
        if let Some(answer) = self.previewed(holder, verb, &change, params) {
            return answer;
        }
        if params.json
            && let Err(why) = change
        {
            // Here what is wrong with a request is told at once, whatever runs.
            group.counters().invalid.fetch_add(1, Ordering::Relaxed);
            return self.refused(holder, verb, why, params);
        }
        self.operation(
            holder,
            verb,
            request,
            params,
            &|change| match change {
                // In JSON, nothing is what a release leaves, and a release is never busy.
                Ok(change) if params.json && change.amount == Amount::Exactly(0) => group.release(&change),
                change => group.set(change),
            },
            change,
        )
    }

    /// What would become of a change, where that is what is asked for.
    pub(super) fn previewed(
        &self,
        holder: Holder,
        verb: &str,
        change: &Result<ChangeRequest, Refused>,
        params: &Params<'_, '_>,
    ) -> Option<Answer> {
        let group = self.group(holder);
        match params.flag(DRY_RUN.name) {
            Ok(false) => None,
            Err(why) => Some(self.refused(holder, verb, Refused::Invalid(why), params)),
            // What is wrong with the change itself is told as without.
            Ok(true) => match group.preview(change.as_ref().ok()?) {
                Ok(mut preview) => {
                    // As without: a release is never busy, and in JSON a set of nothing is one.
                    let releases = verb == "release" || (params.json && preview.requested == 0);
                    if let Some(conflict) = group.conflict().filter(|_| !releases) {
                        preview.refused = Some(Refused::Conflict(conflict));
                    }
                    Some(previewed(holder, group, &preview, params.json))
                }
                Err(why) => Some(self.refused(holder, verb, why, params)),
            },
        }
    }

    /// Gives an operation, and answers as the client wants it: at once, when it is done, or as it goes.
    pub(super) fn operation(
        &self,
        holder: Holder,
        verb: &str,
        request: &Request<'_>,
        params: &Params<'_, '_>,
        give: &dyn Fn(Result<ChangeRequest, Refused>) -> Result<Accepted, Refused>,
        change: Result<ChangeRequest, Refused>,
    ) -> Answer {
        let group = self.group(holder);
        let hold = match long_answer(request, params) {
            Ok(hold) => hold,
            Err(problem) if problem.is_of_the_client() => {
                return self.refused(holder, verb, Refused::Invalid(problem.message), params);
            }
            Err(problem) => return problem.answer(params.json),
        };
        let accepted = match give(change) {
            Ok(accepted) => accepted,
            Err(why) => return self.refused(holder, verb, why, params),
        };
        params.is_accepted();
        let operation = Arc::clone(&accepted.operation);
        match hold {
            Long::No if params.json => with_field(json(202, &receipt(group, &accepted)), "Location", "/api/status"),
            Long::No => say(told(holder, group, &operation, "will be held")),
            Long::Wait(_hold) => match group.wait(&operation, PAUSE, &mut || request.client_is_gone()) {
                None if self.stop.is_set() => stopping().answer(params.json),
                // It has not ended, and nobody seems to be there any more: what is true is that it is accepted.
                None if params.json => json(202, &receipt(group, &accepted)),
                None => say(told(holder, group, &operation, "will be held")),
                Some(outcome) => waited(self, holder, &operation, &outcome, params.json),
            },
            Long::Follow(hold) => {
                follow(Box::new((Arc::clone(group), operation)), hold, self.stop.clone(), params.json)
            }
        }
    }

    fn refused(&self, holder: Holder, verb: &str, why: Refused, params: &Params<'_, '_>) -> Answer {
        let in_words = text::refusal(holder, verb, &why);
        self.log(params, &format!("refused: {in_words}"));
        if params.json { refused(&why, self.group(holder).store().unit()).answer(true) } else { say_late(in_words) }
    }
}

impl Followed for (Arc<Group>, Arc<Operation>) {
    fn outcome(&self, waits: bool) -> Option<Outcome> {
        if waits { self.0.wait(&self.1, PROGRESS, &mut || true) } else { self.1.outcome() }
    }

    fn report(&self) -> Value {
        of_operation(&self.0, &self.1)
    }

    fn line(&self) -> String {
        group_line(&self.0, Some(&self.1))
    }
}

/// The answer to who waited for the end.
fn waited(consumer: &Consumer, holder: Holder, operation: &Operation, outcome: &Outcome, as_json: bool) -> Answer {
    let how = if matches!(outcome, Outcome::Done) { "held" } else { "were to be held" };
    let told = told(holder, consumer.group(holder), operation, how);
    match outcome {
        Outcome::Done if as_json => {
            let group = consumer.group(holder);
            json(200, &noted(of_group(consumer, group), &note(group, operation, how)))
        }
        Outcome::Done => say(told),
        other => not_done(other, &told, "a release took its place", as_json),
    }
}

/// That an operation was accepted, and where its plan rounds, to how much.
fn told(holder: Holder, group: &Group, operation: &Operation, how: &str) -> String {
    let mut words = text::accepted(holder, operation.requested, operation.id);
    let note = note(group, operation, how);
    if !note.is_empty() {
        words.push('\n');
        words += &note;
    }
    words
}

fn note(group: &Group, operation: &Operation, how: &str) -> String {
    rounding(operation.requested, operation.planned, &operation.options, group.store().unit(), how)
}

/// What is told of an operation that was accepted.
fn receipt(group: &Group, accepted: &Accepted) -> Value {
    let operation = &accepted.operation;
    let receipt = object! {
        "group": group.store().name(),
        "id": operation.id.to_string(),
        "requested": operation.requested,
        "planned": operation.planned,
        "parts": parts(&accepted.parts),
        "limit": accepted.limit.as_ref().map(|limit| limit.most),
        "expires": operation.expires.map(|expiry| utc_stamp(expiry.shown)),
        "status": "/api/status",
    };
    noted(receipt, &note(group, operation, "will be held"))
}

fn previewed(holder: Holder, group: &Group, preview: &Preview, as_json: bool) -> Answer {
    let noun = text::words(holder).noun;
    let Preview { requested, planned, options, .. } = preview;
    let note = rounding(*requested, *planned, options, group.store().unit(), "would be held");
    if as_json {
        let why = preview.refused.as_ref().map(|why| text::refusal(holder, "set", why));
        let told = object! {
            "dry_run": true,
            "group": group.store().name(),
            "fits": preview.refused.is_none(),
            "reason": why,
            "requested": *requested,
            "planned": *planned,
            "parts": parts(&preview.parts),
            // A force has none.
            "limit": Some(preview.limit.most).filter(|most| *most != u64::MAX),
            "limit_source": preview.limit.source.as_str(),
            "most": preview.most,
        };
        return json(200, &noted(told, &note));
    }
    let mut lines = String::new();
    for (size, count) in &preview.parts {
        lines += &format!("Size: {size}, count: {count}, total size: {}\n", size.saturating_mul(*count));
    }
    lines += &format!("Total for {requested} {noun}: {planned} {noun}.\n");
    if !note.is_empty() {
        lines += &note;
        lines.push('\n');
    }
    say(lines
        + &match &preview.refused {
            None => String::from("It would fit; nothing was done."),
            Some(why) => format!("It would be refused; nothing was done: {}", text::refusal(holder, "set", why)),
        })
}
