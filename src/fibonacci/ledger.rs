//! The ledger: steps in a journal, on disk before anybody hears of them.
//!
//! # What is on disk
//! One journal of the highest generation says where the sequence stands. A new generation begins at every start, when the
//! journal has grown, and when a journal can no longer be trusted; it is written under another name, synced, renamed, and
//! the folder synced, before the one before it is removed. `fibo.csv`, in the original's form, follows within a second for
//! people and for the original; it is read where there is no journal, and where the journal is damaged.
//!
//! # When something fails
//! - What cannot be appended is cut off again, and nothing has happened.
//! - After a failed sync nobody knows what the disk holds, so that journal is given up: the state goes into a new one.
//! - A file that is damaged beyond its end keeps its bytes, under another name.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::csv;
use super::files::{Appended, Folder};
use super::journal::{self, End};
use super::sequence::{Mark, Place, Step};

/// The original's file.
pub const CSV: &str = "fibo.csv";
/// Journals are called this and their generation.
const JOURNAL: &str = "fibo.journal.";
/// What a file is called while it is not whole.
const NEW: &str = ".new";
/// What is added to the name of a damaged file, with a number.
const DAMAGED: &str = ".damaged.";
/// A journal that has grown so long is followed by a new one. Reading this much takes some milliseconds.
const LONG_JOURNAL: u64 = 4 << 20;

/// The ledger.
pub struct Ledger {
    folder: Arc<dyn Folder>,
    /// `None` when there is none that can be trusted.
    journal: Option<Journal>,
    /// The highest generation there has been.
    generation: u64,
    /// Where the sequence stands on disk.
    mark: Mark,
    /// Journals that are to go once there is a newer one.
    stale: Vec<String>,
    /// Whether a start would not find the state, because files of it were taken away or replaced.
    missing: bool,
    long: u64,
    buffer: Vec<u8>,
}

struct Journal {
    file: Box<dyn Appended>,
    name: String,
    /// Up to here everything is valid, and on disk.
    length: u64,
}

/// What was found in a folder.
pub struct Found {
    /// The ledger, ready for more.
    pub ledger: Ledger,
    /// Where the sequence stands.
    pub mark: Mark,
    /// Files that are damaged, by the paths they now have.
    pub damaged: Vec<PathBuf>,
    /// Whether the state was the original's.
    pub taken_over: bool,
}

impl Ledger {
    /// Reads what is there, and begins a new journal. Where that cannot be (the disk is full), the ledger is there all the
    /// same, and tries again with the next step.
    ///
    /// # Errors
    /// When the folder, or a file in it, cannot be read.
    pub fn open(folder: Arc<dyn Folder>) -> io::Result<Found> {
        let names = folder.names()?;
        for name in names.iter().filter(|name| name.starts_with("fibo.") && name.ends_with(NEW)) {
            // Never became whole; if it cannot be removed now, the next one of that name takes its place.
            let _ = folder.remove(name);
        }
        let generation_of = |name: &String| name.strip_prefix(JOURNAL)?.parse::<u64>().ok();
        let mut journals: Vec<(u64, &String)> =
            names.iter().filter_map(|name| Some((generation_of(name)?, name))).collect();
        journals.sort_unstable_by(|one, other| other.cmp(one));

        let (mut mark, mut damaged, mut stale) = (None::<Mark>, Vec::new(), Vec::new());
        let mut newest_is_whole = false;
        for (place, (generation, name)) in journals.iter().enumerate() {
            let read = journal::read(&folder.read(name)?).filter(|read| read.generation == *generation);
            match &read {
                Some(read) if read.end != End::Damaged => stale.push((*name).clone()),
                _ => damaged.push((*name).clone()),
            }
            // The newest one counts. Where it has lost something, whatever knows of more steps does.
            if let Some(read) = read.filter(|_| !newest_is_whole) {
                newest_is_whole = place == 0 && read.end != End::Damaged;
                mark = mark.into_iter().chain([read.mark]).max_by_key(|mark| mark.hits);
            }
        }
        let mut taken_over = false;
        let mut aside = Vec::new();
        if names.iter().any(|name| name == CSV) {
            let bytes = folder.read(CSV)?;
            let needed = !newest_is_whole;
            let said = if needed { csv::mark(&bytes) } else { None };
            let is_good = if needed { said.is_some() } else { csv::is_line(&bytes) };
            if !is_good {
                // Nothing that counts is in it, so it may go first: a new one is to come under its name.
                aside.push(keep_aside(&*folder, CSV, &names)?);
            }
            if let Some(said) = said.filter(|said| mark.is_none_or(|mark| mark.hits < said.hits)) {
                mark = Some(said);
                taken_over = journals.is_empty();
            }
        }
        let mark = mark.unwrap_or_default();
        let generation = journals.first().map_or(0, |(generation, _)| *generation);
        let mut ledger = Self {
            folder,
            journal: None,
            generation,
            mark,
            stale,
            missing: false,
            long: LONG_JOURNAL,
            buffer: Vec::new(),
        };
        let damaged = match ledger.begin(mark) {
            Ok(()) => {
                damaged.iter().map(|name| keep_aside(&*ledger.folder, name, &names)).collect::<io::Result<Vec<_>>>()?
            }
            Err(error) => {
                log::error!("Cannot begin a new journal, steps are refused: {error}");
                damaged.iter().map(|name| ledger.folder.path(name)).collect()
            }
        };
        aside.extend(damaged);
        Ok(Found { ledger, mark, damaged: aside, taken_over })
    }

    /// Where the sequence stands on disk.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Has these steps on disk, which lead to `after`. There are at most [`journal::MOST_STEPS`].
    ///
    /// # Errors
    /// When they are not; then the ledger stands where it stood.
    pub fn commit(&mut self, steps: &[Step], after: Mark) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            // What could not be trusted is not written to again.
            self.begin(after)?;
            self.mark = after;
            return Ok(());
        };
        self.buffer.clear();
        journal::push_batch(&mut self.buffer, self.generation, self.mark.hits, steps);
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
            self.mark = after;
            return Ok(());
        }
        if let Err(error) = journal.file.check(&journal.name, journal.length + self.buffer.len() as u64) {
            self.lose(&error);
            self.begin(after)?;
            self.mark = after;
            return Ok(());
        }
        journal.length += self.buffer.len() as u64;
        self.mark = after;
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
        if self.missing { self.begin(self.mark) } else { Ok(()) }
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
        match self.begin(self.mark) {
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

    /// Begins a journal of a new generation at `mark`, and removes the older ones. When this fails, the one there was goes
    /// on, unless the new one may be on disk already: then neither can be trusted.
    fn begin(&mut self, mark: Mark) -> io::Result<()> {
        self.folder.restore().inspect_err(|_| self.missing = true)?;
        self.generation += 1;
        let name = format!("{JOURNAL}{}", self.generation);
        let new = format!("{name}{NEW}");
        let header = journal::header(self.generation, mark);
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
            self.stale.push(name);
            return Err(error);
        }
        if let Err(error) = file.check(&name, header.len() as u64) {
            self.missing = true;
            return Err(error);
        }
        self.give_up();
        self.journal = Some(Journal { file, name, length: header.len() as u64 });
        self.missing = false;
        // What stays is removed by the next one, or at the next start.
        let folder = &self.folder;
        self.stale.retain(|name| folder.remove(name).is_err_and(|error| error.kind() != io::ErrorKind::NotFound));
        Ok(())
    }
}

/// Gives a damaged file a name that nothing else has, and never will have.
fn keep_aside(folder: &dyn Folder, name: &str, names: &[String]) -> io::Result<PathBuf> {
    let aside = (1..).map(|number| format!("{name}{DAMAGED}{number}")).find(|aside| !names.contains(aside));
    let aside = aside.unwrap_or_default();
    folder.rename(name, &aside)?;
    folder.sync()?;
    Ok(folder.path(&aside))
}

/// Writes the original's file.
///
/// # Errors
/// When it cannot; then the one that was there still is.
pub fn write_csv(folder: &dyn Folder, place: &Place) -> io::Result<()> {
    let new = format!("{CSV}{NEW}");
    let mut file = folder.create(&new)?;
    let written = file.append(csv::line(place).as_bytes()).and_then(|()| file.sync());
    if let Err(error) = written {
        let _ = folder.remove(&new);
        return Err(error);
    }
    folder.rename(&new, CSV)?;
    folder.sync()
}
