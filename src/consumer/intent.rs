//! What is done past the guard is written down first: it may be the last thing this process does.
//!
//! The note stands in our own folder in DATADIR, beside the marker, and goes when what it speaks of is released. Whoever
//! sweeps the folder of a dead process reads it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use super::datafolder::DataFolder;
use super::order::Order;
use crate::clock::utc_stamp;

/// The note's name. It is no class folder and no data file, so it counts nowhere.
const NAME: &str = ".intent";
/// More than a note has.
const MOST_BYTES: u64 = 2048;

/// Notes that `order` is about to be worked for; or, with `None`, that nothing of that kind is held any more.
pub(super) fn note(folder: &DataFolder, order: Option<&Order>) {
    let Ok(disk) = folder.disk() else { return };
    let path = disk.path().join(NAME);
    let result = match order {
        Some(order) => write(&path, order),
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    };
    // The log has it as well.
    if let Err(error) = result {
        log::warn!("Cannot keep the note {}: {error}", path.display());
    }
}

fn write(path: &Path, order: &Order) -> io::Result<()> {
    let mut file = File::create(path)?;
    let (now, id, planned) = (utc_stamp(SystemTime::now()), order.id, order.planned);
    writeln!(file, "{} ({planned} bytes), request {id}, by {}, at {now}", order.words, order.caller)?;
    file.sync_all()
}

/// The note in the folder of a dead process, if it has one. Only what can be printed is read.
pub(super) fn read(folder: &Path) -> Option<String> {
    let path = folder.join(NAME);
    // A link or a pipe is none of ours.
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let text: String = String::from_utf8_lossy(&bytes).trim().chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}
