//! A feed: it appends its input to the stream of its key, at a pace, and goes on where the store says.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::crash::input::{LINE_BYTES, StreamKey};
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::outbox_file::read_full;
use crate::crash::pipeline::status::PartStatus;
use crate::crash::pipeline::store::{Offset, Registered, StoreFault, StreamStore};
use crate::kernel::shutdown::Stop;
use crate::settings::crash::Bug;

/// How often it appends.
const TICK: Duration = Duration::from_millis(50);
/// The most that it appends at once, in bytes.
const CHUNK: usize = 256 << 10;
/// How long it waits before it asks a store again that is away or full.
const PAUSE: Duration = Duration::from_millis(100);
/// How often one with a memory of its own writes it down.
const MEMORY: Duration = Duration::from_millis(700);

/// A feed.
pub struct Feed<'s> {
    /// Of which key.
    pub key: StreamKey,
    /// What it feeds.
    pub input: File,
    /// Bytes a second; `None` is as fast as it goes.
    pub rate: Option<u64>,
    /// Where to.
    pub store: &'s mut dyn StreamStore,
    /// What it says of itself.
    pub status: &'s PartStatus,
    /// What is counted.
    pub coverage: Coverage,
    /// When to end.
    pub stop: &'s Stop,
    /// Where a forgetful one remembers how far it was: it does not ask the store.
    pub memory: Option<PathBuf>,
}

/// How far it is.
struct FeedPlace {
    registered: Registered,
    /// Where in the input it is: where the stream ends, unless it is forgetful.
    at: Offset,
}

impl Feed<'_> {
    /// Feeds until the input ends, or it is to stop.
    ///
    /// # Errors
    /// When the input cannot be read, or the store is broken.
    pub fn run(mut self) -> io::Result<()> {
        let size = self.input.metadata()?.len();
        let Some(mut place) = self.register() else { return Ok(()) };
        let began = (Instant::now(), place.at);
        let mut remembered = Instant::now();
        while place.at < size && !self.stop.is_set() {
            let due = match self.rate {
                None => size,
                Some(rate) => {
                    let due = began.0.elapsed().as_millis() * u128::from(rate) / 1000;
                    began.1.saturating_add(u64::try_from(due).unwrap_or(u64::MAX))
                }
            };
            let bytes = self.lines(place.at, due.min(size))?;
            if bytes.is_empty() {
                self.stop.sleep(TICK);
                continue;
            }
            match self.store.append(self.key, place.registered.epoch, place.registered.fed, &bytes) {
                Ok(fed) => {
                    place.registered.fed = fed;
                    place.at += bytes.len() as u64;
                    if self.memory.is_some() && remembered.elapsed() > MEMORY {
                        self.remember(place.at)?;
                        remembered = Instant::now();
                    }
                    if self.rate.is_some() {
                        self.stop.sleep(TICK);
                    }
                }
                Err(StoreFault::Full) => {
                    self.stop.sleep(TICK);
                }
                Err(StoreFault::Broken(why)) => return Err(io::Error::other(why)),
                Err(fault) => {
                    log::info!("{}: {fault}", self.key);
                    self.status.waiting(&fault.to_string());
                    match fault {
                        StoreFault::Stale(_) => self.coverage.count("stale"),
                        StoreFault::Fenced(_) => self.coverage.count("fenced"),
                        _ => {
                            self.stop.sleep(PAUSE);
                        }
                    }
                    match self.register() {
                        Some(again) => place = again,
                        None => return Ok(()),
                    }
                }
            }
        }
        if place.at >= size {
            log::info!("{}: EOF at {}", self.key, place.at);
        }
        Ok(())
    }

    /// Whole lines from here up to `due`, and one at least when it is due.
    fn lines(&self, at: Offset, due: Offset) -> io::Result<Vec<u8>> {
        let Some(wanted) = due.checked_sub(at).filter(|wanted| *wanted > 0) else { return Ok(Vec::new()) };
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(CHUNK).clamp(LINE_BYTES, CHUNK)];
        let length = read_full(&self.input, &mut bytes, at)?;
        bytes.truncate(length);
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            bytes.truncate(end + 1);
        }
        Ok(bytes)
    }

    /// Registers, however long that takes; `None` when it is to stop.
    fn register(&mut self) -> Option<FeedPlace> {
        let name = format!("feed.{}", std::process::id());
        while !self.stop.is_set() {
            match self.store.register(self.key, &name) {
                Ok(registered) => {
                    let at = self.memory.as_deref().and_then(recall).unwrap_or(registered.fed);
                    log::info!("{}: registered in epoch {}, goes on at {at}", self.key, registered.epoch);
                    self.status.ready(&format!("registered in epoch {}", registered.epoch));
                    return Some(FeedPlace { registered, at });
                }
                Err(fault) => {
                    self.status.waiting(&fault.to_string());
                    self.stop.sleep(PAUSE);
                }
            }
        }
        None
    }

    fn remember(&self, at: Offset) -> io::Result<()> {
        let Some(path) = &self.memory else { return Ok(()) };
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        file.write_all_at(&at.to_le_bytes(), 0)
    }
}

/// Where a forgetful feed believes that it was.
fn recall(path: &Path) -> Option<Offset> {
    let bytes = std::fs::read(path).ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Where a feed with this bug remembers how far it was.
pub fn memory_of(bug: Option<Bug>, folder: &Path, key: StreamKey) -> Option<PathBuf> {
    (bug == Some(Bug::ForgetfulFeed)).then(|| folder.join(format!("memory.{key}")))
}
