//! What an operator switches: probes, faults, and what SIGTERM does.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::harness::{Answer, PATIENCE, Testero, eventually};
use crate::json::Json;
use crate::process::{fails_with, program};

const FAULTS: [&str; 7] = [
    "/fault/exit?code=3",
    "/fault/abort",
    "/fault/hang?for=30s",
    "/fault/delay?ms=20000&for=1m",
    "/fault/status?code=503&for=1m",
    "/fault/log?lines=10&rate=100",
    "/fault/term?ignore=true",
];

fn faulty() -> Testero {
    Testero::start_with(&[], &[("FAULTS", "on")])
}

/// Asks by POST for what must be granted.
fn post(testero: &Testero, target: &str) -> Answer {
    let answer = testero.ask("POST", target);
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer
}

/// Sends GET on a connection of its own, without waiting for the answer.
fn sent(testero: &Testero, target: &str) -> TcpStream {
    let mut stream = testero.connect();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

fn answer_of(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes)
}

/// The quickest of a few answers: what takes long each time does not do so by chance.
fn quickest(testero: &Testero, target: &str) -> Duration {
    let one = || {
        let start = Instant::now();
        testero.get(target);
        start.elapsed()
    };
    (0..5).map(|_| one()).min().unwrap()
}

fn waits_for(testero: &Testero, words: &str, times: usize) {
    eventually(words, || testero.log().matches(words).count() >= times);
}

#[test]
fn probes_say_ok_in_text_and_in_json() {
    let testero = Testero::start();
    for probe in ["/healthz", "/readyz"] {
        let answer = testero.ask("GET", probe);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{answer:?}");
        assert_eq!(testero.ask("HEAD", probe).status, 200);
        let answer = testero.send("GET", probe, &[("Accept", "application/json")], "");
        assert_eq!(answer.field("Content-Type"), Some("application/json"));
        assert_eq!((answer.status, Json::parse(&answer.body).text("status")), (200, "ok"));
    }
}

#[test]
fn each_probe_is_switched_off_and_on_by_itself_and_says_why() {
    let testero = Testero::start();
    for (probe, other, name) in [("/healthz", "/readyz", "healthy"), ("/readyz", "/healthz", "ready")] {
        post(&testero, &format!("{probe}/disable"));
        let answer = testero.ask("GET", probe);
        assert!(answer.status == 503 && answer.body.contains("disabled"), "{answer:?}");
        let answer = testero.send("GET", probe, &[("Accept", "application/json")], "");
        let error = Json::parse(&answer.body);
        assert_eq!((answer.status, error.number("error.status")), (503, 503.0));
        assert!(error.text("error.message").contains("disabled"), "{error:?}");
        assert_eq!(testero.ask("GET", other).status, 200);
        assert_eq!(testero.report().at(name), &Json::Bool(false));
        assert!(testero.get("/metrics").contains(&format!("\ntestero_{name} 0\n")));

        post(&testero, &format!("{probe}/enable"));
        assert_eq!(testero.get(probe), "ok\n");
        assert_eq!(testero.report().at(name), &Json::Bool(true));
        assert!(testero.get("/metrics").contains(&format!("\ntestero_{name} 1\n")));
    }
}

#[test]
fn a_probe_that_is_switched_off_for_a_time_comes_back_by_itself() {
    let testero = Testero::start();
    for probe in ["/healthz", "/readyz"] {
        let start = Instant::now();
        post(&testero, &format!("{probe}/disable?for=2s"));
        let early = testero.ask("GET", probe).status;
        assert!(early == 503 || start.elapsed() >= Duration::from_secs(2), "{early}");
        eventually("it is back", || testero.ask("GET", probe).status == 200);
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(10), "{took:?}");

        // The last word counts, and enabling does not wait.
        post(&testero, &format!("{probe}/disable?for=1h"));
        assert_eq!(testero.ask("GET", probe).status, 503);
        post(&testero, &format!("{probe}/enable"));
        assert_eq!(testero.get(probe), "ok\n");
        for wrong in ["abc", "-1s", "5x"] {
            let answer = testero.ask("POST", &format!("{probe}/disable?for={wrong}"));
            assert!(answer.status == 400 && answer.body.contains("for"), "{answer:?}");
        }
        assert_eq!(testero.get(probe), "ok\n");
    }
}

#[test]
fn switches_and_faults_are_begun_by_post_alone() {
    let testero = faulty();
    let switches = ["/healthz/disable", "/readyz/disable", "/healthz/enable", "/readyz/enable"];
    let faults = FAULTS.iter().map(|target| (target, "POST, DELETE"));
    for (target, allowed) in faults.chain(switches.iter().map(|target| (target, "POST"))) {
        for method in ["GET", "HEAD", "PUT", "DELETE"].iter().filter(|method| !allowed.contains(**method)) {
            let answer = testero.ask(method, target);
            assert_eq!((answer.status, answer.field("Allow")), (405, Some(allowed)), "{method} {target}: {answer:?}");
        }
    }
    assert_eq!(testero.get("/healthz") + &testero.get("/readyz"), "ok\nok\n");
    assert_eq!(testero.report().at("faults"), &Json::List(vec![]));
}

#[test]
fn faults_are_off_unless_they_are_turned_on() {
    for variables in [&[][..], &[("FAULTS", "off")]] {
        let testero = Testero::start_with(&[], variables);
        for fault in FAULTS {
            let answer = testero.ask("POST", fault);
            assert!(answer.status == 404 && answer.body.contains("FAULTS=on"), "{fault}: {answer:?}");
        }
        assert_eq!(testero.report().at("faults"), &Json::List(vec![]));
        testero.signal(libc::SIGTERM);
        let (status, _, log) = testero.wait();
        assert!(status.success() && !log.contains("log line"), "{status} {log}");
    }
    fails_with(2, &mut program(&[], &[("FAULTS", "perhaps")]), &["FAULTS", "perhaps"]);
    let testero = Testero::start_with(&["--faults", "on"], &[("FAULTS", "off")]);
    post(&testero, "/fault/status?code=503&for=1m");
}

#[test]
fn wrong_faults_are_told_and_nothing_happens() {
    let testero = faulty();
    for wrong in [
        "exit?code=256",
        "exit?code=x",
        "exit?after=soon",
        "abort?after=-1s",
        "hang?for=x",
        "delay",
        "delay?ms=0.5",
        "status",
        "status?code=99",
        "status?code=503&percent=101",
        "status?code=503&for=x",
        "log?lines=many",
        "log?lines=10&rate=0",
        "term?ignore=perhaps",
        "term?delay=x",
        "term?ignore=true&delay=1s",
    ] {
        let answer = testero.ask("POST", &format!("/fault/{wrong}"));
        assert!(answer.status == 400 && answer.body.len() > 20, "{wrong}: {answer:?}");
    }
    assert_eq!(testero.report().at("faults"), &Json::List(vec![]));
}

#[test]
fn exit_ends_it_with_the_code_and_after_the_time_that_were_asked_for() {
    for (query, code, after) in [("code=3&after=1s", 3, 1000), ("code=42", 42, 0), ("code=0&after=1s", 0, 1000)] {
        let testero = faulty();
        let start = Instant::now();
        post(&testero, &format!("/fault/exit?{query}"));
        if after > 0 {
            assert_eq!(testero.get("/healthz"), "ok\n");
        }
        let (status, _, log) = testero.wait();
        assert_eq!(status.code(), Some(code), "{log}");
        assert!(start.elapsed() >= Duration::from_millis(after), "{:?}", start.elapsed());
    }
}

#[test]
fn abort_ends_it_as_a_crash_does() {
    let testero = faulty();
    let start = Instant::now();
    post(&testero, "/fault/abort?after=1s");
    let (status, _, log) = testero.wait();
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{log}");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_hang_stops_every_answer_and_passes() {
    let testero = faulty();
    let length = Duration::from_secs(3);
    let start = Instant::now();
    post(&testero, "/fault/hang?for=3s");
    let targets = ["/healthz", "/readyz", "/metrics", "/api/status", "/api/mem/getact", "/nowhere"];
    let mut streams: Vec<_> = targets.iter().map(|target| sent(&testero, target)).collect();
    for (stream, target) in streams.iter_mut().zip(targets) {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let early = stream.read(&mut [0; 1]).map_err(|error| error.kind());
        let silent = matches!(early, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(silent || start.elapsed() >= length, "{target}: {early:?}");
    }
    for (stream, target) in streams.into_iter().zip(targets) {
        let answer = answer_of(stream);
        assert_eq!(answer.status, if target == "/nowhere" { 404 } else { 200 }, "{target}: {answer:?}");
        assert!(start.elapsed() >= length, "{target}: {:?}", start.elapsed());
    }
    assert!(quickest(&testero, "/healthz") < Duration::from_secs(1));
}

#[test]
fn a_hang_is_silent_to_what_is_no_request_either() {
    let testero = faulty();
    post(&testero, "/fault/hang?for=3s");
    let start = Instant::now();
    let answer = Answer::parse(&testero.raw(b"nonsense\r\n\r\n"));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(start.elapsed() > Duration::from_secs(2), "answered after {:?}", start.elapsed());
}

#[test]
fn a_hung_service_can_still_be_stopped() {
    let testero = faulty();
    post(&testero, "/fault/hang?for=10m");
    let _waiting = sent(&testero, "/healthz");
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(10), "{status} {took:?} {log}");
}

#[test]
fn a_delay_makes_answers_late_and_leaves_probes_and_metrics_alone() {
    let testero = faulty();
    let delay = Duration::from_millis(800);
    post(&testero, "/fault/delay?ms=800&for=1m");
    for target in ["/api/mem/getact", "/api/status"] {
        assert!(quickest(&testero, target) >= delay, "{target}");
    }
    for target in ["/healthz", "/readyz", "/metrics"] {
        let took = quickest(&testero, target);
        assert!(took < delay, "{target}: {took:?}");
    }
    // Honest of the delay, too: what is slow is what a client sees.
    assert!(testero.get("/api/status").contains("delay of 800 ms"));
    post(&testero, "/fault/delay?ms=800&for=1s");
    eventually("it passes", || testero.report().at("faults") == &Json::List(vec![]));
    assert!(quickest(&testero, "/api/mem/getact") < delay);
}

#[test]
fn a_status_comes_instead_of_answers_as_often_as_asked() {
    let testero = faulty();
    for (percent, least, most) in [(10, 9, 11), (33, 32, 34), (100, 100, 100), (0, 0, 0)] {
        post(&testero, &format!("/fault/status?code=503&percent={percent}&for=1m"));
        let failed = (0..100).filter(|_| testero.ask("GET", "/api/mem/getact").status == 503).count();
        assert!((least..=most).contains(&failed), "{percent}: {failed}");
    }
    post(&testero, "/fault/status?code=418&for=1m");
    for _ in 0..20 {
        assert_eq!(testero.ask("GET", "/api/mem/getact").status, 418);
        for honest in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(testero.ask("GET", honest).status, 200, "{honest}");
        }
    }
    // What did not happen did not happen: the fault comes instead of the answer.
    let answer = testero.ask("GET", "/api/mem/set?size=1000000");
    assert_eq!(answer.status, 418);
    post(&testero, "/fault/status?code=418&for=1s");
    eventually("it passes", || testero.ask("GET", "/api/mem/getact").status == 200);
    let held = testero.get("/api/mem/getact");
    assert!(held.starts_with("Last request ID: 0\n"), "{held}");
}

#[test]
fn probes_say_no_under_faults_when_they_mean_it() {
    let testero = faulty();
    post(&testero, "/fault/status?code=404&for=1m");
    post(&testero, "/fault/delay?ms=5000&for=1m");
    post(&testero, "/readyz/disable");
    let start = Instant::now();
    let answer = testero.ask("GET", "/readyz");
    assert!(answer.status == 503 && answer.body.contains("disabled"), "{answer:?}");
    let page = testero.get("/metrics");
    assert!(page.contains("\ntestero_ready 0\n") && page.contains("\ntestero_healthy 1\n"));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn log_lines_are_numbered_and_come_no_faster_than_asked() {
    let testero = faulty();
    let start = Instant::now();
    post(&testero, "/fault/log?lines=40&rate=20");
    eventually("all lines are there", || {
        let count = testero.log().matches("log line").count();
        let most = 1.0 + 20.0 * start.elapsed().as_secs_f64();
        assert!(count as f64 <= most, "{count} lines after {:?}", start.elapsed());
        count == 40
    });
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1950) && took < Duration::from_secs(8), "{took:?}");
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    let lines: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once("log line ")?.1)).collect();
    let expected: Vec<String> = (1..=40).map(|line| format!("{line} of 40")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn sigterm_is_ignored_on_request_until_it_is_not() {
    let testero = faulty();
    post(&testero, "/fault/term?ignore=true");
    for times in 1..=3 {
        testero.signal(libc::SIGTERM);
        waits_for(&testero, "Signal received: terminated", times);
        assert_eq!(testero.get("/readyz"), "ok\n");
    }
    post(&testero, "/fault/term?ignore=false");
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?} {log}");
}

#[test]
fn sigint_ends_what_ignores_sigterm() {
    let testero = faulty();
    post(&testero, "/fault/term?ignore=true");
    testero.signal(libc::SIGTERM);
    waits_for(&testero, "Signal received: terminated", 1);
    testero.signal(libc::SIGINT);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?} {log}");
}

#[test]
fn sigterm_is_obeyed_later_on_request() {
    let testero = faulty();
    post(&testero, "/fault/term?delay=2s");
    let start = Instant::now();
    testero.signal(libc::SIGTERM);
    waits_for(&testero, "Signal received: terminated", 1);
    assert_eq!(testero.get("/readyz"), "ok\n");
    let (status, _, log) = testero.wait();
    assert!(status.success() && start.elapsed() >= Duration::from_secs(2), "{status} {:?} {log}", start.elapsed());
}

#[test]
fn while_it_shuts_down_it_is_unready_first_and_deaf_in_the_end() {
    for (arguments, variables) in
        [(&["--shutdown-delay", "2s"][..], &[][..]), (&[], &[("SHUTDOWNDELAY", "2s"), ("FAULTS", "on")])]
    {
        let testero = Testero::start_with(arguments, variables);
        testero.get("/api/disk/set?size=1000000");
        testero.settled("disk");
        let start = Instant::now();
        testero.signal(libc::SIGTERM);
        eventually("it is unready", || testero.ask("GET", "/readyz").status == 503);
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(testero.ask("GET", "/readyz").body.contains("stop"));
        assert_eq!(testero.get("/healthz"), "ok\n");
        assert!(testero.get("/api/disk/getact").contains("Total size: 1048576 bytes"));
        // What stops is not made ready again.
        testero.ask("POST", "/readyz/enable");
        assert_eq!(testero.ask("GET", "/readyz").status, 503);
        eventually("nobody listens", || TcpStream::connect(testero.address).is_err());
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
        let data = testero.data.clone();
        let (status, _, log) = testero.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(crate::harness::names(data.path()).is_empty());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_shutdown_delay() {
    let testero = Testero::start_with(&["--shutdown-delay", "10m"], &[]);
    testero.signal(libc::SIGTERM);
    waits_for(&testero, "Signal received: terminated", 1);
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.code() == Some(143) && took < Duration::from_secs(5), "{status} {took:?} {log}");
}
