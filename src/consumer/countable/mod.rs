//! Things that are held one by one, and only counted: empty files, parked threads, open descriptors.

pub mod makers;

use std::io;

use crate::consumer::admission::headroom::{self, Guard, Promise};
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::{How, Order};
use crate::consumer::control::reconcile::{Level, Steps, Work};
use crate::consumer::control::store::{Goal, Limit, Outlook, Store};
use crate::units::quantity::Unit;

/// How many are made or given back between two looks at whether to go on.
const STRIDE: u64 = 64;

/// Who makes them and keeps them.
pub trait Maker: Send + Sync {
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
pub struct TokenStore {
    maker: Box<dyn Maker>,
    guard: Guard,
    /// Set by the user.
    limit: Option<u64>,
    level: Level,
}

impl TokenStore {
    /// Nothing yet; never more than `limit`, if the user set one.
    pub fn new(maker: Box<dyn Maker>, guard: Guard, limit: Option<u64>) -> Self {
        Self { maker, guard, limit, level: Level::default() }
    }
}

/// What was learnt from the kernel.
struct TokenOutlook<'s> {
    guard: &'s Guard,
    cost: u64,
    /// How many more there could be.
    room: u64,
    /// Who says so.
    source: String,
    limit: Limit,
    /// Unless nobody is to watch.
    memory: Option<headroom::Outlook>,
}

impl Outlook for TokenOutlook<'_> {
    fn limit(&self) -> Limit {
        self.limit.clone()
    }

    fn bound(&self, _held: u64) -> String {
        match &self.memory {
            Some(memory) if self.guard.room(memory) / self.cost < self.room => self.guard.bound(memory),
            _ => self.source.clone(),
        }
    }

    fn most(&self, held: u64) -> u64 {
        let by_memory = self.memory.as_ref().map_or(u64::MAX, |memory| self.guard.room(memory) / self.cost);
        held.saturating_add(by_memory.min(self.room))
    }

    fn admit(&self, held: u64, total: u64) -> Result<Promise, u64> {
        let growth = total.saturating_sub(held);
        if growth > self.room {
            return Err(self.most(held));
        }
        match &self.memory {
            Some(memory) => self.guard.admit(memory, growth.saturating_mul(self.cost)).map_err(|_| self.most(held)),
            None => Ok(Promise::none()),
        }
    }
}

impl Store for TokenStore {
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

    fn look(&self, held: u64, how: &How) -> Result<Box<dyn Outlook + '_>, String> {
        let names = self.maker.names();
        let (room, source) = self.maker.room()?;
        let limit = match self.limit {
            Some(most) => Limit { most, source: names.limit.to_owned() },
            None => Limit { most: held.saturating_add(room), source: source.clone() },
        };
        let memory = (!how.force).then(|| self.guard.look());
        Ok(Box::new(TokenOutlook { guard: &self.guard, cost: names.cost, room, source, limit, memory }))
    }

    fn level(&self) -> &Level {
        &self.level
    }

    fn promise_nothing(&self) -> Promise {
        self.guard.promise_nothing()
    }

    fn adjust(&self, goal: &Goal, _order: &Order, promise: &mut Promise, work: &mut Work<'_>) -> Result<(), Failure> {
        work.starts(self.maker.held(), goal.total(), 0);
        work.walk(&mut TokenSteps { maker: &*self.maker, goal: goal.total(), promise })
    }
}

struct TokenSteps<'s> {
    maker: &'s dyn Maker,
    goal: u64,
    promise: &'s mut Promise,
}

impl Steps for TokenSteps<'_> {
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
                Ok(()) => self.promise.kept(self.maker.names().cost),
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
