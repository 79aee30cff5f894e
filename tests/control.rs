//! Control over JSON and over new parameters, beside the text contract, which stays as it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::harness::{Answer, PATIENCE, Testero, binary, eventually};
use super::json::Json;

/// A limit in numbers that shares are easily seen of.
const GIBIBYTE: (&str, &str) = ("HIGHMEMLIM", "1073741824");
const ACCEPT: (&str, &str) = ("Accept", "application/json");
/// Work that a test can look at for as long as it likes.
const LONG: &str = "amount=64Mi&over=10m";

/// That an answer is an error in the one shape there is. Returns its inside.
fn error(answer: &Answer, value: &Json) -> Json {
    let Json::Object(fields) = value else { panic!("{answer:?}") };
    assert_eq!(fields.len(), 1, "{answer:?}");
    let error = &value["error"];
    assert_eq!(error["status"].whole(), u64::from(answer.status), "{answer:?}");
    assert!(!error["code"].string().is_empty() && !error["message"].string().is_empty(), "{answer:?}");
    error.clone()
}

fn refused(testero: &Testero, method: &str, target: &str, status: u16) -> Json {
    let (answer, value) = testero.ask_json(method, target);
    assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
    error(&answer, &value)
}

#[test]
fn json_is_for_who_asks_for_it_and_text_for_everybody_else() {
    let testero = Testero::start();
    let text = testero.get("/api/mem/getact");
    assert!(text.starts_with("Last request ID: 0\nParts of size: 262144, Count: 0\n"), "{text}");
    for (fields, target, is_json) in [
        (&[ACCEPT][..], "/api/mem/getact", true),
        (&[], "/api/mem/getact?format=json", true),
        (&[("Accept", "text/html, application/json;q=0.5")], "/api/mem/getact", true),
        (&[("Accept", "*/*")], "/api/mem/getact", false),
        (&[], "/api/mem/getact?format=xml", false),
        (&[ACCEPT], "/api/mem/getact?format=text", false),
    ] {
        let answer = testero.send("GET", target, fields, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        if is_json {
            assert_eq!(answer.field("Content-Type"), Some("application/json"));
            let value = Json::parse(&answer.body);
            assert_eq!((value["held"].whole(), &value["id"]), (0, &Json::Null));
        } else {
            assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"), "{fields:?} {target}");
            assert_eq!(answer.body, text);
        }
    }
}

#[test]
fn every_path_of_the_contract_answers_json() {
    let testero = Testero::start();
    for path in ["mem/getdef", "mem/getact", "disk/getdef", "disk/getact", "cpu/getact", "mem", "disk", "cpu", "io"] {
        let value = testero.json("GET", &format!("/api/{path}"), 200);
        assert_eq!(value["group"].string(), path.split('/').next().unwrap());
    }
    // The brake is for text.
    let began = Instant::now();
    for _ in 0..6 {
        testero.json("GET", "/api/cpu/getact", 200);
        refused(&testero, "POST", "/api/cpu/stop?id=1", 409);
        refused(&testero, "POST", "/api/mem/set", 400);
    }
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[test]
fn what_is_accepted_is_202_with_the_resolved_number_and_where_to_look() {
    let testero = Testero::start();
    for (method, target, requested, planned) in [
        ("POST", "/api/mem/set?size=1.5Mi", 1_572_864, 1_572_864),
        ("PUT", "/api/mem/add?amount=1M", 1_000_000, 1_048_576),
        ("GET", "/api/disk/set?amount=1e6", 1_000_000, 1_048_576),
    ] {
        let (answer, value) = testero.ask_json(method, target);
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.field("Location"), Some("/api/status"));
        assert_eq!((value["requested"].whole(), value["planned"].whole()), (requested, planned), "{target}");
        let group = testero.in_state(value["group"].string(), "holding");
        assert_eq!((&group["id"], group["held"].whole()), (&value["id"], planned));
        assert_eq!(value["id"].string().len(), 19);
    }
    let load = testero.ask_json("POST", "/api/cpu/load?time=5m&cpu=10m");
    assert_eq!((load.0.status, load.0.field("Location")), (202, Some("/api/status")), "{load:?}");
    let stopped = testero.json("PUT", &format!("/api/cpu/stop?id={}", load.1["id"].string()), 200);
    assert_eq!(stopped["id"], load.1["id"]);
}

#[test]
fn what_is_wrong_is_told_with_an_honest_status_and_nothing_happens() {
    let testero = Testero::start();
    for (method, target, status, word) in [
        ("GET", "/api/nothing", 404, ""),
        ("GET", "/api/mem/set/", 404, ""),
        ("POST", "/api/mem/set", 400, "amount"),
        ("POST", "/api/mem/set?size=", 400, "amount"),
        ("POST", "/api/mem/set?size=abc", 400, "512Mi"),
        ("POST", "/api/mem/set?size=-1", 400, "below zero"),
        ("POST", "/api/mem/set?amount=250m", 400, "CPU"),
        ("POST", "/api/mem/set?amount=1Q", 400, "Q"),
        ("POST", "/api/disk/set?amount=99999999999999999999", 400, "large"),
        ("POST", "/api/disk/set?amount=max-", 400, "max-"),
        ("POST", "/api/mem/set?size=1Mi&amount=1Mi", 400, "both"),
        ("POST", "/api/mem/set?amount=1Mi&ttl=soon", 400, "1h30m"),
        ("POST", "/api/mem/set?amount=1Mi&ttl=0", 400, "ttl"),
        ("POST", "/api/mem/set?amount=1Mi&over=1x", 400, "over"),
        ("POST", "/api/mem/set?amount=1Mi&rate=0", 400, "rate"),
        ("POST", "/api/mem/set?amount=1Mi&rate=1Mi&over=1s", 400, "both"),
        ("POST", "/api/mem/set?amount=1Mi&kind=iron", 400, "shm"),
        ("POST", "/api/mem/set?amount=1Mi&exact=maybe", 400, "exact"),
        ("POST", "/api/disk/set?amount=1Mi&fsync=1", 400, "fsync"),
        ("POST", "/api/mem/set?amount=1Mi&wait=yes", 400, "wait"),
        ("POST", "/api/mem/set?amount=1Mi&follow=yes", 400, "follow"),
        ("POST", "/api/mem/set?amount=1Mi&dry_run=yes", 400, "dry_run"),
        ("POST", "/api/mem/set?amount=1Mi&tll=5s", 400, "tll"),
        ("POST", "/api/mem/set?amount=1Mi&ttl=", 400, "ttl"),
        ("POST", "/api/mem/set?amount=1Mi&ttl", 400, "ttl"),
        ("POST", "/api/mem/set?amount=1Mi&ttl=5m;x", 400, "ttl=5m;x"),
        ("POST", "/api/mem/set?amount=1Mi&ttl=%zz", 400, "ttl=%zz"),
        ("POST", "/api/mem/set?amount=1Mi&ttl=5m&ttl=9m", 400, "twice"),
        ("DELETE", "/api/mem?ovr=5s", 400, "ovr"),
        ("POST", "/api/cpu/load", 400, "time"),
        ("POST", "/api/cpu/load?time=abc", 400, "abc"),
        ("POST", "/api/cpu/load?time=9&cpu=5m", 400, "10m"),
        ("POST", "/api/cpu/load?time=9&cpu=100m&millicores=100", 400, "both"),
        ("POST", "/api/cpu/load?time=9&cqu=100m", 400, "cqu"),
        ("POST", "/api/cpu/load?time=9&cpu=100000", 422, "cores"),
        ("POST", "/api/cpu/stop", 400, "No request ID"),
        ("POST", "/api/cpu/stop?id=x", 400, "Invalid ID"),
        ("POST", "/api/cpu/stop?id=1", 409, "nothing"),
        ("POST", "/readyz/disable?fro=30s", 400, "fro"),
        ("POST", "/readyz/disable?for=", 400, "for"),
        ("POST", "/readyz/enable?for=30s", 400, "for"),
        ("POST", "/BumpMetric?metric=x&delta=1&durationSec=1&ttl=1s", 400, "ttl"),
    ] {
        let error = refused(&testero, method, target, status);
        assert!(error["message"].string().contains(word), "{target}: {error:?}");
    }
    let status = testero.json("GET", "/api/status", 200);
    for group in ["mem", "disk", "cpu"] {
        assert_eq!(status["groups"][group]["state"].string(), "idle", "{status:?}");
    }
    assert_eq!(status["groups"]["mem"]["id"], Json::Null);
}

#[test]
fn another_method_is_405_with_the_methods_there_are() {
    let testero = Testero::start();
    for (method, target, allow) in [
        ("DELETE", "/api/mem/set?amount=1Mi", "GET, POST, PUT"),
        ("PATCH", "/api/cpu/load?time=60", "GET, POST, PUT"),
        ("POST", "/api/mem/getact", "GET, HEAD"),
        ("PUT", "/api/status", "GET, HEAD"),
        ("POST", "/api/mem?amount=1Mi", "GET, HEAD, DELETE"),
        ("POST", "/api", "GET, HEAD, DELETE"),
        ("POST", "/fault", "GET, HEAD, DELETE"),
        ("OPTIONS", "/api/mem/set?amount=1Mi", "GET, POST, PUT"),
    ] {
        let (answer, value) = testero.ask_json(method, target);
        assert_eq!((answer.status, answer.field("Allow")), (405, Some(allow)), "{method} {target}: {answer:?}");
        error(&answer, &value);
    }
    assert_eq!(testero.group("mem")["id"], Json::Null);
    assert_eq!(testero.group("cpu")["state"].string(), "idle");
}

#[test]
fn over_a_limit_is_422_and_what_it_says_would_fit_does() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "100000000"), ("HIGHFILELIM", "50000000")]);
    for (group, limit) in [("mem", 100_000_000), ("disk", 50_000_000)] {
        let error = refused(&testero, "POST", &format!("/api/{group}/set?amount=200M"), 422);
        assert_eq!((error["limit"].whole(), error["requested"].whole()), (limit, 200_000_000), "{error:?}");
        assert!(error["limit_source"].string().starts_with("HIGH"), "{error:?}");
        let available = error["most"].whole();
        assert!(available > 0 && available <= limit, "{error:?}");
        refused(&testero, "POST", &format!("/api/{group}/set?amount={}", limit + 1), 422);
        testero.json("POST", &format!("/api/{group}/set?amount={available}&wait=true"), 200);
    }
}

#[test]
fn what_does_not_fit_now_is_422_with_what_would() {
    // Without a limit of the user's, the machine's is one; nothing is taken.
    let testero = Testero::start();
    let error = refused(&testero, "POST", "/api/mem/set?amount=1Ei", 422);
    let available = error["most"].whole();
    assert!(available > 0 && available < 1 << 60, "{error:?}");
    let preview = testero.json("POST", &format!("/api/mem/set?amount={}&dry_run=true", available / 2), 200);
    assert_eq!(preview["fits"], Json::Bool(true), "{preview:?}");
}

#[test]
fn while_work_runs_others_are_409_and_status_is_told_all_the_same() {
    let testero = Testero::start();
    testero.json("POST", &format!("/api/mem/set?{LONG}"), 202);
    let began = Instant::now();
    for target in ["/api/mem/set?amount=1Mi", "/api/mem/getact", "/api/mem/getdef"] {
        let (answer, value) = testero.ask_json("GET", target);
        assert_eq!((answer.status, answer.field("Retry-After")), (409, Some("1")), "{answer:?}");
        let code = error(&answer, &value)["code"].clone();
        assert!(["busy", "pending"].contains(&code.string()), "{code:?}");
    }
    assert!(began.elapsed() < Duration::from_millis(2500), "with the brake: {:?}", began.elapsed());
    // What is wrong with a request is wrong whatever runs.
    refused(&testero, "POST", "/api/mem/set?amount=x", 400);
    // Until its worker has the ticket it is pending, and that would be said.
    let group = testero.in_state("mem", "working");
    assert_eq!(testero.get("/api/mem/getact"), "Server busy, try again later\n");
    assert_eq!((group["requested"].whole(), group["planned"].whole()), (64 << 20, 64 << 20));
    eventually("it has moved", || testero.group("mem")["held"].whole() > 0);
    let group = testero.group("mem");
    let share = group["held"].whole() as f64 / (64 << 20) as f64;
    assert!((group["progress"].float() - share).abs() < 0.05, "{group:?}");
    assert!(group["rate"].float() > 0.0 && group["seconds_left"].float() > 1.0, "{group:?}");
    let words = testero.get("/api/status");
    let row = words.lines().find(|line| line.starts_with("mem ")).unwrap();
    assert!(row.contains("working") && row.contains("64.0 MiB") && row.contains("to go"), "{words}");
}

#[test]
fn status_is_the_whole_truth_for_programs_and_for_people() {
    let testero = Testero::start();
    testero.json("POST", "/api/mem/set?amount=8Mi&wait=true", 200);
    let status = testero.json("GET", "/api/status", 200);
    for group in ["mem", "disk", "inode", "pid", "fd"] {
        let group = &status["groups"][group];
        for name in ["state", "id", "requested", "planned", "held", "progress", "rate", "seconds_left", "expires"] {
            assert!(group.has(name), "{name}: {group:?}");
        }
        assert!(group.has("error") && group["limit"].float() > 0.0 && group["available"].float() >= 0.0);
    }
    for name in ["state", "cores", "capped", "error"] {
        assert!(status["groups"]["cpu"].has(name), "{name}");
    }
    for name in ["current", "max", "working_set", "anon", "file"].map(|name| format!("memory_{name}")) {
        assert!(status["container"].has(&name), "{name}");
    }
    for name in ["cpu_quota_millicores", "cpu_throttled_periods", "pids"] {
        assert!(status["container"].has(name), "{name}");
    }
    let process = &status["process"];
    assert!(process["rss"].whole() > 8 << 20 && process["threads"].whole() >= 2, "{process:?}");
    assert!(process["descriptors"].whole() >= 3 && process["uptime_seconds"].float() > 0.0, "{process:?}");
    assert_eq!(status["version"].string(), env!("CARGO_PKG_VERSION"));
    assert!(status["died_doing"].list().is_empty());

    let words = testero.get("/api/status");
    let head = words.lines().find(|line| line.starts_with("GROUP")).unwrap();
    let (state, held) = (head.find("STATE").unwrap(), head.find("HELD").unwrap() + "HELD".len());
    for (name, word, amount) in [("mem", "holding", "8.0 MiB"), ("disk", "idle", "0 B"), ("pid", "idle", "0")] {
        let row = words.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        assert!(row[state..].starts_with(word) && row[..held].ends_with(amount), "not aligned:\n{words}");
    }
}

#[test]
fn work_that_failed_is_told_with_how_far_it_came() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    // 1024 blocks: 512 KiB in one shell, 1 MiB in another, so only the smallest files can be written.
    command.args(["-c", "ulimit -f 1024 && exec \"$0\" \"$@\"", binary(), "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data.path()).args(["--disk-limit", "1000000000"]);
    let testero = Testero::spawn(command, data);
    let error = refused(&testero, "POST", "/api/disk/set?amount=20Mi&wait=true", 500);
    assert!(error["message"].string().contains("File too large"), "{error:?}");
    let group = testero.group("disk");
    assert_eq!(group["state"].string(), "failed");
    assert_eq!(group["error"], error["message"]);
    let (held, planned) = (group["held"].whole(), group["planned"].whole());
    assert!(held > 0 && held < planned, "{group:?}");
    let share = held as f64 / planned as f64;
    assert!((group["progress"].float() - share).abs() < 0.1, "{share} is held: {group:?}");
}

#[test]
fn amounts_are_the_same_in_both_modes() {
    let testero = Testero::start_with(&[], &[GIBIBYTE]);
    for (amount, bytes) in [
        ("512Ki", 512 << 10),
        ("1.5Mi", 3 << 19),
        ("2M", 2_000_000),
        ("1e6", 1_000_000),
        ("12345", 12345),
        ("0.5Gi", 512 << 20),
        ("50pct", 512 << 20),
        ("12.5%25", 128 << 20),
        // Without exact=true, its rounding has to fit as well.
        ("max&exact=true", 1 << 30),
        ("max-64Mi&exact=true", (1 << 30) - (64 << 20)),
    ] {
        for name in ["size", "amount"] {
            let preview = testero.json("POST", &format!("/api/mem/set?{name}={amount}&dry_run=true"), 200);
            assert_eq!(preview["requested"].whole(), bytes, "{amount}: {preview:?}");
        }
        let text = testero.get(&format!("/api/mem/set?amount={amount}&dry_run=true"));
        assert!(text.contains(&format!("Total for {bytes} bytes: ")), "{amount}: {text}");
    }
    let text = testero.get("/api/mem/set?amount=1.5Mi");
    assert!(text.starts_with("Memory data request sent for 1572864 bytes, with id#: "), "{text}");
    assert_eq!(testero.in_state("mem", "holding")["held"].whole(), 3 << 19);
    // Digits only, as the contract has it.
    let text = testero.get("/api/mem/set?size=512Mi");
    assert_eq!(text, "Could not get size: strconv.ParseUint: parsing \"512Mi\": invalid syntax\n");
    let text = testero.get("/api/mem/set?amount=250m");
    assert!(text.starts_with("Invalid request: amount: ") && text.contains("CPU"), "{text}");
}

#[test]
fn durations_are_the_same_in_both_modes() {
    let testero = Testero::start();
    for (duration, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400)] {
        for name in ["time", "duration"] {
            let load = testero.json("POST", &format!("/api/cpu/load?{name}={duration}&cpu=10m"), 202);
            assert_eq!(load["seconds"].whole(), seconds, "{load:?}");
            testero.json("DELETE", "/api/cpu", 200);
            testero.in_state("cpu", "idle");
        }
        let text = testero.get(&format!("/api/cpu/load?duration={duration}&cpu=10m"));
        assert!(text.starts_with(&format!("CPU load requested for {seconds} seconds with id: ")), "{text}");
        assert_eq!(testero.ask("DELETE", "/api/cpu").body, "CPU load stopped\n");
        testero.in_state("cpu", "idle");
    }
    let text = testero.get("/api/cpu/load?time=90s");
    assert_eq!(text, "Invalid time specification: strconv.ParseUint: parsing \"90s\": invalid syntax\n");
}

#[test]
fn exact_is_to_the_page_and_to_the_byte() {
    let testero = Testero::start();
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    for bytes in [1_000_001u64, 5, 40_000_000, 300_000] {
        let memory = testero.json("POST", &format!("/api/mem/set?amount={bytes}&exact=true&wait=true"), 200);
        assert_eq!(memory["held"].whole(), bytes.next_multiple_of(page));
        let disk = testero.json("POST", &format!("/api/disk/set?amount={bytes}&exact=true&wait=true"), 200);
        assert_eq!(disk["held"].whole(), bytes);
        assert_eq!(file_bytes(&super::disk::folder(&testero)), bytes);
    }
    testero.json("POST", "/api/disk/set?amount=5&wait=true", 200);
    assert_eq!(file_bytes(&super::disk::folder(&testero)), 524_288);
}

fn file_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        folder if folder.is_dir() => file_bytes(&entry.path()),
        // What begins with a dot is the service's own.
        file if !entry.file_name().as_encoded_bytes().starts_with(b".") => file.len(),
        _ => 0,
    };
    entries.map(size).sum()
}

#[test]
fn a_dry_run_tells_the_plan_and_takes_nothing() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "10000000")]);
    let preview = testero.json("POST", "/api/mem/set?amount=3M&dry_run=true", 200);
    assert_eq!((&preview["fits"], preview["limit"].whole()), (&Json::Bool(true), 10_000_000), "{preview:?}");
    let parts = preview["parts"].list().iter().map(|part| part["size"].whole() * part["count"].whole());
    assert_eq!(parts.sum::<u64>(), preview["planned"].whole());
    let preview = testero.json("POST", "/api/mem/set?amount=30M&dry_run=true", 200);
    assert_eq!(preview["fits"], Json::Bool(false), "{preview:?}");
    assert!(preview["reason"].string().contains("limit"), "{preview:?}");
    let text = testero.get("/api/mem/set?size=3000000&dry_run=true");
    assert!(text.ends_with("It would fit; nothing was done.\n"), "{text}");
    let text = testero.get("/api/mem/set?size=30000000&dry_run=true");
    assert!(text.contains("It would be refused; nothing was done: Could not compute memory parts: "), "{text}");
    assert_eq!(testero.group("mem")["id"], Json::Null);
    assert!(testero.get("/api/mem/getdef").ends_with("Total size reserved: 0 bytes.\n"));
}

#[test]
fn a_dry_run_while_work_runs_would_be_refused_and_a_release_would_not() {
    let testero = Testero::start();
    testero.json("POST", "/api/mem/set?amount=20Mi&over=10m", 202);
    testero.in_state("mem", "working");
    let preview = testero.json("POST", "/api/mem/set?amount=1Mi&dry_run=true", 200);
    assert!(!preview.is("fits") && preview["reason"].string() == "Server busy, try again later", "{preview:?}");
    let text = testero.get("/api/mem/set?size=0&dry_run=true");
    assert!(text.contains("It would be refused; nothing was done: Server busy"), "{text}");
    for (method, target) in [("POST", "/api/mem/set?amount=0&dry_run=true"), ("DELETE", "/api/mem?dry_run=true")] {
        let preview = testero.json(method, target, 200);
        assert!(preview.is("fits"), "{target}: {preview:?}");
    }
}

#[test]
fn a_dry_run_of_a_load_starts_nothing() {
    let testero = Testero::start();
    let preview = testero.json("POST", "/api/cpu/load?time=60&cpu=10m&dry_run=true", 200);
    assert!(preview.is("fits") && preview["target_millicores"].whole() == 10, "{preview:?}");
    assert_eq!(testero.group("cpu")["state"].string(), "idle");
}

#[test]
fn a_dry_run_of_a_release_releases_nothing() {
    let testero = Testero::start();
    let id = testero.json("POST", "/api/mem/set?amount=1Mi&wait=true", 200)["id"].clone();
    // That of everything has none, and is refused.
    for (path, status, told) in [("/api/mem?dry_run=true", 200, "fits"), ("/api?dry_run=true", 400, "error")] {
        assert!(testero.json("DELETE", path, status).has(told), "DELETE {path}");
        assert_eq!(testero.group("mem")["id"], id, "DELETE {path} was done");
    }
}

#[test]
fn wait_answers_when_the_work_is_done() {
    let testero = Testero::start();
    let began = Instant::now();
    let group = testero.json("POST", "/api/mem/set?amount=16Mi&over=1s&wait=true", 200);
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!((group["state"].string(), group["held"].whole()), ("holding", 16 << 20));
    let text = testero.get("/api/disk/set?size=1048576&wait=true");
    assert!(text.starts_with("File data request sent for 1048576 bytes, with id#: "), "{text}");
    assert!(testero.get("/api/disk/getact").ends_with("Total size: 1048576 bytes.\n"));
    let group = testero.json("DELETE", "/api/mem?wait=true", 200);
    assert_eq!((group["state"].string(), group["held"].whole()), ("idle", 0));
}

#[test]
fn who_waits_for_work_that_a_release_ends_is_told() {
    let testero = Testero::start();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| refused(&testero, "POST", &format!("/api/mem/set?{LONG}&wait=true"), 409));
        testero.in_state("mem", "working");
        testero.json("DELETE", "/api/mem", 202);
        assert_eq!(waiting.join().unwrap()["code"].string(), "cancelled");
    });
}

#[test]
fn follow_streams_a_moving_account() {
    let testero = Testero::start();
    for (format, of_done) in [("json", "\"done\""), ("text", "done")] {
        testero.json("DELETE", "/api/mem?wait=true", 200);
        let target = format!("/api/mem/set?amount=16Mi&over=3s&follow=true&format={format}");
        let mut stream = testero.connect();
        stream.write_all(format!("POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
        let mut lines = Vec::new();
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            if size == 0 {
                break;
            }
            if lines.is_empty() {
                // It comes while the work runs, not when it is over.
                assert_eq!(testero.group("mem")["progress"].float().floor(), 0.0);
            }
            lines.extend(String::from_utf8_lossy(&chunk).lines().filter(|l| !l.is_empty()).map(str::to_owned));
        }
        assert!(lines.len() >= 3, "{lines:?}");
        assert!(lines.last().unwrap().contains(of_done), "{lines:?}");
        if format == "json" {
            let values: Vec<Json> = lines.iter().map(|line| Json::parse(line)).collect();
            assert!(values.is_sorted_by_key(|value| value["held"].whole()), "{lines:?}");
            assert_eq!(values.last().unwrap()["held"].whole(), 16 << 20);
        }
    }
}

#[test]
fn a_client_that_goes_away_does_not_stop_the_work() {
    let testero = Testero::start();
    for (group, long) in [("mem", "follow"), ("disk", "wait")] {
        let mut stream = testero.connect();
        let target = format!("/api/{group}/set?amount=16Mi&over=2s&{long}=true");
        stream.write_all(format!("POST {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        testero.in_state(group, "working");
        drop(stream);
        assert_eq!(testero.in_state(group, "holding")["held"].whole(), 16 << 20);
    }
}

#[test]
fn unknown_parameters_are_refused_in_json_and_passed_over_in_text() {
    let testero = Testero::start();
    let error = refused(&testero, "POST", "/api/mem/set?amount=1Mi&colour=red", 400);
    assert!(error["message"].string().contains("\"colour\""), "{error:?}");
    assert_eq!(testero.group("mem")["id"], Json::Null);
    assert!(testero.get("/api/mem/set?size=1&colour=red").starts_with("Memory data request sent for 1 bytes"));
}

#[test]
fn head_changes_nothing() {
    let testero = Testero::start();
    testero.json("POST", "/api/mem/set?amount=1Mi&wait=true", 200);
    let load = testero.json("POST", "/api/cpu/load?time=5m&cpu=10m", 202)["id"].clone();
    let before = (testero.group("mem")["id"].clone(), testero.group("disk")["id"].clone());
    for target in ["/api/mem/set?size=5000000", "/api/disk/add?size=5", "/api/mem", "/api", "/api/cpu"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("/api/cpu/stop?id={}", load.string()), String::from("/api/cpu/load?time=9&replace=true")])
    {
        for fields in [&[][..], &[ACCEPT]] {
            let answer = testero.send("HEAD", &target, fields, "");
            assert_eq!(answer.body, "", "{target}");
        }
    }
    assert_eq!((testero.group("mem")["id"].clone(), testero.group("disk")["id"].clone()), before);
    assert_eq!(testero.group("cpu")["id"], load);
}

#[test]
fn parameters_come_in_a_form_too() {
    let testero = Testero::start();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let answer = testero.send("POST", "/api/mem/set", &[ACCEPT, form], "amount=2Mi&exact=tr%75e");
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(Json::parse(&answer.body)["requested"].whole(), 2 << 20);
    assert_eq!(testero.in_state("mem", "holding")["exact"], Json::Bool(true));
    let answer = testero.send("PUT", "/api/mem/set", &[ACCEPT, form], "amount=2Mi&colour=red");
    assert_eq!(answer.status, 400, "{answer:?}");
    // The contract reads no bodies.
    let answer = testero.form("/api/mem/set", "size=5");
    assert_eq!(answer.body, "File size (in bytes) not specified: set?size=<number of bytes>\n");
}

#[test]
fn the_text_contract_is_the_same_beside_it() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "10000000")]);
    let began = Instant::now();
    for (method, target, body) in [
        ("PATCH", "/api/mem/set", "File size (in bytes) not specified: set?size=<number of bytes>\n"),
        ("POST", "/api/disk/set?size=", "No data size specified\n"),
        (
            "GET",
            "/api/mem/set?size=10000001",
            "Could not compute memory parts: Size requested is over the limit: requested 10000001 bytes, limit: \
             10000000 bytes.\n",
        ),
    ] {
        let answer = testero.ask(method, target);
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{target}");
    }
    assert!(began.elapsed() >= Duration::from_millis(2900), "without the brake: {:?}", began.elapsed());
    for (method, target) in [("POST", "/api"), ("GET", "/api/mem"), ("POST", "/api/cpu"), ("GET", "/api/nothing")] {
        let answer = testero.ask(method, target);
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{target}");
    }
    // What JSON has set, text tells in its own words.
    let set = testero.json("POST", "/api/mem/set?size=1Mi&wait=true", 200);
    let lines = "Parts of size: 262144, Count: 4\nParts of size: 1048576, Count: 0\nParts of size: 4194304, Count: 0\n\
                 Parts of size: 16777216, Count: 0\nParts of size: 67108864, Count: 0\nTotal size: 1048576 bytes.\n";
    assert_eq!(testero.get("/api/mem/getact"), format!("Last request ID: {}\n{lines}", set["id"].string()));
    let deleted = testero.ask("DELETE", "/api/mem/set?size=0");
    assert!(deleted.body.starts_with("Memory data request sent for 0 bytes, with id#: "), "{deleted:?}");
}

#[test]
fn reads_do_not_wait_for_work() {
    let testero = Testero::start();
    testero.json("POST", &format!("/api/disk/set?{LONG}"), 202);
    let began = Instant::now();
    for _ in 0..20 {
        testero.get("/api/status");
        testero.group("disk");
    }
    assert!(began.elapsed() < PATIENCE / 6, "{:?}", began.elapsed());
}
