//! What the benchmarks of requests share: one client thread that keeps many connections busy, a request on each and then
//! an answer from each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How many connections are kept busy.
pub(crate) const CONNECTIONS: usize = 64;

/// The client.
pub(crate) struct Crowd(Vec<TcpStream>);

impl Crowd {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
        connections.iter().for_each(|connection| connection.set_nodelay(true).unwrap());
        Self(connections)
    }

    /// How long so many rounds take.
    pub(crate) fn drive(&mut self, target: &str, rounds: usize) -> Duration {
        let request = request(target);
        let start = Instant::now();
        for _ in 0..rounds {
            self.0.iter_mut().for_each(|connection| connection.write_all(&request).unwrap());
            self.0.iter_mut().for_each(read);
        }
        start.elapsed()
    }

    /// One request on one connection.
    #[allow(dead_code, reason = "not every benchmark needs it")]
    pub(crate) fn ask(&mut self, target: &str) {
        self.0[0].write_all(&request(target)).unwrap();
        read(&mut self.0[0]);
    }
}

fn request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n").into_bytes()
}

/// Reads an answer. Nothing can follow it: the next one is not asked for yet.
fn read(connection: &mut TcpStream) {
    let mut answer = [0; 4096];
    let mut got = 0;
    while !is_whole(&answer[..got]) {
        let more = connection.read(&mut answer[got..]).unwrap();
        assert!(more > 0, "it closed the connection");
        got += more;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer[..got]));
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let length = head.split_once("Content-Length: ").unwrap().1.split("\r\n").next().unwrap();
    answer.len() >= end + 4 + length.parse::<usize>().unwrap()
}

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
