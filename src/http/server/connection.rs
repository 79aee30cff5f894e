//! One connection: its requests in turn, each against its deadlines.

use std::any::Any;
use std::io::{self, IoSlice, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tiny_http::Method;

use crate::http::bounds::{ANSWER_DEADLINE, BODY_DEADLINE, BRIEF_LINGER, BUFFER_BYTES, LINGER, REFUSAL_DEADLINE};
use crate::http::message::body::{self, ReceiveError};
use crate::http::message::head::{Framing, Head, HttpVersion, Rejection};
use crate::http::message::query::Query;
use crate::http::message::request::{Answer, BodyRule, Pieces, Request, Service, Text, field, refusal};
use crate::http::message::response::{Manner, chunk, render};
use crate::http::message::target::{percent_decode, split};
use crate::http::server::receive::{Wire, time_left};
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
    let stream = &slot.connection.stream;
    let peer = stream.peer_addr().ok();
    let mut connection = ServedConnection { wire: Wire::new(stream), slot, head: Vec::new(), edge, peer };
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
    /// The other end, asked for once.
    peer: Option<SocketAddr>,
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
            peer: self.peer,
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

/// Whether a request that is refused before it is understood asks for the head of its answer alone.
fn asks_for_head_alone(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"HEAD ")
}
