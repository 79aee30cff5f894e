//! What every role stands on: its start and end, routing, errors, probes, access, logs and metrics. It knows no role.

pub mod access;
pub mod exposition;
pub mod health_check;
pub mod http_metrics;
pub mod json;
pub mod lifecycle;
pub mod logging;
pub mod metrics;
pub mod probes;
pub mod problem;
#[cfg(any(feature = "fibonacci", feature = "counter"))]
pub mod router;
