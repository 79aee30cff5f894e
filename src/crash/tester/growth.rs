//! Workers that join and leave, by chance or as a scenario has it.

use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;

use crate::crash::report::{FaultRecord, LaneState};
use crate::crash::tester::faults::{CrashLoop, FIRST};
use crate::crash::tester::session::thread;
use crate::crash::tester::world::RunWorld;
use crate::settings::crash::Scenario;

/// How often it is thought about.
const BEAT: Duration = Duration::from_secs(1);
/// Within what time one that joined is ready, and one that leaves is gone.
const READY: Duration = Duration::from_secs(4);
/// The last worker's number.
const LAST: u32 = 9;

/// Joins and leaves.
pub struct Growth<'w> {
    /// Of which run.
    pub world: &'w RunWorld,
    /// Starts a worker of this number.
    pub start: &'w (dyn Fn(u32) -> std::io::Result<u32> + Sync),
    /// Kills worker 0 and starts it again.
    pub zero: CrashLoop,
    /// Kills the sink and starts it again.
    pub sink: CrashLoop,
}

impl Growth<'_> {
    /// Each second each of both by half a chance, one worker at a time, until there are to be no more faults.
    pub fn by_chance(&self, grow: bool, shrink: bool, mut random: Rng) {
        if self.world.quiet.sleep(FIRST) {
            return;
        }
        while !self.world.quiet.sleep(BEAT) {
            let (joins, leaves) = (random.bool(), random.bool());
            let (there, away): (Vec<u32>, Vec<u32>) = (1..=LAST).partition(|number| self.is_there(*number));
            let pick = |random: &mut Rng, from: &[u32]| random.choice(from.iter().copied());
            let (joining, leaving) = (pick(&mut random, &away), pick(&mut random, &there));
            if self.world.is_held() {
                continue;
            }
            if grow && joins {
                joining.into_iter().for_each(|number| self.join(number));
            }
            if shrink && leaves && !self.world.quiet.is_set() {
                leaving.into_iter().for_each(|number| self.leave(number));
            }
        }
    }

    /// A scenario, over and over, until there are to be no more faults.
    pub fn scenario(&self, scenario: Scenario, mut random: Rng) {
        if self.world.quiet.sleep(FIRST) {
            return;
        }
        while !self.world.quiet.is_set() {
            match scenario {
                Scenario::ShrinkAndRejoin => self.steps(&[-1, 1]),
                Scenario::FiveJoin => self.steps(&[1, 2, 3, 4, 5, -3, 3, -1, -2, -4, -5]),
                Scenario::GrowAgainstShrinks => std::thread::scope(|scope| {
                    // Without a second thread they come one after the other.
                    let grown = thread(scope, "grow", Box::new(|| self.steps(&[6, 7, 8])));
                    self.steps(&[-1, -2, -3]);
                    if grown.is_err() {
                        self.steps(&[6, 7, 8]);
                    }
                }),
                Scenario::ShrinkOwners => {
                    let there: Vec<i32> = (1..=LAST as i32).filter(|number| self.is_there(*number as u32)).collect();
                    let leave: Vec<i32> = there.iter().map(|number| -number).collect();
                    self.steps(&leave);
                    self.world.quiet.sleep(BEAT * 2);
                    self.steps(&there);
                }
                Scenario::TwoTwice => self.steps(&[-2, -1, 2, 1, -2, -1, 2, 1]),
                Scenario::SinkAndWorkerZero => {
                    let downs = [random.f64() * 2.0, random.f64() * 4.0].map(Duration::from_secs_f64);
                    std::thread::scope(|scope| {
                        let sink = || self.alone(&self.sink, downs[0]);
                        let spawned = thread(scope, "sink", Box::new(sink));
                        self.alone(&self.zero, downs[1]);
                        if spawned.is_err() {
                            self.alone(&self.sink, downs[0]);
                        }
                    });
                }
            }
            self.world.quiet.sleep(BEAT * 2);
        }
    }

    /// Joins (1 to 9) and leaves (-1 to -9), one after the other.
    fn steps(&self, steps: &[i32]) {
        for step in steps {
            if self.world.quiet.is_set() {
                return;
            }
            let number = step.unsigned_abs();
            match (*step > 0, self.is_there(number)) {
                (true, false) => self.join(number),
                (false, true) => self.leave(number),
                _ => {}
            }
        }
    }

    fn alone(&self, crash: &CrashLoop, down: Duration) {
        if let Some(_taken) = self.world.take(&crash.target) {
            crash.crash(self.world, down);
        }
    }

    fn is_there(&self, number: u32) -> bool {
        self.world.processes.is_there(&name(number))
    }

    fn join(&self, number: u32) {
        let name = name(number);
        let Some(_taken) = self.world.take(&name) else { return };
        // A crash loop may have it down just now.
        if self.world.processes.is_there(&name) {
            return;
        }
        let at = self.world.began.elapsed();
        let mut fault = FaultRecord::begun(at, "join", &name);
        fault.before = String::from("not there");
        match (self.start)(number) {
            Ok(pid) => {
                self.world.lane(&name, LaneState::Starting);
                self.world.mark(&format!("Join {number}."));
                self.world.events.add("join", &name, &format!("pid {pid}"));
                fault.after = format!("pid {pid}");
                // That it is there is the effect. Whether it is ready is a check of its own: the store may be down just now.
                fault.effect = self.world.processes.is_there(&name).then(|| String::from("another process is there"));
                fault.ready = self.world.wait_ready(&name, READY);
                if fault.ready.is_none() {
                    self.world.hold(&name);
                }
            }
            Err(error) => fault.after = error.to_string(),
        }
        self.world.record(fault);
    }

    fn leave(&self, number: u32) {
        let name = name(number);
        let Some(_taken) = self.world.take(&name) else { return };
        let at = self.world.began.elapsed();
        let mut fault = FaultRecord::begun(at, "shrink", &name);
        let Some(pid) = self.world.processes.pid(&name) else { return };
        fault.before = format!("pid {pid}");
        self.world.mark(&format!("Shrink {number}"));
        self.world.events.add("shrink", &name, &fault.before);
        let start = Instant::now();
        match self.world.processes.end(&name, Signal::TERM, READY) {
            Ok(status) => {
                self.world.lane(&name, LaneState::Down);
                fault.after = status.to_string();
                fault.down = Some(start.elapsed());
                if status.success() {
                    fault.effect = Some(String::from("left by itself, exit 0"));
                } else {
                    self.world.violate("alive", format!("{name} was to leave, and ended with {status}"));
                }
            }
            Err(error) => self.world.violate("ready", format!("{name} was to leave: {error}")),
        }
        self.world.record(fault);
    }
}

fn name(number: u32) -> String {
    format!("worker.{number}")
}
