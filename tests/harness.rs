//! Starting the program, talking to it, looking at it from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::json::Json;

/// Longer than anything takes on a slow machine: a bound for tests that hang, not a measure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program's path: what cargo has built for the tests, or what TESTERO_PROGRAM names.
pub fn binary() -> &'static str {
    static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("TESTERO_PROGRAM").ok());
    NAMED.as_deref().unwrap_or(env!("CARGO_BIN_EXE_testero"))
}

/// Whether that program is one that ships, and has its bounds: of memory, and of time.
pub fn is_optimized() -> bool {
    binary() != env!("CARGO_BIN_EXE_testero") || !cfg!(debug_assertions)
}

/// Says that a test, or a part of it, is not run here, and why. Every test that does without something goes through this:
/// where nothing may be missing, as in CI (`TESTERO_TESTS=all`), it fails instead.
pub fn skip(why: &str) {
    let all = std::env::var("TESTERO_TESTS").is_ok_and(|tests| tests == "all");
    assert!(!all, "TESTERO_TESTS=all, so nothing may be skipped, but {why}");
    eprintln!("SKIPPED: {why}");
}

/// A running testero. Killed by its own pid when dropped.
pub struct Testero {
    child: Child,
    pub address: SocketAddr,
    pub data: Arc<tempfile::TempDir>,
    log: Arc<Mutex<String>>,
}

impl Testero {
    /// Starts it with nothing but a port and a data folder.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// Starts it with further arguments and variables.
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), arguments, variables)
    }

    /// Starts it on a data folder.
    pub fn start_in(data: Arc<tempfile::TempDir>, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).args(arguments);
        command.envs(variables.iter().copied());
        Self::spawn(command, data)
    }

    /// Starts a command that becomes a testero, and waits until it listens.
    pub fn spawn(mut command: Command, data: Arc<tempfile::TempDir>) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                let mut lines = lines.lock().unwrap();
                lines.push_str(&line);
                lines.push('\n');
            }
        });
        let mut testero = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), data, log };
        eventually("it listens", || {
            let log = testero.log();
            let line = log.lines().find_map(|line| line.split_once("Starting web server on: "));
            if let Some((_, address)) = line {
                // In a JSON line more follows.
                testero.address = address.split('"').next().unwrap().parse().unwrap();
                return true;
            }
            if let Some(status) = testero.child.try_wait().unwrap() {
                panic!("it ended with {status}: {log}");
            }
            false
        });
        testero
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The body of the answer to GET.
    pub fn get(&self, target: &str) -> String {
        let answer = self.ask("GET", target);
        assert!(answer.status == 200, "{target}: {answer:?}");
        answer.body
    }

    /// A request of its own connection.
    pub fn ask(&self, method: &str, target: &str) -> Answer {
        self.send(method, target, &[], "")
    }

    /// A request with further header fields, which may replace Host, and a body.
    pub fn send(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        if !fields.iter().any(|(name, _)| *name == "Host") {
            request += "Host: x\r\n";
        }
        for (name, value) in fields {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        Answer::parse(&self.raw(format!("{request}\r\n{body}").as_bytes()))
    }

    /// A form, as `curl -d` sends it.
    pub fn form(&self, target: &str, form: &str) -> Answer {
        self.send("POST", target, &[("Content-Type", "application/x-www-form-urlencoded")], form)
    }

    /// The status, for programs.
    pub fn report(&self) -> Json {
        self.json("GET", "/api/status", 200)
    }

    /// A request with further header fields (each line with its end) and a body.
    pub fn ask_with(&self, method: &str, target: &str, fields: &str, body: &str) -> Answer {
        let fields: Vec<(&str, &str)> = fields.lines().map(|line| line.split_once(": ").unwrap()).collect();
        self.send(method, target, &fields, body)
    }

    /// A request for JSON; whatever comes must be JSON.
    pub fn ask_json(&self, method: &str, target: &str) -> (Answer, Json) {
        let answer = self.send(method, target, &[("Accept", "application/json")], "");
        assert_eq!(answer.field("Content-Type"), Some("application/json"), "{method} {target}: {answer:?}");
        let value = Json::parse(&answer.body);
        (answer, value)
    }

    /// A request for JSON: the status, and what the body says.
    pub fn status_and_json(&self, method: &str, target: &str) -> (u16, Json) {
        let (answer, value) = self.ask_json(method, target);
        (answer.status, value)
    }

    /// The JSON of a request that must be answered with `status`.
    pub fn json(&self, method: &str, target: &str, status: u16) -> Json {
        let (answer, value) = self.ask_json(method, target);
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        value
    }

    /// A group as `/api/status` has it.
    pub fn group(&self, name: &str) -> Json {
        self.report()["groups"][name].clone()
    }

    /// Waits until a group is in this state, and returns it.
    pub fn in_state(&self, name: &str, state: &str) -> Json {
        let mut group = Json::Null;
        eventually(&format!("{name} is {state}"), || {
            group = self.group(name);
            group["state"].string() == state
        });
        group
    }

    /// Sends bytes and reads until the service closes.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The service may have answered and closed before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Waits until no work of `group` (mem, disk) is pending or running, and returns what it holds.
    pub fn settled(&self, group: &str) -> String {
        let mut held = String::new();
        eventually("the work is done", || {
            held = self.get(&format!("/api/{group}/getact"));
            !held.starts_with("Server ")
        });
        held
    }

    /// A line of /proc/PID/status, in its unit.
    pub fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// CPU time used so far.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // USER_HZ is 100 on every machine Linux runs on.
        Duration::from_millis(ticks * 10)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.pid() as i32, signal) }, 0);
    }

    /// Waits for the end and says how it ended, how long that took, and what was logged.
    pub fn wait(mut self) -> (ExitStatus, Duration, String) {
        let start = Instant::now();
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let took = start.elapsed();
        // The reader of stderr may be a moment behind.
        thread::sleep(Duration::from_millis(50));
        (status.unwrap(), took, self.log())
    }

    /// Names in the data folder.
    pub fn names(&self) -> Vec<String> {
        names(self.data.path())
    }
}

impl Drop for Testero {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names in a folder, sorted.
pub fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until `check` holds.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Tries what slowness alone can spoil until it succeeds once; what is broken fails each time, until patience is at its end.
/// `check` says what was wrong.
pub fn at_least_once(what: &str, mut check: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(why) = check() {
        assert!(start.elapsed() < 2 * PATIENCE, "not once: {what}: {why}");
    }
}

/// The 99th percentile of how long `count` requests for `/healthz` take, if it is below `most`.
pub fn answers_within(testero: &Testero, count: usize, most: Duration) -> Result<(), String> {
    let one = |_| {
        let began = Instant::now();
        assert_eq!(testero.get("/healthz"), "ok\n");
        began.elapsed()
    };
    let mut took: Vec<Duration> = (0..count).map(one).collect();
    took.sort_unstable();
    let p99 = took[count - 1 - count / 100];
    if p99 < most { Ok(()) } else { Err(format!("p99 {p99:?}")) }
}

/// An address that nobody has: of a loopback network of this process, because those who connect to somebody get their
/// ports on 127.0.0.1, and might get one that is to be listened on again.
pub fn free_address() -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    TcpListener::bind((Ipv4Addr::new(127, high | 1, low, 9), 0)).unwrap().local_addr().unwrap()
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The body of a chunked answer, put together.
    pub fn chunks(&self) -> String {
        assert_eq!(self.field("Transfer-Encoding"), Some("chunked"), "{self:?}");
        let (mut whole, mut rest) = (String::new(), self.body.as_str());
        loop {
            let (size, after) = rest.split_once("\r\n").unwrap_or_else(|| panic!("cut short: {self:?}"));
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return whole;
            }
            whole += &after[..size];
            rest = after[size..].strip_prefix("\r\n").unwrap();
        }
    }

    /// The value of a header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// The text with a `#` for each run of digits.
pub fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            c => shape.push(c),
        }
    }
    shape
}
