//! What every role does around its own work: it listens, serves, and stops when it is told to.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::consumer::span;
use crate::http::bounds::{Room, connections};
use crate::http::{Server, Service};
use crate::limits::{Kernel, rlimit};
use crate::probes::Probe;
use crate::settings::Identity;
use crate::shutdown::{Caught, Signal, Stop};

/// How long answers in flight get at the end.
const GRACE: Duration = Duration::from_millis(500);

/// A role that has its address, and serves nobody yet.
pub struct Role {
    /// Set when the role is to stop.
    pub stop: Stop,
    /// How many connections will be served at a time.
    pub connections: usize,
    server: Server,
    caught: Caught,
}

impl Role {
    /// Catches the signals and listens. Says which pod this is, and what of the settings is passed over.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn begin(listen: SocketAddr, identity: &Identity, warnings: &[String]) -> io::Result<Self> {
        Self::begin_with(listen, identity, warnings, None)
    }

    /// The same, with so many connections at most.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn begin_with(
        listen: SocketAddr,
        identity: &Identity,
        warnings: &[String],
        most: Option<usize>,
    ) -> io::Result<Self> {
        let caught = Caught::start()?;
        let stop = Stop::new()?;
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        for (name, value) in identity.labels() {
            log::info!("Running in {name} {value}");
        }
        let kernel = Kernel::default();
        let connections = connections(Room {
            descriptors: rlimit::descriptors(),
            threads: kernel.threads_available(),
            memory: kernel.memory_available().limit,
        });
        let connections = most.map_or(connections, |most| most.min(connections));
        let server = Server::bind(listen, connections, stop.clone())
            .map_err(|error| io::Error::new(error.kind(), format!("Cannot listen on {listen}: {error}")))?;
        Ok(Self { stop, connections, server, caught })
    }

    /// Where it really listens: the port chosen, where 0 was asked for.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.server.local_addr()
    }

    /// Serves, in threads of its own.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn serve(self, service: Arc<dyn Service>) -> io::Result<Serving> {
        let address = self.local_addr()?;
        let Self { server, caught, .. } = self;
        let accepting = thread::Builder::new()
            .name(String::from("accept"))
            .spawn(move || server.serve(service).finish(GRACE))
            .map_err(|error| {
                io::Error::new(error.kind(), format!("Cannot start a thread to accept connections: {error}"))
            })?;
        log::info!("Starting web server on: {address}");
        Ok(Serving { caught, accepting })
    }
}

/// A role that serves.
pub struct Serving {
    caught: Caught,
    accepting: JoinHandle<()>,
}

impl Serving {
    /// Waits for SIGTERM or SIGINT. A second one ends the process, unless the first is one to be passed over.
    pub fn signal(&mut self, passed_over: impl Fn(&Signal) -> bool) -> Signal {
        self.caught.wait(passed_over)
    }

    /// The signal that has come, if one has. A second one ends the process.
    pub fn came(&mut self) -> Option<Signal> {
        self.caught.came()
    }

    /// Serves until a signal, then as long as the delay wants, unready.
    pub fn until_signal(&mut self, ready: &Probe, delay: Duration) {
        let signal = self.signal(|_| false);
        log::info!("Signal received: {}", signal.name());
        unready(ready, delay);
    }

    /// After the stop signal: sees the last answers off.
    pub fn finish(self) {
        // It logs its own panic; there is nobody else to tell.
        let _ = self.accepting.join();
    }
}

/// Checks that DATADIR is a folder.
///
/// # Errors
/// When it is none.
pub fn check_data_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let words = format!("DATADIR is not a folder that exists: {}", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, words))
}

/// The time between the signal and the end, in which clients learn that we go.
pub fn unready(ready: &Probe, delay: Duration) {
    ready.stop();
    if !delay.is_zero() {
        log::info!("Unready, and serving for {} more", span::in_words(delay));
        thread::sleep(delay);
    }
}
