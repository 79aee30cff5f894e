//! What is asked of groups that hold something.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::answers::{full, not_done, refused, say_late, stopping};
use super::contract;
use super::known;
use super::status::{group_line, of_group, of_order};
use super::table::{Holder, Loader, Route};
use crate::answers::{Problem, json, say, unsaid, with_field};
use crate::clock::utc_stamp;
use crate::consumer::Consumer;
use crate::consumer::asked::{Asked, caller, words};
use crate::consumer::group::{Accepted, Group, Preview, Refused};
use crate::consumer::load::Load;
use crate::consumer::order::{Order, Outcome, Wish};
use crate::consumer::quantity::{Amount, Unit};
use crate::http::{Answer, Hold, Request};
use crate::json::{Value, list};
use crate::object;

/// How often a client that waits is looked after.
const PAUSE: Duration = Duration::from_millis(250);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(1);
/// JSON, a value a line.
pub(super) const JSON_LINES: &str = "application/x-ndjson";
/// Text, a line at a time.
pub(super) const TEXT_LINES: &str = "text/plain; charset=utf-8";

impl Consumer {
    /// `set` and `add`, which are the same.
    pub(super) fn set(&self, holder: Holder, request: &Request<'_>, asked: &Asked<'_, '_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        let group = self.group(holder);
        let verb = if request.path.ends_with(b"add") { "add" } else { "set" };
        let wish = asked.wish(group.store().unit(), known(Route::Set(holder)), caller(request), words(request));
        if let Some(answer) = self.previewed(holder, verb, &wish, asked) {
            return answer;
        }
        if asked.json
            && let Err(why) = wish
        {
            // Here what is wrong with a request is told at once, whatever runs.
            group.tally().invalid.fetch_add(1, Ordering::Relaxed);
            return self.refused(holder, verb, why, asked);
        }
        self.order(
            holder,
            verb,
            request,
            asked,
            &|wish| match wish {
                // In JSON, nothing is what a release leaves, and a release is never busy.
                Ok(wish) if asked.json && wish.amount == Amount::Exactly(0) => group.release(&wish),
                wish => group.set(wish),
            },
            wish,
        )
    }

    /// Releases what a group holds.
    pub(super) fn release(&self, holder: Holder, request: &Request<'_>, asked: &Asked<'_, '_>) -> Answer {
        let group = self.group(holder);
        let wish = asked.release(group.store().unit(), caller(request), words(request));
        if let Some(answer) = self.previewed(holder, "release", &wish, asked) {
            return answer;
        }
        self.order(holder, "release", request, asked, &|wish| group.release(&wish?), wish)
    }

    /// What would become of a wish, where that is what is asked for.
    fn previewed(
        &self,
        holder: Holder,
        verb: &str,
        wish: &Result<Wish, Refused>,
        asked: &Asked<'_, '_>,
    ) -> Option<Answer> {
        let group = self.group(holder);
        match asked.flag("dry_run") {
            Ok(false) => None,
            Err(why) => Some(self.refused(holder, verb, Refused::Invalid(why), asked)),
            // What is wrong with the wish itself is told as without.
            Ok(true) => match group.preview(wish.as_ref().ok()?) {
                Ok(mut preview) => {
                    // As without: a release is never busy, and in JSON a set of nothing is one.
                    let releases = verb == "release" || (asked.json && preview.requested == 0);
                    if let Some(conflict) = group.conflict().filter(|_| !releases) {
                        preview.refused = Some(Refused::Conflict(conflict));
                    }
                    Some(previewed(holder, group, &preview, asked.json))
                }
                Err(why) => Some(self.refused(holder, verb, why, asked)),
            },
        }
    }

    /// Gives an order, and answers as the client wants it: at once, when it is done, or as it goes.
    fn order(
        &self,
        holder: Holder,
        verb: &str,
        request: &Request<'_>,
        asked: &Asked<'_, '_>,
        give: &dyn Fn(Result<Wish, Refused>) -> Result<Accepted, Refused>,
        wish: Result<Wish, Refused>,
    ) -> Answer {
        let group = self.group(holder);
        let hold = match long_answer(request, asked) {
            Ok(hold) => hold,
            Err(problem) if problem.is_of_the_client() => {
                return self.refused(holder, verb, Refused::Invalid(problem.message), asked);
            }
            Err(problem) => return problem.answer(asked.json),
        };
        let accepted = match give(wish) {
            Ok(accepted) => accepted,
            Err(why) => return self.refused(holder, verb, why, asked),
        };
        asked.is_accepted();
        let order = Arc::clone(&accepted.order);
        match hold {
            Long::No if asked.json => with_field(json(202, &receipt(group, &accepted)), "Location", "/api/status"),
            Long::No => say(contract::accepted(holder, order.requested, order.id)),
            Long::Wait(_hold) => match group.wait(&order, PAUSE, &mut || request.client_is_gone()) {
                None if self.stop.is_set() => stopping().answer(asked.json),
                // It has not ended, and nobody seems to be there any more: what is true is that it is accepted.
                None if asked.json => json(202, &receipt(group, &accepted)),
                None => say(contract::accepted(holder, order.requested, order.id)),
                Some(outcome) => waited(self, holder, &order, &outcome, asked.json),
            },
            Long::Follow(hold) => self.follow(holder, order, hold, asked.json),
        }
    }

    /// Progress as it is made, then the outcome.
    fn follow(&self, holder: Holder, order: Arc<Order>, hold: Hold, as_json: bool) -> Answer {
        let (group, stop) = (Arc::clone(self.group(holder)), self.stop.clone());
        let mut hold = Some(hold);
        let mut first = true;
        let next = move || {
            hold.as_ref()?;
            // The first line comes at once, so that the client sees that something goes on.
            let outcome = match std::mem::take(&mut first) {
                true => order.outcome(),
                false => group.wait(&order, PROGRESS, &mut || true),
            };
            let over = outcome.is_some() || stop.is_set();
            if over {
                hold = None;
            }
            let line = if as_json {
                let mut line = of_order(&group, &order);
                line = line.with("outcome", outcome.as_ref().map(ToString::to_string));
                line.to_string()
            } else {
                let end = outcome.map_or_else(String::new, |outcome| format!("  {outcome}"));
                format!("{}{end}", group_line(&group, Some(&order)))
            };
            Some(line + "\n")
        };
        Answer::in_pieces(if as_json { JSON_LINES } else { TEXT_LINES }, Box::new(next))
    }

    /// Releases everything there is.
    pub(super) fn release_all(&self, request: &Request<'_>, asked: &Asked<'_, '_>) -> Answer {
        if let Err(why) = asked.only(&["wait"]) {
            return Problem::new(400, "invalid", why).answer(asked.json);
        }
        let hold = match long_answer(request, asked) {
            Ok(hold) => hold,
            Err(problem) => return problem.answer(asked.json),
        };
        let mut released = Vec::new();
        self.jobs.cancel(None);
        self.bumps.clear();
        let loads = [Loader::Cpu, Loader::Io].map(|loader| self.cancel_load(loader).map(|load| (loader, load)));
        let mut wish = Wish::of(Amount::Exactly(0), caller(request));
        (wish.words, wish.is_part) = (words(request), true);
        for group in self.groups() {
            match group.release(&wish) {
                Ok(accepted) => released.push(accepted.order),
                Err(why) => return refused(&why, group.store().unit()).answer(asked.json),
            }
        }
        self.log(asked, "accepted");
        let left = match hold {
            Long::No => None,
            _ => match self.wait_for_all(request, &released, loads) {
                Ok(left) => Some(left),
                Err(problem) => return problem.answer(asked.json),
            },
        };
        match (left, asked.json) {
            (Some(left), true) if left.is_empty() => json(200, &super::status::status(self)),
            (Some(left), false) if left.is_empty() => say("Everything is released".into()),
            (left, true) => {
                let ids = list(released.iter().map(|order| Value::of(&order.id.to_string())));
                let mut told = object! { "ids": ids, "status": "/api/status" };
                if let Some(left) = left {
                    let left = left.into_iter().fold(object! {}, |all, (name, held)| all.with(name, held));
                    told.add("left", &left);
                }
                with_field(json(202, &told), "Location", "/api/status")
            }
            (Some(left), false) => {
                let left: Vec<String> = left.iter().map(|(name, held)| format!("{name} {held}")).collect();
                say(format!("Not yet released: {}; check /api/status", left.join(", ")))
            }
            (None, false) => say(String::from("Release of everything requested, check /api/status")),
        }
    }

    /// Waits until all is released, as long as the client does. Returns what is left then, by name: of groups how much they
    /// hold, of loads and jobs how many have not ended.
    ///
    /// # Errors
    /// When the service stops, or something could not be released.
    fn wait_for_all(
        &self,
        request: &Request<'_>,
        released: &[Arc<Order>],
        loads: [Option<(Loader, Arc<Load>)>; 2],
    ) -> Result<Vec<(&'static str, u64)>, Problem> {
        let gone = &mut || request.client_is_gone();
        let (mut left, mut failed) = (Vec::new(), Vec::new());
        for (group, order) in self.groups().into_iter().zip(released) {
            match group.wait(order, PAUSE, gone) {
                Some(Outcome::Failed(why)) => failed.push(format!("{}: {why}", group.store().name())),
                Some(Outcome::Done) => {}
                // Another order took its place, or the client waits no longer.
                _ => left.push((group.store().name(), group.snapshot().held)),
            }
        }
        for (loader, load) in loads.into_iter().flatten() {
            let group = self.loads(loader);
            if group.wait(&load, PAUSE, gone).is_none() {
                left.push((group.name(), 1));
            }
        }
        let jobs = self.jobs.wait_for_cancelled(PAUSE, gone);
        if jobs > 0 {
            left.push(("jobs", jobs));
        }
        if self.stop.is_set() {
            return Err(stopping());
        }
        if failed.is_empty() { Ok(left) } else { Err(Problem::new(500, "failed", failed.join("; "))) }
    }

    fn refused(&self, holder: Holder, verb: &str, why: Refused, asked: &Asked<'_, '_>) -> Answer {
        let in_words = contract::refusal(holder, verb, &why);
        self.log(asked, &format!("refused: {in_words}"));
        if asked.json { refused(&why, self.group(holder).store().unit()).answer(true) } else { say_late(in_words) }
    }

    /// `getdef`.
    pub(super) fn planned(&self, holder: Holder, as_json: bool) -> Answer {
        let group = self.group(holder);
        match group.account() {
            account if !as_json => contract::planned(holder, account),
            Ok(account) => json(
                200,
                &object! {
                    "group": group.store().name(),
                    "planned": account.goal.total(),
                    "parts": parts(&account.goal.parts()),
                },
            ),
            Err(conflict) => refused(&Refused::Conflict(conflict), Unit::Count).answer(true),
        }
    }

    /// `getact`.
    pub(super) fn held(&self, holder: Holder, as_json: bool) -> Answer {
        let group = self.group(holder);
        match group.report() {
            Ok((account, Ok(held))) if as_json => json(
                200,
                &object! {
                    "group": group.store().name(),
                    "id": (account.last.0 > 0).then(|| account.last.to_string()),
                    "held": held.total(),
                    "parts": parts(&held.parts()),
                    "error": account.trouble,
                },
            ),
            Ok((_, Err(why))) if as_json => Problem::new(503, "unavailable", why).answer(true),
            Err(conflict) if as_json => refused(&Refused::Conflict(conflict), Unit::Count).answer(true),
            Ok((account, Ok(held))) => contract::held(holder, &account, &held),
            Ok((_, Err(why))) => contract::not_told(holder, &why),
            Err(conflict) => contract::conflict_text(conflict),
        }
    }
}

/// How long an answer is to take.
pub(super) enum Long {
    No,
    Wait(Hold),
    Follow(Hold),
}

/// The right to a long answer, where one is asked for. Taken before anything is begun.
pub(super) fn long_answer(request: &Request<'_>, asked: &Asked<'_, '_>) -> Result<Long, Problem> {
    let wrong = |why: String| Problem::new(400, "invalid", why);
    let (wait, follow) = (asked.flag("wait").map_err(wrong)?, asked.flag("follow").map_err(wrong)?);
    if !wait && !follow {
        return Ok(Long::No);
    }
    let hold = request.hold().ok_or_else(full)?;
    Ok(if follow { Long::Follow(hold) } else { Long::Wait(hold) })
}

/// The answer to who waited for the end.
fn waited(consumer: &Consumer, holder: Holder, order: &Order, outcome: &Outcome, as_json: bool) -> Answer {
    let told = contract::accepted(holder, order.requested, order.id);
    match outcome {
        Outcome::Done if as_json => json(200, &of_group(consumer, consumer.group(holder))),
        Outcome::Done => say(told),
        other => not_done(other, &told, "a release took its place", as_json),
    }
}

fn parts(parts: &[(u64, u64)]) -> Value {
    let part = |&(size, count): &(u64, u64)| object! { "size": size, "count": count };
    list(parts.iter().filter(|(_, count)| *count > 0).map(part))
}

/// What is told of an order that was accepted.
fn receipt(group: &Group, accepted: &Accepted) -> Value {
    let order = &accepted.order;
    object! {
        "group": group.store().name(),
        "id": order.id.to_string(),
        "requested": order.requested,
        "planned": order.planned,
        "parts": parts(&accepted.parts),
        "limit": accepted.limit.as_ref().map(|limit| limit.most),
        "expires": order.expires.map(|expiry| utc_stamp(expiry.shown)),
        "status": "/api/status",
    }
}

fn previewed(holder: Holder, group: &Group, preview: &Preview, as_json: bool) -> Answer {
    let noun = contract::words(holder).noun;
    if as_json {
        let why = preview.refused.as_ref().map(|why| contract::refusal(holder, "set", why));
        return json(
            200,
            &object! {
                "dry_run": true,
                "group": group.store().name(),
                "fits": preview.refused.is_none(),
                "reason": why,
                "requested": preview.requested,
                "planned": preview.planned,
                "parts": parts(&preview.parts),
                "limit": preview.limit.most,
                "limit_source": preview.limit.source.as_str(),
                "most": preview.most,
            },
        );
    }
    let mut lines = String::new();
    for (size, count) in &preview.parts {
        lines += &format!("Size: {size}, count: {count}, total size: {}\n", size.saturating_mul(*count));
    }
    lines += &format!("Total for {} {noun}: {} {noun}.\n", preview.requested, preview.planned);
    say(lines
        + &match &preview.refused {
            None => String::from("It would fit; nothing was done."),
            Some(why) => format!("It would be refused; nothing was done: {}", contract::refusal(holder, "set", why)),
        })
}
