//! Rounds of verification: what is new of each key, compared.

use std::fs::File;
use std::io;

use crate::crash::folder::RunFolder;
use crate::crash::input::StreamKey;
use crate::crash::pipeline::sink_log::Record;
use crate::crash::pipeline::store::Offset;
use crate::crash::verify::compare::{Comparer, Comparison, open_if_there, with_path};
use crate::crash::verify::diagnosis::Evidence;
use crate::crash::verify::finding::{Finding, shown};
use crate::crash::verify::log_reader::{LogNews, LogTail, MOST_LINE};
use crate::crash::verify::transactions::{CommitEvent, LogEvent, TransactionTrail};

/// So many rounds, and all is compared again.
const FULL_EVERY: u64 = 60;

/// Compares what counts of some keys with what was fed, round by round. A key of which something was found is left alone
/// from then on: what follows would follow from that.
#[derive(Debug)]
pub struct Verifier {
    folder: RunFolder,
    keys: Vec<KeyVerifier>,
    comparer: Comparer,
    rounds: u64,
}

/// What a round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyRound {
    /// Bytes that were compared for the first time.
    pub fresh: u64,
    /// Bytes that were read for it, of inputs, outputs and logs; what a finding takes aside.
    pub read: u64,
    /// Transactions that were committed since the last round.
    pub transactions: u64,
    /// Whether all that counts was compared again.
    pub full: bool,
    /// What is wrong; of one key, the data before the log.
    pub findings: Vec<Finding>,
}

/// How far a key is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which one.
    pub key: StreamKey,
    /// How many bytes of its output count, and are right.
    pub verified: Offset,
    /// How long its input is, in bytes.
    pub input: u64,
    /// In how many transactions they came.
    pub transactions: u64,
}

/// What is known of a key.
#[derive(Debug)]
struct KeyVerifier {
    key: StreamKey,
    tail: LogTail,
    trail: TransactionTrail,
    /// Up to where the output was right.
    verified: Offset,
    failed: bool,
}

/// The files of a key, opened for a round: a sink may make them anew.
struct KeyFiles<'f> {
    folder: &'f RunFolder,
    key: StreamKey,
    input: File,
    output: Option<File>,
    log: Option<File>,
}

/// Verifies one key from its beginning: how far it is right, or the first thing that is wrong.
///
/// # Errors
/// When a file cannot be read, or there is no input.
pub fn verify_once(folder: &RunFolder, key: StreamKey) -> io::Result<Result<Verified, Finding>> {
    let mut verifier = Verifier::new(folder, &[key]);
    if let Some(finding) = verifier.round()?.findings.into_iter().next() {
        return Ok(Err(finding));
    }
    let path = folder.input(key);
    let input = std::fs::metadata(&path).map_err(|error| with_path(&path, &error))?.len();
    let transactions = verifier.keys.iter().map(|state| state.trail.committed).sum();
    Ok(Ok(Verified { key, verified: verifier.verified(key), input, transactions }))
}

impl Verifier {
    /// One that has read nothing of these keys yet.
    pub fn new(folder: &RunFolder, keys: &[StreamKey]) -> Self {
        let state = |key: &StreamKey| KeyVerifier {
            key: *key,
            tail: LogTail::default(),
            trail: TransactionTrail::default(),
            verified: 0,
            failed: false,
        };
        let keys = keys.iter().map(state).collect();
        Self { folder: folder.clone(), keys, comparer: Comparer::new(), rounds: 0 }
    }

    /// Up to where the output of a key counts and was right, in bytes.
    pub fn verified(&self, key: StreamKey) -> Offset {
        self.keys.iter().find(|state| state.key == key).map_or(0, |state| state.verified)
    }

    /// Compares what is new, and each 60th time all.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no input.
    pub fn round(&mut self) -> io::Result<VerifyRound> {
        self.rounds += 1;
        self.pass(self.rounds.is_multiple_of(FULL_EVERY), None)
    }

    /// Compares what is new, and all that was compared before.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no input.
    pub fn full(&mut self) -> io::Result<VerifyRound> {
        self.pass(true, None)
    }

    /// The same when nothing more comes: the output must be the input, and no byte more.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no input.
    pub fn at_end(&mut self) -> io::Result<VerifyRound> {
        self.at_end_of(&|_| None)
    }

    /// The same where not all of the input was fed: up to these offsets.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no input.
    pub fn at_end_of(&mut self, fed: &dyn Fn(StreamKey) -> Option<Offset>) -> io::Result<VerifyRound> {
        self.pass(true, Some(fed))
    }

    fn pass(&mut self, full: bool, ended: Option<&dyn Fn(StreamKey) -> Option<Offset>>) -> io::Result<VerifyRound> {
        let mut round = VerifyRound { full, ..VerifyRound::default() };
        let read_before = self.comparer.read;
        for state in self.keys.iter_mut().filter(|state| !state.failed) {
            let mut files = KeyFiles::open(&self.folder, state.key)?;
            let found = round.findings.len();
            state.check(&mut files, &mut self.comparer, &mut round, full)?;
            if let Some(fed) = ended
                && found == round.findings.len()
            {
                round.findings.extend(files.at_end(state.trail.end, fed(state.key))?);
            }
            state.failed = found < round.findings.len();
        }
        round.read += self.comparer.read - read_before;
        Ok(round)
    }
}

impl KeyVerifier {
    fn check(
        &mut self,
        files: &mut KeyFiles<'_>,
        comparer: &mut Comparer,
        round: &mut VerifyRound,
        full: bool,
    ) -> io::Result<()> {
        let loss = match self.tail.loss(files.log.as_ref(), &mut round.read)? {
            None if full => self.tail.change(files.log.as_ref(), &mut round.read)?,
            loss => loss,
        };
        let finding = match loss {
            Some(loss) => Some(files.about(|evidence| evidence.log_fault("stable", self.verified, Some(loss)))?),
            None => self.check_verified(files, comparer, full)?,
        };
        if let Some(finding) = finding {
            round.findings.push(finding);
            return Ok(());
        }
        self.follow_log(files, comparer, round)
    }

    /// What was right must be there still, and when all is compared again, be the same.
    fn check_verified(&self, files: &KeyFiles<'_>, comparer: &mut Comparer, full: bool) -> io::Result<Option<Finding>> {
        if let (true, Some(output)) = (full, &files.output)
            && let Comparison::Differs(byte) = comparer.compare(&files.input, output, 0..self.verified)?
        {
            return files.about(|evidence| evidence.difference("stable", byte)).map(Some);
        }
        let length = files.length()?;
        if length >= self.verified {
            return Ok(None);
        }
        let note = format!("{} bytes had been right before, and {length} are left", self.verified);
        files.about(|evidence| evidence.short("stable", length, note)).map(Some)
    }

    fn follow_log(
        &mut self,
        files: &mut KeyFiles<'_>,
        comparer: &mut Comparer,
        round: &mut VerifyRound,
    ) -> io::Result<()> {
        let (Some(log), mut buffer) = (files.log.take(), Vec::new()) else { return Ok(()) };
        loop {
            let lines = match self.tail.news(&log, &mut buffer, &mut round.read)? {
                LogNews::Nothing => return Ok(()),
                LogNews::Lines(lines) => lines,
                LogNews::TooLong => {
                    let why = format!("it is longer than {MOST_LINE} bytes");
                    round.findings.push(self.bad_line(files, &why, self.tail.lines + 1)?);
                    return Ok(());
                }
            };
            // The file may have come with the first record.
            if files.output.is_none() {
                files.output = open_if_there(&files.folder.output(self.key))?;
            }
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                self.tail.pass(line);
                let event = match Record::parse(line) {
                    Ok(record) => self.trail.follow(self.key, record.said),
                    Err(why) => LogEvent::Impossible(shown(why.as_bytes())),
                };
                match event {
                    LogEvent::Nothing => {}
                    LogEvent::Impossible(why) => {
                        round.findings.push(self.bad_line(files, &why, self.tail.lines)?);
                        return Ok(());
                    }
                    LogEvent::Commit(commit) => {
                        round.transactions += 1;
                        let before = round.findings.len();
                        self.check_commit(files, comparer, commit, round)?;
                        if round.findings.len() > before {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    fn bad_line(&self, files: &KeyFiles<'_>, why: &str, number: u64) -> io::Result<Finding> {
        let note = format!("line {number} of the log of transactions: {why}");
        files.about(|evidence| evidence.log_fault("contiguous", self.verified, Some(note)))
    }

    fn check_commit(
        &mut self,
        files: &KeyFiles<'_>,
        comparer: &mut Comparer,
        commit: CommitEvent,
        round: &mut VerifyRound,
    ) -> io::Result<()> {
        let begin = self.verified;
        // Readers trust what is before the end, whatever phase 1 said.
        let (comparison, crc) = match &files.output {
            Some(output) => comparer.compare_hashed(&files.input, output, begin..commit.end)?,
            None if commit.end > begin => (Comparison::Short(0), 0),
            None => (Comparison::Same, 0),
        };
        let told = commit.prepared.filter(|(start, _)| *start == begin && commit.wrong.is_none()).map(|(_, crc)| crc);
        match comparison {
            Comparison::Same => {
                if let Some(told) = told.filter(|told| *told != crc) {
                    let note = format!(
                        "the bytes of {} are those of the input, and have the CRC {crc}; phase 1 told {told}",
                        commit.id
                    );
                    let finding = files.about(|evidence| evidence.log_fault("contiguous", begin, Some(note)))?;
                    round.findings.push(finding);
                }
                round.fresh += commit.end.saturating_sub(begin);
                self.verified = commit.end.max(begin);
            }
            Comparison::Differs(byte) => {
                let mut finding = files.about(|evidence| evidence.difference("prefix", byte))?;
                finding.notes.extend(told.map(|told| {
                    String::from(if told == crc {
                        "the sink had these bytes when it prepared them: they came so from the outbox"
                    } else {
                        "the sink had other bytes when it prepared them: the file changed since then"
                    })
                }));
                round.findings.push(finding);
            }
            Comparison::Short(byte) => {
                let note = format!("{} says that {} bytes count", commit.id, commit.end);
                round.findings.push(files.about(|evidence| evidence.short("prefix", byte, note))?);
            }
        }
        if let Some(why) = commit.wrong {
            let note = format!("line {} of the log of transactions: {why}", self.tail.lines);
            let mut finding = files.about(|evidence| evidence.log_fault("contiguous", begin, Some(note)))?;
            finding.transaction = Some(commit.id);
            round.findings.push(finding);
        }
        if let Some((piece, why)) = commit.fallen {
            let mut finding = files.about(|evidence| evidence.log_fault("owner", piece.start, Some(why)))?;
            finding.transaction = Some(commit.id);
            (finding.worker, finding.epoch) = (Some(piece.worker), Some(piece.epoch));
            round.findings.push(finding);
        }
        Ok(())
    }
}

impl<'f> KeyFiles<'f> {
    fn open(folder: &'f RunFolder, key: StreamKey) -> io::Result<Self> {
        let path = folder.input(key);
        let input = File::open(&path).map_err(|error| with_path(&path, &error))?;
        let output = open_if_there(&folder.output(key))?;
        let log = open_if_there(&folder.transactions(key))?;
        Ok(Self { folder, key, input, output, log })
    }

    /// How long the output is, in bytes.
    fn length(&self) -> io::Result<u64> {
        self.output.as_ref().map_or(Ok(0), |output| Ok(output.metadata()?.len()))
    }

    fn about<T>(&self, tell: impl FnOnce(&Evidence<'_>) -> io::Result<T>) -> io::Result<T> {
        let log = self.folder.transactions(self.key);
        tell(&Evidence { key: Some((self.key, &log)), input: &self.input, output: self.output.as_ref() })
    }

    /// Nothing more comes: what counts is all of the input, and all of the file.
    fn at_end(&self, counts: Offset, fed: Option<Offset>) -> io::Result<Option<Finding>> {
        let (input, length) = (fed.map_or_else(|| self.input.metadata().map(|file| file.len()), Ok)?, self.length()?);
        if counts < input {
            let note = format!("{counts} of {input} bytes count at the end, and the file has {length}");
            return self.about(|evidence| evidence.short("eof", counts, note)).map(Some);
        }
        if length <= counts {
            return Ok(None);
        }
        let mut finding = self.about(|evidence| evidence.difference("eof", counts))?;
        finding.notes.push(format!("{} bytes stand behind the last one that counts", length - counts));
        Ok(Some(finding))
    }
}
