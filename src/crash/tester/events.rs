//! What the tester did and saw: a line of JSON each in `events.jsonl`, and the last ones at hand for a diagnosis.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::service::json::thousandths;
use crate::sync::lock;
use crate::units::decimal::fixed;

/// How far back a diagnosis looks.
const RECENT: Duration = Duration::from_secs(10);
/// How many are kept at hand.
const MOST: usize = 1000;

/// The record.
#[derive(Debug)]
pub struct EventLog {
    began: Instant,
    state: Mutex<EventState>,
}

#[derive(Debug)]
struct EventState {
    file: File,
    recent: VecDeque<(Duration, String)>,
}

impl EventLog {
    /// A new one.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, began: Instant) -> io::Result<Self> {
        let state = EventState { file: File::create(path)?, recent: VecDeque::new() };
        Ok(Self { began, state: Mutex::new(state) })
    }

    /// One more.
    pub fn add(&self, what: &str, target: &str, detail: &str) {
        let at = self.began.elapsed();
        let seconds = thousandths(at.as_secs_f64());
        let line = crate::object! { "at": seconds, "what": what, "target": target, "detail": detail };
        let mut state = lock(&self.state);
        // What cannot be written down, on a full disk, is still at hand.
        let _ = writeln!(state.file, "{line}");
        state
            .recent
            .push_back((at, format!("{} s  {what} {target} {detail}", fixed(seconds, 3)).trim_end().to_owned()));
        if state.recent.len() > MOST {
            state.recent.pop_front();
        }
    }

    /// Those of the last ten seconds, for people.
    pub fn recent(&self) -> Vec<String> {
        let since = self.began.elapsed().saturating_sub(RECENT);
        let state = lock(&self.state);
        state.recent.iter().filter(|(at, _)| *at >= since).map(|(_, line)| line.clone()).collect()
    }
}
