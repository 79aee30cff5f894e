//! Who did what: the log, for people and for programs.

use std::io::{Read, Write};
use std::net::SocketAddr;

use crate::harness::{Answer, Testero, eventually};
use crate::json::Json;
use crate::process::{is_log_line, program, run};

/// Method, target, header fields, body.
type Sent<'s> = (&'s str, &'s str, &'s [(&'s str, &'s str)], &'s str);

#[test]
fn log_lines_cannot_be_forged() {
    for format in ["text", "json"] {
        let testero = Testero::start_with(&[], &[("LOGFORMAT", format), ("FAULTS", "on")]);
        let forged = "2021/04/04 12:14:04 FORGED";
        let encoded = "%0a2021/04/04%2012:14:04%20FORGED%0d%0a%00%1b[31m%e2%80%a8";
        let mut raw = Vec::new();
        for byte in (1..=255u8).filter(|byte| !matches!(byte, b'\r' | b'\n' | b'%' | b'#')) {
            raw.push(byte);
        }
        for target in [
            format!("/api/mem/set?size={encoded}"),
            format!("/api/disk/set?size=1&kind={encoded}&amount={encoded}"),
            format!("/api/mem/set?amount={encoded}&format=json&{encoded}=1"),
            format!("/api/cpu/load?time={encoded}"),
            format!("/api/cpu/stop?id={encoded}"),
            format!("/BumpMetric?metric={encoded}&delta=1&durationSec=1"),
            format!("/readyz/disable?for={encoded}"),
            format!("/fault/delay?ms={encoded}"),
            format!("/{encoded}"),
        ] {
            for agent in [b"\"} \t\x1b[2J\\n \xe2\x80\xa8 \x01\x7f".as_slice(), &raw, &b"x".repeat(4000)] {
                let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: ");
                testero.raw(&[head.as_bytes(), agent, b"\r\n\r\n"].concat());
            }
        }
        let body = format!("metric=x\r\n{forged}&delta=1&durationSec=1\n{forged}\n");
        testero.form("/BumpMetric", &body);
        testero.form("/ConsumeCPU", &body);
        testero.form("/readyz/disable", &format!("for=\n{forged}\n"));
        testero.signal(libc::SIGTERM);
        let (_, _, log) = testero.wait();
        assert!(log.contains("FORGED"), "nothing was logged: {log}");
        for line in log.lines() {
            assert!(!line.starts_with(forged) && line.len() < 1500, "{line}");
            assert!(!line.chars().any(|letter| letter.is_control() || letter == '\u{2028}'), "{line:?}");
            if format == "json" {
                Json::parse(line);
            } else {
                assert!(is_log_line(line), "{line}");
            }
        }
    }
}

/// A running service that logs JSON, with all that is told of its pod.
fn in_a_pod() -> Testero {
    let pod = [("POD_NAME", "load-\"7\\d"), ("NODE_NAME", "node-1"), ("POD_NAMESPACE", "tests")];
    Testero::start_with(&[], &[&pod[..], &[("LOGFORMAT", "json"), ("HIGHMEMLIM", "many"), ("FAULTS", "on")]].concat())
}

#[test]
fn an_outcome_that_is_a_sentence_ends_once() {
    for format in ["text", "json"] {
        let variables = [("LOGFORMAT", format), ("HIGHMEMLIM", "10000000"), ("HIGHFILELIM", "10000000")];
        let testero = Testero::start_with(&[], &variables);
        for target in ["/api/mem/set?size=20000000", "/api/disk/set?size=20000000", "/api/cpu/load?time=x"] {
            testero.ask("POST", target);
        }
        eventually("the refusals are logged", || testero.log().matches(" by 127.0.0.1:").count() >= 3);
        let log = testero.log();
        assert!(log.contains("limit: 10000000 bytes, 0.0"), "{log}");
        assert!(!log.contains(".,"), "{log}");
    }
}

#[test]
fn every_line_of_a_json_log_is_json() {
    let testero = in_a_pod();
    testero.get("/api/mem/set?size=1000000");
    testero.settled("mem");
    testero.ask("POST", "/fault/log?lines=3&rate=100");
    eventually("lines are logged", || testero.log().contains("log line 3"));
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    assert!(log.lines().count() > 10, "{log}");
    for line in log.lines().map(Json::parse) {
        assert!(!line.text("message").is_empty() && line.text("time").ends_with('Z'), "{line:?}");
        assert!(["info", "warn", "error"].contains(&line.text("level")), "{line:?}");
        let pod = (line.text("pod"), line.text("node"), line.text("namespace"));
        assert_eq!(pod, ("load-\"7\\d", "node-1", "tests"));
    }
    for words in ["HIGHMEMLIM is not a number", "Starting web server on", "CreateParts(): Request", "Signal received"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

#[test]
fn what_ends_the_start_is_a_line_of_json_too() {
    let output = run(&mut program(&[], &[("LOGFORMAT", "json"), ("DATADIR", "/does/not/exist")]));
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("/does/not/exist"), "{log}");
    log.lines().map(Json::parse).for_each(drop);
}

#[test]
fn the_pod_is_told_in_the_status_and_the_metrics() {
    let testero = in_a_pod();
    let report = testero.report();
    let pod = (report.text("pod"), report.text("node"), report.text("namespace"));
    assert_eq!(pod, ("load-\"7\\d", "node-1", "tests"));
    let status = testero.get("/api/status");
    assert!(["load-\"7\\d", "node-1", "tests"].iter().all(|name| status.contains(name)), "{status}");
    for accept in ["text/plain", "application/openmetrics-text"] {
        let page = testero.send("GET", "/metrics", &[("Accept", accept)], "").body;
        let info = page.lines().find(|line| line.starts_with("testero_build_info{")).unwrap();
        for label in [r#"pod="load-\"7\\d""#, r#"node="node-1""#, r#"namespace="tests""#, "version=\"0.1.0\""] {
            assert!(info.contains(label), "{info}");
        }
    }
    let bare = Testero::start();
    assert!(!bare.get("/metrics").contains("pod=") && bare.report().at("pod") == &Json::Null);
}

/// The lines of a JSON log that tell what came of what a user agent asked for. On a slow machine, anything may take long
/// and have a line when it begins as well.
fn lines_of(log: &str, agent: &str) -> Vec<Json> {
    let lines = log.lines().map(Json::parse).filter(|line| line.at("outcome") != &Json::Null);
    lines.filter(|line| line.at("agent") == &Json::Text(agent.to_owned())).collect()
}

/// Sends requests one after the other, each by an agent of its own, and returns each answer with what was
/// logged of it by the end.
fn audited(testero: Testero, requests: &[Sent<'_>]) -> Vec<(Answer, Vec<Json>)> {
    let agent = |place: usize| format!("agent {place}.");
    let mut answers = Vec::new();
    for (place, (method, target, fields, body)) in requests.iter().enumerate() {
        let agent = agent(place);
        answers.push(testero.send(method, target, &[fields, &[("User-Agent", &*agent)][..]].concat(), body));
        for group in ["mem", "disk"] {
            testero.settled(group);
        }
    }
    // The lines of works come when these end.
    eventually("all works are over", || {
        let report = testero.report();
        report.number("groups.cpu.jobs") + report.number("groups.mem.jobs") == 0.0
            && ["cpu", "io"].iter().all(|load| report.text(&format!("groups.{load}.state")) == "idle")
    });
    // Then the log is whole.
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    let lines = (0..requests.len()).map(|place| lines_of(&log, &agent(place)));
    answers.into_iter().zip(lines).collect()
}

const FORM: &[(&str, &str)] = &[("Content-Type", "application/x-www-form-urlencoded")];
const EVIL: &[(&str, &str)] = &[("Origin", "http://evil.example")];

#[test]
fn every_change_is_one_line_with_all_there_is_to_know() {
    let testero = in_a_pod();
    let requests: [Sent<'_>; 14] = [
        ("GET", "/api/mem/set?size=1000000", &[], ""),
        ("PUT", "/api/disk/add?size=1000000&format=json", &[], ""),
        ("POST", "/api/inode/set?count=3", &[], ""),
        ("POST", "/api/pid/set?count=3", &[], ""),
        ("POST", "/api/fd/set?count=3", &[], ""),
        ("GET", "/api/cpu/load?time=1", &[], ""),
        ("POST", "/api/io/load?time=1", &[], ""),
        ("DELETE", "/api/mem", &[], ""),
        ("DELETE", "/api/cpu", &[], ""),
        ("POST", "/readyz/disable?for=1s", &[], ""),
        ("POST", "/fault/delay?ms=1&for=1s", &[], ""),
        ("POST", "/ConsumeCPU?millicores=20&durationSec=1", &[], ""),
        ("POST", "/ConsumeMem", FORM, "megabytes=1&durationSec=1"),
        ("POST", "/BumpMetric?metric=qps&delta=1&durationSec=1", &[], ""),
    ];
    let mut wrong = Vec::new();
    for ((method, target, _, body), (answer, lines)) in requests.iter().zip(audited(testero, &requests)) {
        assert!(matches!(answer.status, 200 | 202), "{target}: {answer:?}");
        if lines.len() != 1 {
            wrong.push(format!("{method} {target}: {} lines: {lines:?}", lines.len()));
        }
        for line in &lines {
            let asked = line.text("asked");
            assert!(asked.starts_with(&format!("{method} {target}")) && asked.contains(body), "{asked}");
            assert!(line.text("peer").parse::<SocketAddr>().unwrap().ip().is_loopback(), "{line:?}");
            assert!(!line.text("outcome").contains("refused") && line.number("seconds") < 20.0, "{line:?}");
            for part in [asked, line.text("outcome")] {
                assert!(line.text("message").contains(part), "{line:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_change_is_logged_with_the_id_that_was_answered() {
    let testero = in_a_pod();
    let requests: [Sent<'_>; 6] = [
        ("GET", "/api/mem/set?size=1000000", &[], ""),
        ("GET", "/api/disk/set?size=1000000", &[], ""),
        ("POST", "/api/cpu/load?time=1", &[], ""),
        ("POST", "/ConsumeCPU?millicores=20&durationSec=1", &[], ""),
        ("POST", "/readyz/enable", &[], ""),
        ("DELETE", "/api/cpu", &[], ""),
    ];
    let mut wrong = Vec::new();
    for ((method, target, ..), (answer, lines)) in requests.iter().zip(audited(testero, &requests)) {
        let digits = |text: &str| text.len() == 19 && text.bytes().all(|byte| byte.is_ascii_digit());
        let told = answer.body.split([' ', ',', '\n']).find(|word| digits(word));
        for line in &lines {
            match line.at("id") {
                Json::Text(id) if digits(id) && told.is_none_or(|told| told == id) => {}
                other => wrong.push(format!("{method} {target}: id {other:?} for {told:?}: {}", line.text("message"))),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_refused_change_is_one_line_too() {
    let variables = [("LOGFORMAT", "json"), ("HIGHMEMLIM", "10000000"), ("FAULTS", "on")];
    let testero = Testero::start_with(&[], &variables);
    let requests: [Sent<'_>; 16] = [
        ("GET", "/api/mem/set?size=abc", &[], ""),
        ("GET", "/api/mem/set", &[], ""),
        ("POST", "/api/mem/set?size=20000000", &[], ""),
        ("POST", "/api/mem/set?size=20000000&format=json", &[], ""),
        ("POST", "/api/mem/set?size=1&wait=perhaps", &[], ""),
        ("POST", "/api/mem/set?size=1", EVIL, ""),
        ("DELETE", "/api", EVIL, ""),
        ("GET", "/api/cpu/load?time=abc", &[], ""),
        ("GET", "/api/cpu/stop?id=12", &[], ""),
        ("POST", "/readyz/disable?for=abc", &[], ""),
        ("GET", "/readyz/disable", &[], ""),
        ("DELETE", "/api/mem/set?size=1&format=json", &[], ""),
        ("POST", "/fault/status?code=x", &[], ""),
        ("POST", "/ConsumeMem?megabytes=600&durationSec=10", &[], ""),
        ("POST", "/ConsumeCPU?millicores=abc&durationSec=10", &[], ""),
        ("GET", "/ConsumeCPU?millicores=10&durationSec=10", &[], ""),
    ];
    let mut wrong = Vec::new();
    for ((method, target, ..), (_, lines)) in requests.iter().zip(audited(testero, &requests)) {
        let fine = |line: &Json| line.text("outcome").contains("refused") && line.text("asked").starts_with(method);
        if lines.len() != 1 || !fine(&lines[0]) {
            wrong.push(format!("{method} {target}: {} lines: {lines:?}", lines.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_release_of_everything_is_one_line_too() {
    let testero = in_a_pod();
    testero.get("/api/mem/set?size=1000000");
    testero.settled("mem");
    let answers = audited(testero, &[("DELETE", "/api", &[], "")]);
    let (answer, lines) = &answers[0];
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(lines.iter().all(|line| line.text("asked") == "DELETE /api"), "{lines:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_line_of_text_tells_who_asked_for_what_and_what_came_of_it() {
    let testero = Testero::start();
    let mut stream = testero.connect();
    let peer = stream.local_addr().unwrap();
    let request =
        "GET /api/mem/set?size=1000000 HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let body = Answer::parse(&bytes).body;
    let id = body.split_once("id#: ").unwrap().1.split(',').next().unwrap().to_owned();
    eventually("the work is logged", || testero.log().contains("done"));
    let log = testero.log();
    let line = log.lines().find(|line| line.contains("GET /api/mem/set")).unwrap();
    for part in [&*id, "GET /api/mem/set?size=1000000", &peer.to_string(), "curl/8", "done", " s"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
