//! The interface of Kubernetes' resource-consumer: its paths, parameters and answers, so that autoscaling tests can
//! point here.

use std::time::Duration;

use crate::consumer::Consumer;
use crate::consumer::api::params::{Params, caller, words};
use crate::consumer::api::status::{job_list, of_job, status};
use crate::consumer::api::status_text::in_words;
use crate::consumer::api::table::{JobRoute, Route};
use crate::consumer::api::wrong_method;
use crate::consumer::jobs::custom_metrics::MetricRefused;
use crate::consumer::jobs::{JobRefused, StartedJob};
use crate::http::{Answer, Method, Request, text};
use crate::kernel::clock::utc_stamp;
use crate::object;
use crate::parameters::{DELTA, DURATION_SEC, MEGABYTES, METRIC, MILLICORES};
use crate::service::problem::{Problem, json, say, with_field};
use crate::units::decimal::{Plain, float};
use crate::units::duration::LONGEST;
use crate::units::strconv::{parse_signed, parse_unsigned};

/// What is said about a request that is none of its own.
const NOT_A_POST: &str = "Bad request. Not a POST request\n";
/// The name of the first one that is missing follows.
const NOT_GIVEN: &str = "not given function argument";
const INCORRECT: &str = "incorrect function argument";

/// The bytes of a megabyte there: it hands the number on as `M` to a tool that means 2^20 by it.
const MEGABYTE: u64 = 1 << 20;

impl Consumer {
    /// Starts a job.
    pub(super) fn job(&self, job: JobRoute, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        if *request.method != Method::Post {
            let route = Route::JobRoute(job);
            return if params.json { wrong_method(request, route, true) } else { text(400, NOT_A_POST).into() };
        }
        if job == JobRoute::Status {
            return if params.json { json(200, &status(self)) } else { text(200, in_words(self) + "\n").into() };
        }
        let (status, told, started) = match self.try_job(job, request, params) {
            Ok((told, started)) => (200, told, started),
            Err((status, why)) => (status, why + "\n", None),
        };
        // A job is logged when it is over.
        if status != 200 {
            self.log(params, &format!("refused: {}", told.trim_end()));
        } else if job == JobRoute::Bump {
            self.log(params, "done");
        }
        let answer = match (params.json, status) {
            (false, _) => text(status, told).into(),
            (true, 200) => {
                let mut value = object! { "done": told.trim_end().replace('\n', ", ") };
                if let Some((id, expires)) = started {
                    value =
                        value.with("id", id.to_string()).with("expires", expires.map(|expiry| utc_stamp(expiry.shown)));
                }
                json(200, &value)
            }
            (true, _) => {
                let code = match status {
                    400 => "invalid",
                    422 => "over-limit",
                    _ => "unavailable",
                };
                Problem::new(status, code, told.trim_end()).answer(true)
            }
        };
        match started {
            // It is told in JSON alone.
            Some((id, _)) if !params.json => with_field(answer, "Location", &format!("/api/jobs/{id}?format=json")),
            Some((id, _)) => with_field(answer, "Location", &format!("/api/jobs/{id}")),
            None => answer,
        }
    }

    /// All jobs, or their end. What is bumped is a job, too, and ends with them.
    pub(super) fn jobs(&self, ends: bool, params: &Params<'_, '_>) -> Answer {
        if ends {
            if let Err(why) = params.only() {
                return Problem::new(400, "invalid", why).answer(params.json);
            }
            self.jobs.cancel(None);
            self.custom_metrics.clear();
            self.log(params, "done");
        }
        if params.json { json(200, &object! { "jobs": job_list(self) }) } else { say(String::from("Jobs stopped")) }
    }

    /// The job of an id, or its end.
    pub(super) fn one_job(&self, request: &Request<'_>, ends: bool, params: &Params<'_, '_>) -> Answer {
        if ends && let Err(why) = params.only() {
            return Problem::new(400, "invalid", why).answer(params.json);
        }
        let digits = request.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let id = parse_unsigned(digits).unwrap_or_default();
        let job = self.jobs.list().into_iter().find(|job| job.id.0 == id);
        let Some(job) = job.filter(|job| !ends || self.jobs.cancel(Some(job.id))) else {
            let why = "no job of this id runs; /api/status lists those that do";
            return Problem::new(404, "not-found", why).answer(params.json);
        };
        if ends {
            self.log(params, "done");
        }
        if params.json { json(200, &of_job(&job)) } else { say(format!("Job {id} stopped")) }
    }

    /// Millicores that the running load is to use, now or at the end of its ramp.
    fn cpu_load_at_most(&self) -> u64 {
        self.cpu.load().map_or(0, |load| load.task.most_millicores())
    }

    /// What is said to a job that was started, or the status and the words that refuse it.
    fn try_job(
        &self,
        job: JobRoute,
        request: &Request<'_>,
        params: &Params<'_, '_>,
    ) -> Result<(String, Option<StartedJob>), (u16, String)> {
        let incorrect = || (400, String::from(INCORRECT));
        let given = |name: &str| params.bytes(name).ok_or_else(|| (400, format!("{NOT_GIVEN}: {name}")));
        let names: &[&str] = match job {
            JobRoute::Cpu => &[MILLICORES.name],
            JobRoute::Memory => &[MEGABYTES.name],
            _ => &[METRIC.name, DELTA.name],
        };
        params.only().map_err(|why| (400, why))?;
        // All of them must be there before one is looked at.
        let duration = given(DURATION_SEC.name)?;
        let values = names.iter().map(|name| given(name)).collect::<Result<Vec<_>, _>>()?;
        let whole = |value: &[u8]| parse_signed(value).ok().and_then(|number| u64::try_from(number).ok());
        let seconds = whole(&duration).ok_or_else(incorrect)?;
        let length = Duration::from_secs(seconds).min(LONGEST);
        let (who, what) = (caller(request), words(request));
        let (told, result) = match job {
            JobRoute::Cpu => {
                let millicores = whole(&values[0]).ok_or_else(incorrect)?;
                (
                    format!("ConsumeCPU\n{millicores} millicores\n"),
                    self.jobs.add_cpu(millicores, length, self.cpu_load_at_most(), who, what).map(Some),
                )
            }
            JobRoute::Memory => {
                let megabytes = whole(&values[0]).ok_or_else(incorrect)?;
                let bytes = megabytes.saturating_mul(MEGABYTE);
                (
                    format!("ConsumeMem\n{megabytes} megabytes\n"),
                    self.jobs.add_memory(bytes, length, who, what).map(Some),
                )
            }
            _ => {
                let name = std::str::from_utf8(&values[0]).map_err(|_| incorrect())?;
                let delta = std::str::from_utf8(&values[1]).ok().and_then(float);
                let delta = delta.ok_or_else(incorrect)?;
                self.custom_metrics.add(name, delta, length).map_err(|refused| match refused {
                    MetricRefused::Invalid(why) => (400, format!("{INCORRECT}: {why}")),
                    MetricRefused::Full(why) => (503, why),
                })?;
                (format!("BumpMetric\n{name} metric\n{} delta\n", Plain(delta)), Ok(None))
            }
        };
        if result.is_err() {
            self.jobs.count_refused(job == JobRoute::Memory);
        }
        match result {
            Ok(started) => Ok((format!("{told}{seconds} durationSec\n"), started)),
            Err(JobRefused::Full) => Err((503, String::from("too many jobs run already"))),
            Err(JobRefused::TooMuch(most)) => {
                let (unit, most) =
                    if job == JobRoute::Cpu { ("millicores", most) } else { ("megabytes", most / MEGABYTE) };
                Err((422, format!("over the limit: at most {most} {unit} more would be accepted now")))
            }
            Err(JobRefused::NotStarted(error)) => Err((503, format!("it could not be started: {error}"))),
            Err(JobRefused::Stopping) => Err((503, String::from("the service stops"))),
        }
    }
}
