//! What the sessions of one thread share: its connections to members, its buffers, and the routes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::proxy::access_log::AccessWriter;
use crate::proxy::buffer::{Buffer, Stock};
use crate::proxy::clients::ClientConnections;
use crate::proxy::counts::CountedConnection;
use crate::proxy::identity::proxy_header::{self, ConnectionEnds};
use crate::proxy::identity::request_id::RequestIdMaker;
use crate::proxy::members::Member;
use crate::proxy::metrics::ProxyMetrics;
use crate::proxy::pages::Page;
use crate::proxy::services::{Balancer, HostRoutes};
use crate::proxy::slab::{Key, Slab};
use crate::proxy::socket::Socket;
use crate::proxy::status_counter::StatusCounter;
use crate::sync::lock;

/// Most connections to a member that one thread keeps for later.
const MOST_IDLE: usize = 1024;
/// The same, of connections to any member that are for one client's requests alone.
const MOST_PRIVATE: usize = 4;
/// How long one is kept: less than servers do.
const IDLE: Duration = Duration::from_secs(30);

/// What all threads share.
pub(super) struct ProxyState {
    routes: RwLock<Arc<HostRoutes>>,
    /// How long a member may take to be connected, and for each piece of its answer.
    pub(super) timeout: Duration,
    /// Members are not asked.
    pub(super) is_dry_run: bool,
    pub(super) metrics: ProxyMetrics,
    /// Where there is a line for each request.
    pub(super) access: Option<Arc<AccessWriter>>,
    pub(super) clients: Arc<ClientConnections>,
    leaving: AtomicBool,
    draining: AtomicBool,
    /// What each thread is woken by, when there may be room for a request that waits.
    bells: Mutex<Vec<Arc<OwnedFd>>>,
    /// Names of members that nobody knows an address of.
    pub(super) unknown_names: Mutex<Vec<String>>,
}

impl ProxyState {
    /// Without routes yet.
    pub(super) fn new(timeout: Duration, is_dry_run: bool) -> Self {
        Self {
            routes: RwLock::default(),
            timeout,
            is_dry_run,
            metrics: ProxyMetrics::default(),
            access: None,
            clients: Arc::default(),
            leaving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            bells: Mutex::default(),
            unknown_names: Mutex::default(),
        }
    }

    /// From now on requests go these ways.
    pub(super) fn route(&self, routes: HostRoutes) {
        *self.routes.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(routes);
    }

    pub(super) fn routes(&self) -> Arc<HostRoutes> {
        Arc::clone(&self.routes.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Whether clients are told to go elsewhere with their next request.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether nobody is accepted any more, and nothing kept.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// A connection to a member.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// From the member, and not used yet.
    pub(super) received: Buffer,
    /// For the member.
    pub(super) outgoing: Buffer,
    pub(super) is_connecting: bool,
    /// It has carried an exchange before.
    pub(super) is_reused: bool,
    /// Nothing can be sent any more.
    pub(super) is_broken: bool,
    /// Whose exchange it carries; idle without one.
    pub(super) session: Option<Key>,
    member: usize,
    counted: CountedConnection,
    idle_since: Instant,
    /// What it begins with, before any request.
    greeting: Vec<u8>,
    /// Whose requests alone it carries, since it began with who that is.
    owner: Option<Key>,
}

impl Connection {
    /// Sends what it begins with, once it is connected: less than an empty socket takes.
    pub(super) fn greet(&mut self) -> io::Result<()> {
        let greeting = std::mem::take(&mut self.greeting);
        // The request goes into the same packet.
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        if !greeting.is_empty() && send(&self.socket.stream, &greeting, flags)? != greeting.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

/// What the sessions of one thread share.
pub(super) struct World {
    pub(super) epoll: OwnedFd,
    /// In boxes: they are taken out for each step.
    pub(super) connections: Slab<Box<Connection>>,
    /// By member, the one that was used last at the end.
    idle: HashMap<usize, Vec<Key>>,
    /// By session, those that are for its requests alone.
    private: HashMap<Key, Vec<Key>>,
    pub(super) stock: Stock,
    /// Sessions with a request that waits for a member that has room, in the order that they came.
    pub(super) queued: Vec<Key>,
    /// There may be room for them.
    pub(super) has_room: bool,
    bell: Arc<OwnedFd>,
    /// Where heads are written before they go into a buffer.
    pub(super) scratch: Vec<u8>,
    pub(super) shared: Arc<ProxyState>,
    status: StatusCounter,
    pub(super) random: fastrand::Rng,
    pub(super) request_ids: RequestIdMaker,
    /// When the events came that are being worked on.
    pub(super) now: Instant,
    /// Whose turn it is.
    pub(super) current: Option<Key>,
    /// Where its connection comes from and goes to, as far as it is known.
    pub(super) ends: Option<ConnectionEnds>,
}

impl World {
    pub(super) fn new(epoll: OwnedFd, shared: Arc<ProxyState>) -> io::Result<Self> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &bell, EventData::new_u64(EventToken::Room.to_bits()), EventFlags::IN)?;
        lock(&shared.bells).push(Arc::clone(&bell));
        Ok(Self {
            epoll,
            connections: Slab::default(),
            idle: HashMap::new(),
            private: HashMap::new(),
            stock: Stock::default(),
            queued: Vec::new(),
            has_room: false,
            bell,
            scratch: Vec::new(),
            shared,
            status: StatusCounter::default(),
            random: fastrand::Rng::new(),
            request_ids: RequestIdMaker::default(),
            now: Instant::now(),
            current: None,
            ends: None,
        })
    }

    /// Tells all threads that there may be room for a request that waits for a member of this service, if one does.
    pub(super) fn tell_of_room(&mut self, service: &Balancer) {
        if service.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.has_room = true;
        for bell in lock(&self.shared.bells).iter().filter(|bell| !Arc::ptr_eq(bell, &self.bell)) {
            // One that rings already is enough.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }

    /// Another thread has told so.
    pub(super) fn told_of_room(&mut self) {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        self.has_room = true;
    }

    /// A request was answered: with a page of the proxy's own, where it is told.
    pub(super) fn answered(&mut self, peer: Option<SocketAddr>, page: Option<&Page>, host: Option<&str>) {
        self.shared.metrics.answered(&mut self.status, peer, page, host);
    }

    /// Empty memory for a head, which the next one takes again once it is put back into `scratch`.
    pub(super) fn take_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch
    }

    /// A new connection for the current session.
    pub(super) fn connect(&mut self, member: &Member) -> io::Result<Key> {
        let token = EventToken::Member(self.connections.next_key()).to_bits();
        let socket = Socket::connect(member.address, &self.epoll, token)?;
        Ok(self.connections.insert(Box::new(Connection {
            socket,
            received: Buffer::default(),
            outgoing: Buffer::default(),
            is_connecting: true,
            is_reused: false,
            is_broken: false,
            session: self.current,
            member: member.id,
            counted: CountedConnection::new(&member.connections),
            idle_since: self.now,
            greeting: member.proxy_protocol.map(|version| proxy_header::write(version, self.ends)).unwrap_or_default(),
            owner: member.proxy_protocol.and(self.current),
        })))
    }

    /// A connection that was kept, for the current session. Where it `looks`, one that the member has closed in this very
    /// moment is none.
    pub(super) fn take_idle(&mut self, member: &Member, looks: bool) -> Option<Key> {
        while let Some(key) = self.pop_idle(member) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            let quiet = || recv(&connection.socket.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
            if !looks || quiet() == Err(Errno::AGAIN) {
                connection.session = self.current;
                connection.counted.set_idle(false);
                return Some(key);
            }
            self.connections.remove(key);
        }
        None
    }

    fn pop_idle(&mut self, member: &Member) -> Option<Key> {
        if member.proxy_protocol.is_none() {
            return self.idle.get_mut(&member.id)?.pop();
        }
        let (own, connections) = (self.private.get_mut(&self.current?)?, &mut self.connections);
        let is_its = |key: &Key| connections.get_mut(*key).is_some_and(|one| one.member == member.id);
        let place = own.iter().position(is_its)?;
        Some(own.swap_remove(place))
    }

    /// A session is at its end, and so is what is for its requests alone.
    pub(super) fn forget_session(&mut self, session: Key) {
        self.private.remove(&session).into_iter().flatten().for_each(|key| self.drop_connection(key));
    }

    /// Keeps a connection whose exchange is over, if nothing more came on it.
    pub(super) fn keep(&mut self, key: Key, member: &Member) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let is_quiet = connection.received.is_empty() && connection.outgoing.is_empty() && !connection.is_broken && {
            let mut surplus = [0];
            !connection.socket.is_readable
                || connection.socket.receive(&mut surplus) == crate::proxy::socket::Received::Nothing
        };
        let (idle, most) = match (member.proxy_protocol, connection.owner) {
            (None, _) => (self.idle.entry(member.id).or_default(), MOST_IDLE),
            (Some(_), Some(owner)) => (self.private.entry(owner).or_default(), MOST_PRIVATE),
            (Some(_), None) => return self.drop_connection(key),
        };
        if !is_quiet || idle.len() == most || self.shared.is_draining() {
            return self.drop_connection(key);
        }
        connection.received.release(&mut self.stock);
        connection.outgoing.forget();
        connection.outgoing.release(&mut self.stock);
        (connection.session, connection.is_reused, connection.idle_since) = (None, true, self.now);
        connection.counted.set_idle(true);
        idle.push(key);
    }

    pub(super) fn drop_connection(&mut self, key: Key) {
        if let Some(mut connection) = self.connections.remove(key) {
            connection.received.clear(&mut self.stock);
            connection.outgoing.clear(&mut self.stock);
        }
    }

    /// Drops all that carry an exchange of this session, which is over.
    pub(super) fn drop_connections_of(&mut self, session: Key) {
        for key in self.connections.keys() {
            if self.connections.get_mut(key).is_some_and(|one| one.session == Some(session)) {
                self.drop_connection(key);
            }
        }
    }

    /// Something came on a connection that nobody waits for: it ends.
    pub(super) fn drop_idle(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            let idle = match connection.owner {
                Some(owner) => self.private.get_mut(&owner),
                None => self.idle.get_mut(&connection.member),
            };
            if let Some(idle) = idle {
                idle.retain(|one| *one != key);
            }
            self.drop_connection(key);
        }
    }

    /// Drops what was idle for long, or all that is; says whether anything is left.
    pub(super) fn tidy(&mut self, all: bool) -> bool {
        let mut old = Vec::new();
        for keys in self.idle.values_mut().chain(self.private.values_mut()) {
            keys.retain(|key| {
                let idle = self.connections.get_mut(*key).map(|one| self.now.saturating_duration_since(one.idle_since));
                let stays = !all && idle.is_some_and(|idle| idle < IDLE);
                if !stays {
                    old.push(*key);
                }
                stays
            });
        }
        self.idle.retain(|_, keys| !keys.is_empty());
        self.private.retain(|_, keys| !keys.is_empty());
        old.into_iter().for_each(|key| self.drop_connection(key));
        !self.idle.is_empty() || !self.private.is_empty()
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventToken {
    Listener,
    Stop,
    /// There may be room for a request that waits.
    Room,
    Client(Key),
    Member(Key),
}

impl EventToken {
    pub(super) fn to_bits(self) -> u64 {
        let (kind, key) = match self {
            Self::Listener => return 0,
            Self::Stop => return 1,
            Self::Room => return 1 << 2,
            Self::Client(key) => (2, key),
            Self::Member(key) => (3, key),
        };
        // More than 2^30 connections at a time there are not.
        u64::from(key.generation) << 32 | u64::from(key.index) << 2 | kind
    }

    pub(super) fn of_bits(bits: u64) -> Self {
        let key = Key { index: (bits >> 2) as u32 & (u32::MAX >> 2), generation: (bits >> 32) as u32 };
        match bits & 3 {
            0 if bits == 0 => Self::Listener,
            0 => Self::Room,
            1 => Self::Stop,
            2 => Self::Client(key),
            _ => Self::Member(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_they_were_made_of() {
        let key = Key { index: (1 << 30) - 1, generation: u32::MAX };
        for token in [
            EventToken::Listener,
            EventToken::Stop,
            EventToken::Room,
            EventToken::Client(key),
            EventToken::Member(Key { index: 0, generation: 7 }),
        ] {
            assert_eq!(EventToken::of_bits(token.to_bits()), token);
        }
    }
}
