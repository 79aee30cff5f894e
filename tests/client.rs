//! The command line: the program asks a running one, whose doings are then looked at from outside.

use std::net::TcpListener;
use std::process::{Command, Output};

use testero::client::commands::COMMANDS;

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
        ("disk", "1000000 --exact --fsync", 1_000_000, "976.5 KiB"),
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

        assert!(says(&testero, &format!("{group} release --wait")).ends_with(": nothing is held\n"));
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
    for (load, told, row) in [
        ("cpu load --cpu 100m --time 1h", "100m for 1 h 0 m", "100m wanted"),
        ("io load --rate 1Mi --time 1h", "1.0 MiB/s for 1 h 0 m", "written "),
    ] {
        let group = load.split(' ').next().unwrap();
        let said = says(&testero, load);
        assert!(said.starts_with(&format!("accepted: {told}, request ")), "{said}");
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
        ("cpu load --cpu 10m --time 1h --dry-run", "would be started: 10m for 1 h 0 m; nothing was done\n"),
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
    assert_eq!(
        says(&testero, "cpu load --time 9s --dry-run --wait"),
        "would be started: 1000m for 9 s; nothing was done\n"
    );
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
    assert_eq!(says(&testero, "release"), "accepted: everything is given back\n");
    for group in ["mem", "fd", "cpu"] {
        testero.in_state(group, "idle");
    }
}

#[test]
fn probes_are_made_to_fail_and_made_well_again() {
    let testero = Testero::start();
    for (probe, path) in [("ready", "/readyz"), ("health", "/healthz")] {
        assert_eq!(says(&testero, &format!("{probe} disable --for 1h")), format!("{path} is disabled for 1h\n"));
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
    let target = "POST /below/it/api/mem/set?format=json&amount=1Mi&ttl=5m&exact=true HTTP/1.1\r\n";
    assert!(request.starts_with(target) && request.contains("\r\nUser-Agent: testero\r\n"), "{request}");
}

#[test]
fn every_verb_has_its_own_help() {
    for command in COMMANDS {
        let all = well(&mut plain(&["help", command.name]));
        assert_eq!(well(&mut plain(&[command.name, "--help"])), all);
        for verb in command.verbs {
            let mut words = vec![command.name, verb.word, "-h"];
            words.retain(|word| !word.is_empty());
            let help = well(&mut plain(&words));
            words.pop();
            let called = format!("testero {}", words.join(" "));
            words.insert(0, "help");
            assert_eq!(well(&mut plain(&words)), help, "{words:?}");
            assert!(all.contains(&called), "{all}");
            if verb.word.is_empty() && command.verbs.len() > 1 {
                continue;
            }
            assert!(help.starts_with(&format!("{called}: {}\n", verb.purpose)), "{help}");
            assert!(verb.flags().all(|flag| help.contains(&format!("--{}", flag.name))), "{help}");
            assert_eq!(help.matches(&format!("\n  {called}")).count(), 2, "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        }
    }
    let help = well(&mut plain(&["--help"]));
    for command in COMMANDS {
        assert!(
            help.contains(&format!("  {}", command.name)) || help.contains(&format!(", {}", command.name)),
            "{}",
            command.name
        );
    }
}

#[test]
fn every_example_of_the_help_is_understood() {
    let nobody = format!("http://{}", nobody());
    // Those ask other names, or a probe that has its own exit codes.
    for topic in COMMANDS.iter().filter(|topic| !matches!(topic.name, "top" | "spread" | "health")) {
        for verb in topic.verbs {
            for example in verb.examples {
                let words = format!("{} {} {}", topic.name, verb.word, example.replace('\'', ""));
                let words = words.replace("--watch", "");
                assert_eq!(ended(&mut command(&nobody, &words)).0, 3, "{words}");
            }
        }
    }
}

#[test]
fn answers_have_other_forms() {
    let testero = Testero::start();
    let set = says(&testero, "mem set 1Mi --json");
    assert_eq!(crate::json::Json::parse(&set).number("planned"), f64::from(1 << 20), "{set}");
    testero.in_state("mem", "holding");
    assert!(says(&testero, "mem set 1Mi -o name").starts_with("mem/1"));
    let yaml = says(&testero, "mem set 1Mi -wo yaml");
    assert!(yaml.starts_with("group: mem\nstate: holding\n") && yaml.contains("\nheld: 1048576\n"), "{yaml}");
    assert_eq!(says(&testero, "mem get -o name"), "mem\n");
    let wide = says(&testero, "mem get -o wide");
    assert!(
        wide.starts_with("GROUP  STATE ") && wide.contains("  POST /api/mem/set?") && wide.lines().count() == 2,
        "{wide}"
    );
    assert_eq!(says(&testero, "status -o wide").lines().count(), 8);
    assert_eq!(says(&testero, "mem set 2Mi --wait --quiet"), "");
    assert_eq!(says(&testero, "status -q"), "");
    fails_with(1, &mut asking(&testero, "mem set 100Ti -q"), &["100.0 TiB"]);
    // A pipe has no colours, unless it is to have them.
    assert!(!says(&testero, "status").contains('\x1b') && says(&testero, "status --color always").contains("\x1b[32m"));
    let released = says(&testero, "release -o json");
    assert!(crate::json::Json::parse(&released).text("status").starts_with("/api/"), "{released}");
}

#[test]
fn amounts_are_exact_unless_they_are_rounded() {
    let testero = Testero::start_with(&["--mem-limit", "1000000000"], &[]);
    says(&testero, "mem set 100 MiB --wait");
    assert_eq!(testero.group("mem").number("held"), f64::from(100 << 20));
    let said = says(&testero, "mem set 256Mi --rounded --dry-run");
    assert!(said.contains("257 MiB for 256 MiB asked (parts are rounded; without --rounded they are not)"), "{said}");
    let said = says(&testero, "mem set 256Mi --rounded --wait");
    assert!(
        said.ends_with("memory: 257 MiB held for 256 MiB asked (parts are rounded; without --rounded they are not)\n"),
        "{said}"
    );
}

#[test]
fn faults_are_made_told_and_ended() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    assert_eq!(says(&testero, "fault"), "no fault is active\n");
    assert_eq!(says(&testero, "fault delay 20ms --for 1m"), "Answers are 20 ms late for 1 m 0 s\n");
    says(&testero, "fault term --ignore");
    let told = says(&testero, "fault");
    assert!(told.contains("delay of 20 ms") && told.contains("SIGTERM is ignored"), "{told}");
    assert!(says(&testero, "fault -o json").contains("\"faults_on\":true"));
    says(&testero, "fault end delay");
    assert_eq!(says(&testero, "fault"), "SIGTERM is ignored\n");
    says(&testero, "fault end");
    assert_eq!(says(&testero, "fault"), "no fault is active\n");
    // They are told while one has all else answered wrongly, or not at all.
    for (fault, told) in [("status 500 --for 1h", "500"), ("hang --for 1h", "hang")] {
        says(&testero, &format!("fault {fault}"));
        let active = says(&testero, "fault");
        assert!(active.contains(told), "{active}");
        if told == "500" {
            fails_with(1, &mut asking(&testero, "status"), &["testero fault end ends it"]);
        }
        says(&testero, "fault end");
    }
    says(&testero, "fault log 5 --rate 1000");
    eventually("it is logged", || testero.log().contains("log line 5 of 5"));
    says(&testero, "fault exit --code 7");
    let off = Testero::start();
    assert!(says(&off, "fault").contains("--faults on"));
    fails_with(1, &mut asking(&off, "fault hang"), &["faults are off"]);
}

#[test]
fn probes_show_their_state() {
    let testero = Testero::start();
    assert_eq!(says(&testero, "ready"), "ready\n");
    assert_eq!(says(&testero, "health show"), "healthy\n");
    says(&testero, "ready disable");
    fails_with(1, &mut asking(&testero, "ready"), &["not ready: "]);
    // The probe is silent, and any answer is one.
    assert_eq!(says(&testero, "health"), "");
}

#[test]
fn the_audit_log_names_the_command_line() {
    let testero = Testero::start();
    says(&testero, "fd set 3 --wait");
    eventually("it is logged", || testero.log().contains("/api/fd/set?format=json&amount=3&follow=true"));
}
