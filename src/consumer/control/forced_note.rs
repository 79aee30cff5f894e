//! What is done past admission is written down first: it may be the last thing this process does.
//!
//! The note stands in our own folder in DATADIR, beside the marker, and goes when what it speaks of is released. Whoever
//! sweeps the folder of a dead process reads it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crate::consumer::control::operation::Operation;
use crate::consumer::disk::sweep::NOTE_PREFIX;
use crate::consumer::disk::workdir::Workdir;
use crate::kernel::Kernel;
use crate::kernel::clock::utc_stamp;
use crate::kernel::container::oom_kills;

/// What the second line of a note begins with, before the number of the cgroup and what it had counted. When notes are
/// read, lines are put together; the line before ends with a time.
const KILLS: &str = "; oom_kills of cgroup ";
/// Keeps the note of a group.
pub(in crate::consumer) struct ForcedNote {
    folder: Arc<Workdir>,
    kernel: Kernel,
    group: &'static str,
    /// Whether there is one.
    noted: AtomicBool,
}

impl ForcedNote {
    pub(in crate::consumer) fn new(folder: Arc<Workdir>, kernel: Kernel, group: &'static str) -> Self {
        Self { folder, kernel, group, noted: AtomicBool::new(false) }
    }

    /// Notes that `operation` is about to be worked for; or, with `None`, that nothing of that kind is held any more. The
    /// note outlives the process at once, and the machine after [`ForcedNote::sync`].
    pub(in crate::consumer) fn note(&self, operation: Option<&Operation>) {
        let before = self.noted.swap(operation.is_some(), Ordering::AcqRel);
        let Some(path) = self.path() else { return };
        let result = match operation {
            Some(operation) => write(&path, operation, &self.kernel),
            None if before => fs::remove_file(&path),
            None => return,
        };
        // The log has it as well.
        if let Err(error) = result {
            log::warn!("Cannot keep the note {}: {error}", path.display());
        }
    }

    /// Syncs the note to the disk. A slow disk takes seconds for that, so the worker does it, and no client waits.
    pub(in crate::consumer) fn sync(&self) {
        if let Some(Ok(note)) = self.path().map(File::open) {
            // It failed to be written if it is not there; that was told.
            let _ = note.sync_all();
        }
    }

    fn path(&self) -> Option<PathBuf> {
        Some(self.folder.disk().ok()?.path().join(format!("{NOTE_PREFIX}{}", self.group)))
    }
}

/// A line on what is about to be done, and one on how many OOM kills there had been before, where that can be told.
fn write(path: &Path, operation: &Operation, kernel: &Kernel) -> io::Result<()> {
    let (now, id, planned) = (utc_stamp(SystemTime::now()), operation.id, operation.planned);
    let mut note = format!("{} ({planned} in all), request {id}, by {}, at {now}\n", operation.words, operation.caller);
    if let Some((cgroup, kills)) = oom_kills(kernel) {
        note += &format!("{KILLS}{cgroup} {kills}\n");
    }
    // In one go: who dies in between leaves a note without words.
    File::create(path)?.write_all(note.as_bytes())
}

/// A note as it is told: with whether it was the OOM killer that ended the process, where its cgroup is still ours.
pub(in crate::consumer) fn told(note: &str, kernel: &Kernel) -> String {
    let Some((what, kills)) = note.split_once(KILLS) else { return note.to_owned() };
    let kills_since = || {
        let (there, before) = kills.split_once(' ')?;
        let (here, now) = oom_kills(kernel)?;
        (there.parse() == Ok(here)).then_some(now > before.parse().ok()?)
    };
    match kills_since() {
        Some(true) => format!("{what}: it was killed by the OOM killer"),
        Some(false) => format!("{what}: it was killed, but not by the OOM killer"),
        None => what.to_owned(),
    }
}
