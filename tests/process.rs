//! The process: how it starts, what it says, how it ends.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::disk::{folder, is_root};
use super::harness::{Answer, PATIENCE, Testero, binary, eventually, names, skip};

/// A child that is killed by its own pid when a test panics.
pub(crate) struct Reaped(pub(crate) Child);

impl Reaped {
    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("it ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Reaped(command.spawn().unwrap());
    let status = child.ended();
    let mut output = Output { status, stdout: Vec::new(), stderr: Vec::new() };
    child.0.stdout.take().unwrap().read_to_end(&mut output.stdout).unwrap();
    child.0.stderr.take().unwrap().read_to_end(&mut output.stderr).unwrap();
    output
}

/// The program with these arguments and variables, which would listen on any port if it came to that.
pub(crate) fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env("IP", "127.0.0.1").env("PORT", "0").envs(variables.iter().copied());
    command
}

/// Asserts that it ends with this code, and that what it says is one line with these words in it.
pub(crate) fn fails_with(code: i32, command: &mut Command, words: &[&str]) {
    let output = run(command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    let line = said.strip_suffix('\n').unwrap();
    let line = line.rsplit_once('\n').map_or(line, |(log, line)| {
        // What was logged before is not what it says in the end.
        assert!(log.lines().all(|line| is_log_line(line) && !line.contains("panic")), "{log}");
        line
    });
    assert!(line.starts_with("testero: ") && words.iter().all(|word| line.contains(word)), "{command:?}: {said}");
    assert!(output.stdout.is_empty());
}

/// `2021/04/04 12:14:04 text`.
pub(crate) fn is_log_line(line: &str) -> bool {
    let (stamp, text) = line.split_at(line.len().min(20));
    let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    shape == "9999/99/99 99:99:99 " && !text.is_empty()
}

pub(crate) fn kill(pid: u32, signal: i32) {
    // SAFETY: kill takes no pointers; the pid is that of a child or grandchild of ours that is not reaped yet.
    unsafe { libc::kill(pid as i32, signal) };
}

#[test]
fn sigterm_and_sigint_end_it_cleanly_and_are_logged() {
    for (signal, name) in [(libc::SIGTERM, "terminated"), (libc::SIGINT, "interrupt")] {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
        testero.get("/api/disk/set?size=1000000");
        testero.settled("disk");
        testero.signal(signal);
        let (status, took, log) = testero.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.lines().any(|line| line.ends_with(&format!(" Signal received: {name}"))), "{log}");
        assert!(names(data.path()).is_empty());
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn braked_answers_leave_at_once_when_it_stops_and_arrive_whole() {
    let mut soonest = Duration::MAX;
    for _ in 0..4 {
        let testero = Testero::start();
        let mut streams: Vec<TcpStream> = (0..3).map(|_| testero.connect()).collect();
        let asked = Instant::now();
        for stream in &mut streams {
            stream.write_all(b"GET /api/cpu/getact HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        }
        thread::sleep(Duration::from_millis(300));
        testero.signal(libc::SIGTERM);
        for stream in &mut streams {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let answer = Answer::parse(&bytes);
            assert_eq!((answer.status, answer.body.as_str()), (200, "No load request in progress\n"), "{answer:?}");
        }
        soonest = soonest.min(asked.elapsed());
        assert!(testero.wait().0.success());
        // On a loaded machine an answer may be late for other reasons; that of a brake would be late each time.
        if soonest < Duration::from_millis(900) {
            return;
        }
    }
    panic!("braked answers were held back: {soonest:?}");
}

#[test]
fn clients_that_wait_hold_up_nothing() {
    let testero = Testero::start();
    let idle: Vec<TcpStream> = (0..20).map(|_| testero.connect()).collect();
    let mut slow = testero.connect();
    slow.write_all(b"GET /api/cpu/getact HT").unwrap();
    testero.get("/api/mem/getact");
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?} {log}");
    drop(idle);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let data = tempfile::tempdir().unwrap();
        // It is held in the middle of ending: it logs into a pipe that is full and that nobody reads.
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut child = logging_into(&writer, &data);
        let (_reader, _address) = listening(reader);
        let room = pipe_room(&writer);
        writer.write_all(&vec![b'x'; room]).unwrap();

        kill(child.0.id(), libc::SIGTERM);
        thread::sleep(Duration::from_millis(200));
        assert!(child.0.try_wait().unwrap().is_none(), "it ended without a word");
        eventually("it ends", || {
            kill(child.0.id(), signal);
            thread::sleep(Duration::from_millis(50));
            child.0.try_wait().unwrap().is_some()
        });
        assert_eq!(child.ended().code(), Some(code));
    }
}

#[test]
fn a_signal_at_any_moment_of_the_start_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    // Close together: a handler that was there a few microseconds before what it reports to once lost the signal.
    for moment in 0..300 {
        let mut command = program(&["--data-dir"], &[]);
        let mut child = Reaped(command.arg(data.path()).stderr(Stdio::null()).spawn().unwrap());
        thread::sleep(Duration::from_micros(25 * moment));
        kill(child.0.id(), libc::SIGTERM);
        let status = child.ended();
        // Before it has caught the signal, it ends as any process does.
        assert!(status.code() == Some(0) || status.signal() == Some(libc::SIGTERM), "{moment}: {status}");
        assert!(names(data.path()).is_empty(), "{moment}: {status}");
    }
}

/// A child that logs into a pipe.
fn logging_into(writer: &PipeWriter, data: &tempfile::TempDir) -> Reaped {
    let mut command = program(&["--data-dir"], &[]);
    Reaped(command.arg(data.path()).stderr(writer.try_clone().unwrap()).spawn().unwrap())
}

/// Reads a log, and not a byte more, until the service listens; says where.
fn listening(mut reader: PipeReader) -> (PipeReader, SocketAddr) {
    let mut log = String::new();
    loop {
        let mut buffer = [0; 4096];
        let count = reader.read(&mut buffer).unwrap();
        assert!(count > 0, "{log}");
        log.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let address = log.split_once("Starting web server on: ").and_then(|(_, rest)| rest.split_once('\n'));
        if let Some((address, _)) = address {
            return (reader, address.parse().unwrap());
        }
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = logging_into(&writer, &data);
    drop(writer);
    let (reader, address) = listening(reader);
    drop(reader);
    let get = |target: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer).body
    };
    // Their work logs a line each.
    assert!(get("/api/mem/set?size=1").starts_with("Memory data request sent"));
    assert!(get("/api/disk/set?size=1").starts_with("File data request sent"));
    for group in ["mem", "disk"] {
        let mut held = String::new();
        eventually("the work is done", || {
            held = get(&format!("/api/{group}/getact"));
            !held.starts_with("Server ")
        });
        assert!(!held.contains("failed") && !held.contains("ID: 0\n"), "{held}");
    }
    kill(child.0.id(), libc::SIGTERM);
    assert_eq!(child.ended().code(), Some(0));
    assert!(names(data.path()).is_empty());
}

/// How many bytes an empty pipe takes.
fn pipe_room(writer: &PipeWriter) -> usize {
    use std::os::fd::AsRawFd;
    // SAFETY: F_GETPIPE_SZ takes no further argument, and the descriptor is open.
    let room = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
    usize::try_from(room).unwrap()
}

#[test]
fn help_and_version_are_told() {
    for flag in ["--help", "-h"] {
        let output = run(&mut program(&[flag], &[("PORT", "nonsense")]));
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        for word in ["--listen", "--data-dir", "--mem-limit", "--disk-limit", "--cpu-limit", "--number", "health"] {
            assert!(help.contains(word), "{word}: {help}");
        }
    }
    for flag in ["--version", "-V"] {
        let output = run(&mut program(&[flag], &[]));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "testero 0.1.0\n");
        assert!(output.status.success() && output.stderr.is_empty());
    }
}

#[test]
fn wrong_usage_is_one_line_and_exit_2() {
    for (arguments, words) in [
        (&["--bogus"][..], &["--bogus"][..]),
        (&["serve"], &["serve"]),
        (&["--mem-limit"], &["--mem-limit", "value"]),
        (&["--disk-limit", "12X"], &["--disk-limit", "12X", "512Mi"]),
        (&["--listen", "8080"], &["--listen", "8080"]),
        (&["--number", "0"], &["--number", "positive"]),
        (&["health", "--bogus"], &["--bogus"]),
    ] {
        fails_with(2, &mut program(arguments, &[]), words);
    }
    for (name, value) in [
        ("NUMTOFACTOR", "0"),
        ("NUMTOFACTOR", "abc"),
        ("NUMTOFACTOR", "-7"),
        ("NUMTOFACTOR", "340282366920938463463374607431768211456"),
        ("PORT", "65536"),
        ("IP", "localhost"),
    ] {
        fails_with(2, &mut program(&[], &[(name, value)]), &[name, value]);
    }
}

#[test]
fn a_port_in_use_is_one_line_and_exit_1_and_nothing_is_made() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = program(&["--listen", &address, "--data-dir"], &[]);
    fails_with(1, command.arg(data.path()), &[&address, "in use"]);
    assert!(names(data.path()).is_empty());
}

#[test]
fn a_data_folder_that_does_not_exist_is_one_line_and_exit_1() {
    fails_with(1, &mut program(&[], &[("DATADIR", "/does/not/exist")]), &["DATADIR", "/does/not/exist"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    fails_with(1, program(&["--data-dir"], &[]).arg(file.path()), &["DATADIR", file.path().to_str().unwrap()]);
}

#[test]
fn flags_win_over_variables() {
    let variables = [
        ("IP", "192.0.2.1"),
        ("PORT", "1"),
        ("DATADIR", "/does/not/exist"),
        ("HIGHMEMLIM", "1"),
        ("HIGHFILELIM", "2"),
        ("NUMTOFACTOR", "3"),
    ];
    let flags =
        ["--mem-limit", "5000000", "--disk-limit=6000000", "--number", "170141183460469231731687303715884105727"];
    let testero = Testero::start_with(&flags, &variables);
    let log = testero.log();
    for line in ["HIGHMEMLIM set to: 5000000 bytes.", "HIGHFILELIM set to: 6000000 bytes."] {
        assert!(log.contains(line), "{log}");
    }
    assert!(log.contains(&format!("DATADIR set to: {}\n", testero.data.path().display())), "{log}");
    testero.get("/api/cpu/load?time=100");
    assert!(testero.get("/api/cpu/getact").ends_with("Number to factor: 170141183460469231731687303715884105727\n"));
}

#[test]
fn variables_do_without_flags() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let variables = [("HIGHMEMLIM", "5000000"), ("HIGHFILELIM", "6000000"), ("NUMTOFACTOR", "12")];
    let mut command = program(&[], &variables);
    command.env("DATADIR", data.path());
    let testero = Testero::spawn(command, Arc::clone(&data));
    assert!(testero.address.ip() == Ipv4Addr::LOCALHOST && testero.address.port() != 0);
    let log = testero.log();
    for line in ["HIGHMEMLIM set to: 5000000 bytes.", "HIGHFILELIM set to: 6000000 bytes."] {
        assert!(log.contains(line), "{log}");
    }
    folder(&testero);
}

#[test]
fn the_ipv6_wildcard_takes_ipv4_too() {
    if TcpListener::bind("[::1]:0").is_err() {
        skip("this machine has no IPv6");
        return;
    }
    for variables in [&[][..], &[("IP", "::")], &[("IP", "[::]")]] {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let mut command = program(&["--data-dir"], variables);
        command.arg(data.path());
        if variables.is_empty() {
            command.args(["--listen", "[::]:0"]);
        }
        let mut testero = Testero::spawn(command, data);
        let port = testero.address.port();
        for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            testero.address = SocketAddr::new(ip, port);
            assert!(testero.get("/api/mem/getact").starts_with("Last request ID: 0\n"), "{ip}");
        }
    }
}

#[test]
fn every_log_line_begins_with_the_time() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "many"), ("RUST_LOG", "debug")]);
    testero.get("/api/mem/set?size=1");
    testero.settled("mem");
    testero.signal(libc::SIGTERM);
    let (_, _, log) = testero.wait();
    assert!(log.lines().count() > 5 && log.lines().all(is_log_line), "{log}");
    assert!(log.contains("CreateParts(): Request "), "{log}");
}

#[test]
fn the_log_has_local_time() {
    // Half a day and an hour and a half from any machine's idea of what time it is, but that of UTC.
    const ZONE: &str = "FAR-13:30";
    let now = || {
        let date = Command::new("date").arg("+%Y/%m/%d %H:%M:%S").env("TZ", ZONE).output().unwrap();
        String::from_utf8(date.stdout).unwrap().trim_end().to_owned()
    };
    let before = now();
    let testero = Testero::start_with(&[], &[("TZ", ZONE)]);
    let log = testero.log();
    let after = now();
    // Written from the longest unit to the shortest, times sort as text.
    let stamps: Vec<&str> = log.lines().map(|line| &line[..before.len()]).collect();
    assert!(stamps.iter().all(|stamp| (&*before..=&*after).contains(stamp)), "{before} {stamps:?} {after}");
    assert!(!stamps.is_empty());
}

#[test]
fn rust_log_is_honoured() {
    let testero = Testero::start_with(&[], &[("RUST_LOG", "info,testero::consumer::admission::headroom=error")]);
    assert!(!testero.log().contains("HIGHMEMLIM") && testero.log().contains("HIGHFILELIM"), "{}", testero.log());
    let variables = [("HIGHMEMLIM", "many"), ("DATADIR", "/does/not/exist")];
    for (level, lines) in [("warn", 2), ("error", 1), ("off", 1)] {
        let output = run(program(&[], &variables).env("RUST_LOG", level));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), lines, "{level}: {said}");
    }
}

#[test]
fn limits_that_are_no_numbers_are_logged_and_the_default_is_used() {
    let variables = [("HIGHMEMLIM", "12Gi"), ("HIGHFILELIM", "-1")];
    let testero = Testero::start_with(&[], &variables);
    let log = testero.log();
    for (name, value) in variables {
        assert!(log.lines().any(|line| line.contains(name) && line.contains(&format!("\"{value}\""))), "{name}: {log}");
    }
    for name in ["HIGHMEMLIM", "HIGHFILELIM"] {
        let limit = log.split_once(&format!("{name} set to: ")).unwrap().1.split(' ').next().unwrap();
        assert!(limit.parse::<u64>().unwrap() > 1 << 20, "{limit}");
    }
    let start = Testero::start_with(&[], &[("HIGHMEMLIM", "0"), ("HIGHFILELIM", "0")]).log();
    assert!(!start.contains("set to: 0 bytes"), "{start}");
}

#[test]
fn health_exits_with_0_when_the_service_answers_and_with_1_when_nobody_does() {
    let testero = Testero::start();
    let port = testero.address.port().to_string();
    for url in [format!("http://{}", testero.address), format!("http://{}/api/mem/getact", testero.address)] {
        let output = run(&mut program(&["health", "--url", &url], &[]));
        assert!(output.status.success() && output.stderr.is_empty(), "{url}: {output:?}");
    }
    // Without a URL it asks where the variables say.
    assert!(run(&mut program(&["health"], &[("PORT", &port)])).status.success());
    assert!(run(&mut program(&["health"], &[("PORT", &port), ("IP", "0.0.0.0")])).status.success());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fails_with(1, &mut program(&["health", "--url", &format!("http://{nobody}/")], &[]), &[&nobody.to_string()]);
}

#[test]
fn health_says_so_when_somebody_listens_and_never_answers() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, start) = (format!("http://{}/", mute.local_addr().unwrap()), Instant::now());
    let output = run(&mut program(&["health", "--url", &url], &[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(start.elapsed() < PATIENCE / 3);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no answer within 2 seconds"), "{said}");
}

#[test]
fn as_pid_1_a_signal_still_ends_it_cleanly() {
    if !is_root() {
        return;
    }
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", binary(), "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(data.path());
        let testero = Testero::spawn(command, Arc::clone(&data));
        let children = format!("/proc/{0}/task/{0}/children", testero.pid());
        let pid: u32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
        testero.get("/api/disk/set?size=1000000");
        testero.get("/api/cpu/load?time=100");
        kill(pid, signal);
        let (status, took, log) = testero.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("Signal received: ") && took < Duration::from_secs(5), "{took:?} {log}");
        assert!(names(data.path()).is_empty());
    }
}
