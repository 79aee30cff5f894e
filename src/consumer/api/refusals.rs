//! What the consumer refuses, as clients see it.

use std::time::Duration;

use crate::consumer::control::group::Refused;
use crate::consumer::control::operation::Outcome;
use crate::consumer::control::ticket::Conflict;
use crate::consumer::load::task::LoadRefused;
use crate::http::Answer;
use crate::service::problem::{Problem, say};
use crate::units::quantity::Unit;

/// How late the answers come that throttle a client in a loop.
pub(super) const THROTTLE: Duration = Duration::from_secs(1);

/// Says it late.
pub(super) fn say_late(words: String) -> Answer {
    say(words).after(THROTTLE)
}

/// Too many answers take long already.
pub(super) fn full() -> Problem {
    Problem::new(503, "full", "too many clients wait for long answers already; ask without wait or follow")
}

/// Why a change of a group that counts in `unit` was refused.
pub(super) fn refused(refused: &Refused, unit: Unit) -> Problem {
    let problem = |status, code| Problem::new(status, code, refused.in_words(unit));
    match refused {
        Refused::Conflict(Conflict::Pending) => problem(409, "pending"),
        Refused::Conflict(Conflict::Busy) => problem(409, "busy"),
        Refused::Absent => problem(400, "missing-amount"),
        Refused::Number(_) | Refused::Invalid(_) => problem(400, "invalid"),
        Refused::OverLimit { requested, limit, most } => problem(422, "over-limit")
            .with("requested", *requested)
            .with("limit", limit.most)
            .with("limit_source", limit.source.as_str())
            .with("most", *most),
        Refused::DoesNotFit { requested, available, bound } => problem(422, "does-not-fit")
            .with("requested", *requested)
            .with("most", *available)
            .with("bound_by", bound.as_str()),
        Refused::BelowNothing(below) => problem(422, "does-not-fit").with("most", below.most),
        Refused::Unavailable(_) => problem(503, "unavailable"),
        Refused::NotStarted(_) => problem(503, "not-started"),
        Refused::Stopping => stopping(),
    }
}

/// Why a load was refused.
pub(super) fn load_refused(refused: &LoadRefused) -> Problem {
    let problem = |status, code| Problem::new(status, code, refused.to_string());
    match refused {
        LoadRefused::Conflict(Conflict::Pending) => problem(409, "pending"),
        LoadRefused::Conflict(Conflict::Busy) => problem(409, "busy"),
        LoadRefused::Absent => problem(400, "missing-time"),
        LoadRefused::Number(_) | LoadRefused::Invalid(_) => problem(400, "invalid"),
        LoadRefused::TooMuch(_) => problem(422, "over-limit"),
        LoadRefused::NotStarted(error) if error.kind() == std::io::ErrorKind::NotFound => problem(422, "nothing-there"),
        LoadRefused::NotStarted(_) => problem(503, "not-started"),
        LoadRefused::Stopping => stopping(),
    }
}

/// The answer to who waited for work that was accepted, as `told`, and did not end as it was to. `cancelled` says what
/// took its place.
pub(super) fn not_done(outcome: &Outcome, told: &str, cancelled: &str, as_json: bool) -> Answer {
    let (status, code, why) = match outcome {
        Outcome::Stopped => return stopping().answer(as_json),
        _ if !as_json => return say(format!("{told}\nLast request {outcome}")),
        Outcome::Failed(why) => (500, "failed", why.as_str()),
        Outcome::Expired => (409, "expired", "its time was over before it was done"),
        Outcome::Cancelled | Outcome::Done => (409, "cancelled", cancelled),
    };
    Problem::new(status, code, why).answer(true)
}

pub(super) fn stopping() -> Problem {
    Problem::new(503, "stopping", "the service stops")
}
