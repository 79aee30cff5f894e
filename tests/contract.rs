//! The wire contract: words, quoting, ids, who is told *busy*, and what comes late.

use std::time::{Duration, Instant};

use crate::harness::{Testero, eventually};

/// A little less than the second that braked answers are late.
const LATE: Duration = Duration::from_millis(950);
/// What every other answer stays well under, on a slow machine too.
const AT_ONCE: Duration = Duration::from_millis(700);

fn timed(testero: &Testero, target: &str) -> (String, Duration) {
    let start = Instant::now();
    let body = testero.get(target);
    (body, start.elapsed())
}

fn id_of(answer: &str) -> u64 {
    answer.split("id#: ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
}

#[test]
fn at_the_start_nothing_is_held() {
    let testero = Testero::start();
    assert_eq!(
        testero.get("/api/mem/getdef"),
        "Boxes of size: 262144, count: 0, total size: 0\nBoxes of size: 1048576, count: 0, total size: 0\n\
         Boxes of size: 4194304, count: 0, total size: 0\nBoxes of size: 16777216, count: 0, total size: 0\n\
         Boxes of size: 67108864, count: 0, total size: 0\nTotal size reserved: 0 bytes.\n"
    );
    assert_eq!(
        testero.get("/api/mem/getact"),
        "Last request ID: 0\nParts of size: 262144, Count: 0\nParts of size: 1048576, Count: 0\n\
         Parts of size: 4194304, Count: 0\nParts of size: 16777216, Count: 0\nParts of size: 67108864, Count: 0\n\
         Total size: 0 bytes.\n"
    );
    assert_eq!(
        testero.get("/api/disk/getdef"),
        "Files of size: 524288, count: 0, total size: 0\nFiles of size: 2097152, count: 0, total size: 0\n\
         Files of size: 8388608, count: 0, total size: 0\nFiles of size: 33554432, count: 0, total size: 0\n\
         Files of size: 134217728, count: 0, total size: 0\nTotal size reserved: 0 bytes.\n"
    );
    assert_eq!(
        testero.get("/api/disk/getact"),
        "Last request ID: 0\nFiles of size: 524288, Count: 0\nFiles of size: 2097152, Count: 0\n\
         Files of size: 8388608, Count: 0\nFiles of size: 33554432, Count: 0\nFiles of size: 134217728, Count: 0\n\
         Total size: 0 bytes.\n"
    );
}

#[test]
fn set_and_add_are_one_operation_that_makes_the_total() {
    let testero = Testero::start();
    for (group, what) in [("mem", "Memory"), ("disk", "File")] {
        let mut last = 0;
        for (verb, size) in [("set", 3_000_000), ("add", 1_000_000), ("set", 1_000_000), ("add", 0)] {
            let answer = testero.get(&format!("/api/{group}/{verb}?size={size}"));
            let id = id_of(&answer);
            assert_eq!(
                answer,
                format!("{what} data request sent for {size} bytes, with id#: {id}, check /api/{group}/getact\n")
            );
            assert!(id > last && id.to_string().len() == 19, "ids are times in nanoseconds, and increase");
            last = id;
            let held = testero.settled(group);
            assert!(held.starts_with(&format!("Last request ID: {id}\n")), "{held}");
            let planned = testero.get(&format!("/api/{group}/getdef"));
            let reserved = planned.lines().last().unwrap().strip_prefix("Total size reserved: ").unwrap();
            assert_eq!(held.lines().last().unwrap(), format!("Total size: {reserved}"));
        }
        assert!(testero.settled(group).ends_with("Total size: 0 bytes.\n"));
    }
}

#[test]
fn sizes_that_are_none_are_refused_a_second_late_and_change_nothing() {
    let testero = Testero::start_with(&["--mem-limit", "5000000", "--disk-limit", "6000000"], &[]);
    let asked = testero.get("/api/mem/set?size=300000");
    testero.settled("mem");
    let before = (testero.get("/api/mem/getdef"), testero.get("/api/mem/getact"));
    let parse = "Could not get size: strconv.ParseUint: parsing";
    let cases = [
        ("/api/mem/set", "File size (in bytes) not specified: set?size=<number of bytes>".to_owned()),
        ("/api/mem/add?size=", "File size (in bytes) not specified: add?size=<number of bytes>".to_owned()),
        ("/api/mem/set?Size=5", "File size (in bytes) not specified: set?size=<number of bytes>".to_owned()),
        ("/api/mem/set?size=50%", "File size (in bytes) not specified: set?size=<number of bytes>".to_owned()),
        ("/api/mem/set?size=1;a", "File size (in bytes) not specified: set?size=<number of bytes>".to_owned()),
        ("/api/mem/set?size=abc", format!("{parse} \"abc\": invalid syntax")),
        ("/api/mem/add?size=+5", format!("{parse} \" 5\": invalid syntax")),
        ("/api/mem/set?size=%2B5", format!("{parse} \"+5\": invalid syntax")),
        ("/api/mem/set?size=-1", format!("{parse} \"-1\": invalid syntax")),
        ("/api/mem/set?size=512Mi", format!("{parse} \"512Mi\": invalid syntax")),
        ("/api/mem/set?size=99999999999999999999", format!("{parse} \"99999999999999999999\": value out of range")),
        ("/api/mem/set?size=é😀'`", format!("{parse} \"é😀'`\": invalid syntax")),
        ("/api/mem/set?size=%22%5C%07%00%7f%ff", format!("{parse} \"\\\"\\\\\\a\\x00\\x7f\\xff\": invalid syntax")),
        ("/api/mem/set?size=%E2%80%8B%C2%A0", format!("{parse} \"\\u200b\\u00a0\": invalid syntax")),
        (
            "/api/mem/set?size=5000001",
            "Could not compute memory parts: Size requested is over the limit: requested 5000001 bytes, limit: 5000000 bytes."
                .to_owned(),
        ),
        ("/api/disk/set", "No data size specified".to_owned()),
        ("/api/disk/add?size=", "No data size specified".to_owned()),
        ("/api/disk/set?size=1e6", format!("{parse} \"1e6\": invalid syntax")),
        (
            "/api/disk/add?size=6000001",
            "Could not compute file distribution: Size requested is over the limit: requested 6000001 bytes, limit: 6000000 bytes."
                .to_owned(),
        ),
    ];
    std::thread::scope(|scope| {
        for (target, words) in &cases {
            let testero = &testero;
            scope.spawn(move || {
                let (answer, took) = timed(testero, target);
                assert_eq!(answer, format!("{words}\n"), "{target}");
                assert!(took >= LATE, "{target} came after {took:?}");
            });
        }
    });
    assert_eq!((testero.get("/api/mem/getdef"), testero.get("/api/mem/getact")), before);
    assert!(before.1.starts_with(&format!("Last request ID: {}\n", id_of(&asked))));
}

#[test]
fn raw_bytes_that_are_no_text_are_quoted_too() {
    let testero = Testero::start();
    let answer = testero.raw(b"GET /api/mem/set?size=\xff\xc3\xa9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.ends_with("parsing \"\\xffé\": invalid syntax\n"), "{answer}");
}

#[test]
fn leading_zeros_and_repeated_keys_are_read_as_the_contract_has_it() {
    let testero = Testero::start();
    let size = |target: &str| {
        let answer = testero.get(target);
        testero.settled("mem");
        answer.split(' ').nth(5).unwrap().to_owned()
    };
    assert_eq!(size("/api/mem/set?size=000012"), "12");
    assert_eq!(size("/api/mem/set?size=1&size=2"), "1");
    assert_eq!(size("/api/mem/set?a=%zz&s%69ze=7"), "7");
    assert_eq!(size("/api/mem%2Fset?size=8"), "8");
}

#[test]
fn shrinking_is_allowed_whatever_the_limit() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "1000000")]);
    testero.get("/api/mem/set?size=1000000");
    // Four parts of 256 KiB: more than the limit by rounding, and asking for what is held is no growth.
    assert!(testero.settled("mem").ends_with("Total size: 1048576 bytes.\n"));
    assert!(testero.get("/api/mem/set?size=1048576").starts_with("Memory data request sent"));
    testero.settled("mem");
    assert!(testero.get("/api/mem/set?size=1048577").contains("over the limit"));
}

#[test]
fn while_work_runs_everybody_of_the_group_is_told_busy_and_no_other_group_is() {
    let testero = Testero::start();
    let load = testero.get("/api/cpu/load?time=600");
    let (answer, took) = timed(&testero, "/api/cpu/load?time=1");
    assert!(answer.starts_with("Server "), "{answer}");
    assert!(took >= LATE);
    let busy = "Server busy, try again later\n";
    assert_eq!(testero.get("/api/cpu/load"), busy, "busy comes before what is wrong with the request");
    let (held, took) = timed(&testero, "/api/mem/getact");
    assert!(held.starts_with("Last request ID: 0\n") && took < AT_ONCE, "{took:?}");
    let id = load.trim().rsplit(' ').next().unwrap();
    assert_eq!(testero.get(&format!("/api/cpu/stop?id={id}")), "CPU load stopped\n");
    assert!(testero.get("/api/cpu/load?time=0").starts_with("CPU load requested for 0 seconds with id: "));
}

#[test]
fn a_group_at_work_answers_busy_or_pending_and_nothing_else() {
    let testero = Testero::start();
    let mut met = 0;
    eventually("a request meets work", || {
        let sizes = [400_000_000, 0];
        for size in sizes {
            let answer = testero.get(&format!("/api/disk/set?size={size}"));
            assert!(answer.starts_with("File data request sent") || answer.starts_with("Server "), "{answer}");
            let start = Instant::now();
            for target in ["/api/disk/getdef", "/api/disk/getact", "/api/disk/add?size=5"] {
                let answer = testero.get(target);
                if answer.starts_with("Server ") {
                    met += 1;
                    assert!(
                        answer == "Server busy, try again later\n"
                            || answer == "Server contains pending request, try again later\n",
                        "{answer}"
                    );
                    assert!(start.elapsed() >= LATE);
                }
                testero.settled("disk");
            }
        }
        met > 0
    });
}

#[test]
fn readers_do_not_disturb_each_other() {
    let testero = Testero::start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    for target in ["/api/mem/getact", "/api/mem/getdef", "/api/disk/getact", "/api/disk/getdef"] {
                        let answer = testero.get(target);
                        assert!(!answer.starts_with("Server "), "{target}: {answer}");
                    }
                }
            });
        }
    });
}

#[test]
fn any_method_is_served_like_get_but_head_changes_nothing() {
    let testero = Testero::start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = testero.ask(method, "/api/mem/getact");
        assert_eq!((answer.status, answer.body), (200, testero.get("/api/mem/getact")), "{method}");
    }
    let answer = testero.ask("POST", "/api/mem/set?size=300000");
    assert!(answer.body.starts_with("Memory data request sent for 300000 bytes"));
    let held = testero.settled("mem");
    for target in ["/api/mem/set?size=5", "/api/mem/add?size=abc", "/api/disk/set?size=1", "/api/cpu/load?time=60"] {
        let answer = testero.ask("HEAD", target);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{target}");
    }
    assert_eq!(testero.get("/api/mem/getact"), held);
    assert!(testero.get("/api/disk/getact").starts_with("Last request ID: 0\n"));
    assert_eq!(testero.get("/api/cpu/getact"), "No load request in progress\n");
}

#[test]
fn work_is_logged_in_the_words_people_look_for() {
    let testero = Testero::start();
    let log = testero.log();
    for words in
        ["DATADIR set to: ", "HIGHMEMLIM set to: ", "HIGHFILELIM set to: ", "Starting web server on: 127.0.0.1:"]
    {
        let line = log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words} in {log}"));
        let stamp: String = line[..20].chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(stamp, "9999/99/99 99:99:99 ", "{line}");
        assert!(line[20..].starts_with(words), "{line}");
    }
    for (group, work) in [("mem", "CreateParts()"), ("disk", "CreateFiles()")] {
        let id = id_of(&testero.get(&format!("/api/{group}/set?size=5")));
        testero.settled(group);
        let words = format!(" {work}: Request {id} completed in 0 seconds");
        eventually("it is logged", || testero.log().lines().any(|line| line.ends_with(&words)));
    }
}
