//! A service with a state worth killing: Fibonacci's numbers, one a request, and none that was answered is ever lost.
//!
//! ```text
//! routes             a request becomes a step, and the number it leads to an answer
//! budget             how many bytes of answers may be on their way
//! group_commit       requests hand in steps and wait: one sync for all that are there
//! state_store        steps in a journal, and what becomes of it when the disk fails
//! export             the original's file, as it is written over and over
//! journal, csv       the bytes of the two files
//! recovery           what a start makes of the files it finds
//! files              the folder they are in, which tests can cut the power of
//! sequence           where it stands, and what a step makes of it
//! number, transform  the numbers, in decimal, and how long ones are multiplied
//! ```

mod budget;
pub mod csv;
pub mod export;
pub mod files;
pub mod group_commit;
pub mod journal;
pub mod number;
#[cfg(test)]
mod powercut;
pub mod recovery;
mod routes;
pub mod sequence;
pub mod state_store;
mod transform;

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel::shutdown::Stop;
use crate::service::lifecycle::{Role, Serving};
use crate::service::router::Router;
use crate::settings::fibonacci::{Durability, FibonacciSettings};
use crate::sync::{lock, spawn};

use budget::Budget;
use export::Export;
use files::{LOCK, OnDisk, StateFolder};
use group_commit::GroupCommit;
use recovery::Found;
use sequence::{State, last_index};
use state_store::StateStore;

/// How long a process waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// How often the original's file is written, and how long a step may be in memory alone where that was asked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// A thread that formats numbers and writes files.
const KEEPER_STACK_BYTES: usize = 64 * 1024;

/// The service.
struct Fibonacci {
    /// There once the folder is ours and read.
    group_commit: OnceLock<GroupCommit>,
    folder: Arc<OnDisk>,
    /// Who writes the original's file, from then on.
    export: Mutex<Option<Export>>,
    /// Damaged files that were found.
    damaged: OnceLock<usize>,
    /// For answers on their way.
    budget: Arc<Budget>,
    router: Router,
}

/// Runs the service until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: the address, the folder, another process that does not let go of it.
pub fn run(settings: &FibonacciSettings) -> io::Result<()> {
    crate::checksum::prepare();
    crate::kernel::signals::ignore_file_size_signal();
    let role = Role::begin(settings.listen, &settings.identity, &[])?;
    let stop = role.stop.clone();
    let service = Arc::new(Fibonacci {
        group_commit: OnceLock::new(),
        folder: Arc::new(OnDisk::new(&settings.data_dir)?),
        export: Mutex::new(None),
        damaged: OnceLock::new(),
        budget: Budget::new(),
        router: Router::new(&routes::ROUTES, &settings.identity),
    });
    let mut serving = role.serve(Arc::clone(&service) as _)?;
    let result = service.keep(settings, &mut serving, &stop);
    stop.stop();
    serving.finish();
    // Steps may have been answered until now, so only now it ends for the files, and for the next process.
    result?;
    service.keep_at_last()
}

impl Fibonacci {
    /// Gets hold of the folder, and serves until a signal.
    fn keep(self: &Arc<Self>, settings: &FibonacciSettings, serving: &mut Serving, stop: &Stop) -> io::Result<()> {
        if !wait_for_lock(&self.folder, serving)? {
            return Ok(());
        }
        self.open(settings)?;
        let (service, until) = (Arc::clone(self), stop.clone());
        let keeper = spawn("keeper", KEEPER_STACK_BYTES, Box::new(move || service.keep_files(&until)))?;
        serving.until_signal(&self.router.ready, settings.shutdown_delay);
        stop.stop();
        // It logs its own panic.
        let _ = keeper.join();
        Ok(())
    }

    fn open(&self, settings: &FibonacciSettings) -> io::Result<()> {
        let Found { store, at, export, damaged, refused, taken_over } =
            StateStore::open(Arc::clone(&self.folder) as Arc<dyn StateFolder>)?;
        for path in &damaged {
            log::error!("A file is damaged, and kept as {}; what it had lost is lost", path.display());
        }
        for (path, why) in &refused {
            log::error!("A file {why}, and is kept as {}; the sequence goes on from the most steps", path.display());
        }
        let kept = if taken_over { ", taken over from fibo.csv" } else { "" };
        log::info!("The sequence stands at position {} after {} hits{kept}", at.position(), at.hits);
        let _ = self.damaged.set(damaged.len() + refused.len());
        let group_commit =
            GroupCommit::new(store, State::at(at), last_index(settings.limit_digits), settings.durability);
        if settings.durability == Durability::Interval {
            log::warn!("DURABILITY is interval: the last second of steps may be lost when the process is killed");
        }
        *lock(&self.export) = Some(export);
        let _ = self.group_commit.set(group_commit);
        Ok(())
    }

    /// Once a second: steps that are not on disk yet go there, and the original's file follows.
    fn keep_files(&self, stop: &Stop) {
        let (Some(group_commit), Some(export)) = (self.group_commit.get(), &mut *lock(&self.export)) else { return };
        let (mut written, mut troubled) = (None, false);
        while !stop.sleep(INTERVAL) {
            let kept = group_commit.flush().map_err(|why| why.to_string()).and_then(|state| {
                if written != Some(state.at) {
                    let is_written = group_commit.export(export, &state).map_err(|error| error.to_string())?;
                    written = is_written.then_some(state.at);
                }
                Ok(())
            });
            match &kept {
                Err(why) if !troubled => log::warn!("Cannot keep the state: {why}"),
                Ok(()) if troubled => log::info!("The state is kept again"),
                _ => {}
            }
            troubled = kept.is_err();
        }
    }

    /// The same at the end, when nothing is answered any more.
    ///
    /// # Errors
    /// When steps that were answered are on no disk.
    fn keep_at_last(&self) -> io::Result<()> {
        let (Some(group_commit), Some(export)) = (self.group_commit.get(), &mut *lock(&self.export)) else {
            return Ok(());
        };
        let lost = |why| io::Error::other(format!("The steps of the last second are lost: {why}"));
        let state = group_commit.flush().map_err(lost)?;
        if let Err(error) = group_commit.export(export, &state) {
            // The journal has it all.
            log::warn!("Cannot write {}: {error}", state_store::CSV);
        }
        Ok(())
    }
}

/// Waits for the lock on the folder; `false` when a signal came first.
fn wait_for_lock(folder: &OnDisk, serving: &mut Serving) -> io::Result<bool> {
    let path = folder.path(LOCK);
    let (began, mut said) = (Instant::now(), false);
    while !folder.try_lock()? {
        if began.elapsed() >= PATIENCE {
            let words = format!(
                "another process has the lock {}, and did not let go of it in {} s: one process a folder",
                path.display(),
                PATIENCE.as_secs()
            );
            return Err(io::Error::other(words));
        }
        if !said {
            log::info!("Another process has the lock {}, waiting for it", path.display());
            said = true;
        }
        if let Some(signal) = serving.came() {
            log::info!("Signal received: {}", signal.name());
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}
