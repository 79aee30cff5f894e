//! Bytes that go from one socket to another inside the kernel, and never come into our memory.

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// How much is wanted to fit into one; the kernel gives less where its user has many.
const PIPE_BYTES: usize = 256 * 1024;

/// A pipe, with what was put into it and not taken out yet.
pub(super) struct Pipe {
    begin: OwnedFd,
    end: OwnedFd,
    filled: usize,
}

impl Pipe {
    /// An empty one.
    pub(super) fn new() -> Result<Self, Errno> {
        let (end, begin) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does as well.
        let _ = fcntl_setpipe_size(&begin, PIPE_BYTES);
        Ok(Self { begin, end, filled: 0 })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Moves at most so many bytes into it that a socket has received: 0 where the other side has ended.
    pub(super) fn fill(&mut self, from: impl AsFd, most: usize) -> Result<usize, Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let count = splice(from, None, &self.begin, None, most.min(PIPE_BYTES), flags)?;
        self.filled += count;
        Ok(count)
    }

    /// Sends what a socket takes of it.
    pub(super) fn drain(&mut self, to: impl AsFd) -> Result<usize, Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let count = splice(&self.end, None, to, None, self.filled, flags)?;
        self.filled -= count.min(self.filled);
        Ok(count)
    }
}
