//! `testero proxy`: what it makes of its flags and its file; and over real sockets, between real clients and members that
//! do what a test wants.

mod access_log;
mod bodies;
mod bounds;
mod client_identity;
mod config;
mod differential;
mod ended;
mod flags;
mod forwarding;
mod kills;
mod large_bodies;
mod members;
mod operation;
mod other_proxies;
mod parts;
mod programs;
mod real_clients;
mod recorder;
mod sickness;
