//! Locks that outlive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex` whether or not another thread panicked while it held it.
///
/// Every critical section of this crate leaves its data whole at each step, so poisoning would only turn one
/// failed request into many.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
