//! Where a request of ours goes: the URL of a service, and the addresses behind its name.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::sync::{lock, spawn};

/// The stack of the thread that looks a name up: the C library's resolver needs most of it.
const RESOLVER_STACK_BYTES: usize = 256 * 1024;

/// A service, as an URL names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'u> {
    /// Host and port, if it is said.
    pub authority: &'u str,
    /// The path, and a query, as they stand there.
    pub path: &'u str,
}

impl<'u> Url<'u> {
    /// `http://authority/path` into authority and path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &'u str) -> io::Result<Self> {
        let wrong = |words| io::Error::new(io::ErrorKind::InvalidInput, words);
        if url.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(wrong("the URL has a space or control character in it"));
        }
        let rest = url.strip_prefix("http://").ok_or_else(|| wrong("the URL does not begin with http://"))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(wrong("the URL has no host"));
        }
        Ok(Self { authority, path })
    }

    /// Its addresses, in the resolver's order.
    ///
    /// The resolver has deadlines of its own, which no caller can set, so a name is looked up in a thread. Where the
    /// caller gives up, the thread goes on until the resolver does, or the process ends.
    ///
    /// # Errors
    /// When it has none, or its name is not resolved by then.
    pub fn addresses(&self, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        let place = with_port(self.authority, 80);
        if let Ok(address) = place.parse() {
            return Ok(vec![address]);
        }
        let found = Arc::new((Mutex::new(None), Condvar::new()));
        let finding = Arc::clone(&found);
        let look_up = move || {
            *lock(&finding.0) = Some(place.to_socket_addrs().map(Iterator::collect));
            finding.1.notify_one();
        };
        spawn("resolver", RESOLVER_STACK_BYTES, Box::new(look_up))?;
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = found.1.wait_timeout_while(lock(&found.0), left, |found| found.is_none());
        let (mut found, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "its name is not resolved in time"));
        found.take().unwrap_or_else(late)
    }
}

/// A host with its port, or with this one where it has none.
pub fn with_port(authority: &str, port: u16) -> String {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    if has_port { authority.to_owned() } else { format!("{authority}:{port}") }
}
