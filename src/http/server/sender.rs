//! The sending side of a connection, within the deadline of each piece.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::http::bounds::ANSWER_DEADLINE;
use crate::http::server::receive::time_left;
use crate::http::server::slots::Slot;

/// The sending side of a connection.
#[derive(Clone, Copy)]
pub(super) struct Sender<'p> {
    pub(super) slot: &'p Slot,
}

impl<'p> Sender<'p> {
    fn stream(self) -> &'p TcpStream {
        &self.slot.connection.stream
    }

    /// From now on the connection waits on us, unless it was told to give way.
    pub(super) fn serve(self) -> io::Result<()> {
        if self.slot.connection.serve() { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
    }

    /// Sends these parts, in one write where the client keeps up, and within the deadline in any case.
    pub(super) fn send(self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.slot.connection.await_taking();
        let mut stream = self.stream();
        // The socket's own time-out is the whole deadline, so only what the first write leaves over needs another.
        let deadline = Instant::now() + ANSWER_DEADLINE;
        let mut shortened = false;
        loop {
            match stream.write_vectored(parts) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => IoSlice::advance_slices(&mut parts, sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if parts.iter().all(|part| part.is_empty()) {
                break;
            }
            stream.set_write_timeout(Some(time_left(deadline)?))?;
            shortened = true;
        }
        if shortened {
            stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        }
        self.slot.connection.answer_taken();
        Ok(())
    }
}

/// The body of an answer that is written as it is made. Between two pieces the connection waits on us.
pub(super) struct AnswerBody<'p> {
    pub(super) sender: Sender<'p>,
    pub(super) is_chunked: bool,
}

impl Write for AnswerBody<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        // An empty chunk would be the end.
        if !piece.is_empty() {
            self.piece(piece)?;
            self.sender.serve()?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AnswerBody<'_> {
    /// Says that the body is whole. Where the end of the connection says it, nothing is to be sent.
    pub(super) fn end(self) -> io::Result<()> {
        if self.is_chunked { self.piece(b"") } else { Ok(()) }
    }

    fn piece(&self, piece: &[u8]) -> io::Result<()> {
        if self.is_chunked {
            let size = format!("{:x}\r\n", piece.len());
            self.sender.send(&mut [IoSlice::new(size.as_bytes()), IoSlice::new(piece), IoSlice::new(b"\r\n")])
        } else {
            self.sender.send(&mut [IoSlice::new(piece)])
        }
    }
}
