//! The bytes of a recording, a piece at a time and within bounds.

use std::fmt;
use std::io::{ErrorKind, Read};

/// The longest recording, in bytes: a month of a point a second as Prometheus writes it has more, a fortnight has less.
pub(in crate::scenario) const MOST_BYTES: u64 = 64 << 20;
/// The most lines: as many as there may be points.
pub(in crate::scenario) const MOST_LINES: u32 = 1 << 22;
/// The longest line of a table, in bytes.
const MOST_LINE: usize = 4096;
/// How much is read at a time.
const PIECE: usize = 4096;

/// What is wrong with a recording, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFault {
    /// From 1.
    pub line: u32,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for TraceFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.text)
    }
}

/// Bytes one by one, and the line of the next.
pub(in crate::scenario) struct TraceSource<'r> {
    from: &'r mut dyn Read,
    piece: [u8; PIECE],
    /// The next byte of the piece, and the end of it.
    place: usize,
    end: usize,
    total: u64,
    /// From 1.
    pub(in crate::scenario) line: u32,
}

impl<'r> TraceSource<'r> {
    pub(in crate::scenario) fn new(from: &'r mut dyn Read) -> Self {
        Self { from, piece: [0; PIECE], place: 0, end: 0, total: 0, line: 1 }
    }

    pub(in crate::scenario) fn fault(&self, text: impl Into<String>) -> TraceFault {
        TraceFault { line: self.line, text: text.into() }
    }

    /// The next byte, which stays the next.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, TraceFault> {
        while self.place == self.end {
            match self.from.read(&mut self.piece) {
                Ok(0) => return Ok(None),
                Ok(read) => (self.place, self.end) = (0, read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(error.to_string())),
            }
            self.total += self.end as u64;
            if self.total > MOST_BYTES {
                return Err(self.fault(format!("it is longer than {MOST_BYTES} bytes")));
            }
        }
        Ok(Some(self.piece[self.place]))
    }

    pub(super) fn next(&mut self) -> Result<Option<u8>, TraceFault> {
        let next = self.peek()?;
        if let Some(byte) = next {
            self.place += 1;
            self.line += u32::from(byte == b'\n');
            if self.line > MOST_LINES {
                return Err(self.fault(format!("it has more than {MOST_LINES} lines")));
            }
        }
        Ok(next)
    }
    /// The next line, without its end; false when there is none.
    pub(in crate::scenario) fn next_line(&mut self, line: &mut Vec<u8>) -> Result<bool, TraceFault> {
        line.clear();
        if self.peek()?.is_none() {
            return Ok(false);
        }
        // The end of a line belongs to that line.
        while let Some(byte) = self.peek()? {
            if line.len() == MOST_LINE {
                return Err(self.fault(format!("the line is longer than {MOST_LINE} bytes")));
            }
            self.next()?;
            if byte == b'\n' {
                break;
            }
            line.push(byte);
        }
        Ok(true)
    }
}
