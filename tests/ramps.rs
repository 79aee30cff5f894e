//! Ramps: straight lines, up and down, whatever is exchanged on the way.

use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Testero, at_least_once, eventually};
use super::holding::{held, set};
use super::millicores::follows_a_line;

const MIB: u64 = 1 << 20;
/// How late a sample may be on a noisy machine: what the line moves by meanwhile is forgiven.
const LATE: f64 = 0.25;

/// Gives an order with a ramp of so many seconds and sees it through: it is never ahead of the straight line. Returns how
/// far it was behind at worst, beyond what it may be.
fn behind_the_line(testero: &Testero, group: &str, (method, target): (&str, &str), seconds: f64) -> f64 {
    let from = held(testero, group) as f64;
    let asked = Instant::now();
    let to = testero.json(method, target, 202)["planned"].whole();
    let accepted = Instant::now();
    let change = to as f64 - from;
    let may = (change.abs() * 0.02).max(4.0 * MIB as f64) + change.abs() / seconds * LATE;
    // Bytes on the way, whichever way it goes.
    let level = |elapsed: Duration| change.abs() * (elapsed.as_secs_f64() / seconds).min(1.0);
    let mut worst = 0f64;
    let mut is_over = false;
    while !is_over {
        is_over = accepted.elapsed().as_secs_f64() > seconds + 0.5;
        let soonest = accepted.elapsed();
        let moved = (held(testero, group) as f64 - from) * change.signum();
        // The truth was told at some moment between these two.
        let latest = asked.elapsed();
        assert!(moved <= level(latest) + may, "{target}: {moved} bytes after {latest:?}, too early by more than {may}");
        worst = worst.max(level(soonest) - moved - may);
        thread::sleep(Duration::from_millis(250));
    }
    eventually("the ramp is at its end", || held(testero, group) == to);
    worst
}

/// A machine that is busy may make it late, but not each time.
fn is_straight(testero: &Testero, group: &str, operation: (&str, &str), seconds: f64) {
    let from = held(testero, group);
    let mut tries = 0;
    at_least_once(operation.1, || {
        if tries > 0 {
            set(testero, group, &format!("amount={from}&exact=true"));
        }
        tries += 1;
        let behind = behind_the_line(testero, group, operation, seconds);
        if behind <= 0.0 { Ok(()) } else { Err(format!("{behind} bytes more behind the line than it may be")) }
    });
}

#[test]
fn memory_follows_a_straight_line_up_and_down() {
    let testero = Testero::start();
    is_straight(&testero, "mem", ("POST", "/api/mem/set?amount=240Mi&over=3s"), 3.0);
    is_straight(&testero, "mem", ("POST", "/api/mem/set?amount=48Mi&rate=64Mi"), 3.0);
    is_straight(&testero, "mem", ("DELETE", "/api/mem?over=2s"), 2.0);
    assert_eq!(testero.group("mem")["state"].string(), "idle");
}

#[test]
fn files_follow_a_straight_line_up_and_down() {
    let testero = Testero::start();
    is_straight(&testero, "disk", ("POST", "/api/disk/set?amount=120Mi&rate=40Mi"), 3.0);
    is_straight(&testero, "disk", ("POST", "/api/disk/set?amount=24Mi&over=3s"), 3.0);
    is_straight(&testero, "disk", ("POST", "/api/disk/set?size=0&over=2s"), 2.0);
    assert_eq!(testero.group("disk")["state"].string(), "idle");
}

#[test]
fn a_ramp_that_exchanges_parts_stays_on_its_line() {
    let testero = Testero::start();
    for group in ["mem", "disk"] {
        // Classes shrink here while others grow.
        set(&testero, group, "amount=67108863");
        is_straight(&testero, group, ("POST", &format!("/api/{group}/set?amount=120Mi&over=2s")), 2.0);
    }
}

#[test]
fn an_exact_ramp_of_memory_ends_at_what_was_asked_for() {
    exact_ramps("mem");
}

#[test]
fn an_exact_ramp_of_files_ends_at_what_was_asked_for() {
    exact_ramps("disk");
}

fn exact_ramps(group: &str) {
    let testero = Testero::start();
    let mut before = "0";
    for amount in ["48Mi", "127Mi", "48Mi", "9Mi", "9500Ki", "0", "61Mi"] {
        let told = set(&testero, group, &format!("amount={amount}&exact=true&over=400ms"));
        let (held, asked) = (told["held"].whole(), told["requested"].whole());
        assert_eq!(held, asked, "from {before} to {amount}, {held} bytes are held and said to be all");
        before = amount;
    }
}

#[test]
fn a_cpu_load_ramps_too() {
    let testero = Testero::start();
    let asked = Instant::now();
    testero.json("POST", "/api/cpu/load?time=1m&cpu=400m&over=3s", 202);
    follows_a_line(&testero, 0.0, 400.0, 3.0, asked);
}

#[test]
fn what_status_says_on_a_ramp_is_resident() {
    let testero = Testero::start();
    let before = testero.status("RssAnon") << 10;
    testero.json("POST", "/api/mem/set?amount=96Mi&over=3s", 202);
    for _ in 0..8 {
        let lower = held(&testero, "mem");
        let resident = (testero.status("RssAnon") << 10) - before;
        let upper = held(&testero, "mem");
        assert!(resident + 4 * MIB >= lower && resident <= upper + 4 * MIB, "{lower} {resident} {upper}");
        thread::sleep(Duration::from_millis(250));
    }
}
