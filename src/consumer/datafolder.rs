//! The folder in DATADIR that all who need one share: made at the start, made again when it has vanished.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use crate::limits::filesystem::{self, Kind};
use crate::sync::lock;

/// The folder, or why there is none: then whoever needs it is told so, and it is tried again.
pub struct DataFolder {
    parent: PathBuf,
    disk: Mutex<Result<Arc<Disk>, String>>,
    in_memory: bool,
}

impl DataFolder {
    /// A new folder in `parent`.
    pub fn new(parent: &Path) -> Self {
        let disk = create(parent);
        if let Err(reason) = &disk {
            log::error!("No files can be written, memory and CPU work all the same: {reason}");
        }
        let in_memory = filesystem::kind(parent).is_ok_and(|kind| kind == Kind::Memory);
        Self { parent: parent.to_owned(), disk: Mutex::new(disk), in_memory }
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
