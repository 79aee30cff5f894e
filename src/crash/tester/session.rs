//! A run from the command line: its folder, signals, reports, and the exit code.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;

use crate::crash::folder::RunFolder;
use crate::crash::report::verdict::{Check, Verdict};
use crate::crash::report::{FaultRecord, RunReport, terminal};
use crate::crash::tester::logs;
use crate::crash::tester::processes::Processes;
use crate::crash::tester::reset::take;
use crate::crash::tester::starter::Starter;
use crate::crash::tester::world::RunWorld;
use crate::kernel::shutdown::{Caught, Signal};
use crate::settings::crash::{CrashSettings, ReportPaths};
use crate::sync::{lock, spawn_scoped};

/// How often it is looked whether a signal has come.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is looked how long logs are.
const LOGS: Duration = Duration::from_millis(300);
/// The stack of the thread that conducts the run.
const STACK_BYTES: usize = 512 * 1024;
/// The stack of each other thread: who compresses a log needs a few hundred KiB of it.
const WORKER_STACK_BYTES: usize = 2 << 20;

/// What a session runs.
pub trait RunSubject: Sync {
    /// Makes the run folder, which is the session's alone, ready for a run, and takes the working directory of its
    /// processes; where the folder is from there. `None` when that was all that was wanted.
    ///
    /// # Errors
    /// When it cannot be made ready.
    fn prepare(&mut self, folder: &RunFolder, seed: u64) -> io::Result<Option<RunFolder>>;

    /// Does all of it: what came of it. Processes are gone after it, unless the world was paused.
    ///
    /// # Errors
    /// When it cannot begin.
    fn conduct(&self, stage: &RunStage<'_>) -> io::Result<RunReport>;
}

/// What a run has from its session.
pub struct RunStage<'s> {
    /// What choices are made from.
    pub seed: u64,
    /// The command line.
    pub arguments: &'s [String],
    /// What happens.
    pub world: &'s RunWorld,
    /// The signal that interrupts the run, once it has come; else 0.
    interrupted: &'s AtomicI32,
}

impl RunStage<'_> {
    /// What the fault of this number makes its choices from.
    pub fn random(&self, number: u64) -> Rng {
        Rng::with_seed(self.seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The number of the signal that interrupts it.
    pub fn signal(&self) -> Option<i32> {
        Some(self.interrupted.load(Ordering::Acquire)).filter(|signal| *signal != 0)
    }

    /// What a run comes to that showed this of its checks, and was interrupted by this signal, if any.
    pub fn report(
        &self,
        began: SystemTime,
        checks: Vec<Check>,
        faults: Vec<FaultRecord>,
        signal: Option<i32>,
    ) -> RunReport {
        let violation = self.world.violation();
        let verdict = match signal {
            Some(signal) if violation.is_none() => Verdict::Interrupted(signal),
            _ => Verdict::of(&checks),
        };
        RunReport {
            began,
            took: self.world.began.elapsed(),
            seed: self.seed,
            arguments: self.arguments.to_vec(),
            verdict,
            checks,
            faults,
            keys: Vec::new(),
            coverage: Vec::new(),
            lanes: self.world.lanes(),
            samples: Vec::new(),
            violation,
        }
    }

    /// Whether nothing was wrong so far, and nobody interrupted it.
    pub fn goes_on(&self) -> bool {
        self.world.violation().is_none() && self.signal().is_none()
    }
}

/// Runs a subject; the exit code.
///
/// # Errors
/// When the run cannot begin, or a report cannot be written.
pub fn run(settings: &CrashSettings, subject: &mut dyn RunSubject, arguments: &[String]) -> io::Result<u8> {
    let (path, is_temporary) = folder_of(settings)?;
    let seed = settings.pipeline.seed.unwrap_or_else(|| fastrand::u64(..1 << 53));
    let folder = RunFolder::at(&path);
    let mut prepare = || {
        let reports = absolute(&settings.reports)?;
        let guard = take(&folder)?;
        Ok::<_, io::Error>((reports, guard, subject.prepare(&folder, seed)?))
    };
    let (path, (reports, guard, here)) = match prepare() {
        Ok(prepared) => (path.as_path(), prepared),
        Err(error) => {
            if is_temporary {
                // There is nothing in it to look at.
                let _ = fs::remove_dir_all(&path);
            }
            return Err(error);
        }
    };
    let Some(here) = here else { return Ok(0) };
    let mut caught = Caught::start()?;
    let (processes, starter) = Processes::new();
    let world = RunWorld::new(here.clone(), processes)?;
    world.say(&format!("seed {seed}, run folder {}", path.display()));
    let stage = RunStage { seed, arguments, world: &world, interrupted: &AtomicI32::new(0) };
    let report = supervise(subject, &stage, &starter, &mut caught).inspect_err(|_| world.processes.kill_all())?;
    // A full disk costs files, not the verdict.
    let _ = fs::write(here.verdict(), format!("{}\n", report.verdict.words()));
    let written = report.write(&reports);
    let keep = !is_temporary || report.verdict != Verdict::Passed;
    let place = keep.then_some(path);
    world.say(&terminal::summary(&report, place, &reports, io::stdout().is_terminal()));
    // Who has interrupted it does not want to wait.
    if settings.hold && report.violation.is_some() && stage.signal().is_none() {
        hold(&world, &mut caught);
    }
    world.processes.kill_all();
    if !keep {
        std::env::set_current_dir("/")?;
        drop(guard);
        fs::remove_dir_all(path)?;
    }
    match written {
        // What is wrong with the system says more than what is wrong with a report.
        Err(error) if report.verdict != Verdict::Passed => log::error!("{error}"),
        written => written?,
    }
    Ok(report.verdict.code())
}

/// Conducts the run in a thread of its own, while this one starts its processes and takes signals.
fn supervise(
    subject: &dyn RunSubject,
    stage: &RunStage<'_>,
    starter: &Starter,
    caught: &mut Caught,
) -> io::Result<RunReport> {
    let (is_done, report) = (AtomicBool::new(false), Mutex::new(None));
    let mut looked = Instant::now();
    std::thread::scope(|scope| {
        let conduct = || {
            *lock(&report) = Some(subject.conduct(stage));
            is_done.store(true, Ordering::Release);
        };
        let conductor = spawn_scoped(scope, "conductor", STACK_BYTES, Box::new(conduct))?;
        while !is_done.load(Ordering::Acquire) && !conductor.is_finished() {
            starter.serve(LOOK);
            if looked.elapsed() >= LOGS {
                logs::bound(stage.world);
                looked = Instant::now();
            }
            if let Some(signal) = caught.came() {
                stage.interrupted.store(number(signal), Ordering::Release);
                stage.world.stop_here();
            }
        }
        let _ = conductor.join();
        lock(&report).take().unwrap_or_else(|| Err(io::Error::other("the run failed, see above")))
    })
}

/// Starts a thread of a run.
///
/// # Errors
/// When there is none to be had.
pub fn thread<'s>(
    scope: &'s Scope<'s, '_>,
    name: &str,
    work: Box<dyn FnOnce() + Send + 's>,
) -> io::Result<ScopedJoinHandle<'s, ()>> {
    spawn_scoped(scope, name, WORKER_STACK_BYTES, work)
}

fn number(signal: Signal) -> i32 {
    if signal.is_term() { 15 } else { 2 }
}

/// Where the run is, and whether that is only for its time.
fn folder_of(settings: &CrashSettings) -> io::Result<(PathBuf, bool)> {
    if let Some(path) = &settings.dir {
        return Ok((std::path::absolute(path)?, false));
    }
    Ok((tempfile::Builder::new().prefix("testero-crash.").tempdir()?.keep(), true))
}

/// Where reports go, whatever the working directory is by then. That there is no such folder is said before the run, not after.
fn absolute(reports: &ReportPaths) -> io::Result<ReportPaths> {
    let path = |path: &Option<PathBuf>| {
        let Some(path) = path.as_deref().map(std::path::absolute).transpose()? else { return Ok(None) };
        let folder = path.parent().unwrap_or(Path::new("/"));
        match fs::metadata(folder) {
            Ok(folder) if folder.is_dir() => Ok(Some(path)),
            Ok(_) => Err(io::Error::other(format!("{}: not a folder, so no report can be there", folder.display()))),
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display()))),
        }
    };
    Ok(ReportPaths { json: path(&reports.json)?, junit: path(&reports.junit)?, html: path(&reports.html)? })
}

/// Leaves the world as it is until Enter, or a signal.
fn hold(world: &RunWorld, caught: &mut Caught) {
    for name in world.processes.names() {
        let pid = world.processes.pid(&name).unwrap_or(0);
        let log = world.processes.log(&name).unwrap_or_default();
        let log = std::path::absolute(&log).unwrap_or(log);
        world.say(&format!("{name}: pid {pid}, stopped; log {}", log.display()));
    }
    world.say("Held as it is: Enter or Ctrl-C ends it.");
    let entered = std::sync::Arc::new(AtomicBool::new(false));
    let tell = std::sync::Arc::clone(&entered);
    let reader = crate::sync::spawn(
        "enter",
        32 * 1024,
        Box::new(move || {
            // Without somebody at the keyboard this waits for a signal alone.
            let read = io::stdin().read(&mut [0; 1]);
            tell.store(read.is_ok_and(|length| length > 0), Ordering::Release);
        }),
    );
    while reader.is_ok() && !entered.load(Ordering::Acquire) && caught.came().is_none() {
        std::thread::sleep(LOOK);
    }
}
