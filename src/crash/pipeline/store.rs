//! What the parts promise each other, whatever keeps it: streams, outboxes, claims and checkpoints.
//!
//! Each call is atomic: a part that is killed in it has done all of it or nothing. Who holds a key has an epoch, which a new
//! holder raises; a call with an old one changes nothing and says so.

use std::fmt;

use crate::crash::input::StreamKey;

/// Bytes since the beginning.
pub type Offset = u64;

/// A store.
pub trait StreamStore: Send {
    /// Makes a feed the one of its key, unless another one that is alive is, and says where it is to go on.
    ///
    /// # Errors
    /// [`StoreFault::Held`] while another feed is; [`StoreFault::Away`].
    fn register(&mut self, key: StreamKey, feed: &str) -> Result<Registered, StoreFault>;

    /// Appends input behind `start`, which must be the end of what was fed.
    ///
    /// # Errors
    /// [`StoreFault::Stale`] with the true end; [`StoreFault::Full`] while the stream is too long; [`StoreFault::Fenced`];
    /// [`StoreFault::Away`].
    fn append(&mut self, key: StreamKey, epoch: u64, start: Offset, bytes: &[u8]) -> Result<Offset, StoreFault>;

    /// Says that a worker is alive, and who else is, itself included.
    ///
    /// # Errors
    /// [`StoreFault::Away`].
    fn heartbeat(&mut self, worker: u32) -> Result<Vec<u32>, StoreFault>;

    /// Takes a worker off the list of those alive.
    ///
    /// # Errors
    /// [`StoreFault::Away`].
    fn leave(&mut self, worker: u32) -> Result<(), StoreFault>;

    /// Makes a worker the owner of a key, or keeps it so.
    ///
    /// # Errors
    /// [`StoreFault::Held`] while another worker is; [`StoreFault::Away`].
    fn claim(&mut self, key: StreamKey, worker: u32) -> Result<Claim, StoreFault>;

    /// Reads input from an offset on: at most `most` bytes, none when there are none yet.
    ///
    /// # Errors
    /// [`StoreFault::Stale`] with where the stream begins, when what is before that was taken by another one and is no
    /// longer kept; [`StoreFault::Away`]; [`StoreFault::Broken`] when what is there is no stream.
    fn read_input(&mut self, key: StreamKey, from: Offset, most: usize) -> Result<Vec<u8>, StoreFault>;

    /// Puts out bytes and moves the checkpoint, both or neither. `claim` is as the last call left it, and moves along.
    ///
    /// # Errors
    /// [`StoreFault::Fenced`] when another one owns the key; [`StoreFault::Stale`] when `from` is not the checkpoint;
    /// [`StoreFault::Away`], after which only a new claim tells what became of it.
    fn commit(&mut self, key: StreamKey, claim: &mut Claim, commit: Commit<'_>) -> Result<(), StoreFault>;

    /// Gives a key back, so that another worker need not wait. With an old claim this does nothing.
    ///
    /// # Errors
    /// [`StoreFault::Away`].
    fn release(&mut self, key: StreamKey, claim: Claim) -> Result<(), StoreFault>;

    /// Makes this process the sink: its epoch.
    ///
    /// # Errors
    /// [`StoreFault::Held`] while another sink is; [`StoreFault::Away`].
    fn open_sink(&mut self) -> Result<u64, StoreFault>;

    /// Reads whole entries of an outbox, the one that `from` is in first: as many as begin within `most` bytes, none when
    /// there are none yet.
    ///
    /// # Errors
    /// [`StoreFault::Away`]; [`StoreFault::Broken`] when what is there is no outbox.
    fn read_outbox(&mut self, key: StreamKey, from: Offset, most: usize) -> Result<Vec<OutboxEntry>, StoreFault>;

    /// Says that the sink has all before `end`: it is never asked for again.
    ///
    /// # Errors
    /// [`StoreFault::Fenced`] when there is another sink; [`StoreFault::Stale`] when there is no output so far;
    /// [`StoreFault::Away`].
    fn acknowledge(&mut self, key: StreamKey, epoch: u64, end: Offset) -> Result<(), StoreFault>;

    /// How far a key is. Read in the order of the struct, so that each is at most the next one, whatever happens meanwhile.
    ///
    /// # Errors
    /// [`StoreFault::Away`].
    fn offsets(&mut self, key: StreamKey) -> Result<Offsets, StoreFault>;
}

/// A feed is the one of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its epoch.
    pub epoch: u64,
    /// Where it goes on.
    pub fed: Offset,
}

/// A worker owns a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub worker: u32,
    /// Its epoch.
    pub epoch: u64,
    /// How far input was taken.
    pub taken: Offset,
    /// How far output was made.
    pub made: Offset,
}

/// What a commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit<'b> {
    /// Where the input begins that it took: the checkpoint.
    pub from: Offset,
    /// Where it ends: the next checkpoint.
    pub to: Offset,
    /// What is put out.
    pub bytes: &'b [u8],
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Where it begins in all that was put out of its key.
    pub start: Offset,
    /// Who put it out.
    pub worker: u32,
    /// In which epoch.
    pub epoch: u64,
    /// What.
    pub bytes: Vec<u8>,
}

impl OutboxEntry {
    /// Where it ends.
    pub fn end(&self) -> Offset {
        self.start + self.bytes.len() as u64
    }
}

/// How far a key is, in bytes: each is at most the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// What the sink has for good.
    pub acknowledged: Offset,
    /// What was put out.
    pub made: Offset,
    /// What was taken.
    pub taken: Offset,
    /// What was fed.
    pub fed: Offset,
}

/// Why a call did nothing, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The store cannot be asked now; whether the call was done is not known.
    Away(String),
    /// Another one holds the key.
    Held(String),
    /// The caller's epoch is an old one.
    Fenced(String),
    /// The position is another one: this.
    Stale(Offset),
    /// There is as much as there may be; later there is room.
    Full,
    /// What is there was not written by a store.
    Broken(String),
}

/// How what a part says begins while its store is away.
pub const AWAY: &str = "the store is away";

impl fmt::Display for StoreFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(out, "{AWAY}: {why}"),
            Self::Held(by) => write!(out, "held by {by}"),
            Self::Fenced(by) => write!(out, "fenced by {by}"),
            Self::Stale(truth) => write!(out, "stale: the position is {truth}"),
            Self::Full => write!(out, "the stream is full"),
            Self::Broken(why) => write!(out, "broken: {why}"),
        }
    }
}
