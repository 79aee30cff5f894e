//! The interface of Kubernetes' resource-consumer: its paths, parameters and answers, so that autoscaling tests can
//! point here.

use std::time::Duration;

use super::status::{in_words, status};
use super::table::{Job, Route};
use crate::answers::{Problem, json, not_allowed};
use crate::consumer::Consumer;
use crate::consumer::asked::{Asked, caller, words};
use crate::consumer::bumps::BumpRefused;
use crate::consumer::jobs::JobRefused;
use crate::consumer::number::parse_signed;
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
        let (status, told) = match self.try_job(job, request, asked) {
            Ok(told) => (200, told),
            Err((status, why)) => (status, why + "\n"),
        };
        // A job is logged when it is over.
        if status != 200 {
            self.log(asked, &format!("refused: {}", told.trim_end()));
        } else if job == Job::Bump {
            self.log(asked, "done");
        }
        match (asked.json, status) {
            (false, _) => text(status, told).into(),
            (true, 200) => json(200, &object! { "done": told.trim_end().replace('\n', ", ") }),
            (true, _) => {
                let code = match status {
                    400 => "invalid",
                    422 => "over-limit",
                    _ => "unavailable",
                };
                Problem::new(status, code, told.trim_end()).answer(true)
            }
        }
    }

    /// Millicores that the running load is to use, now or at the end of its ramp.
    fn cpu_load_at_most(&self) -> u64 {
        self.cpu.load().map_or(0, |load| load.task.most_millicores())
    }

    /// What is said to a job that was started, or the status and the words that refuse it.
    fn try_job(&self, job: Job, request: &Request<'_>, asked: &Asked<'_, '_>) -> Result<String, (u16, String)> {
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
                    self.jobs.add_cpu(millicores, length, self.cpu_load_at_most(), who, what),
                )
            }
            Job::Memory => {
                let megabytes = whole(&values[0]).ok_or_else(incorrect)?;
                let bytes = megabytes.saturating_mul(MEGABYTE);
                (format!("ConsumeMem\n{megabytes} megabytes\n"), self.jobs.add_memory(bytes, length, who, what))
            }
            _ => {
                let name = std::str::from_utf8(&values[0]).map_err(|_| incorrect())?;
                let delta = std::str::from_utf8(&values[1]).ok().and_then(float);
                let delta = delta.ok_or_else(incorrect)?;
                self.bumps.add(name, delta, length).map_err(|refused| match refused {
                    BumpRefused::Invalid(why) => (400, format!("{INCORRECT}: {why}")),
                    BumpRefused::Full(why) => (503, why),
                })?;
                (format!("BumpMetric\n{name} metric\n{} delta\n", Plain(delta)), Ok(()))
            }
        };
        match result {
            Ok(()) => Ok(format!("{told}{seconds} durationSec\n")),
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
