//! A track of something that is done: a load that is steered along the curve.

use std::sync::Arc;
use std::time::Duration;

use crate::consumer::control::operation::Caller;
use crate::consumer::load::LoadGroup;
use crate::consumer::load::cpu::{CpuDemand, CpuSpec};
use crate::consumer::load::io::{IoRate, IoSpec};
use crate::consumer::load::steering::Steering;
use crate::consumer::load::task::{Load, LoadRequest, Spec};
use crate::consumer::scenario::held::TrackStep;
use crate::settings::Number;
use crate::units::decimal::fixed;

/// A load group that a scenario has a load in.
pub struct LoadTrack {
    group: Arc<LoadGroup>,
    steering: Arc<Steering>,
    /// The most it is steered to: cores times 1000, or no bound.
    most: f64,
    load: Option<Arc<Load>>,
    spec: Box<dyn Fn(Arc<Steering>) -> Box<dyn Spec> + Send>,
}

impl LoadTrack {
    /// A CPU load of up to `most` millicores.
    pub fn of_cpu(group: Arc<LoadGroup>, most: u64, number: Number) -> Self {
        let spec = move |steering| {
            let demand = CpuDemand::Steered { steering, most };
            Box::new(CpuSpec { demand, is_contract: false, number }) as Box<dyn Spec>
        };
        Self { group, steering: Steering::new(), most: most as f64, load: None, spec: Box::new(spec) }
    }

    /// An io load on the files of `like`.
    pub fn of_io(group: Arc<LoadGroup>, like: IoSpec) -> Self {
        let spec =
            move |steering| Box::new(IoSpec { rate: IoRate::Steered(steering), ..like.clone() }) as Box<dyn Spec>;
        Self { group, steering: Steering::new(), most: f64::INFINITY, load: None, spec: Box::new(spec) }
    }

    /// What is used, as its load tells it: millicores.
    pub fn achieved(&self) -> f64 {
        self.load.as_ref().map_or(0.0, |load| load.task.figures().achieved)
    }

    /// From now on it goes from one demand to another, in so much time.
    pub fn follow(&mut self, from: f64, to: f64, over: Duration) -> TrackStep {
        self.steering.steer(from.min(self.most), to.min(self.most), over);
        match &self.load {
            Some(load) if load.outcome().is_none() => {}
            Some(_) => return TrackStep::TakenOver,
            // It begins when there is something to do, and stays.
            None if from.max(to) < 1.0 => {}
            None => {
                let (spec, words) = ((self.spec)(Arc::clone(&self.steering)), String::from("scenario"));
                let caller = Caller::nobody();
                let request = LoadRequest { spec, length: None, most: None, replace: true, caller, words };
                match self.group.start(Ok(request)) {
                    Ok(load) => self.load = Some(load),
                    Err(why) => return TrackStep::Failed(why.to_string()),
                }
            }
        }
        let wanted = from.max(to);
        if wanted > self.most {
            return TrackStep::Clipped(format!(
                "{}m are more than the {}m that there are",
                fixed(wanted, 0),
                fixed(self.most, 0)
            ));
        }
        TrackStep::Followed
    }

    /// The scenario takes the group again, whoever has it.
    pub fn take_back(&mut self) {
        self.load.take_if(|load| load.outcome().is_some());
    }

    /// Ends its load.
    pub fn end(&mut self) {
        if let Some(load) = self.load.take() {
            self.group.cancel(&load);
        }
    }
}
