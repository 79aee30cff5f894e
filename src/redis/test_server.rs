//! A redis-server for tests, on a socket and in a folder of its own. Without one on the machine such tests skip loudly.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::redis::server::RedisServer;
use crate::redis::value::RedisValue;

/// How long it may take to start, on a machine that does other things.
const START: Duration = Duration::from_secs(60);

/// A redis-server. Killed by its own pid when dropped.
pub(crate) struct TestRedis {
    process: Child,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl TestRedis {
    /// Starts one that keeps nothing on disk unless these further arguments say so, and waits until it answers; none where
    /// there is no redis-server.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let process = match spawn(folder.path(), &arguments) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let all = std::env::var("TESTERO_TESTS").is_ok_and(|tests| tests == "all");
                assert!(!all, "TESTERO_TESTS=all, so nothing may be skipped, but there is no redis-server");
                eprintln!("SKIPPED: there is no redis-server on this machine, so what needs one is NOT tested");
                return None;
            }
            process => process.unwrap(),
        };
        let started = Self { process, folder, arguments };
        started.wait();
        Some(started)
    }

    /// Kills it, as a power cut would but for the page cache.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, in the same place.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.folder.path(), &self.arguments).unwrap();
        self.wait();
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.folder.path().join("socket").display())
    }

    /// What it answers to a command.
    pub(crate) fn say(&self, words: &[&str]) -> io::Result<RedisValue> {
        let deadline = Instant::now() + START;
        let mut open = RedisServer::at(&self.url()).unwrap().open(deadline)?;
        open.call(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>(), deadline)?.accepted()
    }

    fn wait(&self) {
        let begin = Instant::now();
        // While it reads what it kept, it answers with LOADING.
        while let Err(error) = self.say(&["DBSIZE"]) {
            assert!(begin.elapsed() < START, "{error}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &Path, arguments: &[String]) -> io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", "socket"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}
