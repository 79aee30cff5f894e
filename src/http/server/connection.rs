//! One connection: its requests in turn, each against its deadlines.

use std::any::Any;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tiny_http::Method;

use crate::http::bounds::{
    ANSWER_DEADLINE, BODY_DEADLINE, BRIEF_LINGER, BUFFER_BYTES, HEAD_BYTES, HEAD_DEADLINE, IDLE, LINGER, LINGER_BYTES,
    REFUSAL_DEADLINE,
};
use crate::http::message::body::{self, ReceiveError};
use crate::http::message::head::{EndFinder, Framing, Head, HttpVersion, Rejection};
use crate::http::message::query::Query;
use crate::http::message::request::{Answer, BodyRule, Pieces, Request, Service, Text, field, refusal};
use crate::http::message::response::{Manner, chunk, render};
use crate::http::message::target::{percent_decode, split};
use crate::http::server::slots::Slot;
use crate::http::server::throttle::Throttle;
use crate::kernel::shutdown::Stop;

/// What all connections share.
pub(in crate::http) struct Edge {
    pub(in crate::http) service: Arc<dyn Service>,
    pub(in crate::http) throttle: Arc<Throttle>,
    pub(in crate::http) stop: Stop,
}

/// Serves the connection in `slot` until one side is done with it.
pub(in crate::http) fn serve(slot: &Slot, edge: &Edge) {
    let mut connection = ServedConnection { wire: Wire::new(&slot.connection.stream), slot, head: Vec::new(), edge };
    // Whatever ends a connection (the client went, took too long, was sent away) needs no log line: it is daily life.
    while let Ok(Next::Request) = connection.turn() {}
}

/// Answers 503 without serving, in the accepting thread, and so within a few milliseconds.
pub(in crate::http) fn turn_away(mut stream: &TcpStream, reason: &'static str) {
    let mut reply = ReadyAnswer::closing(refusal(Rejection::new(503, reason)), false);
    reply.response.add_header(field("Retry-After", "1"));
    let (head, body) = render(reply.response, reply.manner);
    // What goes wrong here goes wrong for a client that we cannot serve anyway.
    let _ = stream.set_write_timeout(Some(REFUSAL_DEADLINE));
    if stream.write_all(&[head, body].concat()).is_ok() {
        Wire::new(stream).linger(BRIEF_LINGER);
    }
}

/// An answer that is ready to go.
struct ReadyAnswer {
    response: Text,
    manner: Manner,
    /// If it is the last one, for how long to read on.
    linger: Duration,
    /// The body, where it comes as it is made.
    pieces: Option<Pieces>,
    /// What the handler has kept until the answer is taken.
    held: Option<Box<dyn Any>>,
    /// The edge's own, without the handler.
    is_refusal: bool,
}

impl ReadyAnswer {
    /// Says why a request is not served. What follows it on the connection cannot be trusted, so that ends.
    fn closing(response: Text, head_only: bool) -> Self {
        let manner = Manner { version: HttpVersion::Http11, keep_alive: false, head_only, chunked: false };
        Self { response, manner, linger: LINGER, pieces: None, held: None, is_refusal: true }
    }
}

/// What follows an answer.
#[derive(PartialEq)]
enum Next {
    Request,
    End,
}

struct ServedConnection<'p> {
    wire: Wire<'p>,
    slot: &'p Slot,
    /// The head of the request being served.
    head: Vec<u8>,
    edge: &'p Edge,
}

impl ServedConnection<'_> {
    /// One request and its answer.
    fn turn(&mut self) -> io::Result<Next> {
        if self.edge.stop.is_set() {
            return Ok(Next::End);
        }
        let mut bytes = std::mem::take(&mut self.head);
        let reply = match self.wire.read_head(&mut bytes) {
            Ok(true) if !self.slot.connection.serve() => return Ok(Next::End),
            Ok(true) => match Head::parse(&bytes) {
                Ok(head) => self.answer(&head)?,
                Err(rejection) => ReadyAnswer::closing(refusal(rejection), asks_for_head_alone(&bytes)),
            },
            Ok(false) => return Ok(Next::End),
            Err(error) => {
                let late = Rejection::new(408, "the request head did not come in time");
                ReadyAnswer::closing(refusal(error.rejection(late)?), asks_for_head_alone(self.wire.buffered()))
            }
        };
        if reply.is_refusal {
            self.edge.service.hold_back();
        }
        // The client may take its time with the answer: an unusual request is not kept all the while.
        self.head = bytes;
        self.tidy();
        self.give(reply)
    }

    /// Reads the body and asks the handler.
    fn answer(&mut self, head: &Head<'_>) -> io::Result<ReadyAnswer> {
        let head_only = head.method == Method::Head;
        let service = &self.edge.service;
        let refuse = |rejection| Ok(ReadyAnswer::closing(service.refuse(head, rejection), head_only));
        let (path, query) = split(head.target);
        let Some(path) = percent_decode(path) else {
            return refuse(Rejection::new(400, "malformed percent-escape in the path"));
        };
        let body = match self.read_body(head, service.body_rule(head)) {
            Ok(body) => body,
            Err(error) => {
                return refuse(error.rejection(Rejection::new(408, "the request body did not come in time"))?);
            }
        };
        let request = Request {
            method: &head.method,
            path,
            query: Query(query),
            fields: &head.fields,
            body: &body,
            peer: self.wire.stream.peer_addr().ok(),
            throttle: &self.edge.throttle,
            stream: self.wire.stream,
        };
        let answered = panic::catch_unwind(AssertUnwindSafe(|| service.answer(&request)));
        let keep_alive = head.keep_alive && answered.is_ok();
        let Answer { response, delay, pieces, held } = answered.unwrap_or_else(|_| {
            service.refuse(head, Rejection::new(500, "the service failed on this request; it is logged")).into()
        });
        self.edge.throttle.hold(delay);
        let keep_alive = keep_alive && !self.edge.stop.is_set();
        let gives_way = keep_alive && self.slot.is_wanted();
        let chunked = pieces.is_some() && head.version == HttpVersion::Http11;
        let manner = Manner {
            version: head.version,
            // To a client of 1.0, the end of the connection is the end of a body of unknown length.
            keep_alive: keep_alive && !gives_way && (chunked || pieces.is_none()),
            head_only,
            chunked,
        };
        let linger = if gives_way { BRIEF_LINGER } else { LINGER };
        Ok(ReadyAnswer { response, manner, linger, pieces, held, is_refusal: false })
    }

    fn read_body(&mut self, head: &Head<'_>, rule: BodyRule) -> Result<Vec<u8>, ReceiveError> {
        body::check(head.framing, rule)?;
        if head.framing == Framing::Empty {
            return Ok(Vec::new());
        }
        self.slot.connection.await_request();
        if head.expects_continue && self.wire.buffered().is_empty() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"")?;
        }
        self.wire.deadline = Instant::now() + BODY_DEADLINE;
        let body = body::read(&mut self.wire, head.framing, rule)?;
        if self.slot.connection.serve() {
            Ok(body)
        } else {
            Err(io::Error::from(io::ErrorKind::ConnectionAborted).into())
        }
    }

    fn give(&mut self, reply: ReadyAnswer) -> io::Result<Next> {
        let ReadyAnswer { response, manner, linger, pieces, held, .. } = reply;
        let (head, body) = render(response, manner);
        self.send(&head, &body)?;
        if let Some(pieces) = pieces.filter(|_| !manner.head_only) {
            self.stream(pieces, manner.chunked)?;
        }
        drop((body, held));
        if manner.keep_alive {
            return Ok(Next::Request);
        }
        self.wire.linger(linger);
        Ok(Next::End)
    }

    /// Sends a body as it is made. Between two pieces the connection waits on us.
    fn stream(&self, mut pieces: Pieces, chunked: bool) -> io::Result<()> {
        loop {
            if !self.slot.connection.serve() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            // A body that breaks off must not look whole.
            let Ok(piece) = panic::catch_unwind(AssertUnwindSafe(&mut pieces)) else {
                return Err(io::ErrorKind::Other.into());
            };
            match (piece, chunked) {
                // An empty chunk would be the end.
                (Some(piece), _) if piece.is_empty() => {}
                (Some(piece), true) => self.send(chunk(&piece).as_bytes(), b"")?,
                (Some(piece), false) => self.send(piece.as_bytes(), b"")?,
                (None, true) => return self.send(chunk("").as_bytes(), b""),
                (None, false) => return Ok(()),
            }
        }
    }

    /// Sends a head and a body, in one write where the client keeps up, and within the deadline in any case.
    fn send(&self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        self.slot.connection.await_taking();
        let mut stream = self.wire.stream;
        // The socket's own time-out is the whole deadline, so only what the first write leaves over needs another.
        let deadline = Instant::now() + ANSWER_DEADLINE;
        let mut shortened = false;
        loop {
            match stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    let of_head = sent.min(head.len());
                    (head, body) = (&head[of_head..], &body[sent - of_head..]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if head.is_empty() && body.is_empty() {
                break;
            }
            stream.set_write_timeout(Some(time_left(deadline)?))?;
            shortened = true;
        }
        if shortened {
            stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        }
        self.slot.connection.answer_taken();
        Ok(())
    }

    /// Gives back what an unusual request made the buffers grow to.
    fn tidy(&mut self) {
        self.head.clear();
        self.head.shrink_to(BUFFER_BYTES);
        self.wire.tidy();
    }
}

/// The receiving side of a connection, with a buffer and a deadline.
struct Wire<'p> {
    stream: &'p TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was received and not used yet.
    start: usize,
    end: usize,
    /// When reading a head or a body must be done.
    deadline: Instant,
    /// The read time-out the socket has.
    timeout: Duration,
}

impl<'p> Wire<'p> {
    fn new(stream: &'p TcpStream) -> Self {
        Self { stream, buffer: Vec::new(), start: 0, end: 0, deadline: Instant::now(), timeout: IDLE }
    }

    fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the next request head into `head`. Returns false when the client has nothing more to say.
    ///
    /// Until its first byte comes, the connection is idle; from then on the head has its deadline.
    fn read_head(&mut self, head: &mut Vec<u8>) -> Result<bool, ReceiveError> {
        let mut finder = EndFinder::default();
        if self.buffered().is_empty() {
            self.set_timeout(IDLE)?;
            match self.receive() {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.deadline = Instant::now() + HEAD_DEADLINE;
        loop {
            let bytes = &self.buffer[self.start..self.end];
            if let Some(length) = finder.look(bytes)? {
                head.clear();
                head.extend_from_slice(&bytes[..length]);
                self.start += length;
                return Ok(true);
            }
            self.set_timeout(time_left(self.deadline)?)?;
            if self.receive()? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Receives once, behind what is buffered already. The buffer grows up to the size of the largest head.
    fn receive(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let larger = (self.buffer.len() * 2).clamp(BUFFER_BYTES, HEAD_BYTES + BUFFER_BYTES);
            self.buffer.resize(larger, 0);
        }
        loop {
            match (&mut &*self.stream).read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
            }
        }
    }

    fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if self.timeout != timeout {
            self.stream.set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        Ok(())
    }

    /// Says that we are done, and reads on for a moment, so that the client sees our answer before the reset that
    /// closing with unread bytes would be.
    fn linger(&mut self, length: Duration) {
        let deadline = Instant::now() + length;
        let mut left = LINGER_BYTES;
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        (self.start, self.end) = (0, 0);
        while let Ok(time) = time_left(deadline) {
            match self.set_timeout(time).and_then(|()| self.receive()) {
                Ok(count) if count > 0 && count <= left => left -= count,
                _ => return,
            }
            (self.start, self.end) = (0, 0);
        }
    }

    fn tidy(&mut self) {
        if self.buffer.len() > BUFFER_BYTES && self.end - self.start <= BUFFER_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.buffer.truncate(BUFFER_BYTES);
            self.buffer.shrink_to_fit();
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Wire<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffered().is_empty() {
            let time = time_left(self.deadline)?;
            self.set_timeout(time)?;
            self.receive()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

/// Whether a request that is refused before it is understood asks for the head of its answer alone.
fn asks_for_head_alone(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"HEAD ")
}

/// What is left until `deadline`.
fn time_left(deadline: Instant) -> io::Result<Duration> {
    match deadline.checked_duration_since(Instant::now()) {
        // The kernel counts in microseconds, and takes 0 for "for ever".
        Some(left) if left >= Duration::from_micros(1) => Ok(left),
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl ReceiveError {
    /// What to answer: `late` where the deadline has passed. A connection that failed has no use for an answer.
    fn rejection(self, late: Rejection) -> io::Result<Rejection> {
        match self {
            Self::Rejected(rejection) => Ok(rejection),
            Self::Io(error) if is_timeout(&error) => Ok(late),
            Self::Io(error) => Err(error),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
