//! What is seen of a request on its way to a member and back, for metrics and the access log.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::proxy::members::Member;
use crate::proxy::services::Balancer;

/// What an exchange notes as it goes on.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// The status that the client was sent; 0 is none yet.
    pub(super) status: u16,
    /// When there was a connection to the member.
    pub(super) connected: Option<Instant>,
    /// When the first byte of an answer came.
    pub(super) first_byte: Option<Instant>,
    /// Bytes of a request's body that is over, where a tunnel has followed.
    pub(super) request_bytes: u64,
}

/// An exchange, as it is told of.
#[derive(Clone, Copy)]
pub(super) struct ExchangeReport<'e> {
    pub(super) service: &'e Balancer,
    pub(super) member: &'e Member,
    pub(super) passage: &'e Passage,
    pub(super) began: Instant,
    /// Members that were asked before this one.
    pub(super) retries: usize,
    /// Bytes of the request's body, without its frame.
    pub(super) received: u64,
    /// Bytes of the answer's body, without its frame.
    pub(super) sent: u64,
}

impl ExchangeReport<'_> {
    /// Counts it at its end: with the status that the client got, if it did, and whether that was the proxy's own.
    pub(super) fn count(&self, status: Option<u16>, is_own: bool, now: Instant) {
        let counts = &self.service.counts;
        if is_own {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.member.answers.count(status);
        if status.is_some() {
            counts.durations.observe(now.saturating_duration_since(self.began));
        }
        for (counter, count) in
            [(&counts.received, self.received), (&counts.sent, self.sent), (&counts.retries, self.retries as u64)]
        {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}
