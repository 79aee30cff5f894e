//! A line for each request: what the load writes, and what is looked through.
//!
//! `MS<TAB>CLIENT<TAB>STATUS<TAB>BODY<LF>`: milliseconds from the beginning of the load to the end of the request, the number
//! of the client from 0, the status of the answer or `-`, and the beginning of its body or why there is no answer.

/// As much of a body is kept.
pub const BODY_BYTES: usize = 4096;
/// More than any line has.
pub const LINE_BYTES: usize = BODY_BYTES + 64;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'b> {
    /// When it was over, in milliseconds since the load began.
    pub at: u64,
    /// Which client's it was.
    pub client: u32,
    /// The status of the answer; `None` where there is none.
    pub status: Option<u16>,
    /// The beginning of the answer's body, or why there is none.
    pub body: &'b [u8],
}

impl<'b> RequestLine<'b> {
    /// Its line, with its end. Control characters become blanks.
    pub fn line(&self) -> Vec<u8> {
        let status = self.status.map_or_else(|| String::from("-"), |status| status.to_string());
        let mut line = format!("{}\t{}\t{status}\t", self.at, self.client).into_bytes();
        let kept = &self.body[..self.body.len().min(BODY_BYTES)];
        line.extend(kept.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }));
        line.push(b'\n');
        line
    }

    /// Reads a line, without its end.
    pub fn parse(line: &'b [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |byte| *byte == b'\t');
        let mut next = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let (at, client, status) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?);
        let status = if status == "-" { None } else { Some(status.parse().ok()?) };
        Some(Self { at, client, status, body: fields.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_four_fields() {
        let line = RequestLine { at: 1234, client: 3, status: Some(200), body: b"a\tb\r\nc\xff" };
        assert_eq!(line.line(), b"1234\t3\t200\ta b  c\xff\n");
        assert_eq!(RequestLine::parse(b"1234\t3\t200\ta b  c\xff"), Some(RequestLine { body: b"a b  c\xff", ..line }));
        let none = RequestLine { at: 0, client: 0, status: None, body: b"" };
        assert_eq!((none.line(), RequestLine::parse(b"0\t0\t-\t")), (b"0\t0\t-\t\n".to_vec(), Some(none)));
        for wrong in ["", "1\t2\t200", "x\t2\t200\t", "1\t-2\t200\t", "1\t2\t99999\t", "1\t2\t\t"] {
            assert_eq!(RequestLine::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_has_its_bound() {
        let body = [b'x'; 100_000];
        let line = RequestLine { at: u64::MAX, client: u32::MAX, status: Some(u16::MAX), body: &body }.line();
        assert!(line.len() <= LINE_BYTES && line.len() > BODY_BYTES);
    }
}
