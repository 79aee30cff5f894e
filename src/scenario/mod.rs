//! What a pod is to hold at each moment: tracks over time, from shapes or from a recording.
//!
//! Nothing here reads a clock or a file. Who plays a scenario asks [`PodScenario::position`] where it is now, and
//! [`PodScenario::wanted`] what each track wants there.
//!
//! ```text
//! amount    an amount, or a share of a limit that is known only when it runs
//! chance    numbers that look random, and are a function of a seed
//! shape     a value at each time: waves, spikes, walk, trace/ are kinds of it
//! track     a sum of shapes; intervals of readiness and of faults
//! start     when it begins, and how pods differ in that
//! plan      the whole
//! record/   measurements become a recording
//! outlook   the largest value, and a drawing
//! summary   the whole in words
//! ```
//!
//! The value of a shape at a time is a function of that time alone, so that playing up to a moment and seeking to it give
//! the same. Values are finite and not below 0.

pub mod amount;
pub mod chance;
pub mod outlook;
pub mod plan;
pub mod record;
pub mod shape;
pub mod spikes;
pub mod start;
pub mod summary;
pub mod trace;
pub mod track;
pub mod walk;
pub mod wave;

pub use plan::PodScenario;
