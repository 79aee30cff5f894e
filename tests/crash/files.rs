//! Files that describe a system: printed, and checked.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use super::crash;

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_built_in_file_is_good() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["fibonacci", "counter", "pipeline", "proxy"] {
        let Output { status, stdout, stderr } = crash(&["--print", name]).output().unwrap();
        assert!(status.success() && stderr.is_empty() && stdout.starts_with(b"# "), "{name}");
        let path = folder.path().join(name);
        fs::write(&path, &stdout).unwrap();
        let checked = crash(&["--check", "-f"]).arg(&path).output().unwrap();
        let line = said(&checked.stdout);
        assert!(checked.status.success() && checked.stderr.is_empty(), "{name}: {}", said(&checked.stderr));
        assert!(line.starts_with(&format!("{} is good: ", path.display())) && line.lines().count() == 1, "{line}");
        // The same from a pipe.
        let mut command = crash(&["--check", "-f", "-"]);
        let mut check = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        check.stdin.take().unwrap().write_all(&stdout).unwrap();
        let checked = check.wait_with_output().unwrap();
        assert!(checked.status.success() && said(&checked.stdout).starts_with("standard input is good: "), "{name}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.yaml");
    let text =
        "version: 1\nrun:\n  - {name: db, comand: [./db]}\nfaults:\n  - {target: db, how: kil}\nend: {after: 1m}\n";
    fs::write(&path, text).unwrap();
    for words in [&["--check", "-f"][..], &["-f"]] {
        let refused = crash(words).arg(&path).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(refused.stdout.is_empty());
        let nothing = "nothing is promised under verify, so nothing could be said of the data";
        let lines = said(&refused.stderr);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines,
            [
                "run[0].comand (line 3): unknown key 'comand'; the nearest is 'command'",
                "run[0] (line 3): command is missing",
                "faults[0].how (line 5): unknown fault 'kil'; the nearest is 'kill'",
                &format!("{} (line 1): {nothing}", path.display()),
            ]
        );
    }
    let nowhere = crash(&["-f", "nowhere.yaml", "--check"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(said(&nowhere.stderr).starts_with("nowhere.yaml: No such file"), "{nowhere:?}");
}
