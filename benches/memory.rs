//! How fast memory is filled, beside what one core of this machine can do at all.
//!
//! The yardstick: mapping the same sizes with the same huge-page advice, MADV_POPULATE_WRITE, and one writing pass
//! (`memset`). Both sides take the same parts and give them back; they alternate, the first run of each is thrown
//! away, and the ratio is of medians. First touches on a virtual machine vary wildly, so expect spread.
//!
//! `cargo bench --bench memory [-- SIZES_IN_MIB...]`

#![allow(clippy::print_stdout, reason = "a benchmark's results go to stdout")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

use std::path::Path;
use std::time::{Duration, Instant};

use testero::consumer::guard::Promise;
use testero::consumer::id::Id;
use testero::consumer::mapping::{Backing, Mapping};
use testero::consumer::memory::Memory;
use testero::consumer::order::{Caller, Kind, Order, Wish};
use testero::consumer::plan::{MEMORY, Plan};
use testero::consumer::quantity::Amount;
use testero::consumer::walk::{Level, Work};
use testero::shutdown::Stop;

const PAIRS: usize = 5;
/// Ours is at least this much of the yardstick.
const GOAL: f64 = 0.9;

fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![64, 1024, 4096] } else { sizes };
    println!("| MiB | ours, MB/s | yardstick, MB/s | ratio of medians | goal |");
    println!("| --- | --- | --- | --- | --- |");
    for mib in sizes {
        let plan = Plan::new(&MEMORY, mib << 20);
        let (mut ours, mut yardstick) = (Vec::new(), Vec::new());
        for pair in 0..=PAIRS {
            let (one, two) = (fill(&plan), populate_and_write(&plan));
            if pair > 0 {
                ours.push(one);
                yardstick.push(two);
            }
        }
        let (ours, yardstick) = (median(ours), median(yardstick));
        let speed = |time: Duration| plan.total() as f64 / 1e6 / time.as_secs_f64();
        let ratio = speed(ours) / speed(yardstick);
        println!("| {mib} | {:.0} | {:.0} | {ratio:.2} | {GOAL} |", speed(ours), speed(yardstick));
    }
}

/// What the service does, in the way it does it.
fn fill(plan: &Plan) -> Duration {
    let memory = Memory::new();
    let stop = Stop::new().unwrap();
    let start = Instant::now();
    let (order, level) =
        (Order::new(Id(1), &Wish::of(Amount::Exactly(0), Caller::nobody()), 0, 0, None), Level::default());
    let mut work = Work::new(&order, &level, &stop);
    memory.adjust(plan, Kind::Anon, Path::new("."), &mut Promise::none(), &mut work).unwrap();
    let took = start.elapsed();
    assert_eq!(memory.held().total(), plan.total());
    took
}

fn populate_and_write(plan: &Plan) -> Duration {
    let start = Instant::now();
    let mut parts = Vec::new();
    for (size, count) in plan.parts() {
        for _ in 0..count {
            let mut part = Mapping::new(size as usize, Backing::Private).unwrap();
            let fill = |bytes: &mut [u8]| {
                bytes.fill(b'x');
                Ok(())
            };
            part.write(0, size as usize, &mut &fill).unwrap();
            parts.push(std::hint::black_box(part));
        }
    }
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
