//! What becomes of a change: who waits for it, the log and the metrics all tell the same.

use std::thread;

use crate::harness::{Answer, Testero, eventually};
use crate::json::Json;
use crate::shutdown::rounds;

const JSON: (&str, &str) = ("Accept", "application/json");

/// A running service that logs JSON and holds some files.
fn logging() -> Testero {
    let testero = Testero::start_with(&[], &[("LOGFORMAT", "json")]);
    testero.json("POST", "/api/disk/set?amount=5Mi&wait=true", 200);
    testero
}

/// The lines of the log that tell of this agent: those of beginnings, and those of ends.
fn lines(log: &str, agent: &str) -> (Vec<Json>, Vec<Json>) {
    let lines = log.lines().map(Json::parse).filter(|line| line.at("agent") == &Json::Text(agent.to_owned()));
    lines.partition(|line| line.at("outcome") == &Json::Null)
}

/// The ends in a log of what this agent asked for: there must be one.
fn end(log: &str, agent: &str) -> Json {
    let (_, mut ends) = lines(log, agent);
    assert_eq!(ends.len(), 1, "{ends:?}\n{log}");
    ends.remove(0)
}

/// Things that take long, each with what ends it.
const LONG: [(&str, &str, &str); 5] = [
    ("mem", "/api/mem/set?amount=20Mi&over=10m", "/api/mem?wait=true"),
    ("disk", "/api/disk/set?amount=20Mi&over=10m", "/api/disk?wait=true"),
    ("pid", "/api/pid/set?count=20&over=10m", "/api/pid?wait=true"),
    ("cpu", "/api/cpu/load?cpu=10m&time=600", "/api/cpu"),
    ("io", "/api/io/load?time=600&rate=1Mi", "/api/io"),
];

/// Asks for it as this agent and waits, while something else goes on.
fn waited(testero: &Testero, agent: &str, group: &str, asked: &str, as_json: bool, end: impl FnOnce()) -> Answer {
    let fields = [("User-Agent", agent), JSON];
    let fields = if as_json { &fields[..] } else { &fields[..1] };
    thread::scope(|scope| {
        let waiting = scope.spawn(move || testero.send("POST", &format!("{asked}&wait=true"), fields, ""));
        testero.in_state(group, "working");
        end();
        waiting.join().unwrap()
    })
}

/// All things that take long, again and again, as a race is run.
fn races() -> impl Iterator<Item = (String, (&'static str, &'static str, &'static str))> {
    LONG.into_iter()
        .cycle()
        .take(rounds().max(LONG.len()))
        .enumerate()
        .map(|(round, long)| (format!("agent {round}"), long))
}

#[test]
fn what_a_release_cancels_is_409_for_who_waits_and_one_line_in_the_log() {
    let testero = logging();
    for (agent, (group, asked, release)) in races() {
        let answer = waited(&testero, &agent, group, asked, true, || drop(testero.ask("DELETE", release)));
        let error = Json::parse(&answer.body);
        assert_eq!((answer.status, error.text("error.code")), (409, "cancelled"), "{group}: {answer:?}");
        eventually("it is logged", || !lines(&testero.log(), &agent).1.is_empty());
        testero.in_state(group, "idle");
        if group == "disk" {
            testero.json("POST", "/api/disk/set?amount=5Mi&wait=true", 200);
        }
    }
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    for (agent, (group, ..)) in races() {
        let line = end(&log, &agent);
        assert_eq!((line.text("outcome"), line.text("group")), ("cancelled", group), "{line:?}");
    }
    assert!(!log.contains("failed"), "{log}");
}

#[test]
fn who_waits_for_text_is_told_that_it_was_cancelled() {
    let testero = logging();
    for (agent, (group, asked, release)) in races() {
        let answer = waited(&testero, &agent, group, asked, false, || drop(testero.ask("DELETE", release)));
        let last = answer.body.lines().nth(1);
        assert_eq!((answer.status, last), (200, Some("Last request cancelled")), "{group}: {answer:?}");
        testero.in_state(group, "idle");
        if group == "disk" {
            testero.json("POST", "/api/disk/set?amount=5Mi&wait=true", 200);
        }
    }
}

#[test]
fn what_a_stop_cuts_short_is_told_as_such() {
    for as_json in [true, false] {
        for (agent, (group, asked, _)) in races() {
            let testero = logging();
            let answer = waited(&testero, &agent, group, asked, as_json, || testero.signal(libc::SIGTERM));
            assert_eq!(answer.status, 503, "{group}: {answer:?}");
            assert!(answer.body.contains("the service stops"), "{group}: {answer:?}");
            let (status, _, log) = testero.wait();
            assert!(status.success(), "{group}: {status}");
            let line = end(&log, &agent);
            assert_eq!((line.text("outcome"), line.text("group")), ("stopped", group), "{line:?}");
        }
    }
}

#[test]
fn jobs_that_a_stop_or_a_release_cuts_short_are_told_as_such() {
    for (outcome, stop) in [("stopped", true), ("cancelled", false)] {
        let testero = logging();
        for (agent, job) in [("a", "/ConsumeCPU?millicores=10"), ("b", "/ConsumeMem?megabytes=1")] {
            let answer = testero.send("POST", &format!("{job}&durationSec=600"), &[("User-Agent", agent)], "");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        eventually("it is held", || testero.group("mem").number("jobs_held") > 0.0);
        if !stop {
            testero.json("DELETE", "/api?wait=true", 200);
            eventually("both have ended", || ["a", "b"].iter().all(|agent| !lines(&testero.log(), agent).1.is_empty()));
        }
        testero.signal(libc::SIGTERM);
        let (_, _, log) = testero.wait();
        assert_eq!((end(&log, "a").text("outcome"), end(&log, "b").text("outcome")), (outcome, outcome), "{log}");
    }
}

#[test]
fn what_expires_before_it_is_done_is_one_line_too() {
    let testero = logging();
    let fields = [("User-Agent", "late"), JSON];
    let answer = testero.send("POST", "/api/mem/set?amount=20Mi&over=10m&ttl=1s&wait=true", &fields, "");
    assert_eq!((answer.status, Json::parse(&answer.body).text("error.code")), (409, "expired"), "{answer:?}");
    let answer = testero.send("POST", "/api/mem/set?amount=999Ei&wait=true", &[("User-Agent", "wrong"), JSON], "");
    assert_eq!(answer.status, 400, "{answer:?}");
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    assert_eq!(end(&log, "late").text("outcome"), "expired");
    assert!(end(&log, "wrong").text("outcome").starts_with("refused: "));
}

#[test]
fn what_fails_is_one_line_too() {
    let testero = logging();
    // The next file cannot be made where a folder has its name.
    let ours = std::fs::read_dir(testero.data.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::create_dir(ours.join("d-524288/f-100000")).unwrap();
    std::fs::write(ours.join("d-524288/f-99999"), "x").unwrap();
    let answer = testero.send("POST", "/api/disk/set?amount=30Mi&wait=true", &[("User-Agent", "failing"), JSON], "");
    assert_eq!((answer.status, Json::parse(&answer.body).text("error.code")), (500, "failed"), "{answer:?}");
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    assert!(end(&log, "failing").text("outcome").starts_with("failed: "), "{log}");
}

#[test]
fn the_log_tells_when_long_work_begins_and_short_work_is_one_line() {
    let testero = logging();
    let long = LONG.iter().map(|(group, asked, _)| (*group, *asked));
    let jobs = [("a", "/ConsumeCPU?millicores=10&durationSec=600"), ("b", "/ConsumeMem?megabytes=1&durationSec=600")];
    for (agent, asked) in long.chain(jobs) {
        let answer = testero.send("POST", asked, &[("User-Agent", agent)], "");
        assert_eq!(answer.status, 200, "{asked}: {answer:?}");
        eventually("its beginning is logged", || !lines(&testero.log(), agent).0.is_empty());
        let (begun, ended) = lines(&testero.log(), agent);
        assert_eq!((begun.len(), ended.len()), (1, 0), "{begun:?} {ended:?}");
        let (line, told) = (&begun[0], begun[0].text("message"));
        assert!(line.text("asked").contains(asked) && told.contains(asked) && told.ends_with(": begins"), "{line:?}");
        assert!(line.text("peer").contains("127.0.0.1") && told.contains(line.text("id")), "{line:?}");
    }
    for (group, _, release) in LONG {
        testero.ask("DELETE", release);
        eventually("its end is logged", || !lines(&testero.log(), group).1.is_empty());
        let (begun, ended) = lines(&testero.log(), group);
        assert_eq!((begun.len(), ended.len()), (1, 1), "{begun:?} {ended:?}");
        assert_eq!(begun[0].text("id"), ended[0].text("id"));
    }
    testero.send("POST", "/api/cpu/load?cpu=10m&time=1&wait=true", &[("User-Agent", "short")], "");
    testero.send("POST", "/ConsumeCPU?millicores=10&durationSec=1", &[("User-Agent", "short job")], "");
    eventually("both are logged", || {
        ["short", "short job"].iter().all(|agent| !lines(&testero.log(), agent).1.is_empty())
    });
    for agent in ["short", "short job"] {
        assert_eq!(lines(&testero.log(), agent).0.len(), 0, "{agent}");
    }
}
