//! Recordings are made of answers of Prometheus, of what kubectl prints, and of a service that runs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
#[cfg(feature = "client")]
use std::{net::SocketAddr, sync::Arc};

#[cfg(feature = "client")]
use crate::harness::{Testero, free_address};
use crate::harness::{binary, eventually, names};

const ANSWER: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
{"metric":{"pod":"web-0"},"values":[[1795910160,"100"],[1795910175,"200"],[1795910235,"300"]]},
{"metric":{"pod":"web-1"},"values":[[1795910160,"7"]]}]}}"#;
const TOP: &str =
    "1795910160\nNAME    CPU(cores)   MEMORY(bytes)\nweb-0   250m         128Mi\nweb-1   1            64Mi\n";

fn command(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(["scenario", "record"]).args(words).current_dir(folder).stdin(Stdio::null());
    command.env_remove("TOKEN").env_remove("TESTERO_URL");
    command
}

fn record(words: &[&str], folder: &Path) -> Output {
    command(words, folder).output().unwrap()
}

/// With something on its standard input.
fn record_of(words: &[&str], folder: &Path, input: &str) -> Output {
    let mut command = command(words, folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What `check` says of a scenario that plays a column of a recording in this folder.
fn checked(folder: &Path, file: &str, track: &str, column: &str) -> String {
    let text = format!("version: 1\ntracks: {{{track}: {{trace: {{file: {file}, column: {column}}}}}}}\n");
    fs::write(folder.join("check.yaml"), text).unwrap();
    let check = Command::new(binary()).args(["scenario", "check", "check.yaml"]).current_dir(folder).output().unwrap();
    assert!(check.status.success(), "{}", said(&check.stderr));
    fs::remove_file(folder.join("check.yaml")).unwrap();
    said(&check.stdout)
}

#[test]
fn answers_of_prometheus_become_columns() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mem.json"), ANSWER).unwrap();
    let cpu = ANSWER.replace("\"100\"", "\"0.5\"").replace("\"200\"", "\"0.25\"").replace("\"300\"", "\"1.5\"");
    let words = ["--prometheus", "mem.json", "--prometheus", "cpu_cores=-", "--series", "pod=web-0", "-o", "web.csv"];
    let recorded = record_of(&words, folder.path(), &cpu);
    let summary = "testero: 3 points, 75 s, 1 gap; at most memory_bytes 300, cpu_cores 1.5\n";
    assert_eq!((said(&recorded.stderr).as_str(), recorded.status.code()), (summary, Some(0)));
    let table = "seconds,memory_bytes,cpu_cores\n0,100,0.5\n15,200,0.25\n75,300,1.5\n";
    assert_eq!((fs::read_to_string(folder.path().join("web.csv")).unwrap().as_str(), recorded.stdout), (table, vec![]));
    let drawn = checked(folder.path(), "web.csv", "memory", "memory_bytes");
    assert!(
        drawn.contains("300 B at most, after 1 m 15 s") && drawn.contains("3 points") && drawn.contains("1 gap"),
        "{drawn}"
    );
    let drawn = checked(folder.path(), "web.csv", "cpu", "cpu_cores");
    assert!(drawn.contains("1500m at most"), "{drawn}");
    // One file stands for memory, and is written to the standard output.
    let recorded = record(&["--prometheus", "mem.json", "--series", "pod=web-1"], folder.path());
    assert_eq!(said(&recorded.stdout), "seconds,memory_bytes\n0,7\n");
}

#[test]
fn what_kubectl_prints_becomes_two_columns() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = record_of(&["--top", "-"], folder.path(), TOP);
    assert_eq!(said(&recorded.stdout), "seconds,memory_bytes,cpu_cores\n0,201326592,1.25\n");
    let told = said(&recorded.stderr);
    assert!(
        told.starts_with("testero: 2 pods are in it: what is recorded is their sum; --pod NAME chooses one\n"),
        "{told}"
    );
    let list = "web-0 250m 128Mi\n".repeat(3);
    fs::write(folder.path().join("top.txt"), list).unwrap();
    let recorded = record(&["--top", "top.txt", "--every", "30s", "--pod", "web-0", "-o", "top.csv"], folder.path());
    let summary = "testero: 3 points, 60 s, 0 gaps; at most memory_bytes 134217728, cpu_cores 0.25\n";
    assert_eq!(said(&recorded.stderr), summary);
    let drawn = checked(folder.path(), "top.csv", "memory", "memory_bytes");
    assert!(drawn.contains("128.0 MiB at most") && drawn.contains("one kept each 30 s, 0 gaps"), "{drawn}");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.txt"), "web-0 250m 128Mi\nweb-0 much 128Mi\n").unwrap();
    fs::write(folder.path().join("bad.json"), "{\"data\":{\"result\":[{\"values\":[[1,\"2\"],\n[2,\"x\"]]}]}}")
        .unwrap();
    for (words, code, why) in [
        (
            "",
            2,
            "record what? --prometheus FILE, --top FILE, --metrics URL or --history URL (see testero scenario --help)",
        ),
        ("--top bad.txt", 2, "bad.txt: line 2: CPU much: it does not begin with a number; it is written like 250m"),
        ("--top bad.txt --pod x", 2, "bad.txt: line 2"),
        ("--prometheus bad.json", 2, "bad.json: line 2: value 2: \"x\" is no number"),
        ("--top -", 2, "standard input: line 1: there is no sample: expected NAME"),
        ("--top nowhere.txt", 1, "nowhere.txt: No such file"),
        ("--top .", 1, ".: Is a directory"),
    ] {
        let refused = record(&words.split_whitespace().collect::<Vec<_>>(), folder.path());
        let told = said(&refused.stderr);
        assert!(told.starts_with(&format!("testero: {why}")) && told.lines().count() == 1, "{words}: {told}");
        assert_eq!((refused.status.code(), refused.stdout), (Some(code), vec![]), "{words}");
    }
    fs::write(folder.path().join("top.txt"), TOP).unwrap();
    let refused = record(&["--top", "top.txt", "-o", "nowhere/a.csv"], folder.path());
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused.stderr));
    assert_eq!(names(folder.path()), ["bad.json", "bad.txt", "top.txt"]);
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("top.txt"), TOP).unwrap();
    fs::write(folder.path().join("a.csv"), "mine").unwrap();
    let refused = record(&["--top", "top.txt", "-o", "a.csv"], folder.path());
    let told = said(&refused.stderr);
    assert_eq!(told, "testero: a.csv: there is one already; --replace puts the recording in its place\n");
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.path().join("a.csv")).unwrap(), "mine");
    let recorded = record(&["--top", "top.txt", "-o", "a.csv", "--replace"], folder.path());
    assert!(
        recorded.status.success() && fs::read_to_string(folder.path().join("a.csv")).unwrap().starts_with("seconds")
    );
    assert_eq!(names(folder.path()), ["a.csv", "top.txt"]);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("top.txt"), TOP).unwrap();
    let mut command = command(&["--top", "top.txt", "--pod", "web-0"], folder.path());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((ended.status.code(), said(&ended.stderr).as_str()), (Some(0), ""));
}

/// A recorder that runs. Killed by its own pid when dropped.
struct Recorder(Child);

impl Recorder {
    fn start(words: &[&str], folder: &Path) -> Self {
        Self(command(words, folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn lines(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().unwrap())
    }

    fn signal(&self, signal: i32) {
        // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }

    /// How it ended, and what it has told and not been asked for yet.
    fn end(mut self, signal: Option<i32>) -> (Option<i32>, String) {
        if let Some(signal) = signal {
            self.signal(signal);
        }
        let mut told = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut told).unwrap();
        }
        (self.0.wait().unwrap().code(), told)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn next_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(from.read_line(&mut line).unwrap() > 0, "it has ended");
    line.trim_end().to_owned()
}

#[test]
fn what_has_come_before_a_signal_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&["--top", "-", "-o", "a.csv"], folder.path());
    let mut recorder = Recorder(command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut pipe = recorder.0.stdin.take().unwrap();
    pipe.write_all(b"web-0 250m 128Mi\nweb-0 125m 64Mi\n").unwrap();
    // Before that, a signal would end it as any process.
    eventually("it catches the signal", || {
        let status = fs::read_to_string(format!("/proc/{}/status", recorder.0.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 1 << (libc::SIGINT - 1) != 0
    });
    let (code, told) = recorder.end(Some(libc::SIGINT));
    let summary = "testero: 2 points, 15 s, 0 gaps; at most memory_bytes 134217728, cpu_cores 0.25\n";
    assert_eq!((code, told.as_str()), (Some(0), summary));
    assert_eq!(names(folder.path()), ["a.csv"]);
    drop(pipe);
}

#[cfg(feature = "client")]
const NAMES: &str = "seconds,memory_bytes,cpu_cores,disk_bytes,io_bytes_per_second,inodes,pids,fds";

#[cfg(feature = "client")]
fn field(line: &str, name: &str) -> Option<f64> {
    let place = NAMES.split(',').position(|known| known == name).unwrap();
    line.split(',').nth(place).unwrap().parse().ok()
}

/// A service at a wanted address.
#[cfg(feature = "client")]
fn serve(address: SocketAddr) -> Testero {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new(binary());
    command.args(["--listen", &address.to_string(), "--data-dir"]).arg(data.path());
    Testero::spawn(command, data)
}

#[cfg(feature = "client")]
#[test]
fn what_a_service_holds_and_uses_is_recorded() {
    let testero = Testero::start();
    testero.json("POST", "/api/mem/set?amount=8Mi&exact=true&wait=true", 200);
    testero.json("POST", "/api/disk/set?amount=3Mi&exact=true&wait=true", 200);
    testero.json("POST", "/api/fd/set?count=17&wait=true", 200);
    testero.json("POST", "/api/io/load?rate=4Mi&duration=10m", 202);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", testero.address);
    let words = ["--metrics", &url, "--every", "200ms", "--for", "2s", "-o", "live.csv"];
    let recorded = record(&words, folder.path());
    let told = said(&recorded.stderr);
    assert!(recorded.status.success() && told.contains("memory_bytes 8388608, cpu_cores "), "{told}");
    assert_eq!(names(folder.path()), ["live.csv"]);
    let table = fs::read_to_string(folder.path().join("live.csv")).unwrap();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some(NAMES));
    let lines: Vec<&str> = lines.collect();
    // A slow machine leaves some out.
    assert!((2..=10).contains(&lines.len()) && lines[0].starts_with("0,"), "{table}");
    for line in &lines {
        let held = ["memory_bytes", "disk_bytes", "inodes", "pids", "fds"].map(|name| field(line, name).unwrap());
        assert_eq!(held, [8_388_608.0, 3_145_728.0, 0.0, 0.0, 17.0], "{line}");
        assert!(field(line, "cpu_cores").is_some(), "{line}");
    }
    let moved = lines.iter().filter_map(|line| field(line, "io_bytes_per_second")).fold(0.0, f64::max);
    assert!(moved > 1e5, "{table}");
    for (track, column) in [("memory", "memory_bytes"), ("disk", "disk_bytes"), ("io", "io_bytes_per_second")] {
        assert!(checked(folder.path(), "live.csv", track, column).contains(" at most"));
    }
}

#[cfg(feature = "client")]
#[test]
fn a_service_that_is_away_is_a_gap() {
    let address = free_address();
    let service = serve(address);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{address}");
    let mut recorder = Recorder::start(&["--metrics", &url, "--every", "100ms"], folder.path());
    let mut lines = recorder.lines();
    assert_eq!(next_line(&mut lines), NAMES);
    next_line(&mut lines);
    drop(service);
    let mut told = BufReader::new(recorder.0.stderr.take().unwrap());
    let missing = next_line(&mut told);
    assert!(missing.starts_with(&format!("testero: a sample is missing: {url}: ")), "{missing}");
    let service = serve(address);
    service.json("POST", "/api/mem/set?amount=5Mi&exact=true&wait=true", 200);
    // What was used is not known across the gap, and known again behind it.
    let mut after = String::new();
    eventually("it holds memory again, and what it uses is known", || {
        after = next_line(&mut lines);
        field(&after, "memory_bytes") == Some(5_242_880.0) && field(&after, "cpu_cores").is_some()
    });
    recorder.signal(libc::SIGINT);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let mut rest_told = String::new();
    told.read_to_string(&mut rest_told).unwrap();
    let summary = rest_told.lines().last().unwrap();
    assert!(summary.contains(" gap") && !summary.contains(" 0 gaps"), "{rest_told}");
    assert!(summary.contains("memory_bytes 5242880"), "{rest_told}");
    assert_eq!(recorder.end(None).0, Some(0));
}

#[cfg(feature = "client")]
#[test]
fn a_signal_ends_it_and_the_file_is_whole() {
    let testero = Testero::start();
    let url = format!("http://{}", testero.address);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::start(&["--metrics", &url, "--every", "100ms", "-o", "a.csv"], folder.path());
        eventually("lines are written", || {
            let mut files = fs::read_dir(folder.path()).unwrap();
            files.next().is_some_and(|file| file.unwrap().metadata().unwrap().len() > 150)
        });
        assert!(!folder.path().join("a.csv").exists());
        let (code, told) = recorder.end(Some(signal));
        // On a slow machine lines may be further apart than they should be.
        assert!(code == Some(0) && told.contains("; at most memory_bytes 0,"), "{code:?} {told}");
        assert_eq!(names(folder.path()), ["a.csv"]);
        assert!(fs::read_to_string(folder.path().join("a.csv")).unwrap().ends_with('\n'));
        assert!(checked(folder.path(), "a.csv", "memory", "memory_bytes").contains("0 B at most"));
    }
}

#[cfg(feature = "client")]
#[test]
fn a_reader_of_what_is_recorded_may_go_away() {
    let testero = Testero::start();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", testero.address);
    let mut recorder = Recorder::start(&["--metrics", &url, "--every", "100ms"], folder.path());
    let mut lines = recorder.lines();
    assert_eq!(next_line(&mut lines), NAMES);
    drop(lines);
    assert_eq!(recorder.end(None), (Some(0), String::new()));
}

#[cfg(feature = "client")]
#[test]
fn where_nobody_answers_nothing_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", free_address());
    let refused = record(&["--metrics", &url, "--every", "100ms", "--for", "500ms", "-o", "a.csv"], folder.path());
    let told = said(&refused.stderr);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("a sample is missing"), "{told}");
    assert_eq!(lines[1], "testero: nothing is recorded: the service did not answer");
    assert_eq!((refused.status.code(), names(folder.path())), (Some(1), vec![]));
    // Somebody answers, but wants to know who asks.
    let testero = Testero::start_with(&["--token-reads", "on"], &[("TOKEN", "secret")]);
    let url = format!("http://{}", testero.address);
    let words = ["--metrics", &url, "--every", "100ms", "--for", "300ms"];
    let refused = record(&words, folder.path());
    assert!(said(&refused.stderr).contains("no token was given: --token-file FILE"), "{}", said(&refused.stderr));
    let recorded = record(&[&words[..], &["--token", "secret"]].concat(), folder.path());
    assert!(recorded.status.success(), "{}", said(&recorded.stderr));
}

#[cfg(all(feature = "client", feature = "page"))]
#[test]
fn what_a_service_remembers_becomes_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let testero = Testero::start();
    testero.json("POST", "/api/mem/set?amount=4Mi&exact=true&wait=true", 200);
    let url = format!("http://{}", testero.address);
    let mut summary = String::new();
    eventually("it is recorded", || {
        let recorded = record(&["--history", &url, "-o", "was.csv", "--replace"], folder.path());
        summary = said(&recorded.stderr);
        recorded.status.success() && summary.contains("at most memory_bytes 4194304") && summary.contains(" 0 gaps")
    });
    let drawn = checked(folder.path(), "was.csv", "memory", "memory_bytes");
    assert!(drawn.contains("4.0 MiB at most"), "{drawn}");
    let recorded = record(&["--history", &url, "--for", "0s"], folder.path());
    assert_eq!(said(&recorded.stdout).lines().count(), 2);
    drop(testero);
    let refused = record(&["--history", &url], folder.path());
    assert_eq!((refused.status.code(), refused.stdout), (Some(1), vec![]));
}
