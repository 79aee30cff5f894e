//! What the tracks wanted, want and will want around now, beside what they held: for whoever draws it.

use std::time::{Duration, Instant};

use crate::scenario::PodScenario;
use crate::scenario::track::{Track, TrackKind};

/// How often what is held is noted.
const EACH: Duration = Duration::from_secs(1);
/// How far curves go back and ahead, in seconds of the world: as many notes are kept.
const REACH: u32 = 600;

/// Curves on one grid of times.
pub struct ScenarioCurves {
    /// The first time of the grid, in seconds of the world from now.
    pub from: f64,
    /// From one time to the next.
    pub step: f64,
    /// A curve for each track.
    pub curves: Vec<TrackCurve>,
}

/// What one track wants and held at each time of a grid.
pub struct TrackCurve {
    /// What it is about.
    pub kind: TrackKind,
    /// In its units; `None` where the scenario has not begun, is over, or that depends on a limit nobody knows.
    pub planned: Vec<Option<f64>>,
    /// In the same; `None` where it was not noted, as in what is to come.
    pub held: Vec<Option<f64>>,
}

/// What a track held in the last minutes, by the scenario's own time, all rounds counted: a pause takes none of it.
#[derive(Default)]
pub struct NotedAmounts {
    notes: Vec<(f64, f32)>,
    /// Where the next one goes, once there are as many as are kept.
    next: usize,
    last: Option<Instant>,
}

impl NotedAmounts {
    /// Notes what is held at second `passed`, unless something was noted just before.
    pub fn note(&mut self, passed: f64, held: f64) {
        if self.last.is_some_and(|last| last.elapsed() < EACH) {
            return;
        }
        self.last = Some(Instant::now());
        self.put(passed, held);
    }

    fn put(&mut self, passed: f64, held: f64) {
        let note = (passed, held as f32);
        match self.notes.get_mut(self.next) {
            Some(oldest) => *oldest = note,
            None => self.notes.push(note),
        }
        self.next = (self.next + 1) % REACH as usize;
    }

    /// What was noted last in `margin` up to `passed`.
    fn at(&self, passed: f64, margin: f64) -> Option<f64> {
        let mut best: Option<(f64, f32)> = None;
        for &(noted, held) in &self.notes {
            if noted <= passed && noted > passed - margin && best.is_none_or(|(best, _)| noted > best) {
                best = Some((noted, held));
            }
        }
        best.map(|(_, held)| f64::from(held))
    }
}

/// The times at which curves are told: a grid of the scenario's own time, so that one that is asked for again a moment later
/// has the same points.
pub struct CurveGrid {
    /// The scenario's second now, all rounds counted; below 0 before it begins.
    passed: f64,
    /// The first point, as a number of steps since the scenario's second 0.
    first: f64,
    points: u32,
    /// In the scenario's seconds.
    step: f64,
    speed: f64,
    /// When it is over, in its seconds.
    end: f64,
}

impl CurveGrid {
    /// At most `points` and two, from ten minutes ago until ten minutes from now, where the scenario goes that far.
    pub fn around(plan: &PodScenario, passed: f64, points: u32) -> Self {
        let end = plan.length.zip(plan.repeat).map_or(f64::INFINITY, |(length, rounds)| length * rounds as f64);
        let reach = f64::from(REACH) * plan.speed;
        let step = (2.0 * reach).min(end) / f64::from(points.max(1));
        let first = ((passed - reach).max(passed.min(0.0)) / step).floor();
        let last = ((passed + reach).min(end) / step).ceil();
        Self { passed, first, points: (last - first).max(0.0) as u32 + 1, step, speed: plan.speed, end }
    }

    /// The first time, in seconds of the world from now, and how far it is from one to the next.
    pub fn in_world(&self) -> (f64, f64) {
        ((self.first * self.step - self.passed) / self.speed, self.step / self.speed)
    }

    /// A track's curve.
    pub fn curve(&self, plan: &PodScenario, track: &Track, limit: Option<f64>, noted: &NotedAmounts) -> TrackCurve {
        let (mut planned, mut held) = (Vec::new(), Vec::new());
        // Notes are a second apart, and a moment late now and then.
        let margin = self.step.max(2.0 * self.speed);
        for point in 0..self.points {
            let at = (self.first + f64::from(point)) * self.step;
            // The last point may lie a rounding error behind the end.
            let is_on = at >= 0.0 && at < self.end + self.step / 2.0;
            let at_most = at.min(self.end);
            let second = match plan.length {
                Some(length) if at_most > length => at_most - (at_most / length).floor() * length,
                _ => at_most,
            };
            planned.push(if is_on { track.wanted(second, limit) } else { None });
            held.push(if at <= self.passed { noted.at(at, margin) } else { None });
        }
        TrackCurve { kind: track.kind, planned, held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::track::TrackKind;
    use crate::settings::scenario::read;
    use proptest::prelude::*;

    fn plan(text: &str) -> PodScenario {
        read("a.yaml", text, None).unwrap()
    }

    #[test]
    fn a_short_scenario_is_there_whole_and_its_points_stay_where_they_are() {
        let plan = plan("version: 1\nspeed: 10\ntracks: {fd: {ramp: {from: 0, to: 100, over: 100s}}}\n");
        let track = plan.track(TrackKind::Fd).unwrap();
        let mut noted = NotedAmounts::default();
        for second in 0..=35 {
            noted.put(f64::from(second), f64::from(second) - 1.0);
        }
        for passed in [35.0, 39.9] {
            let grid = CurveGrid::around(&plan, passed, 10);
            let (from, step) = grid.in_world();
            assert!((from + passed / 10.0).abs() < 1e-9 && step == 1.0, "{from} {step}");
            let curve = grid.curve(&plan, track, None, &noted);
            assert_eq!(curve.planned, (0..=10).map(|point| Some(f64::from(point) * 10.0)).collect::<Vec<_>>());
            assert_eq!(curve.held[..5], [Some(-1.0), Some(9.0), Some(19.0), Some(29.0), None]);
            assert!(curve.held[4..].iter().all(Option::is_none));
        }
    }

    #[test]
    fn rounds_go_over_into_each_other_and_before_it_begins_there_is_nothing() {
        let text =
            "version: 1\nrepeat: forever\nlength: 10s\ntracks: {fd: {sawtooth: {low: 0, high: 10, period: 10s}}}\n";
        let plan = plan(text);
        let track = plan.track(TrackKind::Fd).unwrap();
        let noted = NotedAmounts::default();
        let curve = CurveGrid::around(&plan, 1e6, 600).curve(&plan, track, None, &noted);
        assert_eq!(curve.planned.len(), 601);
        assert!(curve.planned.iter().all(|value| value.is_some_and(|value| (0.0..=10.0).contains(&value))));
        let early = CurveGrid::around(&plan, -30.0, 600).curve(&plan, track, None, &noted);
        assert!(
            early.planned[..15].iter().all(Option::is_none) && early.planned[15] == Some(0.0),
            "{:?}",
            early.planned
        );
    }

    #[test]
    fn no_more_is_kept_than_is_told() {
        let mut noted = NotedAmounts::default();
        for second in 0..2000 {
            noted.put(f64::from(second), 1.0);
        }
        assert_eq!(noted.notes.len(), 600);
        assert_eq!((noted.at(1399.0, 1.0), noted.at(1400.0, 1.0), noted.at(5000.0, 1.0)), (None, Some(1.0), None));
    }

    proptest! {
        #[test]
        fn a_grid_has_few_points_whatever_is_played(
            passed in -1e9f64..1e9, points in 0u32..=600, speed in 0.001f64..1000.0, length in 0.001f64..1e8,
            repeat in proptest::option::of(1u64..1000),
        ) {
            let plan = PodScenario { speed, repeat, length: Some(length), ..PodScenario::default() };
            let end = repeat.map_or(f64::INFINITY, |rounds| rounds as f64 * length);
            let grid = CurveGrid::around(&plan, passed.min(end), points);
            prop_assert!(grid.points <= points.max(1) + 3, "{}", grid.points);
            let (from, step) = grid.in_world();
            prop_assert!(from.is_finite() && step > 0.0);
        }
    }
}
