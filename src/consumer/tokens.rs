//! Things that are held one by one, and only counted: empty files, parked threads, open descriptors.

use std::io;
use std::sync::Mutex;

use super::failure::Failure;
use super::guard::{Guard, Outlook, Promise};
use super::order::{How, Order};
use super::quantity::Unit;
use super::store::{Goal, Limit, Store};
use super::walk::{Steps, Work};
use crate::sync::lock;

/// How many are made or given back between two looks at whether to go on.
const STRIDE: u64 = 64;

/// Who makes them.
pub trait Maker: Send + Sync + 'static {
    /// One of them. Dropped, it is given back.
    type Token: Send;

    /// Its name in paths: `pid`.
    const NAME: &'static str;
    /// What the log calls the work.
    const WORK: &'static str;
    /// What one costs in memory, in bytes; most of it is the kernel's.
    const COST: u64;
    /// The variable that limits them.
    const LIMIT: &'static str;

    /// Makes one more.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn make(&self) -> io::Result<Self::Token>;

    /// Gives some back.
    ///
    /// # Errors
    /// When the kernel refuses. They are gone from our books all the same.
    fn discard(&self, tokens: Vec<Self::Token>) -> io::Result<()>;

    /// How many more there could be, with what the service needs for itself left over; and who says so.
    ///
    /// # Errors
    /// When that cannot be told.
    fn room(&self) -> Result<(u64, String), String>;
}

/// So many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

impl Goal for Count {
    fn total(&self) -> u64 {
        self.0
    }

    fn parts(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }
}

/// A store of things that are counted.
pub struct TokenStore<M: Maker> {
    maker: M,
    tokens: Mutex<Vec<M::Token>>,
    guard: Guard,
    /// Set by the user.
    limit: Option<u64>,
}

/// What was learnt from the kernel.
pub struct TokenOutlook {
    /// How many more there could be.
    room: u64,
    limit: Limit,
    /// Unless nobody is to watch.
    memory: Option<Outlook>,
}

impl<M: Maker> TokenStore<M> {
    /// Nothing yet; never more than `limit`, if the user set one.
    pub fn new(maker: M, guard: Guard, limit: Option<u64>) -> Self {
        Self { maker, tokens: Mutex::default(), guard, limit }
    }
}

impl<M: Maker> Store for TokenStore<M> {
    type Goal = Count;
    type Outlook = TokenOutlook;

    fn name(&self) -> &'static str {
        M::NAME
    }

    fn work(&self) -> &'static str {
        M::WORK
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn nothing(&self) -> Count {
        Count(0)
    }

    fn goal(&self, amount: u64, _exact: bool) -> Count {
        Count(amount)
    }

    fn largest(&self, most: u64, total: u64, _exact: bool) -> u64 {
        most.min(total)
    }

    fn held(&self) -> Result<Count, String> {
        Ok(Count(lock(&self.tokens).len() as u64))
    }

    fn look(&self, held: u64, how: &How) -> Result<TokenOutlook, String> {
        let (room, source) = self.maker.room()?;
        let limit = match self.limit {
            Some(most) => Limit { most, source: String::from(M::LIMIT) },
            None => Limit { most: held.saturating_add(room), source },
        };
        Ok(TokenOutlook { room, limit, memory: (!how.force).then(|| self.guard.look()) })
    }

    fn limit(&self, outlook: &TokenOutlook) -> Limit {
        outlook.limit.clone()
    }

    fn most(&self, outlook: &TokenOutlook, held: u64) -> u64 {
        let by_memory = outlook.memory.as_ref().map_or(u64::MAX, |memory| self.guard.room(memory) / M::COST);
        held.saturating_add(by_memory.min(outlook.room))
    }

    fn admit(&self, outlook: &TokenOutlook, held: u64, total: u64) -> Result<Promise, u64> {
        let growth = total.saturating_sub(held);
        if growth > outlook.room {
            return Err(self.most(outlook, held));
        }
        match &outlook.memory {
            Some(memory) => {
                self.guard.admit(memory, growth.saturating_mul(M::COST)).map_err(|_| self.most(outlook, held))
            }
            None => Ok(Promise::none()),
        }
    }

    fn promise_nothing(&self) -> Promise {
        self.guard.promise_nothing()
    }

    fn adjust(&self, goal: &Count, _order: &Order, promise: &mut Promise, work: &mut Work<'_>) -> Result<(), Failure> {
        let held = lock(&self.tokens).len() as u64;
        work.starts(held, goal.0, 0);
        work.walk(&mut TokenSteps { store: self, goal: goal.0, promise })
    }
}

struct TokenSteps<'s, M: Maker> {
    store: &'s TokenStore<M>,
    goal: u64,
    promise: &'s mut Promise,
}

impl<M: Maker> Steps for TokenSteps<'_, M> {
    const GRAIN: u64 = 1;
    const STRIDE: u64 = STRIDE;

    fn release(&mut self, most: u64) -> Result<u64, Failure> {
        let going = {
            let mut tokens = lock(&self.store.tokens);
            let over = (tokens.len() as u64).saturating_sub(self.goal).min(most).min(STRIDE);
            let kept = tokens.len() - over as usize;
            let going = tokens.split_off(kept);
            if kept == 0 {
                tokens.shrink_to_fit();
            }
            going
        };
        let count = going.len() as u64;
        self.store.maker.discard(going).map_err(Failure::of(format!("giving back {}", M::NAME)))?;
        Ok(count)
    }

    fn take(&mut self, most: u64) -> Result<u64, Failure> {
        let missing = self.goal.saturating_sub(lock(&self.store.tokens).len() as u64).min(most).min(STRIDE);
        for made in 0..missing {
            match self.store.maker.make() {
                Ok(token) => lock(&self.store.tokens).push(token),
                // What was made until now counts; the next call meets the trouble again.
                Err(_) if made > 0 => return Ok(made),
                Err(error) => return Err(Failure::of(format!("making one more {}", M::NAME))(error)),
            }
            self.promise.kept(M::COST);
        }
        Ok(missing)
    }
}
