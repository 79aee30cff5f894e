//! How many steps a second the Fibonacci service makes at 64 keep-alive connections: on disk before they are answered
//! (`/next`), on disk within a second (`/next` with DURABILITY=interval), and no step at all (`/current`, the bare edge);
//! beside the time that one append and fdatasync of a step's 21 bytes takes in the same folder.
//!
//! One client thread drives all of them in turn, a request on each connection and then an answer from each, in many short
//! stretches, so that what else the machine does meets all of them alike; the first are thrown away, and the figures are
//! medians. So that the numbers stay small, and it is the steps that are measured, each stretch of 1024 steps starts from the
//! beginning; `/current` is asked where the sequence has gone half of that way.
//!
//! Then how long it takes from nothing to the first answer, at the beginning and where a number has a hundred thousand and
//! a million digits, which is the longest there is.
//!
//! `cargo bench --bench fibonacci`

#![allow(clippy::print_stdout, reason = "a benchmark's results go to stdout")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

mod crowd;
mod server;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crowd::{CONNECTIONS, Crowd, median};
use server::Server;

/// So many times as long `/current` is asked in each stretch, so that it does not suffer from what went before.
const EDGE: usize = 5;
/// Rounds of a stretch, stretches, and those that are thrown away.
const ROUNDS: usize = 16;
const STRETCHES: usize = 200;
const WARM_UP: usize = 20;
/// How long a batch of one step is in the journal.
const STEP_BYTES: usize = 21;
/// Syncs beside each stretch.
const SYNCS: usize = 10;
/// Starts at each of these positions, the last of which is the highest that LIMITDIGITS permits.
const STARTS: usize = 11;
const POSITIONS: [u64; 3] = [1, 478_000, 4_784_970];
/// Of what `/current` serves, and of what the disk could do if every sync took a step of each connection with it.
const GOAL_OF_EDGE: f64 = 0.5;
const GOAL_OF_DISK: f64 = 0.8;

fn main() {
    // Not in /tmp, which may be memory.
    let below = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(below).unwrap();
    let (durable_data, interval_data) = (tempfile::tempdir_in(below).unwrap(), tempfile::tempdir_in(below).unwrap());
    let durable = start(durable_data.path(), "step");
    let interval = start(interval_data.path(), "interval");
    let mut sync_file =
        OpenOptions::new().append(true).create_new(true).open(durable_data.path().join("sync")).unwrap();
    let [mut durable, mut interval] = [&durable, &interval].map(|server| Crowd::connect(server.address));
    let mut stretches = [const { Vec::new() }; 4];
    for stretch in 0..WARM_UP + STRETCHES {
        durable.ask("/reset");
        durable.drive("/next", ROUNDS / 2);
        let current = durable.drive("/current", ROUNDS * EDGE) / EDGE as u32;
        let syncs = (0..SYNCS).map(|_| one_sync(&mut sync_file)).collect();
        let times = [current, steps(&mut durable), steps(&mut interval), median(syncs)];
        if stretch >= WARM_UP {
            stretches.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    let [current, durable, interval, sync] = stretches.map(median);
    let requests = (CONNECTIONS * ROUNDS) as f64;
    let [current, durable, interval] = [current, durable, interval].map(|time| requests / time.as_secs_f64());
    let of_disk = CONNECTIONS as f64 / sync.as_secs_f64();
    let (by_edge, by_disk) = (GOAL_OF_EDGE * current, GOAL_OF_DISK * of_disk);
    let (goal, binding) = if by_edge < by_disk { (by_edge, "the edge") } else { (by_disk, "the disk") };
    println!("{CONNECTIONS} connections, state on {}", file_system(below));
    println!();
    println!("| | requests/s | of `/current` |");
    println!("| --- | --- | --- |");
    println!("| `/current` | {current:.0} | 1 |");
    println!("| `/next`, durable | {durable:.0} | {:.2} |", durable / current);
    println!("| `/next`, interval | {interval:.0} | {:.2} |", interval / current);
    println!(
        "| {CONNECTIONS} steps in each append and fdatasync of {:.0} µs | {of_disk:.0} | {:.2} |",
        sync.as_secs_f64() * 1e6,
        of_disk / current
    );
    println!(
        "| goal: the less of {GOAL_OF_EDGE} × {current:.0} and {GOAL_OF_DISK} × {of_disk:.0}, so {binding} | \
              {goal:.0} | {:.2} |",
        goal / current
    );
    println!();
    println!("durable `/next` is {:.2} of the goal", durable / goal);
    println!();
    println!("| position | ready after, ms | first answer after, ms |");
    println!("| --- | --- | --- |");
    for position in POSITIONS {
        let folder = tempfile::tempdir_in(below).unwrap();
        // The original's file is only taken over once; from then on the journal is read.
        fs::write(folder.path().join("fibo.journal.1"), journal_at(position)).unwrap();
        let (ready, answered) = (0..STARTS).map(|_| start_up(folder.path())).unzip();
        let [ready, answered] = [ready, answered].map(|times| median(times).as_secs_f64() * 1e3);
        println!("| {position} | {ready:.0} | {answered:.0} |");
    }
}

/// A journal without steps, of the form that is described in `src/fibonacci/journal.rs`.
fn journal_at(position: u64) -> Vec<u8> {
    let mut bytes = b"testfib2".to_vec();
    let mark = [position, position];
    [&[1][..], &mark, &mark, &mark].concat().iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// From nothing until it is ready, and until the first answer is there.
fn start_up(folder: &Path) -> (Duration, Duration) {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testero"));
    command.args(["fibonacci", "--listen", "127.0.0.1:0", "--limit-digits", "1000000", "--data-dir"]).arg(folder);
    let server = Server::start(&mut command);
    while !is_ready(&server) {
        thread::sleep(Duration::from_millis(1));
    }
    let ready = began.elapsed();
    server.ask("GET", "/current");
    (ready, began.elapsed())
}

fn start(folder: &Path, durability: &str) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testero"));
    command.args(["fibonacci", "--listen", "127.0.0.1:0", "--durability", durability, "--data-dir"]).arg(folder);
    let server = Server::start(&mut command);
    while !is_ready(&server) {
        thread::sleep(Duration::from_millis(5));
    }
    server
}

fn is_ready(server: &Server) -> bool {
    let mut answer = [0; 12];
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut answer).unwrap();
    answer.ends_with(b"200")
}

/// How long a stretch of steps takes, without the reset.
fn steps(crowd: &mut Crowd) -> Duration {
    crowd.ask("/reset");
    crowd.drive("/next", ROUNDS)
}

/// How long one append and fdatasync takes.
fn one_sync(file: &mut File) -> Duration {
    let start = Instant::now();
    file.write_all(&[7; STEP_BYTES]).unwrap();
    file.sync_data().unwrap();
    start.elapsed()
}

/// The file system of a folder, as the kernel calls it.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
        folder.starts_with(&point).then_some((point.len(), format!("{kind} ({device})")))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map_or_else(String::new, |(_, name)| name)
}
