//! The routes: a request becomes a count, and the count an answer.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::counter::Counter;
use crate::http::message::head::Head;
use crate::http::message::rejection::Rejection;
use crate::http::{Answer, Request, Service, Text, content, text};
use crate::object;
use crate::service::problem::{JSON, Problem, json, probe, unsaid_as};

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterRoute {
    Count,
    Healthz,
    Readyz,
    Metrics,
}

/// All of them.
pub(super) const ROUTES: [(&str, CounterRoute); 4] = [
    ("/", CounterRoute::Count),
    ("/healthz", CounterRoute::Healthz),
    ("/readyz", CounterRoute::Readyz),
    ("/metrics", CounterRoute::Metrics),
];

/// What the original calls two lines of text.
const KIND: &str = "application/text";

impl Service for Counter {
    fn answer(&self, request: &Request<'_>) -> Answer {
        self.router.answer(request, &ROUTES, |route, as_json| match route {
            // HEAD changes nothing, so it is not counted.
            CounterRoute::Count if request.changes_nothing() => unsaid_as(if as_json { JSON } else { KIND }),
            CounterRoute::Count => self.count(as_json),
            CounterRoute::Healthz => probe(None, as_json),
            CounterRoute::Readyz => probe(self.trouble(request), as_json),
            CounterRoute::Metrics => self.metrics(request),
        })
    }

    fn refuse(&self, head: &Head<'_>, rejection: Rejection) -> Text {
        self.router.refuse(head, rejection)
    }
}

impl Counter {
    fn count(&self, as_json: bool) -> Answer {
        let total = self.total.next();
        self.counters.count(&total);
        let (total, name) = match total {
            Ok(total) => (total, &self.name),
            // The original's words, and its status.
            Err(why) if as_json => {
                return Problem::new(501, "store-away", format!("Increment Transaction Error: {why}")).answer(true);
            }
            Err(_) => return text(501, "Increment Transaction Error\n").into(),
        };
        let own = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        if as_json {
            return json(
                200,
                &object! { "instance": name.as_str(), "instance_requests": own, "cluster_requests": total },
            );
        }
        let words = format!(
            "You are talking to instance {name}.\nThis is request {own} to this instance and request {total} to the \
             cluster.\n"
        );
        content(200, KIND, words).into()
    }

    /// Why it is not ready, if it is not. With `?store` it is not while the total is away; without, it is all the same: an
    /// instance that nobody asks shows nobody what is wrong.
    fn trouble(&self, request: &Request<'_>) -> Option<String> {
        let store_too = request.query.pairs().any(|(name, _)| *name == *b"store");
        self.router.ready.trouble().or_else(|| if store_too { self.total.check().err() } else { None })
    }

    fn metrics(&self, request: &Request<'_>) -> Answer {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.router.metrics(request, self.router.ready.trouble().is_none(), |page| {
            let up = !self.counters.away.load(Ordering::Relaxed);
            page.counter("testero_count_answered", "Requests that were told their number.", &of(&self.answered));
            page.gauge("testero_count_highest", "The highest total handed out here.", &of(&self.counters.last));
            page.gauge("testero_count_store_up", "0 when the last request had no total.", &u8::from(up));
            page.counter("testero_count_store_failures", "Requests that had no total.", &of(&self.counters.failures));
        })
    }
}
