//! `DELETE`: a group is released, or everything there is.

use std::sync::Arc;

use crate::consumer::Consumer;
use crate::consumer::api::params::{Params, caller, words};
use crate::consumer::api::refusals::{refused, stopping};
use crate::consumer::api::table::{Holder, Loader};
use crate::consumer::api::waiting::{Long, PAUSE, long_answer};
use crate::consumer::control::operation::{ChangeRequest, Operation, Outcome};
use crate::consumer::load::task::Load;
use crate::http::{Answer, Request};
use crate::object;
use crate::service::json::{Value, list};
use crate::service::problem::{Problem, json, say, with_field};
use crate::units::quantity::Amount;

impl Consumer {
    /// Releases what a group holds.
    pub(super) fn release(&self, holder: Holder, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        let group = self.group(holder);
        let change = params.release(group.store().unit(), caller(request), words(request));
        if let Some(answer) = self.previewed(holder, "release", &change, params) {
            return answer;
        }
        self.operation(holder, "release", request, params, &|change| group.release(&change?), change)
    }

    /// Releases everything there is.
    pub(super) fn release_all(&self, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        if let Err(why) = params.only() {
            return Problem::new(400, "invalid", why).answer(params.json);
        }
        let hold = match long_answer(request, params) {
            Ok(hold) => hold,
            Err(problem) => return problem.answer(params.json),
        };
        let mut released = Vec::new();
        // What it holds is released with the rest, and nothing takes it again.
        #[cfg(feature = "scenario")]
        self.scenario.end();
        self.jobs.cancel(None);
        self.custom_metrics.clear();
        let loads = [Loader::Cpu, Loader::Io].map(|loader| self.cancel_load(loader).map(|load| (loader, load)));
        let mut change = ChangeRequest::of(Amount::Exactly(0), caller(request));
        (change.words, change.is_part) = (words(request), true);
        for group in self.groups() {
            match group.release(&change) {
                Ok(accepted) => released.push(accepted.operation),
                Err(why) => return refused(&why, group.store().unit()).answer(params.json),
            }
        }
        self.log(params, "accepted");
        let left = match hold {
            Long::No => None,
            _ => match self.wait_for_all(request, &released, loads) {
                Ok(left) => Some(left),
                Err(problem) => return problem.answer(params.json),
            },
        };
        match (left, params.json) {
            (Some(left), true) if left.is_empty() => json(200, &crate::consumer::api::status::status(self)),
            (Some(left), false) if left.is_empty() => say("Everything is released".into()),
            (left, true) => {
                let ids = list(&mut released.iter().map(|operation| Value::of(&operation.id.to_string())));
                let mut told = object! { "ids": ids, "status": "/api/status" };
                if let Some(left) = left {
                    let left = left.into_iter().fold(object! {}, |all, (name, held)| all.with(name, held));
                    told.add("left", &left);
                }
                with_field(json(202, &told), "Location", "/api/status")
            }
            (Some(left), false) => {
                let left: Vec<String> = left.iter().map(|(name, held)| format!("{name} {held}")).collect();
                say(format!("Not yet released: {}; check /api/status", left.join(", ")))
            }
            (None, false) => say(String::from("Release of everything requested, check /api/status")),
        }
    }

    /// Waits until all is released, as long as the client does. Returns what is left then, by name: of groups how much they
    /// hold, of loads and jobs how many have not ended.
    ///
    /// # Errors
    /// When the service stops, or something could not be released.
    fn wait_for_all(
        &self,
        request: &Request<'_>,
        released: &[Arc<Operation>],
        loads: [Option<(Loader, Arc<Load>)>; 2],
    ) -> Result<Vec<(&'static str, u64)>, Problem> {
        let gone = &mut || request.client_is_gone();
        let (mut left, mut failed) = (Vec::new(), Vec::new());
        for (group, operation) in self.groups().into_iter().zip(released) {
            match group.wait(operation, PAUSE, gone) {
                Some(Outcome::Failed(why)) => failed.push(format!("{}: {why}", group.store().name())),
                Some(Outcome::Done) => {}
                // Another operation took its place, or the client waits no longer.
                _ => left.push((group.store().name(), group.snapshot().held)),
            }
        }
        for (loader, load) in loads.into_iter().flatten() {
            let group = self.loads(loader);
            if group.wait(&load, PAUSE, gone).is_none() {
                left.push((group.name(), 1));
            }
        }
        let jobs = self.jobs.wait_for_cancelled(PAUSE, gone);
        if jobs > 0 {
            left.push(("jobs", jobs));
        }
        if self.stop.is_set() {
            return Err(stopping());
        }
        if failed.is_empty() { Ok(left) } else { Err(Problem::new(500, "failed", failed.join("; "))) }
    }
}
