//! What is fed: lines of 49 bytes, all different, made from a seed.
//!
//! `A0000017 1f2e 9c04 …`: the key, seven digits of the line's number (from 0), eight groups of four hex digits.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use fastrand::Rng;

/// How long a line is, in bytes, its end included.
pub const LINE_BYTES: usize = 49;

/// The first byte of a line, by which it is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey(pub u8);

impl std::fmt::Display for StreamKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", char::from(self.0))
    }
}

/// The line of this number of a key.
pub fn line(seed: u64, key: StreamKey, number: u64) -> [u8; LINE_BYTES] {
    // Any line can be made without those before it.
    let place = u64::from(key.0) << 56 ^ number;
    let mut random = Rng::with_seed(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut line = [b' '; LINE_BYTES];
    line[0] = key.0;
    let mut rest = number;
    for digit in line[1..8].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    for group in 0..8 {
        let mut value = random.u16(..);
        for digit in line[9 + group * 5..13 + group * 5].iter_mut().rev() {
            *digit = b"0123456789abcdef"[usize::from(value % 16)];
            value /= 16;
        }
    }
    line[LINE_BYTES - 1] = b'\n';
    line
}

/// Writes the input of a key.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, seed: u64, key: StreamKey, lines: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, File::create(path)?);
    for number in 0..lines {
        file.write_all(&line(seed, key, number))?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_line_has_its_key_its_number_and_hex_digits() {
        let text = line(7, StreamKey(b'B'), 1_234_567);
        assert_eq!(&text[..9], b"B1234567 ");
        assert!(text.ends_with(b"\n"));
        let groups: Vec<&[u8]> = text[9..48].split(|byte| *byte == b' ').collect();
        assert_eq!(groups.len(), 8);
        assert!(groups.iter().all(|group| group.len() == 4 && group.iter().all(u8::is_ascii_hexdigit)));
    }

    #[test]
    fn no_two_lines_are_alike_and_a_seed_makes_them_again() {
        let tails = |seed| {
            let lines =
                [b'A', b'B'].into_iter().flat_map(move |key| (0..20_000).map(move |n| line(seed, StreamKey(key), n)));
            lines.map(|line| line[9..].to_vec()).collect::<HashSet<_>>()
        };
        assert_eq!(tails(1).len(), 40_000);
        assert_eq!(tails(1), tails(1));
        assert_ne!(tails(1), tails(2));
    }

    #[test]
    fn a_file_has_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        write(&path, 3, StreamKey(b'A'), 5).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 5 * LINE_BYTES);
        assert_eq!(bytes[4 * LINE_BYTES..], line(3, StreamKey(b'A'), 4));
    }
}
