//! What is done to pods: one of them is deleted, or there are to be more or fewer.

use std::time::Instant;

use crate::crash::report::{FaultRecord, LaneState};
use crate::crash::system::chance::{other_than, place_of};
use crate::crash::system::parts::SystemParts;
use crate::crash::system::pods::{PodSight, all_ready};
use crate::settings::crash::system::{FaultConfig, FaultHow, PodsConfig};

/// A fault of pods.
pub struct PodFault<'r> {
    /// What the file says of it.
    pub config: &'r FaultConfig,
    /// What it says of the pods.
    pub set: &'r PodsConfig,
    /// The system.
    pub parts: &'r SystemParts<'r>,
}

impl PodFault<'_> {
    /// Does it once, and waits until the pods are ready again.
    pub fn come(&self, chance: f64) {
        let (world, set) = (self.parts.world, self.set);
        let Some(_taken) = world.take(&set.name).filter(|_| !world.is_held()) else { return };
        let fault = FaultRecord::begun(world.began.elapsed(), self.config.how.word(), &set.name);
        // One that is going already is no target, and not one of those that will be there.
        match set.sight().map(|pods| pods.into_iter().filter(|pod| !pod.is_going).collect::<Vec<_>>()) {
            Ok(before) if before.is_empty() => world.events.add("no pods", &set.name, &set.selector),
            Ok(before) if self.config.how == FaultHow::Scale => self.scale(fault, &before, chance),
            Ok(before) => self.delete(fault, &before, chance),
            // A cluster that does not answer is not what was to be broken.
            Err(why) => world.events.add("no answer", &set.name, &why),
        }
    }

    fn delete(&self, mut fault: FaultRecord, before: &[PodSight], chance: f64) {
        let (world, set) = (self.parts.world, self.set);
        let pod = &before[place_of(chance, before.len())];
        fault.target = format!("{}/{}", set.name, pod.name);
        fault.before = format!("UID {}", pod.uid);
        world.mark(&format!("d{} ", pod.name));
        world.events.add(fault.kind, &fault.target, &fault.before);
        world.lane(&set.name, LaneState::Down);
        let is_another = |pods: &[PodSight]| match pods.iter().any(|now| now.uid == pod.uid) {
            true => Err(format!("pod {} is there still", pod.name)),
            false => all_ready(pods, before.len()),
        };
        self.settle(fault, set.delete(&pod.name), &is_another, "another UID");
    }

    fn scale(&self, mut fault: FaultRecord, before: &[PodSight], chance: f64) {
        let (world, set) = (self.parts.world, self.set);
        let (least, most) = self.config.copies;
        let wanted = other_than(before.len() as u32, least, most, chance);
        let (Some(wanted), Some(resource)) = (wanted, &set.scale) else { return };
        fault.before = format!("{} pods", before.len());
        world.mark(&format!("{}={wanted} ", set.name));
        world.events.add(fault.kind, &set.name, &format!("{} to {wanted}", before.len()));
        let effect = format!("{wanted} are ready");
        self.parts.expect_pods(&set.name, wanted as usize);
        self.settle(fault, set.scale(resource, wanted), &|pods| all_ready(pods, wanted as usize), &effect);
    }

    /// Waits until the pods are as they should be after what was ordered.
    fn settle(
        &self,
        mut fault: FaultRecord,
        ordered: Result<(), String>,
        is_right: &dyn Fn(&[PodSight]) -> Result<(), String>,
        effect: &str,
    ) {
        let (world, set, start) = (self.parts.world, self.set, Instant::now());
        if let Err(why) = ordered {
            // What was not done is no fault of the system.
            fault.after = why;
            return world.record(fault);
        }
        match set.wait(set.within, &|| world.abort.is_set(), is_right) {
            Ok(took) => {
                fault.after = effect.to_owned();
                fault.effect = Some(effect.to_owned());
                fault.ready = Some(took);
                world.mark(&format!("r{} ", set.name));
                world.lane(&set.name, LaneState::Ready);
            }
            Err(why) if world.abort.is_set() => fault.after = why,
            Err(why) => {
                fault.after.clone_from(&why);
                let seconds = set.within.as_secs();
                world.violate(
                    "ready",
                    format!("{}: {seconds} s after {} of {}: {why}", set.name, fault.kind, fault.target),
                );
            }
        }
        fault.down = Some(start.elapsed());
        world.record(fault);
    }
}
