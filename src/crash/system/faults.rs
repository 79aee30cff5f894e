//! What is done to a system's parts and pods, over and over, as its file says.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;

use crate::crash::report::FaultRecord;
use crate::crash::system::chance::{other_than, place_of};
use crate::crash::system::parts::SystemParts;
use crate::crash::system::pod_faults::PodFault;
use crate::crash::tester::faults::{CrashLoop, PauseLoop, turn};
use crate::kernel::program::RunningProgram;
use crate::settings::crash::system::{FaultConfig, FaultHow, TimeRange};

/// How long a program may take that hurts the system.
const COMMAND: Duration = Duration::from_secs(60);
/// How often it is looked whether all is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How much of what it prints is kept, in bytes.
const PRINTED: usize = 4096;

/// A fault of a file.
pub struct FaultRule<'r> {
    /// What the file says.
    pub config: &'r FaultConfig,
    /// The system.
    pub parts: &'r SystemParts<'r>,
}

impl FaultRule<'_> {
    /// Goes on until there are to be no more faults.
    pub fn run(&self, mut random: Rng) {
        let config = self.config;
        while !self.parts.world.quiet.sleep(config.every.pick(&mut random)) {
            // Always as many, so that what is chosen later does not depend on who was there.
            let (down, length, chance) = (config.down.pick(&mut random), config.length.pick(&mut random), random.f64());
            let set = self.parts.config.pods.iter().find(|set| set.name == config.target);
            match config.how {
                FaultHow::Command => self.command(),
                FaultHow::Scale if set.is_none() => self.scale(chance),
                _ => match set {
                    Some(set) => PodFault { config, set, parts: self.parts }.come(chance),
                    None => self.process(down, length, chance),
                },
            }
        }
    }

    /// Does it to one of the processes that are there.
    fn process(&self, down: Duration, length: Duration, chance: f64) {
        let world = self.parts.world;
        let mut there = self.parts.there(&self.config.target);
        if there.is_empty() {
            return;
        }
        let target = there.swap_remove(place_of(chance, there.len()));
        let Some(_taken) = turn(world, &target) else { return };
        let none = TimeRange::seconds(0, 0);
        let (letter, ready) = (format!("{target} "), Some(self.parts.ready_within(&target)));
        if self.config.how == FaultHow::Pause {
            return PauseLoop { target, letter, before: none, stopped: none, ready }.pause(world, length);
        }
        let signal = if self.config.how == FaultHow::Term { Signal::TERM } else { Signal::KILL };
        let skipped = String::new();
        let crash = CrashLoop { target, signal, letter, skipped, before: none, down: none, after: none, ready };
        crash.crash(world, down);
    }

    /// Runs a program.
    fn command(&self) {
        let (world, target) = (self.parts.world, &self.config.target);
        let Some(_taken) = world.take(target).filter(|_| !world.is_held()) else { return };
        let words = self.parts.values.words(&self.config.command, None);
        let mut fault = FaultRecord::begun(world.began.elapsed(), self.config.how.word(), target);
        fault.before = words.join(" ");
        world.events.add("command", target, &fault.before);
        world.mark(&format!("!{target} "));
        let start = Instant::now();
        match RunningProgram::start(&words, PRINTED) {
            Err(error) => fault.after = error.to_string(),
            Ok(mut program) => match self.wait(&mut program, start + COMMAND) {
                Some(status) => {
                    let said = String::from_utf8_lossy(&program.printed().err).trim().to_owned();
                    fault.after = format!("{status} {said}").trim_end().to_owned();
                    fault.effect = status.success().then(|| String::from("exit code 0"));
                }
                None => fault.after = format!("it does not end within {} s", COMMAND.as_secs()),
            },
        }
        fault.down = Some(start.elapsed());
        world.record(fault);
    }

    /// Waits for the end of a program, unless all is to stop.
    fn wait(&self, program: &mut RunningProgram, deadline: Instant) -> Option<ExitStatus> {
        loop {
            let ended = program.wait(deadline.min(Instant::now() + LOOK));
            if ended.is_some() || Instant::now() >= deadline || self.parts.world.abort.is_set() {
                return ended;
            }
        }
    }

    /// Adds or ends a copy of a part, or several, until there are as many as chance says.
    fn scale(&self, chance: f64) {
        let (world, parts) = (self.parts.world, self.parts);
        let Some(part) = parts.config.parts.iter().find(|part| part.name == self.config.target) else { return };
        let Some(_taken) = world.take(&part.name).filter(|_| !world.is_held()) else { return };
        let (least, most) = self.config.copies;
        let names: Vec<String> = (0..most).map(|copy| parts.name(part, copy)).collect();
        // One that was killed is there: it comes again.
        let before = names.iter().filter(|name| world.processes.is_wanted(name)).count() as u32;
        let Some(wanted) = other_than(before, least, most, chance) else { return };
        let mut fault = FaultRecord::begun(world.began.elapsed(), self.config.how.word(), &part.name);
        fault.before = format!("{before} copies");
        world.events.add("scale", &part.name, &format!("{before} to {wanted}"));
        world.mark(&format!("{}={wanted} ", part.name));
        let start = Instant::now();
        let mut done = before;
        for (copy, name) in names.iter().enumerate() {
            let is_wanted = world.processes.is_wanted(name);
            if done < wanted && !is_wanted {
                let begun = parts.start(part, copy as u32);
                match begun.map(|()| world.wait_ready(name, parts.ready_within(name))) {
                    Ok(Some(_)) => done += 1,
                    Ok(None) if world.quiet.is_set() => break,
                    Ok(None) => {
                        fault.after = format!("{name} is not ready in time");
                        world.record(fault);
                        return world.hold(name);
                    }
                    Err(error) => return world.violate("ready", error.to_string()),
                }
            }
        }
        for name in names.iter().rev() {
            if done > wanted
                && let Some(_taken) = turn(world, name)
            {
                parts.end(name);
                world.processes.forget(name);
                done -= 1;
            }
        }
        if done == before {
            // Something else was being done to each that could go.
            return world.events.add("left out", &part.name, "no copy could be added or ended");
        }
        fault.after = format!("{done} copies");
        fault.effect = Some(format!("{done} are ready"));
        fault.ready = (done > before).then(|| start.elapsed());
        world.record(fault);
    }
}
