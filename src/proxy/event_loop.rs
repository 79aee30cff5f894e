//! One thread: it waits for events on all its connections, and works on those that have some.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};

use crate::kernel::shutdown::Stop;
use crate::proxy::pages::Page;
use crate::proxy::services::Balancer;
use crate::proxy::session::Session;
use crate::proxy::session_state::Closed;
use crate::proxy::slab::{Key, Slab};
use crate::proxy::socket::Socket;
use crate::proxy::world::{EventToken, ProxyState, World};

/// Most events that are told at a time.
const EVENTS: usize = 256;
/// Most connections that are accepted at a time, so that those that are there get their turn.
const ACCEPTS: usize = 64;
/// How often deadlines are looked at, at most.
const LOOK: Duration = Duration::from_millis(10);
/// How often idle connections to members are looked at.
const TIDY: Duration = Duration::from_secs(5);
/// How long nobody is accepted after descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// A thread's connections.
pub(super) struct EventLoop {
    sessions: Slab<Session>,
    world: World,
    listener: Arc<OwnedFd>,
    stop: Stop,
    /// For how long exchanges may go on once it stops.
    drain: Duration,
    /// When a deadline may have passed.
    due: Option<Instant>,
    tidy_at: Option<Instant>,
    /// When the listener is watched again, where it is not.
    paused_until: Option<Instant>,
    /// When all ends, once it stops.
    ends_at: Option<Instant>,
}

impl EventLoop {
    pub(super) fn new(
        listener: Arc<OwnedFd>,
        shared: Arc<ProxyState>,
        stop: Stop,
        drain: Duration,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, stop.bell(), EventData::new_u64(EventToken::Stop.to_bits()), EventFlags::IN)?;
        let world = World::new(epoll, shared)?;
        let sessions = Slab::default();
        let worker = Self {
            sessions,
            world,
            listener,
            stop,
            drain,
            due: None,
            tidy_at: None,
            paused_until: None,
            ends_at: None,
        };
        worker.listen()?;
        Ok(worker)
    }

    fn listen(&self) -> io::Result<()> {
        // Of several threads one is woken for a connection.
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        Ok(epoll::add(&self.world.epoll, &*self.listener, EventData::new_u64(EventToken::Listener.to_bits()), flags)?)
    }

    /// Serves until the stop signal, and the exchanges that are under way then to their end.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            let timeout = self.patience();
            match epoll::wait(&self.world.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            self.world.now = Instant::now();
            for event in &events {
                let epoll::Event { flags, data } = *event;
                self.told(EventToken::of_bits(data.u64()), flags);
            }
            while std::mem::take(&mut self.world.has_room) {
                self.ask_queued();
            }
            self.look();
            if self.ends_at.is_some_and(|end| self.sessions.len() == 0 || end <= self.world.now) {
                return Ok(());
            }
        }
    }

    /// Until when nothing is to be done, unless something comes.
    fn patience(&self) -> Option<Timespec> {
        let next = [self.due, self.tidy_at, self.paused_until, self.ends_at].into_iter().flatten().min()?;
        let wait = next.saturating_duration_since(Instant::now());
        // Not before it is due.
        let milliseconds = wait.as_millis() as i64 + 1;
        Some(Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 })
    }

    fn told(&mut self, token: EventToken, flags: EventFlags) {
        match token {
            EventToken::Listener => self.accept(),
            EventToken::Stop => self.stop(),
            EventToken::Room => self.world.told_of_room(),
            EventToken::Client(key) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.client.told(flags);
                    self.work(key);
                }
            }
            EventToken::Member(key) => {
                let Some(connection) = self.world.connections.get_mut(key) else { return };
                connection.socket.told(flags);
                match connection.session {
                    Some(session) => self.work(session),
                    // That something may be sent is told once, when it has been connected.
                    None if flags.contains(EventFlags::IN) || connection.socket.has_hung_up() => {
                        self.world.drop_idle(key);
                    }
                    None => {}
                }
            }
        }
    }

    /// Asks for the requests that wait, in the order that they came: of each service until one finds no room.
    fn ask_queued(&mut self) {
        let (mut still, mut busy) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.world.queued) {
            let Some(service) = self.waited_for(key) else { continue };
            if !busy.iter().any(|other| Arc::ptr_eq(other, &service)) {
                self.work(key);
                if self.waited_for(key).is_none() {
                    continue;
                }
                busy.push(service);
            }
            still.push(key);
        }
        // Behind those: who has come meanwhile.
        still.append(&mut self.world.queued);
        self.world.queued = still;
    }

    /// The service that a session's request waits for.
    fn waited_for(&mut self, key: Key) -> Option<Arc<Balancer>> {
        Some(Arc::clone(&self.sessions.get_mut(key)?.queued.as_ref()?.service))
    }

    fn work(&mut self, key: Key) {
        self.with(key, Session::run);
    }

    /// Lets a session do something, and ends it where it is at its end, or panics: nobody else's connection ends with it.
    fn with(&mut self, key: Key, act: impl FnOnce(&mut Session, &mut World) -> Result<(), Closed>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        (self.world.current, self.world.ends) = (Some(key), session.ends());
        match panic::catch_unwind(AssertUnwindSafe(|| act(session, &mut self.world))) {
            Ok(Ok(())) => {
                let deadline = session.deadline(&mut self.world);
                self.due = Some(self.due.map_or(deadline, |due| due.min(deadline)));
            }
            Ok(Err(Closed)) => {
                self.end(key);
                log::info!("connection closed");
            }
            Err(_) => {
                log::error!("connection closed: the service failed on it");
                self.end(key);
                self.world.drop_connections_of(key);
            }
        }
        self.world.current = None;
        if self.tidy_at.is_none() {
            self.tidy_at = Some(self.world.now + TIDY);
        }
    }

    fn end(&mut self, key: Key) {
        if let Some(session) = self.sessions.remove(key) {
            // One that has panicked may do so again; what it holds of memory and descriptors goes with it all the same.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| session.close(&mut self.world)));
            self.world.forget_session(key);
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            match acceptfrom_with(&*self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((stream, peer)) => {
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    self.begin(TcpStream::from(stream), peer);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    // Descriptors or memory have run out: they pass, and what is idle may help them to.
                    log::warn!("cannot accept a connection: {error}");
                    self.world.tidy(true);
                    if epoll::delete(&self.world.epoll, &*self.listener).is_ok() {
                        self.paused_until = Some(self.world.now + PAUSE);
                    }
                    return;
                }
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: Option<SocketAddr>) {
        let routes = self.world.shared.routes();
        let rules = &routes.clients;
        if rules.expects_proxy_header && !rules.may_announce(peer.map(|peer| peer.ip())) {
            if let Some(peer) = peer {
                log::warn!("connection closed: {peer} is not trusted to say whose it is");
            }
            return;
        }
        // Whose it is comes later, where the connection says it.
        let counted = peer.filter(|_| !rules.expects_proxy_header);
        let Some(permit) = self.world.shared.clients.enter(counted) else { return self.turn_away(&stream, peer) };
        let local = if rules.announces { stream.local_addr().ok() } else { None };
        let token = EventToken::Client(self.sessions.next_key()).to_bits();
        match Socket::watch(stream, &self.world.epoll, token) {
            Ok(client) => {
                if let Some(peer) = peer {
                    log::info!("connection accepted from {peer}");
                }
                let metrics = &self.world.shared.metrics;
                metrics.clients.fetch_add(1, Ordering::Relaxed);
                metrics.clients_accepted.fetch_add(1, Ordering::Relaxed);
                let mut session = Session::new(client, peer, permit, self.world.now);
                session.local = local;
                if rules.expects_proxy_header {
                    session.expect_proxy_header(self.world.now);
                }
                let key = self.sessions.insert(session);
                self.with(key, |_, _| Ok(()));
            }
            Err(error) => log::warn!("cannot watch a connection: {error}"),
        }
    }

    /// Says that there are too many, without reading what is asked for.
    fn turn_away(&mut self, mut stream: &TcpStream, peer: Option<SocketAddr>) {
        let page = Page::ServiceUnavailable;
        self.world.answered(peer, Some(&page), None);
        self.world.shared.metrics.page_sent(&page);
        // An empty socket has room for it. Who cannot be told is gone.
        let _ = io::Write::write(&mut stream, &page.answer(false));
        let _ = stream.shutdown(Shutdown::Write);
    }

    /// Looks at what is due.
    fn look(&mut self) {
        let now = self.world.now;
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            if self.ends_at.is_none() && self.listen().is_err() {
                self.paused_until = Some(now + PAUSE);
            }
        }
        if self.tidy_at.is_some_and(|at| at <= now) {
            self.tidy_at = self.world.tidy(false).then_some(now + TIDY);
        }
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let mut next: Option<Instant> = None;
        for key in self.sessions.keys() {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            if session.deadline(&mut self.world) <= now {
                self.with(key, Session::timed_out);
            }
            if let Some(session) = self.sessions.get_mut(key) {
                let deadline = session.deadline(&mut self.world);
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        }
        self.due = next.map(|next| next.max(now + LOOK));
    }

    /// Accepts nobody any more, and closes who has no request.
    fn stop(&mut self) {
        if self.ends_at.is_some() || !self.stop.is_set() {
            return;
        }
        self.ends_at = Some(self.world.now + self.drain);
        // The bell rings on.
        let _ = epoll::delete(&self.world.epoll, self.stop.bell());
        let _ = epoll::delete(&self.world.epoll, &*self.listener);
        self.world.tidy(true);
        for key in self.sessions.keys() {
            if self.sessions.get_mut(key).is_some_and(|session| session.is_idle()) {
                self.end(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::listener;
    use std::io::{Read, Write};
    use std::thread;

    #[test]
    fn a_panic_ends_the_connection_that_it_is_about_and_no_other() {
        let listener = Arc::new(listener::listen(SocketAddr::from(([127, 0, 0, 1], 0)), false).unwrap());
        let address = TcpStream::from(listener.try_clone().unwrap()).local_addr().unwrap();
        let shared = Arc::new(ProxyState::new(Duration::from_secs(5), false));
        shared.clients.limit(None, None);
        let stop = Stop::new().unwrap();
        let seconds = Duration::from_secs;
        let mut worker = EventLoop::new(listener, Arc::clone(&shared), stop.clone(), seconds(5)).unwrap();
        let mut clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        while worker.sessions.len() < 2 {
            worker.accept();
        }
        let panics = worker.sessions.keys()[0];
        worker.with(panics, |_, _| panic!("this session is to end alone"));
        assert_eq!((worker.sessions.len(), shared.metrics.clients.load(Ordering::Relaxed)), (1, 1));
        let thread = thread::spawn(move || worker.run());
        for client in &clients {
            client.set_read_timeout(Some(seconds(5))).unwrap();
        }
        assert_eq!(clients[0].read(&mut [0]).unwrap(), 0, "it is closed");
        clients[1].write_all(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n").unwrap();
        let mut answer = String::new();
        clients[1].read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        stop.stop();
        thread.join().unwrap().unwrap();
    }
}
