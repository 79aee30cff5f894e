//! Pods that come and go, each of which has its part of a scenario's amounts.

use std::time::{Duration, Instant};

use crate::client::pods::{Pod, Services, behind, greet, on_each};
use crate::client::scenario::played::{Play, PlayedPod};
use crate::client::{SILENCE, Trouble};
use crate::settings::scenario::document::ScenarioDocument;

/// How often the addresses are looked up.
const LOOK_UP: Duration = Duration::from_secs(2);
/// How long a pod that has come may take to answer, before it is asked again.
const GREETING: Duration = Duration::from_secs(2);

/// A file, and when it begins.
pub(super) struct ScenarioSource {
    pub(super) document: ScenarioDocument,
    /// Second of Unix time, where the file leaves it open.
    pub(super) start: Option<f64>,
}

impl ScenarioSource {
    /// What each of so many pods is given.
    pub(super) fn text(&self, pods: usize) -> Result<String, Trouble> {
        self.document.text(self.start, 1.0 / pods.max(1) as f64).map_err(Trouble::Refused)
    }
}

/// The division of a scenario among the pods behind names.
pub(super) struct ScenarioParts<'p> {
    services: &'p [String],
    source: &'p ScenarioSource,
    looked_up: Instant,
    /// Among how many it is divided.
    number: usize,
    /// Since when there is nobody.
    alone: Option<Instant>,
}

impl<'p> ScenarioParts<'p> {
    /// Divided among those that answer. Those that do not come later, when they do.
    pub(super) fn new(services: &'p [String], source: &'p ScenarioSource, pods: &mut Vec<PlayedPod>) -> Self {
        pods.retain(|pod| !matches!(pod.play, Play::Failed(Trouble::Unreachable(_))));
        Self { services, source, looked_up: Instant::now(), number: pods.len(), alone: None }
    }

    /// Looks who is there, from time to time. When others are, or less, all have their part again. Returns what is to be
    /// told of it.
    pub(super) fn follow(&mut self, pods: &mut Vec<PlayedPod>, token: Option<&str>) -> Result<Vec<String>, Trouble> {
        let mut told = Vec::new();
        if self.looked_up.elapsed() < LOOK_UP {
            return Ok(told);
        }
        self.looked_up = Instant::now();
        // A name server that does not answer for once takes no pod away.
        if let Ok(there) = behind(&Services::Named(self.services), false) {
            pods.retain(|pod| {
                let is_there = pod.found.as_ref().is_none_or(|(address, _)| is_among(&there, *address));
                if !is_there {
                    told.push(format!("{}  is gone", pod.label));
                }
                is_there
            });
            // Who has told nothing for long is asked anew, as one that comes.
            pods.retain(|pod| !matches!(pod.play, Play::Failed(Trouble::Unreachable(_))));
            let mut come: Vec<Pod> = there.into_iter().filter(|pod| !is_known(pods, pod)).collect();
            greet(&mut come, token, GREETING);
            for pod in come {
                // Of two families of addresses a pod has one each.
                let is_new = pod.name.as_deref().is_none_or(|name| !is_named(pods, name));
                if matches!(pod.status, Some(Ok(_))) && is_new {
                    told.push(format!("{}  has come", pod.label()));
                    let mut pod = PlayedPod::of(pod);
                    pod.pending = Some(self.looked_up);
                    pods.push(pod);
                }
            }
        }
        let has_changed = !told.is_empty() || pods.len() != self.number;
        if has_changed {
            self.number = pods.len();
            told.push(format!("{} pods, and each plays 1/{} of the amounts", pods.len(), pods.len()));
        }
        let is_to_be_given = |pod: &PlayedPod| !pod.has_ended() && (has_changed || pod.pending.is_some());
        if pods.iter().any(is_to_be_given) {
            let text = self.source.text(pods.len())?;
            on_each(pods, &|pod| {
                if is_to_be_given(pod) {
                    pod.give_again(&text, token);
                }
            });
        }
        if !pods.is_empty() {
            self.alone = None;
        } else if self.alone.get_or_insert_with(Instant::now).elapsed() > SILENCE {
            return Err(Trouble::Unreachable(format!("{}: no pod answers any more", self.services.join(","))));
        }
        Ok(told)
    }
}

fn is_among(there: &[Pod], address: std::net::SocketAddr) -> bool {
    there.iter().any(|pod| pod.address == address)
}

fn is_known(pods: &[PlayedPod], there: &Pod) -> bool {
    pods.iter().any(|pod| pod.found.as_ref().is_some_and(|(address, _)| *address == there.address))
}

fn is_named(pods: &[PlayedPod], name: &str) -> bool {
    pods.iter().any(|pod| pod.found.as_ref().is_some_and(|(_, known)| known.as_deref() == Some(name)))
}
