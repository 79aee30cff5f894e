//! The main job: taking memory, disk, CPU and more for real, and giving them back at once.
//!
//! Five groups hold something, each with a [`ticket`] of its own: a [`group`] over a [`store`]. Two do something for a
//! time, a [`load`] over an engine. Beside them stand [`jobs`], which come and go by themselves. The wire contract and
//! everything else that clients see is [`routes`] alone.
//!
//! | module | what |
//! | --- | --- |
//! | [`asked`], [`quantity`], [`span`], [`number`] | what was asked for |
//! | [`order`] | what was accepted, and all that is to be told of it |
//! | [`ticket`], [`id`], [`queue`] | who may work, and under which name; the release that waits |
//! | [`plan`] | the parts an amount makes |
//! | [`guard`] | whether it fits, without pushing the container over its limit |
//! | [`group`], [`store`] | the walk of a request, and what it needs of a store |
//! | [`walk`] | the steps of the work, at its own pace or along a ramp |
//! | [`stores`], [`file_limit`], [`tokens`], [`makers`] | memory and files, and what is just counted: inodes, pids, descriptors |
//! | [`memory`], [`mapping`], [`content`] | memory that is really there |
//! | [`datafolder`], [`disk`], [`folder`], `intent`, `calls` | files, and the folder that is gone when we are |
//! | [`load`], [`cpu`], [`burn`], [`factor`], [`inout`] | CPU used to measure, disks kept busy |
//! | [`jobs`], [`bumps`] | the resource-consumer's interface |
//! | [`faults`] | what an operator makes go wrong |

pub mod asked;
pub mod bumps;
pub mod burn;
mod calls;
pub mod content;
pub mod cpu;
pub mod datafolder;
pub mod disk;
pub mod factor;
pub mod failure;
pub mod faults;
pub mod file_limit;
pub mod folder;
pub mod group;
pub mod guard;
pub mod id;
pub mod inout;
mod intent;
pub mod jobs;
pub mod load;
pub mod makers;
pub mod mapping;
pub mod memory;
pub mod number;
pub mod order;
pub mod plan;
pub mod quantity;
pub mod queue;
pub mod routes;
pub mod span;
pub mod store;
pub mod stores;
pub mod ticket;
pub mod tokens;
pub mod walk;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::access::Access;
use crate::clock::Started;
use crate::http::bounds::{CONNECTION_BYTES, leaving_for};
use crate::limits::Kernel;
use crate::limits::cpu::cores;
use crate::limits::meminfo::MemInfo;
use crate::probes::Probe;
use crate::role::{self, Role, Serving};
use crate::settings::{EvictionReserve, Identity, Settings};
use crate::shutdown::{Signal, Stop};
use crate::tally::HttpTally;

use bumps::Bumps;
use datafolder::DataFolder;
use faults::{Faults, Term};
use file_limit::FileLimit;
use group::Group;
use guard::{Guard, MemoryLimit};
use id::Ids;
use inout::Moved;
use intent::Intent;
use jobs::Jobs;
use load::LoadGroup;
use makers::{Descriptors, Inodes, Pids};
use order::{Caller, Wish};
use store::Store;
use stores::{DiskStore, MemoryStore};
use tokens::TokenStore;

/// What the service keeps for itself beside its connections: its own pages, a worker with its stack and buffer, and
/// the kernel's per-CPU charges, which a container is billed for in advance.
const RESERVE_BYTES: u64 = 4 << 20;
/// How long the worker that writes files gets at the end; it needs a few milliseconds.
const WORKER_GRACE: Duration = Duration::from_secs(2);
/// How long it gets when the kernel holds it up: a slow disk that is full of dirty pages.
const STUCK_WORKER_GRACE: Duration = Duration::from_secs(20);

/// Threads that the service may still need beside its connections: workers, keepers, loads on all cores, some jobs.
const RESERVED_THREADS: u64 = 32;
/// Descriptors that it may still need beside its connections: files being written, folders and kernel files being read.
const RESERVED_DESCRIPTORS: u64 = 32;

/// The service.
pub struct Consumer {
    memory: Arc<Group>,
    disk: Arc<Group>,
    inode: Arc<Group>,
    pid: Arc<Group>,
    descriptor: Arc<Group>,
    cpu: Arc<LoadGroup>,
    io: Arc<LoadGroup>,
    jobs: Arc<Jobs>,
    ids: Arc<Ids>,
    bumps: Bumps,
    health: Probe,
    ready: Probe,
    faults: Arc<Faults>,
    faults_on: bool,
    access: Access,
    http: HttpTally,
    settings: CpuSettings,
    folder: Arc<DataFolder>,
    /// What io loads have moved since the start.
    moved: Arc<Moved>,
    kernel: Kernel,
    identity: Identity,
    /// What dead processes on the same DATADIR had noted they were about to do past the guard.
    died: Vec<String>,
    stop: Stop,
    started: Started,
}

/// What bounds CPU loads.
struct CpuSettings {
    limit: crate::settings::CpuLimit,
    number: crate::settings::Number,
}

impl Consumer {
    /// Looks at the limits, makes the folder, and holds nothing yet. So many connections will be served.
    ///
    /// # Errors
    /// When DATADIR is no folder, or the token cannot be read.
    pub fn new(settings: &Settings, kernel: Kernel, connections: usize, stop: &Stop) -> io::Result<Self> {
        let parent = &settings.data_dir;
        role::check_data_folder(parent)?;
        log::info!("DATADIR set to: {}", parent.display());
        let died: Vec<String> = folder::sweep(parent).iter().map(|note| intent::told(note, &kernel)).collect();
        for note in &died {
            log::warn!("The process before this one died doing: {note}");
        }
        let all_connections = (connections + leaving_for(connections)) as u64;
        let folder = Arc::new(DataFolder::new(parent, settings.eviction_reserve.disk));
        let kept_free =
            settings.eviction_reserve.memory.resolve(MemInfo::read(&kernel).total.unwrap_or(0), 0).unwrap_or_default();
        if settings.eviction_reserve != EvictionReserve::NONE {
            log::info!("EVICTIONRESERVE set to: {kept_free} bytes of memory, {} bytes of disk.", folder.kept_free());
        }
        let kernel = kernel.keeping_free(kept_free);
        if let (Some(set), Some((own, file))) = (settings.memory_limit, kernel.memory_limit())
            && set > own
        {
            log::warn!(
                "HIGHMEMLIM is above the container's own limit of {own} bytes ({file}): nothing keeps clear of that"
            );
        }
        let guard = Guard::new(kernel.clone(), RESERVE_BYTES + all_connections * CONNECTION_BYTES);
        let limit = MemoryLimit::new(guard.clone(), settings.memory_limit);
        let files = Arc::new(FileLimit::new(settings.disk_limit, || stores::default_file_limit(&folder)));
        let memory = Arc::new(MemoryStore::new(guard.clone(), limit, Arc::clone(&folder), Arc::clone(&files)));
        let disk = DiskStore::new(Arc::clone(&folder), files, &guard, settings.memory_limit.is_some());
        let inodes = TokenStore::new(Box::new(Inodes::new(Arc::clone(&folder))), guard.clone(), settings.inode_limit);
        let threads = all_connections + cores() + RESERVED_THREADS;
        let pids = TokenStore::new(Box::new(Pids::new(kernel.clone(), threads)), guard.clone(), settings.pid_limit);
        let descriptors = Descriptors::new(kernel.clone(), all_connections + RESERVED_DESCRIPTORS);
        let descriptors = TokenStore::new(Box::new(descriptors), guard, settings.fd_limit);
        let ids = Arc::new(Ids::new());
        let ttl = settings.max_ttl;
        let group = |store: Arc<dyn Store>| {
            let intent = Intent::new(Arc::clone(&folder), kernel.clone(), store.name());
            Arc::new(Group::new(store, intent, Arc::clone(&ids), stop.clone(), ttl))
        };
        let loads = |name, work| Arc::new(LoadGroup::new(name, work, Arc::clone(&ids), stop.clone(), ttl));
        Ok(Self {
            jobs: Jobs::new(
                Arc::clone(&ids),
                settings.number,
                Arc::clone(&memory),
                Intent::new(Arc::clone(&folder), kernel.clone(), "jobs"),
                ttl,
                stop.clone(),
            ),
            memory: group(memory),
            disk: group(Arc::new(disk)),
            inode: group(Arc::new(inodes)),
            pid: group(Arc::new(pids)),
            descriptor: group(Arc::new(descriptors)),
            cpu: loads("cpu", "CPU load"),
            io: loads("io", "IO load"),
            ids,
            bumps: Bumps::default(),
            health: Probe::default(),
            ready: Probe::default(),
            faults: Arc::default(),
            faults_on: settings.faults,
            access: Access::new(settings.token.clone(), settings.token_reads)?,
            http: HttpTally::new(routes::table::ROUTES.iter().map(|(path, _)| *path)),
            settings: CpuSettings { limit: settings.cpu_limit, number: settings.number },
            folder,
            moved: Arc::default(),
            kernel,
            identity: settings.identity.clone(),
            died,
            stop: stop.clone(),
            started: Started::now(),
        })
    }

    /// Takes what is to be taken from the start. What is refused is logged and told in the status; the service serves all
    /// the same.
    fn take_at_start(&self, start: &crate::settings::Start) {
        for (group, start) in [(&self.memory, &start.memory), (&self.disk, &start.disk)] {
            let Some(start) = start else { continue };
            let mut wish = Wish::of(start.amount, Caller::nobody());
            (wish.ttl, wish.words) = (start.ttl, start.words.clone());
            if let Err(refused) = group.set(Ok(wish)) {
                let trouble = format!("{}: refused: {}", start.words, refused.in_words(group.store().unit()));
                log::error!("{trouble}");
                group.is_in_trouble(trouble);
            }
        }
        if let Some(start) = &start.cpu {
            let (who, words) = (Caller::nobody(), start.words.clone());
            let wish = self.cpu_load(Some(start.amount), Duration::ZERO, start.ttl, false, who, words);
            if let Err(refused) = self.cpu.start(wish) {
                let trouble = format!("{}: refused: {refused}", start.words);
                log::error!("{trouble}");
                self.cpu.is_in_trouble(trouble);
            }
        }
    }

    /// Whether a signal is obeyed: SIGTERM may be ignored or delayed on request.
    fn obeys(&self, signal: &Signal) -> bool {
        log::info!("Signal received: {}", signal.name());
        let term = if signal.is_term() { self.faults.term() } else { Term::Stops };
        match term {
            Term::Ignored => {
                log::warn!("Fault: SIGTERM is ignored");
                return false;
            }
            Term::Delayed(delay) => {
                log::warn!("Fault: SIGTERM is obeyed in {}", span::in_words(delay));
                thread::sleep(delay);
            }
            Term::Stops => {}
        }
        true
    }

    /// After the stop signal: waits for the worker that writes files, then removes them all. Says once a second how
    /// far it is, when the kernel takes its time.
    ///
    /// Needs no thread, which there may be none for.
    ///
    /// # Errors
    /// When something cannot be removed.
    fn clean_up(&self) -> io::Result<()> {
        // Requests are still being answered; none of them makes the folder anew.
        let disk = self.folder.close();
        // A worker that has not begun sees the stop signal before it makes its first file.
        self.wait_for_files(WORKER_GRACE);
        let Some(disk) = disk else { return Ok(()) };
        let (mut removed, mut said) = (0u64, Instant::now());
        let mut each = || {
            removed += 1;
            if said.elapsed() >= Duration::from_secs(1) {
                log::info!("Removing files: {removed} are gone");
                said = Instant::now();
            }
        };
        let result = disk.remove(&mut each);
        if result.is_err() {
            // The kernel held the worker up, and it left one more file; or a note was being written.
            self.wait_for_files(STUCK_WORKER_GRACE);
            return disk.remove(&mut each);
        }
        result
    }

    /// After the stop signal: waits a moment for all works, loads and jobs, so that the log tells the end of each.
    fn let_works_end(&self) {
        let began = Instant::now();
        let working = || {
            self.groups().iter().any(|group| group.conflict().is_some())
                || [&self.cpu, &self.io].iter().any(|group| group.load().is_some())
        };
        while working() && began.elapsed() < WORKER_GRACE {
            thread::sleep(Duration::from_millis(1));
        }
        self.jobs.wait_for_end(WORKER_GRACE.saturating_sub(began.elapsed()));
    }

    /// Whether a worker may still be making files.
    fn writes_files(&self) -> bool {
        self.disk.is_working() || self.inode.is_working()
    }

    fn wait_for_files(&self, patience: Duration) {
        let (began, mut said) = (Instant::now(), Instant::now());
        while self.writes_files() && began.elapsed() < patience {
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
/// When it cannot start (the address, DATADIR, the token), or cannot remove its files at the end.
pub fn run(settings: &Settings) -> io::Result<()> {
    crate::process::ignore_file_size_signal();
    // The address first: where another testero listens already, nothing is to be made or swept.
    let role = Role::begin_with(settings.listen, &settings.identity, &settings.warnings, settings.connections)?;
    let stop = role.stop.clone();
    let consumer = Arc::new(Consumer::new(settings, Kernel::default(), role.connections, &stop)?);
    let served = serve(role, &consumer, settings);
    // Whatever happened: files go while the last answers do.
    stop.stop();
    consumer.let_works_end();
    let cleaned = consumer.clean_up();
    served?.finish();
    cleaned.map_err(|error| io::Error::new(error.kind(), format!("Cannot remove all files: {error}")))
}

/// Serves until a signal ends it.
fn serve(role: Role, consumer: &Arc<Consumer>, settings: &Settings) -> io::Result<Serving> {
    let mut serving = role.serve(Arc::clone(consumer) as _)?;
    consumer.take_at_start(&settings.start);
    loop {
        let signal = serving.signal(|signal| signal.is_term() && consumer.faults.term() == Term::Ignored);
        if consumer.obeys(&signal) {
            role::unready(&consumer.ready, settings.shutdown_delay);
            return Ok(serving);
        }
    }
}
