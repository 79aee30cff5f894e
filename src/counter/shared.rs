//! The total in a file that all instances on the machine share, so that three of them and a browser need no set-up.
//!
//! The file holds the number in twenty digits and a line feed: it is written over in one go, whoever is killed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::total::{PATIENCE, Total};
use crate::role::check_data_folder;
use crate::sync::lock;

/// The file's name in DATADIR: what the original calls the number in Redis.
const NAME: &str = "total_count";
/// How often a lock is tried that another process has; it has it for some microseconds.
const LOOK: Duration = Duration::from_micros(50);
/// How long the text of a number is.
const DIGITS: usize = 20;

/// The file.
pub struct Shared {
    path: PathBuf,
    /// Locked for the threads of this process, and the file for the other processes.
    file: Mutex<File>,
}

impl Shared {
    /// Opens the file in this folder, or makes it.
    ///
    /// # Errors
    /// When that cannot be, or it holds something else.
    pub fn open(folder: &Path) -> io::Result<Self> {
        check_data_folder(folder)?;
        let path = folder.join(NAME);
        let in_words = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(in_words)?;
        read(&file).map_err(in_words)?;
        Ok(Self { file: Mutex::new(file), path })
    }

    /// With the file locked, for as long as one look and one write take.
    fn with<T>(&self, work: impl FnOnce(&File) -> io::Result<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        let file = lock(&self.file);
        let result = loop {
            match file.try_lock() {
                Ok(()) => break work(&file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => break Err(io::Error::other("another process keeps it locked")),
                Err(TryLockError::Error(error)) => break Err(error),
            }
        };
        // Unlocking a lock that is not held is no error.
        let unlocked = file.unlock();
        result.and_then(|done| unlocked.map(|()| done)).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// The number in the file; an empty one is new.
fn read(file: &File) -> io::Result<u64> {
    let mut text = [0; DIGITS + 2];
    let length = file.read_at(&mut text, 0)?;
    let digits = text[..length].trim_ascii();
    if digits.is_empty() && length == 0 {
        return Ok(0);
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "holds something else than a number"))
}

impl Total for Shared {
    fn next(&self) -> Result<u64, String> {
        self.with(|file| {
            let next = read(file)?.checked_add(1).ok_or_else(|| io::Error::other("the number is at its end"))?;
            file.write_all_at(format!("{next:0DIGITS$}\n").as_bytes(), 0)?;
            Ok(next)
        })
    }

    fn check(&self) -> Result<(), String> {
        self.with(read).map(drop)
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
        let totals = [Shared::open(folder.path()).unwrap(), Shared::open(folder.path()).unwrap()];
        let mut all: Vec<u64> = thread::scope(|scope| {
            let counting =
                |total| scope.spawn(move || (0..500).map(|_| Shared::next(total).unwrap()).collect::<Vec<_>>());
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
            let error = Shared::open(folder.path()).err().unwrap();
            assert!(error.to_string().contains("something else"), "{error}");
            assert_eq!(std::fs::read_to_string(folder.path().join(NAME)).unwrap(), text);
        }
        std::fs::write(folder.path().join(NAME), "41").unwrap();
        assert_eq!(Shared::open(folder.path()).unwrap().next(), Ok(42));
    }

    #[test]
    fn a_lock_that_is_never_let_go_of_is_waited_for_in_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let total = Shared::open(folder.path()).unwrap();
        let other = File::open(folder.path().join(NAME)).unwrap();
        other.lock().unwrap();
        assert!(total.next().unwrap_err().contains("locked"));
        other.unlock().unwrap();
        assert_eq!(total.next(), Ok(1));
    }
}
