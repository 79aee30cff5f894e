//! An outbox in a file: batches, one behind the other. A batch is output and checkpoint in one.
//!
//! ```text
//! "tbx1"  crc u32  length u32  worker u32  epoch u64  from u64  to u64  start u64  bytes
//! ```
//!
//! Numbers are little-endian. The CRC-32 (IEEE) is of all that follows it. What does not read as a batch at the end of the
//! file is the torn tail of one that was killed while it wrote; the next owner cuts it off.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::crash::pipeline::store::{Offset, OutboxEntry};

const MAGIC: &[u8; 4] = b"tbx1";
/// How long the part before the bytes is.
const HEADER: usize = 48;
/// The longest batch that is believed, in bytes: a torn header must not make us read gigabytes.
pub const MOST_BATCH: usize = 4 << 20;

/// What stands before a batch's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Who put it out.
    pub worker: u32,
    /// In which epoch.
    pub epoch: u64,
    /// Where the input begins that it took.
    pub from: Offset,
    /// Where that ends.
    pub to: Offset,
    /// Where it begins in all output.
    pub start: Offset,
    /// How many bytes it has.
    pub length: u32,
}

impl BatchHeader {
    /// Where it ends in all output.
    pub fn end(&self) -> Offset {
        self.start + u64::from(self.length)
    }

    /// How long it is in the file.
    pub fn in_file(&self) -> u64 {
        (HEADER as u64) + u64::from(self.length)
    }

    /// The batch with these bytes, as it is written.
    pub fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        let mut batch = Vec::with_capacity(HEADER + bytes.len());
        batch.extend_from_slice(MAGIC);
        batch.extend_from_slice(&[0; 4]);
        batch.extend_from_slice(&self.length.to_le_bytes());
        batch.extend_from_slice(&self.worker.to_le_bytes());
        for number in [self.epoch, self.from, self.to, self.start] {
            batch.extend_from_slice(&number.to_le_bytes());
        }
        batch.extend_from_slice(bytes);
        let crc = crate::checksum::hash(&batch[8..]);
        batch[4..8].copy_from_slice(&crc.to_le_bytes());
        batch
    }

    /// The header and the CRC that it tells; `None` when it is none.
    fn decode(bytes: &[u8; HEADER]) -> Option<(Self, u32)> {
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|place| bytes[at + place]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|place| bytes[at + place]));
        if &bytes[..4] != MAGIC || word(8) as usize > MOST_BATCH {
            return None;
        }
        let header =
            Self { length: word(8), worker: word(12), epoch: long(16), from: long(24), to: long(32), start: long(40) };
        header.start.checked_add(u64::from(header.length))?;
        Some((header, word(4)))
    }
}

/// What is at a place of the file.
#[derive(Debug)]
pub enum AtPlace {
    /// A batch.
    Batch(BatchHeader, Vec<u8>),
    /// The end of the file.
    End,
    /// What is no batch, or not yet: so many bytes up to the end of the file.
    Torn(u64),
}

/// Reads what is at a place of the file. Without `checked` the bytes are believed whatever their CRC.
///
/// # Errors
/// When the file cannot be read.
pub fn read_at(file: &File, place: u64, checked: bool) -> io::Result<AtPlace> {
    let mut header = [0; HEADER];
    let there = read_full(file, &mut header, place)?;
    let rest = || Ok(AtPlace::Torn(file.metadata()?.len().saturating_sub(place)));
    if there == 0 {
        return Ok(AtPlace::End);
    }
    let Some((found, crc)) = (there == HEADER).then(|| BatchHeader::decode(&header)).flatten() else { return rest() };
    let mut bytes = vec![0; found.length as usize];
    if read_full(file, &mut bytes, place + HEADER as u64)? < bytes.len() {
        return rest();
    }
    let mut hash = crate::checksum::Hasher::new();
    hash.update(&header[8..]);
    hash.update(&bytes);
    if checked && hash.finalize() != crc {
        return rest();
    }
    Ok(AtPlace::Batch(found, bytes))
}

/// Reads the header at a place alone; `None` where there is no whole batch.
///
/// # Errors
/// When the file cannot be read.
pub fn header_at(file: &File, place: u64, length: u64) -> io::Result<Option<BatchHeader>> {
    let mut header = [0; HEADER];
    if read_full(file, &mut header, place)? < HEADER {
        return Ok(None);
    }
    let header = BatchHeader::decode(&header).map(|(header, _)| header);
    Ok(header.filter(|header| place + header.in_file() <= length))
}

/// Fills as much of `bytes` as the file has from `place` on.
///
/// # Errors
/// When the file cannot be read.
pub fn read_full(file: &File, bytes: &mut [u8], place: u64) -> io::Result<usize> {
    let mut there = 0;
    while there < bytes.len() {
        match file.read_at(&mut bytes[there..], place + there as u64) {
            Ok(0) => break,
            Ok(length) => there += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}

/// The part of a batch from an output offset on, as an entry of an outbox.
pub fn entry(header: &BatchHeader, bytes: Vec<u8>) -> OutboxEntry {
    OutboxEntry { start: header.start, worker: header.worker, epoch: header.epoch, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(start: u64, bytes: &[u8]) -> Vec<u8> {
        let header = BatchHeader { worker: 1, epoch: 2, from: start, to: start + 1, start, length: bytes.len() as u32 };
        header.encode(bytes)
    }

    #[test]
    fn any_cut_of_the_last_batch_is_a_torn_tail() {
        let (one, two) = (batch(0, b"one\n"), batch(4, b"second\n"));
        let whole = [one.clone(), two].concat();
        for length in 0..=whole.len() {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&whole[..length], 0).unwrap();
            let mut place = 0;
            let mut found = 0;
            while let AtPlace::Batch(header, bytes) = read_at(&file, place, true).unwrap() {
                assert_eq!(header.length as usize, bytes.len());
                place += header.in_file();
                found += 1;
            }
            assert_eq!(found, usize::from(length >= one.len()) + usize::from(length == whole.len()), "{length}");
            match read_at(&file, place, true).unwrap() {
                AtPlace::End => assert_eq!(place as usize, length),
                AtPlace::Torn(rest) => assert_eq!(place + rest, length as u64),
                AtPlace::Batch(..) => unreachable!(),
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        let whole = batch(7, b"some bytes\n");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&flipped, 0).unwrap();
            assert!(matches!(read_at(&file, 0, true).unwrap(), AtPlace::Torn(_)), "bit {bit}");
        }
    }
}
