//! Io load: what the disk group holds is written and read again, past the page cache, so that the disk has to work.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::calls::forget_cached;
use super::content::{Content, PAGE};
use super::datafolder::DataFolder;
use super::load::{Engine, Load};
use crate::shutdown::Stop;

/// How much is written, and then read, at a time.
const BLOCK: u64 = 256 * 1024;
/// How often it looks which files there are.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest nap: how late the end of the load may be noticed.
const NAP: Duration = Duration::from_millis(20);
/// How far it may fall behind its rate and still make up for it.
const MOST_BEHIND: Duration = Duration::from_millis(500);

/// What io load does, and where.
pub struct IoEngine {
    folder: Arc<DataFolder>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoSpec {
    /// Bytes a second, written and read together; as many as the disk takes without.
    pub rate: Option<u64>,
}

/// What is to be told of a running load.
#[derive(Debug, Default)]
pub struct IoLive {
    /// Bytes written and synced.
    pub written: AtomicU64,
    /// Bytes read back.
    pub read: AtomicU64,
    /// Blocks written and read.
    pub operations: AtomicU64,
    /// Microseconds that all of them took.
    pub total_us: AtomicU64,
    /// Microseconds that the slowest took.
    pub slowest_us: AtomicU64,
}

impl IoEngine {
    /// On the files of this folder.
    pub fn new(folder: Arc<DataFolder>) -> Self {
        Self { folder }
    }

    fn files(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = self.folder.disk().map_err(io::Error::other)?.files()?;
        files.retain(|(_, size)| *size > 0);
        Ok(files)
    }
}

impl Engine for IoEngine {
    type Spec = IoSpec;
    type Live = IoLive;

    const NAME: &'static str = "io";
    const WORK: &'static str = "IO load";

    fn prepare(&self, _spec: &IoSpec, _deadline: Option<Instant>, _stop: &Stop) -> io::Result<IoLive> {
        if self.files()?.is_empty() {
            let nothing = "there are no files to write and read; take some first, with /api/disk/set";
            return Err(io::Error::new(io::ErrorKind::NotFound, nothing));
        }
        Ok(IoLive::default())
    }

    fn run(&self, load: &Load<Self>, stop: &Stop) -> Result<&'static str, String> {
        let (mut content, mut buffer) = (Content::new(), vec![0; BLOCK as usize]);
        let (mut files, mut looked) = (Vec::new(), None::<Instant>);
        let (began, mut forgiven) = (Instant::now(), 0.0);
        let mut turn = 0usize;
        loop {
            if load.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok("ended");
            }
            if load.is_cancelled() || stop.is_set() {
                return Ok("stopped");
            }
            if let Some(rate) = load.spec.rate {
                let live = &load.live;
                let done = live.written.load(Ordering::Relaxed) + live.read.load(Ordering::Relaxed);
                let behind = began.elapsed().as_secs_f64() - forgiven - done as f64 / rate as f64;
                if behind < 0.0 {
                    thread::sleep(Duration::from_secs_f64(-behind).min(NAP));
                    continue;
                }
                forgiven += (behind - MOST_BEHIND.as_secs_f64()).max(0.0);
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN) {
                files = self.files().map_err(|error| error.to_string())?;
                looked = Some(Instant::now());
            }
            if files.is_empty() {
                // They may come back while the load lasts.
                thread::sleep(NAP);
                continue;
            }
            // Through the files in turn, and each time a block further on.
            let (path, size) = &files[turn % files.len()];
            let blocks = size.div_ceil(BLOCK);
            let offset = (turn / files.len()) as u64 % blocks * BLOCK;
            let length = BLOCK.min(size - offset) as usize;
            turn += 1;
            match once(path, offset, length, &mut content, &mut buffer, &load.live) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => looked = None,
                Err(error) => return Err(format!("{}: {error}", path.display())),
                Ok(()) => {}
            }
        }
    }

    fn cancel(&self, _live: &IoLive) {}
}

/// Writes a block, syncs it, has the page cache forget it, and reads it back.
fn once(
    path: &PathBuf,
    offset: u64,
    length: usize,
    content: &mut Content,
    buffer: &mut [u8],
    live: &IoLive,
) -> io::Result<()> {
    let file: File = OpenOptions::new().read(true).write(true).open(path)?;
    // A file that is being cut short is on its way out, and must not grow again.
    if file.metadata()?.len() < offset + length as u64 {
        return Err(io::ErrorKind::NotFound.into());
    }
    content.fill(&mut buffer[..length.next_multiple_of(PAGE)]);
    let began = Instant::now();
    file.write_all_at(&buffer[..length], offset)?;
    file.sync_data()?;
    live.written.fetch_add(length as u64, Ordering::Relaxed);
    forget_cached(&file, offset, length as u64);
    file.read_exact_at(&mut buffer[..length], offset)?;
    live.read.fetch_add(length as u64, Ordering::Relaxed);
    let took = began.elapsed().as_micros() as u64;
    live.operations.fetch_add(1, Ordering::Relaxed);
    live.total_us.fetch_add(took, Ordering::Relaxed);
    live.slowest_us.fetch_max(took, Ordering::Relaxed);
    Ok(())
}
