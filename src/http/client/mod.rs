//! The client's side of HTTP: one request, one answer, everything against a deadline.
//!
//! Used by `testero health` and the command line. Their server is a testero, but what answers at an address may be
//! anything, so heads, bodies and lines have bounds as well.

mod connections;
mod receive;
mod url;

pub use connections::Connections;
pub use receive::{BodyPieces, Lines};
pub use url::{Url, with_port};

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::http::client::receive::{BODY_BYTES, not_http, read_body, read_head, read_lines};
use crate::http::message::fields::FieldSlots;
use crate::http::message::head::Framing;

/// How much is received at a time.
const BUFFER_BYTES: usize = 4096;
/// How much of a body is sent at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// A request.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// What the service is called, for its Host field.
    pub authority: &'a str,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The token, where the service may want one.
    pub token: Option<&'a str>,
    /// Where the connection may come from, and stay for the next request.
    pub connections: Option<&'a Connections>,
    /// How long it may take until it is sent, and how long any silence after that.
    pub patience: Duration,
    /// Until when the answer must be there.
    pub deadline: Option<Instant>,
}

/// What becomes of a body.
pub enum Taker<'t> {
    /// It is kept whole, within its bound.
    Whole,
    /// Where the body of what is no error comes in chunks, each of its lines is handed on as soon as it is there. What
    /// comes otherwise is kept.
    Lines(Lines<'t>),
    /// The body of what is done (2xx) is handed on as it comes, without a bound but the deadline. Others are kept.
    BodyPieces(BodyPieces<'t>),
    /// So many bytes of it are kept; where there are more, the rest is not received, and the connection not used again.
    Beginning(usize),
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
    /// Asks the first of these addresses that takes the connection, and waits for the status alone.
    ///
    /// # Errors
    /// When none does, or what comes is no answer in time.
    pub fn status(&self, addresses: &[SocketAddr]) -> io::Result<u16> {
        self.status_after(&[], addresses)
    }

    /// The same, where a connection begins with these bytes: few enough for an empty socket.
    ///
    /// # Errors
    /// When no address takes the connection, or what comes is no answer in time.
    pub fn status_after(&self, greeting: &[u8], addresses: &[SocketAddr]) -> io::Result<u16> {
        let (_, stream) = self.connect(addresses)?;
        let status = || {
            if !greeting.is_empty() {
                (&stream).write_all(greeting)?;
            }
            self.send(&stream, &[])?;
            let mut head = Vec::new();
            let mut reader = BufReader::with_capacity(BUFFER_BYTES, Patient { stream: &stream, ask: self });
            read_head(&mut reader, &mut head, false, &mut FieldSlots::default()).map(|head| head.status.0)
        };
        status().map_err(in_words)
    }

    /// The same, with somebody who takes the body.
    ///
    /// # Errors
    /// When none does, what comes is no answer in time, or the taker has an error.
    pub fn taken(&self, addresses: &[SocketAddr], mut taker: Taker<'_>) -> io::Result<Reply> {
        if let Some((address, stream)) = self.kept(addresses) {
            match self.talk(address, stream, &[], &mut taker) {
                // The server has closed it in this very moment, as it may.
                Err(trouble) if !trouble.is_answered && is_closed(&trouble.error) => {}
                answered => return answered.map_err(|trouble| in_words(trouble.error)),
            }
        }
        self.given(addresses, &[], taker)
    }

    /// The same, over a new connection and with a body.
    ///
    /// # Errors
    /// When none does, what comes is no answer in time, or the taker has an error.
    pub fn given(&self, addresses: &[SocketAddr], body: &[u8], mut taker: Taker<'_>) -> io::Result<Reply> {
        let (address, stream) = self.connect(addresses)?;
        self.talk(address, stream, body, &mut taker).map_err(|trouble| in_words(trouble.error))
    }

    /// The same, but it is never sent twice. A connection that was kept may be closed in this very moment; then nobody knows
    /// whether the request was done, which is an error.
    ///
    /// # Errors
    /// When no address takes the connection, or what comes is no answer in time.
    pub fn taken_once(&self, addresses: &[SocketAddr], mut taker: Taker<'_>) -> io::Result<Reply> {
        let kept = self.connections.and_then(|connections| connections.take(addresses));
        let (address, stream) = kept.map_or_else(|| self.connect(addresses), Ok)?;
        self.talk(address, stream, &[], &mut taker).map_err(|trouble| in_words(trouble.error))
    }

    fn connect(&self, addresses: &[SocketAddr]) -> io::Result<(SocketAddr, TcpStream)> {
        let mut trouble = io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", self.authority));
        for address in addresses {
            match TcpStream::connect_timeout(address, self.left()?) {
                Ok(stream) => return Ok((*address, stream)),
                Err(error) => trouble = in_words(error),
            }
        }
        Err(trouble)
    }

    /// A connection that was kept. It may be closed before it is used: only what may be done twice is sent on one.
    fn kept(&self, addresses: &[SocketAddr]) -> Option<(SocketAddr, TcpStream)> {
        let connections = self.connections.filter(|_| matches!(self.method, "GET" | "HEAD" | "PUT" | "DELETE"));
        connections.and_then(|connections| connections.take(addresses))
    }

    /// How long the next wait may be.
    fn left(&self) -> io::Result<Duration> {
        let Some(deadline) = self.deadline else { return Ok(self.patience) };
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        left.map(|left| left.min(self.patience)).ok_or_else(late)
    }

    fn talk(
        &self,
        address: SocketAddr,
        stream: TcpStream,
        body: &[u8],
        taker: &mut Taker<'_>,
    ) -> Result<Reply, FailedExchange> {
        let unanswered = |error| FailedExchange { error, is_answered: false };
        self.send(&stream, body).map_err(unanswered)?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, Patient { stream: &stream, ask: self });
        // From its first byte on.
        match reader.fill_buf() {
            Ok([]) => return Err(unanswered(not_http("the answer is not HTTP"))),
            Ok(_) => {}
            Err(error) => return Err(unanswered(error)),
        }
        let (reply, lives_on) =
            self.answer(&mut reader, taker).map_err(|error| FailedExchange { error, is_answered: true })?;
        // What came behind the answer answers nothing.
        if let Some(connections) = self.connections.filter(|_| lives_on && reader.buffer().is_empty()) {
            connections.keep(address, stream);
        }
        Ok(reply)
    }

    fn send(&self, mut stream: &TcpStream, body: &[u8]) -> io::Result<()> {
        let Self { authority, method, target, token, .. } = self;
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let slash = if target.starts_with('/') { "" } else { "/" };
        let has_length = matches!(*method, "POST" | "PUT");
        let length = if has_length { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let close = if self.connections.is_some() { "" } else { "Connection: close\r\n" };
        stream.set_write_timeout(Some(self.left()?))?;
        let request = format!(
            "{method} {slash}{target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: testero\r\nAccept: */*\r\n{token}{length}\
             {close}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        // Each piece is against the deadline: who takes a byte now and then does not hold us up.
        for piece in body.chunks(PIECE_BYTES) {
            stream.set_write_timeout(Some(self.left()?))?;
            stream.write_all(piece)?;
        }
        Ok(())
    }

    /// Reads an answer, and says whether its connection lives on.
    fn answer(&self, reader: &mut impl BufRead, taker: &mut Taker<'_>) -> io::Result<(Reply, bool)> {
        let mut bytes = Vec::new();
        let mut slots = FieldSlots::default();
        let head = read_head(reader, &mut bytes, self.method == "HEAD", &mut slots)?;
        let (mut body, mut in_lines, mut is_cut) = (Vec::new(), false, false);
        let (status, framing) = (head.status.0, head.framing);
        match taker {
            Taker::Lines(line) if status < 400 && framing == Framing::Chunked => {
                in_lines = true;
                read_lines(reader, *line)?;
            }
            Taker::BodyPieces(piece) if (200..300).contains(&status) => read_body(reader, framing, *piece)?,
            Taker::Beginning(most) => {
                let read = read_body(reader, framing, &mut |piece| {
                    let room = *most - body.len();
                    body.extend_from_slice(&piece[..piece.len().min(room)]);
                    is_cut = piece.len() > room;
                    if is_cut { Err(not_http("its answer is too long")) } else { Ok(()) }
                });
                if !is_cut {
                    read?;
                }
            }
            _ if matches!(framing, Framing::Length(length) if length > BODY_BYTES as u64) => {
                return Err(not_http("its answer is too long"));
            }
            // A proxy may send any body in chunks, and what has no end is cut.
            _ => read_body(reader, framing, &mut |piece| {
                let room = BODY_BYTES.saturating_sub(body.len());
                body.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room { Err(not_http("its answer is too long")) } else { Ok(()) }
            })?,
        }
        let reason = String::from_utf8_lossy(head.reason).into_owned();
        Ok((Reply { status, reason, body, in_lines }, head.keep_alive && !is_cut))
    }
}

/// What went wrong, and whether it was after an answer had begun.
struct FailedExchange {
    error: io::Error,
    is_answered: bool,
}

/// A stream that is read against the deadline.
struct Patient<'a> {
    stream: &'a TcpStream,
    ask: &'a Exchange<'a>,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.ask.left()?))?;
        self.stream.read(buffer)
    }
}

/// Whether the other side has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData};
    // The end of the stream, where an answer should begin, is no HTTP either.
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData)
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
        let (patience, deadline, token) = (Duration::from_secs(20), None, Some("secret"));
        let ask =
            Exchange { authority: "host:1", method: "GET", target: "x", token, connections: None, patience, deadline };
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
            let (mut reader, mut head) = (&all[..], Vec::new());
            if read_head(&mut reader, &mut head, false, &mut FieldSlots::default()).is_ok() {
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
        let (patience, deadline) = (Duration::from_secs(20), None);
        let ask =
            Exchange { authority: "x", method: "GET", target: "/", token: None, connections: None, patience, deadline };
        assert!(ask.status(&[free]).is_err());
        assert_eq!(ask.status(&[]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (patience, deadline) = (Duration::from_secs(20), Some(Instant::now() + Duration::from_millis(50)));
        let ask =
            Exchange { authority: "x", method: "GET", target: "/", token: None, connections: None, patience, deadline };
        assert_eq!(ask.status(&[address]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
