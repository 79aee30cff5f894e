//! What a group keeps things in: memory, files, and whatever is counted one by one.

use crate::consumer::admission::headroom::Reservation;
use crate::consumer::control::failure::Failure;
use crate::consumer::control::operation::{Operation, Options};
use crate::consumer::control::plan::{Plan, Scheme};
use crate::consumer::control::reconcile::{Level, Work};
use crate::units::quantity::Unit;

/// What is to be held, or is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Parts of some sizes.
    Parts(Plan),
    /// So many things that are all alike.
    Count(u64),
}

impl Goal {
    /// The parts of a total by `scheme`; exactly as many units, or as the plan rounds.
    pub fn planned(scheme: &'static Scheme, amount: u64, exact: bool, unit: u64) -> Self {
        Self::Parts(if exact { Plan::exact(scheme, amount, unit) } else { Plan::new(scheme, amount) })
    }

    /// The sum, in the store's unit.
    pub fn total(&self) -> u64 {
        match self {
            Self::Parts(plan) => plan.total(),
            Self::Count(count) => *count,
        }
    }

    /// The parts it is made of: their size and how many. Empty where things are just counted.
    pub fn parts(&self) -> Vec<(u64, u64)> {
        match self {
            Self::Parts(plan) => plan.parts().chain((plan.odd > 0).then_some((plan.odd, 1))).collect(),
            Self::Count(_) => Vec::new(),
        }
    }

    /// The same as a plan of `scheme`.
    pub fn plan(&self, scheme: &'static Scheme) -> Plan {
        match self {
            Self::Parts(plan) => *plan,
            Self::Count(count) => Plan::empty(scheme).with_odd(*count),
        }
    }
}

/// A limit, and who set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In the store's unit.
    pub most: u64,
    /// `HIGHMEMLIM`, `memory.max of /sys/fs/cgroup/…`.
    pub source: String,
}

/// What was learnt about the room for growing, from the kernel.
pub trait Headroom {
    /// The most a request may ask for.
    fn limit(&self) -> Limit;

    /// The largest total there is room for, with so much held already. It is what is named to clients, and what their
    /// shares are bounded by; where the user set the limit, [`Headroom::admit`] takes amounts beyond it at their word.
    fn most(&self, held: u64) -> u64;

    /// Who says so: what leaves least beside what is held.
    fn bound(&self, held: u64) -> String;

    /// Whether [`Headroom::admit`] would let `total` pass.
    fn passes(&self, held: u64, total: u64) -> bool {
        total <= self.most(held)
    }

    /// Whether `total` passes although it may be more memory than the kernel has left: it may be the last thing that is
    /// done.
    fn is_risky(&self, _held: u64, _total: u64) -> bool {
        false
    }

    /// Reserves what it takes to come from `held` to `total`, if it fits. Quick, done with the ticket.
    ///
    /// # Errors
    /// When it does not pass: the largest total there is room for.
    fn admit(&self, held: u64, total: u64) -> Result<Reservation, u64>;
}

/// Where what a group holds is kept.
pub trait Store: Send + Sync {
    /// Its name in paths and in status: `mem`.
    fn name(&self) -> &'static str;

    /// What the log calls its work: people's scripts look for it.
    fn work(&self) -> &'static str;

    /// What it counts.
    fn unit(&self) -> Unit;

    /// Makes the store usable again if it is not: what kept it from being so may have passed.
    ///
    /// # Errors
    /// When it still cannot be used, and why.
    fn mend(&self) -> Result<(), String> {
        Ok(())
    }

    /// What holding `amount` is.
    fn goal(&self, amount: u64, exact: bool) -> Goal;

    /// What holding `amount`, or a little less, is with as much as can be of what is `held`.
    fn goal_near(&self, amount: u64, _held: &Goal) -> Goal {
        self.goal(amount, true)
    }

    /// The largest amount, at most `most`, whose goal's total is at most `total`; `exact` where nothing is rounded up.
    fn largest(&self, most: u64, total: u64, exact: bool) -> u64;

    /// What is there now.
    ///
    /// # Errors
    /// When that cannot be told.
    fn held(&self) -> Result<Goal, String>;

    /// Asks the kernel what may still be taken, with so much held already. Slow, so it is done without the ticket.
    ///
    /// # Errors
    /// When that cannot be told.
    fn look(&self, held: u64, options: &Options) -> Result<Box<dyn Headroom + '_>, String>;

    /// The reservation for a goal that is not more than what is held.
    fn reserve_nothing(&self) -> Reservation;

    /// How much is held, kept step by step by work.
    fn level(&self) -> &Level;

    /// `total`, to be held like that, was accepted, and is what counts against the limit from now on.
    fn accepted(&self, _total: u64, _how: &Options) {}

    /// Work has ended with so much held.
    fn settled(&self, _held: u64) {}

    /// Makes what is there equal to `goal`, in the worker.
    ///
    /// # Errors
    /// When the kernel refuses, or the work is to end. What was done stays done.
    fn adjust(
        &self,
        goal: &Goal,
        operation: &Operation,
        reservation: &mut Reservation,
        work: &mut Work<'_>,
    ) -> Result<(), Failure>;

    /// Uses all that is held, so that the kernel sees it in use; ends early when `superseded` says so.
    fn touch(&self, _superseded: &dyn Fn() -> bool) {}

    /// Whether all that is held would be made anew, and growing or not, there must be room for it.
    fn remakes(&self, _how: &Options) -> bool {
        false
    }
}
