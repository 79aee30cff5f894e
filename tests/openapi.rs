//! The contract for machines: that it is one, describes every path there is and nothing else, and that answers are as it
//! says. `.ci/openapi` has a tester of its own look much closer.

use serde_json::Value;
use testero::consumer::api::table::{ROUTES, Route};

use super::harness::{Answer, Testero};
use super::json::Json;

fn document(testero: &Testero) -> Json {
    Json::parse(&testero.get("/openapi.json"))
}

fn members(value: &Json) -> &[(String, Json)] {
    let Json::Object(members) = value else { panic!("no object: {value:?}") };
    members
}

/// What a value refers to, or the value itself.
fn resolved<'d>(document: &'d Json, value: &'d Json) -> &'d Json {
    if !value.has("$ref") {
        return value;
    }
    let path = value["$ref"].string().strip_prefix("#/").unwrap();
    path.split('/').fold(document, |at, name| &at[name])
}

/// Why a value is not as a schema wants it: as much of JSON Schema as the document needs for answers.
fn mismatch(document: &Json, schema: &Json, value: &Json) -> Option<String> {
    let wrong = |what: &str| Some(format!("{what}: {value:?} is not {schema:?}"));
    if schema.has("$ref")
        && let Some(why) = mismatch(document, resolved(document, schema), value)
    {
        return Some(why);
    }
    let is_of = |name: &str| match name {
        "null" => *value == Json::Null,
        "boolean" => matches!(value, Json::Bool(_)),
        "string" => matches!(value, Json::Text(_)),
        "array" => matches!(value, Json::List(_)),
        "object" => matches!(value, Json::Object(_)),
        "number" => matches!(value, Json::Number(_)),
        "integer" => matches!(value, Json::Number(number) if number.fract() == 0.0),
        other => panic!("no type: {other}"),
    };
    match schema.at("type") {
        Json::Null => {}
        Json::List(types) if types.iter().any(|name| is_of(name.string())) => {}
        Json::Text(name) if is_of(name) => {}
        _ => return wrong("type"),
    }
    if schema.has("const") && schema["const"] != *value {
        return wrong("const");
    }
    if schema.has("enum") && !schema["enum"].list().contains(value) {
        return wrong("enum");
    }
    for (name, fits) in [("anyOf", 1..usize::MAX), ("oneOf", 1..2)] {
        if schema.has(name) {
            let fit = schema[name].list().iter().filter(|one| mismatch(document, one, value).is_none()).count();
            if !fits.contains(&fit) {
                return wrong(name);
            }
        }
    }
    match value {
        Json::Number(number) => {
            let below = schema.has("minimum") && *number < schema["minimum"].float();
            let above = schema.has("maximum") && *number > schema["maximum"].float();
            if below || above { wrong("bound") } else { None }
        }
        Json::List(values) if schema.has("items") => {
            values.iter().find_map(|one| mismatch(document, &schema["items"], one))
        }
        Json::Object(found) => {
            let required = if schema.has("required") { schema["required"].list() } else { &[] };
            if required.iter().any(|name| !value.has(name.string())) {
                return wrong("required");
            }
            if schema.has("maxProperties") && found.len() > schema["maxProperties"].whole() as usize {
                return wrong("maxProperties");
            }
            found.iter().find_map(|(name, member)| match schema.at("properties") {
                known if known.has(name) => mismatch(document, &known[name.as_str()], member),
                _ => match schema.at("additionalProperties") {
                    Json::Bool(false) => wrong(&format!("{name} is unknown")),
                    Json::Object(_) => mismatch(document, &schema["additionalProperties"], member),
                    _ => None,
                },
            })
        }
        _ => None,
    }
}

/// That an answer is one that the document describes for this path and method.
fn check(document: &Json, path: &str, method: &str, answer: &Answer) {
    let responses = &document["paths"][path][method]["responses"];
    let status = answer.status.to_string();
    assert!(responses.has(&status), "{method} {path}: {answer:?}");
    let response = resolved(document, &responses[status.as_str()]);
    let kind = answer.field("Content-Type").unwrap();
    let content = &response["content"][kind.split(';').next().unwrap()];
    if kind == "application/json" {
        let why = mismatch(document, &content["schema"], &Json::parse(&answer.body));
        assert_eq!(why, None, "{method} {path}: {answer:?}");
    }
    if response.has("headers") {
        for (name, header) in members(&response["headers"]) {
            let found = answer.field(name);
            assert!(found.is_some() || !header.has("required"), "{method} {path}: {answer:?}");
            let wanted = header.at("schema.const");
            assert!(found.is_none() || *wanted == Json::Null || found == Some(wanted.string()), "{answer:?}");
        }
    }
}

#[test]
fn the_contract_describes_every_path_and_method_and_nothing_else() {
    let testero = Testero::start();
    let document = document(&testero);
    assert!(document["openapi"].string().starts_with("3.1."));
    assert_eq!(document.text("info.version"), env!("CARGO_PKG_VERSION"));
    let mut described: Vec<String> = Vec::new();
    for (path, item) in members(&document["paths"]) {
        described.extend(members(item).iter().map(|(method, _)| format!("{} {path}", method.to_uppercase())));
    }
    described.sort();
    let mut there: Vec<String> = Vec::new();
    for (path, route) in ROUTES {
        // HEAD is where GET reads; it goes without saying.
        let methods = Route::methods(*route).iter().map(ToString::to_string).filter(|method| method != "HEAD");
        there.extend(methods.map(|method| format!("{method} {path}")));
    }
    there.sort();
    assert_eq!(described, there);
}

/// The first place where two documents differ.
fn difference(place: &str, golden: &Value, served: &Value) -> Option<String> {
    match (golden, served) {
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                difference(&format!("{place}/{name}"), &of(left), &of(right))
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(at, (left, right))| difference(&format!("{place}/{at}"), left, right)),
        _ if golden == served => None,
        _ => Some(format!("{place}: it was {golden}, and is {served}")),
    }
}

/// Clients have been made from the golden copy. To change it on purpose, write what is served over it, and read the diff:
/// `curl -s http://localhost:8080/openapi.json | python3 -m json.tool --indent 2 --no-ensure-ascii`.
#[test]
fn the_contract_says_what_its_golden_copy_says() {
    let mut golden: Value = serde_json::from_str(include_str!("contract/openapi.json")).unwrap();
    golden["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let served: Value = serde_json::from_str(&Testero::start().get("/openapi.json")).unwrap();
    assert_eq!(difference("", &golden, &served), None);
    assert_eq!(golden, served);
}

#[test]
fn every_name_in_the_contract_leads_somewhere_and_ids_are_unique() {
    fn walk<'d>(document: &'d Json, value: &'d Json, ids: &mut Vec<&'d str>, used: &mut Vec<&'d str>) {
        match value {
            Json::Object(found) => {
                for (name, member) in found {
                    if name == "$ref" {
                        resolved(document, value);
                        used.push(member.string());
                    }
                    if name == "operationId" && value.has("responses") {
                        ids.push(member.string());
                    }
                    walk(document, member, ids, used);
                }
            }
            Json::List(values) => values.iter().for_each(|one| walk(document, one, ids, used)),
            _ => {}
        }
    }
    let testero = Testero::start();
    let document = document(&testero);
    let (mut ids, mut used) = (Vec::new(), Vec::new());
    walk(&document, &document, &mut ids, &mut used);
    let operations = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), operations);
    for (kind, components) in members(&document["components"]) {
        for (name, _) in members(components).iter().filter(|_| kind != "securitySchemes") {
            assert!(used.contains(&format!("#/components/{kind}/{name}").as_str()), "{kind}/{name} is not used");
        }
    }
}

#[test]
fn the_contract_is_json_for_everybody() {
    let testero = Testero::start_with(&[], &[("TOKEN", "secret"), ("TOKENREADS", "on")]);
    for fields in ["", "Accept: application/json\r\n", "Accept: text/plain\r\n"] {
        let answer = testero.ask_with("GET", "/openapi.json", fields, "");
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("application/json")), "{answer:?}");
        Json::parse(&answer.body);
    }
    assert_eq!(testero.ask_json("GET", "/api/status").0.status, 401);
    assert_eq!(testero.ask_json("POST", "/openapi.json").0.status, 405);
    let head = testero.ask("HEAD", "/openapi.json");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn answers_are_as_the_contract_says() {
    let variables = [("HIGHMEMLIM", "33554432"), ("HIGHFILELIM", "33554432"), ("HIGHPIDLIM", "50"), ("FAULTS", "on")];
    let testero = Testero::start_with(&[], &variables);
    let document = document(&testero);
    for (method, target, status) in [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/api", 200),
        ("GET", "/api/status", 200),
        ("POST", "/api/mem/set?amount=30.1Mi&dry_run=true", 200),
        ("POST", "/api/mem/set?amount=1Mi&wait=true&ttl=5m&touch=10s", 200),
        ("PUT", "/api/mem/add?amount=50pct&dry_run=true", 200),
        ("GET", "/api/mem/set?amount=900Gi", 422),
        ("GET", "/api/mem/set?amount=900Gi&dry_run=true", 200),
        ("GET", "/api/mem/set", 400),
        ("GET", "/api/mem/getdef", 200),
        ("GET", "/api/mem/getact", 200),
        ("GET", "/api/mem", 200),
        ("POST", "/api/io/load?duration=5m", 422),
        ("GET", "/api/io", 200),
        ("PUT", "/api/disk/set?amount=1Mi&wait=true", 200),
        ("POST", "/api/io/load?duration=5m&rate=1Mi", 202),
        ("POST", "/api/cpu/load?duration=5m&cpu=10m", 202),
        ("POST", "/api/cpu/load?duration=5m&cpu=10m", 409),
        ("POST", "/api/cpu/load?duration=5m&cpu=10m&dry_run=true", 200),
        ("GET", "/api/cpu", 200),
        ("GET", "/api/io/getact", 200),
        ("POST", "/api/pid/set?amount=10&over=10m", 202),
        ("GET", "/api/pid/getact", 409),
        ("GET", "/api/status", 200),
        ("POST", "/api/cpu/stop?id=1", 409),
        ("DELETE", "/api/cpu", 200),
        ("DELETE", "/api/pid", 202),
        ("DELETE", "/api/mem?wait=true", 200),
        ("POST", "/readyz/disable?for=5m", 200),
        ("GET", "/readyz", 503),
        ("POST", "/readyz/enable", 200),
        ("GET", "/readyz", 200),
        ("POST", "/fault/status?code=99", 400),
        ("POST", "/fault/delay?ms=1&for=0", 200),
        ("POST", "/ConsumeMem?megabytes=1&durationSec=1", 200),
        ("POST", "/ConsumeMem?megabytes=99999&durationSec=1", 422),
        ("POST", "/BumpMetric?metric=qps&delta=2.5&durationSec=1", 200),
        ("POST", "/GetCurrentStatus", 200),
        ("GET", "/api/jobs", 200),
        ("DELETE", "/api/cpu", 200),
        ("DELETE", "/api/jobs", 200),
        ("DELETE", "/fault/delay", 200),
        ("DELETE", "/fault", 200),
        ("POST", "/api/mem/set?amount=max-2Gi", 422),
        ("DELETE", "/api?wait=true", 200),
        ("DELETE", "/api", 202),
    ] {
        let (answer, _) = testero.ask_json(method, target);
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        check(&document, target.split('?').next().unwrap(), &method.to_lowercase(), &answer);
    }
    for target in ["/api/mem/set?amount=1Mi&follow=true", "/metrics"] {
        let answer = testero.ask_with("GET", target, "Accept: application/json\r\n", "");
        check(&document, target.split('?').next().unwrap(), "get", &answer);
    }
    let foreign = "Accept: application/json\r\nSec-Fetch-Site: cross-site\r\n";
    check(&document, "/api", "delete", &testero.ask_with("DELETE", "/api", foreign, ""));
}

#[test]
fn what_is_wrong_is_seen() {
    let document = Json::parse(r##"{"a":{"type":"integer","minimum":0}}"##);
    for (schema, value, fits) in [
        (r#"{"type":["integer","null"]}"#, "null", true),
        (r#"{"type":["integer","null"]}"#, "1.5", false),
        (r##"{"$ref":"#/a"}"##, "5", true),
        (r##"{"$ref":"#/a"}"##, "-5", false),
        (r##"{"$ref":"#/a","const":4}"##, "5", false),
        (r#"{"enum":["x","y"]}"#, r#""z""#, false),
        (r#"{"required":["x"]}"#, "{}", false),
        (r#"{"properties":{"x":{"type":"string"}}}"#, r#"{"x":1}"#, false),
        (r#"{"properties":{"x":{}},"additionalProperties":false}"#, r#"{"x":1,"y":1}"#, false),
        (r#"{"items":{"type":"string"}}"#, r#"["x",1]"#, false),
        (r##"{"oneOf":[{"$ref":"#/a"},{"type":"number"}]}"##, "1", false),
    ] {
        let found = mismatch(&document, &Json::parse(schema), &Json::parse(value));
        assert_eq!(found.is_none(), fits, "{schema} {value}: {found:?}");
    }
}
