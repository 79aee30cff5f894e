//! `/metrics`: what there is to know, as a Prometheus scrapes it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::consumer::Consumer;
use crate::consumer::api::status::{STATES, state};
use crate::consumer::control::group::OperationCounters;
use crate::consumer::load::task::LoadFigures;
use crate::http::{Answer, Request};
use crate::kernel::container::Container;
use crate::kernel::cpu::quota;
use crate::kernel::pressure::{RESOURCES, pressure};
use crate::service::exposition::{Exposition, MetricKind};
use crate::service::metrics;
use crate::units::decimal::Plain;
use crate::units::quantity::Unit;

/// The page.
pub(super) fn page(consumer: &Consumer, request: &Request<'_>) -> Answer {
    let mut page = metrics::begin(request, &consumer.identity);
    groups(consumer, &mut page);
    works(consumer, &mut page);
    cpu(consumer, &mut page);
    #[cfg(feature = "scenario")]
    scenario(consumer, &mut page);
    container(consumer, &mut page);
    metrics::http(&consumer.http, &mut page);
    metrics::process(&consumer.kernel, &consumer.started, &mut page);
    for (name, value) in consumer.custom_metrics.values() {
        page.foreign_gauge(&name, "Bumped on request.", &Plain(value));
    }
    metrics::finish(page)
}

fn groups(consumer: &Consumer, page: &mut Exposition) {
    let all: Vec<_> = consumer
        .groups()
        .into_iter()
        .map(|c| (c.store().name(), c.store().unit(), c.snapshot(), c.room().ok()))
        .collect();
    let families: [(&'static str, &'static str, &str); 4] = [
        ("testero_target_bytes", "testero_target_objects", "What is to be held."),
        ("testero_held_bytes", "testero_held_objects", "What is held."),
        ("testero_limit_bytes", "testero_limit_objects", "The most that may be asked for."),
        ("testero_available_bytes", "testero_available_objects", "How much more would be accepted now."),
    ];
    for (place, (bytes, objects, help)) in families.into_iter().enumerate() {
        for (name, in_bytes) in [(bytes, true), (objects, false)] {
            page.family(name, MetricKind::Gauge, help);
            for (group, unit, snapshot, room) in &all {
                let value = match place {
                    0 => snapshot.operation.as_ref().map(|operation| operation.planned).or(Some(0)),
                    1 => Some(snapshot.held),
                    2 => room.as_ref().map(|(limit, ..)| limit.most),
                    _ => room.as_ref().map(|(_, most, _)| most.saturating_sub(snapshot.held)),
                };
                if let Some(value) = value.filter(|_| (*unit == Unit::Bytes) == in_bytes) {
                    page.sample("", &[("group", group)], &value);
                }
            }
        }
    }
    page.family("testero_group_state", MetricKind::Gauge, "1 for the state a group is in.");
    for (group, _, snapshot, _) in &all {
        for known in STATES {
            page.sample("", &[("group", group), ("state", known)], &u8::from(state(snapshot) == known));
        }
    }
    for load in [&consumer.cpu, &consumer.io] {
        let state = load.state();
        for known in STATES {
            page.sample("", &[("group", load.name()), ("state", known)], &u8::from(state == known));
        }
    }
    page.gauge("testero_ready", "1 when /readyz says ok.", &(u8::from(consumer.ready.trouble().is_none())));
    page.gauge("testero_healthy", "1 when /healthz says ok.", &(u8::from(consumer.health.trouble().is_none())));
}

/// What is played, and what its tracks want and have.
#[cfg(feature = "scenario")]
fn scenario(consumer: &Consumer, page: &mut Exposition) {
    let report = consumer.scenario.report();
    let state = report.as_ref().map_or("none", |report| report.state);
    page.family("testero_scenario_state", MetricKind::Gauge, "1 for the state of the scenario.");
    for known in ["none", "waiting", "playing", "paused", "over", "stopped"] {
        page.sample("", &[("state", known)], &u8::from(state == known));
    }
    if let Some(report) = &report {
        page.gauge("testero_scenario_seconds", "Where in its round the scenario is.", &Plain(report.second));
        page.gauge("testero_scenario_round", "Which round of the scenario it is, from 0.", &report.round);
        let families = [
            ("testero_scenario_target", "What a track wants: bytes, millicores, numbers, or bytes a second."),
            ("testero_scenario_held", "What a track has of it, in the same."),
        ];
        for (place, (name, help)) in families.into_iter().enumerate() {
            page.family(name, MetricKind::Gauge, help);
            for track in &report.tracks {
                if let Some(value) = if place == 0 { Some(track.wanted) } else { track.held } {
                    page.sample("", &[("track", track.kind.name())], &Plain(value));
                }
            }
        }
    }
    let counts = consumer.scenario.counts();
    page.family(
        "testero_scenario_clipped",
        MetricKind::Counter,
        "Times that a track came to want more than it may have.",
    );
    for ((track, _), count) in crate::scenario::track::TRACKS.iter().zip(&counts.clipped) {
        page.sample("_total", &[("track", track)], &count.load(Ordering::Relaxed));
    }
    page.family("testero_scenario_stopped", MetricKind::Counter, "Scenarios that ended for that.");
    page.sample("_total", &[], &counts.stopped.load(Ordering::Relaxed));
}

fn works(consumer: &Consumer, page: &mut Exposition) {
    let mut all: Vec<(&str, &OperationCounters)> =
        consumer.groups().into_iter().map(|c| (c.store().name(), c.counters())).collect();
    all.extend([("cpu", consumer.cpu.counters()), ("io", consumer.io.counters())]);
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.family("testero_requests", MetricKind::Counter, "Requests for a change, by what became of them.");
    for (group, counters) in &all {
        for (outcome, counter) in [
            ("accepted", &counters.accepted),
            ("conflict", &counters.conflicts),
            ("invalid", &counters.invalid),
            ("too_much", &counters.too_much),
            ("unavailable", &counters.unavailable),
        ] {
            page.sample("_total", &[("group", group), ("outcome", outcome)], &of(counter));
        }
    }
    page.family("testero_works", MetricKind::Counter, "Works that are over, by how they ended.");
    for (group, counters) in &all {
        for (outcome, counter) in
            [("done", &counters.done), ("cancelled", &counters.cancelled), ("failed", &counters.failed)]
        {
            page.sample("_total", &[("group", group), ("outcome", outcome)], &of(counter));
        }
    }
    page.family("testero_work_seconds", MetricKind::Counter, "Time spent on works that are over.");
    for (group, counters) in &all {
        page.sample("_total", &[("group", group)], &Plain(of(&counters.work_nanos) as f64 / 1e9));
    }
}

fn cpu(consumer: &Consumer, page: &mut Exposition) {
    let jobs = consumer.jobs.sums();
    let load = consumer.cpu.load();
    let LoadFigures { wanted, achieved } = load.map_or_else(LoadFigures::default, |load| load.task.figures());
    page.gauge(
        "testero_cpu_target_cores",
        "Cores to be used, by the load and all jobs.",
        &Plain((wanted + jobs.millicores as f64) / 1e3),
    );
    page.gauge(
        "testero_cpu_achieved_cores",
        "Cores used, by the load and all jobs.",
        &Plain((achieved + jobs.achieved) / 1e3),
    );
    page.family("testero_jobs", MetricKind::Gauge, "Jobs that run.");
    page.sample("", &[("kind", "cpu")], &jobs.cpu_jobs);
    page.sample("", &[("kind", "mem")], &jobs.memory_jobs);
    page.family(
        "testero_jobs_ended",
        MetricKind::Counter,
        "Jobs that are over, or were refused, by what became of them.",
    );
    for (kind, outcome, number) in consumer.jobs.ended() {
        page.sample("_total", &[("kind", kind), ("outcome", outcome)], &number);
    }
    page.gauge("testero_jobs_target_bytes", "Memory that jobs are to hold.", &jobs.bytes);
    page.gauge("testero_jobs_held_bytes", "Memory that jobs hold.", &jobs.held);
    let (written, read) = consumer.moved.get();
    page.family("testero_io_load_bytes", MetricKind::Counter, "Bytes moved by io loads since the start.");
    page.sample("_total", &[("direction", "write")], &written);
    page.sample("_total", &[("direction", "read")], &read);
}

fn container(consumer: &Consumer, page: &mut Exposition) {
    let figures = Container::read(&consumer.kernel);
    let memory = [
        ("current", figures.current),
        ("working_set", figures.working_set),
        ("anon", figures.anon),
        ("file", figures.file),
    ];
    page.family("testero_container_memory_bytes", MetricKind::Gauge, "What the container's cgroup uses.");
    for (kind, value) in memory {
        if let Some(value) = value {
            page.sample("", &[("kind", kind)], &value);
        }
    }
    let (quota, throttling) = quota(&consumer.kernel);
    for (name, help, value) in [
        ("testero_container_memory_limit_bytes", "The container's hard memory limit.", figures.max),
        ("testero_container_memory_high_bytes", "Where the kernel begins to slow the container down.", figures.high),
        ("testero_container_pids", "Threads of the container.", figures.pids),
        ("testero_container_pids_limit", "Threads the container may have.", figures.pids_max),
    ] {
        if let Some(value) = value {
            page.gauge(name, help, &value);
        }
    }
    if let Some(quota) = quota {
        page.gauge(
            "testero_container_cpu_quota_cores",
            "Cores the container may use.",
            &Plain(quota.millicores as f64 / 1e3),
        );
    }
    if let Some(kills) = figures.oom_kills {
        page.counter("testero_container_oom_kills", "Processes killed at the memory limit.", &kills);
    }
    if let Some(us) = figures.cpu_us {
        page.counter("testero_container_cpu_seconds", "CPU time used by the container.", &Plain(us as f64 / 1e6));
    }
    if let Some(throttling) = throttling {
        page.counter("testero_container_cpu_periods", "Quota periods that have passed.", &throttling.periods);
        let help = "Quota periods in which the container was throttled.";
        page.counter("testero_container_cpu_throttled_periods", help, &throttling.throttled_periods);
        let help = "Time the container was throttled.";
        page.counter("testero_container_cpu_throttled_seconds", help, &Plain(throttling.throttled_us as f64 / 1e6));
    }
    let pressures: Vec<_> = RESOURCES.iter().filter_map(|r| Some((*r, pressure(&consumer.kernel, r)?))).collect();
    if !pressures.is_empty() {
        let help = "Time that some, or all, tasks waited (PSI): in the container's own cgroup (v2), or on the whole \
                    machine, /proc/pressure, where it has none (v1).";
        page.family("testero_pressure_seconds", MetricKind::Counter, help);
        for (resource, found) in &pressures {
            page.sample("_total", &[("resource", resource), ("tasks", "some")], &Plain(found.some_us as f64 / 1e6));
            if let Some(full) = found.full_us {
                page.sample("_total", &[("resource", resource), ("tasks", "full")], &Plain(full as f64 / 1e6));
            }
        }
    }
}
