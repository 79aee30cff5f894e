//! Tokens: where they are looked for, and that they are shown nowhere.

use std::fs;
use std::process::Command;

use super::{asking, ended, well};
use crate::harness::Testero;
use crate::process::{fails_with, run};

const TOKEN: &str = "correct-horse-battery-staple";

fn guarded(reads: &str) -> Testero {
    Testero::start_with(&["--token-reads", reads], &[("TOKEN", TOKEN)])
}

/// The ways to say it.
fn with_token(testero: &Testero, words: &str, file: &str) -> [Command; 4] {
    let mut by_variable = asking(testero, words);
    by_variable.env("TOKEN", TOKEN);
    let mut by_file = asking(testero, words);
    by_file.env("TOKENFILE", file);
    let by_flag = asking(testero, &format!("{words} --token {TOKEN}"));
    [by_flag, asking(testero, &format!("{words} --token-file={file}")), by_variable, by_file]
}

#[test]
fn a_token_is_said_in_four_ways() {
    let testero = guarded("on");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    for words in ["fd set 3 --wait", "fd get", "status", "status --json", "ready enable", "release"] {
        for mut command in with_token(&testero, words, file.path().to_str().unwrap()) {
            let said = well(&mut command);
            assert!(!said.is_empty() && !said.contains(TOKEN), "{command:?}: {said}");
        }
    }
}

#[test]
fn without_a_token_it_is_told_what_is_missing() {
    let testero = guarded("on");
    for words in ["fd set 3", "fd set 3 --wait", "status", "status --json", "fd get", "ready disable", "release"] {
        fails_with(1, &mut asking(&testero, words), &["token"]);
    }
    // Reads are open where nothing else is said.
    let testero = guarded("off");
    well(&mut asking(&testero, "status"));
    fails_with(1, &mut asking(&testero, "fd set 3"), &["token"]);
}

#[test]
fn without_a_token_it_is_told_how_to_say_it() {
    let testero = guarded("off");
    fails_with(1, &mut asking(&testero, "fd set 3"), &["no token was given", "--token-file", "TOKEN"]);
    // A wrong one is told from none.
    fails_with(1, &mut asking(&testero, "fd set 3 --token another"), &["the token was refused"]);
}

#[test]
fn a_flag_wins_over_a_variable() {
    let testero = guarded("on");
    well(asking(&testero, &format!("status --token {TOKEN}")).env("TOKEN", "another"));
    fails_with(1, asking(&testero, "status --token another").env("TOKEN", TOKEN), &["token"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, TOKEN).unwrap();
    let by_file = format!("status --token-file {}", file.path().display());
    well(asking(&testero, &by_file).env("TOKEN", "another").env("TOKENFILE", "/does/not/exist"));
}

#[test]
fn a_token_that_cannot_be_read_is_told() {
    let testero = guarded("off");
    for value in ["/does/not/exist", "/dev/null", "/"] {
        fails_with(1, &mut asking(&testero, &format!("status --token-file {value}")), &["the token cannot be read"]);
    }
    for token in ["two words", "line\r\nX-Other: y", "n\u{f6}"] {
        fails_with(1, asking(&testero, "status").args(["--token", token]), &["token"]);
    }
}

#[test]
fn a_token_is_never_shown() {
    let testero = guarded("on");
    for words in ["status --bogus", "status now", "mem set 900Ti", "mem set 1Mi --ttl soon", "mem", "fd set 1 --wait"] {
        for mut command in [
            asking(&testero, &format!("{words} --token {TOKEN}")),
            asking(&testero, &format!("--token={TOKEN} {words}")),
            asking(&testero, &format!("{words} --token {TOKEN}x")),
        ] {
            let output = run(&mut command);
            let said = [output.stdout, output.stderr].concat();
            assert!(!String::from_utf8_lossy(&said).contains(TOKEN), "{command:?}");
        }
    }
    let nobody = format!("http://{}", super::nobody());
    let (code, _, why) = ended(&mut super::command(&nobody, &format!("status --token {TOKEN}")));
    assert!(code == 3 && !why.contains(TOKEN), "{why}");
    assert!(!testero.log().contains(TOKEN));
}
