//! The system that is built in: feed → stream of a key → the worker that owns the key → outbox of the key → sink.
//!
//! Positions are byte offsets since the beginning; the offset after an entry is its name.
//!
//! ```text
//! parts        a worker, the sink, a feed as processes
//! feed         input becomes a stream, at a pace
//! worker       keys are owned, and their input is put out
//! sink         output becomes files, in transactions of two phases
//! sink_key     the files of a key
//! sink_log     the record of its transactions
//! store        what the parts promise each other, whatever keeps it
//! file_store   it is kept in files of one machine
//! outbox_file  the bytes of an outbox
//! redis_store  it is kept in a Redis, for several machines
//! status       what a part says of itself
//! coverage     how often what happened
//! ```

pub mod coverage;
pub mod feed;
pub mod file_store;
pub mod outbox_file;
pub mod parts;
pub mod redis_store;
pub mod sink;
pub mod sink_key;
pub mod sink_log;
pub mod status;
pub mod store;
pub mod worker;

#[cfg(test)]
mod contract;
