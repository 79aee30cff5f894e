//! Things that are held one by one, and only counted: empty files, parked threads, open descriptors.

pub mod fds;
pub mod inodes;
pub mod pids;

use std::io;

use crate::consumer::admission::headroom::{self, MemoryAdmission, Reservation};
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::{Operation, Options};
use crate::consumer::control::reconcile::{Level, Steps, Work};
use crate::consumer::control::store::{Goal, Headroom, Limit, Store};
use crate::units::quantity::Unit;

/// How many are made or given back between two looks at whether to go on.
const STRIDE: u64 = 64;

/// Who makes them and keeps them.
pub trait Countable: Send + Sync {
    /// What they are called.
    fn names(&self) -> &'static Names;

    /// Makes it possible again to make them, if it is not.
    ///
    /// # Errors
    /// When it still is not.
    fn mend(&self) -> Result<(), String> {
        Ok(())
    }

    /// How many there are.
    fn held(&self) -> u64;

    /// Makes one more.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn make(&self) -> io::Result<()>;

    /// Gives so many back, the youngest first.
    ///
    /// # Errors
    /// Gives back what the service needs for itself, after a failure to make one more. Says how many that were.
    fn make_way(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// When the kernel refuses. They are gone from our books all the same.
    fn discard(&self, count: u64) -> io::Result<()>;

    /// How many more there could be, with what the service needs for itself left over; and who says so.
    ///
    /// # Errors
    /// When that cannot be told.
    fn room(&self) -> Result<(u64, String), String>;
}

/// What things are called, and what one costs.
pub struct Names {
    /// In paths: `pid`.
    pub name: &'static str,
    /// In the log.
    pub work: &'static str,
    /// The variable that limits them.
    pub limit: &'static str,
    /// What one costs in memory, in bytes; most of it is the kernel's.
    pub cost: u64,
}

/// A store of things that are counted.
pub struct CountableStore {
    maker: Box<dyn Countable>,
    admission: MemoryAdmission,
    /// Set by the user.
    limit: Option<u64>,
    level: Level,
}

impl CountableStore {
    /// Nothing yet; never more than `limit`, if the user set one.
    pub fn new(maker: Box<dyn Countable>, admission: MemoryAdmission, limit: Option<u64>) -> Self {
        Self { maker, admission, limit, level: Level::default() }
    }
}

/// What was learnt from the kernel.
struct CountableHeadroom<'s> {
    admission: &'s MemoryAdmission,
    cost: u64,
    /// How many more there could be.
    room: u64,
    /// Who says so.
    source: String,
    limit: Limit,
    /// Unless nobody is to watch.
    memory: Option<headroom::MemoryReading>,
}

impl Headroom for CountableHeadroom<'_> {
    fn limit(&self) -> Limit {
        self.limit.clone()
    }

    fn bound(&self, _held: u64) -> String {
        match &self.memory {
            Some(memory) if self.admission.room(memory) / self.cost < self.room => self.admission.bound(memory),
            _ => self.source.clone(),
        }
    }

    fn most(&self, held: u64) -> u64 {
        let by_memory = self.memory.as_ref().map_or(u64::MAX, |memory| self.admission.room(memory) / self.cost);
        held.saturating_add(by_memory.min(self.room))
    }

    fn admit(&self, held: u64, total: u64) -> Result<Reservation, u64> {
        let growth = total.saturating_sub(held);
        if growth > self.room {
            return Err(self.most(held));
        }
        match &self.memory {
            Some(memory) => self.admission.admit(memory, growth.saturating_mul(self.cost)).map_err(|_| self.most(held)),
            None => Ok(Reservation::none()),
        }
    }
}

impl Store for CountableStore {
    fn name(&self) -> &'static str {
        self.maker.names().name
    }

    fn work(&self) -> &'static str {
        self.maker.names().work
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn mend(&self) -> Result<(), String> {
        self.maker.mend()
    }

    fn goal(&self, amount: u64, _exact: bool) -> Goal {
        Goal::Count(amount)
    }

    fn largest(&self, most: u64, total: u64, _exact: bool) -> u64 {
        most.min(total)
    }

    fn held(&self) -> Result<Goal, String> {
        Ok(Goal::Count(self.maker.held()))
    }

    fn look(&self, held: u64, options: &Options) -> Result<Box<dyn Headroom + '_>, String> {
        let names = self.maker.names();
        let (room, source) = self.maker.room()?;
        let limit = match self.limit {
            Some(most) => Limit { most, source: names.limit.to_owned() },
            None => Limit { most: held.saturating_add(room), source: source.clone() },
        };
        let memory = (!options.force).then(|| self.admission.look());
        Ok(Box::new(CountableHeadroom { admission: &self.admission, cost: names.cost, room, source, limit, memory }))
    }

    fn level(&self) -> &Level {
        &self.level
    }

    fn reserve_nothing(&self) -> Reservation {
        self.admission.reserve_nothing()
    }

    fn adjust(
        &self,
        goal: &Goal,
        _order: &Operation,
        reservation: &mut Reservation,
        work: &mut Work<'_>,
    ) -> Result<(), Failure> {
        work.starts(self.maker.held(), goal.total(), 0);
        work.reconcile(&mut CountableSteps { maker: &*self.maker, goal: goal.total(), reservation })
    }
}

struct CountableSteps<'s> {
    maker: &'s dyn Countable,
    goal: u64,
    reservation: &'s mut Reservation,
}

impl Steps for CountableSteps<'_> {
    fn grain(&self) -> u64 {
        1
    }

    fn stride(&self) -> u64 {
        STRIDE
    }

    fn release(&mut self, most: u64) -> Result<u64, Failure> {
        let over = self.maker.held().saturating_sub(self.goal).min(most).min(STRIDE);
        if over > 0 {
            self.maker.discard(over).map_err(Failure::of(format!("giving back {}", self.maker.names().name)))?;
        }
        Ok(over)
    }

    fn take(&mut self, most: u64) -> Result<u64, Failure> {
        let missing = self.goal.saturating_sub(self.maker.held()).min(most).min(STRIDE);
        for made in 0..missing {
            match self.maker.make() {
                Ok(()) => self.reservation.kept(self.maker.names().cost),
                // What was made until now counts; the next call meets the trouble again.
                Err(_) if made > 0 => return Ok(made),
                Err(error) => {
                    // There is less than we knew of, and nothing was left for the service itself.
                    let name = self.maker.names().name;
                    let back = self.maker.make_way().map_err(Failure::of(format!("giving back {name}")))?;
                    let given = if back > 0 {
                        format!(" ({back} were given back, so that the service goes on)")
                    } else {
                        String::new()
                    };
                    return Err(Failure::of(format!("making one more {name}{given}"))(error));
                }
            }
        }
        Ok(missing)
    }
}

/// Takes the last of them out, and gives back the room for all when none is left.
fn youngest<T>(all: &mut Vec<T>, count: u64) -> Vec<T> {
    let kept = all.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    let going = all.split_off(kept);
    if kept == 0 {
        all.shrink_to_fit();
    }
    going
}
