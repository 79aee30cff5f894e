//! A connection to a Redis: one command, one reply, and both within one deadline.
//!
//! A reply is read up to its end, within one deadline and one bound; what comes behind it is refused.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::redis::address::RedisAddress;
use crate::redis::command::encode;
use crate::redis::reply::ReplyReader;
use crate::redis::value::RedisValue;

/// How much of a line is read at once, in bytes: usual replies whole.
const CHUNK: usize = 512;
/// How much of any reply is read at once, in bytes: what a socket holds.
const LARGE_CHUNK: usize = 128 * 1024;

/// A connection over which nothing is on its way.
pub enum RedisConnection {
    /// Over a network.
    Tcp(TcpStream),
    /// On the same machine.
    Unix(UnixStream),
}

impl RedisConnection {
    /// Connects, and sends nothing.
    ///
    /// # Errors
    /// When none of the addresses can be connected to before the deadline.
    pub fn to(address: &RedisAddress, deadline: Instant) -> io::Result<Self> {
        let (host, port) = match address {
            RedisAddress::Tcp(host, port) => (host.as_str(), *port),
            // This waits without a bound only while the Redis' backlog of hundreds is full, and a role connects a few times.
            RedisAddress::Unix(path) => return UnixStream::connect(path).map(Self::Unix),
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

    /// The reply to a command of these words, which has one of one line. What the Redis refuses is a
    /// [`RedisValue::Error`]. After any other error the connection is of no use any more.
    ///
    /// # Errors
    /// That the whole reply is not there by the deadline; that it is longer than 64 KiB, or something else.
    pub fn ask(&mut self, words: &[&[u8]], deadline: Instant) -> io::Result<RedisValue> {
        self.write(&encode(words), deadline)?;
        self.reply(ReplyReader::line(), &mut [0; CHUNK], deadline)
    }

    /// The reply to any command, as of [`RedisConnection::ask`].
    ///
    /// # Errors
    /// That the whole reply is not there by the deadline; that it is longer than [`crate::redis::reply::REPLY_BYTES`], or no
    /// reply.
    pub fn call(&mut self, words: &[&[u8]], deadline: Instant) -> io::Result<RedisValue> {
        self.write(&encode(words), deadline)?;
        self.reply(ReplyReader::any(), &mut vec![0; LARGE_CHUNK], deadline)
    }

    /// Reads a reply, through a buffer.
    fn reply(&mut self, mut reader: ReplyReader, chunk: &mut [u8], deadline: Instant) -> io::Result<RedisValue> {
        loop {
            let length = self.read(chunk, deadline)?;
            let mut bytes = &chunk[..length];
            if let Some(reply) = reader.feed(&mut bytes)? {
                let words = "the answer is more than the reply";
                return if bytes.is_empty() {
                    Ok(reply)
                } else {
                    Err(io::Error::new(io::ErrorKind::InvalidData, words))
                };
            }
        }
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

    /// What came in, at least one byte.
    fn read(&mut self, chunk: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let timeout = Some(left(deadline)?);
            let read = match self {
                Self::Tcp(stream) => stream.set_read_timeout(timeout).and_then(|()| stream.read(chunk)),
                Self::Unix(stream) => stream.set_read_timeout(timeout).and_then(|()| stream.read(chunk)),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(in_words(error)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::test_server::TestRedis;
    use std::thread;

    /// What a call says of a peer that sends these pieces, and then nothing.
    fn call(pieces: &'static [&'static [u8]], patience: Duration) -> io::Result<RedisValue> {
        let (here, mut there) = UnixStream::pair().unwrap();
        let peer = thread::spawn(move || {
            for piece in pieces {
                there.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(10));
            }
            there
        });
        let result = RedisConnection::Unix(here).call(&[b"PING"], Instant::now() + patience);
        peer.join().unwrap();
        result
    }

    #[test]
    fn a_reply_that_comes_in_pieces_is_whole() {
        let reply = call(&[b"*2\r\n$3\r\na\r", b"\n\r", b"\n:4", b"\r\n"], Duration::from_secs(60)).unwrap();
        assert_eq!(reply, RedisValue::Array(vec![RedisValue::BulkString(b"a\r\n".to_vec()), RedisValue::Int(4)]));
    }

    #[test]
    fn what_is_more_or_less_than_a_reply_is_an_error() {
        let long = Duration::from_secs(60);
        assert_eq!(call(&[b"+OK\r\n+OK\r\n"], long).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(call(&[b"HTTP/1.1 400 no\r\n"], long).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(call(&[b"$16777217\r\n"], long).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(call(&[b"$3\r\nab"], Duration::from_millis(50)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(matches!(call(&[b"-LOADING soon\r\n"], long), Ok(RedisValue::Error(_))));
    }

    #[test]
    fn long_commands_and_replies_go_through() {
        let Some(server) = TestRedis::start(&[]) else { return };
        let text = "x".repeat(5 << 20);
        server.say(&["SET", "long", &text]).unwrap();
        assert_eq!(server.say(&["GET", "long"]).unwrap(), RedisValue::BulkString(text.into_bytes()));
    }
}
