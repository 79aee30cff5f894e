//! A load balancer: requests go to the members of the service that their Host names.
//!
//! ```text
//! event_loop  one thread: waits for events on all its connections, and works on those that have some
//! session     a client's connection: its requests in turn
//! request     what a head asks for: a member, or one of the proxy's own pages
//! exchange    a request on its way to a member, and the answer on its way back
//! head        heads, written anew for the other side
//! body_stream bodies, taken out of their frame and put into one of ours
//! buffer      what is on its way, in memory or in a pipe
//! world       what the sessions of one thread share: connections to members, buffers, routes
//! services    who a request is for, and who gets it
//! members     where one is, and whether it is to be asked; health asks it
//! attempt     the member that a request is sent to, and the next one where that one fails
//! keeper      keeps the routes as the file and DNS have them
//! identity    who the client is, as far as it is believed and told
//! operation   probes, metrics and the status, on a port of their own
//! counts      what is counted, beside what it counts; own_metrics and status show it
//! access_line a line for each request, which tell fills in; access_log takes it to stdout
//! ```

mod access_line;
mod access_log;
mod asking;
mod attempt;
mod availability;
mod body_stream;
mod buffer;
mod build_routes;
mod clients;
mod condition;
mod counts;
mod event_loop;
mod exchange;
mod head;
mod health;
mod identity;
mod keeper;
mod listener;
mod members;
mod metrics;
mod operation;
mod own_metrics;
mod pages;
mod passage;
mod pipe;
mod progress;
mod request;
mod services;
mod session;
mod session_state;
mod slab;
mod socket;
mod status;
mod status_counter;
mod tell;
mod times;
mod watch;
mod world;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::kernel::Kernel;
use crate::kernel::cpu::parallelism;
use crate::kernel::shutdown::Stop;
use crate::service::lifecycle::{Role, unready};
use crate::settings::proxy::ProxySettings;
use crate::settings::proxy::config::ProxyConfig;

use access_log::AccessWriter;
use event_loop::EventLoop;
use keeper::Keeper;
use operation::OperatorService;
use world::ProxyState;

/// A worker needs no deep stack: its buffers are on the heap.
const STACK_BYTES: usize = 128 * 1024;
/// Most threads, unless told otherwise.
const MOST_THREADS: usize = 4;
/// For how long the end waits for a slow reader of the access log.
const ACCESS_LOG_END: Duration = Duration::from_secs(1);

/// What goes on beside the requests, until the stop signal.
type Beside = fn(&ProxyState, &Stop);

/// Runs the proxy until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: an address, a thread.
pub fn run(settings: &ProxySettings, config: ProxyConfig) -> io::Result<()> {
    let metrics = SocketAddr::from((Ipv4Addr::UNSPECIFIED, settings.metrics_port));
    let role = Role::begin(metrics, &settings.identity, &[])?;
    log::info!("metrics are served on port {}", role.local_addr()?.port());
    log::info!("timeout: {} s", settings.timeout.as_secs());
    let mut listen = config.listen;
    if settings.listen_all {
        let any =
            if listen.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
        listen.set_ip(any);
    }
    let listener = Arc::new(listener::listen(listen, settings.next_port)?);
    let mut shared = ProxyState::new(settings.timeout, settings.dry_run);
    shared.access = AccessWriter::start(config.access_log)?;
    let shared = Arc::new(shared);
    let stop = Stop::new()?;
    let keeper = Keeper::begin(settings.file.clone(), config, Arc::clone(&shared))?;
    let threads = settings.threads.unwrap_or_else(|| parallelism(&Kernel::default()).min(MOST_THREADS));
    let mut workers = Vec::new();
    for number in 0..threads {
        let worker = EventLoop::new(Arc::clone(&listener), Arc::clone(&shared), stop.clone(), settings.drain)?;
        workers.push(start(&format!("worker-{number}"), Box::new(move || worker.run()))?);
    }
    let keeper_stop = stop.clone();
    let keep = move || {
        keeper.run(&keeper_stop);
        Ok(())
    };
    workers.push(start("keeper", Box::new(keep))?);
    for (name, act) in [("health", health::run as Beside), ("watch", watch::run)] {
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        let act = move || {
            act(&shared, &stop);
            Ok(())
        };
        workers.push(start(name, Box::new(act))?);
    }
    let operation = Arc::new(OperatorService::new(Arc::clone(&shared), &settings.identity));
    let role_stop = role.stop.clone();
    let mut serving = role.serve(Arc::clone(&operation) as _)?;
    let signal = serving.signal(|_| false);
    log::info!("Signal received: {}", signal.name());
    // Who is told that its connection ends asks somebody else next, and never finds a connection closed.
    shared.leave();
    unready(&operation.ready, settings.shutdown_delay);
    shared.drain();
    stop.stop();
    for worker in workers {
        if let Ok(Err(error)) = worker.join() {
            log::error!("a worker ended: {error}");
        }
    }
    if let Some(access) = &shared.access {
        access.finish(ACCESS_LOG_END);
    }
    role_stop.stop();
    serving.finish();
    Ok(())
}

/// Starts a thread. What it does is boxed, so that the code that starts one is there once.
fn start(name: &str, act: Box<dyn FnOnce() -> io::Result<()> + Send>) -> io::Result<JoinHandle<io::Result<()>>> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(act)
}
