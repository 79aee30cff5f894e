//! What was put out is verified: round after round, and at the end.

use std::io;

use crate::crash::folder::RunFolder;
use crate::crash::input::StreamKey;
use crate::crash::pipeline::store::{Offsets, StreamStore};
use crate::crash::tester::world::RunWorld;
use crate::crash::verify::{Finding, Verifier, VerifyRound, verify_once};

/// How much of an outbox is searched for a line that is missing, in bytes: more than waits there.
const OUTBOX: usize = 16 << 20;

/// The verifier, and whether it is asked while the run goes on.
pub struct Sanity {
    verifier: Verifier,
    keys: Vec<StreamKey>,
    is_on: bool,
}

impl Sanity {
    /// For these keys.
    pub fn new(folder: &RunFolder, keys: &[(StreamKey, u64)], is_on: bool) -> Self {
        let keys: Vec<StreamKey> = keys.iter().map(|(key, _)| *key).collect();
        Self { verifier: Verifier::new(folder, &keys), keys, is_on }
    }

    /// A round.
    pub fn round(&mut self, world: &RunWorld, store: &mut dyn StreamStore) {
        if self.is_on {
            world.mark(",");
            let round = self.verifier.round();
            tell(world, round, store);
        }
    }

    /// How far it is verified.
    pub fn verified(&self) -> Vec<(StreamKey, u64)> {
        self.keys.iter().map(|key| (*key, self.verifier.verified(*key))).collect()
    }

    /// All of it, when nothing more comes: up to where it was fed.
    pub fn at_end(&mut self, world: &RunWorld, last: &[(StreamKey, u64, Offsets)], store: &mut dyn StreamStore) {
        let fed = |key| last.iter().find(|(known, ..)| *known == key).map(|(_, _, offsets)| offsets.fed);
        let round = self.verifier.at_end_of(&fed);
        tell(world, round, store);
    }
}

/// What was found is a violation; files that cannot be read are no verdict on data.
fn tell(world: &RunWorld, round: io::Result<VerifyRound>, store: &mut dyn StreamStore) {
    let findings = match round {
        Ok(round) => round.findings,
        Err(error) => return world.violate("alive", format!("the output cannot be verified: {error}")),
    };
    for mut finding in findings {
        search(&mut finding, store);
        world.violate(finding.check, finding.render(&world.events.recent()));
    }
}

/// Looks for what is missing in the outbox, from where the sink has it.
fn search(finding: &mut Finding, store: &mut dyn StreamStore) {
    let Some(key) = finding.key else { return };
    let Ok(offsets) = store.offsets(key) else { return };
    if let Ok(entries) = store.read_outbox(key, offsets.acknowledged, OUTBOX) {
        finding.search_outbox(entries.into_iter().map(|entry| entry.bytes));
    }
}

/// Verifies a key by hand: the exit code.
///
/// # Errors
/// When a file cannot be read.
pub fn verify_by_hand(folder: &RunFolder, key: StreamKey) -> io::Result<u8> {
    Ok(match verify_once(folder, key)? {
        Ok(verified) => {
            log::info!("{key}: {} of {} bytes are right", verified.verified, verified.input);
            0
        }
        Err(finding) => {
            log::error!("{finding}");
            1
        }
    })
}
