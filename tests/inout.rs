//! Reading and writing what is there: the disk has work, and the files are none the worse for it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Testero, eventually, names};
use super::json::Json;

const MIB: f64 = 1024.0 * 1024.0;

fn with_files(amount: &str) -> Testero {
    let testero = Testero::start();
    set(&testero, amount);
    testero
}

/// Makes files of so much in all, and waits for them.
fn set(testero: &Testero, amount: &str) {
    let (status, body) = testero.status_and_json("POST", &format!("/api/disk/set?amount={amount}&wait=true"));
    assert_eq!(status, 200, "{body:?}");
}

fn load(testero: &Testero, parameters: &str) -> Json {
    let (status, receipt) = testero.status_and_json("POST", &format!("/api/io/load?{parameters}"));
    assert_eq!(status, 202, "{parameters}: {receipt:?}");
    receipt
}

fn told(testero: &Testero) -> Json {
    testero.status_and_json("GET", "/api/io").1
}

fn becomes_idle(testero: &Testero) {
    eventually("no load runs", || told(testero).text("state") == "idle");
}

/// Waits until it has written and read so many bytes from now on.
fn goes_on(testero: &Testero, bytes: f64) {
    let from = told(testero).number("written");
    eventually("it goes on", || {
        let now = told(testero);
        assert!(["pending", "working"].contains(&now.text("state")), "{now:?}");
        now.number("written") > from + bytes && now.number("read") > from + bytes
    });
}

/// All files below a folder that are not empty.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.file_name().to_string_lossy().starts_with("f-") {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn sizes(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<(&PathBuf, usize)> {
    files.iter().map(|(path, bytes)| (path, bytes.len())).collect()
}

/// What the process has read and written, as the kernel counts it.
fn moved(testero: &Testero) -> (f64, f64) {
    let text = std::fs::read_to_string(format!("/proc/{}/io", testero.pid())).unwrap();
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap();
    (number("rchar: "), number("wchar: "))
}

#[test]
fn without_files_there_is_nothing_to_do_and_it_says_so() {
    let testero = Testero::start();
    let (status, body) = testero.status_and_json("POST", "/api/io/load?time=5");
    assert_eq!((status, body.text("error.code")), (422, "nothing-there"), "{body:?}");
    assert!(body.text("error.message").contains("/api/disk/set"), "{body:?}");
    assert!(testero.get("/api/io/load?time=5").contains("/api/disk/set"));
    assert_eq!(told(&testero).text("state"), "idle");
    assert_eq!(testero.get("/api/io/getact"), "No load request in progress\n");
    assert_eq!(testero.get("/api/io/stop?id=1"), "No load request being processed, nothing to do\n");
    assert_eq!(testero.ask("DELETE", "/api/io").body, "IO load stopped\n");
    let (status, body) = testero.status_and_json("POST", "/api/io/load");
    assert_eq!((status, body.text("error.code")), (400, "missing-time"), "{body:?}");
    for wrong in ["time=5&rate=0", "time=5&rate=250m", "time=5&rate=fast", "time=soon", "time=5&speed=1"] {
        let (status, body) = testero.status_and_json("POST", &format!("/api/io/load?{wrong}"));
        assert_eq!((status, body.text("error.code")), (400, "invalid"), "{wrong}: {body:?}");
    }
}

#[test]
fn it_is_started_told_of_and_stopped_as_cpu_load_is() {
    let testero = with_files("20Mi");
    let answer = testero.get("/api/io/load?time=60");
    let id = answer.strip_prefix("IO load requested for 60 seconds with id: ").and_then(|id| id.strip_suffix('\n'));
    let id = id.unwrap_or_else(|| panic!("{answer}"));
    goes_on(&testero, MIB);
    let lines = testero.get("/api/io/getact");
    let starts = ["Load request sent at: ", "Load time requested: 60 seconds", "Load request ends at: ", "written "];
    assert_eq!(lines.lines().count(), 4, "{lines}");
    assert!(lines.lines().zip(starts).all(|(line, start)| line.starts_with(start)), "{lines}");
    let now = testero.status_and_json("GET", "/api/io/getact").1;
    assert_eq!((now.text("id"), now.number("seconds")), (id, 60.0));
    assert!(now.number("slowest_milliseconds") >= now.number("mean_milliseconds"), "{now:?}");
    assert!(now.number("operations") > 0.0 && now.number("mean_milliseconds") > 0.0, "{now:?}");
    assert_eq!(testero.status_and_json("GET", "/api/status").1.text("groups.io.state"), "working");
    assert_eq!(testero.get("/api/io/load?time=5"), "Server busy, try again later\n");
    let busy = testero.send("POST", "/api/io/load?time=5", &[("Accept", "application/json")], "");
    assert_eq!((busy.status, busy.field("Retry-After")), (409, Some("1")));
    assert_eq!(testero.get("/api/io/stop"), "No request ID specified\n");
    assert_eq!(testero.get("/api/io/stop?id=17"), "Incorrect stop load request ID=17\n");
    assert_eq!(testero.get(&format!("/api/io/stop?id={id}")), "IO load stopped\n");
    becomes_idle(&testero);
    let before = moved(&testero).1;
    thread::sleep(Duration::from_millis(500));
    assert!(moved(&testero).1 - before < MIB, "it still writes");
    let first = load(&testero, "time=1m").text("id").to_owned();
    assert_ne!(load(&testero, "time=1m&replace=true").text("id"), first);
    assert_eq!(testero.status_and_json("DELETE", "/api/io").0, 200);
    becomes_idle(&testero);
    load(&testero, "time=1m");
    assert_eq!(testero.status_and_json("DELETE", "/api").0, 202);
    becomes_idle(&testero);
}

#[test]
fn it_ends_by_itself_and_who_waits_is_told() {
    let testero = with_files("5Mi");
    let began = Instant::now();
    let (status, body) = testero.status_and_json("POST", "/api/io/load?time=1500ms&wait=true");
    assert_eq!((status, body.text("outcome")), (200, "done"), "{body:?}");
    assert!((Duration::from_millis(1490)..Duration::from_secs(6)).contains(&began.elapsed()), "{:?}", began.elapsed());
    becomes_idle(&testero);
    let lines = testero.ask("GET", "/api/io/load?time=2&follow=true").chunks();
    assert!(lines.lines().count() >= 3 && lines.lines().all(|line| line.starts_with("io  ")), "{lines}");
    assert!(lines.ends_with("done\n"), "{lines}");
}

#[test]
fn a_rate_is_kept() {
    let testero = with_files("20Mi");
    load(&testero, "time=120&rate=8Mi");
    let mut seen = Vec::new();
    let kept = (0..3).any(|_| {
        goes_on(&testero, MIB);
        let (before, began) = (moved(&testero), Instant::now());
        thread::sleep(Duration::from_secs(3));
        let (after, wall) = (moved(&testero), began.elapsed().as_secs_f64());
        let (read, written) = ((after.0 - before.0) / wall / MIB, (after.1 - before.1) / wall / MIB);
        seen.push((read, written));
        // Half of it is written and half of it is read; a slow disk is no fault of the program, too much is.
        assert!(read + written < 9.5, "{seen:?}");
        (3.2..4.6).contains(&read) && (3.2..4.6).contains(&written)
    });
    let now = told(&testero);
    assert!(kept || now.number("slowest_milliseconds") > 500.0, "MiB/s read and written: {seen:?}, {now:?}");
    assert_eq!(now.number("target_bytes_per_second"), 8.0 * MIB);
    assert!(now.number("achieved_bytes_per_second") < 9.5 * MIB, "{now:?}");
}

#[test]
fn what_is_achieved_is_of_the_last_second_and_tells_directions_apart() {
    let testero = with_files("20Mi");
    load(&testero, "time=300");
    goes_on(&testero, 4.0 * MIB);
    let mut now = Json::Null;
    eventually("something moves", || {
        now = told(&testero);
        now.number("written_bytes_per_second") > 0.0 && now.number("read_bytes_per_second") > 0.0
    });
    let sum = now.number("written_bytes_per_second") + now.number("read_bytes_per_second");
    assert!((now.number("achieved_bytes_per_second") - sum).abs() <= 1.0, "{now:?}");
    let line = testero.get("/api/io/getact").lines().last().unwrap().to_owned();
    assert!(line.starts_with("written ") && line.matches("/s)").count() == 2, "{line}");
    // Without files it has nothing to do, and soon says so.
    set(&testero, "0");
    eventually("nothing moves", || told(&testero).number("achieved_bytes_per_second") == 0.0);
    let line = testero.get("/api/io/getact").lines().last().unwrap().to_owned();
    assert!(line.matches("(0 B/s)").count() == 2, "{line}");
}

#[test]
fn a_dry_run_without_files_would_be_refused() {
    let testero = Testero::start();
    let preview = testero.json("POST", "/api/io/load?time=5&rate=2Mi&dry_run=true", 200);
    assert!(!preview.is("fits") && preview.text("reason").contains("/api/disk/set"), "{preview:?}");
    let text = testero.get("/api/io/load?time=5&dry_run=true");
    assert!(text.starts_with("It would be refused") && text.contains("/api/disk/set"), "{text}");
    set(&testero, "5Mi");
    let preview = testero.json("POST", "/api/io/load?time=5&rate=2Mi&dry_run=true", 200);
    assert!(preview.is("fits") && preview.at("reason") == &Json::Null, "{preview:?}");
    assert_eq!((preview.number("target_bytes_per_second"), preview.number("seconds")), (2.0 * MIB, 5.0));
    load(&testero, "time=60");
    let preview = testero.json("POST", "/api/io/load?time=5&dry_run=true", 200);
    assert!(!preview.is("fits") && preview.text("reason").contains("replace=true"), "{preview:?}");
    assert!(testero.json("POST", "/api/io/load?time=5&replace=true&dry_run=true", 200).is("fits"));
}

#[test]
fn files_are_as_many_and_as_large_afterwards_and_their_content_is_new_and_printable() {
    let testero = Testero::start();
    let (status, _) = testero.status_and_json("POST", "/api/disk/set?amount=12345678&exact=true&wait=true");
    assert_eq!(status, 200);
    let before = files(testero.data.path());
    assert_eq!(before.values().map(Vec::len).sum::<usize>(), 12_345_678);
    load(&testero, "time=120");
    // Each block of each file has had its turn by then.
    goes_on(&testero, 30.0 * MIB);
    testero.status_and_json("DELETE", "/api/io");
    becomes_idle(&testero);
    let after = files(testero.data.path());
    assert_eq!(sizes(&before), sizes(&after));
    for (path, bytes) in &after {
        assert!(bytes.iter().all(|byte| (32..=126).contains(byte)), "{}", path.display());
        assert_ne!(bytes, &before[path], "{} was not written", path.display());
    }
    let mut pages = HashSet::new();
    for page in after.values().flat_map(|bytes| bytes.chunks(4096)).filter(|page| page.len() == 4096) {
        assert!(pages.insert(page), "a page is there twice");
    }
    assert_eq!(testero.status_and_json("GET", "/api/disk").1.number("held"), 12_345_678.0);
}

/// Takes these amounts in turn; each time what is held must be what was asked for, and the load must go on.
fn comes_and_goes(testero: &Testero, rounds: u32, amounts: &[&str]) {
    for (round, amount) in (0..rounds).flat_map(|round| amounts.iter().map(move |amount| (round, amount))) {
        set(testero, amount);
        let disk = testero.status_and_json("GET", "/api/disk").1;
        let there: usize = files(testero.data.path()).values().map(Vec::len).sum();
        assert_eq!(disk.number("held"), there as f64, "{round} {amount}: {disk:?}");
        assert_eq!((disk.number("planned"), disk.at("error")), (there as f64, &Json::Null), "{amount}: {disk:?}");
        let io = told(testero);
        assert_eq!(io.text("state"), "working", "{round} {amount}: {io:?}");
    }
}

#[test]
fn files_may_be_cut_short_and_grow_meanwhile() {
    let testero = with_files("30Mi");
    load(&testero, "time=300");
    goes_on(&testero, MIB);
    comes_and_goes(&testero, 3, &["3Mi&over=1s", "1234567&exact=true&over=1s", "30Mi&over=1s"]);
}

#[test]
fn files_may_come_and_go_meanwhile() {
    let testero = with_files("30Mi");
    load(&testero, "time=300");
    goes_on(&testero, MIB);
    comes_and_goes(&testero, 6, &["60Mi", "5Mi", "1234567&exact=true", "40Mi", "2Mi"]);
    // Without files it has nothing to do; it goes on when there are some again.
    set(&testero, "0");
    assert_eq!(files(testero.data.path()).len(), 0);
    // A block that was on its way is written all the same.
    eventually("it rests", || {
        let before = told(&testero).number("written");
        thread::sleep(Duration::from_millis(300));
        told(&testero).number("written") == before
    });
    assert_eq!(told(&testero).text("state"), "working");
    set(&testero, "5Mi");
    goes_on(&testero, MIB);
}

#[test]
fn nothing_is_left_at_exit_in_the_middle_of_it() {
    let testero = with_files("30Mi");
    load(&testero, "time=300");
    goes_on(&testero, MIB);
    let data = std::sync::Arc::clone(&testero.data);
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?} {log}");
    assert_eq!(names(data.path()), [""; 0], "{log}");
}
