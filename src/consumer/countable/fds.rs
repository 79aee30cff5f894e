//! Open descriptors.

use std::fs::File;
use std::io;
use std::sync::Mutex;

use crate::consumer::countable::{Countable, Names, youngest};
use crate::kernel::{Kernel, rlimit};
use crate::sync::lock;

/// Open descriptors.
pub struct Descriptors {
    kernel: Kernel,
    /// Descriptors that the service may still need for itself.
    reserve: u64,
    files: Mutex<Vec<File>>,
}

impl Descriptors {
    /// As RLIMIT_NOFILE has room for, with `reserve` descriptors left to the service.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self { kernel, reserve, files: Mutex::default() }
    }
}

impl Countable for Descriptors {
    fn names(&self) -> &'static Names {
        &Names { name: "fd", work: "OpenDescriptors()", limit: "HIGHFDLIM", cost: 512 }
    }

    fn held(&self) -> u64 {
        lock(&self.files).len() as u64
    }

    fn make(&self) -> io::Result<()> {
        // An open file of its own, which counts in the system's file-max as well; the root is in every image.
        let file = File::open("/")?;
        lock(&self.files).push(file);
        Ok(())
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        drop(youngest(&mut lock(&self.files), count));
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let most = rlimit::descriptors().unwrap_or(u64::MAX);
        let open = self.kernel.descriptors_open().map_err(|error| format!("/proc/self/fd: {error}"))?;
        let source = format!("RLIMIT_NOFILE, less {} descriptors kept for the service itself", self.reserve);
        Ok((most.saturating_sub(open + self.reserve), source))
    }
}
