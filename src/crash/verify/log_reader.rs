//! The sink's log, read while it grows: only whole lines, each once.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::checksum::Hasher;
use crate::crash::pipeline::sink_log::{OutboxPiece, Record, Said, TransactionId};
use crate::crash::pipeline::store::Offset;
use crate::crash::verify::compare::{CHUNK_BYTES, open_if_there, read_at};

/// No record is longer, in bytes: one of a transaction of 30,000 pieces is about this long.
pub(super) const MOST_LINE: usize = 1024 * 1024;
/// The end of what was read is looked at again each time, this much of it: more than a record of phase 2.
const LOOK_BACK: usize = 64;

/// How far a log was read.
#[derive(Debug, Default)]
pub(super) struct LogTail {
    /// Behind the last whole line that was read, in bytes.
    pub(super) offset: Offset,
    /// How many lines that were.
    pub(super) lines: u64,
    /// Of all of them.
    hasher: Hasher,
    /// The last bytes of them.
    last: Vec<u8>,
}

/// What is new in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LogNews<'b> {
    /// Whole lines, at least one.
    Lines(&'b [u8]),
    /// No whole line.
    Nothing,
    /// A line that is longer than any record.
    TooLong,
}

impl LogTail {
    /// What a log lost of what was read of it, if it did: it is shorter, or another one. A line that has no end yet was
    /// not read, so that it may go.
    pub(super) fn loss(&self, log: Option<&File>, read: &mut u64) -> io::Result<Option<String>> {
        let length = log.map_or(Ok(0), |log| log.metadata().map(|data| data.len()))?;
        if length < self.offset {
            return Ok(Some(format!(
                "the log of transactions had {} lines, {} bytes, and has only {length} bytes now",
                self.lines, self.offset,
            )));
        }
        let Some(log) = log else { return Ok(None) };
        let mut last = [0; LOOK_BACK];
        let last = &mut last[..self.last.len()];
        let there = read_at(log, last, self.offset - self.last.len() as u64)?;
        *read += there as u64;
        let is_same = last[..there] == self.last;
        Ok((!is_same).then(|| format!("line {} of the log of transactions is not what it was", self.lines)))
    }

    /// Whether all that was read is still there; says what is not.
    pub(super) fn change(&self, log: Option<&File>, read: &mut u64) -> io::Result<Option<String>> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while let Some(log) = log.filter(|_| at < self.offset) {
            let want = (self.offset - at).min(CHUNK_BYTES as u64) as usize;
            let there = read_at(log, &mut buffer[..want], at)?;
            if there == 0 {
                break;
            }
            hasher.update(&buffer[..there]);
            at += there as u64;
            *read += there as u64;
        }
        let is_same = at == self.offset && hasher.finalize() == self.hasher.clone().finalize();
        let changed = || format!("the first {} lines of the log of transactions are not what they were", self.lines);
        Ok((!is_same).then(changed))
    }

    /// Reads whole lines behind what was passed. They come from one read each: a sink that starts again meanwhile cuts what
    /// is torn, and the rest of another line must not be taken for the rest of that one.
    pub(super) fn news<'b>(&self, log: &File, buffer: &'b mut Vec<u8>, read: &mut u64) -> io::Result<LogNews<'b>> {
        let mut size = CHUNK_BYTES;
        loop {
            buffer.resize(size, 0);
            let there = read_at(log, buffer, self.offset)?;
            *read += there as u64;
            if let Some(end) = buffer[..there].iter().rposition(|byte| *byte == b'\n') {
                let first = buffer.iter().take(end + 1).position(|byte| *byte == b'\n').unwrap_or(end);
                return Ok(if first > MOST_LINE { LogNews::TooLong } else { LogNews::Lines(&buffer[..=end]) });
            }
            if there > MOST_LINE {
                return Ok(LogNews::TooLong);
            }
            if there < size {
                return Ok(LogNews::Nothing);
            }
            size *= 2;
        }
    }

    /// A line was read: it is not read again.
    pub(super) fn pass(&mut self, line: &[u8]) {
        self.offset += line.len() as u64;
        self.lines += 1;
        self.hasher.update(line);
        self.last.extend_from_slice(&line[line.len().saturating_sub(LOOK_BACK)..]);
        let surplus = self.last.len().saturating_sub(LOOK_BACK);
        self.last.drain(..surplus);
    }
}

/// Whose a byte of the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteOrigin {
    /// The transaction that brought it.
    pub(super) id: TransactionId,
    /// The piece of the outbox that it is from, if the log tells.
    pub(super) piece: Option<OutboxPiece>,
}

/// Whose the byte at an offset is: of the first transaction that counts, else of one that is open.
pub(super) fn origin(path: &Path, at: Offset) -> io::Result<Option<ByteOrigin>> {
    let Some(log) = open_if_there(path)? else { return Ok(None) };
    let (mut tail, mut buffer) = (LogTail::default(), Vec::new());
    let mut open: Option<ByteOrigin> = None;
    while let LogNews::Lines(lines) = tail.news(&log, &mut buffer, &mut 0)? {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            tail.pass(line);
            match Record::parse(line).map(|record| record.said) {
                Ok(Said::Prepared { id, start, end, pieces, .. }) => {
                    let piece = pieces.into_iter().find(|piece| (piece.start..piece.end).contains(&at));
                    open = (start..end).contains(&at).then_some(ByteOrigin { id, piece });
                }
                Ok(Said::Committed { .. }) if open.is_some() => return Ok(open),
                Ok(Said::Refused { .. } | Said::RolledBack { .. }) => open = None,
                Ok(Said::Committed { .. } | Said::Uncommitted(_)) | Err(_) => {}
            }
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::input::StreamKey;
    use std::io::{Seek, SeekFrom, Write};

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn lines(tail: &mut LogTail, log: &File) -> Vec<String> {
        let (mut buffer, mut all) = (Vec::new(), Vec::new());
        while let LogNews::Lines(lines) = tail.news(log, &mut buffer, &mut 0).unwrap() {
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                tail.pass(line);
                all.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        all
    }

    #[test]
    fn only_whole_lines_are_read_and_a_torn_one_waits_or_is_cut() {
        let mut log = file(b"one\ntwo\nthr");
        let mut tail = LogTail::default();
        assert_eq!(lines(&mut tail, &log), ["one\n", "two\n"]);
        assert_eq!(lines(&mut tail, &log), [""; 0]);
        log.write_all(b"ee\n").unwrap();
        assert_eq!(lines(&mut tail, &log), ["three\n"]);
        log.write_all(b"fo").unwrap();
        assert_eq!(tail.loss(Some(&log), &mut 0).unwrap(), None);
        assert_eq!(lines(&mut tail, &log), [""; 0]);
        log.set_len(tail.offset).unwrap();
        assert_eq!(tail.loss(Some(&log), &mut 0).unwrap(), None, "a line without an end may go");
        log.seek(SeekFrom::End(0)).unwrap();
        log.write_all(b"five\n").unwrap();
        assert_eq!(lines(&mut tail, &log), ["five\n"]);
        assert_eq!((tail.lines, tail.offset), (4, 19));
        assert_eq!(tail.change(Some(&log), &mut 0).unwrap(), None);
    }

    #[test]
    fn a_line_that_was_read_and_is_gone_or_another_one_is_a_loss() {
        let log = file(b"one\ntwo\n");
        let mut tail = LogTail::default();
        assert_eq!(tail.loss(None, &mut 0).unwrap(), None, "there need be no log yet");
        lines(&mut tail, &log);
        let loss = |log: Option<&File>| tail.loss(log, &mut 0).unwrap();
        assert_eq!(loss(Some(&file(b"one\ntwo\nthree\n"))), None);
        assert!(loss(Some(&file(b"one\ntwo"))).unwrap().contains("had 2 lines, 8 bytes, and has only 7"));
        assert!(loss(Some(&file(b"one\nnew\nthree\n"))).unwrap().contains("line 2"));
        assert!(loss(None).is_some());
        // One far from the end is seen when all is looked at.
        let long = "x".repeat(200);
        let (before, after) = (format!("one\n{long}\n"), format!("own\n{long}\n"));
        let mut tail = LogTail::default();
        lines(&mut tail, &file(before.as_bytes()));
        let after = file(after.as_bytes());
        assert_eq!(tail.loss(Some(&after), &mut 0).unwrap(), None);
        assert!(tail.change(Some(&after), &mut 0).unwrap().is_some());
        assert!(tail.change(None, &mut 0).unwrap().is_some());
    }

    #[test]
    fn a_line_may_be_long_but_not_endless() {
        let long = [vec![b'x'; MOST_LINE - 1], vec![b'\n']].concat();
        let mut tail = LogTail::default();
        assert_eq!(lines(&mut tail, &file(&[long.as_slice(), b"y\n"].concat())).len(), 2);
        let mut buffer = Vec::new();
        for end in [&b""[..], b"\n"] {
            for length in [MOST_LINE + 1, 3 * MOST_LINE] {
                let endless = file(&[&vec![b'x'; length], end].concat());
                let news = LogTail::default().news(&endless, &mut buffer, &mut 0).unwrap();
                assert_eq!(news, LogNews::TooLong);
                assert!(buffer.len() <= 2 * MOST_LINE);
            }
        }
    }

    #[test]
    fn a_byte_is_of_the_transaction_that_counts() {
        let id = |number| TransactionId { key: StreamKey(b'A'), epoch: 1, number };
        let piece = |start, end, worker| OutboxPiece { start, end, worker, epoch: 7 };
        let prepared = |number, start, end, pieces| Said::Prepared { id: id(number), start, end, crc: 0, pieces };
        let said = [
            prepared(1, 0, 10, vec![]),
            Said::RolledBack { id: id(1), start: 0 },
            prepared(2, 0, 8, vec![piece(0, 4, 1), piece(4, 8, 2)]),
            Said::Committed { id: id(2), end: 8 },
            prepared(3, 8, 9, vec![]),
        ];
        let mut log = tempfile::NamedTempFile::new().unwrap();
        for said in said {
            log.write_all(Record { time: 1.0, said }.line().as_bytes()).unwrap();
        }
        let at = |at| origin(log.path(), at).unwrap().map(|origin| (origin.id.number, origin.piece.map(|p| p.worker)));
        assert_eq!(
            [0, 3, 4, 7, 8, 9].map(at),
            [Some((2, Some(1))), Some((2, Some(1))), Some((2, Some(2))), Some((2, Some(2))), Some((3, None)), None]
        );
        assert_eq!(origin(Path::new("/nowhere/log"), 0).unwrap(), None);
    }
}
