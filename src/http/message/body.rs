//! A request body, read strictly and within bounds.

use std::io::{self, BufRead, Read};

use crate::http::bounds::CHUNK_OVERHEAD_BYTES;
use crate::http::message::head::{Framing, Rejection};
use crate::http::message::request::BodyRule;

/// Longest line within a chunked body: a chunk size with its extensions, or a trailer field.
const LINE_BYTES: usize = 1024;
/// Most hexadecimal digits of a chunk size: 2^60 bytes, far over every limit and far under overflow.
const SIZE_DIGITS: usize = 15;

/// Why a head or a body was not received.
#[derive(Debug)]
pub enum ReceiveError {
    /// The client sent something we answer with a refusal.
    Rejected(Rejection),
    /// The connection failed, ended, or ran out of time.
    Io(io::Error),
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Rejection> for ReceiveError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

const TOO_LARGE: Rejection = Rejection::new(413, "request body longer than this path takes");

/// Checks what the head alone tells: a declared length over the limit is refused before a byte of it is read.
///
/// # Errors
/// With 413.
pub fn check(framing: Framing, rule: BodyRule) -> Result<(), Rejection> {
    match framing {
        Framing::Length(length) if length > rule.limit() as u64 => Err(TOO_LARGE),
        _ => Ok(()),
    }
}

/// Reads a body to its end, so that the next request begins where this one ended.
///
/// Returns its bytes where `rule` keeps them, nothing otherwise.
///
/// # Errors
/// When it is malformed, too large, or the connection fails.
pub fn read(source: &mut impl BufRead, framing: Framing, rule: BodyRule) -> Result<Vec<u8>, ReceiveError> {
    check(framing, rule)?;
    let mut kept = Vec::new();
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => take(source, length, rule, &mut kept)?,
        Framing::Chunked => chunks(source, rule, &mut kept)?,
    }
    Ok(kept)
}

fn take(source: &mut impl BufRead, mut length: u64, rule: BodyRule, kept: &mut Vec<u8>) -> io::Result<()> {
    while length > 0 {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        if let BodyRule::Keep(_) = rule {
            kept.extend_from_slice(&bytes[..now]);
        }
        source.consume(now);
        length -= now as u64;
    }
    Ok(())
}

fn chunks(source: &mut impl BufRead, rule: BodyRule, kept: &mut Vec<u8>) -> Result<(), ReceiveError> {
    let mut overhead = CHUNK_OVERHEAD_BYTES;
    let mut left = rule.limit() as u64;
    loop {
        let size = chunk_size(&line(source, &mut overhead)?)?;
        if size == 0 {
            break;
        }
        left = left.checked_sub(size).ok_or(TOO_LARGE)?;
        take(source, size, rule, kept)?;
        if !line(source, &mut overhead)?.is_empty() {
            return Err(Rejection::new(400, "a chunk is longer than it says").into());
        }
    }
    // Trailer fields are read and thrown away: no handler asks for any.
    loop {
        let trailer = line(source, &mut overhead)?;
        if trailer.is_empty() {
            return Ok(());
        }
        let name = trailer.iter().position(|&b| b == b':').unwrap_or(0);
        if name == 0 || trailer[..name].iter().any(|b| b.is_ascii_whitespace()) {
            return Err(Rejection::new(400, "malformed trailer field").into());
        }
    }
}

/// The next line, without its CRLF; what it took is charged to `overhead`.
fn line(source: &mut impl BufRead, overhead: &mut usize) -> Result<Vec<u8>, ReceiveError> {
    let most = LINE_BYTES.min(*overhead);
    let mut bytes = Vec::with_capacity(16);
    source.by_ref().take(most as u64).read_until(b'\n', &mut bytes)?;
    *overhead -= bytes.len();
    match bytes.as_slice() {
        [text @ .., b'\r', b'\n'] if !text.iter().any(|&b| b.is_ascii_control() && b != b'\t') => {
            bytes.truncate(bytes.len() - 2);
            Ok(bytes)
        }
        [.., b'\n'] => Err(Rejection::new(400, "malformed line in a chunked body").into()),
        _ if bytes.len() == most => Err(Rejection::new(413, "chunked body with too much between its data").into()),
        _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Rejection> {
    const MALFORMED: Rejection = Rejection::new(400, "malformed chunk size");
    let end = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at(end);
    if digits.is_empty() || digits.len() > SIZE_DIGITS {
        return Err(MALFORMED);
    }
    // Extensions begin with `;` (white space before it is "bad" in RFC 9112, 7.1.1, and refused).
    if !extensions.is_empty() && extensions[0] != b';' {
        return Err(MALFORMED);
    }
    let text = std::str::from_utf8(digits).map_err(|_| MALFORMED)?;
    u64::from_str_radix(text, 16).map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(wire: &[u8], limit: usize) -> Result<(Vec<u8>, usize), String> {
        let mut source = wire;
        match read(&mut source, Framing::Chunked, BodyRule::Keep(limit)) {
            Ok(body) => Ok((body, source.len())),
            Err(ReceiveError::Rejected(rejection)) => Err(rejection.status.0.to_string()),
            Err(ReceiveError::Io(error)) => Err(format!("{:?}", error.kind())),
        }
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left_alone() {
        let wire = b"3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\nGET /";
        assert_eq!(chunked(wire, 100), Ok((b"abc0123456789".to_vec(), 5)));
        assert_eq!(chunked(b"0\r\n\r\n", 0), Ok((vec![], 0)));
    }

    #[test]
    fn doubtful_chunks_are_refused() {
        for wire in [
            &b"3\nabc\r\n0\r\n\r\n"[..],
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"3 ;x\r\nabc\r\n0\r\n\r\n",
            b"\r\n\r\n",
            b"fffffffffffffffff\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"3;a\rb\r\nabc\r\n0\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n: empty\r\n\r\n",
        ] {
            assert_eq!(chunked(wire, 100), Err("400".into()), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(chunked(b"5\r\nabcde\r\n0\r\n\r\n", 4), Err("413".into()));
        assert_eq!(chunked(b"fffffffffffffff\r\n", 4), Err("413".into()));
        let essay = [b"1;".as_slice(), &[b'x'; 2 * LINE_BYTES]].concat();
        assert_eq!(chunked(&essay, 4), Err("413".into()));
        let drops = b"1\r\nx\r\n".repeat(CHUNK_OVERHEAD_BYTES);
        assert_eq!(chunked(&drops, usize::MAX), Err("413".into()));
        assert_eq!(chunked(b"5\r\nabc", 100), Err("UnexpectedEof".into()));
        assert_eq!(chunked(b"5", 100), Err("UnexpectedEof".into()));
    }

    #[test]
    fn a_declared_length_over_the_limit_is_refused_unread() {
        let refused = read(&mut &b""[..], Framing::Length(1_000_000_000_000), BodyRule::Discard(65536));
        assert!(matches!(refused, Err(ReceiveError::Rejected(TOO_LARGE))));
    }

    #[test]
    fn discarded_bodies_keep_nothing() {
        let mut source = &b"hello, GET"[..];
        let body = read(&mut source, Framing::Length(6), BodyRule::Discard(6)).unwrap();
        assert_eq!((body.len(), source), (0, &b" GET"[..]));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_the_limit(
            wire in proptest::collection::vec(proptest::sample::select(&b"0123af;\r\n x:"[..]), 0..64)
        ) {
            if let Ok((body, _)) = chunked(&wire, 20) {
                proptest::prop_assert!(body.len() <= 20);
            }
        }
    }
}
