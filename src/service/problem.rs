//! What every role answers with: text, JSON, and the one shape of errors.

use std::io::Cursor;

use crate::http::message::fields::Fields;
use crate::http::message::query::Query;
use crate::http::{Answer, Method, Response, StatusCode, Text, content, field, text};
use crate::object;
use crate::service::json::{ToJson, Value};

/// JSON.
pub const JSON: &str = "application/json";

/// Says it at once. Every answer of the contracts ends with a line feed.
pub fn say(mut words: String) -> Answer {
    words.push('\n');
    text(200, words).into()
}

/// Says it in JSON.
pub fn json(status: u16, value: &Value) -> Answer {
    content(status, JSON, format!("{value}\n")).into()
}

/// What is wrong, and what would be right.
pub struct Problem {
    status: u16,
    code: &'static str,
    /// The sentence for people.
    pub message: String,
    /// Further members of the error, in JSON.
    details: Value,
}

impl Problem {
    /// An error of this status, with a word for programs and a sentence for people.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Value::object() }
    }

    /// Whether it is for the client to mend.
    pub fn is_of_the_client(&self) -> bool {
        self.status == 400
    }

    /// With one more member, in JSON.
    pub fn with(mut self, name: &'static str, value: impl ToJson) -> Self {
        self.details.add(name, &value);
        self
    }

    /// In JSON: `{"error":{"status":…,"code":"…","message":"…", …}}`; or as a line of text.
    pub fn answer(self, as_json: bool) -> Answer {
        let Self { status, code, message, details } = self;
        let answer = if as_json {
            let error = object! { "status": u64::from(status), "code": code, "message": message };
            json(status, &object! { "error": error.joined(&details.to_string()) })
        } else {
            let phrase = StatusCode(status).default_reason_phrase();
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

/// A method that a path does not take; `hint` may tell what was probably meant.
pub fn not_allowed(method: &Method, methods: &[Method], hint: &str, as_json: bool) -> Answer {
    let allowed = methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let why = format!("{method} is not for this path, which takes {allowed}{hint}");
    let problem = Problem::new(405, "method-not-allowed", why);
    with_field(problem.answer(as_json), "Allow", &allowed)
}

/// What a probe says.
pub fn probe(trouble: Option<String>, as_json: bool) -> Answer {
    match trouble {
        None if as_json => json(200, &object! { "status": "ok" }),
        None => say(String::from("ok")),
        Some(why) => Problem::new(503, "unavailable", why).answer(as_json),
    }
}

/// Whether a client asks for JSON: by name, not by accepting anything.
pub fn wants_json(fields: &Fields<'_>, query: Query<'_>) -> bool {
    if let Some(format) = query.value("format") {
        return *format == *b"json";
    }
    let ranges = fields.first("Accept").unwrap_or_default().split(|&byte| byte == b',');
    ranges.into_iter().any(|range| {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
        named && !parts.any(|part| part == b"q=0" || part == b"q=0.0")
    })
}

/// The answer to HEAD where GET would change something: its length is not known, since nothing is done.
pub fn unsaid() -> Answer {
    unsaid_of(text(200, ""))
}

/// The same for GET's answer of this type.
pub fn unsaid_as(content_type: &str) -> Answer {
    unsaid_of(content(200, content_type, ""))
}

fn unsaid_of(nothing: Text) -> Answer {
    let types = nothing.headers().to_vec();
    let nothing = Cursor::new(Vec::new());
    Response::new(StatusCode(200), types, nothing, None, None).into()
}

/// The same answer, with one more field.
pub fn with_field(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    answer.response.add_header(field(name, value));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::fields::FieldSlots;
    use crate::http::message::head::Head;

    #[test]
    fn json_is_for_who_asks_for_it_by_name() {
        for (accept, format, json) in [
            ("application/json", "", true),
            ("text/html, Application/JSON;q=0.9", "", true),
            ("application/json;q=0", "", false),
            ("*/*", "", false),
            ("application/jsonx", "", false),
            ("", "format=json", true),
            ("application/json", "format=text", false),
            ("", "", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
            let mut slots = FieldSlots::default();
            let head = Head::parse(head.as_bytes(), &mut slots).unwrap();
            assert_eq!(wants_json(&head.fields, Query(format.as_bytes())), json, "{accept:?} {format:?}");
        }
    }
}
