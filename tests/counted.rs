//! What is only counted: empty files, parked threads, open descriptors. They are really there, and leave room for us.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::harness::{PATIENCE, Testero, at_least_once, binary, eventually, skip};
use super::json::Json;

/// What a bound less what the service needs for itself ends with.
const SERVICE: &str = " kept for the service itself";

/// A group: its name in paths, what its answers call it and its things, and the variable that limits it.
struct Kind {
    name: &'static str,
    request: &'static str,
    noun: &'static str,
    limit: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { name: "inode", request: "Inode", noun: "files", limit: "HIGHINODELIM" },
    Kind { name: "pid", request: "Pid", noun: "threads", limit: "HIGHPIDLIM" },
    Kind { name: "fd", request: "Descriptor", noun: "descriptors", limit: "HIGHFDLIM" },
];

/// Empty files in a folder and below.
fn empty_files(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => empty_files(&entry.path()),
        // The folder's own marker is no held file.
        Ok(data) => {
            u64::from(data.is_file() && data.len() == 0 && entry.file_name().to_string_lossy().starts_with("e-"))
        }
        Err(_) => 0,
    };
    entries.flatten().map(count).sum()
}

impl Kind {
    /// How many there are, seen from outside: threads and descriptors with those the service has for itself.
    fn there(&self, testero: &Testero) -> u64 {
        match self.name {
            "inode" => empty_files(testero.data.path()),
            "pid" => testero.status("Threads"),
            _ => testero.descriptors() as u64,
        }
    }

    fn told(&self, testero: &Testero) -> Json {
        testero.status_and_json("GET", &format!("/api/{}", self.name)).1
    }

    fn set(&self, testero: &Testero, parameters: &str) -> Json {
        let (status, receipt) = testero.status_and_json("POST", &format!("/api/{}/set?{parameters}", self.name));
        assert_eq!(status, 202, "{}: {receipt:?}", self.name);
        receipt
    }

    /// Waits until the work is over and returns what is held.
    fn settled(&self, testero: &Testero) -> u64 {
        eventually("the work is done", || !["pending", "working"].contains(&self.told(testero).text("state")));
        self.told(testero).number("held") as u64
    }

    /// Sees a change through that takes so many seconds: never ahead of its straight line, which would be a fault, and not
    /// far behind, which may be the machine's.
    fn takes(&self, testero: &Testero, parameters: &str, change: f64, seconds: f64) -> Result<(), String> {
        let held = || self.told(testero).number("held");
        let (from, asked) = (held(), Instant::now());
        // In text, where nothing is a ramp as well.
        testero.get(&format!("/api/{}/set?{parameters}", self.name));
        let mut late = 0f64;
        loop {
            let before = asked.elapsed().as_secs_f64();
            let way = (held() - from) / change * seconds;
            let after = asked.elapsed().as_secs_f64();
            assert!(way <= after + 0.2, "{} {parameters}: at {way} s of the line after {after} s", self.name);
            late = late.max(before.min(seconds) - way);
            if way >= seconds {
                break;
            }
            assert!(before < 2.0 * PATIENCE.as_secs_f64(), "{} {parameters}: it does not end", self.name);
            thread::sleep(Duration::from_millis(50));
        }
        if late < 0.5 { Ok(()) } else { Err(format!("{}: {late} s behind the line", self.name)) }
    }

    /// Whether `more` than `base` are there, but for a few that the service needs for answering.
    fn are_there(&self, testero: &Testero, base: u64, more: u64) {
        let mut seen = 0;
        eventually("they are there, or gone", || {
            seen = self.there(testero);
            (base + more).saturating_sub(2) <= seen && seen <= base + more + 3
        });
        assert!(self.name != "inode" || seen == base + more, "{} {seen}", self.name);
    }
}

#[test]
fn they_are_set_in_words_like_memory_and_files() {
    let testero = Testero::start();
    for kind in &KINDS {
        let Kind { name, request, noun, .. } = kind;
        let base = kind.there(&testero);
        assert_eq!(testero.get(&format!("/api/{name}/getdef")), format!("Total count reserved: 0 {noun}.\n"));
        assert_eq!(
            testero.get(&format!("/api/{name}/getact")),
            format!("Last request ID: 0\nTotal count: 0 {noun}.\n")
        );
        for (verb, count) in [("set", 150u64), ("add", 100), ("set", 260)] {
            let answer = testero.get(&format!("/api/{name}/{verb}?count={count}"));
            let id = answer.strip_prefix(&format!("{request} request sent for {count} {noun}, with id#: "));
            let id = id.and_then(|id| id.strip_suffix(&format!(", check /api/{name}/getact\n")));
            let id = id.unwrap_or_else(|| panic!("{answer}"));
            let held = testero.settled(name);
            assert_eq!(held, format!("Last request ID: {id}\nTotal count: {count} {noun}.\n"));
            assert_eq!(testero.get(&format!("/api/{name}/getdef")), format!("Total count reserved: {count} {noun}.\n"));
            kind.are_there(&testero, base, count);
        }
        testero.get(&format!("/api/{name}/set?count=0"));
        testero.settled(name);
        kind.are_there(&testero, base, 0);
        let absent = testero.get(&format!("/api/{name}/set"));
        assert_eq!(absent, format!("No count specified: set?count=<number of {noun}>\n"));
        for wrong in ["-1", "x", "1.5.2", "250m", "1Qi"] {
            let answer = testero.get(&format!("/api/{name}/set?count={wrong}"));
            assert!(answer.starts_with("Invalid request: count: "), "{name} {wrong}: {answer}");
            let (status, body) = testero.status_and_json("POST", &format!("/api/{name}/set?count={wrong}"));
            assert_eq!((status, body.text("error.code")), (400, "invalid"), "{name} {wrong}: {body:?}");
        }
    }
}

#[test]
fn they_are_told_in_json_and_in_the_status() {
    let testero = Testero::start();
    for kind in &KINDS {
        let receipt = kind.set(&testero, "count=0.2k");
        assert_eq!((receipt.number("requested"), receipt.number("planned")), (200.0, 200.0));
        assert_eq!(kind.settled(&testero), 200);
        let (status, act) = testero.status_and_json("GET", &format!("/api/{}/getact", kind.name));
        assert_eq!((status, act.number("held"), act.text("id")), (200, 200.0, receipt.text("id")));
        assert_eq!(testero.status_and_json("GET", &format!("/api/{}/getdef", kind.name)).1.number("planned"), 200.0);
        let all = testero.status_and_json("GET", "/api/status").1;
        let group = all.at(&format!("groups.{}", kind.name));
        assert_eq!((group.text("state"), group.number("held"), group.number("progress")), ("holding", 200.0, 1.0));
        assert!(group.number("available") > 0.0 && !group.text("limit_source").is_empty(), "{group:?}");
        let text = testero.get("/api/status");
        assert!(text.lines().any(|line| line.starts_with(kind.name) && line.contains("holding")), "{text}");
        let (status, preview) =
            testero.status_and_json("GET", &format!("/api/{}/set?count=500&dry_run=true", kind.name));
        assert_eq!((status, preview.is("fits"), preview.number("planned")), (200, true, 500.0));
        assert_eq!(kind.settled(&testero), 200, "a dry run does nothing");
    }
    assert_eq!(testero.status_and_json("DELETE", "/api").0, 202);
    KINDS.iter().for_each(|kind| assert_eq!(kind.settled(&testero), 0));
}

#[test]
fn they_go_by_themselves_when_their_time_is_over() {
    let testero = Testero::start();
    let bases = KINDS.each_ref().map(|kind| kind.there(&testero));
    let began = Instant::now();
    KINDS.iter().for_each(|kind| drop(kind.set(&testero, "count=150&ttl=2s")));
    for kind in &KINDS {
        eventually("its time is over", || kind.told(&testero).text("state") == "expired");
        assert!(began.elapsed() >= Duration::from_millis(1900), "{}", kind.name);
        assert_eq!(kind.told(&testero).number("held"), 0.0);
    }
    KINDS.iter().zip(bases).for_each(|(kind, base)| kind.are_there(&testero, base, 0));
}

#[test]
fn a_rate_and_a_length_are_kept_up_and_down() {
    let testero = Testero::start();
    thread::scope(|scope| {
        for kind in &KINDS {
            let testero = &testero;
            scope.spawn(move || {
                for (parameters, from, goal, seconds) in [
                    ("count=400&rate=200", 0.0, 400.0, 2.0),
                    ("count=0&over=2s", 400.0, 0.0, 2.0),
                    ("count=300&over=2s", 0.0, 300.0, 2.0),
                ] {
                    at_least_once(parameters, || {
                        kind.set(testero, &format!("count={from}"));
                        kind.settled(testero);
                        kind.takes(testero, parameters, goal - from, seconds)
                    });
                }
            });
        }
    });
}

#[test]
fn a_release_is_never_busy_and_ends_the_work() {
    let testero = Testero::start();
    for kind in &KINDS {
        let base = kind.there(&testero);
        kind.set(&testero, "count=2000&rate=100");
        eventually("some are there", || kind.told(&testero).number("held") > 10.0);
        assert_eq!(testero.status_and_json("POST", &format!("/api/{}/set?count=1", kind.name)).0, 409);
        let began = Instant::now();
        let (status, _) = testero.status_and_json("DELETE", &format!("/api/{}?wait=true", kind.name));
        assert_eq!((status, kind.told(&testero).number("held")), (200, 0.0));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        kind.are_there(&testero, base, 0);
        assert_eq!(kind.told(&testero).text("state"), "idle");
    }
}

#[test]
fn nothing_is_left_at_exit() {
    let testero = Testero::start();
    KINDS.iter().for_each(|kind| drop(kind.set(&testero, "count=1500")));
    KINDS.iter().for_each(|kind| assert_eq!(kind.settled(&testero), 1500));
    assert_eq!(empty_files(testero.data.path()), 1500);
    // And one that is still at work.
    KINDS[0].set(&testero, "count=5000&rate=500");
    let data = Arc::clone(&testero.data);
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(10), "{status} {took:?} {log}");
    assert_eq!(super::harness::names(data.path()), [""; 0], "{log}");
}

#[test]
fn a_limit_of_the_user_binds_and_is_named() {
    let testero = Testero::start_with(&[], &[("HIGHINODELIM", "120"), ("HIGHPIDLIM", "120"), ("HIGHFDLIM", "120")]);
    for kind in &KINDS {
        let Kind { name, noun, limit, .. } = kind;
        let (status, body) = testero.status_and_json("POST", &format!("/api/{name}/set?count=121"));
        assert_eq!((status, body.text("error.code")), (422, "over-limit"), "{body:?}");
        assert_eq!((body.text("error.limit_source"), body.number("error.limit")), (*limit, 120.0), "{body:?}");
        assert_eq!(body.number("error.most"), 120.0, "{body:?}");
        assert!(body.text("error.message").contains(limit), "{body:?}");
        let text = testero.get(&format!("/api/{name}/set?count=121"));
        let end = format!("requested 121 {noun}, limit: 120 {noun}.\n");
        assert!(text.starts_with("Could not compute ") && text.ends_with(&end), "{text}");
        assert_eq!(kind.set(&testero, "count=max-20").number("requested"), 100.0);
        assert_eq!(kind.settled(&testero), 100);
        assert_eq!(kind.set(&testero, "count=50pct").number("requested"), 60.0);
        assert_eq!(kind.settled(&testero), 60);
        assert_eq!(kind.set(&testero, "count=max").number("requested"), 120.0);
        assert_eq!(kind.settled(&testero), 120);
        assert_eq!(kind.told(&testero).number("available"), 0.0);
        // Force goes past guards, not past what the user has set.
        assert_eq!(testero.status_and_json("POST", &format!("/api/{name}/set?count=121&force=true")).0, 422);
    }
}

/// Whether 20 clients are served at once.
fn serves(testero: &Testero) {
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(testero.get("/healthz"), "ok\n")));
        }
    });
}

/// Whether the service is all there: clients at once, and work in all other groups.
fn is_alive(testero: &Testero) {
    thread::scope(|scope| {
        scope.spawn(|| serves(testero));
        scope.spawn(|| {
            let text = testero.get("/api/disk/set?size=30000000");
            assert!(text.starts_with("File data request sent"), "{text}");
            let held = testero.settled("disk");
            assert!(held.contains("Total size: 3") && !held.contains("failed"), "{held}");
        });
        scope.spawn(|| {
            let text = testero.get("/api/mem/set?size=10000000");
            assert!(text.starts_with("Memory data request sent"), "{text}");
            let held = testero.settled("mem");
            assert!(!held.contains("failed"), "{held}");
        });
        scope.spawn(|| {
            let (status, body) = testero.status_and_json("POST", "/api/cpu/load?time=2&cpu=max");
            assert_eq!(status, 202, "{body:?}");
            let (status, body) = testero.status_and_json("POST", "/api/inode/set?count=50");
            assert_eq!((status, KINDS[0].settled(testero)), (202, 50), "{body:?}");
        });
    });
}

#[test]
fn all_descriptors_that_may_be_taken_leave_the_service_alive() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 400; exec \"$0\" \"$@\"", binary(), "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data.path());
    let testero = Testero::spawn(command, data);
    let fd = &KINDS[2];
    fd.set(&testero, "count=max");
    let held = fd.settled(&testero);
    assert!((1..400).contains(&held), "{held}");
    is_alive(&testero);
    let (status, body) = testero.status_and_json("POST", "/api/fd/set?count=400");
    let source = body.text("error.limit_source");
    assert!(status == 422 && source.starts_with("RLIMIT_NOFILE, less ") && source.ends_with(SERVICE), "{body:?}");
    assert!(body.number("error.most") >= held as f64 - 40.0, "{body:?}");
    assert_eq!(fd.settled(&testero), held);
}

#[test]
fn a_limit_above_what_the_kernel_has_leaves_the_service_alive_as_well() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 600; exec \"$0\" \"$@\"", binary(), "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data.path()).env("HIGHFDLIM", "100000");
    let testero = Testero::spawn(command, data);
    for count in ["599", "100000", "599&force=true"] {
        let (status, body) = testero.status_and_json("POST", &format!("/api/fd/set?count={count}"));
        assert_eq!((status, body.text("error.code")), (422, "does-not-fit"), "{count}: {body:?}");
        let (bound, told) = (body.text("error.bound_by"), body.text("error.message"));
        assert!(bound.starts_with("RLIMIT_NOFILE, less ") && told.contains(bound), "{body:?}");
    }
    let held = KINDS[2].set(&testero, "count=max").number("requested");
    assert!(held > 100.0 && KINDS[2].settled(&testero) == held as u64, "{held}");
    is_alive(&testero);
}

#[test]
fn all_threads_that_may_be_taken_leave_the_service_alive() {
    let Some(cgroup) = Cgroup::threads("pids", 700) else { return };
    let testero = cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &[]);
    let pid = &KINDS[1];
    pid.set(&testero, "count=max");
    let held = pid.settled(&testero);
    assert!((100..700).contains(&held), "{held}");
    assert!(testero.status("Threads") > held && cgroup.number("pids.current", None) > held);
    is_alive(&testero);
    assert_eq!(cgroup.number("pids.events", Some("max")), 0, "the kernel had to refuse a thread");
    let (status, body) = testero.status_and_json("POST", "/api/pid/set?count=700");
    let source = body.text("error.limit_source").to_owned();
    assert!(status == 422 && source.contains("pids.max of ") && source.ends_with(SERVICE), "{body:?}");
    let container = testero.status_and_json("GET", "/api/status").1.at("container").clone();
    assert_eq!(container.number("pids_max"), 700.0);
    assert!(container.number("pids") > held as f64);
    testero.status_and_json("DELETE", "/api/pid?wait=true");
    eventually("they are gone", || cgroup.number("pids.current", None) < 100);
}

/// With the default number of connections, all of so few are kept for the service.
#[test]
fn with_few_connections_even_60_threads_can_be_filled() {
    for (connections, least) in [(None, 0), (Some("8"), 10)] {
        let Some(cgroup) = Cgroup::threads("few-pids", 60) else { return };
        let variables: Vec<_> = connections.map(|most| ("CONNECTIONS", most)).into_iter().collect();
        let testero = cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &variables);
        let (status, body) = testero.status_and_json("POST", "/api/pid/set?count=max&wait=true");
        let held = body.number("held");
        assert_eq!((status, held > f64::from(least)), (200, connections.is_some()), "{body:?}");
        assert_eq!(testero.get("/healthz"), "ok\n");
        assert_eq!(cgroup.number("pids.events", Some("max")), 0, "the kernel had to refuse a thread");
    }
}

/// Takes all there is room for where memory is what there is least of: the kernel must not have to kill.
fn fits_into_memory(kind: &Kind, cgroup: &Cgroup, data: tempfile::TempDir) {
    let testero = cgroup.start(Arc::new(data), &[]);
    let (status, body) = testero.status_and_json("POST", &format!("/api/{}/set?count=300000", kind.name));
    assert_eq!(status, 422, "{} {body:?}", kind.name);
    let available = body.number("error.most");
    assert!(available > 500.0 && available < 300_000.0, "{body:?}");
    kind.set(&testero, "count=max");
    let alive = || assert_eq!(cgroup.oom_kills(), 0, "{} of {} killed the service", available, kind.noun);
    eventually("the work is done", || {
        alive();
        // Killed a moment ago, it answers nothing.
        let text = String::from_utf8(testero.raw(format!("GET /api/{}/getact HTTP/1.0\r\n\r\n", kind.name).as_bytes()));
        text.unwrap().contains("Total count: ")
    });
    let held = kind.settled(&testero);
    assert!(held as f64 > available * 0.8, "{} {held} of {available}", kind.name);
    assert_eq!(kind.told(&testero).at("error"), &Json::Null);
    // One after another: so little memory has room for a few connections at a time only.
    (0..20).for_each(|_| assert_eq!(testero.get("/healthz"), "ok\n"));
    alive();
}

#[test]
fn threads_are_taken_no_more_than_memory_has_room_for() {
    let Some(cgroup) = Cgroup::memory("threads", 96 << 20) else { return };
    fits_into_memory(&KINDS[1], &cgroup, tempfile::tempdir().unwrap());
}

#[test]
fn inodes_are_taken_no_more_than_memory_has_room_for() {
    let Some(cgroup) = Cgroup::memory("inodes", 64 << 20) else { return };
    // Where files are memory, their inodes are.
    let Ok(data) = tempfile::tempdir_in("/dev/shm") else {
        skip("no folder can be made on /dev/shm");
        return;
    };
    fits_into_memory(&KINDS[0], &cgroup, data);
}
