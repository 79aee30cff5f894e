//! Releases that meet each other and what they release.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::harness::Testero;
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
