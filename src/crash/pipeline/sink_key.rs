//! The files of one key of the sink: what was put out, and the log of its transactions.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use crate::crash::input::StreamKey;
use crate::crash::pipeline::outbox_file::read_full;
use crate::crash::pipeline::sink_log::{OutboxPiece, Record, Said, TransactionId};
use crate::crash::pipeline::store::{Offset, OutboxEntry};

/// Why the sink cannot go on.
#[derive(Debug)]
pub enum SinkFault {
    /// Files and store do not fit each other.
    Mismatch(String),
    /// A file cannot be read or written.
    Io(io::Error),
}

impl From<io::Error> for SinkFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for SinkFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(why) => out.write_str(why),
            Self::Io(error) => write!(out, "{error}"),
        }
    }
}

/// The files of a key.
#[derive(Debug)]
pub struct SinkKey {
    /// Which one.
    pub key: StreamKey,
    /// What was put out.
    pub output: File,
    /// The transactions.
    pub log: File,
    /// Where the log ends.
    pub log_end: u64,
    /// What counts.
    pub end: Offset,
    /// The last transaction's number.
    pub number: u64,
    /// By how much the file is longer than what counts: 0, but for a sink with a bug.
    pub shift: u64,
}

impl SinkKey {
    /// Appends a line to the log, and has it on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, said: Said) -> io::Result<()> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let line = Record { time: since.as_micros() as f64 / 1e6, said }.line();
        self.log.write_all_at(line.as_bytes(), self.log_end)?;
        self.log_end += line.len() as u64;
        self.log.sync_data()
    }

    /// Writes bytes behind what counts, and has them on disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all_at(bytes, self.end + self.shift)?;
        self.output.sync_data()
    }

    /// The bytes of entries that are behind what counts, and which entries they are of.
    ///
    /// # Errors
    /// When there is a gap, or an entry is not what was put out before.
    pub fn collect(&self, entries: &[OutboxEntry]) -> Result<(Vec<u8>, Vec<OutboxPiece>), SinkFault> {
        let (mut bytes, mut pieces, mut at) = (Vec::new(), Vec::new(), self.end);
        for entry in entries {
            let Some(over) = at.checked_sub(entry.start) else {
                let why = format!("{}: the outbox goes on at {}, and {at} is what comes next", self.key, entry.start);
                return Err(SinkFault::Mismatch(why));
            };
            let (known, new) = entry.bytes.split_at((over as usize).min(entry.bytes.len()));
            if self.shift == 0 && !self.is_as_before(entry.start, known, &bytes)? {
                let why = format!("{}: the outbox has other bytes at {} than the output", self.key, entry.start);
                return Err(SinkFault::Mismatch(why));
            }
            if new.is_empty() {
                continue;
            }
            bytes.extend_from_slice(new);
            pieces.push(OutboxPiece {
                start: at,
                end: at + new.len() as u64,
                worker: entry.worker,
                epoch: entry.epoch,
            });
            at += new.len() as u64;
        }
        Ok((bytes, pieces))
    }

    /// Whether bytes from an offset on are what was put out, or is to be.
    fn is_as_before(&self, start: Offset, known: &[u8], coming: &[u8]) -> io::Result<bool> {
        let in_file = usize::try_from(self.end.saturating_sub(start)).unwrap_or(usize::MAX).min(known.len());
        let mut there = vec![0; in_file];
        if read_full(&self.output, &mut there, start)? < in_file || there != known[..in_file] {
            return Ok(false);
        }
        let behind = start.saturating_sub(self.end) as usize;
        Ok(coming.get(behind..).is_some_and(|coming| coming.starts_with(&known[in_file..])))
    }
}

/// What a log comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct LogState {
    /// What counts.
    pub end: Offset,
    /// The transaction that is neither.
    pub open: Option<OpenTransaction>,
    /// Where its last whole line ends; what was behind it is cut off.
    pub length: u64,
}

/// A transaction that is open.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Which one.
    pub id: TransactionId,
    /// Where it ends, if it was to count.
    pub prepared_end: Option<Offset>,
}

impl LogState {
    /// Reads a log, and cuts off a torn line at its end.
    ///
    /// # Errors
    /// When more than one transaction is open, a line is none, or the file cannot be read.
    pub fn read(log: &File) -> Result<Self, SinkFault> {
        let mut text = vec![0; log.metadata()?.len() as usize];
        let length = read_full(log, &mut text, 0)?;
        text.truncate(length);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            log.set_len(whole as u64)?;
            log.sync_all()?;
        }
        let mut state = Self { end: 0, open: None, length: whole as u64 };
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            let record = Record::parse(line).map_err(SinkFault::Mismatch)?;
            let (id, prepared_end) = match record.said {
                Said::Prepared { id, end, .. } => (id, Some(end)),
                Said::Refused { id, .. } => (id, None),
                Said::Committed { id, end } => {
                    if state.open.take().is_some_and(|open| open.id != id) {
                        return Err(SinkFault::Mismatch(format!("{id} is committed, and another one is open")));
                    }
                    state.end = end;
                    continue;
                }
                Said::RolledBack { .. } => {
                    state.open = None;
                    continue;
                }
                Said::Uncommitted(_) => continue,
            };
            if let Some(open) = &state.open {
                return Err(SinkFault::Mismatch(format!("{} and {id} are open at once", open.id)));
            }
            state.open = Some(OpenTransaction { id, prepared_end });
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn log_of(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    const ONE: &str = "[1,\"1-ok\",\"A:1:1\",[[1,0,9]],5,[]]\n[1,\"2-ok\",\"A:1:1\",9]\n";

    #[test]
    fn what_counts_ends_with_the_last_commit() {
        let torn = format!("{ONE}[1,\"1-ok\",\"A:1:2\",[[1,9,12]],5,[]]\n[1,\"2-o");
        let file = log_of(&torn);
        let state = LogState::read(&file).unwrap();
        let id = TransactionId { key: StreamKey(b'A'), epoch: 1, number: 2 };
        assert_eq!(
            state,
            LogState {
                end: 9,
                open: Some(OpenTransaction { id, prepared_end: Some(12) }),
                length: torn.len() as u64 - 7,
            }
        );
        assert_eq!(file.metadata().unwrap().len(), state.length);
    }

    #[test]
    fn two_open_transactions_are_too_many() {
        let open = |number: u32| format!("[1,\"1-ok\",\"A:1:{number}\",[[1,9,12]],5,[]]\n");
        let text = format!("{ONE}{}{}", open(2), open(3));
        assert!(matches!(LogState::read(&log_of(&text)), Err(SinkFault::Mismatch(_))));
        let text = format!("{ONE}{}[1,\"2-rollback\",\"A:1:2\",9]\n{}", open(2), open(3));
        assert!(LogState::read(&log_of(&text)).is_ok());
        assert!(matches!(LogState::read(&log_of("nonsense\n")), Err(SinkFault::Mismatch(_))));
    }

    #[test]
    fn an_entry_that_overlaps_is_compared_and_skipped() {
        let output = tempfile::tempfile().unwrap();
        output.write_all_at(b"one\ntwo\n", 0).unwrap();
        let log = tempfile::tempfile().unwrap();
        let file = SinkKey { key: StreamKey(b'A'), output, log, log_end: 0, end: 8, number: 0, shift: 0 };
        let entry = |start, bytes: &[u8]| OutboxEntry { start, worker: 1, epoch: 1, bytes: bytes.to_vec() };
        let collected = |entries: &[OutboxEntry]| file.collect(entries).map(|(bytes, _)| bytes);
        assert_eq!(collected(&[entry(4, b"two\nthree\n"), entry(14, b"four\n")]).unwrap(), b"three\nfour\n");
        assert_eq!(collected(&[entry(8, b"three\n"), entry(8, b"three\n")]).unwrap(), b"three\n");
        assert!(collected(&[entry(4, b"tw0\nthree\n")]).is_err());
        assert!(collected(&[entry(8, b"three\n"), entry(8, b"thr33\n")]).is_err());
        assert!(collected(&[entry(9, b"three\n")]).is_err());
    }
}
