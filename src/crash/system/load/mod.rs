//! Requests of several clients, each one after the other, for as long as a run goes on.
//!
//! A request is sent once: where a connection breaks, nobody knows whether it was done, and one that was done twice would
//! take two numbers for one answer.
//!
//! ```text
//! pace            how many begin in a second
//! request_line    what is written of each
//! ```

mod pace;
pub mod request_line;

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::http::client::{Connections, Exchange, Reply, Taker, Url};
use crate::kernel::shutdown::Stop;
use crate::settings::crash::system::HttpLoadConfig;
use crate::sync::{WORKER_STACK_BYTES, lock, spawn};

use self::pace::RequestPace;
use self::request_line::RequestLine;

/// How long a client waits after a request without an answer: nobody is there, and asking at once would only be noise.
const PAUSE: Duration = Duration::from_millis(10);
/// More of an answer than this is not received.
const ANSWER_BYTES: usize = 64 * 1024;
/// A connection that was idle for this long is not used again: servers close theirs after some seconds, and a request on a
/// closed one has no answer.
const IDLE: Duration = Duration::from_secs(2);
/// For so long a name means the same addresses, when requests fail.
const LOOKED_UP: Duration = Duration::from_secs(1);

/// The requests of a run.
#[derive(Clone)]
pub struct HttpLoad(Arc<LoadState>);

/// What the clients share.
struct LoadState {
    config: HttpLoadConfig,
    stop: Stop,
    /// The file of the lines, once it is open.
    out: OnceLock<File>,
    pace: Option<RequestPace>,
    began: Instant,
    requests: AtomicU64,
    answers: AtomicU64,
    /// Set when the file cannot be written, which says why: requests that nobody knows of prove nothing.
    has_failed: AtomicBool,
    failure: Mutex<Option<io::Error>>,
}

/// How many requests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCounts {
    /// Begun.
    pub requests: u64,
    /// Answered, whatever the status.
    pub answers: u64,
}

impl HttpLoad {
    /// Requests as they are configured, until `stop` is set.
    pub fn new(config: HttpLoadConfig, stop: Stop) -> Self {
        Self(Arc::new(LoadState {
            pace: config.rate.map(RequestPace::new),
            config,
            stop,
            out: OnceLock::new(),
            began: Instant::now(),
            requests: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }))
    }

    /// How many requests there were so far.
    pub fn counts(&self) -> LoadCounts {
        let answers = self.0.answers.load(Ordering::Relaxed);
        LoadCounts { requests: self.0.requests.load(Ordering::Relaxed), answers }
    }

    /// Makes them until the signal to stop, and waits for the answers of the last ones. The file of what comes of them is made
    /// anew.
    ///
    /// # Errors
    /// When the URL is none, clients cannot be started, or the file cannot be written.
    pub fn run(&self) -> io::Result<()> {
        let HttpLoadConfig { url, out, .. } = &self.0.config;
        Url::parse(url)?;
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{out}: {error}"));
        // Each line is one write to where the file ends by then.
        let file = File::options().create(true).append(true).open(out).map_err(at)?;
        file.set_len(0).map_err(at)?;
        let _ = self.0.out.set(file);
        let mut clients = Vec::new();
        for number in 0..self.0.config.clients {
            let state = Arc::clone(&self.0);
            let work = Box::new(move || LoadClient::new(&state, number).run());
            match spawn("load", WORKER_STACK_BYTES, work) {
                Ok(client) => clients.push(client),
                Err(error) => self.0.fail(error),
            }
        }
        for client in clients {
            if client.join().is_err() {
                self.0.fail(io::Error::other("a client of the load has panicked"));
            }
        }
        lock(&self.0.failure).take().map_or(Ok(()), Err)
    }
}

impl LoadState {
    fn fail(&self, error: io::Error) {
        lock(&self.failure).get_or_insert(error);
        self.has_failed.store(true, Ordering::Release);
    }

    /// Sleeps; whether it is to go on after that.
    fn sleep(&self, length: Duration) -> bool {
        let is_over = if length.is_zero() { self.stop.is_set() } else { self.stop.sleep(length) };
        !is_over && !self.has_failed.load(Ordering::Acquire)
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let Some(mut out) = self.out.get() else { return Err(ErrorKind::NotFound.into()) };
        loop {
            return match out.write(line) {
                Ok(written) if written == line.len() => Ok(()),
                Ok(_) => Err(io::Error::new(ErrorKind::StorageFull, "a line was written in part")),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

/// A client: it has one connection at a time.
struct LoadClient<'s> {
    state: &'s LoadState,
    number: u32,
    connections: Connections,
    addresses: Vec<SocketAddr>,
    looked_up: Instant,
    last: Instant,
}

impl<'s> LoadClient<'s> {
    fn new(state: &'s LoadState, number: u32) -> Self {
        let now = Instant::now();
        let (connections, addresses) = (Connections::default(), Vec::new());
        Self { state, number, connections, addresses, looked_up: now, last: now }
    }

    fn run(&mut self) {
        let state = self.state;
        let mut pause = Duration::ZERO;
        loop {
            if !state.sleep(pause) {
                return;
            }
            if let Some(pace) = &state.pace
                && !state.sleep(pace.take(Instant::now()))
            {
                return;
            }
            state.requests.fetch_add(1, Ordering::Relaxed);
            let answer = self.ask();
            let trouble;
            let (status, body) = match &answer {
                Ok(reply) => {
                    state.answers.fetch_add(1, Ordering::Relaxed);
                    pause = Duration::ZERO;
                    (Some(reply.status), reply.body.as_slice())
                }
                Err(error) => {
                    if self.looked_up.elapsed() >= LOOKED_UP {
                        self.addresses.clear();
                    }
                    pause = PAUSE;
                    trouble = error.to_string();
                    (None, trouble.as_bytes())
                }
            };
            let at = state.began.elapsed().as_millis() as u64;
            let line = RequestLine { at, client: self.number, status, body }.line();
            if let Err(error) = state.write(&line) {
                return state.fail(io::Error::new(error.kind(), format!("{}: {error}", state.config.out)));
            }
        }
    }

    fn ask(&mut self) -> io::Result<Reply> {
        let HttpLoadConfig { url, timeout, .. } = &self.state.config;
        let (url, deadline) = (Url::parse(url)?, Instant::now() + *timeout);
        if self.addresses.is_empty() {
            self.looked_up = Instant::now();
            self.addresses = url.addresses(deadline)?;
        }
        if self.last.elapsed() >= IDLE {
            self.connections = Connections::default();
        }
        let exchange = Exchange {
            authority: url.authority,
            method: "GET",
            target: url.path,
            token: None,
            connections: Some(&self.connections),
            patience: *timeout,
            deadline: Some(deadline),
        };
        let reply = exchange.taken_once(&self.addresses, Taker::Beginning(ANSWER_BYTES));
        self.last = Instant::now();
        reply
    }
}

#[cfg(test)]
mod tests;
