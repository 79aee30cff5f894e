//! The folder our files live in: made whole or not at all, recognisable, and gone when we are.
//!
//! In it stands a marker file that its owner holds locked (flock) for as long as it lives. A folder whose marker
//! nobody holds has no living owner: SIGKILL or the OOM killer took it, and the next testero sweeps the folder.
//!
//! A folder is made under a temporary name, with its marker locked, and renamed then, so that a sweeper meets only
//! whole ones. Temporary names are swept alike; whoever makes one and finds it swept away makes another.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::kernel::filesystem::{self, FileSystemKind};
use crate::kernel::sys::host_name;
use crate::kernel::sys::rename_new;

/// What the names of notes begin with that a dead process may leave. They are no class folders and no data files, so they
/// count nowhere.
pub(in crate::consumer) const NOTE_PREFIX: &str = ".intent-";
/// More than a note has.
const MOST_BYTES: u64 = 2048;
/// More notes than there are groups.
const MOST_NOTES: usize = 16;
/// The marker's name. It is no class folder and no data file, so it counts nowhere.
const MARKER: &str = ".testero";
/// The first line of a marker.
const MAGIC: &str = "testero data folder, version 1";
/// What temporary names begin with.
const STAGING: &str = ".testero-";
/// Letters of a folder's name.
const NAME_LETTERS: usize = 7;
/// How often a folder is tried to be made: each try can lose against a sweeper, or meet a name that exists.
const TRIES: usize = 16;

/// A folder of our own in the data folder, with a folder for each class in it.
#[derive(Debug)]
pub struct OwnFolder {
    path: PathBuf,
    /// Held locked until the process ends.
    _marker: File,
}

impl OwnFolder {
    /// Makes a folder in `parent`, and in it the folders `classes`.
    ///
    /// # Errors
    /// When `parent` is not there or cannot be written to.
    pub fn create(parent: &Path, classes: &[String]) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..TRIES {
            match Self::try_create(parent, classes) {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::WouldBlock) => {
                    last = error;
                }
                // Swept away under our hands, unless it is the parent that is not there.
                Err(error) if error.kind() == io::ErrorKind::NotFound && parent.is_dir() => last = error,
                result => return result,
            }
        }
        Err(last)
    }

    fn try_create(parent: &Path, classes: &[String]) -> io::Result<Self> {
        let staging = tempfile::Builder::new().prefix(STAGING).rand_bytes(6).tempdir_in(parent)?;
        let marker = make_marker(&staging.path().join(MARKER))?;
        for class in classes {
            fs::create_dir(staging.path().join(class))?;
        }
        let path = parent.join(random_name());
        rename_new(staging.path(), &path)?;
        // From here on the folder has our name and our marker; removing it is our business, not the temporary one's.
        let _ = staging.keep();
        Ok(Self { path, _marker: marker })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder and everything in it, the marker last. `each` is called after each file.
    ///
    /// # Errors
    /// When something cannot be removed: the first such thing, with its path. Everything else is gone all the same.
    pub fn remove(&self, each: &mut dyn FnMut()) -> io::Result<()> {
        remove_marked(&self.path, each)
    }
}

/// Creates and locks a marker that nobody else has.
fn make_marker(path: &Path) -> io::Result<File> {
    let mut marker = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    match marker.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // A sweeper may have come between the two calls above: then the file is gone by now.
    if !is_still(path, &marker)? {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (host, pid) = (host_name(), std::process::id());
    write!(marker, "{MAGIC}\nhost {host}\npid {pid}\nIts owner holds this file locked and removes the folder.\n")?;
    Ok(marker)
}

/// Whether `path` is still the name of `file`.
fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(filesystem::is_same_file(&there, &ours)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn random_name() -> String {
    let mut random = RandomState::new().hash_one(());
    let mut letter = || {
        let letter = b'a' + (random % 26) as u8;
        random /= 26;
        char::from(letter)
    };
    (0..NAME_LETTERS).map(|_| letter()).collect()
}

/// Removes the folders in `parent` that carry our marker and have no living owner; touches nothing else. Returns what
/// their owners had noted they were about to do.
///
/// On a network file system a lock may say nothing about other machines, so only markers that name this one count.
pub fn sweep(parent: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    let shared = filesystem::kind(parent).is_ok_and(|kind| kind == FileSystemKind::Network);
    let Ok(entries) = fs::read_dir(parent) else { return notes };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let staging = name.strip_prefix(STAGING).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        let named = name.len() == NAME_LETTERS && name.bytes().all(|b| b.is_ascii_lowercase());
        if !(staging || named) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        match sweep_one(&path, staging, shared, &mut notes) {
            Ok(true) => log::info!("Removed {}, which a testero that was killed had left behind", path.display()),
            Ok(false) => {}
            Err(error) => log::warn!("Cannot remove {}, left behind by a killed testero: {error}", path.display()),
        }
    }
    notes
}

/// Removes one folder if it is ours and has no owner; says whether it did.
fn sweep_one(path: &Path, staging: bool, shared: bool, notes: &mut Vec<String>) -> io::Result<bool> {
    let marker_path = path.join(MARKER);
    // Opened for writing, because NFS locks exclusively only what is.
    let opened =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&marker_path);
    let mut marker = match opened {
        Ok(marker) => marker,
        // A temporary folder without a marker: its owner died, or is about to make one and will make another folder.
        Err(error) if staging && error.kind() == io::ErrorKind::NotFound => return Ok(fs::remove_dir(path).is_ok()),
        // Not ours to judge.
        Err(_) => return Ok(false),
    };
    if !marker.metadata()?.is_file() || marker.try_lock().is_err() {
        return Ok(false);
    }
    let mut text = String::new();
    if Read::take(&mut marker, 4096).read_to_string(&mut text).is_err() {
        return Ok(false);
    }
    let mut lines = text.lines();
    let ours = lines.next() == Some(MAGIC) || (staging && text.is_empty());
    let here = lines.next().and_then(|line| line.strip_prefix("host ")) == Some(host_name().as_str());
    if !ours || (shared && !here) || !is_still(&marker_path, &marker)? {
        return Ok(false);
    }
    notes.append(&mut read_notes(path));
    remove_marked(path, &mut || ())?;
    Ok(true)
}

/// Removes everything in a marked folder, then the marker, then the folder: cut short at any point, what is left is
/// still marked. What is gone already is no error.
fn remove_marked(path: &Path, each: &mut dyn FnMut()) -> io::Result<()> {
    let mut trouble = Ok(());
    remove_inside(path, true, each, &mut trouble);
    trouble?;
    gone(fs::remove_file(path.join(MARKER)), &path.join(MARKER))?;
    gone(fs::remove_dir(path), path)
}

/// Removes what is in a folder and goes on past what cannot be removed; the first trouble is kept.
fn remove_inside(folder: &Path, spare_marker: bool, each: &mut dyn FnMut(), trouble: &mut io::Result<()>) {
    let mut note = |result: io::Result<()>| {
        if trouble.is_ok() {
            *trouble = result;
        }
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return note(gone(Err(error), folder)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if spare_marker && entry.file_name() == MARKER => {}
            Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => folders.push(entry.path()),
            Ok(entry) => {
                note(gone(fs::remove_file(entry.path()), &entry.path()));
                each();
            }
            Err(error) => note(Err(error)),
        }
    }
    for inner in folders {
        remove_inside(&inner, false, each, trouble);
        let result = gone(fs::remove_dir(&inner), &inner);
        if trouble.is_ok() {
            *trouble = result;
        }
    }
}

/// The result of removing `path`: being gone already is as good, and an error says where.
fn gone(result: io::Result<()>, path: &Path) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        Ok(()) => Ok(()),
    }
}

/// The notes in the folder of a dead process. Only what can be printed is read.
fn read_notes(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(NOTE_PREFIX));
    // A link or a pipe is none of ours.
    let files = ours.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.take(MOST_NOTES).filter_map(|entry| read_one(&entry.path())).collect()
}

fn read_one(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let text: String = String::from_utf8_lossy(&bytes).trim().chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_made_whole_and_removed_whole() {
        let parent = tempfile::tempdir().unwrap();
        let folder = OwnFolder::create(parent.path(), &["d-1".into(), "d-2".into()]).unwrap();
        let found = names(parent.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].len() == 7 && found[0].bytes().all(|b| b.is_ascii_lowercase()));
        assert_eq!(names(folder.path()), [MARKER, "d-1", "d-2"]);
        fs::write(folder.path().join("d-1/f-1"), "x").unwrap();
        fs::create_dir(folder.path().join("stranger")).unwrap();
        fs::write(folder.path().join("stranger/x"), "x").unwrap();
        let mut removed = 0;
        folder.remove(&mut || removed += 1).unwrap();
        assert_eq!((names(parent.path()).len(), removed), (0, 2));
    }

    #[test]
    fn a_living_owner_is_left_alone_and_a_dead_one_swept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = OwnFolder::create(parent.path(), &["d-1".into()]).unwrap();
        fs::write(folder.path().join("d-1/f-1"), "x").unwrap();
        sweep(parent.path());
        assert_eq!(names(parent.path()).len(), 1, "its owner lives");
        drop(folder);
        sweep(parent.path());
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn stale_temporary_folders_are_swept_at_each_stage_of_their_making() {
        let parent = tempfile::tempdir().unwrap();
        let stage = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        stage(".testero-aaaaaa");
        fs::write(stage(".testero-bbbbbb").join(MARKER), "").unwrap();
        let whole = stage(".testero-cccccc");
        drop(make_marker(&whole.join(MARKER)).unwrap());
        fs::create_dir(whole.join("d-1")).unwrap();
        let living = stage(".testero-dddddd");
        let _held = make_marker(&living.join(MARKER)).unwrap();
        sweep(parent.path());
        assert_eq!(names(parent.path()), [".testero-dddddd"]);
    }

    #[test]
    fn nothing_else_is_touched() {
        let parent = tempfile::tempdir().unwrap();
        let mine = |name: &str, marker: Option<&str>| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("precious"), "x").unwrap();
            if let Some(text) = marker {
                fs::write(path.join(MARKER), text).unwrap();
            }
        };
        mine("abcdefg", None);
        mine("bbcdefg", Some("somebody else's\n"));
        mine("cbcdefg", Some(""));
        mine("Abcdefg", Some(&format!("{MAGIC}\n")));
        mine("abcdefgh", Some(&format!("{MAGIC}\n")));
        mine(".testero-x", None);
        mine(".testero-a.b", Some(&format!("{MAGIC}\n")));
        fs::write(parent.path().join("hijklmn"), "a file").unwrap();
        std::os::unix::fs::symlink(parent.path().join("abcdefgh"), parent.path().join("linklin")).unwrap();
        let before = names(parent.path());
        sweep(parent.path());
        assert_eq!(names(parent.path()), before);
        for name in &before {
            let path = parent.path().join(name);
            assert!(!path.is_dir() || path.join("precious").exists(), "{name}");
        }
    }

    #[test]
    fn a_marker_of_another_host_counts_only_where_locks_reach() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("abcdefg");
        fs::create_dir(&path).unwrap();
        fs::write(path.join(MARKER), format!("{MAGIC}\nhost elsewhere\n")).unwrap();
        assert!(!sweep_one(&path, false, true, &mut Vec::new()).unwrap());
        assert!(sweep_one(&path, false, false, &mut Vec::new()).unwrap());
    }

    #[test]
    fn makers_and_sweepers_at_once_harm_nobody() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let sweepers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| (0..300).for_each(|_| drop(sweep(parent.path()))))).collect();
            let makers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..50 {
                            let folder = OwnFolder::create(parent.path(), &["d-1".into()]).unwrap();
                            assert!(folder.path().join("d-1").is_dir() && folder.path().join(MARKER).is_file());
                            folder.remove(&mut || ()).unwrap();
                        }
                    })
                })
                .collect();
            makers.into_iter().for_each(|maker| maker.join().unwrap());
            sweepers.into_iter().for_each(|sweeper| sweeper.join().unwrap());
        });
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn a_parent_that_is_not_there_is_an_error() {
        let error = OwnFolder::create(Path::new("/does/not/exist"), &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
