//! Io load: what the disk group holds is written and read again, past the page cache, so that the disk has to work.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::consumer::disk::workdir::Workdir;
use crate::consumer::fill::{Fill, PAGE, Round};
#[cfg(feature = "scenario")]
use crate::consumer::load::steering::Steering;
use crate::consumer::load::task::LoadEnd;
use crate::consumer::load::task::{LoadFigures, Spec, Task};
use crate::kernel::shutdown::Stop;
use crate::kernel::sys::forget_cached;
use crate::service::json::{Value, thousandths};
use crate::sync::lock;
use crate::units::quantity::{Unit, in_words};

/// How much is written, and then read, at a time.
const BLOCK: u64 = 256 * 1024;
/// How often it looks which files there are.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest nap: how late the end of the load may be noticed.
const NAP: Duration = Duration::from_millis(20);
/// How far it may fall behind its rate and still make up for it.
const MOST_BEHIND: Duration = Duration::from_millis(500);
/// How often what was moved is noted, and how many of these notes are kept.
const SAMPLE: Duration = Duration::from_millis(250);
const SAMPLES: usize = 5;
/// What a rate is the average of, or a little longer.
const WINDOW: Duration = Duration::from_secs(1);

/// Bytes a second, written and read together.
#[derive(Clone)]
pub enum IoRate {
    /// As many as the disk takes.
    Unbounded,
    /// So many.
    Fixed(u64),
    /// Told while it runs.
    #[cfg(feature = "scenario")]
    Steered(Arc<Steering>),
}

impl IoRate {
    /// What it is at the moment, where there is one.
    fn now(&self) -> Option<u64> {
        match self {
            Self::Unbounded => None,
            Self::Fixed(rate) => Some(*rate),
            #[cfg(feature = "scenario")]
            Self::Steered(steering) => Some(steering.now() as u64),
        }
    }

    /// Bytes that should have been moved after `elapsed`.
    fn due(&self, elapsed: f64) -> Option<f64> {
        match self {
            Self::Unbounded => None,
            Self::Fixed(rate) => Some(*rate as f64 * elapsed),
            #[cfg(feature = "scenario")]
            Self::Steered(steering) => Some(steering.due()),
        }
    }
}

/// What is asked for.
#[derive(Clone)]
pub struct IoSpec {
    /// How much is moved.
    pub rate: IoRate,
    /// Where the files are.
    pub folder: Arc<Workdir>,
    /// What all loads have moved, this one included.
    pub moved: Arc<Moved>,
}

/// Bytes moved.
#[derive(Debug, Default)]
pub struct Moved {
    /// Written.
    pub written: AtomicU64,
    /// Read.
    pub read: AtomicU64,
}

impl Moved {
    /// Bytes written, and bytes read.
    pub fn get(&self) -> (u64, u64) {
        (self.written.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed))
    }
}

/// A load on files.
struct IoTask {
    spec: IoSpec,
    deadline: Option<Instant>,
    cancelled: AtomicBool,
    counts: Counts,
    samples: Mutex<Samples>,
}

/// What had been moved at some moments, the oldest first. There is always one.
struct Samples([(Instant, u64, u64); SAMPLES]);

impl Samples {
    /// Notes what has been moved by now, if the last note is old enough.
    fn note(&mut self, now: Instant, (written, read): (u64, u64)) {
        if now.saturating_duration_since(self.0[SAMPLES - 1].0) >= SAMPLE {
            self.0.rotate_left(1);
            self.0[SAMPLES - 1] = (now, written, read);
        }
    }

    /// Bytes a second, written and read, since the youngest note that is as old as the window: however long a block
    /// takes, no older one counts.
    fn rates(&self, now: Instant, (written, read): (u64, u64)) -> (u64, u64) {
        let age = |at: Instant| now.saturating_duration_since(at);
        let before = self.0.iter().rev().find(|(at, ..)| age(*at) >= WINDOW).unwrap_or(&self.0[0]);
        let millis = age(before.0).as_millis().max(1) as u64;
        let rate = |moved: u64, before: u64| moved.saturating_sub(before).saturating_mul(1000) / millis;
        (rate(written, before.1), rate(read, before.2))
    }
}

/// What is to be told of a running load.
#[derive(Debug, Default)]
struct Counts {
    moved: Moved,
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
    fn check(&self) -> io::Result<()> {
        // One that is steered waits for its files.
        let waits = !matches!(self.rate, IoRate::Unbounded | IoRate::Fixed(_));
        if !waits && self.files()?.is_empty() {
            let nothing = "there are no files to write and read; take some first, with /api/disk/set";
            return Err(io::Error::new(io::ErrorKind::NotFound, nothing));
        }
        Ok(())
    }

    fn prepare(&self, deadline: Option<Instant>, _stop: &Stop) -> io::Result<Box<dyn Task>> {
        self.check()?;
        let samples = Mutex::new(Samples([(Instant::now(), 0, 0); SAMPLES]));
        let (spec, cancelled, counts) = (self.clone(), AtomicBool::new(false), Counts::default());
        Ok(Box::new(IoTask { spec, deadline, cancelled, counts, samples }))
    }

    fn told(&self, value: Value) -> Value {
        value.with("target_bytes_per_second", self.rate.now())
    }
}

impl IoTask {
    /// Bytes a second, written and read, in the last second or so.
    fn rates(&self) -> (u64, u64) {
        lock(&self.samples).rates(Instant::now(), self.counts.moved.get())
    }
}

impl Task for IoTask {
    fn run(&self, stop: &Stop) -> Result<LoadEnd, String> {
        let (mut content, mut buffer) = (Fill::new(Round::OF_MEMORY), vec![0; BLOCK as usize]);
        let (mut files, mut looked) = (Vec::new(), None::<Instant>);
        let (began, mut forgiven) = (Instant::now(), 0.0);
        let mut turn = 0usize;
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(LoadEnd::Ended);
            }
            if self.cancelled.load(Ordering::Acquire) || stop.is_set() {
                return Ok(LoadEnd::Stopped);
            }
            let (written, read) = self.counts.moved.get();
            lock(&self.samples).note(Instant::now(), (written, read));
            if let (Some(due), Some(rate)) = (self.spec.rate.due(began.elapsed().as_secs_f64()), self.spec.rate.now()) {
                let behind = due - forgiven - (written + read) as f64;
                if behind < 0.0 || rate == 0 {
                    thread::sleep(Duration::from_secs_f64((-behind / rate.max(1) as f64).max(0.0)).min(NAP));
                    if rate == 0 {
                        // Nothing is wanted now: what was not moved by now is not made up for.
                        forgiven += behind.max(0.0);
                        thread::sleep(NAP);
                    }
                    continue;
                }
                forgiven += (behind - MOST_BEHIND.as_secs_f64() * rate as f64).max(0.0);
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
            match self.once(path, offset, length, &mut content, &mut buffer) {
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

    fn figures(&self) -> LoadFigures {
        let (writing, reading) = self.rates();
        LoadFigures { wanted: self.spec.rate.now().unwrap_or_default() as f64, achieved: (writing + reading) as f64 }
    }

    fn told(&self, value: Value) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { moved, operations, total_us, slowest_us } = &self.counts;
        let ((written, read), (writing, reading), operations) = (moved.get(), self.rates(), of(operations));
        self.spec
            .told(value)
            .with("achieved_bytes_per_second", writing + reading)
            .with("written_bytes_per_second", writing)
            .with("read_bytes_per_second", reading)
            .with("written", written)
            .with("read", read)
            .with("operations", operations)
            .with("mean_milliseconds", thousandths(of(total_us) as f64 / 1e3 / operations.max(1) as f64))
            .with("slowest_milliseconds", of(slowest_us) as f64 / 1e3)
    }

    fn line(&self) -> String {
        let ((written, read), (writing, reading)) = (self.counts.moved.get(), self.rates());
        let (writing, reading) = (in_words(writing, Unit::Bytes), in_words(reading, Unit::Bytes));
        let slowest = self.counts.slowest_us.load(Ordering::Relaxed) / 1000;
        format!("written {written} bytes ({writing}/s), read {read} bytes ({reading}/s), slowest block {slowest} ms")
    }
}

impl IoTask {
    /// Writes a block, syncs it, has the page cache forget it, and reads it back.
    fn once(
        &self,
        path: &PathBuf,
        offset: u64,
        length: usize,
        content: &mut Fill,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let file: File = OpenOptions::new().read(true).write(true).open(path)?;
        // A file that is being cut short is on its way out, and must not grow again.
        if file.metadata()?.len() < offset + length as u64 {
            return Err(io::ErrorKind::NotFound.into());
        }
        content.fill(&mut buffer[..length.next_multiple_of(PAGE)])?;
        let (counts, all) = (&self.counts, &self.spec.moved);
        let began = Instant::now();
        file.write_all_at(&buffer[..length], offset)?;
        file.sync_data()?;
        for written in [&counts.moved.written, &all.written] {
            written.fetch_add(length as u64, Ordering::Relaxed);
        }
        forget_cached(&file, offset, length as u64);
        file.read_exact_at(&mut buffer[..length], offset)?;
        for read in [&counts.moved.read, &all.read] {
            read.fetch_add(length as u64, Ordering::Relaxed);
        }
        let took = began.elapsed().as_micros() as u64;
        counts.operations.fetch_add(1, Ordering::Relaxed);
        counts.total_us.fetch_add(took, Ordering::Relaxed);
        counts.slowest_us.fetch_max(took, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_second_or_of_a_longer_standstill() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut samples = Samples([(start, 0, 0); SAMPLES]);
        assert_eq!(samples.rates(start, (0, 0)), (0, 0));
        // 1000 bytes written and 500 read each second.
        for millis in (0..=3000).step_by(10) {
            samples.note(at(millis), (millis, millis / 2));
            if millis >= 500 {
                let (written, read) = samples.rates(at(millis), (millis, millis / 2));
                assert!(written.abs_diff(1000) <= 10 && read.abs_diff(500) <= 10, "{written} {read} at {millis}");
            }
        }
        // Then a block takes ten seconds.
        assert_eq!(samples.rates(at(13_000), (3000, 1500)), (0, 0));
        assert_eq!(samples.rates(at(13_000), (4000, 2000)), (100, 50));
    }
}
