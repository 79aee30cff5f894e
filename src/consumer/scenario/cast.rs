//! Whom a scenario tells what to do, and what is counted of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::consumer::control::group::Group;
use crate::consumer::faults::Faults;
use crate::consumer::load::LoadGroup;
use crate::consumer::load::io::IoSpec;
use crate::kernel::shutdown::Stop;
use crate::scenario::track::TRACKS;
use crate::service::probes::Probe;
use crate::settings::Number;

/// Whom a scenario tells what to do.
pub struct ScenarioCast {
    /// Memory, files, empty files, parked threads and open descriptors.
    pub groups: [Arc<Group>; 5],
    /// CPU loads.
    pub cpu: Arc<LoadGroup>,
    /// Millicores that there are.
    pub millicores: u64,
    /// Millicores that shares are shares of.
    pub cpu_limit: f64,
    /// What CPU loads work on.
    pub number: Number,
    /// Io loads.
    pub io: Arc<LoadGroup>,
    /// What they work on.
    pub io_spec: IoSpec,
    /// What the kubelet asks.
    pub ready: Arc<Probe>,
    /// What goes wrong on request.
    pub faults: Arc<Faults>,
    /// Whether it may.
    pub faults_on: bool,
    /// The pod's name, which may decide when it begins.
    pub pod: String,
    /// When the service stops.
    pub stop: Stop,
}

/// Counters of all scenarios since the start.
#[derive(Default)]
pub struct ScenarioCounts {
    /// How often a track came to want more than it may have, by track.
    pub clipped: [AtomicU64; TRACKS.len()],
    /// How many scenarios ended for that.
    pub stopped: AtomicU64,
}
