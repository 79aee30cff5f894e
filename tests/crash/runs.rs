//! Runs of the pipeline: without faults, and under all of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::{Run, crash, has_redis};
use crate::disk::Mount;
use crate::harness::eventually;
use crate::process::{Reaped, kill};

const KEYS: [char; 3] = ['A', 'B', 'C'];

/// The output is the input, and every check has passed.
fn assert_passed(run: &Run, folder: &Path) {
    assert_eq!(run.code, 0, "{}", run.output);
    for check in run.report["checks"].as_array().unwrap() {
        assert_eq!(check["outcome"], "passed", "{check}");
    }
    for key in KEYS {
        let input = fs::read(folder.join(format!("run/input-file.{key}.txt"))).unwrap();
        let output = fs::read(folder.join(format!("run/sink-out/output.{key}"))).unwrap();
        assert!(input == output, "{key}: {} of {} bytes", output.len(), input.len());
    }
    assert_eq!(fs::read_to_string(folder.join("run/res")).unwrap(), "passed\n");
    assert!(
        run.output.trim_end().lines().last().unwrap().starts_with("verdict: passed (exit code 0)"),
        "{}",
        run.output
    );
}

#[test]
fn without_faults_all_that_is_fed_comes_out() {
    for store in ["files", "redis"] {
        if store == "redis" && !has_redis() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let words =
            ["3", "--keys", "A B C", "--lines", "20000", "--rate", "max", "--abort-every", "2", "--store", store];
        let run = Run::of(folder.path(), &words);
        assert_passed(&run, folder.path());
        assert_eq!(run.report["faults"].as_array().unwrap().len(), 0);
        let rolled_back = &run.report["coverage"]["transactions rolled back"];
        assert!(rolled_back.as_u64().unwrap() > 0, "{rolled_back}");
    }
}

/// Every fault there is, for as long as the lines last.
const FAULTS: [&str; 7] =
    ["crash0", "crash1", "pause2", "crash-sink", "crash-source", "grow-and-shrink", "run_custom4"];

#[test]
#[ignore = "takes a minute; tests/run has it of the program that ships"]
fn under_every_fault_files_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut words = vec!["3", "--keys", "A B C", "--lines", "66667", "--rate", "130000"];
    words.extend(FAULTS);
    let run = Run::of(folder.path(), &words);
    assert_passed(&run, folder.path());
    has_done(&run, &["kill", "pause", "join", "shrink"]);
}

#[test]
#[ignore = "takes a minute; tests/run has it of the program that ships"]
fn under_every_fault_a_redis_loses_nothing() {
    if !has_redis() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut words =
        vec!["3", "crash-store", "--keys", "A B C", "--lines", "66667", "--rate", "130000", "--store", "redis"];
    words.extend(FAULTS);
    let run = Run::of(folder.path(), &words);
    assert_passed(&run, folder.path());
    has_done(&run, &["kill", "pause", "join", "shrink"]);
}

fn has_done(run: &Run, kinds: &[&str]) {
    let faults = run.report["faults"].as_array().unwrap();
    for kind in kinds {
        assert!(faults.iter().any(|fault| fault["kind"] == *kind), "no {kind}: {}", run.output);
    }
}

#[test]
fn a_full_disk_is_told_as_one_and_not_as_data_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    // Room for the input, and for half of what becomes of it.
    let Some(_mounted) = Mount::tmpfs(&folder.path().join("run"), 0, "size=2m") else { return };
    let run = Run::of(folder.path(), &["2", "--keys", "A", "--lines", "20000", "--rate", "max", "--ack-within", "20s"]);
    assert!([3, 5].contains(&run.code), "{}", run.output);
    let diagnosis = run.report["violation"]["diagnosis"].as_str().unwrap();
    assert!(diagnosis.starts_with("the disk is full, or nearly so ("), "{diagnosis}");
    for check in run.report["checks"].as_array().unwrap() {
        let is_data =
            ["prefix", "contiguous", "stable", "owner", "bounds", "eof"].iter().any(|name| check["name"] == *name);
        assert!(!is_data || check["outcome"] != "failed", "{check}");
    }
}

#[test]
fn faults_for_a_time_and_then_all_that_was_fed_gets_through() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["2", "crash1", "pause0", "--keys", "A B C", "--rate", "20000", "--for", "12s", "--seed", "5"];
    let run = Run::of(folder.path(), &words);
    assert_eq!(run.code, 0, "{}", run.output);
    assert_eq!(run.report["seed"], 5);
    for key in KEYS {
        let fed = fs::read(folder.path().join(format!("run/stream/{key}.in"))).unwrap();
        let output = fs::read(folder.path().join(format!("run/sink-out/output.{key}"))).unwrap();
        assert!(fed == output && !fed.is_empty());
    }
    has_done(&run, &["kill"]);
}

#[test]
fn no_fault_where_one_was_asked_for_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::of(folder.path(), &["1", "crash0.slow", "--keys", "A B C", "--lines", "100", "--rate", "max"]);
    assert_eq!(run.code, 4, "{}", run.output);
    assert_eq!(run.outcome("effect"), "failed");
}

/// A run that goes on until somebody ends it.
fn endless(folder: &Path) -> (Reaped, Vec<u32>) {
    let mut command = crash(&["3", "crash1", "--keys", "A B C", "--rate", "1000", "--dir"]);
    command.arg(folder.join("run")).arg("--json").arg(folder.join("report.json"));
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut run = Reaped(child);
    let mut line = String::new();
    BufReader::new(run.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("seed "), "{line}");
    let events = folder.join("run/events.jsonl");
    let pids = || {
        let text = fs::read_to_string(&events).unwrap_or_default();
        let starts = text.lines().filter(|line| line.contains("\"start\""));
        let pids = starts.filter_map(|line| line.split("pid ").nth(1)?.trim_end_matches("\"}").parse().ok());
        pids.collect::<Vec<u32>>()
    };
    eventually("sink, workers and feeds", || pids().len() >= 7);
    (run, pids())
}

fn are_gone(pids: &[u32]) -> bool {
    pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[test]
fn a_tester_that_is_killed_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, pids) = endless(folder.path());
    assert!(!are_gone(&pids));
    run.0.kill().unwrap();
    run.0.wait().unwrap();
    eventually("all processes are gone", || are_gone(&pids));
}

#[test]
fn ctrl_c_reports_and_leaves_no_process_behind() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let folder = tempfile::tempdir().unwrap();
        let (mut run, pids) = endless(folder.path());
        std::thread::sleep(Duration::from_millis(500));
        kill(run.0.id(), signal);
        assert_eq!(run.ended().code(), Some(code));
        assert!(are_gone(&pids), "{pids:?}");
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.path().join("report.json")).unwrap()).unwrap();
        assert_eq!(report["verdict"], "interrupted");
    }
}

#[test]
fn two_testers_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (_run, _) = endless(folder.path());
    let second = crash(&["1", "--dir"]).arg(folder.path().join("run")).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let why = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(why.contains("another tester works in it"), "{why}");
}

#[test]
fn a_folder_of_its_own_is_gone_after_a_run_that_passed() {
    let temporary = tempfile::tempdir().unwrap();
    let words = ["1", "--keys", "A", "--lines", "10", "--rate", "max"];
    let passed = crash(&words).env("TMPDIR", temporary.path()).output().unwrap();
    assert!(passed.status.success(), "{passed:?}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}
