//! One connection: its requests in turn, each against its deadlines.

use std::any::Any;
use std::io::{self, IoSlice, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tiny_http::Method;

use crate::http::bounds::{BODY_DEADLINE, BRIEF_LINGER, BUFFER_BYTES, LINGER, REFUSAL_DEADLINE};
use crate::http::message::body::{self, ReceiveError};
use crate::http::message::fields::FieldSlots;
use crate::http::message::head::{Framing, Head, HttpVersion};
use crate::http::message::query::Query;
use crate::http::message::rejection::Rejection;
use crate::http::message::request::{Answer, BodyRule, BodyWriter, Request, Service, Text, field, refusal};
use crate::http::message::response::{CONTINUE, Manner, render};
use crate::http::message::target::{percent_decode, split};
use crate::http::server::receive::Wire;
use crate::http::server::request_body::{BodyProgress, LATE, RequestBody};
use crate::http::server::sender::{AnswerBody, Sender};
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
    let mut connection =
        ServedConnection { wire: Wire::new(stream), sender: Sender { slot }, head: Vec::new(), edge, peer };
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
    /// What writes the body, where it is written as it is made.
    writer: Option<BodyWriter>,
    /// How far the request's body was read.
    body: BodyProgress,
    /// What the handler has kept until the answer is taken.
    held: Option<Box<dyn Any>>,
    /// The edge's own, without the handler.
    is_refusal: bool,
}

impl ReadyAnswer {
    /// Says why a request is not served. What follows it on the connection cannot be trusted, so that ends.
    fn closing(response: Text, head_only: bool) -> Self {
        let manner = Manner { version: HttpVersion::Http11, keep_alive: false, head_only, chunked: false };
        let body = BodyProgress::none();
        Self { response, manner, linger: LINGER, writer: None, body, held: None, is_refusal: true }
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
    sender: Sender<'p>,
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
            Ok(true) if self.sender.serve().is_err() => return Ok(Next::End),
            Ok(true) => match Head::parse(&bytes, &mut FieldSlots::default()) {
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
        let rule = service.body_rule(head);
        let mut progress = BodyProgress::none();
        let mut kept = Vec::new();
        if rule == BodyRule::Stream {
            progress = BodyProgress::new(head.framing, head.expects_continue);
        } else {
            match self.read_body(head, rule) {
                Ok(body) => kept = body,
                Err(error) => {
                    return refuse(error.rejection(LATE)?);
                }
            }
        }
        let request = Request {
            method: &head.method,
            path,
            query: Query(query),
            fields: &head.fields,
            body: &kept,
            peer: self.peer,
            throttle: &self.edge.throttle,
            stream: self.wire.stream,
        };
        let mut body = RequestBody { progress: &mut progress, wire: &mut self.wire, sender: self.sender };
        let answered = panic::catch_unwind(AssertUnwindSafe(|| match rule {
            BodyRule::Stream => service.answer_reading(&request, &mut body),
            _ => service.answer(&request),
        }));
        if let Some(rejection) = progress.trouble() {
            return refuse(rejection);
        }
        let keep_alive = head.keep_alive && answered.is_ok();
        let Answer { response, delay, writer, held } = answered.unwrap_or_else(|_| {
            service.refuse(head, Rejection::new(500, "the service failed on this request; it is logged")).into()
        });
        self.edge.throttle.hold(delay);
        let keep_alive = keep_alive && !self.edge.stop.is_set();
        let gives_way = keep_alive && self.sender.slot.is_wanted();
        let chunked = writer.is_some() && head.version == HttpVersion::Http11;
        let manner = Manner {
            version: head.version,
            // To a client of 1.0, the end of the connection is the end of a body of unknown length. What is left of the
            // request's body would be taken for the next request; the writer of the answer may read that yet.
            keep_alive: keep_alive && !gives_way && (chunked || writer.is_none() && progress.is_done()),
            head_only,
            chunked,
        };
        let linger = if gives_way { BRIEF_LINGER } else { LINGER };
        Ok(ReadyAnswer { response, manner, linger, writer, body: progress, held, is_refusal: false })
    }

    fn read_body(&mut self, head: &Head<'_>, rule: BodyRule) -> Result<Vec<u8>, ReceiveError> {
        body::check(head.framing, rule)?;
        if head.framing == Framing::Empty {
            return Ok(Vec::new());
        }
        self.sender.slot.connection.await_request();
        if head.expects_continue && self.wire.buffered().is_empty() {
            self.sender.send(&mut [IoSlice::new(CONTINUE)])?;
        }
        self.wire.deadline = Instant::now() + BODY_DEADLINE;
        let body = body::read(&mut self.wire, head.framing, rule)?;
        self.sender.serve()?;
        Ok(body)
    }

    fn give(&mut self, reply: ReadyAnswer) -> io::Result<Next> {
        let ReadyAnswer { response, manner, linger, writer, body: mut progress, held, .. } = reply;
        let (head, body) = render(response, manner);
        self.sender.send(&mut [IoSlice::new(&head), IoSlice::new(&body)])?;
        if let Some(writer) = writer.filter(|_| !manner.head_only) {
            self.sender.serve()?;
            let mut answer = AnswerBody { sender: self.sender, is_chunked: manner.chunked };
            let mut request = RequestBody { progress: &mut progress, wire: &mut self.wire, sender: self.sender };
            // A body that breaks off must not look whole.
            panic::catch_unwind(AssertUnwindSafe(|| writer(&mut request, &mut answer)))
                .map_err(|_| io::ErrorKind::Other)??;
            answer.end()?;
        }
        drop((body, held));
        if manner.keep_alive && progress.is_done() {
            return Ok(Next::Request);
        }
        self.wire.linger(linger);
        Ok(Next::End)
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
