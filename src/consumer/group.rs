//! What memory and files have in common: a ticket, a plan, a store, and the walk of a request through them.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::guard::Promise;
use super::id::{Id, Ids};
use super::number::{NumberError, parse_unsigned};
use super::plan::{Plan, Scheme};
use super::ticket::{Conflict, Ticket, Worker};
use crate::shutdown::Stop;
use crate::sync::lock;

/// How long a worker waits for its ticket.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// A worker's stack: it fills pages and buffers that are elsewhere.
pub const WORKER_STACK_BYTES: usize = 128 * 1024;

/// Where the parts of a plan are kept.
pub trait Store: Send + Sync + 'static {
    /// What the log calls its work: people's scripts look for it.
    const WORK: &'static str;
    /// The sizes of its parts.
    const SCHEME: &'static Scheme;
    /// What was learnt about the room for growing, from the kernel.
    type Outlook;

    /// Makes the store usable again if it is not: what kept it from being so may have passed.
    ///
    /// # Errors
    /// When it still cannot be used, and why.
    fn mend(&self) -> Result<(), String> {
        Ok(())
    }

    /// What is there now.
    ///
    /// # Errors
    /// When that cannot be told.
    fn held(&self) -> Result<Plan, String>;

    /// Asks the kernel what may still be taken. Slow, so it is done without the ticket.
    ///
    /// # Errors
    /// When that cannot be told.
    fn look(&self, held: &Plan) -> Result<Self::Outlook, String>;

    /// The most bytes a request may ask for.
    fn limit(&self, outlook: &Self::Outlook) -> u64;

    /// Whether `plan`, which is more than `held`, fits. Quick, done with the ticket.
    ///
    /// # Errors
    /// When it does not: the largest total that would.
    fn admit(&self, outlook: &Self::Outlook, held: &Plan, plan: &Plan) -> Result<Promise, u64>;

    /// The promise for a plan that is not more than what is held.
    fn promise_nothing(&self) -> Promise;

    /// Makes what is there equal to `plan`, in the worker.
    ///
    /// # Errors
    /// When the kernel refuses or the service stops. What was done stays done.
    fn adjust(&self, plan: &Plan, promise: &mut Promise, stop: &Stop) -> Result<(), Failure>;
}

/// A group of requests that only one at a time may work for.
pub struct Group<S> {
    ticket: Ticket,
    ids: Arc<Ids>,
    store: S,
    stop: Stop,
    account: Mutex<Account>,
}

/// What a group remembers.
#[derive(Clone, Debug)]
pub struct Account {
    /// The last request whose work began.
    pub last: Id,
    /// The last plan that was accepted.
    pub plan: Plan,
    /// Why the last work did not reach its plan.
    pub trouble: Option<String>,
}

/// Why a request of a group was refused.
#[derive(Debug)]
pub enum Refused {
    /// Work is pending or running.
    Conflict(Conflict),
    /// No size given.
    Absent,
    /// A size that is no number.
    Number(NumberError),
    /// More than the limit.
    OverLimit {
        /// Bytes asked for.
        requested: u64,
        /// Bytes that may be asked for.
        limit: u64,
    },
    /// More than there is room for now.
    DoesNotFit {
        /// Bytes asked for.
        requested: u64,
        /// The most bytes that would have been accepted.
        available: u64,
    },
    /// The store cannot be used, and why.
    Unavailable(String),
    /// The kernel gave no thread for the work.
    NotStarted(io::Error),
}

impl From<Conflict> for Refused {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl<S: Store> Group<S> {
    /// A group that holds nothing yet.
    pub fn new(store: S, ids: Arc<Ids>, stop: Stop) -> Self {
        let account = Account { last: Id(0), plan: Plan::empty(S::SCHEME), trouble: None };
        Self { ticket: Ticket::new(), ids, store, stop, account: Mutex::new(account) }
    }

    /// What it keeps its parts in.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What the group remembers, if no work is pending or running.
    ///
    /// # Errors
    /// When there is.
    pub fn account(&self) -> Result<Account, Conflict> {
        self.remembered().map(|(account, _)| account)
    }

    /// The account, and how many works had ended by then.
    fn remembered(&self) -> Result<(Account, u64), Conflict> {
        let request = self.ticket.take()?;
        Ok((lock(&self.account).clone(), request.works()))
    }

    /// What the group remembers and what its store holds, at one and the same time between two works. The store is
    /// asked without the ticket: a client that only looks holds up nobody.
    ///
    /// # Errors
    /// When work is pending or running.
    pub fn report(&self) -> Result<(Account, Result<Plan, String>), Conflict> {
        loop {
            let (account, works) = self.remembered()?;
            let held = self.store.held();
            if self.ticket.peek()? == works {
                return Ok((account, held));
            }
        }
    }

    /// Whether its work runs: the ticket is a worker's.
    pub fn is_working(&self) -> bool {
        self.ticket.peek() == Err(Conflict::Busy)
    }

    /// Accepts a request to make the total `size` bytes: from here on a worker sees to it.
    ///
    /// Returns the bytes asked for and the id.
    ///
    /// # Errors
    /// When it is refused; then everything is as before.
    pub fn set(self: &Arc<Self>, size: Option<&[u8]>) -> Result<(u64, Id), Refused> {
        loop {
            // Reading folders and the kernel's files takes a while, so it is done before the ticket is taken, and
            // done again in the rare case that a work has ended in between.
            let works = self.ticket.peek()?;
            let bytes = size.ok_or(Refused::Absent).and_then(|size| parse_unsigned(size).map_err(Refused::Number));
            let asked = bytes.and_then(|bytes| self.look(bytes));
            let request = self.ticket.take()?;
            if request.works() != works {
                continue;
            }
            let asked = asked?;
            let promise = self.admit(&asked)?;
            let id = self.ids.next();
            self.spawn(id, asked.plan, promise).map_err(Refused::NotStarted)?;
            lock(&self.account).plan = asked.plan;
            request.hand_over(id);
            return Ok((asked.bytes, id));
        }
    }

    fn look(&self, bytes: u64) -> Result<Asked<S::Outlook>, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let held = self.store.held().map_err(Refused::Unavailable)?;
        let plan = Plan::new(S::SCHEME, bytes);
        // Shrinking is always allowed, so nobody needs to be asked. Rounding can make the total more than what is held
        // where the amount is not: what is held need not be a whole plan.
        let grows = bytes.max(plan.total()) > held.total();
        let outlook = grows.then(|| self.store.look(&held)).transpose().map_err(Refused::Unavailable)?;
        Ok(Asked { bytes, plan, held, outlook })
    }

    fn admit(&self, asked: &Asked<S::Outlook>) -> Result<Promise, Refused> {
        let Some(outlook) = &asked.outlook else { return Ok(self.store.promise_nothing()) };
        let (requested, limit, held) = (asked.bytes, self.store.limit(outlook), asked.held.total());
        if requested > held && requested > limit {
            return Err(Refused::OverLimit { requested, limit });
        }
        self.store.admit(outlook, &asked.held, &asked.plan).map_err(|total| {
            let available = Plan::largest_amount(S::SCHEME, limit.max(held), total);
            Refused::DoesNotFit { requested, available }
        })
    }

    fn spawn(self: &Arc<Self>, id: Id, plan: Plan, promise: Promise) -> io::Result<()> {
        let group = Arc::clone(self);
        let thread = thread::Builder::new().name(String::from(S::WORK)).stack_size(WORKER_STACK_BYTES);
        thread.spawn(move || {
            if let Ok(worker) = group.ticket.claim(id, PATIENCE) {
                group.work(worker, &plan, promise);
            }
        })?;
        Ok(())
    }

    fn work(&self, worker: Worker, plan: &Plan, mut promise: Promise) {
        let (id, began) = (worker.id(), Instant::now());
        {
            let mut account = lock(&self.account);
            account.last = id;
            // What is true should the work panic.
            account.trouble = Some(String::from("the work ended in a panic, the log tells more"));
        }
        let result = self.store.adjust(plan, &mut promise, &self.stop);
        let seconds = began.elapsed().as_secs();
        match &result {
            Ok(()) => log::info!("{}: Request {id} completed in {seconds} seconds", S::WORK),
            Err(failure) => log::error!("{}: Request {id} failed after {seconds} seconds: {failure}", S::WORK),
        }
        lock(&self.account).trouble = result.err().map(|failure| failure.to_string());
        // The promise first, then the ticket: the next request finds both settled.
        drop(promise);
        drop(worker);
    }
}

/// A request, and what there was to know about it before the ticket was taken.
struct Asked<O> {
    bytes: u64,
    plan: Plan,
    held: Plan,
    /// Only where more is taken than held.
    outlook: Option<O>,
}
