//! A track on its way: whoever holds or does what it wants, and what became of that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::consumer::scenario::cast::{ScenarioCast, ScenarioCounts};
use crate::consumer::scenario::curves::{CurveGrid, NotedAmounts, TrackCurve};
use crate::consumer::scenario::held::{HeldTrack, TrackStep};
use crate::consumer::scenario::loads::LoadTrack;
use crate::scenario::PodScenario;
use crate::scenario::track::{AtLimit, Track, TrackKind};
use crate::units::decimal::fixed;

/// How often it looks where the curves are.
pub const TICK: Duration = Duration::from_millis(100);
/// How often limits are read anew.
const LIMITS: Duration = Duration::from_secs(5);

/// Who plays a track.
enum Actor {
    Held(HeldTrack),
    Load(LoadTrack),
}

/// A track that is played.
pub struct TrackPlayer {
    /// What it is about.
    pub kind: TrackKind,
    actor: Actor,
    /// What a CPU's shares are shares of; the other limits are asked for.
    cpu_limit: f64,
    limit: Option<(Option<f64>, Instant)>,
    wanted: f64,
    is_clipped: bool,
    clipped: u64,
    note: Option<String>,
    noted: NotedAmounts,
}

/// What is told of a track.
pub struct TrackReport {
    /// What it is about.
    pub kind: TrackKind,
    /// In its units.
    pub wanted: f64,
    /// What is held or achieved; of io loads it is not told here.
    pub held: Option<f64>,
    /// What its shares are shares of.
    pub limit: Option<f64>,
    /// How often it came to want more than it may have.
    pub clipped: u64,
    /// Why it is not as it should be.
    pub note: Option<String>,
}

impl TrackPlayer {
    /// One that nobody has told anything.
    pub fn new(kind: TrackKind, cast: &ScenarioCast) -> Self {
        let group = |place: usize| Actor::Held(HeldTrack::new(Arc::clone(&cast.groups[place])));
        let actor = match kind {
            TrackKind::Memory => group(0),
            TrackKind::Disk => group(1),
            TrackKind::Inode => group(2),
            TrackKind::Pid => group(3),
            TrackKind::Fd => group(4),
            TrackKind::Cpu => Actor::Load(LoadTrack::of_cpu(Arc::clone(&cast.cpu), cast.millicores, cast.number)),
            TrackKind::Io => Actor::Load(LoadTrack::of_io(Arc::clone(&cast.io), cast.io_spec.clone())),
        };
        Self {
            kind,
            actor,
            cpu_limit: cast.cpu_limit,
            limit: None,
            wanted: 0.0,
            is_clipped: false,
            clipped: 0,
            note: None,
            noted: NotedAmounts::default(),
        }
    }

    /// Goes on with what another one of its kind holds or does; with what it has noted, where their times are the same.
    pub fn take_over(&mut self, other: Self, keeps_notes: bool) {
        self.actor = other.actor;
        if keeps_notes {
            self.noted = other.noted;
        }
    }

    /// The scenario takes its group again, whoever has it.
    pub fn take_back(&mut self) {
        match &mut self.actor {
            Actor::Held(held) => held.take_back(),
            Actor::Load(load) => load.take_back(),
        }
    }

    /// Gives back what it holds, and ends what it does.
    pub fn end(&mut self) {
        match &mut self.actor {
            Actor::Held(held) => held.end(),
            Actor::Load(load) => load.end(),
        }
        self.wanted = 0.0;
    }

    /// It is to want what the track has at this second.
    pub fn expect(&mut self, track: &Track, second: f64) {
        self.wanted = track.wanted(second, self.known_limit()).unwrap_or_default();
    }

    /// What was held belongs to other times than those that come.
    pub fn forget(&mut self) {
        self.noted = NotedAmounts::default();
    }

    /// Notes what is held at second `passed`, all rounds counted.
    pub fn note(&mut self, passed: f64, speed: f64) {
        if let Some(held) = self.held() {
            // What a load achieves is told of the second before now: that is of its middle.
            let middle = if matches!(self.actor, Actor::Load(_)) { speed / 2.0 } else { 0.0 };
            self.noted.note(passed - middle, held);
        }
    }

    /// What it wants and held at the times of a grid.
    pub fn curve(&self, grid: &CurveGrid, plan: &PodScenario, track: &Track) -> TrackCurve {
        grid.curve(plan, track, self.known_limit(), &self.noted)
    }

    /// How long until its curve jumps or bends.
    pub fn nap(&mut self, track: &Track, second: f64, speed: f64) -> Duration {
        if self.limit.is_none_or(|(_, read)| read.elapsed() >= LIMITS) {
            let limit = match &self.actor {
                Actor::Held(held) => held.limit(),
                Actor::Load(_) => Some(self.cpu_limit).filter(|_| self.kind == TrackKind::Cpu),
            };
            self.limit = Some((limit, Instant::now()));
        }
        if speed > 0.0 { seconds((track.edge_after(second, self.known_limit()) - second) / speed) } else { TICK }
    }

    fn known_limit(&self) -> Option<f64> {
        self.limit.and_then(|(limit, _)| limit)
    }

    /// What the track wants now, and just before the next look.
    ///
    /// # Errors
    /// When that ends the scenario.
    pub fn step(
        &mut self,
        track: &Track,
        second: f64,
        next: f64,
        nap: Duration,
        counts: &ScenarioCounts,
    ) -> Result<(), String> {
        let limit = self.known_limit();
        if let Some(full) = track.stops_at(limit).filter(|full| second >= *full) {
            return Err(format!("{} is full at second {}", self.kind.name(), fixed(full, 0)));
        }
        let Some(wanted) = track.wanted(second, limit) else {
            self.note = Some(String::from("its limit is not known, so nobody knows what a share of it is"));
            return Ok(());
        };
        self.wanted = wanted;
        // A jump is not a slope: up to it, the curve is where it was just before.
        let before = second + (next - second) * (1.0 - 1e-6);
        let then = track.wanted(before, limit).unwrap_or(wanted);
        let step = match &mut self.actor {
            // What is between the two: it is too much as long as it is too little.
            Actor::Held(held) => held.follow((wanted + then) / 2.0),
            Actor::Load(load) => load.follow(wanted, then, nap),
        };
        let (note, is_clipped) = match step {
            TrackStep::Followed => (None, false),
            TrackStep::Clipped(why) => (Some(why), true),
            TrackStep::Failed(why) => (Some(why), self.is_clipped),
            TrackStep::TakenOver => (Some(String::from("a client has set, released or stopped it")), false),
        };
        if is_clipped && !self.is_clipped {
            self.clipped += 1;
            counts.clipped[self.kind as usize].fetch_add(1, Ordering::Relaxed);
        }
        self.is_clipped = is_clipped;
        self.note = note;
        match (&self.note, track.at_limit) {
            (Some(why), AtLimit::Stop) if is_clipped => Err(format!("{}: {why}", self.kind.name())),
            _ => Ok(()),
        }
    }

    /// What is held or achieved now, where that is known here.
    fn held(&self) -> Option<f64> {
        match &self.actor {
            Actor::Held(held) => Some(held.held() as f64),
            Actor::Load(load) => Some(load.achieved()).filter(|_| self.kind == TrackKind::Cpu),
        }
    }

    /// What there is to tell.
    pub fn report(&self) -> TrackReport {
        let held = self.held();
        let (kind, wanted, limit, clipped) = (self.kind, self.wanted, self.known_limit(), self.clipped);
        TrackReport { kind, wanted, held, limit, clipped, note: self.note.clone() }
    }
}

/// So long, or for ever; not less than nothing.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
