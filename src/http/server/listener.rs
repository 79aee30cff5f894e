//! The listening socket: the options std has no name for, and waiting for a connection without taking it.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::http::bounds::{BACKLOG, SOCKET_BUFFER_BYTES};
use crate::kernel::shutdown::Stop;

/// A listening socket.
pub(in crate::http) struct Listener(TcpListener);

impl Listener {
    /// Listens on `address`; an IPv6 wildcard takes IPv4 as well.
    ///
    /// Buffer sizes and TCP_NODELAY are set here once: accepted connections inherit them.
    pub(in crate::http) fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        // SAFETY: socket takes no pointers.
        let socket = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        set(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, SOCKET_BUFFER_BYTES)?;
        set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, SOCKET_BUFFER_BYTES)?;
        set(&socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
        if address.is_ipv6() {
            set(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        }
        let bound = match address {
            SocketAddr::V4(address) => {
                // SAFETY: an all-zero sockaddr_in is valid.
                let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
                raw.sin_family = libc::AF_INET as libc::sa_family_t;
                raw.sin_port = address.port().to_be();
                raw.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                // SAFETY: the pointer and the length are those of a live sockaddr_in.
                unsafe { libc::bind(socket.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t) }
            }
            SocketAddr::V6(address) => {
                // SAFETY: an all-zero sockaddr_in6 is valid.
                let mut raw: libc::sockaddr_in6 = unsafe { mem::zeroed() };
                raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                raw.sin6_port = address.port().to_be();
                raw.sin6_addr.s6_addr = address.ip().octets();
                raw.sin6_scope_id = address.scope_id();
                // SAFETY: the pointer and the length are those of a live sockaddr_in6.
                unsafe { libc::bind(socket.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as libc::socklen_t) }
            }
        };
        check(bound)?;
        // SAFETY: listen takes no pointers.
        check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
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
        let watch = |descriptor: i32| libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        let mut watched = [watch(self.0.as_raw_fd()), watch(stop.bell().as_raw_fd())];
        loop {
            // SAFETY: the pointer and the count are those of a live array.
            match check(unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, -1) }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
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
    let mut watched = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: the pointer is to one live pollfd, and the time-out of 0 makes the call return at once.
    unsafe { libc::poll(&raw mut watched, 1, 0) > 0 }
}

/// Whether the client has sent something that nobody has read yet.
pub(in crate::http) fn has_unread(stream: &TcpStream) -> bool {
    let mut byte = 0u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the pointer and the length are those of a live byte.
    unsafe { libc::recv(stream.as_raw_fd(), (&raw mut byte).cast(), 1, flags) > 0 }
}

fn set(socket: &OwnedFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of a live i32, which all the options used here take.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) })?;
    Ok(())
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
