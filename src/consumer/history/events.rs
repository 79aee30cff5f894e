//! What happens to the service, as changes from one second to the next show it.

use crate::consumer::Consumer;
use crate::consumer::control::group::{Group, Phase};
use crate::consumer::control::id::Id;
use crate::consumer::load::LoadGroup;

/// Longest part of who asked, or of a fault's words, that is kept.
const TEXT_CHARS: usize = 80;
/// After so many seconds without throttling, the next one is told again.
const THROTTLED_AGAIN: u64 = 10;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// In which second of the process.
    pub second: u64,
    /// The group it happened to; nothing where it was to the service as a whole.
    pub group: &'static str,
    /// `set`, `released`, `expired`, `failed`, `load`, `ended`, `jobs`, `limit`, `throttled`, `oom`, `fault`, `fault over`,
    /// `not ready`, `ready`, `not healthy`, `healthy` or `scenario`.
    pub what: &'static str,
    /// What was asked for, the limit, or how many, in the group's unit.
    pub amount: Option<f64>,
    /// Who asked, which fault, or what the scenario does.
    pub by: String,
}

/// What the container told of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ContainerSigns {
    pub(super) oom_kills: Option<u64>,
    pub(super) memory_limit: Option<u64>,
    pub(super) millicores: Option<u64>,
    pub(super) is_throttled: bool,
}

/// What was there a second ago.
pub(super) struct Signs {
    groups: [(Option<Id>, Option<Phase>); 5],
    loads: [Option<Id>; 2],
    jobs: u64,
    faults: Vec<(&'static str, String)>,
    is_ready: bool,
    is_healthy: bool,
    #[cfg(feature = "scenario")]
    scenario: Option<&'static str>,
    container: Option<ContainerSigns>,
    /// When it was last held back.
    throttled: Option<u64>,
}

/// Collects what happened in a second.
struct ToldEvents {
    second: u64,
    events: Vec<Event>,
}

impl ToldEvents {
    fn tell(&mut self, group: &'static str, what: &'static str, amount: Option<f64>, by: &str) {
        let by = by.chars().take(TEXT_CHARS).collect();
        self.events.push(Event { second: self.second, group, what, amount, by });
    }
}

impl Signs {
    /// Those of a service that has just begun.
    pub(super) fn new() -> Self {
        Self {
            groups: [(None, None); 5],
            loads: [None; 2],
            jobs: 0,
            faults: Vec::new(),
            is_ready: true,
            is_healthy: true,
            #[cfg(feature = "scenario")]
            scenario: None,
            container: None,
            throttled: None,
        }
    }

    /// What has changed by now.
    pub(super) fn changes(&mut self, consumer: &Consumer, container: ContainerSigns, second: u64) -> Vec<Event> {
        let mut told = ToldEvents { second, events: Vec::new() };
        for (group, sign) in consumer.groups().into_iter().zip(&mut self.groups) {
            of_group(group, sign, &mut told);
        }
        for (group, sign) in [&consumer.cpu, &consumer.io].into_iter().zip(&mut self.loads) {
            of_load(group, sign, &mut told);
        }
        let jobs = consumer.jobs.sums();
        let jobs = jobs.cpu_jobs + jobs.memory_jobs;
        if std::mem::replace(&mut self.jobs, jobs) != jobs {
            told.tell("", "jobs", Some(jobs as f64), "");
        }
        let active = consumer.faults.active();
        let faults: Vec<_> = active.into_iter().map(|fault| (fault.name, fault.words)).collect();
        for fault in faults.iter().filter(|fault| !self.faults.contains(fault)) {
            told.tell("", "fault", None, &fault.1);
        }
        for (old, _) in self.faults.iter().filter(|(old, _)| faults.iter().all(|(name, _)| name != old)) {
            told.tell("", "fault over", None, old);
        }
        self.faults = faults;
        let probes = [
            (&mut self.is_ready, consumer.ready.trouble().is_none(), "ready", "not ready"),
            (&mut self.is_healthy, consumer.health.trouble().is_none(), "healthy", "not healthy"),
        ];
        for (was, is, good, bad) in probes {
            if std::mem::replace(was, is) != is {
                told.tell("", if is { good } else { bad }, None, "");
            }
        }
        #[cfg(feature = "scenario")]
        {
            let state = consumer.scenario.state();
            if std::mem::replace(&mut self.scenario, state) != state {
                told.tell("", "scenario", None, state.unwrap_or("ended"));
            }
        }
        self.of_container(container, &mut told);
        told.events
    }

    fn of_container(&mut self, now: ContainerSigns, told: &mut ToldEvents) {
        // What it was when the service began has not happened.
        let Some(before) = self.container.replace(now) else { return };
        if let (Some(then), Some(kills)) = (before.oom_kills, now.oom_kills)
            && kills > then
        {
            told.tell("mem", "oom", Some((kills - then) as f64), "");
        }
        for (group, was, is) in
            [("mem", before.memory_limit, now.memory_limit), ("cpu", before.millicores, now.millicores)]
        {
            if was != is {
                told.tell(group, "limit", is.map(|limit| limit as f64), "");
            }
        }
        if now.is_throttled {
            let last = self.throttled.replace(told.second);
            if last.is_none_or(|last| told.second.saturating_sub(last) > THROTTLED_AGAIN) {
                told.tell("cpu", "throttled", None, "");
            }
        }
    }
}

fn of_group(group: &Group, sign: &mut (Option<Id>, Option<Phase>), told: &mut ToldEvents) {
    let (snapshot, name) = (group.snapshot(), group.store().name());
    let Some(operation) = snapshot.operation else { return };
    let (id, phase) = (Some(operation.id), Some(snapshot.phase));
    let is_new = sign.0 != id;
    // A curve is many small changes; it is seen, and need not be told.
    if is_new && !operation.options.follows {
        let by = operation.caller.to_string();
        match operation.planned {
            0 => told.tell(name, "released", None, &by),
            planned => told.tell(name, "set", Some(planned as f64), &by),
        }
    }
    if is_new || sign.1 != phase {
        match snapshot.phase {
            Phase::Failed => told.tell(name, "failed", None, &snapshot.trouble.unwrap_or_default()),
            Phase::Expired => told.tell(name, "expired", None, ""),
            _ => {}
        }
    }
    *sign = (id, phase);
}

fn of_load(group: &LoadGroup, sign: &mut Option<Id>, told: &mut ToldEvents) {
    let load = group.load();
    let id = load.as_ref().map(|load| load.id);
    if *sign == id {
        return;
    }
    match &load {
        Some(load) => {
            let most = load.task.most_millicores() as f64;
            let wanted = load.task.figures().wanted.max(most);
            told.tell(group.name(), "load", Some(wanted).filter(|wanted| *wanted > 0.0), &load.caller.to_string());
        }
        None => told.tell(group.name(), "ended", None, ""),
    }
    *sign = id;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(signs: &mut Signs, second: u64, container: ContainerSigns) -> Vec<(&'static str, Option<f64>)> {
        let mut told = ToldEvents { second, events: Vec::new() };
        signs.of_container(container, &mut told);
        told.events.iter().map(|event| (event.what, event.amount)).collect()
    }

    #[test]
    fn a_kill_a_new_limit_and_the_first_throttling_are_told() {
        let (mut signs, none) = (Signs::new(), Vec::new());
        let calm = ContainerSigns { oom_kills: Some(2), ..ContainerSigns::default() };
        let throttled = ContainerSigns { is_throttled: true, ..calm };
        assert_eq!(told(&mut signs, 0, calm), none);
        assert_eq!(told(&mut signs, 1, throttled), [("throttled", None)]);
        assert_eq!(told(&mut signs, 2, throttled), none);
        assert_eq!(told(&mut signs, 9, calm), none);
        assert_eq!(told(&mut signs, 13, throttled), [("throttled", None)]);
        let killed = ContainerSigns { oom_kills: Some(5), memory_limit: Some(7), millicores: Some(500), ..calm };
        let all = [("oom", Some(3.0)), ("limit", Some(7.0)), ("limit", Some(500.0))];
        assert_eq!(told(&mut signs, 14, killed), all);
    }
}
