//! Where the total is counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long anything may take that a request waits for: one try.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A total that several processes count together.
pub trait Total: Send + Sync {
    /// Adds one, and says what that makes. Nobody else is told the same.
    ///
    /// # Errors
    /// When it is not to be had, after one more try.
    fn next(&self) -> Result<u64, String>;

    /// Whether it is to be had.
    ///
    /// # Errors
    /// When it is not.
    fn check(&self) -> Result<(), String>;

    /// Where it is, for people: without passwords.
    fn place(&self) -> String;
}

/// How it went, for metrics.
#[derive(Default)]
pub struct TotalCounters {
    /// The last total that was handed out here.
    pub last: AtomicU64,
    /// Requests that had no total.
    pub failures: AtomicU64,
    /// Whether the last request had none.
    pub away: AtomicBool,
}

impl TotalCounters {
    /// One more request.
    pub fn count(&self, result: &Result<u64, String>) {
        match result {
            Ok(total) => {
                self.last.fetch_max(*total, Ordering::Relaxed);
                if self.away.swap(false, Ordering::Relaxed) {
                    log::info!("The total is counted again");
                }
            }
            Err(why) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                // Once, not once a request.
                if !self.away.swap(true, Ordering::Relaxed) {
                    log::warn!("The total is away: {why}");
                }
            }
        }
    }
}
