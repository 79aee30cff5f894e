//! Limits that know the container: in a real cgroup of this machine, v1 or v2, whichever has the memory controller.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use crate::cgroup::Cgroup;
use crate::disk::is_root;
use crate::harness::{Testero, binary, eventually, skip};
use crate::json::Json;
use crate::process::run;

fn number_after(text: &str, words: &str) -> u64 {
    let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("no '{words}' in {text}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn in_a_container_of_256_mib_nothing_that_is_accepted_kills() {
    let Some(cgroup) = Cgroup::memory("sizes", 256 << 20) else { return };
    let testero = cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &[]);
    let limit = number_after(&testero.log(), "HIGHMEMLIM set to: ");
    assert!(limit < 256 << 20 && limit > 200 << 20, "{limit}");
    assert!(testero.get("/api/mem/set?size=100000000").starts_with("Memory data request sent"));
    testero.settled("mem");
    let refused = testero.get("/api/mem/set?size=500000000");
    assert!(refused.ends_with(&format!("requested 500000000 bytes, limit: {limit} bytes.\n")), "{refused}");
    // The limit is what was free at the start; rounding makes more of it than there is.
    let refused = testero.get(&format!("/api/mem/set?size={limit}"));
    let available = if refused.starts_with("Memory") { limit } else { number_after(&refused, "available now: ") };
    testero.settled("mem");
    // In a cgroup nobody else uses, what is available stays so, and one byte more stays refused.
    let answer = testero.get(&format!("/api/mem/set?size={available}"));
    assert!(answer.starts_with("Memory data request sent"), "{answer}");
    let held = testero.settled("mem");
    assert!(number_after(&held, "Total size: ") >= available - (1 << 20) && !held.contains("failed"), "{held}");
    assert_eq!(cgroup.oom_kills(), 0);
    testero.get("/api/mem/set?size=0");
    assert!(testero.settled("mem").ends_with("Total size: 0 bytes.\n"));
    drop(testero);
}

#[test]
fn a_resize_in_place_is_noticed_and_logged() {
    let Some(cgroup) = Cgroup::memory("resize", 128 << 20) else { return };
    let testero = cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &[]);
    assert!(testero.get("/api/mem/set?size=200000000").contains("over the limit"));
    cgroup.set_memory(512 << 20);
    assert!(testero.get("/api/mem/set?size=200000000").starts_with("Memory data request sent"));
    testero.settled("mem");
    eventually("it is logged", || {
        testero.log().contains("The container's own memory limit has changed, it is 536870912 bytes now")
    });
    cgroup.set_memory(256 << 20);
    assert!(testero.get("/api/mem/set?size=300000000").contains("over the limit"));
    assert_eq!(cgroup.oom_kills(), 0);
    drop(testero);
}

#[test]
fn files_on_tmpfs_are_memory() {
    let Some(cgroup) = Cgroup::memory("tmpfs", 256 << 20) else { return };
    // /dev/shm is a tmpfs wherever these tests run; without one there is nothing to see here.
    let Ok(data) = tempfile::tempdir_in("/dev/shm") else {
        skip("no folder can be made on /dev/shm");
        return;
    };
    let testero = cgroup.start(Arc::new(data), &[]);
    let refused = testero.get("/api/disk/set?size=300000000");
    assert!(number_after(&refused, "available now: ") < 256 << 20, "{refused}");
    assert!(testero.get("/api/mem/set?size=100000000").starts_with("Memory"));
    // Pending or not, what memory was promised is not promised to files as well.
    let refused = testero.get("/api/disk/set?size=200000000");
    let available = number_after(&refused, "available now: ");
    assert!(available < 150_000_000, "{refused}");
    testero.settled("mem");
    let refused = testero.get("/api/disk/set?size=200000000");
    let available = number_after(&refused, "available now: ");
    assert!(testero.get(&format!("/api/disk/set?size={available}")).starts_with("File data request sent"));
    let held = testero.settled("disk");
    assert!(!held.contains("failed"), "{held}");
    assert!(testero.get("/api/mem/set?size=200000000").contains("does not fit"));
    assert_eq!(cgroup.oom_kills(), 0);
    drop(testero);
}

#[test]
fn an_oom_kill_below_a_set_limit_is_told_by_the_next_process() {
    let Some(cgroup) = Cgroup::memory("killed", 64 << 20) else { return };
    let set = [("HIGHMEMLIM", "1073741824")];
    for asked in ["/api/mem/set?amount=512Mi", "/ConsumeMem?megabytes=512&durationSec=60"] {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let killed = cgroup.start(Arc::clone(&data), &set);
        // What fits leaves no trace, and is not noted.
        killed.json("POST", "/api/mem/set?amount=8Mi&wait=true", 200);
        assert!(!noted(data.path()), "{asked}");
        let kills = cgroup.oom_kills();
        let answer = killed.ask("POST", asked);
        // It may be killed before it has answered.
        assert!([0, 200].contains(&answer.status), "{answer:?}");
        let (_, _, log) = killed.wait();
        assert!(cgroup.oom_kills() > kills, "{answer:?} {log}");
        let next = cgroup.start(Arc::clone(&data), &set);
        let words = next.get("/api/status");
        assert!(words.lines().any(|line| line.starts_with("died ") && line.contains(asked)), "{words}");
        // Its cgroup is the same, so the kills that were counted since are its own.
        assert!(words.contains("OOM killer") && !words.contains("not by the OOM killer"), "{words}");
        drop(next);
    }
    let data = Arc::new(tempfile::tempdir().unwrap());
    let killed = cgroup.start(Arc::clone(&data), &set);
    killed.json("POST", "/api/mem/set?amount=512Mi&over=10h", 202);
    eventually("it is noted", || noted(data.path()));
    killed.signal(libc::SIGKILL);
    killed.wait();
    let next = cgroup.start(Arc::clone(&data), &set);
    let died = next.json("GET", "/api/status", 200)["died_doing"].list()[0].string().to_owned();
    assert!(died.contains("512Mi") && died.ends_with("it was killed, but not by the OOM killer"), "{died}");
}

#[test]
fn a_set_limit_above_the_containers_own_is_warned_of_at_the_start() {
    let Some(cgroup) = Cgroup::memory("above", 64 << 20) else { return };
    let start = |limit| cgroup.start(Arc::new(tempfile::tempdir().unwrap()), &[("HIGHMEMLIM", limit)]).log();
    let log = start("67108865");
    let line = log.lines().find(|line| line.contains("HIGHMEMLIM is above")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("67108864 bytes") && line.contains(cgroup.memory_limit()), "{line}");
    assert!(!start("67108864").contains("HIGHMEMLIM is above"));
}

/// Whether a note of what is about to be done stands in a data folder.
fn noted(data: &Path) -> bool {
    let folders = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    folders
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(Result::unwrap)
        // It is there a moment before its words are.
        .any(|entry| entry.file_name().to_string_lossy().starts_with(".intent-") && entry.metadata().unwrap().len() > 0)
}

/// The program as this user, who may have so many threads, on a folder that everybody may use.
fn start_as(user: u32, threads: u64) -> Testero {
    let data = Arc::new(tempfile::tempdir().unwrap());
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Where it was built may be a folder that only root reaches. Copied by another process: one that a test starts meanwhile
    // would inherit a descriptor that writes to it, and then it cannot be executed.
    let program = data.path().join("testero");
    assert!(run(Command::new("cp").arg(binary()).arg(&program)).status.success());
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).uid(user).gid(user);
    let limit = libc::rlimit { rlim_cur: threads, rlim_max: threads };
    let lower = move || {
        // SAFETY: setrlimit reads a live rlimit.
        match unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(lower) };
    Testero::spawn(command, data)
}

#[test]
fn threads_of_the_same_user_in_other_processes_count() {
    if !is_root() {
        return;
    }
    let user = 200_000 + std::process::id() % 50_000;
    let (first, second) = (start_as(user, 5000), start_as(user, 1000));
    let left = |testero: &Testero| testero.json("GET", "/api/pid", 200).number("available");
    let alone = left(&second);
    assert!(alone > 300.0, "{alone}");
    first.json("POST", "/api/pid/set?count=250", 202);
    assert_eq!(first.in_state("pid", "holding").number("held"), 250.0);
    let beside = left(&second);
    // Its own threads come and go by a few.
    assert!(beside <= alone - 240.0, "{alone}, then {beside}");
    // What fits really fits, and leaves room to serve.
    second.json("POST", "/api/pid/set?count=max", 202);
    let holding = second.in_state("pid", "holding");
    assert!(holding.number("held") > 0.0 && holding.at("error") == &Json::Null, "{holding:?}");
    let threads = first.status("Threads") + second.status("Threads");
    assert!(threads < 1000, "{threads}");
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| assert_eq!(second.ask("GET", "/healthz").status, 200));
        }
    });
}
