//! What the recording of a day costs, a point a second: memory and CPU time of a service that plays it, beside one that
//! plays a constant and one that does nothing.

use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::look::{cpu_time, most_resident, resident};
use crate::server::Server;
use crate::{APART, SETTLED, give};

const DAY: usize = 86_400;
/// Points of the day that want the same, and how much memory that is.
const FLAT: usize = 1800;
const FLAT_MIB: f64 = 16.0;
/// A second in the busy part of the day.
const BUSY: usize = 43_200;
/// The most that a day may cost, in KiB.
const DAY_GOAL: f64 = 4096.0;
/// The CPU time that nobody notices in a minute: the tick in which it is counted.
const TICK_MS: f64 = 10.0;

/// A service that does nothing, one that plays a constant, one that plays the day.
pub(crate) struct Quiet {
    _folders: [TempDir; 3],
    servers: [Server; 3],
    /// Resident memory in MiB at the start, and a second after each was told what to do; then their CPU time.
    before: [f64; 3],
    given: [f64; 3],
    used: [(Instant, Duration); 3],
}

/// What it cost.
pub(crate) struct Costs {
    before: [f64; 3],
    given: [f64; 3],
    /// At the end, and the most in between.
    end: [f64; 3],
    most: [f64; 3],
    /// CPU time in milliseconds a minute, and over how many seconds it was taken.
    minute: [f64; 3],
    seconds: f64,
    /// The last one's memory in the busy part of the day.
    busy: f64,
    /// Bytes of the recording as it was given.
    bytes: usize,
}

impl Quiet {
    pub(crate) fn start(folders: [TempDir; 3]) -> Self {
        let servers = folders.each_ref().map(|folder| Server::testero(folder.path()));
        thread::sleep(SETTLED);
        let before = servers.each_ref().map(resident);
        give(&servers[1], &format!("memory: {{constant: {FLAT_MIB}Mi}}"));
        give(&servers[2], &day());
        thread::sleep(SETTLED);
        let (given, used) = (servers.each_ref().map(resident), servers.each_ref().map(cpu_time));
        Self { _folders: folders, servers, before, given, used }
    }

    pub(crate) fn end(self) -> Costs {
        let end = self.servers.each_ref().map(resident);
        let most = self.servers.each_ref().map(most_resident);
        let now = self.servers.each_ref().map(cpu_time);
        let seconds = (now[0].0 - self.used[0].0).as_secs_f64();
        let minute = [0, 1, 2].map(|place| {
            let length = (now[place].0 - self.used[place].0).as_secs_f64();
            (now[place].1 - self.used[place].1).as_secs_f64() * 1000.0 / length * 60.0
        });
        self.servers[2].ask("POST", &format!("/api/scenario/seek?to={BUSY}s"));
        let began = Instant::now();
        thread::sleep(SETTLED);
        let look = |_| {
            thread::sleep(APART);
            let (before, there, after) = (began.elapsed(), resident(&self.servers[2]), began.elapsed());
            let second = ((before + after) / 2).as_secs_f64();
            let point = BUSY + second as usize;
            there - (day_mib(point) + (day_mib(point + 1) - day_mib(point)) * second.fract())
        };
        let mut looks: Vec<f64> = (0..100).map(look).collect();
        looks.sort_unstable_by(f64::total_cmp);
        Costs {
            before: self.before,
            given: self.given,
            end,
            most,
            minute,
            seconds,
            busy: looks[50],
            bytes: day().len(),
        }
    }
}

impl Costs {
    /// Prints it, and says whether a day cost no more than it may.
    pub(crate) fn told(&self) -> bool {
        println!(
            "| service, {:.0} s | RSS before, MiB | a second after it was told | at the end | most | CPU time a minute, ms |",
            self.seconds
        );
        println!("| --- | --- | --- | --- | --- | --- |");
        let names = ["does nothing", "plays a constant", "plays a day"];
        for (place, name) in names.iter().enumerate() {
            println!(
                "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                self.before[place], self.given[place], self.end[place], self.most[place], self.minute[place]
            );
        }
        println!();
        let kib = |end: [f64; 3], place: usize, held: f64| {
            ((end[2] - self.before[2]) - (end[place] - self.before[place]) - held) * 1024.0
        };
        let (more, over_idle, ms) =
            (kib(self.end, 1, 0.0), kib(self.end, 0, FLAT_MIB), self.minute[2] - self.minute[1]);
        println!("a day of {DAY} points, {} bytes of text:", self.bytes);
        println!(
            "{:.0} KiB more than a constant after a second, {more:.0} at the end; bound {DAY_GOAL}",
            kib(self.given, 1, 0.0)
        );
        println!(
            "{over_idle:.0} KiB more than nothing at the end, less the {FLAT_MIB} MiB that it holds; bound {DAY_GOAL}"
        );
        let busy = (self.busy - self.end[0] + self.before[0] - self.before[2]) * 1024.0;
        println!(
            "{busy:.0} KiB more than nothing where memory and CPU change, less what is wanted of memory; bound {DAY_GOAL}"
        );
        println!("{ms:+.2} ms of CPU time a minute beside the constant; bound {TICK_MS}");
        println!("{:+.2} ms beside the service that does nothing", self.minute[2] - self.minute[0]);
        more <= DAY_GOAL && over_idle <= DAY_GOAL && busy <= DAY_GOAL && ms <= TICK_MS
    }
}

/// The tracks of a day, whose one recording is named once and used twice.
fn day() -> String {
    let mut text =
        String::from("memory:\n  trace:\n   scale: x1048576\n   csv: &day |1\n    seconds,memory_bytes,cpu_cores\n");
    for point in 0..DAY {
        text += &format!("    {point},{},{}\n", day_mib(point), day_cores(point));
    }
    text + " cpu: {trace: {csv: *day}}"
}

/// Whole MiB, and cores.
fn day_mib(point: usize) -> f64 {
    if point < FLAT { FLAT_MIB } else { (100.0 + 60.0 * (point as f64 / 300.0).sin()).round() }
}

fn day_cores(point: usize) -> f64 {
    if point < FLAT { 0.0 } else { ((0.2 + 0.15 * (point as f64 / 200.0).sin()) * 100.0).round() / 100.0 }
}
