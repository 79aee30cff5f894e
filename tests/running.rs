//! `testero scenario run`, `status` and `stop`: a file that one service plays, or several behind names.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::spreads::pods;
use crate::client::terminal::on_terminal;
use crate::client::waits::mounts_here;
use crate::disk::is_root;
use crate::harness::{Testero, binary, eventually, free_address};
use crate::process::{Reaped, program, run};

/// A command of `testero scenario`, in this folder.
fn scenario(words: &str, folder: &Path) -> Command {
    let words: Vec<&str> = ["scenario"].into_iter().chain(words.split_whitespace()).collect();
    let mut command = program(&words, &[]);
    command.current_dir(folder);
    for name in ["TESTERO_URL", "TOKEN", "TOKENFILE"] {
        command.env_remove(name);
    }
    command
}

/// The exit code, what is on stdout, and what on stderr.
fn ended(words: &str, folder: &Path) -> (i32, String, String) {
    let output = run(&mut scenario(words, folder));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn well(words: &str, folder: &Path) -> String {
    let (code, said, why) = ended(words, folder);
    assert!(code == 0 && why.is_empty(), "{words}: {code} {said} {why}");
    said
}

/// A folder with a file `a.yaml`.
fn file(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    folder
}

fn of(testero: &Testero) -> String {
    format!("--url http://{}", testero.address)
}

/// Where they are, as a user says it.
fn behind(pods: &[Testero]) -> String {
    format!("--service {}", pods.iter().map(|pod| pod.address.to_string()).collect::<Vec<_>>().join(","))
}

fn held(testero: &Testero, group: &str) -> f64 {
    testero.group(group).number("held")
}

fn told(testero: &Testero) -> String {
    testero.send("GET", "/api/scenario", &[("Accept", "application/json")], "").body
}

const HOLDS: &str = "version: 1\ntracks: {fd: {constant: 7}}\n";

#[test]
fn a_file_is_played_by_one_told_and_stopped() {
    let (testero, folder) = (Testero::start(), file(HOLDS));
    let service = of(&testero);
    let said = well(&format!("run a.yaml {service}"), folder.path());
    assert!(said.starts_with(&format!("{}  playing  second 0.", testero.address)), "{said}");
    eventually("it is held", || held(&testero, "fd") == 7.0);
    let (code, _, why) = ended(&format!("run {service} a.yaml"), folder.path());
    assert!(code == 1 && why.contains("there is a scenario already; --replace takes its place"), "{code} {why}");
    fs::write(folder.path().join("a.yaml"), HOLDS.replace('7', "9")).unwrap();
    well(&format!("run a.yaml --replace {service}"), folder.path());
    eventually("the other is held", || held(&testero, "fd") == 9.0);
    let mut before = program(&["--url", &format!("http://{}", testero.address), "scenario", "status"], &[]);
    assert!(run(&mut before).status.success());
    let said = well(&format!("status {service}"), folder.path());
    assert!(said.starts_with("scenario  playing  second ") && said.contains("\nfd  "), "{said}");
    let said = well(&format!("stop {service}"), folder.path());
    assert!(said.contains("  ended, and what it held is given back\n"), "{said}");
    eventually("nothing is held", || held(&testero, "fd") == 0.0);
    for verb in ["stop", "status"] {
        let (code, said, why) = ended(&format!("{verb} {service}"), folder.path());
        assert!(code == 1 && said.is_empty() && why.contains("there is no scenario"), "{verb}: {code} {said} {why}");
    }
}

#[test]
fn mistakes_are_told_as_check_tells_them_and_nothing_is_sent() {
    let (testero, folder) = (Testero::start(), file("version: 1\ntracks:\n  fd: {constat: 1}\n  cpu: {constant: x}\n"));
    let (code, said, why) = ended(&format!("run a.yaml {}", of(&testero)), folder.path());
    let (_, _, checked) = ended("check a.yaml", folder.path());
    assert_eq!((code, said.as_str(), why.as_str(), why.lines().count()), (2, "", checked.as_str(), 3));
    assert_eq!(testero.ask("GET", "/api/scenario").status, 404);
    for (words, part) in [
        ("run", "which file"),
        ("run a.yaml --divide", "--service"),
        ("run a.yaml --timeout 5s", "--wait"),
        ("stop --wait", "--wait"),
        ("rnu a.yaml", "the nearest is 'run'"),
        ("run none.yaml", "none.yaml"),
    ] {
        let (code, _, why) = ended(words, folder.path());
        assert!(code == 2 && why.contains(part), "{words}: {code} {why}");
    }
    fs::write(folder.path().join("a.yaml"), format!("{HOLDS}on_restart: begin\n")).unwrap();
    let (code, _, why) = ended("run a.yaml --service 127.0.0.1:1 --divide", folder.path());
    assert!(code == 2 && why.contains("on_restart"), "{why}");
}

#[test]
fn recordings_are_sent_with_it_and_what_is_too_long_is_told() {
    let (testero, folder) = (Testero::start(), file("version: 1\ntracks: {fd: {trace: {file: day.csv, column: n}}}\n"));
    fs::write(folder.path().join("day.csv"), "# a day\nseconds,n,other\n0,11,x\n3600,11,y\n").unwrap();
    well(&format!("run a.yaml {}", of(&testero)), folder.path());
    eventually("it is held", || held(&testero, "fd") == 11.0);
    let rows: String = (0..200_000).map(|second| format!("{second},{}\n", 1_000_000 + second)).collect();
    fs::write(folder.path().join("day.csv"), format!("seconds,n\n{rows}")).unwrap();
    let (code, _, why) = ended(&format!("run a.yaml --replace {}", of(&testero)), folder.path());
    assert!(code == 1 && why.contains(" bytes long, and a service takes 2097152: every:"), "{code} {why}");
    assert_eq!(held(&testero, "fd"), 11.0);
}

#[test]
fn nobody_there_and_a_wrong_token_are_told() {
    let folder = file(HOLDS);
    let (code, said, why) = ended(&format!("run a.yaml --url http://{}", free_address()), folder.path());
    assert!(code == 3 && said.is_empty() && why.contains("refused"), "{code} {said} {why}");
    let testero = Testero::start_with(&[], &[("TOKEN", "secret")]);
    let service = of(&testero);
    let (code, _, why) = ended(&format!("run a.yaml {service}"), folder.path());
    assert!(code == 1 && why.contains("--token-file FILE, --token TOKEN"), "{code} {why}");
    well(&format!("run a.yaml {service} --token secret"), folder.path());
    eventually("it is held", || held(&testero, "fd") == 7.0);
}

#[test]
fn its_end_is_waited_for() {
    let (testero, folder) = (Testero::start(), file(&format!("{HOLDS}length: 2s\n")));
    let service = of(&testero);
    let said = well(&format!("run a.yaml --wait --timeout 1m {service}"), folder.path());
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("  playing  second 0.") && lines[1].ends_with("  over"), "{said}");

    // One that is stopped, one that goes on for longer, and one that is ended by somebody.
    fs::write(
        folder.path().join("a.yaml"),
        "version: 1\nlength: 1h\ntracks: {fd: {leak: {rate: 10, until: 5, then: stop}}}\n",
    )
    .unwrap();
    let (code, _, why) = ended(&format!("run a.yaml --wait {service}"), folder.path());
    assert!(code == 1 && why.contains(&format!("{}: stopped: fd is full", testero.address)), "{code} {why}");
    fs::write(folder.path().join("a.yaml"), format!("{HOLDS}length: 1h\nrepeat: forever\n")).unwrap();
    let (code, _, why) = ended(&format!("run a.yaml --wait --timeout 1s {service}"), folder.path());
    assert!(code == 1 && why.contains("after 1 s it goes on; testero scenario stop --url"), "{code} {why}");
    for (method, body, part) in
        [("DELETE", "", "somebody has ended it"), ("PUT", HOLDS, "another scenario has taken its place")]
    {
        let mut waiting = waits(&format!("run a.yaml --replace --wait {service}"), folder.path());
        testero.send(method, "/api/scenario", &[], body);
        let why = rest_of(&mut waiting, 1);
        assert!(why.contains(part), "{method}: {why}");
    }
}

#[test]
fn a_terminal_has_one_line_that_is_drawn_again() {
    let (pods, folder) = (pods(&[&[], &[]]), file(&format!("{HOLDS}length: 2s\n")));
    let (code, drawn) = on_terminal(&mut scenario(&format!("run a.yaml --wait {}", behind(&pods)), folder.path()), 40);
    assert!(code == 0 && drawn.contains("\r2 pods: 2 playing  second "), "{drawn:?}");
    assert!(drawn.contains("\r2 pods: 2 over\x1b[K") && drawn.contains("  over\r\n"), "{drawn:?}");
}

/// Starts a command, and waits until it has told something.
fn waits(words: &str, folder: &Path) -> (Reaped, BufReader<std::process::ChildStdout>) {
    started(&mut scenario(words, folder))
}

fn started(command: &mut Command) -> (Reaped, BufReader<std::process::ChildStdout>) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Reaped(command.spawn().unwrap());
    let mut said = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("  playing"), "{line}");
    (child, said)
}

/// What such a command says on stderr until it ends with this code.
fn rest_of((child, _): &mut (Reaped, BufReader<std::process::ChildStdout>), code: i32) -> String {
    let status = child.ended();
    let mut why = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut why).unwrap();
    assert_eq!(status.code(), Some(code), "{why}");
    why
}

#[test]
fn ctrl_c_ends_the_waiting_and_not_the_scenario() {
    let (testero, folder) = (Testero::start(), file(HOLDS));
    let mut waiting = waits(&format!("run a.yaml --wait {}", of(&testero)), folder.path());
    // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(waiting.0.0.id() as i32, libc::SIGINT) }, 0);
    let why = rest_of(&mut waiting, 130);
    let stop = format!("testero scenario stop --url http://{} ends it", testero.address);
    assert_eq!(why, format!("testero: the scenario goes on; {stop}\n"));
    eventually("it goes on", || held(&testero, "fd") == 7.0);
}

#[test]
fn all_behind_a_name_begin_at_the_same_time_and_what_fails_at_one_is_told() {
    let (pods, folder) =
        (pods(&[&[], &[], &[]]), file(&format!("{HOLDS}length: 3s\nstart: {{offset: {{hash: 1ms}}}}\n")));
    let nobody = free_address();
    pods[1].send("POST", "/api/scenario", &[], HOLDS);
    let (code, said, why) = ended(&format!("run a.yaml {},{nobody} --wait", behind(&pods)), folder.path());
    assert_eq!((code, why.as_str()), (1, "testero: 2 of 4 pods did not do it\n"), "{said}");
    let line = |address: &str, what: &str| said.lines().any(|line| line.starts_with(address) && line.contains(what));
    assert!(line(&nobody.to_string(), "unreachable: "), "{said}");
    assert!(line(&pods[1].address.to_string(), "--replace takes its place"), "{said}");
    for pod in [&pods[0], &pods[2]] {
        assert!(line(&pod.address.to_string(), "  playing") && line(&pod.address.to_string(), "  over"), "{said}");
    }
    let said = well(&format!("run a.yaml {} --replace", behind(&pods)), folder.path());
    assert_eq!(said.lines().filter(|line| line.contains("  playing")).count(), 3, "{said}");
    // All were sent the same text, so with the same time.
    let id = |pod: &Testero| told(pod).split("\"id\":\"").nth(1).unwrap()[..16].to_owned();
    assert!(pods.iter().all(|pod| id(pod) == id(&pods[0])));
    assert!(told(&pods[0]).contains("\"begins_in_seconds\":null"), "{}", told(&pods[0]));
    well(&format!("stop {}", behind(&pods)), folder.path());
    let (code, said, _) = ended(&format!("status {}", behind(&pods)), folder.path());
    assert!(code == 1 && said.matches("there is no scenario").count() == 3, "{code} {said}");
}

#[test]
fn amounts_are_divided_among_those_who_are_there() {
    let folder = file("version: 1\nlength: 1h\ntracks: {fd: {constant: 60}, memory: {constant: 48Mi}}\n");
    let pods = pods(&[&[], &[]]);
    let third = TcpListener::bind("127.0.0.4:0").unwrap().local_addr().unwrap();
    let mut waiting = waits(&format!("run a.yaml --divide {},{third}", behind(&pods)), folder.path());
    let hold = |pods: &[&Testero], fds: f64| {
        eventually("each has its part", || {
            pods.iter().all(|pod| held(pod, "fd") == fds && held(pod, "mem") == fds / 60.0 * f64::from(48 << 20))
        });
    };
    hold(&[&pods[0], &pods[1]], 30.0);
    let new = Testero::start_with(&["--listen", &third.to_string()], &[]);
    // What both parts have is not given back in between.
    eventually("the others have less", || {
        let fds = held(&pods[0], "fd");
        assert!(fds >= 20.0, "{fds}");
        fds == 20.0
    });
    hold(&[&pods[0], &pods[1], &new], 20.0);
    // It is where the others are.
    let second = |pod: &Testero| pod.json("GET", "/api/scenario", 200).number("second");
    let (first, last) = (second(&pods[0]), second(&new));
    assert!((last - first).abs() < 2.0, "{first} {last}");
    eventually("it is over everywhere", || {
        pods.iter().chain([&new]).for_each(|pod| _ = pod.ask("POST", "/api/scenario/seek?to=2h"));
        waiting.0.0.try_wait().unwrap().is_some()
    });
    let mut said = String::new();
    waiting.1.read_to_string(&mut said).unwrap();
    assert!(said.contains("  has come\n") && said.contains("3 pods, and each plays 1/3 of the amounts\n"), "{said}");
}

#[test]
fn what_a_pod_had_goes_to_the_others_when_it_leaves_the_name() {
    if !is_root() || !mounts_here() {
        return;
    }
    let pods = pods(&[&[], &[], &[]]);
    let folder = file("version: 1\ntracks: {inode: {constant: 60}}\n");
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let name = |number: usize| {
        let lines: String =
            pods[..number].iter().map(|pod| format!("{} testero-headless\n", pod.address.ip())).collect();
        fs::write(hosts.path(), format!("127.0.0.1 localhost\n{lines}")).unwrap();
    };
    name(3);
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$1\" /etc/hosts && shift && exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", script, binary()]).arg(hosts.path()).current_dir(folder.path());
    let service = format!("testero-headless:{}", pods[0].address.port());
    let mut waiting = started(command.args(["scenario", "run", "a.yaml", "--divide", "--service", &service]));
    let all_hold = |parts: &[f64]| {
        eventually("each has its part", || pods.iter().zip(parts).all(|(pod, part)| held(pod, "inode") == *part));
    };
    all_hold(&[20.0, 20.0, 20.0]);
    name(2);
    // Nobody has told the one that left.
    all_hold(&[30.0, 30.0, 20.0]);
    name(1);
    all_hold(&[60.0, 30.0, 20.0]);
    name(3);
    all_hold(&[20.0, 20.0, 20.0]);
    well(&format!("stop {}", behind(&pods)), folder.path());
    let why = rest_of(&mut waiting, 1);
    assert!(why.ends_with("testero: 3 of 3 pods did not do it\n"), "{why}");
}
