//! `testero proxy`: over real sockets, between real clients and members that do what a test wants.

mod forwarding;
mod members;
mod parts;
mod sickness;
