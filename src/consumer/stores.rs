//! The two stores a group can have, memory and files, each with its limits.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use super::failure::Failure;
use super::group::Store;
use super::guard::{Guard, MemoryLimit, Outlook, Promise, affordable};
use super::memory::Memory;
use super::plan::{CLASSES, FILES, MEMORY, Plan, Scheme};
use crate::limits::filesystem::{self, Kind};
use crate::limits::rlimit;
use crate::shutdown::Stop;
use crate::sync::lock;

/// Memory, below its limit and under the guard.
pub struct MemoryStore {
    memory: Memory,
    guard: Guard,
    limit: MemoryLimit,
}

impl MemoryStore {
    /// Memory, limited by the user or by what is free now.
    pub fn new(guard: Guard, fixed: Option<u64>) -> Self {
        let limit = MemoryLimit::new(guard.clone(), fixed);
        Self { memory: Memory::new(), guard, limit }
    }
}

/// What memory learns from the kernel: what is left, and the limit that follows.
pub struct MemoryOutlook {
    outlook: Outlook,
    limit: u64,
}

impl Store for MemoryStore {
    const WORK: &'static str = "CreateParts()";
    const SCHEME: &'static Scheme = &MEMORY;
    type Outlook = MemoryOutlook;

    fn held(&self) -> Result<Plan, String> {
        Ok(self.memory.held())
    }

    fn look(&self, held: &Plan) -> Result<MemoryOutlook, String> {
        let outlook = self.guard.look();
        let limit = self.limit.get(&outlook, held);
        Ok(MemoryOutlook { outlook, limit })
    }

    fn limit(&self, outlook: &MemoryOutlook) -> u64 {
        outlook.limit
    }

    fn admit(&self, outlook: &MemoryOutlook, held: &Plan, plan: &Plan) -> Result<Promise, u64> {
        let growth = plan.total().saturating_sub(held.total());
        if self.limit.is_fixed() {
            return Ok(Promise::none());
        }
        self.guard.admit(&outlook.outlook, growth).map_err(|room| held.total().saturating_add(room))
    }

    fn promise_nothing(&self) -> Promise {
        if self.limit.is_fixed() { Promise::none() } else { self.guard.promise_nothing() }
    }

    fn adjust(&self, plan: &Plan, promise: &mut Promise, stop: &Stop) -> Result<(), Failure> {
        self.memory.adjust(plan, promise, stop)
    }
}

/// Files, below their limit, in the room their file system has.
pub struct DiskStore {
    /// Where the folder is made.
    parent: PathBuf,
    /// The folder, or why there is none: then every request is told so, and tries again.
    disk: Mutex<Result<Arc<Disk>, String>>,
    limit: u64,
    /// Set by the user, who means it.
    limit_is_fixed: bool,
    /// Where files are memory, the guard watches over them too, unless the user set a memory limit and means it.
    guard: Option<Guard>,
}

impl DiskStore {
    /// Files in a new folder in `parent`, limited by the user or by what the file system has now.
    pub fn new(parent: &Path, fixed: Option<u64>, guard: &Guard, memory_is_fixed: bool) -> Self {
        let disk = create(parent);
        if let Err(reason) = &disk {
            log::error!("No files can be written, memory and CPU work all the same: {reason}");
        }
        let in_memory = filesystem::kind(parent).is_ok_and(|kind| kind == Kind::Memory);
        let guard = (in_memory && !memory_is_fixed).then(|| guard.clone());
        let limit = fixed
            .unwrap_or_else(|| filesystem::available(parent).unwrap_or(0).min(most_by_file_size(rlimit::file_size())));
        log::info!("HIGHFILELIM set to: {limit} bytes.");
        Self { parent: parent.to_owned(), disk: Mutex::new(disk), limit, limit_is_fixed: fixed.is_some(), guard }
    }

    /// The folder.
    ///
    /// # Errors
    /// When there is none: why.
    pub fn disk(&self) -> Result<Arc<Disk>, String> {
        lock(&self.disk).clone()
    }
}

fn create(parent: &Path) -> Result<Arc<Disk>, String> {
    Disk::create(parent).map(Arc::new).map_err(|error| format!("{}: {error}", parent.display()))
}

/// The most bytes of files of which none is larger than `limit`: above that, a plan needs a larger size.
fn most_by_file_size(limit: Option<u64>) -> u64 {
    let Some(limit) = limit.filter(|&limit| limit < FILES.sizes[CLASSES - 1]) else { return u64::MAX };
    FILES.sizes.iter().take_while(|&&size| size <= limit).map(|size| FILES.aim * size).sum()
}

/// What files learn from the kernel.
pub struct DiskOutlook {
    /// Bytes that may still be written.
    room: u64,
    /// Where files are memory.
    memory: Option<Outlook>,
}

impl Store for DiskStore {
    const WORK: &'static str = "CreateFiles()";
    const SCHEME: &'static Scheme = &FILES;
    type Outlook = DiskOutlook;

    fn mend(&self) -> Result<(), String> {
        let mut disk = lock(&self.disk);
        if let Ok(there) = &*disk {
            match there.mend() {
                // Our own folder is gone as well: only a new one helps.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result.map_err(|error| format!("{}: {error}", there.path().display())),
            }
        }
        *disk = create(&self.parent);
        disk.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn held(&self) -> Result<Plan, String> {
        self.disk()?.held().map_err(|error| error.to_string())
    }

    fn look(&self, held: &Plan) -> Result<DiskOutlook, String> {
        let memory = self.guard.as_ref().map(Guard::look);
        if self.limit_is_fixed {
            return Ok(DiskOutlook { room: u64::MAX, memory });
        }
        let disk = self.disk()?;
        let available = filesystem::available(disk.path()).map_err(|e| format!("{}: {e}", disk.path().display()))?;
        // Block maps cost about what page tables do.
        let by_size = most_by_file_size(rlimit::file_size()).saturating_sub(held.total());
        Ok(DiskOutlook { room: affordable(available).min(by_size), memory })
    }

    fn limit(&self, _outlook: &DiskOutlook) -> u64 {
        self.limit
    }

    fn admit(&self, outlook: &DiskOutlook, held: &Plan, plan: &Plan) -> Result<Promise, u64> {
        let growth = plan.total().saturating_sub(held.total());
        let watched = self.guard.as_ref().zip(outlook.memory.as_ref());
        let most = |in_memory: u64| held.total().saturating_add(in_memory.min(outlook.room));
        if growth > outlook.room {
            return Err(most(watched.map_or(u64::MAX, |(guard, memory)| guard.room(memory))));
        }
        watched.map_or_else(|| Ok(Promise::none()), |(guard, memory)| guard.admit(memory, growth).map_err(most))
    }

    fn promise_nothing(&self) -> Promise {
        self.guard.as_ref().map_or_else(Promise::none, Guard::promise_nothing)
    }

    fn adjust(&self, plan: &Plan, promise: &mut Promise, stop: &Stop) -> Result<(), Failure> {
        match self.disk() {
            Ok(disk) => disk.adjust(plan, promise, stop),
            Err(reason) => Err(Failure::of("writing files")(io::Error::other(reason))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_size_limit_bounds_the_sum() {
        assert_eq!(most_by_file_size(None), u64::MAX);
        assert_eq!(most_by_file_size(Some(128 << 20)), u64::MAX);
        assert_eq!(most_by_file_size(Some(1 << 20)), 25 << 19);
        assert_eq!(most_by_file_size(Some(1000)), 0);
        // And that sum needs no larger file, nor does anything below it.
        for bytes in (0..=most_by_file_size(Some(2 << 20))).rev().step_by(99_991) {
            assert_eq!(Plan::new(&FILES, bytes).counts[2..], [0, 0, 0], "{bytes}");
        }
    }
}
