//! What is done past the guard is written down first: it may be the last thing this process does.
//!
//! The note stands in our own folder in DATADIR, beside the marker, and goes when what it speaks of is released. Whoever
//! sweeps the folder of a dead process reads it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::datafolder::DataFolder;
use super::order::Order;
use crate::clock::utc_stamp;

/// What the notes' names begin with. They are no class folders and no data files, so they count nowhere.
const PREFIX: &str = ".intent-";
/// More than a note has.
const MOST_BYTES: u64 = 2048;
/// More notes than there are groups.
const MOST_NOTES: usize = 16;

/// Keeps the note of a group.
pub(super) struct Intent {
    folder: Arc<DataFolder>,
    group: &'static str,
    /// Whether there is one.
    noted: AtomicBool,
}

impl Intent {
    pub(super) fn new(folder: Arc<DataFolder>, group: &'static str) -> Self {
        Self { folder, group, noted: AtomicBool::new(false) }
    }

    /// Notes that `order` is about to be worked for; or, with `None`, that nothing of that kind is held any more. The
    /// note outlives the process at once, and the machine after [`Intent::sync`].
    pub(super) fn note(&self, order: Option<&Order>) {
        let before = self.noted.swap(order.is_some(), Ordering::AcqRel);
        let Some(path) = self.path() else { return };
        let result = match order {
            Some(order) => write(&path, order),
            None if before => fs::remove_file(&path),
            None => return,
        };
        // The log has it as well.
        if let Err(error) = result {
            log::warn!("Cannot keep the note {}: {error}", path.display());
        }
    }

    /// Syncs the note to the disk. A slow disk takes seconds for that, so the worker does it, and no client waits.
    pub(super) fn sync(&self) {
        if let Some(Ok(note)) = self.path().map(File::open) {
            // It failed to be written if it is not there; that was told.
            let _ = note.sync_all();
        }
    }

    fn path(&self) -> Option<PathBuf> {
        Some(self.folder.disk().ok()?.path().join(format!("{PREFIX}{}", self.group)))
    }
}

fn write(path: &Path, order: &Order) -> io::Result<()> {
    let mut file = File::create(path)?;
    let (now, id, planned) = (utc_stamp(SystemTime::now()), order.id, order.planned);
    writeln!(file, "{} ({planned} in all), request {id}, by {}, at {now}", order.words, order.caller)
}

/// The notes in the folder of a dead process. Only what can be printed is read.
pub(super) fn read(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
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
