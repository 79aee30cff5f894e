//! `testero http`: any request.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::terminal::on_terminal;
use super::trouble::{answered, answers};
use super::{asking, command, ended, nobody, plain, says, url, well};
use crate::harness::{Testero, binary};
use crate::process::{Reaped, fails_with, run};

#[test]
fn a_body_is_printed_as_it_is() {
    let testero = Testero::start();
    for path in ["/healthz", "/api/mem/getact", "/api/status?format=text"] {
        let here = says(&testero, &format!("http {path}"));
        // Figures of the moment differ.
        let there = testero.get(path);
        assert_eq!(super::shape(here.lines().next().unwrap()), super::shape(there.lines().next().unwrap()), "{path}");
        assert_eq!(here.ends_with('\n'), there.ends_with('\n'));
    }
    let metrics = says(&testero, "http /metrics");
    assert!(metrics.lines().count() > 50 && metrics.contains("\n# TYPE testero_"), "{metrics}");
    assert_eq!(says(&testero, "http GET /healthz"), "ok\n");
    assert_eq!(says(&testero, "http HEAD /healthz"), "");
}

#[test]
fn changes_are_made() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    says(&testero, "http POST /readyz/disable?for=30s");
    let (code, said, why) = ended(&mut asking(&testero, "http /readyz"));
    assert_eq!((code, said.as_str()), (1, ""), "{why}");
    assert!(why.starts_with(&format!("testero: {}: 503 Service Unavailable: ", url(&testero))), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    says(&testero, "http POST /readyz/enable");
    assert_eq!(says(&testero, "http /readyz"), "ok\n");

    says(&testero, "http POST /BumpMetric?metric=qps&delta=5&durationSec=60");
    assert!(says(&testero, "http /metrics").lines().any(|line| line.starts_with("qps") && line.ends_with(" 5")));
    says(&testero, "http POST /api/mem/set?amount=1Mi&wait=true");
    assert_eq!(testero.group("mem").number("held"), f64::from(1 << 20));
    says(&testero, "http DELETE /api/mem?wait=true");
    assert_eq!(testero.group("mem").number("held"), 0.0);
    says(&testero, "http POST /fault/term?ignore=true");
    assert!(testero.get("/api/status?format=json").contains("SIGTERM is ignored"));
}

#[test]
fn another_status_is_told_on_stderr_with_exit_1() {
    let testero = Testero::start_with(&["--mem-limit", "1000000"], &[]);
    fails_with(1, &mut asking(&testero, "http /no/such/path"), &[": 404 Not Found: "]);
    fails_with(1, &mut asking(&testero, "http POST /api/mem/set?amount=1Gi&format=json"), &["422", "1000000"]);
    for (answer, says) in [
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "302 Found"),
        ("HTTP/1.1 418\r\n\r\nshort and stout\r\nhere is", ": 418: short and stout here is"),
        ("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsad\r\n0\r\n\r\n", "500 Oh: sad"),
        ("HTTP/1.1 500 \x1b[31m\r\nContent-Length: 4\r\n\r\n\x1b[2J", "500 "),
    ] {
        let (code, said, why) = answered("http /x", answer.as_bytes());
        assert_eq!((code, said.as_str()), (if answer.contains("500 \x1b") { 3 } else { 1 }, ""), "{why}");
        assert!((code == 3 || why.contains(says)) && why.lines().count() == 1 && !why.contains('\x1b'), "{why}");
    }
    let long = format!("HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    assert!(answered("http /x", long.as_bytes()).2.len() < 2000);
}

#[test]
fn wrong_words_ask_nobody() {
    for (words, says) in [
        ("http", "which path"),
        ("http metrics", "/"),
        ("http get /metrics", "GET"),
        ("http GET /metrics now", "now"),
        ("http /metrics --timeout soon", "soon"),
        ("http /metrics --timeout 0", "--timeout"),
        ("http /metrics --wait", "--wait"),
        ("http /metrics#x", "%23"),
    ] {
        fails_with(2, &mut command("http://127.0.0.1:1", words), &[says, "--help"]);
    }
}

#[test]
fn nobody_there_is_exit_3() {
    let address = nobody();
    fails_with(3, &mut command(&format!("http://{address}"), "http /metrics"), &[&address]);
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    fails_with(3, &mut command(&url, "http /metrics --timeout 300ms"), &[&url, "no answer in time"]);
    for answer in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"] {
        let (code, said, why) = answered("http /x", answer.as_bytes());
        assert_eq!((code, said.as_str()), (3, ""), "{answer}: {why}");
    }
    let (code, said, why) = answered("http /x", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
    assert_eq!((code, said.as_str()), (3, "ab"), "{why}");
    assert!(why.contains("cut short"), "{why}");
}

#[test]
fn the_request_is_what_was_said() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/below/", proxy.local_addr().unwrap());
    let asked = answers(proxy, b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    assert_eq!(well(command(&url, "http PATCH /x?a=1&b=%20").args(["--token", "secret"])), "");
    let request = asked.join().unwrap();
    assert!(request.starts_with("PATCH /below/x?a=1&b=%20 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nAuthorization: Bearer secret\r\n"), "{request}");
}

#[test]
fn all_pods_are_asked_at_the_url_that_was_said() {
    // A gateway knows by name and path for whom a request is.
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("127.1:{}", gateway.local_addr().unwrap().port());
    let asked = answers(gateway, b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    assert_ne!(ended(&mut command(&format!("http://{place}/below/"), "top")).0, 0);
    let request = asked.join().unwrap();
    assert!(request.starts_with("GET /below/api/status?format=json HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nHost: {place}\r\n")), "{request}");
}

#[test]
fn the_token_goes_along() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "correct-horse").unwrap();
    let path = file.path().to_str().unwrap();
    let testero = Testero::start_with(&["--token-file", path, "--token-reads", "on"], &[]);
    fails_with(1, &mut asking(&testero, "http /metrics"), &["401", "--token-file FILE"]);
    for arguments in [["--token", "correct-horse"], ["--token-file", path]] {
        assert!(well(asking(&testero, "http /metrics").args(arguments)).contains("testero_"));
    }
    assert!(well(asking(&testero, "http /metrics").env("TOKENFILE", path)).contains("testero_"));
}

#[test]
fn what_comes_is_printed_as_it_comes() {
    let testero = Testero::start();
    let mut command = asking(&testero, "http POST /api/mem/set?amount=1Gi&over=1h&follow=true --timeout 1h");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Reaped(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap());
    for _ in 0..3 {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0 && line.contains("held of"), "{line}");
    }
    says(&testero, "mem release");
    assert!(child.ended().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(!rest.is_empty());
}

#[test]
fn a_timeout_ends_what_goes_on() {
    let testero = Testero::start();
    let words = "http POST /api/mem/set?amount=1Gi&over=1h&follow=true --timeout 2s";
    let (code, said, why) = ended(&mut asking(&testero, words));
    assert_eq!((code, said.is_empty()), (3, false), "{why}");
    assert!(why.contains("no answer in time"), "{why}");
}

#[test]
fn bytes_are_printed_as_they_are_but_to_a_terminal() {
    let body: Vec<u8> = (0..=255).collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = answers(listener, [head.as_bytes(), &body].concat());
    let output = run(&mut command(&url, "http /x"));
    asked.join().unwrap();
    assert!(output.status.success() && output.stdout == body, "{output:?}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = answers(listener, [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &body[..128]].concat());
    let (code, drawn) = on_terminal(&mut command(&url, "http /x"), 80);
    asked.join().unwrap();
    assert_eq!(code, 0);
    assert!(drawn.contains("[\\]^_`abc") && !drawn.contains(['\x1b', '\x07']), "{drawn:?}");
}

#[test]
fn a_body_longer_than_memory_may_take_goes_through() {
    // More than is kept of an answer; a reader that has gone away ends it well.
    let long = 20 << 20;
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {long}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + long, b'x');
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = answers(listener, answer.clone());
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" http /x --url \"$1\" | wc -c", binary(), &url]);
    assert_eq!(String::from_utf8(run(&mut command).stdout).unwrap().trim(), long.to_string());
    asked.join().unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = answers(listener, answer);
    let mut command = Command::new("sh");
    command.args(["-c", "{ \"$0\" http /x --url \"$1\"; echo $? >&2; } | head -c 9", binary(), &url]);
    let output = run(&mut command);
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"xxxxxxxxx"[..], &b"0\n"[..]));
    asked.join().unwrap();
}

#[test]
fn flags_come_before_or_after_the_command() {
    let testero = Testero::start();
    let here = url(&testero);
    for words in [
        &["--url", &here, "http", "/healthz"][..],
        &["http", "--url", &here, "/healthz"],
        &["--timeout", "5s", "--url", &here, "http", "GET", "/healthz"],
        &["http", "GET", "--timeout=5s", "/healthz", "--url", &here],
    ] {
        assert_eq!(well(&mut plain(words)), "ok\n");
    }
    for words in [
        &["--url", &here, "mem", "--ttl", "5m", "set", "1Mi", "--wait"][..],
        &["--ttl", "5m", "--wait", "mem", "--url", &here, "set", "1Mi"],
        &["mem", "--wait", "--url", &here, "--ttl=5m", "set", "1Mi"],
    ] {
        assert!(well(&mut plain(words)).contains("\nmemory: 1.0 MiB held, expires in "), "{words:?}");
        let held = testero.group("mem");
        assert_eq!(held.number("held"), f64::from(1 << 20), "{words:?}");
        assert!(held.number("expires_in_seconds") > 200.0, "{words:?}");
        says(&testero, "mem release --wait");
    }
    assert!(well(&mut plain(&["--url", &here, "--json", "status"])).starts_with('{'));
    let service = testero.address.to_string();
    well(&mut plain(&["--service", &service, "spread", "--exact", "mem", "1Mi"]));
    assert!(well(&mut plain(&["--url", &here, "health"])).is_empty());
    assert_eq!(well(&mut plain(&["--url", &here, "health", "enable"])), "/healthz is enabled\n");
    for (words, says) in [
        (&["--url", "http://h"][..], "--url: of which command?"),
        (&["--url", "http://h", "stats"], "'stats'"),
        (&["--url"], "--url"),
        (&["--listen", "127.0.0.1:0", "status"], "--listen"),
        (&["--ttl", "5m", "status"], "--ttl"),
        (&["--token-file", "/no/such/file", "--bogus"], "--bogus"),
    ] {
        fails_with(2, &mut plain(words), &[says, "--help"]);
    }
}
