//! Requests: the proxy passes on what it understands, and what it passes on means the same to haproxy and nginx.

use super::super::operation::file;
use super::super::other_proxies::{OtherProxy, conversation};
use super::super::parts::Proxy;
use super::super::recorder::{Recorder, Seen};
use super::bytes;
use super::spellings::{CHUNKS, FRAMINGS, REQUESTS, UNFINISHED};
use crate::fuzz::{given_seed, mutate};
use crate::harness::eventually;
use crate::json::Json;
use crate::shutdown::rounds;

/// What follows each spelling on its connection.
const SECOND: &str = "GET /second HTTP/1.1\r\nHost: h1\r\n\r\n";
/// What ends a connection on which everything is whole.
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: h1\r\nConnection: close\r\n\r\n";

/// What a spelling is to be: bytes, and the requests in them, as [`shown`].
struct Case {
    bytes: Vec<u8>,
    expected: String,
    /// Where none is expected, that is to be told.
    is_answered: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut push = |text: &str, expected: String, is_answered: bool| {
        let bytes = bytes(&[text, SECOND].concat());
        cases.push(Case { bytes, expected, is_answered });
    };
    let post = |length: Option<usize>| match length {
        Some(length) => format!("POST /a h1 {length}, GET /second h1 0"),
        None => String::new(),
    };
    for (fields, body, length) in FRAMINGS {
        push(&format!("POST /a HTTP/1.1\r\nHost: h1\r\n{fields}\r\n{body}"), post(length), true);
    }
    for (body, length) in CHUNKS {
        push(&format!("POST /a HTTP/1.1\r\nHost: h1\r\nTransfer-Encoding: chunked\r\n\r\n{body}"), post(length), true);
    }
    for (text, expected) in REQUESTS {
        push(text, expected.replace(" +", ", GET /second h1 0"), true);
    }
    for text in UNFINISHED {
        push(text, String::new(), false);
    }
    cases
}

/// Method, target, host and the length of the body of each. What is not ASCII is left out: the access log has other words
/// for it.
fn shown(requests: &[Seen]) -> String {
    let show = |one: &Seen| format!("{} {} {} {}", one.method, one.target, one.host, one.body.len());
    requests.iter().map(show).collect::<Vec<_>>().join(", ").replace(|c: char| !c.is_ascii(), "")
}

/// A running proxy in front of a recorder, and what it says that it passed on.
struct Subject {
    proxy: Proxy,
    recorder: Recorder,
    log: tempfile::NamedTempFile,
    lines: usize,
}

impl Subject {
    fn start() -> Self {
        let recorder = Recorder::start();
        let log = tempfile::NamedTempFile::new().unwrap();
        let proxy = Proxy::with(&file("json", &[recorder.address]), &["--threads", "1"], log.path());
        Self { proxy, recorder, log, lines: 0 }
    }

    /// The requests that it has passed on whole since the last call, by its access log: at least so many.
    fn logged(&mut self, count: usize) -> String {
        let mut passed = Vec::new();
        let mut lines = 0;
        eventually("the access log is written", || {
            let text = std::fs::read_to_string(self.log.path()).unwrap();
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            lines = whole.lines().count();
            let new = whole.lines().skip(self.lines).map(Json::parse);
            passed = new.filter(|line| line["end"].string() == "ok").collect();
            passed.len() >= count
        });
        self.lines = lines;
        let show = |line: &Json| {
            let word = |name: &str| line[name].string().to_owned();
            let (target, host) = (word("target"), word("host"));
            let is_absolute = target.to_lowercase().starts_with(&format!("http://{}", host.to_lowercase()));
            let path = if is_absolute { &target["http://".len() + host.len()..] } else { &target };
            format!("{} {path} {host} {}", word("method"), line["bytes_in"].whole())
        };
        passed.iter().map(show).collect::<Vec<_>>().join(", ").replace(|c: char| !c.is_ascii(), "")
    }
}

/// Other proxies, each with the member behind it.
fn others(recorders: &[Recorder; 2]) -> Vec<(OtherProxy, &Recorder)> {
    let others = [OtherProxy::haproxy(recorders[0].address), OtherProxy::nginx(recorders[1].address)];
    others.into_iter().zip(recorders).filter_map(|(other, at)| Some((other?, at))).collect()
}

/// Sends bytes through the proxy; then what it has passed on to the others, which may refuse it where that is said, and may
/// not find anything else in it. Returns what was passed on, what the client was answered, and what was wrong.
fn pass(
    bytes: &[u8],
    subject: &mut Subject,
    others: &[(OtherProxy, &Recorder)],
    may_refuse: bool,
) -> (String, Vec<u8>, Vec<String>) {
    let mut faults = Vec::new();
    let answers = conversation(subject.proxy.address, bytes, true);
    let (seen, malformed) = subject.recorder.take();
    let (received, passed) = (subject.recorder.take_bytes(), shown(&seen));
    if !malformed.is_empty() {
        faults.push(format!("passed on {malformed:?}"));
    }
    let logged = subject.logged(seen.len());
    if logged != passed {
        faults.push(format!("passed on {passed:?}, but counted {logged:?}"));
    }
    for (OtherProxy { name, address, .. }, recorder) in others {
        // As it left the proxy.
        for connection in &received {
            // haproxy may drop what it has not begun when the client sends no more, so it is told by a request.
            let whole = if seen.is_empty() { connection.clone() } else { [connection, LAST].concat() };
            conversation(*address, &whole, seen.is_empty());
        }
        let (mut read, malformed) = recorder.take();
        read.retain(|one| one.target != "/last");
        let is_same = if may_refuse { seen.starts_with(&read) } else { seen == read };
        if !is_same || !malformed.is_empty() {
            faults.push(format!("passed on {passed:?}, what {name} reads as {:?} {malformed:?}", shown(&read)));
        }
        // As it was spelled: where both take it, it is the same.
        conversation(*address, bytes, true);
        let (read, _) = recorder.take();
        if read.iter().zip(&seen).any(|(one, another)| one != another) {
            faults.push(format!("passed on {passed:?}, but {name} alone reads {:?}", shown(&read)));
        }
    }
    (passed, answers, faults)
}

#[test]
fn a_request_that_is_passed_on_means_the_same_to_other_servers() {
    let (mut subject, recorders) = (Subject::start(), [Recorder::start(), Recorder::start()]);
    let mut others = others(&recorders);
    let mut all = Vec::new();
    let cases = cases();
    for Case { bytes, expected, is_answered } in &cases {
        let (passed, answers, mut faults) = pass(bytes, &mut subject, &others, false);
        if passed != *expected {
            faults.push(format!("expected {expected:?}, passed on {passed:?}"));
        }
        if expected.is_empty() && *is_answered && !answers.starts_with(b"HTTP/1.1 4") {
            faults.push(format!("answered: {}", answers.escape_ascii()));
        }
        all.extend(faults.into_iter().map(|fault| format!("{}\n  {fault}", bytes.escape_ascii())));
    }
    assert!(all.is_empty(), "{} faults in {} spellings:\n{}", all.len(), cases.len(), all.join("\n"));
    assert!(others.iter_mut().all(|(other, _)| other.is_alive()));
}

/// What is put into spellings in the hope that somebody reads over it.
const PIECES: [&[u8]; 30] = [
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\x0b",
    b"\0",
    b"\xa0",
    b"\xff",
    b":",
    b";",
    b",",
    b"0",
    b"5",
    b"-",
    b"+",
    b"x",
    b"\"",
    b"#",
    b"@",
    b"?",
    b"%",
    b"\r\n ",
    b"\r\n\r\n",
    b"\r\nHost: h1\r\n",
    b"\r\nContent-Length: 5\r\n",
    b"\r\nContent-Length: 0\r\n",
    b"\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nConnection: close\r\n",
    b"0\r\n\r\n",
];

#[test]
fn requests_spelled_at_random_mean_the_same_to_other_servers() {
    let (mut subject, recorders) = (Subject::start(), [Recorder::start(), Recorder::start()]);
    let mut others = others(&recorders);
    // What is sound is best to begin with: of two faults, the other one is never looked for.
    let cases: Vec<_> = cases().into_iter().filter(|case| !case.expected.is_empty()).collect();
    let seed = given_seed().unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut all, mut went_through) = (Vec::new(), 0);
    let rounds = 3 * rounds();
    for _ in 0..rounds {
        let bytes = &cases[random.usize(..cases.len())].bytes;
        let mut spelling = bytes[..bytes.len() - SECOND.len()].to_vec();
        mutate(&mut random, &mut spelling, &PIECES, 3);
        let bytes = [&spelling, SECOND.as_bytes()].concat();
        let (passed, _, faults) = pass(&bytes, &mut subject, &others, true);
        went_through += usize::from(!passed.is_empty());
        all.extend(faults.into_iter().map(|fault| format!("{}\n  {fault}", bytes.escape_ascii())));
    }
    assert!(all.is_empty(), "FUZZ_SEED={seed}: {} faults in {rounds} spellings:\n{}", all.len(), all.join("\n"));
    assert!(went_through > rounds / 10, "{went_through} of {rounds} went through");
    assert!(others.iter_mut().all(|(other, _)| other.is_alive()));
}
