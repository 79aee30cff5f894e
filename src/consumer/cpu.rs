//! CPU load: the contract's one CPU flat out, or any amount to measure.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::burn::{Burn, End, Target};
use super::load::{Engine, Load};
use crate::settings::Number;
use crate::shutdown::Stop;

/// What CPU load does: it factors a number.
pub struct CpuEngine {
    /// The number.
    pub number: Number,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSpec {
    /// Millicores, and how they are reached.
    pub target: Target,
    /// The contract's load: it ends when a number of the user's is factored.
    pub is_contract: bool,
}

impl Engine for CpuEngine {
    type Spec = CpuSpec;
    type Live = Arc<Burn>;

    const NAME: &'static str = "cpu";
    const WORK: &'static str = "CPU load";

    fn prepare(&self, spec: &CpuSpec, deadline: Option<Instant>, stop: &Stop) -> io::Result<Arc<Burn>> {
        Burn::start(spec.target, deadline, self.number, spec.is_contract, stop)
    }

    fn run(&self, load: &Load<Self>, stop: &Stop) -> Result<&'static str, String> {
        Ok(match load.live.run(stop) {
            End::Ended => "ended",
            End::Stopped => "stopped",
            End::Factored => "ended, its number is factored,",
        })
    }

    fn cancel(&self, live: &Arc<Burn>) {
        live.cancel();
    }
}
