//! Memory and files as stores, each with its limits.

use std::sync::{Arc, Mutex};

use crate::consumer::admission::file_limit::{FileLimit, Owner};
use crate::consumer::admission::headroom::{self, Guard, MemoryLimit, Promise, affordable};
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::{How, Kind, Order};
use crate::consumer::control::plan::{CLASSES, FILES, MEMORY, Plan, Scheme};
use crate::consumer::control::reconcile::{Level, Work};
use crate::consumer::control::store::{Goal, Limit, Outlook, Store};
use crate::consumer::memory::Memory;
use crate::consumer::workdir::DataFolder;
use crate::kernel::mapping::page_size;
use crate::kernel::rlimit;
use crate::sync::lock;
use crate::units::quantity::Unit;

/// What counts against the memory limit: the set amount, and jobs beside it.
#[derive(Debug, Default)]
struct Shares {
    set: u64,
    jobs: u64,
}

/// Parts of a plan beside its largest, at most.
const SMALL_PARTS: u64 = 100;

/// Memory, below its limit and under the guard.
pub struct MemoryStore {
    memory: Memory,
    guard: Guard,
    limit: MemoryLimit,
    folder: Arc<DataFolder>,
    files: Arc<FileLimit>,
    shares: Mutex<Shares>,
    level: Level,
}

impl MemoryStore {
    /// Memory within its limit, and within that of files where its pages are a file's.
    pub fn new(guard: Guard, limit: MemoryLimit, folder: Arc<DataFolder>, files: Arc<FileLimit>) -> Self {
        let (memory, shares, level) = (Memory::new(), Mutex::default(), Level::default());
        Self { memory, guard, limit, folder, files, shares, level }
    }

    /// Promises a job its memory beside the set amount: the limit binds the sum. [`MemoryStore::job_is_over`] gives its
    /// share back. Also whether it may be more than the kernel has left.
    ///
    /// # Errors
    /// The most bytes that would have been accepted.
    pub fn admit_job(&self, bytes: u64) -> Result<(Promise, bool), u64> {
        let outlook = self.guard.look();
        let mut shares = lock(&self.shares);
        // On a ramp down, or on the way to another kind, more is held than was set.
        let held = self.level.get();
        let left = self.limit.get(&outlook, held).saturating_sub(shares.set.max(held) + shares.jobs);
        let room = self.guard.room(&outlook);
        if bytes > left {
            return Err(left.min(room));
        }
        let promise = if self.limit.is_fixed() { Promise::none() } else { self.guard.admit(&outlook, bytes)? };
        shares.jobs += bytes;
        Ok((promise, bytes > room))
    }

    /// A job's memory is given back.
    pub fn job_is_over(&self, bytes: u64) {
        let mut shares = lock(&self.shares);
        shares.jobs = shares.jobs.saturating_sub(bytes);
    }

    /// Bytes of mapped files there is room for: on their file system, and in descriptors, of which each part takes one.
    fn room_for_files(&self, force: bool) -> Result<u64, String> {
        let available = self.folder.room(force)?;
        // A quarter of the descriptors; beside the largest parts there are at most a hundred small ones.
        let parts = rlimit::descriptors().map_or(u64::MAX, |most| (most / 4).saturating_sub(SMALL_PARTS));
        Ok(affordable(available).min(parts.saturating_mul(MEMORY.sizes[CLASSES - 1])))
    }

    /// Bytes that jobs were promised.
    pub fn jobs(&self) -> u64 {
        lock(&self.shares).jobs
    }
}

/// What memory learns from the kernel: what is left, and the limit that follows.
struct MemoryOutlook<'s> {
    store: &'s MemoryStore,
    memory: headroom::Outlook,
    limit: u64,
    /// What jobs had when it was looked.
    jobs: u64,
    /// Where the pages are a file's: what its file system has left.
    on_disk: u64,
    /// And what the limit of files leaves them.
    files: Option<(Limit, u64)>,
    /// All of it is written anew, whatever is held.
    afresh: bool,
    /// Past what is to stay free.
    force: bool,
    /// Nobody watches: the user means it.
    unwatched: bool,
}

impl MemoryOutlook<'_> {
    /// The largest total whose pages their file system has room for.
    fn most_on_disk(&self, held: u64) -> u64 {
        let on_disk = if self.afresh { self.on_disk } else { held.saturating_add(self.on_disk) };
        on_disk.min(self.files.as_ref().map_or(u64::MAX, |(files, _)| files.most))
    }
}

impl Outlook for MemoryOutlook<'_> {
    fn limit(&self) -> Limit {
        let (forced, jobs) = (self.limit == u64::MAX, self.store.jobs());
        let mut source = if forced { String::from("force") } else { self.store.limit.source() };
        if jobs > 0 {
            source += &format!(", less {jobs} bytes of jobs");
        }
        Limit { most: self.limit.saturating_sub(jobs), source }
    }

    fn bound(&self, held: u64) -> String {
        match &self.files {
            Some((files, _)) if files.most == self.most(held) => files.source.clone(),
            Some(_) if self.most_on_disk(held) == self.most(held) => file_system(&self.store.folder, self.force),
            _ => self.store.guard.bound(&self.memory),
        }
    }

    fn most(&self, held: u64) -> u64 {
        held.saturating_add(self.store.guard.room(&self.memory)).min(self.most_on_disk(held))
    }

    fn passes(&self, held: u64, total: u64) -> bool {
        total <= if self.unwatched { self.most_on_disk(held) } else { self.most(held) }
    }

    fn is_risky(&self, held: u64, total: u64) -> bool {
        self.unwatched && total.saturating_sub(held) > self.store.guard.room(&self.memory)
    }

    fn admit(&self, held: u64, total: u64) -> Result<Promise, u64> {
        let growth = total.saturating_sub(held);
        if total > self.most_on_disk(held) {
            return Err(self.most(held));
        }
        // The limit binds the sum with jobs, and one may have come since it was looked at. Rounding may exceed it.
        let mut shares = lock(&self.store.shares);
        if growth > 0 && shares.jobs > self.jobs {
            return Err(self.most(held).min(self.limit.saturating_sub(shares.jobs)));
        }
        if let Some((_, others)) = self.files {
            self.store.files.reserve(Owner::Mapped, total, others)?;
        }
        let promise = match self.unwatched {
            true => Promise::none(),
            false => self.store.guard.admit(&self.memory, growth).map_err(|_| self.most(held))?,
        };
        shares.set = shares.set.max(total);
        Ok(promise)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "mem"
    }

    fn work(&self) -> &'static str {
        "CreateParts()"
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn goal(&self, amount: u64, exact: bool) -> Goal {
        planned(&MEMORY, amount, exact, page_size())
    }

    fn largest(&self, most: u64, total: u64, exact: bool) -> u64 {
        if exact { most.min(total / page_size() * page_size()) } else { Plan::largest_amount(&MEMORY, most, total) }
    }

    fn held(&self) -> Result<Goal, String> {
        Ok(Goal::Parts(self.memory.held()))
    }

    fn look(&self, held: u64, how: &How) -> Result<Box<dyn Outlook + '_>, String> {
        let memory = self.guard.look();
        let unwatched = how.force || self.limit.is_fixed();
        let limit = self.limit.get(&memory, held);
        let limit = if unwatched && !self.limit.is_fixed() { u64::MAX } else { limit };
        let on_disk = if how.kind == Kind::File { self.room_for_files(how.force)? } else { u64::MAX };
        let files = (how.kind == Kind::File).then(|| self.files.beside_the_other(Owner::Mapped, how.force));
        let (jobs, afresh, force) = (self.jobs(), self.remakes(how), how.force);
        Ok(Box::new(MemoryOutlook { store: self, memory, limit, jobs, on_disk, files, afresh, force, unwatched }))
    }

    fn level(&self) -> &Level {
        &self.level
    }

    fn promise_nothing(&self) -> Promise {
        if self.limit.is_fixed() { Promise::none() } else { self.guard.promise_nothing() }
    }

    fn accepted(&self, total: u64, how: &How) {
        lock(&self.shares).set = total;
        self.files.accepted(Owner::Mapped, if how.kind == Kind::File { total } else { 0 });
    }

    fn settled(&self, held: u64) {
        self.files.settled(Owner::Mapped, if self.memory.kind() == Kind::File { held } else { 0 });
    }

    fn adjust(&self, goal: &Goal, order: &Order, promise: &mut Promise, work: &mut Work<'_>) -> Result<(), Failure> {
        // Our own folder: where a file cannot be made without a name, whoever sweeps finds it there.
        let disk = self.folder.disk();
        let folder = disk.as_ref().map_or_else(|_| self.folder.parent(), |disk| disk.path());
        self.memory.adjust(&goal.plan(&MEMORY), order.how.kind, folder, promise, work)
    }

    fn touch(&self, superseded: &dyn Fn() -> bool) {
        self.memory.touch(superseded);
    }

    fn remakes(&self, how: &How) -> bool {
        how.kind == Kind::File && self.memory.kind() != Kind::File
    }
}

fn planned(scheme: &'static Scheme, amount: u64, exact: bool, unit: u64) -> Goal {
    Goal::Parts(if exact { Plan::exact(scheme, amount, unit) } else { Plan::new(scheme, amount) })
}

/// Files, below their limit, in the room their file system has.
pub struct DiskStore {
    folder: Arc<DataFolder>,
    limit: Arc<FileLimit>,
    /// Where files are memory: the guard that knows how much there is.
    guard: Option<Guard>,
    /// It watches over files, too, unless the user set a memory limit and means it.
    memory_is_fixed: bool,
    level: Level,
}

impl DiskStore {
    /// Files in the data folder.
    pub fn new(folder: Arc<DataFolder>, limit: Arc<FileLimit>, guard: &Guard, memory_is_fixed: bool) -> Self {
        let guard = folder.is_in_memory().then(|| guard.clone());
        Self { folder, limit, guard, memory_is_fixed, level: Level::default() }
    }
}

/// The limit of files where the user set none: what there is room for.
pub fn default_file_limit(folder: &DataFolder) -> Limit {
    let (room, by_size) = (folder.room(false).unwrap_or(0), most_by_file_size(rlimit::file_size()));
    if by_size < room {
        return Limit { most: by_size, source: String::from(FILE_SIZE) };
    }
    Limit { most: room, source: format!("{} at the start", file_system(folder, false)) }
}

/// What bounds files that may not be large.
const FILE_SIZE: &str = "RLIMIT_FSIZE";

/// The file system of DATADIR as a bound.
fn file_system(folder: &DataFolder, force: bool) -> String {
    let less = if folder.kept_free() > 0 && !force { ", less EVICTIONRESERVE" } else { "" };
    format!("the file system of {}{less}", folder.parent().display())
}

/// The most bytes of files of which none is larger than `limit`: above that, a plan needs a larger size.
fn most_by_file_size(limit: Option<u64>) -> u64 {
    let Some(limit) = limit.filter(|&limit| limit < FILES.sizes[CLASSES - 1]) else { return u64::MAX };
    FILES.sizes.iter().take_while(|&&size| size <= limit).map(|size| FILES.aim * size).sum()
}

/// What files learn from the kernel.
struct DiskOutlook<'s> {
    /// Bytes that the file system has room for.
    room: u64,
    /// The user set the limit and means it, whatever room there is.
    at_word: bool,
    /// Where files are memory.
    memory: Option<(&'s Guard, headroom::Outlook)>,
    /// Nobody watches over that: the user means it.
    unwatched: bool,
    limit: Limit,
    store: &'s DiskStore,
    /// Past what is to stay free.
    force: bool,
    /// Bytes of mapped files that the limit is less by.
    mapped: u64,
}

impl DiskOutlook<'_> {
    /// Bytes that memory has room for.
    fn in_memory(&self) -> u64 {
        self.memory.as_ref().map_or(u64::MAX, |(guard, memory)| guard.room(memory))
    }
}

impl Outlook for DiskOutlook<'_> {
    fn limit(&self) -> Limit {
        self.limit.clone()
    }

    fn bound(&self, held: u64) -> String {
        match &self.memory {
            Some((guard, memory)) if guard.room(memory) < self.room => guard.bound(memory),
            _ if most_by_file_size(rlimit::file_size()).saturating_sub(held) == self.room => String::from(FILE_SIZE),
            _ => file_system(&self.store.folder, self.force),
        }
    }

    fn most(&self, held: u64) -> u64 {
        held.saturating_add(self.in_memory().min(self.room))
    }

    fn passes(&self, held: u64, total: u64) -> bool {
        let growth = total.saturating_sub(held);
        (self.at_word || growth <= self.room) && (self.unwatched || growth <= self.in_memory())
    }

    fn is_risky(&self, held: u64, total: u64) -> bool {
        self.unwatched && total.saturating_sub(held) > self.in_memory()
    }

    fn admit(&self, held: u64, total: u64) -> Result<Promise, u64> {
        let growth = total.saturating_sub(held);
        if growth > self.room && !self.at_word {
            return Err(self.most(held));
        }
        self.store.limit.reserve(Owner::Disk, total, self.mapped)?;
        match &self.memory {
            Some((guard, memory)) if !self.unwatched => guard.admit(memory, growth).map_err(|_| self.most(held)),
            _ => Ok(Promise::none()),
        }
    }
}

impl Store for DiskStore {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn work(&self) -> &'static str {
        "CreateFiles()"
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn mend(&self) -> Result<(), String> {
        self.folder.mend()
    }

    fn goal(&self, amount: u64, exact: bool) -> Goal {
        planned(&FILES, amount, exact, 1)
    }

    fn largest(&self, most: u64, total: u64, exact: bool) -> u64 {
        if exact { most.min(total) } else { Plan::largest_amount(&FILES, most, total) }
    }

    fn held(&self) -> Result<Goal, String> {
        self.folder.disk()?.held().map(Goal::Parts).map_err(|error| error.to_string())
    }

    fn look(&self, held: u64, how: &How) -> Result<Box<dyn Outlook + '_>, String> {
        let at_word = how.force || self.limit.is_fixed();
        let room = match self.folder.disk().and_then(|_| self.folder.room(how.force)) {
            // Its user's limit is told all the same.
            Err(_) if at_word => 0,
            room => room?,
        };
        // Block maps cost about what page tables do.
        let room = affordable(room).min(most_by_file_size(rlimit::file_size()).saturating_sub(held));
        let memory = self.guard.as_ref().map(|guard| (guard, guard.look()));
        let (limit, mapped) = self.limit.beside_the_other(Owner::Disk, how.force);
        let unwatched = how.force || self.memory_is_fixed;
        Ok(Box::new(DiskOutlook { room, at_word, memory, unwatched, limit, store: self, force: how.force, mapped }))
    }

    fn level(&self) -> &Level {
        &self.level
    }

    fn promise_nothing(&self) -> Promise {
        let watched = self.guard.as_ref().filter(|_| !self.memory_is_fixed);
        watched.map_or_else(Promise::none, Guard::promise_nothing)
    }

    fn accepted(&self, total: u64, _how: &How) {
        self.limit.accepted(Owner::Disk, total);
    }

    fn settled(&self, held: u64) {
        self.limit.settled(Owner::Disk, held);
    }

    fn adjust(&self, goal: &Goal, order: &Order, promise: &mut Promise, work: &mut Work<'_>) -> Result<(), Failure> {
        match self.folder.disk() {
            Ok(disk) => disk.adjust(&goal.plan(&FILES), order.how.fsync, promise, work),
            Err(reason) => Err(Failure::of("writing files")(std::io::Error::other(reason))),
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
