//! A track of something that is held: its group is told how much, whenever that is another amount.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::consumer::control::group::{Group, Refused};
use crate::consumer::control::id::Id;
use crate::consumer::control::operation::{Caller, ChangeRequest};
use crate::units::quantity::{Amount, Unit};

/// What is asked again and refused again, is asked no more often than this.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes that make a difference: the smallest part of memory.
const GRAIN: u64 = 256 << 10;

/// What became of what a track wants.
#[derive(Debug)]
pub enum TrackStep {
    /// It is, or will be in a moment.
    Followed,
    /// It was refused, and what can be had is held.
    Clipped(String),
    /// It cannot be told or done, and is tried again.
    Failed(String),
    /// Somebody else has set this group, or released it: it is theirs.
    TakenOver,
}

/// A group that a scenario sets.
pub struct HeldTrack {
    group: Arc<Group>,
    /// The last operation that was the scenario's.
    own: Option<Id>,
    sent: Option<u64>,
    /// Whoever has it, it is taken.
    takes_back: bool,
    /// Why what it wanted last was refused, and when.
    refused: Option<(String, Instant)>,
}

impl HeldTrack {
    /// Nothing is asked of the group yet.
    pub fn new(group: Arc<Group>) -> Self {
        Self { group, own: None, sent: None, takes_back: false, refused: None }
    }

    /// What is held, in the group's units.
    pub fn held(&self) -> u64 {
        self.group.store().level().get()
    }

    /// The limit, in the same.
    pub fn limit(&self) -> Option<f64> {
        self.group.room().ok().map(|(limit, ..)| limit.most as f64)
    }

    /// Has the group hold so much.
    pub fn follow(&mut self, wanted: f64) -> TrackStep {
        if self.is_anothers() && !self.takes_back {
            return TrackStep::TakenOver;
        }
        let target = match self.group.store().unit() {
            Unit::Bytes => wanted as u64 / GRAIN * GRAIN,
            _ => wanted.round() as u64,
        };
        if let Some((why, when)) = &self.refused
            && target > self.held()
            && when.elapsed() < AGAIN
        {
            return TrackStep::Clipped(why.clone());
        }
        if self.sent == Some(target) && self.refused.is_none() {
            return TrackStep::Followed;
        }
        match self.set(target) {
            Ok(()) => {
                self.refused = None;
                TrackStep::Followed
            }
            // A work that goes on: the next tick asks again.
            Err(Refused::Conflict(_)) => TrackStep::Followed,
            Err(refused @ (Refused::OverLimit { most, .. } | Refused::DoesNotFit { available: most, .. })) => {
                let why = refused.in_words(self.group.store().unit());
                self.refused = Some((why.clone(), Instant::now()));
                // What can be had. Where that is refused, too, what is held stays.
                if most > self.held() {
                    let _ = self.set(most);
                }
                TrackStep::Clipped(why)
            }
            Err(refused) => TrackStep::Failed(refused.in_words(self.group.store().unit())),
        }
    }

    fn set(&mut self, target: u64) -> Result<(), Refused> {
        let accepted = self.group.set(Ok(change(target)))?;
        (self.own, self.sent, self.takes_back) = (Some(accepted.operation.id), Some(target), false);
        Ok(())
    }

    /// Whether somebody has asked for something since the scenario did.
    fn is_anothers(&self) -> bool {
        self.own.zip(self.group.snapshot().operation).is_some_and(|(own, last)| last.id != own)
    }

    /// The scenario takes the group again, whoever has it.
    pub fn take_back(&mut self) {
        (self.sent, self.refused, self.takes_back) = (None, None, true);
    }

    /// Releases what is held, if it is still the scenario's.
    pub fn end(&mut self) {
        if self.own.is_some() && !self.is_anothers() {
            // It is refused only where the service stops, which releases everything, or has no thread left.
            if let Err(why) = self.group.release(&change(0)) {
                let store = self.group.store();
                log::error!("Scenario: {} is not released: {}", store.name(), why.in_words(store.unit()));
            }
        }
        (self.own, self.sent, self.refused) = (None, None, None);
    }
}

fn change(target: u64) -> ChangeRequest {
    let mut change = ChangeRequest::of(Amount::Exactly(target), Caller::nobody());
    change.words = String::from("scenario");
    (change.options.follows, change.is_part) = (true, true);
    change
}
