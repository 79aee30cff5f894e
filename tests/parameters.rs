//! Parameters beyond the contract's own: mistakes are told, bodies are read or refused, errors name what was typed.

use crate::harness::Testero;
use crate::json::Json;
use crate::process::{fails_with, program};

/// Nothing is held, and nothing runs.
fn is_untouched(testero: &Testero) -> bool {
    let report = testero.report();
    let groups = ["mem", "disk", "inode", "pid", "fd"];
    groups.iter().all(|group| {
        report["groups"][*group]["requested"].whole() == 0 && report["groups"][*group]["held"].whole() == 0
    }) && report["groups"]["cpu"].text("state") == "idle"
        && report["groups"]["io"].text("state") == "idle"
}

#[test]
fn mistakes_beside_new_parameters_are_errors_in_text_too() {
    let testero = Testero::start_with(&[], &[("FAULTS", "on")]);
    for (method, target, says) in [
        ("GET", "/api/mem/set?amount=2Mi&tll=5s", "tll"),
        ("GET", "/api/mem/set?amount=2Mi&ttl=", "ttl"),
        ("GET", "/api/mem/set?amount=2Mi&ttl", "ttl"),
        ("GET", "/api/mem/set?size=2097152&ttl=", "ttl"),
        ("GET", "/api/mem/set?size=2097152&ttl=5s&ttl=1h", "twice"),
        ("GET", "/api/mem/set?size=2097152&size=1&ttl=5s", "twice"),
        ("GET", "/api/mem/set?size=2097152&ttl=50%", "ttl=50%"),
        ("GET", "/api/mem/set?amount=2Mi&a=%zz", "a=%zz"),
        ("GET", "/api/disk/add?size=2097152&exact=true&foo=1", "foo"),
        ("GET", "/api/disk/set?size=2097152&dry_run=", "dry_run"),
        ("GET", "/api/inode/set?count=5&tll=5s", "tll"),
        ("GET", "/api/cpu/load?time=60&cpu=10m&tme=5", "tme"),
        ("GET", "/api/cpu/load?duration=60s&cpu=", "cpu"),
        ("GET", "/api/io/load?time=60&rte=5Mi", "rte"),
        ("POST", "/readyz/disable?fro=30s", "fro"),
        ("POST", "/healthz/disable?for=", "for"),
        ("POST", "/fault/term?ignroe=true", "ignroe"),
        ("DELETE", "/api/mem?ovr=5s", "ovr"),
        ("DELETE", "/api?wiat=true", "wiat"),
        ("DELETE", "/api/cpu?id=1", "id"),
    ] {
        let answer = testero.ask(method, target);
        assert!(answer.body.contains(says) && !answer.body.contains("sent for"), "{method} {target}: {answer:?}");
        assert!(is_untouched(&testero), "{method} {target}");
    }
    assert_eq!(testero.get("/readyz") + &testero.get("/healthz"), "ok\nok\n");
    assert_eq!(testero.report().at("faults"), &Json::List(vec![]));
}

/// Also where the switch would have nothing to do: a dry run is neither waited for nor followed.
#[test]
fn a_switch_is_true_or_false_wherever_it_is_sent() {
    let testero = Testero::start();
    for target in [
        "/api/cpu/load?duration=2s&dry_run=true&wait=null",
        "/api/cpu/load?duration=2s&dry_run=true&follow=7",
        "/api/io/load?duration=2s&dry_run=true&follow=7",
        "/api/mem/set?amount=2Mi&dry_run=true&wait=null",
        "/api/disk/set?amount=2Mi&dry_run=true&follow=7",
        "/api/fd/set?amount=2&dry_run=true&follow=7",
    ] {
        for accept in ["application/json", "text/plain"] {
            let answer = testero.send("GET", target, &[("Accept", accept)], "");
            assert!(answer.body.contains("is neither true nor false"), "{target} {accept}: {answer:?}");
        }
    }
    assert!(is_untouched(&testero));
}

#[test]
fn the_contracts_own_parameters_pass_over_what_the_original_passed_over() {
    let testero = Testero::start();
    for target in [
        "/api/mem/set?size=0&foo=1",
        "/api/mem/set?size=0&size=5",
        "/api/mem/set?foo=&size=0&bar",
        "/api/mem/add?size=0&a=%zz",
        "/api/disk/set?size=0&size=7&x;y",
    ] {
        assert!(testero.get(target).contains(" data request sent for 0 bytes, with id#: "), "{target}");
        testero.settled(if target.contains("mem") { "mem" } else { "disk" });
    }
    assert!(testero.get("/api/cpu/load?time=1&foo=&time=5").starts_with("CPU load requested for 1 seconds"));
}

#[test]
fn switches_as_bare_words_mean_true() {
    let testero = Testero::start();
    for target in ["/api/mem/set?amount=2Mi&dry_run", "/api/mem/set?dry_run&size=2097152"] {
        assert!(testero.get(target).contains("nothing was done"), "{target}");
        assert_eq!(testero.json("GET", target, 200).at("dry_run"), &Json::Bool(true), "{target}");
    }
    assert!(testero.get("/api/cpu/load?time=60&dry_run").contains("nothing was done"));
    assert!(is_untouched(&testero));
    let answer = testero.ask("GET", "/api/cpu/stop?id=5&dry_run");
    assert!(answer.status == 400 && answer.body.contains("dry_run"), "{answer:?}");
    let held = testero.json("POST", "/api/mem/set?amount=10000&exact&wait", 200);
    assert_eq!((held["held"].whole(), held.at("exact")), (12288, &Json::Bool(true)), "{held:?}");
    assert!(testero.ask("GET", "/api/disk/set?size=4096&fsync&exact&follow").chunks().contains("done"));
    assert!(testero.get("/api/mem/set?size=8192&exact&force&wait").contains("sent for 8192 bytes"));
    assert_eq!(testero.group("mem")["held"].whole(), 8192);
}

#[test]
fn bodies_that_are_not_understood_are_refused_and_json_is_understood() {
    let testero = Testero::start();
    let json = |target: &str, body: &str| testero.send("POST", target, &[("Content-Type", "application/json")], body);
    for (target, kind) in [
        ("/api/mem/set?amount=2Mi", "text/plain"),
        ("/api/mem/set?format=json&amount=2Mi", "application/xml"),
        ("/api/inode/set?count=5", "multipart/form-data; boundary=x"),
        ("/readyz/disable", "application/yaml"),
        ("/ConsumeMem?megabytes=1&durationSec=60", "text/plain"),
        ("/api/pid/set?count=5", ""),
    ] {
        let fields: &[(&str, &str)] = if kind.is_empty() { &[] } else { &[("Content-Type", kind)] };
        let answer = testero.send("POST", target, fields, "ttl=5m");
        assert_eq!(answer.status, 415, "{target}: {answer:?}");
        assert!(answer.body.contains("application/x-www-form-urlencoded"), "{answer:?}");
        assert!(answer.body.contains("application/json"), "{answer:?}");
    }
    assert!(is_untouched(&testero));

    let answer = json("/api/mem/set?format=json", r#" { "amount" : "2Mi", "ttl":"5m","exact":true, "wait":true } "#);
    assert_eq!(answer.status, 200, "{answer:?}");
    let held = Json::parse(&answer.body);
    assert_eq!((held["held"].whole(), held.at("exact")), (2 << 20, &Json::Bool(true)), "{held:?}");
    assert!(held.number("expires_in_seconds") > 200.0, "{held:?}");
    // Where a form is read in text, JSON is.
    assert_eq!(json("/api/inode/set", r#"{"count":5,"wait":true}"#).status, 200);
    assert_eq!(testero.group("inode")["held"].whole(), 5);
    let answer = json("/ConsumeMem", r#"{"megabytes":1,"durationSec":60}"#);
    assert_eq!((answer.status, answer.body.as_str()), (200, "ConsumeMem\n1 megabytes\n60 durationSec\n"));
    let answer = json("/BumpMetric", r#"{"metric":"a\u005fb","delta":-1.5,"durationSec":60}"#);
    assert_eq!(answer.body, "BumpMetric\na_b metric\n-1.5 delta\n60 durationSec\n");
    // A parameter of ours in the query, and the form beside it counts, too.
    let answer = testero.form("/api/disk/set?amount=4096", "exact=true&wait=true");
    assert!(answer.body.contains("sent for 4096 bytes"), "{answer:?}");
    assert_eq!(testero.group("disk")["held"].whole(), 4096);
    testero.json("DELETE", "/api?wait=true", 200);

    for body in [
        "{",
        "[]",
        "5",
        r#"{"amount":{}}"#,
        r#"{"amount":[1]}"#,
        r#"{"amount":null}"#,
        r#"{"amount":"2Mi"} x"#,
        r#"{"amount":"2Mi","amount":"3Mi"}"#,
        r#"{"amount":"2Mi","tll":"5m"}"#,
        r#"{"amount":"2Mi",}"#,
        r#"{"amount":"\ud800"}"#,
        r#"{"amount":""}"#,
        r#"{"amount" "2Mi"}"#,
        r#"{amount:"2Mi"}"#,
        r#"{"amount":2Mi}"#,
    ] {
        let answer = json("/api/mem/set?format=json", body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        Json::parse(&answer.body);
    }
    // Reads and the contract's own form take no bodies, and pass them over.
    assert_eq!(testero.send("GET", "/api/status", &[("Content-Type", "text/plain")], "x").status, 200);
    let answer = json("/api/mem/set?size=0", r#"{"size":"x"}"#);
    assert!(answer.body.contains("sent for 0 bytes"), "{answer:?}");
    testero.settled("mem");
    assert!(testero.form("/api/mem/set", "size=5").body.starts_with("File size (in bytes) not specified"));
}

#[test]
fn errors_name_what_was_typed_and_what_would_be_right() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "104857600")]);
    for (target, says, never) in [
        ("/api/cpu/load?time=5&ttl=5s", "time and ttl are both given", "duration"),
        ("/api/cpu/load?duration=5s&ttl=5s", "duration and ttl are both given", "time and"),
        ("/api/mem/set?amount=1Mi&ttl=soon", "ttl: ", "size"),
        ("/api/mem/set?amount=5MX", "amount: ", "size"),
        ("/api/pid/set?count=5&amount=5", "amount and count are both given", "size"),
        ("/api/pid/set?size=5&count=5", "size and count are both given", "amount"),
        ("/api/cpu/load?time=5&millicores=1.5", "1500m", "no number"),
        ("/api/cpu/load?time=5&cpu=1500", "1500m", "size"),
        ("/api/cpu/load?time=5&cpu=10m&bogus=1", "dry_run", "size"),
        ("/api/mem/set?amount=1Mi&bogus=1", "format", "Could not get size"),
        ("/api/mem/set?amount=1Mi&bogus=1", "dry_run", "Could not get size"),
        ("/api/mem/set?amount=1Mi&tll=5s", "(did you mean ttl?); there are size", "size not"),
        ("/api/mem/set?amount=50%", "% is written %25, or pct", "size not"),
        ("/api/mem/set?amount=1Mi&ttl=-5s", "a number is missing", "units"),
        ("/api/mem/set?amount=1Mi&rate=5pct", "20Mi or 20 MiB/s", "size not"),
        ("/api/cpu/load?time=5&cpu=500Mi", "Mi is for bytes, not for CPU", "more than"),
    ] {
        for form in ["", "&format=json"] {
            let answer = testero.ask("POST", &format!("{target}{form}"));
            assert!(answer.body.contains(says), "{target}{form}: {answer:?}");
            assert!(!answer.body.contains(never), "{target}{form}: {answer:?}");
        }
    }
    let over = testero.json("POST", "/api/mem/set?amount=200Mi", 422);
    let message = over.text("error.message");
    assert!(
        message.contains("209715200 bytes (200.0 MiB)") && message.contains("104857600 bytes (100.0 MiB)"),
        "{message}"
    );
    for (target, name) in [
        ("/ConsumeCPU?durationSec=5", "millicores"),
        ("/ConsumeMem?megabytes=5", "durationSec"),
        ("/BumpMetric?metric=a&durationSec=5", "delta"),
    ] {
        let answer = testero.ask("POST", target);
        assert_eq!((answer.status, answer.body), (400, format!("not given function argument: {name}\n")), "{target}");
    }
    for (target, name) in [("/api/pid/set", "count"), ("/api/io/load", "time"), ("/api/io/stop", "ID")] {
        let message = testero.json("POST", target, 400);
        assert!(message.text("error.message").contains(name), "{target}: {message:?}");
    }
    assert!(is_untouched(&testero));
}

#[test]
fn a_form_that_there_is_not_is_told() {
    let testero = Testero::start();
    for target in ["/api/mem/set?amount=1Mi&format=yaml", "/api/status?format=JSON", "/api/mem/set?size=1&format=xml"] {
        let answer = testero.ask("GET", target);
        assert!(answer.body.contains("format is json or text"), "{target}: {answer:?}");
    }
    assert!(is_untouched(&testero));
    // A probe is answered.
    assert_eq!(testero.get("/readyz?format=yaml&verbose"), "ok\n");
}

#[test]
fn what_is_printed_is_read() {
    let testero = Testero::start();
    testero.json("POST", "/api/mem/set?amount=1048576+bytes&exact&ttl=4+m+59+s&wait", 200);
    let group = testero.group("mem");
    assert_eq!(group["held"].whole(), 1 << 20);
    assert!((290.0..=299.0).contains(&group["expires_in_seconds"].float()), "{group:?}");
    testero.json("POST", "/api/disk/set?amount=max+-+64+MiB&dry_run", 200);
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, says) in [(["--token-file", "/nowhere"], "TOKENFILE"), (["--port", &port], "in use")] {
        fails_with(1, program(&arguments, &[]).current_dir(folder.path()), &[says]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_no_release() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "104857600")]);
    testero.json("POST", "/api/mem/set?amount=1Mi&exact&wait", 200);
    // It is right, and what there is now is too little for it: 422, as whatever does not fit.
    for target in ["/api/mem/set?amount=max-2Gi", "/api/mem/set?amount=max-2Gi&dry_run"] {
        let answer = testero.json("POST", target, 422);
        assert_eq!(answer.text("error.code"), "does-not-fit");
        assert!(answer.number("error.most") <= 104_857_600.0, "{answer:?}");
        let message = answer.text("error.message");
        assert!(message.contains("max-2147483648 bytes (2.0 GiB)") && message.contains(" MiB) now"), "{message}");
    }
    testero.get("/api/mem/set?amount=max-2Gi");
    assert_eq!(testero.group("mem")["held"].whole(), 1 << 20);
    let answer = testero.json("POST", "/api/cpu/load?time=5&cpu=max-9999", 422);
    assert!(answer.text("error.message").contains("max-9999"), "{answer:?}");
}

#[test]
fn what_cannot_be_meant_ends_the_start() {
    for (arguments, variables, says) in [
        (&[][..], &[("START_MEM", "1Mi,ttl=0")][..], "START_MEM"),
        (&["--start-cpu", "10m,ttl=0s"], &[], "--start-cpu"),
        (&[], &[("HIGHPIDLIM", "lots")], "HIGHPIDLIM"),
        (&[], &[("HIGHINODELIM", "-5")], "HIGHINODELIM"),
        (&[], &[("HIGHFDLIM", "5x")], "HIGHFDLIM"),
        (&[], &[("HIGHCPULIM", "5 x")], "HIGHCPULIM"),
        (&["--pid-limit", "many"], &[], "--pid-limit"),
        (&[], &[("CONNECTIONS", "0")], "CONNECTIONS"),
        (&["--connections", "many"], &[], "--connections"),
    ] {
        fails_with(2, &mut program(arguments, variables), &[says]);
    }
    let variables = [("HIGHPIDLIM", "1k"), ("HIGHMEMLIM", "512Mi"), ("HIGHINODELIM", "2e3"), ("HIGHFDLIM", "20")];
    let testero = Testero::start_with(&[], &variables);
    assert!(testero.log().contains("HIGHMEMLIM is not a number, the default is used"));
    for (group, limit) in [("pid", 1000), ("inode", 2000), ("fd", 20)] {
        assert!(testero.group(group)["limit"].whole() <= limit, "{group}: {:?}", testero.group(group));
    }
}

#[test]
fn connections_may_be_fewer() {
    let testero = Testero::start_with(&["--connections", "4"], &[]);
    let few = testero.group("fd")["available"].whole();
    let idle: Vec<_> = (0..4).map(|_| testero.connect()).collect();
    // One more than there are: the one that has waited longest gives way, and everybody is answered.
    assert_eq!(testero.get("/healthz"), "ok\n");
    assert!(testero.status("Threads") < 30, "{}", testero.status("Threads"));
    drop(idle);
    // What connections do not need can be taken.
    let usual = Testero::start().group("fd")["available"].whole();
    assert!(few >= usual, "{few} {usual}");
}

#[test]
fn what_failed_before_is_not_told_of_what_runs_now() {
    let testero = Testero::start_with(&[], &[("START_MEM", "900Ti"), ("HIGHMEMLIM", "104857600")]);
    let group = testero.in_state("mem", "failed");
    assert!(group.text("error").contains("989560464998400 bytes (900.0 TiB)"), "{group:?}");
    testero.json("POST", "/api/mem/set?amount=10Mi&over=10m", 202);
    assert_eq!(testero.in_state("mem", "working").at("error"), &Json::Null);
}
