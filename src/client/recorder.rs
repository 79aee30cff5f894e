//! `testero scenario record --metrics`: a service is asked over and over, and what it says becomes a recording.

use std::time::{Duration, Instant};

use crate::client::reply::printable;
use crate::client::{Remote, Trouble};
use crate::http::client::{Connections, Taker};
use crate::kernel::shutdown::Stop;
use crate::scenario::record::lines::RecordLines;
use crate::scenario::record::page::{PAGE_COLUMNS, PageFigures};
use crate::settings::scenario::record_files::{RecordTarget, RecordTrouble, tell};
use crate::settings::scenario::record_words::{AskedService, RecordOutput};
use crate::settings::token::TokenSource;

/// The least time that an answer has. A sample that is not there when the next one is due is missing.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// The most: so long does it take at most to end after a signal.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// Records until the time is over, or SIGINT or SIGTERM comes; a second signal ends the process at once.
///
/// # Errors
/// Why there is no recording.
pub fn run(asked: &AskedService, output: &RecordOutput) -> Result<(), RecordTrouble> {
    let token = asked.token.as_ref().map(TokenSource::read).transpose();
    let token = token.map_err(|error| RecordTrouble::Failed(format!("the token cannot be read: {error}")))?;
    let target = RecordTarget::open(output)?;
    let stop = Stop::at_signal().map_err(|error| RecordTrouble::Failed(error.to_string()))?;
    let connections = Connections::default();
    let service = Remote { url: &asked.url, token: token.as_deref(), connections: Some(&connections) };
    let lines = RecordLines::new(&PAGE_COLUMNS, Some(asked.every.as_secs_f64()));
    let began = Instant::now();
    let mut sampler = Sampler { service, asked, target, lines, before: None, began, is_out: false };
    if sampler.follow(&stop)? { sampler.end() } else { Ok(()) }
}

/// Takes one sample after the other.
struct Sampler<'s> {
    service: Remote<'s>,
    asked: &'s AskedService,
    target: RecordTarget<'s>,
    lines: RecordLines,
    /// What the service said last, and how many seconds after the beginning it was asked.
    before: Option<(PageFigures, f64)>,
    began: Instant,
    /// Whether the last sample has failed.
    is_out: bool,
}

impl Sampler<'_> {
    /// Samples until the end. Says whether anybody still reads what is written.
    fn follow(&mut self, stop: &Stop) -> Result<bool, RecordTrouble> {
        let every = self.asked.every;
        loop {
            let second = self.began.elapsed().as_secs_f64();
            match self.sample() {
                Ok(figures) => {
                    self.is_out = false;
                    let before = self.before.replace((figures.clone(), second));
                    // The first one tells how much was used before the recording begins.
                    if let Some((before, then)) = before {
                        match self.lines.line(second, &figures.since(&before, second - then)) {
                            Ok(line) if self.target.write(&line)? => {}
                            Ok(_) => return Ok(false),
                            Err(why) => {
                                tell(&format!("{why}: this is as far as it goes"));
                                return Ok(true);
                            }
                        }
                    }
                }
                Err(trouble) => {
                    if !self.is_out {
                        tell(&format!("a sample is missing: {}", trouble.words()));
                    }
                    self.is_out = true;
                    self.lines.missed();
                }
            }
            // Samples that are late by a whole step are left out.
            let steps = self.began.elapsed().as_nanos() / every.as_nanos() + 1;
            let next = Duration::from_nanos(u64::try_from(steps * every.as_nanos()).unwrap_or(u64::MAX));
            if self.asked.length.is_some_and(|length| next > length) {
                return Ok(true);
            }
            if stop.sleep(next.saturating_sub(self.began.elapsed())) {
                return Ok(true);
            }
        }
    }

    fn sample(&self) -> Result<PageFigures, Trouble> {
        let patience = self.asked.every.clamp(LEAST_PATIENCE, MOST_PATIENCE);
        let reply = self.service.reply("GET", "/metrics", patience, Taker::Whole)?;
        let refused = |why: String| Trouble::Refused(format!("{}: {why}", self.service.url));
        match reply.status {
            200 => PageFigures::read(&String::from_utf8_lossy(&reply.body)).map_err(|why| refused(printable(&why))),
            status => Err(refused(format!("the answer is {status}"))),
        }
    }

    /// What was recorded takes its place.
    fn end(self) -> Result<(), RecordTrouble> {
        if self.lines.points() == 0 {
            let why = if self.is_out { "the service did not answer" } else { "it was too short" };
            return Err(RecordTrouble::Failed(format!("nothing is recorded: {why}")));
        }
        self.target.finish()?;
        tell(&self.lines.summary());
        Ok(())
    }
}
