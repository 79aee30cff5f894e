//! Inodes: empty files in our folder.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::consumer::countable::{Countable, Names, youngest};
use crate::consumer::disk::workdir::Workdir;
use crate::kernel::filesystem;
use crate::sync::lock;

/// Inodes that are left to the service itself: its folders, its marker, its note, a file of each size.
const INODE_RESERVE: u64 = 64;
/// Empty files in our folder.
pub struct Inodes {
    folder: Arc<Workdir>,
    next: AtomicU64,
    numbers: Mutex<Vec<u64>>,
}

impl Inodes {
    /// In this folder.
    pub fn new(folder: Arc<Workdir>) -> Self {
        Self { folder, next: AtomicU64::new(1), numbers: Mutex::default() }
    }
}

/// How many empty files a folder gets: file systems grow slow on folders with millions of names.
const FILES_A_FOLDER: u64 = 10_000;

impl Inodes {
    /// The file of a number. Its folder may be a new one by now; then the file is gone already.
    fn path(&self, number: u64) -> io::Result<PathBuf> {
        let disk = self.folder.disk().map_err(io::Error::other)?;
        Ok(disk.path().join(format!("i-{}", number / FILES_A_FOLDER)).join(format!("e-{number}")))
    }
}

impl Countable for Inodes {
    fn names(&self) -> &'static Names {
        &Names { name: "inode", work: "CreateInodes()", limit: "HIGHINODELIM", cost: 1700 }
    }

    fn mend(&self) -> Result<(), String> {
        self.folder.mend()
    }

    fn held(&self) -> u64 {
        lock(&self.numbers).len() as u64
    }

    fn make(&self) -> io::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(number)?;
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        match (create(), path.parent()) {
            (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(folder)?;
                create()?;
            }
            (result, _) => drop(result?),
        }
        lock(&self.numbers).push(number);
        Ok(())
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        let going = youngest(&mut lock(&self.numbers), count);
        for &number in going.iter().rev() {
            match fs::remove_file(self.path(number)?) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Folders count as well. One that still has files stays, and says so.
        for number in [going.last(), going.first()].into_iter().flatten() {
            if let Some(folder) = self.path(*number)?.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let folder = self.folder.parent();
        let free = filesystem::inodes(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let source =
            format!("the file system of {}, less {INODE_RESERVE} inodes kept for the service itself", folder.display());
        // Some file systems make inodes as they are needed, and say that there are none.
        Ok(free.map_or((u64::MAX, source.clone()), |free| (free.saturating_sub(INODE_RESERVE), source)))
    }
}
