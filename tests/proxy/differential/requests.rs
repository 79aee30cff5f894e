//! Requests: the proxy passes on what it understands, and what it passes on means the same to haproxy and nginx.

use super::super::operation::file;
use super::super::other_proxies::{OtherProxy, conversation};
use super::super::parts::Proxy;
use super::super::recorder::{Recorder, Seen};
use super::spellings::{CHUNKS, FRAMINGS, REQUESTS, UNFINISHED};
use crate::harness::eventually;
use crate::json::Json;

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
        let bytes = [text, SECOND].concat().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
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

/// Method, target, host and the length of the body of each.
fn shown(requests: &[Seen]) -> String {
    let show = |one: &Seen| format!("{} {} {} {}", one.method, one.target, one.host, one.body.len());
    requests.iter().map(show).collect::<Vec<_>>().join(", ")
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
            let target = word("target");
            let path = target.strip_prefix("http://h1").unwrap_or(&target).to_owned();
            format!("{} {path} {} {}", word("method"), word("host"), line["bytes_in"].whole())
        };
        passed.iter().map(show).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn a_request_that_is_passed_on_means_the_same_to_other_servers() {
    let mut subject = Subject::start();
    let recorders = [Recorder::start(), Recorder::start()];
    let others = [OtherProxy::haproxy(recorders[0].address), OtherProxy::nginx(recorders[1].address)];
    let mut others: Vec<_> = others.into_iter().zip(&recorders).filter_map(|(other, at)| Some((other?, at))).collect();
    let mut faults = Vec::new();
    let cases = cases();
    for Case { bytes, expected, is_answered } in &cases {
        let spelled = bytes.escape_ascii();
        let mut fault = |what: String| faults.push(format!("{spelled}\n  {what}"));
        let answers = conversation(subject.proxy.address, bytes, true);
        let (seen, malformed) = subject.recorder.take();
        let (received, passed) = (subject.recorder.take_bytes(), shown(&seen));
        if passed != *expected || !malformed.is_empty() {
            fault(format!("expected {expected:?}, passed on {passed:?} {malformed:?}"));
        }
        if expected.is_empty() && *is_answered && !answers.starts_with(b"HTTP/1.1 4") {
            fault(format!("answered: {}", answers.escape_ascii()));
        }
        let logged = subject.logged(seen.len());
        if logged != passed {
            fault(format!("passed on {passed:?}, but counted {logged:?}"));
        }
        for (OtherProxy { name, address, .. }, recorder) in &others {
            // As it left the proxy.
            for connection in &received {
                // haproxy may drop what it has not begun when the client sends no more, so it is told by a request.
                let whole = if seen.is_empty() { connection.clone() } else { [connection, LAST].concat() };
                conversation(*address, &whole, seen.is_empty());
            }
            let mut read = recorder.take();
            read.0.retain(|one| one.target != "/last");
            if read.0 != seen || !read.1.is_empty() {
                fault(format!("passed on {passed:?}, what {name} reads as {:?} {:?}", shown(&read.0), read.1));
            }
            // As it was spelled: where both take it, it is the same.
            conversation(*address, bytes, true);
            let (read, _) = recorder.take();
            if read.iter().zip(&seen).any(|(one, another)| one != another) {
                fault(format!("passed on {passed:?}, but {name} alone reads {:?}", shown(&read)));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {} spellings:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert!(others.iter_mut().all(|(other, _)| other.is_alive()));
}
