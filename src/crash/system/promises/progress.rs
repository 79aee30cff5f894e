//! `progress`: something grows.

use std::time::{Duration, Instant};

use crate::crash::report::text::grouped;
use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::system::promises::number::whole_number;
use crate::crash::system::promises::program_words::{shown_words, trouble};
use crate::kernel::program::RunningProgram;
use crate::settings::crash::system::LineSource;
use crate::units::decimal::fixed;

/// How long a look waits for a program, while the system runs.
const MOMENT: Duration = Duration::from_millis(50);
/// A program is asked so often within the time, but not more often than each second.
const TIMES: u32 = 10;
const LEAST: Duration = Duration::from_secs(1);
/// More than this is no number.
const NUMBER_BYTES: usize = 256;

/// Looks whether a file, or the number that a program prints, gets larger. What gets smaller begins again from there.
#[derive(Debug)]
pub(super) struct ProgressKeeper {
    source: LineSource,
    within: Duration,
    /// When somebody looked for the first time.
    began: Option<Instant>,
    /// When it was larger than before for the last time.
    grown: Option<Instant>,
    /// How much there was the last time that it could be read.
    value: Option<u128>,
    /// Why it could not be read the last time.
    trouble: Option<String>,
    run: Option<RunningProgram>,
    started: Option<Instant>,
}

impl ProgressKeeper {
    /// For a file or a program that is to grow within such a time.
    pub(super) fn new(source: &LineSource, within: Duration) -> Self {
        let source = source.clone();
        let (began, grown, value, trouble, run, started) = (None, None, None, None, None, None);
        Self { source, within, began, grown, value, trouble, run, started }
    }

    fn saw(&mut self, read: Result<u128, String>) {
        match read {
            Ok(value) => {
                // A file that was not there, or a program that could not tell, had nothing.
                let before = self.value.or(matches!(self.source, LineSource::File(_)).then_some(0));
                if before.is_some_and(|before| value > before) {
                    self.grown = Some(Instant::now());
                }
                (self.value, self.trouble) = (Some(value), None);
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    fn read_file(&mut self, path: &str) {
        let length = std::fs::metadata(path).map(|file| file.len().into());
        self.saw(length.map_err(|error| format!("{path}: {error}")));
    }

    fn follow_program(&mut self, words: &[String], until: Instant) {
        let pace = LEAST.max(self.within / TIMES);
        if self.run.is_none() && self.started.is_none_or(|started| started.elapsed() >= pace) {
            self.started = Some(Instant::now());
            match RunningProgram::start(words, NUMBER_BYTES) {
                Ok(run) => self.run = Some(run),
                Err(error) => self.saw(Err(format!("it cannot be started: {error}"))),
            }
        }
        let (Some(mut run), Some(started)) = (self.run.take(), self.started) else { return };
        let late = started + self.within;
        match run.wait(until.min(late)) {
            None if Instant::now() < late => self.run = Some(run),
            Some(status) if status.success() => {
                let printed = run.printed().out.trim_ascii();
                let why = || format!("`{}` prints no number: \"{}\"", shown_words(words), printed.escape_ascii());
                self.saw(whole_number(printed).ok_or_else(why));
            }
            // One that is too late is killed when it is dropped.
            status => self.saw(Err(trouble(words, &run, status))),
        }
    }

    fn judge(&self, is_end: bool, began: Instant) -> Judgement {
        let (name, unit) = match &self.source {
            LineSource::File(path) => (path.clone(), " bytes"),
            LineSource::Command(words) => (format!("`{}`", shown_words(words)), ""),
        };
        let has = match (&self.trouble, self.value) {
            (Some(trouble), _) => trouble.clone(),
            (None, Some(value)) => {
                format!("it is at {}{unit}", u64::try_from(value).map_or(value.to_string(), grouped))
            }
            (None, None) => String::from("it was not read yet"),
        };
        let idle = self.grown.unwrap_or(began).elapsed();
        let seconds = fixed(idle.as_secs_f64(), 1);
        match self.grown {
            Some(_) if is_end || idle < self.within => Judgement::Holds(format!("{name} grew {seconds} s ago; {has}")),
            _ if idle >= self.within => Judgement::Broken(format!("{name} has not grown for {seconds} s; {has}")),
            _ => Judgement::Unknown(format!("{name} has not grown yet, {seconds} s after the first look; {has}")),
        }
    }
}

impl PromiseKeeper for ProgressKeeper {
    fn look(&mut self, when: LookTime, deadline: Instant) -> Judgement {
        let began = *self.began.get_or_insert_with(Instant::now);
        let is_end = matches!(when, LookTime::End { .. });
        match self.source.clone() {
            LineSource::File(path) => self.read_file(&path),
            LineSource::Command(words) => {
                // At the end another number is needed only where it never grew.
                let patient = is_end && self.grown.is_none();
                self.follow_program(&words, if patient { deadline } else { deadline.min(Instant::now() + MOMENT) });
            }
        }
        self.judge(is_end, began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: LookTime = LookTime::End { is_complete: false };

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn of_file(path: &std::path::Path, within: Duration) -> ProgressKeeper {
        ProgressKeeper::new(&LineSource::File(path.display().to_string()), within)
    }

    #[test]
    fn a_file_that_grows_holds_and_one_that_ever_grew_does_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acked");
        let mut keeper = of_file(&path, Duration::from_secs(3600));
        assert!(
            matches!(keeper.look(LookTime::Running, soon()), Judgement::Unknown(text) if text.contains("No such file"))
        );
        assert!(matches!(keeper.look(END, soon()), Judgement::Unknown(_)));
        std::fs::write(&path, "x".repeat(1234)).unwrap();
        assert!(
            matches!(keeper.look(LookTime::Running, soon()), Judgement::Holds(text) if text.ends_with("it is at 1,234 bytes"))
        );
        assert!(matches!(keeper.look(END, soon()), Judgement::Holds(_)));
    }

    #[test]
    fn one_that_stands_still_is_broken_and_grows_again_from_where_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acked");
        std::fs::write(&path, "abc").unwrap();
        let mut keeper = of_file(&path, Duration::from_millis(1));
        keeper.look(LookTime::Running, soon());
        std::thread::sleep(Duration::from_millis(5));
        let Judgement::Broken(text) = keeper.look(LookTime::Running, soon()) else { panic!() };
        assert!(text.contains("has not grown for") && text.ends_with("it is at 3 bytes"), "{text}");
        std::fs::write(&path, "a").unwrap();
        assert!(matches!(keeper.look(LookTime::Running, soon()), Judgement::Broken(_)));
        let before = keeper.grown;
        std::fs::write(&path, "ab").unwrap();
        keeper.look(LookTime::Running, soon());
        assert!(keeper.grown > before);
    }

    #[test]
    fn one_that_cannot_be_read_has_not_grown() {
        let mut keeper = of_file(std::path::Path::new("/nowhere/acked"), Duration::from_millis(1));
        keeper.look(LookTime::Running, soon());
        std::thread::sleep(Duration::from_millis(5));
        assert!(
            matches!(keeper.look(LookTime::Running, soon()), Judgement::Broken(text) if text.contains("No such file"))
        );
    }

    #[test]
    fn a_number_that_a_program_prints_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "17\n").unwrap();
        let source = LineSource::Command(["cat".into(), path.display().to_string()].to_vec());
        let mut keeper = ProgressKeeper::new(&source, Duration::from_secs(3600));
        let next = |keeper: &mut ProgressKeeper| {
            keeper.started = None;
            keeper.look(END, soon())
        };
        assert!(matches!(next(&mut keeper), Judgement::Unknown(text) if text.ends_with("it is at 17")));
        assert!(matches!(next(&mut keeper), Judgement::Unknown(_)));
        std::fs::write(&path, "many\n").unwrap();
        assert!(matches!(next(&mut keeper), Judgement::Unknown(text) if text.ends_with("prints no number: \"many\"")));
        std::fs::write(&path, "  340282366920938463463374607431768211455\n").unwrap();
        assert!(matches!(next(&mut keeper), Judgement::Holds(_)));
        std::fs::remove_file(&path).unwrap();
        while keeper.trouble.is_none() {
            keeper.started = None;
            keeper.look(LookTime::Running, soon());
        }
        assert!(keeper.trouble.unwrap().contains("exit status: 1: cat:"));
    }
}
