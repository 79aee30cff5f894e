//! A folder whose power can be cut, and whose disk can fail.
//!
//! What is promised of a disk is kept: synced bytes and synced names stay. Of the rest an arbitrary part does: each
//! stretch of bytes, each length, each name on its own, in any combination. A store that lives through thousands of such
//! cuts has missed no sync.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use super::files::{Appended, Stamp, StateFolder};
use super::sequence::{Position, State, Step};
use super::state_store::{CSV, StateStore};
use crate::sync::lock;

/// Bytes reach the disk in such stretches, or do not.
const STRETCH: usize = 16;

#[derive(Clone, Default)]
struct File {
    content: Vec<u8>,
    synced: Vec<u8>,
}

/// Files by number, and names for them: as they are, and as they would be found after a cut.
#[derive(Default)]
struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    rng: Rng,
    /// Out of a thousand operations, so many fail.
    failing: u32,
    /// Bytes that still fit.
    room: usize,
    /// Operations until the power goes.
    until_cut: usize,
}

impl Disk {
    /// Whether an operation may go on.
    fn operation(&mut self) -> io::Result<()> {
        if self.until_cut == 0 {
            return Err(io::Error::other("the power is gone"));
        }
        self.until_cut -= 1;
        if self.rng.u32(..1000) < self.failing {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(())
    }

    /// The power comes back: what is found then.
    fn after_the_cut(&mut self) {
        let rng = &mut self.rng;
        for file in &mut self.files {
            // A length between the two, and each stretch old or new; what was never written is zeros, or anything.
            let (short, long) = (file.synced.len().min(file.content.len()), file.synced.len().max(file.content.len()));
            let mut found = vec![if rng.bool() { 0 } else { rng.u8(..) }; rng.usize(short..=long)];
            for start in (0..found.len()).step_by(STRETCH) {
                let end = found.len().min(start + STRETCH);
                let from = if rng.bool() { &file.content } else { &file.synced };
                let end = end.min(from.len());
                if start < end {
                    found[start..end].copy_from_slice(&from[start..end]);
                }
            }
            // What is synced, and was not changed since, stays in any case.
            let same = file.synced.iter().zip(&file.content).take_while(|(one, other)| one == other).count();
            let same = same.min(found.len());
            found[..same].copy_from_slice(&file.synced[..same]);
            (file.content, file.synced) = (found.clone(), found);
        }
        let all: BTreeSet<String> = self.names.keys().chain(self.synced_names.keys()).cloned().collect();
        let mut found = BTreeMap::new();
        for name in all {
            let from = if rng.bool() { &self.names } else { &self.synced_names };
            found.extend(from.get(&name).map(|file| (name, *file)));
        }
        (self.names, self.synced_names) = (found.clone(), found);
        (self.failing, self.room, self.until_cut) = (0, usize::MAX, usize::MAX);
    }
}

#[derive(Clone)]
struct Simulated(Arc<Mutex<Disk>>);

impl Simulated {
    fn new(seed: u64) -> Self {
        let disk = Disk { rng: Rng::with_seed(seed), room: usize::MAX, until_cut: usize::MAX, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    fn folder(&self) -> Arc<dyn StateFolder> {
        Arc::new(self.clone())
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        lock(&self.0).names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Simulated {
    fn stamp_of(&self, file: usize) -> Stamp {
        Stamp { file: (0, file as u64), length: lock(&self.0).files[file].content.len() as u64, changed: 0 }
    }
}

impl StateFolder for Simulated {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.file(name)?;
        Ok(lock(&self.0).files[file].content.clone())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let mut disk = lock(&self.0);
        disk.operation()?;
        disk.files.push(File::default());
        let file = disk.files.len() - 1;
        disk.names.insert(name.to_owned(), file);
        Ok(Box::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        let mut disk = lock(&self.0);
        disk.operation()?;
        disk.names.remove(from);
        disk.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.file(name)?;
        let mut disk = lock(&self.0);
        disk.operation()?;
        disk.names.remove(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = lock(&self.0);
        disk.operation()?;
        disk.synced_names = disk.names.clone();
        Ok(())
    }

    fn restore(&self) -> io::Result<()> {
        Ok(())
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        Ok(self.file(name).ok().map(|file| self.stamp_of(file)))
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }
}

struct SimulatedFile {
    disk: Simulated,
    file: usize,
}

impl Appended for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = lock(&self.disk.0);
        let outcome = disk.operation();
        // A write that fails may have written something.
        let fits = bytes.len().min(disk.room);
        let written = if outcome.is_ok() { fits } else { disk.rng.usize(..=fits) };
        disk.room -= written;
        disk.files[self.file].content.extend_from_slice(&bytes[..written]);
        outcome?;
        if written < bytes.len() { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut disk = lock(&self.disk.0);
        disk.operation()?;
        disk.files[self.file].content.truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = lock(&self.disk.0);
        if let Err(error) = disk.operation() {
            // The kernel may have dropped what it could not write, and calls the pages clean.
            let file = &mut disk.files[self.file];
            if error.raw_os_error().is_some() {
                file.content.truncate(file.synced.len());
            }
            return Err(error);
        }
        let file = &mut disk.files[self.file];
        file.synced = file.content.clone();
        Ok(())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(self.disk.stamp_of(self.file))
    }

    fn check(&self, name: &str, length: u64) -> io::Result<()> {
        let found = self.disk.file(name)? == self.file;
        let found = found && lock(&self.disk.0).files[self.file].content.len() as u64 == length;
        if found { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// A life of the service on such a disk, from an opening to a cut. Returns the marks that may be found after it: the one
/// that was answered last, and those of steps whose clients heard of a failure, or nothing.
fn live(disk: &Simulated, expected: &[Position], context: &str) -> Vec<Position> {
    let mut rng = lock(&disk.0).rng.fork();
    let Ok(found) = StateStore::open(disk.folder()) else {
        // The power went during the opening: whatever could be found before can be found again.
        return expected.to_vec();
    };
    assert!(expected.contains(&found.at), "{context}: {:?} is none of {expected:?}", found.at);
    assert!(found.damaged.is_empty(), "{context}: {:?}", found.damaged);
    assert!(found.refused.is_empty(), "{context}: {:?}", found.refused);
    let (store, mut export) = (Mutex::new(found.store), found.export);
    let (mut at, mut possible) = (found.at, vec![found.at]);
    for _ in 0..rng.usize(..60) {
        let steps: Vec<Step> = (0..rng.usize(1..8))
            .map(|_| match rng.u8(..8) {
                0 => Step::Reset,
                1 | 2 => Step::Previous,
                _ => Step::Next,
            })
            .collect();
        let after = steps.iter().fold(at, |at, step| at.after(*step));
        let outcome = lock(&store).commit(&steps, after);
        match outcome {
            Ok(()) => {
                at = after;
                possible = vec![at];
            }
            Err(_) => {
                assert_eq!(lock(&store).at(), at, "{context}: it runs ahead of the disk");
                possible.push(after);
            }
        }
        if rng.u8(..10) == 0 {
            let _ = export.write(&store, &State::at(at));
        }
        if rng.u8(..12) == 0 {
            // The disk is full, and has room again.
            let room = if lock(&disk.0).room > 1 << 20 { rng.usize(..100) } else { usize::MAX };
            lock(&disk.0).room = room;
        }
    }
    possible
}

/// Writes the original's file as somebody else would.
fn write_csv(disk: &Simulated, state: &State) {
    disk.create(CSV).unwrap().append(super::csv::line(state).as_bytes()).unwrap();
}

#[test]
fn no_answered_step_is_lost_when_the_power_is() {
    for seed in 0..4000 {
        let disk = Simulated::new(seed);
        let mut expected = vec![Position::default()];
        for life in 0..4 {
            {
                let mut disk = lock(&disk.0);
                disk.until_cut = disk.rng.usize(..250);
                disk.failing = if disk.rng.bool() { disk.rng.u32(..200) } else { 0 };
            }
            expected = live(&disk, &expected, &format!("seed {seed}, life {life}"));
            lock(&disk.0).after_the_cut();
        }
        let found = StateStore::open(disk.folder()).unwrap();
        assert!(expected.contains(&found.at), "seed {seed}: {:?} is none of {expected:?}", found.at);
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = Simulated::new(1);
    let mut store = StateStore::open(disk.folder()).unwrap().store;
    let one = Position::default().after(Step::Next);
    lock(&disk.0).room = 10;
    for _ in 0..3 {
        let error = store.commit(&[Step::Next], one).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(store.at(), Position::default());
    }
    // And a start on the full disk is a start.
    lock(&disk.0).room = 0;
    let mut store = StateStore::open(disk.folder()).unwrap().store;
    assert_eq!(store.commit(&[Step::Next], one).unwrap_err().kind(), io::ErrorKind::StorageFull);
    lock(&disk.0).room = usize::MAX;
    store.commit(&[Step::Next], one).unwrap();
    assert_eq!(StateStore::open(disk.folder()).unwrap().at, one);
}

#[test]
fn a_long_journal_is_followed_by_a_short_one() {
    let disk = Simulated::new(2);
    let mut store = StateStore::open(disk.folder()).unwrap().store;
    let (steps, mut at) = ([Step::Next, Step::Next, Step::Previous].repeat(20_000), Position::default());
    for _ in 0..150 {
        at = steps.iter().fold(at, |at, step| at.after(*step));
        store.commit(&steps, at).unwrap();
    }
    let names = disk.names().unwrap();
    assert_eq!(names, ["fibo.journal.3"]);
    assert!(disk.read(&names[0]).unwrap().len() < 4 << 20);
    assert_eq!(StateStore::open(disk.folder()).unwrap().at, at);
}

#[test]
fn damage_keeps_its_bytes_and_is_reported() {
    let disk = Simulated::new(3);
    let mut store = StateStore::open(disk.folder()).unwrap().store;
    let mut at = Position::default();
    let mut positions = vec![at];
    for _ in 0..5 {
        at = at.after(Step::Next);
        store.commit(&[Step::Next], at).unwrap();
        positions.push(at);
    }
    let file = disk.file("fibo.journal.1").unwrap();
    // In the third batch of five.
    lock(&disk.0).files[file].content[68 + 21 * 2 + 18] ^= 1;
    let bytes = disk.read("fibo.journal.1").unwrap();
    let found = StateStore::open(disk.folder()).unwrap();
    assert_eq!(found.at, positions[2]);
    assert_eq!(found.damaged, [PathBuf::from("fibo.journal.1.damaged.1")]);
    assert_eq!(disk.read("fibo.journal.1.damaged.1").unwrap(), bytes);
    // Once is enough.
    assert!(StateStore::open(disk.folder()).unwrap().damaged.is_empty());

    // Where the original's file knows more, it counts.
    write_csv(&disk, &State::at(positions[5]));
    let journal =
        disk.names().unwrap().into_iter().find(|name| name.starts_with("fibo.journal.") && !name.contains('d'));
    let file = disk.file(&journal.unwrap()).unwrap();
    lock(&disk.0).files[file].content[9] ^= 1;
    let found = StateStore::open(disk.folder()).unwrap();
    assert_eq!((found.at, found.damaged.len(), found.taken_over), (positions[5], 1, false));
}

#[test]
fn the_originals_file_is_taken_over_or_kept() {
    let disk = Simulated::new(4);
    let mut file = disk.create(CSV).unwrap();
    file.append(b"12,6,5,8,13\n").unwrap();
    let found = StateStore::open(disk.folder()).unwrap();
    assert_eq!((found.at, found.taken_over), (Position { hits: 12, index: 6 }, true));
    // From now on the journal counts.
    write_csv(&disk, &State::at(Position { hits: 9, index: 3 }));
    let found = StateStore::open(disk.folder()).unwrap();
    assert_eq!((found.at, found.taken_over), (Position { hits: 12, index: 6 }, false));

    let disk = Simulated::new(5);
    disk.create(CSV).unwrap().append(b"not ours").unwrap();
    let found = StateStore::open(disk.folder()).unwrap();
    assert_eq!((found.at, found.damaged), (Position::default(), vec![PathBuf::from("fibo.csv.damaged.1")]));
    assert_eq!(disk.read("fibo.csv.damaged.1").unwrap(), b"not ours");
}
