//! One integration binary: the real program over real sockets, real files, real signals.
//!
//! A file a capability; [`harness`] starts the program on a free port with a data folder of its own.

#![allow(unreachable_pub, reason = "in a test binary nothing is reachable from outside")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access;
mod audit;
mod cgroup;
#[cfg(feature = "client")]
mod client;
mod contract;
mod control;
mod counted;
#[cfg(feature = "counter")]
mod counter;
mod cpu;
#[cfg(feature = "crash")]
mod crash;
mod disk;
mod edge;
mod ending;
mod exposition;
#[cfg(feature = "fibonacci")]
mod fibonacci;
mod fuzz;
#[cfg(feature = "openapi")]
mod guide;
mod harness;
mod headroom;
#[cfg(feature = "page")]
mod history;
mod holding;
mod inout;
mod jobs;
mod json;
mod layers;
mod limits;
mod memory;
mod metrics;
mod millicores;
#[cfg(feature = "openapi")]
mod openapi;
mod operate;
mod outcomes;
#[cfg(feature = "page")]
mod page;
mod parameters;
#[cfg(feature = "scenario")]
mod playing;
mod process;
#[cfg(feature = "proxy")]
mod proxy;
mod quota;
mod ramps;
#[cfg(all(feature = "fibonacci", feature = "counter", feature = "client"))]
mod readme;
#[cfg(feature = "scenario")]
mod recording;
mod releases;
mod rounding;
#[cfg(all(feature = "scenario", feature = "client"))]
mod running;
#[cfg(feature = "scenario")]
mod scenario;
mod shutdown;
