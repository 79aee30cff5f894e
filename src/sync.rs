//! Locks that outlive a panic, and threads.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
#[cfg(any(feature = "client", feature = "crash", feature = "fibonacci", feature = "proxy"))]
use std::thread::{Scope, ScopedJoinHandle};

/// A worker's stack: it fills pages and buffers that are elsewhere.
pub(crate) const WORKER_STACK_BYTES: usize = 128 * 1024;

/// Locks `mutex` whether or not another thread panicked while it held it.
///
/// Every critical section of this crate leaves its data whole at each step, so poisoning would only turn one
/// failed request into many.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread with a name and a stack of so many bytes. The work is boxed, so that the code that starts a thread is
/// there once.
pub(crate) fn spawn(name: &str, stack: usize, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).stack_size(stack).spawn(work)
}

/// Starts a thread of a scope, as [`spawn`] does.
#[cfg(any(feature = "client", feature = "crash", feature = "fibonacci", feature = "proxy"))]
pub(crate) fn spawn_scoped<'s>(
    scope: &'s Scope<'s, '_>,
    name: &str,
    stack: usize,
    work: Box<dyn FnOnce() + Send + 's>,
) -> io::Result<ScopedJoinHandle<'s, ()>> {
    Builder::new().name(name.to_owned()).stack_size(stack).spawn_scoped(scope, work)
}
