//! The total in a file that all instances on the machine share, so that three of them and a browser need no set-up.
//!
//! The file holds the number in twenty digits and a line feed: it is written over in one go, whoever is killed. It is never
//! empty, but for the moment in which it is made. Where it was removed, emptied, replaced or set back, there is no total
//! until it is as it was: to begin again would hand out numbers twice. Who wants that removes it and starts all instances
//! anew.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::counter::store::{PATIENCE, Total};
use crate::kernel::filesystem::is_same_file;
use crate::service::lifecycle::check_data_folder;
use crate::sync::lock;

/// The file's name in DATADIR: what the original calls the number in Redis.
const NAME: &str = "total_count";
/// How often a lock is tried that another process has; it has it for some microseconds.
const LOOK: Duration = Duration::from_micros(50);
/// How long the text of a number is.
const DIGITS: usize = 20;
/// How much of the file is read, in bytes: a number, and blanks around it. A longer file holds something else.
const MOST_BYTES: usize = 64;

/// The file.
pub struct FileStore {
    path: PathBuf,
    /// Locked for the threads of this process, and the file for the other processes.
    open: Mutex<Open>,
}

struct Open {
    file: File,
    /// The highest number that was seen in it or written into it: it only rises.
    highest: u64,
}

impl FileStore {
    /// Opens the file in this folder, or makes it.
    ///
    /// # Errors
    /// When that cannot be, or it holds something else.
    pub fn open(folder: &Path) -> io::Result<Self> {
        check_data_folder(folder)?;
        let path = folder.join(NAME);
        let in_words = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.clone().create_new(true).open(&path) {
            Ok(file) => {
                // Without room for a number the file would stay empty, and be refused from now on.
                write(&file, 0).inspect_err(|_| drop(fs::remove_file(&path))).map_err(in_words)?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&path).map_err(in_words)?,
            Err(error) => return Err(in_words(error)),
        };
        let shared = Self { open: Mutex::new(Open { file, highest: 0 }), path };
        // An instance that starts at the same time may be making it.
        let deadline = Instant::now() + PATIENCE;
        while lock(&shared.open).file.metadata().is_ok_and(|file| file.len() == 0) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        shared.check().map_err(io::Error::other)?;
        Ok(shared)
    }

    /// With the file locked for as long as one look and one write take, and `highest` the number in it.
    fn with<T>(&self, work: impl FnOnce(&mut Open) -> io::Result<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut open = lock(&self.open);
        let result = loop {
            match open.file.try_lock() {
                Ok(()) => {
                    break self.read(&open).and_then(|number| {
                        open.highest = number;
                        work(&mut open)
                    });
                }
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => break Err(io::Error::other("another process keeps it locked")),
                Err(TryLockError::Error(error)) => break Err(error),
            }
        };
        // Unlocking a lock that is not held is no error.
        let unlocked = open.file.unlock();
        result.and_then(|done| unlocked.map(|()| done)).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// The number, if the file is still the one that was opened, and has not been set back.
    fn read(&self, open: &Open) -> io::Result<u64> {
        let there = fs::metadata(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), "it was removed while in use"),
            _ => error,
        })?;
        if !is_same_file(&there, &open.file.metadata()?) {
            return Err(io::Error::other("it was replaced while in use"));
        }
        let number = read(&open.file)?;
        if number < open.highest {
            let words = format!("it holds {number}, and {} was handed out before", open.highest);
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(number)
    }
}

/// The number in the file.
fn read(file: &File) -> io::Result<u64> {
    let mut text = [0; MOST_BYTES];
    let length = file.read_at(&mut text, 0)?;
    let invalid = |words: &str| io::Error::new(io::ErrorKind::InvalidData, words);
    if length == 0 {
        return Err(invalid("it is empty: write the last number into it, or remove it to begin at 1"));
    }
    let digits = text[..length].trim_ascii();
    let sound = length < MOST_BYTES && digits.len() <= DIGITS && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| sound).and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| invalid("holds something else than a number"))
}

fn write(file: &File, number: u64) -> io::Result<()> {
    file.write_all_at(format!("{number:0DIGITS$}\n").as_bytes(), 0)
}

impl Total for FileStore {
    fn next(&self) -> Result<u64, String> {
        self.with(|open| {
            let next = open.highest.checked_add(1).ok_or_else(|| io::Error::other("the number is at its end"))?;
            write(&open.file, next)?;
            open.highest = next;
            Ok(next)
        })
    }

    fn check(&self) -> Result<(), String> {
        self.with(|_| Ok(()))
    }

    fn place(&self) -> String {
        format!("the file {}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_handed_out_once() {
        let folder = tempfile::tempdir().unwrap();
        // Two openings are two processes to the lock.
        let totals = [FileStore::open(folder.path()).unwrap(), FileStore::open(folder.path()).unwrap()];
        let mut all: Vec<u64> = thread::scope(|scope| {
            let counting =
                |total| scope.spawn(move || (0..500).map(|_| FileStore::next(total).unwrap()).collect::<Vec<_>>());
            let threads: Vec<_> = totals.iter().cycle().take(6).map(counting).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert_eq!(all, (1..=3000).collect::<Vec<_>>());
        assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), b"00000000000000003000\n");
    }

    #[test]
    fn what_is_no_number_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["x", "\n", "-1", "99999999999999999999", "1 2"] {
            std::fs::write(folder.path().join(NAME), text).unwrap();
            let error = FileStore::open(folder.path()).err().unwrap();
            assert!(error.to_string().contains("something else"), "{error}");
            assert_eq!(std::fs::read_to_string(folder.path().join(NAME)).unwrap(), text);
        }
        std::fs::write(folder.path().join(NAME), "41").unwrap();
        assert_eq!(FileStore::open(folder.path()).unwrap().next(), Ok(42));
    }

    #[test]
    fn a_lock_that_is_never_let_go_of_is_waited_for_in_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let total = FileStore::open(folder.path()).unwrap();
        let other = File::open(folder.path().join(NAME)).unwrap();
        other.lock().unwrap();
        assert!(total.next().unwrap_err().contains("locked"));
        other.unlock().unwrap();
        assert_eq!(total.next(), Ok(1));
    }
}
