//! One CPU flat out: for how long, how it ends, and what is said about it.

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::harness::{Testero, at_least_once, binary, eventually};

const NOTHING_TO_DO: &str = "No load request being processed, nothing to do\n";
const BUSY: &str = "Server busy, try again later\n";
/// 999983 x 1000003: factored within milliseconds.
const SMALL_NUMBER: &str = "999985999949";
/// A prime of 127 bits: not factored within any test.
const LARGE_NUMBER: &str = "170141183460469231731687303715884105727";

/// Braked answers are later than this, ...
const LATE: Duration = Duration::from_millis(950);
/// ... and the others earlier.
const SOON: Duration = Duration::from_millis(700);

/// Starts a load, after the one before is over, and returns its id.
fn load(testero: &Testero, seconds: u64) -> String {
    let mut answer = String::new();
    eventually("a load is accepted", || {
        answer = testero.get(&format!("/api/cpu/load?time={seconds}"));
        !answer.starts_with("Server ")
    });
    let id = answer.strip_prefix(&format!("CPU load requested for {seconds} seconds with id: "));
    let id = id.and_then(|id| id.strip_suffix('\n')).unwrap_or_else(|| panic!("{answer}"));
    assert!(id.len() == 19 && id.bytes().all(|b| b.is_ascii_digit()), "{answer}");
    id.to_owned()
}

fn stop(testero: &Testero, id: &str) {
    assert_eq!(testero.get(&format!("/api/cpu/stop?id={id}")), "CPU load stopped\n");
}

/// Waits until the log has a line that contains `words` so many times.
fn logged(testero: &Testero, words: &str, times: usize) -> String {
    let mut line = String::new();
    eventually(words, || {
        let log = testero.log();
        let mut lines = log.lines().filter(|line| line.contains(words));
        line = lines.nth(times - 1).unwrap_or_default().to_owned();
        !line.is_empty()
    });
    line
}

/// The answer and how long it took.
fn timed(testero: &Testero, target: &str) -> (String, Duration) {
    let start = Instant::now();
    (testero.get(target), start.elapsed())
}

/// What `cpu/getact` says of a running load.
#[derive(Debug)]
struct Told {
    sent: Date,
    asked: String,
    ends: Date,
    number: String,
}

impl Told {
    fn of(testero: &Testero) -> Self {
        let answer = testero.get("/api/cpu/getact");
        let lines: Vec<&str> = answer.strip_suffix('\n').unwrap().split('\n').collect();
        assert_eq!(lines.len(), 4, "{answer}");
        let value = |line: usize, name: &str| lines[line].strip_prefix(name).unwrap_or_else(|| panic!("{answer}"));
        Self {
            sent: Date::parse(value(0, "Load request sent at: ")),
            asked: value(1, "Load time requested: ").to_owned(),
            ends: Date::parse(value(2, "Load request ends at: ")),
            number: value(3, "Number to factor: ").to_owned(),
        }
    }

    fn seconds(&self) -> i64 {
        self.ends.epoch - self.sent.epoch
    }
}

/// `2021-04-05 20:03:13 +0200 CEST`, taken apart.
#[derive(Debug)]
struct Date {
    epoch: i64,
    zone: String,
    year: i64,
}

impl Date {
    fn parse(text: &str) -> Self {
        let shape: String = text.chars().take(25).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert!(["9999-99-99 99:99:99 +9999", "9999-99-99 99:99:99 -9999"].contains(&shape.as_str()), "{text}");
        let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        let sign = if &text[20..21] == "-" { -1 } else { 1 };
        let offset = sign * (number(21, 23) * 3600 + number(23, 25) * 60);
        let clock = number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19);
        // Days since the epoch, by counting years from March on (Hinnant's days_from_civil).
        let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
        Self { epoch: days * 86_400 + clock - offset, zone: text[20..].to_owned(), year }
    }
}

/// A testero in a time zone: that of `TZ`, or without it.
fn in_zone(zone: Option<&str>) -> Testero {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new(binary());
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    match zone {
        Some(zone) => command.env("TZ", zone),
        None => command.env_remove("TZ"),
    };
    Testero::spawn(command, data)
}

/// Starts a load of 100 seconds and checks that the time it is said to be sent at is now.
fn told_in_zone(zone: Option<&str>) -> Told {
    let testero = in_zone(zone);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let before = now();
    load(&testero, 100);
    let after = now();
    let told = Told::of(&testero);
    assert!((before..=after).contains(&told.sent.epoch), "{before} {after} {told:?}");
    assert_eq!(told.seconds(), 100);
    told
}

#[test]
fn a_load_takes_one_core_flat_out() {
    let testero = Testero::start();
    let (start, before) = (Instant::now(), testero.cpu_time());
    load(&testero, 100);
    let worker = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", testero.pid())).unwrap().flatten();
        let name = |path: &std::path::Path| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        tasks.map(|task| task.path()).find(|path| name(path) == "cpu\n")
    };
    eventually("the worker runs", || worker().is_some());
    let worker = worker().unwrap();
    // On the CPU, or waiting for it because the machine is loaded: in nanoseconds.
    let wants = || {
        let text = std::fs::read_to_string(worker.join("schedstat")).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        Duration::from_nanos(numbers[0] + numbers[1])
    };
    let (wanted, began) = (wants(), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let wall = began.elapsed();
    let wanted = wants() - wanted;
    assert!(wanted > wall.mul_f64(0.8), "not flat out: {wanted:?} of {wall:?}");
    let (used, wall) = (testero.cpu_time() - before, start.elapsed());
    assert!(used > Duration::from_millis(20), "{used:?}");
    assert!(used < wall.mul_f64(1.05) + Duration::from_millis(200), "more than one core: {used:?} of {wall:?}");
}

#[test]
fn a_load_ends_by_itself_after_the_time_asked_for() {
    let testero = Testero::start();
    let start = Instant::now();
    let id = load(&testero, 2);
    logged(&testero, &format!("CPU load {id} ended"), 1);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1990), "{took:?}");
    assert_eq!(testero.get("/api/cpu/getact"), "No load request in progress\n");
    at_least_once("it is idle", || {
        let used = testero.cpu_time();
        thread::sleep(Duration::from_millis(500));
        let more = testero.cpu_time() - used;
        if more <= Duration::from_millis(50) { Ok(()) } else { Err(format!("{more:?}")) }
    });
}

#[test]
fn the_log_tells_for_how_long_a_load_ran() {
    let testero = Testero::start();
    for round in 0..3 {
        let id = load(&testero, 1);
        let line = logged(&testero, &format!("CPU load {id} ended"), 1);
        assert!(line.ends_with(" after 1 seconds"), "{round}: {line}");
        eventually("it is over", || testero.get("/api/cpu/getact").starts_with("No load"));
    }
}

#[test]
fn after_stop_answers_the_cpu_is_free_within_100_ms() {
    let testero = Testero::start();
    let mut soonest = Duration::MAX;
    for _ in 0..3 {
        let id = load(&testero, 100);
        thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        stop(&testero, &id);
        soonest = soonest.min(start.elapsed());
        thread::sleep(Duration::from_millis(100));
        let used = testero.cpu_time();
        thread::sleep(Duration::from_millis(500));
        let more = testero.cpu_time() - used;
        assert!(more <= Duration::from_millis(30), "still working: {more:?}");
        logged(&testero, &format!("CPU load {id} stopped"), 1);
    }
    assert!(soonest < SOON, "a load that was stopped is told so at once: {soonest:?}");
}

#[test]
fn a_stopped_load_makes_way_for_the_next_at_once() {
    let testero = Testero::start();
    let mut late = 0;
    for _ in 0..10 {
        let start = Instant::now();
        let id = load(&testero, 100);
        late += u32::from(start.elapsed() >= LATE);
        stop(&testero, &id);
    }
    // Where the machine is loaded, a worker may not have got a CPU within the 100 ms.
    assert!(late <= 2, "{late} of 10 loads found the one before still running");
}

#[test]
fn a_signal_ends_a_load() {
    let testero = Testero::start();
    load(&testero, 100);
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?} {log}");
}

#[test]
fn while_a_load_runs_another_is_told_busy_late() {
    let testero = Testero::start();
    let id = load(&testero, 100);
    eventually("it runs", || testero.get("/api/cpu/load?time=1") == BUSY);
    // Looked at before the time is: busy is the answer whatever is asked.
    for target in ["/api/cpu/load?time=1", "/api/cpu/load?time=abc"] {
        let (answer, took) = timed(&testero, target);
        assert_eq!(answer, BUSY, "{target}");
        assert!(took >= LATE, "{target}: {took:?}");
    }
    stop(&testero, &id);
}

#[test]
fn a_refused_load_answers_at_once() {
    let testero = Testero::start();
    for (query, words) in [
        ("", "No load time specified\n"),
        ("?time=", "No load time specified\n"),
        ("?time=abc", "Invalid time specification: strconv.ParseUint: parsing \"abc\": invalid syntax\n"),
        ("?time=90s", "Invalid time specification: strconv.ParseUint: parsing \"90s\": invalid syntax\n"),
        ("?time=-1", "Invalid time specification: strconv.ParseUint: parsing \"-1\": invalid syntax\n"),
        (
            "?time=18446744073709551616",
            "Invalid time specification: strconv.ParseUint: parsing \"18446744073709551616\": value out of range\n",
        ),
    ] {
        // The soonest of three: the machine may be loaded, the brake would hold all of them.
        let asked = (0..3).map(|_| timed(&testero, &format!("/api/cpu/load{query}"))).collect::<Vec<_>>();
        assert!(asked.iter().all(|(answer, _)| answer == words), "{asked:?}");
        assert!(asked.iter().any(|(_, took)| *took < SOON), "{asked:?}");
    }
}

#[test]
fn stop_with_nothing_running_has_nothing_to_do_whatever_the_id() {
    let testero = Testero::start();
    for query in ["", "?id=12", "?id=zz", "?id=99999999999999999999"] {
        let (answer, took) = timed(&testero, &format!("/api/cpu/stop{query}"));
        assert_eq!(answer, NOTHING_TO_DO, "{query}");
        assert!(took >= LATE, "{query}: {took:?}");
    }
}

#[test]
fn stop_with_a_wrong_id_is_told_so_late_and_stops_nothing() {
    let testero = Testero::start();
    let id = load(&testero, 100);
    for (query, words) in [
        ("", "No request ID specified\n"),
        ("?id=12", "Incorrect stop load request ID=12\n"),
        ("?id=-12", "Incorrect stop load request ID=-12\n"),
        ("?id=%2B12", "Incorrect stop load request ID=12\n"),
        ("?id=zz", "Invalid ID specification: strconv.ParseInt: parsing \"zz\": invalid syntax\n"),
        (
            "?id=9223372036854775808",
            "Invalid ID specification: strconv.ParseInt: parsing \"9223372036854775808\": value out of range\n",
        ),
    ] {
        let (answer, took) = timed(&testero, &format!("/api/cpu/stop{query}"));
        assert_eq!(answer, words, "{query}");
        assert!(took >= LATE, "{query}: {took:?}");
    }
    stop(&testero, &id);
}

#[test]
fn getact_is_late_running_or_not() {
    let testero = Testero::start();
    let (answer, took) = timed(&testero, "/api/cpu/getact");
    assert!(answer == "No load request in progress\n" && took >= LATE, "{answer} {took:?}");
    load(&testero, 100);
    let (answer, took) = timed(&testero, "/api/cpu/getact");
    assert!(answer.starts_with("Load request sent at: ") && took >= LATE, "{answer} {took:?}");
}

#[test]
fn getact_tells_local_time_as_a_posix_rule_has_it() {
    let told = told_in_zone(Some("CET-1CEST,M3.5.0,M10.5.0/3"));
    assert!(["+0100 CET", "+0200 CEST"].contains(&told.sent.zone.as_str()), "{told:?}");
    assert_eq!(told_in_zone(Some("NST3:30")).sent.zone, "-0330 NST");
}

#[test]
fn getact_tells_utc_or_the_machines_zone_without_tz() {
    let date = Command::new("date").arg("+%z %Z").env_remove("TZ").output().unwrap();
    assert_eq!(told_in_zone(None).sent.zone, String::from_utf8(date.stdout).unwrap().trim());
    assert_eq!(told_in_zone(Some("UTC0")).sent.zone, "+0000 UTC");
}

#[test]
fn getact_shows_the_time_asked_for_and_the_number() {
    let testero = Testero::start();
    load(&testero, 200);
    let told = Told::of(&testero);
    assert_eq!((told.asked.as_str(), told.seconds()), ("200 seconds", 200));
    assert_eq!(told.number, "493440589722494743501");
}

#[test]
fn a_longer_load_than_the_limit_is_accepted_and_ends_at_the_limit() {
    let testero = Testero::start_with(&[], &[("HIGHCPULIM", "30")]);
    let id = load(&testero, 100);
    let told = Told::of(&testero);
    assert_eq!((told.asked.as_str(), told.seconds()), ("100 seconds", 30));
    let line = logged(&testero, &format!("CPU load {id}: "), 1);
    assert!(line.contains("100 seconds") && line.contains("30 seconds"), "{line}");

    let testero = Testero::start_with(&["--cpu-limit", "1"], &[("HIGHCPULIM", "30")]);
    let (start, id) = (Instant::now(), load(&testero, 100));
    logged(&testero, &format!("CPU load {id} ended"), 1);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn the_default_limit_is_1500_seconds() {
    let testero = Testero::start_with(&[], &[("HIGHCPULIM", "")]);
    for seconds in [1501, u64::MAX] {
        let id = load(&testero, seconds);
        let told = Told::of(&testero);
        assert_eq!((told.seconds(), told.asked), (1500, format!("{seconds} seconds")));
        stop(&testero, &id);
    }
}

#[test]
fn without_a_limit_the_largest_time_saturates() {
    let testero = Testero::start_with(&[], &[("HIGHCPULIM", "0"), ("TZ", "UTC0")]);
    let id = load(&testero, u64::MAX);
    let told = Told::of(&testero);
    assert_eq!((told.asked.as_str(), told.ends.year), ("18446744073709551615 seconds", 9999));
    stop(&testero, &id);
}

#[test]
fn a_number_of_the_users_own_is_not_limited_by_default() {
    let testero = Testero::start_with(&[], &[("NUMTOFACTOR", LARGE_NUMBER)]);
    load(&testero, 5000);
    let told = Told::of(&testero);
    assert_eq!((told.seconds(), told.number.as_str()), (5000, LARGE_NUMBER));
}

#[test]
fn a_load_ends_when_the_users_number_is_factored_and_each_load_factors_it_anew() {
    let testero = Testero::start_with(&[], &[("NUMTOFACTOR", SMALL_NUMBER)]);
    for round in 1..=3 {
        load(&testero, 1000);
        let line = logged(&testero, "Number factored: ", round);
        assert!(line.ends_with("999985999949 = 999983 x 1000003"), "{line}");
    }
    eventually("the last is over", || testero.get("/api/cpu/getact").starts_with("No load"));
}
