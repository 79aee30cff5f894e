//! The parts of the pipeline as processes: a worker, the sink, a feed. Each works in the run folder until SIGTERM.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::crash::folder::RunFolder;
use crate::crash::input::StreamKey;
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::feed::{Feed, memory_of};
use crate::crash::pipeline::file_store::FileStreams;
use crate::crash::pipeline::redis_store::{RedisStore, TAG};
use crate::crash::pipeline::sink::{Sink, complain};
use crate::crash::pipeline::status::PartStatus;
use crate::crash::pipeline::store::StreamStore;
use crate::crash::pipeline::worker::PipelineWorker;
use crate::kernel::shutdown::{Caught, Stop};
use crate::settings::crash::{PipelineSettings, StoreChoice};
use crate::sync::spawn;

/// The exit code of a sink whose files and store do not fit each other.
pub const MISMATCH: u8 = 66;
/// The stack of the thread that waits for SIGTERM.
const STACK_BYTES: usize = 32 * 1024;

/// A part of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A worker.
    Worker(u32),
    /// The sink.
    Sink,
    /// The feed of a key.
    Feed(StreamKey),
    /// The tester's own redis-server.
    Store,
}

impl Part {
    /// Its name: of its socket, and in events and reports.
    pub fn name(self) -> String {
        match self {
            Self::Worker(number) => format!("worker.{number}"),
            Self::Sink => String::from("sink"),
            Self::Feed(key) => format!("feed.{key}"),
            Self::Store => String::from("store"),
        }
    }
}

/// Opens the store of a pipeline whose run folder is the working directory or at `folder`.
///
/// # Errors
/// When it cannot be opened.
pub fn open_store(
    settings: &PipelineSettings,
    folder: &RunFolder,
    coverage: Coverage,
) -> io::Result<Box<dyn StreamStore>> {
    match &settings.store {
        StoreChoice::Files => Ok(Box::new(FileStreams::open(&folder.stream(), coverage, settings.bug)?)),
        StoreChoice::Redis(url) => {
            let store = RedisStore::new(url, TAG, settings.lease, coverage, settings.bug).map_err(io::Error::other)?;
            Ok(Box::new(store))
        }
        // Only the tester starts one, and tells its parts where.
        StoreChoice::OwnRedis => Err(io::Error::other("a step by hand needs the URL of a Redis: --store redis://…")),
    }
}

/// Removes what another run left in a Redis.
///
/// # Errors
/// When it does not answer.
pub fn clear(settings: &PipelineSettings) -> Result<(), String> {
    let StoreChoice::Redis(url) = &settings.store else { return Ok(()) };
    let mut store = RedisStore::new(url, TAG, settings.lease, Coverage::default(), None)?;
    store.clear(&keys_of(settings)).map_err(|fault| fault.to_string())
}

/// Is a part, until SIGTERM or, as a feed, until its input ends. The working directory is the run folder.
///
/// # Errors
/// What the part cannot go on without; the exit code for it.
pub fn run(part: Part, settings: &PipelineSettings) -> Result<(), (u8, String)> {
    crate::checksum::prepare();
    let failed = |error: io::Error| (1, error.to_string());
    let stop = Stop::new().map_err(failed)?;
    stop_at_signal(&stop).map_err(failed)?;
    let folder = RunFolder::at(".");
    let coverage = Coverage::at(folder.coverage());
    std::fs::create_dir_all(folder.running()).map_err(failed)?;
    let status = PartStatus::serve(&Path::new("run").join(part.name())).map_err(failed)?;
    let mut store = open_store(settings, &folder, coverage.clone()).map_err(failed)?;
    let store = store.as_mut();
    let (keys, stop, bug) = (keys_of(settings), &stop, settings.bug);
    match part {
        Part::Worker(number) => {
            let lease = settings.lease;
            let worker = PipelineWorker { number, keys: &keys, store, lease, status: &status, coverage, stop, bug };
            worker.run().map_err(|fault| (1, fault.to_string()))
        }
        Part::Sink => {
            let abort_every = settings.abort_every;
            let (folder, keys, status, began) = (&folder, &keys, &status, Instant::now());
            let sink = Sink { folder, keys, store, status, coverage, stop, abort_every, bug, began };
            sink.run().map_err(|fault| {
                complain(&fault);
                (MISMATCH, fault.to_string())
            })
        }
        Part::Store => Err((2, String::from("redis-server is a program of its own"))),
        Part::Feed(key) => {
            let input = File::open(folder.input(key)).map_err(|error| (1, format!("the input of {key}: {error}")))?;
            let memory = memory_of(bug, &folder.running(), key);
            let rate = settings.rate;
            Feed { key, input, rate, store, status: &status, coverage, stop, memory }.run().map_err(failed)
        }
    }
}

/// The keys of a pipeline.
pub fn keys_of(settings: &PipelineSettings) -> Vec<StreamKey> {
    settings.keys.iter().copied().map(StreamKey).collect()
}

/// Sets the signal to stop at SIGTERM or SIGINT; a second one ends the process.
///
/// # Errors
/// When the kernel refuses handlers or a thread.
fn stop_at_signal(stop: &Stop) -> io::Result<()> {
    let mut caught = Caught::start()?;
    let stop = stop.clone();
    spawn(
        "signals",
        STACK_BYTES,
        Box::new(move || {
            caught.wait(|_| false);
            stop.stop();
        }),
    )?;
    Ok(())
}
