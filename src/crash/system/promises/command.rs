//! `command`: a program says whether it holds.

use std::time::{Duration, Instant};

use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::system::promises::program_words::{last_lines, shown_words, trouble};
use crate::kernel::program::RunningProgram;
use crate::units::decimal::fixed;

/// How long a look waits for a program that was just started, while the system runs: others are to be looked at, too.
const MOMENT: Duration = Duration::from_millis(50);
/// As much is kept of what it prints; it needs no more to say what is wrong.
const PRINTED_BYTES: usize = 256 * 1024;
/// How many lines of that are told.
const LINES: usize = 8;

/// Runs a program now and then, and at the end once more.
#[derive(Debug)]
pub(super) struct CommandKeeper {
    words: Vec<String>,
    every: Duration,
    within: Duration,
    run: Option<RunningProgram>,
    /// When the last one was started.
    started: Option<Instant>,
    /// Whether that was after the end.
    is_at_end: bool,
    /// What the last one came to that has ended.
    last: Judgement,
    /// How many came to an end by themselves.
    count: u64,
}

impl CommandKeeper {
    /// For this program, run so often, each time for so long at most.
    pub(super) fn new(words: &[String], every: Duration, within: Duration) -> Self {
        let last = Judgement::Unknown(String::from("it has not ended yet for the first time"));
        let words = words.to_vec();
        Self { words, every, within, run: None, started: None, is_at_end: false, last, count: 0 }
    }

    /// Follows the one that runs until then, or until it may run no longer.
    fn follow(&mut self, started: Instant, until: Instant) {
        let Some(run) = &mut self.run else { return };
        let late = started + self.within;
        let status = run.wait(until.min(late));
        if status.is_none() && Instant::now() < late {
            return;
        }
        let (name, took) = (shown_words(&self.words), fixed(started.elapsed().as_secs_f64(), 1));
        self.count += u64::from(status.is_some());
        self.last = match status.and_then(|status| status.code()) {
            Some(0) => {
                let times = if self.count == 1 { String::from("once") } else { format!("{} times", self.count) };
                Judgement::Holds(format!("`{name}` was run {times}, {took} s the last time"))
            }
            Some(1) => {
                // What goes to stderr often says what went wrong with the check, and comes last.
                let printed = run.printed();
                let mut lines = last_lines(&printed.out, LINES);
                lines.extend(last_lines(&printed.err, LINES));
                lines.drain(..lines.len().saturating_sub(LINES));
                let last = lines.pop().unwrap_or_else(|| String::from("it says nothing, and exits with 1"));
                let mut text = format!("`{name}`: {last}");
                for line in lines {
                    text.push_str("\n  ");
                    text.push_str(&line);
                }
                Judgement::Broken(text)
            }
            _ => Judgement::Unknown(trouble(&self.words, run, status)),
        };
        // One that is too late is killed by that.
        self.run = None;
    }
}

impl PromiseKeeper for CommandKeeper {
    fn look(&mut self, when: LookTime, deadline: Instant) -> Judgement {
        let is_end = matches!(when, LookTime::End { .. });
        if is_end && !self.is_at_end {
            // One that was started before tells nothing of the end.
            self.run = None;
        }
        let is_due = is_end || self.started.is_none_or(|started| started.elapsed() >= self.every);
        if self.run.is_none() && is_due {
            self.started = Some(Instant::now());
            self.is_at_end = is_end;
            match RunningProgram::start(&self.words, PRINTED_BYTES) {
                Ok(run) => self.run = Some(run),
                Err(error) => self.last = Judgement::Unknown(format!("it cannot be started: {error}")),
            }
        }
        let Some(started) = self.started else { return self.last.clone() };
        self.follow(started, if is_end { deadline } else { deadline.min(Instant::now() + MOMENT) });
        match &self.run {
            Some(_) if is_end => {
                let (name, seconds) = (shown_words(&self.words), fixed(started.elapsed().as_secs_f64(), 1));
                Judgement::Unknown(format!("`{name}` has been running for {seconds} s"))
            }
            _ => self.last.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const END: LookTime = LookTime::End { is_complete: true };

    fn keeper(script: &str, every: Duration) -> CommandKeeper {
        CommandKeeper::new(&["sh", "-c", script].map(str::to_owned), every, Duration::from_secs(60))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn an_exit_code_says_it() {
        let judged = |script| keeper(script, Duration::from_secs(1)).look(END, soon());
        assert!(matches!(judged("exit 0"), Judgement::Holds(text) if text.contains("was run once")));
        let Judgement::Broken(text) = judged("echo one; echo two; echo three; exit 1") else { panic!() };
        assert_eq!(text, "`sh -c echo one; echo two; echo three; exit 1`: three\n  one\n  two");
        assert!(
            matches!(judged("exit 1"), Judgement::Broken(text) if text.ends_with("it says nothing, and exits with 1"))
        );
        assert!(
            matches!(judged("echo no store >&2; exit 2"), Judgement::Unknown(text) if text.ends_with("exit status: 2: no store"))
        );
        assert!(matches!(judged("kill -9 $$"), Judgement::Unknown(text) if text.contains("signal: 9")));
        let Judgement::Broken(text) = judged("seq 10000; exit 1") else { panic!() };
        assert!(text.ends_with("`: 10000\n  9993\n  9994\n  9995\n  9996\n  9997\n  9998\n  9999"), "{text}");
        let mut keeper = CommandKeeper::new(&[String::from("/nowhere")], Duration::ZERO, Duration::from_secs(1));
        assert!(matches!(keeper.look(END, soon()), Judgement::Unknown(text) if text.contains("cannot be started")));
    }

    #[test]
    fn a_late_one_is_killed_and_tells_nothing() {
        let words = ["sh", "-c", "sleep 600"].map(str::to_owned);
        let mut keeper = CommandKeeper::new(&words, Duration::ZERO, Duration::from_millis(100));
        assert!(matches!(keeper.look(END, soon()), Judgement::Unknown(text) if text.contains("killed")));
    }

    /// How often a script was run that writes a line each time.
    fn runs(path: &Path) -> usize {
        std::fs::read_to_string(path).unwrap_or_default().lines().count()
    }

    #[test]
    fn it_is_run_every_so_often_and_at_the_end_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let mut keeper = keeper(&format!("echo x >> {}", path.display()), Duration::from_secs(3600));
        while !matches!(keeper.look(LookTime::Running, soon()), Judgement::Holds(_)) {}
        for _ in 0..5 {
            keeper.look(LookTime::Running, soon());
        }
        assert_eq!(runs(&path), 1);
        assert!(matches!(keeper.look(END, soon()), Judgement::Holds(text) if text.contains("2 times")));
        assert_eq!(runs(&path), 2);
    }

    #[test]
    fn a_slow_one_keeps_nobody_waiting_and_what_it_says_is_of_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let script = format!("echo x >> {0}; test $(wc -l < {0}) -gt 1 || sleep 600", path.display());
        let mut keeper = keeper(&script, Duration::from_secs(3600));
        while runs(&path) == 0 {
            assert!(matches!(keeper.look(LookTime::Running, soon()), Judgement::Unknown(_)));
        }
        // The first one would say nothing for ten minutes.
        assert!(matches!(keeper.look(END, soon()), Judgement::Holds(_)));
        assert_eq!(runs(&path), 2);
    }
}
