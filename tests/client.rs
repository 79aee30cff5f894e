//! The command line: the program asks a running one, whose doings are then looked at from outside.

use std::net::TcpListener;
use std::process::{Command, Output};

use testero::client::commands::{COMMANDS, COMMON, SHELLS, Takes};

use crate::harness::{Testero, eventually, shape};
use crate::process::{fails_with, program, run};

mod completions;
mod hostile;
mod names;
mod requests;
pub(crate) mod spreads;
pub(crate) mod terminal;
mod tokens;
mod trouble;
pub(crate) mod waits;
mod watches;

/// A command in one string, of a service at this URL.
fn command(url: &str, words: &str) -> Command {
    let words: Vec<&str> = words.split_whitespace().chain(["--url", url]).collect();
    plain(&words)
}

/// The program with these arguments, and nothing that the tests' own environment may say of services and tokens.
fn plain(arguments: &[&str]) -> Command {
    let mut command = program(arguments, &[]);
    for name in ["TESTERO_URL", "TOKEN", "TOKENFILE"] {
        command.env_remove(name);
    }
    command
}

fn url(testero: &Testero) -> String {
    format!("http://{}", testero.address)
}

/// A command of this service.
fn asking(testero: &Testero, words: &str) -> Command {
    command(&url(testero), words)
}

/// What is said when all goes well.
fn says(testero: &Testero, words: &str) -> String {
    well(&mut asking(testero, words))
}

fn well(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success() && output.stderr.is_empty(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code, what is on stdout, and what on stderr.
fn ended(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = run(command);
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn what_is_set_is_held_got_and_released() {
    let testero = Testero::start_with(&["--mem-limit", "100000000", "--disk-limit", "100000000"], &[]);
    for (group, amount, held, told) in [
        ("mem", "4Mi --exact", 4 << 20, "4.0 MiB"),
        ("disk", "1000000 --exact --fsync", 1_000_000, "976.6 KiB"),
        ("inode", "7", 7, "7"),
        ("pid", "3", 3, "3"),
        ("fd", "5", 5, "5"),
    ] {
        let said = says(&testero, &format!("{group} set {amount}"));
        assert!(said.starts_with(&format!("accepted: {told} in all, request ")), "{group}: {said}");
        let holding = testero.in_state(group, "holding");
        assert_eq!(holding.number("held"), f64::from(held), "{group}");

        let got = says(&testero, &format!("{group} get"));
        let rows: Vec<&str> = got.lines().collect();
        assert!(rows.len() == 2 && rows[0].starts_with("GROUP  STATE "), "{got}");
        let row: Vec<&str> = rows[1].split_whitespace().collect();
        assert_eq!(row[..2], [group, "holding"], "{got}");
        assert!(rows[1].contains(told), "{got}");
        let json = crate::json::Json::parse(&says(&testero, &format!("{group} get --json")));
        assert_eq!((json.text("group"), json.number("held")), (group, f64::from(held)));

        assert!(says(&testero, &format!("{group} release --wait")).ends_with("\nreleased\n"));
        assert_eq!(testero.in_state(group, "idle").number("held"), 0.0, "{group}");
    }
}

#[test]
fn status_is_what_the_service_tells() {
    let testero = Testero::start();
    let text = says(&testero, "status");
    assert!(text.starts_with("testero 0.1.0  up ") && text.ends_with('\n'), "{text}");
    for word in ["GROUP", "mem", "disk", "inode", "pid", "fd", "cpu", "io", "container", "process"] {
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(word)), "{word}: {text}");
    }
    let json = says(&testero, "status --json");
    assert!(json.ends_with('\n') && crate::json::Json::parse(&json).is("ready"), "{json}");
}

#[test]
fn loads_are_started_got_and_stopped() {
    let testero = Testero::start();
    testero.get("/api/disk/set?amount=1Mi&wait=true");
    for (load, row) in [("cpu load --cpu 100m --time 1h", "100m wanted"), ("io load --rate 1Mi --time 1h", "written ")]
    {
        let group = load.split(' ').next().unwrap();
        assert_eq!(shape(&says(&testero, load)), "accepted, request #\n");
        assert_eq!(testero.group(group).text("state"), "working");
        let got = says(&testero, &format!("{group} get"));
        assert!(got.starts_with(group) && got.lines().count() == 1 && got.contains(row), "{got}");
        let json = crate::json::Json::parse(&says(&testero, &format!("{group} get --json")));
        assert_eq!((json.text("group"), json.number("seconds")), (group, 3600.0));
        // Another is refused, unless it takes the place of the first.
        fails_with(1, &mut asking(&testero, load), &["runs"]);
        says(&testero, &format!("{load} --replace"));
        assert_eq!(says(&testero, &format!("{group} stop")), "stopped\n");
        assert!(says(&testero, &format!("{group} get")).contains("idle"));
    }
}

#[test]
fn what_is_only_planned_changes_nothing() {
    let testero = Testero::start_with(&["--mem-limit", "100000000"], &[]);
    for (words, says_so) in [
        ("mem set 4Mi --exact --dry-run", "would hold 4.0 MiB; nothing was done\n"),
        ("fd set 3 --dry-run", "would hold 3; nothing was done\n"),
        ("cpu load --cpu 10m --time 1h --dry-run", "would be started; nothing was done\n"),
    ] {
        assert_eq!(says(&testero, words), says_so);
        assert_eq!(testero.group(words.split(' ').next().unwrap()).text("state"), "idle", "{words}");
    }
    let (_, said, why) = ended(&mut asking(&testero, "mem set 1Gi --dry-run"));
    let said = said + &why;
    assert!(said.contains("would be refused") && said.contains("limit"), "{said}");
}

#[test]
fn a_plan_that_would_be_refused_is_not_done() {
    let testero = Testero::start_with(&["--mem-limit", "100000000"], &[]);
    assert_eq!(ended(&mut asking(&testero, "mem set 1Gi --dry-run")).0, 1);
    assert_eq!(says(&testero, "mem set 4Mi --exact --dry-run --wait"), "would hold 4.0 MiB; nothing was done\n");
    assert_eq!(says(&testero, "cpu load --time 9s --dry-run --wait"), "would be started; nothing was done\n");
}

#[test]
fn flags_reach_the_service() {
    let testero = Testero::start_with(&["--mem-limit", "100000000"], &[]);
    says(&testero, "mem set 50pct --ttl 1h --kind shm --touch 10s --exact --wait");
    let held = testero.group("mem");
    // To the page.
    assert!(held.number("held") > 49_900_000.0 && held.number("held") <= 50_003_968.0, "{held:?}");
    assert_eq!((held.text("kind"), held.number("touch_seconds")), ("shm", 10.0));
    assert!(held.is("exact") && held.number("expires_in_seconds") > 3000.0, "{held:?}");
    // A ramp of an hour holds next to nothing for the rest of this test.
    says(&testero, "mem set max --over 1h");
    testero.in_state("mem", "working");
    says(&testero, "mem release");
    testero.in_state("mem", "idle");
    says(&testero, "pid set max-10 --dry-run --force");
}

#[test]
fn of_a_flag_said_twice_the_last_counts() {
    let testero = Testero::start();
    says(&testero, "fd set 3 --ttl 1m --ttl 2h --wait");
    assert!(testero.group("fd").number("expires_in_seconds") > 3600.0);
}

#[test]
fn everything_is_released_at_once() {
    let testero = Testero::start();
    says(&testero, "mem set 1Mi --wait");
    says(&testero, "fd set 3 --wait");
    says(&testero, "cpu load --cpu 10m --time 1h");
    assert_eq!(says(&testero, "release"), "everything is released\n");
    for group in ["mem", "fd", "cpu"] {
        testero.in_state(group, "idle");
    }
}

#[test]
fn probes_are_made_to_fail_and_made_well_again() {
    let testero = Testero::start();
    for (probe, path) in [("ready", "/readyz"), ("health", "/healthz")] {
        assert_eq!(says(&testero, &format!("{probe} disable --for 1h")), format!("{path} is disabled\n"));
        assert_eq!(testero.ask("GET", path).status, 503);
        assert_eq!(says(&testero, &format!("{probe} enable")), format!("{path} is enabled\n"));
        assert_eq!(testero.ask("GET", path).status, 200);
        assert_eq!(says(&testero, &format!("{probe} disable")), format!("{path} is disabled\n"));
        assert_eq!(testero.ask("GET", path).status, 503);
        says(&testero, &format!("{probe} enable"));
    }
}

#[test]
fn health_is_asked_where_the_other_commands_are() {
    let testero = Testero::start();
    assert_eq!(well(&mut plain(&["health", "--url", &url(&testero), "disable"])), "/healthz is disabled\n");
    assert_eq!(well(&mut plain(&["ready", "--url", &url(&testero), "disable"])), "/readyz is disabled\n");
    well(plain(&["health", "enable"]).env("TESTERO_URL", url(&testero)));
    well(plain(&["health"]).env("TESTERO_URL", url(&testero)));
}

#[test]
fn the_service_is_found_by_flag_by_variable_and_where_it_listens_itself() {
    let (testero, other) = (Testero::start(), Testero::start());
    says(&testero, "fd set 11 --wait");
    let (here, there) = (url(&testero), url(&other));
    let port = testero.address.port().to_string();
    let get = ["fd", "get", "--json"];
    for command in [
        plain(&["--url", &here]).env("TESTERO_URL", &there),
        plain(&[]).env("TESTERO_URL", &here),
        // A name may have more addresses than the service listens at.
        plain(&["--url", &format!("http://localhost:{port}")]).env("TESTERO_URL", &there),
        plain(&[]).env("TESTERO_URL", format!("{here}/")),
        plain(&[]).env("PORT", &port),
        plain(&[]).env("PORT", &port).env("IP", "0.0.0.0"),
        plain(&[]).env("PORT", &port).env("IP", "::").env("TESTERO_URL", ""),
    ] {
        let mut words = plain(&get);
        words.args(command.get_args());
        words.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert!(well(&mut words).contains("\"held\":11,"), "{words:?}");
    }
    // The default is the default port.
    let (code, _, said) = ended(plain(&["status"]).env_remove("IP").env("PORT", ""));
    assert!(code == 0 || said.contains("http://127.0.0.1:8080"), "{code} {said}");
}

#[test]
fn a_service_below_a_path_is_asked_below_it() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/below/it/", proxy.local_addr().unwrap());
    let asked =
        trouble::answers(proxy, b"HTTP/1.1 202 Accepted\r\nContent-Length: 12\r\n\r\n{\"id\":\"123\"}".to_vec());
    assert_eq!(well(&mut command(&url, "mem set 1Mi --ttl 5m")), "accepted, request 123\n");
    let request = asked.join().unwrap();
    let target = "POST /below/it/api/mem/set?format=json&amount=1Mi&ttl=5m HTTP/1.1\r\n";
    assert!(request.starts_with(target) && request.contains("\r\nUser-Agent: testero\r\n"), "{request}");
}

#[test]
fn every_command_and_flag_is_in_the_help() {
    let help = well(&mut plain(&["status", "--help"]));
    // The words of each line that stand for themselves or for one of several.
    let words: Vec<Vec<&str>> = help.lines().map(|line| line.split([' ', '|', ',', '[', ']', '…']).collect()).collect();
    for (command, verbs) in COMMANDS {
        for (verb, _, flags) in *verbs {
            let told = |line: &Vec<&str>| {
                line.contains(&"testero") && line.contains(command) && (verb.is_empty() || line.contains(verb))
            };
            assert!(words.iter().any(told), "{command} {verb}");
            for flag in flags.iter().chain(&COMMON) {
                let name = format!("--{}", flag.name);
                assert!(words.iter().flatten().any(|word| *word == name), "{command} {verb} {name}");
                if let Takes::OneOf(values) = flag.takes {
                    assert!(help.contains(&format!("{name} {}]", values.join("|"))), "{name}");
                }
            }
            let mut arguments = vec![*command, *verb, "--help"];
            arguments.retain(|word| !word.is_empty());
            assert_eq!(well(&mut plain(&arguments)), help, "{arguments:?}");
        }
    }
    let flags = COMMANDS.iter().flat_map(|(_, verbs)| *verbs).flat_map(|(.., flags)| *flags).chain(&COMMON);
    let known: Vec<String> = flags.map(|flag| format!("--{}", flag.name)).collect();
    for told in words.iter().flatten().filter(|word| word.starts_with("--") && word.len() > 2) {
        assert!(known.iter().any(|name| name == told), "{told} is no flag");
    }
    for shell in SHELLS {
        assert!(words.iter().any(|line| line.contains(&"completions") && line.contains(&shell)), "{shell}");
    }
    for word in ["TESTERO_URL", "TOKEN", "TOKENFILE", "http://127.0.0.1:8080", "0 done", "3 nobody"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 120));
    assert!(well(&mut plain(&["--help"])).contains("testero status --help"));
}

#[test]
fn the_audit_log_names_the_command_line() {
    let testero = Testero::start();
    says(&testero, "fd set 3 --wait");
    eventually("it is logged", || testero.log().contains("/api/fd/set?format=json&amount=3&follow=true"));
}
