//! Replies of a Redis, read while their bytes come in.
//!
//! The format is RESP2 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): lines that end with CR LF, of which
//! the first byte says what follows. `+` a string, `-` an error, `:` an integer; `$` the length of a string of any bytes,
//! which follows with CR LF; `*` the number of an array's values, which follow. A length of -1 is no value.
//!
//! A length that is announced costs nothing until its bytes are there, but for a few values of an array: what is read takes
//! at most three times the bytes that came, and some 100 bytes a value.

use std::io;
use std::mem;

use crate::redis::value::{RedisValue, ServerError};

/// Longest reply, in bytes.
pub const REPLY_BYTES: usize = 16 * 1024 * 1024;
/// Longest line, in bytes, its end included. An error names its reason in a few hundred.
const LINE_BYTES: usize = 64 * 1024;
/// How many values a reply has at most, each array being one as well. The largest that is asked for, 32 entries of a
/// stream, has some 400.
const VALUES: usize = 64 * 1024;
/// How many values an array has room for before any of them is there: fields of an entry, and less where fewer come.
const USUAL_VALUES: usize = 8;
/// How deep arrays are at most, their values included. Replies have 4 levels.
const LEVELS: usize = 100;

/// What of one reply is there.
pub(super) struct ReplyReader {
    /// Whether it must be of one line.
    is_line: bool,
    /// How many bytes may still come.
    bytes_left: usize,
    /// How many values may still be announced.
    values_left: usize,
    /// The arrays that are not whole yet, the outermost first.
    arrays: Vec<PartialArray>,
    /// The line, or the string, that is not whole yet.
    partial: Vec<u8>,
    /// How long the string is that is on its way, its CR LF included; none while it is a line.
    string_bytes: Option<usize>,
}

/// An array of which values are missing: at least one.
struct PartialArray {
    values: Vec<RedisValue>,
    missing: usize,
}

impl ReplyReader {
    /// Before a reply of any kind.
    pub(super) fn any() -> Self {
        Self {
            is_line: false,
            bytes_left: REPLY_BYTES,
            values_left: VALUES - 1,
            arrays: Vec::new(),
            partial: Vec::new(),
            string_bytes: None,
        }
    }

    /// Before a reply that has to be one line: an integer, a short string, an error.
    pub(super) fn line() -> Self {
        Self { is_line: true, bytes_left: LINE_BYTES, ..Self::any() }
    }

    /// Takes bytes that came in: up to the end of the reply, or all of them while it is not whole, which is `None`. Reads
    /// one reply: after its end or an error, there is nothing more to read.
    ///
    /// # Errors
    /// When they are no reply, or one beyond the bounds.
    pub(super) fn feed(&mut self, bytes: &mut &[u8]) -> io::Result<Option<RedisValue>> {
        while !bytes.is_empty() {
            let value = match self.string_bytes {
                Some(wanted) => self.feed_string(bytes, wanted)?,
                None => self.feed_line(bytes)?,
            };
            if let Some(reply) = value.and_then(|value| self.place(value)) {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// A value that is a line, if that ends here.
    fn feed_line(&mut self, bytes: &mut &[u8]) -> io::Result<Option<RedisValue>> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let piece = self.take(bytes, end.map_or(bytes.len(), |end| end + 1))?;
        if self.partial.len() + piece.len() > LINE_BYTES {
            return Err(invalid("a line of the reply is too long"));
        }
        self.partial.extend_from_slice(piece);
        match self.partial[0] {
            b'+' | b'-' | b':' => {}
            b'$' | b'*' if !self.is_line => {}
            _ => return Err(invalid("the answer is no reply to the command")),
        }
        if end.is_none() {
            return Ok(None);
        }
        let line = mem::take(&mut self.partial);
        let Some(line) = line.strip_suffix(b"\r\n") else { return Err(invalid("the reply has a line without CR")) };
        let (kind, rest) = (line[0], &line[1..]);
        let text = String::from_utf8_lossy(rest);
        match kind {
            b'+' => Ok(Some(RedisValue::SimpleString(text.into_owned()))),
            b'-' => Ok(Some(RedisValue::Error(ServerError::of_line(&text)))),
            b':' => match text.parse() {
                Ok(number) => Ok(Some(RedisValue::Int(number))),
                Err(_) => Err(invalid("a number in the reply is none")),
            },
            _ if rest == b"-1" => Ok(Some(RedisValue::Nil)),
            b'$' => self.begin_string(length(&text)?),
            _ => self.begin_array(length(&text)?),
        }
    }

    fn begin_string(&mut self, length: usize) -> io::Result<Option<RedisValue>> {
        let wanted = length.saturating_add(2);
        if wanted > self.bytes_left {
            return Err(invalid("the reply is too long"));
        }
        self.string_bytes = Some(wanted);
        Ok(None)
    }

    fn begin_array(&mut self, length: usize) -> io::Result<Option<RedisValue>> {
        if length == 0 {
            return Ok(Some(RedisValue::Array(Vec::new())));
        }
        // Its values are a level below it.
        if self.arrays.len() + 2 > LEVELS {
            return Err(invalid("the reply has too many levels"));
        }
        let left = self.values_left.checked_sub(length);
        self.values_left = left.ok_or_else(|| invalid("the reply has too many values"))?;
        let values = Vec::with_capacity(length.min(USUAL_VALUES));
        self.arrays.push(PartialArray { values, missing: length });
        Ok(None)
    }

    /// A string, if it ends here.
    fn feed_string(&mut self, bytes: &mut &[u8], wanted: usize) -> io::Result<Option<RedisValue>> {
        let there = self.partial.len();
        let piece = self.take(bytes, bytes.len().min(wanted - there))?;
        if self.partial.capacity() - there < piece.len() {
            // Twice what is there, but no more than is said to come.
            self.partial.reserve_exact((there + piece.len()).saturating_mul(2).min(wanted) - there);
        }
        self.partial.extend_from_slice(piece);
        if self.partial.len() < wanted {
            return Ok(None);
        }
        if !self.partial.ends_with(b"\r\n") {
            return Err(invalid("a string in the reply does not end where it should"));
        }
        self.partial.truncate(wanted - 2);
        self.string_bytes = None;
        Ok(Some(RedisValue::BulkString(mem::take(&mut self.partial))))
    }

    /// Puts a value where it belongs: the reply, if it is whole with it.
    fn place(&mut self, mut value: RedisValue) -> Option<RedisValue> {
        loop {
            let Some(mut array) = self.arrays.pop() else { return Some(value) };
            array.values.push(value);
            array.missing -= 1;
            if array.missing > 0 {
                self.arrays.push(array);
                return None;
            }
            value = RedisValue::Array(array.values);
        }
    }

    /// The first of the bytes.
    fn take<'b>(&mut self, bytes: &mut &'b [u8], count: usize) -> io::Result<&'b [u8]> {
        let (piece, rest) = bytes.split_at(count);
        *bytes = rest;
        let words = if self.is_line { "the reply is longer than 64 KiB" } else { "the reply is too long" };
        self.bytes_left = self.bytes_left.checked_sub(count).ok_or_else(|| invalid(words))?;
        Ok(piece)
    }
}

/// How many bytes or values follow.
fn length(digits: &str) -> io::Result<usize> {
    digits.parse::<u32>().map(|count| count as usize).map_err(|_| invalid("a length in the reply is no number"))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
