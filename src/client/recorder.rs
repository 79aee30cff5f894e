//! `testero scenario record --metrics` and `--history`: a service is asked over and over, or for what it remembers, and what
//! it says becomes a recording.

use std::time::{Duration, Instant};

use crate::client::reply::printable;
use crate::client::{Remote, Trouble};
use crate::http::client::{Connections, Taker};
use crate::kernel::shutdown::Stop;
use crate::scenario::record::lines::RecordLines;
use crate::scenario::record::page::{PAGE_COLUMNS, PageFigures, remembered};
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
    if asked.is_past {
        return past(asked, token.as_deref(), target);
    }
    let stop = Stop::at_signal().map_err(|error| RecordTrouble::Failed(error.to_string()))?;
    let connections = Connections::default();
    let service = Remote { url: &asked.url, token: token.as_deref(), connections: Some(&connections) };
    let lines = RecordLines::new(&PAGE_COLUMNS, Some(asked.every.as_secs_f64()));
    let began = Instant::now();
    let mut sampler = Sampler { service, asked, target, lines, before: None, began, is_out: false };
    if sampler.follow(&stop)? { sampler.end() } else { Ok(()) }
}

/// Records what the service remembers.
fn past(asked: &AskedService, token: Option<&str>, mut target: RecordTarget<'_>) -> Result<(), RecordTrouble> {
    let service = Remote { url: &asked.url, token, connections: None };
    let failed = |trouble: Trouble| RecordTrouble::Failed(trouble.words().to_owned());
    let text = answer(&service, "/api/history", MOST_PATIENCE).map_err(failed)?;
    let seconds = remembered(&text).map_err(|why| failed(refused(&service, &printable(&why))))?;
    let most = asked.length.map_or(seconds.len(), |length| length.as_secs() as usize + 1);
    let mut lines = RecordLines::new(&PAGE_COLUMNS, Some(1.0));
    for (second, values) in &seconds[seconds.len().saturating_sub(most)..] {
        // A second in which nothing was seen is a line that is missing.
        if values.iter().all(Option::is_none) {
            lines.missed();
        } else if !target.write(&lines.line(*second, values).map_err(RecordTrouble::Failed)?)? {
            return Ok(());
        }
    }
    if lines.points() == 0 {
        return Err(RecordTrouble::Failed(String::from("nothing is recorded: the service remembers nothing yet")));
    }
    target.finish()?;
    tell(&lines.summary());
    Ok(())
}

/// What the service answers in text.
fn answer(service: &Remote<'_>, target: &str, patience: Duration) -> Result<String, Trouble> {
    let reply = service.reply("GET", target, patience, Taker::Whole)?;
    match reply.status {
        200 => Ok(String::from_utf8_lossy(&reply.body).into_owned()),
        401 => Err(refused(service, "the answer is 401: --token-file FILE, --token TOKEN or the variable TOKEN")),
        status => Err(refused(service, &format!("the answer is {status}"))),
    }
}

fn refused(service: &Remote<'_>, why: &str) -> Trouble {
    Trouble::Refused(format!("{}: {why}", service.url))
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
        let page = answer(&self.service, "/metrics", patience)?;
        PageFigures::read(&page).map_err(|why| refused(&self.service, &printable(&why)))
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
