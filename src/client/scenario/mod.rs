//! `testero scenario run`, `stop` and `status`: a file that a service plays, or all pods behind a name.
//!
//! ```text
//! words   what is wanted
//! played  a pod, and what became of its scenario
//! parts   pods that come and go, and what each has of the amounts
//! wait    until all is over
//! ```

mod parts;
mod played;
mod wait;
pub mod words;

use std::time::SystemTime;

use crate::client::interrupt::leave_on_signal;
use crate::client::pods::{Services, found, on_each};
use crate::client::reply::{good, printable};
use crate::client::{Remote, Trouble, print};
use crate::scenario::plan::OnRestart;
use crate::scenario::start::{StartOffset, StartTime};
use crate::settings::scenario::document::ScenarioDocument;

use parts::{ScenarioParts, ScenarioSource};
use played::{Play, PlayedPod};
use wait::Waiting;
use words::{ScenarioCall, ScenarioRun, ScenarioVerb};

/// Does what is wanted. Without names of services it is asked of this one.
pub(super) fn run(call: &ScenarioCall, service: &Remote<'_>) -> Result<(), Trouble> {
    let token = service.token;
    let source = match &call.verb {
        ScenarioVerb::Run(run) => Some((run, source(run, !call.services.is_empty())?)),
        ScenarioVerb::Status if call.services.is_empty() => return show(service),
        _ => None,
    };
    let mut pods = pods(&call.services, service)?;
    let text = match &source {
        Some((run, source)) if run.divides => {
            // Who does not answer is given its part when it does.
            let is_there = |pod: &&PlayedPod| !matches!(pod.play, Play::Failed(Trouble::Unreachable(_)));
            source.text(pods.iter().filter(is_there).count())?
        }
        Some((_, source)) => source.text(1)?,
        None => String::new(),
    };
    let work = |pod: &mut PlayedPod| match &call.verb {
        _ if pod.has_ended() => {}
        ScenarioVerb::Run(run) => _ = pod.give(&text, run.replaces, token),
        ScenarioVerb::Stop => pod.stop(token),
        ScenarioVerb::Status => pod.ask(token),
    };
    on_each(&mut pods, &work);
    let stop = stopped_by(call, service);
    if source.as_ref().is_some_and(|(run, _)| run.waits) {
        leave_on_signal(format!("the scenario goes on; {stop} ends it"));
    }
    tell(&pods, &call.verb)?;
    match source {
        Some((run, source)) if run.waits && pods.iter().any(|pod| !pod.has_ended()) => {
            let parts = run.divides.then(|| ScenarioParts::new(&call.services, &source, &mut pods));
            Waiting { pods, parts, token, timeout: run.timeout, stop }.run()
        }
        _ => wait::verdict(&pods),
    }
}

/// The file, as it is sent.
fn source(run: &ScenarioRun, is_for_many: bool) -> Result<ScenarioSource, Trouble> {
    let document = ScenarioDocument::load(&run.path).map_err(|faults| Trouble::Mistakes(faults.join("\n")))?;
    let plan = &document.scenario;
    if run.divides && plan.on_restart == OnRestart::Begin {
        return Err(Trouble::Mistakes(String::from(
            "on_restart: begin: with --divide pods are given the scenario again, and each would begin anew",
        )));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    // So that all agree on where they are: each would take its own now, or its own next 08:00.
    let is_open = !matches!(plan.start, StartTime::Instant(_));
    let start = (is_for_many && is_open).then(|| plan.start.zero(now, StartOffset::Same, ""));
    let source = ScenarioSource { document, start };
    source.text(1)?;
    Ok(source)
}

/// Whom it is for.
fn pods(services: &[String], service: &Remote<'_>) -> Result<Vec<PlayedPod>, Trouble> {
    if services.is_empty() {
        return Ok(vec![PlayedPod::at(service.url)]);
    }
    Ok(found(&Services::Named(services), service.token)?.into_iter().map(PlayedPod::of).collect())
}

/// How what goes on is ended.
fn stopped_by(call: &ScenarioCall, service: &Remote<'_>) -> String {
    match call.services.as_slice() {
        [] => format!("testero scenario stop --url {}", service.url),
        services => format!("testero scenario stop --service {}", services.join(",")),
    }
}

/// A line a pod.
fn tell(pods: &[PlayedPod], verb: &ScenarioVerb) -> Result<(), Trouble> {
    // Of one alone, what failed is told at the end.
    if let ([pod], true) = (pods, pods.iter().all(|pod| matches!(pod.play, Play::Failed(_))))
        && pod.found.is_none()
    {
        return Ok(());
    }
    let names = pods.iter().map(|pod| pod.label.len()).max().unwrap_or(0);
    let mut text = String::new();
    for pod in pods {
        let told = if *verb == ScenarioVerb::Stop && pod.play == Play::Over {
            String::from("ended, and what it held is given back")
        } else {
            pod.told()
        };
        text += &format!("{:<names$}  {told}\n", pod.label);
    }
    print(&text)
}

/// What one service tells, with its curves.
fn show(service: &Remote<'_>) -> Result<(), Trouble> {
    let reply = service.ask("GET", "/api/scenario?format=text")?;
    let text = printable(&String::from_utf8_lossy(&reply.body));
    if reply.status == 200 && text.starts_with("scenario ") {
        return print(&format!("{}\n", text.trim_end()));
    }
    // Errors are asked for in JSON, which has the reason by itself.
    good(&service.ask("GET", "/api/scenario?format=json")?)?;
    Err(Trouble::Refused(format!("the answer is {}", reply.status)))
}
