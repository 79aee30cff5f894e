//! The main job: taking memory, disk and CPU for real, and giving them back at once.
//!
//! Three groups, each with a [`ticket`] of its own. Memory and files are a [`group`] each, over a store; CPU is alike
//! but simpler, since its work has no size. The wire contract (paths, words, which answers come late) is [`routes`]
//! alone.
//!
//! | module | what |
//! | --- | --- |
//! | [`ticket`], [`id`] | who may work, and under which name |
//! | [`number`], [`plan`] | what was asked for, and the parts that makes |
//! | [`guard`] | whether it fits, without pushing the container over its limit |
//! | [`group`], [`stores`] | the walk of a request, and what memory and files have of their own |
//! | [`memory`], [`mapping`], [`content`] | memory that is really there |
//! | [`disk`], [`folder`], `calls` | files, and the folder that is gone when we are |
//! | [`cpu`], [`factor`] | one CPU flat out |

mod calls;
pub mod content;
pub mod cpu;
pub mod disk;
pub mod factor;
pub mod failure;
pub mod folder;
pub mod group;
pub mod guard;
pub mod id;
pub mod mapping;
pub mod memory;
pub mod number;
pub mod plan;
pub mod routes;
pub mod stores;
pub mod ticket;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Server;
use crate::http::bounds::{CONNECTION_BYTES, Room, connections, leaving_for};
use crate::limits::{Kernel, rlimit};
use crate::settings::Settings;
use crate::shutdown::{Caught, Stop};

use cpu::Cpu;
use group::Group;
use guard::Guard;
use id::Ids;
use stores::{DiskStore, MemoryStore};

/// What the service keeps for itself beside its connections: its own pages, a worker with its stack and buffer, and
/// the kernel's per-CPU charges, which a container is billed for in advance.
const RESERVE_BYTES: u64 = 4 << 20;
/// How long answers in flight get at the end.
const GRACE: Duration = Duration::from_millis(500);
/// How long the worker that writes files gets at the end; it needs a few milliseconds.
const WORKER_GRACE: Duration = Duration::from_secs(2);
/// How long it gets when the kernel holds it up: a slow disk that is full of dirty pages.
const STUCK_WORKER_GRACE: Duration = Duration::from_secs(20);

/// The service: three groups.
pub struct Consumer {
    memory: Arc<Group<MemoryStore>>,
    disk: Arc<Group<DiskStore>>,
    cpu: Arc<Cpu>,
}

impl Consumer {
    /// Looks at the limits, makes the folder, and holds nothing yet.
    ///
    /// # Errors
    /// When DATADIR is no folder.
    pub fn new(settings: &Settings, kernel: Kernel, reserve: u64, stop: &Stop) -> io::Result<Self> {
        let parent = &settings.data_dir;
        if !parent.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("DATADIR is not a folder that exists: {}", parent.display()),
            ));
        }
        log::info!("DATADIR set to: {}", parent.display());
        folder::sweep(parent);
        let ids = Arc::new(Ids::new());
        let guard = Guard::new(kernel, reserve);
        let memory = MemoryStore::new(guard.clone(), settings.memory_limit);
        let disk = DiskStore::new(parent, settings.disk_limit, &guard, settings.memory_limit.is_some());
        Ok(Self {
            memory: Arc::new(Group::new(memory, Arc::clone(&ids), stop.clone())),
            disk: Arc::new(Group::new(disk, Arc::clone(&ids), stop.clone())),
            cpu: Arc::new(Cpu::new(ids, settings.number, settings.cpu_limit, stop.clone())),
        })
    }

    /// After the stop signal: waits for the worker that writes files, then removes them all. Says once a second how
    /// far it is, when the kernel takes its time.
    ///
    /// Needs no thread, which there may be none for.
    ///
    /// # Errors
    /// When something cannot be removed.
    fn clean_up(&self) -> io::Result<()> {
        // A worker that has not begun sees the stop signal before it makes its first file.
        self.wait_for_files(WORKER_GRACE);
        let Ok(disk) = self.disk.store().disk() else { return Ok(()) };
        let (mut removed, mut said) = (0u64, Instant::now());
        let mut each = || {
            removed += 1;
            if said.elapsed() >= Duration::from_secs(1) {
                log::info!("Removing files: {removed} are gone");
                said = Instant::now();
            }
        };
        let result = disk.remove(&mut each);
        if result.is_err() && self.disk.is_working() {
            // The kernel held the worker up, and it left one more file.
            self.wait_for_files(STUCK_WORKER_GRACE);
            return disk.remove(&mut each);
        }
        result
    }

    fn wait_for_files(&self, patience: Duration) {
        let (began, mut said) = (Instant::now(), Instant::now());
        while self.disk.is_working() && began.elapsed() < patience {
            thread::sleep(Duration::from_millis(1));
            if said.elapsed() >= Duration::from_secs(1) {
                log::info!("Waiting for the kernel to take what is being written");
                said = Instant::now();
            }
        }
    }
}

/// Runs the service until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start (the address, DATADIR), or cannot remove its files at the end.
pub fn run(settings: &Settings) -> io::Result<()> {
    let caught = Caught::start()?;
    let stop = Stop::new()?;
    crate::process::ignore_file_size_signal();
    settings.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    let kernel = Kernel::default();
    let connections = connections(Room {
        descriptors: rlimit::descriptors(),
        threads: kernel.threads_available(),
        memory: kernel.memory_available().limit,
    });
    // The address first: where another testero listens already, nothing is to be made or swept.
    let server = Server::bind(settings.listen, connections, stop.clone())
        .map_err(|error| io::Error::new(error.kind(), format!("Cannot listen on {}: {error}", settings.listen)))?;
    let reserve = RESERVE_BYTES + (connections + leaving_for(connections)) as u64 * CONNECTION_BYTES;
    let consumer = Arc::new(Consumer::new(settings, kernel, reserve, &stop)?);
    let served = serve(server, &consumer, caught);
    // Whatever happened: files go while the last answers do.
    stop.stop();
    let cleaned = consumer.clean_up();
    let accepting = served?;
    // It logs its own panic; there is nobody else to tell.
    let _ = accepting.join();
    cleaned.map_err(|error| io::Error::new(error.kind(), format!("Cannot remove all files: {error}")))
}

/// Serves until a signal comes. Returns the thread that is still seeing the last answers off.
fn serve(server: Server, consumer: &Arc<Consumer>, caught: Caught) -> io::Result<thread::JoinHandle<()>> {
    let address = server.local_addr()?;
    let service = Arc::clone(consumer);
    let accepting = thread::Builder::new()
        .name(String::from("accept"))
        .spawn(move || server.serve(service).finish(GRACE))
        .map_err(|error| {
            io::Error::new(error.kind(), format!("Cannot start a thread to accept connections: {error}"))
        })?;
    log::info!("Starting web server on: {address}");
    let signal = caught.wait();
    log::info!("Signal received: {signal}");
    Ok(accepting)
}
