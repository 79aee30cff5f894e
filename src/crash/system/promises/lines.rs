//! Lines of a file or a program as a ledger keeps them: a hash and a number each, so that their length costs nothing.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use crate::crash::system::promises::program_words::{shown_words, trouble};
use crate::crash::verify::compare::open_file;
use crate::kernel::program::RunningProgram;
use crate::settings::crash::system::LineSource;

/// Most lines of a source: 24 bytes of memory each.
pub(super) const MOST_LINES: usize = 4_000_000;
/// Most bytes of a file that are read.
const FILE_BYTES: u64 = 1 << 30;
/// Most bytes that a program prints, which are in memory.
const PRINTED_BYTES: usize = 64 << 20;
/// How much of a file is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// As much of a line is told, in bytes.
const SHOWN_BYTES: usize = 160;

/// A hash of 128 bits: FNV-1a (draft-eastlake-fnv). Two different lines have the same one by no accident that happens.
pub(super) type LineHash = [u64; 2];

const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;

/// What is kept of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineMark {
    /// Of all its bytes but its end.
    pub(super) hash: LineHash,
    /// Its number, from 1.
    pub(super) number: u32,
}

/// A line as it is handed on.
#[derive(Debug)]
pub(super) struct PassingLine {
    /// It, as it is kept.
    pub(super) mark: LineMark,
    /// The hash of what stands before its first tab; of all of it where there is none.
    pub(super) key: LineHash,
    /// Whether it has an end.
    pub(super) has_end: bool,
    /// Its beginning.
    head: Vec<u8>,
    /// How long it is, in bytes, without its end.
    length: u64,
}

/// Where lines come from, opened: it can be read more than once, and is the same each time but for what others change.
#[derive(Debug)]
pub(super) struct OpenedLines {
    bytes: LineBytes,
    /// What it is called.
    pub(super) name: String,
}

#[derive(Debug)]
enum LineBytes {
    File(File),
    Printed(Box<RunningProgram>),
    /// The file is not there.
    Nothing,
}

impl OpenedLines {
    /// Opens a file, or runs a program until its end.
    ///
    /// # Errors
    /// When it cannot be read, does not end in time, or prints too much.
    pub(super) fn open(source: &LineSource, deadline: Instant) -> Result<Self, String> {
        let words = match source {
            LineSource::File(path) => {
                let bytes = match open_file(Path::new(path)) {
                    Ok(file) => LineBytes::File(file),
                    Err(error) if error.kind() == ErrorKind::NotFound => LineBytes::Nothing,
                    Err(error) => return Err(format!("{path}: {error}")),
                };
                return Ok(Self { bytes, name: path.clone() });
            }
            LineSource::Command(words) => words,
        };
        let start = RunningProgram::start(words, PRINTED_BYTES);
        let mut program = start.map_err(|error| format!("it cannot be started: {error}"))?;
        let status = program.wait(deadline);
        if !status.is_some_and(|status| status.success()) {
            return Err(trouble(words, &program, status));
        }
        let name = format!("`{}`", shown_words(words));
        if program.printed().is_cut {
            return Err(format!("{name} prints more than {} MiB", PRINTED_BYTES >> 20));
        }
        Ok(Self { bytes: LineBytes::Printed(Box::new(program)), name })
    }

    /// Whether there is nothing to be read, since the file is not there.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.bytes, LineBytes::Nothing)
    }

    /// Hands on its lines one after the other, for as long as more is wanted.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or not all of it was read in time.
    pub(super) fn each(&self, deadline: Instant, take: &mut dyn FnMut(&PassingLine) -> bool) -> Result<(), String> {
        let mut walk = LineWalk::default();
        match &self.bytes {
            LineBytes::Nothing => {}
            LineBytes::Printed(program) => {
                // In pieces, so that there is a look at the clock.
                for chunk in program.printed().out.chunks(CHUNK_BYTES) {
                    if !self.pass(&mut walk, chunk, deadline, take)? {
                        return Ok(());
                    }
                }
            }
            LineBytes::File(file) => {
                let (mut chunk, mut at) = (vec![0; CHUNK_BYTES], 0);
                loop {
                    match read_at(file, &mut chunk, at) {
                        Ok(0) => break,
                        Ok(read) => {
                            at += read as u64;
                            if at > FILE_BYTES {
                                return Err(format!("{} has more than {} MiB", self.name, FILE_BYTES >> 20));
                            }
                            if !self.pass(&mut walk, &chunk[..read], deadline, take)? {
                                return Ok(());
                            }
                        }
                        Err(error) => return Err(format!("{}: {error}", self.name)),
                    }
                }
            }
        }
        if walk.length > 0 {
            walk.end_line(false, take);
        }
        Ok(())
    }

    fn pass(
        &self,
        walk: &mut LineWalk,
        chunk: &[u8],
        deadline: Instant,
        take: &mut dyn FnMut(&PassingLine) -> bool,
    ) -> Result<bool, String> {
        if Instant::now() >= deadline {
            return Err(format!("{} was read up to line {} in time", self.name, walk.number));
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            walk.add(text);
            if text.len() < part.len() && !walk.end_line(true, take) {
                return Ok(false);
            }
        }
        if walk.number as usize > MOST_LINES {
            return Err(format!("{} has more than {MOST_LINES} lines", self.name));
        }
        Ok(true)
    }

    /// A line as it is told; it is read again for that.
    pub(super) fn shown(&self, number: u32, deadline: Instant) -> String {
        let mut text = None;
        // What cannot be read again in time is not told.
        let _ = self.each(deadline, &mut |line| {
            if line.mark.number == number {
                text = Some(line.shown());
            }
            line.mark.number < number
        });
        text.unwrap_or_else(|| String::from("(it could not be read again)"))
    }
}

impl PassingLine {
    fn shown(&self) -> String {
        let dots = if self.length > self.head.len() as u64 { "…" } else { "" };
        format!("\"{}{dots}\"", self.head.escape_ascii())
    }
}

/// The line that the next byte is in.
#[derive(Debug)]
struct LineWalk {
    number: u32,
    hash: u128,
    key: Option<LineHash>,
    length: u64,
    head: Vec<u8>,
}

impl Default for LineWalk {
    fn default() -> Self {
        Self { number: 0, hash: FNV_BASIS, key: None, length: 0, head: Vec::new() }
    }
}

impl LineWalk {
    fn add(&mut self, text: &[u8]) {
        let room = SHOWN_BYTES.saturating_sub(self.head.len()).min(text.len());
        self.head.extend_from_slice(&text[..room]);
        self.length += text.len() as u64;
        for byte in text {
            if *byte == b'\t' && self.key.is_none() {
                self.key = Some(halves(self.hash));
            }
            self.hash = (self.hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }

    fn end_line(&mut self, has_end: bool, take: &mut dyn FnMut(&PassingLine) -> bool) -> bool {
        self.number += 1;
        let mark = LineMark { hash: halves(self.hash), number: self.number };
        let head = std::mem::take(&mut self.head);
        let line = PassingLine { mark, key: self.key.unwrap_or(mark.hash), has_end, head, length: self.length };
        let goes_on = take(&line);
        // The memory stays for the next one.
        (self.head, self.hash, self.key, self.length) = (line.head, FNV_BASIS, None, 0);
        self.head.clear();
        goes_on
    }
}

fn halves(hash: u128) -> LineHash {
    [(hash >> 64) as u64, hash as u64]
}

fn read_at(file: &File, chunk: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(chunk, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
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

    fn opened(bytes: &[u8]) -> (tempfile::NamedTempFile, OpenedLines) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let path = file.path().display().to_string();
        let opened = OpenedLines::open(&LineSource::File(path), soon()).unwrap();
        (file, opened)
    }

    fn all(opened: &OpenedLines) -> Vec<(LineMark, LineHash, bool, String)> {
        let mut lines = Vec::new();
        opened
            .each(soon(), &mut |line| {
                lines.push((line.mark, line.key, line.has_end, line.shown()));
                true
            })
            .unwrap();
        lines
    }

    #[test]
    fn a_line_is_known_by_its_hash_and_its_key_by_what_is_before_the_tab() {
        assert_eq!(std::mem::size_of::<LineMark>(), 24);
        let long = "x".repeat(200_000);
        let (_file, opened) = opened(format!("k\t1\nk\t2\tx\n\nk\nk\t1\n\u{1}{long}\nend").as_bytes());
        let lines = all(&opened);
        let numbers: Vec<u32> = lines.iter().map(|(mark, ..)| mark.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(lines[0].0.hash, lines[4].0.hash);
        assert_ne!(lines[0].0.hash, lines[1].0.hash);
        assert_eq!((lines[0].1, lines[1].1, lines[3].1), (lines[4].1, lines[4].1, lines[4].1));
        assert_eq!(lines[2].0.hash, halves(FNV_BASIS));
        assert_eq!(lines[3].0.hash, lines[3].1);
        assert_eq!(lines.iter().map(|line| line.2).collect::<Vec<_>>(), [true, true, true, true, true, true, false]);
        assert_eq!(opened.shown(2, soon()), "\"k\\t2\\tx\"");
        assert!(opened.shown(6, soon()).starts_with("\"\\x01xxx") && opened.shown(6, soon()).ends_with("x…\""));
        assert_eq!(opened.shown(8, soon()), "(it could not be read again)");
        // A value from the draft: the hash of "foobar".
        let (_file, foobar) = super::tests::opened(b"foobar");
        assert_eq!(all(&foobar)[0].0.hash, [0x343e_1662_793c_64bf, 0x6f0d_3597_ba44_6f18]);
    }

    #[test]
    fn a_program_is_run_once_and_read_often() {
        let run = |script: &str, deadline| {
            OpenedLines::open(&LineSource::Command(["sh", "-c", script].map(str::to_owned).to_vec()), deadline)
        };
        let opened = run("echo one; printf two", soon()).unwrap();
        assert_eq!(
            (all(&opened).len(), opened.shown(2, soon()), opened.name.as_str()),
            (2, "\"two\"".into(), "`sh -c echo one; printf two`")
        );
        assert!(run("echo gone >&2; exit 4", soon()).unwrap_err().ends_with("exit status: 4: gone"));
        assert!(run("sleep 600", Instant::now()).unwrap_err().contains("killed"));
        assert!(
            OpenedLines::open(&LineSource::Command(vec!["/nowhere/dump".into()]), soon())
                .unwrap_err()
                .contains("cannot be started")
        );
    }

    #[test]
    fn what_is_too_much_or_too_late_is_told() {
        let (file, opened) = opened(b"");
        file.as_file().set_len(FILE_BYTES + 1).unwrap();
        let error = opened.each(Instant::now(), &mut |_| true).unwrap_err();
        assert!(error.ends_with("was read up to line 0 in time"), "{error}");
        let (_file, opened) = super::tests::opened(&vec![b'\n'; MOST_LINES + 1]);
        let error = opened.each(soon(), &mut |_| true).unwrap_err();
        assert!(error.ends_with("has more than 4000000 lines"), "{error}");
    }
}
