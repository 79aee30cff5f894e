//! Files as a store: below their limit, in the room their file system has.

use std::sync::Arc;

use crate::consumer::admission::file_limit::{FileLimit, Owner};
use crate::consumer::admission::headroom::{self, MemoryAdmission, Reservation, affordable};
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::{Operation, Options};
use crate::consumer::control::plan::{CLASSES, FILES, Plan};
use crate::consumer::control::reconcile::{Level, Work};
use crate::consumer::control::store::{Goal, Headroom, Limit, Store};
use crate::consumer::disk::workdir::Workdir;
use crate::kernel::rlimit;
use crate::units::quantity::Unit;

/// Files, below their limit, in the room their file system has.
pub struct DiskStore {
    folder: Arc<Workdir>,
    limit: Arc<FileLimit>,
    /// Where files are memory: the admission that knows how much there is.
    admission: Option<MemoryAdmission>,
    /// It watches over files, too, unless the user set a memory limit and means it.
    memory_is_fixed: bool,
    level: Level,
}

impl DiskStore {
    /// Files in the data folder.
    pub fn new(
        folder: Arc<Workdir>,
        limit: Arc<FileLimit>,
        admission: &MemoryAdmission,
        memory_is_fixed: bool,
    ) -> Self {
        let admission = folder.is_in_memory().then(|| admission.clone());
        Self { folder, limit, admission, memory_is_fixed, level: Level::default() }
    }
}

/// The limit of files where the user set none: what there is room for.
pub fn default_file_limit(folder: &Workdir) -> Limit {
    let (room, by_size) = (folder.room(false).unwrap_or(0), most_by_file_size(rlimit::file_size()));
    if by_size < room {
        return Limit { most: by_size, source: String::from(FILE_SIZE) };
    }
    Limit { most: room, source: format!("{} at the start", folder.bound(false)) }
}

/// What bounds files that may not be large.
const FILE_SIZE: &str = "RLIMIT_FSIZE";

/// The most bytes of files of which none is larger than `limit`: above that, a plan needs a larger size.
fn most_by_file_size(limit: Option<u64>) -> u64 {
    let Some(limit) = limit.filter(|&limit| limit < FILES.sizes[CLASSES - 1]) else { return u64::MAX };
    FILES.sizes.iter().take_while(|&&size| size <= limit).map(|size| FILES.aim * size).sum()
}

/// What files learn from the kernel.
struct DiskHeadroom<'s> {
    /// Bytes that the file system has room for.
    room: u64,
    /// The user set the limit and means it, whatever room there is.
    at_word: bool,
    /// Where files are memory.
    memory: Option<(&'s MemoryAdmission, headroom::MemoryReading)>,
    /// Nobody watches over that: the user means it.
    unwatched: bool,
    limit: Limit,
    store: &'s DiskStore,
    /// Past what is to stay free.
    force: bool,
    /// Bytes of mapped files that the limit is less by.
    mapped: u64,
}

impl DiskHeadroom<'_> {
    /// Bytes that memory has room for.
    fn in_memory(&self) -> u64 {
        self.memory.as_ref().map_or(u64::MAX, |(admission, memory)| admission.room(memory))
    }
}

impl Headroom for DiskHeadroom<'_> {
    fn limit(&self) -> Limit {
        self.limit.clone()
    }

    fn bound(&self, held: u64) -> String {
        match &self.memory {
            Some((admission, memory)) if admission.room(memory) < self.room => admission.bound(memory),
            _ if most_by_file_size(rlimit::file_size()).saturating_sub(held) == self.room => String::from(FILE_SIZE),
            _ => self.store.folder.bound(self.force),
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

    fn admit(&self, held: u64, total: u64) -> Result<Reservation, u64> {
        let growth = total.saturating_sub(held);
        if growth > self.room && !self.at_word {
            return Err(self.most(held));
        }
        self.store.limit.reserve(Owner::Disk, total, self.mapped)?;
        match &self.memory {
            Some((admission, memory)) if !self.unwatched => {
                admission.admit(memory, growth).map_err(|_| self.most(held))
            }
            _ => Ok(Reservation::none()),
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
        Goal::planned(&FILES, amount, exact, 1)
    }

    fn goal_near(&self, amount: u64, held: &Goal) -> Goal {
        Goal::Parts(held.plan(&FILES).near(amount))
    }

    fn largest(&self, most: u64, total: u64, exact: bool) -> u64 {
        if exact { most.min(total) } else { Plan::largest_amount(&FILES, most, total) }
    }

    fn held(&self) -> Result<Goal, String> {
        self.folder.disk()?.held().map(Goal::Parts).map_err(|error| error.to_string())
    }

    fn look(&self, held: u64, options: &Options) -> Result<Box<dyn Headroom + '_>, String> {
        let at_word = options.force || self.limit.is_fixed();
        let room = match self.folder.disk().and_then(|_| self.folder.room(options.force)) {
            // Its user's limit is told all the same.
            Err(_) if at_word => 0,
            room => room?,
        };
        // Block maps cost about what page tables do.
        let room = affordable(room).min(most_by_file_size(rlimit::file_size()).saturating_sub(held));
        let memory = self.admission.as_ref().map(|admission| (admission, admission.look()));
        let (limit, mapped) = self.limit.beside_the_other(Owner::Disk, options.force);
        let unwatched = options.force || self.memory_is_fixed;
        Ok(Box::new(DiskHeadroom {
            room,
            at_word,
            memory,
            unwatched,
            limit,
            store: self,
            force: options.force,
            mapped,
        }))
    }

    fn level(&self) -> &Level {
        &self.level
    }

    fn reserve_nothing(&self) -> Reservation {
        let watched = self.admission.as_ref().filter(|_| !self.memory_is_fixed);
        watched.map_or_else(Reservation::none, MemoryAdmission::reserve_nothing)
    }

    fn accepted(&self, total: u64, _how: &Options) {
        self.limit.accepted(Owner::Disk, total);
    }

    fn settled(&self, held: u64) {
        self.limit.settled(Owner::Disk, held);
    }

    fn adjust(
        &self,
        goal: &Goal,
        operation: &Operation,
        reservation: &mut Reservation,
        work: &mut Work<'_>,
    ) -> Result<(), Failure> {
        match self.folder.disk() {
            Ok(disk) => disk.adjust(&goal.plan(&FILES), operation.options.fsync, reservation, work),
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
