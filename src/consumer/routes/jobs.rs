//! The interface of Kubernetes' resource-consumer: its paths, parameters and answers, so that autoscaling tests can
//! point here.

use std::time::Duration;

use super::status::{in_words, job_list, of_job, status};
use super::table::{Job, Route};
use crate::answers::{Problem, json, not_allowed, say, with_field};
use crate::clock::utc_stamp;
use crate::consumer::Consumer;
use crate::consumer::asked::{Asked, caller, words};
use crate::consumer::bumps::BumpRefused;
use crate::consumer::jobs::{JobRefused, Started};
use crate::consumer::number::{parse_signed, parse_unsigned};
use crate::consumer::span::LONGEST;
use crate::decimal::{Plain, float};
use crate::http::{Answer, Method, Request, text};
use crate::object;

/// What is said about a request that is none of its own.
const NOT_A_POST: &str = "Bad request. Not a POST request\n";
/// The name of the first one that is missing follows.
const NOT_GIVEN: &str = "not given function argument";
const INCORRECT: &str = "incorrect function argument";

/// The bytes of a megabyte there: it hands the number on as `M` to a tool that means 2^20 by it.
const MEGABYTE: u64 = 1 << 20;

impl Consumer {
    /// Starts a job.
    pub(super) fn job(&self, job: Job, request: &Request<'_>, asked: &Asked<'_, '_>) -> Answer {
        if *request.method != Method::Post {
            let methods = Route::Job(job).methods();
            return if asked.json { not_allowed(request.method, methods, true) } else { text(400, NOT_A_POST).into() };
        }
        if job == Job::Status {
            return if asked.json { json(200, &status(self)) } else { text(200, in_words(self) + "\n").into() };
        }
        let (status, told, started) = match self.try_job(job, request, asked) {
            Ok((told, started)) => (200, told, started),
            Err((status, why)) => (status, why + "\n", None),
        };
        // A job is logged when it is over.
        if status != 200 {
            self.log(asked, &format!("refused: {}", told.trim_end()));
        } else if job == Job::Bump {
            self.log(asked, "done");
        }
        let answer = match (asked.json, status) {
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
            Some((id, _)) => with_field(answer, "Location", &format!("/api/jobs/{id}")),
            None => answer,
        }
    }

    /// All jobs, or their end. What is bumped is a job, too, and ends with them.
    pub(super) fn jobs(&self, ends: bool, asked: &Asked<'_, '_>) -> Answer {
        if ends {
            if let Err(why) = asked.only(&[]) {
                return Problem::new(400, "invalid", why).answer(asked.json);
            }
            self.jobs.cancel(None);
            self.bumps.clear();
            self.log(asked, "done");
        }
        if asked.json { json(200, &object! { "jobs": job_list(self) }) } else { say(String::from("Jobs stopped")) }
    }

    /// The job of an id, or its end.
    pub(super) fn one_job(&self, request: &Request<'_>, ends: bool, asked: &Asked<'_, '_>) -> Answer {
        if ends && let Err(why) = asked.only(&[]) {
            return Problem::new(400, "invalid", why).answer(asked.json);
        }
        let digits = request.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let id = parse_unsigned(digits).unwrap_or_default();
        let job = self.jobs.list().into_iter().find(|job| job.id.0 == id);
        let Some(job) = job.filter(|job| !ends || self.jobs.cancel(Some(job.id))) else {
            let why = "no job of this id runs; /api/status lists those that do";
            return Problem::new(404, "not-found", why).answer(asked.json);
        };
        if ends {
            self.log(asked, "done");
        }
        if asked.json { json(200, &of_job(&job)) } else { say(format!("Job {id} stopped")) }
    }

    /// Millicores that the running load is to use, now or at the end of its ramp.
    fn cpu_load_at_most(&self) -> u64 {
        self.cpu.load().map_or(0, |load| load.task.most_millicores())
    }

    /// What is said to a job that was started, or the status and the words that refuse it.
    fn try_job(
        &self,
        job: Job,
        request: &Request<'_>,
        asked: &Asked<'_, '_>,
    ) -> Result<(String, Option<Started>), (u16, String)> {
        let incorrect = || (400, String::from(INCORRECT));
        let given = |name: &str| asked.bytes(name).ok_or_else(|| (400, format!("{NOT_GIVEN}: {name}")));
        let names: &[&str] = match job {
            Job::Cpu => &["millicores"],
            Job::Memory => &["megabytes"],
            _ => &["metric", "delta"],
        };
        asked.only(&[names, &["durationSec"]].concat()).map_err(|why| (400, why))?;
        // All of them must be there before one is looked at.
        let duration = given("durationSec")?;
        let values = names.iter().map(|name| given(name)).collect::<Result<Vec<_>, _>>()?;
        let whole = |value: &[u8]| parse_signed(value).ok().and_then(|number| u64::try_from(number).ok());
        let seconds = whole(&duration).ok_or_else(incorrect)?;
        let length = Duration::from_secs(seconds).min(LONGEST);
        let (who, what) = (caller(request), words(request));
        let (told, result) = match job {
            Job::Cpu => {
                let millicores = whole(&values[0]).ok_or_else(incorrect)?;
                (
                    format!("ConsumeCPU\n{millicores} millicores\n"),
                    self.jobs.add_cpu(millicores, length, self.cpu_load_at_most(), who, what).map(Some),
                )
            }
            Job::Memory => {
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
                self.bumps.add(name, delta, length).map_err(|refused| match refused {
                    BumpRefused::Invalid(why) => (400, format!("{INCORRECT}: {why}")),
                    BumpRefused::Full(why) => (503, why),
                })?;
                (format!("BumpMetric\n{name} metric\n{} delta\n", Plain(delta)), Ok(None))
            }
        };
        if result.is_err() {
            self.jobs.count_refused(job == Job::Memory);
        }
        match result {
            Ok(started) => Ok((format!("{told}{seconds} durationSec\n"), started)),
            Err(JobRefused::Full) => Err((503, String::from("too many jobs run already"))),
            Err(JobRefused::TooMuch(most)) => {
                let (unit, most) = if job == Job::Cpu { ("millicores", most) } else { ("megabytes", most / MEGABYTE) };
                Err((422, format!("over the limit: at most {most} {unit} more would be accepted now")))
            }
            Err(JobRefused::NotStarted(error)) => Err((503, format!("it could not be started: {error}"))),
            Err(JobRefused::Stopping) => Err((503, String::from("the service stops"))),
        }
    }
}
