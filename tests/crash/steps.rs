//! Steps by hand, in one run folder.

use std::fs;
use std::path::Path;
use std::process::Output;

use super::crash;
use crate::harness::eventually;

fn step(folder: &Path, words: &[&str]) -> Output {
    crash(words).env("CRASH_DIR", folder).output().unwrap()
}

fn done(folder: &Path, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = step(folder, words);
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{words:?}: {status}: {said}");
    said
}

#[test]
fn a_system_is_started_crashed_grown_and_verified_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["create-inputs", "--keys", "A B", "--lines", "400", "--rate", "max"]);
    done(folder, &["start-sink"]);
    done(folder, &["start-initializer", "-n", "2"]);
    done(folder, &["start-worker", "-n", "2", "1"]);
    assert!(done(folder, &["poll-ready", "-v", "0"]).contains("worker.0 ready"));
    done(folder, &["poll-all-ready", "-v", "-w", "10"]);
    done(folder, &["feed", "A", "4000"]);
    done(folder, &["crash-worker", "1"]);
    let gone = step(folder, &["crash-worker", "1"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("worker.1 is not there"));
    assert_eq!(step(folder, &["poll-ready", "-w", "0", "1"]).status.code(), Some(1));
    done(folder, &["feed", "B"]);
    done(folder, &["start-worker", "1"]);
    done(folder, &["join-worker", "5"]);
    assert_eq!(step(folder, &["join-worker", "5"]).status.code(), Some(1));
    done(folder, &["poll-all-ready"]);
    done(folder, &["shrink-worker", "5"]);
    done(folder, &["poll-all-ready"]);
    let all = (400 * 49).to_string();
    for key in ["A", "B"] {
        let is_through = || done(folder, &["verify", key]).contains(&format!("{key}: {all} of {all} bytes are right"));
        eventually("all of it is put out", is_through);
    }
    // What counts is changed behind the sink's back.
    let output = folder.join("sink-out/output.A");
    let mut bytes = fs::read(&output).unwrap();
    bytes[60] ^= 1;
    fs::write(&output, bytes).unwrap();
    let wrong = step(folder, &["verify", "A"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("TORN in key A at byte 60 (line 2"), "{wrong:?}");
    done(folder, &["delete-inputs"]);
    assert!(!folder.join("input-file.A.txt").exists());
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    done(folder, &["reset"]);
    let left: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, ["notes.txt"]);
}

#[test]
fn what_is_wrong_with_the_words_is_said_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    for (words, part) in [
        (&["3", "crashsink"][..], "the nearest is 'crash-sink'"),
        (&["3", "crash-store"], "crash-store needs --store redis"),
        (&["verify"], "verify needs a key"),
    ] {
        let refused = step(folder.path(), words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(why.contains(part), "{words:?}: {why}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
