//! JSON answers, and the one shape of errors.

use std::time::Duration;

use super::with_field;
use crate::consumer::group::Refused;
use crate::consumer::load::LoadRefused;
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
    pub(super) message: String,
    details: Vec<(&'static str, Value)>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    /// Whether it is for the client to mend.
    pub(super) fn is_of_the_client(&self) -> bool {
        self.status == 400
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
            // Where trying again helps.
            _ if matches!(code, "busy" | "pending" | "full") || status == 503 => with_field(answer, "Retry-After", "1"),
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
pub(super) fn refused(refused: &Refused) -> Problem {
    let problem = |status, code| Problem::new(status, code, refused.to_string());
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
        Refused::DoesNotFit { requested, available } => {
            problem(422, "does-not-fit").with("requested", *requested).with("most", *available)
        }
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

pub(super) fn stopping() -> Problem {
    Problem::new(503, "stopping", "the service stops")
}
