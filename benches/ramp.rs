//! How straight a ramp is: memory and files, up and down, looked at each second from outside (resident pages, allocated
//! blocks), beside the straight line from the moment the ramp was accepted.
//!
//! `cargo bench --bench ramp [-- --data-dir DIR]`

#![allow(clippy::print_stdout, reason = "a benchmark's results go to stdout")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

mod look;
mod server;

use std::thread;
use std::time::{Duration, Instant};

use look::{blocks, resident};
use server::Server;

const SECONDS: u32 = 10;
/// Within so much of the whole change, or so many MiB, whichever is larger.
const GOAL: (f64, f64) = (0.02, 4.0);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--data-dir").skip(1);
    let data = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    println!(
        "| ramp over {SECONDS} s | largest deviation at a second, MiB | % of the change | bound, MiB | at second |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let testero = Server::testero(data.path());
    let rss = resident(&testero);
    ramp(&testero, "memory", "mem", 1024.0, &|| resident(&testero) - rss);
    ramp(&testero, "files", "disk", 512.0, &|| blocks(data.path()));
}

/// Goes up and down again.
fn ramp(testero: &Server, name: &str, group: &str, change: f64, held: &dyn Fn() -> f64) {
    for up in [true, false] {
        let amount = if up { change } else { 0.0 };
        let line = |elapsed: Duration| {
            let way = (elapsed.as_secs_f64() / f64::from(SECONDS)).min(1.0) * change;
            if up { way } else { change - way }
        };
        let path = format!("/api/{group}/set?amount={amount}Mi&exact=true&over={SECONDS}s");
        testero.ask(if up { "POST" } else { "GET" }, &path);
        let began = Instant::now();
        let (mut worst, mut at) = (0.0_f64, 0);
        for second in 1..=SECONDS {
            thread::sleep((began + Duration::from_secs(second.into())).saturating_duration_since(Instant::now()));
            let (before, there, after) = (began.elapsed(), held(), began.elapsed());
            // Looking takes a while, in which the line goes on.
            let line = line((before + after) / 2);
            if (there - line).abs() > worst.abs() {
                (worst, at) = (there - line, second);
            }
        }
        let direction = if up { "up" } else { "down" };
        let bound = (change * GOAL.0).max(GOAL.1);
        println!(
            "| {name}, {change} MiB {direction} | {worst:+.2} | {:.2} | {bound:.2} | {at} |",
            worst.abs() / change * 100.0
        );
        // The end of the ramp is looked at as well; only then comes the next.
        thread::sleep(Duration::from_secs(1));
        testero.ask("GET", &format!("/api/{group}/getact"));
    }
}
