//! Scenarios on the command line: checked, drawn, shown.

use std::fs;
use std::process::{Command, Output};

use crate::harness::binary;

fn scenario(words: &[&str], folder: &std::path::Path) -> Output {
    Command::new(binary()).arg("scenario").args(words).current_dir(folder).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_example_is_good_and_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let list = said(&scenario(&["examples"], folder.path()).stdout);
    let names: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["day", "day.csv", "leak", "neighbour", "spikes", "week"]);
    for name in &names {
        let shown = scenario(&["examples", name], folder.path());
        assert!(shown.status.success() && shown.stdout.starts_with(b"# "), "{name}");
        fs::write(folder.path().join(name), shown.stdout).unwrap();
    }
    for name in names.iter().filter(|name| **name != "day.csv") {
        let checked = scenario(&["check", name, "--limit", "memory=1Gi,cpu=2"], folder.path());
        let text = said(&checked.stdout);
        assert!(checked.status.success() && checked.stderr.is_empty(), "{name}: {}", said(&checked.stderr));
        let drawing = text.lines().map(str::trim).find(|line| line.contains('█')).unwrap();
        assert!(drawing.chars().all(|c| ('▁'..='█').contains(&c)) && drawing.chars().count() == 60, "{text}");
        assert!(!text.contains("depends on the limit") && text.contains(" at most, after "), "{text}");
    }
    let day = said(&scenario(&["check", "day"], folder.path()).stdout);
    let wanted =
        "lasts 24 h 0 m, again and again; at speed 144 these take 10 m 0 s\ncpu     80.0 pct of the limit at most";
    assert!(day.starts_with(wanted) && day.contains("trace: 1440 points, one kept each 60 s, 0 gaps"), "{day}");
    let leak = said(&scenario(&["check", "leak"], folder.path()).stdout);
    assert!(leak.contains("memory  95.0 pct of the limit at most, after 1 h 35 m; 10.0 pct"), "{leak}");
    assert!(leak.contains("fault   delay at 1 h 30 m for 5 m 0 s"), "{leak}");
}

#[test]
fn mistakes_have_line_and_path_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "version: 1\ntracks:\n  cpu: {constat: 1}\n").unwrap();
    let refused = scenario(&["check", "a.yaml"], folder.path());
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(2), &b""[..]));
    let lines = said(&refused.stderr);
    assert!(
        lines.starts_with("tracks.cpu.constat (line 3): unknown key 'constat'; the nearest is 'constant'\n"),
        "{lines}"
    );
    for words in [&["check", "nowhere.yaml"][..], &["check"], &["chek"], &[]] {
        let refused = scenario(words, folder.path());
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn amounts_that_depend_on_a_limit_want_it_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version: 1\ntracks: {memory: {sum: [{constant: 64Mi}, {constant: 50pct}]}, fd: {constant: 5}}\n";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let checked = said(&scenario(&["check", "a.yaml"], folder.path()).stdout);
    assert!(
        checked.contains("memory  depends on the limit: --limit memory=AMOUNT says it\nfd      5 at most"),
        "{checked}"
    );
    let checked = said(&scenario(&["check", "a.yaml", "--limit", "memory=100Mi"], folder.path()).stdout);
    assert!(
        checked.contains("memory  114.0 MiB at most, after 0 s; 114.0 MiB at least\n        this is more than"),
        "{checked}"
    );
}

#[test]
fn the_schema_and_the_help_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let schema = scenario(&["schema"], folder.path());
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["title"], "A scenario of testero");
    let help = said(&scenario(&["--help"], folder.path()).stdout);
    assert!(help.starts_with("testero scenario looks at files"), "{help}");
}
