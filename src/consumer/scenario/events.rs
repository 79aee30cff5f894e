//! What a scenario switches: whether the pod is ready, and what goes wrong with it.

use std::sync::Arc;
use std::time::Duration;

use crate::consumer::faults::{Faults, Term};
use crate::kernel::shutdown::Stop;
use crate::scenario::PodScenario;
use crate::scenario::track::PlannedFault;
use crate::service::probes::Probe;

/// What it switches, and what it has switched.
pub struct SwitchedByScenario {
    ready: Arc<Probe>,
    faults: Arc<Faults>,
    stop: Stop,
    is_ready: bool,
    /// Where it was when it looked last: the round and its second.
    last: Option<(u64, f64)>,
    /// What SIGTERM does was changed.
    changed_term: bool,
}

impl SwitchedByScenario {
    /// Nothing is switched yet.
    pub fn new(ready: Arc<Probe>, faults: Arc<Faults>, stop: Stop) -> Self {
        Self { ready, faults, stop, is_ready: true, last: None, changed_term: false }
    }

    /// It is at this second of this round now, wherever it was before.
    pub fn follow(&mut self, plan: &PodScenario, round: u64, second: f64) {
        self.ready(plan.is_ready(second));
        // What happens at a moment happens where that is passed, not where it is skipped.
        let (last_round, last) = self.last.unwrap_or((round, second));
        let last = if last_round == round { last } else { -1.0 };
        let mut changes_term = false;
        for planned in &plan.faults {
            let (begins, ends) = (planned.interval.at, planned.interval.end());
            let is_passed = begins > last && begins <= second;
            let goes_on = self.last.is_none() && planned.interval.holds(second);
            changes_term |= matches!(planned.fault, PlannedFault::Term(_)) && planned.interval.holds(second);
            if is_passed || goes_on {
                let left = Duration::try_from_secs_f64((ends - second).max(0.0) / plan.speed).unwrap_or(Duration::MAX);
                self.begin(planned.fault, left);
            }
        }
        if self.changed_term && !changes_term {
            self.faults.on_term(Term::Stops);
        }
        self.changed_term = changes_term;
        self.last = Some((round, second));
    }

    /// Another place is next: what lies between is skipped.
    pub fn skip(&mut self) {
        self.last = None;
    }

    fn ready(&mut self, is_ready: bool) {
        if is_ready == self.is_ready {
            return;
        }
        self.is_ready = is_ready;
        if is_ready { self.ready.enable() } else { self.ready.disable(None) }
    }

    fn begin(&self, fault: PlannedFault, left: Duration) {
        log::warn!("Scenario: fault {} begins", fault.name());
        let started = match fault {
            PlannedFault::Exit(code) => self.faults.exit(code, Duration::ZERO),
            PlannedFault::Abort => self.faults.abort(Duration::ZERO),
            PlannedFault::Log { lines, rate } => self.faults.log(lines, rate, self.stop.clone()),
            PlannedFault::Hang => {
                self.faults.hang(left);
                Ok(())
            }
            PlannedFault::Delay(ms) => {
                self.faults.delay(Duration::from_millis(ms), left);
                Ok(())
            }
            PlannedFault::Status { code, percent } => {
                self.faults.status(code, percent, left);
                Ok(())
            }
            PlannedFault::Term(delay) => {
                let delay = delay.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
                self.faults.on_term(delay.map_or(Term::Ignored, Term::Delayed));
                Ok(())
            }
        };
        if let Err(error) = started {
            log::error!("Scenario: fault {} does not begin: {error}", fault.name());
        }
    }

    /// Whatever it has switched is as before.
    pub fn end(&mut self, plan: &PodScenario) {
        self.ready(true);
        if self.changed_term {
            self.faults.on_term(Term::Stops);
        }
        let Some((_, second)) = self.last.take() else { return };
        for planned in plan.faults.iter().filter(|planned| planned.interval.holds(second)) {
            match planned.fault {
                PlannedFault::Hang => self.faults.hang(Duration::ZERO),
                PlannedFault::Delay(_) => self.faults.delay(Duration::ZERO, Duration::ZERO),
                PlannedFault::Status { .. } => self.faults.status(0, 0, Duration::ZERO),
                PlannedFault::Log { .. } => self.faults.end_log(),
                PlannedFault::Exit(_) | PlannedFault::Abort | PlannedFault::Term(_) => {}
            }
        }
    }
}
