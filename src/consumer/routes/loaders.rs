//! What is asked of groups that do something for a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::answers::{Problem, json, load_refused, say, say_late, stopping};
use super::contract::{cpu_text, load_refusal};
use super::holders::{JSON_LINES, Long, TEXT_LINES, long_answer};
use super::table::Loader;
use super::{unsaid, with_field};
use crate::audit;
use crate::clock::{local_date, utc_stamp};
use crate::consumer::asked::{Asked, caller, words};
use crate::consumer::cpu::{CpuEngine, CpuSpec};
use crate::consumer::inout::{IoEngine, IoLive};
use crate::consumer::load::{Engine, Load, LoadGroup, LoadRefused, LoadWish};
use crate::consumer::number::parse_signed;
use crate::consumer::order::Outcome;
use crate::consumer::{Consumer, span};
use crate::http::{Answer, Request};
use crate::json::Value;
use crate::limits::cpu::{cores, quota};
use crate::object;

/// How often a client that waits is looked after, and how often progress is told.
const PAUSE: Duration = Duration::from_secs(1);

impl Consumer {
    /// Starts a load.
    pub(super) fn load(&self, loader: Loader, request: &Request<'_>, asked: &Asked<'_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        match loader {
            Loader::Cpu => self.start(&self.cpu, self.cpu_wish(request, asked), request, asked),
            Loader::Io => self.start(&self.io, asked.io(caller(request), words(request)), request, asked),
        }
    }

    fn cpu_wish(&self, request: &Request<'_>, asked: &Asked<'_>) -> Result<LoadWish<CpuSpec>, LoadRefused> {
        let cores = cores();
        let mut wish = asked.cpu(cores, self.cpu_limit(cores), caller(request), words(request))?;
        // A load that takes the place of another goes on from where that is.
        if let Some(running) = self.cpu.load().filter(|_| wish.replace && !wish.spec.target.over.is_zero()) {
            wish.spec.target.from = running.live.wanted() as u64;
        }
        wish.most = self.settings.limit.most(&self.settings.number, wish.spec.is_contract);
        Ok(wish)
    }

    /// What shares of the limit are shares of: the quota, where there is one, and all cores otherwise.
    pub(in crate::consumer) fn cpu_limit(&self, cores: u64) -> u64 {
        quota(&self.kernel).0.map_or(cores * 1000, |quota| quota.millicores.min(cores * 1000))
    }

    fn start<E: Engine>(
        &self,
        group: &Arc<LoadGroup<E>>,
        wish: Result<LoadWish<E::Spec>, LoadRefused>,
        request: &Request<'_>,
        asked: &Asked<'_>,
    ) -> Answer
    where
        Load<E>: Told,
    {
        let began = Instant::now();
        let refuse = |refused: LoadRefused| {
            let outcome = format!("refused: {}", load_refused(&refused).message());
            audit::answered(&words(request), &caller(request), &outcome, began.elapsed());
            if asked.json { load_refused(&refused).answer(true) } else { load_refusal(&refused) }
        };
        let long = match long_answer(request, asked) {
            Ok(long) => long,
            Err(problem) => return problem.answer(asked.json),
        };
        let wish = match wish {
            // In JSON, what is wrong with a request is told at once, whatever runs.
            Err(why) if asked.json => return refuse(why),
            wish => wish,
        };
        let load = match group.start(wish) {
            Ok(load) => load,
            Err(why) => return refuse(why),
        };
        let told = format!("{} requested for {} with id: {}", E::WORK, asked_time(&load), load.id);
        match long {
            Long::No if asked.json => with_field(json(202, &load.receipt()), "Location", "/api/status"),
            Long::No => say(told),
            Long::Wait(_hold) => match group.wait(&load, PAUSE, || request.client_is_gone()) {
                None => stopping().answer(asked.json),
                Some(Outcome::Failed(why)) => {
                    Problem::new(if asked.json { 500 } else { 200 }, "failed", why).answer(asked.json)
                }
                Some(outcome) if asked.json => json(200, &load.receipt().with("outcome", outcome.to_string())),
                Some(_) => say(told),
            },
            Long::Follow(hold) => {
                let (group, mut hold, as_json) = (Arc::clone(group), Some(hold), asked.json);
                let mut first = true;
                let stop = self.stop.clone();
                let next = move || {
                    hold.as_ref()?;
                    let outcome = match std::mem::take(&mut first) {
                        true => load.outcome(),
                        false => group.wait(&load, PAUSE, || true),
                    };
                    if outcome.is_some() || stop.is_set() {
                        hold = None;
                    }
                    let line = if as_json {
                        load.receipt().with("outcome", outcome.as_ref().map(ToString::to_string)).to_string()
                    } else {
                        let end = outcome.map_or_else(String::new, |outcome| format!("  {outcome}"));
                        format!("{}  {}{end}", E::NAME, load.line())
                    };
                    Some(line + "\n")
                };
                Answer::in_pieces(if as_json { JSON_LINES } else { TEXT_LINES }, Box::new(next))
            }
        }
    }

    /// Stops the load of an id.
    pub(super) fn stop_load(&self, loader: Loader, request: &Request<'_>, asked: &Asked<'_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        match loader {
            Loader::Cpu => stop(&self.cpu, request, asked),
            Loader::Io => stop(&self.io, request, asked),
        }
    }

    /// Stops whatever load runs.
    pub(super) fn release_load(&self, loader: Loader, request: &Request<'_>, as_json: bool) -> Answer {
        let began = Instant::now();
        self.cancel_load(loader);
        audit::answered(&words(request), &caller(request), "done", began.elapsed());
        if as_json {
            return json(200, &self.load_status(loader));
        }
        say(format!("{} load stopped", if loader == Loader::Cpu { "CPU" } else { "IO" }))
    }

    /// Cancels whatever load runs.
    pub(super) fn cancel_load(&self, loader: Loader) {
        match loader {
            Loader::Cpu => self.cpu.load().iter().for_each(|load| self.cpu.cancel(load)),
            Loader::Io => self.io.load().iter().for_each(|load| self.io.cancel(load)),
        }
    }

    /// The load that runs.
    pub(super) fn running(&self, loader: Loader, as_json: bool) -> Answer {
        match loader {
            _ if as_json => json(200, &self.load_status(loader)),
            Loader::Cpu => cpu_text(self.cpu.load().as_deref(), self.cpu.engine().number.value),
            Loader::Io => say_late(match self.io.load() {
                None => String::from("No load request in progress"),
                Some(load) => format!(
                    "Load request sent at: {}\nLoad time requested: {} seconds\nLoad request ends at: {}\n{}",
                    local_date(load.sent),
                    load.seconds,
                    load.ends.map_or_else(|| String::from("when it is stopped"), local_date),
                    load.line(),
                ),
            }),
        }
    }

    /// A load group as status tells it.
    pub(super) fn load_status(&self, loader: Loader) -> Value {
        match loader {
            Loader::Cpu => {
                let (state, told) = state(&self.cpu);
                let jobs = self.jobs.sums();
                let wanted = self.cpu.load().map_or(0.0, |load| load.live.wanted()) + jobs.millicores as f64;
                let over = quota(&self.kernel).0.map_or(0.0, |quota| wanted - quota.millicores as f64).max(0.0);
                told.with("state", state)
                    .with("cores", cores())
                    .with("limit_millicores", self.cpu_limit(cores()))
                    .with("capped", over > 0.0)
                    .with("capped_millicores", over.round() as u64)
                    .with("jobs", jobs.cpu_jobs)
                    .with("jobs_millicores", jobs.millicores)
                    .with("jobs_achieved_millicores", round(jobs.achieved))
                    .with("error", self.cpu.trouble())
            }
            Loader::Io => {
                let (state, told) = state(&self.io);
                told.with("state", state).with("error", self.io.trouble())
            }
        }
    }
}

fn stop<E: Engine>(group: &Arc<LoadGroup<E>>, request: &Request<'_>, asked: &Asked<'_>) -> Answer
where
    Load<E>: Told,
{
    let began = Instant::now();
    let refuse = |status: u16, code: &'static str, words: String| {
        if asked.json { Problem::new(status, code, words).answer(true) } else { say_late(words) }
    };
    let Some(load) = group.load() else {
        return refuse(409, "nothing-runs", String::from("No load request being processed, nothing to do"));
    };
    let Some(id) = asked.bytes("id") else {
        return refuse(400, "missing-id", String::from("No request ID specified"));
    };
    match parse_signed(&id) {
        Err(error) => refuse(400, "invalid", format!("Invalid ID specification: {error}")),
        Ok(id) if u64::try_from(id) == Ok(load.id.0) => {
            group.cancel(&load);
            audit::answered(&words(request), &caller(request), "done", began.elapsed());
            if asked.json {
                return json(200, &load.receipt().with("outcome", "cancelled"));
            }
            say(format!("{} stopped", E::WORK))
        }
        Ok(id) => refuse(409, "other-id", format!("Incorrect stop load request ID={id}")),
    }
}

/// `60 seconds`, as it was asked for; a load without an end says so.
fn asked_time<E: Engine>(load: &Load<E>) -> String {
    if load.length.is_none() {
        String::from("as long as it is not stopped")
    } else {
        format!("{} seconds", load.seconds)
    }
}

fn state<E: Engine>(group: &Arc<LoadGroup<E>>) -> (&'static str, Value)
where
    Load<E>: Told,
{
    match group.load() {
        Some(load) => (if group.is_pending() { "pending" } else { "working" }, load.receipt()),
        None if group.trouble().is_some() => ("failed", object! { "group": E::NAME }),
        None => ("idle", object! { "group": E::NAME }),
    }
}

/// What is told of a load.
pub(super) trait Told {
    /// For programs.
    fn receipt(&self) -> Value;
    /// For people.
    fn line(&self) -> String;
}

fn common<E: Engine>(load: &Load<E>) -> Value {
    object! {
        "group": E::NAME,
        "id": load.id.to_string(),
        "asked": load.words.as_str(),
        "by": load.caller.to_string(),
        "seconds": load.length.map(|length| length.as_secs_f64()),
        "seconds_left": left(load),
        "ends": load.ends.map(utc_stamp),
    }
}

fn left<E: Engine>(load: &Load<E>) -> Option<f64> {
    load.deadline.map(|deadline| round(deadline.saturating_duration_since(Instant::now()).as_secs_f64()))
}

fn left_in_words<E: Engine>(load: &Load<E>) -> String {
    let left = load.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.map_or_else(|| String::from("until stopped"), |left| format!("{} to go", span::in_words(left)))
}

impl Told for Load<CpuEngine> {
    fn receipt(&self) -> Value {
        common(self)
            .with("target_millicores", self.spec.target.to)
            .with("wanted_millicores", round(self.live.wanted()))
            .with("achieved_millicores", round(self.live.achieved()))
    }

    fn line(&self) -> String {
        let (wanted, achieved) = (self.live.wanted(), self.live.achieved());
        format!("{wanted:.0}m wanted  {achieved:.0}m achieved  {}", left_in_words(self))
    }
}

impl Told for Load<IoEngine> {
    fn receipt(&self) -> Value {
        let IoLive { written, read, operations, total_us, slowest_us } = &self.live;
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (bytes, blocks) = (of(written) + of(read), of(operations));
        common(self)
            .with("target_bytes_per_second", self.spec.rate)
            .with(
                "achieved_bytes_per_second",
                (bytes as f64 / self.began.elapsed().as_secs_f64().max(1e-3)).round() as u64,
            )
            .with("written", of(written))
            .with("read", of(read))
            .with("operations", blocks)
            .with("mean_milliseconds", round(of(total_us) as f64 / 1000.0 / blocks.max(1) as f64))
            .with("slowest_milliseconds", of(slowest_us) as f64 / 1000.0)
    }

    fn line(&self) -> String {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "written {} bytes, read {} bytes, slowest block {} ms  {}",
            of(&self.live.written),
            of(&self.live.read),
            of(&self.live.slowest_us) / 1000,
            left_in_words(self)
        )
    }
}

/// To a thousandth: more would be noise.
pub(super) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
