//! A response, as it goes over the wire.

use std::io::Write;
use std::time::SystemTime;

use httpdate::HttpDate;
use tiny_http::Header;

use crate::http::message::head::HttpVersion;
use crate::http::message::request::Text;

/// What a client waits for that wants to be asked for its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How the connection stands, for the head of the answer.
#[derive(Clone, Copy)]
pub(in crate::http) struct Manner {
    /// The version the client spoke: a 1.0 client is answered in 1.0.
    pub(in crate::http) version: HttpVersion,
    /// Whether the connection lives on after this answer.
    pub(in crate::http) keep_alive: bool,
    /// Whether the client asked for the head alone.
    pub(in crate::http) head_only: bool,
    /// Whether the body comes in chunks.
    pub(in crate::http) chunked: bool,
}

/// Turns a response into the bytes of its head and of its body. What the client did not ask for is empty.
///
/// The fields stand in the order the original's clients saw: the handler's own, Date, Content-Length, Content-Type.
/// A field whose text could end its line is left out: it cannot have come from our own constructors.
pub(in crate::http) fn render(response: Text, manner: Manner) -> (Vec<u8>, Vec<u8>) {
    let mut head = Vec::with_capacity(256);
    let status = response.status_code();
    let version = match manner.version {
        HttpVersion::Http10 => "HTTP/1.0 ",
        HttpVersion::Http11 => "HTTP/1.1 ",
    };
    // Writing to memory does not fail.
    let _ = write!(head, "{version}{} {}\r\n", status.0, status.default_reason_phrase());
    let is_type = |header: &&Header| header.field.equiv("Content-Type");
    for header in response.headers().iter().filter(|header| !is_type(header)) {
        push_field(&mut head, header.field.as_str().as_str(), header.value.as_str());
    }
    let _ = write!(head, "Date: {}\r\n", HttpDate::from(SystemTime::now()));
    // Where it is not declared, an answer to HEAD leaves the length open (RFC 9110, 8.6).
    if let Some(length) = response.data_length() {
        let _ = write!(head, "Content-Length: {length}\r\n");
    }
    if manner.chunked {
        push_field(&mut head, "Transfer-Encoding", "chunked");
    }
    for header in response.headers().iter().filter(is_type) {
        push_field(&mut head, "Content-Type", header.value.as_str());
    }
    match (manner.keep_alive, manner.version) {
        (false, HttpVersion::Http11) => push_field(&mut head, "Connection", "close"),
        (true, HttpVersion::Http10) => push_field(&mut head, "Connection", "keep-alive"),
        _ => {}
    }
    head.extend_from_slice(b"\r\n");
    let body = if manner.head_only { Vec::new() } else { response.into_reader().into_inner() };
    (head, body)
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    if [name, value].iter().any(|text| text.bytes().any(|b| b.is_ascii_control())) {
        log::error!("A header field with a control character was left out of an answer: {}", name.escape_debug());
        return;
    }
    for piece in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::request::{redirect, text};

    fn rendered(response: Text, manner: Manner) -> String {
        let (head, body) = render(response, manner);
        let text = String::from_utf8([head, body].concat()).unwrap();
        let date = text.find("Date: ").unwrap();
        format!("{}Date: X{}", &text[..date], &text[date + "Date: Sat, 21 Nov 2026 09:44:56 GMT".len()..])
    }

    const PLAIN: Manner = Manner { version: HttpVersion::Http11, keep_alive: true, head_only: false, chunked: false };

    #[test]
    fn an_answer_is_what_the_original_sent() {
        assert_eq!(
            rendered(text(200, "hello\n"), PLAIN),
            "HTTP/1.1 200 OK\r\nDate: X\r\nContent-Length: 6\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\n"
        );
        assert_eq!(
            rendered(redirect(b"/api/mem/getact?a=1&b=\""), PLAIN),
            "HTTP/1.1 301 Moved Permanently\r\nLocation: /api/mem/getact?a=1&b=\"\r\nDate: X\r\nContent-Length: 66\r\n\
             Content-Type: text/html; charset=utf-8\r\n\r\n\
             <a href=\"/api/mem/getact?a=1&amp;b=&#34;\">Moved Permanently</a>.\n\n"
        );
    }

    #[test]
    fn the_connection_field_says_what_the_version_does_not() {
        let close = Manner { keep_alive: false, ..PLAIN };
        assert!(rendered(text(200, ""), close).contains("\r\nConnection: close\r\n"));
        let old = Manner { version: HttpVersion::Http10, ..PLAIN };
        assert!(rendered(text(200, ""), old).starts_with("HTTP/1.0 200 OK\r\n"));
        assert!(rendered(text(200, ""), old).contains("\r\nConnection: keep-alive\r\n"));
        assert!(!rendered(text(200, ""), Manner { keep_alive: false, ..old }).contains("Connection"));
    }

    #[test]
    fn head_has_the_length_but_not_the_body() {
        let head = Manner { head_only: true, ..PLAIN };
        let answer = rendered(text(200, "hello\n"), head);
        assert!(answer.contains("Content-Length: 6\r\n") && answer.ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_field_cannot_bring_another_one_in() {
        let evil = Header::from_bytes("X-Evil", "a\r\nSet-Cookie: b").unwrap();
        let answer = rendered(text(200, "").with_header(evil), PLAIN);
        assert!(!answer.contains("Set-Cookie") && !answer.contains("X-Evil"));
    }
}
