//! Where a scenario is: the clock on the wall, less the time for which it was paused, and what was skipped.

use crate::scenario::PodScenario;
use crate::scenario::plan::ScenarioPosition;

/// What a scenario goes by. Times are seconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScenarioClock {
    /// When the pod was given the scenario.
    pub given: f64,
    /// By how many seconds it is behind the clock on the wall.
    pub behind: f64,
    /// When it was paused, while it is.
    pub paused: Option<f64>,
}

impl ScenarioClock {
    /// One that was given now, and is where the clock is.
    pub fn new(given: f64) -> Self {
        Self { given, behind: 0.0, paused: None }
    }

    /// Where it is.
    pub fn position(&self, plan: &PodScenario, now: f64, pod: &str) -> ScenarioPosition {
        plan.position(self.paused.unwrap_or(now) - self.behind, self.given, pod)
    }

    /// It stays where it is.
    pub fn pause(&mut self, now: f64) {
        self.paused.get_or_insert(now);
    }

    /// It goes on from there.
    pub fn resume(&mut self, now: f64) {
        if let Some(paused) = self.paused.take() {
            self.behind += now - paused;
        }
    }

    /// From now on it is so many seconds of the scenario after its beginning, all rounds counted.
    pub fn seek(&mut self, plan: &PodScenario, now: f64, pod: &str, second: f64) {
        let there = plan.zero(self.given, pod) + second / plan.speed;
        self.behind = self.paused.unwrap_or(now) - there;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::start::StartTime;

    fn second(position: ScenarioPosition) -> f64 {
        match position {
            ScenarioPosition::At { second, round } => second + 100.0 * round as f64,
            other => panic!("{other:?}"),
        }
    }

    fn plan(speed: f64) -> PodScenario {
        PodScenario { speed, repeat: None, length: Some(100.0), ..PodScenario::default() }
    }

    #[test]
    fn a_pause_takes_as_long_as_it_does_and_no_second_of_the_scenario() {
        let (plan, mut clock) = (plan(10.0), ScenarioClock::new(1000.0));
        assert_eq!(second(clock.position(&plan, 1003.0, "")), 30.0);
        clock.pause(1003.0);
        clock.pause(1005.0);
        assert_eq!(second(clock.position(&plan, 1009.0, "")), 30.0);
        clock.resume(1009.0);
        clock.resume(1010.0);
        assert_eq!(second(clock.position(&plan, 1010.0, "")), 40.0);
    }

    #[test]
    fn it_is_where_it_was_sought_and_goes_on_from_there_or_stays_when_it_is_paused() {
        for start in [StartTime::Now, StartTime::Instant(400.0), StartTime::Instant(5000.0)] {
            let plan = PodScenario { start, ..plan(2.0) };
            let mut clock = ScenarioClock::new(1000.0);
            clock.seek(&plan, 1500.0, "", 250.0);
            assert_eq!(second(clock.position(&plan, 1500.0, "")), 250.0, "{start:?}");
            assert_eq!(second(clock.position(&plan, 1505.0, "")), 260.0, "{start:?}");
            clock.pause(1505.0);
            clock.seek(&plan, 1600.0, "", 20.0);
            assert_eq!(second(clock.position(&plan, 1700.0, "")), 20.0, "{start:?}");
            clock.resume(1700.0);
            assert_eq!(second(clock.position(&plan, 1701.0, "")), 22.0, "{start:?}");
        }
    }
}
