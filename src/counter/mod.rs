//! A service that shows which replica answers: each request is told which one it is, to this instance and to all of them.
//!
//! ```text
//! routes   a request becomes a count, and the count an answer
//! total    where the total is counted: one of two stores
//! shared   a file that all instances on the machine share
//! database a Redis, which all instances of a cluster share
//! ```

pub mod database;
pub mod file_store;
mod routes;
pub mod store;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::kernel::sys::host_name;
use crate::service::lifecycle::Role;
use crate::service::router::Router;
use crate::settings::counter::{CounterSettings, StoreSetting};

use database::Redis;
use file_store::FileStore;
use store::{Total, TotalCounters};

/// The service.
struct Counter {
    /// `HOST:PORT`, for people.
    name: String,
    /// Requests of this instance that were answered.
    answered: AtomicU64,
    total: Box<dyn Total>,
    counters: TotalCounters,
    router: Router,
}

/// Runs the service until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: the address, the file of the total.
pub fn run(settings: &CounterSettings) -> io::Result<()> {
    crate::kernel::signals::ignore_file_size_signal();
    let role = Role::begin(settings.listen, &settings.identity, &[])?;
    let stop = role.stop.clone();
    let total: Box<dyn Total> = match &settings.store {
        StoreSetting::Redis(server) => Box::new(Redis::start(server)?),
        StoreSetting::File(folder) => Box::new(FileStore::open(folder)?),
    };
    log::info!("The total is counted in {}", total.place());
    let service = Arc::new(Counter {
        name: format!("{}:{}", host_name(), role.local_addr()?.port()),
        answered: AtomicU64::new(0),
        total,
        counters: TotalCounters::default(),
        router: Router::new(&routes::ROUTES, &settings.identity),
    });
    let mut serving = role.serve(Arc::clone(&service) as _)?;
    serving.until_signal(&service.router.ready, settings.shutdown_delay);
    stop.stop();
    serving.finish();
    Ok(())
}
