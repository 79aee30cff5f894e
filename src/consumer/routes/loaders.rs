//! What is asked of groups that do something for a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::answers::{load_refused, not_done, say_late, stopping};
use super::contract::{cpu_text, load_refusal};
use super::holders::{JSON_LINES, Long, TEXT_LINES, long_answer};
use super::status::of_job;
use super::table::Loader;
use crate::answers::{Problem, json, say, unsaid, with_field};
use crate::clock::{local_date, utc_stamp};
use crate::consumer::asked::{self, Asked, caller, cpu_target, words};
use crate::consumer::cpu::CpuSpec;
use crate::consumer::inout::IoSpec;
use crate::consumer::load::{Load, LoadGroup, LoadRefused, LoadWish};
use crate::consumer::number::{NumberError, parse_signed};
use crate::consumer::order::{Caller, Outcome};
use crate::consumer::quantity::Amount;
use crate::consumer::{Consumer, span};
use crate::http::{Answer, Request};
use crate::json::{Value, list, thousandths};
use crate::limits::cpu::{cores, quota};
use crate::object;

/// How often a client that waits is looked after, and how often progress is told.
const PAUSE: Duration = Duration::from_secs(1);

impl Consumer {
    /// Starts a load.
    pub(super) fn load(&self, loader: Loader, request: &Request<'_>, asked: &Asked<'_, '_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        let wish = match loader {
            Loader::Cpu => self.cpu_wish(request, asked),
            Loader::Io => self.io_wish(request, asked),
        };
        self.start(self.loads(loader), wish, request, asked)
    }

    fn cpu_wish(&self, request: &Request<'_>, asked: &Asked<'_, '_>) -> Result<LoadWish, LoadRefused> {
        let (length, replace) = asked.load(&asked::CPU)?;
        let (amount, over) = asked.cpu()?;
        let (caller, words) = (caller(request), words(request));
        self.cpu_load(amount, over, length, replace, caller, words)
    }

    /// The wish for a CPU load.
    ///
    /// # Errors
    /// When it is too little or too much.
    pub(in crate::consumer) fn cpu_load(
        &self,
        amount: Option<Amount>,
        over: Duration,
        length: Option<Duration>,
        replace: bool,
        caller: Caller,
        words: String,
    ) -> Result<LoadWish, LoadRefused> {
        let cores = cores();
        let mut target = cpu_target(amount, over, cores, self.cpu_limit(cores))?;
        // The contract's load is never refused for what else there is.
        let left = (cores * 1000).saturating_sub(self.jobs.sums().millicores);
        if amount.is_some() && target.to > left {
            return Err(LoadRefused::TooMuch(format!("{}m is more than the {left}m that jobs leave", target.to)));
        }
        // A load that takes the place of another goes on from where that is.
        if let Some(running) = self.cpu.load().filter(|_| replace && !over.is_zero()) {
            target.from = running.task.figures().wanted as u64;
        }
        let is_contract = amount.is_none() && over.is_zero();
        let spec = Box::new(CpuSpec { target, is_contract, number: self.settings.number });
        let most = self.settings.limit.most(&self.settings.number, is_contract);
        Ok(LoadWish { spec, length, most, replace, caller, words })
    }

    fn io_wish(&self, request: &Request<'_>, asked: &Asked<'_, '_>) -> Result<LoadWish, LoadRefused> {
        let (length, replace) = asked.load(&asked::IO)?;
        let (folder, moved) = (Arc::clone(&self.folder), Arc::clone(&self.moved));
        let spec = Box::new(IoSpec { rate: asked.rate()?, folder, moved });
        Ok(LoadWish { spec, length, most: None, replace, caller: caller(request), words: words(request) })
    }

    /// What shares of the limit are shares of: the quota, where there is one, and all cores otherwise.
    fn cpu_limit(&self, cores: u64) -> u64 {
        quota(&self.kernel).0.map_or(cores * 1000, |quota| quota.millicores.min(cores * 1000))
    }

    pub(super) fn loads(&self, loader: Loader) -> &Arc<LoadGroup> {
        match loader {
            Loader::Cpu => &self.cpu,
            Loader::Io => &self.io,
        }
    }

    fn start(
        &self,
        group: &Arc<LoadGroup>,
        wish: Result<LoadWish, LoadRefused>,
        request: &Request<'_>,
        asked: &Asked<'_, '_>,
    ) -> Answer {
        let refuse = |refused: LoadRefused| {
            self.log(asked, &format!("refused: {refused}"));
            if asked.json { load_refused(&refused).answer(true) } else { load_refusal(&refused) }
        };
        match asked.flag("dry_run") {
            Ok(false) => {}
            Ok(true) => return self.load_preview(group, wish, asked),
            Err(why) => return refuse(LoadRefused::Invalid(why)),
        }
        let long = match long_answer(request, asked) {
            Ok(long) => long,
            Err(problem) if problem.is_of_the_client() => return refuse(LoadRefused::Invalid(problem.message)),
            Err(problem) => return problem.answer(asked.json),
        };
        let wish = match wish {
            // In JSON, what is wrong with a request is told at once, whatever runs.
            Err(why) if asked.json => {
                group.tally().invalid.fetch_add(1, Ordering::Relaxed);
                return refuse(why);
            }
            wish => wish,
        };
        // Who wrote the millicores knows them; of a share nobody knows how many they are.
        let is_share = asked.cpu().is_ok_and(|(amount, _)| amount.is_some_and(Amount::is_relative));
        let of = wish.as_ref().map_or_else(|_| String::new(), |wish| wish.spec.words());
        let load = match group.start(wish) {
            Ok(load) => load,
            Err(why) => return refuse(why),
        };
        asked.is_accepted();
        let (work, of, id) = (group.work_name(), if is_share { &*of } else { "" }, load.id);
        let told = format!("{work}{of} requested for {} with id: {id}", time_in_words(load.length, load.seconds));
        match long {
            Long::No if asked.json => with_field(json(202, &receipt(group, &load)), "Location", "/api/status"),
            Long::No => say(told),
            Long::Wait(_hold) => match group.wait(&load, PAUSE, &mut || request.client_is_gone()) {
                None if self.stop.is_set() => stopping().answer(asked.json),
                None if asked.json => json(202, &receipt(group, &load)),
                Some(Outcome::Done) if asked.json => json(200, &receipt(group, &load).with("outcome", "done")),
                None | Some(Outcome::Done) => say(told),
                Some(other) => not_done(&other, &told, "it was stopped, or another load took its place", asked.json),
            },
            Long::Follow(hold) => {
                let (group, mut hold, as_json) = (Arc::clone(group), Some(hold), asked.json);
                let mut first = true;
                let stop = self.stop.clone();
                let next = move || {
                    hold.as_ref()?;
                    let outcome = match std::mem::take(&mut first) {
                        true => load.outcome(),
                        false => group.wait(&load, PAUSE, &mut || true),
                    };
                    if outcome.is_some() || stop.is_set() {
                        hold = None;
                    }
                    let line = if as_json {
                        receipt(&group, &load).with("outcome", outcome.as_ref().map(ToString::to_string)).to_string()
                    } else {
                        let end = outcome.map_or_else(String::new, |outcome| format!("  {outcome}"));
                        format!("{}  {}{end}", group.name(), line(&load))
                    };
                    Some(line + "\n")
                };
                Answer::in_pieces(if as_json { JSON_LINES } else { TEXT_LINES }, Box::new(next))
            }
        }
    }

    /// What would become of a load.
    fn load_preview(&self, group: &LoadGroup, wish: Result<LoadWish, LoadRefused>, asked: &Asked<'_, '_>) -> Answer {
        let wish = match wish {
            Ok(wish) => wish,
            Err(why) => {
                self.log(asked, &format!("refused: {why}"));
                return if asked.json { load_refused(&why).answer(true) } else { load_refusal(&why) };
            }
        };
        let why = if group.load().is_some() && !wish.replace {
            Some(String::from("a load runs; replace=true takes its place"))
        } else {
            wish.spec.check().err().map(|error| error.to_string())
        };
        let length = group.length(&wish);
        if asked.json {
            let told = object! {
                "dry_run": true,
                "group": group.name(),
                "fits": why.is_none(),
                "reason": why,
                "seconds": length.map(|length| length.as_secs_f64()),
            };
            return json(200, &wish.spec.told(told));
        }
        let time = time_in_words(length, length.map_or(0, |length| length.as_secs()));
        say(match why {
            Some(why) => format!("It would be refused, since {why}; nothing was done."),
            None => format!("A load{} for {time} would be started; nothing was done.", wish.spec.words()),
        })
    }

    /// Stops the load of an id.
    pub(super) fn stop_load(&self, loader: Loader, request: &Request<'_>, asked: &Asked<'_, '_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        self.stop(self.loads(loader), asked)
    }

    fn stop(&self, group: &Arc<LoadGroup>, asked: &Asked<'_, '_>) -> Answer {
        let refuse = |status: u16, code: &'static str, words: String| {
            self.log(asked, &format!("refused: {words}"));
            if asked.json { Problem::new(status, code, words).answer(true) } else { say_late(words) }
        };
        if let Err(why) = asked.only(&["id"]) {
            return refuse(400, "invalid", why);
        }
        let id = asked.bytes("id").map(|id| parse_signed(&id));
        let load = match group.load() {
            Some(load) => load,
            // In JSON, what is wrong with a request is told at once, whatever runs.
            None if asked.json && !matches!(id, Some(Ok(_))) => return refuse_id(&refuse, id.and_then(Result::err)),
            None => {
                return refuse(409, "nothing-runs", String::from("No load request being processed, nothing to do"));
            }
        };
        match id {
            None => refuse_id(&refuse, None),
            Some(Err(error)) => refuse_id(&refuse, Some(error)),
            Some(Ok(id)) if u64::try_from(id) == Ok(load.id.0) => {
                group.cancel(&load);
                self.log(asked, "done");
                if asked.json {
                    return json(200, &receipt(group, &load).with("outcome", "cancelled"));
                }
                say(format!("{} stopped", group.work_name()))
            }
            Some(Ok(id)) => refuse(409, "other-id", format!("Incorrect stop load request ID={id}")),
        }
    }

    /// Stops whatever load runs.
    pub(super) fn release_load(&self, loader: Loader, asked: &Asked<'_, '_>) -> Answer {
        if let Err(why) = asked.only(&[]) {
            return Problem::new(400, "invalid", why).answer(asked.json);
        }
        self.cancel_load(loader);
        self.log(asked, "done");
        if asked.json {
            let status = self.load_status(loader);
            return json(200, &if loader == Loader::Cpu { status.with("jobs_left", cpu_jobs(self)) } else { status });
        }
        let jobs = self.jobs.sums();
        say(match loader {
            Loader::Io => String::from("IO load stopped"),
            Loader::Cpu if jobs.cpu_jobs == 0 => String::from("CPU load stopped"),
            Loader::Cpu => format!(
                "CPU load stopped; {} jobs go on with {}m, DELETE /api/jobs ends them",
                jobs.cpu_jobs, jobs.millicores
            ),
        })
    }

    /// Cancels whatever load runs, and returns it: it may take a moment to end.
    pub(super) fn cancel_load(&self, loader: Loader) -> Option<Arc<Load>> {
        let group = self.loads(loader);
        let load = group.load()?;
        group.cancel(&load);
        Some(load)
    }

    /// The load that runs.
    pub(super) fn running(&self, loader: Loader, as_json: bool) -> Answer {
        match loader {
            _ if as_json => json(200, &self.load_status(loader)),
            Loader::Cpu => cpu_text(self.cpu.load().as_deref(), self.settings.number.value),
            Loader::Io => say_late(match self.io.load() {
                None => String::from("No load request in progress"),
                Some(load) => format!(
                    "Load request sent at: {}\nLoad time requested: {} seconds\nLoad request ends at: {}\n{}",
                    local_date(load.sent),
                    load.seconds,
                    load.ends.map_or_else(|| String::from("when it is stopped"), local_date),
                    line(&load),
                ),
            }),
        }
    }

    /// A load group as status tells it.
    pub(super) fn load_status(&self, loader: Loader) -> Value {
        let group = self.loads(loader);
        let load = group.load();
        let state = group.state();
        let told = load.as_deref().map_or_else(|| object! { "group": group.name() }, |load| receipt(group, load));
        let told = told.with("state", state).with("error", group.trouble());
        if loader == Loader::Io {
            return told;
        }
        let jobs = self.jobs.sums();
        let wanted = load.map_or(0.0, |load| load.task.figures().wanted) + jobs.millicores as f64;
        let over = quota(&self.kernel).0.map_or(0.0, |quota| wanted - quota.millicores as f64).max(0.0);
        told.with("cores", cores())
            .with("limit_millicores", self.cpu_limit(cores()))
            .with("capped", over > 0.0)
            .with("capped_millicores", over.round() as u64)
            .with("jobs", jobs.cpu_jobs)
            .with("jobs_millicores", jobs.millicores)
            .with("jobs_achieved_millicores", thousandths(jobs.achieved))
    }
}

/// What is wrong with the id of a load to be stopped.
fn refuse_id(refuse: &dyn Fn(u16, &'static str, String) -> Answer, error: Option<NumberError>) -> Answer {
    match error {
        None => refuse(400, "missing-id", String::from("No request ID specified")),
        Some(error) => refuse(400, "invalid", format!("Invalid ID specification: {error}")),
    }
}

/// `60 seconds`, as it was asked for; a load without an end says so.
fn time_in_words(length: Option<Duration>, seconds: u64) -> String {
    length.map_or_else(|| String::from("as long as it is not stopped"), |_| format!("{seconds} seconds"))
}

/// What is told of a load, for programs.
fn receipt(group: &LoadGroup, load: &Load) -> Value {
    let left = load.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64());
    load.task.told(object! {
        "group": group.name(),
        "id": load.id.to_string(),
        "asked": load.words.as_str(),
        "by": load.caller.to_string(),
        "seconds": load.length.map(|length| length.as_secs_f64()),
        "seconds_left": left.map(thousandths),
        "ends": load.ends.map(utc_stamp),
    })
}

/// The jobs that use CPU.
fn cpu_jobs(consumer: &Consumer) -> Value {
    list(consumer.jobs.list().iter().filter(|job| job.kind == "cpu").map(of_job))
}

/// What is told of a load, for people.
pub(super) fn line(load: &Load) -> String {
    let left = load.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.map_or_else(|| String::from("until stopped"), |left| format!("{} to go", span::in_words(left)));
    format!("{}  {left}  id {}", load.task.line(), load.id)
}
