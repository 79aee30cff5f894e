//! The client's side of HTTP: one request, one answer, everything against a deadline.
//!
//! Used by `testero health` and the command line. Their server is a testero, but what answers at an address may be
//! anything, so heads, bodies and lines have bounds as well.

mod url;

pub use url::{Url, with_port};

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use httparse::{EMPTY_HEADER, Status};

/// Most bytes of an answer's head.
const HEAD_BYTES: u64 = 64 * 1024;
/// Most fields of it.
const HEAD_FIELDS: usize = 64;
/// Most bytes of an answer's body, or of a line of one that comes in lines.
const BODY_BYTES: u64 = 4 << 20;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// What the service is called, for its Host field.
    pub authority: &'a str,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The token, where the service may want one.
    pub token: Option<&'a str>,
    /// How long it may take until it is sent, and how long any silence after that.
    pub patience: Duration,
    /// Until when the answer must be there.
    pub deadline: Option<Instant>,
}

/// Where lines go.
pub type Lines<'l> = &'l mut dyn FnMut(&[u8]);
/// Where pieces go; an error ends the reading.
pub type BodyPieces<'p> = &'p mut dyn FnMut(&[u8]) -> io::Result<()>;

/// What becomes of a body.
pub enum Taker<'t> {
    /// It is kept whole, within its bound.
    Whole,
    /// Where the body of what is no error comes in chunks, each of its lines is handed on as soon as it is there. What
    /// comes otherwise is kept.
    Lines(Lines<'t>),
    /// The body of what is done (2xx) is handed on as it comes, without a bound but the deadline. Others are kept.
    BodyPieces(BodyPieces<'t>),
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// The words that it has for it.
    pub reason: String,
    /// Its body; what was handed on is not there any more.
    pub body: Vec<u8>,
    /// Whether it came in lines.
    pub in_lines: bool,
}

impl Exchange<'_> {
    /// Asks the first of these addresses that takes the connection.
    ///
    /// # Errors
    /// When none does, or what comes is no answer in time.
    pub fn of(&self, addresses: &[SocketAddr]) -> io::Result<Reply> {
        self.taken(addresses, Taker::Whole)
    }

    /// The same, with somebody who takes the body.
    ///
    /// # Errors
    /// When none does, what comes is no answer in time, or the taker has an error.
    pub fn taken(&self, addresses: &[SocketAddr], taker: Taker<'_>) -> io::Result<Reply> {
        let mut trouble = io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", self.authority));
        for address in addresses {
            match TcpStream::connect_timeout(address, self.left()?) {
                Ok(stream) => return self.talk(stream, taker).map_err(in_words),
                Err(error) => trouble = in_words(error),
            }
        }
        Err(trouble)
    }

    /// How long the next wait may be.
    fn left(&self) -> io::Result<Duration> {
        let Some(deadline) = self.deadline else { return Ok(self.patience) };
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        left.map(|left| left.min(self.patience)).ok_or_else(late)
    }

    fn talk(&self, mut stream: TcpStream, taker: Taker<'_>) -> io::Result<Reply> {
        let Self { authority, method, target, token, .. } = self;
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let slash = if target.starts_with('/') { "" } else { "/" };
        let length = if matches!(*method, "POST" | "PUT") { "Content-Length: 0\r\n" } else { "" };
        stream.set_write_timeout(Some(self.left()?))?;
        let request = format!(
            "{method} {slash}{target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: testero\r\nAccept: */*\r\n{token}{length}\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut reader = BufReader::with_capacity(4096, Patient { stream, ask: self });
        let head = read_head(&mut reader)?;
        let (mut body, mut in_lines) = (Vec::new(), false);
        // RFC 9110: these have none, whatever their fields say.
        let length = if *method == "HEAD" || matches!(head.status, 204 | 304) { Length::Bytes(0) } else { head.length };
        match (length, taker) {
            (Length::Chunked, Taker::Lines(line)) if head.status < 400 => {
                in_lines = true;
                read_lines(&mut reader, line)?;
            }
            (length, Taker::BodyPieces(piece)) if (200..300).contains(&head.status) => match length {
                Length::Chunked => read_chunks(&mut reader, piece)?,
                Length::Bytes(length) => {
                    if hand_on(&mut reader, length, piece)? > 0 {
                        return Err(cut_short());
                    }
                }
                Length::UntilEnd => drop(hand_on(&mut reader, u64::MAX, piece)?),
            },
            // A proxy may send any body so.
            (Length::Chunked, _) => read_chunks(&mut reader, &mut |piece| {
                let room = (BODY_BYTES as usize).saturating_sub(body.len());
                body.extend_from_slice(&piece[..piece.len().min(room)]);
                Ok(())
            })?,
            (Length::Bytes(length), _) if length > BODY_BYTES => return Err(not_http("its answer is too long")),
            (Length::Bytes(length), _) => {
                reader.take(length).read_to_end(&mut body)?;
                if (body.len() as u64) < length {
                    return Err(cut_short());
                }
            }
            (Length::UntilEnd, _) => drop(reader.take(BODY_BYTES).read_to_end(&mut body)?),
        }
        Ok(Reply { status: head.status, reason: head.reason, body, in_lines })
    }
}

/// A stream that is read against the deadline.
struct Patient<'a> {
    stream: TcpStream,
    ask: &'a Exchange<'a>,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.ask.left()?))?;
        self.stream.read(buffer)
    }
}

struct ReplyHead {
    status: u16,
    reason: String,
    length: Length,
}

enum Length {
    Bytes(u64),
    Chunked,
    UntilEnd,
}

fn read_head(reader: &mut impl BufRead) -> io::Result<ReplyHead> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if reader.take(HEAD_BYTES - bytes.len() as u64).read_until(b'\n', &mut bytes)? == 0 {
            return Err(not_http("the answer is not HTTP"));
        }
    }
    let mut fields = [EMPTY_HEADER; HEAD_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let (Ok(Status::Complete(_)), Some(status)) = (head.parse(&bytes), head.code) else {
        return Err(not_http("the answer is not HTTP"));
    };
    let value = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|f| f.value);
    let length = match (value("Transfer-Encoding"), value("Content-Length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => Length::Chunked,
        (Some(_), _) => return Err(not_http("the answer has a transfer coding that nobody asked for")),
        (None, Some(length)) => {
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
            Length::Bytes(length.ok_or_else(|| not_http("the answer's length is no number"))?)
        }
        (None, None) => Length::UntilEnd,
    };
    Ok(ReplyHead { status, reason: head.reason.unwrap_or_default().to_owned(), length })
}

/// Hands on so many bytes as they come; says how many are missing when there are no more.
fn hand_on(reader: &mut impl BufRead, mut length: u64, piece: BodyPieces<'_>) -> io::Result<u64> {
    while length > 0 {
        let bytes = match reader.fill_buf() {
            // A process that was stopped and goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        if bytes.is_empty() {
            break;
        }
        let count = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        piece(&bytes[..count])?;
        reader.consume(count);
        length -= count as u64;
    }
    Ok(length)
}

/// Reads a body that comes in chunks, and hands on what is in them.
fn read_chunks(reader: &mut impl BufRead, piece: BodyPieces<'_>) -> io::Result<()> {
    let mut size = Vec::new();
    loop {
        size.clear();
        reader.take(64).read_until(b'\n', &mut size)?;
        let Ok(Status::Complete((_, length))) = httparse::parse_chunk_size(&size) else { return Err(cut_short()) };
        if length == 0 {
            return Ok(());
        }
        if hand_on(reader, length, piece)? > 0 || reader.read_exact(&mut [0; 2]).is_err() {
            return Err(cut_short());
        }
    }
}

/// Reads a body that comes in chunks, and hands on its lines.
fn read_lines(reader: &mut impl BufRead, line: Lines<'_>) -> io::Result<()> {
    let mut pending = Vec::new();
    read_chunks(reader, &mut |piece| {
        if (pending.len() + piece.len()) as u64 > BODY_BYTES {
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

fn not_http(words: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short")
}

/// The kernel's word for a time-out on a socket is "resource temporarily unavailable".
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => late(),
        _ => error,
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// What is made of an answer, and the lines of it.
    fn answered(answer: Vec<u8>) -> (io::Result<Reply>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let count = stream.read(&mut request).unwrap();
            let _ = stream.write_all(&answer);
            String::from_utf8(request[..count].to_vec()).unwrap()
        });
        let patience = Duration::from_secs(20);
        let ask = Exchange {
            authority: "host:1",
            method: "GET",
            target: "x",
            token: Some("secret"),
            patience,
            deadline: None,
        };
        let mut lines = Vec::new();
        let reply =
            ask.taken(&[address], Taker::Lines(&mut |line| lines.push(String::from_utf8_lossy(line).into_owned())));
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /x HTTP/1.1\r\nHost: host:1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer secret\r\n"));
        (reply, lines)
    }

    #[test]
    fn bodies_come_in_three_ways() {
        for (answer, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 200, "abc"),
            ("HTTP/1.0 404 Not Found\r\n\r\nuntil the end", 404, "until the end"),
            ("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", 204, ""),
        ] {
            let (reply, lines) = answered(answer.into());
            let reply = reply.unwrap();
            assert_eq!((reply.status, String::from_utf8(reply.body).unwrap().as_str()), (status, body));
            assert!(lines.is_empty());
        }
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n8;x=y\r\n\ntwo\nthr\r\n2\r\nee\r\n0\r\n\r\n";
        let (reply, lines) = answered(chunks.into());
        assert_eq!((reply.unwrap().status, lines), (200, vec!["one".into(), "two".into(), "three".into()]));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for answer in [
            "",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab",
        ] {
            assert!(answered(answer.into()).0.is_err(), "{answer}");
        }
        let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; 100_000]].concat();
        assert!(answered(endless).0.is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            known in proptest::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100),
        ) {
            let mut all = known.as_bytes().to_vec();
            all.extend(bytes);
            let mut reader = &all[..];
            if read_head(&mut reader).is_ok() {
                let _ = read_lines(&mut reader, &mut |_| ());
            }
        }
    }

    #[test]
    fn wrong_urls_are_told() {
        for url in ["", "https://x/", "http://", "http:///x", "http://a b/", "localhost:8080"] {
            assert_eq!(Url::parse(url).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{url}");
        }
        assert_eq!(Url::parse("http://[::1]:80?x").unwrap(), Url { authority: "[::1]:80", path: "?x" });
        for (authority, port) in [("127.0.0.1", 80), ("127.0.0.1:81", 81), ("[::1]", 80), ("[::1]:82", 82)] {
            assert_eq!(Url { authority, path: "" }.addresses(Instant::now()).unwrap()[0].port(), port);
        }
    }

    #[test]
    fn nobody_there_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let patience = Duration::from_secs(20);
        let ask = Exchange { authority: "x", method: "GET", target: "/", token: None, patience, deadline: None };
        assert!(ask.of(&[free]).is_err());
        assert_eq!(ask.of(&[]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (patience, deadline) = (Duration::from_secs(20), Some(Instant::now() + Duration::from_millis(50)));
        let ask = Exchange { authority: "x", method: "GET", target: "/", token: None, patience, deadline };
        assert_eq!(ask.of(&[address]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
