//! A service that shows which replica answers: each request is told which one it is, to this instance and to all of them.
//!
//! ```text
//! routes   a request becomes a count, and the count an answer
//! total    where the total is counted: one of two stores
//! shared   a file that all instances on the machine share
//! database a Redis, which all instances of a cluster share
//! connection one connection to it: commands and replies, bounded in time and bytes
//! ```

mod connection;
pub mod database;
mod routes;
pub mod shared;
pub mod total;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::kernel::signals::host_name;
use crate::service::lifecycle::Role;
use crate::service::router::Front;
use crate::settings::counter::{Settings, Store};

use database::Redis;
use shared::Shared;
use total::{Tally, Total};

/// The service.
struct Counter {
    /// `HOST:PORT`, for people.
    name: String,
    /// Requests of this instance that were answered.
    answered: AtomicU64,
    total: Box<dyn Total>,
    tally: Tally,
    front: Front,
}

/// Runs the service until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: the address, the file of the total.
pub fn run(settings: &Settings) -> io::Result<()> {
    crate::kernel::signals::ignore_file_size_signal();
    let role = Role::begin(settings.listen, &settings.identity, &[])?;
    let stop = role.stop.clone();
    let total: Box<dyn Total> = match &settings.store {
        Store::Redis(client) => Box::new(Redis::start(client)?),
        Store::File(folder) => Box::new(Shared::open(folder)?),
    };
    log::info!("The total is counted in {}", total.place());
    let service = Arc::new(Counter {
        name: format!("{}:{}", host_name(), role.local_addr()?.port()),
        answered: AtomicU64::new(0),
        total,
        tally: Tally::default(),
        front: Front::new(&routes::ROUTES, &settings.identity),
    });
    let mut serving = role.serve(Arc::clone(&service) as _)?;
    serving.until_signal(&service.front.ready, settings.shutdown_delay);
    stop.stop();
    serving.finish();
    Ok(())
}
