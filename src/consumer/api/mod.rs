//! The routes: a request becomes a call, and the result becomes words, or JSON.
//!
//! | file | what |
//! | --- | --- |
//! | `table` | every path, what it does, and who may ask for it how |
//! | `params` | the parameters of a request, and the change that they ask for |
//! | `set`, `release`, `account` | a total is asked for, given back, told |
//! | `rounding` | that a plan holds more than was asked for |
//! | `load`, `stop` | a load is started, told, ended |
//! | `waiting` | answers that take as long as the work |
//! | `jobs` | the resource-consumer's interface |
//! | `probes`, `fault` | what an operator switches to see what the cluster does |
//! | `scenario` | curves over time: given, told, paused, ended; a feature |
//! | `text` | the original's words, byte for byte |
//! | `refusals` | what is refused, in text and in JSON |
//! | `status` | all there is to know, for programs and for people |
//! | `metrics` | the same for a Prometheus |
//! | `history` | the last ten minutes, for programs and as a recording; a feature |
//! | `page`, `html` | the page for browsers, and what each page comes with |
//! | `guide` | the index, the list of paths, a page to read them, and what a request nearly named |

mod account;
mod fault;
#[cfg(feature = "openapi")]
mod guide;
#[cfg(feature = "page")]
mod history;
#[cfg(any(feature = "page", feature = "openapi"))]
mod html;
mod jobs;
mod load;
mod metrics;
#[cfg(feature = "page")]
mod page;
pub mod params;
mod probes;
mod refusals;
mod release;
mod rounding;
#[cfg(feature = "scenario")]
mod scenario;
mod set;
mod status;
mod status_text;
mod stop;
pub mod table;
mod text;
mod waiting;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use crate::consumer::Consumer;
use crate::consumer::api::params::Params;
use crate::consumer::control::group::Group;
use crate::http::bounds::{BODY_BYTES, FORM_BYTES};
#[cfg(feature = "openapi")]
use crate::http::content;
use crate::http::message::fields::Fields;
use crate::http::message::head::Head;
use crate::http::message::json_form::form_of_json;
use crate::http::message::query::Query;
use crate::http::message::rejection::Rejection;
use crate::http::message::target::{cleaned, percent_decode, percent_encode, split};
use crate::http::{Answer, BodyRule, Method, Request, Service, Text, redirect, text};
#[cfg(feature = "openapi")]
use crate::packed::unpacked;
use crate::parameters::{DRY_RUN, FORMAT};
use crate::service::access::is_from_another_site;
#[cfg(feature = "openapi")]
use crate::service::problem::with_field;
use crate::service::problem::{Problem, json as in_json, not_allowed, probe, say, wants_json};

use table::{Holder, Route, find};

/// The contract for machines: OpenAPI 3.1, of everything that speaks JSON. Packed by build.rs, as the page is.
#[cfg(feature = "openapi")]
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.deflate"));

impl Service for Consumer {
    fn answer(&self, request: &Request<'_>) -> Answer {
        let began = Instant::now();
        let found = find(&request.path);
        let route = found.map(|(_, route)| route);
        let json = wants_json(request.fields, request.query);
        let answer = self.with_faults(request, route, json);
        #[cfg(feature = "scenario")]
        if route == Some(Route::Scenario) {
            self.scenario_is_answered(request);
        }
        self.http.count(found.map(|(place, _)| place), answer.response.status_code().0, began.elapsed());
        answer
    }

    fn body_rule(&self, head: &Head<'_>) -> BodyRule {
        let (path, query) = split(head.target);
        let path = percent_decode(path).unwrap_or_default();
        let json = wants_json(&head.fields, Query(query));
        #[cfg(feature = "scenario")]
        if matches!(find(&path), Some((_, Route::Scenario))) {
            return self.scenario_body_rule(head);
        }
        let reads = find(&path).is_some_and(|(_, route)| reads_body(route, json, Query(query)));
        // Where a body can say something, it is short.
        match body_kind(&head.fields) {
            Some(_) if reads => BodyRule::Keep(FORM_BYTES),
            _ => BodyRule::Discard(BODY_BYTES),
        }
    }

    fn hold_back(&self) {
        self.faults.wait_while_hanging(&self.stop);
    }

    fn refuse(&self, head: &Head<'_>, rejection: Rejection) -> Text {
        let (_, query) = split(head.target);
        let status = rejection.status.0;
        self.http.count_refusal(status);
        let problem = Problem::new(status, "refused", rejection.reason);
        problem.answer(wants_json(&head.fields, Query(query))).response
    }
}

impl Consumer {
    /// What is wrong with us comes before what was asked.
    fn with_faults(&self, request: &Request<'_>, route: Option<Route>, json: bool) -> Answer {
        let honest = route.is_some_and(Route::is_honest);
        // What ends a fault, or tells which there are, is never subject to one.
        if !(honest && (*request.method == Method::Delete || route == Some(Route::Faults))) {
            self.hold_back();
        }
        if honest {
            return self.checked(request, route, json);
        }
        let spared = route.is_some_and(|route| route.is_spared(request.method));
        if let Some(code) = if spared { None } else { self.faults.status_now() } {
            return Problem::new(code, "fault", "this status was asked for, at /fault/status").answer(json);
        }
        let answer = self.checked(request, route, json);
        let late = self.faults.delay_now();
        let delay = answer.delay + late;
        answer.after(delay)
    }

    /// Whether it may, before it does.
    fn checked(&self, request: &Request<'_>, route: Option<Route>, json: bool) -> Answer {
        if request.path.as_ref() == b"*" {
            return text(200, "").into();
        }
        if let Some(clean) = cleaned(&request.path) {
            let mut location = percent_encode(&clean).into_bytes();
            if !request.query.0.is_empty() {
                location.push(b'?');
                location.extend_from_slice(request.query.0);
            }
            return redirect(&location).into();
        }
        let Some(route) = route else { return unknown(request, json) };
        let changes = route.changes(request.method);
        #[cfg(feature = "scenario")]
        let has_own_body = route == Route::Scenario;
        #[cfg(not(feature = "scenario"))]
        let has_own_body = false;
        let form = match body_kind(request.fields) {
            _ if has_own_body => Ok(Cow::Borrowed(&b""[..])),
            _ if !changes || !reads_body(route, json, request.query) => Ok(Cow::Borrowed(request.body)),
            Some(Body::Form) => Ok(Cow::Borrowed(request.body)),
            Some(Body::Json) if request.body.is_empty() => Ok(Cow::Borrowed(request.body)),
            Some(Body::Json) => {
                form_of_json(request.body).map(Cow::Owned).map_err(|why| Problem::new(400, "invalid", why))
            }
            None if has_body(request.fields) => Err(Problem::new(415, "refused", NOT_ACCEPTED)),
            None => Ok(Cow::Borrowed(request.body)),
        };
        let (form, trouble) = match form {
            Ok(form) => (form, None),
            Err(problem) => (Cow::default(), Some(problem)),
        };
        let params = Params::of(request, &form, json, route);
        let answer = if changes && is_from_another_site(request) {
            let why = "a browser sent this on behalf of another site; state is changed only from this one";
            Problem::new(403, "foreign-site", why).answer(json)
        } else if !route.is_public() && !self.access.allows(request.fields, changes) {
            Problem::new(401, "token-needed", "this needs the header Authorization: Bearer and the token").answer(json)
        } else if let Some(problem) = trouble {
            problem.answer(json)
        } else {
            self.routed(request, &params, route)
        };
        let status = answer.response.status_code().0;
        if changes && status >= 400 && !params.is_logged() {
            self.log(&params, &format!("refused with {status}"));
        }
        answer
    }

    /// Has the log tell what came of a change that needs no work, or was refused.
    fn log(&self, params: &Params<'_, '_>, outcome: &str) {
        params.log(self.ids.next(), outcome);
    }

    fn routed(&self, request: &Request<'_>, params: &Params<'_, '_>, route: Route) -> Answer {
        let (deletes, json) = (*request.method == Method::Delete, params.json);
        // Who watches is answered, whatever is asked beside; and the contract passes over what it does not know.
        let passes_over = matches!(
            route,
            Route::Healthz | Route::Readyz | Route::Metrics | Route::Planned(_) | Route::Held(_) | Route::Running(_)
        );
        if !passes_over && request.query.value(FORMAT.name).is_some_and(|format| !json && *format != *b"text") {
            return Problem::new(400, "invalid", "format is json or text").answer(false);
        }
        // In text, groups as a whole are there to be released: reading them was never in the contract.
        let is_whole = matches!(
            route,
            Route::Group(_) | Route::Loads(_) | Route::All | Route::Faults | Route::Jobs | Route::OneJob
        );
        #[cfg(feature = "openapi")]
        if route == Route::All && matches!(request.method, Method::Get | Method::Head) {
            return guide::paths(json);
        }
        if !json && !deletes && is_whole {
            return unknown(request, false);
        }
        let honest = json || matches!(route, Route::Switch(..) | Route::Fault(_) | Route::Status);
        #[cfg(feature = "scenario")]
        let honest = honest || matches!(route, Route::Scenario | Route::ScenarioCurves | Route::ScenarioStep(_));
        if honest && !matches!(route, Route::JobRoute(_)) && !route.methods().contains(request.method) {
            return wrong_method(request, route, json);
        }
        if route.changes(request.method) && !params.knows(DRY_RUN.name) && params.has(DRY_RUN.name) {
            let why = "dry_run is for sets, releases of one group, and loads; nothing was done";
            return Problem::new(400, "invalid", why).answer(json);
        }
        match route {
            Route::Set(holder) => self.set(holder, request, params),
            Route::Planned(holder) => self.planned(holder, json),
            Route::Held(holder) => self.held(holder, json),
            Route::Group(holder) if deletes => self.release(holder, request, params),
            Route::Group(holder) => in_json(200, &status::of_group(self, self.group(holder))),
            Route::Load(loader) => self.load(loader, request, params),
            Route::Stop(loader) => self.stop_load(loader, request, params),
            Route::Running(loader) => self.running(loader, json),
            Route::Loads(loader) if deletes => self.release_load(loader, params),
            Route::Loads(loader) => in_json(200, &self.load_status(loader)),
            Route::All => self.release_all(request, params),
            Route::Status if json => in_json(200, &status::status(self)),
            Route::Status => say(status_text::in_words(self)),
            Route::Metrics => metrics::page(self, request),
            Route::Healthz => probe(self.health.trouble(), json),
            Route::Readyz => probe(self.ready.trouble(), json),
            Route::Switch(probe, on) => self.switch(probe, on, params),
            Route::Fault(fault) if deletes => self.end_faults(Some(fault), params),
            Route::Fault(fault) => self.fault(fault, params),
            Route::Faults if deletes => self.end_faults(None, params),
            Route::Faults => in_json(200, &status::faults(self)),
            Route::Jobs => self.jobs(deletes, params),
            Route::OneJob => self.one_job(request, deletes, params),
            Route::JobRoute(job) => self.job(job, request, params),
            #[cfg(feature = "scenario")]
            Route::Scenario => self.scenario(request, params),
            #[cfg(feature = "scenario")]
            Route::ScenarioCurves => self.scenario_curves(params),
            #[cfg(feature = "scenario")]
            Route::ScenarioStep(step) => self.scenario_step(step, params),
            #[cfg(feature = "page")]
            Route::History => self.history_answer(params),
            #[cfg(any(feature = "page", feature = "openapi"))]
            Route::Page => self.front(request, json),
            #[cfg(feature = "openapi")]
            Route::Docs => guide::docs(request, json, self.access.wants_token()),
            #[cfg(feature = "openapi")]
            Route::OpenApi => content(200, "application/json", unpacked(OPENAPI)).into(),
        }
    }

    /// The answer to who has only our address.
    #[cfg(any(feature = "page", feature = "openapi"))]
    fn front(&self, request: &Request<'_>, json: bool) -> Answer {
        #[cfg(feature = "page")]
        if !json && html::wants_html(request) {
            return page::page();
        }
        #[cfg(feature = "openapi")]
        if matches!(request.method, Method::Get | Method::Head) {
            return guide::index(request, json, self.access.wants_token());
        }
        unknown(request, json)
    }

    /// A group by its name.
    pub(super) fn group(&self, holder: Holder) -> &Arc<Group> {
        match holder {
            Holder::Memory => &self.memory,
            Holder::Disk => &self.disk,
            Holder::Inode => &self.inode,
            Holder::Pid => &self.pid,
            Holder::Descriptor => &self.descriptor,
        }
    }

    /// All groups that hold something.
    pub(super) fn groups(&self) -> [&Arc<Group>; 5] {
        [&self.memory, &self.disk, &self.inode, &self.pid, &self.descriptor]
    }
}

/// The answer on a path that there is not. The text is the contract's.
fn unknown(request: &Request<'_>, json: bool) -> Answer {
    #[cfg(feature = "openapi")]
    let why = || guide::no_such_path(&request.path);
    #[cfg(not(feature = "openapi"))]
    let why = || ("there is no such path; /api/status tells what there is", request).0;
    let answer = match json {
        true => Problem::new(404, "not-found", why()).answer(true),
        false => text(404, "404 page not found\n").into(),
    };
    #[cfg(feature = "openapi")]
    let answer = with_field(answer, "Link", "</openapi.json>; rel=\"service-desc\"");
    answer
}

/// The answer to a method that a path does not take.
fn wrong_method(request: &Request<'_>, route: Route, json: bool) -> Answer {
    #[cfg(feature = "openapi")]
    let hint = format!("; did you mean {}?", guide::meant_call(&request.path, route, request.method));
    #[cfg(not(feature = "openapi"))]
    let hint = "";
    #[cfg(feature = "openapi")]
    let hint = hint.as_str();
    not_allowed(request.method, route.methods(), hint, json)
}

/// A body that is understood.
enum Body {
    Form,
    Json,
}

/// What is said of any other.
const NOT_ACCEPTED: &str = "a body is application/x-www-form-urlencoded or application/json; nothing was done";

/// What the body is by its Content-Type, if it is understood.
fn body_kind(fields: &Fields<'_>) -> Option<Body> {
    let kind = fields.first("Content-Type")?.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return Some(Body::Form);
    }
    kind.eq_ignore_ascii_case(b"application/json").then_some(Body::Json)
}

fn has_body(fields: &Fields<'_>) -> bool {
    fields.first("Transfer-Encoding").is_some()
        || fields.first("Content-Length").is_some_and(|length| length != &b"0"[..])
}

/// Whether a body says something: not in the contract's text, which reads none, as long as the query stays within it.
fn reads_body(route: Route, json: bool, query: Query<'_>) -> bool {
    json || !route.is_contract() || route.parameters(false).new_names().names().any(|name| query.names(name))
}
