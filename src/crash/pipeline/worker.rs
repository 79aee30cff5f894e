//! A worker: it owns the keys that belong to it among all that are alive, and passes their input on.
//!
//! A key belongs to the live member with the highest hash of (member, key), so all of them agree without asking, and a
//! member that comes or goes moves only its own keys.

use std::time::{Duration, Instant};

use crate::crash::input::StreamKey;
use crate::crash::key_map::KeyMap;
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::status::PartStatus;
use crate::crash::pipeline::store::{Claim, Commit, StoreFault, StreamStore};
use crate::kernel::shutdown::Stop;
use crate::settings::crash::Bug;

/// The most that it takes at once, in bytes.
const BATCH: usize = 512 << 10;
/// How long it sleeps when there was nothing to do.
const IDLE: Duration = Duration::from_millis(10);
/// How long it waits before it asks a store again that is away.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a worker with a bug waits in the middle of a step: long enough to be killed in.
const GAP: Duration = Duration::from_millis(40);

/// A worker.
pub struct PipelineWorker<'s> {
    /// Its number.
    pub number: u32,
    /// The keys there are.
    pub keys: &'s [StreamKey],
    /// Where they are.
    pub store: &'s mut dyn StreamStore,
    /// How long a claim lasts without a sign of life.
    pub lease: Duration,
    /// What it says of itself.
    pub status: &'s PartStatus,
    /// What is counted.
    pub coverage: Coverage,
    /// When to leave.
    pub stop: &'s Stop,
    /// What it does wrong.
    pub bug: Option<Bug>,
}

impl PipelineWorker<'_> {
    /// Works until it is to stop; then it gives all keys back and leaves.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn run(mut self) -> Result<(), StoreFault> {
        let mut members = Vec::new();
        let mut claims = KeyMap::default();
        let mut beat: Option<Instant> = None;
        while !self.stop.is_set() {
            if beat.is_none_or(|beat| beat.elapsed() >= self.lease / 3) {
                match self.store.heartbeat(self.number) {
                    Ok(alive) => (members, beat) = (alive, Some(Instant::now())),
                    Err(fault) => {
                        self.lose(&mut claims, &fault);
                        beat = None;
                        continue;
                    }
                }
            }
            match self.turn(&members, &mut claims) {
                Ok(true) => {}
                Ok(false) => {
                    self.stop.sleep(IDLE);
                }
                Err(StoreFault::Broken(why)) => return Err(StoreFault::Broken(why)),
                Err(fault) => {
                    self.lose(&mut claims, &fault);
                    beat = None;
                }
            }
        }
        for (key, claim) in claims.iter() {
            // What cannot be given back is free after a lease.
            let _ = self.store.release(key, *claim);
        }
        let _ = self.store.leave(self.number);
        log::info!("worker {} leaves", self.number);
        Ok(())
    }

    /// The store is away: what becomes of a step is known only after a new claim.
    fn lose(&self, claims: &mut KeyMap<Claim>, fault: &StoreFault) {
        log::info!("{fault}");
        self.status.waiting(&fault.to_string());
        if claims.iter().next().is_some() {
            self.coverage.count("crashes in doubt");
        }
        claims.clear();
        self.stop.sleep(PAUSE);
    }

    /// A step of each key; says whether there was anything to do.
    fn turn(&mut self, members: &[u32], claims: &mut KeyMap<Claim>) -> Result<bool, StoreFault> {
        let (mut did, mut missing) = (false, Vec::new());
        for key in self.keys {
            let is_ours = owner(members, *key) == Some(self.number);
            match (is_ours, claims.get(key).copied()) {
                (false, None) => {}
                (false, Some(claim)) => {
                    self.store.release(*key, claim)?;
                    claims.remove(key);
                    log::info!("{key}: given back at {}", claim.taken);
                }
                (true, None) => match self.store.claim(*key, self.number) {
                    Ok(claim) => {
                        log::info!("{key}: ours in epoch {}, from {}", claim.epoch, claim.taken);
                        let claim = self.begin(*key, claim)?;
                        claims.insert(*key, claim);
                        did = true;
                    }
                    Err(StoreFault::Held(by)) => missing.push(format!("{key} held by {by}")),
                    Err(fault) => return Err(fault),
                },
                (true, Some(mut claim)) => match self.pass(*key, &mut claim) {
                    Ok(some) => {
                        claims.insert(*key, claim);
                        did |= some;
                    }
                    Err(fault @ (StoreFault::Fenced(_) | StoreFault::Stale(_))) => {
                        log::info!("{key}: {fault}");
                        let stale = matches!(fault, StoreFault::Stale(_));
                        self.coverage.count(if stale { "stale" } else { "fenced" });
                        claims.remove(key);
                        missing.push(key.to_string());
                    }
                    Err(fault) => return Err(fault),
                },
            }
        }
        if missing.is_empty() {
            let owned: Vec<String> = claims.iter().map(|(key, _)| key.to_string()).collect();
            self.status.ready(&format!("owns {}", if owned.is_empty() { "nothing".into() } else { owned.join(" ") }));
        } else {
            self.status.waiting(&missing.join(", "));
        }
        Ok(did)
    }

    /// What a new owner does first: nothing, unless it has a bug.
    fn begin(&mut self, key: StreamKey, mut claim: Claim) -> Result<Claim, StoreFault> {
        if claim.taken == 0 {
            return Ok(claim);
        }
        match self.bug {
            Some(Bug::SkipBacklog) => loop {
                let backlog = self.store.read_input(key, claim.taken, BATCH)?;
                if backlog.is_empty() {
                    return Ok(claim);
                }
                let (from, to) = (claim.taken, claim.taken + backlog.len() as u64);
                self.store.commit(key, &mut claim, Commit { from, to, bytes: &[] })?;
            },
            Some(Bug::NewestFirst) => {
                let mut bytes = self.store.read_input(key, claim.taken, BATCH)?;
                let lines: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
                if let [one, .., last] = lines[..] {
                    bytes.truncate(last + 1);
                    bytes.rotate_left(one + 1);
                    let (from, to) = (claim.taken, claim.taken + bytes.len() as u64);
                    self.store.commit(key, &mut claim, Commit { from, to, bytes: &bytes })?;
                }
            }
            _ => {}
        }
        Ok(claim)
    }

    /// Passes input on; says whether there was any.
    fn pass(&mut self, key: StreamKey, claim: &mut Claim) -> Result<bool, StoreFault> {
        if self.bug == Some(Bug::Stall) {
            return Ok(false);
        }
        let mut bytes = self.store.read_input(key, claim.taken, BATCH)?;
        // A line that is longer than a batch goes in pieces.
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            bytes.truncate(end + 1);
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        let (from, to) = (claim.taken, claim.taken + bytes.len() as u64);
        if matches!(self.bug, Some(Bug::NoFence | Bug::ClientFence)) {
            // Long enough to be stopped in.
            self.stop.sleep(GAP);
        }
        match self.bug {
            Some(Bug::AckFirst) => {
                self.store.commit(key, claim, Commit { from, to, bytes: &[] })?;
                self.stop.sleep(GAP);
                self.store.commit(key, claim, Commit { from: to, to, bytes: &bytes })?;
            }
            Some(Bug::OutputFirst) => {
                self.store.commit(key, claim, Commit { from, to: from, bytes: &bytes })?;
                self.stop.sleep(GAP);
                self.store.commit(key, claim, Commit { from, to, bytes: &[] })?;
            }
            _ => self.store.commit(key, claim, Commit { from, to, bytes: &bytes })?,
        }
        Ok(true)
    }
}

/// To which member a key belongs.
pub fn owner(members: &[u32], key: StreamKey) -> Option<u32> {
    members.iter().copied().max_by_key(|member| hash(*member, key))
}

/// Mixes the bits of (member, key) (the finalizer of SplitMix64).
fn hash(member: u32, key: StreamKey) -> u64 {
    let mut bits = (u64::from(member) << 8 | u64::from(key.0)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_goes_moves_its_own_keys_alone() {
        let keys = || (b'A'..=b'Z').map(StreamKey);
        let all: Vec<u32> = (0..5).collect();
        for gone in 0..5 {
            let left: Vec<u32> = all.iter().copied().filter(|member| *member != gone).collect();
            for key in keys().filter(|key| owner(&all, *key) != Some(gone)) {
                assert_eq!(owner(&all, key), owner(&left, key));
            }
        }
        // Nobody is idle among three, with the ten keys there are by default.
        let three = [0, 1, 2];
        for member in three {
            assert!((b'A'..=b'J').any(|key| owner(&three, StreamKey(key)) == Some(member)));
        }
        assert_eq!(owner(&[], StreamKey(b'A')), None);
    }
}
