//! Answers that take as long as the work: a client waits for its end, or follows it.

use std::io::{Read, Write};
use std::time::Duration;

use crate::consumer::api::params::Params;
use crate::consumer::api::refusals::full;
use crate::consumer::control::operation::Outcome;
use crate::http::{Answer, Hold, Request};
use crate::kernel::shutdown::Stop;
use crate::parameters::{FOLLOW, WAIT};
use crate::service::json::Value;
use crate::service::problem::Problem;

/// How often a client that waits is looked after.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// How often progress is told, and a client that waits for a load is looked after.
pub(super) const PROGRESS: Duration = Duration::from_secs(1);
/// JSON, a value a line.
const JSON_LINES: &str = "application/x-ndjson";
/// Text, a line at a time.
const TEXT_LINES: &str = "text/plain; charset=utf-8";

/// How long an answer is to take.
pub(super) enum Long {
    No,
    Wait(Hold),
    Follow(Hold),
}

/// The right to a long answer, where one is asked for. Taken before anything is begun.
pub(super) fn long_answer(request: &Request<'_>, params: &Params<'_, '_>) -> Result<Long, Problem> {
    let wrong = |why: String| Problem::new(400, "invalid", why);
    let (wait, follow) = (params.flag(WAIT.name).map_err(wrong)?, params.flag(FOLLOW.name).map_err(wrong)?);
    if !wait && !follow {
        return Ok(Long::No);
    }
    let hold = request.hold().ok_or_else(full)?;
    Ok(if follow { Long::Follow(hold) } else { Long::Wait(hold) })
}

/// What a client follows: how far it is, and how it ends.
pub(super) trait Followed {
    /// How it ended, if it has; where it `waits`, [`PROGRESS`] later at most.
    fn outcome(&self, waits: bool) -> Option<Outcome>;

    /// How far it is, for programs.
    fn report(&self) -> Value;

    /// The same for people.
    fn line(&self) -> String;
}

/// Progress as it is made, then the outcome.
pub(super) fn follow(followed: Box<dyn Followed>, hold: Hold, stop: Stop, as_json: bool) -> Answer {
    let tell = move |_: &mut dyn Read, client: &mut dyn Write| {
        let _hold = hold;
        // The first line comes at once, so that the client sees that something goes on.
        let mut waits = false;
        loop {
            let outcome = followed.outcome(std::mem::replace(&mut waits, true));
            let is_last = outcome.is_some() || stop.is_set();
            let line = if as_json {
                followed.report().with("outcome", outcome.as_ref().map(ToString::to_string)).to_string()
            } else {
                let end = outcome.map_or_else(String::new, |outcome| format!("  {outcome}"));
                followed.line() + &end
            };
            client.write_all((line + "\n").as_bytes())?;
            if is_last {
                return Ok(());
            }
        }
    };
    Answer::written(if as_json { JSON_LINES } else { TEXT_LINES }, Box::new(tell))
}
