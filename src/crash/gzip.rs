//! A file as a gzip member (RFC 1952).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use miniz_oxide::deflate::compress_to_vec;

/// How hard it is tried: what a log loses most of, it loses in the first levels.
const LEVEL: u8 = 3;
/// Magic number, deflate, no flags, no time, no hint, Unix.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Writes the last `most` bytes of a file as a gzip file.
///
/// # Errors
/// When one cannot be read, or the other written.
pub fn compress(from: &Path, to: &Path, most: usize) -> io::Result<()> {
    let bytes = fs::read(from)?;
    let bytes = &bytes[bytes.len().saturating_sub(most)..];
    let mut file = File::create(to)?;
    file.write_all(&HEADER)?;
    file.write_all(&compress_to_vec(bytes, LEVEL))?;
    file.write_all(&crate::checksum::hash(bytes).to_le_bytes())?;
    // Its size, modulo 2^32.
    file.write_all(&(bytes.len() as u32).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn gunzip_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("log"), folder.path().join("log.gz"));
        let text: String = (0..5000).map(|line| format!("line {line}\n")).collect();
        fs::write(&from, &text).unwrap();
        compress(&from, &to, 1000).unwrap();
        let unpacked = Command::new("gzip").arg("-dc").arg(&to).output().unwrap();
        assert!(unpacked.status.success());
        assert_eq!(unpacked.stdout, text.as_bytes()[text.len() - 1000..]);
    }
}
