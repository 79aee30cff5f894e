//! Logs of processes: bounded, and of those that were killed the last few kept, compressed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::crash::gzip::compress;
use crate::crash::tester::world::RunWorld;
use crate::sorting::sort_by;

/// How many old logs are kept of each process.
const LOGS: usize = 5;
/// The longest log, in bytes. One that is longer becomes an old one while its process goes on.
const LOG_BYTES: usize = 8 << 20;

/// Keeps the log of a process that was killed, compressed, and removes all but the last few.
pub fn keep(world: &RunWorld, name: &str) {
    let Some(log) = world.processes.log(name) else { return };
    if let Err(error) = compress(&log, &kept(&log), LOG_BYTES).and_then(|()| fs::remove_file(&log)) {
        // A full disk costs a log, not the run.
        world.events.add("log lost", name, &error.to_string());
    }
    remove_old(&log);
}

/// Keeps logs that have become too long, and has their processes begin new ones.
pub fn bound(world: &RunWorld) {
    for name in world.processes.names() {
        let Some(log) = world.processes.log(&name) else { continue };
        if fs::metadata(&log).is_ok_and(|file| file.len() > LOG_BYTES as u64) {
            world.events.add("log cut", &name, "it was longer than 8 MiB");
            let _ = compress(&log, &kept(&log), LOG_BYTES);
            // Whoever writes appends, so what comes next is at the beginning.
            let _ = File::options().write(true).open(&log).and_then(|file| file.set_len(0));
            remove_old(&log);
        }
    }
}

/// Where an old log goes: `worker.1.1732837000.gz`, by the second since the epoch.
fn kept(log: &Path) -> PathBuf {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut path = log.to_owned().into_os_string();
    path.push(format!(".{}.gz", since.as_secs()));
    path.into()
}

fn remove_old(log: &Path) {
    let name = log.file_name().map(|name| format!("{}.", name.display())).unwrap_or_default();
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_old = |path: &Path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let time = file.strip_prefix(&name).and_then(|rest| rest.strip_suffix(".gz"));
        time.is_some_and(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let mut old: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_old(path)).collect();
    sort_by(&mut old, &|one, other| one.cmp(other));
    for path in old.iter().rev().skip(LOGS) {
        let _: io::Result<()> = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_old_logs_the_last_few_of_each_process_stay() {
        let folder = tempfile::tempdir().unwrap();
        for time in 1..=7 {
            for name in ["db.1", "db.11", "db.1.x"] {
                fs::write(folder.path().join(format!("{name}.100{time}.gz")), "").unwrap();
            }
        }
        remove_old(&folder.path().join("db.1"));
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("db.1.1"))
            .collect();
        left.sort();
        assert_eq!(left, (3..=7).map(|time| format!("db.1.100{time}.gz")).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5 + 14);
    }
}
