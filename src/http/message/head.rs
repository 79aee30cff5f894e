//! A request head, read strictly.
//!
//! What is accepted is what RFC 9112 allows and no proxy reads differently. Field lines are parsed by `httparse`;
//! line ends, the request line, Host and the framing fields are checked here, where leniency is how requests get
//! smuggled.

use std::str::FromStr;

use tiny_http::Method;

use crate::http::bounds::{HEAD_BYTES, TARGET_BYTES};
use crate::http::message::fields::{FieldSlots, Fields, fields};
use crate::http::message::rejection::Rejection;

/// The versions we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    Empty,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks, until the empty one.
    Chunked,
    /// All that comes until the connection ends: only answers are.
    UntilClose,
}

/// A checked request head. Everything borrows from the bytes it was read from.
#[derive(Debug)]
pub struct Head<'b> {
    /// What to do.
    pub method: Method,
    /// In which version of the protocol.
    pub version: HttpVersion,
    /// The request target as sent, in origin form (path and query), or `*`.
    pub target: &'b [u8],
    /// The fields, in the order sent.
    pub fields: Fields<'b>,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Finds the end of a head as its bytes come in, looking at each byte once.
///
/// Bytes that can be in no head (a bare CR or LF, NUL) are told at once, not when the end is found: a client that
/// ends its lines with LF alone would otherwise wait for its deadline.
#[derive(Debug, Default)]
pub struct EndFinder {
    looked_at: usize,
    lines: usize,
    /// Where the current line began.
    line_start: usize,
}

impl EndFinder {
    /// Looks at what came in since the last call. `bytes` always starts at the head's first byte. Returns the length
    /// of the head, its empty line included, once it is whole.
    ///
    /// # Errors
    /// When the bytes can be no head, or are too many.
    pub fn look(&mut self, bytes: &[u8]) -> Result<Option<usize>, Rejection> {
        while let Some(&byte) = bytes.get(self.looked_at) {
            let at = self.looked_at;
            let after_cr = at > self.line_start && bytes[at - 1] == b'\r';
            if at >= HEAD_BYTES {
                return Err(self.too_long());
            }
            self.looked_at += 1;
            match byte {
                b'\n' if !after_cr => return Err(Rejection::bad("line feed without carriage return")),
                b'\n' => {
                    let empty = at == self.line_start + 1;
                    self.line_start = at + 1;
                    if !empty {
                        self.lines += 1;
                    } else if self.lines > 0 {
                        return Ok(Some(at + 1));
                    }
                    // An empty line before the request line is skipped, as RFC 9112, 2.2, asks.
                }
                _ if after_cr => return Err(Rejection::bad("carriage return without line feed")),
                0 => return Err(Rejection::bad("NUL byte in the head")),
                _ => {}
            }
        }
        if bytes.len() >= HEAD_BYTES { Err(self.too_long()) } else { Ok(None) }
    }

    fn too_long(&self) -> Rejection {
        if self.lines == 0 {
            Rejection::new(414, "request target longer than 8 KiB")
        } else {
            Rejection::new(431, "request head longer than 16 KiB")
        }
    }
}

/// The parts of a request head, before it is asked what they mean.
#[derive(Debug)]
pub struct RawHead<'b> {
    /// The method: a token.
    pub method: &'b str,
    /// The request target as sent, without blanks and control characters.
    pub target: &'b [u8],
    /// In which version of the protocol.
    pub version: HttpVersion,
    /// The fields, in the order sent.
    pub fields: Fields<'b>,
}

impl<'b> RawHead<'b> {
    /// Takes a whole head apart, empty line included, as [`EndFinder`] delimits it.
    ///
    /// # Errors
    /// When it is not exactly what RFC 9112 asks for, with the status that says so.
    pub fn parse(bytes: &'b [u8], slots: &'b mut FieldSlots<'b>) -> Result<Self, Rejection> {
        let mut bytes = bytes;
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        let line_end =
            bytes.windows(2).position(|pair| pair == b"\r\n").ok_or(Rejection::bad("unfinished request line"))?;
        let (line, rest) = (&bytes[..line_end], &bytes[line_end + 2..]);
        let (method, target, version) = request_line(line)?;
        Ok(Self { method, target, version, fields: fields(rest, slots)? })
    }
}

impl<'b> Head<'b> {
    /// Checks a whole head, empty line included, as [`EndFinder`] delimits it.
    ///
    /// # Errors
    /// When it is not exactly what RFC 9112 asks for, with the status that says so.
    pub fn parse(bytes: &'b [u8], slots: &'b mut FieldSlots<'b>) -> Result<Self, Rejection> {
        let RawHead { method, target, version, fields } = RawHead::parse(bytes, slots)?;
        let method = Method::from_str(method).map_err(|()| METHOD)?;
        let target = check_target(&method, target)?;
        check_host(&fields, version)?;
        let framing = framing(&fields, version)?;
        let keep_alive = keeps_alive(&fields, version);
        let expects_continue = match fields.first("expect") {
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
                version == HttpVersion::Http11 && framing != Framing::Empty
            }
            Some(_) => return Err(Rejection::new(417, "the only expectation met is 100-continue")),
            None => false,
        };
        Ok(Self { method, version, target, fields, framing, keep_alive, expects_continue })
    }
}

const METHOD: Rejection = Rejection::bad("the method is not a token");

/// Whether who sent these fields lets the connection live on.
pub fn keeps_alive(fields: &Fields<'_>, version: HttpVersion) -> bool {
    let is_kept = version == HttpVersion::Http11 || fields.lists("connection", "keep-alive");
    is_kept && !fields.lists("connection", "close")
}

/// `METHOD SP target SP HTTP/1.x`, with exactly one space at each place.
fn request_line(line: &[u8]) -> Result<(&str, &[u8], HttpVersion), Rejection> {
    let mut words = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Rejection::bad("the request line is not: method, target, version"));
    };
    let method =
        std::str::from_utf8(method).ok().filter(|name| !name.is_empty() && name.bytes().all(is_token)).ok_or(METHOD)?;
    let version = match version {
        b"HTTP/1.1" => HttpVersion::Http11,
        b"HTTP/1.0" => HttpVersion::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(Rejection::new(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"));
        }
        _ => return Err(Rejection::bad("malformed HTTP version")),
    };
    if target.len() > TARGET_BYTES {
        return Err(Rejection::new(414, "request target longer than 8 KiB"));
    }
    // Bytes of 0x80 and up are let through: people type é into curl, and the original took it.
    if target.is_empty() || target.iter().any(|&b| b <= b' ' || b == 0x7f) {
        return Err(Rejection::bad("control character in the request target"));
    }
    Ok((method, target, version))
}

/// The host that a target in absolute form names, and what follows it: nothing, a path, or a query.
pub fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    const SCHEME: &[u8] = b"http://";
    let (scheme, rest) = target.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    Some(rest.split_at(rest.iter().position(|&b| b == b'/' || b == b'?').unwrap_or(rest.len())))
}

/// Brings the target to origin form: `/path?query`, or `*` for OPTIONS.
fn check_target<'b>(method: &Method, target: &'b [u8]) -> Result<&'b [u8], Rejection> {
    if *method == Method::Connect {
        return Err(Rejection::new(501, "this is no proxy: CONNECT is not implemented"));
    }
    if target[0] == b'/' || (target == b"*" && *method == Method::Options) {
        return Ok(target);
    }
    let (authority, path) =
        absolute_form(target).ok_or(Rejection::bad("the request target is neither a path nor an http URL"))?;
    if authority.is_empty() || !is_authority(authority) {
        return Err(Rejection::bad("malformed host in the request target"));
    }
    match path.first() {
        Some(b'/') => Ok(path),
        None => Ok(b"/"),
        Some(_) => Err(Rejection::bad("the request target has a query but no path")),
    }
}

fn check_host(fields: &Fields<'_>, version: HttpVersion) -> Result<(), Rejection> {
    let mut hosts = fields.all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_authority(host) => Ok(()),
        (Some(_), None) => Err(Rejection::bad("malformed Host field")),
        (Some(_), Some(_)) => Err(Rejection::bad("more than one Host field")),
        (None, _) if version == HttpVersion::Http11 => Err(Rejection::bad("no Host field")),
        (None, _) => Ok(()),
    }
}

/// Whether `text` is `host` or `host:port` as RFC 3986 writes it, without user information; empty is allowed.
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|&b| b == b':') {
        Some(colon) if !text.ends_with(b"]") => (&text[..colon], &text[colon + 1..]),
        _ => (text, &b""[..]),
    };
    let host_is_sound = match host.strip_prefix(b"[").map(|inner| inner.strip_suffix(b"]")) {
        Some(Some(literal)) => literal.iter().all(|&b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'%')),
        Some(None) => false,
        None => host.iter().all(|&b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b)),
    };
    host_is_sound && port.iter().all(u8::is_ascii_digit)
}

/// Where a body ends, as its fields declare it: [`Framing::Empty`] where none does.
pub fn framing(fields: &Fields<'_>, version: HttpVersion) -> Result<Framing, Rejection> {
    let mut codings = fields.all("transfer-encoding");
    let mut lengths = fields.all("content-length");
    if let Some(coding) = codings.next() {
        if version == HttpVersion::Http10 {
            return Err(Rejection::bad("Transfer-Encoding in HTTP/1.0"));
        }
        if lengths.next().is_some() {
            return Err(Rejection::bad("both Transfer-Encoding and Content-Length"));
        }
        if codings.next().is_some() {
            return Err(Rejection::bad("more than one Transfer-Encoding field"));
        }
        return transfer_coding(coding);
    }
    let Some(first) = lengths.next() else { return Ok(Framing::Empty) };
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
        return Err(Rejection::bad("malformed Content-Length"));
    }
    if lengths.any(|other| other != first) {
        return Err(Rejection::bad("Content-Length fields that differ"));
    }
    // More digits than 64 bits hold is a length like any other: too long.
    let length = std::str::from_utf8(first).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
    Ok(if length == 0 { Framing::Empty } else { Framing::Length(length) })
}

/// Exactly `chunked`, or the reason why not: an unknown coding is 501, anything else that is odd is 400.
fn transfer_coding(value: &[u8]) -> Result<Framing, Rejection> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let unknown = |item: &[u8]| {
        let item = item.trim_ascii();
        !item.is_empty() && item.iter().copied().all(is_token) && !item.eq_ignore_ascii_case(b"chunked")
    };
    if value.split(|&b| b == b',').any(unknown) {
        return Err(Rejection::new(501, "the only transfer coding known is chunked"));
    }
    Err(Rejection::bad("malformed Transfer-Encoding"))
}

/// Whether `byte` may stand in a token (RFC 9110, 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
