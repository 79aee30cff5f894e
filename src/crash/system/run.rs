//! A run of a user's own system, from the first process to the verdict.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Scope};
use std::time::{Duration, Instant, SystemTime};

use crate::crash::folder::RunFolder;
use crate::crash::report::{LaneState, RunReport};
use crate::crash::system::faults::FaultRule;
use crate::crash::system::kept::KeptPromises;
use crate::crash::system::load::HttpLoad;
use crate::crash::system::parts::{LOAD, SystemParts};
use crate::crash::system::pods::all_ready;
use crate::crash::system::promises::judgement::LookTime;
use crate::crash::system::values::SystemValues;
use crate::crash::tester::monitors;
use crate::crash::tester::session::{RunStage, RunSubject, thread};
use crate::kernel::shutdown::Stop;
use crate::settings::crash::system::{FaultHow, HttpLoadConfig, LoadConfig, SystemConfig};
use crate::sorting::sort_by_key;
use crate::sync::{WORKER_STACK_BYTES, lock, spawn};

/// How often promises are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// How often it is looked whether pods were restarted.
const PODS: Duration = Duration::from_secs(5);

/// A user's own system.
pub struct SystemSubject<'r> {
    config: &'r SystemConfig,
    values: Option<SystemValues>,
}

/// What the load is.
enum RunningLoad {
    /// A process.
    Program,
    /// Requests of a thread.
    Http {
        /// What ends them.
        stop: Stop,
        requests: JoinHandle<()>,
        /// Why there are none any more.
        failed: Arc<Mutex<Option<io::Error>>>,
    },
}

impl<'r> SystemSubject<'r> {
    /// As a file describes it.
    pub fn new(config: &'r SystemConfig) -> Self {
        Self { config, values: None }
    }
}

impl RunSubject for SystemSubject<'_> {
    fn prepare(&mut self, folder: &RunFolder, _: u64) -> io::Result<Option<RunFolder>> {
        let folder = RunFolder::at(std::path::absolute(folder.path())?);
        clear(&folder)?;
        fs::write(folder.mark_of_system(), "")?;
        fs::create_dir_all(folder.log(""))?;
        let values = SystemValues::new(self.config, folder.path())?;
        std::env::set_current_dir(&self.config.base)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.config.base.display())))?;
        for file in &self.config.files {
            let path = values.text(&file.path, None);
            let put = || {
                Path::new(&path).parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::write(&path, values.text(&file.text, None))
            };
            put().map_err(|error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        }
        self.values = Some(values);
        Ok(Some(folder))
    }

    fn conduct(&self, stage: &RunStage<'_>) -> io::Result<RunReport> {
        let Some(values) = &self.values else { return Err(io::Error::other("the run was not prepared")) };
        let parts = SystemParts { config: self.config, values, world: stage.world, pods: Mutex::default() };
        SystemRun { stage, parts: &parts }.conduct()
    }
}

/// Removes what an earlier run left in a folder; one with anything else in it stays as it is.
///
/// # Errors
/// When it is another folder, or cannot be emptied.
fn clear(folder: &RunFolder) -> io::Result<()> {
    let is_run = folder.mark_of_system().exists();
    for entry in fs::read_dir(folder.path())? {
        let path = entry?.path();
        if !is_run {
            let why = format!("{}: it is neither empty nor the folder of an earlier run", folder.path().display());
            return Err(io::Error::other(why));
        }
        if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

/// A run.
struct SystemRun<'r> {
    stage: &'r RunStage<'r>,
    parts: &'r SystemParts<'r>,
}

impl SystemRun<'_> {
    fn conduct(&self) -> io::Result<RunReport> {
        let (world, config, values) = (self.stage.world, self.parts.config, self.parts.values);
        let began = SystemTime::now();
        let mut kept = KeptPromises::of(config, values);
        let rules: Vec<FaultRule<'_>> =
            config.faults.iter().map(|config| FaultRule { config, parts: self.parts }).collect();
        std::thread::scope(|scope| {
            let mut go = || {
                self.watch(scope)?;
                self.start_all()?;
                if !self.stage.goes_on() {
                    return Ok(());
                }
                let load = self.load()?;
                let mut faults = Vec::new();
                for (place, rule) in rules.iter().enumerate() {
                    let random = self.stage.random(place as u64);
                    faults.push(thread(scope, "fault", Box::new(move || rule.run(random)))?);
                }
                let is_complete = self.look_until_end(&mut kept, load.as_ref());
                world.quiet.stop();
                self.pause_if_wrong();
                faults.into_iter().for_each(|fault| drop(fault.join()));
                self.settle(&mut kept, load, is_complete);
                Ok::<(), io::Error>(())
            };
            let gone = go();
            self.pause_if_wrong();
            // Whatever happened, nobody is waited for who waits for an end.
            world.quiet.stop();
            world.over.stop();
            if gone.is_err() {
                world.abort.stop();
            }
            gone
        })?;
        monitors::surprises(world);
        let signal = self.stage.signal();
        self.end();
        Ok(self.report(began, &kept, signal))
    }

    /// Starts what the file names, one after the other, each once the one before is ready; then sees that pods are.
    fn start_all(&self) -> io::Result<()> {
        let (world, config) = (self.stage.world, self.parts.config);
        for part in &config.parts {
            for copy in 0..part.copies {
                self.parts.start(part, copy)?;
            }
            for copy in 0..part.copies {
                let name = self.parts.name(part, copy);
                let within = self.parts.ready_within(&name);
                if self.stage.goes_on() && self.wait_ready(&name, within).is_none() && self.stage.goes_on() {
                    monitors::surprises(world);
                    let says = world.processes.says(&name).unwrap_or_else(|| String::from("it is not there"));
                    let why = format!("{name} is not ready within {} s of its start: {says}", within.as_secs());
                    world.violate("ready", why + &monitors::tail(world, &name));
                }
            }
        }
        for set in config.pods.iter().filter(|_| self.stage.goes_on()) {
            let any_ready = |pods: &[_]| match pods.len() {
                0 => Err(format!("no pod has {}", set.selector)),
                count => all_ready(pods, count),
            };
            match set.wait(set.within, &|| !self.stage.goes_on(), &any_ready) {
                Ok(_) => {
                    self.parts.expect_pods(&set.name, set.sight().map_or(1, |pods| pods.len()));
                    world.lane(&set.name, LaneState::Ready);
                }
                Err(why) => world.violate("ready", format!("{}: at the start: {why}", set.name)),
            }
        }
        Ok(())
    }

    /// Waits until a process is ready, or has ended.
    fn wait_ready(&self, name: &str, within: Duration) -> Option<Duration> {
        let start = Instant::now();
        while self.stage.world.processes.is_there(name) && self.stage.goes_on() {
            if let Some(took) = self.stage.world.wait_ready(name, Duration::ZERO) {
                return Some(took);
            }
            if start.elapsed() >= within {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Starts what looks on.
    fn watch<'s>(&'s self, scope: &'s Scope<'s, '_>) -> io::Result<()> {
        thread(scope, "alive", Box::new(|| monitors::alive(self.stage.world)))?;
        if !self.parts.config.pods.is_empty() {
            thread(scope, "pods", Box::new(|| self.watch_pods()))?;
        }
        Ok(())
    }

    /// Stops what is there as soon as something is wrong, for somebody to look at.
    fn pause_if_wrong(&self) {
        if self.stage.world.violation().is_some() {
            self.stage.world.processes.pause_all();
        }
    }

    /// Sees that containers of pods do not end by themselves.
    fn watch_pods(&self) {
        let (world, config) = (self.stage.world, self.parts.config);
        // A program may well do that.
        if config.faults.iter().any(|fault| fault.how == FaultHow::Command) {
            return;
        }
        let mut known: Vec<(String, u64)> = Vec::new();
        loop {
            for set in &config.pods {
                for pod in set.sight().unwrap_or_default() {
                    match known.iter_mut().find(|(uid, _)| *uid == pod.uid) {
                        Some((_, restarts)) if *restarts < pod.restarts => {
                            *restarts = pod.restarts;
                            let why = format!("a container of pod {} ended by itself and was started again", pod.name);
                            world.violate("alive", why);
                        }
                        Some(_) => {}
                        None => known.push((pod.uid, pod.restarts)),
                    }
                }
            }
            if world.over.sleep(PODS) {
                return;
            }
        }
    }

    /// Starts what uses the system.
    fn load(&self) -> io::Result<Option<RunningLoad>> {
        let values = self.parts.values;
        Ok(match &self.parts.config.load {
            None => None,
            Some(LoadConfig::Command(words)) => {
                self.parts.start_load(words)?;
                Some(RunningLoad::Program)
            }
            Some(LoadConfig::Http(config)) => {
                let config = HttpLoadConfig {
                    url: values.text(&config.url, None),
                    out: values.text(&config.out, None),
                    ..config.clone()
                };
                let stop = Stop::new()?;
                let load = HttpLoad::new(config, stop.clone());
                // Not one of the run's: where all is to stop, its last answers are not waited for.
                let failed = Arc::new(Mutex::new(None));
                let told = Arc::clone(&failed);
                let work = move || *lock(&told) = load.run().err();
                let requests = spawn(LOAD, WORKER_STACK_BYTES, Box::new(work))?;
                Some(RunningLoad::Http { stop, requests, failed })
            }
        })
    }

    /// Looks at promises until the load ends, time is up, or something is wrong; whether all is through.
    fn look_until_end(&self, kept: &mut KeptPromises, load: Option<&RunningLoad>) -> bool {
        let (world, config, start) = (self.stage.world, self.parts.config, Instant::now());
        let is_program = matches!(load, Some(RunningLoad::Program));
        while self.stage.goes_on() {
            let left = config.end.after.map_or(ROUND, |after| after.saturating_sub(start.elapsed()));
            world.quiet.sleep(ROUND.min(left));
            kept.look(world, LookTime::Running);
            if let Some(RunningLoad::Http { failed, .. }) = load
                && let Some(error) = lock(failed).take()
            {
                world.violate("alive", format!("the load: {error}"));
            }
            if is_program && !world.processes.is_there(LOAD) {
                // It may have failed, which is told as what it is.
                monitors::surprises(world);
                return self.stage.goes_on();
            }
            if left.is_zero() {
                break;
            }
        }
        false
    }

    /// Without faults: all becomes ready, the load is over, and what must hold does, each within the time to settle.
    fn settle(&self, kept: &mut KeptPromises, load: Option<RunningLoad>, is_complete: bool) {
        let (world, config) = (self.stage.world, self.parts.config);
        let settle = config.end.settle;
        let start = Instant::now();
        while self.stage.goes_on() {
            let mut late = world.late();
            for set in &config.pods {
                let count = self.parts.expected_pods(&set.name);
                let late_pods = set.sight().and_then(|pods| all_ready(&pods, count)).err();
                late.extend(late_pods.map(|why| format!("{}: {why}", set.name)));
            }
            if late.is_empty() {
                break;
            }
            if start.elapsed() >= settle {
                let seconds = settle.as_secs();
                world.violate("ready", format!("not ready {seconds} s after the last fault: {}", late.join("; ")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        match load {
            Some(RunningLoad::Http { stop, requests, .. }) => {
                stop.stop();
                // Requests that are on their way belong to what is looked at.
                if self.stage.goes_on() {
                    let _ = requests.join();
                }
            }
            Some(RunningLoad::Program) if world.processes.is_there(LOAD) => self.parts.end(LOAD),
            _ => {}
        }
        let start = Instant::now();
        while self.stage.goes_on() {
            if kept.look(world, LookTime::End { is_complete }) {
                return;
            }
            if start.elapsed() >= settle {
                kept.tell(world);
                return;
            }
            std::thread::sleep(ROUND.min(settle));
        }
    }

    /// Ends the processes, the last one first; or stops them where they are, for somebody to look at.
    fn end(&self) {
        let world = self.stage.world;
        if !self.stage.goes_on() {
            if world.violation().is_some() {
                world.say("Pause the world!");
            }
            return world.processes.pause_all();
        }
        for part in self.parts.config.parts.iter().rev() {
            self.parts.there(&part.name).iter().for_each(|name| self.parts.end(name));
        }
    }

    fn report(&self, began: SystemTime, kept: &KeptPromises, signal: Option<i32>) -> RunReport {
        let (world, config) = (self.stage.world, self.parts.config);
        let mut faults = world.faults();
        sort_by_key(&mut faults, &|fault| fault.at);
        let ended_early = signal.is_some() || world.violation().is_some();
        let checks = kept.checks(config, &faults, &world.failed(), ended_early);
        self.stage.report(began, checks, faults, signal)
    }
}
