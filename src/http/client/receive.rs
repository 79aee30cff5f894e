//! Receives an answer: its head, then its body as it comes.

use std::io::{self, BufRead};

use crate::http::message::answer::{AnswerHead, begins_interim};
use crate::http::message::body::{BodyDecoder, Piece};
use crate::http::message::fields::FieldSlots;
use crate::http::message::head::{EndFinder, Framing};
use crate::http::message::rejection::Rejection;

/// Most bytes of an answer's body, or of a line of one that comes in lines.
pub(super) const BODY_BYTES: usize = 4 << 20;

/// Most answers that only say that another one follows.
const INTERIM_ANSWERS: usize = 10;

/// Where lines go.
pub type Lines<'l> = &'l mut dyn FnMut(&[u8]);
/// Where pieces go; an error ends the reading.
pub type BodyPieces<'p> = &'p mut dyn FnMut(&[u8]) -> io::Result<()>;

/// More of what comes: nothing at its end. A process that was stopped and goes on is not told of it.
fn more(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

/// Reads the head of the answer into `bytes`: to a HEAD, where it `has_no_body` for that.
pub(super) fn read_head<'b>(
    reader: &mut impl BufRead,
    bytes: &'b mut Vec<u8>,
    has_no_body: bool,
    slots: &'b mut FieldSlots<'b>,
) -> io::Result<AnswerHead<'b>> {
    for _ in 0..=INTERIM_ANSWERS {
        receive_head(reader, bytes)?;
        if !begins_interim(bytes) {
            return AnswerHead::parse(bytes, has_no_body, slots).map_err(refused);
        }
        AnswerHead::parse(bytes, has_no_body, &mut FieldSlots::default()).map_err(refused)?;
    }
    Err(not_http("it says again and again that an answer will follow"))
}

fn receive_head(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    let mut finder = EndFinder::default();
    loop {
        let (before, received) = (bytes.len(), more(reader)?);
        if received.is_empty() {
            return Err(not_http("the answer is not HTTP"));
        }
        bytes.extend_from_slice(received);
        let end = finder.look(bytes).map_err(refused)?;
        bytes.truncate(end.unwrap_or(bytes.len()));
        reader.consume(bytes.len() - before);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Hands on a body as it comes.
pub(super) fn read_body(reader: &mut impl BufRead, framing: Framing, piece: BodyPieces<'_>) -> io::Result<()> {
    let mut decoder = BodyDecoder::streaming(framing, u64::MAX);
    while !decoder.is_done() {
        let received = more(reader)?;
        if received.is_empty() {
            return if decoder.ends_with_connection() { Ok(()) } else { Err(cut_short()) };
        }
        let mut rest = received;
        while let Some(found) = decoder.next(&mut rest).map_err(refused)? {
            if let Piece::Data(data) = found {
                piece(data)?;
            }
        }
        let used = received.len() - rest.len();
        reader.consume(used);
    }
    Ok(())
}

/// Reads a body that comes in chunks, and hands on its lines.
pub(super) fn read_lines(reader: &mut impl BufRead, line: Lines<'_>) -> io::Result<()> {
    let mut pending = Vec::new();
    read_body(reader, Framing::Chunked, &mut |piece| {
        if pending.len() + piece.len() > BODY_BYTES {
            return Err(not_http("a line of its answer is too long"));
        }
        // Each byte is looked at once, and moved once.
        let before = pending.len();
        pending.extend_from_slice(piece);
        let (mut start, mut from) = (0, before);
        while let Some(length) = pending[from..].iter().position(|&byte| byte == b'\n') {
            line(&pending[start..from + length]);
            (start, from) = (from + length + 1, from + length + 1);
        }
        pending.drain(..start);
        Ok(())
    })?;
    if !pending.is_empty() {
        line(&pending);
    }
    Ok(())
}

pub(super) fn refused(rejection: Rejection) -> io::Error {
    not_http(rejection.reason)
}

pub(super) fn not_http(words: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

pub(super) fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short")
}
