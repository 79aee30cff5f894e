//! The files of a state folder, as few operations on them as durability needs.
//!
//! Tests put another folder in the place of the real one: one whose power can be cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::role::check_data_folder;

/// A folder of files.
pub trait Folder: Send + Sync {
    /// The names in it.
    fn names(&self) -> io::Result<Vec<String>>;
    /// All of a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// A new file, empty, to be appended to.
    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>>;
    /// Gives a file another name, at once; what has that name already is gone then.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Has the names, as they are, on disk.
    fn sync(&self) -> io::Result<()>;
    /// What it is called, for people.
    fn path(&self, name: &str) -> PathBuf;
}

/// A file that grows at its end.
pub trait Appended: Send {
    /// Adds bytes; when that fails, some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts it to a length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Has its content on disk, and its length (fdatasync). After a failure, what is there is anyone's guess.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder on a disk.
pub struct OnDisk(PathBuf);

impl OnDisk {
    /// The folder of this path, which must exist.
    ///
    /// # Errors
    /// When it is no folder.
    pub fn new(path: &Path) -> io::Result<Self> {
        check_data_folder(path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Folder for OnDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // O_APPEND, so that after a cut the end is where the file now ends.
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).open(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Appended for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
