//! A run folder with a right log, things that go wrong with it, and what must be said of them.

use std::fs::{self, OpenOptions};
use std::io::Write;

use proptest::prelude::*;

use super::{DifferenceClass, Finding, verify_once};
use crate::crash::folder::RunFolder;
use crate::crash::input::{StreamKey, line};
use crate::crash::pipeline::sink_log::{OutboxPiece, Record, Said, TransactionId};

pub(super) const KEY: StreamKey = StreamKey(b'A');

/// A run folder of one key.
#[derive(Debug)]
pub(super) struct Run {
    _folder: tempfile::TempDir,
    pub(super) folder: RunFolder,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) log: Vec<String>,
    pub(super) committed: usize,
    pub(super) pieces: Vec<(u64, OutboxPiece)>,
}

/// A transaction to come: its size in bytes, how often it is rolled back first, whether in phase 1, and who put it out.
pub(super) type Batch = (usize, usize, bool, u32);

impl Run {
    pub(super) fn new(input: Vec<u8>, batches: &[Batch], open: usize) -> Self {
        let holder = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(holder.path());
        fs::create_dir(folder.sink()).unwrap();
        let mut run =
            Self { _folder: holder, folder, input, output: vec![], log: vec![], committed: 0, pieces: vec![] };
        let mut number = 0;
        for (epoch, (size, rollbacks, refused, worker)) in batches.iter().enumerate() {
            let (start, end) = (run.committed, (run.committed + size).min(run.input.len()));
            for _ in 0..*rollbacks {
                number += 1;
                run.prepare(number, start..end, *worker, epoch, *refused);
                run.say(Said::RolledBack { id: id(number), start: start as u64 });
            }
            number += 1;
            let piece = run.prepare(number, start..end, *worker, epoch, false);
            run.pieces.push((number, piece));
            run.say(Said::Committed { id: id(number), end: end as u64 });
            run.committed = end;
        }
        let end = (run.committed + open).min(run.input.len());
        if end > run.committed {
            run.prepare(number + 1, run.committed..end, 1, batches.len(), false);
        }
        run.output = run.input[..end].to_vec();
        fs::write(run.folder.input(KEY), &run.input).unwrap();
        run.write();
        run
    }

    pub(super) fn prepare(
        &mut self,
        number: u64,
        range: std::ops::Range<usize>,
        worker: u32,
        epoch: usize,
        refused: bool,
    ) -> OutboxPiece {
        let crc = crate::checksum::hash(&self.input[range.clone()]);
        let (start, end) = (range.start as u64, range.end as u64);
        let piece = OutboxPiece { start, end, worker, epoch: epoch as u64 };
        self.say(match refused {
            true => Said::Refused { id: id(number), start, end, crc },
            false => Said::Prepared { id: id(number), start, end, crc, pieces: vec![piece] },
        });
        piece
    }

    pub(super) fn say(&mut self, said: Said) {
        self.log.push(Record { time: 1.5, said }.line());
    }

    pub(super) fn write(&self) {
        fs::write(self.folder.output(KEY), &self.output).unwrap();
        fs::write(self.folder.transactions(KEY), self.log.concat()).unwrap();
    }

    pub(super) fn append_log(&self, bytes: &[u8]) {
        let path = self.folder.transactions(KEY);
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    pub(super) fn found(&self) -> Option<Finding> {
        self.write();
        verify_once(&self.folder, KEY).unwrap().err()
    }

    /// What must be said of this output: class, byte and line.
    fn expected(&self) -> Option<(DifferenceClass, usize, usize)> {
        let byte = self.output.iter().zip(&self.input[..self.committed]).take_while(|(made, fed)| made == fed).count();
        if byte == self.committed {
            return None;
        }
        let before = &self.input[..byte];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let lines = |bytes: &'_ [u8]| -> Vec<Vec<u8>> {
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
        };
        let is_alike = |line: &[u8], wanted: &[u8]| match wanted.ends_with(b"\n") {
            true => line == wanted,
            false => line.starts_with(wanted),
        };
        let behind = lines(&self.output[start..]);
        let class = if byte == self.output.len() {
            DifferenceClass::Short
        } else {
            let found = &behind[0];
            let mut at = 0;
            let mut places = Vec::new();
            for line in lines(&self.input) {
                if at != start && is_alike(&line, found) {
                    places.push(at);
                }
                at += line.len();
            }
            let text = found.strip_suffix(b"\n").unwrap_or(found);
            match places.into_iter().min_by_key(|place| place.abs_diff(start)) {
                Some(place) if place < start => DifferenceClass::Dup,
                Some(_) => {
                    let expected = &lines(&self.input[start..])[0];
                    match behind[1..].iter().any(|line| is_alike(line, expected)) {
                        true => DifferenceClass::Reordered,
                        false => DifferenceClass::Lost,
                    }
                }
                None if text.is_empty() => DifferenceClass::Torn,
                None if text[0] != b'A' || !reads_as_text(text) => DifferenceClass::Foreign,
                None => DifferenceClass::Torn,
            }
        };
        Some((class, byte, number))
    }

    pub(super) fn check(&self, check: &str, finding: Option<&Finding>) -> Result<(), TestCaseError> {
        let said = finding.map(|finding| (finding.class.unwrap(), finding.byte as usize, finding.line as usize));
        prop_assert_eq!(said, self.expected());
        let Some(finding) = finding else { return Ok(()) };
        prop_assert_eq!((finding.check, finding.key), (check, Some(KEY)));
        let of = self.pieces.iter().find(|(_, piece)| (piece.start..piece.end).contains(&finding.byte)).unwrap();
        let by = (finding.transaction.unwrap(), finding.worker.unwrap(), finding.epoch.unwrap());
        prop_assert_eq!(by, (id(of.0), of.1.worker, of.1.epoch));
        prop_assert!(finding.to_string().contains(finding.class.unwrap().name()));
        Ok(())
    }
}

pub(super) fn id(number: u64) -> TransactionId {
    TransactionId { key: KEY, epoch: 1, number }
}

pub(super) fn generated(lines: u64) -> Vec<u8> {
    (0..lines).flat_map(|number| line(9, KEY, number)).collect()
}

prop_compose! {
    fn input()(lines in 1u64..40, by_hand in any::<bool>(), ended in any::<bool>(), seed in any::<u64>()) -> Vec<u8> {
        if !by_hand {
            return generated(lines);
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let mut text = String::new();
        for number in 0..lines {
            text += &format!("A{number}.{}\n", "x".repeat(random.usize(..30)));
        }
        text.truncate(text.len() - usize::from(!ended));
        text.into_bytes()
    }
}

prop_compose! {
    pub(super) fn run()(
        input in input(),
        batches in proptest::collection::vec((0usize..300, 0usize..3, any::<bool>(), 0u32..4), 1..12),
        open in prop_oneof![Just(0), 0usize..200],
    ) -> Run {
        Run::new(input, &batches, open)
    }
}

/// One thing that goes wrong with what counts.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Truncate,
    CutOut,
    Flip(u8),
    Repeat,
    Foreign,
    DropLine,
    RepeatLine,
    SwapLines,
}

impl Edit {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            Just(Self::Truncate),
            Just(Self::CutOut),
            (1u8..=255).prop_map(Self::Flip),
            Just(Self::Repeat),
            Just(Self::Foreign),
            Just(Self::DropLine),
            Just(Self::RepeatLine),
            Just(Self::SwapLines),
        ]
    }

    /// Does it between or at two places; what is behind the last byte that counts stays.
    pub(super) fn apply(&self, run: &mut Run, places: (prop::sample::Index, prop::sample::Index)) {
        if run.committed == 0 {
            return;
        }
        let counts = run.output[..run.committed].to_vec();
        let tail = run.output[run.committed..].to_vec();
        let (one, other) = (places.0.index(counts.len()), places.1.index(counts.len()));
        let (from, to) = (one.min(other), one.max(other) + 1);
        let mut lines: Vec<Vec<u8>> = counts.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let (first, second) = (places.0.index(lines.len()), places.1.index(lines.len()));
        let mut bytes = counts.clone();
        match self {
            Self::Truncate => {
                run.output.truncate(one);
                return;
            }
            Self::CutOut => drop(bytes.drain(from..to)),
            Self::Flip(bits) => bytes[one] ^= bits,
            Self::Repeat => drop(bytes.splice(to..to, counts[from..to].iter().copied())),
            Self::Foreign => lines.insert(first, b"B0000001 not of this key\n".to_vec()),
            Self::DropLine => drop(lines.remove(first)),
            Self::RepeatLine => lines.insert(first.max(second), lines[first.min(second)].clone()),
            Self::SwapLines => lines.swap(first, second),
        }
        if lines.concat() != counts {
            bytes = lines.concat();
        }
        run.output = [bytes, tail].concat();
    }
}

/// Text is UTF-8 without control characters but tab and carriage return; its last character may be cut.
fn reads_as_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(),
        Err(_) => return false,
    };
    valid.chars().all(|letter| matches!(letter, '\t' | '\r') || !letter.is_ascii_control())
}
