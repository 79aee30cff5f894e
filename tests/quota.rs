//! What bounds CPU load: quotas of the container, limits of the user, and the contract, which stays as it is.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::harness::{Testero, answers_within, at_least_once, eventually};
use super::json::Json;
use super::millicores::{load, tells_what_is_achieved, told};

fn in_half_a_core(name: &str) -> Option<(Cgroup, Testero)> {
    let cgroup = Cgroup::half_a_core(name)?;
    // Taken apart in this order, the process goes before its group.
    let testero = cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &[]);
    Some((cgroup, testero))
}

#[test]
fn a_quota_below_the_target_is_told_with_how_much_is_missing() {
    let Some((cgroup, testero)) = in_half_a_core("capped") else { return };
    let idle = testero.status_and_json("GET", "/api/status").1;
    assert_eq!(idle.number("container.cpu_quota_millicores"), 500.0);
    assert_eq!(idle.number("container.cpu_period_ms"), 100.0);
    assert!(!idle.is("groups.cpu.capped"));
    assert_eq!(idle.number("groups.cpu.limit_millicores"), 500.0);
    load(&testero, "time=120&cpu=900m");
    eventually("it is capped", || told(&testero).is("capped"));
    assert_eq!(told(&testero).number("capped_millicores"), 400.0);
    let counters = |of: &Json| {
        let number = |name: &str| of.number(&format!("container.cpu_{name}"));
        (number("periods"), number("throttled_periods"), number("throttled_seconds"))
    };
    let before = counters(&testero.status_and_json("GET", "/api/status").1);
    let (used, began) = (testero.cpu_time(), Instant::now());
    thread::sleep(Duration::from_secs(3));
    let share = (testero.cpu_time() - used).as_secs_f64() / began.elapsed().as_secs_f64();
    // Half a core is all there is, and the program says so instead of what was asked for.
    assert!(share < 0.6, "{share}");
    let achieved = told(&testero).number("achieved_millicores");
    assert!(achieved < 620.0, "{achieved}");
    let mut after = before;
    eventually("periods, and those in which it was throttled, are counted", || {
        after = counters(&testero.status_and_json("GET", "/api/status").1);
        after.0 >= before.0 + 20.0 && after.1 >= before.1 + 5.0 && after.2 > before.2
    });
    let truth = cgroup.number("cpu.stat", Some("nr_throttled")) as f64;
    assert!(after.1 <= truth && after.1 >= before.1, "{after:?} of {truth}");
    let text = testero.get("/api/status");
    let line = text.lines().find(|line| line.starts_with("quota ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("500m") && line.contains("capped by 400m") && line.contains("throttled in"), "{line}");
}

#[test]
fn a_target_within_the_quota_is_not_capped_and_shares_are_shares_of_it() {
    let Some((_cgroup, testero)) = in_half_a_core("within") else { return };
    assert_eq!(load(&testero, "time=60&cpu=50pct").number("target_millicores"), 250.0);
    tells_what_is_achieved(&testero, 250.0);
    assert!(!told(&testero).is("capped"));
    assert_eq!(told(&testero).number("capped_millicores"), 0.0);
    assert_eq!(load(&testero, "time=60&cpu=max&replace=true").number("target_millicores"), 500.0);
}

#[test]
fn the_contracts_load_is_capped_by_a_quota_as_well() {
    let Some((_cgroup, testero)) = in_half_a_core("plain") else { return };
    let text = testero.get("/api/cpu/load?time=60");
    assert!(text.starts_with("CPU load requested for 60 seconds with id: "), "{text}");
    eventually("it is capped", || told(&testero).is("capped"));
    assert_eq!(told(&testero).number("capped_millicores"), 500.0);
}

#[test]
fn with_an_exhausted_quota_the_api_answers_within_a_period_or_so() {
    let Some((_cgroup, testero)) = in_half_a_core("exhausted") else { return };
    load(&testero, "time=120&cpu=1000m");
    // One period of 100 ms and 50 ms are promised; two periods more for a machine that runs other tests.
    at_least_once("the API answers", || answers_within(&testero, 100, Duration::from_millis(350)));
}

#[test]
fn the_contracts_load_is_as_it_was() {
    let testero = Testero::start();
    let text = testero.get("/api/cpu/load?time=2000");
    assert!(text.starts_with("CPU load requested for 2000 seconds with id: "), "{text}");
    let lines = testero.get("/api/cpu/getact");
    let shape: Vec<&str> = lines.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        shape,
        ["Load request sent at", "Load time requested", "Load request ends at", "Number to factor"],
        "{lines}"
    );
    assert!(lines.contains("Load time requested: 2000 seconds\n"), "{lines}");
    let plain = told(&testero);
    assert_eq!((plain.number("target_millicores"), plain.number("seconds")), (1000.0, 1500.0));
    assert_eq!(testero.get("/api/cpu/load?time=5"), "Server busy, try again later\n");
    assert_eq!(testero.get("/api/cpu/load"), "Server busy, try again later\n");
    // The default limit is for the contract's number alone.
    assert_eq!(load(&testero, "time=2000&cpu=10m&replace=true").number("seconds"), 2000.0);
    let lines = testero.get("/api/cpu/getact");
    assert_eq!(lines.lines().count(), 4, "{lines}");
    testero.ask("DELETE", "/api/cpu");
    eventually("it is over", || testero.get("/api/cpu/getact") == "No load request in progress\n");
    assert_eq!(
        testero.get("/api/cpu/load?time=x"),
        "Invalid time specification: strconv.ParseUint: parsing \"x\": invalid syntax\n"
    );
}

#[test]
fn only_the_contracts_load_ends_with_its_number() {
    let testero = Testero::start_with(&[], &[("NUMTOFACTOR", "91")]);
    load(&testero, "time=60&cpu=50m");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(told(&testero).text("state"), "working");
    testero.status_and_json("POST", "/api/cpu/load?time=60&replace=true");
    eventually("the number is factored", || told(&testero).text("state") == "idle");
}

#[test]
fn limits_of_the_user_cut_every_load_short() {
    for (name, value) in [("HIGHCPULIM", "1"), ("MAXTTL", "1s")] {
        let testero = Testero::start_with(&[], &[(name, value)]);
        let began = Instant::now();
        let receipt = load(&testero, "time=60&cpu=50m");
        assert_eq!(receipt.number("seconds"), 1.0, "{name}");
        eventually("it is over", || told(&testero).text("state") == "idle");
        assert!(began.elapsed() >= Duration::from_millis(900), "{name}");
    }
}

#[test]
fn a_load_from_the_start_needs_no_client() {
    let testero = Testero::start_with(&[], &[("START_CPU", "200m,ttl=1h")]);
    let mut now = told(&testero);
    eventually("it runs", || {
        now = told(&testero);
        now.text("state") == "working"
    });
    assert_eq!((now.number("target_millicores"), now.number("seconds")), (200.0, 3600.0));
    tells_what_is_achieved(&testero, 200.0);
}
