//! One scenario on its way: its plan, its clock, and who plays each track.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::consumer::scenario::cast::{ScenarioCast, ScenarioCounts};
use crate::consumer::scenario::clock::ScenarioClock;
use crate::consumer::scenario::curves::{CurveGrid, ScenarioCurves};
use crate::consumer::scenario::events::SwitchedByScenario;
use crate::consumer::scenario::player::{TICK, TrackPlayer, TrackReport, seconds};
use crate::scenario::PodScenario;
use crate::scenario::chance::hash;
use crate::scenario::plan::ScenarioPosition;
use crate::scenario::start::StartTime;
use crate::units::decimal::fixed;

/// The shortest time between two looks, however many jumps there are.
const SHORTEST: Duration = Duration::from_millis(2);
/// By how many seconds the clock on the wall may differ from one that never jumps, from one look to the next.
const JUMP: f64 = 1.0;
/// A scenario that was given, until another one is, or it is ended.
pub struct StagedScenario {
    plan: Arc<PodScenario>,
    /// Where it is.
    pub clock: ScenarioClock,
    /// As it was given.
    pub text: String,
    pod: String,
    players: Vec<TrackPlayer>,
    switched: SwitchedByScenario,
    end: Option<ScenarioEnd>,
    id: String,
    /// When it was looked at last, by the clock on the wall and by one that never jumps.
    looked: Option<(f64, Instant)>,
}

/// How it ended.
#[derive(Clone, Debug)]
enum ScenarioEnd {
    Over,
    Stopped(String),
}

/// What is told of a scenario.
pub struct ScenarioReport {
    /// Another one for another text.
    pub id: String,
    /// `waiting`, `playing`, `paused`, `over` or `stopped`.
    pub state: &'static str,
    /// Why it was stopped.
    pub reason: Option<String>,
    /// Seconds until it begins.
    pub waits: Option<f64>,
    /// Seconds of the scenario, in its round.
    pub second: f64,
    /// From 0.
    pub round: u64,
    /// What is played.
    pub plan: Arc<PodScenario>,
    /// Its tracks.
    pub tracks: Vec<TrackReport>,
}

impl StagedScenario {
    /// A scenario that nobody plays yet.
    pub fn new(plan: PodScenario, clock: ScenarioClock, text: String, cast: &ScenarioCast) -> Self {
        let players = plan.tracks.iter().map(|track| TrackPlayer::new(track.kind, cast)).collect();
        let switched = SwitchedByScenario::new(Arc::clone(&cast.ready), Arc::clone(&cast.faults), cast.stop.clone());
        let (id, pod) = (format!("{:016x}", hash(&text)), cast.pod.clone());
        Self { plan: Arc::new(plan), clock, text, pod, players, switched, end: None, id, looked: None }
    }

    /// Takes the place of one that is on: what both hold or do goes on from where it is, and is not given back in between.
    /// Where this one has not begun yet, nothing goes on.
    pub fn take_over(&mut self, before: &mut Self, now: f64) {
        let has_begun = matches!(self.clock.position(&self.plan, now, &self.pod), ScenarioPosition::At { .. });
        if !has_begun || !before.is_on() {
            return;
        }
        let (new, old) = (&self.plan, &before.plan);
        let is_as_given = before.clock.behind == 0.0 && before.clock.paused.is_none();
        let has_same_start = matches!(new.start, StartTime::Instant(_)) && new.start == old.start && is_as_given;
        let has_same_form = (new.offset, new.speed, new.length) == (old.offset, old.speed, old.length);
        let has_same_times = has_same_start && has_same_form;
        for player in &mut self.players {
            if let Some(place) = before.players.iter().position(|old| old.kind == player.kind) {
                player.take_over(before.players.swap_remove(place), has_same_times);
            }
        }
        if has_same_times && new.ready == old.ready && new.faults == old.faults {
            std::mem::swap(&mut self.switched, &mut before.switched);
        }
        self.take_back();
    }

    /// Whether it has not come to its end.
    pub fn is_on(&self) -> bool {
        self.end.is_none()
    }

    /// Goes on, with all tracks.
    pub fn resume(&mut self, now: f64) {
        self.clock.resume(now);
        self.take_back();
    }

    /// From now on it is so many seconds after its beginning.
    pub fn seek(&mut self, now: f64, second: f64) {
        self.clock.seek(&self.plan, now, &self.pod, second);
        self.leave();
        self.take_back();
        // What is told before the next step is of the new place.
        if let ScenarioPosition::At { second, .. } = self.clock.position(&self.plan, now, &self.pod) {
            for (player, track) in self.players.iter_mut().zip(&self.plan.tracks) {
                player.expect(track, second);
            }
        }
    }

    /// It goes on elsewhere: what lies between is skipped, and what was held belongs to times that may come again.
    fn leave(&mut self) {
        self.switched.end(&self.plan);
        self.switched.skip();
        for player in &mut self.players {
            player.forget();
        }
    }

    /// Whether the clock on the wall was set since the last look.
    fn has_jumped(&mut self, now: f64) -> bool {
        let at = Instant::now();
        let last = self.looked.replace((now, at));
        let by = last.map_or(0.0, |(wall, looked)| now - wall - at.duration_since(looked).as_secs_f64());
        if by.abs() <= JUMP {
            return false;
        }
        log::warn!("Scenario: the clock was set, by {} s: it goes on where it is by now", fixed(by, 0));
        true
    }

    fn take_back(&mut self) {
        for player in &mut self.players {
            player.take_back();
        }
    }

    /// Tells everybody what is wanted now. Returns how long that holds.
    pub fn step(&mut self, now: f64, counts: &ScenarioCounts) -> Duration {
        let plan = Arc::clone(&self.plan);
        if self.has_jumped(now) {
            self.leave();
        }
        let position = self.clock.position(&plan, now, &self.pod);
        let (second, round) = match position {
            ScenarioPosition::Before(wait) => {
                // Where the clock was set back, something may be held.
                self.release();
                return Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX).max(SHORTEST);
            }
            ScenarioPosition::Over => {
                log::info!("Scenario: over");
                self.end = Some(ScenarioEnd::Over);
                return Duration::ZERO;
            }
            ScenarioPosition::At { second, round } => (second, round),
        };
        let speed = if self.clock.paused.is_some() { 0.0 } else { plan.speed };
        if speed > 0.0 {
            self.switched.follow(&plan, round, second);
        }
        let mut nap = TICK;
        for player in &mut self.players {
            let Some(track) = plan.track(player.kind) else { continue };
            nap = nap.min(player.nap(track, second, speed));
        }
        if let Some(length) = plan.length.filter(|_| speed > 0.0) {
            nap = nap.min(seconds((length - second) / speed));
        }
        let nap = nap.max(SHORTEST);
        for player in &mut self.players {
            let Some(track) = plan.track(player.kind) else { continue };
            if let Err(why) = player.step(track, second, second + nap.as_secs_f64() * speed, nap, counts) {
                log::warn!("Scenario: stopped: {why}");
                self.clock.pause(now);
                counts.stopped.fetch_add(1, Ordering::Relaxed);
                self.end = Some(ScenarioEnd::Stopped(why));
                return Duration::ZERO;
            }
            if speed > 0.0 {
                player.note(plan.passed(position), speed);
            }
        }
        nap
    }

    /// Releases whatever is held for it.
    pub fn end(&mut self) {
        self.switched.end(&self.plan);
        self.release();
    }

    fn release(&mut self) {
        for player in &mut self.players {
            player.end();
        }
    }

    /// What its tracks want and held around now, at about so many points.
    pub fn curves(&self, now: f64, points: u32) -> ScenarioCurves {
        let passed = self.plan.passed(self.clock.position(&self.plan, now, &self.pod));
        let grid = CurveGrid::around(&self.plan, passed, points);
        let mut curves = Vec::new();
        for player in &self.players {
            if let Some(track) = self.plan.track(player.kind) {
                curves.push(player.curve(&grid, &self.plan, track));
            }
        }
        let (from, step) = grid.in_world();
        ScenarioCurves { from, step, curves }
    }

    /// `waiting`, `playing`, `paused`, `over` or `stopped`.
    pub fn state(&self, now: f64) -> &'static str {
        self.state_at(self.clock.position(&self.plan, now, &self.pod))
    }

    fn state_at(&self, position: ScenarioPosition) -> &'static str {
        match &self.end {
            Some(ScenarioEnd::Over) => "over",
            Some(ScenarioEnd::Stopped(_)) => "stopped",
            None if self.clock.paused.is_some() => "paused",
            None if matches!(position, ScenarioPosition::Before(_)) => "waiting",
            None => "playing",
        }
    }

    /// Where it is, and what its tracks want and hold.
    pub fn report(&self, now: f64) -> ScenarioReport {
        let position = self.clock.position(&self.plan, now, &self.pod);
        let (waits, second, round) = match position {
            ScenarioPosition::Before(wait) => (Some(wait), 0.0, 0),
            ScenarioPosition::At { second, round } => (None, second, round),
            ScenarioPosition::Over => (None, self.plan.length.unwrap_or_default(), self.plan.repeat.unwrap_or(1) - 1),
        };
        let reason = match &self.end {
            Some(ScenarioEnd::Stopped(why)) => Some(why.clone()),
            _ => None,
        };
        let state = self.state_at(position);
        let tracks = self.players.iter().map(TrackPlayer::report).collect();
        let (id, plan) = (self.id.clone(), Arc::clone(&self.plan));
        ScenarioReport { id, state, reason, waits, second, round, plan, tracks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::consumer::admission::headroom::MemoryAdmission;
    use crate::consumer::control::forced_note::ForcedNote;
    use crate::consumer::control::group::Group;
    use crate::consumer::control::id::Ids;
    use crate::consumer::countable::CountableStore;
    use crate::consumer::countable::fds::Descriptors;
    use crate::consumer::disk::workdir::Workdir;
    use crate::consumer::load::LoadGroup;
    use crate::consumer::load::io::{IoRate, IoSpec};
    use crate::kernel::Kernel;
    use crate::kernel::shutdown::Stop;
    use crate::settings::Number;
    use crate::settings::scenario::read;
    use crate::units::quantity::Amount;

    /// All groups are of descriptors.
    fn cast(folder: &Path) -> ScenarioCast {
        let (ids, stop) = (Arc::new(Ids::new()), Stop::new().unwrap());
        let folder = Arc::new(Workdir::new(folder, Amount::Exactly(0)));
        let group = |_: usize| {
            let descriptors = Box::new(Descriptors::new(Kernel::default(), 0));
            let store = CountableStore::new(descriptors, MemoryAdmission::new(Kernel::default(), 0), None);
            let note = ForcedNote::new(Arc::clone(&folder), Kernel::default(), "thing");
            Arc::new(Group::new(Arc::new(store), note, Arc::clone(&ids), stop.clone(), None))
        };
        let loads = |name| Arc::new(LoadGroup::new(name, "load", Arc::clone(&ids), stop.clone(), None));
        ScenarioCast {
            groups: std::array::from_fn(group),
            cpu: loads("cpu"),
            millicores: 1000,
            cpu_limit: 1000.0,
            number: Number { value: 1, set_by_user: false },
            io: loads("io"),
            io_spec: IoSpec { rate: IoRate::Unbounded, folder: Arc::clone(&folder), moved: Arc::default() },
            ready: Arc::default(),
            faults: Arc::default(),
            faults_on: true,
            pod: String::from("web-0"),
            stop: stop.clone(),
        }
    }

    /// It looks until so much is held.
    fn looks_until_held(staged: &mut StagedScenario, now: f64, amount: f64) {
        let until = Instant::now() + Duration::from_secs(20);
        while staged.report(now).tracks[0].held != Some(amount) {
            staged.step(now, &ScenarioCounts::default());
            assert!(Instant::now() < until, "{:?}", staged.report(now).tracks[0].held);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn where_the_clock_is_set_it_goes_on_where_it_is_by_then_and_what_lies_between_does_not_happen() {
        let folder = tempfile::tempdir().unwrap();
        let cast = cast(folder.path());
        let text = "version: 1\ntracks:\n  fd: {ramp: {from: 0, to: 100, over: 100s}}\n  \
                    ready: [{at: 10s, for: 5s, is: no}, {at: 50s, for: 50s, is: no}]\n  \
                    fault: [{at: 20s, for: 5s, kind: hang}, {at: 60s, for: 9s, kind: delay, ms: 9}]\n";
        let plan = read("a.yaml", text, None).unwrap();
        let mut staged = StagedScenario::new(plan, ScenarioClock::new(1000.0), String::new(), &cast);
        looks_until_held(&mut staged, 1001.0, 1.0);
        // Ahead: the readiness of then, but no fault on the way.
        looks_until_held(&mut staged, 1055.0, 55.0);
        assert!(cast.ready.trouble().is_some() && cast.faults.active().is_empty(), "{:?}", cast.faults.active());
        // Back, before its beginning: nothing is held.
        looks_until_held(&mut staged, 900.0, 0.0);
        assert!(cast.ready.trouble().is_none());
        assert_eq!(staged.report(900.0).state, "waiting");
        // And there again, into a fault that goes on.
        looks_until_held(&mut staged, 1062.0, 62.0);
        assert_eq!(cast.faults.active().len(), 1, "{:?}", cast.faults.active());
        staged.end();
        assert!(cast.ready.trouble().is_none() && cast.faults.active().is_empty());
    }
}
