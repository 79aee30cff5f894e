//! `/fault`: what an operator makes go wrong, to see what the cluster does.

use std::time::Duration;

use crate::consumer::Consumer;
use crate::consumer::api::params::Params;
use crate::consumer::api::table::Fault;
use crate::consumer::faults::Term;
use crate::http::Answer;
use crate::object;
use crate::parameters::{AFTER, DELAY, EXIT_CODE, FOR, IGNORE, LINES, LOG_RATE, MS, PERCENT, STATUS_CODE};
use crate::service::problem::{Problem, json, say};
use crate::units::duration;

/// For how long a fault lasts that does not say.
const FAULT: Duration = Duration::from_secs(60);

impl Consumer {
    /// Makes something wrong with us.
    pub(super) fn fault(&self, fault: Fault, params: &Params<'_, '_>) -> Answer {
        if !self.faults_on {
            return faults_off(params);
        }
        match self.try_fault(fault, params) {
            Ok(done) => self.done(done, params),
            Err(why) => Problem::new(400, "invalid", why).answer(params.json),
        }
    }

    /// Makes a fault, or whatever is wrong with us, pass.
    pub(super) fn end_faults(&self, fault: Option<Fault>, params: &Params<'_, '_>) -> Answer {
        if !self.faults_on {
            return faults_off(params);
        }
        if let Err(why) = params.only() {
            return Problem::new(400, "invalid", why).answer(params.json);
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
        self.done(String::from(if fault.is_some() { "The fault is over" } else { "All faults are over" }), params)
    }

    fn try_fault(&self, fault: Fault, params: &Params<'_, '_>) -> Result<String, String> {
        params.only()?;
        let after = params.span(AFTER.name)?.unwrap_or_default();
        let length = params.span(FOR.name)?.unwrap_or(FAULT);
        let started = |result: std::io::Result<()>| result.map_err(|error| format!("it could not be started: {error}"));
        Ok(match fault {
            Fault::Exit => {
                let code = params.number(const { &EXIT_CODE.whole() })?.unwrap_or_default() as u8;
                started(self.faults.exit(code, after))?;
                format!("Exit with {code} in {}", duration::in_words(after))
            }
            Fault::Abort => {
                started(self.faults.abort(after))?;
                format!("Abort in {}", duration::in_words(after))
            }
            Fault::Hang => {
                self.faults.hang(length);
                format!("Nothing is answered for {}", duration::in_words(length))
            }
            Fault::Delay => {
                let ms = params.number(const { &MS.whole() })?.ok_or("by how much? ms=200, for example")?;
                self.faults.delay(Duration::from_millis(ms), length);
                format!("Answers are {ms} ms late for {}", duration::in_words(length))
            }
            Fault::Status => {
                let code =
                    params.number(const { &STATUS_CODE.whole() })?.ok_or("which one? code=503, for example")? as u16;
                let percent = params.number(const { &PERCENT.whole() })?.unwrap_or_default();
                self.faults.status(code, percent, length);
                format!("{percent} of 100 answers are {code} for {}", duration::in_words(length))
            }
            Fault::Log => {
                let lines = params.number(const { &LINES.whole() })?.ok_or("how many? lines=1000, for example")?;
                let rate = params.number(const { &LOG_RATE.whole() })?.unwrap_or_default();
                started(self.faults.log(lines, rate, self.stop.clone()))?;
                format!("{lines} log lines at {rate} a second")
            }
            Fault::Term => {
                let term = match (params.flag(IGNORE.name)?, params.span(DELAY.name)?) {
                    (true, None) => Term::Ignored,
                    (false, Some(delay)) => Term::Delayed(delay),
                    (false, None) => Term::Stops,
                    (true, Some(_)) => return Err(String::from("ignore and delay are both given: which one counts?")),
                };
                self.faults.on_term(term);
                match term {
                    Term::Stops => String::from("SIGTERM is obeyed"),
                    Term::Ignored => String::from("SIGTERM is ignored"),
                    Term::Delayed(delay) => format!("SIGTERM is obeyed after {}", duration::in_words(delay)),
                }
            }
        })
    }

    pub(super) fn done(&self, state: String, params: &Params<'_, '_>) -> Answer {
        self.log(params, "done");
        if params.json { json(200, &object! { "done": state }) } else { say(state) }
    }
}

fn faults_off(params: &Params<'_, '_>) -> Answer {
    let off = "faults are off; FAULTS=on, or --faults on, turns them on at the start";
    Problem::new(404, "faults-off", off).answer(params.json)
}
