//! The promises of a run, what was seen of each, and what all of it comes to.

use std::time::{Duration, Instant};

use crate::crash::report::FaultRecord;
use crate::crash::report::verdict::{Check, CheckKind, CheckOutcome};
use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::system::promises::keeper_of;
use crate::crash::system::values::SystemValues;
use crate::crash::tester::outcome::{check_of, effect_of};
use crate::crash::tester::world::RunWorld;
use crate::settings::crash::system::{Promise, SystemConfig};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(60);

/// All promises of a run.
pub struct KeptPromises(Vec<KeptPromise>);

/// A promise, and what was seen of it last.
struct KeptPromise {
    check: &'static str,
    kind: CheckKind,
    keeper: Box<dyn PromiseKeeper>,
    last: Judgement,
}

impl KeptPromises {
    /// Those of a file.
    pub fn of(config: &SystemConfig, values: &SystemValues) -> Self {
        let kind = |promise: &Promise| match promise {
            Promise::Progress { .. } => CheckKind::Liveness,
            _ => CheckKind::Data,
        };
        let promises = config.verify.iter().map(|verify| KeptPromise {
            check: verify.check,
            kind: kind(&verify.promise),
            keeper: keeper_of(&values.promise(&verify.promise)),
            last: Judgement::Unknown(String::from("nobody has looked yet")),
        });
        Self(promises.collect())
    }

    /// Looks once at each; what is broken while the system runs is told. Whether all hold.
    pub fn look(&mut self, world: &RunWorld, when: LookTime) -> bool {
        world.mark(",");
        for one in &mut self.0 {
            one.last = one.keeper.look(when, Instant::now() + LOOK);
        }
        if when == LookTime::Running {
            self.tell(world);
        }
        let seen = self.0.iter().find_map(|one| match &one.last {
            Judgement::Holds(what) => Some(what.as_str()),
            _ => None,
        });
        world.live(seen.unwrap_or("nothing verified yet"));
        self.0.iter().all(|one| matches!(one.last, Judgement::Holds(_)))
    }

    /// Tells what is broken, with what happened before.
    pub fn tell(&self, world: &RunWorld) {
        for one in &self.0 {
            if let Judgement::Broken(why) = &one.last {
                let mut text = why.trim_end().to_owned();
                let events = world.events.recent();
                if !events.is_empty() {
                    text += "\nin the ten seconds before:\n  ";
                    text += &events.join("\n  ");
                }
                world.violate(one.check, text);
            }
        }
    }

    /// What the run shows of each check: the promises, and what holds for every system.
    pub fn checks(
        &self,
        config: &SystemConfig,
        faults: &[FaultRecord],
        failed: &[(&'static str, String)],
        ended_early: bool,
    ) -> Vec<Check> {
        let seen = |one: &KeptPromise| match &one.last {
            Judgement::Holds(what) => (CheckOutcome::Passed, what.clone()),
            Judgement::Unknown(why) | Judgement::Broken(why) => (CheckOutcome::Unknown, why.clone()),
        };
        let mut checks: Vec<Check> =
            self.0.iter().map(|one| check_of(one.check, one.kind, failed, &|| seen(one))).collect();
        let always = || (CheckOutcome::Passed, String::from("at all times"));
        checks.push(check_of("ready", CheckKind::Liveness, failed, &always));
        checks.push(check_of("alive", CheckKind::Alive, failed, &always));
        checks.push(check_of("effect", CheckKind::Effect, failed, &|| effect(config, faults, ended_early)));
        checks
    }
}

/// As many faults of a kind as are required must have had an effect, and each one that came.
fn effect(config: &SystemConfig, faults: &[FaultRecord], ended_early: bool) -> (CheckOutcome, String) {
    for (how, least) in &config.require {
        let with = faults.iter().filter(|fault| fault.kind == how.word() && fault.effect.is_some()).count();
        if (with as u64) < *least {
            let outcome = if ended_early { CheckOutcome::Unknown } else { CheckOutcome::Failed };
            return (outcome, format!("{with} of {least} that are required had an effect: {}", how.word()));
        }
    }
    effect_of(faults, !config.faults.is_empty(), ended_early)
}
