//! A load balancer: requests go to the members of the service that their Host names.
//!
//! ```text
//! event_loop  one thread: waits for events on all its connections, and works on those that have some
//! session     a client's connection: its requests in turn
//! request     what a head asks for: a member, or one of the proxy's own pages
//! exchange    a request on its way to a member, and the answer on its way back
//! head        heads, written anew for the other side
//! body_stream bodies, taken out of their frame and put into one of ours
//! world       what the sessions of one thread share: connections to members, buffers, routes
//! services    who a request is for, and who gets it
//! operation   probes and metrics, on a port of their own
//! ```

mod body_stream;
mod buffer;
mod event_loop;
mod exchange;
mod head;
mod listener;
mod metrics;
mod operation;
mod pages;
mod request;
mod services;
mod session;
mod slab;
mod socket;
mod times;
mod world;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use crate::kernel::shutdown::Stop;
use crate::service::lifecycle::Role;
use crate::settings::proxy::ProxySettings;
use crate::settings::proxy::config::{MemberAddress, ProxyConfig};

use event_loop::EventLoop;
use operation::OperatorService;
use services::{Balancer, HostRoutes, Member};
use world::ProxyState;

/// A worker needs no deep stack: its buffers are on the heap.
const STACK_BYTES: usize = 128 * 1024;
/// Most threads, unless told otherwise.
const MOST_THREADS: usize = 4;

/// Runs the proxy until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: an address, a thread.
pub fn run(settings: &ProxySettings, config: &ProxyConfig) -> io::Result<()> {
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
    let shared = Arc::new(ProxyState::new(routes(config)?, settings.timeout, settings.dry_run));
    let stop = Stop::new()?;
    let threads =
        settings.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS));
    let mut workers = Vec::new();
    for number in 0..threads {
        let worker = EventLoop::new(Arc::clone(&listener), Arc::clone(&shared), stop.clone(), settings.drain)?;
        let thread = thread::Builder::new().name(format!("worker-{number}")).stack_size(STACK_BYTES);
        workers.push(thread.spawn(move || worker.run())?);
    }
    let operation = Arc::new(OperatorService::new(Arc::clone(&shared)));
    let role_stop = role.stop.clone();
    let mut serving = role.serve(Arc::clone(&operation) as _)?;
    serving.until_signal(&operation.ready, settings.shutdown_delay);
    shared.drain();
    stop.stop();
    for worker in workers {
        if let Ok(Err(error)) = worker.join() {
            log::error!("a worker ended: {error}");
        }
    }
    role_stop.stop();
    serving.finish();
    Ok(())
}

fn routes(config: &ProxyConfig) -> io::Result<HostRoutes> {
    let mut services = Vec::new();
    for service in &config.services {
        let mut members = Vec::new();
        for host in &service.hosts {
            let (server, address) = match &host.address {
                MemberAddress::Ip(ip) => (ip.to_string(), SocketAddr::from((*ip, host.port))),
                MemberAddress::Name(name) => (name.clone(), resolve(name, host.port)?),
            };
            members.push(Arc::new(Member::new(server, host.port, address, host.weight)));
        }
        services.push((service.domain.clone(), Balancer::new(service.name.clone(), service.strategy, members)));
    }
    Ok(HostRoutes::new(services))
}

fn resolve(name: &str, port: u16) -> io::Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    let found = (name, port)
        .to_socket_addrs()
        .and_then(|mut found| found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no address")));
    found.map_err(|error| io::Error::new(error.kind(), format!("member {name}: {error}")))
}
