//! What a handler is asked, and what it answers.

use std::borrow::Cow;
use std::io::Cursor;
use std::time::Duration;

use tiny_http::{Header, Method, Response, StatusCode};

use super::bounds::BODY_BYTES;
use super::head::{Fields, Head};
use super::query::Query;
use super::target::field_safe;

/// A checked request.
#[derive(Debug)]
pub struct Request<'b> {
    /// The method; `HEAD` is the edge's business where a handler does not care, see [`Request::changes_nothing`].
    pub method: &'b Method,
    /// The path, percent-decoded. Not necessarily UTF-8.
    pub path: Cow<'b, [u8]>,
    /// The query, decoded as it is asked.
    pub query: Query<'b>,
    /// The header fields.
    pub fields: &'b Fields<'b>,
    /// The body, where the handler's [`BodyRule`] keeps it; otherwise empty.
    pub body: &'b [u8],
}

impl Request<'_> {
    /// Whether the method promises to change no state: then the handler must not.
    pub fn changes_nothing(&self) -> bool {
        matches!(self.method, Method::Head)
    }
}

/// The response type of handlers: `tiny_http`'s, over text that is all there.
pub type Text = Response<Cursor<Vec<u8>>>;

/// What a handler answers, and whether the client is to wait for it.
pub struct Answer {
    /// The response.
    pub response: Text,
    /// How long to hold it back.
    pub delay: Duration,
}

impl Answer {
    /// The same answer, `delay` later: a brake for clients in a loop. It holds nothing but its connection.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl From<Text> for Answer {
    fn from(response: Text) -> Self {
        Self { response, delay: Duration::ZERO }
    }
}

/// What becomes of request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Read and thrown away up to so many bytes; more is 413.
    Discard(usize),
    /// Kept for the handler up to so many bytes; more is 413.
    Keep(usize),
}

impl BodyRule {
    /// Most bytes of body.
    pub fn limit(self) -> usize {
        match self {
            Self::Discard(limit) | Self::Keep(limit) => limit,
        }
    }
}

/// A role: it answers requests. Called from many threads at once.
pub trait Service: Send + Sync + 'static {
    /// Answers `request`. A panic here is a 500 to this client and harms nothing else.
    fn answer(&self, request: &Request<'_>) -> Answer;

    /// What to do with the body of a request, decided by its head alone.
    fn body_rule(&self, _head: &Head<'_>) -> BodyRule {
        BodyRule::Discard(BODY_BYTES)
    }
}

/// A response in plain text.
pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Text {
    let plain = field("Content-Type", "text/plain; charset=utf-8");
    let body = body.into();
    let length = body.len();
    Response::new(StatusCode(status), vec![plain], Cursor::new(body), Some(length), None)
}

/// 301 to `location` (path and query, as they stand in a URL), with the page that says so.
pub fn redirect(location: &[u8]) -> Text {
    let mut page = Vec::from(&b"<a href=\""[..]);
    for &byte in location {
        match byte {
            b'&' => page.extend_from_slice(b"&amp;"),
            b'<' => page.extend_from_slice(b"&lt;"),
            b'>' => page.extend_from_slice(b"&gt;"),
            b'"' => page.extend_from_slice(b"&#34;"),
            b'\'' => page.extend_from_slice(b"&#39;"),
            other => page.push(other),
        }
    }
    page.extend_from_slice(b"\">Moved Permanently</a>.\n\n");
    text(301, page)
        .with_header(field("Content-Type", "text/html; charset=utf-8"))
        .with_header(field("Location", &field_safe(location)))
}

/// A header field of ours. Text that may not stand in one becomes percent-escapes.
pub(super) fn field(name: &'static str, value: &str) -> Header {
    let escaped;
    let value = if value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        value
    } else {
        escaped = field_safe(value.as_bytes());
        &escaped
    };
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("{name}: {value} is ASCII"))
}
