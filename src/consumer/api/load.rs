//! What is asked of groups that do something for a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::consumer::Consumer;
use crate::consumer::api::params::{Params, caller, cpu_target, words};
use crate::consumer::api::refusals::{load_refused, not_done, say_late, stopping};
use crate::consumer::api::status::of_job;
use crate::consumer::api::status_text::line;
use crate::consumer::api::table::Loader;
use crate::consumer::api::text::{cpu_text, load_refusal};
use crate::consumer::api::waiting::{Followed, Long, PROGRESS, follow, long_answer};
use crate::consumer::control::operation::{Caller, Outcome};
use crate::consumer::load::LoadGroup;
use crate::consumer::load::cpu::{CpuDemand, CpuSpec};
use crate::consumer::load::io::{IoRate, IoSpec};
use crate::consumer::load::task::{Load, LoadRefused, LoadRequest};
use crate::http::{Answer, Request};
use crate::kernel::clock::{local_date, utc_stamp};
use crate::kernel::cpu::{cores, quota};
use crate::object;
use crate::parameters::DRY_RUN;
use crate::service::json::{Value, list, thousandths};
use crate::service::problem::{json, say, unsaid, with_field};
use crate::units::quantity::Amount;

impl Consumer {
    /// Starts a load.
    pub(super) fn load(&self, loader: Loader, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        let change = match loader {
            Loader::Cpu => self.cpu_request(request, params),
            Loader::Io => self.io_request(request, params),
        };
        self.start(self.loads(loader), change, request, params)
    }

    fn cpu_request(&self, request: &Request<'_>, params: &Params<'_, '_>) -> Result<LoadRequest, LoadRefused> {
        let (length, replace) = params.load()?;
        let (amount, over) = params.cpu()?;
        let (caller, words) = (caller(request), words(request));
        self.cpu_load(amount, over, length, replace, caller, words)
    }

    /// The request for a CPU load.
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
    ) -> Result<LoadRequest, LoadRefused> {
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
        let spec = Box::new(CpuSpec { demand: CpuDemand::Fixed(target), is_contract, number: self.settings.number });
        let most = self.settings.limit.most(&self.settings.number, is_contract);
        Ok(LoadRequest { spec, length, most, replace, caller, words })
    }

    fn io_request(&self, request: &Request<'_>, params: &Params<'_, '_>) -> Result<LoadRequest, LoadRefused> {
        let (length, replace) = params.load()?;
        let (folder, moved) = (Arc::clone(&self.folder), Arc::clone(&self.moved));
        let spec = Box::new(IoSpec { rate: params.rate()?.map_or(IoRate::Unbounded, IoRate::Fixed), folder, moved });
        Ok(LoadRequest { spec, length, most: None, replace, caller: caller(request), words: words(request) })
    }

    /// What shares of the limit are shares of: the quota, where there is one, and all cores otherwise.
    fn cpu_limit(&self, cores: u64) -> u64 {
        crate::consumer::cpu_limit(&self.kernel, cores)
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
        change: Result<LoadRequest, LoadRefused>,
        request: &Request<'_>,
        params: &Params<'_, '_>,
    ) -> Answer {
        let refuse = |refused: LoadRefused| {
            self.log(params, &format!("refused: {refused}"));
            if params.json { load_refused(&refused).answer(true) } else { load_refusal(&refused) }
        };
        match params.flag(DRY_RUN.name) {
            Ok(false) => {}
            Ok(true) => return self.load_preview(group, change, params),
            Err(why) => return refuse(LoadRefused::Invalid(why)),
        }
        let long = match long_answer(request, params) {
            Ok(long) => long,
            Err(problem) if problem.is_of_the_client() => return refuse(LoadRefused::Invalid(problem.message)),
            Err(problem) => return problem.answer(params.json),
        };
        let change = match change {
            // In JSON, what is wrong with a request is told at once, whatever runs.
            Err(why) if params.json => {
                group.counters().invalid.fetch_add(1, Ordering::Relaxed);
                return refuse(why);
            }
            change => change,
        };
        // Who wrote the millicores knows them; of a share nobody knows how many they are.
        let is_share = params.cpu().is_ok_and(|(amount, _)| amount.is_some_and(Amount::is_relative));
        let of = change.as_ref().map_or_else(|_| String::new(), |change| change.spec.words());
        let load = match group.start(change) {
            Ok(load) => load,
            Err(why) => return refuse(why),
        };
        params.is_accepted();
        let (work, of, id) = (group.work_name(), if is_share { &*of } else { "" }, load.id);
        let told = format!("{work}{of} requested for {} with id: {id}", time_in_words(load.length, load.seconds));
        match long {
            Long::No if params.json => with_field(json(202, &receipt(group, &load)), "Location", "/api/status"),
            Long::No => say(told),
            Long::Wait(_hold) => match group.wait(&load, PROGRESS, &mut || request.client_is_gone()) {
                None if self.stop.is_set() => stopping().answer(params.json),
                None if params.json => json(202, &receipt(group, &load)),
                Some(Outcome::Done) if params.json => json(200, &receipt(group, &load).with("outcome", "done")),
                None | Some(Outcome::Done) => say(told),
                Some(other) => not_done(&other, &told, "it was stopped, or another load took its place", params.json),
            },
            Long::Follow(hold) => follow(Box::new((Arc::clone(group), load)), hold, self.stop.clone(), params.json),
        }
    }

    /// What would become of a load.
    fn load_preview(
        &self,
        group: &LoadGroup,
        change: Result<LoadRequest, LoadRefused>,
        params: &Params<'_, '_>,
    ) -> Answer {
        let change = match change {
            Ok(change) => change,
            Err(why) => {
                self.log(params, &format!("refused: {why}"));
                return if params.json { load_refused(&why).answer(true) } else { load_refusal(&why) };
            }
        };
        let why = if group.load().is_some() && !change.replace {
            Some(String::from("a load runs; replace=true takes its place"))
        } else {
            change.spec.check().err().map(|error| error.to_string())
        };
        let length = group.length(&change);
        if params.json {
            let told = object! {
                "dry_run": true,
                "group": group.name(),
                "fits": why.is_none(),
                "reason": why,
                "seconds": length.map(|length| length.as_secs_f64()),
            };
            return json(200, &change.spec.told(told));
        }
        let time = time_in_words(length, length.map_or(0, |length| length.as_secs()));
        say(match why {
            Some(why) => format!("It would be refused, since {why}; nothing was done."),
            None => format!("A load{} for {time} would be started; nothing was done.", change.spec.words()),
        })
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

/// `60 seconds`, as it was asked for; a load without an end says so.
fn time_in_words(length: Option<Duration>, seconds: u64) -> String {
    length.map_or_else(|| String::from("as long as it is not stopped"), |_| format!("{seconds} seconds"))
}

/// What is told of a load, for programs.
pub(super) fn receipt(group: &LoadGroup, load: &Load) -> Value {
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
pub(super) fn cpu_jobs(consumer: &Consumer) -> Value {
    list(&mut consumer.jobs.list().iter().filter(|job| job.kind == "cpu").map(of_job))
}

impl Followed for (Arc<LoadGroup>, Arc<Load>) {
    fn outcome(&self, waits: bool) -> Option<Outcome> {
        if waits { self.0.wait(&self.1, PROGRESS, &mut || true) } else { self.1.outcome() }
    }

    fn report(&self) -> Value {
        receipt(&self.0, &self.1)
    }

    fn line(&self) -> String {
        format!("{}  {}", self.0.name(), line(&self.1))
    }
}
