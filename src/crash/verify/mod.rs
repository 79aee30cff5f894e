//! What was put out against what was fed, and what a difference is.
//!
//! Readers of the output trust what its log says in phase 2, and so does this: new bytes are compared once they count, each
//! once, and now and then all of them again.
//!
//! ```text
//! verifier        rounds: what is new of each key, compared
//! log_reader      the sink's log, read while it grows
//! transactions    what its records mean one after the other
//! compare         two files, in small pieces
//! diagnosis       what a difference is: the line, the class, who it came from
//! lines           lines of files that may be larger than memory
//! finding         something that is wrong, in words
//! ```

pub mod compare;
pub mod diagnosis;
mod finding;
mod lines;
mod log_reader;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
mod transactions;
mod verifier;

pub use finding::{DifferenceClass, Finding};
pub use verifier::{Verified, Verifier, VerifyRound, verify_once};
