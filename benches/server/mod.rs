//! What the benchmarks share: a server in a process of its own.

#![allow(dead_code, reason = "not every benchmark needs all of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A server, ended with us.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("Starting web server on: ")).unwrap();
        // Whoever writes into a pipe that nobody reads is stopped in the end.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address: line.rsplit(' ').next().unwrap().parse().unwrap() }
    }

    /// A testero on this folder.
    pub(crate) fn testero(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testero"));
        Self::start(command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A request for JSON, on a connection of its own.
    pub(crate) fn ask(&self, method: &str, target: &str) -> String {
        self.send(method, target, "")
    }

    /// The same, with a body.
    pub(crate) fn send(&self, method: &str, target: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n");
        if !body.is_empty() {
            request += &format!("Content-Type: application/yaml\r\nContent-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        stream.write_all((request + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{target}: {answer}");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
