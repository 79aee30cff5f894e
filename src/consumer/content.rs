//! What memory and files are filled with: printable, pseudo-random, cheap, and no two pages alike.
//!
//! Each page begins with its serial number, so that KSM finds no twins, and goes on with the output of four xorshift
//! generators, six bits a byte: no four bytes of it are likely to stand twice in a page, so that LZ4 (zram, zswap)
//! finds nothing to shrink. Four generators in turn, because one alone would wait for itself: it has to keep up with
//! the kernel handing out pages.

use std::hash::{BuildHasher, RandomState};

/// Contents come in pages of this many bytes.
pub const PAGE: usize = 4096;
/// Six bits of each byte, and the offset that makes them printable: 32 to 95.
const SIX_BITS: u64 = 0x3f3f_3f3f_3f3f_3f3f;
const PRINTABLE: u64 = 0x2020_2020_2020_2020;
const LANES: usize = 4;

/// A never-ending source of pages.
#[derive(Debug)]
pub struct Content {
    serial: u64,
    lanes: [u64; LANES],
}

impl Default for Content {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    /// A source unlike any other: its pages differ from those of another process on the same machine, too.
    pub fn new() -> Self {
        // The standard library's hash keys are random; an all-zero lane would stay zero.
        let random = RandomState::new();
        Self { serial: 0, lanes: std::array::from_fn(|lane| random.hash_one(lane) | 1) }
    }

    /// Fills `pages`, whose length must be a multiple of [`PAGE`].
    pub fn fill(&mut self, pages: &mut [u8]) {
        debug_assert!(pages.len().is_multiple_of(PAGE));
        let mut lanes = self.lanes;
        for page in pages.chunks_exact_mut(PAGE) {
            for words in page.chunks_exact_mut(LANES * 8) {
                for (lane, word) in lanes.iter_mut().zip(words.chunks_exact_mut(8)) {
                    *lane ^= *lane << 13;
                    *lane ^= *lane >> 7;
                    *lane ^= *lane << 17;
                    word.copy_from_slice(&((*lane & SIX_BITS) + PRINTABLE).to_ne_bytes());
                }
            }
            self.serial += 1;
            page[..8].copy_from_slice(&label(self.serial));
        }
        self.lanes = lanes;
    }
}

/// 48 bits of a serial number as eight printable bytes: enough for an exbibyte of pages.
fn label(serial: u64) -> [u8; 8] {
    std::array::from_fn(|place| (serial >> (6 * place) & 63) as u8 + b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const PAGES: usize = 5_000;

    fn pages() -> Vec<u8> {
        let mut bytes = vec![0; PAGES * PAGE];
        let (one, two) = bytes.split_at_mut(PAGES / 2 * PAGE);
        let mut content = Content::new();
        content.fill(one);
        content.fill(two);
        bytes
    }

    #[test]
    fn every_byte_is_printable_and_no_two_pages_are_alike() {
        let bytes = pages();
        assert!(bytes.iter().all(|byte| (32..=126).contains(byte)));
        let different: HashSet<&[u8]> = bytes.chunks(PAGE).collect();
        assert_eq!(different.len(), PAGES);
    }

    #[test]
    fn lz4_cannot_shrink_a_page() {
        let bytes = pages();
        let compressed: usize = bytes.chunks(PAGE).map(|page| lz4_flex::block::compress(page).len()).sum();
        assert!(compressed >= bytes.len(), "{compressed} of {}", bytes.len());
    }

    #[test]
    fn two_sources_differ() {
        let (mut one, mut two) = (vec![0; PAGE], vec![0; PAGE]);
        Content::new().fill(&mut one);
        Content::new().fill(&mut two);
        assert_ne!(one, two);
    }

    #[test]
    fn labels_tell_serial_numbers_apart() {
        let labels: HashSet<[u8; 8]> = (0..100_000).map(label).collect();
        assert_eq!(labels.len(), 100_000);
        assert_ne!(label(1 << 47), label(0));
    }
}
