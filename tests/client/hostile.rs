//! What answers at an address may be anything: it must not be taken for a testero, nor make the client fall.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use super::trouble::answered;
use super::{command, ended};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn with_body(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn work_that_a_stranger_accepts_is_not_done() {
    for answer in [with_body("200 OK", "<html></html>"), with_body("200 OK", "{}"), CHUNKED.as_bytes().to_vec()] {
        let (code, said, why) = answered("mem set 1Mi --wait", &answer);
        assert!(code == 1 || code == 3, "{code} {said} {why}");
        assert!(!said.contains("done") && why.lines().count() == 1, "{said} {why}");
    }
}

#[test]
fn what_a_stranger_answers_is_not_taken_for_done() {
    for answer in [with_body("200 OK", "<html></html>"), with_body("302 Found", ""), with_body("200 OK", "")] {
        for words in ["mem set 1Mi", "mem release", "release", "cpu stop", "ready disable", "status", "mem get"] {
            let (code, said, why) = answered(words, &answer);
            assert_eq!((code, said.as_str()), (1, ""), "{words}: {why}");
            assert!(why.contains("testero?"), "{words}: {why}");
        }
    }
}

#[test]
fn a_body_in_chunks_is_a_body() {
    let refused = r#"{"error":{"status":422,"code":"over-limit","message":"too much of it"}}"#;
    let chunks = format!("{:x}\r\n{refused}\r\n0\r\n\r\n", refused.len());
    let (code, said, why) = answered("mem set 1Mi", (CHUNKED.replace("200 OK", "422 No") + &chunks).as_bytes());
    assert_eq!((code, said.as_str(), why.as_str()), (1, "", "testero: too much of it\n"));
    let text = "testero 0.1.0  up 1 s  ready\n";
    let chunks = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    assert_eq!(answered("status", (CHUNKED.to_owned() + &chunks).as_bytes()).1, text);
}

#[test]
fn a_chunk_beyond_all_numbers_is_told() {
    let answer = format!("{CHUNKED}1\r\na\r\nffffffffffffffff\r\nab");
    let (code, _, why) = answered("mem set 1Mi --wait", answer.as_bytes());
    assert!(code == 3 && why.lines().count() == 1, "{code} {why}");
}

#[test]
fn nested_json_is_told() {
    let (code, _, why) = answered("mem set 1Mi", &with_body("400 Bad Request", &"[".repeat(100_000)));
    assert!(code == 1 && why.lines().count() == 1, "{code} {why}");
}

#[test]
fn many_short_lines_are_read_in_time() {
    let lines = "\n".repeat(4_000_000);
    let answer = format!("{CHUNKED}{:x}\r\n{lines}\r\n0\r\n\r\n", lines.len());
    let (code, _, why) = answered("mem set 1Mi", answer.as_bytes());
    assert!(code == 1 && why.lines().count() == 1, "{code} {why}");
}

#[test]
fn what_a_stranger_says_does_not_drive_the_terminal() {
    let body = r#"{"error":{"message":"bad\u001b[2J\u0007 two\nlines"}}"#;
    let (code, _, why) = answered("mem set 1Mi", &with_body("400 Bad Request", body));
    assert!(code == 1 && why.lines().count() == 1 && !why.contains(['\x1b', '\x07']), "{code} {why:?}");
}

#[test]
fn endless_heads_and_bodies_are_told() {
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000));
    let long_line = format!("{CHUNKED}500000\r\n{}", "x".repeat(0x50_0000));
    let long_body = format!("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n{}", "x".repeat(5_000_000));
    for answer in [endless, long_line, long_body] {
        for words in ["status", "mem set 1Mi --wait"] {
            let (code, said, why) = answered(words, answer.as_bytes());
            assert_eq!((code, said.as_str()), (3, ""), "{words}: {why}");
            assert_eq!(why.lines().count(), 1, "{why}");
        }
    }
}

#[test]
fn an_answer_that_comes_in_drops_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    });
    let (code, _, why) = ended(&mut command(&url, "mem set 1Mi"));
    assert!(code == 3 && why.contains("in time"), "{code} {why}");
}
