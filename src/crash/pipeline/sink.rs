//! The sink: it writes each key's output to a file of its own, in transactions of two phases, and each byte once.
//!
//! A transaction: bytes to `output.K`, fsync; `1-ok`, fsync; acknowledged in the store; `2-ok`, fsync. What counts is what
//! stands before the last `2-ok`. A start settles what the last one left open by asking the store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::crash::folder::RunFolder;
use crate::crash::input::StreamKey;
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::sink_key::{LogState, SinkFault, SinkKey};
use crate::crash::pipeline::sink_log::{Said, TransactionId};
use crate::crash::pipeline::status::PartStatus;
use crate::crash::pipeline::store::{Offset, OutboxEntry, StoreFault, StreamStore};
use crate::kernel::shutdown::Stop;
use crate::settings::crash::Bug;

/// The most that is in one transaction, in bytes, but for the end of its last entry.
const TRANSACTION: usize = 1 << 20;
/// How long it sleeps when there was nothing to do.
const IDLE: Duration = Duration::from_millis(20);
/// How long it waits before it asks a store again that is away.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a sink with a bug waits in the middle of a step: long enough to be killed in.
const GAP: Duration = Duration::from_millis(60);
/// After what time one that rewrites changes a byte of the beginning, which was verified long before.
const REWRITE: Duration = Duration::from_secs(6);
/// Which byte that is.
const REWRITTEN: Offset = 20;

/// The sink.
pub struct Sink<'s> {
    /// Where its files are.
    pub folder: &'s RunFolder,
    /// The keys there are.
    pub keys: &'s [StreamKey],
    /// Where their output is.
    pub store: &'s mut dyn StreamStore,
    /// What it says of itself.
    pub status: &'s PartStatus,
    /// What is counted.
    pub coverage: Coverage,
    /// When to end.
    pub stop: &'s Stop,
    /// It takes back each so-manyth transaction.
    pub abort_every: Option<u64>,
    /// What it does wrong.
    pub bug: Option<Bug>,
    /// When it began.
    pub began: Instant,
}

impl Sink<'_> {
    /// Works until it is to stop.
    ///
    /// # Errors
    /// When files and store do not fit each other, or a file cannot be written.
    pub fn run(mut self) -> Result<(), SinkFault> {
        let path = self.folder.sink();
        fs::create_dir_all(&path)?;
        let directory = File::open(&path)?;
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(format!("another sink works in {}", path.display())).into());
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let Some(mut epoch) = self.open() else { return Ok(()) };
        let mut files = Vec::new();
        for key in self.keys {
            match self.recover(*key, epoch, &directory)? {
                Some(file) => files.push(file),
                None => return Ok(()),
            }
        }
        let mut turn = 0u64;
        while !self.stop.is_set() {
            self.status.ready(&format!("epoch {epoch}"));
            let mut did = false;
            for file in &mut files {
                let entries = match self.store.read_outbox(file.key, file.end, TRANSACTION) {
                    Ok(entries) => entries,
                    Err(fault @ StoreFault::Broken(_)) => return Err(SinkFault::Mismatch(fault.to_string())),
                    Err(fault) => {
                        self.wait(&fault);
                        break;
                    }
                };
                if entries.is_empty() || self.stop.is_set() {
                    continue;
                }
                turn += 1;
                did = true;
                match self.transaction(file, epoch, turn, &entries)? {
                    Some(()) => {}
                    // Another sink had the store meanwhile, or it lost what it knew.
                    None => match self.open() {
                        Some(again) => epoch = again,
                        None => return Ok(()),
                    },
                }
            }
            if !did {
                self.stop.sleep(IDLE);
            }
        }
        log::info!("the sink ends");
        Ok(())
    }

    fn wait(&self, fault: &StoreFault) {
        log::info!("{fault}");
        self.status.waiting(&fault.to_string());
        self.stop.sleep(PAUSE);
    }

    /// Opens the store, however long that takes; `None` when it is to stop.
    fn open(&mut self) -> Option<u64> {
        while !self.stop.is_set() {
            match self.store.open_sink() {
                Ok(epoch) => return Some(epoch),
                Err(fault) => self.wait(&fault),
            }
        }
        None
    }

    /// How far the store has a key acknowledged, however long that takes; `None` when it is to stop.
    fn acknowledged(&mut self, key: StreamKey) -> Option<Offset> {
        while !self.stop.is_set() {
            match self.store.offsets(key) {
                Ok(offsets) => return Some(offsets.acknowledged),
                Err(fault) => self.wait(&fault),
            }
        }
        None
    }

    /// Settles what the last sink left open of a key, and cuts off what does not count. `None` when it is to stop.
    fn recover(&mut self, key: StreamKey, epoch: u64, directory: &File) -> Result<Option<SinkKey>, SinkFault> {
        let open = |path| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let (output, log) = (open(self.folder.output(key))?, open(self.folder.transactions(key))?);
        let state = LogState::read(&log)?;
        let mut file = SinkKey { key, output, log, log_end: state.length, end: state.end, number: 0, shift: 0 };
        let length = file.output.metadata()?.len();
        if length < state.end && self.bug != Some(Bug::LogFirst) {
            let why = format!("output.{key} has {length} bytes, and {} of them counted", state.end);
            return Err(SinkFault::Mismatch(why));
        }
        let mut kept = state.end;
        if let Some(open) = state.open {
            file.record(Said::Uncommitted(vec![open.id]))?;
            self.coverage.count("crashes in doubt");
            let goes_on = match open.prepared_end {
                Some(end) => match self.acknowledged(key) {
                    Some(acknowledged) if acknowledged >= end => Some(end),
                    Some(_) => None,
                    None => return Ok(None),
                },
                None => None,
            };
            match goes_on {
                Some(end) => {
                    file.record(Said::Committed { id: open.id, end })?;
                    (file.end, kept) = (end, end);
                }
                None => {
                    file.record(Said::RolledBack { id: open.id, start: state.end })?;
                    self.coverage.count("transactions rolled back");
                    if self.bug == Some(Bug::WrongOffset) {
                        kept = open.prepared_end.unwrap_or(length).min(length);
                    }
                }
            }
        }
        if self.bug == Some(Bug::NoTruncate) {
            kept = length;
        }
        if length > kept {
            log::info!("{key}: {} bytes that do not count are cut off at {kept}", length - kept);
        }
        file.output.set_len(kept)?;
        // With a bug, what is kept and does not count moves all that follows.
        file.shift = kept - file.end;
        file.output.sync_all()?;
        directory.sync_all()?;
        log::info!("{key}: epoch {epoch}, goes on at {}", file.end);
        Ok(Some(file))
    }

    /// One transaction of these entries; `None` when another epoch is needed.
    fn transaction(
        &mut self,
        file: &mut SinkKey,
        epoch: u64,
        turn: u64,
        entries: &[OutboxEntry],
    ) -> Result<Option<()>, SinkFault> {
        let (bytes, pieces) = file.collect(entries)?;
        if bytes.is_empty() {
            return Ok(Some(()));
        }
        file.number += 1;
        let (start, end) = (file.end, file.end + bytes.len() as u64);
        let id = TransactionId { key: file.key, epoch, number: file.number };
        let crc = crate::checksum::hash(&bytes);
        if self.bug == Some(Bug::LogFirst) {
            file.record(Said::Prepared { id, start, end, crc, pieces })?;
            if self.store.acknowledge(file.key, epoch, end).is_err() {
                return Ok(None);
            }
            file.record(Said::Committed { id, end })?;
            self.stop.sleep(GAP * 10);
            file.write(&bytes)?;
            file.end = end;
            return Ok(Some(()));
        }
        if self.bug == Some(Bug::NoTruncate) {
            // Torn in the middle of a line, if it is killed here.
            let half = bytes.len() / 2 + 7;
            file.output.write_all_at(&bytes[..half.min(bytes.len())], start + file.shift)?;
            self.stop.sleep(GAP);
        }
        file.write(&bytes)?;
        if self.abort_every.is_some_and(|every| turn.is_multiple_of(every)) {
            file.record(Said::Refused { id, start, end, crc })?;
            return self.roll_back(file, id).map(Some);
        }
        file.record(Said::Prepared { id, start, end, crc, pieces })?;
        if self.bug == Some(Bug::WrongOffset) {
            self.stop.sleep(GAP);
        }
        let mut is_same_epoch = true;
        match self.store.acknowledge(file.key, epoch, end) {
            Ok(()) => {}
            Err(fault) => {
                self.wait(&fault);
                // Whether it got there, only the store knows; and it may still be on its way, which a new epoch ends.
                is_same_epoch = false;
                if self.open().is_none() {
                    return Ok(Some(()));
                }
                let Some(acknowledged) = self.acknowledged(file.key) else { return Ok(Some(())) };
                if acknowledged < end {
                    self.roll_back(file, id)?;
                    return Ok(None);
                }
            }
        }
        file.record(Said::Committed { id, end })?;
        file.end = end;
        if self.bug == Some(Bug::Rewrite) && self.began.elapsed() > REWRITE {
            file.output.write_all_at(b"?", REWRITTEN)?;
        }
        Ok(is_same_epoch.then_some(()))
    }

    /// Takes a transaction back.
    fn roll_back(&mut self, file: &mut SinkKey, id: TransactionId) -> Result<(), SinkFault> {
        file.record(Said::RolledBack { id, start: file.end })?;
        self.coverage.count("transactions rolled back");
        if self.bug == Some(Bug::WrongOffset) {
            let length = file.output.metadata()?.len();
            file.shift = length - file.end;
            return Ok(());
        }
        file.output.set_len(file.end + file.shift)?;
        file.output.sync_all()?;
        Ok(())
    }
}

/// Adds a line to stderr, which is the sink's log, as an error.
pub fn complain(fault: &SinkFault) {
    let _ = writeln!(io::stderr(), "ERROR {fault}");
}
