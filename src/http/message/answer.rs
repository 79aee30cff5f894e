//! The head of an answer, read as strictly as a request's.

use tiny_http::StatusCode;

use crate::http::message::fields::{FieldSlots, Fields, fields};
use crate::http::message::head::{Framing, HttpVersion, framing, keeps_alive};
use crate::http::message::rejection::Rejection;

/// A checked answer head. Everything borrows from the bytes it was read from.
#[derive(Debug)]
pub struct AnswerHead<'b> {
    /// In which version of the protocol.
    pub version: HttpVersion,
    /// What became of the request; from 100 to 999.
    pub status: StatusCode,
    /// The words for it, often none.
    pub reason: &'b [u8],
    /// The fields, in the order sent.
    pub fields: Fields<'b>,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the server lets the connection live on.
    pub keep_alive: bool,
}

impl<'b> AnswerHead<'b> {
    /// Checks a whole head, empty line included, as [`EndFinder`](super::head::EndFinder) delimits it: the answer to a `HEAD`
    /// where it `has_no_body` for that.
    ///
    /// # Errors
    /// When it is not exactly what RFC 9112 asks for. The status is for a request; only the reason is of use here.
    pub fn parse(bytes: &'b [u8], has_no_body: bool, slots: &'b mut FieldSlots<'b>) -> Result<Self, Rejection> {
        let StatusLine { version, status, reason, rest } = status_line(bytes)?;
        let fields = fields(rest, slots)?;
        let declared = framing(&fields, version)?;
        if declared == Framing::Length(u64::MAX) {
            // More than 64 bits hold: who does not notice finds another end.
            return Err(Rejection::new(400, "a Content-Length that nobody can count to"));
        }
        let framing = match declared {
            // Whatever their fields say (RFC 9112, 6.3).
            _ if has_no_body || matches!(status.0, 100..200 | 204 | 304) => Framing::Empty,
            Framing::Empty if fields.first("content-length").is_none() => Framing::UntilClose,
            declared => declared,
        };
        let keep_alive = keeps_alive(&fields, version) && framing != Framing::UntilClose;
        Ok(Self { version, status, reason, fields, framing, keep_alive })
    }

    /// Whether another answer to the same request follows. A change of protocols is not one of these.
    pub fn is_interim(&self) -> bool {
        is_interim(self.status)
    }
}

fn is_interim(status: StatusCode) -> bool {
    (100..200).contains(&status.0) && status.0 != 101
}

/// Whether the answer with this head is followed by another one to the same request, as far as its first line tells.
pub fn begins_interim(bytes: &[u8]) -> bool {
    status_line(bytes).is_ok_and(|line| is_interim(line.status))
}

struct StatusLine<'b> {
    version: HttpVersion,
    status: StatusCode,
    reason: &'b [u8],
    /// What follows the line.
    rest: &'b [u8],
}

fn status_line(bytes: &[u8]) -> Result<StatusLine<'_>, Rejection> {
    const LINE: Rejection = Rejection::new(400, "the status line is not: version, status, reason");
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n").ok_or(LINE)?;
    let (line, rest) = (&bytes[..line_end], &bytes[line_end + 2..]);
    let (version, line) = match line.split_at_checked(9) {
        Some((b"HTTP/1.1 ", rest)) => (HttpVersion::Http11, rest),
        Some((b"HTTP/1.0 ", rest)) => (HttpVersion::Http10, rest),
        _ => return Err(Rejection::new(400, "no HTTP/1.1 or HTTP/1.0")),
    };
    // The space after the status is left out by some who have no words for it.
    let (status, reason) = line.split_at_checked(3).ok_or(LINE)?;
    let reason = if reason.is_empty() { reason } else { reason.strip_prefix(b" ").ok_or(LINE)? };
    if !matches!(status, [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']) || reason.iter().any(|&b| b < b' ' && b != b'\t') {
        return Err(LINE);
    }
    let status = StatusCode(status.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')));
    Ok(StatusLine { version, status, reason, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing_of(head: &str) -> Result<(u16, Framing, bool), &'static str> {
        let mut slots = FieldSlots::default();
        let answer = AnswerHead::parse(head.as_bytes(), false, &mut slots).map_err(|rejection| rejection.reason)?;
        Ok((answer.status.0, answer.framing, answer.keep_alive))
    }

    #[test]
    fn where_a_body_ends_is_told_by_status_and_fields() {
        for (head, status, framing, keep_alive) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Framing::Empty, true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", 200, Framing::Chunked, true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, close\r\n\r\n", 200, Framing::Length(5), false),
            ("HTTP/1.1 200 OK\r\n\r\n", 200, Framing::UntilClose, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Framing::Length(5), false),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", 200, Framing::Length(5), true),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, Framing::Empty, true),
            ("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", 304, Framing::Empty, true),
            ("HTTP/1.1 100\r\n\r\n", 100, Framing::Empty, true),
            ("HTTP/1.1 599 caf\u{e9}\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n", 599, Framing::Length(7), true),
        ] {
            assert_eq!(framing_of(head), Ok((status, framing, keep_alive)), "{head}");
        }
        let mut slots = FieldSlots::default();
        let to_head = AnswerHead::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, &mut slots).unwrap();
        assert_eq!((to_head.framing, to_head.keep_alive, to_head.is_interim()), (Framing::Empty, true, false));
    }

    #[test]
    fn doubtful_heads_are_refused() {
        for head in [
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 020 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1\t200 OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "http/1.1 200 OK\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 O\rK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        ] {
            assert!(framing_of(head).is_err(), "{head}");
        }
    }
}
