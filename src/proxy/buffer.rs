//! Buffers that are there only while something is in them.

use crate::proxy::pipe::Pipe;

/// How much a buffer takes in.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;
/// How much one takes in that is made for a head of ours: each request that waits for its answer keeps one.
const HEAD_BUFFER_BYTES: usize = 1024;
/// Most empty buffers of each size that are kept for the next to need one.
const MOST_KEPT: usize = 128;
/// Most pipes of a thread, two descriptors each: who gets none has its bytes copied.
const MOST_PIPES: usize = 8;

/// Empty buffers for whoever needs one next: an idle connection has none.
#[derive(Default)]
pub(super) struct Stock {
    large: Vec<Vec<u8>>,
    small: Vec<Vec<u8>>,
    /// Empty ones.
    pipes: Vec<Pipe>,
    /// How many there are, in use as well.
    pipe_count: usize,
}

impl Stock {
    /// A buffer that takes so much at least, if that is not more than a usual one does.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let (buffers, size) = if count <= HEAD_BUFFER_BYTES {
            (&mut self.small, HEAD_BUFFER_BYTES)
        } else {
            (&mut self.large, BUFFER_BYTES)
        };
        buffers.pop().unwrap_or_else(|| vec![0; size])
    }

    fn take_pipe(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.pipes.pop() {
            return Some(pipe);
        }
        let pipe = if self.pipe_count < MOST_PIPES { Pipe::new().ok() } else { None };
        self.pipe_count += usize::from(pipe.is_some());
        pipe
    }

    fn give_back_pipe(&mut self, pipe: Pipe) {
        if pipe.is_empty() {
            self.pipes.push(pipe);
        } else {
            // What is in it ends with it.
            self.pipe_count -= 1;
        }
    }

    fn give_back(&mut self, bytes: Vec<u8>) {
        let buffers = match bytes.len() {
            HEAD_BUFFER_BYTES => &mut self.small,
            BUFFER_BYTES => &mut self.large,
            _ => return,
        };
        if buffers.len() < MOST_KEPT {
            buffers.push(bytes);
        }
    }
}

/// Bytes on their way.
#[derive(Default)]
pub(super) struct Buffer {
    /// All initialized; empty where nothing is buffered.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether what has gone on is kept, so that it can go once more.
    keeps: bool,
    /// How many bytes before `start` are.
    kept: usize,
    /// What comes behind the bytes.
    pipe: Option<Pipe>,
}

impl Buffer {
    /// What is buffered in memory.
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end && !self.is_piped()
    }

    fn is_piped(&self) -> bool {
        self.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty())
    }

    /// Whether there is room for some more, with what frames it. Behind what is in a pipe there is none.
    pub(super) fn has_room(&self) -> bool {
        self.end - self.start < BUFFER_BYTES / 2 && !self.is_piped()
    }

    /// A pipe in the place of memory, where nothing is buffered or kept, and there is one.
    pub(super) fn pipe(&mut self, stock: &mut Stock) -> Option<&mut Pipe> {
        if !self.is_empty() || self.keeps {
            return None;
        }
        if self.pipe.is_none() {
            self.pipe = stock.take_pipe();
        }
        self.pipe.as_mut()
    }

    /// The pipe with what is to go next, once there are no bytes before it.
    pub(super) fn filled_pipe(&mut self) -> Option<&mut Pipe> {
        self.pipe.as_mut().filter(|pipe| self.start == self.end && !pipe.is_empty())
    }

    /// How much more is welcome: less than fits.
    pub(super) fn welcome(&self) -> usize {
        BUFFER_BYTES.saturating_sub(self.end - self.start)
    }

    /// Room for more, of which [`Buffer::filled`] is told; it is never none.
    pub(super) fn room(&mut self, stock: &mut Stock) -> &mut [u8] {
        if self.bytes.len() < BUFFER_BYTES {
            self.move_into(stock.take(BUFFER_BYTES), stock);
        }
        self.reserve(1, stock);
        &mut self.bytes[self.end..]
    }

    /// So many bytes of its room are data now.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// So many bytes have gone on.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.keeps {
            self.kept += count;
        } else if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// From now on, what goes on is kept.
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    /// Whether all that has gone on since is still there.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// How many bytes are kept that have gone on.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// All that is kept goes once more.
    pub(super) fn rewind(&mut self) {
        self.start -= std::mem::take(&mut self.kept);
    }

    /// Nothing is kept any more.
    pub(super) fn forget(&mut self) {
        (self.keeps, self.kept) = (false, 0);
        self.consume(0);
    }

    /// Appends, and grows where it must: for heads and frames, which are bounded by what was received.
    pub(super) fn push(&mut self, bytes: &[u8], stock: &mut Stock) {
        self.reserve(bytes.len(), stock);
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Drops all, and gives the memory back.
    pub(super) fn clear(&mut self, stock: &mut Stock) {
        let Self { bytes, pipe, .. } = std::mem::take(self);
        stock.give_back(bytes);
        if let Some(pipe) = pipe {
            stock.give_back_pipe(pipe);
        }
    }

    /// Gives the memory back where nothing is buffered.
    pub(super) fn release(&mut self, stock: &mut Stock) {
        if self.is_empty() && !self.keeps && (!self.bytes.is_empty() || self.pipe.is_some()) {
            self.clear(stock);
        }
    }

    /// Makes room for so much at the end.
    fn reserve(&mut self, count: usize, stock: &mut Stock) {
        if self.bytes.is_empty() {
            self.bytes = stock.take(count);
        }
        let first = self.start - self.kept;
        if self.bytes.len() - self.end < count && first > 0 {
            self.bytes.copy_within(first..self.end, 0);
            (self.start, self.end) = (self.start - first, self.end - first);
        }
        if self.bytes.len() - self.end < count {
            if self.bytes.len() < BUFFER_BYTES && self.end + count <= BUFFER_BYTES {
                self.move_into(stock.take(BUFFER_BYTES), stock);
            } else {
                self.bytes.resize(self.end + count.max(BUFFER_BYTES), 0);
            }
        }
    }

    fn move_into(&mut self, mut larger: Vec<u8>, stock: &mut Stock) {
        let first = self.start - self.kept;
        larger[..self.end - first].copy_from_slice(&self.bytes[first..self.end]);
        (self.start, self.end) = (self.start - first, self.end - first);
        stock.give_back(std::mem::replace(&mut self.bytes, larger));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_kept_goes_once_more() {
        let mut stock = Stock::default();
        let mut buffer = Buffer::default();
        buffer.keep();
        buffer.push(&[1; BUFFER_BYTES], &mut stock);
        buffer.consume(BUFFER_BYTES);
        let room = buffer.room(&mut stock);
        room[..2].copy_from_slice(b"ab");
        buffer.filled(2);
        buffer.consume(1);
        assert_eq!((buffer.kept(), buffer.data()), (BUFFER_BYTES + 1, &b"b"[..]));
        buffer.rewind();
        assert_eq!(buffer.data(), [&[1; BUFFER_BYTES][..], b"ab"].concat());
        buffer.consume(buffer.data().len());
        buffer.forget();
        buffer.release(&mut stock);
        assert!(buffer.bytes.is_empty());
    }

    #[test]
    fn what_goes_in_comes_out_and_nothing_is_kept() {
        let mut stock = Stock::default();
        let mut buffer = Buffer::default();
        let (mut expected, mut seen) = (Vec::new(), Vec::new());
        for round in 0..200_usize {
            let data: Vec<u8> = (0..round * 37 % 5000).map(|byte| (byte + round) as u8).collect();
            if round % 2 == 0 {
                buffer.push(&data, &mut stock);
                expected.extend_from_slice(&data);
            } else {
                let room = buffer.room(&mut stock);
                let count = room.len().min(data.len());
                room[..count].copy_from_slice(&data[..count]);
                buffer.filled(count);
                expected.extend_from_slice(&data[..count]);
            }
            let count = buffer.data().len() * (round % 4) / 3;
            seen.extend_from_slice(&buffer.data()[..count]);
            buffer.consume(count);
        }
        seen.extend_from_slice(buffer.data());
        assert!(seen == expected);
        buffer.consume(buffer.data().len());
        buffer.release(&mut stock);
        assert!(buffer.bytes.is_empty());
    }

    #[test]
    fn a_pipe_comes_behind_the_bytes_and_goes_back_empty() {
        let (from, mut peer) = UnixStream::pair().unwrap();
        let (to, mut reader) = UnixStream::pair().unwrap();
        let mut stock = Stock::default();
        let mut buffer = Buffer::default();
        for round in 0..3 {
            buffer.push(b"head", &mut stock);
            assert!(buffer.pipe(&mut stock).is_none(), "what is buffered comes first");
            buffer.consume(4);
            peer.write_all(b"piped").unwrap();
            assert_eq!(buffer.pipe(&mut stock).unwrap().fill(&from, 100).unwrap(), 5);
            assert!(!buffer.is_empty() && !buffer.has_room());
            buffer.release(&mut stock);
            assert_eq!(buffer.filled_pipe().unwrap().drain(&to).unwrap(), 5);
            let mut got = [0; 5];
            reader.read_exact(&mut got).unwrap();
            assert_eq!((&got, buffer.is_empty(), buffer.filled_pipe().is_none()), (b"piped", true, true));
            buffer.release(&mut stock);
            assert_eq!((stock.pipes.len(), stock.pipe_count), (1, 1), "{round}");
        }
        let mut buffers: Vec<Buffer> = (0..=MOST_PIPES).map(|_| Buffer::default()).collect();
        let taken = buffers.iter_mut().filter_map(|buffer| buffer.pipe(&mut stock)).count();
        assert_eq!(taken, MOST_PIPES);
        peer.write_all(b"lost").unwrap();
        buffers[0].pipe(&mut stock).unwrap().fill(&from, 100).unwrap();
        buffers.iter_mut().for_each(|buffer| buffer.clear(&mut stock));
        assert_eq!((stock.pipes.len(), stock.pipe_count), (MOST_PIPES - 1, MOST_PIPES - 1));
    }
}
