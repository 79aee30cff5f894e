//! A change is what a client asks for; an operation is a change that was accepted, with all that is to be told of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::consumer::control::failure::Failure;
use crate::consumer::control::id::Id;
use crate::consumer::control::queue::Entry;
use crate::consumer::control::ramp::Ramp;
use crate::kernel::clock::saturating_add;
use crate::sync::lock;
use crate::units::quantity::Amount;

/// Longest part of a user agent that is kept.
const AGENT_BYTES: usize = 120;

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The other end of the connection; `None` when it was the service itself.
    pub peer: Option<SocketAddr>,
    /// What it called itself; printable ASCII.
    pub agent: String,
}

impl Caller {
    /// The service itself.
    pub fn nobody() -> Self {
        Self { peer: None, agent: String::from("testero") }
    }

    /// A client, with its User-Agent as sent.
    pub fn client(peer: Option<SocketAddr>, agent: Option<&[u8]>) -> Self {
        let agent = agent.unwrap_or_default();
        let agent = agent[..agent.len().min(AGENT_BYTES)].iter();
        let agent = agent.map(|&byte| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '?' });
        Self { peer, agent: agent.collect() }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(out, "{} {:?}", SocketAddr::new(peer.ip().to_canonical(), peer.port()), self.agent),
            None => out.write_str("the service itself"),
        }
    }
}

/// What memory is to be made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryKind {
    /// Private anonymous pages.
    #[default]
    Anon,
    /// Pages of a mapped file in DATADIR.
    File,
    /// Shared memory.
    Shm,
}

impl MemoryKind {
    /// As it is written in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::File => "file",
            Self::Shm => "shm",
        }
    }
}

/// How something is to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// To the page or byte, instead of the plan's rounding.
    pub exact: bool,
    /// What memory is made of.
    pub kind: MemoryKind,
    /// How often its pages are written again.
    pub touch: Option<Duration>,
    /// Whether files are synced to the disk.
    pub fsync: bool,
    /// Past live admission and the default limit.
    pub force: bool,
    /// One of many small changes along a curve: it keeps as much as it can of what is held, is never more than was asked
    /// for, and its end is logged only where it failed.
    pub follows: bool,
    /// What rounding alone would bring above the limit is not rounded, and rounding is told. The contract's `size` does not
    /// ask for it: there, rounding may exceed the limit, and nobody is told.
    pub within_limit: bool,
}

impl Options {
    /// Whether the plan may come to more than was asked for.
    pub fn rounds(&self) -> bool {
        !self.exact && !self.follows
    }
}

/// How fast the target is approached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many units a second; not 0.
    Rate(u64),
    /// In so much time; not zero.
    Over(Duration),
}

/// What a client asks of a group.
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// The total that is to be held.
    pub amount: Amount,
    /// How.
    pub options: Options,
    /// How fast; as fast as can be without.
    pub pace: Option<Pace>,
    /// For how long; until further notice without.
    pub ttl: Option<Duration>,
    /// Who asks.
    pub caller: Caller,
    /// In which words.
    pub words: String,
    /// Part of a larger change, which is logged as one.
    pub is_part: bool,
}

impl ChangeRequest {
    /// The plain change to `amount`.
    pub fn of(amount: Amount, caller: Caller) -> Self {
        Self {
            amount,
            options: Options::default(),
            pace: None,
            ttl: None,
            caller,
            words: String::new(),
            is_part: false,
        }
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its target is reached.
    Done,
    /// A release took its place.
    Cancelled,
    /// Its time was over before it was done.
    Expired,
    /// The service stopped before it was done.
    Stopped,
    /// It failed, and why.
    Failed(String),
}

impl Outcome {
    /// The outcome of work that ended like this.
    pub fn of(result: &Result<(), Failure>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(Failure::Cancelled) => Self::Cancelled,
            Err(Failure::Expired) => Self::Expired,
            Err(Failure::Stopped) => Self::Stopped,
            Err(failure) => Self::Failed(failure.to_string()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => out.write_str("done"),
            Self::Cancelled => out.write_str("cancelled"),
            Self::Expired => out.write_str("expired"),
            Self::Stopped => out.write_str("stopped"),
            Self::Failed(why) => write!(out, "failed: {why}"),
        }
    }
}

/// A change that was accepted.
#[derive(Debug)]
pub struct Operation {
    /// Its id, which is its timestamp.
    pub id: Id,
    /// Units asked for, resolved.
    pub requested: u64,
    /// Units that will be held: rounding included.
    pub planned: u64,
    /// How they are held.
    pub options: Options,
    /// Past admission: the process may die of it, so it is noted first.
    pub is_risky: bool,
    /// When what is held is released by itself.
    pub expires: Option<Expiry>,
    /// Who asked for it.
    pub caller: Caller,
    /// In which words.
    pub words: String,
    /// Part of a larger change, which is logged as one.
    pub is_part: bool,
    /// How far the work is.
    pub progress: Progress,
    /// When it was accepted.
    pub accepted: Instant,
    pace: Option<Pace>,
    cancelled: AtomicBool,
    outcome: Mutex<Option<Outcome>>,
}

/// A moment to come, on the clock that nobody sets and on the one that people read.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// For us.
    pub at: Instant,
    /// For people.
    pub shown: SystemTime,
}

impl Expiry {
    /// So much time from now.
    pub fn after(length: Duration) -> Self {
        Self { at: Instant::now() + length, shown: saturating_add(SystemTime::now(), length) }
    }
}

impl Entry for Arc<Operation> {
    fn cancel(&self) {
        Operation::cancel(self);
    }
}

impl Operation {
    /// The operation that `change` becomes.
    pub fn new(id: Id, change: &ChangeRequest, requested: u64, planned: u64, ttl: Option<Duration>) -> Self {
        Self {
            id,
            requested,
            planned,
            options: change.options,
            is_risky: change.options.force,
            expires: ttl.map(Expiry::after),
            caller: change.caller.clone(),
            words: change.words.clone(),
            is_part: change.is_part,
            progress: Progress::default(),
            accepted: Instant::now(),
            pace: change.pace,
            cancelled: AtomicBool::new(false),
            outcome: Mutex::default(),
        }
    }

    /// Whether it releases everything, as fast as can be.
    pub fn is_plain_release(&self) -> bool {
        self.planned == 0 && self.pace.is_none()
    }

    /// Makes its work end early.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether its work is to end early.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Whether its time is over.
    pub fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expiry| Instant::now() >= expiry.at)
    }

    /// How its work ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.outcome).clone()
    }

    /// Its work ended like this.
    pub fn ended(&self, outcome: Outcome) {
        *lock(&self.outcome) = Some(outcome);
    }

    /// The line that the level is to follow, if there is a ramp.
    pub fn line(&self, from: u64, to: u64) -> Option<Ramp> {
        let length = match self.pace? {
            Pace::Over(length) => length,
            Pace::Rate(rate) => Duration::try_from_secs_f64(from.abs_diff(to) as f64 / rate as f64).ok()?,
        };
        (!length.is_zero()).then_some(Ramp { from, to, length })
    }
}

/// How long work must have gone on until a rate tells more of it than of the clock: memory is given back within a few
/// milliseconds, at what would be 100 GiB a second.
const MEASURABLE: Duration = Duration::from_millis(100);

/// How far work is: units moved of those to be moved. What is exchanged counts twice.
#[derive(Debug, Default)]
pub struct Progress {
    to_move: AtomicU64,
    moved: AtomicU64,
    began: Mutex<Option<Instant>>,
}

impl Progress {
    pub(in crate::consumer) fn starts(&self, to_move: u64) {
        self.to_move.store(to_move, Ordering::Release);
        *lock(&self.began) = Some(Instant::now());
    }

    pub(in crate::consumer) fn moved(&self, units: u64) {
        self.moved.fetch_add(units, Ordering::AcqRel);
    }

    /// The share that is done, from 0 to 1. Nothing to do is all done, once the work has begun.
    pub fn share(&self) -> f64 {
        let (to_move, moved) = (self.to_move.load(Ordering::Acquire), self.moved.load(Ordering::Acquire));
        match to_move {
            0 if lock(&self.began).is_none() => 0.0,
            0 => 1.0,
            _ => (moved as f64 / to_move as f64).min(1.0),
        }
    }

    /// Units a second since the work began; 0 as long as it is too short to be measured.
    pub fn rate(&self) -> f64 {
        self.rate_over(MEASURABLE)
    }

    fn rate_over(&self, least: Duration) -> f64 {
        let elapsed = lock(&self.began).map_or(Duration::ZERO, |began| began.elapsed());
        if elapsed < least {
            return 0.0;
        }
        self.moved.load(Ordering::Acquire) as f64 / elapsed.as_secs_f64().max(1e-3)
    }

    /// Seconds until it is done, at this rate; `None` when nothing moves.
    pub fn seconds_left(&self) -> Option<f64> {
        let left = self.to_move.load(Ordering::Acquire).saturating_sub(self.moved.load(Ordering::Acquire));
        let rate = self.rate_over(Duration::ZERO);
        (rate > 0.0).then(|| left as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_one_printable_line() {
        let peer = "[::ffff:10.0.0.7]:5555".parse().ok();
        assert_eq!(Caller::client(peer, Some(b"curl/8\r\n\"x\"\xff")).to_string(), r#"10.0.0.7:5555 "curl/8??\"x\"?""#);
        assert_eq!(Caller::client(peer, Some(&[b'a'; 4000])).agent.len(), AGENT_BYTES);
        assert_eq!(Caller::nobody().to_string(), "the service itself");
    }

    #[test]
    fn progress_is_told_in_shares_and_seconds() {
        let progress = Progress::default();
        assert_eq!((progress.share(), progress.rate(), progress.seconds_left()), (0.0, 0.0, None));
        progress.starts(100);
        progress.moved(25);
        assert_eq!(progress.share(), 0.25);
        assert!(progress.seconds_left().is_some());
        // Memory is given back faster than a rate can be measured.
        assert_eq!(progress.rate(), 0.0);
        *lock(&progress.began) = Instant::now().checked_sub(Duration::from_secs(1));
        assert!(progress.rate() > 20.0 && progress.rate() <= 25.0, "{}", progress.rate());
        progress.moved(100);
        assert_eq!((progress.share(), progress.seconds_left()), (1.0, Some(0.0)));
    }

    #[test]
    fn a_rate_is_a_line_as_long_as_it_takes() {
        let mut change = ChangeRequest::of(Amount::Exactly(0), Caller::nobody());
        change.pace = Some(Pace::Rate(10));
        let operation = Operation::new(Id(1), &change, 0, 0, None);
        assert_eq!(operation.line(100, 50).map(|line| line.length), Some(Duration::from_secs(5)));
        assert!(operation.line(50, 50).is_none());
    }
}
