//! The store in files of one machine. There is no server, and nothing to set up: who holds what is a lock of the kernel
//! (flock(2)), which ends with its holder, at once.
//!
//! ```text
//! K.in        input as it was fed; its feed holds the lock
//! K.out       the outbox, a batch an append; the key's owner holds the lock
//! K.ack       how far the sink has it: eight bytes
//! members/N   worker N holds the lock while it is alive
//! sink        the sink's epoch, in text; it holds the lock
//! ```
//!
//! An owner that is stopped keeps its lock, so nobody takes its place: an old owner that comes back cannot be seen here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::crash::input::StreamKey;
use crate::crash::key_map::KeyMap;
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::outbox_file::{AtPlace, BatchHeader, entry, header_at, read_at, read_full};
use crate::crash::pipeline::store::{Claim, Commit, Offset, Offsets, OutboxEntry, Registered, StoreFault, StreamStore};
use crate::settings::crash::Bug;

/// Workers have these numbers.
const MOST_WORKERS: u32 = 10;
/// How often what is no batch may be read in one place, in case its owner is writing it just now.
const DOUBTS: u32 = 100;

/// The store.
#[derive(Debug)]
pub struct FileStreams {
    folder: PathBuf,
    bug: Option<Bug>,
    coverage: Coverage,
    feeds: KeyMap<HeldFile>,
    inputs: KeyMap<File>,
    owned: KeyMap<OwnedOutbox>,
    readers: KeyMap<OutboxReader>,
    tails: KeyMap<OutboxReader>,
    member: Option<HeldFile>,
    sink: Option<(HeldFile, u64)>,
}

/// An outbox that is ours to append to.
#[derive(Debug)]
struct OwnedOutbox {
    file: HeldFile,
    /// Where the next batch goes.
    end: u64,
    claim: Claim,
}

/// Where a reader is in an outbox.
#[derive(Debug)]
struct OutboxReader {
    file: File,
    /// In the file.
    place: u64,
    /// In all output.
    offset: Offset,
    /// In all input.
    taken: Offset,
    doubts: u32,
}

impl FileStreams {
    /// The store in a folder, which is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path, coverage: Coverage, bug: Option<Bug>) -> io::Result<Self> {
        fs::create_dir_all(folder.join("members"))?;
        Ok(Self {
            folder: folder.to_owned(),
            bug,
            coverage,
            feeds: KeyMap::default(),
            inputs: KeyMap::default(),
            owned: KeyMap::default(),
            readers: KeyMap::default(),
            tails: KeyMap::default(),
            member: None,
            sink: None,
        })
    }

    fn path(&self, key: StreamKey, kind: &str) -> PathBuf {
        self.folder.join(format!("{key}.{kind}"))
    }

    /// A file of the store, made if it is not there.
    fn file(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    /// An outbox read from the beginning.
    fn reader(&self, key: StreamKey) -> io::Result<OutboxReader> {
        Ok(OutboxReader { file: self.file(&self.path(key, "out"))?, place: 0, offset: 0, taken: 0, doubts: 0 })
    }

    fn acknowledged(&self, key: StreamKey) -> io::Result<Offset> {
        let mut number = [0; 8];
        let there = read_full(&self.file(&self.path(key, "ack"))?, &mut number, 0)?;
        Ok(if there == number.len() { u64::from_le_bytes(number) } else { 0 })
    }

    /// Makes an outbox ours: what stands in it whole counts, and a torn tail goes.
    fn take(&self, key: StreamKey, worker: u32) -> Result<OwnedOutbox, StoreFault> {
        let file = HeldFile::alone(self.file(&self.path(key, "out")).map_err(away)?, "another worker")?;
        let mut claim = Claim { worker, epoch: 1, taken: 0, made: 0 };
        let (mut end, mut last_owner) = (0, worker);
        let torn = loop {
            match read_at(&file.0, end, true).map_err(away)? {
                AtPlace::Batch(header, _) => {
                    end += header.in_file();
                    (claim.epoch, claim.taken, claim.made) = (header.epoch + 1, header.to, header.end());
                    last_owner = header.worker;
                }
                AtPlace::End => break 0,
                AtPlace::Torn(rest) => break rest,
            }
        };
        if torn > 0 {
            self.coverage.count("torn tails cut");
            if self.bug == Some(Bug::NoTailCut) {
                end += torn;
            } else {
                log::info!("{key}: a torn tail of {torn} bytes is cut off at {end}");
                file.0.set_len(end).map_err(away)?;
            }
        }
        if last_owner != worker {
            self.coverage.count("handovers");
        }
        Ok(OwnedOutbox { file, end, claim })
    }
}

impl StreamStore for FileStreams {
    fn register(&mut self, key: StreamKey, _feed: &str) -> Result<Registered, StoreFault> {
        let feed = match self.feeds.get(&key) {
            Some(feed) => feed,
            None => {
                let file = self.file(&self.path(key, "in")).map_err(away)?;
                self.feeds.insert(key, HeldFile::alone(file, "another feed")?)
            }
        };
        let fed = feed.0.metadata().map_err(away)?.len();
        // There is no other feed while the lock is ours: nobody needs to be told apart.
        Ok(Registered { epoch: 1, fed })
    }

    fn append(&mut self, key: StreamKey, _epoch: u64, start: Offset, bytes: &[u8]) -> Result<Offset, StoreFault> {
        let Some(feed) = self.feeds.get(&key) else { return Err(StoreFault::Fenced(String::from("nobody"))) };
        let mut file = &feed.0;
        let fed = file.seek(SeekFrom::End(0)).map_err(away)?;
        if fed != start {
            return Err(StoreFault::Stale(fed));
        }
        // Whatever part of it is there: the next start goes on behind it.
        file.write_all(bytes).map_err(away)?;
        Ok(start + bytes.len() as u64)
    }

    fn heartbeat(&mut self, worker: u32) -> Result<Vec<u32>, StoreFault> {
        let path = |worker: u32| self.folder.join("members").join(worker.to_string());
        if self.member.is_none() {
            let file = self.file(&path(worker)).map_err(away)?;
            // Others hold it shared for a moment when they look.
            file.lock().map_err(away)?;
            self.member = Some(HeldFile(file));
        }
        let is_alive = |other: &u32| match File::open(path(*other)) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        };
        Ok((0..MOST_WORKERS).filter(|other| *other == worker || is_alive(other)).collect())
    }

    fn leave(&mut self, _worker: u32) -> Result<(), StoreFault> {
        self.member = None;
        Ok(())
    }

    fn claim(&mut self, key: StreamKey, worker: u32) -> Result<Claim, StoreFault> {
        if let Some(owned) = self.owned.get(&key) {
            return Ok(owned.claim);
        }
        let owned = self.take(key, worker)?;
        let claim = owned.claim;
        self.owned.insert(key, owned);
        Ok(claim)
    }

    fn read_input(&mut self, key: StreamKey, from: Offset, most: usize) -> Result<Vec<u8>, StoreFault> {
        let file = match self.inputs.get(&key) {
            Some(file) => file,
            None => {
                let file = self.file(&self.path(key, "in")).map_err(away)?;
                self.inputs.insert(key, file)
            }
        };
        let there = file.metadata().map_err(away)?.len();
        let Some(new) = there.checked_sub(from) else {
            return Err(StoreFault::Broken(format!("{key}.in has {there} bytes, and {from} were taken")));
        };
        let mut bytes = vec![0; most.min(usize::try_from(new).unwrap_or(most))];
        let length = read_full(file, &mut bytes, from).map_err(away)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn commit(&mut self, key: StreamKey, claim: &mut Claim, commit: Commit<'_>) -> Result<(), StoreFault> {
        let Some(owned) = self.owned.get_mut(&key).filter(|owned| owned.claim.epoch == claim.epoch) else {
            return Err(StoreFault::Fenced(String::from("another owner")));
        };
        if owned.claim.taken != commit.from {
            return Err(StoreFault::Stale(owned.claim.taken));
        }
        let header = BatchHeader {
            worker: claim.worker,
            epoch: claim.epoch,
            from: commit.from,
            to: commit.to,
            start: owned.claim.made,
            length: u32::try_from(commit.bytes.len()).map_err(|_| StoreFault::Full)?,
        };
        let batch = header.encode(commit.bytes);
        let (one, two) = batch.split_at(batch.len() / 2);
        let written = owned.file.0.write_all_at(one, owned.end).and_then(|()| {
            if self.bug == Some(Bug::NoTailCut) {
                // Long enough to be killed in.
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
            owned.file.0.write_all_at(two, owned.end + one.len() as u64)
        });
        if let Err(error) = written {
            // A full disk: the checkpoint is where it was.
            let _ = owned.file.0.set_len(owned.end);
            return Err(away(error));
        }
        owned.end += header.in_file();
        (owned.claim.taken, owned.claim.made) = (commit.to, header.end());
        *claim = owned.claim;
        Ok(())
    }

    fn release(&mut self, key: StreamKey, claim: Claim) -> Result<(), StoreFault> {
        if self.owned.get(&key).is_some_and(|owned| owned.claim.epoch == claim.epoch) {
            self.owned.remove(&key);
        }
        Ok(())
    }

    fn open_sink(&mut self) -> Result<u64, StoreFault> {
        if let Some((_, epoch)) = &self.sink {
            return Ok(*epoch);
        }
        let mut file = HeldFile::alone(self.file(&self.folder.join("sink")).map_err(away)?, "another sink")?;
        let mut text = String::new();
        file.0.read_to_string(&mut text).map_err(away)?;
        let epoch = text.trim().parse().unwrap_or(0) + 1;
        file.0.write_all_at(format!("{epoch:020}\n").as_bytes(), 0).map_err(away)?;
        self.sink = Some((file, epoch));
        Ok(epoch)
    }

    fn read_outbox(&mut self, key: StreamKey, from: Offset, most: usize) -> Result<Vec<OutboxEntry>, StoreFault> {
        if self.readers.get(&key).is_none_or(|reader| reader.offset > from) {
            let reader = self.reader(key).map_err(away)?;
            self.readers.insert(key, reader);
        }
        let checked = self.bug != Some(Bug::NoTailCut);
        let mut entries = Vec::new();
        let Some(reader) = self.readers.get_mut(&key) else { return Ok(entries) };
        let mut length = 0;
        while length < most {
            match read_at(&reader.file, reader.place, checked).map_err(away)? {
                AtPlace::End => break,
                // Its owner may be writing it, or a new one cutting it off.
                AtPlace::Torn(_) if reader.doubts < DOUBTS => {
                    reader.doubts += 1;
                    break;
                }
                AtPlace::Torn(rest) => {
                    // Without an owner it stays so, and that is no fault.
                    if reader.file.try_lock_shared().is_ok() {
                        let _ = reader.file.unlock();
                        break;
                    }
                    return Err(StoreFault::Broken(format!(
                        "{key}.out: {rest} bytes at {} are no batch",
                        reader.place
                    )));
                }
                AtPlace::Batch(header, bytes) => {
                    if header.end() > from && !bytes.is_empty() {
                        length += bytes.len();
                        entries.push(entry(&header, bytes));
                    }
                    reader.doubts = 0;
                    reader.place += header.in_file();
                    reader.offset = header.end();
                }
            }
        }
        // The next call begins behind these only if it asks for what is behind them.
        Ok(entries)
    }

    fn acknowledge(&mut self, key: StreamKey, epoch: u64, end: Offset) -> Result<(), StoreFault> {
        if self.sink.as_ref().is_none_or(|(_, own)| *own != epoch) {
            return Err(StoreFault::Fenced(String::from("another sink")));
        }
        let there = self.acknowledged(key).map_err(away)?;
        if end < there {
            return Err(StoreFault::Stale(there));
        }
        self.file(&self.path(key, "ack")).and_then(|file| file.write_all_at(&end.to_le_bytes(), 0)).map_err(away)
    }

    fn offsets(&mut self, key: StreamKey) -> Result<Offsets, StoreFault> {
        let acknowledged = self.acknowledged(key).map_err(away)?;
        if self.tails.get(&key).is_none() {
            let reader = self.reader(key).map_err(away)?;
            self.tails.insert(key, reader);
        }
        let Some(tail) = self.tails.get_mut(&key) else { return Ok(Offsets::default()) };
        let length = tail.file.metadata().map_err(away)?.len();
        while let Some(header) = header_at(&tail.file, tail.place, length).map_err(away)? {
            tail.place += header.in_file();
            (tail.offset, tail.taken) = (header.end(), header.to);
        }
        let (made, taken) = (tail.offset, tail.taken);
        let fed = self.file(&self.path(key, "in")).and_then(|file| file.metadata()).map_err(away)?.len();
        Ok(Offsets { acknowledged, made, taken, fed })
    }
}

/// A file whose lock is ours until this is dropped. Closing it would not do: a child that another thread has just forked has
/// the same open file until it begins its program, and with it the lock.
#[derive(Debug)]
struct HeldFile(File);

impl HeldFile {
    /// Locks a file, or tells who has it.
    fn alone(file: File, whom: &str) -> Result<Self, StoreFault> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreFault::Held(whom.to_owned())),
            Err(TryLockError::Error(error)) => Err(away(error)),
        }
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn away(error: io::Error) -> StoreFault {
    StoreFault::Away(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_free_though_a_forked_child_has_its_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let open = || FileStreams::open(folder.path(), Coverage::default(), None).unwrap();
        let (mut one, mut two) = (open(), open());
        let key = StreamKey(b'k');
        let claim = one.claim(key, 1).unwrap();
        one.heartbeat(1).unwrap();
        one.open_sink().unwrap();
        one.register(key, "one").unwrap();
        // A descriptor that fork(2) has doubled is one of dup(2) to the lock: both have the same open file.
        let child = [
            one.owned.get(&key).unwrap().file.0.try_clone().unwrap(),
            one.member.as_ref().unwrap().0.try_clone().unwrap(),
            one.sink.as_ref().unwrap().0.0.try_clone().unwrap(),
            one.feeds.get(&key).unwrap().0.try_clone().unwrap(),
        ];
        one.release(key, claim).unwrap();
        assert!(two.claim(key, 2).is_ok());
        one.leave(1).unwrap();
        assert_eq!(two.heartbeat(2), Ok(vec![2]));
        drop(one);
        assert!(two.open_sink().is_ok() && two.register(key, "two").is_ok());
        drop(child);
    }
}
