//! A connection to a Redis: one command, one reply, and both within one deadline.
//!
//! The library's own connection bounds each read of a reply, but neither the reply's time nor its size, and it reads pushes
//! for as long as they come. The commands here have replies of one line (RESP2: a simple string, an error or an integer),
//! so a reply is read up to the end of its line, with one deadline and one bound. The library writes commands and
//! understands lines.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis::{Cmd, ConnectionAddr, RedisResult, Value, parse_redis_value};

/// Longest reply, in bytes. An error names its reason in a few hundred.
const REPLY_BYTES: usize = 64 * 1024;
/// How much is read at once, in bytes: usual replies whole.
const CHUNK: usize = 512;

/// A connection over which nothing is on its way.
pub(super) enum RedisConnection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl RedisConnection {
    /// Connects, and sends nothing.
    ///
    /// # Errors
    /// When none of the addresses can be connected to before the deadline.
    pub(super) fn to(address: &ConnectionAddr, deadline: Instant) -> io::Result<Self> {
        let (host, port) = match address {
            ConnectionAddr::Tcp(host, port) => (host.as_str(), *port),
            // This waits without a bound only while the Redis' backlog of hundreds is full, and we connect eight times.
            ConnectionAddr::Unix(path) => return UnixStream::connect(path).map(Self::Unix),
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "there is no TLS")),
        };
        let mut failed = None;
        for address in (host, port).to_socket_addrs()? {
            match left(deadline).and_then(|left| TcpStream::connect_timeout(&address, left)) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self::Tcp(stream));
                }
                // The first reason: later addresses may have had no time left.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
    }

    /// The reply to a command that has one of one line. After an error the connection is of no use any more.
    ///
    /// # Errors
    /// What the Redis says; that the whole reply is not there by the deadline; that it is too long, or something else.
    pub(super) fn ask(&mut self, command: &Cmd, deadline: Instant) -> RedisResult<Value> {
        self.write(&command.get_packed_command(), deadline)?;
        parse_redis_value(&self.line(deadline)?)?.extract_error()
    }

    fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            let timeout = Some(left(deadline)?);
            let written = match self {
                Self::Tcp(stream) => stream.set_write_timeout(timeout).and_then(|()| stream.write(bytes)),
                Self::Unix(stream) => stream.set_write_timeout(timeout).and_then(|()| stream.write(bytes)),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(in_words(error)),
            }
        }
        Ok(())
    }

    /// A line with its end.
    fn line(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let timeout = Some(left(deadline)?);
            let mut chunk = [0; CHUNK];
            let read = match self {
                Self::Tcp(stream) => stream.set_read_timeout(timeout).and_then(|()| stream.read(&mut chunk)),
                Self::Unix(stream) => stream.set_read_timeout(timeout).and_then(|()| stream.read(&mut chunk)),
            };
            let length = match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(in_words(error)),
            };
            let end = chunk[..length].iter().position(|&byte| byte == b'\n');
            line.extend_from_slice(&chunk[..length]);
            let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
            match line[0] {
                b'+' | b'-' | b':' => {}
                _ => return invalid("the answer is no reply to the command"),
            }
            match end {
                Some(end) if end + 1 < length => return invalid("the answer is more than the reply"),
                Some(_) => return Ok(line),
                None if line.len() > REPLY_BYTES => return invalid("the reply is longer than 64 KiB"),
                None => {}
            }
        }
    }
}

/// The time that is left.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(in_words(io::ErrorKind::TimedOut.into())) } else { Ok(left) }
}

/// The kernel says EAGAIN for a timeout on a socket, which tells nobody anything.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "no reply in time")
        }
        _ => error,
    }
}
