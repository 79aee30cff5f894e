//! The journal's bytes: a header that says where it begins, then batches of steps, each with its checksum.
//!
//! All numbers are little-endian.
//!
//! ```text
//! header   "testfib2"  generation u64  hits u64  index u64  twice, of fibo.csv: hits u64  index u64  crc32 of these
//! batch    b"\xF1\xB0\xCC\x1A"  steps u32  hits before u64  the steps, a byte each  crc32 of generation and these
//! ```
//!
//! What is told of `fibo.csv` is what the one on disk may say that was written before the journal began: the last one, or
//! one that was being written just then. A journal of the first version begins with "testfibo", and tells nothing of it.
//!
//! The generation, a number that each journal has of its own, goes into every checksum, so that what an older file left in
//! the same blocks is never taken for a batch of this one.

use crate::fibonacci::sequence::{Position, Step};

/// Most steps of a batch.
pub const MOST_STEPS: usize = 64 * 1024;
const FILE_MAGIC: &[u8; 8] = b"testfib2";
const FIRST_MAGIC: &[u8; 8] = b"testfibo";
const BATCH_MAGIC: &[u8; 4] = b"\xF1\xB0\xCC\x1A";
/// How long a header is.
pub const HEADER_BYTES: usize = FIRST_HEADER_BYTES + 4 * 8;
/// The same of the first version.
const FIRST_HEADER_BYTES: usize = 8 + 8 + 8 + 8 + 4;
/// How long a batch is without its steps: what stands before them, and the checksum.
const BEFORE_STEPS: usize = 4 + 4 + 8;
const CHECKSUM: usize = 4;

/// The header of a journal that begins at `at`, beside a `fibo.csv` that says one of these, if there is one.
pub fn header(generation: u64, at: Position, csv: [Position; 2]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(FILE_MAGIC);
    let [before, after] = csv;
    for number in [generation, at.hits, at.index, before.hits, before.index, after.hits, after.index] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let checksum = crate::checksum::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Adds a batch to `bytes`: these steps, of which there are at most [`MOST_STEPS`], after so many hits.
pub fn push_batch(bytes: &mut Vec<u8>, generation: u64, hits: u64, steps: &[Step]) {
    let start = bytes.len();
    bytes.extend_from_slice(BATCH_MAGIC);
    bytes.extend_from_slice(&(steps.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&hits.to_le_bytes());
    bytes.extend(steps.iter().map(|step| match step {
        Step::Next => 1,
        Step::Previous => 2,
        Step::Reset => 3,
    }));
    let checksum = checksum(generation, &bytes[start..]);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

fn checksum(generation: u64, batch: &[u8]) -> u32 {
    let mut hasher = crate::checksum::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(batch);
    hasher.finalize()
}

/// What a journal says.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// Its generation.
    pub generation: u64,
    /// Where its last valid step leads.
    pub at: Position,
    /// What a `fibo.csv` may say that was written before it began.
    pub csv: Option<[Position; 2]>,
    /// How it ends.
    pub end: End,
}

/// How a journal ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a valid batch.
    Whole,
    /// In the middle of what was being written when the lights went out; nobody had an answer to it.
    Torn,
    /// What is not valid was more than one batch, or is followed by valid ones: steps that were answered are lost.
    Damaged,
}

/// Whether a `fibo.csv` that says this was written by this journal's process, or by one before it.
pub fn knows(bytes: &[u8], csv: Position) -> bool {
    let told = walk(bytes, &mut |_, _| {}).and_then(|read| read.csv);
    told.is_some_and(|told| told.contains(&csv)) || mark_after(bytes, csv.hits) == Some(csv)
}

/// Where a journal stood after so many hits, if it was there.
fn mark_after(bytes: &[u8], hits: u64) -> Option<Position> {
    let mut found = None;
    let end = walk(bytes, &mut |at, steps| {
        let before = hits.checked_sub(at.hits).and_then(|before| steps.get(..usize::try_from(before).ok()?));
        if let Some(before) = before {
            found = Some(before.iter().filter_map(|byte| step(*byte)).fold(at, Position::after));
        }
    })?;
    if end.at.hits == hits { Some(end.at) } else { found }
}

/// Reads a journal; `None` when its header is not valid. Each valid batch is shown, with where the sequence stood before.
pub fn walk(bytes: &[u8], each: &mut dyn FnMut(Position, &[u8])) -> Option<Read> {
    let is_first = bytes.starts_with(FIRST_MAGIC);
    let (header, mut rest) = bytes.split_at_checked(if is_first { FIRST_HEADER_BYTES } else { HEADER_BYTES })?;
    let (head, checksum) = header.split_at(header.len() - CHECKSUM);
    if !is_first && !head.starts_with(FILE_MAGIC) || checksum != crate::checksum::hash(head).to_le_bytes() {
        return None;
    }
    let position_at = |offset: usize| Position { hits: number(&head[offset..]), index: number(&head[offset + 8..]) };
    let (generation, mut at) = (number(&head[8..]), position_at(16));
    let csv = (!is_first).then(|| [position_at(32), position_at(48)]);
    loop {
        if rest.is_empty() {
            return Some(Read { generation, at, csv, end: End::Whole });
        }
        let Some((steps, after)) = batch(generation, rest).filter(|(hits, ..)| *hits == at.hits).map(|b| (b.1, b.2))
        else {
            break;
        };
        each(at, steps);
        at = steps.iter().filter_map(|byte| step(*byte)).fold(at, Position::after);
        rest = after;
    }
    // One batch is in flight at a time, so only the last can be torn.
    let followed = (1..rest.len()).any(|start| batch(generation, &rest[start..]).is_some());
    let followed = followed || is_longer_than_a_batch(rest, at.hits);
    Some(Read { generation, at, csv, end: if followed { End::Damaged } else { End::Torn } })
}

/// Whether what is not valid, after so many hits, was more than one batch.
fn is_longer_than_a_batch(bytes: &[u8], hits: u64) -> bool {
    let length_of = |steps: usize| BEFORE_STEPS + steps + CHECKSUM;
    let of_one = head(bytes).filter(|head| head.1 == hits).map_or(MOST_STEPS, |head| head.0);
    // The head of a later one tells as well, where that of the first is not readable.
    let is_later = |start: usize| {
        let head = head(&bytes[start..]).and_then(|head| head.1.checked_sub(hits));
        head.is_some_and(|steps| (1..=MOST_STEPS as u64).contains(&steps))
    };
    bytes.len() > length_of(of_one) || (1..bytes.len()).any(is_later)
}

/// The head at the beginning of `bytes`: how many steps a batch has, and the hits before it.
fn head(bytes: &[u8]) -> Option<(usize, u64)> {
    let head = bytes.get(..BEFORE_STEPS)?;
    let count = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    (head.starts_with(BATCH_MAGIC) && (1..=MOST_STEPS).contains(&count)).then(|| (count, number(&head[8..])))
}

/// A valid batch at the beginning of `bytes`: the hits before it, its steps, and what follows.
fn batch(generation: u64, bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (count, hits) = head(bytes)?;
    let (summed, rest) = bytes.split_at_checked(BEFORE_STEPS + count)?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM)?;
    let steps = &summed[BEFORE_STEPS..];
    let valid = sum == checksum(generation, summed).to_le_bytes() && steps.iter().all(|byte| step(*byte).is_some());
    valid.then_some((hits, steps, rest))
}

fn step(byte: u8) -> Option<Step> {
    match byte {
        1 => Some(Step::Next),
        2 => Some(Step::Previous),
        3 => Some(Step::Reset),
        _ => None,
    }
}

/// The number at the beginning of `bytes`, which are at least eight.
fn number(bytes: &[u8]) -> u64 {
    bytes[..8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Option<Read> {
        walk(bytes, &mut |_, _| {})
    }

    const START: Position = Position { hits: 7, index: 3 };
    const CSV: [Position; 2] = [Position { hits: 5, index: 1 }, Position { hits: 6, index: 2 }];

    /// A journal of these batches, where each ends, and where the sequence stands then.
    fn written(batches: &[Vec<Step>]) -> (Vec<u8>, Vec<(usize, Position)>) {
        let mut bytes = header(9, START, CSV);
        let mut ends = vec![(bytes.len(), START)];
        for batch in batches {
            let at = ends[ends.len() - 1].1;
            push_batch(&mut bytes, 9, at.hits, batch);
            ends.push((bytes.len(), batch.iter().fold(at, |at, step| at.after(*step))));
        }
        (bytes, ends)
    }

    fn batches() -> impl Strategy<Value = Vec<Vec<Step>>> {
        let step = prop_oneof![Just(Step::Next), Just(Step::Previous), Just(Step::Reset)];
        prop::collection::vec(prop::collection::vec(step, 1..20), 1..8)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(batches in batches()) {
            let (bytes, ends) = written(&batches);
            let at = ends[ends.len() - 1].1;
            prop_assert_eq!(read(&bytes), Some(Read { generation: 9, at, csv: Some(CSV), end: End::Whole }));
        }

        #[test]
        fn a_cut_anywhere_loses_only_what_it_cuts(batches in batches(), cut in any::<prop::sample::Index>()) {
            let (bytes, ends) = written(&batches);
            let cut = cut.index(bytes.len() + 1);
            let before = ends.iter().rev().find(|(end, _)| *end <= cut);
            let found = read(&bytes[..cut]);
            let end = if ends.iter().any(|(end, _)| *end == cut) { End::Whole } else { End::Torn };
            prop_assert_eq!(found, before.map(|(_, at)| Read { generation: 9, at: *at, csv: Some(CSV), end }));
        }

        #[test]
        fn a_wrong_bit_is_noticed(batches in batches(), offset in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (mut bytes, ends) = written(&batches);
            let offset = offset.index(bytes.len());
            bytes[offset] ^= 1u8 << bit;
            let Some(found) = read(&bytes) else {
                prop_assert!(offset < HEADER_BYTES);
                return Ok(());
            };
            let (batch, at) = ends.iter().enumerate().rev().find(|(_, (end, _))| *end <= offset).unwrap();
            prop_assert_eq!(found.at, at.1);
            let last = batch + 2 == ends.len();
            if last && (4..8).contains(&(offset - at.0)) {
                // It may say now that it ends earlier, and that something follows.
                return Ok(());
            }
            prop_assert_eq!(found.end, if last { End::Torn } else { End::Damaged });
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), valid in any::<bool>()) {
            let mut file = if valid { header(1, START, CSV) } else { Vec::new() };
            file.extend(bytes);
            let _ = read(&file);
        }
    }

    #[test]
    fn a_tail_of_two_batches_is_damage() {
        let (bytes, ends) = written(&[vec![Step::Next; 3], vec![Step::Next; 5], vec![Step::Reset; 2]]);
        let (one, two) = (ends[1].0, ends[2].0);
        for places in [[one + 16, two + 16], [one + 1, two + 16], [one + 16, two + 1]] {
            let mut bytes = bytes.clone();
            places.iter().for_each(|offset| bytes[*offset] ^= 4);
            assert_eq!(
                read(&bytes),
                Some(Read { generation: 9, at: ends[1].1, csv: Some(CSV), end: End::Damaged }),
                "{places:?}"
            );
        }
    }

    #[test]
    fn another_generations_batch_is_none_of_ours() {
        let mut bytes = header(9, START, CSV);
        push_batch(&mut bytes, 8, START.hits, &[Step::Next]);
        assert_eq!(read(&bytes), Some(Read { generation: 9, at: START, csv: Some(CSV), end: End::Torn }));
    }

    #[test]
    fn a_journal_of_the_first_version_is_read() {
        let mut bytes = FIRST_MAGIC.to_vec();
        [9u64, START.hits, START.index].iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&crate::checksum::hash(&bytes).to_le_bytes());
        push_batch(&mut bytes, 9, START.hits, &[Step::Next, Step::Reset]);
        let at = Position { hits: 9, index: 0 };
        assert_eq!(read(&bytes), Some(Read { generation: 9, at, csv: None, end: End::Whole }));
        assert!(knows(&bytes, Position { hits: 8, index: 4 }) && knows(&bytes, START) && knows(&bytes, at));
        assert!(
            ![(8, 3), (6, 2), (10, 1)]
                .iter()
                .any(|(hits, index)| knows(&bytes, Position { hits: *hits, index: *index }))
        );
    }
}
