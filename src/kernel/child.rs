//! Processes that we start, stop and kill, by pid and start time (proc_pid_stat(5)): a pid alone may be another process by now.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{
    Pid, PidfdFlags, Signal, getppid, kill_process_group, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal,
};

use crate::kernel::Kernel;

/// A process, whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub start_time: u64,
}

/// What a process is doing: the letter of proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessState(pub char);

impl ProcessState {
    /// Stopped by a signal.
    pub fn is_stopped(self) -> bool {
        self.0 == 'T'
    }

    /// Ended, whether or not somebody has asked for its status.
    pub fn is_ended(self) -> bool {
        matches!(self.0, 'Z' | 'X')
    }
}

impl ProcessId {
    /// The process that has this pid now; `None` when there is none.
    pub fn of(kernel: &Kernel, pid: u32) -> Option<Self> {
        let (_, start_time) = stat(kernel, pid)?;
        Some(Self { pid, start_time })
    }

    /// What it is doing; `None` when it is gone.
    pub fn state(self, kernel: &Kernel) -> Option<ProcessState> {
        let (state, start_time) = stat(kernel, self.pid)?;
        (start_time == self.start_time).then_some(state)
    }

    /// Sends it a signal; `false` when it is gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(self, kernel: &Kernel, signal: Signal) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
        // The descriptor is of whatever has this pid now, and stays so: who it is is asked after that.
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if self.state(kernel).is_none_or(ProcessState::is_ended) {
            return Ok(false);
        }
        match pidfd_send_signal(&descriptor, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Signals all processes of a group, by the pid of the one that it began with. That must be a child that nobody has waited for
/// yet: until then the number is its own.
///
/// # Errors
/// When there is no such group, or the kernel refuses.
pub fn kill_group(leader: u32, signal: Signal) -> io::Result<()> {
    let group = i32::try_from(leader).ok().and_then(Pid::from_raw);
    Ok(kill_process_group(group.ok_or(io::ErrorKind::InvalidInput)?, signal)?)
}

/// Has the kernel kill what a command starts when the thread ends that starts it.
pub fn die_with_starter(command: &mut Command) {
    let starter = std::process::id();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The starter may have ended before.
        let is_there = getppid().is_some_and(|pid| pid.as_raw_nonzero().get().unsigned_abs() == starter);
        if is_there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec this makes two system calls, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(tie) };
}

/// State and start time.
fn stat(kernel: &Kernel, pid: u32) -> Option<(ProcessState, u64)> {
    let stat = kernel.read(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; behind it are the 3rd field and those after.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    Some((ProcessState(state), start_time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_process_is_stopped_and_killed_and_nobody_else() {
        let kernel = Kernel::default();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ProcessId::of(&kernel, child.id()).unwrap();
        assert!(process.signal(&kernel, Signal::STOP).unwrap());
        while !process.state(&kernel).unwrap().is_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let another = ProcessId { start_time: process.start_time + 1, ..process };
        assert_eq!(another.state(&kernel), None);
        assert!(!another.signal(&kernel, Signal::KILL).unwrap());
        assert!(process.signal(&kernel, Signal::KILL).unwrap());
        assert!(!child.wait().unwrap().success());
        assert!(!process.signal(&kernel, Signal::KILL).unwrap());
        assert_eq!(process.state(&kernel), None);
    }

    #[test]
    fn any_name_will_do() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/7")).unwrap();
        let stat = "7 (a) R 1) T 1 7 7 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 4711 9 9\n";
        std::fs::write(root.path().join("proc/7/stat"), stat).unwrap();
        let kernel = Kernel::below(root.path());
        let process = ProcessId::of(&kernel, 7).unwrap();
        assert_eq!(process.start_time, 4711);
        assert!(process.state(&kernel).unwrap().is_stopped());
    }
}
