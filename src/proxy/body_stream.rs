//! A body on its way from one connection to another: taken out of its frame, and put into one of ours.

use crate::http::message::body::{BodyDecoder, Piece};
use crate::http::message::fields::{FieldSlots, fields};
use crate::http::message::head::Framing;
use crate::http::message::rejection::Rejection;
use crate::proxy::buffer::{BUFFER_BYTES, Buffer, Stock};
use crate::proxy::head::is_passed_on_in_trailers;
use crate::proxy::socket::{Received, Socket};

/// Most bytes that the frame of a piece takes: sixteen digits, two line ends.
const FRAME_BYTES: usize = 20;

/// A body on its way.
pub(super) struct BodyStream {
    decoder: BodyDecoder,
    /// Whether it goes on in chunks; otherwise as it is.
    is_chunked: bool,
    trailers: Vec<u8>,
    /// Bytes that have gone on, without their frame.
    passed: u64,
    /// All of it has been put where it goes.
    is_done: bool,
    /// As much has come at a time as there was room for: more at a time is worth a pipe.
    is_fast: bool,
}

/// What moving some of a body comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StreamStep {
    Some,
    /// There is nothing to be moved, or no room for it.
    Nothing,
    /// The other side has ended before the body has.
    CutShort,
    /// It is malformed.
    Malformed(Rejection),
}

impl BodyStream {
    /// A body of any size, framed like this, which goes on in chunks or as it is.
    pub(super) fn new(framing: Framing, is_chunked: bool) -> Self {
        Self::at_most(u64::MAX, framing, is_chunked)
    }

    /// The same, of `limit` bytes at most.
    pub(super) fn at_most(limit: u64, framing: Framing, is_chunked: bool) -> Self {
        let decoder = BodyDecoder::streaming(framing, limit);
        let is_done = framing == Framing::Empty;
        Self { decoder, is_chunked, trailers: Vec::new(), passed: 0, is_done, is_fast: false }
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// How many bytes have gone on, without their frame.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Moves what can be moved at once: what is buffered first, then what the socket has.
    pub(super) fn step(
        &mut self,
        from: &mut Socket,
        received: &mut Buffer,
        to: &mut Buffer,
        stock: &mut Stock,
    ) -> StreamStep {
        if self.is_done || !to.has_room() {
            return StreamStep::Nothing;
        }
        if received.is_empty() && !self.decoder.is_done() {
            if !from.is_readable {
                return StreamStep::Nothing;
            }
            let ahead = usize::try_from(self.decoder.data_ahead()).unwrap_or(usize::MAX);
            let is_direct = ahead > 0 && !self.is_chunked;
            let pipe = if is_direct && self.is_fast { to.pipe(stock) } else { None };
            let got = if let Some(pipe) = pipe {
                let got = from.receive_into(pipe, ahead);
                self.is_fast = matches!(got, Received::Bytes(BUFFER_BYTES..));
                got
            } else {
                let room = if is_direct { to.room(stock) } else { received.room(stock) };
                let most = if is_direct { room.len().min(ahead) } else { room.len() };
                let got = from.receive(&mut room[..most]);
                if let Received::Bytes(count) = got {
                    self.is_fast = count == most;
                    if is_direct { to.filled(count) } else { received.filled(count) }
                }
                got
            };
            match got {
                Received::Bytes(count) if is_direct => {
                    self.decoder.passed(count as u64);
                    self.passed += count as u64;
                    self.is_done = self.decoder.is_done();
                    return StreamStep::Some;
                }
                Received::Bytes(_) => {}
                Received::Nothing => return StreamStep::Nothing,
                Received::End if self.decoder.ends_with_connection() => {
                    self.end(to, stock);
                    return StreamStep::Some;
                }
                Received::End | Received::Failed => return StreamStep::CutShort,
            }
        }
        match self.move_buffered(received, to, stock) {
            Ok(()) => {
                received.release(stock);
                StreamStep::Some
            }
            Err(rejection) => StreamStep::Malformed(rejection),
        }
    }

    fn move_buffered(&mut self, received: &mut Buffer, to: &mut Buffer, stock: &mut Stock) -> Result<(), Rejection> {
        while to.has_room() && !received.is_empty() && !self.decoder.is_done() {
            // Half a buffer at least, so that what is moved is worth its frame.
            let room = to.welcome().saturating_sub(FRAME_BYTES).max(1);
            let data = received.data();
            let window = &data[..data.len().min(room)];
            let mut rest = window;
            if let Some(piece) = self.decoder.next(&mut rest)? {
                if let Piece::Data(data) = &piece {
                    self.passed += data.len() as u64;
                }
                match piece {
                    Piece::Data(data) if self.is_chunked => {
                        to.push(format!("{:x}\r\n", data.len()).as_bytes(), stock);
                        to.push(data, stock);
                        to.push(b"\r\n", stock);
                    }
                    Piece::Data(data) => to.push(data, stock),
                    Piece::Trailer(bytes) => self.trailers.extend_from_slice(bytes),
                }
            }
            let used = window.len() - rest.len();
            received.consume(used);
        }
        if self.decoder.is_done() {
            self.end(to, stock);
        }
        Ok(())
    }

    fn end(&mut self, to: &mut Buffer, stock: &mut Stock) {
        self.is_done = true;
        if !self.is_chunked {
            return;
        }
        to.push(b"0\r\n", stock);
        // Trailers that are no fields were refused as they came; more than a head may have are left out.
        if let Ok(trailers) = fields(&self.trailers, &mut FieldSlots::default()) {
            for (name, value) in trailers.iter().filter(|(name, _)| is_passed_on_in_trailers(name)) {
                for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                    to.push(part, stock);
                }
            }
        }
        to.push(b"\r\n", stock);
    }
}
