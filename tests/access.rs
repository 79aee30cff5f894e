//! Who may: a token, and no browser on behalf of another site.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::harness::{Answer, Testero};
use crate::json::Json;
use crate::process::{fails_with, program, run};

const TOKEN: &str = "correct-horse-battery-staple";

/// Every kind of request that changes state.
const CHANGES: [(&str, &str); 43] = [
    ("GET", "/api/mem/set?size=1"),
    ("POST", "/api/mem/set?size=1"),
    ("PUT", "/api/mem/add?size=1"),
    ("DELETE", "/api/mem/set?size=1"),
    ("PATCH", "/api/mem/set?size=1"),
    ("GET", "/api/mem%2Fset?size=1"),
    ("GET", "/api/mem/set?amount=1Mi&format=json"),
    ("GET", "/api/disk/set?size=1"),
    ("POST", "/api/disk/add?size=1"),
    ("POST", "/api/inode/set?count=1"),
    ("GET", "/api/inode/add?count=1"),
    ("POST", "/api/pid/set?count=1"),
    ("GET", "/api/pid/add?count=1"),
    ("POST", "/api/fd/set?count=1"),
    ("GET", "/api/fd/add?count=1"),
    ("GET", "/api/cpu/load?time=60"),
    ("POST", "/api/cpu/load?time=60&cpu=100m"),
    ("GET", "/api/cpu/stop?id=1"),
    ("POST", "/api/io/load?time=60"),
    ("POST", "/api/io/stop?id=1"),
    ("DELETE", "/api/mem"),
    ("DELETE", "/api/disk"),
    ("DELETE", "/api/inode"),
    ("DELETE", "/api/pid"),
    ("DELETE", "/api/fd"),
    ("DELETE", "/api/cpu"),
    ("DELETE", "/api/io"),
    ("DELETE", "/api"),
    ("DELETE", "/api?format=json"),
    ("POST", "/healthz/disable"),
    ("POST", "/healthz/enable"),
    ("POST", "/readyz/disable?for=1h"),
    ("POST", "/readyz/enable"),
    ("POST", "/fault/exit?code=3"),
    ("POST", "/fault/abort"),
    ("POST", "/fault/hang?for=1h"),
    ("POST", "/fault/delay?ms=50000&for=1h"),
    ("POST", "/fault/status?code=500&for=1h"),
    ("POST", "/fault/log?lines=1000"),
    ("POST", "/fault/term?ignore=true"),
    ("POST", "/ConsumeCPU?millicores=10&durationSec=600"),
    ("POST", "/ConsumeMem?megabytes=10&durationSec=600"),
    ("POST", "/BumpMetric?metric=qps&delta=1&durationSec=600"),
];

const READS: [&str; 9] = [
    "/api/mem/getact",
    "/api/mem/getdef",
    "/api/disk/getact",
    "/api/status",
    "/api/status?format=json",
    "/api/cpu?format=json",
    "/metrics",
    "/healthz",
    "/readyz",
];

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn with_token(testero: &Testero, method: &str, target: &str, token: &str) -> Answer {
    testero.send(method, target, &[("Authorization", &bearer(token))], "")
}

/// Asserts that nothing has changed since the start.
fn assert_untouched(testero: &Testero, report: &Json) {
    for group in ["mem", "disk", "inode", "pid", "fd", "cpu", "io"] {
        assert_eq!(report.text(&format!("groups.{group}.state")), "idle", "{group}");
        assert_eq!(report.at(&format!("groups.{group}.id")), &Json::Null, "{group}");
    }
    for none in ["groups.mem.jobs", "groups.cpu.jobs"] {
        assert_eq!(report.number(none), 0.0, "{none}");
    }
    assert_eq!((report.at("ready"), report.at("healthy")), (&Json::Bool(true), &Json::Bool(true)));
    assert_eq!(report.at("faults"), &Json::List(vec![]));
    assert!(!testero.log().contains("log line"));
}

#[test]
fn without_a_token_everybody_may() {
    let testero = Testero::start();
    testero.get("/api/mem/set?size=1");
    assert_eq!(testero.settled("mem").lines().count(), 7);
}

#[test]
fn with_a_token_every_change_needs_it_and_reads_do_not() {
    let testero = Testero::start_with(&[], &[("TOKEN", TOKEN), ("FAULTS", "on")]);
    for (method, target) in CHANGES {
        let answer = testero.ask(method, target);
        assert_eq!(answer.status, 401, "{method} {target}: {answer:?}");
        let challenge = answer.field("WWW-Authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        let answer = with_token(&testero, method, target, "wrong");
        assert_eq!(answer.status, 401, "{method} {target}: {answer:?}");
    }
    for target in READS {
        assert_eq!(testero.ask("GET", target).status, 200, "{target}");
    }
    assert_untouched(&testero, &testero.report());
    let answer = testero.ask("POST", "/api/mem/set?size=1&format=json");
    assert_eq!((answer.status, Json::parse(&answer.body).number("error.status")), (401, 401.0), "{answer:?}");

    let answer = with_token(&testero, "GET", "/api/mem/set?size=1", TOKEN);
    assert!(answer.status == 200 && answer.body.starts_with("Memory data request sent"), "{answer:?}");
    assert_eq!(with_token(&testero, "POST", "/readyz/disable", TOKEN).status, 200);
    assert_eq!(testero.ask("GET", "/readyz").status, 503);
}

#[test]
fn only_the_whole_token_as_a_bearer_will_do() {
    let testero = Testero::start_with(&[], &[("TOKEN", TOKEN)]);
    let status = |field: &str| testero.send("POST", "/readyz/enable", &[("Authorization", field)], "").status;
    assert_eq!(status(&bearer(TOKEN)), 200);
    assert_eq!(status(&format!("bearer {TOKEN}")), 200, "the scheme's case does not matter");
    let half = &TOKEN[..TOKEN.len() - 1];
    for wrong in [
        String::new(),
        String::from("Bearer"),
        String::from("Bearer "),
        TOKEN.to_owned(),
        format!("Basic {TOKEN}"),
        format!("Bearer{TOKEN}"),
        bearer(half),
        bearer(&format!("{TOKEN}x")),
        bearer(&TOKEN.repeat(2)),
        bearer(&TOKEN.to_uppercase()),
        bearer(&format!("{half}\u{e9}")),
        bearer(&"x".repeat(2000)),
    ] {
        assert_eq!(status(&wrong), 401, "{wrong}");
    }
    // A token in the URL would be in every log on the way.
    assert_eq!(testero.ask("POST", &format!("/readyz/enable?token={TOKEN}")).status, 401);
}

#[test]
fn a_token_in_a_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "first\n").unwrap();
    let testero = Testero::start_with(&[], &[("TOKENFILE", path.to_str().unwrap())]);
    let status = |token: &str| with_token(&testero, "POST", "/readyz/enable", token).status;
    assert_eq!((status("first"), status("second")), (200, 401));
    // Another file takes its name.
    let next = folder.path().join("next");
    fs::write(&next, "second").unwrap();
    fs::rename(&next, &path).unwrap();
    assert_eq!((status("first"), status("second")), (401, 200));
    // It is written anew in place.
    fs::write(&path, "the third\n").unwrap();
    assert_eq!((status("second"), status("the third")), (401, 200));
    // Nothing in it, or nothing there: nobody may, and the service lives.
    for token in ["the third", ""] {
        fs::write(&path, "").unwrap();
        assert_eq!(status(token), 401);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!((status("the third"), testero.ask("GET", "/healthz").status), (401, 200));
    fs::write(&path, "again").unwrap();
    assert_eq!(status("again"), 200);
}

#[test]
fn a_token_in_a_mounted_secret_is_read_again() {
    // As the kubelet does it: a link to a link to a folder, and the link in the middle is replaced.
    let volume = tempfile::tempdir().unwrap();
    let at = |name: &str| volume.path().join(name);
    for (folder, token) in [("one", "aaaaaa"), ("two", "bbbbbb")] {
        fs::create_dir(at(folder)).unwrap();
        fs::write(at(folder).join("token"), token).unwrap();
    }
    symlink("one", at("..data")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    let testero = Testero::start_with(&["--token-file", at("token").to_str().unwrap()], &[]);
    let status = |token: &str| with_token(&testero, "POST", "/readyz/enable", token).status;
    assert_eq!((status("aaaaaa"), status("bbbbbb")), (200, 401));
    symlink("two", at("..next")).unwrap();
    fs::rename(at("..next"), at("..data")).unwrap();
    assert_eq!((status("aaaaaa"), status("bbbbbb")), (401, 200));
}

#[test]
fn a_changed_token_counts_even_when_its_file_looks_the_same() {
    // `cp -p` and `rsync -t` write in place and set the time back; of the same length is every generated token.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "leaked").unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let testero = Testero::start_with(&[], &[("TOKENFILE", path.to_str().unwrap())]);
    let status = |token: &str| with_token(&testero, "POST", "/readyz/enable", token).status;
    assert_eq!(status("leaked"), 200);
    fs::write(&path, "secure").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!((status("leaked"), status("secure")), (401, 200));
}

/// A FIFO that nobody writes to.
fn make_fifo(path: &Path) {
    assert!(run(Command::new("mkfifo").arg(path)).status.success());
}

#[test]
fn a_token_file_that_becomes_something_else_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, TOKEN).unwrap();
    let testero = Testero::start_with(&[], &[("TOKENFILE", path.to_str().unwrap())]);
    let status = || with_token(&testero, "POST", "/readyz/enable", TOKEN).status;
    let next = folder.path().join("next");
    for round in 0..5 {
        match round {
            0 => make_fifo(&next),
            1 => symlink("/dev/zero", &next).unwrap(),
            2 => symlink("/dev/tty", &next).unwrap(),
            3 => fs::write(&next, "x".repeat((64 << 10) + 1)).unwrap(),
            _ => drop(UnixListener::bind(&next).unwrap()),
        }
        fs::rename(&next, &path).unwrap();
        // All at once: none waits for another.
        thread::scope(|scope| {
            (0..20).for_each(|_| drop(scope.spawn(|| assert_eq!(status(), 401, "{round}"))));
        });
        assert_eq!(testero.ask("GET", "/healthz").status, 200);
        assert!(testero.status("VmHWM") < 60 << 10, "{round}: {} KiB", testero.status("VmHWM"));
        fs::write(&next, TOKEN).unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(status(), 200, "{round}");
    }
}

#[test]
fn a_token_file_that_is_no_regular_file_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    make_fifo(&folder.path().join("token"));
    for path in [folder.path().join("token"), "/dev/zero".into(), folder.path().to_owned()] {
        let path = path.to_str().unwrap();
        fails_with(1, &mut program(&["--data-dir", data], &[("TOKENFILE", path)]), &[path, "regular file"]);
    }
}

#[test]
fn reads_and_probes_need_the_token_when_they_are_to() {
    for (arguments, variables) in [
        (&[][..], &[("TOKEN", TOKEN), ("TOKENREADS", "on")][..]),
        (&["--token-reads", "on"], &[("TOKEN", TOKEN), ("TOKENREADS", "off")]),
    ] {
        let testero = Testero::start_with(arguments, variables);
        for target in READS {
            assert_eq!(testero.ask("GET", target).status, 401, "{target}");
            assert_eq!(with_token(&testero, "GET", target, TOKEN).status, 200, "{target}");
        }
        assert_eq!(testero.ask("GET", "/api/mem/set?size=1").status, 401);
    }
    let testero = Testero::start_with(&[], &[("TOKEN", TOKEN), ("TOKENREADS", "off")]);
    assert_eq!(testero.ask("GET", "/api/status").status, 200);
    fails_with(2, &mut program(&[], &[("TOKEN", TOKEN), ("TOKENREADS", "yes")]), &["TOKENREADS", "yes"]);
}

#[test]
fn a_token_that_protects_nothing_is_refused_at_the_start() {
    fails_with(2, &mut program(&[], &[("TOKEN", "")]), &["TOKEN", "empty"]);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    fails_with(1, &mut program(&["--data-dir", data], &[("TOKEN", " ")]), &["token", "empty"]);
    let path = folder.path().join("token");
    let file = path.to_str().unwrap();
    fails_with(1, &mut program(&["--data-dir", data], &[("TOKENFILE", file)]), &[file]);
    fs::write(&path, " \n").unwrap();
    fails_with(1, &mut program(&["--data-dir", data], &[("TOKENFILE", file)]), &["empty"]);
    // Two tokens: nobody could tell which one counts. What it says does not tell either of them.
    fs::write(&path, TOKEN).unwrap();
    fails_with(2, &mut program(&[], &[("TOKEN", TOKEN), ("TOKENFILE", file)]), &["TOKEN", "TOKENFILE"]);
    let output = run(&mut program(&["--token-file", file], &[("TOKEN", TOKEN)]));
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8(output.stderr).unwrap().contains(TOKEN));
}

#[test]
fn the_token_is_never_told() {
    for format in ["text", "json"] {
        let variables = [("TOKEN", TOKEN), ("RUST_LOG", "trace"), ("LOGFORMAT", format), ("FAULTS", "on")];
        let testero = Testero::start_with(&[], &variables);
        for target in ["/api/mem/set?size=1000", "/api/mem/set?size=x", "/readyz/enable", "/fault/log?lines=1", "/none"]
        {
            with_token(&testero, "POST", target, TOKEN);
            // Almost right is as secret: a typing error is told to nobody.
            with_token(&testero, "POST", target, &format!("{TOKEN}x"));
            testero.send("POST", target, &[("Authorization", TOKEN)], "");
        }
        let told = ["/api/status", "/api/status?format=json", "/metrics"].map(|target| testero.get(target)).concat();
        testero.signal(libc::SIGTERM);
        let (_, _, log) = testero.wait();
        assert!(!told.contains(TOKEN) && !log.contains(TOKEN), "{told}{log}");
    }
}

#[test]
fn a_browser_changes_nothing_on_behalf_of_another_site() {
    let testero = Testero::start_with(&[], &[("FAULTS", "on")]);
    let foreign = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://evil.example"),
        ("Origin", "http://x.evil.example"),
        ("Origin", "http://x:81"),
        ("Origin", "null"),
        ("Referer", "http://evil.example/x/"),
    ];
    for (method, target) in CHANGES {
        for field in foreign {
            let answer = testero.send(method, target, &[field], "");
            assert_eq!(answer.status, 403, "{method} {target} {field:?}: {answer:?}");
        }
    }
    for field in foreign {
        for target in READS {
            assert_eq!(testero.send("GET", target, &[field], "").status, 200, "{target} {field:?}");
        }
    }
    assert_untouched(&testero, &testero.report());
    let answer = testero.send("POST", "/api/mem/set?size=1&format=json", &[foreign[0]], "");
    assert_eq!((answer.status, Json::parse(&answer.body).number("error.status")), (403, 403.0), "{answer:?}");
}

#[test]
fn a_browser_on_our_own_page_may() {
    let testero = Testero::start();
    for own in [
        &[("Sec-Fetch-Site", "same-origin")][..],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "http://testero:8080"), ("Host", "testero:8080")],
        &[("Referer", "http://testero/api/status"), ("Host", "testero")],
        &[("Origin", "https://testero"), ("Host", "TESTERO:443")],
    ] {
        let answer = testero.send("POST", "/readyz/enable", own, "");
        assert_eq!(answer.status, 200, "{own:?}: {answer:?}");
    }
    // A browser's own token does not open what another site asks for.
    let testero = Testero::start_with(&[], &[("TOKEN", TOKEN)]);
    let fields = [("Authorization", &*bearer(TOKEN)), ("Origin", "http://evil.example")];
    assert_eq!(testero.send("POST", "/readyz/enable", &fields, "").status, 403);
}
