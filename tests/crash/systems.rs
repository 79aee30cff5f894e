//! Systems that a file describes: run, crashed, and judged.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use super::{Run, crash};
use crate::process::{Reaped, kill};

/// Writes a file, and runs it in a folder.
fn run(folder: &Path, text: &str, words: &[&str]) -> Run {
    let path = folder.join("system.yaml");
    fs::write(&path, text).unwrap();
    let mut all = vec!["-f", path.to_str().unwrap()];
    all.extend(words);
    Run::of(folder, &all)
}

/// A part that goes on and on, and one that writes what it was told to. The load is up to the test.
fn system(load: &str, rest: &str) -> String {
    format!(
        "version: 1
run:
  - name: part
    command: [sh, -c, 'echo up; while :; do sleep 0.05; done']
    ready: {{log: up, within: 20s}}
load:
  command: [sh, -ec, '{load}', load, '{{dir}}']
{rest}
"
    )
}

#[test]
#[ignore = "takes a minute; tests/run has it of the program that ships"]
fn what_the_built_in_files_promise_of_our_own_programs_holds() {
    thread::scope(|scope| {
        for name in ["fibonacci", "counter", "pipeline", "proxy"] {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let text = String::from_utf8(crash(&["--print", name]).output().unwrap().stdout).unwrap();
                let run = run(folder.path(), &text, &[]);
                assert_eq!(run.code, 0, "{name}: {}", run.output);
                for check in run.report["checks"].as_array().unwrap() {
                    assert_eq!(check["outcome"], "passed", "{name}: {check}");
                }
                let kills = run.report["faults"].as_array().unwrap().iter().filter(|fault| fault["kind"] == "kill");
                assert!(kills.filter(|fault| !fault["effect"].is_null()).count() >= 5, "{name}: {}", run.output);
            });
        }
    });
}

#[test]
fn parts_are_killed_ended_paused_and_scaled_and_what_was_promised_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version: 1
files:
  '{dir}/greeting': 'for {testero}'
run:
  - name: web
    # Quits when it is asked to, and says so.
    command: [sh, -c, 'trap \"exit 0\" TERM; echo up {n} $MODE; while :; do sleep 0.05; done']
    copies: 2
    env: {MODE: 'test-{port}'}
    ready: {command: [grep, -q, 'up {n} test-[1-9]', '{log}'], within: 20s}
faults:
  - {target: web, how: kill, every: 100ms..500ms, down: 0s..200ms}
  - {target: web.1, how: term, every: 500ms..1s, down: 0s}
  - {target: web.0, how: pause, every: 500ms..1s, for: 100ms..300ms}
  - {target: web, how: scale, copies: 1..3, every: 500ms..1s}
  - {target: web, how: command, command: [sh, -c, 'echo hurt >> {dir}/hurt'], every: 500ms..1s}
verify:
  - command: {run: [grep, -q, '^for /', '{dir}/greeting'], every: 1s, within: 10s}
  - progress: {file: '{dir}/hurt', within: 30s}
end: {after: 12s, settle: 30s}
require: {kill: 2, term: 1, pause: 1, scale: 1, command: 2}
";
    let run = run(folder.path(), text, &["--seed", "1"]);
    assert_eq!(run.code, 0, "{}", run.output);
    for check in ["command", "progress", "ready", "alive", "effect"] {
        assert_eq!(run.outcome(check), "passed", "{}", run.output);
    }
    assert!(fs::read_to_string(folder.path().join("run/log/web.0")).unwrap().starts_with("up 0 test-"));
    // The folder of a run is emptied for the next one; another one is left alone.
    fs::write(folder.path().join("mine"), "").unwrap();
    let refused =
        crash(&["-f"]).arg(folder.path().join("system.yaml")).arg("--dir").arg(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("neither empty nor the folder of an earlier run"));
    assert!(folder.path().join("mine").exists());
}

#[test]
fn a_log_without_end_does_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let text = system("sleep 60", "verify: [{command: {run: ['true'], every: 1s, within: 10s}}]\nend: {after: 4s}")
        // It goes on when it is asked to end.
        .replace("echo up; while :; do", "trap : TERM; echo up; while :; do head -c 3000000 /dev/zero;");
    let run = run(folder.path(), &text, &[]);
    assert_eq!(run.code, 0, "{}", run.output);
    let logs = fs::read_dir(folder.path().join("run/log")).unwrap().map(Result::unwrap);
    let old = logs.filter(|file| {
        let length = file.metadata().unwrap().len();
        // What is written while one is cut comes on top.
        assert!(length <= 24 << 20, "{}: {length} bytes", file.path().display());
        file.path().extension().is_some_and(|end| end == "gz")
    });
    assert!((1..=5).contains(&old.count()));
}

#[test]
fn what_is_lost_doubled_or_made_up_is_found() {
    let ledger = "verify:
  - ledger: {sent: '{dir}/sent', acked: '{dir}/acked', got: [cat, '{dir}/got'], order: per-key}
end: {settle: 1s}";
    let put = |name: &str, lines: &str| format!("printf \"{lines}\" > \"$1/{name}\"; ");
    let sent = put("sent", "a\\t1\\nb\\t1\\na\\t2\\n") + &put("acked", "a\\t1\\na\\t2\\n");
    for (got, code, class) in [
        ("a\\t1\\nb\\t1\\na\\t2\\n", 0, ""),
        ("a\\t1\\na\\t2\\n", 0, ""),
        ("a\\t1\\nb\\t1\\n", 1, "LOST"),
        ("a\\t1\\na\\t2\\na\\t1\\n", 1, "DUP"),
        ("a\\t2\\na\\t1\\n", 1, "REORDERED"),
        ("a\\t1\\na\\t2\\na\\t3\\n", 1, "FOREIGN"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path(), &system(&(sent.clone() + &put("got", got)), ledger), &[]);
        assert_eq!(run.code, code, "{got}: {}", run.output);
        let diagnosis = run.report["violation"]["diagnosis"].as_str().unwrap_or_default();
        assert!(diagnosis.contains(class), "{got}: {diagnosis}");
    }
}

#[test]
fn each_way_to_fail_has_its_exit_code() {
    let good = "verify:
  - command: {run: ['true'], every: 1s, within: 10s}
end: {after: 2s, settle: 1s}";
    let kill = "faults:
  - {target: part, how: kill, every: 60s}
";
    let never = system("sleep 60", good).replace("log: up, within: 20s", "log: never, within: 1s");
    let fails = system("sleep 60", good).replace("echo up; while", "echo up; sleep 1; exit 7; while");
    let wrong = system("sleep 60", good).replace("'true'", "sh, -c, 'echo no such row; exit 1'");
    let cannot = system("sleep 60", good).replace("'true'", "sh, -c, 'exit 2'");
    let few = system("sleep 60", &format!("{kill}{good}\nrequire: {{kill: 1}}"));
    let missing = system("sleep 60", good).replace("command: [sh, -c, 'echo up;", "command: [/no/such, '");
    for (text, code, check, words) in [
        (&system("sleep 60", good), 0, "", ""),
        (&wrong, 1, "command", "no such row"),
        (&never, 3, "ready", "its log does not say"),
        (&cannot, 4, "", ""),
        (&few, 4, "", ""),
        (&fails, 5, "alive", "part ended by itself: exit status: 7"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path(), text, &[]);
        assert_eq!(run.code, code, "{text}: {}", run.output);
        let violation = &run.report["violation"];
        assert_eq!(violation["check"].as_str().unwrap_or_default(), check, "{}", run.output);
        assert!(violation["diagnosis"].as_str().unwrap_or_default().contains(words), "{violation}");
    }
    let load = system("sleep 60", good).replace("[sh, -ec, 'sleep 60', load, '{dir}']", "[/no/such]");
    for text in [missing, load] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("system.yaml"), text).unwrap();
        let mut command = crash(&["-f"]);
        let refused = command.arg(folder.path().join("system.yaml")).arg("--dir").arg(folder.path().join("run"));
        let refused = refused.output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("/no/such"), "{refused:?}");
    }
}

#[test]
fn nobody_waits_for_what_never_comes_when_all_is_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    // Ready once: killed, it never is again.
    let text = "version: 1
run:
  - name: part
    command: [sh, -c, 'if mkdir {dir}/once 2>/dev/null; then echo up; fi; while :; do sleep 0.05; done']
    ready: {log: up, within: 10m}
faults: [{target: part, how: kill, every: 100ms, down: 0s}]
verify: [{command: {run: ['true'], every: 1s, within: 10s}}]
end: {after: 1h}
";
    fs::write(folder.path().join("system.yaml"), text).unwrap();
    let mut command = crash(&["-f"]);
    command.arg(folder.path().join("system.yaml")).arg("--dir").arg(folder.path().join("run"));
    let mut tester = Reaped(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut seen = Vec::new();
    let mut out = tester.0.stdout.take().unwrap();
    while !String::from_utf8_lossy(&seen).contains("rpart") {
        let mut byte = [0];
        out.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    kill(tester.0.id(), 2);
    assert_eq!(tester.ended().code(), Some(130));
    out.read_to_end(&mut seen).unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("verdict: interrupted by signal 2"));
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let promises = "verify:
  - prefix: {input: '{dir}/pipe', output: '{dir}/pipe'}
  - ledger: {sent: '{dir}/pipe', acked: '{dir}/pipe', got: '{dir}/pipe'}
end: {settle: 1s}";
    let run = run(folder.path(), &system("mkfifo \"$1/pipe\"", promises), &[]);
    assert_eq!(run.code, 4, "{}", run.output);
    assert!(run.output.contains("it is no file"), "{}", run.output);
}
