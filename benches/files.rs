//! How fast files are written, beside plain 1 MiB writes from a filled buffer of the same files on the same file
//! system. The two alternate, the first run of each is thrown away, and the ratio is of medians.
//!
//! `cargo bench --bench files [-- MIB [FOLDER]]`

#![allow(clippy::print_stdout, reason = "a benchmark's results go to stdout")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use testero::consumer::admission::headroom::Reservation;
use testero::consumer::control::id::Id;
use testero::consumer::control::operation::{Caller, ChangeRequest, Operation};
use testero::consumer::control::plan::{FILES, Plan};
use testero::consumer::control::reconcile::{Level, Work};
use testero::consumer::disk::Disk;
use testero::kernel::shutdown::Stop;
use testero::units::quantity::Amount;

const PAIRS: usize = 5;
/// Ours is at least this much of the yardstick.
const GOAL: f64 = 0.95;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mib: u64 = arguments.next().and_then(|argument| argument.parse().ok()).unwrap_or(1024);
    let folder = arguments.next().unwrap_or_else(|| String::from(env!("CARGO_TARGET_TMPDIR")));
    let plan = Plan::new(&FILES, mib << 20);
    let (mut ours, mut yardstick, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let (one, removal) = fill(&plan, Path::new(&folder));
        let two = plain(&plan, Path::new(&folder));
        if pair > 0 {
            ours.push(one);
            removals.push(removal);
            yardstick.push(two);
        }
    }
    let speed = |times: Vec<Duration>| plan.total() as f64 / 1e6 / median(times).as_secs_f64();
    let removal = median(removals);
    let (ours, yardstick) = (speed(ours), speed(yardstick));
    println!("| MiB | ours, MB/s | yardstick, MB/s | ratio of medians | goal | removing them all, ms |");
    println!("| --- | --- | --- | --- | --- | --- |");
    println!("| {mib} | {ours:.0} | {yardstick:.0} | {:.2} | {GOAL} | {} |", ours / yardstick, removal.as_millis());
}

/// What the service does, in the way it does it: the time to write, and the time to remove.
fn fill(plan: &Plan, folder: &Path) -> (Duration, Duration) {
    let disk = Disk::create(folder).unwrap();
    let stop = Stop::new().unwrap();
    let start = Instant::now();
    let (operation, level) =
        (Operation::new(Id(1), &ChangeRequest::of(Amount::Exactly(0), Caller::nobody()), 0, 0, None), Level::default());
    disk.adjust(plan, false, &mut Reservation::none(), &mut Work::new(&operation, &level, &stop)).unwrap();
    let took = start.elapsed();
    assert_eq!(disk.held().unwrap().total(), plan.total());
    let start = Instant::now();
    disk.remove(&mut || ()).unwrap();
    (took, start.elapsed())
}

fn plain(plan: &Plan, folder: &Path) -> Duration {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let buffer = vec![b'x'; 1 << 20];
    let start = Instant::now();
    for (size, count) in plan.parts() {
        for number in 0..count {
            let mut file = File::create_new(folder.path().join(format!("{size}-{number}"))).unwrap();
            let mut left = size as usize;
            while left > 0 {
                let piece = left.min(buffer.len());
                file.write_all(&buffer[..piece]).unwrap();
                left -= piece;
            }
        }
    }
    let took = start.elapsed();
    fs::remove_dir_all(folder.path()).unwrap();
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
