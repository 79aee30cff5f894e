//! A gibibyte in each direction, of which the proxy never holds more than a little.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use super::other_proxies::has;
use super::parts::Proxy;
use super::programs::PythonMember;
use crate::process::Reaped;

const GIBIBYTE: usize = 1 << 30;
/// What goes the other way round in each frame.
const PART: usize = GIBIBYTE / 8;
/// Most memory that the proxy may ever have had, in KiB.
const MOST_MEMORY: u64 = 16 * 1024;
const PIECE: usize = 1 << 18;

fn curl(proxy: &Proxy, target: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail-with-body", "-H", "Host: h1", &format!("http://{}{target}", proxy.address)]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Pieces of what a body is, one after the other, each at most [`PIECE`] long.
struct Expected {
    repeated: Vec<u8>,
    period: usize,
    at: usize,
}

impl Expected {
    fn of(member: &PythonMember) -> Self {
        let period = member.pattern.len();
        Self { repeated: member.pattern.repeat(PIECE / period + 2), period, at: 0 }
    }

    fn next(&mut self, length: usize) -> &[u8] {
        let begin = self.at % self.period;
        self.at += length;
        &self.repeated[begin..begin + length]
    }
}

fn download(proxy: &Proxy, member: &PythonMember, size: usize, frame: &str) {
    let mut child = Reaped(curl(proxy, &format!("/large?bytes={size}{frame}")).spawn().unwrap());
    let mut body = child.0.stdout.take().unwrap();
    let mut expected = Expected::of(member);
    let mut piece = vec![0; PIECE];
    loop {
        let count = body.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        assert!(piece[..count] == *expected.next(count), "before byte {}", expected.at);
    }
    assert_eq!(expected.at, size);
    assert!(child.0.wait().unwrap().success());
}

fn upload(proxy: &Proxy, member: &PythonMember, size: usize, frame: &[&str]) {
    let mut command = curl(proxy, "/large");
    let mut child = Reaped(command.args(["-T", "-"]).args(frame).stdin(Stdio::piped()).spawn().unwrap());
    let mut body = child.0.stdin.take().unwrap();
    let mut expected = Expected::of(member);
    while expected.at < size {
        let length = PIECE.min(size - expected.at);
        body.write_all(expected.next(length)).unwrap();
    }
    drop(body);
    let mut answer = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, format!("{{\"bytes\": {size}, \"right\": true}}"));
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn large_bodies_go_through_a_small_proxy() {
    let Some(member) = has("curl", "--version").then(PythonMember::start).flatten() else { return };
    let proxy = Proxy::at(&[("h1", vec![member.address])], "", &["--threads", "1"]);
    // What curl knows no length of it sends in chunks, unless it is told otherwise.
    let length = format!("Content-Length: {PART}");
    let length = ["-H", "Transfer-Encoding:", "-H", &length];
    for (size, down, up) in [(GIBIBYTE, "", &[][..]), (PART, "&chunked=1", &length)] {
        thread::scope(|scope| {
            scope.spawn(|| download(&proxy, &member, size, down));
            scope.spawn(|| upload(&proxy, &member, size, up));
        });
    }
    let most = proxy.process.status("VmHWM");
    eprintln!("the proxy had {most} KiB at most");
    assert!(most < MOST_MEMORY, "{most} KiB");
    let log = proxy.process.log();
    assert!(!log.contains("ERROR - "), "{log}");
}
