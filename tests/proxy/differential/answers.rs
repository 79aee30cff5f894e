//! Answers: what a client hears of a member through the proxy is what it hears when haproxy or nginx stands in between.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use super::super::other_proxies::OtherProxy;
use super::super::parts::{Member, Proxy, ok};
use super::super::recorder::{chunks, exactly, line};
use super::answer_spellings::{ANSWERS, ANSWERS_TO_HEAD, Then};
use crate::harness::PATIENCE;

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
        let is_page = self.statuses == ["502"];
        let body: String = self.body.iter().copied().map(char::from).filter(|_| !is_page).collect();
        let end = if self.is_whole { "" } else { "…" };
        let space = if is_page { "" } else { " " };
        format!("{}{space}{body}{end}", self.statuses.join(" "))
    }

    /// Whether another client that heard `other` must take it for the same.
    fn means(&self, other: &Self) -> bool {
        if self.is_whole {
            return other.is_whole && self.statuses == other.statuses && self.body == other.body;
        }
        // How much of what breaks off still comes differs; a whole answer must say that it went wrong.
        !other.is_whole && self.body.starts_with(&other.body) || other.statuses == ["502"]
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

#[test]
fn an_answer_that_is_passed_on_means_the_same_to_other_clients() {
    let to_get = ANSWERS.iter().map(|row| ("GET", row));
    let cases: Vec<_> = to_get.chain(ANSWERS_TO_HEAD.iter().map(|row| ("HEAD", row))).collect();
    let scripts: Vec<(Vec<u8>, Then)> = cases
        .iter()
        .map(|(_, (text, then, _))| (text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(), *then))
        .collect();
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
    // They are clients of the proxy.
    let others = [OtherProxy::haproxy(proxy.address), OtherProxy::nginx(proxy.address)];
    let mut others: Vec<_> = others.into_iter().flatten().collect();
    let mut faults = Vec::new();
    for (number, (method, (text, _, expected))) in cases.iter().enumerate() {
        let mut fault = |what: String| faults.push(format!("{method} {text:?}\n  {what}"));
        let heard = match hear(proxy.address, method, number) {
            Ok(heard) => heard,
            Err(why) => {
                fault(why);
                continue;
            }
        };
        if heard.shown() != *expected {
            fault(format!("expected {expected:?}, heard {:?}", heard.shown()));
        }
        for other in &others {
            // nginx takes an interim answer for the last one.
            if other.name == "nginx" && heard.statuses.len() > 1 {
                continue;
            }
            match hear(other.address, method, number) {
                Ok(through) if heard.means(&through) => {}
                through => fault(format!("heard {:?}, and through {} {through:?}", heard.shown(), other.name)),
            }
        }
    }
    assert!(faults.is_empty(), "{} of {} spellings:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert!(others.iter_mut().all(OtherProxy::is_alive));
}
