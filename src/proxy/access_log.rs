//! The access log on its way to stdout: threads that serve put lines into a queue, and one of its own writes them.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::settings::proxy::config::AccessLog;
use crate::sync::{lock, spawn};

/// Most bytes that wait. A reader that is slower loses lines, and holds up nobody.
const QUEUE_BYTES: usize = 256 * 1024;
/// For how long lines are gathered, so that many are written at once.
const GATHERING: Duration = Duration::from_millis(5);
/// How long a stdout that takes nothing is left alone, where it does not block.
const PAUSE: Duration = Duration::from_millis(20);
const STACK_BYTES: usize = 64 * 1024;

/// The access log.
pub(super) struct AccessWriter {
    pub(super) format: AccessLog,
    queue: Mutex<LineQueue>,
    /// Something is there to be written, or all is written.
    changed: Condvar,
    /// Lines that nobody will read.
    lost: AtomicU64,
}

#[derive(Default)]
struct LineQueue {
    lines: Vec<u8>,
    is_writing: bool,
}

impl AccessWriter {
    /// Begins to write to stdout, if it is not off.
    ///
    /// # Errors
    /// When there is no stdout, or no thread.
    pub(super) fn start(format: AccessLog) -> io::Result<Option<Arc<Self>>> {
        if format == AccessLog::Off {
            return Ok(None);
        }
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Some(Self::to(format, stdout)?))
    }

    fn to(format: AccessLog, mut file: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Self { format, queue: Mutex::default(), changed: Condvar::new(), lost: AtomicU64::new(0) };
        let writer = Arc::new(writer);
        let own = Arc::clone(&writer);
        spawn("access-log", STACK_BYTES, Box::new(move || own.write(&mut file)))?;
        Ok(writer)
    }

    /// One more line, with its end. It is lost where there is no room.
    pub(super) fn push(&self, line: &str) {
        let mut queue = lock(&self.queue);
        if queue.lines.len() + line.len() > QUEUE_BYTES {
            drop(queue);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = queue.lines.is_empty();
        queue.lines.extend_from_slice(line.as_bytes());
        drop(queue);
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// How many lines were lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all is written, but no longer than this.
    pub(super) fn finish(&self, most: Duration) {
        let is_busy = |queue: &mut LineQueue| queue.is_writing || !queue.lines.is_empty();
        let _left = self.changed.wait_timeout_while(lock(&self.queue), most, is_busy);
    }

    fn write(&self, file: &mut impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut queue = lock(&self.queue);
            queue.is_writing = false;
            self.changed.notify_all();
            queue =
                self.changed.wait_while(queue, |queue| queue.lines.is_empty()).unwrap_or_else(PoisonError::into_inner);
            drop(queue);
            thread::sleep(GATHERING);
            queue = lock(&self.queue);
            batch.clear();
            std::mem::swap(&mut batch, &mut queue.lines);
            queue.is_writing = true;
            drop(queue);
            let unwritten = write_all(file, &batch);
            let lost = unwritten.iter().filter(|byte| **byte == b'\n').count();
            if lost > 0 {
                self.lost.fetch_add(lost as u64, Ordering::Relaxed);
            }
        }
    }
}

/// Writes all; what is left could not be written.
fn write_all<'b>(file: &mut impl Write, mut bytes: &'b [u8]) -> &'b [u8] {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => break,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(_) => break,
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};

    #[test]
    fn lines_come_out_as_they_went_in() {
        let (reader, writer) = io::pipe().unwrap();
        let log = AccessWriter::to(AccessLog::Text, writer).unwrap();
        for number in 0..100 {
            log.push(&format!("{number}\n"));
        }
        let lines = BufReader::new(reader).lines().take(100);
        assert!(lines.enumerate().all(|(number, line)| line.unwrap() == number.to_string()));
        log.finish(Duration::from_secs(30));
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn a_reader_that_does_not_read_holds_up_nobody() {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = AccessWriter::to(AccessLog::Text, writer).unwrap();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..4096 {
            log.push(&line);
        }
        let lost = log.lost();
        assert!(lost > 2048, "{lost}");
        // It reads again: what has waited comes, in whole lines.
        let mut rest = vec![0; (4096 - lost as usize) * line.len()];
        reader.read_exact(&mut rest).unwrap();
        assert!(rest.chunks(line.len()).all(|one| one == line.as_bytes()));
    }

    #[test]
    fn a_reader_that_is_gone_loses_lines_that_are_counted() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let log = AccessWriter::to(AccessLog::Text, writer).unwrap();
        for _ in 0..10 {
            log.push("line\n");
        }
        log.finish(Duration::from_secs(30));
        assert_eq!(log.lost(), 10);
    }
}
