//! The store: steps in a journal, on disk before anybody hears of them.
//!
//! # What is on disk
//! One journal of the highest generation says where the sequence stands. A new generation begins at every start, when the
//! journal has grown, and when a journal can no longer be trusted; it is written under another name, synced, renamed, and
//! the folder synced, before the one before it is removed. `fibo.csv`, in the original's form, follows within a second for
//! people and for the original; it counts where it knows of more steps than the journal (see `recovery`).
//!
//! # When something fails
//! - What cannot be appended is cut off again, and nothing has happened.
//! - After a failed sync nobody knows what the disk holds, so that journal is given up: the state goes into a new one.
//! - A file that is damaged beyond its end keeps its bytes, under another name.

use std::io;
use std::sync::Arc;

use super::files::{Appended, StateFolder};
use super::journal;
use super::sequence::{Position, Step};

/// The original's file.
pub const CSV: &str = "fibo.csv";
/// Journals are called this and their generation.
pub(super) const JOURNAL: &str = "fibo.journal.";
/// What a file is called while it is not whole.
pub(super) const NEW: &str = ".new";
/// A journal that has grown so long is followed by a new one. Reading this much takes some milliseconds.
const LONG_JOURNAL: u64 = 4 << 20;

/// The store.
pub struct StateStore {
    folder: Arc<dyn StateFolder>,
    /// `None` when there is none that can be trusted.
    journal: Option<Journal>,
    /// The highest generation there has been.
    generation: u64,
    /// Where the sequence stands on disk.
    at: Position,
    /// Journals that are to go once there is a newer one.
    stale: Vec<String>,
    /// A journal that may be on disk, with steps that nobody was told of.
    uncertain: Option<String>,
    /// Whether a start would not find the state, because files of it were taken away or replaced.
    missing: bool,
    /// What `fibo.csv` says, and what it may say instead, when one is being written.
    csv: [Position; 2],
    /// Steps before the journal.
    start: u64,
    long: u64,
    buffer: Vec<u8>,
}

struct Journal {
    file: Box<dyn Appended>,
    name: String,
    /// Up to here everything is valid, and on disk.
    length: u64,
}

impl StateStore {
    /// A store at `at` without a journal yet. The next one is of the generation after `generation`, and `stale` ones go
    /// once it is there. `csv` is what `fibo.csv` says; where there is none, `at`.
    pub(super) fn new(
        folder: Arc<dyn StateFolder>,
        generation: u64,
        at: Position,
        stale: Vec<String>,
        csv: Position,
    ) -> Self {
        let (long, buffer, uncertain, start) = (LONG_JOURNAL, Vec::new(), None, at.hits);
        let (csv, journal, missing) = ([csv; 2], None, false);
        Self { folder, journal, generation, at, stale, uncertain, missing, csv, start, long, buffer }
    }

    /// To be told before a `fibo.csv` that says this takes the place of the one before. `false` when the journal would not
    /// tell the next process that it is ours, since it began later.
    pub(super) fn csv_begins(&mut self, at: Position) -> bool {
        let is_known = at.hits >= self.start;
        if is_known {
            self.csv[1] = at;
        }
        is_known
    }

    /// To be told when it is on disk.
    pub(super) fn csv_is(&mut self, at: Position) {
        self.csv = [at; 2];
    }

    /// Where the sequence stands on disk.
    pub fn at(&self) -> Position {
        self.at
    }

    /// Has these steps on disk, which lead to `after`. There are at most [`journal::MOST_STEPS`].
    ///
    /// # Errors
    /// When they are not; then the store stands where it stood.
    pub fn commit(&mut self, steps: &[Step], after: Position) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            // What could not be trusted is not written to again.
            self.begin(after)?;
            self.at = after;
            return Ok(());
        };
        self.buffer.clear();
        journal::push_batch(&mut self.buffer, self.generation, self.at.hits, steps);
        if let Err(error) = journal.file.append(&self.buffer) {
            let cut = journal.file.truncate(journal.length).and_then(|()| journal.file.sync());
            // A file that may not grow any more is followed by a new one, with the next step.
            if cut.and_then(|()| self.folder.sync()).is_err() || error.kind() == io::ErrorKind::FileTooLarge {
                self.give_up();
            }
            return Err(error);
        }
        if let Err(error) = journal.file.sync() {
            log::error!("Cannot sync {}: {error}; the state goes into a new journal", journal.name);
            // Best effort, so that a restart does not find steps whose clients heard of a failure.
            let _ = journal.file.truncate(journal.length);
            self.give_up();
            self.begin(after).map_err(|_| error)?;
            self.at = after;
            return Ok(());
        }
        if let Err(error) = journal.file.check(&journal.name, journal.length + self.buffer.len() as u64) {
            self.lose(&error);
            self.begin(after)?;
            self.at = after;
            return Ok(());
        }
        journal.length += self.buffer.len() as u64;
        self.at = after;
        if journal.length > self.long {
            self.follow_up();
        }
        Ok(())
    }

    /// Has the state where a start finds it, also when nobody makes steps.
    ///
    /// # Errors
    /// When files were taken away or replaced, and the state cannot be written again.
    pub fn check(&mut self) -> io::Result<()> {
        if let Some(journal) = &self.journal
            && let Err(error) = journal.file.check(&journal.name, journal.length)
        {
            self.lose(&error);
        }
        if self.missing { self.begin(self.at) } else { Ok(()) }
    }

    /// Whether a start would find the state.
    pub fn is_found(&self) -> bool {
        !self.missing
    }

    /// Gives up a journal that a start would not find. What has its name now is not ours to remove.
    fn lose(&mut self, error: &io::Error) {
        log::error!("{error}; the state goes into a new journal");
        self.missing = true;
        if let Some(mut journal) = self.journal.take().filter(|_| error.kind() != io::ErrorKind::InvalidData) {
            // Best effort, so that a start does not find steps whose clients heard of a failure.
            let _ = journal.file.truncate(journal.length).and_then(|()| journal.file.sync());
        }
    }

    /// A long journal is followed by a new one. The steps are on disk either way.
    fn follow_up(&mut self) {
        match self.begin(self.at) {
            Ok(()) => self.long = LONG_JOURNAL,
            Err(error) => {
                log::warn!("Cannot begin a new journal, the old one goes on: {error}");
                self.long += LONG_JOURNAL;
            }
        }
    }

    fn give_up(&mut self) {
        self.stale.extend(self.journal.take().map(|journal| journal.name));
    }

    /// Begins a journal of a new generation at `at`, and removes the older ones. When this fails, the one there was goes
    /// on, unless the new one may be on disk already: then neither can be trusted.
    pub(super) fn begin(&mut self, at: Position) -> io::Result<()> {
        self.folder.restore().inspect_err(|_| self.missing = true)?;
        // A journal never has more steps than a later one began with, so that a start can tell which one counts.
        if let Some(name) = &self.uncertain {
            match self.folder.remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.folder.sync()?,
            }
            self.uncertain = None;
        }
        self.generation += 1;
        let name = format!("{JOURNAL}{}", self.generation);
        let new = format!("{name}{NEW}");
        let header = journal::header(self.generation, at, self.csv);
        let file = self.folder.create(&new).and_then(|mut file| {
            file.append(&header)?;
            file.sync()?;
            Ok(file)
        });
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                let _ = self.folder.remove(&new);
                // Batches are of the generation of the journal that goes on.
                self.generation -= 1;
                return Err(error);
            }
        };
        if let Err(error) = self.folder.rename(&new, &name).and_then(|()| self.folder.sync()) {
            self.give_up();
            self.uncertain = Some(name);
            return Err(error);
        }
        if let Err(error) = file.check(&name, header.len() as u64) {
            self.missing = true;
            return Err(error);
        }
        self.give_up();
        self.journal = Some(Journal { file, name, length: header.len() as u64 });
        self.missing = false;
        self.start = at.hits;
        // What stays is removed by the next one, or at the next start.
        let folder = &self.folder;
        self.stale.retain(|name| folder.remove(name).is_err_and(|error| error.kind() != io::ErrorKind::NotFound));
        Ok(())
    }
}
