//! Answers that take as long as the work: a client waits for its end, or follows it.

use std::time::Duration;

use crate::consumer::api::params::Params;
use crate::consumer::api::refusals::full;
use crate::http::{Hold, Request};
use crate::parameters::{FOLLOW, WAIT};
use crate::service::problem::Problem;

/// How often a client that waits is looked after.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// How often progress is told.
pub(super) const PROGRESS: Duration = Duration::from_secs(1);
/// JSON, a value a line.
pub(super) const JSON_LINES: &str = "application/x-ndjson";
/// Text, a line at a time.
pub(super) const TEXT_LINES: &str = "text/plain; charset=utf-8";

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
