//! Io load: what the disk group holds is written and read again, past the page cache, so that the disk has to work.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::calls::forget_cached;
use super::content::{Content, PAGE};
use super::datafolder::DataFolder;
use super::load::{Figures, Spec, Task};
use crate::json::{Value, thousandths};
use crate::shutdown::Stop;

/// How much is written, and then read, at a time.
const BLOCK: u64 = 256 * 1024;
/// How often it looks which files there are.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest nap: how late the end of the load may be noticed.
const NAP: Duration = Duration::from_millis(20);
/// How far it may fall behind its rate and still make up for it.
const MOST_BEHIND: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Clone)]
pub struct IoSpec {
    /// Bytes a second, written and read together; as many as the disk takes without.
    pub rate: Option<u64>,
    /// Where the files are.
    pub folder: Arc<DataFolder>,
}

/// A load on files.
struct IoTask {
    spec: IoSpec,
    began: Instant,
    deadline: Option<Instant>,
    cancelled: AtomicBool,
    counts: Counts,
}

/// What is to be told of a running load.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    read: AtomicU64,
    /// Blocks written and read.
    operations: AtomicU64,
    /// Microseconds that all of them took, and that the slowest took.
    total_us: AtomicU64,
    slowest_us: AtomicU64,
}

impl IoSpec {
    fn files(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = self.folder.disk().map_err(io::Error::other)?.files()?;
        files.retain(|(_, size)| *size > 0);
        Ok(files)
    }
}

impl Spec for IoSpec {
    fn prepare(&self, deadline: Option<Instant>, _stop: &Stop) -> io::Result<Box<dyn Task>> {
        if self.files()?.is_empty() {
            let nothing = "there are no files to write and read; take some first, with /api/disk/set";
            return Err(io::Error::new(io::ErrorKind::NotFound, nothing));
        }
        let (spec, began) = (self.clone(), Instant::now());
        Ok(Box::new(IoTask { spec, began, deadline, cancelled: AtomicBool::new(false), counts: Counts::default() }))
    }
}

impl Task for IoTask {
    fn run(&self, stop: &Stop) -> Result<&'static str, String> {
        let (mut content, mut buffer) = (Content::new(), vec![0; BLOCK as usize]);
        let (mut files, mut looked) = (Vec::new(), None::<Instant>);
        let (began, mut forgiven) = (Instant::now(), 0.0);
        let mut turn = 0usize;
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok("ended");
            }
            if self.cancelled.load(Ordering::Acquire) || stop.is_set() {
                return Ok("stopped");
            }
            if let Some(rate) = self.spec.rate {
                let Figures { written, read, .. } = self.figures();
                let behind = began.elapsed().as_secs_f64() - forgiven - (written + read) as f64 / rate as f64;
                if behind < 0.0 {
                    thread::sleep(Duration::from_secs_f64(-behind).min(NAP));
                    continue;
                }
                forgiven += (behind - MOST_BEHIND.as_secs_f64()).max(0.0);
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN) {
                files = self.spec.files().map_err(|error| error.to_string())?;
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
            match once(path, offset, length, &mut content, &mut buffer, &self.counts) {
                // It has gone, or was cut short under our hands.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
                    looked = None
                }
                Err(error) => return Err(format!("{}: {error}", path.display())),
                Ok(()) => {}
            }
        }
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    fn figures(&self) -> Figures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures { written: of(&self.counts.written), read: of(&self.counts.read), ..Figures::default() }
    }

    fn told(&self, value: Value) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (Counts { written, read, operations, total_us, slowest_us }, seconds) =
            (&self.counts, self.began.elapsed().as_secs_f64());
        let (written, read, operations) = (of(written), of(read), of(operations));
        value
            .with("target_bytes_per_second", self.spec.rate)
            .with("achieved_bytes_per_second", ((written + read) as f64 / seconds.max(1e-3)) as u64)
            .with("written", written)
            .with("read", read)
            .with("operations", operations)
            .with("mean_milliseconds", thousandths(of(total_us) as f64 / 1e3 / operations.max(1) as f64))
            .with("slowest_milliseconds", of(slowest_us) as f64 / 1e3)
    }

    fn line(&self) -> String {
        let Figures { written, read, .. } = self.figures();
        let slowest = self.counts.slowest_us.load(Ordering::Relaxed) / 1000;
        format!("written {written} bytes, read {read} bytes, slowest block {slowest} ms")
    }
}

/// Writes a block, syncs it, has the page cache forget it, and reads it back.
fn once(
    path: &PathBuf,
    offset: u64,
    length: usize,
    content: &mut Content,
    buffer: &mut [u8],
    counts: &Counts,
) -> io::Result<()> {
    let file: File = OpenOptions::new().read(true).write(true).open(path)?;
    // A file that is being cut short is on its way out, and must not grow again.
    if file.metadata()?.len() < offset + length as u64 {
        return Err(io::ErrorKind::NotFound.into());
    }
    content.fill(&mut buffer[..length.next_multiple_of(PAGE)])?;
    let began = Instant::now();
    file.write_all_at(&buffer[..length], offset)?;
    file.sync_data()?;
    counts.written.fetch_add(length as u64, Ordering::Relaxed);
    forget_cached(&file, offset, length as u64);
    file.read_exact_at(&mut buffer[..length], offset)?;
    counts.read.fetch_add(length as u64, Ordering::Relaxed);
    let took = began.elapsed().as_micros() as u64;
    counts.operations.fetch_add(1, Ordering::Relaxed);
    counts.total_us.fetch_add(took, Ordering::Relaxed);
    counts.slowest_us.fetch_max(took, Ordering::Relaxed);
    Ok(())
}
