//! What is named as available: never more than the limit, than the file system has, or than the node's reserve leaves.

use std::sync::Arc;

use testero::kernel::filesystem;

use crate::disk::Mount;
use crate::harness::{Testero, eventually, skip};
use crate::json::Json;

/// A set limit that no machine has room for.
const PEBIBYTE: &str = "1125899906842624";

fn preview(testero: &Testero, group: &str, amount: &str) -> Json {
    testero.json("POST", &format!("/api/{group}/set?amount={amount}&dry_run=true"), 200)
}

/// Whether a reserve of disk means something here: on tmpfs, files are memory.
fn is_on_disk(testero: &Testero) -> bool {
    let memory = filesystem::kind(testero.data.path()).is_ok_and(|kind| kind == filesystem::FileSystemKind::Memory);
    if memory {
        skip("the temporary folder is on tmpfs");
    }
    !memory
}

/// The `most` that a refusal names.
fn most(testero: &Testero, group: &str) -> u64 {
    testero.json("POST", &format!("/api/{group}/set?amount=7Ei"), 422)["error"]["most"].whole()
}

#[test]
fn max_is_within_the_limit_with_its_rounding() {
    for limit in [1_006_632_960, 100_000_000, 31 << 20, 300_000, 1 << 30] {
        let set = limit.to_string();
        let testero = Testero::start_with(&[], &[("HIGHMEMLIM", &set), ("HIGHFILELIM", &set)]);
        for group in ["mem", "disk"] {
            let all = preview(&testero, group, "max");
            assert!(all["fits"] == Json::Bool(true) && all["planned"].whole() <= limit, "{limit}: {all:?}");
            let named = [most(&testero, group), testero.group(group)["available"].whole()];
            assert_eq!(named, [all["requested"].whole(); 2], "{group} of {limit}");
            assert!(preview(&testero, group, &named[0].to_string())["planned"].whole() <= limit);
            // To the byte, or page, no rounding is in the way.
            let exact = preview(&testero, group, "max&exact=true")["planned"].whole();
            assert!(exact <= limit && exact + 4096 > limit, "{exact} of {limit}");
            // What is asked for by its own number may be as much as the limit, as ever.
            assert_eq!(preview(&testero, group, &set)["fits"], Json::Bool(true));
        }
    }
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "31000000"), ("HIGHFILELIM", "31000000")]);
    for group in ["mem", "disk"] {
        // The limit itself is rounded up to more than the limit; from there, max is not more than the limit either.
        testero.json("POST", &format!("/api/{group}/set?amount=31000000&wait=true"), 200);
        testero.json("POST", &format!("/api/{group}/set?amount=max&wait=true"), 200);
        let held = testero.group(group)["held"].whole();
        assert!(held <= 31_000_000 && held > 30_000_000, "{group}: {held}");
    }
}

#[test]
fn what_is_available_on_disk_is_what_the_file_system_has() {
    let testero = Testero::start_with(&[], &[("HIGHFILELIM", PEBIBYTE)]);
    let free = || filesystem::available(testero.data.path()).unwrap();
    // Others write meanwhile, so both ends are looked at.
    let before = free();
    let group = testero.group("disk");
    let named =
        [group["available"].whole(), most(&testero, "disk"), preview(&testero, "disk", "max")["planned"].whole()];
    let metric = testero.get("/metrics");
    let metric = metric.lines().find_map(|line| line.strip_prefix("testero_available_bytes{group=\"disk\"} "));
    let metric: u64 = metric.unwrap().parse().unwrap();
    let bound = before.max(free());
    for named in named.into_iter().chain([metric]) {
        // Where others take much at the time, it is less; but it is never more.
        assert!(named <= bound + (64 << 20) && named > 0, "{named} of {bound}");
    }
    assert_eq!(group["limit"].whole().to_string(), PEBIBYTE);
    // What is asked for by its own number is taken at its word; a share has to fit.
    assert_eq!(preview(&testero, "disk", "500Ti")["fits"], Json::Bool(true));
    assert_eq!(preview(&testero, "disk", "50pct")["fits"], Json::Bool(false));
    assert_eq!(preview(&testero, "disk", "50pct&force=true")["fits"], Json::Bool(true));
    let refused = testero.json("POST", "/api/disk/set?amount=50pct", 422);
    assert_eq!(refused["error"]["code"].string(), "does-not-fit");
}

#[test]
fn max_fills_a_file_system_and_an_amount_beyond_it_says_why_it_failed() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=16m") else { return };
    let limits = [("HIGHFILELIM", PEBIBYTE), ("HIGHMEMLIM", PEBIBYTE)];
    let testero = Testero::start_in(Arc::clone(&data), &[], &limits);
    testero.json("POST", "/api/disk/set?amount=max&wait=true", 200);
    let held = testero.group("disk")["held"].whole();
    assert!(held > 12 << 20 && held <= 16 << 20, "{held}");
    let failed = testero.json("POST", "/api/disk/set?amount=24Mi&wait=true", 500);
    assert!(failed["error"]["message"].string().contains("No space left on device"), "{failed:?}");
}

#[test]
fn what_the_kubelet_keeps_free_is_not_available() {
    let all = [("EVICTIONRESERVE", "memory=100pct,disk=100%")];
    let testero = Testero::start_with(&[], &all);
    if !is_on_disk(&testero) {
        return;
    }
    for group in ["mem", "disk"] {
        let told = testero.group(group);
        assert_eq!((told["limit"].whole(), told["available"].whole()), (0, 0), "{told:?}");
        testero.json("POST", &format!("/api/{group}/set?amount=1Mi"), 422);
        assert_eq!(preview(&testero, group, "max")["planned"].whole(), 0);
        // Who means it is not stopped by it.
        testero.json("POST", &format!("/api/{group}/set?amount=1Mi&force=true&wait=true"), 200);
    }
    assert!(testero.get("/api/status").contains("bounded by MemAvailable less EVICTIONRESERVE"));
    assert!(testero.log().contains("EVICTIONRESERVE set to: "), "{}", testero.log());
}

#[test]
fn a_set_limit_is_taken_at_its_word_beside_what_the_kubelet_keeps_free() {
    let settings =
        [("EVICTIONRESERVE", "memory=100pct,disk=100pct"), ("HIGHMEMLIM", "8000000"), ("HIGHFILELIM", "8000000")];
    let testero = Testero::start_with(&[], &settings);
    for group in ["mem", "disk"] {
        let told = testero.group(group);
        assert_eq!((told["limit"].whole(), told["available"].whole()), (8_000_000, 0), "{told:?}");
        assert_eq!(preview(&testero, group, "max")["planned"].whole(), 0);
        assert_eq!(preview(&testero, group, "50pct")["fits"], Json::Bool(false));
        testero.json("POST", &format!("/api/{group}/set?amount=1Mi&wait=true"), 200);
    }
}

#[test]
fn a_part_of_it_is_subtracted() {
    if !is_on_disk(&Testero::start()) {
        return;
    }
    let available = |settings: &[(&str, &str)]| {
        let testero = Testero::start_with(&[], settings);
        (testero.group("mem")["available"].whole(), testero.group("disk")["available"].whole())
    };
    eventually("half of what there is, is gone", || {
        let (memory, disk) = available(&[]);
        let half = format!("memory={},disk={}", memory / 2, disk / 2);
        let (less_memory, less_disk) = available(&[("EVICTIONRESERVE", &half)]);
        less_memory.abs_diff(memory / 2) < memory / 8 && less_disk.abs_diff(disk / 2) < disk / 8
    });
}

#[test]
fn a_limit_names_what_really_sets_it() {
    let testero = Testero::start();
    let source = |group: &str| testero.group(group).text("limit_source").to_owned();
    let mem = source("mem");
    let kernels = ["MemAvailable", "CommitLimit", "memory.", "RLIMIT_", "no limit"];
    assert!(kernels.iter().any(|name| mem.starts_with(name)) && mem.contains(" at the start, less "), "{mem}");
    assert!(mem.ends_with(" kept for the service itself"), "{mem}");
    let folder = testero.data.path().to_str().unwrap();
    assert_eq!(source("disk"), format!("the file system of {folder} at the start"));
    for group in ["inode", "pid", "fd"] {
        assert!(source(group).ends_with(" kept for the service itself"), "{}", source(group));
    }
    let error = testero.json("POST", "/api/mem/set?amount=7Ei", 422)["error"].clone();
    assert!(error.text("limit_source") == mem && error.text("message").contains(&mem), "{error:?}");
    let forced = testero.json("POST", "/api/mem/set?amount=1Mi&force=true&dry_run=true", 200);
    assert_eq!(forced.text("limit_source"), "force");
}

#[test]
fn a_limit_less_what_is_left_to_others_says_so() {
    let testero = Testero::start_with(&[], &[("HIGHFILELIM", "100Mi"), ("DISKRESERVE", "36Mi")]);
    // HIGHFILELIM takes no quantities, as the contract has it: the default is used, and there is nothing to leave.
    assert!(!testero.group("disk").text("limit_source").contains("DISKRESERVE"));
    let limits = [("HIGHFILELIM", "104857600"), ("DISKRESERVE", "36Mi")];
    let testero = Testero::start_with(&[], &limits);
    let disk = testero.group("disk");
    assert_eq!(disk.text("limit_source"), "HIGHFILELIM, less DISKRESERVE");
    assert_eq!(disk.number("limit"), f64::from(64 << 20));
    let error = testero.json("GET", "/api/disk/set?amount=65Mi", 422);
    assert!(error.at("error").text("message").contains("(HIGHFILELIM, less DISKRESERVE)"), "{error:?}");
}

#[test]
fn a_limit_that_jobs_take_of_names_them() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "200000000"), ("HIGHFILELIM", "100000000")]);
    assert_eq!(testero.group("mem").text("limit_source"), "HIGHMEMLIM");
    assert_eq!(testero.group("disk").text("limit_source"), "HIGHFILELIM");
    assert_eq!(testero.form("/ConsumeMem", "megabytes=10&durationSec=600").status, 200);
    let mem = testero.group("mem");
    assert_eq!(mem.number("limit"), 200_000_000.0 - f64::from(10 << 20));
    assert_eq!(mem.text("limit_source"), "HIGHMEMLIM, less 10485760 bytes of jobs");
}

#[test]
fn what_does_not_fit_names_what_bounds_it() {
    // Without HIGHMEMLIM, the guard watches over what counted things cost.
    let testero = Testero::start_with(&[], &[("HIGHPIDLIM", "1000000000")]);
    let error = testero.json("POST", "/api/pid/set?count=900M", 422)["error"].clone();
    let bound = error.text("bound_by");
    assert!(error.text("code") == "does-not-fit" && error.text("message").contains(bound), "{error:?}");
    assert!(bound.ends_with(" kept for the service itself"), "{error:?}");
}
