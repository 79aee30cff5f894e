//! What is looked at all the while: offsets, progress, registered feeds, processes that end by themselves.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::crash::input::StreamKey;
use crate::crash::pipeline::status::is_ready;
use crate::crash::pipeline::store::{AWAY, Offsets, StreamStore};
use crate::crash::report::{KeyProgress, Sample};
use crate::crash::tester::world::RunWorld;
use crate::units::decimal::fixed;

/// How much of a log is told, in bytes: the last of it.
const TAIL_BYTES: u64 = 2000;
/// How often it is looked whether a process has ended by itself.
const ALIVE: Duration = Duration::from_millis(100);
/// Of more keys than these only the first and the last are shown.
const SHOWN_KEYS: usize = 5;
/// How often progress is looked at.
const PROGRESS: Duration = Duration::from_secs(180);
/// How often it is looked whether feeds are registered.
const REGISTRY: Duration = Duration::from_secs(30);
/// How long offsets that are out of order are watched: what is put out meanwhile tells what is wrong.
const SUSPICION: Duration = Duration::from_secs(20);
/// How many leases a restarted feed may take to be registered.
const LEASES: u32 = 3;

/// Looks for processes that ended though nobody ended them, and for errors in the sink's log.
pub fn alive(world: &RunWorld) {
    while !world.over.sleep(ALIVE) {
        surprises(world);
        world.see_ready();
    }
}

/// Looks for them once.
pub fn surprises(world: &RunWorld) {
    for surprise in world.processes.surprises() {
        if surprise.is_end {
            world.events.add("eof", &surprise.name, "all is done");
            continue;
        }
        let tail = tail(world, &surprise.name);
        world.violate("alive", format!("{} ended by itself: {}{tail}", surprise.name, surprise.status));
    }
}

/// The last lines that a process wrote, each after a line feed.
pub fn tail(world: &RunWorld, name: &str) -> String {
    let read = |path: PathBuf| {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut tail)?;
        Ok::<_, io::Error>(format!("\n{}", String::from_utf8_lossy(&tail).trim_end()))
    };
    world.processes.log(name).and_then(|path| read(path).ok()).unwrap_or_default()
}

/// Sees that each key's acknowledged offset moves within `within`, unless all of its input is through.
pub fn progress(world: &RunWorld, keys: &[(StreamKey, u64)], store: &mut dyn StreamStore, within: Duration) {
    let mut last: Vec<Option<(u64, Instant)>> = vec![None; keys.len()];
    while !world.over.sleep(PROGRESS.min(within / 10)) {
        world.mark("{AP}");
        for ((key, size), last) in keys.iter().zip(&mut last) {
            // While the store is away nothing gets further, either.
            let acknowledged = store.offsets(*key).map(|offsets| offsets.acknowledged).ok();
            let (offset, since) = last.get_or_insert((acknowledged.unwrap_or(0), Instant::now()));
            match acknowledged {
                Some(now) if now > *offset => (*offset, *since) = (now, Instant::now()),
                _ if *offset >= *size => {}
                _ if since.elapsed() >= within => {
                    let seconds = since.elapsed().as_secs();
                    world.violate("ack-progress", format!("{key} is acknowledged up to {offset} for {seconds} s"));
                }
                _ => {}
            }
        }
    }
}

/// Sees that feeds are registered within three leases after their start.
pub fn registry(world: &RunWorld, feeds: &[String], lease: Duration) {
    let mut waits: Vec<Option<(u32, Instant)>> = vec![None; feeds.len()];
    let mut shown = Instant::now();
    while !world.over.sleep(Duration::from_millis(200)) {
        if shown.elapsed() > REGISTRY {
            world.mark("{RP}");
            shown = Instant::now();
        }
        for (feed, wait) in feeds.iter().zip(&mut waits) {
            let Some(pid) = world.processes.pid(feed).filter(|_| world.processes.is_there(feed)) else {
                *wait = None;
                continue;
            };
            let (known, since) = wait.get_or_insert((pid, Instant::now()));
            if *known != pid {
                (*known, *since) = (pid, Instant::now());
            }
            match world.processes.says(feed) {
                Some(line) if is_ready(&line) => *since = Instant::now(),
                // Nobody is registered in a store that is down; that keys get further is another check.
                Some(line) if line.contains(AWAY) => *since = Instant::now(),
                line => {
                    // A slow machine needs a moment to start a process; a lost registration stays lost.
                    if since.elapsed() > lease * LEASES && world.processes.pid(feed) == Some(pid) {
                        let says = line.unwrap_or_else(|| String::from("nothing"));
                        let seconds = fixed(since.elapsed().as_secs_f64(), 1);
                        world
                            .violate("registry", format!("{feed} is not registered after {seconds} s; it says {says}"));
                    }
                }
            }
        }
    }
}

/// How far each key is; `None` while the store is away.
pub fn offsets(keys: &[(StreamKey, u64)], store: &mut dyn StreamStore) -> Option<Vec<(StreamKey, u64, Offsets)>> {
    keys.iter().map(|(key, size)| store.offsets(*key).ok().map(|offsets| (*key, *size, offsets))).collect()
}

/// Sees that offsets are in their order.
pub fn bounds(world: &RunWorld, all: &[(StreamKey, u64, Offsets)]) {
    for (key, size, Offsets { acknowledged, made, taken, fed }) in all {
        if !(acknowledged <= made && made <= taken && taken <= fed && fed <= size) {
            let order = format!("acked {acknowledged} <= out {made} <= in {taken} <= fed {fed} <= size {size}");
            world.suspect("bounds", format!("{key}: not so: {order}"));
        }
    }
    world.confirm(SUSPICION);
}

/// How much of each key is acknowledged; of many keys, from the last to the first of them.
pub fn progress_in_words(all: &[(StreamKey, u64, Offsets)]) -> String {
    let share = |size: u64, acknowledged: u64| acknowledged.saturating_mul(100) / size.max(1);
    let shares: Vec<(u64, StreamKey)> =
        all.iter().map(|(key, size, offsets)| (share(*size, offsets.acknowledged), *key)).collect();
    if shares.len() <= SHOWN_KEYS {
        return shares.iter().map(|(share, key)| format!("{key} {share} %")).collect::<Vec<_>>().join("  ");
    }
    let parts = || shares.iter().map(|(share, _)| *share);
    let (first, last) = (parts().min().unwrap_or(0), parts().max().unwrap_or(0));
    format!("{} keys {first} to {last} %", shares.len())
}

/// The samples of this moment.
pub fn samples(world: &RunWorld, all: &[(StreamKey, u64, Offsets)], verified: &[(StreamKey, u64)]) -> Vec<Sample> {
    let at = world.began.elapsed();
    all.iter()
        .map(|(key, input, offsets)| Sample { at, progress: progress_of(*key, *input, *offsets, verified) })
        .collect()
}

/// How far a key came.
pub fn progress_of(key: StreamKey, input: u64, offsets: Offsets, verified: &[(StreamKey, u64)]) -> KeyProgress {
    let verified = verified.iter().find(|(known, _)| *known == key).map_or(0, |(_, verified)| *verified);
    KeyProgress { key, input, offsets, verified }
}

/// Looks for errors in the sink's log.
pub fn sink_errors(world: &RunWorld) {
    let log = std::fs::read(world.folder.sink().join("stdout-stderr")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let is_error = |line: &&str| ["ERROR", "FATAL", "CRITICAL"].iter().any(|word| line.contains(word));
    if let Some(line) = log.lines().find(is_error) {
        world.violate("alive", format!("the sink's log says: {line}"));
    }
}
