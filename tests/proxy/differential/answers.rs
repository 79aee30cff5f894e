//! Answers: what a client hears of a member through the proxy is what it hears when haproxy or nginx stands in between.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::super::other_proxies::OtherProxy;
use super::super::parts::{Member, Proxy, ok};
use super::super::recorder::{chunks, exactly, line};
use super::answer_spellings::{ANSWERS, ANSWERS_TO_HEAD, Then};
use super::bytes;
use crate::fuzz::{given_seed, mutate};
use crate::harness::PATIENCE;
use crate::shutdown::rounds;

/// What a client has heard: the statuses of an answer, its body, and whether that is whole.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    statuses: Vec<String>,
    body: Vec<u8>,
    is_whole: bool,
    /// Whether the connection goes on.
    lives_on: bool,
}

impl Heard {
    fn shown(&self) -> String {
        let is_page = self.is_refused();
        let body: String = self.body.iter().copied().map(char::from).filter(|_| !is_page).collect();
        let end = if self.is_whole { "" } else { "…" };
        let space = if is_page { "" } else { " " };
        format!("{}{space}{body}{end}", self.statuses.join(" "))
    }

    fn is_refused(&self) -> bool {
        self.statuses.last().is_some_and(|status| status == "502")
    }

    /// Whether another client that heard `other` must take it for the same.
    fn means(&self, other: &Self) -> bool {
        if self.is_whole {
            return other.is_whole && self.statuses == other.statuses && self.body == other.body;
        }
        // How much of what breaks off still comes differs; a whole answer must say that it went wrong.
        !other.is_whole && self.body.starts_with(&other.body) || other.is_refused()
    }
}

/// A client that takes nothing for granted.
struct Client {
    source: BufReader<TcpStream>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { source: BufReader::new(stream) }
    }

    /// Asks, and hears the answer with the interim ones before it; an error is no answer by the letter.
    fn ask(&mut self, method: &str, target: &str) -> Result<Heard, String> {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: h1\r\n\r\n");
        // Who is gone already is found out by reading.
        let _ = self.source.get_mut().write_all(request.as_bytes());
        let mut heard = Heard { statuses: Vec::new(), body: Vec::new(), is_whole: false, lives_on: true };
        loop {
            let Some(first) = line(&mut self.source)? else { return Ok(heard) };
            let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
            heard.statuses.push(status.ok_or_else(|| format!("status line {first:?}"))?.to_owned());
            let (mut length, mut is_chunked) = (None, false);
            loop {
                let Some(field) = line(&mut self.source)? else { return Ok(heard) };
                if field.is_empty() {
                    break;
                }
                let (name, value) = field.split_once(": ").ok_or_else(|| format!("field {field:?}"))?;
                let is_second = match name.to_ascii_lowercase().as_str() {
                    "content-length" => length.replace(value.parse().map_err(|_| format!("length {value}"))?).is_some(),
                    "transfer-encoding" => std::mem::replace(&mut is_chunked, true) || value != "chunked",
                    "connection" => {
                        heard.lives_on &= !value.eq_ignore_ascii_case("close");
                        false
                    }
                    _ => false,
                };
                if is_second {
                    return Err(format!("twice, or not by the letter: {field:?}"));
                }
            }
            let status = heard.statuses.last().unwrap();
            let is_interim = status.starts_with('1') && status != "101";
            if (is_interim || status == "204") && (length.is_some() || is_chunked) {
                return Err(format!("{status} frames a body, which it has none of"));
            }
            if is_interim {
                continue;
            }
            let has_no_body = method == "HEAD" || status == "204" || status == "304";
            heard.is_whole = match (has_no_body, is_chunked, length) {
                (true, ..) => true,
                (_, true, None) => chunks(&mut self.source, &mut heard.body)?,
                (_, false, Some(length)) => exactly(&mut self.source, length, &mut heard.body),
                _ => return Err("not exactly one field that frames the body".into()),
            };
            return Ok(heard);
        }
    }
}

/// Asks for a spelling, and then for something else, on the same connection where that goes on.
fn hear(address: SocketAddr, method: &str, number: usize) -> Result<Heard, String> {
    let mut client = Client::new(address);
    let heard = client.ask(method, &format!("/{number}"))?;
    if !heard.is_whole || !heard.lives_on {
        client = Client::new(address);
    }
    let second = client.ask("GET", "/second")?;
    if second.shown() != "200 second" {
        return Err(format!("{}, but then {}", heard.shown(), second.shown()));
    }
    Ok(heard)
}

/// Others as clients of the proxy.
fn others(proxy: &Proxy) -> Vec<OtherProxy> {
    let others = [OtherProxy::haproxy(proxy.address), OtherProxy::nginx(proxy.address)];
    others.into_iter().flatten().collect()
}

/// What a client hears of the proxy, and what was wrong with what it hears through the others, which may refuse it where
/// that is said.
fn compare(
    proxy: &Proxy,
    others: &[OtherProxy],
    method: &str,
    number: usize,
    may_refuse: bool,
) -> (String, Vec<String>) {
    let heard = match hear(proxy.address, method, number) {
        Ok(heard) => heard,
        Err(why) => return (String::new(), vec![why]),
    };
    let mut faults = Vec::new();
    for OtherProxy { name, address, .. } in others {
        // nginx takes an interim answer for the last one.
        if *name == "nginx" && heard.statuses.len() > 1 {
            continue;
        }
        match hear(*address, method, number) {
            Ok(through) if heard.means(&through) || may_refuse && through.is_refused() => {}
            through => faults.push(format!("heard {:?}, and through {name} {through:?}", heard.shown())),
        }
    }
    (heard.shown(), faults)
}

#[test]
fn an_answer_that_is_passed_on_means_the_same_to_other_clients() {
    let to_get = ANSWERS.iter().map(|row| ("GET", row));
    let cases: Vec<_> = to_get.chain(ANSWERS_TO_HEAD.iter().map(|row| ("HEAD", row))).collect();
    let scripts: Vec<(Vec<u8>, Then)> = cases.iter().map(|(_, (text, then, _))| (bytes(text), *then)).collect();
    let member = Member::start(move |visit, _| {
        while let Some(head) = visit.head() {
            let target = head.split(' ').nth(1).unwrap();
            let Ok(number) = target[1..].parse::<usize>() else {
                visit.send(ok("second"));
                continue;
            };
            visit.send(&scripts[number].0);
            if scripts[number].1 == Then::Closes {
                return;
            }
        }
    });
    let proxy = Proxy::start(&[("h1", &[&member])], "", &["--threads", "1"]);
    let mut others = others(&proxy);
    let mut all = Vec::new();
    for (number, (method, (text, _, expected))) in cases.iter().enumerate() {
        let (heard, mut faults) = compare(&proxy, &others, method, number, false);
        if heard != *expected {
            faults.push(format!("expected {expected:?}, heard {heard:?}"));
        }
        all.extend(faults.into_iter().map(|fault| format!("{method} {text:?}\n  {fault}")));
    }
    assert!(all.is_empty(), "{} faults in {} spellings:\n{}", all.len(), cases.len(), all.join("\n"));
    assert!(others.iter_mut().all(OtherProxy::is_alive));
}

/// What is put into spellings in the hope that somebody reads over it.
const PIECES: [&[u8]; 22] = [
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\xa0",
    b":",
    b";",
    b",",
    b"0",
    b"5",
    b"-",
    b"+",
    b"\r\n ",
    b"\r\n\r\n",
    b"\r\nContent-Length: 5\r\n",
    b"\r\nContent-Length: 0\r\n",
    b"\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nConnection: close\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra",
    b"0\r\n\r\n",
];

#[test]
fn answers_spelled_at_random_mean_the_same_to_other_clients() {
    let spelling = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::clone(&spelling);
    // It closes behind each of them, so that nobody waits for more.
    let member = Member::start(move |visit, _| {
        while let Some(head) = visit.head() {
            if !head.starts_with("GET /second ") {
                return visit.send(&*script.lock().unwrap());
            }
            visit.send(ok("second"));
        }
    });
    let proxy = Proxy::start(&[("h1", &[&member])], "", &["--threads", "1"]);
    let mut others = others(&proxy);
    let sound: Vec<_> = ANSWERS.iter().filter(|(.., expected)| !expected.contains("502")).collect();
    let seed = given_seed().unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut all, mut went_through) = (Vec::new(), 0);
    let rounds = 3 * rounds();
    for _ in 0..rounds {
        let mut text = bytes(sound[random.usize(..sound.len())].0);
        mutate(&mut random, &mut text, &PIECES, 3);
        spelling.lock().unwrap().clone_from(&text);
        let method = ["GET", "GET", "GET", "HEAD"][random.usize(..4)];
        let (heard, faults) = compare(&proxy, &others, method, 0, true);
        went_through += usize::from(!heard.contains("502"));
        all.extend(faults.into_iter().map(|fault| format!("{method} {}\n  {fault}", text.escape_ascii())));
    }
    assert!(all.is_empty(), "FUZZ_SEED={seed}: {} faults in {rounds} spellings:\n{}", all.len(), all.join("\n"));
    assert!(went_through > rounds / 10, "{went_through} of {rounds} went through");
    assert!(others.iter_mut().all(OtherProxy::is_alive));
}
