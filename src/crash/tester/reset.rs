//! A run folder is cleared: what runs there is ended, by the pids that were kept, and what a run makes is removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::crash::folder::RunFolder;
use crate::kernel::Kernel;
use crate::kernel::child::ProcessId;
use crate::sorting::sort_by;

/// How long a process may take to end after SIGKILL.
const KERNEL: Duration = Duration::from_secs(10);

/// Has a run folder for oneself, for as long as this is there.
#[derive(Debug)]
pub struct FolderGuard(#[expect(dead_code, reason = "the lock ends with it")] File);

/// Makes a run folder, and has it for oneself.
///
/// # Errors
/// When it cannot be made, or another tester has it.
pub fn take(folder: &RunFolder) -> io::Result<FolderGuard> {
    let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.path().display()));
    fs::create_dir_all(folder.path()).map_err(at)?;
    let directory = File::open(folder.path()).map_err(at)?;
    match directory.try_lock() {
        Ok(()) => Ok(FolderGuard(directory)),
        Err(TryLockError::WouldBlock) => Err(at(io::Error::other("another tester works in it"))),
        Err(TryLockError::Error(error)) => Err(at(error)),
    }
}

/// Remembers a process that was started by hand.
///
/// # Errors
/// When it cannot be written down.
pub fn remember(folder: &RunFolder, name: &str, pid: u32) -> io::Result<()> {
    let Some(id) = ProcessId::of(&Kernel::default(), pid) else {
        return Err(io::Error::other(format!("{name} ended at once")));
    };
    fs::create_dir_all(folder.running())?;
    let mut file = File::create(folder.running().join(format!("{name}.pid")))?;
    writeln!(file, "{} {}", id.pid, id.start_time)
}

/// The process of this name that was started by hand, if it is still there.
pub fn recall(folder: &RunFolder, name: &str) -> Option<ProcessId> {
    let text = fs::read_to_string(folder.running().join(format!("{name}.pid"))).ok()?;
    let (pid, start_time) = text.trim().split_once(' ')?;
    let id = ProcessId { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? };
    id.state(&Kernel::default()).filter(|state| !state.is_ended()).map(|_| id)
}

/// The names of all that were started by hand.
pub fn remembered(folder: &RunFolder) -> Vec<String> {
    let entries = fs::read_dir(folder.running()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".pid").map(str::to_owned)).collect();
    sort_by(&mut names, &Ord::cmp);
    names
}

/// Sends a signal, and waits for the end of the process.
///
/// # Errors
/// When it does not end in time.
pub fn end(process: ProcessId, signal: Signal, patience: Duration) -> io::Result<()> {
    let kernel = Kernel::default();
    process.signal(&kernel, signal)?;
    let deadline = Instant::now() + patience;
    while process.state(&kernel).is_some_and(|state| !state.is_ended()) {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("pid {} does not end", process.pid)));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Ends what was started by hand, and removes what a run makes; what else is in the folder stays.
///
/// # Errors
/// When a process does not end, or a file cannot be removed.
pub fn reset(folder: &RunFolder) -> io::Result<()> {
    for name in remembered(folder) {
        if let Some(process) = recall(folder, &name) {
            end(process, Signal::KILL, KERNEL)?;
        }
    }
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(is_ours) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a run makes files of this name.
fn is_ours(name: &str) -> bool {
    let begins = ["input-file.", "worker.", "sender.out."];
    ["options", "sink-out", "stream", "run", "redis", "events.jsonl", "res"].contains(&name)
        || begins.iter().any(|begin| name.starts_with(begin))
}

/// Removes the inputs.
///
/// # Errors
/// When one cannot be removed.
pub fn remove_inputs(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("input-file.")) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
