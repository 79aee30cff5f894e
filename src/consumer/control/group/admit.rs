//! Whether a change fits: the kernel is asked before the ticket is taken, and what it takes is reserved with it.

use crate::consumer::admission::headroom::Reservation;
use crate::consumer::control::group::Group;
use crate::consumer::control::group::report::{Preview, Refused, Resolved};
use crate::consumer::control::operation::{Caller, ChangeRequest, Options};
use crate::consumer::control::store::{Goal, Headroom, Limit};
use crate::units::quantity::Amount;

impl Group {
    /// What would become of a change.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn preview(&self, change: &ChangeRequest) -> Result<Preview, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let held = self.store.level().get();
        let (requested, headroom) = self.resolve(change, held)?;
        let headroom =
            headroom.map_or_else(|| self.store.look(held, &change.options), Ok).map_err(Refused::Unavailable)?;
        let (limit, most) = self.bounds(&*headroom, held, change);
        let goal =
            self.within_limit(self.store.goal(requested, change.options.exact), requested, held, change, &*headroom);
        // As `admit` has it, without a reservation that others would have to keep clear of.
        let total = goal.total();
        let remakes = total > 0 && self.store.remakes(&change.options);
        let passes = || headroom.passes(held, total) && !exceeds(&*headroom, held, total, change);
        let refused = if requested > held && requested > limit.most {
            Some(Refused::OverLimit { requested, limit: limit.clone(), most })
        } else if (total > held || remakes) && !passes() {
            Some(Refused::DoesNotFit { requested, available: most, bound: headroom.bound(held) })
        } else {
            None
        };
        Ok(Preview { requested, planned: total, parts: goal.parts(), limit, most, options: change.options, refused })
    }

    /// The limit, and the largest amount that fits: with its rounding, within the limit and the room there is.
    pub(super) fn bounds(&self, headroom: &dyn Headroom, held: u64, change: &ChangeRequest) -> (Limit, u64) {
        let limit = headroom.limit();
        let most = self.store.largest(limit.most, limit.most.min(headroom.most(held)), !change.options.rounds());
        (limit, most)
    }

    /// The limit now, and the largest amount that would be accepted: in the plan's round parts, and to the page or byte.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn room(&self) -> Result<(Limit, u64, u64), String> {
        let held = self.store.level().get();
        let mut change = ChangeRequest::of(Amount::Exactly(0), Caller::nobody());
        let headroom = self.store.look(held, &change.options)?;
        let (limit, most) = self.bounds(&*headroom, held, &change);
        change.options.exact = true;
        let (_, exactly) = self.bounds(&*headroom, held, &change);
        Ok((limit, most, exactly))
    }

    pub(super) fn look(&self, change: &ChangeRequest) -> Result<Resolved<'_>, Refused> {
        self.store.mend().map_err(Refused::Unavailable)?;
        let there = self.store.held().map_err(Refused::Unavailable)?;
        let held = there.total();
        let (amount, headroom) = self.resolve(change, held)?;
        let mut goal = match change.options.follows {
            true => self.store.goal_near(amount, &there),
            false => self.store.goal(amount, change.options.exact),
        };
        // Shrinking is always allowed, so nobody needs to be asked. Rounding can make the total more than what is held
        // where the amount is not: what is held need not be a whole plan.
        let grows = amount.max(goal.total()) > held || (goal.total() > 0 && self.store.remakes(&change.options));
        let headroom = match headroom {
            None if grows => Some(self.store.look(held, &change.options).map_err(Refused::Unavailable)?),
            headroom => headroom.filter(|_| grows),
        };
        if let Some(headroom) = &headroom {
            goal = self.within_limit(goal, amount, held, change, &**headroom);
        }
        let limit = headroom.as_ref().map(|headroom| headroom.limit());
        Ok(Resolved { amount, goal, held, limit, headroom })
    }

    /// `goal`, which `amount` became by rounding; or the amount itself, where rounding alone would bring it above the limit. What
    /// is refused as it is stays so.
    fn within_limit(
        &self,
        goal: Goal,
        amount: u64,
        held: u64,
        change: &ChangeRequest,
        headroom: &dyn Headroom,
    ) -> Goal {
        let total = goal.total();
        if !change.options.within_limit || total <= amount {
            return goal;
        }
        let limit = headroom.limit().most;
        let is_refused = !headroom.passes(held, total) || exceeds(headroom, held, total, change);
        if total <= limit || amount > limit || is_refused {
            return goal;
        }
        self.store.goal(self.store.largest(amount, limit, true), true)
    }

    /// The units asked for. What is relative is relative to the limits as they are without force, and is admitted by the
    /// same reading of the kernel, which is returned: another one may see less, and refuse what was the most.
    pub(super) fn resolve(
        &self,
        change: &ChangeRequest,
        held: u64,
    ) -> Result<(u64, Option<Box<dyn Headroom + '_>>), Refused> {
        if !change.amount.is_relative() {
            return Ok((change.amount.resolve(0, 0).map_err(Refused::BelowNothing)?, None));
        }
        let headroom =
            self.store.look(held, &Options { force: false, ..change.options }).map_err(Refused::Unavailable)?;
        let (limit, most) = self.bounds(&*headroom, held, change);
        let amount = change.amount.resolve(limit.most, most).map_err(Refused::BelowNothing)?;
        Ok((amount, Some(headroom).filter(|_| !change.options.force)))
    }

    pub(super) fn admit(&self, resolved: &Resolved<'_>, change: &ChangeRequest) -> Result<Reservation, Refused> {
        let (Some(headroom), Some(limit)) = (&resolved.headroom, &resolved.limit) else {
            return Ok(self.store.reserve_nothing());
        };
        let (requested, held) = (resolved.amount, resolved.held);
        let largest = |total| self.store.largest(limit.most, limit.most.min(total), !change.options.rounds());
        let does_not_fit =
            |total| Refused::DoesNotFit { requested, available: largest(total), bound: headroom.bound(held) };
        if requested > held && requested > limit.most {
            let most = largest(headroom.most(held));
            return Err(Refused::OverLimit { requested, limit: limit.clone(), most });
        }
        let total = resolved.goal.total();
        if exceeds(&**headroom, held, total, change) {
            return Err(does_not_fit(headroom.most(held)));
        }
        headroom.admit(held, total).map_err(does_not_fit)
    }
}

/// Whether `total` is a share of the limit for which there is no room. An amount below a limit that the user set is
/// meant as it is written; of a share nobody knows how much it is.
fn exceeds(headroom: &dyn Headroom, held: u64, total: u64, change: &ChangeRequest) -> bool {
    matches!(change.amount, Amount::Share(_)) && !change.options.force && total > held.max(headroom.most(held))
}
