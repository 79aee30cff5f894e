//! Where clients come in.

use std::io;
use std::net::SocketAddr;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, listen as listen_on, socket_with, sockopt,
};

/// Connections the kernel holds for us before we accept them.
const BACKLOG: i32 = 4096;

/// Listens on `address`; where its port is taken, and `next_port` says so, on the next one that is free.
pub(super) fn listen(mut address: SocketAddr, next_port: bool) -> io::Result<OwnedFd> {
    loop {
        match try_listen(address) {
            Ok(socket) => {
                let address = SocketAddr::try_from(getsockname(&socket)?)?;
                log::info!("listening on {}, port {}", address.ip(), address.port());
                return Ok(socket);
            }
            Err(Errno::ADDRINUSE) if next_port && address.port() < u16::MAX => {
                log::info!("port {} is taken, trying the next one", address.port());
                address.set_port(address.port() + 1);
            }
            Err(error) => {
                let error = io::Error::from(error);
                return Err(io::Error::new(error.kind(), format!("Cannot listen on {address}: {error}")));
            }
        }
    }
}

fn try_listen(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Accepted connections inherit it.
    sockopt::set_tcp_nodelay(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    bind(&socket, &address)?;
    listen_on(&socket, BACKLOG)?;
    Ok(socket)
}
