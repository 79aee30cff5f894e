//! The HTTP edge, section 7 of the issue, promise by promise: over real sockets, against the real program.
//!
//! Where a promise needs a handler the program does not have (one that panics, one that keeps bodies), the same
//! server runs in this process.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use testero::http::head::Head;
use testero::http::{Answer as Reply, BodyRule, Request, Server, Service, text};
use testero::shutdown::Stop;

use crate::harness::{Answer, PATIENCE, PROGRAM, Testero, eventually};

/// What is promised to a probe, and a debug program that shares two cores with a flood of a thousand clients.
const PROBE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 8 } else { 2 });
const GET: &[u8] = b"GET /api/mem/getact HTTP/1.1\r\nHost: x\r\n\r\n";

// ---------------------------------------------------------------- tools

/// A connection on which answers are read one by one.
struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, received: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads up to and including `mark`.
    fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(mark.len()).position(|window| window == mark) {
                return Ok(self.received.drain(..at + mark.len()).collect());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.received.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }

    /// The head of the next answer.
    fn head(&mut self) -> Answer {
        Answer::parse(&self.until(b"\r\n\r\n").unwrap())
    }

    /// The next answer, as long as it says.
    fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::parse(&self.until(b"\r\n\r\n")?);
        let length: usize = answer.field("Content-Length").unwrap().parse().unwrap();
        while self.received.len() < length {
            self.more()?;
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        Ok(answer)
    }

    fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request);
        self.answer()
    }

    /// What comes until the service closes.
    fn rest(mut self) -> Vec<u8> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(error) => {
                    assert!(!is_wait(&error), "the service did not close");
                    return self.received;
                }
            }
        }
    }
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// All answers in `bytes`.
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let mut answer = Answer::parse(bytes);
        let start = answer.head.len() + 4;
        let length: usize = answer.field("Content-Length").unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap();
        answer.body = String::from_utf8(bytes[start..start + length].to_vec()).unwrap();
        bytes = &bytes[start + length..];
        answers.push(answer);
    }
    answers
}

/// Sends `bytes`, then a request that must not be answered, and expects one answer with `status` and the end.
fn refused(testero: &Testero, bytes: &[u8], status: u16) {
    let smuggled = [bytes, GET].concat();
    let all = answers(&testero.raw(&smuggled));
    let shown = &smuggled[..smuggled.len().min(300)];
    assert_eq!(all.iter().map(|a| a.status).collect::<Vec<_>>(), [status], "{}", shown.escape_ascii());
    assert_eq!(all[0].field("Connection"), Some("close"));
    assert!(all[0].field("Date").is_some());
}

/// Lets this process have as many descriptors as it may.
fn raise_descriptors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to a live rlimit.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the pointer is to a live rlimit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        assert!(limit.rlim_cur >= 4096, "these tests need 4096 descriptors, `ulimit -Hn` gives {}", limit.rlim_cur);
    });
}

/// A soft limit of a running program, put back when dropped.
struct Lowered<'t> {
    testero: &'t Testero,
    set: fn(&Testero, Option<u64>) -> u64,
    before: u64,
}

impl<'t> Lowered<'t> {
    fn new(testero: &'t Testero, set: fn(&Testero, Option<u64>) -> u64, to: u64) -> Self {
        Self { testero, set, before: set(testero, Some(to)) }
    }
}

impl Drop for Lowered<'_> {
    fn drop(&mut self) {
        (self.set)(self.testero, Some(self.before));
    }
}

/// Sets a soft limit of the running program; returns what it was.
macro_rules! soft_limit {
    ($name:ident, $resource:expr) => {
        fn $name(testero: &Testero, soft: Option<u64>) -> u64 {
            let pid = testero.pid() as libc::pid_t;
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the first pointer may be null, the second is to a live rlimit; the child is not reaped yet.
            let got = unsafe { libc::prlimit(pid, $resource, std::ptr::null(), &raw mut limit) };
            assert_eq!(got, 0, "{}", io::Error::last_os_error());
            let before = limit.rlim_cur;
            if let Some(soft) = soft {
                limit.rlim_cur = soft;
                // SAFETY: as above, the other way round.
                let set = unsafe { libc::prlimit(pid, $resource, &raw const limit, std::ptr::null_mut()) };
                assert_eq!(set, 0, "{}", io::Error::last_os_error());
            }
            before
        }
    };
}
soft_limit!(descriptor_limit, libc::RLIMIT_NOFILE);
soft_limit!(address_limit, libc::RLIMIT_AS);

/// Starts the program with so many permits: descriptors, less the 32 it keeps for other things, and a quarter more for
/// connections that are on their way out.
fn with_permits(permits: usize) -> Testero {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {}; exec \"$@\"", permits + permits.div_ceil(4) + 32);
    command.args(["-c", &script, "sh", PROGRAM, "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    Testero::spawn(command, data)
}

/// Closing this socket will be a reset.
fn reset_on_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    set_option(stream, libc::SO_LINGER, &linger);
}

fn set_option<T>(stream: &TcpStream, name: i32, value: &T) {
    let length = size_of::<T>() as libc::socklen_t;
    let fd = stream.as_raw_fd();
    // SAFETY: the pointer and the length are those of a live value of the option's type.
    let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, std::ptr::from_ref(value).cast(), length) };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

/// What the program had open before a test; afterwards it must have no more.
struct Footing {
    descriptors: usize,
    threads: u64,
}

impl Footing {
    fn of(testero: &Testero) -> Self {
        // One request, so that whatever is made once is made.
        testero.get("/api/mem/getact");
        let mut footing = Self { descriptors: 0, threads: 0 };
        let listening = || Self { descriptors: testero.descriptors(), threads: testero.status("Threads") };
        eventually("the first connection has ended", || {
            let last = std::mem::replace(&mut footing, listening());
            thread::sleep(Duration::from_millis(50));
            (last.descriptors, last.threads) == (footing.descriptors, footing.threads)
        });
        footing
    }

    fn is_back(&self, testero: &Testero) {
        eventually("descriptors return to where they were", || testero.descriptors() <= self.descriptors);
        eventually("threads return to where they were", || testero.status("Threads") <= self.threads);
        assert_eq!(testero.ask("GET", "/api/mem/getact").status, 200);
        assert!(!testero.log().contains("anic"), "{}", testero.log());
    }
}

/// Asks on connections of its own for `length`, and checks that an answer comes within two seconds.
///
/// On a loaded machine one probe may be late for reasons that are not ours; two in a row may not.
fn probes_get_in(testero: &Testero, length: Duration) {
    let end = Instant::now() + length;
    let mut late = Vec::new();
    while Instant::now() < end || late.len() == 1 {
        let start = Instant::now();
        let mut client = Client::new(testero.address);
        let asked = client.stream.write_all(GET).and_then(|()| client.try_answer());
        let took = start.elapsed();
        match asked {
            Ok(answer) if answer.status == 200 && took < PROBE => late.clear(),
            answer => late.push((took, answer)),
        }
        assert!(late.len() < 2, "probes were late or lost: {late:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The most memory it ever had resident.
fn memory_stays_small(testero: &Testero) {
    let most = if cfg!(debug_assertions) { 32 << 10 } else { 16 << 10 };
    let peak = testero.status("VmHWM");
    assert!(peak < most, "{peak} KiB resident");
}

/// A server in this process.
struct Local {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

struct Handler<F>(F, BodyRule);

impl<F: Fn(&Request<'_>) -> Reply + Send + Sync + 'static> Service for Handler<F> {
    fn answer(&self, request: &Request<'_>) -> Reply {
        self.0(request)
    }

    fn body_rule(&self, head: &Head<'_>) -> BodyRule {
        if head.target == b"/keep" { self.1 } else { BodyRule::Discard(100) }
    }
}

impl Local {
    fn start(connections: usize, handler: impl Fn(&Request<'_>) -> Reply + Send + Sync + 'static) -> Self {
        let stop = Stop::new().unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), connections, stop.clone()).unwrap();
        let address = server.local_addr().unwrap();
        let service = Arc::new(Handler(handler, BodyRule::Keep(200_000)));
        let thread = thread::spawn(move || server.serve(service).finish(Duration::from_millis(500)));
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The other end of `client`, where the server runs in this process.
fn other_end(client: &TcpStream) -> Option<RawFd> {
    let wanted = client.local_addr().unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|&fd: &RawFd| {
        // SAFETY: an all-zero sockaddr_in is valid.
        let mut peer: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        let mut length = size_of_val(&peer) as libc::socklen_t;
        // SAFETY: both pointers are to live values; a descriptor that is no socket is an error.
        let got = unsafe { libc::getpeername(fd, (&raw mut peer).cast(), &raw mut length) };
        let there = SocketAddr::from((peer.sin_addr.s_addr.to_ne_bytes(), u16::from_be(peer.sin_port)));
        got == 0 && i32::from(peer.sin_family) == libc::AF_INET && there == wanted
    })
}

// ---------------------------------------------------------------- connections

#[test]
fn http_1_1_connections_live_on_until_the_client_says_close() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for _ in 0..100 {
        let answer = client.ask(GET);
        assert_eq!(answer.status, 200);
        assert!(answer.head.starts_with("HTTP/1.1 200 OK"));
        assert_eq!(answer.field("Connection"), None);
    }
    for close in ["close", "Close", "foo, CLOSE", "close, keep-alive"] {
        let mut client = Client::new(testero.address);
        let request = format!("GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: {close}\r\n\r\n");
        let answer = client.ask(&[request.as_bytes(), GET].concat());
        assert_eq!(answer.field("Connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn http_1_0_connections_live_on_only_when_asked_to() {
    let testero = Testero::start();
    let all = answers(&testero.raw(&[&b"GET /api/mem/getact HTTP/1.0\r\n\r\n"[..], GET].concat()));
    assert_eq!(all.len(), 1);
    assert!(all[0].head.starts_with("HTTP/1.0 200 OK"));
    let mut client = Client::new(testero.address);
    for _ in 0..10 {
        let answer = client.ask(b"GET /api/mem/getact HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        assert!(answer.head.starts_with("HTTP/1.0 200 OK"));
        assert_eq!(answer.field("Connection").map(str::to_ascii_lowercase).as_deref(), Some("keep-alive"));
    }
    client.send(b"GET /api/mem/getact HTTP/1.0\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.rest(), b"");
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    let paths = ["/api/mem/getact", "/api/disk/getact", "/nowhere", "//api/mem/getdef"];
    let mut burst = String::new();
    for round in 0..50 {
        let path = paths[round % paths.len()];
        burst.push_str(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Round: {round}\r\n\r\n"));
    }
    client.send(burst.as_bytes());
    for round in 0..50 {
        let answer = client.answer();
        let expected = [(200, "Parts of size"), (200, "Files of size"), (404, "404 page"), (301, "<a href")];
        let (status, words) = expected[round % paths.len()];
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(words), "{answer:?}");
    }
    // However the bytes are cut.
    for piece in [1, 3, 7] {
        for bytes in [GET, GET].concat().chunks(piece) {
            client.send(bytes);
        }
        assert_eq!((client.answer().status, client.answer().status), (200, 200));
    }
}

#[test]
fn an_empty_line_before_a_request_is_skipped() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    assert_eq!(client.ask(&[b"\r\n", GET].concat()).status, 200);
    assert_eq!(client.ask(&[b"\r\n\r\n", GET].concat()).status, 200);
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answers() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    client.send(&[GET, GET].concat());
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers(&client.rest()).len(), 2);
}

#[test]
fn head_is_get_without_the_body() {
    let testero = Testero::start();
    for path in ["/api/mem/getact", "/api/disk/getdef", "/nowhere", "//api/mem/getact"] {
        let mut client = Client::new(testero.address);
        client
            .send(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        let (head, get) = (client.head(), client.answer());
        assert_eq!(head.status, get.status);
        for name in ["Content-Length", "Content-Type", "Location"] {
            assert_eq!(head.field(name), get.field(name), "{path}: {name}");
        }
        assert!(head.field("Date").is_some());
    }
}

#[test]
fn head_has_no_body_in_refusals_either() {
    let testero = Testero::start();
    for refused in [
        "HEAD / HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD / HTTP/2.0\r\n\r\n".to_owned(),
        "HEAD /% HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n".to_owned(),
        format!("HEAD / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(70)),
    ] {
        let answer = testero.raw(refused.as_bytes());
        assert!(answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
        assert!(matches!(Answer::parse(&answer).status, 400 | 413 | 431 | 505));
    }
}

#[test]
fn head_has_no_body_in_refusals_found_early_either() {
    let testero = Testero::start();
    for refused in [
        "\r\nHEAD / HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n".to_owned(),
        format!("HEAD / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "x".repeat(20_000)),
    ] {
        let answer = testero.raw(refused.as_bytes());
        assert!(answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
    }
}

#[test]
fn head_never_changes_state() {
    let testero = Testero::start();
    let load = testero.get("/api/cpu/load?time=60");
    let id = load.trim().rsplit(' ').next().unwrap();
    let stop = format!("/api/cpu/stop?id={id}");
    for target in ["/api/mem/set?size=5000000", "/api/mem/add?size=5000000", "/api/disk/set?size=5000000", &stop] {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut client = Client::new(testero.address);
        client.send(request.as_bytes());
        assert_eq!(client.head().status, 200);
        // Nothing of a body comes between.
        assert_eq!(client.ask(GET).status, 200);
    }
    for group in ["mem", "disk"] {
        let held = testero.settled(group);
        assert!(held.starts_with("Last request ID: 0\n") && held.ends_with("Total size: 0 bytes.\n"), "{held}");
        assert!(testero.get(&format!("/api/{group}/getdef")).ends_with("Total size reserved: 0 bytes.\n"));
    }
    assert!(testero.get("/api/cpu/getact").starts_with("Load request sent at"));
    assert_eq!(testero.get(&stop), "CPU load stopped\n");
    eventually("the load is over", || testero.get("/api/cpu/getact") == "No load request in progress\n");
    testero.ask("HEAD", "/api/cpu/load?time=60");
    assert_eq!(testero.get("/api/cpu/getact"), "No load request in progress\n");
}

#[test]
fn any_method_is_served_like_get() {
    let testero = Testero::start();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"] {
        let answer = testero.ask(method, "/api/mem/getact");
        assert_eq!((answer.status, answer.body.starts_with("Last request ID")), (200, true), "{method}");
    }
    assert_eq!(answers(&testero.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))[0].status, 200);
    refused(&testero, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501);
}

#[test]
fn a_client_that_expects_continue_gets_it_before_it_sends() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let head = format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{framing}\r\nExpect: 100-Continue\r\n\r\n");
        client.send(head.as_bytes());
        assert_eq!(client.until(b"\r\n\r\n").unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send(if framing.starts_with('C') { b"hello" } else { b"5\r\nhello\r\n0\r\n\r\n" });
        assert_eq!(client.answer().status, 200);
    }
    // Nothing to continue with, a client of 1.0, or a body that is too long: the final answer at once.
    assert_eq!(client.ask(b"GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n").status, 200);
    let old = b"POST /api/mem/getact HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab";
    assert_eq!(answers(&testero.raw(old))[0].status, 200);
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(answers(&testero.raw(head)).iter().map(|a| a.status).collect::<Vec<_>>(), [413]);
    refused(&testero, b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417);
}

#[test]
fn absolute_form_targets_are_paths() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for (target, status) in [
        ("http://x/api/mem/getact", 200),
        ("HTTP://example.com:8080/api/mem/getact?a=b", 200),
        ("http://[::1]:80/api/mem%2Fgetact", 200),
        ("http://x/", 404),
        ("http://x", 404),
        ("http://x//api/mem/getact", 301),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
        assert_eq!(client.ask(request.as_bytes()).status, status, "{target}");
    }
    for target in ["ftp://x/", "http://", "http:///a", "http://a@b/", "http://a b/", "api/mem/getact", "x:80", "*", "?"]
    {
        refused(&testero, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), 400);
    }
}

#[test]
fn paths_are_percent_decoded_and_match_exactly() {
    let testero = Testero::start();
    for path in ["/api/mem%2Fgetact", "/%61pi/mem/getac%74", "/api/mem/getact?", "/api/mem/getact?x=%zz"] {
        assert!(testero.get(path).starts_with("Last request ID"), "{path}");
    }
    for path in ["/", "/API/mem/getact", "/api/mem/getact/", "/api/mem/getact%00", "/api/mem", "/api/mem/getact%3F"] {
        let answer = testero.ask("GET", path);
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
    }
    for path in ["/%", "/api/mem/getact%2", "/%zz", "/%+1"] {
        refused(&testero, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), 400);
    }
}

#[test]
fn unclean_paths_are_sent_to_their_clean_form_with_the_query_kept() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for (path, location) in [
        ("//api/mem/getact", "/api/mem/getact"),
        ("/api/./mem/../mem//getact", "/api/mem/getact"),
        ("/../api/mem/getact", "/api/mem/getact"),
        ("/api/mem/%2e%2e/mem/getact", "/api/mem/getact"),
        ("/api%2F%2Fmem/getact", "/api/mem/getact"),
        ("/a//", "/a/"),
        ("/a/..", "/"),
        ("/a%0d%0aX-Evil:%20b/..//c%0d%0aX-Evil:%20b", "/c%0D%0AX-Evil:%20b"),
    ] {
        for query in ["", "?size=5&x=%41+b&&y"] {
            let answer = client.ask(format!("GET {path}{query} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
            let to = format!("{location}{query}");
            assert_eq!((answer.status, answer.field("Location")), (301, Some(to.as_str())), "{path}");
            let body = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", to.replace('&', "&amp;"));
            assert_eq!(answer.body, body);
            assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.field("X-Evil"), None);
        }
    }
    // A redirect of a set is not a set.
    client.ask(b"GET //api/mem/set?size=5000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(testero.settled("mem").starts_with("Last request ID: 0\n"));
}

#[test]
fn the_date_is_always_there_and_right() {
    let testero = Testero::start();
    for request in [
        "GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /api/mem/getact HTTP/1.0\r\n\r\n",
        "HEAD /api/mem/set?size=1 HTTP/1.0\r\n\r\n",
        "GET /nowhere HTTP/1.0\r\n\r\n",
        "GET // HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
    ] {
        let answer = Answer::parse(&testero.raw(request.as_bytes()));
        let date = httpdate::parse_http_date(answer.field("Date").unwrap()).unwrap();
        let now = SystemTime::now();
        assert!(date <= now && now.duration_since(date).unwrap() < PATIENCE, "{request}");
        assert_eq!(answer.head.matches("Date:").count(), 1);
    }
}

#[test]
fn head_and_body_leave_in_one_write_and_at_once() {
    let local = Local::start(4, |_| text(200, "x".repeat(3000)).into());
    let mut client = Client::new(local.address);
    for _ in 0..300 {
        client.send(GET);
        let mut piece = [0; 8192];
        let count = client.stream.read(&mut piece).unwrap();
        // One write of less than a segment is one read; two would be seen apart sooner or later.
        assert_eq!(answers(&piece[..count])[0].body.len(), 3000);
    }
    let other = other_end(&client.stream).unwrap();
    let (mut value, mut length) = (0_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: the pointers are to a live i32 and its length.
    let got = unsafe {
        libc::getsockopt(other, libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw mut value).cast(), &raw mut length)
    };
    assert_eq!((got, value), (0, 1), "TCP_NODELAY");
}

// ---------------------------------------------------------------- bounds

#[test]
fn a_head_over_16_kib_is_431() {
    let testero = Testero::start();
    let head = |length: usize| {
        let start = "GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    assert_eq!(answers(&testero.raw(head(16 * 1024).as_bytes()))[0].status, 200);
    refused(&testero, head(16 * 1024 + 1).as_bytes(), 431);
    refused(&testero, head(300_000).as_bytes(), 431);
    // Told at once, without waiting for an end that may never come.
    let mut client = Client::new(testero.address);
    client.send(&head(100_000).as_bytes()[..17_000]);
    let start = Instant::now();
    assert_eq!(client.answer().status, 431);
    assert!(start.elapsed() < Duration::from_secs(8));
    testero.get("/api/mem/getact");
}

#[test]
fn more_than_64_fields_are_431() {
    let testero = Testero::start();
    let head = |fields: usize| {
        format!("GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", "A: b\r\n".repeat(fields - 2))
    };
    assert_eq!(answers(&testero.raw(head(64).as_bytes()))[0].status, 200);
    refused(&testero, head(65).as_bytes(), 431);
    refused(&testero, head(2000).as_bytes(), 431);
}

#[test]
fn a_target_over_8_kib_is_414() {
    let testero = Testero::start();
    let head = |length: usize| {
        let path = "/api/mem/getact?";
        let target = format!("{path}{}", "x".repeat(length - path.len()));
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(answers(&testero.raw(head(8 * 1024).as_bytes()))[0].status, 200);
    refused(&testero, head(8 * 1024 + 1).as_bytes(), 414);
    refused(&testero, head(100_000).as_bytes(), 414);
    refused(&testero, &[b'x'; 40_000], 414);
}

#[test]
fn a_body_over_64_kib_is_413() {
    let testero = Testero::start();
    let head = |framing: &str| format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").into_bytes();
    let whole = |length: usize| [head(&format!("Content-Length: {length}")), vec![b'x'; length]].concat();
    let mut client = Client::new(testero.address);
    assert_eq!(client.ask(&whole(65536)).status, 200);
    assert_eq!(client.ask(&whole(65536)).status, 200);
    refused(&testero, &whole(65537), 413);
    refused(&testero, &head("Content-Length: 1000000000000"), 413);
    refused(&testero, &head("Content-Length: 99999999999999999999999999"), 413);
    let chunk = |length: usize| format!("{length:x}\r\n{}\r\n", "x".repeat(length));
    let chunked = |chunks: &str| [head("Transfer-Encoding: chunked"), chunks.as_bytes().to_vec()].concat();
    assert_eq!(client.ask(&chunked(&format!("{}{}0\r\n\r\n", chunk(65000), chunk(536)))).status, 200);
    refused(&testero, &chunked(&format!("{}{}0\r\n\r\n", chunk(65000), chunk(537))), 413);
    refused(&testero, &chunked("fffffffffffffff\r\n"), 413);
    // Too much between the data is too much, too.
    refused(&testero, &chunked(&chunk(1).repeat(30_000)), 413);
    refused(&testero, &chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(20_000))), 413);
    testero.get("/api/mem/getact");
    memory_stays_small(&testero);
}

#[test]
fn a_handler_may_keep_bodies_of_the_size_it_says() {
    let local = Local::start(4, |request| {
        let words = format!("{} {}", request.body.len(), request.body.iter().map(|&b| u64::from(b)).sum::<u64>());
        text(200, words).into()
    });
    let mut client = Client::new(local.address);
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sum: u64 = body.iter().map(|&b| u64::from(b)).sum();
    let head =
        |target: &str, framing: &str| format!("PUT {target} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").into_bytes();
    let plain = |target: &str, length: usize| {
        [&head(target, &format!("Content-Length: {length}"))[..], &body[..length]].concat()
    };
    assert_eq!(client.ask(&plain("/keep", 200_000)).body, format!("200000 {sum}"));
    let mut chunked = head("/keep", "Transfer-Encoding: chunked");
    for chunk in body.chunks(3001) {
        chunked.extend_from_slice(format!("{:X};x\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nTrailer: t\r\n\r\n");
    assert_eq!(client.ask(&chunked).body, format!("200000 {sum}"));
    // Where it does not ask for them, it does not get them.
    assert_eq!(client.ask(&plain("/discard", 100)).body, "0 0");
    assert_eq!(client.ask(&plain("/keep", 0)).body, "0 0");
    assert_eq!(client.ask(&plain("/discard", 101)).status, 413);
    assert_eq!(Client::new(local.address).ask(&head("/keep", "Content-Length: 200001")).status, 413);
}

/// When the service closes `stream` although nobody reads: a reset is seen at once.
fn closed_after(stream: &TcpStream, start: Instant) -> Duration {
    let mut watched = libc::pollfd { fd: stream.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: the pointer is to one live pollfd.
    assert!(unsafe { libc::poll(&raw mut watched, 1, PATIENCE.as_millis() as i32) } >= 0);
    assert!(watched.revents & (libc::POLLHUP | libc::POLLERR) != 0, "never closed");
    start.elapsed()
}

/// The deadlines take ten seconds each, so they are waited for side by side.
#[test]
fn deadlines_are_absolute_and_a_byte_a_second_does_not_help() {
    const DEADLINE: std::ops::Range<Duration> = Duration::from_millis(9_900)..Duration::from_secs(15);
    let testero = Testero::start();
    let drips = |start: &[u8], drip: &[u8]| {
        let mut client = Client::new(testero.address);
        let begun = Instant::now();
        client.send(start);
        client.stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        let answer = loop {
            match client.try_answer() {
                Err(error) if is_wait(&error) => client.stream.write_all(drip).unwrap(),
                answer => break answer.unwrap(),
            }
        };
        assert_eq!((answer.status, answer.field("Connection")), (408, Some("close")));
        assert!(DEADLINE.contains(&begun.elapsed()), "{:?}", begun.elapsed());
        client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(client.rest(), b"");
    };
    thread::scope(|scope| {
        scope.spawn(|| drips(b"G", b"E"));
        scope.spawn(|| drips(b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"));
        scope.spawn(|| drips(&[GET, b"GET / HTTP/1.1\r\n"].concat()[GET.len()..], b"a"));
        scope.spawn(|| drips(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"x"));
        scope.spawn(|| drips(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"));
    });
    testero.get("/api/mem/getact");
}

#[test]
fn answers_that_nobody_takes_have_a_deadline() {
    let testero = Testero::start();
    let client = Client::new(testero.address);
    client.stream.set_nonblocking(true).unwrap();
    let burst = GET.repeat(1000);
    let mut begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        match (&client.stream).write(&burst) {
            Ok(_) => begun = Instant::now(),
            Err(error) if is_wait(&error) => thread::sleep(Duration::from_millis(20)),
            Err(error) => panic!("{error}"),
        }
    }
    let took = closed_after(&client.stream, begun);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn taking_an_answer_slowly_has_the_same_deadline() {
    let local = Local::start(4, |_| text(200, vec![b'x'; 50_000_000]).into());
    let mut client = Client::new(local.address);
    client.send(GET);
    let begun = Instant::now();
    let mut piece = [0; 20_000];
    eventually("the server knows us", || other_end(&client.stream).is_some());
    while other_end(&client.stream).is_some() {
        assert!(client.stream.read(&mut piece).unwrap() > 0);
        assert!(begun.elapsed() < Duration::from_secs(15), "still sending after {:?}", begun.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_secs(9), "it had its time: {:?}", begun.elapsed());
}

// ---------------------------------------------------------------- framing

#[test]
fn doubtful_framing_is_refused_and_nothing_after_it_is_answered() {
    let testero = Testero::start();
    let post = |fields: &str| format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    for (fields, status) in [
        // Transfer-Encoding other than exactly `chunked`.
        ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, gzip\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: chunked,\r\n", 400),
        ("Transfer-Encoding: ,chunked\r\n", 400),
        ("Transfer-Encoding: \"chunked\"\r\n", 400),
        ("Transfer-Encoding: chunked;a=b\r\n", 400),
        ("Transfer-Encoding:\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: \x0bchunked\r\n", 400),
        ("Transfer-Encoding:\x0cchunked\r\n", 400),
        // With Content-Length.
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 0\r\ntransfer-encoding: Chunked\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", 400),
        // Content-Length that differs, or is none.
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 05\r\n", 400),
        ("Content-Length: 5, 5\r\n", 400),
        ("Content-Length: 5,6\r\n", 400),
        ("Content-Length: +5\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x5\r\n", 400),
        ("Content-Length: 5 5\r\n", 400),
        ("Content-Length: 5a\r\n", 400),
        ("Content-Length: 5;\r\n", 400),
        ("Content-Length: \"5\"\r\n", 400),
        ("Content-Length: 1_0\r\n", 400),
        ("Content-Length: 1e1\r\n", 400),
        ("Content-Length: \u{0665}\r\n", 400),
        ("Content-Length:\r\n", 400),
        ("Content-Length: \r\n", 400),
        // obs-fold.
        ("X: a\r\n b\r\n", 400),
        ("X: a\r\n\tb\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n", 400),
        ("X: a\r\n \r\n", 400),
        // White space before the colon, or the name.
        ("Content-Length : 5\r\n", 400),
        ("Transfer-Encoding\t: chunked\r\n", 400),
        ("X : a\r\n", 400),
        ("X\x0b: a\r\n", 400),
        // Bare CR, bare LF, NUL.
        ("X: a\rb\r\n", 400),
        ("X: a\r\r\n", 400),
        ("X: a\rTransfer-Encoding: chunked\r\n", 400),
        ("X: a\nTransfer-Encoding: chunked\r\n", 400),
        ("X: a\n", 400),
        ("X: a\n\r\n", 400),
        ("X: a\n\n", 400),
        ("X: a\0b\r\n", 400),
        ("X\0: a\r\n", 400),
        ("\0\r\n", 400),
        // Names that are none.
        (": a\r\n", 400),
        (":\r\n", 400),
        ("no colon\r\n", 400),
        ("nocolon\r\n", 400),
        ("(x): a\r\n", 400),
        ("\u{e9}: a\r\n", 400),
        ("X: a\x01b\r\n", 400),
        ("X: a\x7fb\r\n", 400),
        // Host.
        ("Host: x\r\n", 400),
        ("hOST: y\r\n", 400),
    ] {
        refused(&testero, post(fields).as_bytes(), status);
    }
    testero.get("/api/mem/getact");
}

#[test]
fn doubtful_request_lines_and_hosts_are_refused() {
    let testero = Testero::start();
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: x\r\n\r\n", 400),
        ("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("\r\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
        ("GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G\0T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G\u{e9}T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/1.1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1\r\nHost: x\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTPS/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/11\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/+1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / ICY/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ] {
        refused(&testero, head.as_bytes(), status);
    }
    // What is not HTTP at all: a TLS hello, a binary protocol.
    refused(&testero, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
    refused(&testero, b"\0\0\0\x12\n", 400);
}

#[test]
fn sound_but_unusual_framing_is_taken() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for (fields, body) in [
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        ("content-length:\t 5 \r\n", "hello"),
        ("Content-Length: 0005\r\n", "hello"),
        ("Content-Length: 0\r\n", ""),
        ("TRANSFER-ENCODING:CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5;a=b;c=\"d\"\r\nhello\r\n000\r\nA: b\r\nB: c\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0000A\r\n0123456789\r\n1\r\n\n\r\n0\r\n\r\n"),
        ("X: \u{e9}\r\nY:\r\nZ: a\tb\r\n", ""),
    ] {
        let request = format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}");
        assert_eq!(client.ask(request.as_bytes()).status, 200, "{}", request.escape_debug());
    }
    for host in ["", "x:80", "x:", "[::1]", "[::1]:8080", "example.com", "127.0.0.1:1"] {
        let request = format!("GET /api/mem/getact HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(client.ask(request.as_bytes()).status, 200, "{host}");
    }
}

#[test]
fn doubtful_chunks_are_refused_and_close() {
    let testero = Testero::start();
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "0\r\nnocolon\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n\n",
        "0\n\n",
    ] {
        let request = format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        refused(&testero, request.as_bytes(), 400);
    }
}

#[test]
fn what_is_longer_than_it_says_is_no_request_and_closes() {
    let testero = Testero::start();
    let long = b"POST /api/mem/getact HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello, world\r\n\r\n";
    let all = answers(&testero.raw(&[long, GET].concat()));
    assert_eq!(all.iter().map(|a| a.status).collect::<Vec<_>>(), [200, 400]);
    // And what is shorter gets no answer made of what follows.
    let mut client = Client::new(testero.address);
    client.send(b"POST /api/mem/getact HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n");
    client.send(GET);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let testero = Testero::start();
    for _ in 0..20 {
        let mut client = Client::new(testero.address);
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        let _ = client.stream.write_all(&[b'x'; 100_000]);
        assert_eq!(answers(&client.rest())[0].status, 413);
    }
}

// ---------------------------------------------------------------- crowds

#[test]
fn http_2_leaks_neither_threads_nor_descriptors() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    for _ in 0..300 {
        let mut client = Client::new(testero.address);
        client.send(b"GET / HTTP/2.0\r\n\r\n");
        assert_eq!(client.answer().status, 505);
    }
    before.is_back(&testero);
}

#[test]
fn connections_reset_in_odd_moments_are_harmless() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let large = GET.repeat(500);
    let moments: [&[u8]; 9] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHos",
        GET,
        &large,
        b"GET /api/mem/set HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\nmore",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..40 {
        for moment in moments {
            let client = Client::new(testero.address);
            reset_on_close(&client.stream);
            client.stream.set_nonblocking(true).unwrap();
            let _ = (&client.stream).write(moment);
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(random.u64(..1500)));
            }
        }
    }
    testero.get("/api/mem/getact");
    before.is_back(&testero);
}

/// So many clients at a time, each made again when the service sent it away, until dropped.
struct Crowd {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Each client sends `first`; then, again and again, takes what came where it `reads`, and sends `then`.
    fn new(testero: &Testero, size: usize, first: &'static [u8], then: Vec<u8>, reads: bool, pause: Duration) -> Self {
        const THREADS: usize = 2;
        raise_descriptors();
        let enough = Arc::new(AtomicBool::new(false));
        let started = Arc::new(AtomicUsize::new(0));
        let address = testero.address;
        let threads = (0..THREADS)
            .map(|_| {
                let (enough, started, then) = (Arc::clone(&enough), Arc::clone(&started), then.clone());
                let new = move || {
                    let mut stream = TcpStream::connect(address).ok()?;
                    let _ = stream.write_all(first);
                    stream.set_nonblocking(true).ok()?;
                    Some(stream)
                };
                thread::spawn(move || {
                    let mut clients: Vec<Option<TcpStream>> = (0..size / THREADS).map(|_| new()).collect();
                    started.fetch_add(1, Ordering::Release);
                    let mut waste = [0; 16384];
                    while !enough.load(Ordering::Acquire) {
                        for client in &mut clients {
                            let mut lost = client.is_none();
                            if let Some(stream) = client {
                                if reads {
                                    loop {
                                        match stream.read(&mut waste) {
                                            Ok(0) => lost = true,
                                            Ok(_) => continue,
                                            Err(error) => lost |= !is_wait(&error),
                                        }
                                        break;
                                    }
                                }
                                if let Err(error) = stream.write(&then) {
                                    lost |= !is_wait(&error);
                                }
                            }
                            if lost {
                                *client = new();
                            }
                        }
                        thread::sleep(pause);
                    }
                })
            })
            .collect();
        let crowd = Self { enough, threads };
        eventually("the crowd is there", || started.load(Ordering::Acquire) == THREADS);
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_probe_gets_in_while_1000_clients_idle() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, b"", Vec::new(), false, Duration::from_millis(50));
    probes_get_in(&testero, Duration::from_secs(2));
    assert!(testero.status("Threads") > 100, "they are held as long as there is room");
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_1000_clients_idle_after_a_request() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, GET, Vec::new(), true, Duration::from_millis(50));
    probes_get_in(&testero, Duration::from_secs(2));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_600_clients_drip() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 600, b"GET / HTTP/1.1\r\nX: ", b"x".to_vec(), false, Duration::from_millis(100));
    probes_get_in(&testero, Duration::from_secs(4));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_600_clients_drip_bodies() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let first = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n";
    let crowd = Crowd::new(&testero, 600, first, b"x".to_vec(), false, Duration::from_millis(100));
    probes_get_in(&testero, Duration::from_secs(3));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_1000_clients_pipeline() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, GET, GET.repeat(20), true, Duration::from_millis(10));
    probes_get_in(&testero, Duration::from_secs(5));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn clients_that_never_read_their_answers_hold_no_more_than_their_places() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, GET, GET.repeat(200), false, Duration::from_millis(20));
    probes_get_in(&testero, Duration::from_secs(4));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn the_number_of_connections_follows_from_the_descriptors() {
    let testero = with_permits(16);
    let before = Footing::of(&testero);
    let mut clients: Vec<Client> = (0..60).map(|_| Client::new(testero.address)).collect();
    let mut last = Client::new(testero.address);
    assert_eq!(last.ask(GET).status, 200, "the newest gets in");
    assert!(testero.descriptors() <= before.descriptors + 16 + 4);
    // Those that have waited longest gave way, silently; the newest are still there.
    assert_eq!(clients.remove(0).rest(), b"");
    assert_eq!(clients.pop().unwrap().ask(GET).status, 200);
    drop((clients, last));
    before.is_back(&testero);
}

#[test]
fn a_held_burst_does_not_starve_later_connections() {
    let testero = with_permits(4);
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 8, GET, GET.repeat(100), true, Duration::ZERO);
    probes_get_in(&testero, Duration::from_secs(2));
    drop(crowd);
    before.is_back(&testero);
}

// ---------------------------------------------------------------- the brake

#[test]
fn braked_answers_hold_at_most_half_the_permits() {
    let delay = Duration::from_secs(600);
    let local = Local::start(16, move |request| {
        let delay = if request.path.as_ref() == b"/late" { delay } else { Duration::ZERO };
        Reply::from(text(200, "done")).after(delay)
    });
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..12).map(|_| Client::new(local.address)).collect();
    for client in &mut clients {
        client.send(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    let answered = |clients: &mut Vec<Client>| {
        let mut count = 0;
        for client in clients {
            client.stream.set_nonblocking(true).unwrap();
            let mut byte = [0];
            count += usize::from(client.stream.peek(&mut byte).is_ok());
            client.stream.set_nonblocking(false).unwrap();
        }
        count
    };
    eventually("those above half are answered at once", || answered(&mut clients) >= 4);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(answered(&mut clients), 4, "eight are held");
    // Others get in all the while, and the held ones do not have to give way to a crowd.
    let crowd: Vec<Client> = (0..100).map(|_| Client::new(local.address)).collect();
    assert_eq!(Client::new(local.address).ask(GET).body, "done");
    drop(crowd);
    assert_eq!(Client::new(local.address).ask(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n").body, "done");
    // When the service stops, they leave at once.
    local.stop.stop();
    let mut done = 0;
    for mut client in clients {
        done += usize::from(client.try_answer().is_ok_and(|answer| answer.body == "done"));
    }
    assert!(done >= 8, "the held ones were answered: {done}");
    assert!(start.elapsed() < delay);
}

#[test]
fn the_program_brakes_half_its_permits_and_no_more() {
    let testero = with_permits(16);
    // A loaded machine can make anybody late, so: within three tries.
    let late = (0..3).map(|_| {
        let counts = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..14 {
                scope.spawn(|| {
                    let mut client = Client::new(testero.address);
                    let start = Instant::now();
                    assert_eq!(client.ask(b"GET /api/mem/set HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
                    *counts.lock().unwrap() += usize::from(start.elapsed() >= Duration::from_millis(990));
                });
            }
        });
        counts.into_inner().unwrap()
    });
    let late: Vec<usize> = late.collect();
    assert!(late.contains(&8), "{late:?} of 14 were late, with 16 permits");
}

// ---------------------------------------------------------------- trouble

#[test]
fn a_shortage_of_descriptors_does_not_end_accepting() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let limit = Lowered::new(&testero, descriptor_limit, 3);
    let mut client = Client::new(testero.address);
    client.send(GET);
    eventually("the shortage is told", || testero.log().contains("Cannot accept a connection"));
    let (cpu, lines) = (testero.cpu_time(), testero.log().lines().count());
    thread::sleep(Duration::from_secs(1));
    assert!(testero.cpu_time() - cpu < Duration::from_millis(300), "it backs off");
    assert!(testero.log().lines().count() - lines < 50, "it does not flood the log");
    drop(limit);
    assert_eq!(client.answer().status, 200);
    drop(client);
    before.is_back(&testero);
}

#[test]
fn a_shortage_of_descriptors_is_helped_by_whoever_waits_longest() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let mut idle = Client::new(testero.address);
    assert_eq!(idle.ask(GET).status, 200);
    // The lowest number that is free, which the next descriptor would have.
    let free = |fd: &u64| !std::path::Path::new(&format!("/proc/{}/fd/{fd}", testero.pid())).is_symlink();
    let next = (0..).find(free).unwrap();
    let limit = Lowered::new(&testero, descriptor_limit, next);
    let mut others: Vec<Client> = (0..20).map(|_| Client::new(testero.address)).collect();
    assert_eq!(others.last_mut().unwrap().ask(GET).status, 200);
    assert_eq!(idle.rest(), b"");
    drop(limit);
    drop(others);
    before.is_back(&testero);
}

/// Leaves no room for the stack of one more thread while `test` runs.
fn without_threads(testero: &Testero, test: impl FnOnce()) {
    // Threads that have ended leave stacks that are used again: none has been started here.
    let used = testero.status("VmSize") << 10;
    let limit = Lowered::new(testero, address_limit, used);
    test();
    drop(limit);
}

#[test]
fn a_thread_that_cannot_be_spawned_is_a_503() {
    let testero = Testero::start();
    without_threads(&testero, || {
        for _ in 0..20 {
            let mut client = Client::new(testero.address);
            client.send(GET);
            let answer = client.answer();
            assert_eq!((answer.status, answer.field("Connection")), (503, Some("close")));
            assert_eq!(client.rest(), b"");
        }
    });
    eventually("it is logged", || testero.log().contains("Cannot start a thread"));
    assert_eq!(testero.ask("GET", "/api/mem/getact").status, 200);
    Footing::of(&testero).is_back(&testero);
}

#[test]
fn the_date_is_there_even_without_a_thread() {
    let testero = Testero::start();
    without_threads(&testero, || {
        let answer = Client::new(testero.address).ask(GET);
        assert_eq!(answer.status, 503);
        assert!(answer.field("Date").is_some(), "{answer:?}");
    });
}

#[test]
fn a_handlers_panic_is_a_500_and_harms_nobody_else() {
    let local = Local::start(4, |request| match request.path.as_ref() {
        b"/panic" => panic!("on purpose, in a test of the edge"),
        _ => text(200, "fine").into(),
    });
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        match panic.to_string().contains("on purpose, in a test of the edge") {
            true => drop(count.fetch_add(1, Ordering::AcqRel)),
            false => usual(panic),
        }
    }));
    let mut neighbour = Client::new(local.address);
    assert_eq!(neighbour.ask(GET).body, "fine");
    for round in 1..=20 {
        let mut client = Client::new(local.address);
        client.send(&[b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n", GET].concat());
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("Connection")), (500, Some("close")));
        assert!(answer.field("Date").is_some());
        assert_eq!(client.rest(), b"", "nothing after it is answered");
        assert_eq!(told.load(Ordering::Acquire), round, "it goes through the panic hook, which logs it");
        assert_eq!(neighbour.ask(GET).body, "fine");
    }
    // More panics than places: each gave its place back.
    assert_eq!(Client::new(local.address).ask(GET).body, "fine");
}
