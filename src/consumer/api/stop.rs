//! `stop`, and `DELETE` of a load: what runs is ended.

use std::sync::Arc;

use crate::consumer::Consumer;
use crate::consumer::api::load::{cpu_jobs, receipt};
use crate::consumer::api::params::Params;
use crate::consumer::api::refusals::say_late;
use crate::consumer::api::table::Loader;
use crate::consumer::load::LoadGroup;
use crate::consumer::load::task::Load;
use crate::http::{Answer, Request};
use crate::service::problem::{Problem, json, say, unsaid};
use crate::units::strconv::{NumberError, parse_signed};

impl Consumer {
    /// Stops the load of an id.
    pub(super) fn stop_load(&self, loader: Loader, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        self.stop(self.loads(loader), params)
    }

    fn stop(&self, group: &Arc<LoadGroup>, params: &Params<'_, '_>) -> Answer {
        let refuse = |status: u16, code: &'static str, words: String| {
            self.log(params, &format!("refused: {words}"));
            if params.json { Problem::new(status, code, words).answer(true) } else { say_late(words) }
        };
        if let Err(why) = params.only() {
            return refuse(400, "invalid", why);
        }
        let id = params.bytes("id").map(|id| parse_signed(&id));
        let load = match group.load() {
            Some(load) => load,
            // In JSON, what is wrong with a request is told at once, whatever runs.
            None if params.json && !matches!(id, Some(Ok(_))) => return refuse_id(&refuse, id.and_then(Result::err)),
            None => {
                return refuse(409, "nothing-runs", String::from("No load request being processed, nothing to do"));
            }
        };
        match id {
            None => refuse_id(&refuse, None),
            Some(Err(error)) => refuse_id(&refuse, Some(error)),
            Some(Ok(id)) if u64::try_from(id) == Ok(load.id.0) => {
                group.cancel(&load);
                self.log(params, "done");
                if params.json {
                    return json(200, &receipt(group, &load).with("outcome", "cancelled"));
                }
                say(format!("{} stopped", group.work_name()))
            }
            Some(Ok(id)) => refuse(409, "other-id", format!("Incorrect stop load request ID={id}")),
        }
    }

    /// Stops whatever load runs.
    pub(super) fn release_load(&self, loader: Loader, params: &Params<'_, '_>) -> Answer {
        if let Err(why) = params.only() {
            return Problem::new(400, "invalid", why).answer(params.json);
        }
        self.cancel_load(loader);
        self.log(params, "done");
        if params.json {
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
}

/// What is wrong with the id of a load to be stopped.
fn refuse_id(refuse: &dyn Fn(u16, &'static str, String) -> Answer, error: Option<NumberError>) -> Answer {
    match error {
        None => refuse(400, "missing-id", String::from("No request ID specified")),
        Some(error) => refuse(400, "invalid", format!("Invalid ID specification: {error}")),
    }
}
