//! Name servers: one that never answers, so that every command keeps its time all the same, and one that has a thousand
//! addresses over TCP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::ended;
use super::waits::mounts_here;
use crate::disk::is_root;
use crate::harness::{Testero, binary};
use crate::process::{Reaped, fails_with};

/// A name server at an address of this process, which takes every question and answers none.
fn mute_name_server(last: u8) -> UdpSocket {
    let [.., high, low] = std::process::id().to_be_bytes();
    UdpSocket::bind((Ipv4Addr::new(127, high | 1, low, last), 53)).unwrap()
}

/// The program where all names are asked of this name server, which is waited for for minutes.
fn asking_it(server: &UdpSocket, words: &[&str]) -> (Command, tempfile::NamedTempFile) {
    let ip = server.local_addr().unwrap().ip();
    configured(&format!("nameserver {ip}\noptions timeout:30 attempts:5\n"), words)
}

/// The program with this resolv.conf.
fn configured(config: &str, words: &[&str]) -> (Command, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("unshare");
    for name in ["TESTERO_URL", "TOKEN", "TOKENFILE"] {
        command.env_remove(name);
    }
    let script = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", script, binary()]).arg(file.path()).args(words);
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

/// An address of this process, for a name server.
fn own_address(last: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 1, low, last)
}

/// Answers questions over TCP: what `answer` makes of the name and the kind.
fn name_server(ip: Ipv4Addr, answer: impl Fn(&str, u16, &[u8]) -> Vec<u8> + Send + Sync + 'static) {
    let listener = TcpListener::bind((ip, 53)).unwrap();
    let talk = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let (mut place, mut name) = (12, String::new());
        while question[place] > 0 {
            let end = place + 1 + usize::from(question[place]);
            name += &format!("{}.", String::from_utf8_lossy(&question[place + 1..end]));
            place = end;
        }
        let kind = u16::from_be_bytes([question[place + 1], question[place + 2]]);
        let answer = answer(name.trim_end_matches('.'), kind, &question);
        stream.write_all(&[&(answer.len() as u16).to_be_bytes()[..], &answer].concat())
    };
    thread::spawn(move || listener.incoming().for_each(|stream| _ = talk(stream.unwrap())));
}

/// An answer with these addresses, or with none and this code.
fn with_addresses(question: &[u8], code: u8, all: &[Ipv4Addr]) -> Vec<u8> {
    let mut answer = question.to_vec();
    (answer[2], answer[3]) = (0x81, 0x80 | code);
    answer[6..8].copy_from_slice(&(all.len() as u16).to_be_bytes());
    for ip in all {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        answer.extend(ip.octets());
    }
    answer
}

#[test]
fn a_thousand_pods_behind_a_name_are_seen() {
    if !may() {
        return;
    }
    let pod = Testero::start();
    let port = pod.address.port();
    // All addresses of 127.0.0.0/8 are this host: one pod answers, the others refuse.
    let mut all = vec![Ipv4Addr::LOCALHOST];
    all.extend((0..999).map(|place: u32| Ipv4Addr::from(0x7fc8_0000 + place)));
    let ip = own_address(55);
    name_server(ip, move |name, kind, question| match (name, kind) {
        // The search list is gone through.
        ("pods.demo.svc.local", 1) => with_addresses(question, 0, &all),
        ("pods.demo.svc.local", _) => with_addresses(question, 0, &[]),
        _ => with_addresses(question, 3, &[]),
    });
    let config = format!("search other.svc.local demo.svc.local\nnameserver {ip}\noptions ndots:5\n");
    let (mut command, _file) = configured(&config, &["spread", "mem", "1000Mi", "--service", &format!("pods:{port}")]);
    let begun = Instant::now();
    // It is more than a pipe takes.
    let out = tempfile::NamedTempFile::new().unwrap();
    let mut child = Reaped(command.stdin(Stdio::null()).stdout(out.reopen().unwrap()).spawn().unwrap());
    assert_eq!(child.ended().code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let said = std::fs::read_to_string(&out).unwrap();
    assert!(said.ends_with("  1.0 MiB of 1000.0 MiB held by 1 of 1000 pods\n"), "{}", said.lines().last().unwrap());
    assert_eq!(pod.group("mem").number("held"), f64::from(1 << 20));
}

#[test]
fn what_a_name_server_answers_may_be_anything() {
    if !may() {
        return;
    }
    let ip = own_address(56);
    name_server(ip, |name, _, question| match name {
        "cut" => with_addresses(question, 0, &[Ipv4Addr::LOCALHOST])[..30].to_vec(),
        "other" => with_addresses(&[&[0, 0], &question[2..]].concat(), 0, &[Ipv4Addr::LOCALHOST]),
        "many" => [&question[..6], &[255; 60_000]].concat(),
        _ => Vec::new(),
    });
    // Without an answer, the resolver asks: nobody over UDP.
    let config = format!("nameserver {ip}\noptions timeout:1 attempts:1\n");
    thread::scope(|scope| {
        for name in ["cut", "other", "many", "none"] {
            let config = &config;
            scope.spawn(move || {
                let service = format!("{name}:8080");
                let (mut command, _file) = configured(config, &["spread", "status", "--service", &service]);
                fails_with(3, &mut command, &[name]);
            });
        }
    });
}
