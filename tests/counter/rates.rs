//! Measurements, by hand: `cargo test --release --test main counter::rates -- --ignored --nocapture --test-threads 1`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::database::Redis;
use super::{Client, Told, start, start_in};
use crate::harness::Testero;

/// Keep-alive connections.
const CONNECTIONS: usize = 64;
const LENGTH: Duration = Duration::from_secs(5);

/// Requests a second over all connections, which are shared out to these.
fn rate(instances: &[Testero]) -> f64 {
    let end = AtomicBool::new(false);
    let begun = Instant::now();
    let count: u64 = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|place| {
                let (address, end) = (instances[place % instances.len()].address, &end);
                scope.spawn(move || {
                    let mut client = Client::new(address).unwrap();
                    (0..).take_while(|_| !end.load(Ordering::Relaxed) && client.get("/").unwrap().status == 200).count()
                })
            })
            .collect();
        thread::sleep(LENGTH);
        end.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap() as u64).sum()
    });
    count as f64 / begun.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement"]
fn requests_a_second() {
    let Some(redis) = Redis::start(&[]) else { return };
    let always = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]).unwrap();
    let (url, always) = (redis.url(), always.url());
    let socket = format!("unix://{}", redis.socket().display());
    for (name, url) in [
        ("the file", ""),
        ("a Redis", &url),
        ("the socket of a Redis", &socket),
        ("a Redis that syncs always", &always),
    ] {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        for count in [1, 3] {
            let instances: Vec<_> = (0..count).map(|_| start_in(&folder, &[("REDIS_URL", url)])).collect();
            eprintln!("{name}, {count} instances, 64 connections: {:.0} requests/s", rate(&instances));
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn what_a_redis_that_syncs_every_second_repeats() {
    for policy in ["everysec", "no"] {
        let Some(mut redis) = Redis::start(&["--appendonly", "yes", "--appendfsync", policy]) else { return };
        let testero = start(&[("REDIS_URL", &redis.url())]);
        let (mut seen, mut repeated) = (BTreeSet::new(), 0);
        for round in 0..12 {
            let end = AtomicBool::new(false);
            let told: Vec<u64> = thread::scope(|scope| {
                let clients: Vec<_> = (0..16)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut client = Client::new(testero.address).unwrap();
                            let mut told = Vec::new();
                            while !end.load(Ordering::Relaxed) {
                                let answer = client.get("/").unwrap();
                                if answer.status == 200 {
                                    told.push(Told::read(&answer.body).total);
                                }
                            }
                            told
                        })
                    })
                    .collect();
                thread::sleep(Duration::from_millis(1500));
                redis.kill();
                end.store(true, Ordering::Relaxed);
                clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
            });
            let (count, highest) = (told.len(), told.iter().copied().max().unwrap_or_default());
            let again = told.into_iter().filter(|total| !seen.insert(*total)).count();
            repeated += again;
            redis.begin();
            let held = redis.total();
            let lost = highest.saturating_sub(held);
            eprintln!(
                "{policy}, round {round}: {count} answers, {again} of them again; {held} of {highest} held, {lost} lost"
            );
        }
        eprintln!("{policy}: {repeated} numbers were handed out twice");
    }
}

#[test]
#[ignore = "a measurement"]
fn memory_when_idle() {
    for variables in [&[][..], &[("REDIS_URL", "redis://127.0.0.1:1")]] {
        let testero = start(variables);
        let before = testero.status("VmRSS");
        for _ in 0..100 {
            testero.ask("GET", "/");
        }
        eprintln!("{variables:?}: {before} KiB after the start, {} KiB after 100 requests", testero.status("VmRSS"));
    }
}
