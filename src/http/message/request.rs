//! What a handler is asked, and what it answers.

use std::any::Any;
use std::borrow::Cow;
use std::io::{self, Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tiny_http::{Header, Method, Response, StatusCode};

use crate::http::bounds::BODY_BYTES;
use crate::http::message::fields::Fields;
use crate::http::message::head::Head;
use crate::http::message::query::Query;
use crate::http::message::rejection::Rejection;
use crate::http::message::target::field_safe;
use crate::http::server::listener::has_hung_up;
use crate::http::server::throttle::{Hold, Throttle};

/// A checked request.
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
    /// Who asks: the other end of the connection, if it still is one.
    pub peer: Option<SocketAddr>,
    pub(in crate::http) throttle: &'b Arc<Throttle>,
    pub(in crate::http) stream: &'b TcpStream,
}

impl Request<'_> {
    /// Whether the method promises to change no state: then the handler must not.
    pub fn changes_nothing(&self) -> bool {
        matches!(self.method, Method::Head)
    }

    /// The right to take long over the answer; `None` when too many do already (then 503 is right). To be taken before
    /// anything is begun, and kept until the answer is given.
    pub fn hold(&self) -> Option<Hold> {
        self.throttle.take()
    }

    /// Whether the client has closed its side while it waits: nobody may be there to read the answer.
    pub fn client_is_gone(&self) -> bool {
        has_hung_up(self.stream)
    }
}

/// The response type of handlers: `tiny_http`'s, over text that is all there.
pub type Text = Response<Cursor<Vec<u8>>>;

/// The body of an answer that is written as it is made, and may read the rest of the request's while it is. Each write goes to
/// the client as one piece; an error, or a panic, breaks the connection off, so that the body does not look whole.
pub type BodyWriter = Box<dyn FnOnce(&mut dyn Read, &mut dyn Write) -> io::Result<()>>;

/// What a handler answers, and whether the client is to wait for it.
pub struct Answer {
    /// The response.
    pub response: Text,
    /// How long to hold it back.
    pub delay: Duration,
    /// The body, where it is written as it is made; that of `response` is empty then. Dropped where the client wants none.
    pub writer: Option<BodyWriter>,
    /// Dropped once the client has the answer, or is gone.
    pub held: Option<Box<dyn Any>>,
}

impl Answer {
    /// The same answer, `delay` later: a throttle for clients in a loop. It holds nothing but its connection.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// An answer of this content type whose body is written as it is made (in chunks, where the client speaks HTTP/1.1).
    pub fn written(content_type: &str, writer: BodyWriter) -> Self {
        let types = vec![field("Content-Type", content_type)];
        let response = Response::new(StatusCode(200), types, Cursor::new(Vec::new()), None, None);
        Self { response, delay: Duration::ZERO, writer: Some(writer), held: None }
    }
}

impl From<Text> for Answer {
    fn from(response: Text) -> Self {
        Self { response, delay: Duration::ZERO, writer: None, held: None }
    }
}

/// What becomes of request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Read and thrown away up to so many bytes; more is 413.
    Discard(usize),
    /// Kept for the handler up to so many bytes; more is 413.
    Keep(usize),
    /// Left to the handler, which reads it as it comes, however long it is: see [`Service::answer_reading`].
    Stream,
}

impl BodyRule {
    /// Most bytes of body.
    pub fn limit(self) -> usize {
        match self {
            Self::Discard(limit) | Self::Keep(limit) => limit,
            Self::Stream => usize::MAX,
        }
    }
}

/// A role: it answers requests. Called from many threads at once.
pub trait Service: Send + Sync + 'static {
    /// Answers `request`. A panic here is a 500 to this client and harms nothing else.
    fn answer(&self, request: &Request<'_>) -> Answer;

    /// Answers a request whose body is streamed, with what reads it; the same goes to the [`BodyWriter`] of its answer. Each
    /// read waits for the client at most as long as for a whole body that is kept. Where the body is malformed, the read
    /// fails, and the client is told so in the place of the answer. What is left unread ends the connection.
    fn answer_reading(&self, request: &Request<'_>, _body: &mut dyn Read) -> Answer {
        self.answer(request)
    }

    /// What to do with the body of a request, decided by its head alone.
    fn body_rule(&self, _head: &Head<'_>) -> BodyRule {
        BodyRule::Discard(BODY_BYTES)
    }

    /// Waits until answers may be given. Called before an answer that [`Service::answer`] has no part in.
    fn hold_back(&self) {}

    /// What to say to a request whose head was understood and that is refused all the same, by the edge.
    fn refuse(&self, _head: &Head<'_>, rejection: Rejection) -> Text {
        refusal(rejection)
    }
}

/// Why a request is not served, in plain text.
pub(in crate::http) fn refusal(rejection: Rejection) -> Text {
    let (status, phrase) = (rejection.status.0, rejection.status.default_reason_phrase());
    text(status, format!("{status} {phrase}: {}\n", rejection.reason))
}

/// A response in plain text.
pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Text {
    content(status, "text/plain; charset=utf-8", body)
}

/// A response of some content type.
pub fn content(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Text {
    let body = body.into();
    let length = body.len();
    Response::new(StatusCode(status), vec![field("Content-Type", content_type)], Cursor::new(body), Some(length), None)
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
pub fn field(name: &'static str, value: &str) -> Header {
    let escaped;
    let value = if value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        value
    } else {
        escaped = field_safe(value.as_bytes());
        &escaped
    };
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("{name}: {value} is ASCII"))
}
