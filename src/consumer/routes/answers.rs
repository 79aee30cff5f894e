//! JSON answers, and the one shape of errors.

use std::time::Duration;

use super::with_field;
use crate::consumer::group::Refused;
use crate::consumer::load::LoadRefused;
use crate::consumer::quantity::Unit;
use crate::consumer::ticket::Conflict;
use crate::http::{Answer, Method, content, text};
use crate::json::Value;

/// How late the answers come that brake a client in a loop.
pub(super) const BRAKE: Duration = Duration::from_secs(1);
/// JSON.
const JSON: &str = "application/json";

/// Says it at once. Every answer of the contract ends with a line feed.
pub(super) fn say(mut words: String) -> Answer {
    words.push('\n');
    text(200, words).into()
}

/// Says it with the brake on.
pub(super) fn say_late(words: String) -> Answer {
    say(words).after(BRAKE)
}

/// Says it in JSON.
pub(super) fn json(status: u16, value: &Value) -> Answer {
    content(status, JSON, format!("{value}\n")).into()
}

/// What is wrong, and what would be right.
pub(super) struct Problem {
    status: u16,
    code: &'static str,
    message: String,
    details: Vec<(&'static str, Value)>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    /// What is wrong, in words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// In JSON: `{"error":{"status":…,"code":"…","message":"…", …}}`; or as a line of text.
    pub(super) fn answer(self, as_json: bool) -> Answer {
        let Self { status, code, message, details } = self;
        let answer = if as_json {
            let mut error = crate::object! { "status": u64::from(status), "code": code, "message": message };
            for (name, value) in details {
                error = error.with(name, value);
            }
            json(status, &crate::object! { "error": error })
        } else {
            let phrase = crate::http::StatusCode(status).default_reason_phrase();
            text(status, format!("{status} {phrase}: {message}\n")).into()
        };
        match status {
            401 => with_field(answer, "WWW-Authenticate", "Bearer realm=\"testero\""),
            409 | 503 => with_field(answer, "Retry-After", "1"),
            _ => answer,
        }
    }
}

/// A method that a path does not take.
pub(super) fn not_allowed(method: &Method, methods: &[Method], as_json: bool) -> Answer {
    let allowed = methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let problem =
        Problem::new(405, "method-not-allowed", format!("{method} is not for this path, which takes {allowed}"));
    with_field(problem.answer(as_json), "Allow", &allowed)
}

/// Too many answers take long already.
pub(super) fn full() -> Problem {
    Problem::new(503, "full", "too many clients wait for long answers already; ask without wait or follow")
}

/// Why a wish was refused.
pub(super) fn refused(refused: &Refused, unit: Unit) -> Problem {
    let what = noun(unit);
    match refused {
        Refused::Conflict(conflict) => in_conflict(*conflict),
        Refused::Absent => Problem::new(400, "missing-amount", "how much? amount=512Mi, for example; 0 releases"),
        Refused::Number(error) => Problem::new(400, "invalid", error.to_string()),
        Refused::Invalid(why) => Problem::new(400, "invalid", why.clone()),
        Refused::OverLimit { requested, limit, most } => {
            let message = format!(
                "{requested} {what} are over the limit of {} ({}); at most {most} would be accepted now",
                limit.most, limit.source
            );
            Problem::new(422, "over-limit", message)
                .with("requested", *requested)
                .with("limit", limit.most)
                .with("limit_source", limit.source.as_str())
                .with("available", *most)
        }
        Refused::DoesNotFit { requested, available } => {
            let message = format!("{requested} {what} do not fit now; at most {available} would be accepted");
            Problem::new(422, "does-not-fit", message).with("requested", *requested).with("available", *available)
        }
        Refused::Unavailable(why) => Problem::new(503, "unavailable", why.clone()),
        Refused::NotStarted(error) => Problem::new(503, "not-started", format!("no thread for the work: {error}")),
        Refused::Stopping => stopping(),
    }
}

/// Why a load was refused.
pub(super) fn load_refused(refused: &LoadRefused) -> Problem {
    match refused {
        LoadRefused::Conflict(conflict) => in_conflict(*conflict),
        LoadRefused::Absent => Problem::new(400, "missing-time", "for how long? time=90s, for example"),
        LoadRefused::Number(error) => Problem::new(400, "invalid", error.to_string()),
        LoadRefused::Invalid(why) => Problem::new(400, "invalid", why.clone()),
        LoadRefused::TooMuch(why) => Problem::new(422, "over-limit", why.clone()),
        LoadRefused::NotStarted(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Problem::new(422, "nothing-there", error.to_string())
        }
        LoadRefused::NotStarted(error) => Problem::new(503, "not-started", format!("it could not be started: {error}")),
        LoadRefused::Stopping => stopping(),
    }
}

pub(super) fn stopping() -> Problem {
    Problem::new(503, "stopping", "the service stops")
}

fn in_conflict(conflict: Conflict) -> Problem {
    match conflict {
        Conflict::Pending => Problem::new(409, "pending", "a request of this group is accepted and has not begun yet"),
        Conflict::Busy => {
            Problem::new(409, "busy", "work of this group runs; /api/status tells how far it is, DELETE ends it")
        }
    }
}

/// What is counted, in words.
pub(super) fn noun(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "bytes",
        Unit::Count => "pieces",
        Unit::Millicores => "millicores",
    }
}
