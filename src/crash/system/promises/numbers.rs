//! `numbers`: answers are numbers, of which none comes twice and each client's rise; at the end few are missing.
//!
//! A request without an answer may have taken a number. So may one that is answered with 5xx: who stands between, a proxy, says
//! that nobody answered it.

use std::time::Instant;

use crate::crash::report::text::grouped;
use crate::crash::system::load::request_line::RequestLine;
use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::system::promises::number::{member_number, whole_number};
use crate::crash::system::promises::ranges::{NotAdded, NumberRanges};
use crate::crash::system::promises::requests::RequestTail;

/// Clients have numbers below this.
const MOST_CLIENTS: usize = 65_536;
/// How many gaps are told.
const GAPS: usize = 5;
/// As much of a body is told.
const BODY_BYTES: usize = 160;

/// Looks through the requests of a load.
#[derive(Debug)]
pub(super) struct NumbersKeeper {
    requests: RequestTail,
    seen: SeenNumbers,
}

/// What was seen so far.
#[derive(Debug)]
struct SeenNumbers {
    member: Option<String>,
    /// How many may be missing whatever happens.
    missing: u64,
    numbers: NumberRanges,
    /// The last number of each client, and the line that has it.
    last: Vec<Option<(u128, u64)>>,
    clients: u64,
    /// Requests that may have taken a number that nobody was told.
    unanswered: u64,
    /// The first thing that is wrong; nothing behind it is looked at.
    end: Option<Judgement>,
    /// The line of a number that came before, and which: to look for the first one.
    twice: Option<(u64, u128)>,
}

impl NumbersKeeper {
    /// For the file of a load: where in an answer the number stands, and how many may be missing at the end.
    pub(super) fn new(file: &str, member: Option<&str>, missing: u64) -> Self {
        let (numbers, member) = (NumberRanges::default(), member.map(str::to_owned));
        let (last, clients, unanswered, end, twice) = (Vec::new(), 0, 0, None, None);
        let seen = SeenNumbers { member, missing, numbers, last, clients, unanswered, end, twice };
        Self { requests: RequestTail::new(file), seen }
    }

    /// Says where a number that came twice came before.
    fn tell_first(&mut self, deadline: Instant) {
        let Some((line, number)) = self.seen.twice.take() else { return };
        let (mut first, member) = (None, self.seen.member.as_deref());
        // What is not found in time is not told.
        let _ = RequestTail::new(self.requests.path()).read_on(deadline, &mut |at, request| {
            if at < line && first.is_none() && number_of(request, member) == Some(number) {
                first = Some(format!("\n  before   line {at}, client {}, {} ms", request.client, request.at));
            }
        });
        if let (Some(Judgement::Broken(text)), Some(first)) = (&mut self.seen.end, first) {
            text.push_str(&first);
        }
    }
}

/// The number of an answer, if it has one that was asked for.
fn number_of(request: &RequestLine<'_>, member: Option<&str>) -> Option<u128> {
    let is_done = request.status.is_some_and(|status| (200..300).contains(&status));
    if !is_done {
        return None;
    }
    member.map_or_else(|| whole_number(request.body.trim_ascii()), |member| member_number(request.body, member))
}

impl SeenNumbers {
    fn take(&mut self, at: u64, request: &RequestLine<'_>) {
        match request.status {
            _ if self.end.is_some() => return,
            None | Some(500..) => self.unanswered += 1,
            Some(_) => {}
        }
        if !request.status.is_some_and(|status| (200..300).contains(&status)) {
            return;
        }
        let place = format!("line {at}, client {}, {} ms", request.client, request.at);
        let Some(number) = number_of(request, self.member.as_deref()) else {
            let body = String::from_utf8_lossy(&request.body[..request.body.len().min(BODY_BYTES)]);
            let member = self.member.as_ref().map_or(String::new(), |member| format!(" at {member:?}"));
            let text = format!("an answer has no number{member}: {}\n  now      {place}", body.trim_end());
            self.end = Some(Judgement::Broken(text));
            return;
        };
        let client = request.client as usize;
        if client >= MOST_CLIENTS {
            self.end = Some(Judgement::Unknown(format!("there are more than {MOST_CLIENTS} clients")));
            return;
        }
        if self.last.len() <= client {
            self.last.resize(client + 1, None);
        }
        match self.numbers.add(number) {
            Err(NotAdded::Twice) => {
                self.twice = Some((at, number));
                self.end = Some(Judgement::Broken(format!("the number {number} came twice\n  now      {place}")));
            }
            Err(NotAdded::TooScattered) => {
                let text = format!("the {} numbers have too many gaps to be kept", grouped(self.numbers.count));
                self.end = Some(Judgement::Unknown(text));
            }
            Ok(()) => {
                if let Some((before, line)) = self.last[client].filter(|(before, _)| *before > number) {
                    let text = format!("the numbers of client {client} fall: {number} came after {before}");
                    let text = format!("{text}\n  before   line {line}\n  now      {place}");
                    self.end = Some(Judgement::Broken(text));
                }
                self.clients += u64::from(self.last[client].is_none());
                self.last[client] = Some((number, at));
            }
        }
    }

    /// What is there, at the end or before.
    fn judge(&self, is_end: bool, path: &str) -> Judgement {
        let Some((first, last)) = self.numbers.ends() else {
            return Judgement::Unknown(format!("{path} has no answer with a number yet"));
        };
        let (missing, allowed) = (self.numbers.missing(), u128::from(self.missing) + u128::from(self.unanswered));
        let told = u64::try_from(missing).map_or_else(|_| missing.to_string(), grouped);
        let count = grouped(self.numbers.count);
        if !is_end || missing <= allowed {
            let clients = grouped(self.clients);
            return Judgement::Holds(format!("{count} numbers of {clients} clients, {told} missing"));
        }
        let unanswered = grouped(self.unanswered);
        let mut text = format!(
            "{told} of the numbers from {first} to {last} are missing, and {} may be: {unanswered} requests had no answer or an error",
            grouped(self.missing.saturating_add(self.unanswered))
        );
        for (from, to) in self.numbers.gaps(GAPS) {
            let gap = if from == to { format!("\n  missing  {from}") } else { format!("\n  missing  {from} to {to}") };
            text.push_str(&gap);
        }
        Judgement::Broken(text)
    }
}

impl PromiseKeeper for NumbersKeeper {
    fn look(&mut self, when: LookTime, deadline: Instant) -> Judgement {
        let seen = &mut self.seen;
        let read = self.requests.read_on(deadline, &mut |at, request| seen.take(at, request));
        self.tell_first(deadline);
        match (&self.seen.end, read) {
            (Some(end), _) => end.clone(),
            (None, Err(why)) => Judgement::Unknown(why),
            (None, Ok(())) => self.seen.judge(matches!(when, LookTime::End { .. }), self.requests.path()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    const END: LookTime = LookTime::End { is_complete: true };

    /// What is said of these lines: client, status and body, at a time.
    fn said(lines: &[(u32, &str, &str)], when: LookTime, member: Option<&str>, missing: u64) -> Judgement {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for (at, (client, status, body)) in lines.iter().enumerate() {
            writeln!(file, "{at}\t{client}\t{status}\t{body}").unwrap();
        }
        let path = file.path().to_str().unwrap();
        NumbersKeeper::new(path, member, missing).look(when, Instant::now() + Duration::from_secs(60))
    }

    #[test]
    fn numbers_that_rise_hold() {
        let lines = [
            (0, "200", "7"),
            (1, "201", " 9 "),
            (0, "503", "busy"),
            (0, "200", "8"),
            (3, "-", "late"),
            (1, "200", "11"),
        ];
        let holds = |text: &str| Judgement::Holds(text.to_owned());
        assert_eq!(said(&lines, LookTime::Running, None, 0), holds("4 numbers of 2 clients, 1 missing"));
        assert_eq!(said(&lines, END, None, 0), holds("4 numbers of 2 clients, 1 missing"));
        assert!(matches!(said(&[(0, "-", "")], END, None, 0), Judgement::Unknown(_)));
        let json = [
            (0, "200", r#"{"id":"a","total":340282366920938463463374607431768211454}"#),
            (0, "200", r#"{"total": "340282366920938463463374607431768211455"}"#),
        ];
        assert_eq!(said(&json, END, Some("total"), 0), holds("2 numbers of 1 clients, 0 missing"));
    }

    #[test]
    fn too_many_missing_are_told_at_the_end() {
        let lines = [(0, "200", "7"), (0, "200", "9"), (0, "502", "nobody"), (0, "404", "none"), (0, "200", "14")];
        assert!(matches!(said(&lines, LookTime::Running, None, 3), Judgement::Holds(_)));
        assert!(matches!(said(&lines, END, None, 4), Judgement::Holds(_)));
        let Judgement::Broken(text) = said(&lines, END, None, 3) else { panic!() };
        let first = "5 of the numbers from 7 to 14 are missing, and 4 may be: 1 requests had no answer or an error";
        assert_eq!(text, format!("{first}\n  missing  8\n  missing  10 to 13"));
        let ends = [(0, "200", "0"), (0, "200", "340282366920938463463374607431768211455")];
        assert!(matches!(said(&ends, END, None, u64::MAX), Judgement::Broken(_)));
    }

    #[test]
    fn a_number_that_comes_twice_is_told_with_both_lines() {
        let lines = [(0, "200", "7"), (2, "200", "8"), (0, "500", "8"), (1, "200", "8"), (1, "200", "x")];
        let text = "the number 8 came twice\n  now      line 4, client 1, 3 ms\n  before   line 2, client 2, 1 ms";
        assert_eq!(said(&lines, LookTime::Running, None, 0), Judgement::Broken(text.to_owned()));
    }

    #[test]
    fn numbers_of_a_client_that_fall_and_answers_without_are_told() {
        let lines = [(0, "200", "7"), (1, "200", "9"), (0, "200", "10"), (1, "200", "8")];
        let text = "the numbers of client 1 fall: 8 came after 9\n  before   line 2\n  now      line 4, client 1, 3 ms";
        assert_eq!(said(&lines, LookTime::Running, None, 0), Judgement::Broken(text.to_owned()));
        let text = "an answer has no number: 7 apples\n  now      line 2, client 0, 1 ms";
        assert_eq!(said(&[(0, "200", "7"), (0, "200", "7 apples")], END, None, 0), Judgement::Broken(text.to_owned()));
        assert!(
            matches!(said(&[(0, "200", "{}")], END, Some("n"), 0), Judgement::Broken(text) if text.contains("no number at \"n\""))
        );
    }

    #[test]
    fn what_cannot_be_kept_is_unknown() {
        assert!(
            matches!(said(&[(70_000, "200", "7")], END, None, 0), Judgement::Unknown(text) if text.contains("65536 clients"))
        );
    }
}
