//! Two files, compared in small pieces.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::checksum::Hasher;
use crate::crash::pipeline::store::Offset;

/// As much of each file is in memory at a time.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All bytes are the same.
    Same,
    /// The byte at this offset is another one, or the input has none there.
    Differs(Offset),
    /// The output ends here; before this all is the same.
    Short(Offset),
}

/// Compares files, and counts what it reads.
#[derive(Debug)]
pub struct Comparer {
    input: Vec<u8>,
    output: Vec<u8>,
    /// Bytes that were read, of both files.
    pub read: u64,
}

impl Default for Comparer {
    fn default() -> Self {
        Self::new()
    }
}

impl Comparer {
    /// One that has read nothing.
    pub fn new() -> Self {
        Self { input: vec![0; CHUNK_BYTES], output: vec![0; CHUNK_BYTES], read: 0 }
    }

    /// Compares a range of two files, up to the first difference.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn compare(&mut self, input: &File, output: &File, range: Range<Offset>) -> io::Result<Comparison> {
        self.compare_with(input, output, range, None)
    }

    /// Compares a range of two files, and hashes all that the output has of it.
    pub(super) fn compare_hashed(
        &mut self,
        input: &File,
        output: &File,
        range: Range<Offset>,
    ) -> io::Result<(Comparison, u32)> {
        let mut hasher = Hasher::new();
        let comparison = self.compare_with(input, output, range, Some(&mut hasher))?;
        Ok((comparison, hasher.finalize()))
    }

    fn compare_with(
        &mut self,
        input: &File,
        output: &File,
        range: Range<Offset>,
        mut hasher: Option<&mut Hasher>,
    ) -> io::Result<Comparison> {
        let mut differs = None;
        let mut at = range.start;
        while at < range.end {
            let want = (range.end - at).min(CHUNK_BYTES as u64) as usize;
            let made = read_at(output, &mut self.output[..want], at)?;
            self.read += made as u64;
            let made_bytes = &self.output[..made];
            if let Some(hasher) = &mut hasher {
                hasher.update(made_bytes);
            }
            if differs.is_none() {
                let fed = read_at(input, &mut self.input[..made], at)?;
                self.read += fed as u64;
                let fed_bytes = &self.input[..fed];
                if made_bytes != fed_bytes {
                    let same = made_bytes.iter().zip(fed_bytes).take_while(|(made, fed)| made == fed).count();
                    differs = Some(at + same as u64);
                }
            }
            if differs.is_some() && hasher.is_none() {
                break;
            }
            at += made as u64;
            if made < want {
                return Ok(differs.map_or(Comparison::Short(at), Comparison::Differs));
            }
        }
        Ok(differs.map_or(Comparison::Same, Comparison::Differs))
    }
}

/// Reads at an offset until the buffer is full or the file ends: how many bytes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: Offset) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Opens a file, if it is there.
///
/// # Errors
/// When it cannot be opened, with its path.
pub fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match open_file(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(with_path(path, &error)),
    }
}

/// Opens a file to be read; a pipe, which may wait for a writer for ever, is refused.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub fn open_file(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// An error that says of which file it is.
pub fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_difference_is_found_at_its_byte_and_what_is_behind_is_hashed_as_well() {
        let input: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let size = input.len() as u64;
        for at in [0, 1, 65_535, 65_536, 131_072, 199_999] {
            let mut made = input.clone();
            made[at] ^= 1;
            let mut comparer = Comparer::new();
            let (comparison, crc) = comparer.compare_hashed(&file(&input), &file(&made), 0..size).unwrap();
            assert_eq!((comparison, crc), (Comparison::Differs(at as u64), crate::checksum::hash(&made)));
            assert!(comparer.read <= 2 * size);
            let comparison = comparer.compare(&file(&input), &file(&made), at as u64 + 1..size).unwrap();
            assert_eq!(comparison, Comparison::Same);
        }
    }

    #[test]
    fn one_of_them_may_be_shorter() {
        let compare = |input: &[u8], output: &[u8], range| {
            Comparer::new().compare_hashed(&file(input), &file(output), range).unwrap().0
        };
        assert_eq!(compare(b"abcd", b"ab", 0..4), Comparison::Short(2));
        assert_eq!(compare(b"abcd", b"ax", 0..4), Comparison::Differs(1));
        assert_eq!(compare(b"ab", b"abcd", 0..4), Comparison::Differs(2));
        assert_eq!(compare(b"ab", b"ab", 2..2), Comparison::Same);
        assert_eq!(compare(b"ab", b"ab", 2..3), Comparison::Short(2));
    }
}
