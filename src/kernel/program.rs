//! Programs that are run to their end: with a deadline, and with a bound on how much of what they print is kept.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::Signal;

use crate::kernel::Kernel;
use crate::kernel::child::{ProcessId, ProcessState, die_with_starter, kill_group};

/// How much is read at once, in bytes: what a pipe holds.
const CHUNK: usize = 64 * 1024;
/// How long it is waited for something to read at most: a program may end while another has its pipe.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// How much of what is printed to stderr is kept, in bytes: the last of it.
const ERROR_BYTES: usize = 4096;

/// A program that runs. It ends, with all that it started, when this is dropped, or when the thread ends that started it.
#[derive(Debug)]
pub struct RunningProgram {
    child: Child,
    id: Option<ProcessId>,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    printed: ProgramOutput,
    /// How much of stdout is kept, in bytes.
    most: usize,
    ended: Option<ExitStatus>,
}

/// What a program printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramOutput {
    /// To stdout, the first of it.
    pub out: Vec<u8>,
    /// Whether it printed more than that.
    pub is_cut: bool,
    /// To stderr, the last of it.
    pub err: Vec<u8>,
}

impl RunningProgram {
    /// Starts a program; of its stdout `most` bytes are kept.
    ///
    /// # Errors
    /// When it cannot be started, with its name.
    pub fn start(words: &[String], most: usize) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        die_with_starter(&mut command);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{program}: {error}"));
        let mut child = command.spawn().map_err(named)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let id = ProcessId::of(&Kernel::default(), child.id());
        let this = Self { child, id, out, err, printed: ProgramOutput::default(), most, ended: None };
        if let (Some(out), Some(err)) = (&this.out, &this.err) {
            ioctl_fionbio(out, true)?;
            ioctl_fionbio(err, true)?;
        }
        Ok(this)
    }

    /// Whether it has ended by now, and how; reads what it has printed.
    pub fn look(&mut self) -> Option<ExitStatus> {
        if self.ended.is_some() {
            return self.ended;
        }
        let is_ended = self.id.is_none_or(|id| id.state(&Kernel::default()).is_none_or(ProcessState::is_ended));
        // What it printed before its end is there once it has ended.
        self.read();
        if is_ended {
            // What it started and left behind. While it is not reaped, the number is its own.
            let _ = kill_group(self.child.id(), Signal::KILL);
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for its end; `None` when it has not come by the deadline.
    pub fn wait(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.look() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            self.wait_for_output();
        }
    }

    /// What it has printed so far.
    pub fn printed(&self) -> &ProgramOutput {
        &self.printed
    }

    fn wait_for_output(&self) {
        let out = self.out.as_ref().map(AsFd::as_fd);
        let err = self.err.as_ref().map(AsFd::as_fd);
        let mut watched: Vec<PollFd<'_>> =
            out.into_iter().chain(err).map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)).collect();
        if watched.is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = poll(&mut watched, Some(&LOOK));
    }

    fn read(&mut self) {
        let mut chunk = vec![0; CHUNK];
        let Self { out, err, printed, most, .. } = self;
        drain(out, &mut chunk, &mut |bytes| {
            let room = (*most - printed.out.len()).min(bytes.len());
            printed.out.extend_from_slice(&bytes[..room]);
            printed.is_cut |= room < bytes.len();
        });
        drain(err, &mut chunk, &mut |bytes| {
            printed.err.extend_from_slice(bytes);
            let surplus = printed.err.len().saturating_sub(ERROR_BYTES);
            printed.err.drain(..surplus);
        });
    }
}

/// Reads what is there, and closes a pipe that is at its end. One that is filled without end is read on later.
fn drain<P: Read>(pipe: &mut Option<P>, chunk: &mut [u8], take: &mut dyn FnMut(&[u8])) {
    let mut rounds = 0..64;
    while let (Some(open), Some(_)) = (pipe.as_mut(), rounds.next()) {
        match open.read(chunk) {
            Ok(length) if length > 0 => take(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            _ => *pipe = None,
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // It is not reaped, so the number is its own.
            let _ = kill_group(self.child.id(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, most: usize) -> RunningProgram {
        RunningProgram::start(&["sh", "-c", script].map(str::to_owned), most).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn what_a_program_prints_and_how_it_ends_is_known() {
        let mut program = shell("echo yes; echo no >&2; exit 3", 100);
        assert_eq!(program.wait(soon()).unwrap().code(), Some(3));
        let printed = ProgramOutput { out: b"yes\n".to_vec(), is_cut: false, err: b"no\n".to_vec() };
        assert_eq!(program.look().unwrap().code(), Some(3));
        assert_eq!(program.printed(), &printed);
        let missing = RunningProgram::start(&[String::from("/no/such")], 1).unwrap_err().to_string();
        assert!(missing.starts_with("/no/such: "), "{missing}");
    }

    #[test]
    fn of_much_that_is_printed_the_first_and_the_last_is_kept() {
        let mut program = shell("head -c 3000000 /dev/zero; head -c 100000 /dev/zero >&2; printf end >&2", 1_000_000);
        assert!(program.wait(soon()).unwrap().success());
        let printed = program.printed();
        assert_eq!((printed.out.len(), printed.is_cut, printed.err.len()), (1_000_000, true, ERROR_BYTES));
        assert!(printed.err.ends_with(b"end"));
    }

    #[test]
    fn one_that_does_not_end_is_killed_with_what_it_started() {
        let mut program = shell("sleep 1000 & echo $!; wait", 100);
        while !program.printed().out.ends_with(b"\n") {
            assert_eq!(program.wait(Instant::now()), None);
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid: u32 = String::from_utf8_lossy(&program.printed().out).trim().parse().unwrap();
        let kernel = Kernel::default();
        let child = ProcessId::of(&kernel, pid).unwrap();
        drop(program);
        while child.state(&kernel).is_some_and(|state| !state.is_ended()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_it_leaves_behind_ends_with_it() {
        let mut program = shell("sleep 1000 & echo done", 100);
        assert!(program.wait(soon()).unwrap().success());
        assert_eq!(program.printed().out, b"done\n");
    }
}
