//! A real Redis, on an address and in a folder of its own; and that each way to name one leads to it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{numbers, start};
use crate::harness::{PATIENCE, eventually, free_address, skip};
use crate::process::Reaped;

/// A redis-server. Killed by its own pid when dropped.
pub(super) struct Redis {
    server: Option<Reaped>,
    pub(super) address: SocketAddr,
    folder: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one that keeps nothing, with further arguments; none where there is no redis-server.
    pub(super) fn start(arguments: &[&str]) -> Option<Self> {
        Self::start_at(free_address(), arguments)
    }

    /// The same, on this address.
    pub(super) fn start_at(address: SocketAddr, arguments: &[&str]) -> Option<Self> {
        let quiet = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if quiet.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            skip("there is no redis-server on this machine, so counting in a Redis is NOT tested");
            return None;
        }
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis = Self { server: None, address, folder: tempfile::tempdir().unwrap(), arguments };
        redis.begin();
        Some(redis)
    }

    /// Starts it, or starts it again, and waits until it answers.
    pub(super) fn begin(&mut self) {
        eventually("redis-server answers", || {
            if self.server.is_none() {
                self.server = Some(Reaped(self.spawn()));
            }
            // The one before may still have had the address.
            if self.server.as_mut().unwrap().0.try_wait().unwrap().is_some() {
                self.server = None;
                return false;
            }
            let answer = self.try_say("PING").unwrap_or_default();
            answer.starts_with("+PONG") || answer.starts_with("-NOAUTH")
        });
    }

    fn spawn(&self) -> Child {
        let log: File =
            OpenOptions::new().create(true).append(true).open(self.folder.path().join("redis.log")).unwrap();
        let (ip, port) = (self.address.ip().to_string(), self.address.port().to_string());
        Command::new("redis-server")
            .args(["--bind", &ip, "--port", &port, "--protected-mode", "no", "--save", ""])
            .args(["--unixsocket", "redis.sock"])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Ends it as a power cut would, but for the page cache.
    pub(super) fn kill(&mut self) {
        self.server = None;
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: i32) {
        let pid = self.server.as_ref().unwrap().0.id();
        // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
    }

    /// What it answers to this command, or these.
    pub(super) fn say(&self, commands: &str) -> String {
        self.try_say(commands).unwrap()
    }

    fn try_say(&self, commands: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{commands}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned())
    }

    /// The total that it holds.
    pub(super) fn total(&self) -> u64 {
        let answer = self.say("GET total_count");
        answer.lines().nth(1).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }

    /// Its URL, without a user.
    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Its socket in the file system.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

#[test]
fn each_way_to_name_a_redis_leads_to_it() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (host, port, link) =
        (redis.address.ip().to_string(), redis.address.port().to_string(), format!("tcp://{}", redis.address));
    let (url, socket) = (redis.url(), format!("unix://{}", redis.socket().display()));
    let (host, port, nowhere) = (host.as_str(), port.as_str(), "redis://127.0.0.1:1");
    let ways = [
        &[("ContainerDBhost", host), ("ContainerDBport", port)][..],
        &[("CONTAINER_DB_HOST", host), ("CONTAINER_DB_PORT", port)],
        &[("CONTAINER_DB_HOST", host), ("ContainerDBport", port)],
        // As Kubernetes sets it for a Service called container-db.
        &[("CONTAINER_DB_PORT", &link)],
        &[("ContainerDBport", &link)],
        &[("CONTAINER_DB_HOST", host), ("CONTAINER_DB_PORT", &link)],
        &[("REDIS_URL", &url)],
        &[("REDIS_URL", &url), ("CONTAINER_DB_HOST", "127.0.0.1"), ("CONTAINER_DB_PORT", "1")],
        &[("REDIS_URL", &socket)],
        // Empty is not set.
        &[("REDIS_URL", ""), ("CONTAINER_DB_HOST", host), ("CONTAINER_DB_PORT", &link), ("ContainerDBhost", "")],
    ];
    for (before, variables) in (0..).zip(ways) {
        let testero = start(variables);
        assert_eq!(numbers(&testero), (1, before + 1), "{variables:?}: {}", testero.log());
        // Nothing of it is in a file.
        assert!(testero.names().is_empty(), "{:?}", testero.names());
    }
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let arguments = ["--listen", "127.0.0.1:0", "--redis-url", url.as_str()];
    let command = super::counter(folder.path(), &arguments, &[("REDIS_URL", nowhere)]);
    let testero = crate::harness::Testero::spawn(command, folder);
    assert_eq!(numbers(&testero), (1, ways.len() as u64 + 1), "the flag wins: {}", testero.log());
    assert_eq!(redis.total(), ways.len() as u64 + 1);
}

#[test]
fn a_database_has_a_number() {
    let Some(redis) = Redis::start(&[]) else { return };
    redis.say("SET total_count 700");
    let numbered = start(&[("REDIS_URL", &format!("{}/5", redis.url()))]);
    let on_socket = start(&[("REDIS_URL", &format!("unix://{}?db=5", redis.socket().display()))]);
    assert_eq!((numbers(&numbered), numbers(&on_socket)), ((1, 1), (1, 2)));
    assert_eq!(redis.total(), 700);
    assert!(redis.say("SELECT 5\r\nGET total_count").ends_with("$1\r\n2\r\n"));
    // There are sixteen.
    let beyond = start(&[("REDIS_URL", &format!("{}/99", redis.url()))]);
    assert_eq!(beyond.ask("GET", "/").status, 501);
}

#[test]
fn a_user_with_a_password_may_be_one_who_may_do_no_more_than_count() {
    let Some(redis) = Redis::start(&[]) else { return };
    redis.say("ACL SETUSER counting on >hunter:2@x/y ~total_count +incr +ping");
    redis.say("CONFIG SET requirepass hunter3");
    let (ip, port, socket) = (redis.address.ip(), redis.address.port(), redis.socket());
    let (password, socket) = ("hunter%3A2%40x%2Fy", socket.display());
    for (before, url) in (0..).zip([
        format!("redis://counting:{password}@{ip}:{port}"),
        format!("redis://counting:{password}@{ip}:{port}/0"),
        format!("unix://{socket}?user=counting&pass={password}"),
        // The original's way: no user.
        format!("redis://:hunter3@{ip}:{port}"),
    ]) {
        let testero = start(&[("REDIS_URL", &url)]);
        assert_eq!(numbers(&testero), (1, before + 1), "{}", testero.log());
        assert_eq!(testero.get("/readyz?store"), "ok\n");
        assert!(!testero.log().contains("hunter"), "{}", testero.log());
    }
}

#[test]
fn a_wrong_password_is_told_to_nobody() {
    let Some(redis) = Redis::start(&["--requirepass", "right"]) else { return };
    for user in ["", "default", "nobody"] {
        let testero = start(&[("REDIS_URL", &format!("redis://{user}:hunter2@{}", redis.address))]);
        let (text, (json, _)) = (testero.ask("GET", "/"), testero.ask_json("GET", "/"));
        assert_eq!((text.status, text.body.as_str(), json.status), (501, super::AWAY, 501));
        let ready = testero.ask("GET", "/readyz?store");
        assert_eq!(ready.status, 503);
        let said = [json.body, ready.body, testero.log()].concat();
        assert!(!said.contains("hunter2") && said.contains("the Redis at"), "{said}");
    }
    let without = start(&[("REDIS_URL", &redis.url())]);
    assert_eq!(without.ask("GET", "/").status, 501);
    // It is seen when it becomes right.
    redis.say("AUTH right\r\nCONFIG SET requirepass \"\"");
    eventually("it counts", || without.ask("GET", "/").status == 200);
}

#[test]
fn connections_stay_and_there_are_as_many_as_were_needed_at_once() {
    let Some(redis) = Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    let received = || {
        let stats = redis.say("INFO stats");
        let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
        line.parse::<u64>().unwrap()
    };
    // Those of this test: each question is one.
    let open = || redis.say("CLIENT LIST TYPE normal").matches("cmd=").count() - 1;
    let before = received();
    for _ in 0..200 {
        testero.get("/");
    }
    eventually("requests that follow each other have one connection", || open() == 1);
    let after = received();
    // On a loaded machine a request may have been late, which costs a connection.
    assert!(after - before < 50, "{before} {after}");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..20).for_each(|_| drop(testero.get("/"))));
        }
    });
    eventually("a crowd has no more than eight", || (1..=8).contains(&open()));
    // A connection that the other side has closed is one try lost, and no request.
    for _ in 0..5 {
        redis.say("CLIENT KILL TYPE normal SKIPME yes");
        std::thread::sleep(Duration::from_millis(5));
        for _ in 0..10 {
            testero.get("/");
        }
    }
    let (own, total) = numbers(&testero);
    assert!(own == 651 && total >= 651, "{own} {total}");
}
