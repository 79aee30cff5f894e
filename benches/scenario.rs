//! How well the service plays a scenario, seen from outside in each second, beside what this program computes of the shapes
//! by itself, from the moment the scenario was answered.
//!
//! Memory (resident pages less those before the scenario, so whatever else becomes resident is an error, too) and files
//! (blocks or lengths) are looked at every 11 ms, and of each second the largest error counts. So the 100 ms
//! between two looks of the service are a part of it. A jump is given as long, and when it was last seen outside of the
//! bound after one is told. CPU is the process's own CPU clock: what was used in a second beside the mean of what was
//! wanted in it.
//!
//! Seconds outside of the bound are told apart in which the machine was full: all cores together idled for less than a fifth
//! of a core.
//!
//! During memory and files, three more services are quiet: see `day`. That takes less than three minutes.
//!
//! `cargo bench --bench scenario [-- SECONDS] [memory] [disk] [cpu] [--data-dir DIR]`: so many seconds of each shape, and
//! these tracks

#![allow(clippy::print_stdout, reason = "a benchmark's results go to stdout")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

mod day;
mod look;
mod server;

use std::f64::consts::TAU;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use day::Quiet;
use look::{blocks, cpu_time, idle_seconds, resident, waits};
use server::Server;

/// Within so much of a track's range, or so many MiB, whichever is larger.
const GOAL: (f64, f64) = (0.02, 4.0);
/// Within so many percent of a core.
const CPU_GOAL: f64 = 1.0;
/// The time between two looks; no part of 100 ms, so that looks fall everywhere between those of the service.
const APART: Duration = Duration::from_millis(11);
/// The time that a jump may take, in seconds: in it an error is no error yet.
const TICK: f64 = 0.1;
/// Idle time that is enough to believe that the machine gives what is asked for, in percent of a core.
const ENOUGH_IDLE: f64 = 20.0;
/// After it a service has done what it does at its start, or with a scenario that it is given.
const SETTLED: Duration = Duration::from_secs(1);
/// The most seconds outside that are told one by one.
const MOST_LINES: usize = 20;
/// Pieces that a second is summed up of.
const PIECES: u32 = 10_000;
/// Percent of a core at each second, in a line from one to the next.
const POINTS: [f64; 10] = [20.0, 80.0, 35.0, 35.0, 90.0, 10.0, 50.0, 65.0, 5.0, 40.0];

/// What is played and measured.
struct Part {
    name: &'static str,
    track: &'static str,
    shape: String,
    /// What is wanted at a second: MiB, or percent of a core.
    wanted: fn(f64) -> f64,
    /// The seconds from one jump to the next; the first is where it begins.
    jumps: f64,
    bound: f64,
    seconds: u32,
}

/// A second of it.
struct Second {
    error: f64,
    /// The last look after a jump that was outside of the bound, in milliseconds.
    jump: f64,
    /// How many looks there were, and how many of them were outside of the bound.
    looks: [u32; 2],
    /// For how much of it the cores had nothing to do, in percent of a core.
    idle: f64,
    /// For how much of it something on this machine waited for a core, and for a disk, in milliseconds.
    waits: [f64; 2],
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let most = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(u32::MAX);
    let tracks: Vec<&String> =
        arguments.iter().filter(|word| ["memory", "disk", "cpu"].contains(&word.as_str())).collect();
    let data = || match arguments.iter().skip_while(|argument| *argument != "--data-dir").nth(1) {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    println!(
        "| scenario | seconds | median error | p99 | worst | bound | | seconds outside | of these on a full machine | looks outside, % \
         | last seen outside after a jump, ms | least idle in a second, % of a core |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let is_asked = |track: &str| tracks.is_empty() || tracks.iter().any(|word| *word == track);
    let quiet = is_asked("memory") || is_asked("disk");
    let mut quiet = quiet.then(|| Quiet::start([data(), data(), data()]));
    let (mut outside, mut costs) = (Vec::new(), None);
    for part in parts() {
        if part.track == "cpu"
            && let Some(quiet) = quiet.take()
        {
            costs = Some(quiet.end());
        }
        if !is_asked(part.track) {
            continue;
        }
        let data = data();
        let seconds = play(&part, part.seconds.min(most), data.path());
        told(&part, &seconds, &mut outside);
    }
    println!();
    let day_holds = costs.or_else(|| quiet.take().map(Quiet::end)).is_none_or(|costs| costs.told());
    println!();
    for (line, _) in outside.iter().take(MOST_LINES) {
        println!("outside: {line}");
    }
    if outside.len() > MOST_LINES {
        println!("and {} more seconds", outside.len() - MOST_LINES);
    }
    let missed = outside.iter().filter(|(_, is_full)| !is_full).count();
    let verdict = match (missed, day_holds) {
        (0, true) if outside.is_empty() => String::from("all held"),
        (0, true) => format!("all held but {} seconds in which the machine was full", outside.len()),
        _ => format!("not all held: {missed} seconds outside, the day {}", if day_holds { "held" } else { "outside" }),
    };
    println!("{verdict}");
}

fn parts() -> [Part; 7] {
    let bound = |range: f64| (range * GOAL.0).max(GOAL.1);
    let csv: String = (0..60).map(|at| format!("{at},{}\\n", point(at) / 100.0)).collect();
    [
        Part {
            name: "memory, a ramp from 64 to 512 MiB over 30 s",
            track: "memory",
            shape: String::from("ramp: {from: 64Mi, to: 512Mi, over: 30s}"),
            wanted: |second| 64.0 + 448.0 * (second / 30.0).min(1.0),
            jumps: f64::INFINITY,
            bound: bound(448.0),
            seconds: 30,
        },
        Part {
            name: "memory, a sine from 100 to 400 MiB, period 20 s",
            track: "memory",
            shape: String::from("sine: {low: 100Mi, high: 400Mi, period: 20s}"),
            wanted: |second| 250.0 - 150.0 * (second * TAU / 20.0).cos(),
            jumps: f64::INFINITY,
            bound: bound(300.0),
            seconds: 20,
        },
        Part {
            name: "files, a sawtooth from 0 to 200 MiB, period 10 s",
            track: "disk",
            shape: String::from("sawtooth: {low: 0, high: 200Mi, period: 10s}"),
            wanted: |second| 200.0 * (second / 10.0).fract(),
            jumps: 10.0,
            bound: bound(200.0),
            seconds: 20,
        },
        Part {
            name: "files, a ramp from 0 to 256 MiB over 15 s",
            track: "disk",
            shape: String::from("ramp: {from: 0, to: 256Mi, over: 15s}"),
            wanted: |second| 256.0 * (second / 15.0).min(1.0),
            jumps: f64::INFINITY,
            bound: bound(256.0),
            seconds: 20,
        },
        Part {
            name: "CPU, a sine from 100m to 900m, period 20 s",
            track: "cpu",
            shape: String::from("sine: {low: 100m, high: 900m, period: 20s}"),
            wanted: |second| 50.0 - 40.0 * (second * TAU / 20.0).cos(),
            jumps: f64::INFINITY,
            bound: CPU_GOAL,
            seconds: 20,
        },
        Part {
            name: "CPU, a square wave of 900m and 100m, period 5 s",
            track: "cpu",
            shape: String::from("square: {low: 100m, high: 900m, period: 5s}"),
            wanted: |second| if (second / 5.0).fract() < 0.5 { 90.0 } else { 10.0 },
            jumps: f64::INFINITY,
            bound: CPU_GOAL,
            seconds: 20,
        },
        Part {
            name: "CPU, a recording of a point a second, 50m to 900m",
            track: "cpu",
            shape: format!("trace: {{csv: \"seconds,cpu_cores\\n{csv}\"}}"),
            wanted: |second| {
                point(second as usize) + (point(second as usize + 1) - point(second as usize)) * second.fract()
            },
            jumps: f64::INFINITY,
            bound: CPU_GOAL,
            seconds: 20,
        },
    ]
}

fn point(second: usize) -> f64 {
    POINTS[second % POINTS.len()]
}

/// Plays it in a service of its own, and looks at it in each second.
fn play(part: &Part, seconds: u32, data: &Path) -> Vec<Second> {
    let testero = Server::testero(data);
    thread::sleep(SETTLED);
    let rss = resident(&testero);
    let held = || if part.track == "memory" { resident(&testero) - rss } else { blocks(data) };
    let began = give(&testero, &format!("{}: {{{}}}", part.track, part.shape));
    let (mut used, mut idled, mut waited, mut looks) = (cpu_time(&testero), idle_seconds(), waits(), 0);
    let second = |second: u32| {
        let end = Duration::from_secs(u64::from(second) + 1);
        let (mut error, mut jump, first, mut off_looks) = (0.0_f64, 0.0, looks, 0);
        if part.track == "cpu" {
            sleep_until(began + end);
            let now = cpu_time(&testero);
            let length = (now.0 - used.0).as_secs_f64();
            let wanted = mean(part.wanted, (used.0 - began).as_secs_f64(), length);
            error = (now.1 - used.1).as_secs_f64() / length * 100.0 - wanted;
            used = now;
        } else {
            while APART * looks < end {
                sleep_until(began + APART * looks);
                looks += 1;
                let (before, there, after) = (began.elapsed(), held(), began.elapsed());
                // Looking takes a while, and whatever was wanted in it is right.
                let [one, other] = [before, after].map(|at| (part.wanted)(at.as_secs_f64()));
                let off = there - there.clamp(one.min(other), one.max(other));
                let passed = after.as_secs_f64() % part.jumps;
                if passed >= TICK {
                    off_looks += u32::from(off.abs() > part.bound);
                    error = if off.abs() > error.abs() { off } else { error };
                } else if off.abs() > part.bound {
                    jump = f64::max(jump, passed * 1000.0);
                }
            }
            sleep_until(began + end);
        }
        let (idle_now, waits_now) = (idle_seconds(), waits());
        let idle = (idle_now - idled) * 100.0;
        let waits = [waits_now[0] - waited[0], waits_now[1] - waited[1]];
        (idled, waited) = (idle_now, waits_now);
        Second { error, jump, looks: [looks - first, off_looks], idle, waits }
    };
    (0..seconds).map(second).collect()
}

fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Gives the service this track to play, and returns when it had taken it.
fn give(testero: &Server, track: &str) -> Instant {
    testero.send("POST", "/api/scenario", &format!("version: 1\nlength: 48h\ntracks:\n {track}\n"));
    Instant::now()
}

/// The mean of what is wanted from a second on, for so long.
fn mean(wanted: fn(f64) -> f64, from: f64, length: f64) -> f64 {
    let at = |piece: u32| wanted(from + length * (f64::from(piece) + 0.5) / f64::from(PIECES));
    (0..PIECES).map(at).sum::<f64>() / f64::from(PIECES)
}

/// Prints its row, and adds the seconds that were outside of the bound, and whether the machine was full in them.
fn told(part: &Part, seconds: &[Second], outside: &mut Vec<(String, bool)>) {
    let Part { name, bound, .. } = part;
    let unit = if part.track == "cpu" { "% of a core" } else { "MiB" };
    let mut errors: Vec<f64> = seconds.iter().map(|second| second.error.abs()).collect();
    errors.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| errors[((errors.len() as f64 * share).ceil() as usize).clamp(1, errors.len()) - 1];
    let (mut number, mut full) = (0, 0);
    for (place, Second { error, idle, waits: [cores, disks], .. }) in
        seconds.iter().enumerate().filter(|(_, second)| second.error.abs() > *bound)
    {
        let is_full = *idle < ENOUGH_IDLE;
        number += 1;
        full += u32::from(is_full);
        outside.push((
            format!(
                "{name}: second {place}: {error:+.2} {unit}; {idle:.0} % of a core idle; somebody waited {cores:.0} ms for \
                 a core, {disks:.0} ms for a disk"
            ),
            is_full,
        ));
    }
    let idle = seconds.iter().map(|second| second.idle).fold(f64::INFINITY, f64::min);
    let jump = seconds.iter().map(|second| second.jump).fold(0.0, f64::max);
    let [all, off] = [0, 1].map(|of| f64::from(seconds.iter().map(|second| second.looks[of]).sum::<u32>()));
    let looks = if all > 0.0 { format!("{:.1} | {jump:.0}", off / all * 100.0) } else { String::from("|") };
    println!(
        "| {name} | {} | {:.2} | {:.2} | {:.2} | {bound:.2} | {unit} | {number} | {full} | {looks} | {idle:.0} |",
        errors.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
