//! `answers`: every request is answered, and with the status that was promised.

use std::time::Instant;

use crate::crash::report::text::grouped;
use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::system::promises::requests::RequestTail;

/// How many lines that are wrong are told.
const LINES: usize = 5;
/// As much of a body is told.
const BODY_BYTES: usize = 160;

/// Looks through the requests of a load.
#[derive(Debug)]
pub(super) struct AnswersKeeper {
    requests: RequestTail,
    status: u16,
    wrong: u64,
    /// The first ones of them, as they are told.
    told: Vec<String>,
}

impl AnswersKeeper {
    /// For the file of a load, and the status of all answers.
    pub(super) fn new(file: &str, status: u16) -> Self {
        Self { requests: RequestTail::new(file), status, wrong: 0, told: Vec::new() }
    }
}

impl PromiseKeeper for AnswersKeeper {
    fn look(&mut self, _when: LookTime, deadline: Instant) -> Judgement {
        let (status, wrong, told) = (self.status, &mut self.wrong, &mut self.told);
        let read = self.requests.read_on(deadline, &mut |number, line| {
            if line.status == Some(status) {
                return;
            }
            *wrong += 1;
            if told.len() < LINES {
                let what = line.status.map_or_else(|| String::from("no answer"), |other| other.to_string());
                let body = String::from_utf8_lossy(&line.body[..line.body.len().min(BODY_BYTES)]);
                told.push(format!(
                    "line {number}, client {}, {} ms: {what}: {}",
                    line.client,
                    line.at,
                    body.trim_end()
                ));
            }
        });
        let (lines, path) = (grouped(self.requests.lines), self.requests.path());
        if self.wrong > 0 {
            let wrong = grouped(self.wrong);
            let mut text = format!("{wrong} of {lines} requests of {path} were not answered with {status}");
            for line in &self.told {
                text.push_str("\n  ");
                text.push_str(line);
            }
            return Judgement::Broken(text);
        }
        match read {
            Err(why) => Judgement::Unknown(why),
            Ok(()) if self.requests.lines == 0 => Judgement::Unknown(format!("{path} has no request yet")),
            Ok(()) => Judgement::Holds(format!("{lines} requests were answered with {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    #[test]
    fn every_request_has_the_status_or_is_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut keeper = AnswersKeeper::new(file.path().to_str().unwrap(), 204);
        let mut look = || keeper.look(LookTime::Running, Instant::now() + Duration::from_secs(60));
        assert!(matches!(look(), Judgement::Unknown(_)));
        file.write_all("1\t0\t204\t\n".repeat(1234).as_bytes()).unwrap();
        assert_eq!(look(), Judgement::Holds(String::from("1,234 requests were answered with 204")));
        file.write_all(b"17\t3\t503\tnot now \n18\t0\t204\t\n").unwrap();
        file.write_all("19\t1\t-\trefused\n".repeat(9).as_bytes()).unwrap();
        let Judgement::Broken(text) = look() else { panic!() };
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("10 of 1,245 requests of ") && lines[0].ends_with("were not answered with 204"));
        assert_eq!(lines[1], "  line 1235, client 3, 17 ms: 503: not now");
        assert_eq!(lines[2], "  line 1237, client 1, 19 ms: no answer: refused");
        assert_eq!(lines.len(), 1 + LINES);
        file.write_all(b"20\t0\t204\t\nnonsense\n").unwrap();
        assert!(matches!(look(), Judgement::Broken(_)), "what is wrong stays wrong");
    }
}
