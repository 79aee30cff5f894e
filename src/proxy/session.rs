//! A client's connection: its requests in turn, each with the member that answers it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::http::bounds::{HEAD_LIMIT, LINGER, LINGER_BYTES};
use crate::http::message::head::EndFinder;
use crate::http::message::rejection::Rejection;
use crate::proxy::access_line::{AccessEntry, RequestEnd};
use crate::proxy::attempt::MemberFailure;
use crate::proxy::buffer::Buffer;
use crate::proxy::clients::ClientPermit;
use crate::proxy::exchange::ProxiedRequest;
use crate::proxy::identity::proxy_header::{self, ConnectionEnds};
use crate::proxy::identity::request_id::RequestId;
use crate::proxy::pages::Page;
use crate::proxy::progress::RequestProgress;
use crate::proxy::request::{Asked, read_request, request_id_of};
use crate::proxy::services::Balancer;
use crate::proxy::session_state::{CLIENT_PATIENCE, ClientTimeouts, Closed, QueuedRequest, SessionPhase, TUNNEL_IDLE};
use crate::proxy::socket::{Received, Socket};
use crate::proxy::tell::{count_page, end_by_page, tell};
use crate::proxy::world::World;
use crate::settings::proxy::config::ServiceTimeouts;

/// The connection of a client.
pub(super) struct Session {
    pub(super) client: Socket,
    /// Who the client is: where the connection comes from, unless it began with somebody else's name.
    pub(super) peer: Option<SocketAddr>,
    /// The address that it connected to, where anybody is to know.
    pub(super) local: Option<SocketAddr>,
    /// The connection has not said yet whose it is.
    expects_proxy_header: bool,
    /// From the client, and not used yet.
    received: Buffer,
    /// For the client.
    outgoing: Buffer,
    finder: EndFinder,
    exchange: Option<Box<ProxiedRequest>>,
    pub(super) queued: Option<QueuedRequest>,
    phase: SessionPhase,
    /// When something was last sent or received.
    moved: Instant,
    /// When the head began to come that is being received.
    head_began: Option<Instant>,
    timeouts: ClientTimeouts,
    /// What the access log is to tell of the request.
    entry: Option<Box<AccessEntry>>,
    permit: ClientPermit,
}

impl Session {
    pub(super) fn new(client: Socket, peer: Option<SocketAddr>, permit: ClientPermit, now: Instant) -> Self {
        Self {
            client,
            peer,
            local: None,
            expects_proxy_header: false,
            received: Buffer::default(),
            outgoing: Buffer::default(),
            finder: EndFinder::default(),
            exchange: None,
            queued: None,
            timeouts: ClientTimeouts::of(&ServiceTimeouts::default()),
            phase: SessionPhase::Serving,
            moved: now,
            head_began: None,
            entry: None,
            permit,
        }
    }

    /// From now on, the connection says first whose it is, in the time that a head may take.
    pub(super) fn expect_proxy_header(&mut self, now: Instant) {
        (self.expects_proxy_header, self.head_began) = (true, Some(now));
    }

    pub(super) fn ends(&self) -> Option<ConnectionEnds> {
        Some(ConnectionEnds { client: self.peer?, local: self.local? })
    }

    /// Whether it has no request.
    pub(super) fn is_idle(&self) -> bool {
        let has_head = self.head_began.is_some() && !self.expects_proxy_header;
        !has_head && self.exchange.is_none() && self.queued.is_none() && self.outgoing.is_empty()
    }

    /// Does all that can be done without waiting.
    pub(super) fn run(&mut self, world: &mut World) -> Result<(), Closed> {
        while self.step(world)? {
            self.moved = world.now;
        }
        if self.exchange.is_none() {
            self.received.release(&mut world.stock);
        }
        self.outgoing.release(&mut world.stock);
        Ok(())
    }

    /// When it has waited too long for whom it waits for.
    pub(super) fn deadline(&self, world: &mut World) -> Instant {
        match (&self.phase, &self.exchange, &self.queued) {
            (SessionPhase::Lingering(_), ..) => self.moved + LINGER,
            _ if !self.outgoing.is_empty() => self.moved + CLIENT_PATIENCE,
            (_, Some(exchange), _) if exchange.is_tunnel() => self.moved + TUNNEL_IDLE,
            (_, Some(exchange), _) if exchange.waits_for_client(world) => {
                let deadline = self.moved + CLIENT_PATIENCE;
                exchange.continues_at().map_or(deadline, |due| due.min(deadline))
            }
            (_, Some(exchange), _) => self.moved + exchange.patience(world),
            (_, None, Some(queued)) => queued.until.min(queued.next_look),
            (_, None, None) => {
                self.head_began.map_or(self.moved + self.timeouts.idle, |began| began + self.timeouts.head)
            }
        }
    }

    /// Its deadline has passed.
    pub(super) fn timed_out(&mut self, world: &mut World) -> Result<(), Closed> {
        if self.phase != SessionPhase::Serving || !self.outgoing.is_empty() {
            return Err(Closed);
        }
        if let Some(exchange) =
            self.exchange.as_mut().filter(|one| one.continues_at().is_some_and(|due| due <= world.now))
        {
            exchange.continue_by_itself(&mut self.outgoing, world);
            return self.run(world);
        }
        if self.queued.is_some() {
            return self.run(world);
        }
        match &self.exchange {
            Some(exchange) if exchange.waits_for_client(world) => self.give_up(Page::RequestTimeout, world)?,
            Some(_) => self.fail(MemberFailure::TimedOut, world)?,
            None if self.expects_proxy_header => return Err(Closed),
            None if self.head_began.is_some() => self.refuse(&Page::RequestTimeout, world),
            None => return Err(Closed),
        }
        self.moved = world.now;
        self.run(world)
    }

    /// Gives back what it holds.
    pub(super) fn close(mut self, world: &mut World) {
        self.received.clear(&mut world.stock);
        self.outgoing.clear(&mut world.stock);
        world.shared.metrics.clients.fetch_sub(1, Ordering::Relaxed);
        tell(&mut self.entry, self.exchange.as_deref(), RequestEnd::ClientGone, world);
        if let Some(exchange) = self.exchange.take() {
            exchange.abandon(world);
        }
        if let Some(queued) = self.queued.take() {
            queued.leave(world);
        }
    }

    fn step(&mut self, world: &mut World) -> Result<bool, Closed> {
        if let Some(exchange) = self.exchange.as_mut().filter(|_| self.outgoing.has_room()) {
            // What comes together goes together: it is sent when there is no more of it.
            let progress = exchange.step(&mut self.client, &mut self.received, &mut self.outgoing, world);
            return match progress {
                RequestProgress::Some => Ok(true),
                RequestProgress::Nothing => self.flush(),
                RequestProgress::Done { lives_on } => {
                    let flushed = self.flush()?;
                    if !self.outgoing.is_empty() {
                        return Ok(flushed);
                    }
                    tell(&mut self.entry, self.exchange.as_deref(), RequestEnd::Whole, world);
                    if let Some(exchange) = self.exchange.take() {
                        exchange.finish(self.peer, world);
                    }
                    // A client that was not told so does not find its connection closed; its next answer tells it.
                    self.phase = if lives_on { SessionPhase::Serving } else { SessionPhase::Ending };
                    Ok(true)
                }
                RequestProgress::ClientFailed => Err(Closed),
                RequestProgress::Refused(page) => self.give_up(page, world).map(|()| true),
                RequestProgress::Failed(failure) => self.fail(failure, world).map(|()| true),
            };
        }
        let flushed = self.flush()?;
        if self.exchange.is_some() {
            return Ok(flushed);
        }
        if let SessionPhase::Lingering(left) = self.phase {
            return self.linger(left, world).map(|moved| moved || flushed);
        }
        if self.queued.is_some() {
            return Ok(self.ask_queued(world) || flushed);
        }
        if !self.outgoing.is_empty() {
            return Ok(flushed);
        }
        if self.phase == SessionPhase::BreakingOff {
            return Err(Closed);
        }
        if self.phase == SessionPhase::Ending {
            // The client sees the answer, and not the reset that closing with unread bytes would be.
            self.client.stream.shutdown(std::net::Shutdown::Write).map_err(|_| Closed)?;
            self.received.clear(&mut world.stock);
            self.phase = SessionPhase::Lingering(LINGER_BYTES);
            return Ok(true);
        }
        self.next_request(world).map(|moved| moved || flushed)
    }

    fn flush(&mut self) -> Result<bool, Closed> {
        self.client.send(&mut self.outgoing).map(|sent| sent > 0).map_err(|_| Closed)
    }

    fn linger(&mut self, left: usize, world: &mut World) -> Result<bool, Closed> {
        if !self.client.is_readable {
            return Ok(false);
        }
        let received = self.client.receive(self.received.room(&mut world.stock));
        self.received.clear(&mut world.stock);
        match received {
            Received::Bytes(count) => {
                // Not a step on: it ends in time, whatever comes.
                self.phase = SessionPhase::Lingering(left.checked_sub(count).ok_or(Closed)?);
                self.linger(left.saturating_sub(count), world)
            }
            Received::Nothing => Ok(false),
            Received::End | Received::Failed => Err(Closed),
        }
    }

    fn next_request(&mut self, world: &mut World) -> Result<bool, Closed> {
        if self.expects_proxy_header {
            return self.take_proxy_header(world);
        }
        let length = match self.finder.look(self.received.data()) {
            Ok(Some(length)) => length,
            Ok(None) => return self.receive_head(world),
            Err(Rejection { status, .. }) => {
                let page =
                    if matches!(status.0, 414 | 431) { Page::HeadTooLarge(HEAD_LIMIT) } else { Page::BadRequest };
                self.refuse(&page, world);
                return Ok(true);
            }
        };
        (self.finder, self.head_began) = (EndFinder::default(), None);
        let head = &self.received.data()[..length];
        let asked = read_request(head, self.peer, world);
        // What has to do with it later is rare: only then it is kept.
        let needs_head = !matches!(asked, Asked::Member(_)) || world.shared.access.is_some();
        let head = if needs_head { head.to_vec() } else { Vec::new() };
        self.received.consume(length);
        self.enter(&head, world);
        self.take_up(asked, head, world);
        if !self.received.is_empty() {
            self.head_began = self.exchange.is_none().then_some(world.now);
        }
        Ok(true)
    }

    fn take_up(&mut self, asked: Asked, head: Vec<u8>, world: &mut World) {
        match asked {
            Asked::Member(exchange) => {
                self.timeouts = ClientTimeouts::of(&exchange.service().timeouts);
                self.exchange = Some(exchange);
            }
            Asked::Busy(service) => match service.queue_up(world.now) {
                Some(until) => self.queued = Some(QueuedRequest::enter(head, service, until, world)),
                None => self.turn_down(&head, &service, world),
            },
            Asked::Page { page, has_no_body, lives_on, request_id } => {
                self.answer_with(&head, &page, has_no_body, request_id, world);
                if !lives_on {
                    self.phase = SessionPhase::Ending;
                }
            }
        }
    }

    /// Asks for a queued request once more. Says whether it waits no longer.
    fn ask_queued(&mut self, world: &mut World) -> bool {
        let Some(mut queued) = self.queued.take() else { return false };
        match read_request(&queued.head, self.peer, world) {
            Asked::Busy(_) if world.now < queued.until => {
                queued.look_later(world.now);
                self.queued = Some(queued);
                return false;
            }
            Asked::Busy(_) => self.turn_down(&queued.head, &queued.service, world),
            Asked::Member(exchange) => self.exchange = Some(exchange),
            Asked::Page { page, has_no_body, request_id, .. } => {
                self.answer_with(&queued.head, &page, has_no_body, request_id, world);
                self.phase = SessionPhase::Ending;
            }
        }
        queued.leave(world);
        true
    }

    fn receive_head(&mut self, world: &mut World) -> Result<bool, Closed> {
        if !self.client.is_readable {
            return Ok(false);
        }
        match self.client.receive(self.received.room(&mut world.stock)) {
            Received::Bytes(count) => {
                self.received.filled(count);
                self.head_began.get_or_insert(world.now);
                Ok(true)
            }
            Received::Nothing => Ok(false),
            Received::End | Received::Failed => Err(Closed),
        }
    }

    /// Whose the connection is. It ends without an answer where it does not say: who writes no HTTP reads none.
    fn take_proxy_header(&mut self, world: &mut World) -> Result<bool, Closed> {
        let Ok(header) = proxy_header::read(self.received.data()) else {
            if let Some(peer) = self.peer {
                log::warn!("no header of the PROXY protocol from {peer}");
            }
            return Err(Closed);
        };
        let Some(header) = header else { return self.receive_head(world) };
        self.received.consume(header.length);
        if let Some(ends) = header.ends {
            (self.peer, self.local) = (Some(ends.client), Some(ends.local));
        }
        world.ends = self.ends();
        (self.expects_proxy_header, self.head_began) = (false, None);
        if !self.permit.count_for(self.peer) {
            self.refuse(&Page::ServiceUnavailable, world);
        } else if !self.received.is_empty() {
            self.head_began = Some(world.now);
        }
        Ok(true)
    }

    /// Answers with a page what is no request.
    fn refuse(&mut self, page: &Page, world: &mut World) {
        world.answered(self.peer, Some(page), None);
        if self.entry.is_none() {
            let head = self.received.data().to_vec();
            self.enter(&head, world);
        }
        self.send_page(page, false, None, world);
        self.phase = SessionPhase::Ending;
    }

    /// The member does not answer: another one is asked, or the client is told.
    fn fail(&mut self, failure: MemberFailure, world: &mut World) -> Result<(), Closed> {
        if self.exchange.as_mut().ok_or(Closed)?.ask_again(failure, world) {
            return Ok(());
        }
        self.give_up(if failure == MemberFailure::TimedOut { Page::GatewayTimeout } else { Page::BadGateway }, world)
    }

    fn give_up(&mut self, page: Page, world: &mut World) -> Result<(), Closed> {
        let Some(exchange) = &self.exchange else { return Err(Closed) };
        let (is_answered, has_no_body) = (exchange.is_answered(), exchange.is_head());
        if is_answered {
            tell(&mut self.entry, self.exchange.as_deref(), RequestEnd::BrokenOff, world);
        } else {
            self.send_page(&page, has_no_body, None, world);
        }
        if let Some(exchange) = self.exchange.take() {
            exchange.give_up(&page, self.peer, world);
        }
        self.phase = if is_answered { SessionPhase::BreakingOff } else { SessionPhase::Ending };
        Ok(())
    }

    /// No member may take it, and it waits no longer.
    fn turn_down(&mut self, head: &[u8], service: &Balancer, world: &mut World) {
        let page = Page::ServiceUnavailable;
        service.counts.answered_without_member(page.status().0);
        world.answered(self.peer, Some(&page), Some(&service.domain));
        self.send_page(&page, head.starts_with(b"HEAD "), request_id_of(head, world), world);
        self.phase = SessionPhase::Ending;
    }

    /// Answers a request without asking a member.
    fn answer_with(&mut self, head: &[u8], page: &Page, has_no_body: bool, id: Option<RequestId>, world: &mut World) {
        count_page(head, page, world);
        self.send_page(page, has_no_body, id, world);
    }

    fn send_page(&mut self, page: &Page, has_no_body: bool, id: Option<RequestId>, world: &mut World) {
        let id = id.as_ref().or_else(|| self.exchange.as_ref()?.asking.request_id.as_ref());
        let answer = page.answer_to(id, has_no_body);
        self.outgoing.push(&answer, &mut world.stock);
        world.shared.metrics.page_sent(page);
        tell(&mut self.entry, self.exchange.as_deref(), end_by_page(page, &answer), world);
    }

    /// Notes what the access log is to tell of a request, if there is one.
    fn enter(&mut self, head: &[u8], world: &World) {
        if world.shared.access.is_some() {
            self.entry = Some(Box::new(AccessEntry::of(head, self.peer, world.now)));
        }
    }
}
