//! The routes: a request becomes a step, and the number it leads to an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Fibonacci;
use super::budget::Budget;
use super::group_commit::{GroupCommit, Refusal};
use super::number::BigNumber;
use super::sequence::{State, Step, bits};
use crate::http::message::head::Head;
use crate::http::message::rejection::Rejection;
use crate::http::{Answer, Request, Service, Text};
use crate::object;
use crate::service::exposition::MetricKind;
use crate::service::json::{Digits, Value, list};
use crate::service::problem::{Problem, json, probe, say, unsaid};
use crate::units::decimal::Plain;

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FibonacciRoute {
    Home,
    Current,
    Step(Step),
    Healthz,
    Readyz,
    Metrics,
}

/// All of them.
pub(super) const ROUTES: [(&str, FibonacciRoute); 8] = [
    ("/", FibonacciRoute::Home),
    ("/current", FibonacciRoute::Current),
    ("/next", FibonacciRoute::Step(Step::Next)),
    ("/previous", FibonacciRoute::Step(Step::Previous)),
    ("/reset", FibonacciRoute::Step(Step::Reset)),
    ("/healthz", FibonacciRoute::Healthz),
    ("/readyz", FibonacciRoute::Readyz),
    ("/metrics", FibonacciRoute::Metrics),
];

const HOME: &str = "\
Fibonacci's numbers, one a request; an answered step is never lost.

/current    the number where the sequence stands
/next       the next number
/previous   one step back, and the number there
/reset      to the beginning, and the state there
/healthz, /readyz, /metrics    for those who watch

With Accept: application/json, or ?format=json, the answers are objects.";

impl Service for Fibonacci {
    fn answer(&self, request: &Request<'_>) -> Answer {
        self.router.answer(request, &ROUTES, |route, as_json| self.routed(route, request, as_json))
    }

    fn refuse(&self, head: &Head<'_>, rejection: Rejection) -> Text {
        self.router.refuse(head, rejection)
    }
}

impl Fibonacci {
    fn routed(&self, route: FibonacciRoute, request: &Request<'_>, as_json: bool) -> Answer {
        match route {
            FibonacciRoute::Home if as_json => json(200, &home()),
            FibonacciRoute::Home => say(String::from(HOME)),
            FibonacciRoute::Healthz => probe(None, as_json),
            FibonacciRoute::Readyz => probe(self.trouble(), as_json),
            FibonacciRoute::Metrics => self.metrics(request),
            FibonacciRoute::Current | FibonacciRoute::Step(_) => match self.group_commit.get() {
                None => Problem::new(503, "waiting", WAITING).answer(as_json),
                Some(group_commit) => number(group_commit, &self.budget, route, request, as_json),
            },
        }
    }

    /// Why it is not ready, if it is not.
    fn trouble(&self) -> Option<String> {
        let own = || match self.group_commit.get() {
            None => Some(String::from(WAITING)),
            Some(group_commit) => group_commit.is_missing().then(|| String::from(MISSING)),
        };
        self.router.ready.trouble().or_else(own)
    }

    fn metrics(&self, request: &Request<'_>) -> Answer {
        self.router.metrics(request, self.trouble().is_none(), |page| {
            if let Some(group_commit) = self.group_commit.get() {
                let state = group_commit.state();
                page.gauge("testero_fibonacci_position", "Where the sequence stands.", &state.at.position());
                let bytes = bits(state.at.index).div_ceil(8);
                page.gauge("testero_fibonacci_number_bytes", "How long its number is, in bytes.", &bytes);
                page.counter("testero_fibonacci_hits", "Steps ever made.", &state.at.hits);
                let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
                let counters = &group_commit.counters;
                page.counter(
                    "testero_fibonacci_committed",
                    "Steps taken to the disk by this process.",
                    &of(&counters.committed),
                );
                page.counter("testero_fibonacci_commits", "Syncs that took them there.", &of(&counters.commits));
                let seconds = Plain(of(&counters.nanos) as f64 / 1e9);
                page.counter("testero_fibonacci_commit_seconds", "Time spent on syncs.", &seconds);
                page.counter("testero_fibonacci_commit_failures", "Syncs that failed.", &of(&counters.failures));
            }
            if let Some(damaged) = self.damaged.get() {
                let help = "Damaged files that were found at the start and kept aside.";
                page.family("testero_fibonacci_damaged_files", MetricKind::Gauge, help);
                page.sample("", &[], damaged);
            }
        })
    }
}

const WAITING: &str = "another process has the state, or it is being read; ask again in a moment";
const BUSY: &str = "too many long answers are on their way to clients that do not take them; ask again in a moment";
const MISSING: &str = "files of the state were removed, moved or replaced, so steps are refused; the log says which";

fn number(
    group_commit: &GroupCommit,
    budget: &Arc<Budget>,
    route: FibonacciRoute,
    request: &Request<'_>,
    as_json: bool,
) -> Answer {
    // HEAD changes nothing, so there is nothing to say.
    if matches!(route, FibonacciRoute::Step(_)) && request.changes_nothing() {
        return unsaid();
    }
    // Before the step: one that was made has to be answered.
    let bytes = match route {
        FibonacciRoute::Step(Step::Reset) => 0,
        _ => most_bytes(group_commit, as_json),
    };
    let Some(share) = budget.take(bytes) else {
        return Problem::new(503, "busy", BUSY).answer(as_json);
    };
    let state = match route {
        FibonacciRoute::Step(step) => match group_commit.step(step) {
            Ok(state) => state,
            Err(refusal) => {
                let (status, code) = match refusal {
                    Refusal::TooLong => (409, "too-long"),
                    Refusal::Full(_) => (507, "disk-full"),
                    Refusal::Failed(_) => (503, "disk-failed"),
                };
                return Problem::new(status, code, refusal.to_string()).answer(as_json);
            }
        },
        _ => group_commit.state(),
    };
    let answer = match route {
        _ if as_json => json(200, &in_json(&state)),
        FibonacciRoute::Step(Step::Reset) => say(Value::of(&capitals(&state)).to_string()),
        _ => say(state.current.text()),
    };
    Answer { held: Some(Box::new(share)), ..answer }
}

/// About what an answer takes at most while it is made and sent: the digits, and copies of them.
fn most_bytes(group_commit: &GroupCommit, as_json: bool) -> u64 {
    group_commit.digits() * if as_json { 10 } else { 4 }
}

/// The state, for programs. The numbers are JSON numbers of any length.
fn in_json(state: &State) -> Value {
    let number = |number: &BigNumber| Digits(number.text());
    object! {
        "position": state.at.position(),
        "previous": number(&state.previous),
        "current": number(&state.current),
        "next": number(&state.next),
        "hits": state.at.hits,
    }
}

/// The state as the original's clients see it, in a string.
fn capitals(state: &State) -> String {
    let State { at, previous, current, next } = state;
    let (hits, position) = (at.hits, at.position());
    let [current, next, previous] = [current, next, previous].map(|number| number.text());
    format!(r#"{{"Current":{current},"Hitcount":{hits},"Next":{next},"Position":{position},"Previous":{previous}}}"#)
}

fn home() -> Value {
    object! {
        "service": "fibonacci",
        "endpoints": list(&mut ROUTES.iter().map(|(path, _)| Value::of(path))),
    }
}
