//! The listening socket: the options std has no name for, and waiting for a connection without taking it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, listen, recv, socket_with, sockopt};

use crate::http::bounds::{BACKLOG, SOCKET_BUFFER_BYTES};
use crate::kernel::shutdown::Stop;

/// A listening socket.
pub(in crate::http) struct Listener(TcpListener);

impl Listener {
    /// Listens on `address`; an IPv6 wildcard takes IPv4 as well.
    ///
    /// Buffer sizes and TCP_NODELAY are set here once: accepted connections inherit them.
    pub(in crate::http) fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES)?;
        sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, false)?;
        }
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        let listener = TcpListener::from(socket);
        // A connection can vanish between poll and accept; accept must not wait for the next one then.
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    pub(in crate::http) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Waits until a connection can be accepted (true) or the service stops (false).
    pub(in crate::http) fn wait(&self, stop: &Stop) -> io::Result<bool> {
        let bell = stop.bell();
        let mut watched = [PollFd::new(&self.0, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
        loop {
            match poll(&mut watched, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(!stop.is_set()),
            }
        }
    }

    /// Accepts a connection, if one is still there.
    pub(in crate::http) fn accept(&self) -> io::Result<TcpStream> {
        self.0.accept().map(|(stream, _)| stream)
    }
}

/// Whether the client has closed its side, or the connection is no more.
pub(in crate::http) fn has_hung_up(stream: &TcpStream) -> bool {
    let mut watched = [PollFd::new(stream, PollFlags::RDHUP)];
    poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Whether the client has sent something that nobody has read yet.
pub(in crate::http) fn has_unread(stream: &TcpStream) -> bool {
    recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok_and(|(count, _)| count > 0)
}
