//! A run of the pipeline, from the first process to the verdict.

use std::fs;
use std::io;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use rustix::process::Signal;

use crate::crash::folder::RunFolder;
use crate::crash::input::StreamKey;
use crate::crash::pipeline::coverage::Coverage;
use crate::crash::pipeline::parts::{Part, clear, open_store};
use crate::crash::pipeline::store::{Offsets, StreamStore};
use crate::crash::report::{LaneState, RunReport};
use crate::crash::tester::growth::Growth;
use crate::crash::tester::monitors;
use crate::crash::tester::outcome::{RunFacts, checks_of};
use crate::crash::tester::plans::{OWN_REDIS, PartStarter};
use crate::crash::tester::reset::reset;
use crate::crash::tester::sanity::Sanity;
use crate::crash::tester::session::{RunStage, RunSubject, thread};
use crate::crash::tester::world::HOLD;
use crate::settings::crash::{CrashSettings, StoreChoice, Word};
use crate::sorting::sort_by_key;

/// How often what was put out is verified.
const ROUND: Duration = Duration::from_secs(1);
/// How long a Redis may take to answer.
const STORE: Duration = Duration::from_secs(10);
/// How long a part may take to end when it is asked to.
const GOODBYE: Duration = Duration::from_secs(10);

/// The pipeline, and what is done to it.
pub struct PipelineSubject<'r> {
    settings: CrashSettings,
    workers: u32,
    words: &'r [Word],
}

impl<'r> PipelineSubject<'r> {
    /// So many workers at the start, to which is done what the words say.
    pub fn new(settings: &CrashSettings, workers: u32, words: &'r [Word]) -> Self {
        Self { settings: settings.clone(), workers, words }
    }
}

impl RunSubject for PipelineSubject<'_> {
    fn prepare(&mut self, folder: &RunFolder, seed: u64) -> io::Result<Option<RunFolder>> {
        reset(folder)?;
        if self.words.contains(&Word::ResetOnly) {
            return Ok(None);
        }
        // Sockets have short names only.
        std::env::set_current_dir(folder.path())?;
        let here = RunFolder::at(".");
        fs::create_dir_all(here.running())?;
        fs::create_dir_all(here.sink())?;
        let pipeline = &mut self.settings.pipeline;
        pipeline.seed = Some(seed);
        if pipeline.store == StoreChoice::OwnRedis {
            fs::create_dir_all("redis")?;
            pipeline.store = StoreChoice::Redis(OWN_REDIS.to_owned());
        }
        here.keep_options(pipeline)?;
        Ok(Some(here))
    }

    fn conduct(&self, stage: &RunStage<'_>) -> io::Result<RunReport> {
        let own_store = self.settings.pipeline.store == StoreChoice::Redis(OWN_REDIS.to_owned());
        PipelineRun { settings: &self.settings, workers: self.workers, words: self.words, stage, own_store }.conduct()
    }
}

/// A run.
struct PipelineRun<'r> {
    settings: &'r CrashSettings,
    workers: u32,
    words: &'r [Word],
    stage: &'r RunStage<'r>,
    /// Whether the store is a redis-server of the run's own.
    own_store: bool,
}

type Keys = Vec<(StreamKey, u64)>;

impl PipelineRun<'_> {
    fn conduct(&self) -> io::Result<RunReport> {
        let (world, settings) = (self.stage.world, &self.settings.pipeline);
        let began = SystemTime::now();
        let keys = self.inputs()?;
        let starter = PartStarter::new(settings)?;
        let start = |part: Part| {
            let pid = world.processes.start(starter.plan(part))?;
            world.events.add("start", &part.name(), &format!("pid {pid}"));
            world.lane(&part.name(), LaneState::Starting);
            Ok(pid)
        };
        if self.own_store {
            start(Part::Store)?;
        }
        let mut store = self.clear_store()?;
        let mut sanity = Sanity::new(&world.folder, &keys, !self.words.contains(&Word::NoSanity));
        start(Part::Sink)?;
        for number in 0..self.workers {
            start(Part::Worker(number))?;
        }
        self.all_ready("at the start");
        for (key, _) in &keys {
            start(Part::Feed(*key))?;
        }
        let start_worker = |number: u32| start(Part::Worker(number));
        let growth =
            Growth { world, start: &start_worker, zero: starter.crash_worker(0, false), sink: starter.crash_sink() };
        std::thread::scope(|scope| {
            // Whoever was started ends when others cannot be.
            let started = self.watch(scope, &keys).and_then(|watchers| {
                let faults = self.faults(scope, &starter, &growth, &keys)?;
                Ok((watchers, faults))
            });
            let (watchers, faults) = started.inspect_err(|_| {
                world.stop_here();
                world.over.stop();
            })?;
            self.verify_until_end(&keys, store.as_mut(), &mut sanity);
            world.quiet.stop();
            faults.into_iter().for_each(|fault| drop(fault.join()));
            if self.goes_on() {
                self.all_ready("after the last fault");
                self.drain(&keys, store.as_mut(), &mut sanity);
            }
            world.over.stop();
            watchers.into_iter().for_each(|watcher| drop(watcher.join()));
            Ok::<(), io::Error>(())
        })?;
        monitors::surprises(world);
        world.confirm(Duration::ZERO);
        let last = monitors::offsets(&keys, store.as_mut());
        self.end(&mut sanity, last.as_deref().unwrap_or_default(), store.as_mut());
        Ok(self.report(began, &keys, last, &sanity))
    }

    fn goes_on(&self) -> bool {
        self.stage.goes_on()
    }

    /// The keys, with the lengths of their inputs, which are made if need be.
    fn inputs(&self) -> io::Result<Keys> {
        let settings = &self.settings.pipeline;
        let write = |key: u8| {
            let key = StreamKey(key);
            let path = self.stage.world.folder.input(key);
            crate::crash::input::write(&path, self.stage.seed, key, settings.lines)?;
            Ok((key, path.metadata()?.len()))
        };
        settings.keys.iter().copied().map(write).collect()
    }

    /// Opens the store, once it answers, and removes what another run left in it.
    fn clear_store(&self) -> io::Result<Box<dyn StreamStore>> {
        let settings = &self.settings.pipeline;
        let start = Instant::now();
        loop {
            let cleared = clear(settings);
            let is_late = start.elapsed() >= STORE || !self.goes_on();
            match cleared {
                Ok(()) => return open_store(settings, &self.stage.world.folder, Coverage::default()),
                Err(why) if is_late => return Err(io::Error::other(why)),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
            monitors::surprises(self.stage.world);
        }
    }

    /// Sees that all workers and the sink are ready.
    fn all_ready(&self, when: &str) {
        let start = Instant::now();
        let world = self.stage.world;
        let late = loop {
            let mut late = world.late();
            if !world.processes.is_ready("sink") {
                late.push(String::from("sink"));
            }
            if late.is_empty() || start.elapsed() >= HOLD || !self.goes_on() {
                break late;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if !late.is_empty() && self.goes_on() {
            world.violate("ready", format!("{when}, not ready within {} s: {}", HOLD.as_secs(), late.join("; ")));
        }
        world.processes.names().iter().for_each(|name| world.lane(name, LaneState::Ready));
    }

    /// Starts what looks on.
    fn watch<'s>(&'s self, scope: &'s Scope<'s, '_>, keys: &Keys) -> io::Result<Vec<ScopedJoinHandle<'s, ()>>> {
        let world = self.stage.world;
        let mut watchers = vec![thread(scope, "alive", Box::new(|| monitors::alive(world)))?];
        if !self.words.contains(&Word::NoAckProgress) {
            let mut store = open_store(&self.settings.pipeline, &world.folder, Coverage::default())?;
            let (keys, within) = (keys.clone(), self.settings.ack_within);
            watchers.push(thread(
                scope,
                "progress",
                Box::new(move || {
                    monitors::progress(world, &keys, store.as_mut(), within);
                }),
            )?);
        }
        if !self.words.contains(&Word::NoRegistry) {
            let feeds: Vec<String> = keys.iter().map(|(key, _)| Part::Feed(*key).name()).collect();
            let lease = self.settings.pipeline.lease;
            watchers.push(thread(scope, "registry", Box::new(move || monitors::registry(world, &feeds, lease)))?);
        }
        Ok(watchers)
    }

    /// Starts what does something.
    fn faults<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        starter: &PartStarter,
        growth: &'s Growth<'s>,
        keys: &Keys,
    ) -> io::Result<Vec<ScopedJoinHandle<'s, ()>>> {
        let world = self.stage.world;
        let mut all = Vec::new();
        for (place, word) in self.words.iter().enumerate() {
            let random = || self.stage.random(place as u64);
            let crashes = match *word {
                Word::Crash { worker, slow } => vec![starter.crash_worker(worker, slow)],
                Word::CrashSink => vec![starter.crash_sink()],
                Word::CrashStore => vec![starter.crash_store()],
                Word::CrashSource => keys.iter().map(|(key, _)| starter.crash_feed(*key)).collect(),
                _ => Vec::new(),
            };
            for (number, crash) in crashes.into_iter().enumerate() {
                let mut random = random();
                let random = Rng::with_seed(random.u64(..) ^ number as u64);
                all.push(thread(scope, "crash", Box::new(move || crash.run(world, random)))?);
            }
            let random = random();
            match *word {
                Word::Pause(worker) => {
                    let pause = starter.pause_worker(worker);
                    all.push(thread(scope, "pause", Box::new(move || pause.run(world, random)))?);
                }
                Word::Grow => all.push(thread(scope, "grow", Box::new(move || growth.by_chance(true, false, random)))?),
                Word::Shrink => {
                    all.push(thread(scope, "shrink", Box::new(move || growth.by_chance(false, true, random)))?)
                }
                Word::GrowAndShrink => {
                    all.push(thread(scope, "grow", Box::new(move || growth.by_chance(true, true, random)))?);
                }
                Word::Custom(scenario) => {
                    all.push(thread(scope, "scenario", Box::new(move || growth.scenario(scenario, random)))?);
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// Verifies what was put out, round after round, until all of it is, or something is wrong, or time is up.
    fn verify_until_end(&self, keys: &Keys, store: &mut dyn StreamStore, sanity: &mut Sanity) {
        let world = self.stage.world;
        let began = Instant::now();
        while self.goes_on() {
            let left = self.settings.for_time.map_or(ROUND, |time| time.saturating_sub(began.elapsed()));
            world.quiet.sleep(ROUND.min(left));
            let all = self.look(keys, store, sanity);
            let is_through = |(_, size, offsets): &(StreamKey, u64, Offsets)| offsets.acknowledged >= *size;
            if left.is_zero() || all.is_some_and(|all| all.iter().all(is_through)) {
                return;
            }
        }
    }

    /// One round.
    fn look(
        &self,
        keys: &Keys,
        store: &mut dyn StreamStore,
        sanity: &mut Sanity,
    ) -> Option<Vec<(StreamKey, u64, Offsets)>> {
        sanity.round(self.stage.world, store);
        let all = monitors::offsets(keys, store)?;
        monitors::bounds(self.stage.world, &all);
        self.stage.world.sample(monitors::samples(self.stage.world, &all, &sanity.verified()));
        self.stage.world.live(&monitors::progress_in_words(&all));
        Some(all)
    }

    /// Without faults, all that was fed gets through. Feeds end where time was up.
    fn drain(&self, keys: &Keys, store: &mut dyn StreamStore, sanity: &mut Sanity) {
        let feeds = || self.stage.world.processes.names().into_iter().filter(|name| name.starts_with("feed."));
        if self.settings.for_time.is_some() {
            for feed in feeds() {
                if let Err(error) = self.stage.world.processes.end(&feed, Signal::TERM, GOODBYE) {
                    self.stage.world.violate("alive", format!("{feed} was to end: {error}"));
                }
            }
        }
        let start = Instant::now();
        while self.goes_on() {
            let all = self.look(keys, store, sanity);
            let is_through = |(_, _, offsets): &(StreamKey, u64, Offsets)| offsets.acknowledged >= offsets.fed;
            // A feed that is there has more to feed.
            if all.is_some_and(|all| all.iter().all(is_through)) && feeds().next().is_none() {
                return;
            }
            if start.elapsed() >= self.settings.ack_within {
                let seconds = start.elapsed().as_secs();
                return self
                    .stage
                    .world
                    .violate("ack-progress", format!("not all is through {seconds} s after the last fault"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends the processes: in peace, or stopped where they are for somebody to look at.
    fn end(&self, sanity: &mut Sanity, last: &[(StreamKey, u64, Offsets)], store: &mut dyn StreamStore) {
        let world = self.stage.world;
        if !self.goes_on() {
            if world.violation().is_some() {
                world.say("Pause the world!");
            }
            world.processes.pause_all();
            return;
        }
        sanity.at_end(world, last, store);
        // The store goes last: the others give back what they hold.
        let (store_name, others): (Vec<_>, Vec<_>) =
            world.processes.names().into_iter().partition(|name| *name == Part::Store.name());
        for name in others.into_iter().chain(store_name) {
            match world.processes.end(&name, Signal::TERM, GOODBYE) {
                Ok(status) if status.success() => {}
                Ok(status) => world.violate("alive", format!("{name} was to end, and ended with {status}")),
                Err(error) => world.violate("alive", format!("{name} was to end: {error}")),
            }
            world.lane(&name, LaneState::Down);
        }

        if self.goes_on() {
            monitors::sink_errors(world);
        }
    }

    fn report(
        &self,
        began: SystemTime,
        keys: &Keys,
        last: Option<Vec<(StreamKey, u64, Offsets)>>,
        sanity: &Sanity,
    ) -> RunReport {
        let world = self.stage.world;
        let verified = sanity.verified();
        // They are recorded when they are over.
        let mut faults = world.faults();
        sort_by_key(&mut faults, &|fault| fault.at);
        let last = last.unwrap_or_default();
        let progress = keys.iter().map(|(key, size)| {
            let offsets =
                last.iter().find(|(known, ..)| known == key).map(|(_, _, offsets)| *offsets).unwrap_or_default();
            monitors::progress_of(*key, *size, offsets, &verified)
        });
        let signal = self.stage.signal();
        let facts = RunFacts {
            words: self.words,
            faults: &faults,
            failed: &world.failed(),
            verified: verified.iter().map(|(_, verified)| verified).sum(),
            keys: keys.len(),
            interrupted: signal.is_some(),
        };
        let checks = checks_of(&facts);
        RunReport {
            keys: progress.collect(),
            coverage: Coverage::read(&world.folder.coverage()),
            samples: world.samples(),
            ..self.stage.report(began, checks, faults, signal)
        }
    }
}
