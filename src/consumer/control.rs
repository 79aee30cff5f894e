//! What all groups have in common to those who ask, whatever they hold.

use std::sync::Arc;
use std::time::Duration;

use super::group::{Accepted, Group, Preview, Refused, Snapshot, Tally};
use super::order::{Order, Outcome, Wish};
use super::quantity::Unit;
use super::store::{Limit, Store};

/// A group, seen from the routes.
pub trait Control: Send + Sync {
    /// Its name in paths and status.
    fn name(&self) -> &'static str;
    /// What it counts.
    fn unit(&self) -> Unit;
    /// See [`Group::set`].
    ///
    /// # Errors
    /// When the wish is refused.
    fn set(&self, wish: Result<Wish, Refused>) -> Result<Accepted, Refused>;
    /// See [`Group::release`].
    ///
    /// # Errors
    /// When the service stops.
    fn release(&self, wish: &Wish) -> Result<Accepted, Refused>;
    /// See [`Group::preview`].
    ///
    /// # Errors
    /// When that cannot be told.
    fn preview(&self, wish: &Wish) -> Result<Preview, Refused>;
    /// See [`Group::snapshot`].
    fn snapshot(&self) -> Snapshot;
    /// See [`Group::room`].
    ///
    /// # Errors
    /// When that cannot be told.
    fn room(&self) -> Result<(Limit, u64), String>;
    /// See [`Group::wait`].
    fn wait(&self, order: &Order, pause: Duration, give_up: &mut dyn FnMut() -> bool) -> Option<Outcome>;
    /// See [`Group::tally`].
    fn tally(&self) -> &Tally;
    /// The same group, for who outlives the request.
    fn shared(&self) -> Box<dyn Control>;
}

impl<S: Store> Control for Arc<Group<S>> {
    fn name(&self) -> &'static str {
        self.store().name()
    }

    fn unit(&self) -> Unit {
        self.store().unit()
    }

    fn set(&self, wish: Result<Wish, Refused>) -> Result<Accepted, Refused> {
        Group::set(self, wish)
    }

    fn release(&self, wish: &Wish) -> Result<Accepted, Refused> {
        Group::release(self, wish)
    }

    fn preview(&self, wish: &Wish) -> Result<Preview, Refused> {
        Group::preview(self, wish)
    }

    fn snapshot(&self) -> Snapshot {
        Group::snapshot(self)
    }

    fn room(&self) -> Result<(Limit, u64), String> {
        Group::room(self)
    }

    fn wait(&self, order: &Order, pause: Duration, give_up: &mut dyn FnMut() -> bool) -> Option<Outcome> {
        Group::wait(self, order, pause, give_up)
    }

    fn tally(&self) -> &Tally {
        Group::tally(self)
    }

    fn shared(&self) -> Box<dyn Control> {
        Box::new(Self::clone(self))
    }
}
