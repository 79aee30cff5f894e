//! Accepting connections, one thread each, until the service stops.

mod connection;
pub mod listener;
mod receive;
mod request_body;
mod sender;
mod slots;
pub mod throttle;
mod wait_state;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::http::bounds::{ANSWER_DEADLINE, IDLE, THREAD_STACK_BYTES};
use crate::http::message::request::Service;
use crate::http::server::connection::Edge;
use crate::http::server::listener::Listener;
use crate::http::server::slots::{Permit, Slots};
use crate::http::server::throttle::Throttle;
use crate::kernel::shutdown::Stop;
use crate::sync::spawn;

/// Pauses between two failed accepts: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A server that listens, and serves nobody yet.
pub struct Server {
    listener: Listener,
    slots: Arc<Slots>,
    connections: usize,
    stop: Stop,
}

impl Server {
    /// Listens on `address` for at most `connections` connections at a time.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(address: SocketAddr, connections: usize, stop: Stop) -> io::Result<Self> {
        let listener = Listener::bind(address)?;
        Ok(Self { listener, slots: Slots::new(connections), connections, stop })
    }

    /// Where it really listens: the port chosen, where 0 was asked for.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the stop signal, then closes the listener. [`Drain`] has the connections that are left.
    pub fn serve(self, service: Arc<dyn Service>) -> Drain {
        let throttle = Throttle::new(self.connections, self.stop.clone());
        let edge = Arc::new(Edge { service, throttle, stop: self.stop.clone() });
        let mut pause = FIRST_PAUSE;
        while !self.stop.is_set() {
            match self.accept() {
                Ok(Some((permit, stream))) => {
                    pause = FIRST_PAUSE;
                    self.start(permit, stream, &edge);
                }
                Ok(None) => {}
                Err(error) => {
                    // EMFILE, ENFILE, ENOBUFS, ENOMEM: they pass, and a waiting connection may help them to.
                    log::warn!("Cannot accept a connection: {error}, next try in {} ms", pause.as_millis());
                    self.slots.make_way();
                    self.stop.sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        Drain(self.slots)
    }

    /// The next connection and the permit taken for it before; `None` when it is gone or the service stops.
    fn accept(&self) -> io::Result<Option<(Permit, TcpStream)>> {
        if !self.listener.wait(&self.stop)? {
            return Ok(None);
        }
        let Some(permit) = self.slots.permit(&self.stop) else { return Ok(None) };
        match self.listener.accept() {
            Ok(stream) => Ok(Some((permit, stream))),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Gives a connection its thread, or a refusal.
    fn start(&self, permit: Permit, stream: TcpStream, edge: &Arc<Edge>) {
        // Neither can fail on a live socket with a time that is not zero; a dead one is found out by the first read.
        let _ = stream.set_read_timeout(Some(IDLE));
        let _ = stream.set_write_timeout(Some(ANSWER_DEADLINE));
        let slot = permit.occupy(stream);
        let there = Arc::clone(&slot.connection);
        let edge = Arc::clone(edge);
        let serve = move || connection::serve(&slot, &edge);
        if let Err(error) = spawn("connection", THREAD_STACK_BYTES, Box::new(serve)) {
            log::warn!("Cannot start a thread for a connection: {error}");
            // Threads pass like descriptors do, and a waiting connection may help them to.
            self.slots.make_way();
            connection::turn_away(&there.stream, "there is no thread for this connection, try again later");
        }
    }
}

/// The connections of a server that has stopped accepting.
pub struct Drain(Arc<Slots>);

impl Drain {
    /// Lets answers in flight go out, for at most `grace`, and closes all other connections at once.
    pub fn finish(self, grace: Duration) {
        self.0.close_waiting(false);
        if !self.0.wait_until_empty(grace) {
            self.0.close_waiting(true);
        }
    }
}
