//! Playing a scenario: what its tracks want at each moment is taken, or done, by the groups that are there for it.
//!
//! ```text
//! cast     whom it tells what to do
//! clock    where it is: the clock on the wall, with pauses and skips
//! held     a track of something held: its group is told how much
//! loads    a track of something done: a load that is steered
//! events   readiness and faults
//! kept     the file that has it go on after a restart
//! stage    one scenario on its way
//! ```
//!
//! One thread plays. It looks ten times a second, and whenever a curve jumps, where each curve is, and tells the groups.
//! They are told as clients tell them, so that limits, admission, status and metrics are the same. What a client does with a
//! group in the meantime counts: its track is the client's from then on, until the scenario is resumed or sought.

pub mod cast;
pub mod clock;
pub mod curves;
pub mod events;
pub mod held;
pub mod kept;
pub mod loads;
pub mod player;
pub mod stage;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::scenario::PodScenario;
use crate::scenario::plan::OnRestart;
use crate::settings::scenario as file;
use crate::sync::{lock, spawn};

use cast::{ScenarioCast, ScenarioCounts};
use clock::ScenarioClock;
use curves::ScenarioCurves;
use kept::KeptScenario;
use stage::{ScenarioReport, StagedScenario};

/// How often a file is looked at that may change.
const LOOK: Duration = Duration::from_secs(2);
/// The stack of a thread that reads a file: its nesting is bounded, but deeper than other work.
const READER_STACK_BYTES: usize = 1 << 20;

/// Why a scenario was not begun, paused or sought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScenarioRefused {
    /// There is one already.
    Another,
    /// There is none, or it is over.
    Nothing,
    /// What is wrong with it, a line each.
    Wrong(Vec<String>),
    /// The machine does not let us.
    NotStarted(String),
}

/// Plays a scenario at a time.
pub struct ScenarioPlayer {
    cast: ScenarioCast,
    kept: KeptScenario,
    /// A file that is played, and read again when it changes.
    file: Option<PathBuf>,
    staged: Mutex<Option<StagedScenario>>,
    changed: Condvar,
    counts: ScenarioCounts,
    /// The thread that plays is there.
    plays: Mutex<bool>,
}

/// Seconds of Unix time.
pub fn wall() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl ScenarioPlayer {
    /// Plays nothing yet.
    pub fn new(cast: ScenarioCast, kept: KeptScenario, file: Option<PathBuf>) -> Self {
        let (staged, changed, counts) = (Mutex::default(), Condvar::new(), ScenarioCounts::default());
        Self { cast, kept, file, staged, changed, counts, plays: Mutex::default() }
    }

    /// Counters of all scenarios since the start.
    pub fn counts(&self) -> &ScenarioCounts {
        &self.counts
    }

    /// Reads a scenario, which names no files, in a thread that has the stack for it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &str) -> Result<PodScenario, ScenarioRefused> {
        let (text, read) = (text.to_owned(), Arc::new(Mutex::new(None)));
        let result = Arc::clone(&read);
        let work = move || *lock(&result) = Some(file::read("scenario", &text, None));
        let thread = spawn("scenario", READER_STACK_BYTES, Box::new(work));
        thread.map_err(|error| ScenarioRefused::NotStarted(error.to_string()))?.join().ok();
        let read = lock(&read).take();
        let plan = read.ok_or_else(|| ScenarioRefused::NotStarted(String::from("reading it ended in a panic")))?;
        self.allowed(plan.map_err(ScenarioRefused::Wrong)?)
    }

    fn allowed(&self, plan: PodScenario) -> Result<PodScenario, ScenarioRefused> {
        if !plan.faults.is_empty() && !self.cast.faults_on {
            let off = "tracks.fault: faults are off; FAULTS=on, or --faults on, turns them on at the start";
            return Err(ScenarioRefused::Wrong(vec![String::from(off)]));
        }
        Ok(plan)
    }

    /// Begins a scenario that was [read](ScenarioPlayer::read) from this text.
    ///
    /// # Errors
    /// When there is one, and it is not to be replaced.
    pub fn give(self: &Arc<Self>, plan: PodScenario, text: &str, replaces: bool) -> Result<(), ScenarioRefused> {
        self.start(false).map_err(|error| ScenarioRefused::NotStarted(error.to_string()))?;
        let mut staged = lock(&self.staged);
        if !replaces && staged.as_ref().is_some_and(StagedScenario::is_on) {
            return Err(ScenarioRefused::Another);
        }
        self.begin(&mut staged, plan, ScenarioClock::new(wall()), text);
        Ok(())
    }

    fn begin(&self, staged: &mut Option<StagedScenario>, plan: PodScenario, clock: ScenarioClock, text: &str) {
        let mut begun = StagedScenario::new(plan, clock, text.to_owned(), &self.cast);
        if let Some(mut before) = staged.take() {
            begun.take_over(&mut before, wall());
            before.end();
        }
        self.keep(&begun);
        *staged = Some(begun);
        self.changed.notify_all();
    }

    fn keep(&self, staged: &StagedScenario) {
        if let Err(error) = self.kept.write(&staged.clock, &staged.text) {
            log::warn!("Scenario: it does not go on after a restart, since it cannot be kept: {error}");
        }
    }

    /// Ends the scenario: what it holds is released. Says whether there was one.
    pub fn end(&self) -> bool {
        let mut staged = lock(&self.staged);
        let Some(mut ended) = staged.take() else { return false };
        ended.end();
        self.kept.remove();
        log::info!("Scenario: ended on request");
        true
    }

    /// It stays where it is, or goes on from there.
    ///
    /// # Errors
    /// When there is none that goes on.
    pub fn pause(&self, pauses: bool) -> Result<(), ScenarioRefused> {
        self.change(|staged| if pauses { staged.clock.pause(wall()) } else { staged.resume(wall()) })
    }

    /// From now on it is so many seconds after its beginning.
    ///
    /// # Errors
    /// When there is none that goes on.
    pub fn seek(&self, second: f64) -> Result<(), ScenarioRefused> {
        self.change(|staged| staged.seek(wall(), second))
    }

    fn change(&self, change: impl FnOnce(&mut StagedScenario)) -> Result<(), ScenarioRefused> {
        let mut staged = lock(&self.staged);
        let staged = staged.as_mut().filter(|staged| staged.is_on()).ok_or(ScenarioRefused::Nothing)?;
        change(staged);
        self.keep(staged);
        self.changed.notify_all();
        Ok(())
    }

    /// Where it is, and what its tracks want and hold.
    pub fn report(&self) -> Option<ScenarioReport> {
        lock(&self.staged).as_ref().map(|staged| staged.report(wall()))
    }

    /// What its tracks want and held around now, at about so many points.
    pub fn curves(&self, points: u32) -> Option<ScenarioCurves> {
        lock(&self.staged).as_ref().map(|staged| staged.curves(wall(), points))
    }

    /// `waiting`, `playing`, `paused`, `over` or `stopped`; `None` where there is none.
    pub fn state(&self) -> Option<&'static str> {
        lock(&self.staged).as_ref().map(|staged| staged.state(wall()))
    }

    /// Begins what there is from the start: the file, or what a process before this one played. Where there is neither,
    /// nothing is done and no thread is needed.
    pub fn begin_with_the_service(self: &Arc<Self>) {
        if (self.file.is_some() || self.kept.read().is_some())
            && let Err(error) = self.start(true)
        {
            log::error!("Scenario: it is not played: {error}");
        }
    }

    /// Has a thread play, from the first scenario on: what is there from the start, or what is given in a moment.
    fn start(self: &Arc<Self>, from_the_start: bool) -> io::Result<()> {
        let mut plays = lock(&self.plays);
        if !*plays {
            let player = Arc::clone(self);
            spawn("scenario", READER_STACK_BYTES, Box::new(move || player.play(from_the_start)))?;
            *plays = true;
        }
        Ok(())
    }

    /// Plays until the service stops.
    fn play(&self, from_the_start: bool) {
        let mut read = if from_the_start { self.begin_at_start() } else { None };
        let mut looked = wall();
        while !self.cast.stop.is_set() {
            let mut staged = lock(&self.staged);
            let mut nap = LOOK;
            if let Some(staged) = staged.as_mut().filter(|staged| staged.is_on()) {
                nap = staged.step(wall(), &self.counts);
                if !staged.is_on() {
                    staged.end();
                    self.kept.remove();
                }
            }
            drop(self.changed.wait_timeout(staged, nap.min(LOOK)).unwrap_or_else(PoisonError::into_inner));
            if self.file.is_some() && (wall() - looked).abs() >= LOOK.as_secs_f64() {
                looked = wall();
                self.look_again(&mut read);
            }
        }
    }

    /// The scenario of a process before this one, or else that of the file. Returns the file's text.
    fn begin_at_start(&self) -> Option<String> {
        let kept = self.kept.read();
        let text = self.file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let is_of_file = kept.as_ref().is_some_and(|(_, kept)| Some(kept) == text.as_ref());
        if let Some((mut clock, kept)) = kept.filter(|_| !is_of_file || text.is_some()) {
            let plan = if is_of_file { self.load() } else { self.read(&kept) };
            match plan {
                Ok(plan) => {
                    if plan.on_restart == OnRestart::Begin {
                        clock = ScenarioClock::new(wall());
                    }
                    log::info!("Scenario: it goes on after a restart");
                    self.begin(&mut lock(&self.staged), plan, clock, &kept);
                    return text;
                }
                Err(why) => log::error!("Scenario: what was kept is not played: {why:?}"),
            }
        }
        if self.file.is_some() {
            self.take_file(text.as_deref());
        }
        text
    }

    /// Reads the file, and the recordings that it names.
    fn load(&self) -> Result<PodScenario, ScenarioRefused> {
        let path = self.file.as_deref().ok_or(ScenarioRefused::Nothing)?;
        self.allowed(file::load(path).map_err(ScenarioRefused::Wrong)?)
    }

    fn take_file(&self, text: Option<&str>) {
        match self.load() {
            Ok(plan) => {
                let clock = ScenarioClock::new(wall());
                self.begin(&mut lock(&self.staged), plan, clock, text.unwrap_or_default());
                log::info!("Scenario: the file is played");
            }
            Err(ScenarioRefused::Wrong(lines)) => {
                for line in lines {
                    log::error!("Scenario: {line}");
                }
            }
            Err(why) => log::error!("Scenario: {why:?}"),
        }
    }

    fn look_again(&self, read: &mut Option<String>) {
        let text = self.file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        if text.is_some() && text != *read {
            *read = text;
            self.take_file(read.as_deref());
        }
    }
}
