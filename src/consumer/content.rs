//! What memory and files are filled with: printable, pseudo-random, cheap, and no two pages alike.
//!
//! A page is a page of noise, made once, combined with keys of its own: one exclusive-or for eight bytes, which keeps
//! up with the kernel handing out pages. No four bytes are likely to stand twice in a page or in two, so LZ4 (zram,
//! zswap) finds nothing to shrink; and each page begins with its serial number, so KSM finds no twins.

use std::hash::{BuildHasher, RandomState};

/// Contents come in pages of this many bytes.
pub const PAGE: usize = 4096;
/// Words of eight bytes in a page.
const WORDS: usize = PAGE / 8;
/// Words handled in one go: as many as there are keys.
const KEYS: usize = 4;
/// The bytes of [`key`] have their bits 5 and 6 alike. Such bytes stay such under exclusive-or, and one of them
/// combined with 32, where the two bits differ, is between 32 and 95: printable, and six bits of it are free.
const BIT_5: u64 = 0x2020_2020_2020_2020;
const LOW_6_BITS: u64 = 0x3f3f_3f3f_3f3f_3f3f;

/// A never-ending source of pages.
#[derive(Debug)]
pub struct Content {
    serial: u64,
    random: u64,
    noise: Box<[u64; WORDS]>,
}

impl Default for Content {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    /// A source unlike any other: its pages differ from those of another process on the same machine, too.
    pub fn new() -> Self {
        // The standard library's hash keys are random; an all-zero state would stay zero.
        let mut random = RandomState::new().hash_one(()) | 1;
        let noise = Box::new(std::array::from_fn(|_| key(&mut random) ^ BIT_5));
        Self { serial: 0, random, noise }
    }

    /// Fills `pages`, whose length must be a multiple of [`PAGE`].
    pub fn fill(&mut self, pages: &mut [u8]) {
        debug_assert!(pages.len().is_multiple_of(PAGE));
        for page in pages.chunks_exact_mut(PAGE) {
            let keys: [u64; KEYS] = std::array::from_fn(|_| key(&mut self.random));
            for (bytes, noise) in page.chunks_exact_mut(8 * KEYS).zip(self.noise.chunks_exact(KEYS)) {
                for place in 0..KEYS {
                    bytes[8 * place..8 * place + 8].copy_from_slice(&(noise[place] ^ keys[place]).to_ne_bytes());
                }
            }
            self.serial += 1;
            page[..8].copy_from_slice(&label(self.serial));
        }
    }
}

/// Eight random bytes, each with its bits 5 and 6 alike and bit 7 clear (Marsaglia's xorshift).
fn key(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let bits = *state & LOW_6_BITS;
    bits | (bits & BIT_5) << 1
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
    fn lz4_cannot_shrink_a_page_nor_many() {
        let bytes = pages();
        assert!(lz4_flex::block::compress(&bytes).len() >= bytes.len());
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
