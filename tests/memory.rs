//! Memory that is really there, and really gone.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Testero, at_least_once, binary, eventually};

/// What the resident size may differ by when nothing is held, in KiB.
const IDLE_SLACK: u64 = 256;

/// The stacks of a connection and a worker, in bytes, which come and go.
const STACK_SLACK: u64 = 192 * 1024;

/// Resident anonymous memory as smaps counts it, in bytes.
fn anonymous_in_smaps(testero: &Testero) -> u64 {
    let smaps = fs::read_to_string(format!("/proc/{}/smaps", testero.pid())).unwrap();
    let kib: u64 = smaps
        .lines()
        .filter_map(|line| line.strip_prefix("Anonymous:"))
        .map(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap())
        .sum();
    kib * 1024
}

#[test]
fn what_getact_says_is_resident_and_released_at_once() {
    let testero = Testero::start();
    // The first answers make a few pages of the program itself resident.
    testero.get("/api/mem/set?size=1");
    testero.settled("mem");
    testero.get("/api/mem/set?size=0");
    testero.settled("mem");
    let (idle, anonymous) = (testero.status("VmRSS"), anonymous_in_smaps(&testero));
    for bytes in [100_000_000u64, 300_000_000, 262_145] {
        testero.get(&format!("/api/mem/set?size={bytes}"));
        let held = testero.settled("mem");
        let total: u64 = held.split("Total size: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(total >= bytes);
        let resident = anonymous_in_smaps(&testero) - anonymous.min(total);
        // The stack of a thread that has ended by now may have been among what was there before, and that of one that
        // has not ended yet is there besides.
        assert!(resident + STACK_SLACK >= total, "{resident} of {total} bytes are resident");
        assert!(resident <= total + IDLE_SLACK * 1024 + STACK_SLACK, "{resident} bytes are resident for {total}");
    }
    testero.get("/api/mem/set?size=500000000");
    testero.settled("mem");
    testero.get("/api/mem/set?size=0");
    testero.settled("mem");
    let done = Instant::now();
    eventually("memory is back", || testero.status("VmRSS") <= idle + IDLE_SLACK);
    println!("memory was back {:?} after the work", done.elapsed());
}

#[test]
fn never_more_is_held_than_before_or_after() {
    let testero = Testero::start();
    let set = |bytes: u64| {
        testero.get(&format!("/api/mem/set?size={bytes}"));
        testero.settled("mem");
    };
    // 20 23 9 0 0 becomes 20 20 10 0 0: one class shrinks, another grows.
    set(67_108_863);
    fs::write(format!("/proc/{}/clear_refs", testero.pid()), "5").unwrap();
    let before = testero.status("VmRSS");
    set(67_108_865);
    let peak = testero.status("VmHWM");
    let after = testero.status("VmRSS");
    assert!(peak <= before.max(after) + IDLE_SLACK, "peak {peak}, before {before}, after {after}");
}

#[test]
fn a_failure_half_way_leaves_a_true_account() {
    // Address space for some 400 MB, and a user who says there is more. Each thread that allocates takes 64 MiB of it.
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new(binary());
    command.args(["--listen", "127.0.0.1:0", "--mem-limit", "2000000000", "--data-dir"]).arg(data.path());
    let limit = libc::rlimit { rlim_cur: 600 << 20, rlim_max: 600 << 20 };
    let lower = move || {
        // SAFETY: setrlimit reads a live rlimit.
        match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call, which is async-signal-safe.
    unsafe { command.pre_exec(lower) };
    let testero = Testero::spawn(command, data);
    testero.get("/api/mem/set?size=1500000000");
    let held = testero.settled("mem");
    let mut lines = held.lines().rev();
    let reason = lines.next().unwrap();
    assert!(
        reason.starts_with("Last request failed: taking 16777216 bytes of memory: Cannot allocate memory")
            || reason.starts_with("Last request failed: taking 67108864 bytes of memory: Cannot allocate memory")
            || reason.contains("Out of memory"),
        "{held}"
    );
    let total: u64 = lines.next().unwrap().split(' ').nth(2).unwrap().parse().unwrap();
    assert!(total > 100_000_000 && total < 600 << 20, "{held}");
    assert!(anonymous_in_smaps(&testero) >= total, "{held}");
    eventually("it is logged", || testero.log().contains(" seconds: taking "));
    // And it goes on, down and up.
    testero.get("/api/mem/set?size=0");
    assert!(testero.settled("mem").ends_with("Total size: 0 bytes.\n"));
    testero.get("/api/mem/set?size=100000000");
    assert!(testero.settled("mem").contains("Total size: 1"));
}

#[test]
fn holding_costs_no_cpu() {
    let testero = Testero::start();
    testero.get("/api/mem/set?size=200000000");
    testero.settled("mem");
    // Answering has its cost, and time is counted in ticks of 10 ms: a second in which there is none, or one tick.
    at_least_once("holding costs nothing", || {
        let before = testero.cpu_time();
        std::thread::sleep(Duration::from_secs(1));
        let used = testero.cpu_time() - before;
        if used <= Duration::from_millis(10) { Ok(()) } else { Err(format!("{used:?}")) }
    });
}

#[test]
fn content_is_printable_and_no_two_pages_are_alike() {
    let testero = Testero::start();
    testero.get("/api/mem/set?size=8000000");
    testero.settled("mem");
    let maps = fs::read_to_string(format!("/proc/{}/maps", testero.pid())).unwrap();
    let memory = fs::File::open(format!("/proc/{}/mem", testero.pid())).unwrap();
    let mut pages = std::collections::HashSet::new();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.split_whitespace().count() == 5 && line.contains(" rw-p ")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        // The kernel shows parts beside each other, and beside stacks and heaps, as one; a stack may be gone by now.
        for address in (start..end).step_by(4096) {
            let mut page = vec![0; 4096];
            let read = std::os::unix::fs::FileExt::read_exact_at(&memory, &mut page, address);
            if read.is_ok() && page.iter().all(|byte| (32..=126).contains(byte)) {
                found += page.len();
                assert!(pages.insert(page), "a page stands twice");
            }
        }
    }
    assert!(found >= 8_000_000, "{found} bytes found");
}
