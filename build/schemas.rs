//! What answers and values look like in the contract for machines, in JSON Schema.

use serde_json::{Map, Value, json};

use crate::answers::*;
use crate::parameters::ParameterKind;

/// A quantity: digits that fit the 19 of an i64 with its suffix, or an exponent.
const QUANTITY: &str = r"([0-9]{1,19}(\.[0-9]{0,1})?|[0-9]{1,16}(\.[0-9]{0,4})?(Ki|k)|[0-9]{1,13}(\.[0-9]{0,7})?Mi?|[0-9]{1,10}(\.[0-9]{0,10})?Gi?|[0-9]{1,7}(\.[0-9]{0,13})?Ti?|[0-9]{1,4}(\.[0-9]{0,16})?Pi?|[0-9]{1,1}(\.[0-9]{0,19})?(Ei?|[eE](\+?(0?[0-9]|1[0-8])|-0?[0-9]))?)";
/// A duration of ten years at most.
const SPAN: &str = r"([0-9]{1,8}(\.[0-9]{1,9})?s?|[0-9]{1,9}ms|[0-9]{1,4}(\.[0-9]{1,9})?h|[0-9]{1,6}(\.[0-9]{1,9})?m|([0-9]{1,4}h)?([0-9]{1,6}m)?[0-9]{1,7}s|[0-9]{1,4}h[0-9]{1,6}m)";
/// From 10m on.
const CORES: &str =
    r"^(max|[1-9][0-9]{1,2}(pct|%)|[1-9][0-9]{1,14}m|[1-9][0-9]{0,14}(\.[0-9]{0,3})?|0?\.(0[1-9]|[1-9][0-9]?)[0-9]?)$";
/// What is in /metrics already is left out, and what Prometheus and OpenMetrics give a meaning of their own.
const METRIC: &str = r"^(?!testero|process_|go_|scrape_|ALERTS|__|up$)(?!.*_(total|info|bucket|count|sum|created)$)[A-Za-z_][A-Za-z0-9_]{0,99}$";
const DECIMAL: &str = r"^[+-]?([0-9]{1,14}(\.[0-9]{0,6})?|\.[0-9]{1,6})([eE][+-]?[0-3])?$";

/// `#/components/…`
pub(crate) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// What the value of a parameter has to be.
pub(crate) fn kind(kind: ParameterKind) -> Value {
    match kind {
        ParameterKind::Amount => schema("Amount"),
        ParameterKind::Rate => schema("Rate"),
        ParameterKind::Cores => schema("Cpu"),
        ParameterKind::Span => schema("Span"),
        ParameterKind::Length => schema("Length"),
        ParameterKind::Switch => json!({ "type": "boolean" }),
        ParameterKind::OneOf(values) => json!({ "enum": values, "default": values[0] }),
        ParameterKind::Whole(whole) => {
            let mut value = json!({ "type": "integer", "minimum": whole.least, "maximum": whole.most });
            if let Some(default) = whole.default {
                value["default"] = default.into();
            }
            value
        }
        ParameterKind::LoadId => json!({ "type": "string", "pattern": "^[0-9]{1,18}$" }),
        ParameterKind::JobNumber => schema("Number"),
        ParameterKind::MetricName => json!({ "type": "string", "pattern": METRIC, "examples": ["qps"] }),
        ParameterKind::Decimal => json!({
            "type": "string", "description": "A decimal number.", "pattern": DECIMAL, "examples": ["2.5"]
        }),
    }
}

/// What a member's type means.
fn typed(name: &str) -> Value {
    match name {
        "string" | "boolean" => json!({ "type": name }),
        "=true" => json!({ "const": true }),
        "Positive" => json!({ "type": "integer", "minimum": 1 }),
        "Share" => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        "Moment" => json!({ "type": "number" }),
        "Code" => json!({ "type": "integer", "minimum": 400, "maximum": 599 }),
        "Now" => json!({ "type": "string", "format": "date-time" }),
        "Methods" => json!({ "type": "array", "items": { "enum": ["GET", "POST", "PUT", "DELETE"] }, "minItems": 1 }),
        "Lines" => json!({ "type": "array", "items": { "type": "string" } }),
        "Ids" => json!({ "type": "array", "items": schema("Id"), "minItems": 5, "maxItems": 5 }),
        "Left" => json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } }),
        "ErrorCode" => json!({ "enum": error_codes(), "description": "For programs." }),
        "Groups" => object(GROUPS),
        "Process" => object(PROCESS),
        "Container" => with(object(CONTAINER), json!({ "description": "What the kernel does not tell is null." })),
        "Pressure" => json!({
            "type": "object",
            "propertyNames": { "enum": ["cpu", "memory", "io"] },
            "additionalProperties": member(object(PRESSURE), "of", json!({
                "type": "string",
                "description": "Whose it is: the container's own cgroup's (v2), or the whole machine's (/proc/pressure), \
                    where there is none (v1).",
            })),
        }),
        _ if name.contains('|') => {
            let value = |one: &str| if one == "null" { Value::Null } else { one.into() };
            json!({ "enum": name.split('|').map(value).collect::<Vec<_>>() })
        }
        _ => match (name.strip_prefix('='), name.strip_suffix(" or null")) {
            (Some(value), _) => json!({ "const": value }),
            (_, Some(name)) => json!({ "anyOf": [schema(name), { "type": "null" }] }),
            _ => schema(name),
        },
    }
}

/// An object whose members may have others beside them.
fn open_object(members: &[(&str, &str)]) -> Value {
    let bare = |name: &str| name.trim_end_matches('?').to_owned();
    let properties = members.iter().map(|(name, kind)| (bare(name), typed(kind)));
    let required = members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?'));
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": required.collect::<Vec<_>>(),
    })
}

/// An object of these members and no others.
fn object(members: &[(&str, &str)]) -> Value {
    with(open_object(members), json!({ "additionalProperties": false }))
}

/// With what `more` says as well.
fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

/// With what `more` says of a member.
fn member(mut value: Value, name: &str, more: Value) -> Value {
    let known = value["properties"][name].take();
    value["properties"][name] = with(known, more);
    value
}

fn text(description: &str, pattern: &str, examples: &[&str]) -> Value {
    let value = json!({ "type": "string", "description": description, "pattern": pattern });
    if examples.is_empty() { value } else { with(value, json!({ "examples": examples })) }
}

/// What a load tells while it runs, or ran.
fn figures(group: &'static str, own: &Members) -> Value {
    open_object(&[&[("group", group)], LOAD, own].concat())
}

/// What a load tells when it is over.
fn ended(figures: &str) -> Value {
    with(schema(figures), json!({ "properties": { "outcome": typed("string") }, "unevaluatedProperties": false }))
}

/// A load's state, with its figures or without: then there are `members` at most.
fn load_state(own: &Members, group: &str, figures: &str, members: usize) -> Value {
    let idle = json!({ "properties": { "group": { "const": group } }, "maxProperties": members });
    with(
        open_object(&[LOAD_STATE, own].concat()),
        json!({
            "description": "With the load's own members while one runs.",
            "anyOf": [schema(figures), idle],
            "unevaluatedProperties": false,
        }),
    )
}

/// All schemas that are told by their names.
pub(crate) fn schemas() -> Value {
    let amounts = ["512Mi", "1.5G", "1e9", "50pct", "max-64Mi"];
    let amount = format!(r"^(max(-\+?{QUANTITY})?|\+?[0-9]{{1,15}}(\.[0-9]{{0,5}})?(pct|%)|\+?{QUANTITY})$");
    let what_amount = "A Kubernetes quantity, a share of the limit, or what would be accepted now, less a quantity. This is \
                       for programs; what people are shown is read as well, like `512.0 MiB` and `50 %`.";
    let rate = format!(r"^(?=[^eE]*[1-9])\+?{QUANTITY}$");
    let (span, length) = (format!("^{SPAN}$"), format!("^(?=.*[1-9]){SPAN}$"));
    let what_span = "Seconds, or h, m, s and ms; ten years at most. This is for programs; `4 m 59 s` is read as well.";
    let what_id = "A string: it has more digits than a double keeps.";
    let left = json!({ "description": "After DELETE: the jobs that go on." });
    let both = json!({ "description": "Written and read together." });
    let average = json!({ "description": "Written and read together, on the average of the last second." });
    let io_figures = member(figures("=io", IO_FIGURES), "target_bytes_per_second", both);
    let faults = json!({ "description": "Faults that last." });
    let died = json!({ "description": "What dead processes on the same folder were about to do by force." });
    let status = member(member(object(STATUS), "faults", faults), "died_doing", died);
    json!({
        "Amount": text(what_amount, &amount, &amounts),
        "Rate": text("A quantity, more than 0, like `50Mi`.", &rate, &[]),
        "Cpu": text("10m at least.", CORES, &["1500m", "0.25", "50pct"]),
        "Span": text(what_span, &span, &["90", "1h30m", "250ms"]),
        "Length": text("Seconds, or h, m, s and ms; more than 0.", &length, &["5m"]),
        "Number": { "type": "integer", "minimum": 0, "maximum": i64::MAX },
        "Whole": { "type": "integer", "minimum": 0 },
        "MaybeWhole": { "type": ["integer", "null"], "minimum": 0 },
        "Real": { "type": "number", "minimum": 0 },
        "MaybeReal": { "type": ["number", "null"], "minimum": 0 },
        "Words": { "type": ["string", "null"] },
        "Time": { "type": ["string", "null"], "format": "date-time" },
        "Id": text(what_id, "^[0-9]+$", &["1795260791552484074"]),
        "Holder": typed(HOLDERS),
        "Parts": { "type": "array", "items": object(PARTS), "maxItems": 6 },
        "Receipt": object(RECEIPT),
        "Preview": object(PREVIEW),
        "Group": with(object(GROUP), json!({
            "description": "In bytes, or in things where they are counted. What jobs hold is told of `mem`.",
        })),
        "CpuLoad": ended("CpuFigures"),
        "CpuStatus": member(load_state(CPU_STATE, "cpu", "CpuFigures", 11), "jobs_left", left),
        "CpuFigures": figures("=cpu", CPU_FIGURES),
        "IoLoad": ended("IoFigures"),
        "IoStatus": load_state(&[], "io", "IoFigures", 3),
        "IoFigures": member(io_figures, "achieved_bytes_per_second", average),
        "LoadPreview": object(LOAD_PREVIEW),
        "Job": with(object(JOB), json!({
            "description": "`cpu` has millicores and those achieved, `mem` the bytes it is to hold and those it holds.",
        })),
        "Jobs": { "type": "array", "items": schema("Job") },
        "Scenario": with(object(SCENARIO), json!({
            "description": "Amounts are bytes, millicores or numbers, and of io bytes a second. Null where it is not known.",
        })),
        "ScenarioId": { "type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Another one for another text." },
        "ScenarioTracks": { "type": "array", "items": object(SCENARIO_TRACK) },
        "Curve": { "type": "array", "items": { "type": ["number", "null"], "minimum": 0 }, "maxItems": 603 },
        "TrackCurves": { "type": "array", "items": object(TRACK_CURVE) },
        "ScenarioCurves": member(
            member(object(SCENARIO_CURVES), "from", json!({ "description": "The first point, in seconds from now." })),
            "step",
            json!({ "description": "Seconds from one point to the next." }),
        ),
        "ActiveFaults": with(
            json!({ "type": "array", "items": object(ACTIVE_FAULT), "maxItems": 6 }),
            json!({ "description": "Faults that last or are on their way, and for how long; null is until they are ended." }),
        ),
        "History": member(
            member(object(HISTORY), "from", json!({ "description": "The second of the first point." })),
            "next",
            json!({ "description": "The second after the last point: what to ask from the next time." }),
        ),
        "HistoryCurves": with(object(HISTORY_CURVES), json!({
            "description": "A point a second, null where it is not known. `own` is what the container, or else the process, \
                            uses; `throttled` is milliseconds held back in a second.",
        })),
        "HeldCurves": object(HELD_CURVES),
        "HistoryEvents": { "type": "array", "items": object(HISTORY_EVENT), "maxItems": 100 },
        "Status": member(status, "faults_on", json!({ "description": "Whether there are faults on request." })),
        "Error": error(),
    })
}

/// All codes of errors, each once.
fn error_codes() -> Vec<&'static str> {
    let mut codes = Vec::new();
    for code in ERRORS.iter().flat_map(|(_, _, codes, _)| codes.split('|')) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

fn error() -> Value {
    let for_people = json!({ "minLength": 1, "description": "For people." });
    let bound = json!({ "description": "What leaves least now, where it does not fit." });
    let inner = member(member(object(ERROR), "message", for_people), "bound_by", bound);
    json!({
        "type": "object",
        "properties": { "error": inner },
        "required": ["error"],
        "additionalProperties": false,
        "examples": [{ "error": {
            "status": 422,
            "code": "over-limit",
            "message": "900 is over the limit of 500 (HIGHPIDLIM); at most 500 would be accepted now",
            "requested": 900,
            "limit": 500,
            "limit_source": "HIGHPIDLIM",
            "most": 500,
        } }],
    })
}

/// An answer in JSON.
fn answer(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn located(answer: Value, schema: Value) -> Value {
    with(answer, json!({ "headers": { "Location": { "required": true, "schema": schema } } }))
}

/// The answer when all is done, at once or in the end.
fn done(description: &str, outcome: &str, preview: &str) -> Value {
    let mut answer = answer(description, json!({ "oneOf": [schema(outcome), schema(preview)] }));
    let lines = json!({ "schema": { "type": "string", "description": "A JSON object a line." } });
    answer["content"]["application/x-ndjson"] = lines;
    answer
}

/// A load that was started, and how it is stopped.
fn started(load: &str, stop: &str) -> Value {
    let links = json!({ "stop": { "operationId": stop, "parameters": { "id": "$response.body#/id" } } });
    with(located(answer("It runs.", schema(load)), typed("=/api/status")), json!({ "links": links }))
}

/// All responses that are told by their names.
pub(crate) fn responses() -> Value {
    let is_over = "It is over (`wait`), or previewed (`dry_run`), or goes on (`follow`).";
    let is_done = "It is done (`wait`), or previewed (`dry_run`), or goes on (`follow`).";
    let planned = [("group", "Holder"), ("planned", "Whole"), ("parts", "Parts")];
    let held = [("group", "Holder"), ("id", "Id or null"), ("held", "Whole"), ("parts", "Parts"), ("error", "Words")];
    let job = [("done", "string"), ("id", "Id"), ("expires", "Time")];
    let accepted = answer("Accepted; `/api/status` tells how far it is.", schema("Receipt"));
    let mut all = json!({
        "Done": done(is_done, "Group", "Preview"),
        "Accepted": located(accepted, typed("=/api/status")),
        "Planned": answer("The plan.", object(&planned)),
        "Held": answer("What is held, and why the last work failed.", object(&held)),
        "Group": answer("The group.", schema("Group")),
        "CpuDone": done(is_over, "CpuLoad", "LoadPreview"),
        "CpuAccepted": started("CpuLoad", "getCpuStop"),
        "CpuStopped": answer("It is stopped.", schema("CpuLoad")),
        "CpuStatus": answer("What runs.", schema("CpuStatus")),
        "IoDone": done(is_over, "IoLoad", "LoadPreview"),
        "IoAccepted": started("IoLoad", "getIoStop"),
        "IoStopped": answer("It is stopped.", schema("IoLoad")),
        "IoStatus": answer("What runs.", schema("IoStatus")),
        "Status": answer("Everything.", schema("Status")),
        "Fine": answer("It is fine.", object(&[("status", "=ok")])),
        "JobStarted": located(answer("It runs.", object(&job)), typed("string")),
        "Paths": answer("What there is.", json!({ "type": "array", "items": object(ROW) })),
        "Jobs": answer("The jobs that run.", object(&[("jobs", "Jobs")])),
        "Faults": answer("Whether there are faults on request, and those that are active.", object(FAULTS)),
        "Job": answer("The job.", schema("Job")),
        "Told": answer("What was done.", object(&[("done", "string")])),
        "Scenario": answer("The scenario.", schema("Scenario")),
        "ScenarioCurves": answer("Its curves.", schema("ScenarioCurves")),
        "History": answer("What was seen.", schema("History")),
    });
    for (name, statuses, codes, description) in ERRORS.iter().filter(|(name, ..)| !name.is_empty()) {
        let status = if let [status] = statuses { json!({ "const": status }) } else { json!({ "enum": statuses }) };
        let code = if codes.contains('|') { typed(codes) } else { json!({ "const": codes }) };
        let narrowed = json!({ "properties": { "error": { "properties": { "status": status, "code": code } } } });
        all[*name] = answer(description, with(schema("Error"), narrowed));
    }
    let (text, one) = (typed("string"), typed("=1"));
    all["401"]["headers"] = json!({ "WWW-Authenticate": { "required": true, "schema": text } });
    let sometimes = "Seconds; where trying again helps.";
    all["409"]["headers"] = json!({ "Retry-After": { "description": sometimes, "schema": one } });
    all["503"]["headers"] = json!({ "Retry-After": { "description": "Seconds.", "required": true, "schema": one } });
    all
}

/// The response of this name, or one that only one path has.
pub(crate) fn response(name: &str) -> Value {
    match name {
        "Contract" => answer("OpenAPI 3.1.", json!({ "type": "object" })),
        "Metrics" => {
            let text = json!({ "schema": { "type": "string" } });
            json!({
                "description": "In the classic text format, or in OpenMetrics.",
                "content": { "text/plain": text, "application/openmetrics-text": text },
            })
        }
        "Releasing" => {
            let what = "It will be released; `left` names what was still there when a client waited no longer.";
            located(answer(what, object(RELEASING)), typed("=/api/status"))
        }
        _ => reference("responses", name),
    }
}
