//! `fibo.csv`, the original's file, as this process writes it.
//!
//! What somebody else has put there is kept aside before it is written over. This process knows its own file by what the
//! file system says of it, or else by its content; the next one knows it by the journal, whose steps have passed what it
//! says, or whose header tells what it may say (see `store`).

use std::io;
use std::sync::{Arc, Mutex};

use super::csv;
use super::files::{Stamp, StateFolder, keep_aside};
use super::sequence::{Position, State};
use super::state_store::{CSV, NEW, StateStore};
use crate::sync::lock;

/// The file as it was read or written last.
struct Last {
    stamp: Stamp,
    checksum: u32,
}

/// Who writes the file.
pub struct Export {
    folder: Arc<dyn StateFolder>,
    /// `None` when there was none.
    last: Option<Last>,
    /// What was written, when it is not known to be on disk.
    unsynced: Option<Position>,
}

impl Export {
    /// Where there is no file that was ours, or is taken over.
    pub(super) fn new(folder: Arc<dyn StateFolder>) -> Self {
        Self { folder, last: None, unsynced: None }
    }

    /// The file there is ours, with these bytes.
    pub(super) fn has_read(&mut self, stamp: Stamp, bytes: &[u8]) {
        self.last = Some(Last { stamp, checksum: crate::checksum::hash(bytes) });
    }

    /// Writes where the sequence stands; `false` when that is to be tried again with a newer state.
    ///
    /// # Errors
    /// When it cannot; then the file that was there still is, or the new one.
    pub fn write(&mut self, store: &Mutex<StateStore>, state: &State) -> io::Result<bool> {
        self.sync(store)?;
        if !lock(store).csv_begins(state.at) {
            return Ok(false);
        }
        self.keep_others()?;
        let new = format!("{CSV}{NEW}");
        let line = csv::line(state);
        let mut file = self.folder.create(&new)?;
        let written = file.append(line.as_bytes()).and_then(|()| file.sync()).and_then(|()| file.stamp());
        let stamp = written.inspect_err(|_| drop(self.folder.remove(&new)))?;
        self.folder.rename(&new, CSV)?;
        self.has_read(stamp, line.as_bytes());
        self.unsynced = Some(state.at);
        self.sync(store)?;
        Ok(true)
    }

    fn sync(&mut self, store: &Mutex<StateStore>) -> io::Result<()> {
        if let Some(at) = self.unsynced {
            self.folder.sync()?;
            lock(store).csv_is(at);
            self.unsynced = None;
        }
        Ok(())
    }

    /// Keeps aside what is not ours.
    fn keep_others(&self) -> io::Result<()> {
        let Some(stamp) = self.folder.stamp(CSV)? else { return Ok(()) };
        let is_ours = |last: &Last| {
            let same = || self.folder.read(CSV).map(|bytes| crate::checksum::hash(&bytes) == last.checksum);
            if stamp == last.stamp { Ok(true) } else { Ok(stamp.length == last.stamp.length && same()?) }
        };
        if self.last.as_ref().map_or(Ok::<bool, io::Error>(false), is_ours)? {
            return Ok(());
        }
        let aside = keep_aside(&*self.folder, CSV)?;
        log::error!(
            "{} was written by somebody else, and is kept as {}",
            self.folder.path(CSV).display(),
            aside.display()
        );
        Ok(())
    }
}
