//! The main job: taking memory, disk, CPU and more for real, and giving them back at once.
//!
//! Five groups hold something, each with a ticket of its own: a [`control::group`] over a [`control::store`]. Two do
//! something for a time, a [`load`] over a task. Beside them stand [`jobs`], which come and go by themselves. The contract
//! with clients, and everything else that they see, is [`api`] alone.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`api`] | the routes, their parameters, and what is answered in text and in JSON |
//! | [`control`] | who may change a group, and how the change is made: tickets, operations, plans, ramps |
//! | [`admission`] | whether a change fits below the limits, with everything that is held and on its way |
//! | [`memory`] | memory that is really there |
//! | [`disk`] | files, and the folder that is gone when we are |
//! | [`countable`] | what is just counted: inodes, pids, descriptors |
//! | [`fill`] | bytes that neither a kernel nor a disk makes smaller |
//! | [`load`] | CPU used to measure, disks kept busy |
//! | [`jobs`] | the interface of Kubernetes' resource-consumer |
//! | [`faults`] | what an operator makes go wrong |
//! | `history` | the last ten minutes, for the page and for recordings; a feature |
//! | `scenario` | plays curves over time on all of these; a feature |

pub mod admission;
pub mod api;
pub mod control;
pub mod countable;
pub mod disk;
pub mod faults;
pub mod fill;
#[cfg(feature = "page")]
pub mod history;
pub mod jobs;
pub mod load;
pub mod memory;
#[cfg(feature = "scenario")]
pub mod scenario;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::bounds::{CONNECTION_BYTES, leaving_for};
use crate::kernel::Kernel;
use crate::kernel::clock::ProcessStart;
use crate::kernel::cpu::{cores, quota};
use crate::kernel::meminfo::MemInfo;
use crate::kernel::shutdown::{Signal, Stop};
use crate::service::access::Access;
use crate::service::http_metrics::HttpMetrics;
use crate::service::lifecycle::{self, Role, Serving};
use crate::service::probes::Probe;
use crate::settings::{ConsumerSettings, EvictionReserve, Identity};

use admission::file_limit::FileLimit;
use admission::headroom::{MemoryAdmission, MemoryLimit};
use control::forced_note::ForcedNote;
use control::group::Group;
use control::id::Ids;
use control::operation::{Caller, ChangeRequest};
use control::store::{Limit, Store};
use countable::CountableStore;
use countable::fds::Descriptors;
use countable::inodes::Inodes;
use countable::pids::Pids;
use disk::store::DiskStore;
use disk::workdir::Workdir;
use faults::{Faults, Term};
use jobs::Jobs;
use jobs::custom_metrics::CustomMetrics;
use load::LoadGroup;
use load::io::Moved;
use memory::store::MemoryStore;

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
    custom_metrics: CustomMetrics,
    health: Probe,
    ready: Arc<Probe>,
    faults: Arc<Faults>,
    faults_on: bool,
    access: Access,
    http: HttpMetrics,
    settings: CpuSettings,
    folder: Arc<Workdir>,
    /// What io loads have moved since the start.
    moved: Arc<Moved>,
    kernel: Kernel,
    identity: Identity,
    /// What dead processes on the same DATADIR had noted they were about to do past admission.
    died: Vec<String>,
    stop: Stop,
    started: ProcessStart,
    #[cfg(feature = "page")]
    history: history::History,
    #[cfg(feature = "scenario")]
    scenario: Arc<scenario::ScenarioPlayer>,
    /// A scenario is being received: one at a time, so that many do not fill the memory.
    #[cfg(feature = "scenario")]
    receiving: std::sync::Mutex<Option<Instant>>,
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
    pub fn new(settings: &ConsumerSettings, kernel: Kernel, connections: usize, stop: &Stop) -> io::Result<Self> {
        let parent = &settings.data_dir;
        lifecycle::check_data_folder(parent)?;
        // Before anything is made that would be left behind.
        let access = Access::new(settings.token.clone(), settings.token_reads)?;
        log::info!("DATADIR set to: {}", parent.display());
        let died: Vec<String> =
            disk::sweep::sweep(parent).iter().map(|note| control::forced_note::told(note, &kernel)).collect();
        for note in &died {
            log::warn!("The process before this one died doing: {note}");
        }
        let all_connections = (connections + leaving_for(connections)) as u64;
        let folder = Arc::new(Workdir::new(parent, settings.eviction_reserve.disk));
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
        let admission = MemoryAdmission::new(kernel.clone(), RESERVE_BYTES + all_connections * CONNECTION_BYTES);
        let limit = MemoryLimit::new(admission.clone(), settings.memory_limit);
        let source = if settings.disk_reserved { "HIGHFILELIM, less DISKRESERVE" } else { "HIGHFILELIM" };
        let file_limit = settings.disk_limit.map(|most| Limit { most, source: source.into() });
        let files = Arc::new(FileLimit::new(file_limit, || disk::store::default_file_limit(&folder)));
        let memory = Arc::new(MemoryStore::new(admission.clone(), limit, Arc::clone(&folder), Arc::clone(&files)));
        let disk = DiskStore::new(Arc::clone(&folder), files, &admission, settings.memory_limit.is_some());
        let inodes =
            CountableStore::new(Box::new(Inodes::new(Arc::clone(&folder))), admission.clone(), settings.inode_limit);
        let threads = all_connections + cores() + RESERVED_THREADS;
        let pids =
            CountableStore::new(Box::new(Pids::new(kernel.clone(), threads)), admission.clone(), settings.pid_limit);
        let descriptors = Descriptors::new(kernel.clone(), all_connections + RESERVED_DESCRIPTORS);
        let descriptors = CountableStore::new(Box::new(descriptors), admission, settings.fd_limit);
        let ids = Arc::new(Ids::new());
        let ttl = settings.max_ttl;
        let group = |store: Arc<dyn Store>| {
            let forced_note = ForcedNote::new(Arc::clone(&folder), kernel.clone(), store.name());
            Arc::new(Group::new(store, forced_note, Arc::clone(&ids), stop.clone(), ttl))
        };
        let loads = |name, work| Arc::new(LoadGroup::new(name, work, Arc::clone(&ids), stop.clone(), ttl));
        let memory_store = Arc::clone(&memory);
        let (memory, disk) = (group(memory), group(Arc::new(disk)));
        let (inode, pid, descriptor) = (group(Arc::new(inodes)), group(Arc::new(pids)), group(Arc::new(descriptors)));
        let (cpu, io) = (loads("cpu", "CPU load"), loads("io", "IO load"));
        let (ready, faults, moved) = (Arc::<Probe>::default(), Arc::<Faults>::default(), Arc::<Moved>::default());
        #[cfg(feature = "scenario")]
        let scenario = {
            let rate = load::io::IoRate::Unbounded;
            let io_spec = load::io::IoSpec { rate, folder: Arc::clone(&folder), moved: Arc::clone(&moved) };
            let host = crate::kernel::sys::host_name();
            let pod = settings.identity.pod.clone().unwrap_or_else(|| host.clone());
            let cast = scenario::cast::ScenarioCast {
                groups: [&memory, &disk, &inode, &pid, &descriptor].map(Arc::clone),
                cpu: Arc::clone(&cpu),
                millicores: cores() * 1000,
                cpu_limit: cpu_limit(&kernel, cores()) as f64,
                number: settings.number,
                io: Arc::clone(&io),
                io_spec,
                ready: Arc::clone(&ready),
                faults: Arc::clone(&faults),
                faults_on: settings.faults,
                pod,
                stop: stop.clone(),
            };
            let kept = scenario::kept::KeptScenario::new(parent, &host);
            Arc::new(scenario::ScenarioPlayer::new(cast, kept, settings.scenario.clone()))
        };
        Ok(Self {
            jobs: Jobs::new(
                Arc::clone(&ids),
                settings.number,
                memory_store,
                ForcedNote::new(Arc::clone(&folder), kernel.clone(), "jobs"),
                ttl,
                stop.clone(),
            ),
            memory,
            disk,
            inode,
            pid,
            descriptor,
            cpu,
            io,
            ids,
            custom_metrics: CustomMetrics::default(),
            health: Probe::default(),
            ready,
            faults,
            faults_on: settings.faults,
            access,
            http: HttpMetrics::new(api::table::ROUTES.iter().map(|(path, _)| *path)),
            settings: CpuSettings { limit: settings.cpu_limit, number: settings.number },
            folder,
            moved,
            kernel,
            identity: settings.identity.clone(),
            died,
            stop: stop.clone(),
            started: ProcessStart::now(),
            #[cfg(feature = "page")]
            history: history::History::default(),
            #[cfg(feature = "scenario")]
            scenario,
            #[cfg(feature = "scenario")]
            receiving: std::sync::Mutex::default(),
        })
    }

    /// Takes what is to be taken from the start. What is refused is logged and told in the status; the service serves all
    /// the same.
    fn take_at_start(&self, start: &crate::settings::Start) {
        for (group, start) in [(&self.memory, &start.memory), (&self.disk, &start.disk)] {
            let Some(start) = start else { continue };
            let mut change = ChangeRequest::of(start.amount, Caller::nobody());
            (change.ttl, change.words) = (start.ttl, start.words.clone());
            if let Err(refused) = group.set(Ok(change)) {
                let trouble = format!("{}: refused: {}", start.words, refused.in_words(group.store().unit()));
                log::error!("{trouble}");
                group.is_in_trouble(trouble);
            }
        }
        if let Some(start) = &start.cpu {
            let (who, words) = (Caller::nobody(), start.words.clone());
            let change = self.cpu_load(Some(start.amount), Duration::ZERO, start.ttl, false, who, words);
            if let Err(refused) = self.cpu.start(change) {
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
                log::warn!("Fault: SIGTERM is obeyed in {}", crate::units::duration::in_words(delay));
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

/// What shares of millicores are shares of: the quota, where there is one, and all cores otherwise.
fn cpu_limit(kernel: &Kernel, cores: u64) -> u64 {
    quota(kernel).0.map_or(cores * 1000, |quota| quota.millicores.min(cores * 1000))
}

/// Runs the service until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start (the address, DATADIR, the token), or cannot remove its files at the end.
pub fn run(settings: &ConsumerSettings) -> io::Result<()> {
    crate::kernel::signals::ignore_file_size_signal();
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
fn serve(role: Role, consumer: &Arc<Consumer>, settings: &ConsumerSettings) -> io::Result<Serving> {
    let mut serving = role.serve(Arc::clone(consumer) as _)?;
    #[cfg(feature = "page")]
    history::HistorySampler::start(consumer);
    consumer.take_at_start(&settings.start);
    #[cfg(feature = "scenario")]
    consumer.scenario.begin_with_the_service();
    loop {
        let signal = serving.signal(|signal| signal.is_term() && consumer.faults.term() == Term::Ignored);
        if consumer.obeys(&signal) {
            lifecycle::unready(&consumer.ready, settings.shutdown_delay);
            return Ok(serving);
        }
    }
}
