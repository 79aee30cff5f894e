//! testero makes a pod really take memory, disk and CPU, so that a person can see what quotas, limits, OOM kills,
//! evictions, autoscalers and alerts do.
//!
//! # Layout
//! Data walks one way, and the answer walks back the same stairs:
//!
//! ```text
//! socket -> http (bytes become a checked request)
//!        -> consumer::routes (a request becomes a call)
//!        -> a group (ticket, plan, store)
//!        -> the kernel
//! ```
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`settings`] | what the user said, and what it means: flags and environment, one place |
//! | [`http`] | the edge every role stands on: strict, bounded, one thread a connection |
//! | [`shutdown`] | SIGTERM and SIGINT become one stop signal that everybody watches |
//! | [`consumer`] | the main job: the ticket, the plan, memory, files, CPU, and the routes to them |
//! | `fibonacci`, `counter` | two small services with state; each a feature |
//! | [`limits`] | what this process may still take, and what its container uses: one file a kernel source |
//! | [`access`], [`audit`] | who may, and who did what |
//! | [`answers`], [`probes`], `front` | what every role answers with, what the kubelet asks, and what small roles share |
//! | [`json`], [`exposition`], [`decimal`] | what programs and scrapers read, and the numbers in it |
//! | [`scrape`], [`tally`] | what every role tells a Prometheus |
//! | `client`, [`health`] | the command line and the probe, for an image with no shell |
//! | [`wire`] | the client's side of HTTP |
//! | [`clock`], [`logging`] | local time as the contract writes it, and the log lines that carry it |
//!
//! No module reaches around its neighbour: only `http` (and the health probe, its client) touches sockets, only
//! `consumer::mapping` touches mmap, only `limits` reads /proc and cgroup files. `unsafe` stands only in the files
//! that talk to the kernel or the C library: `clock`, `process`, `http::listener`, `consumer::mapping`,
//! `consumer::calls`, `limits::cpu`, `limits::filesystem` and `limits::rlimit`.

#[cfg(feature = "client")]
pub mod client;
pub mod consumer;
#[cfg(feature = "counter")]
pub mod counter;
#[cfg(feature = "fibonacci")]
pub mod fibonacci;
pub mod http;
pub mod kernel;
pub mod service;
pub mod settings;
mod sync;
pub mod units;
