//! The files of a state folder, as few operations on them as durability needs.
//!
//! Tests put another folder in the place of the real one: one whose power can be cut.
//!
//! All names are relative to one open directory, so that nobody who moves it, or puts another one in its place, can make
//! us write into two of them. Whether its path still leads to it is asked after each sync.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, Stat, fstat, openat, renameat, statat, unlinkat};

use crate::kernel::filesystem::is_same_file;
use crate::service::lifecycle::check_data_folder;
use crate::sync::lock;

/// Held by the process whose folder it is, besides the lock on the folder itself: that one cannot be removed, and earlier
/// versions know only this one.
pub const LOCK: &str = "fibo.lock";
/// How the names of all state files begin.
pub const PREFIX: &str = "fibo.";

/// A folder of files.
pub trait StateFolder: Send + Sync {
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
    /// Fails where the next start would not find this folder. An empty one that stands in its place is taken instead.
    fn restore(&self) -> io::Result<()>;
    /// What the file system says of a file, if there is one of this name.
    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>>;
    /// What it is called, for people.
    fn path(&self, name: &str) -> PathBuf;
}

/// What tells a file from another one, or from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file: its device and inode.
    pub file: (u64, u64),
    /// How long it is, in bytes.
    pub length: u64,
    /// When its content was changed last, in nanoseconds since the epoch.
    pub changed: i128,
}

/// What is added to the name of a file that is kept aside, with a number.
const ASIDE: &str = ".damaged.";

/// Gives a file a name that nothing else has, and never will have.
///
/// # Errors
/// When it cannot be renamed.
pub fn keep_aside(folder: &dyn StateFolder, name: &str) -> io::Result<PathBuf> {
    let names = folder.names()?;
    let aside = (1..).map(|number| format!("{name}{ASIDE}{number}")).find(|aside| !names.contains(aside));
    let aside = aside.unwrap_or_default();
    folder.rename(name, &aside)?;
    folder.sync()?;
    Ok(folder.path(&aside))
}

/// A file that grows at its end.
pub trait Appended: Send {
    /// Adds bytes; when that fails, some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts it to a length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Has its content on disk, and its length (fdatasync). After a failure, what is there is anyone's guess.
    fn sync(&mut self) -> io::Result<()>;
    /// What the file system says of it.
    fn stamp(&self) -> io::Result<Stamp>;
    /// Fails unless the next start would find this file under this name, with so many bytes.
    fn check(&self, name: &str, length: u64) -> io::Result<()>;
}

/// A folder on a disk.
pub struct OnDisk {
    path: PathBuf,
    directory: Mutex<Arc<Directory>>,
}

/// An open directory, and the path that leads to it.
struct Directory {
    file: File,
    path: PathBuf,
    /// The locked file of the name [`LOCK`], once it is ours.
    lock_file: Mutex<Option<File>>,
}

impl Directory {
    fn open(path: &Path) -> io::Result<Arc<Self>> {
        check_data_folder(path)?;
        let file = named(path, File::open(path))?;
        Ok(Arc::new(Self { file, path: path.to_owned(), lock_file: Mutex::new(None) }))
    }

    /// Fails unless the path leads here.
    fn check(&self) -> io::Result<()> {
        let there = named(&self.path, self.path.metadata())?;
        let here = named(&self.path, self.file.metadata())?;
        if is_same_file(&there, &here) {
            return Ok(());
        }
        Err(missing(&self.path, "is another folder than the one that holds the state"))
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let opened = openat(&self.file, name, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o666));
        named(&self.path.join(name), opened.map(|fd: OwnedFd| File::from(fd)).map_err(io::Error::from))
    }

    /// Whether this file is found under this name.
    fn is_linked(&self, name: &str, file: &File) -> io::Result<bool> {
        let path = self.path.join(name);
        let here = named(&path, file.metadata())?;
        match statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (here.dev(), here.ino())),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => named(&path, Err(error.into())),
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(false),
            // Network file systems lock no directories; the file has to do there.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let file = self.open_file(LOCK, OFlags::CREATE | OFlags::WRONLY)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return named(&self.path.join(LOCK), Err(error)),
            Ok(()) => {}
        }
        // Removed in between, it would be a lock that nobody else sees.
        let held = self.is_linked(LOCK, &file)?;
        if held {
            *lock(&self.lock_file) = Some(file);
        }
        Ok(held)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let read = || {
            Dir::read_from(&self.file)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .filter(|name| !matches!(name.as_deref(), Ok("." | "..")))
                .collect::<io::Result<Vec<String>>>()
        };
        named(&self.path, read())
    }
}

/// Adds the path to an error.
fn named<T>(path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn missing(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} {what}", path.display()))
}

impl OnDisk {
    /// The folder of this path, which must exist.
    ///
    /// # Errors
    /// When it is no folder.
    pub fn new(path: &Path) -> io::Result<Self> {
        check_data_folder(path)?;
        // Symbolic links stay in it: a start would follow them again.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let directory = Mutex::new(Directory::open(&path)?);
        Ok(Self { path, directory })
    }

    fn directory(&self) -> Arc<Directory> {
        Arc::clone(&lock(&self.directory))
    }

    /// Whether the folder is now this process's.
    ///
    /// # Errors
    /// When it cannot be known.
    pub fn try_lock(&self) -> io::Result<bool> {
        let mut directory = self.directory();
        if directory.check().is_err() {
            directory = Directory::open(&self.path)?;
            *lock(&self.directory) = Arc::clone(&directory);
        }
        Ok(directory.try_lock()? && directory.check().is_ok())
    }
}

impl StateFolder for OnDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.directory().names()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = self.directory().open_file(name, OFlags::RDONLY)?;
        named(&self.path(name), file.read_to_end(&mut bytes))?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let directory = self.directory();
        // O_APPEND, so that after a cut the end is where the file now ends.
        let file = directory.open_file(name, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::APPEND)?;
        let path = self.path(name);
        let number = named(&path, file.metadata()).map(|it| (it.dev(), it.ino()))?;
        Ok(Box::new(FileOnDisk { file, number, path, directory }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = &self.directory().file;
        named(&self.path(from), renameat(file, from, file, to).map_err(io::Error::from))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        named(&self.path(name), unlinkat(&self.directory().file, name, AtFlags::empty()).map_err(io::Error::from))
    }

    fn sync(&self) -> io::Result<()> {
        let directory = self.directory();
        named(&self.path, directory.file.sync_all())?;
        directory.check()
    }

    fn restore(&self) -> io::Result<()> {
        let Err(error) = self.directory().check() else { return Ok(()) };
        // Whatever is there already was not written by this process.
        let other = Directory::open(&self.path)?;
        if other.names()?.iter().any(|name| name.starts_with(PREFIX) && name != LOCK) || !other.try_lock()? {
            return Err(error);
        }
        log::warn!("{} is a new folder; the state goes there", self.path.display());
        *lock(&self.directory) = other;
        Ok(())
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        match statat(&self.directory().file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stamp(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => named(&self.path(name), Err(error.into())),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn stamp(stat: &Stat) -> Stamp {
    // The types differ from one machine to another.
    let changed = stat.st_mtime as i128 * 1_000_000_000 + stat.st_mtime_nsec as i128;
    Stamp { file: (stat.st_dev, stat.st_ino), length: stat.st_size as u64, changed }
}

struct FileOnDisk {
    file: File,
    /// Its device and inode.
    number: (u64, u64),
    /// What it was created as, for errors.
    path: PathBuf,
    directory: Arc<Directory>,
}

impl Appended for FileOnDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        named(&self.path, self.file.write_all(bytes))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        named(&self.path, self.file.set_len(length))
    }

    fn sync(&mut self) -> io::Result<()> {
        named(&self.path, self.file.sync_data())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        named(&self.path, fstat(&self.file).map(|stat| stamp(&stat)).map_err(io::Error::from))
    }

    fn check(&self, name: &str, length: u64) -> io::Result<()> {
        let path = self.directory.path.join(name);
        // One call proves all of it where all is well; otherwise it is found out what is wrong.
        if let Ok(there) = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW)
            && (there.st_dev, there.st_ino) == self.number
            && there.st_size as u64 == length
        {
            return Ok(());
        }
        self.directory.check()?;
        if !self.directory.is_linked(name, &self.file)? {
            return Err(missing(&path, "was removed or replaced"));
        }
        if named(&path, self.file.metadata())?.len() != length {
            let words = format!("{} was changed by somebody else", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(())
    }
}
