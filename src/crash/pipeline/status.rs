//! What a part says of itself to whoever asks: a line of text over a socket in the run folder.
//!
//! The line begins with `ready` or `waiting`; what follows is for people. Paths of sockets are short (108 bytes), so both
//! sides name it relative to the run folder, in which every process of a run works.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::sync::{lock, spawn};

/// The stack of the thread that answers.
const STACK_BYTES: usize = 64 * 1024;
/// How long one who asks may take to read a line.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest line, in bytes.
const LINE: usize = 4096;

/// How the line of one begins that does what it is for.
pub const READY: &str = "ready";

/// What a part says of itself.
#[derive(Clone, Debug)]
pub struct PartStatus(Arc<Mutex<String>>);

impl PartStatus {
    /// Answers at this path from now on, as one that waits.
    ///
    /// # Errors
    /// When the socket or the thread cannot be made.
    pub fn serve(path: &Path) -> io::Result<Self> {
        let text = Arc::new(Mutex::new(String::from("waiting: just started")));
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let said = Arc::clone(&text);
        spawn(
            "status",
            STACK_BYTES,
            Box::new(move || {
                for mut stream in listener.incoming().flatten() {
                    let text = lock(&said).clone();
                    let _ = stream.set_write_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(text.as_bytes()));
                }
            }),
        )?;
        Ok(Self(text))
    }

    /// It does what it is for.
    pub fn ready(&self, detail: &str) {
        *lock(&self.0) = format!("ready: {detail}");
    }

    /// It does not, and why.
    pub fn waiting(&self, why: &str) {
        *lock(&self.0) = format!("waiting: {why}");
    }
}

/// What a part says, asked at its socket.
///
/// # Errors
/// When nobody answers within `patience`.
pub fn ask(path: &Path, patience: Duration) -> io::Result<String> {
    let deadline = Instant::now() + patience;
    // This waits only while the backlog is full, and nobody but the tester asks.
    let mut stream = UnixStream::connect(path)?;
    let (mut line, mut chunk) = (Vec::new(), [0; 512]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(String::from_utf8_lossy(&line).into_owned()),
            Ok(length) if line.len() + length <= LINE => line.extend_from_slice(&chunk[..length]),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
}

/// Whether a part that says this is ready.
pub fn is_ready(line: &str) -> bool {
    line.starts_with(READY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_asked_and_says_what_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        assert!(ask(&path, PATIENCE).is_err());
        let status = PartStatus::serve(&path).unwrap();
        assert_eq!(ask(&path, PATIENCE).unwrap(), "waiting: just started");
        status.ready("owns A");
        assert!(is_ready(&ask(&path, PATIENCE).unwrap()));
        // One that was killed leaves its socket behind.
        drop(PartStatus::serve(&path).unwrap());
        assert_eq!(ask(&path, PATIENCE).unwrap(), "waiting: just started");
    }
}
