//! The HTTP edge every role stands on.
//!
//! One thread serves one connection's requests in turn; there is no event loop. Handlers speak in the types of
//! `tiny_http` ([`Method`], [`StatusCode`], [`Header`], [`Response`]), and never meet a socket.
//!
//! # Bounds
//! Every byte from outside has a bound and a deadline; [`bounds`] names them all and says why.
//!
//! # Design
//! - `server` polls, takes a permit, accepts, and hands the connection to a thread of its own.
//! - `places` holds the permits. When none is left, the connection that has waited longest on its *client* gives
//!   way to the new one; a connection that waits on *us* (a braked answer) never does.
//! - `connection` reads heads and bodies against deadlines and writes each answer in one go.
//! - [`head`] and [`body`] are the strict parts: RFC 9112 framing, and after any doubt about it, close.
//! - [`target`] and [`query`] decode what a handler asks about; [`json_form`] makes a form of a JSON object.
//! - `listener` is the only part with `unsafe`: the socket options std has no name for, and poll(2).

pub mod body;
pub mod bounds;
mod brake;
mod connection;
pub mod head;
pub mod json_form;
mod listener;
mod places;
pub mod query;
mod request;
mod response;
mod server;
pub mod target;

pub use brake::Hold;
pub use request::{Answer, BodyRule, Pieces, Request, Service, Text, content, field, redirect, text};
pub use server::{Drain, Server};
pub use tiny_http::{Header, Method, Response, StatusCode};
