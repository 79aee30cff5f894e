//! testero makes a pod really take memory, disk and CPU, so that a person can see what quotas, limits, OOM kills,
//! evictions, autoscalers and alerts do.
//!
//! # Layout
//! A request goes one way, and its answer comes back the same:
//!
//! ```text
//! socket -> http (bytes become a checked request)
//!        -> consumer::api (a request becomes a call)
//!        -> consumer::control (ticket, plan, worker) -> memory, disk, countable, load, jobs
//!        -> kernel
//! ```
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`units`] | amounts, durations and numbers, as people write them |
//! | `yaml` | YAML and JSON files as a tree that knows its lines: the proxy's, the crash tester's and scenarios' alone |
//! | [`parameters`] | the parameters of the consumer's requests: one table for the service, the command line and the contract |
//! | [`kernel`] | everything that reads or calls the kernel: cgroups, limits, mappings, signals, clocks |
//! | [`http`] | the edge that every role stands on, strict and bounded, one thread a connection; and its client |
//! | `redis` | a Redis as its clients see it: the counter's and the crash tester's alone |
//! | `scenario` | what a pod is to hold over time, from shapes or a recording: no clock, no file; a feature |
//! | [`settings`] | flags, variables and files become one typed struct a role |
//! | [`service`] | what every role stands on: start and end, router, errors, probes, access, logs, metrics |
//! | [`consumer`] | the main job: memory, files, CPU and more are taken, and given back |
//! | `fibonacci`, `counter` | two small services with state; each a feature |
//! | `proxy` | a load balancer, an event loop a thread; a feature |
//! | `crash` | a laboratory: parts of a system are crashed, and its data is proven right; a feature |
//! | `client` | the command line that asks a running service, for an image with no shell |
//! | [`command`] | the first word of the command line chooses among them |
//!
//! Each of these uses only those above it in this table; roles do not use each other. `tests/layers.rs` reads the source
//! and fails where that is not so, or where files use each other in a circle.
//!
//! `unsafe` stands only in files that talk to the kernel or the C library: in [`kernel`], and the socket options and
//! poll(2) of `http::server::listener`.

#[cfg(any(feature = "crash", feature = "fibonacci"))]
mod checksum;
#[cfg(feature = "client")]
pub mod client;
pub mod command;
pub mod consumer;
#[cfg(feature = "counter")]
pub mod counter;
#[cfg(feature = "crash")]
pub mod crash;
#[cfg(feature = "fibonacci")]
pub mod fibonacci;
pub mod http;
pub mod kernel;
#[cfg(feature = "packed")]
mod packed;
pub mod parameters;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(any(feature = "counter", feature = "crash"))]
pub mod redis;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod service;
pub mod settings;
mod sorting;
mod sync;
pub mod units;
#[cfg(any(feature = "crash", feature = "proxy", feature = "scenario"))]
pub mod yaml;
