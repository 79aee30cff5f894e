//! What the service remembers of the last ten minutes.

use crate::harness::{Testero, eventually};

/// The history, once it has come to this.
fn remembered(testero: &Testero, what: &str, check: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let mut seen = serde_json::Value::Null;
    eventually(what, || {
        let answer = testero.ask("GET", "/api/history?format=json");
        seen = serde_json::from_str(&answer.body).unwrap();
        check(&seen)
    });
    seen
}

fn happened(history: &serde_json::Value, group: Option<&str>, what: &str) -> bool {
    history["events"].as_array().unwrap().iter().any(|event| event["group"].as_str() == group && event["what"] == what)
}

#[test]
fn what_was_held_is_there_after_it_is_gone() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    testero.json("POST", "/api/mem/set?amount=8Mi&exact=true&wait=true", 200);
    testero.json("POST", "/api/cpu/load?cpu=100m&time=60s", 202);
    testero.json("POST", "/readyz/disable?for=60s", 200);
    testero.json("POST", "/fault/delay?ms=1&for=60s", 200);
    let eight = |history: &serde_json::Value| {
        let points = history["curves"]["mem"]["held"].as_array().unwrap();
        points.iter().any(|point| point == 8 << 20) && happened(history, Some("cpu"), "load")
    };
    let history = remembered(&testero, "it is remembered", eight);
    assert!(happened(&history, Some("mem"), "set") && happened(&history, None, "not ready"), "{history}");
    let fault = history["events"].as_array().unwrap().iter().find(|event| event["what"] == "fault").unwrap();
    assert_eq!(fault["by"], "delay of 1 ms");
    testero.json("POST", "/fault/delay?ms=2&for=60s", 200);
    let other = |history: &serde_json::Value| {
        history["events"].as_array().unwrap().iter().any(|event| event["by"] == "delay of 2 ms")
    };
    remembered(&testero, "another fault of the same name is one", other);
    testero.json("DELETE", "/api?wait=true", 200);
    testero.json("DELETE", "/fault", 200);
    let gone = |history: &serde_json::Value| {
        history["curves"]["mem"]["held"].as_array().unwrap().last() == Some(&0.into())
            && happened(history, None, "fault over")
            && happened(history, Some("cpu"), "ended")
    };
    let history = remembered(&testero, "the end is remembered", gone);
    assert!(eight(&history) && happened(&history, Some("mem"), "released"), "{history}");
}

#[test]
fn each_second_is_told_once_to_who_asks_for_what_is_new() {
    let testero = Testero::start();
    let first = remembered(&testero, "two seconds", |history| history["next"].as_u64() >= Some(2));
    let next = first["next"].as_u64().unwrap();
    let mut new = serde_json::Value::Null;
    eventually("a new second", || {
        let answer = testero.ask("GET", &format!("/api/history?from={next}&format=json"));
        new = serde_json::from_str(&answer.body).unwrap();
        new["next"].as_u64() > Some(next)
    });
    assert_eq!(new["from"], next);
    let points = new["curves"]["pid"]["held"].as_array().unwrap().len() as u64;
    assert_eq!(points, new["next"].as_u64().unwrap() - next);
    // What is still to come is of another process.
    let answer = testero.ask("GET", "/api/history?from=999999&format=json");
    let all: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(all["from"], first["from"]);
    let (status, wrong) = testero.status_and_json("GET", "/api/history?from=soon");
    assert_eq!(status, 400, "{wrong:?}");
}

#[test]
fn in_text_it_is_a_table() {
    let testero = Testero::start();
    remembered(&testero, "two seconds", |history| history["next"].as_u64() >= Some(2));
    let text = testero.get("/api/history");
    let names = "seconds,memory_bytes,cpu_cores,disk_bytes,io_bytes_per_second,inodes,pids,fds";
    assert!(text.starts_with(&format!("{names}\n0,0,,0,,0,0,0\n1,0,")), "{text}");
}
