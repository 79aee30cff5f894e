//! Files of five sizes, in a folder of our own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::consumer::control::plan::{CLASSES, FILES, Plan};
use crate::consumer::disk::sweep::OwnFolder;
use crate::consumer::fill::{Fill, Round};
use crate::sorting::sort_by_key;

/// Where the odd file of an exact amount is, whatever its size.
const ODD_FOLDER: &str = "d-exact";

/// The files held. What there is of them is asked of the file system each time.
#[derive(Debug)]
pub struct Disk {
    folder: OwnFolder,
    pub(super) content: Mutex<Fill>,
}

impl Disk {
    /// Makes the folder in `parent`, with a folder for each class in it.
    ///
    /// # Errors
    /// When `parent` cannot be written to.
    pub fn create(parent: &Path) -> io::Result<Self> {
        let folder = OwnFolder::create(parent, &FILES.sizes.map(|size| format!("d-{size}")))?;
        Ok(Self { folder, content: Mutex::new(Fill::new(Round::OF_FILES)) })
    }

    /// Makes the class folders that are missing.
    ///
    /// # Errors
    /// When they cannot be made: `NotFound` when our own folder is gone as well.
    pub fn mend(&self) -> io::Result<()> {
        (0..CLASSES).try_for_each(|class| match fs::create_dir(self.class(Some(class))) {
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

    /// Removes the folder and everything in it; `each` is called after each file.
    ///
    /// # Errors
    /// When something cannot be removed, with its path.
    pub fn remove(&self, each: &mut dyn FnMut()) -> io::Result<()> {
        self.folder.remove(each)
    }

    /// The files there are, with their sizes in bytes, in no order.
    ///
    /// # Errors
    /// When a folder cannot be read, with its path.
    pub fn files(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        Ok(self.list_all()?.into_iter().flatten().map(|file| (file.path, file.size)).collect())
    }

    /// Where the files of a class are.
    pub(super) fn class(&self, class: Class) -> PathBuf {
        self.folder.path().join(match class {
            Some(class) => format!("d-{}", FILES.sizes[class]),
            None => String::from(ODD_FOLDER),
        })
    }

    /// The files of each class, by number, and behind them the odd one.
    pub(super) fn list_all(&self) -> io::Result<Vec<Vec<Numbered>>> {
        let mut lists = (0..CLASSES).map(|class| self.list(Some(class))).collect::<io::Result<Vec<_>>>()?;
        // There is a folder for it only once it was needed.
        lists.push(match self.list(None) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            list => list?,
        });
        Ok(lists)
    }

    /// The files of a class, by number.
    fn list(&self, class: Class) -> io::Result<Vec<Numbered>> {
        let folder = self.class(class);
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at)? {
            let entry = entry.map_err(at)?;
            let number = entry.file_name().to_str().and_then(number_of);
            if let Some(number) = number.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                // Files of a class are as large as their class says; asking would cost a call each.
                let size = match class {
                    Some(class) => FILES.sizes[class],
                    None => entry.metadata().map_err(at)?.len(),
                };
                files.push(Numbered { number, path: entry.path(), size, is_cut: false });
            }
        }
        sort_by_key(&mut files, &|file| file.number);
        Ok(files)
    }
}

/// The place of a size in the scheme; `None` is the odd file.
pub(super) type Class = Option<usize>;

/// A file of a class.
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// It is on its way out, and shorter than it was.
    pub(super) is_cut: bool,
}

/// The files of each class, counted.
pub(super) fn counted(lists: &[Vec<Numbered>]) -> Plan {
    let counts = std::array::from_fn(|class| lists[class].len() as u64);
    let odd = lists[CLASSES].iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
    Plan::of_counts(&FILES, counts).with_odd(odd)
}

/// `f-<digits>`; digits that are too many for a number stand behind all others.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("f-")?;
    let sound = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::admission::headroom::Reservation;
    use crate::consumer::control::failure::Failure;
    use crate::consumer::control::id::Id;
    use crate::consumer::control::operation::{Caller, ChangeRequest, Operation, Pace};
    use crate::consumer::control::reconcile::Level;
    use crate::consumer::control::reconcile::Work;
    use crate::kernel::shutdown::Stop;
    use crate::units::quantity::Amount;
    use std::collections::HashSet;
    use std::time::Duration;

    fn disk() -> (tempfile::TempDir, Disk, Stop) {
        let parent = tempfile::tempdir().unwrap();
        let disk = Disk::create(parent.path()).unwrap();
        (parent, disk, Stop::new().unwrap())
    }

    fn adjust(disk: &Disk, plan: &Plan, over: Option<Duration>, stop: &Stop) -> Result<(), Failure> {
        let mut change = ChangeRequest::of(Amount::Exactly(0), Caller::nobody());
        change.pace = over.map(Pace::Over);
        let (operation, level) = (Operation::new(Id(1), &change, 0, 0, None), Level::default());
        let mut work = Work::new(&operation, &level, stop);
        let result = disk.adjust(plan, over.is_some(), &mut Reservation::none(), &mut work);
        assert!(result.is_err() || level.get() == plan.total());
        result
    }

    fn names(disk: &Disk, class: Class) -> Vec<String> {
        let name = |file: &Numbered| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        disk.list(class).unwrap().iter().map(name).collect()
    }

    #[test]
    fn files_follow_the_plan_up_and_down() {
        let (_parent, disk, stop) = disk();
        for bytes in [1, 16 << 20, 3 << 20, 0] {
            for over in [None, Some(Duration::from_millis(30))] {
                for plan in [Plan::new(&FILES, bytes), Plan::exact(&FILES, bytes + 12345, 1)] {
                    adjust(&disk, &plan, over, &stop).unwrap();
                    assert_eq!(disk.held().unwrap(), plan);
                    assert!(
                        disk.files().unwrap().iter().all(|(path, size)| fs::metadata(path).unwrap().len() == *size)
                    );
                }
            }
        }
    }

    #[test]
    fn growing_goes_on_after_the_highest_number_and_shrinking_comes_down_from_it() {
        let (_parent, disk, stop) = disk();
        let size = FILES.sizes[0];
        let set = |count| adjust(&disk, &Plan::new(&FILES, count * size), None, &stop).unwrap();
        set(3);
        fs::remove_file(disk.class(Some(0)).join("f-2")).unwrap();
        fs::rename(disk.class(Some(0)).join("f-3"), disk.class(Some(0)).join("f-10")).unwrap();
        set(4);
        assert_eq!(names(&disk, Some(0)), ["f-1", "f-10", "f-11", "f-12"]);
        set(2);
        assert_eq!(names(&disk, Some(0)), ["f-1", "f-10"]);
    }

    #[test]
    fn only_regular_files_called_f_and_a_number_count() {
        let (_parent, disk, _stop) = disk();
        let folder = disk.class(Some(0));
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
        adjust(&disk, &Plan::new(&FILES, 4 << 20), None, &stop).unwrap();
        let mut pages = HashSet::new();
        for (path, size) in disk.files().unwrap() {
            let bytes = fs::read(path).unwrap();
            assert_eq!(bytes.len() as u64, size);
            assert!(bytes.iter().all(|byte| (32..=126).contains(byte)));
            assert!(bytes.chunks(4096).all(|page| pages.insert(page.to_vec())));
        }
    }

    #[test]
    fn a_removed_folder_is_an_ordinary_failure() {
        let (_parent, disk, stop) = disk();
        fs::remove_dir_all(disk.class(Some(4))).unwrap();
        let failure = adjust(&disk, &Plan::new(&FILES, 1), None, &stop).unwrap_err().to_string();
        assert!(failure.contains("d-134217728") && failure.contains("No such file"), "{failure}");
        assert!(disk.held().is_err());
    }

    #[test]
    fn what_was_removed_is_made_again() {
        let (_parent, disk, stop) = disk();
        fs::remove_dir_all(disk.class(Some(1))).unwrap();
        disk.mend().unwrap();
        adjust(&disk, &Plan::new(&FILES, 20 << 20), None, &stop).unwrap();
        fs::remove_dir_all(disk.path()).unwrap();
        assert_eq!(disk.mend().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn work_that_ends_early_leaves_only_whole_files() {
        let (_parent, disk, stop) = disk();
        let stopper = stop.clone();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| adjust(&disk, &Plan::of_counts(&FILES, [0, 0, 0, 0, 9]), None, &stop));
            while names(&disk, Some(4)).is_empty() && !writer.is_finished() {
                std::thread::yield_now();
            }
            stopper.stop();
            assert!(matches!(writer.join().unwrap(), Err(Failure::Stopped)));
        });
        assert!(disk.files().unwrap().iter().all(|(path, size)| fs::metadata(path).unwrap().len() == *size));
    }
}
