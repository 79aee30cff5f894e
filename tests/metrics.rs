//! What a Prometheus scrapes.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exposition::Page;
use crate::harness::{Testero, eventually, skip};

const OPEN: &str = "application/openmetrics-text";
/// What a Prometheus sends.
pub(crate) const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

/// A service that has done some of everything, so that every family has samples.
fn busy() -> Testero {
    let variables = [("FAULTS", "on"), ("POD_NAME", "pod-\"1\\"), ("HIGHMEMLIM", "200000000")];
    let testero = Testero::start_with(&[], &variables);
    for target in [
        "/api/mem/set?size=1000000",
        "/api/disk/set?size=1000000",
        "/api/inode/set?count=3",
        "/api/pid/set?count=3",
        "/api/fd/set?count=3",
        "/api/mem/set?size=abc",
        "/api/mem/set?size=300000000",
        "/api/cpu/load?time=600&cpu=50m",
        "/nowhere",
        "/api/../healthz",
    ] {
        testero.ask("GET", target);
    }
    testero.settled("mem");
    testero.settled("disk");
    testero.ask("POST", "/api/io/load?time=600&rate=1Mi");
    testero.ask("POST", "/ConsumeCPU?millicores=20&durationSec=600");
    testero.ask("POST", "/ConsumeMem?megabytes=4&durationSec=600");
    testero.ask("POST", "/BumpMetric?metric=qps&delta=2.5&durationSec=600");
    testero.ask("POST", "/BumpMetric?metric=http_requests_per_second&delta=2.5&durationSec=600");
    testero.ask("POST", "/BumpMetric?metric=rule:qps&delta=2.5&durationSec=600");
    testero.raw(b"nonsense\r\n\r\n");
    testero
}

#[test]
fn promtool_finds_nothing_wrong() {
    for testero in [busy(), Testero::start()] {
        check_with_promtool(&testero.get("/metrics"));
    }
}

pub(crate) fn check_with_promtool(page: &str) {
    let mut command = Command::new("promtool");
    let command =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            skip("there is no promtool on this machine, so the metrics are NOT checked by it");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{}: {said}{page}", output.status);
}

#[test]
fn both_formats_are_sound_and_tell_the_same() {
    let testero = busy();
    let classic = testero.ask("GET", "/metrics");
    assert_eq!(classic.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let classic = Page::check(&classic.body, false);
    let open = testero.send("GET", "/metrics", &[("Accept", PROMETHEUS)], "");
    assert_eq!(open.field("Content-Type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let open = Page::check(&open.body, true);
    let names = |page: &Page| page.samples.iter().map(|(name, ..)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(&classic), names(&open));
    for (family, kind) in &open.families {
        assert!(kind != "counter" || !family.ends_with("_total"), "{family}");
        let full = match &**kind {
            "counter" => format!("{family}_total"),
            "info" => format!("{family}_info"),
            _ => family.clone(),
        };
        let expected = if kind == "info" { "gauge" } else { kind };
        assert_eq!(classic.families.get(&full).map(String::as_str), Some(expected), "{family}");
    }
    // Base units, and no unit twice: what an eye sees at once.
    for family in open.families.keys() {
        assert!(!family.contains("milli") && !family.contains("_ms") && !family.contains("percent"), "{family}");
    }
}

#[test]
fn who_asks_for_openmetrics_gets_it_and_nobody_else() {
    let testero = Testero::start();
    let is_open = |accept: &str| {
        let answer = testero.send("GET", "/metrics", &[("Accept", accept)], "");
        assert_eq!(answer.status, 200);
        let open = answer.field("Content-Type").unwrap().starts_with(OPEN);
        Page::check(&answer.body, open);
        open
    };
    for accept in [
        PROMETHEUS,
        OPEN,
        "application/openmetrics-text; version=1.0.0",
        "text/plain;q=0.1, Application/OpenMetrics-Text",
    ] {
        assert!(is_open(accept), "{accept}");
    }
    for accept in [
        "",
        "*/*",
        "text/plain",
        "text/html",
        "application/openmetrics-text;q=0, */*",
        "text/plain;q=0.9,application/openmetrics-text;q=0.1",
    ] {
        assert!(!is_open(accept), "{accept}");
    }
    for method in ["GET", "POST"] {
        assert!(Page::check(&testero.ask(method, "/metrics").body, false).samples.len() > 20, "{method}");
    }
    assert_eq!(testero.ask("HEAD", "/metrics").body, "");
}

#[test]
fn labels_come_from_the_table_of_routes_and_never_from_a_client() {
    let testero = busy();
    testero.get("/metrics");
    let before: BTreeSet<String> = Page::classic(&testero).routes().iter().map(|route| (*route).to_owned()).collect();
    for secret in
        ["leak1", "/api/leak2", "/api/mem/set/leak3", "/api/mem/leak4?x=leak5", "/%6ceak6", "/leak7\"} 1", "//leak8"]
    {
        for method in ["GET", "POST", "LEAK9", "leak"] {
            let target = if secret.starts_with('/') { secret.to_owned() } else { format!("/{secret}") };
            testero.send(method, &target, &[("Host", "leak.example"), ("User-Agent", "leak")], "");
        }
    }
    testero.raw(b"LEAK /leak HTTP/9.9\r\n\r\n");
    let text = testero.get("/metrics");
    assert!(!text.to_lowercase().contains("leak"), "{text}");
    let page = Page::check(&text, false);
    let after: BTreeSet<String> = page.routes().iter().map(|route| (*route).to_owned()).collect();
    assert_eq!(after, before);
    // A path that is written in another way is the same route.
    let asked =
        |page: &Page| page.value("testero_http_requests_total", &[("route", "/api/mem/getact"), ("code", "200")]);
    let earlier = asked(&page);
    testero.get("/api/mem%2Fgetact");
    testero.get("/api/%6dem/getact?leak=1");
    assert_eq!(asked(&Page::classic(&testero)), earlier + 2.0);
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let testero = Testero::start_with(&[], &[("FAULTS", "on"), ("HIGHMEMLIM", "10000000")]);
    for _ in 0..3 {
        testero.get("/api/mem/getdef");
        testero.ask("GET", "/nowhere");
    }
    testero.ask("GET", "/readyz/disable");
    testero.ask("POST", "/api/mem/set?size=1&format=json");
    testero.settled("mem");
    testero.ask("POST", "/api/mem/set?size=x&format=json");
    testero.ask("POST", "/api/mem/set?size=20000000&format=json");
    testero.ask("POST", "/fault/status?code=503&for=1m");
    testero.ask("GET", "/api/mem/getdef");
    let page = Page::classic(&testero);
    for (route, code, count) in [
        ("/api/mem/getdef", "200", 3.0),
        ("/api/mem/getdef", "503", 1.0),
        ("other", "404", 3.0),
        ("/readyz/disable", "405", 1.0),
        ("/api/mem/set", "202", 1.0),
        ("/api/mem/set", "400", 1.0),
        ("/api/mem/set", "422", 1.0),
        ("/fault/status", "200", 1.0),
    ] {
        let labels = [("route", route), ("code", code)];
        assert_eq!(page.find("testero_http_requests_total", &labels), Some(count), "{labels:?}");
    }
    let count = page.value("testero_http_request_duration_seconds_count", &[("route", "/api/mem/getdef")]);
    assert_eq!(count, 4.0);
}

#[test]
fn requests_for_a_change_are_counted_by_their_outcome_however_they_are_asked() {
    for json in ["", "&format=json"] {
        let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "10000000")]);
        testero.ask("POST", &format!("/api/mem/set?size=1{json}"));
        testero.settled("mem");
        testero.ask("POST", &format!("/api/cpu/load?time=60{json}"));
        for target in ["mem/set?size=x", "mem/set?size=20000000", "cpu/load?time=x", "cpu/load?time=60"] {
            testero.ask("POST", &format!("/api/{target}{json}"));
        }
        let page = Page::classic(&testero);
        let counted = |group: &str, outcome: &str| {
            page.value("testero_requests_total", &[("group", group), ("outcome", outcome)])
        };
        let mem = ["accepted", "invalid", "too_much", "conflict"].map(|outcome| counted("mem", outcome));
        assert_eq!(mem, [1.0, 1.0, 1.0, 0.0], "accepted, invalid, too much, conflict of mem, {json:?}");
        // In text, a load that runs is told of before anything that is wrong.
        let (invalid, conflict) = if json.is_empty() { (0.0, 2.0) } else { (1.0, 1.0) };
        let cpu = ["accepted", "invalid", "conflict"].map(|outcome| counted("cpu", outcome));
        assert_eq!(cpu, [1.0, invalid, conflict], "accepted, invalid, conflict of cpu, {json:?}");
    }
}

#[test]
fn groups_are_told_as_they_are() {
    let testero = busy();
    // The account of what is counted is a moment behind.
    eventually("all is held", || {
        let report = testero.report();
        ["inode", "pid", "fd"].iter().all(|group| report.number(&format!("groups.{group}.held")) == 3.0)
    });
    let (page, report) = (Page::classic(&testero), testero.report());
    for (group, unit, held) in [
        ("mem", "bytes", 1_048_576.0),
        ("disk", "bytes", 1_048_576.0),
        ("inode", "objects", 3.0),
        ("pid", "objects", 3.0),
        ("fd", "objects", 3.0),
    ] {
        let value = |what: &str| page.value(&format!("testero_{what}_{unit}"), &[("group", group)]);
        let told = report.number(&format!("groups.{group}.held"));
        assert_eq!((value("target"), value("held"), told), (held, held, held), "{group}");
        assert!(value("limit") >= held && value("available") > 0.0, "{group}");
        let states: Vec<_> = page.of("testero_group_state").filter(|(_, labels, _)| labels["group"] == group).collect();
        let on: Vec<_> =
            states.iter().filter(|(.., value)| *value == 1.0).map(|(_, labels, _)| &*labels["state"]).collect();
        assert!(states.len() == 6 && on == ["holding"], "{group}: {states:?}");
        assert_eq!(page.value("testero_works_total", &[("group", group), ("outcome", "done")]), 1.0, "{group}");
        assert!(page.value("testero_work_seconds_total", &[("group", group)]) > 0.0, "{group}");
    }
    // What jobs were promised is not there to be set: the limit binds the sum.
    assert_eq!(page.value("testero_limit_bytes", &[("group", "mem")]), 200_000_000.0 - f64::from(4 << 20));
    assert!((page.value("testero_cpu_target_cores", &[]) - 0.07).abs() < 1e-9);
    assert_eq!(page.value("testero_jobs", &[("kind", "cpu")]) + page.value("testero_jobs", &[("kind", "mem")]), 2.0);
    eventually("the CPU is used", || Page::classic(&testero).value("testero_cpu_achieved_cores", &[]) > 0.01);
    testero.ask("DELETE", "/api?wait=true");
    let page = Page::classic(&testero);
    assert_eq!(page.value("testero_held_bytes", &[("group", "mem")]), 0.0);
    assert_eq!(page.value("testero_group_state", &[("group", "mem"), ("state", "idle")]), 1.0);
    assert_eq!(page.value("testero_cpu_target_cores", &[]), 0.0);
}

#[test]
fn what_io_loads_move_is_a_counter_that_is_always_there_and_loads_have_a_state() {
    let testero = Testero::start();
    let moved = |direction| Page::classic(&testero).value("testero_io_load_bytes_total", &[("direction", direction)]);
    let states = |group| {
        let page = Page::classic(&testero);
        let all = page.of("testero_group_state").filter(|(_, labels, _)| labels["group"] == group);
        let all: Vec<_> = all.map(|(_, labels, value)| (labels["state"].clone(), *value)).collect();
        assert_eq!(all.len(), 6, "{group}: {all:?}");
        all.into_iter().filter(|(_, value)| *value == 1.0).map(|(state, _)| state).collect::<Vec<_>>()
    };
    assert_eq!((moved("write"), moved("read")), (0.0, 0.0));
    assert_eq!((states("cpu"), states("io")), (vec![String::from("idle")], vec![String::from("idle")]));
    testero.json("POST", "/api/disk/set?amount=5Mi&wait=true", 200);
    let mut before = 0.0;
    for _ in 0..2 {
        testero.json("POST", "/api/io/load?time=600", 202);
        testero.json("POST", "/api/cpu/load?time=600&cpu=10m", 202);
        eventually("it moves something", || moved("write") > before && moved("read") > before);
        eventually("both work", || states("cpu") == ["working"] && states("io") == ["working"]);
        testero.ask("DELETE", "/api/io");
        testero.ask("DELETE", "/api/cpu");
        eventually("both are idle", || states("cpu") == ["idle"] && states("io") == ["idle"]);
        // What was moved stays counted.
        before = moved("write").max(moved("read"));
        assert!(before > 0.0);
    }
    let open = testero.send("GET", "/metrics", &[("Accept", OPEN)], "").body;
    let open = Page::check(&open, true);
    assert_eq!(open.families.get("testero_io_load_bytes").map(String::as_str), Some("counter"));
}

#[test]
fn the_process_is_told_under_the_standard_names_and_the_kernel_as_it_says() {
    let testero = Testero::start();
    let page = Page::classic(&testero);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let started = page.value("process_start_time_seconds", &[]);
    assert!(started <= now + 0.1 && started > now - 60.0, "{started} {now}");
    let (resident, rss) = (page.value("process_resident_memory_bytes", &[]), testero.status("VmRSS") * 1024);
    assert!((resident / rss as f64 - 1.0).abs() < 0.25, "{resident} {rss}");
    assert!(page.value("process_virtual_memory_bytes", &[]) >= resident);
    let (open, most) = (page.value("process_open_fds", &[]), page.value("process_max_fds", &[]));
    assert!(open >= 5.0 && open < most, "{open} {most}");
    assert!(page.find("process_cpu_seconds_total", &[]).is_some());
    if std::fs::read_to_string("/proc/pressure/cpu").is_ok() {
        for resource in ["cpu", "memory", "io"] {
            let labels = [("resource", resource), ("tasks", "some")];
            assert!(page.find("testero_pressure_seconds_total", &labels).is_some(), "{resource}");
        }
        let text = testero.get("/metrics");
        let help = text.lines().find(|line| line.starts_with("# HELP testero_pressure_seconds")).unwrap();
        assert!(help.contains("cgroup") && help.contains("/proc/pressure"), "whose it is: {help}");
        let whose = testero.report()["container"]["pressure"]["cpu"]["of"].clone();
        assert!(["container", "machine"].contains(&whose.string()), "{whose:?}");
    }
}

/// The status of a bump.
fn bump(testero: &Testero, metric: &str, delta: f64, seconds: u64) -> u16 {
    testero.ask("POST", &format!("/BumpMetric?metric={metric}&delta={delta}&durationSec={seconds}")).status
}

#[test]
fn bumped_gauges_appear_add_up_and_fall_back() {
    let testero = Testero::start();
    assert_eq!(Page::classic(&testero).find("qps", &[]), None);
    assert_eq!(bump(&testero, "qps", 5.0, 600), 200);
    assert_eq!(Page::classic(&testero).value("qps", &[]), 5.0);
    assert_eq!(bump(&testero, "qps", -1.5, 600), 200);
    assert_eq!(bump(&testero, "http_requests_per_second", 7.0, 600), 200);
    assert_eq!(Page::classic(&testero).value("qps", &[]), 3.5);
    assert_eq!(bump(&testero, "qps", 100.0, 3), 200);
    let start = std::time::Instant::now();
    let high = Page::classic(&testero).value("qps", &[]);
    assert!(high == 103.5 || start.elapsed().as_secs() >= 3, "{high}");
    eventually("it falls back", || Page::classic(&testero).value("qps", &[]) == 3.5);
    assert!(start.elapsed().as_secs_f64() > 2.5);
    for accept in ["text/plain", OPEN] {
        let page = testero.send("GET", "/metrics", &[("Accept", accept)], "").body;
        let page = Page::check(&page, accept == OPEN);
        assert_eq!(page.families.get("qps").map(String::as_str), Some("gauge"));
        assert_eq!(page.value("http_requests_per_second", &[]), 7.0);
    }
}

#[test]
fn bumped_gauges_have_valid_names_that_are_not_ours() {
    let testero = busy();
    let open = testero.send("GET", "/metrics", &[("Accept", OPEN)], "").body;
    let ours = Page::check(&open, true).families.into_keys().chain(Page::classic(&testero).families.into_keys());
    let ours: Vec<String> = ours.filter(|name| !["qps", "http_requests_per_second"].contains(&&**name)).collect();
    assert!(ours.len() > 40);
    let wrong =
        ["5x", "a-b", "a%20b", "a.b", "%c3%a9", "a%0ab", "a%7Bx=%221%22%7D", "testero_mine", "process_mine", "%ff"];
    for name in ours.iter().map(String::as_str).chain(wrong) {
        assert_eq!(bump(&testero, name, 1.0, 600), 400, "{name}");
    }
    assert_eq!(bump(&testero, &"x".repeat(5000), 1.0, 600), 400);
    // Those that a Prometheus writes itself, and those that are for recording rules.
    for name in ["up", "scrape_duration_seconds", "ALERTS", "a:b"] {
        assert_eq!(bump(&testero, name, 1.0, 600), 400, "{name}");
    }
    // Names that another family's samples would have.
    for name in ["qps_total", "qps_bucket", "_qps", "QPS", "q:p:s9"] {
        let status = bump(&testero, name, 1.0, 600);
        assert!([200, 400].contains(&status), "{name}: {status}");
    }
    Page::classic(&testero);
    Page::check(&testero.send("GET", "/metrics", &[("Accept", OPEN)], "").body, true);
}

#[test]
fn there_are_at_most_a_hundred_bumped_gauges() {
    let testero = Testero::start();
    for number in 0..100 {
        assert_eq!(bump(&testero, &format!("gauge_{number}"), 1.0, 600), 200, "{number}");
    }
    let answer = testero.ask("POST", "/BumpMetric?metric=gauge_100&delta=1&durationSec=600");
    assert!((400..600).contains(&answer.status) && answer.body.contains("100"), "{answer:?}");
    let page = Page::classic(&testero);
    assert_eq!(page.families.keys().filter(|name| name.starts_with("gauge_")).count(), 100);
    // Those that are there are bumped as before.
    assert_eq!(bump(&testero, "gauge_7", 1.0, 600), 200);
    assert_eq!(Page::classic(&testero).value("gauge_7", &[]), 2.0);
}
