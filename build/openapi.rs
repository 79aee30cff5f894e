//! The contract for machines, OpenAPI 3.1: paths and methods come from the table of routes, parameters and their types from
//! the table of parameters. What only the document says stands here and in `schemas`: summaries, answers, ids.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::Method;
use crate::parameters::{Parameter, ParameterKind, ParameterList, Presence, Use};
use crate::schemas::{self, kind, reference};
#[cfg(feature = "scenario")]
use crate::table::ScenarioStep;
use crate::table::{Fault, Holder, JobRoute, Loader, ProbeRoute, ROUTES, Route};

/// What a client must know before it reads on.
const DESCRIPTION: &str = "Everything that is answered in JSON, for who asks with `Accept: application/json` or \
    `?format=json`; without, answers are text. A path that is not here is 404 (`not-found`) and told the nearest that is, a \
    method that a path does not take is 405 (`method-not-allowed`) with `Allow`; HEAD is taken where reading by GET is. GET changes state on `set`, \
    `add`, `load` and `stop`; HEAD never does. Where a form is described, a flat object in `application/json` with the \
    same members does as well, and the query takes the same parameters; the body's count. Any other body is 415. While a \
    fault of `/fault/status` lasts, other paths answer with its status and the code `fault`, but DELETE never does.";

/// The document.
pub(crate) fn document(version: &str) -> Value {
    let parameters = shared_parameters();
    let mut paths = Map::new();
    for (path, route, method) in operations() {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[lower(method)] = operation(path, route, method, &parameters);
    }
    let bodies = BODIES.iter().map(|(list, name)| ((*name).to_owned(), body(*list)));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "testero",
            "version": version,
            "summary": "Takes memory, disk, CPU, inodes, pids and descriptors on request.",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description":
                    "Where a token is set, changes need it, and with TOKENREADS=on everything does but this document, `/` and `/docs`.",
            } },
            "parameters": parameters,
            "requestBodies": bodies.collect::<Map<_, _>>(),
            "responses": schemas::responses(),
            "schemas": schemas::schemas(),
        },
    })
}

/// Forms that several operations take, by the list of their members.
const BODIES: [(ParameterList, &str); 6] = [
    (ParameterList::SetMemory, "mem"),
    (ParameterList::SetFiles, "disk"),
    (ParameterList::SetCounted, "counted"),
    (ParameterList::CpuLoad, "cpu"),
    (ParameterList::IoLoad, "io"),
    (ParameterList::Stop, "stop"),
];

/// What is told of a list: everything but other names of the same.
fn told(list: ParameterList) -> impl Iterator<Item = &'static Use> {
    list.uses().iter().filter(|one| one.presence != Presence::OtherName)
}

/// Whether an operation takes a form: one that only reads or deletes, and what an operator switches, have a query.
fn takes_form(route: Route, method: Method) -> bool {
    match route {
        Route::Set(_) | Route::Load(_) | Route::Stop(_) => method != Method::Get,
        Route::JobRoute(job) => job != JobRoute::Status,
        _ => false,
    }
}

/// The parameters of a query that more than one operation takes: they stand once. But numbers are each operation's own, of
/// which two have one name.
fn shared_parameters() -> Map<String, Value> {
    let (mut seen, mut shared) = (BTreeMap::new(), Map::new());
    for (_, route, method) in operations() {
        for one in told(route.parameters(method == Method::Delete)).filter(|one| is_sharable(one.parameter)) {
            let (count, in_query) = seen.entry(one.parameter.name).or_insert((0, None));
            *count += 1;
            if !takes_form(route, method) {
                *in_query = Some(one);
            }
        }
    }
    for (name, found) in seen {
        if let (2.., Some(one)) = found {
            shared.insert(name.to_owned(), in_query(one));
        }
    }
    shared
}

/// All operations that are told. HEAD is where GET reads; it goes without saying.
fn operations() -> impl Iterator<Item = (&'static str, Route, Method)> {
    let all = ROUTES.iter().flat_map(|(path, route)| route.methods().iter().map(|method| (*path, *route, *method)));
    all.filter(|(_, _, method)| *method != Method::Head)
}

fn is_sharable(parameter: Parameter) -> bool {
    !matches!(parameter.kind, ParameterKind::Whole(_))
}

fn in_query(one: &Use) -> Value {
    let mut value = json!({ "name": one.parameter.name, "in": "query" });
    if !one.parameter.text.is_empty() {
        value["description"] = one.parameter.text.into();
    }
    if one.presence == Presence::Required {
        value["required"] = true.into();
    }
    value["schema"] = kind(one.parameter.kind);
    value
}

/// A form.
fn body(list: ParameterList) -> Value {
    let members = told(list).map(|one| (one.parameter.name.to_owned(), kind(one.parameter.kind)));
    let required = told(list).filter(|one| one.presence == Presence::Required).map(|one| one.parameter.name);
    let mut schema = json!({
        "type": "object",
        "properties": members.collect::<Map<_, _>>(),
        "required": required.collect::<Vec<_>>(),
        "additionalProperties": false,
    });
    if ["rate", "over"].iter().all(|pace| told(list).any(|one| one.parameter.name == *pace)) {
        schema["not"] = json!({ "required": ["rate", "over"] });
    }
    json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": schema } } })
}

fn operation(path: &str, route: Route, method: Method, shared: &Map<String, Value>) -> Value {
    let deletes = method == Method::Delete;
    let list = route.parameters(deletes);
    let mut value = json!({ "operationId": id(path, route, method), "summary": summary(path, route, method) });
    let is_open = route.is_public();
    if is_open {
        value["security"] = json!([]);
    }
    #[cfg(feature = "scenario")]
    if route == Route::Scenario && matches!(method, Method::Post | Method::Put) {
        let text = json!({ "schema": { "type": "string" } });
        let content = json!({ "application/yaml": text, "application/json": {} });
        value["requestBody"] = json!({ "required": true, "content": content });
    }
    if takes_form(route, method) {
        let shared = BODIES.iter().find(|(known, _)| *known == list);
        value["requestBody"] = shared.map_or_else(|| body(list), |(_, name)| reference("requestBodies", name));
    } else {
        let mut parameters: Vec<Value> = told(list)
            .map(|one| match shared.get(one.parameter.name) {
                Some(_) if is_sharable(one.parameter) => reference("parameters", one.parameter.name),
                _ => in_query(one),
            })
            .collect();
        if route == Route::OneJob {
            let schema = reference("schemas", "Id");
            parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
        }
        if !parameters.is_empty() {
            value["parameters"] = parameters.into();
        }
    }
    // Whatever changes something can be asked for wrongly, and by a browser on behalf of another site.
    let always = match (is_open, route.changes(&method)) {
        (true, _) => "4XX",
        (_, false) => "401 4XX",
        (_, true) => "400 401 403 4XX",
    };
    let all = answers(route, method).split(' ').chain(always.split(' '));
    let mut all: Vec<(&str, &str)> = all.map(|answer| answer.split_once(':').unwrap_or((answer, answer))).collect();
    all.sort_by_key(|(status, _)| (status.ends_with("XX"), *status));
    let responses = all.into_iter().map(|(status, name)| (status.to_owned(), schemas::response(name)));
    value["responses"] = Value::Object(responses.collect());
    value
}

/// What an operation answers with, next to what all do: a status, and the response where it is not named after that.
fn answers(route: Route, method: Method) -> &'static str {
    match route {
        Route::Set(_) => "200:Done 202:Accepted 409 422 500 503",
        Route::Planned(_) => "200:Planned 409",
        Route::Held(_) => "200:Held 409 503",
        Route::Group(_) if method == Method::Delete => "200:Done 202:Accepted 409 500 503",
        Route::Group(_) => "200:Group",
        Route::Load(Loader::Cpu) => "200:CpuDone 202:CpuAccepted 409 422 500 503",
        Route::Load(Loader::Io) => "200:IoDone 202:IoAccepted 409 422 500 503",
        Route::Stop(Loader::Cpu) => "200:CpuStopped 409",
        Route::Stop(Loader::Io) => "200:IoStopped 409",
        Route::Running(Loader::Cpu) | Route::Loads(Loader::Cpu) => "200:CpuStatus",
        Route::Running(Loader::Io) | Route::Loads(Loader::Io) => "200:IoStatus",
        Route::All if method == Method::Get => "200:Paths",
        Route::All => "200:Status 202:Releasing 500 503",
        Route::Jobs => "200:Jobs",
        Route::OneJob => "200:Job 404:NoJob",
        Route::Status | Route::JobRoute(JobRoute::Status) => "200:Status",
        Route::Metrics => "200:Metrics",
        Route::Healthz | Route::Readyz => "200:Fine 503",
        Route::Switch(..) => "200:Told",
        Route::Faults if method == Method::Get => "200:Faults",
        Route::Fault(_) | Route::Faults => "200:Told 404",
        Route::JobRoute(JobRoute::Cpu | JobRoute::Memory) => "200:JobStarted 422 503",
        Route::JobRoute(JobRoute::Bump) => "200:Told 503",
        #[cfg(feature = "scenario")]
        Route::Scenario => match method {
            Method::Delete => "200:Told 404:NoScenario",
            Method::Get => "200:Scenario 404:NoScenario",
            _ => "202:Scenario 409 503",
        },
        #[cfg(feature = "page")]
        Route::History => "200:History 400",
        #[cfg(feature = "scenario")]
        Route::ScenarioCurves => "200:ScenarioCurves 400 404:NoScenario",
        #[cfg(feature = "scenario")]
        Route::ScenarioStep(_) => "200:Scenario 404:NoScenario",
        Route::Page | Route::Docs => "200:Paths",
        Route::OpenApi => "200:Contract",
    }
}

fn summary(path: &str, route: Route, method: Method) -> String {
    let things = |holder| match holder {
        Holder::Memory => "memory",
        Holder::Disk => "files",
        Holder::Inode => "inodes",
        Holder::Pid => "pids",
        Holder::Descriptor => "descriptors",
    };
    let probe = |probe| if probe == ProbeRoute::Health { "/healthz" } else { "/readyz" };
    let deletes = method == Method::Delete;
    let summary = match route {
        Route::Set(_) if path.ends_with("/add") => "The same as set.",
        Route::Set(holder) => return format!("Makes the {} held so much in total.", things(holder)),
        Route::Planned(_) => "The plan last accepted.",
        Route::Held(_) => "What is held.",
        Route::Group(holder) if deletes => return format!("Releases all {}; never busy.", things(holder)),
        Route::Group(_) => "The group, with its limits; in JSON alone.",
        Route::Load(Loader::Cpu) => "Starts a load of the CPU.",
        Route::Load(Loader::Io) => "Writes and reads the files held.",
        Route::Stop(_) => "Stops the load of that id.",
        Route::Running(_) => "What runs.",
        Route::Loads(_) if deletes => "Stops what runs.",
        Route::Loads(_) => "The same as getact; in JSON alone.",
        Route::All if !deletes => "Every path, with its methods and what they do.",
        Route::All => "Releases everything, and ends all loads, jobs and bumps.",
        Route::Jobs if deletes => "Ends all jobs, and what is bumped.",
        Route::Jobs => "The jobs that run; in JSON alone.",
        Route::OneJob if deletes => "Ends the job of this id.",
        Route::OneJob => "The job of this id; in JSON alone.",
        Route::Status => "Everything there is to know, at once, also while work runs.",
        Route::Metrics => "Metrics for a Prometheus; never JSON.",
        Route::Healthz => "Alive?",
        Route::Readyz => "Ready?",
        Route::Switch(switched, true) => return format!("Has {} tell the truth again.", probe(switched)),
        Route::Switch(switched, false) => return format!("Has {} fail.", probe(switched)),
        Route::Faults if deletes => "Ends all faults.",
        Route::Faults => "The faults that are active; in JSON alone.",
        Route::Fault(_) if deletes => "Ends it.",
        Route::Fault(Fault::Exit) => "Ends the process.",
        Route::Fault(Fault::Abort) => "Crashes it.",
        Route::Fault(Fault::Hang) => "Answers nothing.",
        Route::Fault(Fault::Delay) => "Answers late.",
        Route::Fault(Fault::Status) => "Answers wrongly.",
        Route::Fault(Fault::Log) => "Logs.",
        Route::Fault(Fault::Term) => "Has SIGTERM ignored, or obeyed late; obeyed again without either. Not both.",
        Route::JobRoute(JobRoute::Cpu) => "Uses so many millicores more, for so long.",
        Route::JobRoute(JobRoute::Memory) => "Holds so many MiB more, for so long.",
        Route::JobRoute(JobRoute::Bump) => "Raises a gauge in /metrics, for so long.",
        Route::JobRoute(JobRoute::Status) => "The same as /api/status.",
        #[cfg(feature = "scenario")]
        Route::Scenario => match method {
            Method::Delete => "Ends the scenario: what it holds is given back.",
            Method::Put => "Plays a scenario, in place of the one that is played.",
            Method::Post => "Plays a scenario.",
            _ => "Where the scenario is, and what its tracks want and hold.",
        },
        #[cfg(feature = "page")]
        Route::History => "The last ten minutes, a point a second, and what happened in them; a recording in text.",
        #[cfg(feature = "scenario")]
        Route::ScenarioCurves => "What its tracks want and held, from ten minutes ago to ten minutes from now.",
        #[cfg(feature = "scenario")]
        Route::ScenarioStep(ScenarioStep::Pause) => "The scenario stays where it is.",
        #[cfg(feature = "scenario")]
        Route::ScenarioStep(ScenarioStep::Resume) => "It goes on from there, with all its tracks.",
        #[cfg(feature = "scenario")]
        Route::ScenarioStep(ScenarioStep::Seek) => "It goes on elsewhere.",
        Route::Page => "A page for browsers, an index for people, and in JSON the list of paths.",
        Route::Docs => "What can be asked, to read in a browser; elsewhere the same as /.",
        Route::OpenApi => "All of this for programs: OpenAPI 3.1.",
    };
    summary.to_owned()
}

/// The name of an operation, which generated clients call it by: it stays.
fn id(path: &str, route: Route, method: Method) -> String {
    let deletes = method == Method::Delete;
    let own = path.strip_prefix("/api").unwrap_or(path);
    let words: Vec<&str> = own.split('/').filter(|word| !word.is_empty()).collect();
    let (first, group) = (camel(&words), words.first().copied().unwrap_or_default());
    match route {
        Route::Set(_) | Route::Load(_) | Route::Stop(_) => {
            camel(&[&[lower(method).as_str()], words.as_slice()].concat())
        }
        Route::Planned(_) => format!("{group}Planned"),
        Route::Held(_) => format!("{group}Held"),
        Route::Running(_) => format!("{group}Running"),
        Route::Group(_) | Route::Loads(_) if deletes => format!("{group}Release"),
        Route::Page => String::from("index"),
        Route::All if !deletes => String::from("paths"),
        Route::All => String::from("releaseAll"),
        Route::OneJob if deletes => String::from("jobEnd"),
        Route::OneJob => String::from("job"),
        Route::Faults if deletes => String::from("faultsEnd"),
        Route::Faults => String::from("faults"),
        Route::Jobs | Route::Fault(_) if deletes => first + "End",
        Route::Metrics if method == Method::Post => String::from("postMetrics"),
        #[cfg(feature = "scenario")]
        Route::Scenario => match method {
            Method::Delete => first + "End",
            Method::Post | Method::Put => lower(method) + "Scenario",
            _ => first,
        },
        Route::JobRoute(JobRoute::Cpu) => String::from("consumeCpu"),
        Route::JobRoute(_) => first[..1].to_lowercase() + &first[1..],
        Route::OpenApi => String::from("contract"),
        _ => first,
    }
}

/// `["mem", "set"]` is `memSet`.
fn camel(words: &[&str]) -> String {
    let upper = |word: &&str| word[..1].to_uppercase() + &word[1..];
    let rest: String = words.iter().skip(1).map(upper).collect();
    words.first().map_or(String::new(), |first| (*first).to_owned() + &rest)
}

fn lower(method: Method) -> String {
    format!("{method:?}").to_lowercase()
}
