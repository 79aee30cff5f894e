//! `testero status --watch`: again and again, whatever becomes of the service.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::terminal::start_on_terminal;
use super::{asking, says};
use crate::harness::{PATIENCE, Testero, binary, free_address};
use crate::process::Reaped;

struct Watcher {
    child: Reaped,
    lines: Receiver<String>,
}

impl Watcher {
    fn of(testero: &Testero, words: &str) -> Self {
        let mut command = asking(testero, words);
        // A shell has what it starts in the background ignore SIGINT, and so would all that the tests start.
        let heed = || {
            // SAFETY: signal takes no pointers that it would follow, and allocates nothing.
            unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
            Ok(())
        };
        // SAFETY: the closure makes one system call, which a child may make between fork and exec.
        unsafe { command.pre_exec(heed) };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        Self { child: Reaped(child), lines: lines_of(stdout) }
    }

    /// Waits for a line that has this in it.
    fn sees(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited in vain: {what}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.child.0.id() as i32, signal) }, 0);
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn watching_goes_on_over_a_restart_and_ends_with_a_signal() {
    // Nobody else gets it between the end of the one and the start of the next.
    let address = free_address().to_string();
    let testero = Testero::start_with(&["--listen", &address], &[]);
    let mut watcher = Watcher::of(&testero, "status --watch");
    watcher.sees(" ready");
    says(&testero, "fd set 12345 --dry-run");
    says(&testero, "ready disable");
    watcher.sees(" not ready");
    testero.signal(libc::SIGTERM);
    testero.wait();
    watcher.sees(&address);
    let again = Testero::start_with(&["--listen", &address], &[]);
    watcher.sees(" ready");
    drop(again);
    watcher.sees("refused");
    watcher.signal(libc::SIGINT);
    assert_eq!(watcher.child.ended().signal(), Some(libc::SIGINT));
}

#[test]
fn programs_can_watch_too() {
    let testero = Testero::start();
    let watcher = Watcher::of(&testero, "status --watch --json");
    for _ in 0..2 {
        assert!(crate::json::Json::parse(&watcher.sees("{")).is("ready"));
    }
}

/// Reads what is drawn until this is in it.
fn drawn_until(screen: &mut std::fs::File, what: &str) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = screen.read(&mut buffer).unwrap();
        // A read may end within a letter.
        bytes.extend_from_slice(&buffer[..count]);
        let drawn = String::from_utf8_lossy(&bytes).into_owned();
        if drawn.contains(what) {
            return drawn;
        }
    }
}

#[test]
fn a_terminal_has_a_steady_screen_and_a_pipe_has_none() {
    let testero = Testero::start();
    let (mut screen, mut child) = start_on_terminal(asking(&testero, "status --watch").env_remove("NO_COLOR"), 70);
    let drawn = drawn_until(&mut screen, "▁▁");
    assert!(drawn.starts_with("\x1b[?1049h\x1b[?25l\x1b[H") && !drawn.contains("\x1b[2J"), "{drawn:?}");
    for line in drawn.split(['\n', '\r']) {
        let line = line.replace("\x1b[K", "").replace("\x1b[H", "").replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert!(line.contains('\x1b') || line.chars().count() < 70, "{line:?}");
    }
    // A lost service leaves what was seen where it is.
    drop(testero);
    let drawn = drawn_until(&mut screen, "lost");
    let last = drawn_until(&mut screen, "for 2 s: ");
    assert!(last.contains("GROUP  STATE") && !drawn.contains("\x1b[2J"), "{last:?}");
    // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(child.0.id() as i32, libc::SIGTERM) }, 0);
    assert!(drawn_until(&mut screen, "\x1b[?1049l").ends_with("\x1b[?25h\x1b[?1049l"));
    assert_eq!(child.ended().code(), Some(143));
}

#[test]
fn programs_watch_without_a_terminal() {
    let testero = Testero::start();
    let watcher = Watcher::of(&testero, "status --watch");
    assert!(!watcher.sees("testero").contains('\x1b'));
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let testero = Testero::start();
    for words in ["status --watch", "status --watch --json"] {
        let mut command = asking(&testero, words);
        let mut child =
            Reaped(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(child.ended().success() && !line.is_empty(), "{words}");
        let mut said = String::new();
        child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
    }
}

#[test]
fn a_reader_that_has_enough_of_an_answer_is_no_failure() {
    let testero = Testero::start();
    let mut command = Command::new("sh");
    let script = format!("{{ {} status --url http://{}; echo $? >&2; }} | true", binary(), testero.address);
    let output = crate::process::run(command.args(["-c", &script]));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "0\n");
}
