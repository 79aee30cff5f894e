//! Memory as a store: below its limit, which it shares with jobs, and within what the kernel has left.

use std::sync::{Arc, Mutex};

use crate::consumer::admission::file_limit::{FileLimit, Owner};
use crate::consumer::admission::headroom::{self, MemoryAdmission, MemoryLimit, Reservation, affordable};
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::{MemoryKind, Operation, Options};
use crate::consumer::control::plan::{CLASSES, MEMORY, Plan};
use crate::consumer::control::reconcile::{Level, Work};
use crate::consumer::control::store::{Goal, Headroom, Limit, Store};
use crate::consumer::disk::workdir::Workdir;
use crate::consumer::memory::Memory;
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

/// Memory, below its limit and under admission.
pub struct MemoryStore {
    memory: Memory,
    admission: MemoryAdmission,
    limit: MemoryLimit,
    folder: Arc<Workdir>,
    files: Arc<FileLimit>,
    shares: Mutex<Shares>,
    level: Level,
}

impl MemoryStore {
    /// Memory within its limit, and within that of files where its pages are a file's.
    pub fn new(admission: MemoryAdmission, limit: MemoryLimit, folder: Arc<Workdir>, files: Arc<FileLimit>) -> Self {
        let (memory, shares, level) = (Memory::new(), Mutex::default(), Level::default());
        Self { memory, admission, limit, folder, files, shares, level }
    }

    /// Reserves a job its memory beside the set amount: the limit binds the sum. [`MemoryStore::job_is_over`] gives its
    /// share back. Also whether it may be more than the kernel has left.
    ///
    /// # Errors
    /// The most bytes that would have been accepted.
    pub fn admit_job(&self, bytes: u64) -> Result<(Reservation, bool), u64> {
        let headroom = self.admission.look();
        let mut shares = lock(&self.shares);
        // On a ramp down, or on the way to another kind, more is held than was set.
        let held = self.level.get();
        let left = self.limit.get(&headroom, held).saturating_sub(shares.set.max(held) + shares.jobs);
        let room = self.admission.room(&headroom);
        if bytes > left {
            return Err(left.min(room));
        }
        let reservation =
            if self.limit.is_fixed() { Reservation::none() } else { self.admission.admit(&headroom, bytes)? };
        shares.jobs += bytes;
        Ok((reservation, bytes > room))
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

    /// Bytes that jobs have reserved.
    pub fn jobs(&self) -> u64 {
        lock(&self.shares).jobs
    }
}

/// What memory learns from the kernel: what is left, and the limit that follows.
struct MemoryHeadroom<'s> {
    store: &'s MemoryStore,
    memory: headroom::MemoryReading,
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

impl MemoryHeadroom<'_> {
    /// The largest total whose pages their file system has room for.
    fn most_on_disk(&self, held: u64) -> u64 {
        let on_disk = if self.afresh { self.on_disk } else { held.saturating_add(self.on_disk) };
        on_disk.min(self.files.as_ref().map_or(u64::MAX, |(files, _)| files.most))
    }
}

impl Headroom for MemoryHeadroom<'_> {
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
            Some(_) if self.most_on_disk(held) == self.most(held) => self.store.folder.bound(self.force),
            _ => self.store.admission.bound(&self.memory),
        }
    }

    fn most(&self, held: u64) -> u64 {
        held.saturating_add(self.store.admission.room(&self.memory)).min(self.most_on_disk(held))
    }

    fn passes(&self, held: u64, total: u64) -> bool {
        total <= if self.unwatched { self.most_on_disk(held) } else { self.most(held) }
    }

    fn is_risky(&self, held: u64, total: u64) -> bool {
        self.unwatched && total.saturating_sub(held) > self.store.admission.room(&self.memory)
    }

    fn admit(&self, held: u64, total: u64) -> Result<Reservation, u64> {
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
        let reservation = match self.unwatched {
            true => Reservation::none(),
            false => self.store.admission.admit(&self.memory, growth).map_err(|_| self.most(held))?,
        };
        shares.set = shares.set.max(total);
        Ok(reservation)
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
        Goal::planned(&MEMORY, amount, exact, page_size())
    }

    fn goal_near(&self, amount: u64, held: &Goal) -> Goal {
        Goal::Parts(held.plan(&MEMORY).near(amount))
    }

    fn largest(&self, most: u64, total: u64, exact: bool) -> u64 {
        if exact { most.min(total / page_size() * page_size()) } else { Plan::largest_amount(&MEMORY, most, total) }
    }

    fn held(&self) -> Result<Goal, String> {
        Ok(Goal::Parts(self.memory.held()))
    }

    fn look(&self, held: u64, options: &Options) -> Result<Box<dyn Headroom + '_>, String> {
        let memory = self.admission.look();
        let unwatched = options.force || self.limit.is_fixed();
        let limit = self.limit.get(&memory, held);
        let limit = if unwatched && !self.limit.is_fixed() { u64::MAX } else { limit };
        let on_disk = if options.kind == MemoryKind::File { self.room_for_files(options.force)? } else { u64::MAX };
        let files =
            (options.kind == MemoryKind::File).then(|| self.files.beside_the_other(Owner::Mapped, options.force));
        let (jobs, afresh, force) = (self.jobs(), self.remakes(options), options.force);
        Ok(Box::new(MemoryHeadroom { store: self, memory, limit, jobs, on_disk, files, afresh, force, unwatched }))
    }

    fn level(&self) -> &Level {
        &self.level
    }

    fn reserve_nothing(&self) -> Reservation {
        if self.limit.is_fixed() { Reservation::none() } else { self.admission.reserve_nothing() }
    }

    fn accepted(&self, total: u64, options: &Options) {
        lock(&self.shares).set = total;
        self.files.accepted(Owner::Mapped, if options.kind == MemoryKind::File { total } else { 0 });
    }

    fn settled(&self, held: u64) {
        self.files.settled(Owner::Mapped, if self.memory.kind() == MemoryKind::File { held } else { 0 });
    }

    fn adjust(
        &self,
        goal: &Goal,
        operation: &Operation,
        reservation: &mut Reservation,
        work: &mut Work<'_>,
    ) -> Result<(), Failure> {
        // Our own folder: where a file cannot be made without a name, whoever sweeps finds it there.
        let disk = self.folder.disk();
        let folder = disk.as_ref().map_or_else(|_| self.folder.parent(), |disk| disk.path());
        self.memory.adjust(&goal.plan(&MEMORY), operation.options.kind, folder, reservation, work)
    }

    fn touch(&self, superseded: &dyn Fn() -> bool) {
        self.memory.touch(superseded);
    }

    fn remakes(&self, options: &Options) -> bool {
        options.kind == MemoryKind::File && self.memory.kind() != MemoryKind::File
    }
}
