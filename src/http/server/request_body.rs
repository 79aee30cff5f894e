//! The body of a request that its handler reads as it comes.

use std::io::{self, BufRead, IoSlice, Read};
use std::time::Instant;

use crate::http::bounds::BODY_DEADLINE;
use crate::http::message::body::{BodyDecoder, Piece};
use crate::http::message::head::Framing;
use crate::http::message::rejection::Rejection;
use crate::http::message::response::CONTINUE;
use crate::http::server::receive::{Wire, is_timeout};
use crate::http::server::sender::Sender;

/// Why the rest of a body is not waited for.
pub(super) const LATE: Rejection = Rejection::new(408, "the request body did not come in time");

/// How far a body was received.
pub(super) struct BodyProgress {
    decoder: BodyDecoder,
    /// The client sends it once it is asked to.
    is_awaited: bool,
    /// Why the rest of it cannot be had.
    trouble: Option<Rejection>,
}

impl BodyProgress {
    pub(super) fn new(framing: Framing, expects_continue: bool) -> Self {
        Self { decoder: BodyDecoder::streaming(framing, u64::MAX), is_awaited: expects_continue, trouble: None }
    }

    /// A body of which nothing is left.
    pub(super) fn none() -> Self {
        Self::new(Framing::Empty, false)
    }

    pub(super) fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// What the client is to be told in the place of the answer.
    pub(super) fn trouble(&self) -> Option<Rejection> {
        self.trouble
    }
}

/// A body on its connection.
pub(super) struct RequestBody<'b, 'p> {
    pub(super) progress: &'b mut BodyProgress,
    pub(super) wire: &'b mut Wire<'p>,
    pub(super) sender: Sender<'p>,
}

impl Read for RequestBody<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.progress.trouble.is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if into.is_empty() {
            return Ok(0);
        }
        self.read_data(into).inspect_err(|error| {
            if is_timeout(error) {
                self.progress.trouble = Some(LATE);
            }
        })
    }
}

impl RequestBody<'_, '_> {
    fn read_data(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.progress.decoder.is_done() {
            if self.wire.buffered().is_empty() {
                let count = self.receive(into)?;
                if count > 0 {
                    return Ok(count);
                }
            }
            let buffered = self.wire.buffered();
            // So all data of a piece has room.
            let looked_at = &buffered[..buffered.len().min(into.len())];
            let mut rest = looked_at;
            let found = self.progress.decoder.next(&mut rest);
            let count = match found {
                Ok(Some(Piece::Data(data))) => {
                    into[..data.len()].copy_from_slice(data);
                    data.len()
                }
                Ok(_) => 0,
                Err(rejection) => {
                    self.progress.trouble = Some(rejection);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, rejection.reason));
                }
            };
            let used = looked_at.len() - rest.len();
            self.wire.consume(used);
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }

    /// Waits for more of it: data goes straight to where it is wanted, and is counted; what is not goes to the buffer.
    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.progress.is_awaited) {
            self.sender.send(&mut [IoSlice::new(CONTINUE)])?;
        }
        self.sender.slot.connection.await_request();
        self.wire.deadline = Instant::now() + BODY_DEADLINE;
        let ahead = usize::try_from(self.progress.decoder.data_ahead()).unwrap_or(usize::MAX);
        let (received, data) = if ahead > 0 {
            let most = ahead.min(into.len());
            let count = self.wire.receive_into(&mut into[..most])?;
            self.progress.decoder.passed(count as u64);
            (count, count)
        } else {
            (self.wire.fill_buf()?.len(), 0)
        };
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.sender.serve()?;
        Ok(data)
    }
}
