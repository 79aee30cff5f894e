//! Releases that meet each other and what they release.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::edge::Client;
use super::harness::{Answer, PATIENCE, Testero};
use super::json::Json;
use super::shutdown::rounds;

#[test]
fn releases_that_meet_setters_and_each_other_are_all_done() {
    let testero = Testero::start();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let answer = testero.ask("PUT", "/api/fd/set?count=40&wait=true&format=json");
                    assert!(matches!(answer.status, 200 | 409), "{answer:?}");
                }
            });
        }
        let deleters: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..10 * rounds() {
                        let answer = testero.ask("DELETE", "/api/fd?wait=true&format=json");
                        if answer.status != 200 {
                            return Err(answer);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let results: Vec<_> = deleters.into_iter().map(|deleter| deleter.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.unwrap());
    });
    let released = testero.json("DELETE", "/api/fd?wait=true", 200);
    assert_eq!(released["held"].whole(), 0);
}

/// Those that are done together with another, or give way to one, as well.
#[test]
fn each_release_is_one_line_in_the_log_however_they_meet() {
    let testero = Testero::start_with(&[], &[("LOGFORMAT", "json")]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                testero.ask("PUT", "/api/fd/set?count=200&over=1s&format=json");
            }
        });
        let deleters: Vec<_> = (0..6)
            .map(|deleter| {
                let testero = &testero;
                scope.spawn(move || {
                    for round in 0..5 * rounds() {
                        let target =
                            if deleter % 2 == 0 { "/api/fd?format=json" } else { "/api/fd?over=1ms&format=json" };
                        let agent = format!("deleter {deleter}.{round}.");
                        assert_eq!(testero.send("DELETE", target, &[("User-Agent", &agent)], "").status, 202);
                    }
                })
            })
            .collect();
        deleters.into_iter().for_each(|deleter| deleter.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
    testero.json("DELETE", "/api/fd?wait=true", 200);
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    let ends = log.lines().map(Json::parse).filter(|line| line.at("outcome") != &Json::Null);
    let agents: Vec<String> = ends.map(|line| line.text("agent").to_owned()).collect();
    for deleter in 0..6 {
        for round in 0..5 * rounds() {
            let agent = format!("deleter {deleter}.{round}.");
            assert_eq!(agents.iter().filter(|told| **told == agent).count(), 1, "{agent}");
        }
    }
}

#[test]
fn a_release_that_comes_when_work_begins_is_not_lost() {
    let testero = Testero::start();
    for round in 0..10 * rounds() {
        testero.json("PUT", "/api/fd/set?count=40", 202);
        thread::sleep(Duration::from_micros(50 * (round as u64 % 20)));
        let released = testero.json("DELETE", "/api/fd?wait=true", 200);
        assert_eq!(released["held"].whole(), 0, "round {round}");
    }
}

#[test]
fn without_a_thread_a_release_is_done_at_once_or_refused() {
    let Some(cgroup) = Cgroup::threads("no-thread", 700) else { return };
    let testero = cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &[]);
    testero.json("PUT", "/api/fd/set?count=100&wait=true", 200);
    // A connection that has its thread already.
    let mut client = Client::new(testero.address);
    let mut ask = |target: &str| {
        client.ask(format!("DELETE {target} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n").as_bytes())
    };
    assert_eq!(ask("/api/pid").status, 202);
    cgroup.set("pids.max", 1);
    let began = Instant::now();
    let refused = ask("/api/fd?over=1h");
    assert!(refused.status == 503 && refused.body.contains("no thread for the work"), "{refused:?}");
    assert_eq!(ask("/api/fd?wait=true").status, 200);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    cgroup.set("pids.max", 700);
    assert_eq!(testero.group("fd")["held"].whole(), 0);
}

#[test]
fn whoever_waits_no_longer_is_not_told_that_everything_is_released() {
    let testero = Testero::start();
    testero.json("PUT", "/api/inode/set?count=60000&wait=true", 200);
    let mut stream = testero.connect();
    write!(stream, "DELETE /api?wait=true&format=json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    // A client that goes away looks like this, and is answered all the same.
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = Answer::parse(&answer);
    match answer.status {
        200 => assert_eq!(Json::parse(&answer.body)["groups"]["inode"]["held"].whole(), 0),
        // It may be over by now.
        _ => assert!(answer.status == 202 && answer.body.contains("\"left\":{\"inode\":"), "{answer:?}"),
    }
    testero.json("DELETE", "/api?wait=true", 200);
    assert_eq!(testero.group("inode")["held"].whole(), 0);
}

#[test]
fn a_paced_release_of_a_few_things_takes_its_time() {
    let testero = Testero::start();
    for group in ["fd", "pid", "inode"] {
        testero.json("PUT", &format!("/api/{group}/set?count=60&wait=true"), 200);
        testero.json("DELETE", &format!("/api/{group}?over=1h"), 202);
        // One a minute; those of half an hour are more than any machine is late.
        assert!(testero.group(group)["held"].whole() > 30, "{group}");
        testero.json("DELETE", &format!("/api/{group}?wait=true"), 200);
        testero.json("PUT", &format!("/api/{group}/set?count=60&over=1h"), 202);
        assert!(testero.group(group)["held"].whole() < 30, "{group}");
        testero.json("DELETE", &format!("/api/{group}?wait=true"), 200);
    }
}
