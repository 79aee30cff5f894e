//! A response, as it goes over the wire: head and body in one piece.

use std::io::Read;
use std::time::SystemTime;

use httpdate::HttpDate;
use tiny_http::Response;

use super::head::Version;

/// How the connection stands, for the head of the answer.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// The version the client spoke: a 1.0 client is answered in 1.0.
    pub(super) version: Version,
    /// Whether the connection lives on after this answer.
    pub(super) keep_alive: bool,
    /// Whether the client asked for the head alone.
    pub(super) head_only: bool,
}

/// Appends `response` to `out`.
///
/// The fields stand in the order the original's clients saw: the handler's own, Date, Content-Length, Content-Type.
/// A field whose text could end its line is left out: it cannot have come from our own constructors.
pub(super) fn render<R: Read>(out: &mut Vec<u8>, response: Response<R>, manner: Manner) {
    let status = response.status_code();
    let version = match manner.version {
        Version::Http10 => "HTTP/1.0 ",
        Version::Http11 => "HTTP/1.1 ",
    };
    out.extend_from_slice(version.as_bytes());
    push_number(out, u64::from(status.0));
    out.push(b' ');
    out.extend_from_slice(status.default_reason_phrase().as_bytes());
    out.extend_from_slice(b"\r\n");
    let (types, others): (Vec<_>, Vec<_>) =
        response.headers().iter().partition(|header| header.field.equiv("Content-Type"));
    for header in others {
        push_field(out, header.field.as_str().as_str(), header.value.as_str());
    }
    push_field(out, "Date", &HttpDate::from(SystemTime::now()).to_string());
    let declared = response.data_length();
    let content_types: Vec<String> = types.iter().map(|header| header.value.to_string()).collect();
    let mut body = Vec::new();
    let body_is_whole = response.into_reader().read_to_end(&mut body).is_ok();
    // Without a declared length, an answer to HEAD leaves it open (RFC 9110, 8.6).
    let length = if manner.head_only { declared } else { Some(body.len()) };
    if let Some(length) = length {
        out.extend_from_slice(b"Content-Length: ");
        push_number(out, length as u64);
        out.extend_from_slice(b"\r\n");
    }
    for content_type in content_types {
        push_field(out, "Content-Type", &content_type);
    }
    match (manner.keep_alive && body_is_whole, manner.version) {
        (false, Version::Http11) => push_field(out, "Connection", "close"),
        (true, Version::Http10) => push_field(out, "Connection", "keep-alive"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    if !manner.head_only {
        out.extend_from_slice(&body);
    }
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

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::request::{redirect, text};
    use super::*;
    use tiny_http::Header;

    fn rendered(response: super::super::Text, manner: Manner) -> String {
        let mut out = Vec::new();
        render(&mut out, response, manner);
        let text = String::from_utf8(out).unwrap();
        let date = text.find("Date: ").unwrap();
        format!("{}Date: X{}", &text[..date], &text[date + "Date: Sat, 21 Nov 2026 09:44:56 GMT".len()..])
    }

    const PLAIN: Manner = Manner { version: Version::Http11, keep_alive: true, head_only: false };

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
        let old = Manner { version: Version::Http10, ..PLAIN };
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
