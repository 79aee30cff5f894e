//! Probes and faults: what an operator switches to see what the cluster does.

use std::time::Duration;

use super::table::{Fault, Probe};
use crate::answers::{Problem, json, say};
use crate::consumer::Consumer;
use crate::consumer::asked::Asked;
use crate::consumer::faults::Term;
use crate::consumer::span;
use crate::http::Answer;
use crate::object;

/// For how long a fault lasts that does not say.
const FAULT: Duration = Duration::from_secs(60);
/// Longest delay of an answer.
const LONGEST_DELAY_MS: u64 = 60_000;
/// Most log lines of a run, and most a second.
const MOST_LINES: u64 = 10_000_000;
const MOST_LINES_A_SECOND: u64 = 100_000;

impl Consumer {
    /// Switches a probe on or off.
    pub(super) fn switch(&self, probe: Probe, on: bool, asked: &Asked<'_, '_>) -> Answer {
        let known: &[&str] = if on { &[] } else { &["for"] };
        let length = match asked.only(known).and_then(|()| asked.span("for")) {
            Ok(length) => length,
            Err(why) => return Problem::new(400, "invalid", why).answer(asked.json),
        };
        let (found, path) = match probe {
            Probe::Health => (&self.health, "/healthz"),
            Probe::Ready => (&self.ready, "/readyz"),
        };
        if on {
            found.enable()
        } else {
            found.disable(length)
        }
        let state = match (on, length) {
            (true, _) => format!("{path} is enabled"),
            (false, None) => format!("{path} is disabled"),
            (false, Some(length)) => format!("{path} is disabled for {}", span::in_words(length)),
        };
        self.done(state, asked)
    }

    /// Makes something wrong with us.
    pub(super) fn fault(&self, fault: Fault, asked: &Asked<'_, '_>) -> Answer {
        if !self.faults_on {
            return faults_off(asked);
        }
        match self.try_fault(fault, asked) {
            Ok(done) => self.done(done, asked),
            Err(why) => Problem::new(400, "invalid", why).answer(asked.json),
        }
    }

    /// Makes a fault, or whatever is wrong with us, pass.
    pub(super) fn end_faults(&self, fault: Option<Fault>, asked: &Asked<'_, '_>) -> Answer {
        if !self.faults_on {
            return faults_off(asked);
        }
        if let Err(why) = asked.only(&[]) {
            return Problem::new(400, "invalid", why).answer(asked.json);
        }
        let ends = |one| fault.is_none_or(|fault| fault == one);
        if ends(Fault::Exit) || ends(Fault::Abort) {
            self.faults.end_exit();
        }
        if ends(Fault::Hang) {
            self.faults.hang(Duration::ZERO);
        }
        if ends(Fault::Delay) {
            self.faults.delay(Duration::ZERO, Duration::ZERO);
        }
        if ends(Fault::Status) {
            self.faults.status(0, 0, Duration::ZERO);
        }
        if ends(Fault::Log) {
            self.faults.end_log();
        }
        if ends(Fault::Term) {
            self.faults.on_term(Term::Stops);
        }
        self.done(String::from(if fault.is_some() { "The fault is over" } else { "All faults are over" }), asked)
    }

    fn try_fault(&self, fault: Fault, asked: &Asked<'_, '_>) -> Result<String, String> {
        asked.only(match fault {
            Fault::Exit => &["code", "after"],
            Fault::Abort => &["after"],
            Fault::Hang => &["for"],
            Fault::Delay => &["ms", "for"],
            Fault::Status => &["code", "percent", "for"],
            Fault::Log => &["lines", "rate"],
            Fault::Term => &["ignore", "delay"],
        })?;
        let after = asked.span("after")?.unwrap_or_default();
        let length = asked.span("for")?.unwrap_or(FAULT);
        let started = |result: std::io::Result<()>| result.map_err(|error| format!("it could not be started: {error}"));
        Ok(match fault {
            Fault::Exit => {
                let code = asked.number("code", 0, 255)?.unwrap_or(1) as u8;
                started(self.faults.exit(code, after))?;
                format!("Exit with {code} in {}", span::in_words(after))
            }
            Fault::Abort => {
                started(self.faults.abort(after))?;
                format!("Abort in {}", span::in_words(after))
            }
            Fault::Hang => {
                self.faults.hang(length);
                format!("Nothing is answered for {}", span::in_words(length))
            }
            Fault::Delay => {
                let ms = asked.number("ms", 1, LONGEST_DELAY_MS)?.ok_or("by how much? ms=200, for example")?;
                self.faults.delay(Duration::from_millis(ms), length);
                format!("Answers are {ms} ms late for {}", span::in_words(length))
            }
            Fault::Status => {
                let code = asked.number("code", 400, 599)?.ok_or("which one? code=503, for example")? as u16;
                let percent = asked.number("percent", 0, 100)?.unwrap_or(100);
                self.faults.status(code, percent, length);
                format!("{percent} of 100 answers are {code} for {}", span::in_words(length))
            }
            Fault::Log => {
                let lines = asked.number("lines", 1, MOST_LINES)?.ok_or("how many? lines=1000, for example")?;
                let rate = asked.number("rate", 1, MOST_LINES_A_SECOND)?.unwrap_or(100);
                started(self.faults.log(lines, rate, self.stop.clone()))?;
                format!("{lines} log lines at {rate} a second")
            }
            Fault::Term => {
                let term = match (asked.flag("ignore")?, asked.span("delay")?) {
                    (true, None) => Term::Ignored,
                    (false, Some(delay)) => Term::Delayed(delay),
                    (false, None) => Term::Stops,
                    (true, Some(_)) => return Err(String::from("ignore and delay are both given: which one counts?")),
                };
                self.faults.on_term(term);
                match term {
                    Term::Stops => String::from("SIGTERM is obeyed"),
                    Term::Ignored => String::from("SIGTERM is ignored"),
                    Term::Delayed(delay) => format!("SIGTERM is obeyed after {}", span::in_words(delay)),
                }
            }
        })
    }

    fn done(&self, state: String, asked: &Asked<'_, '_>) -> Answer {
        self.log(asked, "done");
        if asked.json { json(200, &object! { "done": state }) } else { say(state) }
    }
}

fn faults_off(asked: &Asked<'_, '_>) -> Answer {
    let off = "faults are off; FAULTS=on, or --faults on, turns them on at the start";
    Problem::new(404, "faults-off", off).answer(asked.json)
}
