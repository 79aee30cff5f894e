//! Faults on request: what a cluster does with a service that dies, hangs, is slow, fails, or does not want to stop.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel::shutdown::Stop;
use crate::sync::WORKER_STACK_BYTES;
use crate::sync::{lock, spawn};

/// How often a hung answer looks whether it may go on.
const LOOK: Duration = Duration::from_millis(20);
/// How often an exit that is on its way looks whether it still is.
const END_LOOK: Duration = Duration::from_millis(100);

/// What is wrong with us at the moment.
#[derive(Default)]
pub struct Faults {
    hang: Mutex<Option<Instant>>,
    delay: Mutex<Option<(Duration, Instant)>>,
    status: Mutex<Option<(u16, u64, Instant)>>,
    /// Counts answers, so that a share of them fails, evenly.
    answers: AtomicU64,
    term: Mutex<Term>,
    /// The run of exit or abort that is on its way: there is no need for more than one. 0 is none.
    ends: AtomicU64,
    /// Counts those runs.
    end_runs: AtomicU64,
    /// What the end that is on its way is called, and when it comes.
    end: Mutex<Option<(&'static str, Instant)>>,
    /// Counts runs of log lines: a new one ends the one before.
    log_run: AtomicU64,
    /// The run that writes, how many lines, and when the last one is due.
    logs: Mutex<Option<(u64, u64, Instant)>>,
}

/// A fault that lasts, or is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveFault {
    /// As its path is called.
    pub name: &'static str,
    /// What it is, without its end.
    pub words: String,
    /// How long it still lasts, or until it comes; nobody knows where it lasts until it is ended.
    pub left: Option<Duration>,
}

impl ActiveFault {
    /// All of it, for people.
    pub fn in_words(&self) -> String {
        let Some(left) = self.left.map(|left| left.as_secs() + 1) else { return self.words.clone() };
        match self.name {
            "exit" | "abort" => format!("{} in {left} s", self.words),
            "status" => format!("{}, for {left} s more", self.words),
            _ => format!("{} for {left} s more", self.words),
        }
    }
}

/// What SIGTERM does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Term {
    /// What it should.
    #[default]
    Stops,
    /// Nothing.
    Ignored,
    /// The same, but later.
    Delayed(Duration),
}

impl Faults {
    /// Ends the process with `code`, after a while.
    ///
    /// # Errors
    /// When there is no thread to wait in.
    pub fn exit(self: &Arc<Self>, code: u8, after: Duration) -> std::io::Result<()> {
        let exit = move || {
            log::warn!("Fault: exit with {code}");
            process::exit(i32::from(code))
        };
        self.later("exit", after, Box::new(exit))
    }

    /// Ends the process as a crash does, after a while.
    ///
    /// # Errors
    /// When there is no thread to wait in.
    pub fn abort(self: &Arc<Self>, after: Duration) -> std::io::Result<()> {
        let abort = || {
            log::warn!("Fault: abort");
            process::abort()
        };
        self.later("abort", after, Box::new(abort))
    }

    fn later(
        self: &Arc<Self>,
        name: &'static str,
        after: Duration,
        fault: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<()> {
        let run = self.end_runs.fetch_add(1, Ordering::AcqRel) + 1;
        if self.ends.compare_exchange(0, run, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Err(std::io::Error::other("an exit or abort is on its way already"));
        }
        // A moment more, so that the answer leaves first.
        let due = Instant::now() + after.max(Duration::from_millis(50));
        *lock(&self.end) = Some((name, due));
        let faults = Arc::clone(self);
        let work = move || {
            let is_on_its_way = || faults.ends.load(Ordering::Acquire) == run;
            while is_on_its_way() && Instant::now() < due {
                thread::sleep(due.saturating_duration_since(Instant::now()).min(END_LOOK));
            }
            if is_on_its_way() {
                fault();
            }
        };
        let started = spawn("fault", WORKER_STACK_BYTES, Box::new(work)).map(|_| ());
        if started.is_err() {
            self.ends.store(0, Ordering::Release);
        }
        started
    }

    /// The exit or abort that is on its way does not come.
    pub fn end_exit(&self) {
        self.ends.store(0, Ordering::Release);
    }

    /// The run of log lines ends.
    pub fn end_log(&self) {
        self.log_run.fetch_add(1, Ordering::AcqRel);
    }

    /// Answers nothing for so long.
    pub fn hang(&self, length: Duration) {
        *lock(&self.hang) = Some(Instant::now() + length);
    }

    /// Answers later by `delay`, for so long.
    pub fn delay(&self, delay: Duration, length: Duration) {
        *lock(&self.delay) = Some((delay, Instant::now() + length));
    }

    /// Answers with `code` instead, so many of a hundred times, for so long.
    pub fn status(&self, code: u16, percent: u64, length: Duration) {
        *lock(&self.status) = Some((code, percent.min(100), Instant::now() + length));
    }

    /// Sets what SIGTERM does.
    pub fn on_term(&self, term: Term) {
        *lock(&self.term) = term;
    }

    /// What SIGTERM does.
    pub fn term(&self) -> Term {
        *lock(&self.term)
    }

    /// Waits while nothing is to be answered.
    pub fn wait_while_hanging(&self, stop: &Stop) {
        while lock(&self.hang).is_some_and(|until| Instant::now() < until) && !stop.is_set() {
            thread::sleep(LOOK);
        }
    }

    /// By how much answers are late now.
    pub fn delay_now(&self) -> Duration {
        lock(&self.delay).filter(|(_, until)| Instant::now() < *until).map_or(Duration::ZERO, |(delay, _)| delay)
    }

    /// The status this answer is to have instead of its own.
    pub fn status_now(&self) -> Option<u16> {
        let (code, percent, _) = lock(&self.status).filter(|(_, _, until)| Instant::now() < *until)?;
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        // Of any hundred answers in a row so many fail, spread evenly.
        ((number + 1) * percent / 100 > number * percent / 100).then_some(code)
    }

    /// Logs so many numbered lines, at so many a second. A run that is not over yet ends.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn log(self: &Arc<Self>, lines: u64, rate: u64, stop: Stop) -> std::io::Result<()> {
        let run = self.log_run.fetch_add(1, Ordering::AcqRel) + 1;
        let faults = Arc::clone(self);
        let began = Instant::now();
        let last = began + Duration::from_secs_f64(lines as f64 / rate as f64);
        let write = move || {
            for line in 1..=lines {
                let due = Duration::from_secs_f64((line - 1) as f64 / rate as f64);
                while began.elapsed() < due && !stop.is_set() {
                    thread::sleep((due - began.elapsed().min(due)).min(LOOK));
                }
                if stop.is_set() || faults.log_run.load(Ordering::Acquire) != run {
                    return;
                }
                log::info!("Fault: log line {line} of {lines}");
            }
        };
        spawn("log fault", WORKER_STACK_BYTES, Box::new(write))?;
        *lock(&self.logs) = Some((run, lines, last));
        Ok(())
    }

    /// What is wrong at the moment, and what is on its way.
    pub fn active(&self) -> Vec<ActiveFault> {
        let now = Instant::now();
        let mut active = Vec::new();
        let mut lasts = |name, words, until: Instant| {
            if now < until {
                active.push(ActiveFault { name, words, left: Some(until - now) });
            }
        };
        if let Some(until) = *lock(&self.hang) {
            lasts("hang", String::from("hang"), until);
        }
        if let Some((delay, until)) = *lock(&self.delay) {
            lasts("delay", format!("delay of {} ms", delay.as_millis()), until);
        }
        if let Some((code, percent, until)) = *lock(&self.status) {
            lasts("status", format!("status {code} for {percent} of 100 answers"), until);
        }
        let is_on_its_way = self.ends.load(Ordering::Acquire) != 0;
        if let Some((name, due)) = lock(&self.end).filter(|_| is_on_its_way) {
            lasts(name, String::from(name), due);
        }
        let run = self.log_run.load(Ordering::Acquire);
        if let Some((_, lines, last)) = lock(&self.logs).filter(|(of, ..)| *of == run) {
            lasts("log", format!("{lines} log lines"), last);
        }
        let term = match self.term() {
            Term::Stops => None,
            Term::Ignored => Some(String::from("SIGTERM is ignored")),
            Term::Delayed(delay) => Some(format!("SIGTERM is obeyed after {} s", delay.as_secs())),
        };
        active.extend(term.map(|words| ActiveFault { name: "term", words, left: None }));
        active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_answers_fails_evenly() {
        let faults = Faults::default();
        assert_eq!(faults.status_now(), None);
        for percent in [0, 1, 10, 33, 50, 99, 100] {
            faults.status(503, percent, Duration::from_secs(60));
            let failed = (0..1000).filter(|_| faults.status_now() == Some(503)).count() as u64;
            assert!(failed.abs_diff(percent * 10) <= 1, "{percent}: {failed}");
        }
        faults.status(503, 100, Duration::ZERO);
        assert_eq!(faults.status_now(), None);
    }

    #[test]
    fn faults_pass_and_are_told_while_they_last() {
        let faults = Faults::default();
        assert!(faults.active().is_empty() && faults.delay_now().is_zero());
        faults.delay(Duration::from_millis(200), Duration::from_secs(60));
        faults.hang(Duration::from_millis(1));
        faults.on_term(Term::Ignored);
        assert_eq!(faults.delay_now(), Duration::from_millis(200));
        faults.wait_while_hanging(&Stop::new().unwrap());
        let told = || faults.active().iter().map(ActiveFault::in_words).collect::<Vec<_>>().join(", ");
        assert_eq!(told(), "delay of 200 ms for 60 s more, SIGTERM is ignored");
        faults.delay(Duration::from_millis(200), Duration::ZERO);
        assert!(faults.delay_now().is_zero());
    }

    #[test]
    fn what_is_on_its_way_is_told_until_it_is_ended() {
        let faults = Arc::<Faults>::default();
        let told = || faults.active().iter().map(ActiveFault::in_words).collect::<Vec<_>>().join(", ");
        faults.abort(Duration::from_secs(60)).unwrap();
        faults.log(1000, 10, Stop::new().unwrap()).unwrap();
        assert_eq!(told(), "abort in 60 s, 1000 log lines for 100 s more");
        faults.end_exit();
        assert_eq!(told(), "1000 log lines for 100 s more");
        faults.end_log();
        assert_eq!(told(), "");
    }
}
