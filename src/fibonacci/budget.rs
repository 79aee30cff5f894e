//! How many bytes of answers may be on their way at a time.
//!
//! Numbers may have a million digits, and a client may take its time to read one. Without a bound, as many answers as there
//! are connections would be in memory at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

/// Most bytes of long answers at a time: a quarter of a container of 256 MiB.
const MOST_BYTES: u64 = 64 << 20;
/// Answers below this are not counted: all connections together have less than [`MOST_BYTES`] of them.
const SHORT: u64 = 64 << 10;
/// How long a request waits for its share: longer than a client may take for an answer, so that those before it are gone.
const PATIENCE: Duration = Duration::from_secs(12);

/// The bytes that are left.
pub(super) struct Budget {
    left: Mutex<u64>,
    freed: Condvar,
}

/// The share of one answer; given back when it is dropped.
pub(super) struct AnswerShare {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(MOST_BYTES), freed: Condvar::new() })
    }

    /// Waits until an answer of so many bytes may be made; `None` when that takes too long.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Option<AnswerShare> {
        let bytes = if bytes < SHORT { 0 } else { bytes.min(MOST_BYTES) };
        if bytes > 0 {
            let waited = self.freed.wait_timeout_while(lock(&self.left), PATIENCE, |left| *left < bytes);
            let (mut left, _) = waited.unwrap_or_else(PoisonError::into_inner);
            *left = left.checked_sub(bytes)?;
        }
        Some(AnswerShare { budget: Arc::clone(self), bytes })
    }
}

impl Drop for AnswerShare {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *lock(&self.budget.left) += self.bytes;
            self.budget.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_together_never_have_more_than_there_is() {
        let budget = Budget::new();
        let taken = Arc::new(Mutex::new((0, 0)));
        let clients: Vec<_> = (0..24)
            .map(|_| {
                let (budget, taken) = (Arc::clone(&budget), Arc::clone(&taken));
                std::thread::spawn(move || {
                    let share = budget.take(MOST_BYTES / 5).unwrap();
                    {
                        let mut taken = lock(&taken);
                        taken.0 += share.bytes;
                        taken.1 = taken.1.max(taken.0);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                    lock(&taken).0 -= share.bytes;
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert!((MOST_BYTES / 5..=MOST_BYTES).contains(&lock(&taken).1));
        assert_eq!(*lock(&budget.left), MOST_BYTES);
    }

    #[test]
    fn a_share_is_given_back() {
        let budget = Budget::new();
        let whole = budget.take(u64::MAX).unwrap();
        assert_eq!(*lock(&budget.left), 0);
        // Short ones never wait.
        assert!(budget.take(SHORT - 1).is_some());
        drop(whole);
        assert_eq!(*lock(&budget.left), MOST_BYTES);
    }
}
