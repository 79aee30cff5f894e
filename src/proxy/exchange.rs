//! A request on its way to a member, and the answer on its way back.

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::message::answer::AnswerHead;
use crate::http::message::fields::FieldSlots;
use crate::http::message::head::{EndFinder, Framing, HttpVersion};
use crate::http::message::response::CONTINUE;
use crate::proxy::asking::Asking;
use crate::proxy::attempt::{Attempt, MemberFailure, NoMember};
use crate::proxy::body_stream::{BodyStream, StreamStep};
use crate::proxy::buffer::Buffer;
use crate::proxy::head::{AnswerManner, for_client};
use crate::proxy::identity::request_id::RequestId;
use crate::proxy::members::Member;
use crate::proxy::pages::Page;
use crate::proxy::passage::{ExchangeReport, Passage};
use crate::proxy::progress::RequestProgress;
use crate::proxy::services::Balancer;
use crate::proxy::socket::{Received, Socket};
use crate::proxy::times::Order;
use crate::proxy::world::{Connection, World};

/// Most answers that only say that another one follows.
const INTERIM_ANSWERS: usize = 16;
/// Most bytes of a request that are kept, so that another member can be asked.
const KEPT_BYTES: usize = 64 * 1024;
/// For how long a client that wants to be asked for its body waits for a member to ask: some never do.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);

/// A request and its answer.
pub(super) struct ProxiedRequest {
    pub(super) asking: Asking,
    attempt: Attempt,
    body: BodyStream,
    answer: AnswerStage,
    interim: usize,
    began: Instant,
    /// When something was sent that the member has not answered yet, and what.
    sent: Option<(Instant, Order)>,
    /// Bytes of an answer have come.
    is_begun: bool,
    /// Whether the connections go on after it.
    member_lives_on: bool,
    client_lives_on: bool,
    is_tunnel: bool,
    /// The request's side of the tunnel is open: its body has ended.
    passes_bytes: bool,
    /// The client was told to send its body.
    has_continued: bool,
    passage: Passage,
}

enum AnswerStage {
    Head(EndFinder),
    Body(BodyStream),
}

impl ProxiedRequest {
    /// Sends `head` to a member of `service`, with a body that is framed like this.
    pub(super) fn begin(
        asking: Asking,
        service: Arc<Balancer>,
        head: &[u8],
        framing: Framing,
        world: &mut World,
    ) -> Result<Box<Self>, NoMember> {
        // Nobody knows of a connection that was kept whether it is still there: what cannot be done twice is sent on one that was
        // looked at in this very moment.
        let attempt = Attempt::first(service, asking.is_idempotent, world)?;
        let limit = attempt.service.limits.body.unwrap_or(u64::MAX);
        let body = BodyStream::at_most(limit, framing, framing == Framing::Chunked);
        let order = if asking.expects_continue { Order::HeadAlone } else { Order::Whole };
        if let Some(connection) = world.connections.get_mut(attempt.connection) {
            connection.outgoing.keep();
            connection.outgoing.push(head, &mut world.stock);
        }
        Ok(Box::new(Self {
            asking,
            attempt,
            body,
            answer: AnswerStage::Head(EndFinder::default()),
            interim: 0,
            began: world.now,
            sent: Some((world.now, order)),
            is_begun: false,
            member_lives_on: false,
            client_lives_on: false,
            is_tunnel: false,
            passes_bytes: false,
            has_continued: false,
            passage: Passage::default(),
        }))
    }

    /// What is seen of it.
    pub(super) fn report(&self) -> ExchangeReport<'_> {
        let sent = if let AnswerStage::Body(body) = &self.answer { body.passed() } else { 0 };
        ExchangeReport {
            service: &self.attempt.service,
            member: &self.attempt.member,
            passage: &self.passage,
            began: self.began,
            retries: self.attempt.retries(),
            received: self.passage.request_bytes + self.body.passed(),
            sent,
        }
    }

    fn host(&self) -> &str {
        self.asking.host.as_deref().unwrap_or(&self.attempt.service.domain)
    }

    pub(super) fn is_head(&self) -> bool {
        self.asking.is_head
    }

    /// Whether the client has the head of its last answer.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.answer, AnswerStage::Body(_))
    }

    /// How long its member may take for what it is to do next.
    pub(super) fn patience(&self, world: &mut World) -> Duration {
        let timeouts = &self.attempt.service.timeouts;
        let is_connecting = world.connections.get_mut(self.attempt.connection).is_some_and(|one| one.is_connecting);
        (if is_connecting { timeouts.connect } else { timeouts.answer }).unwrap_or(world.shared.timeout)
    }

    pub(super) fn service(&self) -> &Balancer {
        &self.attempt.service
    }

    /// Whether protocols were changed, and nobody waits for anybody.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel
    }

    /// Whether it is the client who is to send something.
    pub(super) fn waits_for_client(&self, world: &mut World) -> bool {
        let is_sent = world.connections.get_mut(self.attempt.connection).is_some_and(|one| one.outgoing.is_empty());
        !self.body.is_done() && is_sent && !self.is_begun
    }

    pub(super) fn step(
        &mut self,
        client: &mut Socket,
        received: &mut Buffer,
        outgoing: &mut Buffer,
        world: &mut World,
    ) -> RequestProgress {
        let Some(mut connection) = world.connections.take(self.attempt.connection) else {
            return RequestProgress::Failed(MemberFailure::Closed);
        };
        let progress = self.work(&mut connection, client, received, outgoing, world);
        world.connections.put_back(self.attempt.connection, connection);
        progress
    }

    fn work(
        &mut self,
        connection: &mut Connection,
        client: &mut Socket,
        received: &mut Buffer,
        outgoing: &mut Buffer,
        world: &mut World,
    ) -> RequestProgress {
        if connection.is_connecting {
            if !connection.socket.is_writable {
                return RequestProgress::Nothing;
            }
            if connection.socket.connected().is_err() || connection.greet().is_err() {
                return RequestProgress::Failed(MemberFailure::Refused);
            }
            connection.is_connecting = false;
        }
        self.passage.connected.get_or_insert(world.now);
        let mut moved = false;
        // The request.
        match self.body.step(client, received, &mut connection.outgoing, &mut world.stock) {
            StreamStep::Some => moved = true,
            StreamStep::Nothing => {}
            StreamStep::CutShort => return RequestProgress::ClientFailed,
            StreamStep::Malformed(rejection) => {
                let limit = self.attempt.service.limits.body.filter(|_| rejection.status.0 == 413);
                return RequestProgress::Refused(limit.map_or(Page::BadRequest, Page::BodyTooLarge));
            }
        }
        if !connection.is_broken {
            match connection.socket.send(&mut connection.outgoing) {
                Ok(count) => {
                    if connection.outgoing.kept() > KEPT_BYTES {
                        connection.outgoing.forget();
                    }
                    moved |= count > 0;
                }
                // It may have answered before: that is read first.
                Err(_) => connection.is_broken = true,
            }
        }
        if self.is_tunnel && self.body.is_done() {
            self.end_of_request(connection);
        }
        // The answer.
        match self.receive_answer(connection, outgoing, world) {
            RequestProgress::Nothing if moved => RequestProgress::Some,
            progress => progress,
        }
    }

    fn receive_answer(
        &mut self,
        connection: &mut Connection,
        outgoing: &mut Buffer,
        world: &mut World,
    ) -> RequestProgress {
        match &mut self.answer {
            AnswerStage::Body(body) if body.is_done() => {
                RequestProgress::Done { lives_on: self.client_lives_on && self.body.is_done() }
            }
            AnswerStage::Body(body) => {
                match body.step(&mut connection.socket, &mut connection.received, outgoing, &mut world.stock) {
                    StreamStep::Some => RequestProgress::Some,
                    StreamStep::Nothing => RequestProgress::Nothing,
                    StreamStep::CutShort | StreamStep::Malformed(_) => {
                        RequestProgress::Failed(MemberFailure::Malformed)
                    }
                }
            }
            AnswerStage::Head(finder) => {
                let length = match finder.look(connection.received.data()) {
                    Ok(Some(length)) => length,
                    Err(_) => return RequestProgress::Failed(MemberFailure::Malformed),
                    Ok(None) => {
                        if !connection.socket.is_readable {
                            return RequestProgress::Nothing;
                        }
                        let room = connection.received.room(&mut world.stock);
                        return match connection.socket.receive(room) {
                            Received::Bytes(count) => {
                                connection.received.filled(count);
                                connection.outgoing.forget();
                                self.first_bytes(world);
                                RequestProgress::Some
                            }
                            Received::Nothing => RequestProgress::Nothing,
                            Received::End | Received::Failed if self.is_begun => {
                                RequestProgress::Failed(MemberFailure::Malformed)
                            }
                            Received::End | Received::Failed => RequestProgress::Failed(MemberFailure::Closed),
                        };
                    }
                };
                let bytes = &connection.received.data()[..length];
                let progress = match AnswerHead::parse(bytes, self.asking.is_head, &mut FieldSlots::default()) {
                    Ok(head) => self.take_head(&head, outgoing, world),
                    Err(_) => RequestProgress::Failed(MemberFailure::Malformed),
                };
                connection.received.consume(length);
                progress
            }
        }
    }

    fn take_head(&mut self, head: &AnswerHead<'_>, outgoing: &mut Buffer, world: &mut World) -> RequestProgress {
        let version = self.asking.version;
        if head.is_interim() {
            self.interim += 1;
            if self.interim > INTERIM_ANSWERS {
                return RequestProgress::Failed(MemberFailure::Malformed);
            }
            self.answer = AnswerStage::Head(EndFinder::default());
            self.sent = Some((world.now, Order::Body));
            // Clients of 1.0 know of none.
            if version == HttpVersion::Http11 {
                let manner = AnswerManner { version, is_chunked: false, keep_alive: true };
                push_head(head, manner, None, outgoing, world);
            }
            return RequestProgress::Some;
        }
        self.passage.status = head.status.0;
        if head.status.0 == 101 {
            if !self.asking.upgrades {
                return RequestProgress::Failed(MemberFailure::Malformed);
            }
            let manner = AnswerManner { version, is_chunked: false, keep_alive: true };
            push_head(head, manner, self.asking.request_id.as_ref(), outgoing, world);
            self.is_tunnel = true;
            self.answer = AnswerStage::Body(BodyStream::new(Framing::UntilClose, false));
            return RequestProgress::Some;
        }
        if matches!(head.status.0, 502..=504) {
            self.attempt.failed(world);
        } else {
            self.attempt.member.succeeded();
        }
        let is_chunked =
            version == HttpVersion::Http11 && matches!(head.framing, Framing::Chunked | Framing::UntilClose);
        let has_end = is_chunked || matches!(head.framing, Framing::Empty | Framing::Length(_));
        self.member_lives_on = head.keep_alive && !self.asking.is_connect;
        self.client_lives_on = self.asking.keep_alive && has_end && self.body.is_done() && !world.shared.is_leaving();
        let manner = AnswerManner { version, is_chunked, keep_alive: self.client_lives_on };
        push_head(head, manner, self.asking.request_id.as_ref(), outgoing, world);
        self.answer = AnswerStage::Body(BodyStream::new(head.framing, is_chunked));
        RequestProgress::Some
    }

    /// What follows the request's body, where protocols were changed: bytes, until the client ends them.
    fn end_of_request(&mut self, connection: &mut Connection) {
        if !std::mem::replace(&mut self.passes_bytes, true) {
            self.passage.request_bytes = self.body.passed();
            self.body = BodyStream::new(Framing::UntilClose, false);
        } else if connection.outgoing.is_empty() {
            // A member that is gone is found out by reading.
            let _ = connection.socket.stream.shutdown(Shutdown::Write);
        }
    }

    /// The first bytes that answer what was sent.
    fn first_bytes(&mut self, world: &mut World) {
        self.is_begun = true;
        self.passage.first_byte.get_or_insert(world.now);
        if let Some((sent, order)) = self.sent.take() {
            self.attempt.member.times.exchanged(order, world.now.saturating_duration_since(sent));
        }
    }

    /// Asks another member, where that is safe; says whether it does.
    pub(super) fn ask_again(&mut self, failure: MemberFailure, world: &mut World) -> bool {
        let Some(connection) = world.connections.get_mut(self.attempt.connection) else { return false };
        let is_unsent = connection.is_connecting;
        // One that was kept may have been closed for its age alone: the member itself has not been tried yet.
        let outdated = connection.is_reused && failure == MemberFailure::Closed && !self.is_begun;
        // Whatever was sent is still there, and nothing has come back.
        let may_go_twice = failure == MemberFailure::Closed && self.asking.is_idempotent && connection.outgoing.keeps();
        if !outdated {
            self.attempt.failed(world);
        }
        if self.is_begun || self.has_continued || !(is_unsent || may_go_twice) {
            return false;
        }
        // Who was not there got nothing, so asking another one is no further load.
        if !is_unsent && !outdated && !self.attempt.service.may_ask_again() {
            return false;
        }
        self.sent = self.sent.map(|(_, order)| (world.now, order));
        self.passage.connected = None;
        self.attempt.again(outdated, world)
    }

    /// When the client is to be told to send its body, though the member has not asked for it.
    pub(super) fn continues_at(&self) -> Option<Instant> {
        let waits = self.asking.expects_continue && !self.is_begun && !self.has_continued && !self.body.is_done();
        waits.then_some(self.began + CONTINUE_PATIENCE)
    }

    /// Tells it.
    pub(super) fn continue_by_itself(&mut self, outgoing: &mut Buffer, world: &mut World) {
        self.has_continued = true;
        outgoing.push(CONTINUE, &mut world.stock);
    }

    /// The answer is with the client.
    pub(super) fn finish(self: Box<Self>, peer: Option<SocketAddr>, world: &mut World) {
        world.answered(peer, None, Some(self.host()));
        self.report().count(Some(self.passage.status), false, world.now);
        self.attempt.member.times.answered(world.now.saturating_duration_since(self.began));
        let lives_on = self.member_lives_on && self.body.is_done() && !self.is_tunnel;
        self.attempt.end(lives_on, world);
    }

    /// The client gets this page in the place of an answer.
    pub(super) fn give_up(self: Box<Self>, page: &Page, peer: Option<SocketAddr>, world: &mut World) {
        self.attempt.member.times.answered(world.now.saturating_duration_since(self.began));
        world.answered(peer, Some(page), Some(self.host()));
        let status = if self.is_answered() { self.passage.status } else { page.status().0 };
        self.report().count(Some(status), page.status().0 >= 500, world.now);
        let Member { server, port, .. } = &*self.attempt.member;
        log::error!("{} for {}: member {server}:{port} of {}", page.status().0, self.host(), self.attempt.service.name);
        self.attempt.end(false, world);
    }

    /// Nobody waits for the answer any more.
    pub(super) fn abandon(self: Box<Self>, world: &mut World) {
        self.report().count(None, false, world.now);
        self.attempt.end(false, world);
    }
}

fn push_head(
    head: &AnswerHead<'_>,
    manner: AnswerManner,
    request_id: Option<&RequestId>,
    outgoing: &mut Buffer,
    world: &mut World,
) {
    let mut bytes = world.take_scratch();
    for_client(&mut bytes, head, manner, request_id);
    outgoing.push(&bytes, &mut world.stock);
    world.scratch = bytes;
}
