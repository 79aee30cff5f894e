//! What is done to a process, over and over: killed and started again, or stopped for a while.

use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;

use crate::crash::report::{FaultRecord, LaneState};
use crate::crash::tester::logs;
use crate::crash::tester::processes::was_killed;
use crate::crash::tester::world::{RunWorld, TargetGuard};
use crate::settings::crash::system::TimeRange;

/// When the first fault comes.
pub const FIRST: Duration = Duration::from_secs(3);
/// Within what time a restarted worker is ready.
pub const READY: Duration = Duration::from_secs(8);
/// How long one may take to end.
const END: Duration = Duration::from_secs(10);

/// A target for oneself, if something may be done to it now: it may have left, as workers do, or ended, as feeds do.
pub fn turn<'w>(world: &'w RunWorld, target: &str) -> Option<TargetGuard<'w>> {
    world.take(target).filter(|_| !world.is_held() && world.processes.is_there(target))
}

/// Kills a process, or has it end, and starts it again.
#[derive(Clone, Debug)]
pub struct CrashLoop {
    /// Which one.
    pub target: String,
    /// SIGKILL, or SIGTERM.
    pub signal: Signal,
    /// What is shown of it: `0` in `c0` and `r0`.
    pub letter: String,
    /// What is shown when it is left out.
    pub skipped: String,
    /// How long it waits before.
    pub before: TimeRange,
    /// How long the process is down.
    pub down: TimeRange,
    /// How long it waits after.
    pub after: TimeRange,
    /// Within what time it is ready again; without that nobody waits for it.
    pub ready: Option<Duration>,
}

impl CrashLoop {
    /// Goes on until there are to be no more faults. What is down then is started.
    pub fn run(&self, world: &RunWorld, mut random: Rng) {
        if world.quiet.sleep(FIRST) {
            return;
        }
        loop {
            if world.quiet.sleep(self.before.pick(&mut random)) {
                return;
            }
            let down = self.down.pick(&mut random);
            let Some(taken) = turn(world, &self.target) else {
                if world.is_held() {
                    world.mark(&self.skipped);
                }
                continue;
            };
            self.crash(world, down);
            drop(taken);
            if world.quiet.sleep(self.after.pick(&mut random)) {
                return;
            }
        }
    }

    /// Kills it once, and starts it again.
    pub fn crash(&self, world: &RunWorld, down: Duration) {
        let at = world.began.elapsed();
        let Some(pid) = world.processes.pid(&self.target) else { return };
        let kind = if self.signal == Signal::TERM { "term" } else { "kill" };
        let ended = world.processes.end(&self.target, self.signal, END);
        let start = Instant::now();
        world.lane(&self.target, LaneState::Down);
        world.mark(&format!("c{}", self.letter));
        world.events.add(kind, &self.target, &format!("pid {pid}"));
        let mut fault = FaultRecord::begun(at, kind, &self.target);
        (fault.before, fault.after) = (format!("pid {pid}"), String::from("not there"));
        match ended {
            Ok(status) if was_killed(status) => fault.effect = Some(String::from("exit by signal 9")),
            Ok(status) if self.signal == Signal::TERM => fault.effect = Some(format!("ended with {status}")),
            // It ended by itself in this moment, or did not end.
            Ok(status) => fault.after = status.to_string(),
            Err(error) => {
                fault.after = error.to_string();
                let _ = world.processes.kill(&self.target);
            }
        }
        logs::keep(world, &self.target);
        world.quiet.sleep(down);
        let again = world.processes.restart(&self.target);
        fault.down = Some(start.elapsed());
        match again {
            Ok(pid) => {
                if fault.effect.is_some() {
                    fault.after = format!("pid {pid}");
                }
                world.events.add("start", &self.target, &format!("pid {pid}"));
                world.lane(&self.target, LaneState::Starting);
                world.mark(&format!("r{}", self.letter));
                if let Some(patience) = self.ready {
                    fault.ready = world.wait_ready(&self.target, patience);
                    if fault.ready.is_none() && world.processes.is_there(&self.target) {
                        world.hold(&self.target);
                    }
                }
            }
            Err(error) => world.violate("ready", format!("{} cannot be started again: {error}", self.target)),
        }
        world.record(fault);
    }
}

/// Stops a process for a while.
#[derive(Clone, Debug)]
pub struct PauseLoop {
    /// Which one.
    pub target: String,
    /// What is shown of it.
    pub letter: String,
    /// How long it waits before.
    pub before: TimeRange,
    /// For how long it is stopped.
    pub stopped: TimeRange,
    /// Within what time it is ready again.
    pub ready: Option<Duration>,
}

impl PauseLoop {
    /// Goes on until there are to be no more faults. What is stopped then goes on.
    pub fn run(&self, world: &RunWorld, mut random: Rng) {
        if world.quiet.sleep(FIRST) {
            return;
        }
        loop {
            if world.quiet.sleep(self.before.pick(&mut random)) {
                return;
            }
            let stopped = self.stopped.pick(&mut random);
            if let Some(_taken) = turn(world, &self.target) {
                self.pause(world, stopped);
            }
        }
    }

    /// Stops it once, and lets it go on.
    pub fn pause(&self, world: &RunWorld, length: Duration) {
        let at = world.began.elapsed();
        let paused = world.processes.pause(&self.target);
        let start = Instant::now();
        world.lane(&self.target, LaneState::Paused);
        world.mark(&format!("p{}", self.letter));
        world.events.add("pause", &self.target, "");
        world.quiet.sleep(length);
        let is_stopped = paused.is_ok() && world.processes.is_stopped(&self.target);
        let _ = world.processes.signal(&self.target, Signal::CONT);
        let down = start.elapsed();
        world.lane(&self.target, LaneState::Starting);
        world.mark(&format!("u{}", self.letter));
        world.events.add("continue", &self.target, "");
        // One that kept what it owned was ready all the time: how long that took says nothing.
        if let Some(patience) = self.ready
            && world.wait_ready(&self.target, patience).is_none()
        {
            world.hold(&self.target);
        }
        world.record(FaultRecord {
            at,
            kind: "pause",
            target: self.target.clone(),
            before: String::from("running"),
            after: paused.map_or_else(|error| error.to_string(), |()| String::from("running")),
            effect: is_stopped.then(|| String::from("state T seen")),
            down: Some(down),
            ready: None,
        });
    }
}
