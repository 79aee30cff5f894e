//! Clients and members that are programs of others.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::other_proxies::has;
use crate::harness::skip;
use crate::process::Reaped;

/// A bound for programs that hang, not a measure.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(300);

/// A file of `tests/proxy/programs`.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/programs").join(name)
}

/// The Python that has the package `websockets`; none where no variable names it.
pub(super) fn websockets_python() -> Option<String> {
    let python = std::env::var("WEBSOCKETS_PYTHON").ok();
    if python.is_none() {
        skip("WEBSOCKETS_PYTHON names no Python that has websockets, so WebSockets are NOT tested with a real client");
    }
    python
}

/// A member that is a program in Python. Killed by its own pid when dropped.
pub(super) struct PythonMember {
    pub(super) address: SocketAddr,
    /// What the bodies of [`PythonMember::start`] are made of, again and again.
    pub(super) pattern: Vec<u8>,
    _process: Reaped,
    _folder: tempfile::TempDir,
}

impl PythonMember {
    /// The one that takes bodies; none where there is no Python.
    pub(super) fn start() -> Option<Self> {
        has("python3", "--version").then(|| Self::run("python3", "member.py"))
    }

    /// A script that says its port, run by this Python.
    pub(super) fn run(python: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pattern");
        // No part of it is like another, and its length is prime: what is lost or moved is seen.
        let mut state = 1_u64;
        let pattern: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .take(100_003)
        .collect();
        std::fs::write(&path, &pattern).unwrap();
        let mut command = Command::new(python);
        command.arg(script(name)).arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Reaped(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{name} says no port: {line:?}"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { address, pattern, _process: process, _folder: folder }
    }
}

/// Runs a program to its end, and returns what it wrote on stdout and stderr; it must end well.
pub(super) fn output(command: &mut Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let file = File::create(&path).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let mut process = Reaped(command.spawn().unwrap());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < PROGRAM_PATIENCE, "{command:?} does not end: {:?}", std::fs::read_to_string(&path));
        std::thread::sleep(Duration::from_millis(5));
    };
    let output = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(status.success(), "{command:?}: {status}: {output}");
    output
}
