//! `testero fibonacci`: what its clients see, and that no answered step is ever lost.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::exposition::Page;
use super::harness::{Answer, PATIENCE, Testero, binary, eventually, names};
use super::json::Json;
use super::metrics::{PROMETHEUS, check_with_promtool};
use super::process::{fails_with, program, run};

/// The original's file.
const CSV: &str = "fibo.csv";

/// The service on a folder.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["fibonacci", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder).args(arguments);
    command
}

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// Starts it, and waits until it is ready.
fn start(data: &Arc<TempDir>, arguments: &[&str]) -> Testero {
    start_on(data, data.path(), arguments)
}

/// The same on a folder within.
fn start_on(data: &Arc<TempDir>, folder: &Path, arguments: &[&str]) -> Testero {
    ready(Testero::spawn(command(folder, arguments), Arc::clone(data)))
}

fn ready(testero: Testero) -> Testero {
    eventually("it is ready", || testero.ask("GET", "/readyz").status == 200);
    // What it has found stands before this line; the reader of the log may be a moment behind.
    eventually("it says where it stands", || testero.log().contains("The sequence stands at"));
    testero
}

fn fresh() -> Testero {
    start(&folder(), &[])
}

/// Ends it as Kubernetes does.
fn terminate(testero: Testero) -> String {
    testero.signal(libc::SIGTERM);
    let (status, _, log) = testero.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panic"), "{log}");
    log
}

/// Where a service says that it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    hits: u64,
    position: u64,
    previous: String,
    current: String,
    next: String,
}

impl State {
    /// Reads the object, and checks that its numbers are those of its position.
    fn parse(body: &str) -> Self {
        Json::parse(body);
        let member = |name: &str| {
            let after = body.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name}: {body}")).1;
            after.split([',', '}']).next().unwrap().to_owned()
        };
        let whole = |name: &str| member(name).parse().unwrap();
        let (previous, current, next) = (member("previous"), member("current"), member("next"));
        let state = Self { hits: whole("hits"), position: whole("position"), previous, current, next };
        let index = state.index();
        let there = [&state.previous, &state.current, &state.next].map(|number| remainder(number));
        assert_eq!(there, [index.saturating_sub(1), index, index + 1].map(number_at), "{body}");
        state
    }

    /// Which number is the current one: the 0 and the first 1 share a position.
    fn index(&self) -> u64 {
        if self.current == "0" { 0 } else { self.position }
    }
}

fn state(testero: &Testero) -> State {
    let answer = testero.ask("GET", "/current?format=json");
    assert_eq!(answer.status, 200, "{answer:?}");
    State::parse(&answer.body)
}

/// Numbers of any length are compared by what a division by this leaves.
const PRIME: u64 = (1 << 61) - 1;

fn remainder(digits: &str) -> u64 {
    assert!(!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()), "{digits}");
    assert!(digits == "0" || !digits.starts_with('0'), "{digits}");
    let step = |rest: u64, digit: u8| (u128::from(rest) * 10 + u128::from(digit - b'0')) % u128::from(PRIME);
    digits.bytes().fold(0, |rest, digit| step(rest, digit) as u64)
}

/// What F(index) leaves.
fn number_at(index: u64) -> u64 {
    let times = |one: u64, other: u64| (u128::from(one) * u128::from(other) % u128::from(PRIME)) as u64;
    let (mut here, mut ahead) = (0, 1);
    for bit in (0..u64::BITS).rev() {
        let even = times(here, (2 * ahead + PRIME - here) % PRIME);
        let odd = (times(here, here) + times(ahead, ahead)) % PRIME;
        (here, ahead) = if index >> bit & 1 == 0 { (even, odd) } else { (odd, (even + odd) % PRIME) };
    }
    here
}

/// The first of Fibonacci's numbers, in full, by adding as one does on paper.
fn first_numbers(count: usize) -> Vec<String> {
    let (mut here, mut ahead) = (vec![0u8], vec![1u8]);
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(here.iter().rev().map(|digit| char::from(b'0' + digit)).collect());
        let (mut sum, mut carry) = (Vec::new(), 0);
        for (place, digit) in ahead.iter().enumerate() {
            let digit = digit + here.get(place).unwrap_or(&0) + carry;
            sum.push(digit % 10);
            carry = digit / 10;
        }
        if carry > 0 {
            sum.push(carry);
        }
        (here, ahead) = (ahead, sum);
    }
    numbers
}

/// A client that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, target: &str) -> io::Result<()> {
        self.0.get_mut().write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if self.0.read_until(b'\n', &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut answer = Answer::parse(&bytes);
        let mut body = vec![0; answer.field("Content-Length").unwrap().parse().unwrap()];
        self.0.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).unwrap();
        Ok(answer)
    }

    fn ask(&mut self, target: &str) -> io::Result<Answer> {
        self.send(target)?;
        self.receive()
    }
}

/// What a client that stepped until its connection was gone knows.
struct Told {
    step: &'static str,
    /// After each of its steps that were answered.
    answered: Vec<State>,
    /// Steps it asked for without an answer.
    in_flight: u64,
}

/// Steps until the connection is gone.
fn step_on(address: SocketAddr, step: &'static str) -> JoinHandle<Told> {
    thread::spawn(move || {
        let mut told = Told { step, answered: Vec::new(), in_flight: 0 };
        let Ok(mut client) = Client::new(address) else { return told };
        let target = format!("/{step}?format=json");
        while client.send(&target).is_ok() {
            match client.receive() {
                Ok(answer) if answer.status == 200 => told.answered.push(State::parse(&answer.body)),
                Ok(answer) => panic!("{answer:?}"),
                Err(_) => {
                    told.in_flight += 1;
                    break;
                }
            }
        }
        told
    })
}

/// Some that step forward and one that steps back.
fn crowd(testero: &Testero) -> Vec<JoinHandle<Told>> {
    ["next", "next", "next", "next", "next", "previous"].map(|step| step_on(testero.address, step)).into()
}

/// Asserts that what clients were told between two states is all true, and that nothing is missing or twice.
fn check_told(before: &State, told: Vec<JoinHandle<Told>>, after: &State) -> usize {
    let told: Vec<Told> = told.into_iter().map(|told| told.join().unwrap()).collect();
    let in_flight: u64 = told.iter().map(|told| told.in_flight).sum();
    let mut steps: Vec<(&State, &str)> =
        told.iter().flat_map(|told| told.answered.iter().map(|state| (state, told.step))).collect();
    steps.sort_by_key(|(state, _)| state.hits);
    let answered = steps.len() as u64;
    assert!(steps.iter().all(|(state, _)| state.hits > before.hits), "an old step was answered again");
    // Neither lost nor made twice: each answered one counts once, and at most those in flight besides.
    let made = after.hits.checked_sub(before.hits).unwrap_or_else(|| panic!("{before:?} became {after:?}"));
    assert!(
        made >= answered && made <= answered + in_flight,
        "{made} made, {answered} answered, {in_flight} in flight"
    );
    let mut last = before;
    for (state, step) in steps.iter().copied().chain([(after, "")]) {
        let gap = state.hits - last.hits;
        assert!(gap > 0 || step.is_empty(), "two were answered with the same: {state:?} {last:?}");
        let moved = state.index() as i64 - last.index() as i64;
        assert!(moved.unsigned_abs() <= gap && (moved.unsigned_abs() + gap).is_multiple_of(2), "{last:?} {state:?}");
        match (gap, step) {
            (1, "next") => assert_eq!(moved, 1, "{last:?} {state:?}"),
            (1, "previous") => assert_eq!(moved, -1, "{last:?} {state:?}"),
            _ => {}
        }
        last = state;
    }
    steps.len()
}

/// A journal of the first version that begins after so many hits at this index, with a batch for each step: 1 on, 2 back,
/// 3 to the beginning.
fn journal(generation: u64, hits: u64, index: u64, steps: &[u8]) -> Vec<u8> {
    journal_of(b"testfibo", &[generation, hits, index], steps)
}

/// The same of the second version, beside a `fibo.csv` that says, or is to say, one of these: hits and index.
fn journal_beside(generation: u64, hits: u64, index: u64, csv: [(u64, u64); 2], steps: &[u8]) -> Vec<u8> {
    let [(hits_before, index_before), (hits_after, index_after)] = csv;
    let numbers = [generation, hits, index, hits_before, index_before, hits_after, index_after];
    journal_of(b"testfib2", &numbers, steps)
}

fn journal_of(magic: &[u8], numbers: &[u64], steps: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend(checksum(&bytes).to_le_bytes());
    let generation = numbers[0];
    for (hits, step) in (numbers[1]..).zip(steps) {
        let mut batch = generation.to_le_bytes().to_vec();
        batch.extend(b"\xF1\xB0\xCC\x1A\x01\0\0\0");
        batch.extend(hits.to_le_bytes());
        batch.push(*step);
        batch.extend(checksum(&batch).to_le_bytes());
        bytes.extend(&batch[8..]);
    }
    bytes
}
/// How long the header of the second version is, and each batch of one step.
const HEADER: usize = 68;
const BATCH: usize = 21;

/// CRC-32 as in zip, a bit at a time.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        let turn = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        (0..8).fold(sum ^ u32::from(*byte), turn)
    })
}

/// A folder where the sequence stands at this index.
fn folder_at(hits: u64, index: u64) -> Arc<TempDir> {
    let data = folder();
    fs::write(data.path().join("fibo.journal.1"), journal(1, hits, index, &[])).unwrap();
    data
}

/// The names that matter in a folder: the journal, and what else is there.
fn kept(folder: &Path) -> Vec<String> {
    let names = names(folder);
    assert!(names.iter().any(|name| name == "fibo.lock"), "{names:?}");
    names.into_iter().filter(|name| name != "fibo.lock").collect()
}

mod answers;
mod crowds;
mod files;
mod kills;
mod large;
mod removed;
mod trouble;
mod two;
