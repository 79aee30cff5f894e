//! The folder in DATADIR that all who need one share: made at the start, made again when it has vanished.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use super::quantity::Amount;
use crate::limits::filesystem::{self, Kind};
use crate::sync::lock;

/// What is said when it is closed.
const CLOSED: &str = "the service stops";

/// The folder, or why there is none: then whoever needs it is told so, and it is tried again, until it is closed.
pub struct DataFolder {
    parent: PathBuf,
    state: Mutex<State>,
    in_memory: bool,
    /// Bytes of its file system that are to stay free.
    kept_free: u64,
}

struct State {
    disk: Result<Arc<Disk>, String>,
    /// For good: nothing is made in DATADIR from now on.
    is_closed: bool,
}

impl DataFolder {
    /// A new folder in `parent`. So much of its file system is to stay free, where that is a disk.
    pub fn new(parent: &Path, kept_free: Amount) -> Self {
        let disk = create(parent);
        if let Err(reason) = &disk {
            log::error!("No files can be written, memory and CPU work all the same: {reason}");
        }
        let in_memory = filesystem::kind(parent).is_ok_and(|kind| kind == Kind::Memory);
        let size = || filesystem::size(parent).unwrap_or(0);
        let kept_free = if in_memory { 0 } else { kept_free.resolve(size(), 0).unwrap_or_default() };
        let state = Mutex::new(State { disk, is_closed: false });
        Self { parent: parent.to_owned(), state, in_memory, kept_free }
    }

    /// Bytes of its file system that are to stay free.
    pub fn kept_free(&self) -> u64 {
        self.kept_free
    }

    /// Bytes that may still be written, without those that are to stay free; or with them, by `force`.
    ///
    /// # Errors
    /// When the file system does not say: why.
    pub fn room(&self, force: bool) -> Result<u64, String> {
        let available = filesystem::available(&self.parent);
        let available = available.map_err(|error| format!("{}: {error}", self.parent.display()))?;
        Ok(available.saturating_sub(if force { 0 } else { self.kept_free }))
    }

    /// Whether what is written there is memory (tmpfs).
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// DATADIR itself.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// The folder.
    ///
    /// # Errors
    /// When there is none: why.
    pub fn disk(&self) -> Result<Arc<Disk>, String> {
        lock(&self.state).disk.clone()
    }

    /// Closes it: from now on nobody gets it, and nobody makes it anew. Returns the folder, for its removal.
    pub fn close(&self) -> Option<Arc<Disk>> {
        let mut state = lock(&self.state);
        state.is_closed = true;
        std::mem::replace(&mut state.disk, Err(CLOSED.into())).ok()
    }

    /// Makes it usable again if it is not.
    ///
    /// # Errors
    /// When it still is not: why.
    pub fn mend(&self) -> Result<(), String> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(CLOSED.into());
        }
        if let Ok(there) = &state.disk {
            match there.mend() {
                // Our own folder is gone as well: only a new one helps.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result.map_err(|error| format!("{}: {error}", there.path().display())),
            }
        }
        state.disk = create(&self.parent);
        state.disk.as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

fn create(parent: &Path) -> Result<Arc<Disk>, String> {
    Disk::create(parent).map(Arc::new).map_err(|error| format!("{}: {error}", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_closed_folder_is_not_made_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path(), Amount::Exactly(0));
        let disk = folder.close().unwrap();
        disk.remove(&mut || ()).unwrap();
        assert_eq!(folder.mend(), Err(String::from(CLOSED)));
        assert_eq!(folder.disk().unwrap_err(), CLOSED);
        assert!(folder.close().is_none());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
