//! What is said of files with mistakes.

use super::tests::{GOOD, loaded};
use crate::yaml::MOST_BYTES;

/// What is said of the sample with the first of a piece replaced.
fn said(piece: &str, other: &str) -> Vec<String> {
    assert!(GOOD.contains(piece), "{piece}");
    loaded(GOOD.replacen(piece, other, 1)).unwrap_err()
}

#[test]
fn what_concerns_the_whole_file_names_it() {
    for (text, expected) in [
        ("", "F: it is empty"),
        ("\n \n", "F: it is empty"),
        ("a: [", "F: a[0] (line 2, column 1): "),
        ("[]", "F (line 1): expected keys and values, instead got []"),
        ("a: 1\na: 2\n", "the key a is given twice, first in line 1"),
    ] {
        let said = loaded(text).unwrap_err();
        assert!(said.len() == 1 && said[0].contains(expected), "{text}: {said:?}");
    }
    assert_eq!(loaded(b"a: 1\nb: \xff\n").unwrap_err(), ["F: line 2: it is not UTF-8"]);
    let long = vec![b' '; MOST_BYTES + 1];
    assert_eq!(loaded(long).unwrap_err(), [format!("F: it is longer than {MOST_BYTES} bytes")]);
    assert_eq!(
        loaded("version: 1").unwrap_err(),
        [
            "F (line 1): there is neither run nor pods: what is to be tested?",
            "F (line 1): nothing is promised under verify, so nothing could be said of the data",
            "F (line 1): it would never end: say end: {after: 5m}, or have a load that is a command and ends by itself",
        ]
    );
}

#[test]
fn all_mistakes_are_said_at_once() {
    let text = "
version: 2
run:
  - {name: a, command: [./a], copys: 3}
  - {name: a, command: ./b}
faults:
  - {target: c, how: kil}
  - {target: a, how: pause, down: 1s}
verify:
  - {}
";
    assert_eq!(
        loaded(text).unwrap_err(),
        [
            "version (line 2): expected 1, instead got 2",
            "run[0].copys (line 4): unknown key 'copys'; the nearest is 'copies'",
            "run[1].name (line 5): the name a is there twice, first in line 4",
            "run[1].command (line 5): expected a list like [./check, \"{dir}\"], instead got ./b",
            "faults[0].target (line 7): unknown target 'c'; the nearest is 'a'",
            "faults[0].how (line 7): unknown fault 'kil'; the nearest is 'kill'",
            "faults[1].down (line 8): it means nothing for pause; it is for kill and term",
            "verify[0] (line 10): one of prefix, ledger, numbers, answers, command, progress is needed",
            "F (line 2): it would never end: say end: {after: 5m}, or have a load that is a command and ends by itself",
        ]
    );
}

/// Each with the one line that is said of it.
#[test]
fn a_mistake_is_said_with_its_place_and_what_would_be_right() {
    let long = "x".repeat(5000);
    for (piece, other, expected) in [
        ("version: 1\n", "", "F (line 1): version is missing"),
        ("version: 1", "version: '1'", "version (line 1): expected 1, instead got 1"),
        ("version: 1", "versoin: 1\nversion: 1", "versoin (line 1): unknown key 'versoin'; the nearest is 'version'"),
        // Files.
        ("{port.db.3}", "{port.db.4}", "db has 4 copies, from 0 on: there is no db.4"),
        (
            "{port.db.3}",
            "{port.nobody}",
            "files[{dir}/proxy.yaml] (line 4): unknown part 'nobody'; the nearest is 'db'",
        ),
        ("{port.db.3}", "{n}", "files[{dir}/proxy.yaml] (line 4): {n} is for a part itself"),
        ("\"{dir}/proxy.yaml\"", "\"{log}\"", "{log} is for a part itself"),
        ("\"{dir}/proxy.yaml\"", "\"\"", "expected the path of a file"),
        (
            "\"{dir}/proxy.yaml\": |\n    to",
            "a: 1\n  b:\n   to",
            "files.b (line 5): expected a text, instead got {to: ",
        ),
        // Parts.
        ("name: db", "name: Db", "run[0].name (line 6): expected a letter, and letters, digits and '-' behind it"),
        ("name: a-1", "name: a.1", "run[1].name"),
        ("name: b,", "name: 1,", "run[2].name (line 12): expected a letter"),
        ("name: b,", "name: ,", "run[2].name (line 12): there is nothing behind it"),
        ("name: b,", "", "run[2] (line 12): name is missing"),
        ("name: rest", "name: db", "pods[1].name (line 16): the name db is there twice, first in line 6"),
        ("command: [./a]", "command: []", "run[1].command (line 11): expected a program and its arguments"),
        ("command: [./a]", "command: ['']", "run[1].command[0] (line 11): expected a program, instead got nothing"),
        ("command: [./a]", "command: [./a, [b]]", "run[1].command[1] (line 11): expected a text, instead got [b]"),
        ("command: [./a]", "command: [./a, ~]", "run[1].command[1] (line 11): expected a text, instead got ~"),
        ("command: [./a]", "command: [\"a\\0b\"]", "run[1].command[0] (line 11): it has a NUL character in it"),
        ("command: [./a]", &format!("command: [{long}]"), "it is longer than 4096 bytes"),
        ("command: [./a]", "command: [\"{port.web}\"]", "web are pods, whose ports are not known here"),
        ("copies: 3", "copies: 65", "run[0].copies (line 8): expected a whole number from 1 to 64, instead got 65"),
        ("copies: 3", "copies: some", "expected a whole number from 1 to 64, instead got some"),
        ("MODE: test", "'A=B': c", "run[0].env[A=B] (line 9): expected the name of a variable, which has no '='"),
        ("MODE: test", "MODE: [1]", "run[0].env.MODE (line 9): expected a text, instead got [1]"),
        ("http: \"http:", "http: \"https:", "run[0].ready.http (line 10): there is no TLS here"),
        (
            "http: \"http://127",
            "http: \"127",
            "run[0].ready.http (line 10): the URL does not begin with http://; one is",
        ),
        ("within: 20s", "log: x", "run[0].ready.log (line 10): http and log do not go together"),
        ("within: 20s", "within: 0s", "run[0].ready.within (line 10): expected a duration longer than 0"),
        (
            "{tcp: \"127.0.0.1:{port}\"}",
            "{within: 3s}",
            "run[1].ready (line 11): one of http, tcp, command, log is needed",
        ),
        (
            "{tcp: \"127.0.0.1:{port}\"}",
            "{tcp: \"{port}\"}",
            "expected a place like 127.0.0.1:{port}, instead got {port}",
        ),
        // Pods.
        (
            "selector: app=rest",
            "selectr: app=rest",
            "pods[1].selectr (line 16): unknown key 'selectr'; the nearest is 'selector'",
        ),
        ("selector: app=rest", "selector: -A", "pods[1].selector (line 16): it begins with '-', instead got -A"),
        ("scale: deployment/web", "scale: web", "expected what is scaled, like deployment/web, instead got web"),
        // Load.
        (
            "command: [./load, \"{dir}/sent\"]",
            "command: [./load, \"{port}\"]",
            "{port} is for a part itself; elsewhere",
        ),
        ("command: [./load, \"{dir}/sent\"]", "http: {url: 'http://a b', out: c}", "has a space or control character"),
        ("command: [./load, \"{dir}/sent\"]", "http: {url: 'http://a'}", "load.http (line 18): out is missing"),
        (
            "command: [./load, \"{dir}/sent\"]",
            "http: {url: 'http://a', out: b, clients: 0}",
            "from 1 to 256, instead got 0",
        ),
        // Faults.
        ("target: db, how: kill", "target: db.4, how: kill", "expected db, or db.0 to db.3, instead got db.4"),
        (
            "target: a-1, how",
            "target: a-1.0, how",
            "faults[6].target (line 26): a-1 has one copy: say a-1, instead got",
        ),
        ("name: c,", "name: load,", "run[3].name (line 13): this is the name of the load in reports"),
        ("target: db, how: kill", "target: db.01, how: kill", "expected db, or db.0 to db.3, instead got db.01"),
        ("target: db, how: kill", "target: web.0, how: delete-pod, x: 1", "web are pods, of which any one is taken"),
        ("every: 4s..8s", "every: 8s..4s", "faults[0].every (line 20): the first one is longer, instead got 8s..4s"),
        ("every: 4s..8s", "every: 0s", "faults[0].every (line 20): expected a time longer than 0, instead got 0s"),
        ("every: 4s..8s", "every: 4..", "expected a time like 4s, or 4s..8s, instead got 4.."),
        ("every: 4s..8s", "copies: 2", "faults[0].copies (line 20): it means nothing for kill; it is for scale"),
        (
            "how: delete-pod",
            "how: kill",
            "faults[2].how (line 22): it is for processes here; for pods there are delete-pod",
        ),
        (
            "target: web, how: delete-pod",
            "target: db, how: delete-pod",
            "it is for pods; for a part there are kill, term and",
        ),
        (
            "target: db, how: scale",
            "target: db.1, how: scale",
            "it is for a part as a whole, not for one of its copies",
        ),
        ("target: web, how: scale", "target: rest, how: scale", "these pods do not say what is scaled"),
        (
            "copies: 1..4",
            "copies: 3..1",
            "faults[3].copies (line 23): expected copies like 1..3, 64 at most, instead got 3..1",
        ),
        ("copies: 1..4", "copies: 1..65", "expected copies like 1..3, 64 at most, instead got 1..65"),
        ("copies: 1..4, ", "", "faults[3] (line 23): copies is missing"),
        ("command: [./hurt, \"{dir}\"], ", "", "faults[5] (line 25): command is missing"),
        ("how: term", "how: [term]", "faults[6].how (line 26): expected one of kill, term, pause"),
        ("how: term", "how: ", "faults[6].how (line 26): there is nothing behind it"),
        // Promises.
        ("output: out.txt", "output: ''", "verify[0].prefix.output (line 28): it is empty"),
        ("order: per-key", "order: by-key", "expected one of none, per-key, total, instead got by-key"),
        ("duplicates: no", "duplicates: maybe", "expected one of no, yes, false, true, instead got maybe"),
        ("missing: 4", "missing: -1", "verify[4].numbers.missing (line 32): expected a whole number from 0"),
        ("status: 204", "status: 99", "verify[5].answers.status (line 33): expected a whole number from 100 to 599"),
        ("run: [./check]", "ran: [./check]", "verify[6].command (line 34): run is missing"),
        (
            "progress: {file",
            "progress: {command: [a], file",
            "verify[7].progress.command (line 35): file and command do not",
        ),
        ("progress: {file: acked.txt", "progress: {file: [a]", "verify[7].progress.file (line 35): expected a text"),
        ("progress: {command: [./count]}", "progres: {}", "verify[8].progres (line 36): unknown key 'progres'"),
        // The end.
        ("after: 5m", "after: soon", "end.after (line 37): \"soon\" is no duration"),
        ("kill: 5", "kil: 5", "require.kil (line 38): unknown fault 'kil'; the nearest is 'kill'"),
        ("kill: 5", "kill: 0", "require.kill (line 38): expected a whole number from 1 to 1000000, instead got 0"),
    ] {
        let said = said(piece, other);
        assert!(said.iter().any(|line| line.contains(expected)), "{expected}: {said:#?}");
    }
}

#[test]
fn a_fault_that_must_have_been_is_one_that_there_is() {
    let all = "pause: 2, term: 1, command: 1, scale: 1, delete-pod: 2";
    assert!(loaded(GOOD.replacen("pause: 2", all, 1)).is_ok());
    let without = GOOD.replacen("how: term", "how: kill", 1);
    let said = loaded(without.replacen("pause: 2", all, 1)).unwrap_err();
    assert_eq!(said, ["require.term (line 38): none of the faults is term, so there will be none"]);
}

#[test]
fn what_would_never_end_is_refused() {
    let load = "command: [./load, \"{dir}/sent\"]";
    let http = GOOD.replacen(load, "http: {url: 'http://a', out: b}", 1);
    assert!(loaded(&http).is_ok());
    let said = loaded(http.replacen("after: 5m, ", "", 1)).unwrap_err();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("end (line 37): it would never end"), "{said:?}");
}

#[test]
fn lists_have_bounds() {
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(", ");
    for (section, most, one) in [
        ("run", 64, (&|n| format!("{{name: a{n}, command: [./a]}}")) as &dyn Fn(usize) -> String),
        ("faults", 256, &|_| String::from("{target: a0, how: kill}")),
        ("verify", 64, &|_| String::from("answers: {file: a}")),
    ] {
        let text = |count: usize| {
            let list = many(count, one);
            let mut text = String::from("{version: 1, end: {after: 1}");
            for (name, other) in [("run", "{name: a0, command: [./a]}"), ("verify", "answers: {file: b}")] {
                if name != section {
                    text += &format!(", {name}: [{other}]");
                }
            }
            text + &format!(", {section}: [{list}]}}")
        };
        assert!(loaded(text(most)).is_ok(), "{section}");
        let said = loaded(text(most + 1)).unwrap_err();
        assert_eq!(said[0], format!("{section} (line 1): there are {}; {most} at most", most + 1));
    }
}
