//! What the small roles share of answering: routes by path, refusals, probes, metrics.

use std::time::Instant;

use crate::http::message::head::Head;
use crate::http::message::query::Query;
use crate::http::message::rejection::Rejection;
use crate::http::message::target::split;
use crate::http::{Answer, Method, Request, Text};
use crate::kernel::Kernel;
use crate::kernel::clock::ProcessStart;
use crate::service::exposition::Exposition;
use crate::service::http_metrics::HttpMetrics;
use crate::service::metrics;
use crate::service::probes::Probe;
use crate::service::problem::{Problem, not_allowed, wants_json};
use crate::settings::Identity;

/// What all of their paths take.
const METHODS: [Method; 2] = [Method::Get, Method::Head];

/// Paths, and what each does.
pub type Routes<R> = [(&'static str, R)];

/// The router of a small role.
pub struct Router {
    /// What `/readyz` says.
    pub ready: Probe,
    http: HttpMetrics,
    kernel: Kernel,
    identity: Identity,
    started: ProcessStart,
}

impl Router {
    /// A role with these routes, that starts now.
    pub fn new<R>(routes: &Routes<R>, identity: &Identity) -> Self {
        Self {
            ready: Probe::default(),
            http: HttpMetrics::new(routes.iter().map(|(path, _)| *path)),
            kernel: Kernel::default(),
            identity: identity.clone(),
            started: ProcessStart::now(),
        }
    }

    /// Answers by the path, if there is one; the answer is told whether the client wants JSON.
    pub fn answer<R: Copy>(
        &self,
        request: &Request<'_>,
        routes: &Routes<R>,
        answer: impl FnOnce(R, bool) -> Answer,
    ) -> Answer {
        let began = Instant::now();
        let place = routes.iter().position(|(path, _)| path.as_bytes() == &*request.path);
        let as_json = wants_json(request.fields, request.query);
        let answer = match place {
            None => Problem::new(404, "not-found", "there is no such path; / is").answer(as_json),
            Some(_) if !METHODS.contains(request.method) => not_allowed(request.method, &METHODS, "", as_json),
            Some(place) => answer(routes[place].1, as_json),
        };
        self.http.count(place, answer.response.status_code().0, began.elapsed());
        answer
    }

    /// What to say to a request that the edge refuses.
    pub fn refuse(&self, head: &Head<'_>, rejection: Rejection) -> Text {
        let status = rejection.status.0;
        self.http.count_refusal(status);
        let (_, query) = split(head.target);
        Problem::new(status, "refused", rejection.reason).answer(wants_json(&head.fields, Query(query))).response
    }

    /// `/metrics`: what the role adds, between what all of them tell.
    pub fn metrics(&self, request: &Request<'_>, is_ready: bool, own: impl FnOnce(&mut Exposition)) -> Answer {
        let mut page = metrics::begin(request, &self.identity);
        page.gauge("testero_ready", "1 when /readyz says ok.", &u8::from(is_ready));
        own(&mut page);
        metrics::http(&self.http, &mut page);
        metrics::process(&self.kernel, &self.started, &mut page);
        metrics::finish(page)
    }
}
