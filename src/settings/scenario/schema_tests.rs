//! The schema and the reader say the same of a file. A small validator here knows the keywords that the schema uses.

use std::fs;

use serde_json::{Value, json};

use super::examples::{EXAMPLES, schema};
use super::read;
use crate::yaml::{self, Node};

/// Whether a value is as a schema says.
fn is_valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Some(keywords) = schema.as_object() else { return schema.as_bool().unwrap() };
    let is = |schema: &Value| is_valid(root, schema, value);
    let number_of = |all: &Value| all.as_array().unwrap().iter().filter(|schema| is(schema)).count();
    let is_a = |kind: &Value| match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the type {other} is not known here"),
    };
    let size = value.as_array().map(Vec::len).or(value.as_object().map(serde_json::Map::len));
    keywords.iter().all(|(keyword, wanted)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => is(root.pointer(wanted.as_str().unwrap().strip_prefix('#').unwrap()).unwrap()),
        "type" => wanted.as_array().map_or_else(|| is_a(wanted), |kinds| kinds.iter().any(is_a)),
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "anyOf" => number_of(wanted) > 0,
        "oneOf" => number_of(wanted) == 1,
        "not" => !is(wanted),
        "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "properties" => value.as_object().is_none_or(|members| {
            members.iter().all(|(key, value)| wanted.get(key).is_none_or(|schema| is_valid(root, schema, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let known = |key: &String| keywords.get("properties").is_some_and(|all| all.get(key).is_some());
            members.iter().all(|(key, value)| known(key) || is_valid(root, wanted, value))
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(root, wanted, item))),
        "minItems" | "minProperties" => size.is_none_or(|size| size as u64 >= wanted.as_u64().unwrap()),
        "maxItems" | "maxProperties" => size.is_none_or(|size| size as u64 <= wanted.as_u64().unwrap()),
        "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| fits(wanted.as_str().unwrap(), text)),
        other => panic!("the keyword {other} is not known here"),
    })
}

/// Whether a text has the form of one of the schema's patterns. There is no engine for them here, so each is known.
fn fits(pattern: &str, text: &str) -> bool {
    if pattern.starts_with("^x[") {
        return text.strip_prefix('x').is_some_and(|factor| factor.parse::<f64>().is_ok());
    }
    if pattern.starts_with("^(x|to ") {
        return text.starts_with('x') || text.starts_with("to ");
    }
    let is_time = pattern.contains("(h|m|s|ms)");
    assert!(is_time || pattern.contains("pct|%"), "the pattern {pattern} is not known here");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let units: &[&str] =
        if is_time { &["h", "m", "s", "ms"] } else { &["n", "u", "k", "M", "G", "T", "P", "E", "pct", "%", "cores"] };
    let unit = text[end..].trim_start_matches(' ').trim_end_matches('B').trim_end_matches('i');
    let unit = unit.split(|c: char| c.is_ascii_digit()).next().unwrap();
    end > 0
        && (unit.is_empty() || unit == "m" || units.contains(&unit) || !is_time && text[end..].starts_with(['e', 'E']))
}

/// A tree as JSON has it.
fn json_of(node: &Node) -> Value {
    if let Some(pairs) = node.as_mapping() {
        let members = pairs.iter().map(|(key, value)| (key.text().unwrap().to_owned(), json_of(value)));
        return Value::Object(members.collect());
    }
    if let Some(items) = node.as_sequence() {
        return items.iter().map(json_of).collect();
    }
    if let Some(number) = node.as_integer() {
        return number.into();
    }
    let text = node.text().unwrap();
    node.as_bool().map(Value::Bool).or_else(|| serde_json::from_str(text).ok()).unwrap_or_else(|| text.into())
}

#[test]
fn every_example_is_as_the_schema_says_and_is_read() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let folder = tempfile::tempdir().unwrap();
    for example in &EXAMPLES {
        fs::write(folder.path().join(example.name), example.text()).unwrap();
    }
    for example in EXAMPLES.iter().filter(|example| !example.name.ends_with(".csv")) {
        let tree = json_of(&yaml::parse(&example.text()).unwrap());
        assert!(is_valid(&schema, &schema, &tree), "{}: {tree:#}", example.name);
        let scenario = read(example.name, &example.text(), Some(folder.path()));
        assert!(scenario.is_ok_and(|scenario| scenario.length.is_some()), "{}", example.name);
    }
}

#[test]
fn what_the_schema_refuses_the_reader_refuses() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let cases = |track: Value| json!({"version": 1, "tracks": {"memory": track}});
    let spikes = json!({"height": "1Mi", "length": "1s", "every": "5s"});
    let with = |base: &Value, key: &str, value: Value| {
        let mut changed = base.clone();
        changed[key] = value;
        changed
    };
    let good = [
        cases(json!({"constant": 5})),
        cases(json!({"constant": "512.0 MiB"})),
        cases(json!({"constant": {"amount": "5Mi"}, "begin": 1, "end": "5m"})),
        cases(json!({"spikes": spikes, "at_limit": "stop"})),
        cases(json!({"sum": [{"leak": {"rate": 1, "until": "50pct"}}, {"steps": [{"at": 0, "amount": "1e3"}]}]})),
        cases(json!({"square": {"low": 0, "high": 1, "period": "1h30m", "duty": "25%"}})),
        with(&cases(json!({"ramp": {"from": 0, "to": 1, "over": 5}})), "repeat", json!("forever")),
        with(&cases(json!({"constant": "50pct"})), "scale", json!("x0.333333")),
        json!({"version": 1, "tracks": {"fault": [{"at": 1, "kind": "term"}], "ready": [{"at": 0, "for": 1, "is": false}]}}),
    ];
    let base = &good[0];
    let bad = [
        json!([]),
        json!({"version": 1}),
        json!({"tracks": {"memory": {"constant": 1}}}),
        with(base, "version", json!(2)),
        with(base, "speed", json!(0)),
        with(base, "speed", json!("fast")),
        with(base, "repeat", json!(0)),
        with(base, "repeat", json!("often")),
        with(base, "length", json!("long")),
        with(base, "start", json!({"offset": {}})),
        with(base, "start", json!({"offset": {"ordinal": 1, "hash": 1}})),
        with(base, "on_restart", json!("never")),
        with(base, "scale", json!("half")),
        with(base, "scale", json!("0.5")),
        with(base, "scale", json!(0.5)),
        with(base, "more", json!(1)),
        with(base, "tracks", json!({})),
        with(base, "tracks", json!({"gpu": {"constant": 1}})),
        cases(json!({})),
        cases(json!({"constant": "5MX"})),
        cases(json!({"constant": -1})),
        cases(json!({"constant": 1, "ramp": {"from": 0, "to": 1, "over": 1}})),
        cases(json!({"constant": 1, "at_limit": "burst"})),
        cases(json!({"ramp": {"from": 0, "to": 1}})),
        cases(json!({"sum": []})),
        cases(json!({"sum": [{"constant": 1}], "begin": 5})),
        cases(json!({"sum": [{"constant": 1, "at_limit": "clip"}]})),
        cases(json!({"steps": []})),
        cases(json!({"steps": [{"at": 1}]})),
        cases(json!({"leak": {"rate": 1, "until": 2, "then": "burst"}})),
        cases(json!({"square": {"low": 0, "high": 1, "period": 1, "duty": 2}})),
        cases(json!({"spikes": with(&spikes, "seed", json!(-1))})),
        cases(json!({"spikes": with(&spikes, "often", json!(1))})),
        cases(json!({"trace": {}})),
        cases(json!({"trace": {"file": "a", "csv": "b"}})),
        cases(json!({"trace": {"csv": "seconds,memory_bytes\n0,1", "scale": "half"}})),
        cases(json!({"trace": {"csv": "seconds,memory_bytes\n0,1", "gaps": "guess"}})),
        json!({"version": 1, "tracks": {"fault": [{"at": 1, "kind": "hang", "ms": 1}]}}),
        json!({"version": 1, "tracks": {"fault": [{"at": 1, "kind": "status", "code": 200}]}}),
        json!({"version": 1, "tracks": {"fault": [{"at": 1, "kind": "delay"}]}}),
        json!({"version": 1, "tracks": {"ready": [{"at": 0, "for": 1, "is": "maybe"}]}}),
    ];
    for case in &good {
        assert!(is_valid(&schema, &schema, case), "{case:#}");
        let faults = read("a.json", &case.to_string(), None).err();
        assert_eq!(faults, None, "{case:#}");
    }
    for case in &bad {
        assert!(!is_valid(&schema, &schema, case), "{case:#}");
        assert!(read("a.json", &case.to_string(), None).is_err(), "{case:#}");
    }
}
