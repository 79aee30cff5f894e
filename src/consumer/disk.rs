//! Files of five sizes, in a folder of our own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::calls::close;
use super::content::Content;
use super::failure::Failure;
use super::folder::Folder;
use super::guard::Promise;
use super::plan::{CLASSES, FILES, Plan};
use crate::shutdown::Stop;
use crate::sync::lock;

/// How much is written at a time.
const BUFFER: usize = 1 << 20;

/// The files held. What there is of them is asked of the file system each time.
#[derive(Debug)]
pub struct Disk {
    folder: Folder,
    content: Mutex<Content>,
}

impl Disk {
    /// Makes the folder in `parent`, with a folder for each class in it.
    ///
    /// # Errors
    /// When `parent` cannot be written to.
    pub fn create(parent: &Path) -> io::Result<Self> {
        let folder = Folder::create(parent, &FILES.sizes.map(|size| format!("d-{size}")))?;
        Ok(Self { folder, content: Mutex::default() })
    }

    /// Makes the class folders that are missing.
    ///
    /// # Errors
    /// When they cannot be made: `NotFound` when our own folder is gone as well.
    pub fn mend(&self) -> io::Result<()> {
        FILES.sizes.into_iter().try_for_each(|size| match fs::create_dir(self.class(size)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        })
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Counts the files there are.
    ///
    /// # Errors
    /// When a folder cannot be read, with its path.
    pub fn held(&self) -> io::Result<Plan> {
        self.list_all().map(|lists| counted(&lists))
    }

    /// Makes the files there are equal to `plan`: removes first, so that never more is held than before or after.
    ///
    /// # Errors
    /// When the kernel refuses or the service stops; what was done stays done, and no half-written file stays.
    pub fn adjust(&self, plan: &Plan, promise: &mut Promise, stop: &Stop) -> Result<(), Failure> {
        let mut lists = self.list_all().map_err(Failure::of("reading the folders"))?;
        promise.keep_back(plan.exchanged(&counted(&lists)));
        for ((_, wanted), files) in plan.parts().zip(&mut lists) {
            let kept = files.len().min(wanted as usize);
            for file in files.drain(kept..).rev() {
                if stop.is_set() {
                    return Err(Failure::Stopped);
                }
                match fs::remove_file(&file.path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => result.map_err(Failure::of(format!("removing {}", file.path.display())))?,
                }
            }
        }
        let mut content = lock(&self.content);
        let mut buffer = Vec::new();
        for ((size, wanted), files) in plan.parts().zip(&lists) {
            let missing = wanted.saturating_sub(files.len() as u64);
            let highest = files.last().map_or(0, |file| file.number);
            if missing > 0 {
                buffer.resize(BUFFER, 0);
            }
            for next in 1..=missing {
                let number = highest.checked_add(next).ok_or_else(|| {
                    let full = io::Error::other("there is a file with the highest number there is");
                    Failure::of(format!("numbering a file in {}", self.class(size).display()))(full)
                })?;
                let path = self.class(size).join(format!("f-{number}"));
                write_file(&path, size, &mut buffer, &mut content, stop)?;
                promise.kept(size);
            }
        }
        Ok(())
    }

    /// Removes the folder and everything in it; `each` is called after each file.
    ///
    /// # Errors
    /// When something cannot be removed, with its path.
    pub fn remove(&self, each: &mut dyn FnMut()) -> io::Result<()> {
        self.folder.remove(each)
    }

    fn class(&self, size: u64) -> PathBuf {
        self.folder.path().join(format!("d-{size}"))
    }

    /// The files of each class, by number.
    fn list_all(&self) -> io::Result<Vec<Vec<Numbered>>> {
        FILES.sizes.into_iter().map(|size| self.list(size)).collect()
    }

    /// The files of a class, by number.
    fn list(&self, size: u64) -> io::Result<Vec<Numbered>> {
        let folder = self.class(size);
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at)? {
            let entry = entry.map_err(at)?;
            let number = entry.file_name().to_str().and_then(number_of);
            if let Some(number) = number.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                files.push(Numbered { number, path: entry.path() });
            }
        }
        files.sort_unstable_by(|a, b| (a.number, &a.path).cmp(&(b.number, &b.path)));
        Ok(files)
    }
}

/// A file of a class.
struct Numbered {
    number: u64,
    path: PathBuf,
}

/// The files of each class, counted.
fn counted(lists: &[Vec<Numbered>]) -> Plan {
    let mut counts = [0; CLASSES];
    for (count, files) in counts.iter_mut().zip(lists) {
        *count = files.len() as u64;
    }
    Plan::of_counts(&FILES, counts)
}

/// `f-<digits>`; digits that are too many for a number stand behind all others.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("f-")?;
    let sound = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Writes a new file of `size` bytes; if it cannot be written to its end, it is removed.
fn write_file(path: &Path, size: u64, buffer: &mut [u8], content: &mut Content, stop: &Stop) -> Result<(), Failure> {
    let refused = |verb: &str| Failure::of(format!("{verb} {}", path.display()));
    if stop.is_set() {
        return Err(Failure::Stopped);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(refused("creating"))?;
    let mut write = || {
        let mut left = size;
        while left > 0 {
            if stop.is_set() {
                return Err(Failure::Stopped);
            }
            let piece = &mut buffer[..usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER)];
            content.fill(piece);
            file.write_all(piece).map_err(refused("writing"))?;
            left -= piece.len() as u64;
        }
        Ok(())
    };
    let written = write().and_then(|()| close(file).map_err(refused("closing")));
    if written.is_err() {
        // What matters to the user is why it could not be written; that it is gone already is fine.
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn disk() -> (tempfile::TempDir, Disk, Stop) {
        let parent = tempfile::tempdir().unwrap();
        let disk = Disk::create(parent.path()).unwrap();
        (parent, disk, Stop::new().unwrap())
    }

    fn names(disk: &Disk, size: u64) -> Vec<String> {
        let name = |file: &Numbered| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        disk.list(size).unwrap().iter().map(name).collect()
    }

    #[test]
    fn files_follow_the_plan_up_and_down() {
        let (_parent, disk, stop) = disk();
        for bytes in [1, 16 << 20, 3 << 20, 0] {
            let plan = Plan::new(&FILES, bytes);
            disk.adjust(&plan, &mut Promise::none(), &stop).unwrap();
            assert_eq!(disk.held().unwrap(), plan);
        }
    }

    #[test]
    fn growing_goes_on_after_the_highest_number_and_shrinking_comes_down_from_it() {
        let (_parent, disk, stop) = disk();
        let size = FILES.sizes[0];
        let set = |count| disk.adjust(&Plan::new(&FILES, count * size), &mut Promise::none(), &stop).unwrap();
        set(3);
        fs::remove_file(disk.class(size).join("f-2")).unwrap();
        fs::rename(disk.class(size).join("f-3"), disk.class(size).join("f-10")).unwrap();
        set(4);
        assert_eq!(names(&disk, size), ["f-1", "f-10", "f-11", "f-12"]);
        set(2);
        assert_eq!(names(&disk, size), ["f-1", "f-10"]);
    }

    #[test]
    fn only_regular_files_called_f_and_a_number_count() {
        let (_parent, disk, _stop) = disk();
        let folder = disk.class(FILES.sizes[0]);
        for name in ["f-", "f-1x", "f--1", "F-1", "x-1", "f-+1", "1"] {
            fs::write(folder.join(name), "").unwrap();
        }
        fs::create_dir(folder.join("f-5")).unwrap();
        std::os::unix::fs::symlink("f-1x", folder.join("f-6")).unwrap();
        assert_eq!(disk.held().unwrap().total(), 0);
        for name in ["f-0", "f-007", "f-99999999999999999999999"] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(disk.held().unwrap().counts[0], 3);
    }

    #[test]
    fn content_is_printable_and_no_two_pages_are_alike() {
        let (_parent, disk, stop) = disk();
        disk.adjust(&Plan::new(&FILES, 4 << 20), &mut Promise::none(), &stop).unwrap();
        let mut pages = HashSet::new();
        for size in FILES.sizes {
            for file in disk.list(size).unwrap() {
                let bytes = fs::read(file.path).unwrap();
                assert_eq!(bytes.len() as u64, size);
                assert!(bytes.iter().all(|byte| (32..=126).contains(byte)));
                assert!(bytes.chunks(4096).all(|page| pages.insert(page.to_vec())));
            }
        }
    }

    #[test]
    fn a_removed_folder_is_an_ordinary_failure() {
        let (_parent, disk, stop) = disk();
        fs::remove_dir_all(disk.class(FILES.sizes[4])).unwrap();
        let failure = disk.adjust(&Plan::new(&FILES, 1), &mut Promise::none(), &stop).unwrap_err().to_string();
        assert!(failure.contains("d-134217728") && failure.contains("No such file"), "{failure}");
        assert!(disk.held().is_err());
    }

    #[test]
    fn what_was_removed_is_made_again() {
        let (_parent, disk, stop) = disk();
        fs::remove_dir_all(disk.class(FILES.sizes[1])).unwrap();
        disk.mend().unwrap();
        disk.adjust(&Plan::new(&FILES, 20 << 20), &mut Promise::none(), &stop).unwrap();
        fs::remove_dir_all(disk.path()).unwrap();
        assert_eq!(disk.mend().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_stop_leaves_no_half_written_file() {
        let (_parent, disk, stop) = disk();
        let path = disk.class(FILES.sizes[4]).join("f-1");
        let mut buffer = vec![0; BUFFER];
        let stopper = stop.clone();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut content = Content::new();
                (0..).find_map(|_| {
                    let written = write_file(&path, FILES.sizes[4], &mut buffer, &mut content, &stop);
                    let _ = fs::remove_file(&path);
                    written.err()
                })
            });
            while !path.exists() && !writer.is_finished() {
                std::thread::yield_now();
            }
            stopper.stop();
            assert!(matches!(writer.join().unwrap(), Some(Failure::Stopped)));
        });
        assert!(!path.exists());
    }
}
