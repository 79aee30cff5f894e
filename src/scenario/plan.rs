//! A scenario as a whole: its tracks, and where in them it is.

use crate::scenario::start::{StartOffset, StartTime};
use crate::scenario::track::{FaultInterval, ReadyInterval, Track, TrackKind};

/// What a pod is to hold, over time.
#[derive(Debug)]
pub struct PodScenario {
    /// So many seconds of the scenario pass in one; more than 0.
    pub speed: f64,
    /// How often it is played; `None` is forever.
    pub repeat: Option<u64>,
    /// What the amounts of all tracks are multiplied by, from 0; each track has it, too.
    pub scale: f64,
    /// Seconds of the scenario that it lasts, more than 0; `None` where it has no end.
    pub length: Option<f64>,
    /// When it begins.
    pub start: StartTime,
    /// By how much pods begin later than that.
    pub offset: StartOffset,
    /// What holds after the container was restarted.
    pub on_restart: OnRestart,
    /// What is wanted, a kind a track.
    pub tracks: Vec<Track>,
    /// When it says that it is ready, and when not.
    pub ready: Vec<ReadyInterval>,
    /// What goes wrong, and when.
    pub faults: Vec<FaultInterval>,
}

/// What holds after the container was restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRestart {
    /// It goes on where the clock is.
    #[default]
    Continue,
    /// It begins anew.
    Begin,
}

/// Where in a scenario it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScenarioPosition {
    /// It begins in so many seconds.
    Before(f64),
    /// In the middle of it.
    At {
        /// Seconds of the scenario.
        second: f64,
        /// From 0.
        round: u64,
    },
    /// All its rounds are over.
    Over,
}

/// Nothing, once, from now on: what a file says of which every key is left out.
impl Default for PodScenario {
    fn default() -> Self {
        Self {
            speed: 1.0,
            repeat: Some(1),
            scale: 1.0,
            length: None,
            start: StartTime::Now,
            offset: StartOffset::Same,
            on_restart: OnRestart::Continue,
            tracks: Vec::new(),
            ready: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl PodScenario {
    /// Where it is. Times are seconds of Unix time, as the clock on the wall has them: where that jumps, so does the
    /// scenario.
    ///
    /// `started` is when this pod was given the scenario: for the first time where it is to go on after a restart, since
    /// the container's last start where it is to begin anew.
    pub fn position(&self, now: f64, started: f64, pod: &str) -> ScenarioPosition {
        let zero = self.zero(started, pod);
        if now < zero {
            return ScenarioPosition::Before(zero - now);
        }
        let passed = (now - zero) * self.speed;
        let Some(length) = self.length else { return ScenarioPosition::At { second: passed, round: 0 } };
        let round = (passed / length).floor();
        if self.repeat.is_some_and(|rounds| round >= rounds as f64) {
            return ScenarioPosition::Over;
        }
        ScenarioPosition::At { second: (passed - round * length).clamp(0.0, length), round: round as u64 }
    }

    /// Seconds since its second 0, all rounds counted; below 0 before it begins.
    pub fn passed(&self, position: ScenarioPosition) -> f64 {
        let length = self.length.unwrap_or_default();
        match position {
            ScenarioPosition::Before(wait) => -wait * self.speed,
            ScenarioPosition::At { second, round } => round as f64 * length + second,
            ScenarioPosition::Over => self.repeat.unwrap_or(1) as f64 * length,
        }
    }

    /// When it is at its second 0, of its first round.
    pub fn zero(&self, started: f64, pod: &str) -> f64 {
        let zero = self.start.zero(started, self.offset, pod);
        if self.on_restart == OnRestart::Begin { zero.max(started) } else { zero }
    }

    /// How much of a kind is wanted at second `s`, in its units. `None` when there is no such track, or it depends on a
    /// limit that is not known.
    pub fn wanted(&self, kind: TrackKind, s: f64, limit: Option<f64>) -> Option<f64> {
        self.track(kind)?.wanted(s, limit)
    }

    /// The track of a kind.
    pub fn track(&self, kind: TrackKind) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == kind)
    }

    /// Whether it says at second `s` that it is ready. Of several intervals the last one counts.
    pub fn is_ready(&self, s: f64) -> bool {
        let holds = self.ready.iter().rfind(|ready| ready.interval.holds(s));
        holds.is_none_or(|ready| ready.is_ready)
    }

    /// The latest second at which anything in it comes to an end, where something does.
    pub fn natural_length(&self) -> Option<f64> {
        let mut longest = 0.0f64;
        for shape in self.tracks.iter().flat_map(|track| &track.shapes) {
            longest = longest.max(shape.length().unwrap_or_default());
        }
        for ready in &self.ready {
            longest = longest.max(ready.interval.end());
        }
        for fault in &self.faults {
            longest = longest.max(fault.interval.end());
        }
        (longest > 0.0).then_some(longest)
    }

    /// Seconds that are worth looking at: its length, or its longest period, or an hour.
    pub fn horizon(&self) -> f64 {
        /// Of what never ends and has no period.
        const HORIZON: f64 = 3600.0;
        self.length.unwrap_or_else(|| {
            let mut longest = 0.0f64;
            for shape in self.tracks.iter().flat_map(|track| &track.shapes) {
                longest = longest.max(shape.period().unwrap_or_default());
            }
            if longest > 0.0 { longest } else { HORIZON }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scenario(speed: f64, repeat: Option<u64>, length: Option<f64>) -> PodScenario {
        PodScenario { speed, repeat, length, ..PodScenario::default() }
    }

    #[test]
    fn a_scenario_is_before_at_or_over() {
        let plan = scenario(60.0, Some(2), Some(3600.0));
        let at = |now| plan.position(now, 1000.0, "");
        assert_eq!(at(990.0), ScenarioPosition::Before(10.0));
        assert_eq!(at(1000.0), ScenarioPosition::At { second: 0.0, round: 0 });
        assert_eq!(at(1090.0), ScenarioPosition::At { second: 1800.0, round: 1 });
        assert_eq!(at(1120.0), ScenarioPosition::Over);
        let endless = scenario(1.0, None, None);
        assert_eq!(endless.position(1e9, 0.0, ""), ScenarioPosition::At { second: 1e9, round: 0 });
    }

    #[test]
    fn a_time_that_is_over_is_where_the_clock_is_unless_it_begins_anew() {
        let mut plan = scenario(1.0, None, Some(100.0));
        plan.start = StartTime::Instant(500.0);
        assert_eq!(plan.position(1010.0, 1000.0, ""), ScenarioPosition::At { second: 10.0, round: 5 });
        plan.on_restart = OnRestart::Begin;
        assert_eq!(plan.position(1010.0, 1000.0, ""), ScenarioPosition::At { second: 10.0, round: 0 });
        assert_eq!(plan.position(400.0, 300.0, ""), ScenarioPosition::Before(100.0));
    }

    proptest! {
        #[test]
        fn a_position_is_within_the_length(now in 0.0f64..4e9, started in 0.0f64..4e9, speed in 0.001f64..1000.0, length in 0.001f64..1e8) {
            match scenario(speed, None, Some(length)).position(now, started, "web-1") {
                ScenarioPosition::At { second, .. } => prop_assert!((0.0..=length).contains(&second)),
                ScenarioPosition::Before(wait) => prop_assert!(wait > 0.0 && now < started),
                ScenarioPosition::Over => prop_assert!(false, "it has no end"),
            }
        }
    }
}
