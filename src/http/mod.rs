//! The HTTP edge every role stands on.
//!
//! One thread serves one connection's requests in turn; there is no event loop. Handlers speak in the types of
//! `tiny_http` ([`Method`], [`StatusCode`], [`Header`], [`Response`]), and never meet a socket.
//!
//! # Bounds
//! Every byte from outside has a bound and a deadline; [`bounds`] names them all and says why.
//!
//! # Design
//! - [`server`] polls, takes a permit, accepts, and hands the connection to a thread of its own. Its `slots` hold the
//!   permits: when none is left, the connection that has waited longest on its *client* is evicted for the new one; a
//!   connection that waits on *us* (a throttled answer) never is. Its `connection` reads heads and bodies against
//!   deadlines and writes each answer in one go. Its `listener` is the only part with `unsafe`: the socket options std
//!   has no name for, and poll(2).
//! - [`message`] is how messages are read and written: RFC 9112 framing, and after any doubt about it, close.
//! - [`client`] is the other side: requests of ours to a service, with the same bounds.

pub mod bounds;
pub mod client;
pub mod message;
pub mod server;

pub use message::request::{Answer, BodyRule, BodyWriter, Request, Service, Text, content, field, redirect, text};
pub use server::throttle::Hold;
pub use server::{Drain, Server};
pub use tiny_http::{Header, Method, Response, StatusCode};
