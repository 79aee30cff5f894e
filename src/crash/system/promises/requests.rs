//! The lines of the requests that a load writes, read on while it does.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use crate::crash::system::load::request_line::{LINE_BYTES, RequestLine};
use crate::crash::verify::compare::open_file;

/// How much is read at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is told of each line: its number, from 1, and what came of the request.
pub(super) type RequestTaker<'t> = &'t mut dyn FnMut(u64, &RequestLine<'_>);

/// A file of requests, read up to somewhere.
#[derive(Debug)]
pub(super) struct RequestTail {
    path: String,
    file: Option<File>,
    /// Up to where it was read.
    offset: u64,
    /// The beginning of a line that has no end yet.
    pending: Vec<u8>,
    /// What is wrong with the file for good.
    failed: Option<String>,
    /// Lines that were read.
    pub(super) lines: u64,
}

impl RequestTail {
    /// A file that may not be there yet.
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), file: None, offset: 0, pending: Vec::new(), failed: None, lines: 0 }
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Hands on the lines that are new.
    ///
    /// # Errors
    /// Why not all of them were.
    pub(super) fn read_on(&mut self, deadline: Instant, take: RequestTaker<'_>) -> Result<(), String> {
        let at = |error: std::io::Error| format!("{}: {error}", self.path);
        let file = match self.file.take().map_or_else(|| open_file(Path::new(&self.path)), Ok) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound && self.offset == 0 => return Ok(()),
            Err(error) => return Err(at(error)),
        };
        if file.metadata().map_err(at)?.len() < self.offset {
            return Err(format!("{} has become shorter than what was read of it", self.path));
        }
        if let Some(why) = &self.failed {
            return Err(why.clone());
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match file.read_at(&mut chunk, self.offset) {
                Ok(0) => break,
                Ok(read) => {
                    if let Err(why) = self.take_lines(&chunk[..read], take) {
                        return Err(self.failed.insert(why).clone());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("{}: {error}", self.path)),
            }
            if Instant::now() >= deadline {
                self.file = Some(file);
                return Err(format!("{} was read up to line {} in time", self.path, self.lines));
            }
        }
        self.file = Some(file);
        Ok(())
    }

    fn take_lines(&mut self, bytes: &[u8], take: RequestTaker<'_>) -> Result<(), String> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let wrong = |lines: u64| format!("line {} of {} is of no request", lines + 1, self.path);
            self.offset += part.len() as u64;
            // Most lines come whole, and are not copied.
            let whole = if self.pending.is_empty() {
                part
            } else {
                self.pending.extend_from_slice(part);
                &self.pending
            };
            match whole.strip_suffix(b"\n") {
                Some(line) => {
                    let request = RequestLine::parse(line).ok_or_else(|| wrong(self.lines))?;
                    self.lines += 1;
                    take(self.lines, &request);
                    self.pending.clear();
                }
                None if whole.len() > LINE_BYTES => return Err(wrong(self.lines)),
                None if self.pending.is_empty() => self.pending.extend_from_slice(part),
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// The bodies of the lines that are new, with their numbers.
    fn news(tail: &mut RequestTail) -> Result<Vec<(u64, String)>, String> {
        let mut all = Vec::new();
        tail.read_on(soon(), &mut |number, line| all.push((number, String::from_utf8_lossy(line.body).into_owned())))?;
        Ok(all)
    }

    #[test]
    fn lines_are_handed_on_once_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests");
        let mut tail = RequestTail::new(path.to_str().unwrap());
        assert_eq!(news(&mut tail), Ok(vec![]));
        let mut file = File::create(&path).unwrap();
        for (piece, lines) in [("1\t0\t200\ta\n2\t0", 1), ("\t200", 0), ("\tb\n", 1), ("3\t0\t-\t\n4\t1\t200\td\n", 2)]
        {
            file.write_all(piece.as_bytes()).unwrap();
            assert_eq!(news(&mut tail).unwrap().len(), lines, "{piece}");
        }
        assert_eq!(news(&mut tail), Ok(vec![]));
        assert_eq!(tail.lines, 4);
        let mut again = RequestTail::new(tail.path());
        assert_eq!(news(&mut again).unwrap()[1..], [(2, "b".into()), (3, String::new()), (4, "d".into())]);
        file.set_len(5).unwrap();
        assert!(news(&mut tail).unwrap_err().ends_with("has become shorter than what was read of it"));
    }

    #[test]
    fn what_is_no_line_of_a_request_is_told() {
        for (text, number) in [("1\t0\t200\ta\nhello\n", 2), (&"x".repeat(200_000), 1)] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let mut tail = RequestTail::new(file.path().to_str().unwrap());
            let error = news(&mut tail).unwrap_err();
            assert!(error.starts_with(&format!("line {number} of ")), "{error}");
            assert_eq!(news(&mut tail), Err(error), "it stays so");
        }
    }

    #[test]
    fn at_the_deadline_it_stops_and_goes_on_from_there() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for number in 0..20_000 {
            writeln!(file, "{number}\t0\t200\t{number}").unwrap();
        }
        let mut tail = RequestTail::new(file.path().to_str().unwrap());
        let mut count = 0;
        while tail
            .read_on(Instant::now(), &mut |number, _| {
                count += 1;
                assert_eq!(number, count);
            })
            .is_err()
        {}
        assert_eq!(count, 20_000);
    }
}
