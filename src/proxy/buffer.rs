//! Buffers that are there only while something is in them.

/// How much a buffer takes in.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;
/// Most empty buffers that are kept for the next to need one.
const MOST_KEPT: usize = 128;

/// Empty buffers for whoever needs one next: an idle connection has none.
#[derive(Default)]
pub(super) struct Stock(Vec<Vec<u8>>);

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
}

impl Buffer {
    /// What is buffered.
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether there is room for some more, with what frames it.
    pub(super) fn has_room(&self) -> bool {
        self.end - self.start < BUFFER_BYTES / 2
    }

    /// Room for more, of which [`Buffer::filled`] is told; it is never none.
    pub(super) fn room(&mut self, stock: &mut Stock) -> &mut [u8] {
        self.reserve(1, stock);
        if self.bytes.len() == self.end {
            self.bytes.resize(self.end + BUFFER_BYTES, 0);
        }
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
        } else if self.is_empty() {
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
        if self.bytes.len() - self.end < bytes.len() {
            self.bytes.resize(self.end + bytes.len(), 0);
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Drops all, and gives the memory back.
    pub(super) fn clear(&mut self, stock: &mut Stock) {
        let bytes = std::mem::take(self).bytes;
        if bytes.len() == BUFFER_BYTES && stock.0.len() < MOST_KEPT {
            stock.0.push(bytes);
        }
    }

    /// Gives the memory back where nothing is buffered.
    pub(super) fn release(&mut self, stock: &mut Stock) {
        if self.is_empty() && !self.keeps && !self.bytes.is_empty() {
            self.clear(stock);
        }
    }

    /// Makes room at the end, if moving what is there helps.
    fn reserve(&mut self, count: usize, stock: &mut Stock) {
        if self.bytes.is_empty() {
            self.bytes = stock.0.pop().unwrap_or_else(|| vec![0; BUFFER_BYTES]);
        }
        let first = self.start - self.kept;
        if self.bytes.len() - self.end < count && first > 0 {
            self.bytes.copy_within(first..self.end, 0);
            (self.start, self.end) = (self.start - first, self.end - first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
