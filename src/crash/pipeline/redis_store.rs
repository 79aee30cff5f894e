//! Streams, outboxes, claims and checkpoints in a Redis (version 7 or newer), for parts on several machines.
//!
//! Keys, all with the hash tag `{NAME}`, so that a cluster keeps them together:
//!
//! ```text
//! NAME:in:K  NAME:out:K   streams: the ID is the end of the entry's bytes; start, bytes; of out also worker, epoch
//! NAME:reg:K              feed, e (its epoch), until (the end of its lease), fed
//! NAME:own:K              w (the worker), e, until; last: who had it last, for the count of handovers
//! NAME:ck:K               in, out: how far input was taken, and output made
//! NAME:members            worker → the end of its lease
//! NAME:sink               e, and acked.K: what the sink has
//! ```
//!
//! Leases are in milliseconds of the Redis' clock, and only say who may claim: what keeps data right are epochs and
//! positions, which each script compares before it writes. Two guards stand before a commit, and each would do alone: the
//! epoch, and the checkpoint. What was sent and not answered is not sent again by this store, whoever asked claims, and sees.
//!
//! ```text
//! scripts   what is done in the Redis
//! calls     how it is called
//! entries   how a stream is read
//! ```

mod calls;
mod entries;
mod scripts;

use std::thread;
use std::time::Duration;

use crate::crash::input::StreamKey;
use crate::crash::key_map::KeyMap;
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::store::{Claim, Commit, Offset, Offsets, OutboxEntry, Registered, StoreFault, StreamStore};
use crate::redis::server::RedisServer;
use crate::settings::crash::Bug;
use calls::{RedisCaller, number};
use scripts::{ENTRY_BYTES, LuaScript};

/// The name that keys begin with unless told otherwise.
pub const TAG: &str = "testero-crash";
/// How much input of a key waits at most, in bytes: a feed that is faster than its worker fills no memory.
const WAITING_BYTES: usize = 8 * 1024 * 1024;
/// How many entries are read at once at most: 8 MiB, half of what a reply may have.
const MOST_ENTRIES: usize = 32;
/// What a commit without guards waits for, as if its worker had work to do between what it knows and what it writes: so
/// much of a worker's time goes there that one of a few pauses does.
const GAP: Duration = Duration::from_millis(50);

/// A store in a Redis.
pub struct RedisStore {
    calls: RedisCaller,
    tag: String,
    lease: Duration,
    bug: Option<Bug>,
    coverage: Coverage,
    /// The epochs of the claims that were made here, and that nothing happened to: a heartbeat extends these. Others end by
    /// themselves, as whoever was told of a fault may not claim again, and another one has to.
    claims: KeyMap<u64>,
    /// How long entries were when some were last read, in bytes: so many are asked for as are needed.
    usual_entry: usize,
}

impl RedisStore {
    /// A store at a URL: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `unix:PATH`. Its keys begin with `{tag}`. It
    /// connects when it is called.
    ///
    /// # Errors
    /// When that is no such URL.
    pub fn new(url: &str, tag: &str, lease: Duration, coverage: Coverage, bug: Option<Bug>) -> Result<Self, String> {
        let (calls, tag) = (RedisCaller::new(RedisServer::at(url)?), tag.to_owned());
        Ok(Self { calls, tag, lease, bug, coverage, claims: KeyMap::default(), usual_entry: ENTRY_BYTES })
    }

    /// Removes all that the store keeps of these keys, and of workers and the sink.
    ///
    /// # Errors
    /// [`StoreFault::Away`].
    pub fn clear(&mut self, keys: &[StreamKey]) -> Result<(), StoreFault> {
        let mut words = vec![String::from("DEL"), self.shared("members"), self.shared("sink")];
        for key in keys {
            words.extend(self.all_of(["in", "out", "reg", "own", "ck"], *key));
        }
        self.claims.clear();
        self.calls.command(&words.iter().map(String::as_bytes).collect::<Vec<_>>()).map(drop)
    }

    fn shared(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.tag)
    }

    fn of(&self, kind: &str, key: StreamKey) -> String {
        format!("{{{}}}:{kind}:{key}", self.tag)
    }

    /// The keys of these kinds.
    fn all_of<const N: usize>(&self, kinds: [&str; N], key: StreamKey) -> [String; N] {
        kinds.map(|kind| self.of(kind, key))
    }

    /// A lease, in milliseconds; none is none, and would be over at once.
    fn lease(&self) -> String {
        self.lease.as_millis().max(1).to_string()
    }

    /// Whole entries, the one that `from` is in first: as many as begin within `most` bytes.
    fn read(&mut self, kind: &str, key: StreamKey, from: Offset, most: usize) -> Result<Vec<OutboxEntry>, StoreFault> {
        let stream = self.of(kind, key);
        let end = from.saturating_add(most as u64);
        let (mut read, mut at) = (Vec::<OutboxEntry>::new(), from);
        while at < end {
            let wanted = ((end - at) as usize / self.usual_entry + 1).min(MOST_ENTRIES);
            // The first one that ends behind `at`: the ID of one that ends there is AT-0.
            let (first, count) = (format!("{at}-1"), wanted.to_string());
            let words: [&[u8]; 6] = [b"XRANGE", stream.as_bytes(), first.as_bytes(), b"+", b"COUNT", count.as_bytes()];
            let entries = entries::read(self.calls.command(&words)?)?;
            let Some(last) = entries.last() else { break };
            at = last.end();
            let (count, length) = (entries.len(), entries.iter().map(|entry| entry.bytes.len()).sum::<usize>());
            self.usual_entry = (length / count).max(1);
            // One that begins behind what is asked for shows that something is no longer there.
            let is_missing = read.is_empty() && entries[0].start >= end;
            let wanted_end = if is_missing { entries[0].end() } else { end };
            read.extend(entries.into_iter().take_while(|entry| entry.start < wanted_end));
            if count < wanted {
                break;
            }
        }
        Ok(read)
    }

    /// Whether a claim holds now, which need not be so any more when the answer is there.
    fn look(&mut self, key: StreamKey, claim: Claim) -> Result<(), StoreFault> {
        let (keys, epoch, worker) = ([self.of("own", key)], claim.epoch.to_string(), claim.worker.to_string());
        let arguments = [epoch.as_bytes(), worker.as_bytes()];
        self.calls.script(LuaScript::LookAtLease, &keys, &arguments).map(|[]| ())
    }

    /// Writes what a commit says, with guards or without: what was taken and made.
    fn write(
        &mut self,
        script: LuaScript,
        key: StreamKey,
        claim: Claim,
        commit: Commit<'_>,
    ) -> Result<[u64; 2], StoreFault> {
        let keys = self.all_of(["own", "ck", "in", "out"], key);
        let texts = [claim.epoch, commit.from, commit.to, claim.worker.into()].map(|number| number.to_string());
        let [epoch, from, to, worker] = texts.each_ref().map(|text| text.as_bytes());
        let (longest, lease) = (ENTRY_BYTES.to_string(), self.lease());
        let arguments = [epoch, from, to, worker, commit.bytes, longest.as_bytes(), lease.as_bytes()];
        self.calls.script(script, &keys, &arguments)
    }

    /// The same answer; where there was none, or the claim is of no use any more, leases are no longer extended.
    fn judged<T>(&mut self, key: StreamKey, answer: Result<T, StoreFault>) -> Result<T, StoreFault> {
        match &answer {
            Err(StoreFault::Away(_)) => self.claims.clear(),
            Err(StoreFault::Fenced(_) | StoreFault::Stale(_)) => self.claims.remove(&key),
            _ => {}
        }
        answer
    }
}

impl StreamStore for RedisStore {
    fn register(&mut self, key: StreamKey, feed: &str) -> Result<Registered, StoreFault> {
        let (keys, lease) = ([self.of("reg", key)], self.lease());
        let answer = self.calls.script(LuaScript::Register, &keys, &[feed.as_bytes(), lease.as_bytes()]);
        answer.map(|[epoch, fed]| Registered { epoch, fed })
    }

    fn append(&mut self, key: StreamKey, epoch: u64, start: Offset, bytes: &[u8]) -> Result<Offset, StoreFault> {
        let keys = self.all_of(["reg", "in", "ck"], key);
        let texts = [epoch.to_string(), start.to_string(), self.lease(), ENTRY_BYTES.to_string()];
        let [epoch, start, lease, longest] = texts.each_ref().map(|text| text.as_bytes());
        let most = WAITING_BYTES.to_string();
        let arguments = [epoch, start, lease, bytes, longest, most.as_bytes()];
        self.calls.script(LuaScript::Append, &keys, &arguments).map(|[fed]| fed)
    }

    /// Extends the leases of the worker, and of the keys that were claimed here.
    fn heartbeat(&mut self, worker: u32) -> Result<Vec<u32>, StoreFault> {
        let mut keys = vec![self.shared("members")];
        let mut texts = vec![worker.to_string(), self.lease()];
        for (key, epoch) in self.claims.iter() {
            keys.push(self.of("own", key));
            texts.push(epoch.to_string());
        }
        let arguments: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let members = self.calls.script_numbers(LuaScript::Heartbeat, &keys, &arguments);
        let members = members.inspect_err(|_| self.claims.clear())?;
        Ok(members.into_iter().filter_map(|member| u32::try_from(member).ok()).collect())
    }

    fn leave(&mut self, worker: u32) -> Result<(), StoreFault> {
        let (key, worker) = (self.shared("members"), worker.to_string());
        self.calls.command(&[b"HDEL", key.as_bytes(), worker.as_bytes()]).map(drop)
    }

    /// Each claim raises the epoch, so that a commit of before that is still on its way is fenced.
    fn claim(&mut self, key: StreamKey, worker: u32) -> Result<Claim, StoreFault> {
        let (keys, name, lease) = (self.all_of(["own", "ck"], key), worker.to_string(), self.lease());
        let answer = self.calls.script(LuaScript::Claim, &keys, &[name.as_bytes(), lease.as_bytes()]);
        let [epoch, taken, made, handed] = self.judged(key, answer)?;
        if handed > 0 {
            self.coverage.count("handovers");
        }
        self.claims.insert(key, epoch);
        Ok(Claim { worker, epoch, taken, made })
    }

    fn read_input(&mut self, key: StreamKey, from: Offset, most: usize) -> Result<Vec<u8>, StoreFault> {
        let mut bytes = Vec::new();
        let entries = self.read("in", key, from, most);
        for entry in self.judged(key, entries)? {
            let at = from + bytes.len() as u64;
            if entry.start > at {
                // What was taken is trimmed, perhaps while this reads on.
                if bytes.is_empty() {
                    return self.judged(key, Err(StoreFault::Stale(entry.start)));
                }
                break;
            }
            let skipped = (at - entry.start).min(entry.bytes.len() as u64) as usize;
            bytes.extend_from_slice(&entry.bytes[skipped..]);
        }
        bytes.truncate(most);
        Ok(bytes)
    }

    fn commit(&mut self, key: StreamKey, claim: &mut Claim, commit: Commit<'_>) -> Result<(), StoreFault> {
        let script = match self.bug {
            Some(Bug::NoFence) => {
                thread::sleep(GAP);
                LuaScript::BareCommit
            }
            Some(Bug::ClientFence) => {
                let seen = self.look(key, *claim);
                self.judged(key, seen)?;
                thread::sleep(GAP);
                LuaScript::BareCommit
            }
            _ => LuaScript::Commit,
        };
        let written = self.write(script, key, *claim, commit);
        [claim.taken, claim.made] = self.judged(key, written)?;
        Ok(())
    }

    fn release(&mut self, key: StreamKey, claim: Claim) -> Result<(), StoreFault> {
        if self.claims.get(&key) == Some(&claim.epoch) {
            self.claims.remove(&key);
        }
        let (keys, epoch, worker) = ([self.of("own", key)], claim.epoch.to_string(), claim.worker.to_string());
        match self.calls.script(LuaScript::Release, &keys, &[epoch.as_bytes(), worker.as_bytes()]) {
            Ok([]) | Err(StoreFault::Fenced(_)) => Ok(()),
            Err(fault) => self.judged(key, Err(fault)),
        }
    }

    /// Fences the sink of before. It is never held: one sink alone has the folder's lock.
    fn open_sink(&mut self) -> Result<u64, StoreFault> {
        let answer = self.calls.command(&[b"HINCRBY", self.shared("sink").as_bytes(), b"e", b"1"])?;
        number(&answer).ok_or_else(|| StoreFault::Broken(String::from("the sink's epoch is no number")))
    }

    fn read_outbox(&mut self, key: StreamKey, from: Offset, most: usize) -> Result<Vec<OutboxEntry>, StoreFault> {
        self.read("out", key, from, most)
    }

    fn acknowledge(&mut self, key: StreamKey, epoch: u64, end: Offset) -> Result<(), StoreFault> {
        let keys = [self.shared("sink"), self.of("ck", key), self.of("out", key)];
        let [epoch, field, end] = [epoch.to_string(), acknowledged(key), end.to_string()];
        let arguments = [&epoch, &field, &end].map(|text| text.as_bytes());
        self.calls.script(LuaScript::Acknowledge, &keys, &arguments).map(|[]| ())
    }

    /// All at one instant.
    fn offsets(&mut self, key: StreamKey) -> Result<Offsets, StoreFault> {
        let keys = [self.shared("sink"), self.of("ck", key), self.of("reg", key)];
        let answer = self.calls.script(LuaScript::Offsets, &keys, &[acknowledged(key).as_bytes()]);
        answer.map(|[acknowledged, made, taken, fed]| Offsets { acknowledged, made, taken, fed })
    }
}

/// The field of what the sink has; a key alone could be `e`.
fn acknowledged(key: StreamKey) -> String {
    format!("acked.{key}")
}

#[cfg(test)]
mod tests;
