//! The HTTP edge, section 7 of the issue, promise by promise: over real sockets, against the real program.
//!
//! Where a promise needs a handler the program does not have (one that panics, one that keeps bodies), the same
//! server runs in this process.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use testero::http::message::head::Head;
use testero::http::{Answer as Reply, BodyRule, Request, Server, Service, text};
use testero::kernel::shutdown::Stop;

use crate::harness::{Answer, PATIENCE, Testero, at_least_once, binary, eventually, is_optimized};

/// What a probe has, where the program shares two cores with a thousand clients that are not optimized: one that is, and one
/// that is not.
fn probe_time() -> Duration {
    Duration::from_secs(if is_optimized() { 4 } else { 8 })
}
const GET: &[u8] = b"GET /api/mem/getact HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection on which answers are read one by one.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, received: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads up to and including `mark`.
    pub(crate) fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(mark.len()).position(|window| window == mark) {
                return Ok(self.received.drain(..at + mark.len()).collect());
            }
            self.more()?;
        }
    }

    pub(crate) fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                // A machine that is stopped for a while, as virtual ones are, does that to a read with a timeout.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.received.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
            }
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < length {
            self.more()?;
        }
        Ok(self.received.drain(..length).collect())
    }

    /// A body in chunks, without its trailers.
    pub(crate) fn chunked_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.until(b"\r\n").unwrap()).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            if size == 0 {
                while self.until(b"\r\n").unwrap() != b"\r\n" {}
                return body;
            }
            body.extend(self.exactly(size).unwrap());
            assert_eq!(self.exactly(2).unwrap(), b"\r\n");
        }
    }

    /// The head of the next answer.
    pub(crate) fn head(&mut self) -> Answer {
        Answer::parse(&self.until(b"\r\n\r\n").unwrap())
    }

    /// The next answer, as long as it says.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::parse(&self.until(b"\r\n\r\n")?);
        let length: usize = answer.field("Content-Length").unwrap().parse().unwrap();
        while self.received.len() < length {
            self.more()?;
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        Ok(answer)
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request);
        self.answer()
    }

    /// What comes until the service closes.
    pub(crate) fn rest(mut self) -> Vec<u8> {
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
fn with_permits(permits: usize, arguments: &[&str]) -> Testero {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {}; exec \"$@\"", 2 * (permits + permits.div_ceil(4)) + 32);
    command.args(["-c", &script, "sh", binary(), "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    command.args(arguments);
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

/// Asks on connections of its own for `length`, and checks that somebody who asks again and again is answered each time.
///
/// On a machine that the crowd itself keeps busy, one probe may be late or have to give way: whoever probes asks again. Where
/// a crowd holds all there is, none is answered ever.
fn probes_get_in(testero: &Testero, length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        at_least_once("a probe gets in", || {
            let start = Instant::now();
            let mut client = Client::new(testero.address);
            match client.stream.write_all(GET).and_then(|()| client.try_answer()) {
                Ok(answer) if answer.status == 200 && start.elapsed() < probe_time() => Ok(()),
                answer => Err(format!("after {:?}: {answer:?}", start.elapsed())),
            }
        });
        thread::sleep(Duration::from_millis(50));
    }
}

/// The most memory it ever had resident.
fn memory_stays_small(testero: &Testero) {
    let most = if is_optimized() { 16 << 10 } else { 32 << 10 };
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
        Self::serving(connections, Arc::new(Handler(handler, BodyRule::Keep(200_000))))
    }

    fn serving(connections: usize, service: Arc<dyn Service>) -> Self {
        let stop = Stop::new().unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), connections, stop.clone()).unwrap();
        let address = server.local_addr().unwrap();
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

mod bounds;
mod brake;
mod connections;
mod crowds;
mod framing;
mod streaming;
mod trouble;
