//! A socket that never makes its thread wait, and what the kernel told of it.

use std::io;
use std::net::{SocketAddr, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with, sockopt,
};

use crate::proxy::buffer::Buffer;
use crate::proxy::pipe::Pipe;

/// A socket that is watched for changes alone: what the kernel told once stands here until it is used up.
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    /// There may be something to be received.
    pub(super) is_readable: bool,
    /// Something may be sent.
    pub(super) is_writable: bool,
    /// The other side sends no more, or the connection has failed: reading tells which.
    has_hung_up: bool,
}

/// What receiving comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Bytes(usize),
    /// Not yet.
    Nothing,
    /// The other side sends no more.
    End,
    /// The connection is no more.
    Failed,
}

impl Socket {
    /// Watches `stream`, which does not block.
    pub(super) fn watch(stream: TcpStream, epoll: &OwnedFd, token: u64) -> io::Result<Self> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(epoll, &stream, EventData::new_u64(token), flags)?;
        Ok(Self { stream, is_readable: false, is_writable: false, has_hung_up: false })
    }

    /// A connection that is under way to `address`.
    pub(super) fn connect(address: SocketAddr, epoll: &OwnedFd, token: u64) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Self::watch(TcpStream::from(socket), epoll, token),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of the connecting, once something may be sent.
    pub(super) fn connected(&self) -> io::Result<()> {
        Ok(sockopt::socket_error(self.stream.as_fd())??)
    }

    /// Takes note of what the kernel tells.
    pub(super) fn told(&mut self, flags: EventFlags) {
        let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        self.has_hung_up |= ends;
        self.is_readable |= ends || flags.contains(EventFlags::IN);
        self.is_writable |= flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
    }

    /// Whether the other side has ended, or the connection has failed.
    pub(super) fn has_hung_up(&self) -> bool {
        self.has_hung_up
    }

    pub(super) fn receive(&mut self, into: &mut [u8]) -> Received {
        loop {
            match recv(&self.stream, &mut *into, RecvFlags::empty()) {
                Ok((0, _)) => return Received::End,
                Ok((count, _)) => {
                    // Less than there is room for was all there is; what comes later is told again.
                    self.is_readable = self.has_hung_up || count == into.len();
                    return Received::Bytes(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.is_readable = false;
                    return Received::Nothing;
                }
                Err(_) => return Received::Failed,
            }
        }
    }

    /// The same, into the pipe that has nothing in it yet.
    pub(super) fn receive_into(&mut self, pipe: &mut Pipe, most: usize) -> Received {
        loop {
            match pipe.fill(&self.stream, most) {
                Ok(0) => return Received::End,
                Ok(count) => return Received::Bytes(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.is_readable = false;
                    return Received::Nothing;
                }
                Err(_) => return Received::Failed,
            }
        }
    }

    /// Sends what the kernel takes of what is buffered, maybe nothing.
    pub(super) fn send(&mut self, buffer: &mut Buffer) -> io::Result<usize> {
        while self.is_writable && !buffer.is_empty() {
            let sent = match buffer.filled_pipe() {
                Some(pipe) => pipe.drain(&self.stream),
                None => send(&self.stream, buffer.data(), SendFlags::NOSIGNAL).inspect(|&count| {
                    self.is_writable = count == buffer.data().len();
                    buffer.consume(count);
                }),
            };
            match sent {
                Ok(count) => {
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.is_writable = false;
                    return Ok(0);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }
}
