//! What goes wrong, and the exit code that scripts see: 1 refused, 2 usage, 3 nobody answers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{asking, command, ended, nobody, plain, url, well};
use crate::harness::{PATIENCE, Testero};
use crate::process::{fails_with, run};

/// Answers one request with these bytes, and closes. Returns the request.
pub(super) fn answers(listener: TcpListener, answer: Vec<u8>) -> JoinHandle<String> {
    thread::spawn(move || talk(listener.accept().unwrap().0, &answer))
}

fn talk(mut stream: TcpStream, answer: &[u8]) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0);
        request.extend(&buffer[..count]);
    }
    // The client may have heard enough.
    let _ = stream.write_all(answer);
    String::from_utf8(request).unwrap()
}

/// What becomes of a command when this is the answer to whatever it asks.
pub(super) fn answered(words: &str, answer: &[u8]) -> (i32, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.to_vec();
    thread::spawn(move || listener.incoming().for_each(|stream| drop(talk(stream.unwrap(), &answer))));
    let output = run(&mut command(&url, words));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    // A signal has no code.
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn what_is_refused_is_told_with_exit_1() {
    let testero = Testero::start_with(&["--mem-limit", "10000000"], &[]);
    for (words, says) in [
        ("mem set 1Gi", &["1.0 GiB is over", "9.5 MiB", "HIGHMEMLIM"][..]),
        ("mem set 1Gi --wait", &["1.0 GiB"]),
        ("io load --time 1h", &["no files"]),
    ] {
        fails_with(1, &mut asking(&testero, words), says);
    }
    assert_eq!(testero.group("mem").number("held"), 0.0);
}

#[test]
fn wrong_words_are_told_with_exit_2_and_nobody_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for (words, says) in [
        ("status --bogus", "--bogus"),
        ("status -x", "-x"),
        ("status now", "now"),
        ("mem", "set, get, release"),
        ("mem take 1Gi", "take"),
        ("mem set", "how much"),
        ("mem set lots", "lots"),
        ("mem set -5", "-5"),
        ("mem set 1Gi 2Gi", "2Gi"),
        ("mem set 1Gi --ttl soon", "soon"),
        ("mem set 1Gi --fsync", "--fsync"),
        ("mem set 1Gi --kind gold", "anon, file, shm"),
        ("mem set 1Gi --wait=yes", "--wait"),
        ("disk set 1Gi --kind anon", "--kind"),
        ("pid set 3 --exact", "--exact"),
        ("fd set three", "three"),
        ("mem get --wait", "--wait"),
        ("mem set 1Mi --over 3s --rate 1Mi", "--over and --rate"),
        ("mem release 5", "5"),
        ("cpu load --time", "--time"),
        ("cpu load --time 5s --cpu much", "much"),
        ("cpu stop now", "now"),
        ("release mem", "mem"),
        ("ready now", "disable, enable"),
        ("ready disable --for ever", "ever"),
        ("spread gold 1 --service a:1", "mem, disk, cpu"),
        ("spread mem 1Gi", "--service"),
        ("spread mem 1Gi --service a:1 --by luck", "even, available"),
    ] {
        fails_with(2, &mut command(&url, words), &[says, "--help"]);
    }
    for arguments in [
        &["status", "--url", "https://localhost"][..],
        &["status", "--url", "localhost:8080"],
        &["status", "--url", ""],
        &["completions"],
        &["completions", "tcsh"],
        &["stats"],
        &["status", "--url", "http://127.0.0.1:1?x"],
        &["status", "--url", "http://127.0.0.1:1/#x"],
        &["status", "--url", "http://127.0.0.1:99999"],
        &["status", "--url", "http://[::1"],
        &["status", "--url", "http://::1"],
        &["dsik", "set", "1Mi"],
        &[""],
        &["mem", "set", "-5Mi"],
        &["http", "GET"],
    ] {
        fails_with(2, &mut plain(arguments), &["--help"]);
    }
    fails_with(2, plain(&["status"]).env("TESTERO_URL", "ftp://x"), &["ftp://x"]);
    fails_with(2, plain(&["status"]).env("PORT", "many"), &["PORT", "many"]);
    assert!(listener.accept().is_err(), "it was asked");
}

#[test]
fn what_was_probably_meant_is_told() {
    for (words, meant) in [
        ("dsik set 1Mi", "'testero disk set'"),
        ("MEM get", "'testero mem get'"),
        ("mem ste 1Mi", "'testero mem set'"),
        ("cpu laod", "'testero cpu load'"),
        ("cpu set 1", "'testero cpu load'"),
        ("cpu release", "'testero cpu stop'"),
        ("mem load 1Mi", "'testero mem set'"),
        ("mem set 1Mi --wiat", "'--wait'"),
        ("mem set 1Mi --TTL 5m", "'--ttl'"),
        ("http GET", "testero http GET /metrics"),
    ] {
        fails_with(2, &mut plain(&words.split(' ').collect::<Vec<_>>()), &[meant]);
    }
    // What drives a terminal is not told as it is.
    let (_, _, why) = ended(&mut plain(&["\u{1b}[31mred"]));
    assert!(!why.contains('\u{1b}') && why.lines().count() == 1, "{why:?}");
    // A password is not told at all.
    let (code, _, why) = ended(&mut plain(&["status", "--url", "http://me:secret@host"]));
    assert!(code == 2 && !why.contains("secret") && why.contains("host"), "{why}");
    for words in [&["-h", "mem"][..], &["--help", "mem", "set"]] {
        assert!(well(&mut plain(words)).starts_with("testero mem"), "{words:?}");
    }
}

#[test]
fn what_another_service_says_is_not_believed() {
    for words in [
        "mem set 1Mi",
        "mem set 1Mi --dry-run",
        "cpu load 1",
        "cpu stop",
        "release",
        "release --wait",
        "ready",
        "health show",
        "ready disable",
        "fault end",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = answers(listener, b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}".to_vec());
        fails_with(1, &mut command(&url, words), &["is this a testero?"]);
        asked.join().unwrap();
    }
}

#[test]
fn nobody_there_is_told_with_exit_3() {
    let address = nobody();
    let nobody = format!("http://{address}");
    for words in ["status", "status --json", "mem get", "mem set 1Mi", "mem set 1Mi --wait", "cpu stop", "release"] {
        fails_with(3, &mut command(&nobody, words), &[&address]);
    }
    fails_with(3, &mut command(&nobody, "ready disable"), &[&address]);
    // RFC 6761 keeps this name from ever having an address.
    fails_with(3, &mut command("http://nobody.invalid:1", "status"), &["nobody.invalid"]);
}

#[test]
fn a_service_that_hangs_is_told_with_exit_3() {
    let testero = Testero::start();
    testero.signal(libc::SIGSTOP);
    let start = Instant::now();
    let (code, said, why) = ended(&mut asking(&testero, "mem set 1Mi"));
    testero.signal(libc::SIGCONT);
    assert_eq!((code, said.as_str()), (3, ""), "{why}");
    assert!(why.contains(&url(&testero)) && why.contains("no answer in time"), "{why}");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn what_speaks_no_http_is_told_with_exit_3() {
    for answer in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "\r\n\r\n\r\n"] {
        for words in ["status", "mem set 1Mi", "mem set 1Mi --wait"] {
            let (code, said, why) = answered(words, answer.as_bytes());
            assert_eq!((code, said.as_str()), (3, ""), "{answer:?} {words}: {why}");
            assert!(why.starts_with("testero: http://127.0.0.1:") && why.lines().count() == 1, "{why}");
        }
    }
}

#[test]
fn an_error_of_what_is_no_testero_is_told_with_exit_1() {
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n<html></html>";
    for words in ["status", "mem set 1Mi", "mem set 1Mi --wait", "release"] {
        let (code, said, why) = answered(words, answer);
        assert_eq!((code, said.as_str()), (1, ""), "{words}: {why}");
        assert!(why.contains("404") && why.contains("is this a testero?"), "{why}");
    }
}
