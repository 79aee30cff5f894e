//! What is held, in time: deadlines, releases, kinds, starts and ends.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::disk::folder;
use super::harness::{Testero, eventually, names, skip};
use super::json::Json;

const MIB: u64 = 1 << 20;
/// Work that is not done before a test has looked at it.
const LONG: &str = "amount=64Mi&over=10m";

pub(crate) fn held(testero: &Testero, group: &str) -> u64 {
    testero.group(group)["held"].whole()
}

/// Sets an amount and waits until it is held.
pub(crate) fn set(testero: &Testero, group: &str, parameters: &str) -> Json {
    testero.json("POST", &format!("/api/{group}/set?{parameters}&wait=true"), 200)
}

#[test]
fn what_is_held_for_a_time_is_released_by_itself() {
    let testero = Testero::start();
    let idle = testero.status("VmRSS");
    for (group, parameters) in [("mem", "amount=64Mi&ttl=1500ms"), ("disk", "amount=8Mi&ttl=1500ms")] {
        let began = Instant::now();
        let told = set(&testero, group, parameters);
        assert!(matches!(told["expires"], Json::Text(_)), "{told:?}");
        assert!((0.0..=1.5).contains(&told["expires_in_seconds"].float()), "{told:?}");
        let told = testero.in_state(group, "expired");
        assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
        assert_eq!(told["held"].whole(), 0);
        // And it goes on from there.
        set(&testero, group, "amount=1Mi");
        assert_eq!(testero.group(group)["state"].string(), "holding");
    }
    eventually("memory is back", || testero.status("VmRSS") <= idle + 4096);
    assert!(testero.get("/api/mem/set?size=1048576&ttl=700ms").starts_with("Memory data request sent"));
    testero.in_state("mem", "expired");
    assert!(testero.get("/api/mem/getact").ends_with("Total size: 0 bytes.\n"));
}

#[test]
fn a_new_set_replaces_the_time() {
    let testero = Testero::start();
    for group in ["mem", "disk"] {
        set(&testero, group, "amount=1Mi&ttl=1s");
        let told = set(&testero, group, "amount=2Mi");
        assert_eq!(told["expires"], Json::Null);
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(held(&testero, group), 2 * MIB);
        // The same amount again is a set like any other.
        set(&testero, group, "amount=2Mi&ttl=500ms");
        testero.in_state(group, "expired");
        set(&testero, group, "amount=2Mi&ttl=1s");
        set(&testero, group, "amount=2Mi&ttl=1h");
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(held(&testero, group), 2 * MIB);
    }
}

#[test]
fn a_time_that_is_over_ends_the_work_too() {
    let testero = Testero::start();
    for group in ["mem", "disk", "inode"] {
        let amount = if group == "inode" { "amount=10" } else { "amount=4Mi" };
        testero.json("POST", &format!("/api/{group}/set?{amount}&over=10m&ttl=1s"), 202);
        testero.in_state(group, "working");
        assert_eq!(testero.in_state(group, "expired")["held"].whole(), 0);
    }
}

#[test]
fn maxttl_makes_a_forgotten_load_impossible() {
    let testero = Testero::start_with(&[], &[("MAXTTL", "2s"), ("START_DISK", "1Mi")]);
    let told = set(&testero, "mem", "amount=1Mi");
    assert!(told["expires_in_seconds"].float() <= 2.0, "{told:?}");
    let told = testero.json("POST", "/api/cpu/load?time=1h&cpu=10m", 202);
    assert!(told["seconds_left"].float() <= 2.0, "{told:?}");
    for group in ["mem", "disk"] {
        testero.in_state(group, "expired");
    }
    testero.in_state("cpu", "idle");
    let told = set(&testero, "mem", "amount=1Mi&ttl=1h");
    assert!(told["expires_in_seconds"].float() <= 2.0, "{told:?}");
    let told = set(&testero, "mem", "amount=1Mi&ttl=1s");
    assert!(told["expires_in_seconds"].float() <= 1.0, "{told:?}");
}

#[test]
fn a_release_is_never_busy() {
    let testero = Testero::start();
    for group in ["mem", "disk"] {
        for (method, path) in
            [("DELETE", ""), ("POST", "/set?size=0"), ("GET", "/add?amount=0"), ("PUT", "/set?size=0")]
        {
            testero.json("POST", &format!("/api/{group}/set?{LONG}"), 202);
            let began = Instant::now();
            // Twice, and once more beside the running release.
            for _ in 0..3 {
                testero.json(method, &format!("/api/{group}{path}"), 202);
            }
            assert_eq!(testero.in_state(group, "idle")["held"].whole(), 0);
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        }
        testero.json("POST", &format!("/api/{group}/set?{LONG}"), 202);
        let answer = testero.ask("DELETE", &format!("/api/{group}"));
        assert!(answer.status == 200 && !answer.body.starts_with("Server "), "{answer:?}");
        assert_eq!(testero.in_state(group, "idle")["held"].whole(), 0);
    }
    // Files that are half written are gone as well.
    assert_eq!(class_files(&testero), 0);
}

#[test]
fn releases_that_meet_are_all_done() {
    let testero = Testero::start();
    for _ in 0..10 {
        testero.json("POST", "/api/mem/set?amount=64Mi", 202);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let told = testero.json("DELETE", "/api/mem?wait=true", 200);
                    assert_eq!(told["held"].whole(), 0);
                });
            }
        });
    }
}

/// How many entries stand in the class folders.
fn class_files(testero: &Testero) -> usize {
    let folder = folder(testero);
    names(&folder).iter().filter(|name| name.starts_with("d-")).map(|name| names(&folder.join(name)).len()).sum()
}

#[test]
fn releases_and_sets_at_the_same_time_leave_nothing_behind() {
    let testero = Testero::start();
    thread::scope(|scope| {
        for worker in 0..4 {
            let testero = &testero;
            scope.spawn(move || {
                let group = ["mem", "disk"][worker % 2];
                for turn in 0..40 {
                    let (answer, _) = match (turn + worker) % 3 {
                        0 => testero.ask_json("DELETE", &format!("/api/{group}")),
                        1 => testero.ask_json("POST", &format!("/api/{group}/set?amount=3Mi&ttl=20ms")),
                        _ => testero.ask_json("POST", &format!("/api/{group}/set?amount=2Mi&over=30ms")),
                    };
                    assert!(answer.status == 202 || answer.status == 409, "{answer:?}");
                    assert!((turn + worker) % 3 > 0 || answer.status == 202, "a release was refused: {answer:?}");
                }
            });
        }
    });
    for group in ["mem", "disk"] {
        let told = testero.json("DELETE", &format!("/api/{group}?wait=true"), 200);
        assert_eq!((told["state"].string(), told["held"].whole()), ("idle", 0), "{told:?}");
        let text = testero.settled(group);
        assert!(text.ends_with("Total size: 0 bytes.\n"), "{text}");
    }
    assert_eq!(class_files(&testero), 0);
}

#[test]
fn delete_api_releases_everything() {
    let testero = Testero::start();
    for as_json in [true, false] {
        testero.json("POST", &format!("/api/mem/set?{LONG}"), 202);
        set(&testero, "disk", "amount=4Mi");
        set(&testero, "inode", "amount=10");
        set(&testero, "pid", "amount=3");
        set(&testero, "fd", "amount=5");
        testero.json("POST", "/api/cpu/load?time=1h&cpu=10m", 202);
        let held = ["disk", "inode", "pid", "fd"].map(|group| held(&testero, group));
        assert_eq!(held, [4 * MIB, 10, 3, 5]);
        if as_json {
            testero.json("DELETE", "/api", 202);
        } else {
            assert_eq!(testero.ask("DELETE", "/api").status, 200);
        }
        for group in ["mem", "disk", "inode", "pid", "fd"] {
            assert_eq!(testero.in_state(group, "idle")["held"].whole(), 0);
        }
        testero.in_state("cpu", "idle");
    }
}

/// Bytes whose pages were looked at since the marks were wiped.
fn referenced(testero: &Testero) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", testero.pid())).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Referenced:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn touched_pages_are_written_again_and_others_are_not() {
    let testero = Testero::start();
    let wipe = || fs::write(format!("/proc/{}/clear_refs", testero.pid()), "1").unwrap();
    set(&testero, "mem", "amount=48Mi");
    wipe();
    thread::sleep(Duration::from_secs(1));
    assert!(referenced(&testero) < 24 * MIB, "{} without touch", referenced(&testero));
    let told = set(&testero, "mem", "amount=48Mi&touch=300ms");
    assert_eq!(told["touch_seconds"].float(), 0.3);
    for _ in 0..2 {
        wipe();
        eventually("all is touched", || referenced(&testero) >= 48 * MIB);
    }
    assert_eq!(held(&testero, "mem"), 48 * MIB);
    testero.json("DELETE", "/api/mem?wait=true", 200);
}

/// The line in /proc/PID/status where mapped pages of a file in this folder are counted.
fn line_of_files(folder: &std::path::Path) -> &'static str {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mount = mounts.filter(|mount| folder.starts_with(mount[1])).max_by_key(|mount| mount[1].len()).unwrap();
    if mount[2] == "tmpfs" { "RssShmem" } else { "RssFile" }
}

#[test]
fn memory_is_of_the_kind_that_was_asked_for() {
    let testero = Testero::start();
    set(&testero, "mem", "amount=1Mi");
    testero.json("DELETE", "/api/mem?wait=true", 200);
    let lines = ["RssAnon", "RssFile", "RssShmem"];
    let before = lines.map(|line| testero.status(line));
    let of_file = line_of_files(testero.data.path());
    // Each follows another kind, and the last nothing.
    for (kind, grown) in
        [("anon", "RssAnon"), ("file", of_file), ("shm", "RssShmem"), ("file", of_file), ("anon", "RssAnon")]
    {
        let told = set(&testero, "mem", &format!("amount=32Mi&kind={kind}"));
        assert_eq!((told["kind"].string(), told["held"].whole()), (kind, 32 * MIB));
        for (line, before) in lines.iter().zip(before) {
            let now = testero.status(line).saturating_sub(before) << 10;
            let expected = if *line == grown { 32 * MIB } else { 0 };
            assert!(now.abs_diff(expected) <= 8 * MIB, "{kind}: {line} is {now} more");
        }
        assert_eq!(testero.names().len(), 1, "a file of pages has a name");
    }
    testero.json("DELETE", "/api/mem?wait=true", 200);
    for (line, before) in lines.iter().zip(before) {
        let left = || testero.status(line).saturating_sub(before);
        let began = Instant::now();
        while left() > 1024 && began.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(50));
        }
        assert!(left() <= 1024, "{} KiB more of {line} than before", left());
    }
}

/// Bytes of a file's pages that are not on the disk yet, where the kernel can tell (6.5).
fn dirty_pages(path: &std::path::Path) -> Option<u64> {
    const CACHESTAT: libc::c_long = 451;
    let file = fs::File::open(path).unwrap();
    let (range, mut told) = ([0u64; 2], [0u64; 5]);
    // SAFETY: it reads two numbers and writes five, which live as long as the call.
    let result = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), range.as_ptr(), told.as_mut_ptr(), 0) };
    (result == 0).then(|| told[1] + told[2])
}

#[test]
fn files_that_are_to_be_synced_are_on_the_disk() {
    let testero = Testero::start();
    set(&testero, "disk", "amount=4Mi&fsync=true");
    assert_eq!(held(&testero, "disk"), 4 * MIB);
    if line_of_files(testero.data.path()) == "RssShmem" {
        return skip("nothing is ever on the disk here");
    }
    let class = folder(&testero).join("d-524288");
    for name in names(&class) {
        let Some(dirty) = dirty_pages(&class.join(&name)) else {
            return skip("this kernel does not tell");
        };
        assert_eq!(dirty, 0, "{name}");
    }
}

#[test]
fn a_load_from_the_start_is_there_without_a_client_and_again_after_a_restart() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let start = [("START_MEM", "16Mi"), ("START_DISK", "4Mi"), ("START_CPU", "50m")];
    for _ in 0..2 {
        let testero = Testero::start_in(Arc::clone(&data), &[], &start);
        for (group, bytes) in [("mem", 16 * MIB), ("disk", 4 * MIB)] {
            let told = testero.in_state(group, "holding");
            assert_eq!((told["held"].whole(), &told["expires"]), (bytes, &Json::Null));
        }
        let told = testero.in_state("cpu", "working");
        assert_eq!((told["target_millicores"].whole(), &told["seconds_left"]), (50, &Json::Null));
        eventually("it uses CPU", || testero.cpu_time() > Duration::from_millis(30));
        testero.signal(libc::SIGKILL);
        testero.wait();
    }
}

#[test]
fn a_load_from_the_start_ends_with_its_time() {
    let start = [("START_MEM", "16Mi,ttl=1s"), ("START_DISK", "4Mi,ttl=1s"), ("START_CPU", "50m,ttl=2s")];
    let testero = Testero::start_with(&[], &start);
    let told = testero.in_state("cpu", "working");
    assert!(told["seconds_left"].float() <= 2.0, "{told:?}");
    for group in ["mem", "disk"] {
        assert_eq!(testero.in_state(group, "expired")["held"].whole(), 0);
    }
    testero.in_state("cpu", "idle");
}

#[test]
fn force_goes_past_the_default_limit_and_the_guard() {
    let testero = Testero::start();
    let refused = testero.json("POST", "/api/mem/set?amount=1Ti&over=10h", 422);
    assert_eq!(refused["error"]["status"].whole(), 422);
    let told = testero.json("POST", "/api/mem/set?amount=1Ti&force=true&dry_run=true", 200);
    assert_eq!(told["fits"], Json::Bool(true), "{told:?}");
    assert!(!note(&testero).exists(), "a dry run leaves a note");
    // Slowly, so that the machine lives on.
    let told = testero.json("POST", "/api/mem/set?amount=1Ti&force=true&over=30h", 202);
    assert_eq!(told["requested"].whole(), 1 << 40);
    eventually("something is taken", || held(&testero, "mem") > 0);
    assert!(testero.log().contains("past the guard"), "{}", testero.log());
    testero.json("DELETE", "/api/mem?wait=true", 200);
    assert!(!note(&testero).exists(), "the note outlives what it speaks of");
}

#[test]
fn force_does_not_go_past_a_limit_that_is_set() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "10000000"), ("HIGHFILELIM", "10000000")]);
    for group in ["mem", "disk"] {
        let (answer, value) = testero.ask_json("POST", &format!("/api/{group}/set?amount=20M&force=true"));
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(value["error"]["limit"].whole(), 10_000_000);
        let text = testero.get(&format!("/api/{group}/set?size=20000000&force=true"));
        assert!(text.contains("over the limit: requested 20000000 bytes, limit: 10000000 bytes."), "{text}");
    }
    assert!(!note(&testero).exists(), "what is refused leaves a note");
}

#[test]
fn memory_of_files_counts_as_files() {
    let testero = Testero::start_with(&[], &[("HIGHFILELIM", "50000000")]);
    let put = |target: &str| testero.status_and_json("PUT", &format!("/api/{target}&exact=true&wait=true"));
    let (status, told) = put("mem/set?amount=60M&kind=file");
    assert_eq!(status, 422, "{told:?}");
    assert_eq!(put("mem/set?amount=40M&kind=file").0, 200);
    let (status, told) = put("disk/set?amount=20M");
    let source = told.text("error.limit_source");
    assert!(status == 422 && source.contains("HIGHFILELIM") && source.contains("kind=file"), "{told:?}");
    let available = testero.json("GET", "/api/disk", 200)["available"].whole();
    assert!(available <= 10_040_000, "{available}");
    assert_eq!(put("disk/set?amount=9M").0, 200);
    let (status, told) = put("mem/set?amount=45M&kind=file");
    assert_eq!(status, 422, "{told:?}");
    // Memory of another kind is none of its business, and makes room for files.
    assert_eq!(put("mem/set?amount=60M").0, 200);
    assert_eq!(put("disk/set?amount=50M").0, 200);
}

/// Where it is written what is done past the guard.
fn note(testero: &Testero) -> std::path::PathBuf {
    folder(testero).join(".intent-mem")
}

#[test]
fn what_it_died_doing_is_told_after_the_restart_and_only_then() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let killed = Testero::start_in(Arc::clone(&data), &[], &[]);
    let told = killed.json("POST", "/api/mem/set?amount=48Mi&force=true&over=10m", 202);
    let id = told["id"].string();
    // The worker writes it before it begins.
    eventually("it is noted", || fs::read_to_string(note(&killed)).is_ok_and(|noted| noted.ends_with('\n')));
    let noted = fs::read_to_string(note(&killed)).unwrap();
    assert!(noted.contains("amount=48Mi&force=true") && noted.contains(id), "{noted}");
    killed.signal(libc::SIGKILL);
    killed.wait();

    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    let status = testero.json("GET", "/api/status", 200);
    let died = status["died_doing"].list();
    assert!(died.len() == 1 && died[0].string().contains(id), "{died:?}");
    let words = testero.get("/api/status");
    assert!(words.lines().any(|line| line.starts_with("died ") && line.contains(id)), "{words}");
    assert!(testero.log().contains("died doing"), "{}", testero.log());
    // What was released is nothing to die of.
    set(&testero, "mem", "amount=1Mi&force=true");
    testero.json("DELETE", "/api/mem?wait=true", 200);
    testero.signal(libc::SIGKILL);
    testero.wait();
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    assert!(testero.json("GET", "/api/status", 200)["died_doing"].list().is_empty());
}

#[test]
fn what_a_set_limit_lets_past_the_guard_is_noted_too() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "1125899906842624")]);
    set(&testero, "mem", "amount=1Mi");
    assert!(!note(&testero).exists(), "what fits is noted");
    // More than any machine has; so slowly that it does no harm.
    testero.json("POST", "/api/mem/set?amount=512Ti&over=10000h", 202);
    // The worker notes it, before it takes anything.
    eventually("it is noted", || fs::read_to_string(note(&testero)).is_ok_and(|noted| noted.ends_with('\n')));
    let noted = fs::read_to_string(note(&testero)).unwrap();
    assert!(noted.contains("amount=512Ti"), "{noted}");
    testero.json("DELETE", "/api/mem?wait=true", 200);
    assert!(!note(&testero).exists(), "what is released leaves a note");
    for job in ["megabytes=1&durationSec=60", "megabytes=1&durationSec=1"] {
        assert_eq!(testero.form("/ConsumeMem", job).status, 200);
        assert!(!folder(&testero).join(".intent-jobs").exists(), "what fits is noted");
    }
}

#[test]
fn what_was_not_forced_is_no_intent() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    set(&testero, "mem", "amount=2Mi&force=true");
    // From here on, what is held is within the guard.
    set(&testero, "mem", "amount=1Mi");
    testero.signal(libc::SIGKILL);
    testero.wait();
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    let status = testero.json("GET", "/api/status", 200);
    assert!(status["died_doing"].list().is_empty(), "{:?}", status["died_doing"]);
}

#[test]
fn nothing_is_left_after_sigterm_whatever_runs() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    testero.json("POST", "/api/mem/set?amount=16Mi&kind=file&force=true&touch=100ms", 202);
    testero.json("POST", "/api/disk/set?amount=64Mi&over=10s&fsync=true", 202);
    testero.json("POST", "/api/inode/set?count=500&over=10s", 202);
    for group in ["mem", "disk", "inode"] {
        eventually("something is held", || held(&testero, group) > 0);
    }
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success(), "{status} {log}");
    assert_eq!(names(data.path()), Vec::<String>::new());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_slow_release_is_no_way_around_maxttl() {
    let testero = Testero::start_with(&[], &[("MAXTTL", "2s")]);
    testero.json("POST", "/api/mem/set?amount=64Mi&wait=true", 200);
    testero.json("DELETE", "/api/mem?over=1h", 202);
    eventually("it is released", || testero.group("mem")["held"].whole() == 0);
}

#[test]
fn what_was_refused_at_the_start_is_told_in_the_status() {
    let testero =
        Testero::start_with(&[], &[("HIGHMEMLIM", "1000000"), ("START_MEM", "64Mi"), ("START_CPU", "1000000m")]);
    let group = testero.in_state("mem", "failed");
    assert!(group["error"].string().contains("START_MEM 64Mi: refused"), "{group:?}");
    let cpu = testero.in_state("cpu", "failed");
    assert!(cpu["error"].string().contains("START_CPU"), "{cpu:?}");
}

#[test]
fn sigterm_while_inodes_are_made_leaves_nothing_behind() {
    for _ in 0..3 {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
        testero.json("POST", "/api/inode/set?count=300000", 202);
        eventually("some are there", || testero.group("inode")["held"].whole() > 500);
        testero.signal(libc::SIGTERM);
        let (status, _, log) = testero.wait();
        assert!(status.success() && super::harness::names(data.path()).is_empty(), "{status}: {log}");
    }
}

#[test]
fn a_client_that_has_said_all_it_has_to_say_is_told_the_truth() {
    let testero = Testero::start();
    let mut stream = testero.connect();
    write!(stream, "GET /api/mem/set?amount=64Mi&over=2s&wait=true HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let answer = super::harness::Answer::parse(&bytes);
    assert!(answer.status == 200 && answer.body.starts_with("Memory data request sent"), "{answer:?}");
}
