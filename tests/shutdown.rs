//! The end, while clients go on asking. Each is a race, so it is run many times: RACE_ROUNDS says how often.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::harness::{PATIENCE, Testero};
use super::json::Json;

/// How often a race is run: enough to see a fault now and then while one works on the code; CI asks for more.
pub fn rounds() -> usize {
    env::var("RACE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// Runs a race as often, some at a time: most of it is waiting for others.
fn race(one: &(dyn Fn(usize) + Sync)) {
    let (next, rounds) = (AtomicUsize::new(0), rounds());
    let work = || {
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            if round >= rounds {
                return;
            }
            one(round);
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
}

/// Asks over connections of its own, until `over` or nobody listens any more.
fn poll(address: SocketAddr, target: &str, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        if write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").is_ok() {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}

fn ends_clean(testero: Testero) {
    let data = testero.data.clone();
    testero.signal(libc::SIGTERM);
    let (status, _, log) = testero.wait();
    assert!(status.success(), "{status}: {log}");
    assert_eq!(super::harness::names(data.path()), [] as [String; 0], "{log}");
}

#[test]
fn requests_in_flight_leave_nothing_behind() {
    race(&|round| {
        let testero = Testero::start();
        // What takes a while to be removed.
        testero.json("PUT", "/api/inode/set?count=2000&wait=true", 200);
        let (address, over) = (testero.address, AtomicBool::new(false));
        thread::scope(|scope| {
            for target in ["/api/disk/set?size=1000&dry_run=true", "/api/inode/set?count=1&dry_run=true"] {
                for _ in 0..2 {
                    scope.spawn(|| poll(address, target, &over));
                }
            }
            thread::sleep(Duration::from_millis(20 + round as u64 % 10));
            ends_clean(testero);
            over.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_request_that_hangs_at_the_end_leaves_nothing_behind() {
    race(&|_| {
        let testero = Testero::start_with(&["--faults", "on"], &[]);
        assert!(testero.ask("POST", "/fault/hang?for=10m").body.contains("Nothing is answered"));
        let (address, over) = (testero.address, AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| poll(address, "/api/disk/set?size=1000&dry_run=true", &over));
            }
            thread::sleep(Duration::from_millis(50));
            ends_clean(testero);
            over.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_hang_that_is_ended_as_it_begins_holds_nobody() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    let (address, over) = (testero.address, AtomicBool::new(false));
    thread::scope(|scope| {
        // Who asks meanwhile is answered, or the scope does not end.
        for _ in 0..2 {
            scope.spawn(|| poll(address, "/api/mem/getact?format=json", &over));
        }
        for round in 0..rounds() {
            let beginning = scope.spawn(|| testero.ask("POST", "/fault/hang?for=10m").status);
            let ends: Vec<_> =
                ["/fault/hang", "/fault"].map(|target| scope.spawn(|| testero.ask("DELETE", target).status)).into();
            assert_eq!(beginning.join().unwrap(), 200, "round {round}");
            ends.into_iter().for_each(|end| assert_eq!(end.join().unwrap(), 200, "round {round}"));
            // Whichever of them was first, this is last.
            assert_eq!(testero.ask("DELETE", "/fault").status, 200, "round {round}");
            assert_eq!(testero.get("/healthz"), "ok\n", "round {round}");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(testero.report().at("faults"), &Json::List(vec![]));
}

#[test]
fn a_fault_that_is_ended_before_it_is_due_never_comes() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    for round in 0..rounds() {
        assert_eq!(testero.ask("POST", "/fault/exit?code=3&after=1h").status, 200, "round {round}");
        thread::scope(|scope| {
            scope.spawn(|| testero.ask("POST", "/fault/exit?code=4&after=1h"));
            scope.spawn(|| testero.ask("DELETE", "/fault/exit"));
        });
        assert_eq!(testero.ask("DELETE", "/fault").status, 200, "round {round}");
        assert_eq!(testero.report().at("faults"), &Json::List(vec![]), "round {round}");
    }
    ends_clean(testero);
}
