//! The receiving side of a connection: heads and bodies, each against its deadline.

use crate::http::bounds::{BUFFER_BYTES, HEAD_BYTES, HEAD_DEADLINE, IDLE, LINGER_BYTES};
use crate::http::message::body::ReceiveError;
use crate::http::message::head::EndFinder;
use crate::http::message::rejection::Rejection;
use std::io::{self, BufRead, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The receiving side of a connection, with a buffer and a deadline.
pub(super) struct Wire<'p> {
    pub(super) stream: &'p TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was received and not used yet.
    start: usize,
    end: usize,
    /// When reading a head or a body must be done.
    pub(super) deadline: Instant,
    /// The read time-out the socket has.
    timeout: Duration,
}

impl<'p> Wire<'p> {
    pub(super) fn new(stream: &'p TcpStream) -> Self {
        Self { stream, buffer: Vec::new(), start: 0, end: 0, deadline: Instant::now(), timeout: IDLE }
    }

    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the next request head into `head`. Returns false when the client has nothing more to say.
    ///
    /// Until its first byte comes, the connection is idle; from then on the head has its deadline.
    pub(super) fn read_head(&mut self, head: &mut Vec<u8>) -> Result<bool, ReceiveError> {
        let mut finder = EndFinder::default();
        if self.buffered().is_empty() {
            self.set_timeout(IDLE)?;
            match self.receive() {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.deadline = Instant::now() + HEAD_DEADLINE;
        loop {
            let bytes = &self.buffer[self.start..self.end];
            if let Some(length) = finder.look(bytes)? {
                head.clear();
                head.extend_from_slice(&bytes[..length]);
                self.start += length;
                return Ok(true);
            }
            self.set_timeout(time_left(self.deadline)?)?;
            if self.receive()? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Receives once, behind what is buffered already. The buffer grows up to the size of the largest head.
    fn receive(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let larger = (self.buffer.len() * 2).clamp(BUFFER_BYTES, HEAD_BYTES + BUFFER_BYTES);
            self.buffer.resize(larger, 0);
        }
        loop {
            match (&mut &*self.stream).read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
            }
        }
    }

    /// Receives once into `bytes`, past the buffer, which must be empty.
    pub(super) fn receive_into(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        debug_assert!(self.buffered().is_empty(), "what came before comes first");
        self.set_timeout(time_left(self.deadline)?)?;
        loop {
            match (&mut &*self.stream).read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => return received,
            }
        }
    }

    fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if self.timeout != timeout {
            self.stream.set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        Ok(())
    }

    /// Says that we are done, and reads on for a moment, so that the client sees our answer before the reset that
    /// closing with unread bytes would be.
    pub(super) fn linger(&mut self, length: Duration) {
        let deadline = Instant::now() + length;
        let mut left = LINGER_BYTES;
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        (self.start, self.end) = (0, 0);
        while let Ok(time) = time_left(deadline) {
            match self.set_timeout(time).and_then(|()| self.receive()) {
                Ok(count) if count > 0 && count <= left => left -= count,
                _ => return,
            }
            (self.start, self.end) = (0, 0);
        }
    }

    pub(super) fn tidy(&mut self) {
        if self.buffer.len() > BUFFER_BYTES && self.end - self.start <= BUFFER_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.buffer.truncate(BUFFER_BYTES);
            self.buffer.shrink_to_fit();
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Wire<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffered().is_empty() {
            let time = time_left(self.deadline)?;
            self.set_timeout(time)?;
            self.receive()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

/// What is left until `deadline`.
pub(super) fn time_left(deadline: Instant) -> io::Result<Duration> {
    match deadline.checked_duration_since(Instant::now()) {
        // The kernel counts in microseconds, and takes 0 for "for ever".
        Some(left) if left >= Duration::from_micros(1) => Ok(left),
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl ReceiveError {
    /// What to answer: `late` where the deadline has passed. A connection that failed has no use for an answer.
    pub(super) fn rejection(self, late: Rejection) -> io::Result<Rejection> {
        match self {
            Self::Rejected(rejection) => Ok(rejection),
            Self::Io(error) if is_timeout(&error) => Ok(late),
            Self::Io(error) => Err(error),
        }
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
