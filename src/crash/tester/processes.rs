//! The processes of a run: started, killed, stopped, and asked whether they are ready.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::crash::pipeline::status::{READY, ask, is_ready};
use crate::crash::tester::probe::ReadyProbe;
use crate::crash::tester::starter::{StartOrders, Starter};
use crate::kernel::Kernel;
use crate::kernel::child::{ProcessId, ProcessState, die_with_starter, kill_group};
use crate::sync::lock;

/// How long a part may take to say what it does.
const ANSWER: Duration = Duration::from_millis(500);
/// How often a process is looked at that is to end or to be ready.
const LOOK: Duration = Duration::from_millis(20);
/// How long a process may take to be stopped, or to end after SIGKILL.
const KERNEL: Duration = Duration::from_secs(10);

/// How a process is started.
#[derive(Clone, Debug)]
pub struct ProcessPlan {
    /// Its name: `worker.1`.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What is added to the environment.
    pub environment: Vec<(String, String)>,
    /// Where what it writes goes, appended.
    pub log: PathBuf,
    /// What shows that it is ready.
    pub readiness: ReadySign,
    /// Faults hold until it is ready, and it must be.
    pub is_awaited: bool,
    /// It may end by itself, with exit code 0.
    pub may_end: bool,
}

/// What shows that a process is ready.
#[derive(Clone, Debug)]
pub enum ReadySign {
    /// It says so at this socket.
    Status(PathBuf),
    /// It answers as its file says.
    Probe(Arc<ReadyProbe>),
    /// It runs.
    Running,
}

/// A process of a run.
#[derive(Debug)]
struct Process {
    plan: ProcessPlan,
    /// Where in its log this start of it begins, in bytes.
    log_start: u64,
    /// What was seen in its log: it stays true when the log is cut.
    has_said: bool,
    child: Option<Child>,
    id: Option<ProcessId>,
    /// It is to end, or has been killed by us: its end is no surprise.
    is_to_end: bool,
    /// How it ended, when that was no surprise.
    ended: Option<ExitStatus>,
}

/// All processes of a run.
#[derive(Clone, Debug)]
pub struct Processes {
    all: Arc<Mutex<ProcessTable>>,
    starts: StartOrders,
}

/// How a process ended that nobody ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// Which one.
    pub name: String,
    /// How.
    pub status: ExitStatus,
    /// Whether it may, as its plan has it.
    pub is_end: bool,
}

impl Processes {
    /// None yet, and who starts them.
    pub fn new() -> (Self, Starter) {
        let starter = Starter::default();
        (Self { all: Arc::default(), starts: starter.orders() }, starter)
    }

    /// Starts a process: its pid.
    ///
    /// # Errors
    /// When it cannot be started, or is there already.
    pub fn start(&self, plan: ProcessPlan) -> io::Result<u32> {
        if self.is_there(&plan.name) {
            return Err(io::Error::other(format!("{} is there already", plan.name)));
        }
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", plan.name));
        let log = File::options().create(true).append(true).open(&plan.log).map_err(at)?;
        let (program, arguments) = plan.command.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
        let log_start = log.metadata().map_or(0, |log| log.len());
        let mut command = Command::new(program);
        command.args(arguments).envs(plan.environment.iter().cloned()).stdin(Stdio::null());
        // In a group of its own: Ctrl-C at the terminal is for the tester alone.
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        die_with_starter(&mut command);
        let of_program = |error: io::Error| io::Error::new(error.kind(), format!("{}: {program}: {error}", plan.name));
        let child = self.starts.start(command).map_err(of_program)?;
        let pid = child.id();
        // Until its status is asked for, its pid is its own.
        let id = ProcessId::of(&Kernel::default(), pid);
        let process =
            Process { plan, log_start, has_said: false, child: Some(child), id, is_to_end: false, ended: None };
        lock(&self.all).insert(process);
        Ok(pid)
    }

    /// Starts a process again as it was started before.
    ///
    /// # Errors
    /// As for [`Processes::start`], and when there was none.
    pub fn restart(&self, name: &str) -> io::Result<u32> {
        let plan = lock(&self.all).get(name).map(|process| process.plan.clone());
        self.start(plan.ok_or_else(|| io::Error::other(format!("{name} was never started")))?)
    }

    /// Whether it was started, and was not ended for good: one that was killed comes again.
    pub fn is_wanted(&self, name: &str) -> bool {
        lock(&self.all).get(name).is_some()
    }

    /// Takes one that has ended as one that was never started.
    pub fn forget(&self, name: &str) {
        lock(&self.all).0.retain_mut(|process| process.plan.name != name || process.is_there());
    }

    /// Whether it was started, and has not ended.
    pub fn is_there(&self, name: &str) -> bool {
        lock(&self.all).get_mut(name).is_some_and(|process| process.is_there())
    }

    /// The pid of a process that is there.
    pub fn pid(&self, name: &str) -> Option<u32> {
        lock(&self.all).get_mut(name).filter(|process| process.child.is_some())?.id.map(|id| id.pid)
    }

    /// All that are there.
    pub fn names(&self) -> Vec<String> {
        lock(&self.all).names(&|process| process.is_there())
    }

    /// Sends SIGKILL, and waits for the end: how it ended.
    ///
    /// # Errors
    /// When it is not there, or does not end.
    pub fn kill(&self, name: &str) -> io::Result<ExitStatus> {
        self.end(name, Signal::KILL, KERNEL)
    }

    /// Sends a signal that ends a process, and waits for the end; how it ended.
    ///
    /// # Errors
    /// When it is not there, or does not end in time.
    pub fn end(&self, name: &str, signal: Signal, patience: Duration) -> io::Result<ExitStatus> {
        {
            let mut all = lock(&self.all);
            let process = all.get_mut(name).filter(|process| process.child.is_some());
            let process = process.ok_or_else(|| io::Error::other(format!("{name} is not there")))?;
            process.is_to_end = true;
            process.signal(signal)?;
        }
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = lock(&self.all).get_mut(name).and_then(Process::wait) {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} does not end")));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Stops a process, and sees that it is stopped (state T).
    ///
    /// # Errors
    /// When it is not there, or is not stopped.
    pub fn pause(&self, name: &str) -> io::Result<()> {
        let deadline = Instant::now() + KERNEL;
        let id = lock(&self.all).get(name).filter(|process| process.child.is_some()).and_then(|process| process.id);
        let id = id.ok_or_else(|| io::Error::other(format!("{name} is not there")))?;
        // First alone: one that starts a program waits, and cannot be stopped, until that has begun (vfork(2)).
        id.signal(&Kernel::default(), Signal::STOP)?;
        while !self.is_stopped(name) {
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} is not stopped")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.signal(name, Signal::STOP)
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self, name: &str) -> bool {
        let id = lock(&self.all).get(name).and_then(|process| process.id);
        id.and_then(|id| id.state(&Kernel::default())).is_some_and(|state| state.is_stopped())
    }

    /// Sends a signal that does not end it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn signal(&self, name: &str, signal: Signal) -> io::Result<()> {
        let mut all = lock(&self.all);
        let process = all.get_mut(name).filter(|process| process.child.is_some());
        process.ok_or_else(|| io::Error::other(format!("{name} is not there")))?.signal(signal)
    }

    /// What a process says of itself, or what shows of it; `None` while that is nothing.
    pub fn says(&self, name: &str) -> Option<String> {
        let (readiness, log, log_start, has_said) = {
            let all = lock(&self.all);
            let process = all.get(name).filter(|process| process.child.is_some())?;
            (process.plan.readiness.clone(), process.plan.log.clone(), process.log_start, process.has_said)
        };
        match readiness {
            ReadySign::Status(path) => ask(&path, ANSWER).ok(),
            ReadySign::Running => Some(READY.to_owned()),
            ReadySign::Probe(probe) if has_said && probe.is_of_log() => Some(READY.to_owned()),
            ReadySign::Probe(probe) => Some(match probe.ask(&log, log_start) {
                Ok(()) => {
                    lock(&self.all).get_mut(name)?.has_said = true;
                    READY.to_owned()
                }
                Err(why) => format!("waiting: {why}"),
            }),
        }
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self, name: &str) -> bool {
        self.says(name).is_some_and(|line| is_ready(&line))
    }

    /// Those for which faults hold, that are there.
    pub fn awaited(&self) -> Vec<String> {
        lock(&self.all).names(&|process| process.plan.is_awaited && process.is_there())
    }

    /// Those that ended though nobody ended them, each told once.
    pub fn surprises(&self) -> Vec<Surprise> {
        let mut all = lock(&self.all);
        let ended = all.0.iter_mut().filter(|process| !process.is_to_end);
        ended
            .filter_map(|process| {
                let status = process.wait()?;
                process.is_to_end = true;
                let is_end = process.plan.may_end && status.success();
                Some(Surprise { name: process.plan.name.clone(), status, is_end })
            })
            .collect()
    }

    /// Stops all that are there: the world as it is, for somebody to look at.
    pub fn pause_all(&self) {
        for name in self.names() {
            let _ = self.signal(&name, Signal::STOP);
        }
    }

    /// Kills all that are there.
    pub fn kill_all(&self) {
        for name in self.names() {
            let _ = self.kill(&name);
        }
    }

    /// The log of a process.
    pub fn log(&self, name: &str) -> Option<PathBuf> {
        lock(&self.all).get(name).map(|process| process.plan.log.clone())
    }
}

/// Processes by name.
#[derive(Debug, Default)]
struct ProcessTable(Vec<Process>);

impl ProcessTable {
    fn get(&self, name: &str) -> Option<&Process> {
        self.0.iter().find(|process| process.plan.name == name)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Process> {
        self.0.iter_mut().find(|process| process.plan.name == name)
    }

    /// Takes the place of the one with the same name.
    fn insert(&mut self, process: Process) {
        match self.0.binary_search_by(|known| known.plan.name.cmp(&process.plan.name)) {
            Ok(place) => self.0[place] = process,
            Err(place) => self.0.insert(place, process),
        }
    }

    fn names(&mut self, is_one: &dyn Fn(&mut Process) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        for process in &mut self.0 {
            if is_one(process) {
                names.push(process.plan.name.clone());
            }
        }
        names
    }
}

impl Process {
    /// How it ended, if it has. What it had started ends with it.
    fn wait(&mut self) -> Option<ExitStatus> {
        if let Some(child) = &mut self.child
            && self.id.is_none_or(|id| id.state(&Kernel::default()).is_none_or(ProcessState::is_ended))
        {
            // While it is not reaped, the number of its group is its own.
            let _ = kill_group(child.id(), Signal::KILL);
            if let Ok(Some(status)) = child.try_wait() {
                self.ended = Some(status);
                self.child = None;
            }
        }
        if self.child.is_none() { self.ended } else { None }
    }

    fn is_there(&mut self) -> bool {
        // A surprise is kept for who asks for it.
        match &mut self.child {
            Some(child) => match self.id {
                Some(id) => id.state(&Kernel::default()).is_some_and(|state| !state.is_ended()),
                None => !matches!(child.try_wait(), Ok(Some(_))),
            },
            None => false,
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        // Until its status is asked for, its pid is its own.
        let Some(id) = self.id else { return Err(io::Error::other(format!("{} is not there", self.plan.name))) };
        // Its group: the commands of a shell are a part of what it does.
        match id.state(&Kernel::default()) {
            Some(state) if !state.is_ended() => kill_group(id.pid, signal),
            _ => Ok(()),
        }
    }
}

/// Whether SIGKILL was what ended it.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// The program that runs: parts are started from it.
///
/// # Errors
/// When the kernel does not tell.
pub fn program() -> io::Result<String> {
    // Not its path, which may be another program's after an update.
    let _ = std::env::current_exe()?;
    Ok(Path::new("/proc/self/exe").display().to_string())
}
