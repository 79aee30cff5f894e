//! How many requests a second `getact` serves at 64 keep-alive connections, beside a bare loop of std and httparse on
//! the same cores: one thread a connection, no bounds, no deadlines, one fixed answer of the same length.
//!
//! One client thread drives both, a request on each connection and then an answer from each; the two servers (each a
//! process of its own) alternate, the first run of each is thrown away, and the ratio is of medians.
//!
//! `cargo bench --bench http`

#![allow(clippy::print_stdout, reason = "a benchmark's results go to stdout")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

mod crowd;
mod server;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use crowd::{CONNECTIONS, Crowd, median};
use server::Server;

const TARGET: &str = "/api/mem/getact";
const ROUNDS: usize = 1500;
const PAIRS: usize = 5;
/// Ours is at least this much of the bare loop.
const GOAL: f64 = 0.8;
const BARE: &str = "--bare-server";

fn main() {
    if std::env::args().any(|argument| argument == BARE) {
        return bare_server();
    }
    let data = tempfile::tempdir().unwrap();
    let ours = Server::testero(data.path());
    let bare = Server::start(Command::new(std::env::current_exe().unwrap()).arg(BARE));
    let (mut our_times, mut bare_times) = (Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let [one, two] = [&ours, &bare].map(|server| Crowd::connect(server.address).drive(TARGET, ROUNDS));
        if pair > 0 {
            our_times.push(one);
            bare_times.push(two);
        }
    }
    let rate = |times| (CONNECTIONS * ROUNDS) as f64 / median(times).as_secs_f64();
    let (ours, bare) = (rate(our_times), rate(bare_times));
    println!("| connections | ours, requests/s | bare loop, requests/s | ratio of medians | goal |");
    println!("| --- | --- | --- | --- | --- |");
    println!("| {CONNECTIONS} | {ours:.0} | {bare:.0} | {:.2} | {GOAL} |", ours / bare);
}

fn bare_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _ = writeln!(std::io::stderr(), "Starting web server on: {}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        thread::spawn(move || {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut buffer = [0; 4096];
            let mut filled = 0;
            while let Ok(count @ 1..) = stream.read(&mut buffer[filled..]) {
                filled += count;
                let mut fields = [httparse::EMPTY_HEADER; 64];
                let mut request = httparse::Request::new(&mut fields);
                let Ok(httparse::Status::Complete(used)) = request.parse(&buffer[..filled]) else { continue };
                let body = "Last request ID: 0\nParts of size: 262144, Count: 0\nParts of size: 1048576, Count: 0\n\
                            Parts of size: 4194304, Count: 0\nParts of size: 16777216, Count: 0\n\
                            Parts of size: 67108864, Count: 0\nTotal size: 0 bytes.\n";
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                     Date: Sat, 21 Nov 2026 09:44:56 GMT\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).unwrap();
                buffer.copy_within(used..filled, 0);
                filled -= used;
            }
        });
    }
}
