//! Scenarios that the service plays: given, followed, clipped, taken over, paused, kept over a restart.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Answer, Testero, eventually};
use crate::json::Json;

const MIB: f64 = (1u64 << 20) as f64;

fn give(testero: &Testero, method: &str, text: &str) -> Answer {
    testero.send(method, "/api/scenario", &[("Content-Type", "application/yaml")], text)
}

/// Gives one that must be accepted.
fn play(testero: &Testero, text: &str) {
    let answer = give(testero, "POST", text);
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// A client that says how long its scenario is, and is told to go on: its head was read.
fn begin_upload(testero: &Testero) -> TcpStream {
    let mut client = testero.connect();
    let head = "POST /api/scenario HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 25];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    client
}

fn told(testero: &Testero) -> Json {
    testero.json("GET", "/api/scenario", 200)
}

fn track(told: &Json, place: usize, what: &str) -> f64 {
    told.at("tracks").list()[place].number(what)
}

/// Why the first track is not as it should be.
fn note(testero: &Testero) -> String {
    match told(testero).at("tracks").list()[0].at("note") {
        Json::Text(note) => note.clone(),
        _ => String::new(),
    }
}

/// Bytes that the io load has written.
fn moved(testero: &Testero) -> f64 {
    match testero.group("io").at("written") {
        Json::Number(written) => *written,
        _ => 0.0,
    }
}

#[test]
fn every_kind_of_track_is_followed_and_given_back_at_the_end() {
    let testero = Testero::start();
    play(
        &testero,
        "version: 1\nlength: 1h\ntracks:\n  memory: {sum: [{constant: 8Mi}, {ramp: {from: 0, to: 1Gi, over: 64s}}]}\n  \
         disk: {constant: 12Mi}\n  inode: {constant: 30}\n  pid: {constant: 4}\n  fd: {constant: 7}\n  \
         cpu: {constant: 150m}\n  io: {constant: 1Mi}\n",
    );
    eventually("all is held", || {
        let told = told(&testero);
        let still = (1..5).all(|place| track(&told, place, "held") == track(&told, place, "wanted"));
        still && track(&told, 0, "held") > 8.0 * MIB && moved(&testero) > 0.0
    });
    // A ramp of 16 MiB a second: what was wanted at the last look is there within a moment, less a small part.
    eventually("the ramp is followed", || {
        let told = told(&testero);
        (track(&told, 0, "wanted") - track(&told, 0, "held")).abs() < 4.0 * MIB
    });
    assert_eq!(testero.group("cpu").text("state"), "working");
    let metrics = testero.get("/metrics");
    for line in [
        "testero_scenario_state{state=\"playing\"} 1",
        "testero_scenario_target{track=\"cpu\"} 150",
        "testero_scenario_held{track=\"inode\"} 30",
        "testero_scenario_clipped_total{track=\"memory\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(testero.ask("POST", "/api/scenario/seek?to=2h").status, 200);
    eventually("it is over", || told(&testero).text("state") == "over");
    for group in ["mem", "disk", "inode", "pid", "fd"] {
        eventually("all is given back", || testero.group(group).number("held") == 0.0);
    }
    eventually("no load is left", || testero.group("cpu").text("state") == "idle");
    assert!(!testero.log().contains("completed in"), "{}", testero.log());
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() {
    let testero = Testero::start();
    assert_eq!(testero.ask("GET", "/api/scenario").status, 404);
    assert_eq!(testero.ask("POST", "/api/scenario/pause").status, 404);
    play(&testero, "version: 1\ntracks: {fd: {constant: 5}}\n");
    for (text, why) in [
        ("version: 1\ntracks:\n  fd: {constat: 5}\n", "tracks.fd.constat (line 3): unknown key 'constat'"),
        ("version: 1\ntracks: {cpu: {trace: {file: /etc/passwd}}}\n", "files cannot be named here"),
        ("version: 1\ntracks: {fault: [{at: 1s, kind: exit, code: 1}]}\n", "faults are off; FAULTS=on"),
        ("", "the body is the scenario"),
        ("\u{1}", "scenario"),
    ] {
        let answer = give(&testero, "PUT", text);
        assert!(answer.status == 400 && answer.body.contains(why), "{text:?}: {answer:?}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(give(&testero, "PUT", &deep).status, 400);
    assert_eq!(give(&testero, "PUT", &"a".repeat((2 << 20) + 1)).status, 413);
    let busy = give(&testero, "POST", "version: 1\ntracks: {fd: {constant: 6}}\n");
    assert!(busy.status == 409 && busy.body.contains("PUT replaces it"), "{busy:?}");
    eventually("the first one is played", || testero.group("fd").number("held") == 5.0);
    assert_eq!(give(&testero, "PUT", "version: 1\ntracks: {fd: {constant: 6}}\n").status, 202);
    eventually("the other one is played", || testero.group("fd").number("held") == 6.0);
    assert_eq!(testero.ask("POST", "/api/scenario/seek").status, 400);
    assert_eq!(testero.ask("GET", "/api/scenario/pause").status, 405);
    assert_eq!(testero.ask("DELETE", "/api/scenario").status, 200);
    assert_eq!(testero.ask("DELETE", "/api/scenario").status, 404);
    eventually("nothing is held", || testero.group("fd").number("held") == 0.0);
}

#[test]
fn what_both_hold_goes_on_when_one_takes_the_place_of_the_other() {
    let testero = Testero::start();
    let text = |memory: &str, fds| {
        format!(
            "version: 1\nstart: 2026-01-01T00:00:00Z\ntracks: {{memory: {{constant: {memory}}}, fd: {{constant: {fds}}}, \
             cpu: {{constant: 50m}}, ready: [{{at: 0, for: 100000000s, is: no}}]}}\n"
        )
    };
    play(&testero, &text("64Mi", 200));
    let holds = |memory: f64, fds: f64| {
        let told = told(&testero);
        track(&told, 0, "held") == memory * MIB && track(&told, 1, "held") == fds
    };
    eventually("all is held", || holds(64.0, 200.0));
    let (load, id) = (testero.group("cpu").text("id").to_owned(), told(&testero).text("id").to_owned());
    for (memory, fds) in [(48.0, 150.0), (64.0, 200.0), (32.0, 100.0)] {
        assert_eq!(give(&testero, "PUT", &text(&format!("{memory}Mi"), fds as u32)).status, 202);
        eventually("the other is held", || {
            let told = told(&testero);
            assert!(track(&told, 0, "held") >= 32.0 * MIB && track(&told, 1, "held") >= 100.0, "{told:?}");
            assert_eq!(testero.ask("GET", "/readyz").status, 503);
            holds(memory, fds)
        });
    }
    assert_eq!(testero.group("cpu").text("id"), load);
    assert_ne!(told(&testero).text("id"), id);
    // One that begins later holds nothing until then.
    let later = text("64Mi", 200).replace("2026", "2999");
    assert_eq!(give(&testero, "PUT", &later).status, 202);
    eventually("nothing is held", || holds(0.0, 0.0) && testero.ask("GET", "/readyz").status == 200);
}

#[test]
fn one_scenario_is_received_at_a_time_and_a_slow_client_does_not_keep_others_away_for_long() {
    let testero = Testero::start();
    let mut slow = begin_upload(&testero);
    slow.write_all(b"version: 1\n").unwrap();
    let text = "version: 1\ntracks: {fd: {constant: 5}}\n";
    assert_eq!(give(&testero, "PUT", text).status, 503);
    eventually("and is taken when the other's time is over", || give(&testero, "PUT", text).status == 202);
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn nobody_without_the_token_keeps_others_away() {
    let testero = Testero::start_with(&[], &[("TOKEN", "secret")]);
    let stranger = begin_upload(&testero);
    let authorized = [("Authorization", "Bearer secret")];
    let text = "version: 1\ntracks: {fd: {constant: 5}}\n";
    assert_eq!(testero.send("POST", "/api/scenario", &authorized, text).status, 202);
    drop(stranger);
}

#[test]
fn a_scenario_has_as_many_bytes_as_are_read_and_not_one_more() {
    let testero = Testero::start();
    let text = "version: 1\ntracks: {fd: {constant: 5}}\n#";
    let most = format!("{text}{}", "x".repeat((2 << 20) - text.len()));
    play(&testero, &most);
    let answer = give(&testero, "PUT", &format!("{most}x"));
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[test]
fn what_is_over_the_limit_is_clipped_or_stops_the_scenario_and_is_counted() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "33554432"), ("HIGHFDLIM", "10")]);
    play(&testero, "version: 1\ntracks: {memory: {constant: 64Mi}, fd: {constant: 50pct}}\n");
    eventually("it has what it may", || {
        let told = told(&testero);
        track(&told, 0, "held") == 32.0 * MIB && track(&told, 0, "clipped") == 1.0 && track(&told, 1, "held") == 5.0
    });
    assert!(note(&testero).contains("over the limit"), "{}", testero.get("/api/scenario"));
    let stops =
        "version: 1\ntracks: {fd: {ramp: {from: 0, to: 20, over: 1s}, at_limit: stop}, memory: {constant: 1Mi}}\n";
    assert_eq!(give(&testero, "PUT", stops).status, 202);
    eventually("it is stopped", || told(&testero).text("state") == "stopped");
    assert!(told(&testero).text("reason").starts_with("fd: "), "{}", testero.get("/api/scenario"));
    eventually("all is given back", || {
        testero.group("mem").number("held") == 0.0 && testero.group("fd").number("held") == 0.0
    });
    assert!(testero.get("/metrics").contains("testero_scenario_stopped_total 1"));
    assert_eq!(testero.ask("POST", "/api/scenario/resume").status, 404);
}

#[test]
fn curves_tell_what_was_held_and_what_is_to_come() {
    let testero = Testero::start();
    assert_eq!(testero.ask("GET", "/api/scenario/curves").status, 404);
    play(&testero, "version: 1\ntracks: {fd: {ramp: {from: 0, to: 100, over: 100s}}, memory: {constant: 1Mi}}\n");
    eventually("some seconds were noted", || {
        let curves = testero.json("GET", "/api/scenario/curves?points=100", 200);
        let fd = &curves.at("tracks").list()[0];
        let (planned, held) = (fd.at("planned").list(), fd.at("held").list());
        assert_eq!((planned.len(), held.len(), curves.number("step")), (101, 101, 1.0));
        // A point a second, and a descriptor each of these.
        let is_right = |(second, value): (usize, &Json)| {
            let known = !matches!(value, Json::Null);
            assert!(!known || (value.float() - second as f64).abs() <= 1.0, "{held:?}");
            known
        };
        held.iter().enumerate().filter(|point| is_right(*point)).count() > 3
    });
    let csv = testero.get("/api/scenario/curves?points=4");
    assert!(csv.starts_with("seconds_from_now,fd_planned,fd_held,memory_planned,memory_held\n"), "{csv}");
    assert_eq!(csv.lines().count(), 6, "{csv}");
    for wrong in ["points=0", "points=601", "points=x", "point=5"] {
        assert_eq!(testero.ask("GET", &format!("/api/scenario/curves?{wrong}")).status, 400, "{wrong}");
    }
    assert!(testero.get("/api/status").contains("\nscenario  playing  second "), "{}", testero.get("/api/status"));
    assert_eq!(testero.json("GET", "/api/status", 200).text("scenario"), "playing");
}

#[test]
fn what_is_clipped_is_clipped_at_the_limit() {
    // Whole plans of such amounts are far from them: 31 MiB, and 60.
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "200000000"), ("HIGHFILELIM", "300000000")]);
    play(&testero, "version: 1\ntracks: {memory: {ramp: {from: 0, to: 1Gi, over: 4s}}, disk: {constant: 1Gi}}\n");
    for (place, limit, grain) in [(0, 200e6, 0.25 * MIB), (1, 300e6, 0.5 * MIB)] {
        eventually("it has all but what is no whole part", || {
            let held = track(&told(&testero), place, "held");
            held <= limit && held > limit - grain
        });
    }
}

#[test]
fn what_a_client_does_counts_until_the_scenario_is_resumed() {
    let testero = Testero::start();
    play(&testero, "version: 1\ntracks: {fd: {constant: 5}, inode: {constant: 3}}\n");
    eventually("it is held", || testero.group("fd").number("held") == 5.0);
    assert_eq!(testero.ask("DELETE", "/api/fd?wait=true").status, 200);
    eventually("it is the client's", || note(&testero).contains("a client has set"));
    assert_eq!(testero.group("fd").number("held"), 0.0);
    assert_eq!(testero.ask("POST", "/api/scenario/resume").status, 200);
    eventually("it is the scenario's again", || testero.group("fd").number("held") == 5.0);
    assert_eq!(testero.ask("DELETE", "/api?wait=true").status, 200);
    assert_eq!(testero.ask("GET", "/api/scenario").status, 404);
    assert_eq!(testero.group("inode").number("held"), 0.0);
}

#[test]
fn it_pauses_and_says_when_it_is_ready() {
    let testero = Testero::start();
    play(&testero, "version: 1\nlength: 1h\ntracks: {ready: [{at: 10m, for: 10m, is: no}], fd: {constant: 1}}\n");
    assert_eq!(testero.ask("GET", "/readyz").status, 200);
    assert_eq!(testero.ask("POST", "/api/scenario/seek?to=15m").status, 200);
    eventually("it is not ready", || testero.ask("GET", "/readyz").status == 503);
    assert_eq!(testero.ask("POST", "/api/scenario/pause").status, 200);
    let (first, second) = (told(&testero).number("second"), told(&testero).number("second"));
    assert!(first == second && (900.0..960.0).contains(&first), "{first} {second}");
    assert_eq!(testero.ask("POST", "/api/scenario/resume").status, 200);
    eventually("it goes on", || told(&testero).number("second") > first);
    assert_eq!(testero.ask("DELETE", "/api/scenario").status, 200);
    eventually("it is ready again", || testero.ask("GET", "/readyz").status == 200);
}

#[test]
fn where_it_goes_to_is_told_with_what_is_wanted_there() {
    let testero = Testero::start();
    play(&testero, "version: 1\nlength: 1h\ntracks: {fd: {ramp: {from: 0, to: 100, over: 100s}}}\n");
    eventually("it is played", || told(&testero).text("state") == "playing");
    // The answer comes before the next step is played.
    let told = testero.json("POST", "/api/scenario/seek?to=90s", 200);
    assert!((90.0..=100.0).contains(&track(&told, 0, "wanted")), "{told:?}");
}

#[test]
fn it_goes_on_after_the_process_was_killed_or_begins_anew_as_it_says() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    for (rule, goes_on) in [("continue", true), ("begin", false)] {
        let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
        play(&testero, &format!("version: 1\nlength: 2h\non_restart: {rule}\ntracks: {{fd: {{constant: 3}}}}\n"));
        assert_eq!(testero.ask("POST", "/api/scenario/seek?to=30m").status, 200);
        testero.signal(libc::SIGKILL);
        testero.wait();
        let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
        eventually("it is played again", || testero.group("fd").number("held") == 3.0);
        let second = told(&testero).number("second");
        assert_eq!(second >= 1800.0, goes_on, "{rule}: {second}");
        assert_eq!(testero.ask("DELETE", "/api/scenario").status, 200);
        testero.signal(libc::SIGTERM);
        testero.wait();
        // Nothing is left behind.
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "{rule}");
    }
}

#[test]
fn a_file_is_played_from_the_start_and_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.yaml");
    fs::write(&path, "version: 1\ntracks: {fd: {trace: {file: fds.csv}}}\n").unwrap();
    fs::write(folder.path().join("fds.csv"), "seconds,fds\n0,4\n3600,4\n").unwrap();
    let testero = Testero::start_with(&[], &[("SCENARIO", path.to_str().unwrap())]);
    eventually("the file is played", || testero.group("fd").number("held") == 4.0);
    fs::write(&path, "version: 1\ntracks: {fd: {constent: 9}}\n").unwrap();
    eventually("what is wrong is logged", || testero.log().contains("the nearest is 'constant'"));
    assert_eq!(testero.group("fd").number("held"), 4.0);
    fs::write(&path, "version: 1\ntracks: {fd: {constant: 9}}\n").unwrap();
    eventually("the change is played", || testero.group("fd").number("held") == 9.0);
}
