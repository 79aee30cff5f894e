//! What memory and files are filled with: printable, pseudo-random, cheap, and no two pages alike.
//!
//! Noise is made once, and copied from page after page: copying is what every processor does fastest. It goes round only
//! after more than LZ4 can look back, and with a page of its own beginning for each round; so LZ4 (zram, zswap) finds
//! nothing to shrink in a page or in many. Each page begins with its serial number, so KSM finds no twins.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};

use crate::kernel::mapping::{Backing, Mapping, page_size};

/// Contents come in pages of this many bytes.
pub const PAGE: usize = 4096;
/// How long a round of the noise is, in bytes: more than LZ4 looks back, and whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round(usize);

impl Round {
    /// For memory: it stays in a processor's cache, whose pace is the limit.
    pub const OF_MEMORY: Self = Self(128 << 10);
    /// For files: a mebibyte is one write, for which the kernel takes the largest folios it has.
    pub const OF_FILES: Self = Self(1 << 20);

    const fn pages(self) -> usize {
        self.0 / PAGE
    }
}

/// How long a page's serial number is.
const LABEL: usize = 8;
/// By how much a round begins later than the one before: a number without a factor in common with a page.
const SHIFT: usize = 61;

/// A never-ending source of pages.
#[derive(Debug)]
pub struct Fill {
    serial: u64,
    length: Round,
    /// The noise of a round and a page more, since rounds begin later and later. A mapping, so that the kernel has it back
    /// when it is not needed, whatever an allocator would keep.
    noise: Option<Mapping>,
    /// Where the next page begins.
    place: usize,
    /// Where this round began.
    begin: usize,
}

impl Default for Fill {
    fn default() -> Self {
        Self::new(Round::OF_MEMORY)
    }
}

impl Fill {
    /// A source unlike any other: its pages differ from those of another process on the same machine, too. The noise is
    /// made when it is needed.
    pub const fn new(length: Round) -> Self {
        Self { serial: 0, length, noise: None, place: 0, begin: 0 }
    }

    /// Fills `pages`, whose length must be a multiple of [`PAGE`].
    ///
    /// # Errors
    /// When the kernel has no memory for the noise.
    pub fn fill(&mut self, pages: &mut [u8]) -> io::Result<()> {
        debug_assert!(pages.len().is_multiple_of(PAGE));
        let noise = self.take_noise()?;
        for page in pages.chunks_exact_mut(PAGE) {
            let (label, place) = self.next_page();
            page.copy_from_slice(&noise.bytes()[place..place + PAGE]);
            page[..LABEL].copy_from_slice(&label);
        }
        self.noise = Some(noise);
        Ok(())
    }

    /// Writes `length` bytes of pages, of the last one a part. The kernel copies them from the noise itself, which stays in a
    /// processor's cache: pages put together before would not.
    ///
    /// # Errors
    /// When the kernel has no memory for the noise, or does not write all of it.
    pub fn write_to(&mut self, file: &mut impl Write, length: usize) -> io::Result<()> {
        let mut noise = self.take_noise()?;
        let bytes = noise.bytes_mut();
        let mut left = length;
        while left > 0 {
            // The pages of a round follow each other.
            let start = self.place;
            let pages = left.div_ceil(PAGE).min((self.begin + self.length.0 - start) / PAGE);
            let count = left.min(pages * PAGE);
            let mut below = [[0; LABEL]; Round::OF_FILES.pages()];
            for below in &mut below[..pages] {
                let (label, place) = self.next_page();
                below.copy_from_slice(&bytes[place..place + LABEL]);
                bytes[place..place + LABEL].copy_from_slice(&label);
            }
            let written = file.write_all(&bytes[start..start + count]);
            // The next rounds take the noise as it was.
            for (page, below) in below[..pages].iter().enumerate() {
                let place = start + page * PAGE;
                bytes[place..place + LABEL].copy_from_slice(below);
            }
            written?;
            left -= count;
        }
        self.noise = Some(noise);
        Ok(())
    }

    /// The noise, made if need be. Without it an error leaves none behind, and the next call makes it anew.
    fn take_noise(&mut self) -> io::Result<Mapping> {
        self.noise.take().map_or_else(|| noise(self.length), Ok)
    }

    /// The label of the next page, and where in the noise it begins.
    fn next_page(&mut self) -> ([u8; LABEL], usize) {
        let place = self.place;
        self.serial += 1;
        self.place += PAGE;
        if self.place >= self.begin + self.length.0 {
            self.begin = (self.begin + SHIFT) % PAGE;
            self.place = self.begin;
        }
        (label(self.serial), place)
    }

    /// Gives the noise back; it is made anew when it is needed.
    pub fn rest(&mut self) {
        self.noise = None;
    }
}

/// Random printable bytes (Marsaglia's xorshift, 64 of 95 letters).
fn noise(round: Round) -> io::Result<Mapping> {
    // The standard library's hash keys are random; an all-zero state would stay zero.
    let mut state = RandomState::new().hash_one(()) | 1;
    // Whole pages, whatever their size.
    let length = (round.0 + PAGE).next_multiple_of(page_size() as usize);
    let mut noise = Mapping::new(length, Backing::Private)?;
    noise.write(0, length, &mut |bytes| {
        for word in bytes.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&label(state));
        }
        Ok(())
    })?;
    Ok(noise)
}

/// 48 bits of a number as eight printable bytes: enough for an exbibyte of pages.
fn label(number: u64) -> [u8; LABEL] {
    std::array::from_fn(|place| (number >> (6 * place) & 63) as u8 + b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const PAGES: usize = 5_000;

    fn pages() -> Vec<u8> {
        let mut bytes = vec![0; PAGES * PAGE];
        let (one, two) = bytes.split_at_mut(PAGES / 2 * PAGE);
        let mut content = Fill::new(Round::OF_MEMORY);
        content.fill(one).unwrap();
        content.fill(two).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_what_pages_are_filled_with() {
        let new = || Fill::new(Round::OF_FILES);
        let (mut writing, mut filling) = (new(), new());
        let (mut written, mut expected) = (Vec::new(), Vec::new());
        let mut pages = vec![0; 400 * PAGE];
        for length in [0, 1, LABEL, LABEL + 1, PAGE - 1, PAGE, PAGE + 1, 300 * PAGE + 7, 256 * PAGE] {
            writing.write_to(&mut written, length).unwrap();
            // Both have the same noise.
            filling.noise = writing.noise.take();
            let whole = length.next_multiple_of(PAGE);
            filling.fill(&mut pages[..whole]).unwrap();
            writing.noise = filling.noise.take();
            expected.extend_from_slice(&pages[..length]);
        }
        assert!(written == expected);
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
        Fill::new(Round::OF_MEMORY).fill(&mut one).unwrap();
        Fill::new(Round::OF_MEMORY).fill(&mut two).unwrap();
        assert_ne!(one, two);
    }

    #[test]
    fn labels_tell_serial_numbers_apart() {
        let labels: HashSet<[u8; 8]> = (0..100_000).map(label).collect();
        assert_eq!(labels.len(), 100_000);
        assert_ne!(label(1 << 47), label(0));
    }
}
