//! A name server that never answers: every command keeps its time all the same.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::ended;
use super::waits::mounts_here;
use crate::disk::is_root;
use crate::harness::{PROGRAM, Testero};
use crate::process::fails_with;

/// A name server at an address of this process, which takes every question and answers none.
fn mute_name_server(last: u8) -> UdpSocket {
    let [.., high, low] = std::process::id().to_be_bytes();
    UdpSocket::bind((Ipv4Addr::new(127, high | 1, low, last), 53)).unwrap()
}

/// The program where all names are asked of this name server, which is waited for for minutes.
fn asking_it(server: &UdpSocket, words: &[&str]) -> (Command, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let ip = server.local_addr().unwrap().ip();
    std::fs::write(&file, format!("nameserver {ip}\noptions timeout:30 attempts:5\n")).unwrap();
    let mut command = Command::new("unshare");
    for name in ["TESTERO_URL", "TOKEN", "TOKENFILE"] {
        command.env_remove(name);
    }
    let script = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", script, PROGRAM]).arg(file.path()).args(words);
    (command, file)
}

/// Whether this can be tested here: only root has a name server of its own.
fn may() -> bool {
    is_root() && mounts_here()
}

#[test]
fn a_name_server_that_never_answers_is_not_waited_for() {
    if !may() {
        return;
    }
    let server = mute_name_server(53);
    let here = Testero::start();
    let here = here.address.to_string();
    let ask = |words: &str, code: i32, says: &[&str], most: Duration| {
        let words: Vec<&str> = words.split(' ').collect();
        let (mut command, _file) = asking_it(&server, &words);
        let begun = Instant::now();
        fails_with(code, &mut command, says);
        assert!(begun.elapsed() < most, "{words:?}: {:?}", begun.elapsed());
    };
    // The time each has, and as much again for a slow machine.
    let (probe, other) = (Duration::from_secs(8), Duration::from_secs(25));
    thread::scope(|scope| {
        for words in ["health --url http://a.name:8080/healthz", "health --url http://a.name"] {
            scope.spawn(move || ask(words, 1, &["a.name", "not resolved in time"], probe));
        }
        for words in [
            "status --url http://a.name:8080",
            "mem set 1Mi --wait --url http://a.name:8080",
            "ready disable --url http://a.name",
            "spread mem 1Mi --service a.name:8080",
        ] {
            scope.spawn(move || ask(words, 3, &["a.name", "not resolved in time"], other));
        }
        let several = format!("spread mem 1Mi --service {here},a.name,another.name:8080,a.third.name");
        scope.spawn(move || ask(&several, 3, &["name", "not resolved in time"], other));
    });
    // It was really asked.
    let mut question = [0; 512];
    server.set_nonblocking(true).unwrap();
    assert!(server.recv(&mut question).is_ok());
}

#[test]
fn an_address_needs_no_name_server() {
    if !may() {
        return;
    }
    let server = mute_name_server(54);
    let testero = Testero::start();
    for words in [
        format!("status --url http://{}", testero.address),
        format!("health --url http://{}", testero.address),
        format!("spread mem 1Mi --service {}", testero.address),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let (mut command, _file) = asking_it(&server, &words);
        let (code, said, why) = ended(&mut command);
        assert_eq!((code, why.as_str()), (0, ""), "{words:?}: {said}");
    }
    let mut question = [0; 512];
    server.set_nonblocking(true).unwrap();
    assert!(server.recv(&mut question).is_err(), "it was asked");
}
