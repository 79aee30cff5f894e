//! A Redis as its clients see it: what the roles that speak to one have in common.
//!
//! ```text
//! server       where it is and who logs in
//! address      the same, as URLs say it
//! connection   one connection: commands and replies, bounded in time and bytes
//! command      how a command is written
//! reply        replies, read while they come in
//! value        what a reply says
//! ```

pub mod address;
mod command;
pub mod connection;
pub mod reply;
pub mod server;
pub mod value;

#[cfg(test)]
pub(crate) mod test_server;
