//! The standard input of a program that is to end well when a signal comes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

use crate::kernel::shutdown::Stop;

/// The standard input up to its end, or to SIGINT or SIGTERM, whichever comes first. What has come by then is read.
///
/// Who ends a pipeline with Ctrl-C ends all of it: what its beginning has written is to be kept.
pub struct EndingInput {
    from: File,
    stop: Stop,
}

impl EndingInput {
    /// Catches both signals from now on; the second one ends the process at once.
    ///
    /// # Errors
    /// When there is no standard input, or the kernel refuses a handler.
    pub fn start() -> io::Result<Self> {
        let from = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self { from: File::from(from), stop: Stop::at_signal()? })
    }
}

impl Read for EndingInput {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let bell = self.stop.bell();
        let mut watched = [PollFd::new(&self.from, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
        poll(&mut watched, None)?;
        let is_ready = !watched[0].revents().is_empty();
        if is_ready { self.from.read(piece) } else { Ok(0) }
    }
}
