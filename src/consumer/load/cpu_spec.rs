//! CPU load: the contract's one CPU flat out, or any amount to measure.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::consumer::load::cpu::{Burn, End, Target};
use crate::consumer::load::{Figures, Spec, Task};
use crate::kernel::shutdown::Stop;
use crate::service::json::{Value, thousandths};
use crate::settings::Number;
use crate::units::decimal::fixed;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSpec {
    /// Millicores, and how they are reached.
    pub target: Target,
    /// The contract's load: it ends when a number of the user's is factored.
    pub is_contract: bool,
    /// The number that is factored.
    pub number: Number,
}

impl Spec for CpuSpec {
    fn prepare(&self, deadline: Option<Instant>, stop: &Stop) -> io::Result<Box<dyn Task>> {
        Ok(Box::new(Burn::start(self.target, deadline, self.number, self.is_contract, stop)?))
    }

    fn told(&self, value: Value) -> Value {
        let over = self.target.over;
        let over = (!over.is_zero()).then(|| thousandths(over.as_secs_f64()));
        value.with("target_millicores", self.target.to).with("over_seconds", over)
    }

    fn words(&self) -> String {
        format!(" of {}m", self.target.to)
    }
}

impl Task for Arc<Burn> {
    fn run(&self, stop: &Stop) -> Result<End, String> {
        Ok(Burn::run(self, stop))
    }

    fn cancel(&self) {
        Burn::cancel(self);
    }

    fn figures(&self) -> Figures {
        Figures { wanted: self.wanted(), achieved: self.achieved() }
    }

    fn most_millicores(&self) -> u64 {
        self.target().to.max(self.wanted() as u64)
    }

    fn told(&self, value: Value) -> Value {
        value
            .with("target_millicores", self.target().to)
            .with("wanted_millicores", thousandths(self.wanted()))
            .with("achieved_millicores", thousandths(self.achieved()))
    }

    fn line(&self) -> String {
        format!("{}m wanted  {}m achieved", fixed(self.wanted(), 0), fixed(self.achieved(), 0))
    }
}
