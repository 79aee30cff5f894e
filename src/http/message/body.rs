//! Where the body of a message ends, found strictly and within bounds.

use std::io::{self, BufRead};

use crate::http::bounds::CHUNK_OVERHEAD_BYTES;
use crate::http::message::head::{Framing, is_token};
use crate::http::message::rejection::Rejection;
use crate::http::message::request::BodyRule;

/// Longest line within a chunked body: a chunk size with its extensions, or a trailer field.
const LINE_BYTES: usize = 1024;
/// Most hexadecimal digits of a chunk size: 2^60 bytes, far over every limit and far under overflow.
const SIZE_DIGITS: u8 = 15;

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
    let mut decoder = BodyDecoder::new(framing, rule.limit() as u64);
    let mut kept = Vec::new();
    while !decoder.is_done() {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut rest = bytes;
        while let Some(piece) = decoder.next(&mut rest)? {
            if let (Piece::Data(data), BodyRule::Keep(_)) = (piece, rule) {
                kept.extend_from_slice(data);
            }
        }
        let used = bytes.len() - rest.len();
        source.consume(used);
    }
    Ok(kept)
}

/// A piece of a body, as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// The body's own bytes, never none.
    Data(&'b [u8]),
    /// Bytes of the trailer section: with all of them together, its field lines and the empty line that ends it.
    Trailer(&'b [u8]),
}

/// Finds the pieces of a body in the bytes of its connection, wherever the network has split them.
#[derive(Debug)]
pub struct BodyDecoder {
    state: BodyState,
    /// How many bytes of data the limit still lets through.
    data_left: u64,
    /// How many bytes there may still be between the data.
    overhead_left: usize,
    /// How long the line is that is being read.
    line: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyState {
    /// So many bytes, and no more.
    Length(u64),
    /// All bytes until the connection ends.
    UntilClose,
    /// A chunk's size, of which so much is known.
    Size {
        size: u64,
        digits: u8,
    },
    /// The extensions of a chunk of this size.
    Extensions(u64),
    /// The line feed after a chunk's size.
    SizeEnd(u64),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The carriage return after a chunk's data.
    ChunkReturn,
    /// The line feed after it.
    ChunkEnd,
    /// A trailer field, or the empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    /// The line feed after a trailer field.
    TrailerEnd,
    /// The line feed of the empty line.
    LastEnd,
    Done,
}

impl BodyDecoder {
    /// For a body that is passed on as it comes, with at most `limit` bytes of data where it comes in chunks. However many chunks it has, each line between them is bounded, and so is
    /// the trailer section as a whole.
    pub fn streaming(framing: Framing, limit: u64) -> Self {
        Self { overhead_left: usize::MAX, ..Self::new(framing, limit) }
    }

    /// For a body that is delimited like this, with at most `limit` bytes of data where it comes in chunks.
    pub fn new(framing: Framing, limit: u64) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => BodyState::Done,
            Framing::Length(length) => BodyState::Length(length),
            Framing::Chunked => BodyState::Size { size: 0, digits: 0 },
            Framing::UntilClose => BodyState::UntilClose,
        };
        Self { state, data_left: limit, overhead_left: CHUNK_OVERHEAD_BYTES, line: 0 }
    }

    /// Whether the body has ended. One that ends with its connection never has.
    pub fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    /// Whether the end of the connection is the end of the body.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.state, BodyState::UntilClose | BodyState::Done)
    }

    /// How many bytes of data come next at least: they may be received past the decoder, which is told by
    /// [`BodyDecoder::passed`].
    pub fn data_ahead(&self) -> u64 {
        match self.state {
            BodyState::Length(left) | BodyState::Chunk(left) => left,
            BodyState::UntilClose => u64::MAX,
            _ => 0,
        }
    }

    /// Of what [`BodyDecoder::data_ahead`] tells, `count` bytes have been received.
    pub fn passed(&mut self, count: u64) {
        self.state = match self.state {
            BodyState::Length(left) if left > count => BodyState::Length(left - count),
            BodyState::Length(_) => BodyState::Done,
            BodyState::Chunk(left) if left > count => BodyState::Chunk(left - count),
            BodyState::Chunk(_) => BodyState::ChunkReturn,
            state => state,
        };
    }

    /// The next piece that `bytes` begin with, and moves them on behind it. `None` once they are used up, or the body has ended:
    /// then they are what follows it.
    ///
    /// # Errors
    /// When it is malformed or too large.
    pub fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Result<Option<Piece<'b>>, Rejection> {
        while !bytes.is_empty() && !self.is_done() {
            let ahead = self.data_ahead();
            if ahead > 0 {
                let count = bytes.len().min(usize::try_from(ahead).unwrap_or(usize::MAX));
                let data = take(bytes, count);
                self.passed(count as u64);
                return Ok(Some(Piece::Data(data)));
            }
            if self.is_in_trailer() {
                let mut count = 0;
                while count < bytes.len() && self.is_in_trailer() {
                    self.step(bytes[count])?;
                    count += 1;
                }
                return Ok(Some(Piece::Trailer(take(bytes, count))));
            }
            self.step(take(bytes, 1)[0])?;
        }
        Ok(None)
    }

    fn is_in_trailer(&self) -> bool {
        use BodyState::{LastEnd, TrailerEnd, TrailerName, TrailerStart, TrailerValue};
        matches!(self.state, TrailerStart | TrailerName | TrailerValue | TrailerEnd | LastEnd)
    }

    /// A byte that is not data.
    fn step(&mut self, byte: u8) -> Result<(), Rejection> {
        const SIZE: Rejection = Rejection::new(400, "malformed chunk size");
        const LINE: Rejection = Rejection::new(400, "malformed line in a chunked body");
        const TRAILER: Rejection = Rejection::new(400, "malformed trailer field");
        let is_text = !byte.is_ascii_control() || byte == b'\t';
        self.state = match (self.state, byte) {
            (BodyState::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == SIZE_DIGITS {
                    return Err(SIZE);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                BodyState::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            // Extensions begin with `;` (white space before it is "bad" in RFC 9112, 7.1.1, and refused).
            (BodyState::Size { size, digits: 1.. }, b';') => BodyState::Extensions(size),
            (BodyState::Size { size, digits: 1.. } | BodyState::Extensions(size), b'\r') => BodyState::SizeEnd(size),
            (BodyState::Size { .. }, _) => return Err(SIZE),
            (BodyState::Extensions(_), _) if is_text => self.state,
            (BodyState::SizeEnd(0), b'\n') => {
                self.overhead_left = self.overhead_left.min(CHUNK_OVERHEAD_BYTES);
                BodyState::TrailerStart
            }
            (BodyState::SizeEnd(size), b'\n') => {
                self.data_left = self.data_left.checked_sub(size).ok_or(TOO_LARGE)?;
                BodyState::Chunk(size)
            }
            (BodyState::ChunkReturn, b'\r') => BodyState::ChunkEnd,
            (BodyState::ChunkReturn, _) => return Err(Rejection::new(400, "a chunk is longer than it says")),
            (BodyState::ChunkEnd, b'\n') => BodyState::Size { size: 0, digits: 0 },
            (BodyState::TrailerStart, b'\r') => BodyState::LastEnd,
            (BodyState::TrailerName, b':') => BodyState::TrailerValue,
            (BodyState::TrailerStart | BodyState::TrailerName, _) if is_token(byte) => BodyState::TrailerName,
            (BodyState::TrailerStart | BodyState::TrailerName, _) => return Err(TRAILER),
            (BodyState::TrailerValue, b'\r') => BodyState::TrailerEnd,
            (BodyState::TrailerValue, _) if is_text => self.state,
            (BodyState::TrailerEnd, b'\n') => BodyState::TrailerStart,
            (BodyState::LastEnd, b'\n') => BodyState::Done,
            _ => return Err(LINE),
        };
        self.line += 1;
        if self.line > LINE_BYTES || self.overhead_left == 0 {
            return Err(Rejection::new(413, "chunked body with too much between its data"));
        }
        self.overhead_left -= 1;
        if byte == b'\n' {
            self.line = 0;
        }
        Ok(())
    }
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
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
    fn a_stream_of_small_chunks_has_no_end_but_its_trailers_have() {
        let chunks = b"1\r\nx\r\n".repeat(CHUNK_OVERHEAD_BYTES);
        let trailers = b"a: b\r\n".repeat(CHUNK_OVERHEAD_BYTES);
        let mut decoder = BodyDecoder::streaming(Framing::Chunked, u64::MAX);
        let mut length = 0;
        let mut bytes = &chunks[..];
        while let Some(piece) = decoder.next(&mut bytes).unwrap() {
            assert_eq!(piece, Piece::Data(b"x"));
            length += 1;
        }
        assert_eq!(length, CHUNK_OVERHEAD_BYTES);
        assert_eq!(decoder.next(&mut &b"0\r\nA: b\r\n"[..]), Ok(Some(Piece::Trailer(b"A: b\r\n"))));
        assert_eq!(decoder.next(&mut &trailers[..]).unwrap_err().status.0, 413);
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
