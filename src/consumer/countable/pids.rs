//! Process ids: threads that sleep until they are woken, since a thread counts in pids.max as a process does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::consumer::countable::{Countable, Names, youngest};
use crate::kernel::Kernel;
use crate::sync::{lock, spawn};

/// A parked thread's stack: it needs next to nothing, and what it does not touch costs nothing.
const PARKED_STACK_BYTES: usize = 16 * 1024;

/// Threads that sleep.
pub struct Pids {
    kernel: Kernel,
    /// Threads that the service may still need for itself.
    reserve: u64,
    parked: Mutex<Vec<Parked>>,
}

impl Pids {
    /// As `kernel` has room for, with `reserve` threads left to the service.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self { kernel, reserve, parked: Mutex::default() }
    }
}

/// A thread that sleeps until it is woken.
struct Parked {
    thread: JoinHandle<()>,
    woken: Arc<AtomicBool>,
}

impl Countable for Pids {
    fn names(&self) -> &'static Names {
        &Names { name: "pid", work: "CreatePids()", limit: "HIGHPIDLIM", cost: 40 * 1024 }
    }

    fn held(&self) -> u64 {
        lock(&self.parked).len() as u64
    }

    fn make(&self) -> io::Result<()> {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let sleep = move || {
            while !flag.load(Ordering::Acquire) {
                thread::park();
            }
        };
        let thread = spawn("parked", PARKED_STACK_BYTES, Box::new(sleep))?;
        lock(&self.parked).push(Parked { thread, woken });
        Ok(())
    }

    fn make_way(&self) -> io::Result<u64> {
        // The pod's limit is above our cgroup namespace, and the node's is nobody's: neither can be seen from here.
        let back = self.reserve.min(self.held());
        self.discard(back).map(|()| back)
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        let going = youngest(&mut lock(&self.parked), count);
        for parked in &going {
            parked.woken.store(true, Ordering::Release);
            parked.thread.thread().unpark();
        }
        for parked in going {
            // It has nothing to panic about.
            let _ = parked.thread.join();
        }
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let room = self.kernel.threads();
        let source = format!("{}, less {} threads kept for the service itself", room.source, self.reserve);
        Ok((room.left.saturating_sub(self.reserve), source))
    }
}
