//! What all that happens in a run has in common: its processes, what was done to them, and the first thing that was wrong.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::crash::folder::RunFolder;
use crate::crash::pipeline::status::is_ready;
use crate::crash::report::{FaultRecord, Lane, LaneState, Sample, Span, Violation};
use crate::crash::tester::events::EventLog;
use crate::crash::tester::processes::Processes;
use crate::crash::tester::screen::{RunScreen, newest};
use crate::kernel::filesystem::available;
use crate::kernel::shutdown::Stop;
use crate::sync::lock;

/// How often it is looked whether something is ready.
const LOOK: Duration = Duration::from_millis(50);
/// For how long all crash loops hold until all that are awaited are ready; then the world is paused.
pub const HOLD: Duration = Duration::from_secs(20);
/// With less than this free, in bytes, writes may fail: parts write as much at once.
const FULL: u64 = 1 << 20;
/// How many rounds are kept: an hour and more of one a second.
const MOST_ROUNDS: usize = 4096;

/// A run.
pub struct RunWorld {
    /// When it began.
    pub began: Instant,
    /// Where its files are.
    pub folder: RunFolder,
    /// Its processes.
    pub processes: Processes,
    /// What was done and seen.
    pub events: EventLog,
    /// Set when there are to be no more faults.
    pub quiet: Stop,
    /// Set when nothing is to be looked at any more.
    pub over: Stop,
    /// Set when all is to stop where it is: something is wrong, or somebody interrupts it.
    pub abort: Stop,
    state: Mutex<WorldState>,
    screen: Mutex<RunScreen>,
}

#[derive(Debug, Default)]
struct WorldState {
    faults: Vec<FaultRecord>,
    violation: Option<Violation>,
    /// What failed, by check: the first reason of each.
    failed: Vec<(&'static str, String)>,
    /// By name.
    lanes: Vec<Lane>,
    /// How far keys were, by round.
    samples: Vec<Vec<Sample>>,
    /// Each so-manyth round is kept: 1, 2, 4, ….
    kept_rounds: u64,
    /// How many rounds there were.
    rounds: u64,
    /// What a fault is being done to, so that no other is.
    busy: Vec<String>,
    /// Since when something may be wrong of which what is put out tells more.
    suspicion: Option<(Instant, &'static str, String)>,
    /// Whether crash loops hold.
    is_held: bool,
}

/// Nobody else does anything to it, for as long as this is there.
pub struct TargetGuard<'w> {
    world: &'w RunWorld,
    name: String,
}

impl Drop for TargetGuard<'_> {
    fn drop(&mut self) {
        lock(&self.world.state).busy.retain(|name| *name != self.name);
    }
}

impl RunWorld {
    /// A new one.
    ///
    /// # Errors
    /// When the record of events cannot be made.
    pub fn new(folder: RunFolder, processes: Processes) -> io::Result<Self> {
        let began = Instant::now();
        let events = EventLog::create(&folder.events(), began)?;
        let (quiet, over, abort) = (Stop::new()?, Stop::new()?, Stop::new()?);
        Ok(Self {
            began,
            folder,
            processes,
            events,
            quiet,
            over,
            abort,
            state: Mutex::default(),
            screen: Mutex::new(RunScreen::stdout()),
        })
    }

    /// Shows a mark: what happens, in a few letters.
    pub fn mark(&self, mark: &str) {
        lock(&self.screen).mark(mark);
    }

    /// Shows a line of its own.
    pub fn say(&self, line: &str) {
        lock(&self.screen).say(line);
    }

    /// Shows how far it is, on a terminal.
    pub fn live(&self, progress: &str) {
        let line = newest(self.began.elapsed(), progress, &lock(&self.state).faults);
        lock(&self.screen).live(&line);
    }

    /// Has a target for oneself, unless something is being done to it already.
    pub fn take(&self, name: &str) -> Option<TargetGuard<'_>> {
        let mut state = lock(&self.state);
        let is_free = !state.busy.iter().any(|busy| busy == name);
        if is_free {
            state.busy.push(name.to_owned());
        }
        is_free.then(|| TargetGuard { world: self, name: name.to_owned() })
    }

    /// What was done, once it is over.
    pub fn record(&self, fault: FaultRecord) {
        lock(&self.state).faults.push(fault);
    }

    /// Something promised does not hold. The first one ends the run.
    pub fn violate(&self, check: &'static str, mut diagnosis: String) {
        // Whatever else is wrong, that is the first thing to know.
        if let Ok(free) = available(self.folder.path())
            && free < FULL
        {
            diagnosis
                .insert_str(0, &format!("the disk is full, or nearly so ({free} bytes are free in the run folder): "));
        }
        self.events.add("violation", check, &diagnosis);
        let mut state = lock(&self.state);
        if !state.failed.iter().any(|(failed, _)| *failed == check) {
            state.failed.push((check, diagnosis.clone()));
        }
        if state.violation.is_none() {
            state.violation = Some(Violation { at: self.began.elapsed(), check, diagnosis });
        }
        drop(state);
        self.stop_here();
    }

    /// There are no more faults, and nobody waits for anything any more.
    pub fn stop_here(&self) {
        self.quiet.stop();
        self.abort.stop();
    }

    /// Something promised does not hold, and what is put out will tell what comes of it: the run goes on for a while.
    pub fn suspect(&self, check: &'static str, diagnosis: String) {
        let mut state = lock(&self.state);
        if state.suspicion.is_none() {
            self.events.add("suspicion", check, &diagnosis);
            state.suspicion = Some((Instant::now(), check, diagnosis));
        }
    }

    /// Makes a suspicion of so long ago a violation.
    pub fn confirm(&self, after: Duration) {
        let suspicion = lock(&self.state).suspicion.take_if(|(since, ..)| since.elapsed() >= after);
        if let Some((_, check, diagnosis)) = suspicion {
            self.violate(check, diagnosis);
        }
    }

    /// The first thing that was wrong.
    pub fn violation(&self) -> Option<Violation> {
        lock(&self.state).violation.clone()
    }

    /// What failed, by check.
    pub fn failed(&self) -> Vec<(&'static str, String)> {
        lock(&self.state).failed.clone()
    }

    /// All that was done.
    pub fn faults(&self) -> Vec<FaultRecord> {
        lock(&self.state).faults.clone()
    }

    /// How far keys are in a round. Of long runs fewer are kept, so that they stay as many at most.
    pub fn sample(&self, samples: Vec<Sample>) {
        let mut state = lock(&self.state);
        let (round, every) = (state.rounds, state.kept_rounds.max(1));
        state.rounds += 1;
        if !round.is_multiple_of(every) {
            return;
        }
        state.samples.push(samples);
        if state.samples.len() >= MOST_ROUNDS {
            let mut place = 0usize;
            state.samples.retain(|_| {
                place += 1;
                !place.is_multiple_of(2)
            });
            state.kept_rounds = every * 2;
        }
    }

    /// All samples that were kept.
    pub fn samples(&self) -> Vec<Sample> {
        lock(&self.state).samples.concat()
    }

    /// From now on, a process is this.
    pub fn lane(&self, name: &str, state: LaneState) {
        let now = self.began.elapsed();
        let mut world = lock(&self.state);
        let place = world.lanes.binary_search_by(|lane| lane.name.as_str().cmp(name)).unwrap_or_else(|place| {
            world.lanes.insert(place, Lane { name: name.to_owned(), spans: Vec::new() });
            place
        });
        let spans = &mut world.lanes[place].spans;
        if let Some(last) = spans.last_mut() {
            last.to = now;
            if last.state == state {
                return;
            }
        }
        spans.push(Span { from: now, to: now, state });
    }

    /// Sees which of those that were started are ready by now.
    pub fn see_ready(&self) {
        let is_starting = |lane: &&Lane| lane.spans.last().is_some_and(|last| last.state == LaneState::Starting);
        let names: Vec<String> = {
            let state = lock(&self.state);
            state.lanes.iter().filter(is_starting).map(|lane| lane.name.clone()).collect()
        };
        for name in names.iter().filter(|name| self.processes.is_ready(name)) {
            self.lane(name, LaneState::Ready);
        }
    }

    /// What processes were over time, up to now.
    pub fn lanes(&self) -> Vec<Lane> {
        let now = self.began.elapsed();
        let mut lanes = lock(&self.state).lanes.clone();
        for lane in &mut lanes {
            lane.spans.last_mut().into_iter().for_each(|last| last.to = now);
        }
        lanes
    }

    /// Waits until a process is ready: after what time it was; `None` when it was not within `patience`, has ended, or all is to
    /// stop.
    pub fn wait_ready(&self, name: &str, patience: Duration) -> Option<Duration> {
        let start = Instant::now();
        loop {
            if self.processes.is_ready(name) {
                self.lane(name, LaneState::Ready);
                return Some(start.elapsed());
            }
            if start.elapsed() >= patience || self.abort.is_set() || !self.processes.is_there(name) {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether crash loops hold.
    pub fn is_held(&self) -> bool {
        lock(&self.state).is_held
    }

    /// Holds all crash loops until all that are awaited are ready; when that takes too long, the world is paused.
    pub fn hold(&self, late: &str) {
        if std::mem::replace(&mut lock(&self.state).is_held, true) {
            return;
        }
        self.events.add("hold", late, "not ready in time");
        let start = Instant::now();
        let late = loop {
            let late = self.late();
            if late.is_empty() || self.abort.is_set() {
                break Vec::new();
            }
            if start.elapsed() >= HOLD {
                break late;
            }
            std::thread::sleep(LOOK);
        };
        lock(&self.state).is_held = false;
        if !late.is_empty() {
            self.violate(
                "ready",
                format!("not ready {} s after faults were held: {}", HOLD.as_secs(), late.join("; ")),
            );
        }
    }

    /// Those that are awaited and not ready, with what they say.
    pub fn late(&self) -> Vec<String> {
        let awaited = self.processes.awaited().into_iter();
        awaited
            .filter(|name| !self.processes.is_stopped(name))
            .filter_map(|name| match self.processes.says(&name) {
                Some(line) if is_ready(&line) => None,
                Some(line) => Some(format!("{name}: {line}")),
                // It may have been killed in this moment.
                None if !self.processes.is_there(&name) => None,
                None => Some(format!("{name} says nothing")),
            })
            .collect()
    }
}
