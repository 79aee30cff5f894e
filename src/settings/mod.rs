//! What the user said, and what it means: flags and environment become one typed struct a role.
//!
//! Two steps: [`given`] takes the words apart (flags win over variables), and each role's settings make sense of them.
//! What is wrong is a usage error, but for HIGHMEMLIM and HIGHFILELIM: there it is logged and the default used, as the
//! contract has it.

#[cfg(any(feature = "crash", feature = "proxy", feature = "scenario"))]
#[cfg_attr(
    not(all(feature = "crash", feature = "proxy")),
    allow(dead_code, reason = "each file needs other kinds of values")
)]
mod config_reader;
pub mod consumer;
#[cfg(feature = "counter")]
pub mod counter;
#[cfg(feature = "crash")]
pub mod crash;
#[cfg(feature = "counter")]
pub mod dot_env;
#[cfg(feature = "fibonacci")]
pub mod fibonacci;
pub mod given;
pub mod help;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "scenario")]
pub mod scenario;
#[cfg(any(feature = "crash", feature = "scenario"))]
#[cfg_attr(not(feature = "crash"), allow(dead_code, reason = "each file needs other kinds of values"))]
mod strict_reader;
pub mod token;
#[cfg(any(feature = "crash", feature = "scenario", feature = "client", feature = "openapi"))]
pub mod unknown_word;

pub use consumer::{ConsumerSettings, CpuLimit, EvictionReserve, Number, Start, StartRequest};

/// Which pod this is, as the downward API tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// POD_NAME
    pub pod: Option<String>,
    /// NODE_NAME
    pub node: Option<String>,
    /// POD_NAMESPACE
    pub namespace: Option<String>,
}

impl Identity {
    /// What is known, by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("pod", &self.pod), ("node", &self.node), ("namespace", &self.namespace)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}
