//! The folder in DATADIR that all who need one share: made at the start, made again when it has vanished.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use super::quantity::Amount;
use crate::limits::filesystem::{self, Kind};
use crate::sync::lock;

/// The folder, or why there is none: then whoever needs it is told so, and it is tried again.
pub struct DataFolder {
    parent: PathBuf,
    disk: Mutex<Result<Arc<Disk>, String>>,
    in_memory: bool,
    /// Bytes of its file system that are to stay free.
    kept_free: u64,
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
        let kept_free = if in_memory { 0 } else { kept_free.resolve(size(), 0) };
        Self { parent: parent.to_owned(), disk: Mutex::new(disk), in_memory, kept_free }
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
        lock(&self.disk).clone()
    }

    /// Makes it usable again if it is not.
    ///
    /// # Errors
    /// When it still is not: why.
    pub fn mend(&self) -> Result<(), String> {
        let mut disk = lock(&self.disk);
        if let Ok(there) = &*disk {
            match there.mend() {
                // Our own folder is gone as well: only a new one helps.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result.map_err(|error| format!("{}: {error}", there.path().display())),
            }
        }
        *disk = create(&self.parent);
        disk.as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

fn create(parent: &Path) -> Result<Arc<Disk>, String> {
    Disk::create(parent).map(Arc::new).map_err(|error| format!("{}: {error}", parent.display()))
}
