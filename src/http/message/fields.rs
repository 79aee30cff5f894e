//! The fields of a head, or of a trailer section.

use std::ops::Range;

use crate::http::bounds::HEAD_FIELDS;
use crate::http::message::rejection::Rejection;

/// Room for the fields of one head. It is lent to who parses the head, because it is too large to be moved about with it.
pub struct FieldSlots<'b>([httparse::Header<'b>; HEAD_FIELDS]);

impl Default for FieldSlots<'_> {
    fn default() -> Self {
        Self([httparse::EMPTY_HEADER; HEAD_FIELDS])
    }
}

/// The fields of a head.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b> {
    fields: &'b [httparse::Header<'b>],
    /// What they were read from.
    block: &'b [u8],
}

impl<'b> Fields<'b> {
    /// Name and value of each field, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + '_ {
        self.fields.iter().map(|field| (field.name, field.value))
    }

    /// Appends those that are `wanted`, as `Name: value` and a line end each.
    pub fn write(&self, out: &mut Vec<u8>, wanted: impl Fn(&'b str) -> bool) {
        // Lines that follow each other, and that came as they would be written, go in one piece.
        let mut run = 0..0;
        for field in self.fields.iter().filter(|field| wanted(field.name)) {
            match self.plain_line(field) {
                Some(line) if line.start == run.end => run.end = line.end,
                line => {
                    out.extend_from_slice(&self.block[run]);
                    run = line.unwrap_or_else(|| {
                        for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
                            out.extend_from_slice(part);
                        }
                        0..0
                    });
                }
            }
        }
        out.extend_from_slice(&self.block[run]);
    }

    /// Where the line of a field is in the block, if it is `Name: value` to the byte.
    fn plain_line(&self, field: &httparse::Header<'_>) -> Option<Range<usize>> {
        let place = |part: &[u8]| part.as_ptr().addr().checked_sub(self.block.as_ptr().addr());
        let (start, value) = (place(field.name.as_bytes())?, place(field.value)?);
        let (name_end, value_end) = (start + field.name.len(), value + field.value.len());
        let is_plain = value == name_end + 2
            && self.block.get(name_end..value) == Some(b": ")
            && self.block.get(value_end..value_end + 2) == Some(b"\r\n");
        is_plain.then_some(start..value_end + 2)
    }

    /// The values of all fields called `name`, in the order sent.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'b [u8]> + 'a {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The value of the first field called `name`.
    pub fn first(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// Whether a comma-separated list field called `name` contains `token`, in any case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// The fields of a head, or of a trailer section, empty line included.
pub fn fields<'b>(block: &'b [u8], slots: &'b mut FieldSlots<'b>) -> Result<Fields<'b>, Rejection> {
    let fields = match httparse::parse_headers(block, &mut slots.0) {
        Ok(httparse::Status::Complete((length, fields))) if length == block.len() => fields,
        Ok(_) => return Err(Rejection::bad("malformed header field")),
        Err(httparse::Error::TooManyHeaders) => return Err(Rejection::new(431, "more than 64 header fields")),
        Err(httparse::Error::HeaderName) => return Err(Rejection::bad("malformed header field name")),
        Err(httparse::Error::HeaderValue) => return Err(Rejection::bad("malformed header field value")),
        Err(_) => return Err(Rejection::bad("malformed header field")),
    };
    if fields.iter().any(|field| field.name.is_empty()) {
        return Err(Rejection::bad("empty header field name"));
    }
    Ok(Fields { fields, block })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(block: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut slots = FieldSlots::default();
        let mut out = b"before ".to_vec();
        fields(block.as_bytes(), &mut slots).unwrap().write(&mut out, wanted);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_written_in_one_way_however_they_came() {
        let sent = "A: 1\r\nB: 2\r\nC:3\r\nD:   4\r\nE: 5 \r\nF:\r\nG: \r\nH: 8: 9\r\nA: 1\r\nI: \r\n\r\n";
        let all = [("A", "1"), ("B", "2"), ("C", "3"), ("D", "4"), ("E", "5"), ("F", ""), ("G", ""), ("H", "8: 9")];
        let all = [&all[..], &[("A", "1"), ("I", "")]].concat();
        // Each set of them that is left out: lines before and behind it stay whole.
        for set in 0..1 << 9 {
            let is_wanted = |name: &str| set >> (name.as_bytes()[0] - b'A') & 1 == 0;
            let lines =
                all.iter().filter(|(name, _)| is_wanted(name)).map(|(name, value)| format!("{name}: {value}\r\n"));
            assert_eq!(written(sent, is_wanted), format!("before {}", lines.collect::<String>()));
        }
    }
}
