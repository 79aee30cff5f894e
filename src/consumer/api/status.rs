//! All there is to know at this moment: for programs, and for people. Nothing here waits for work.

use std::time::Instant;

use crate::consumer::Consumer;
use crate::consumer::api::table::Loader;
use crate::consumer::control::group::{Group, Phase, Snapshot};
use crate::consumer::control::operation::Operation;
use crate::consumer::jobs::Listed;
use crate::kernel::clock::utc_stamp;
use crate::kernel::container::Container;
use crate::kernel::cpu::quota;
use crate::kernel::pressure::{RESOURCES, pressure};
use crate::kernel::process::Figures;
use crate::object;
use crate::service::json::{Value, list, thousandths};

/// The state of a group in one word.
pub(super) fn state(snapshot: &Snapshot) -> &'static str {
    match snapshot.phase {
        Phase::Pending => "pending",
        Phase::Working => "working",
        Phase::Failed => "failed",
        Phase::Expired => "expired",
        Phase::Over if snapshot.held > 0 => "holding",
        Phase::Over => "idle",
    }
}

/// All the states there are.
pub(super) const STATES: [&str; 6] = ["idle", "pending", "working", "holding", "failed", "expired"];

/// A group, with its limits.
pub(super) fn of_group(consumer: &Consumer, group: &Group) -> Value {
    let snapshot = group.snapshot();
    let mut value = of_snapshot(group, &snapshot);
    value = match group.room() {
        Ok((limit, most, exactly)) => value
            .with("limit", limit.most)
            .with("limit_source", limit.source)
            .with("available", most.saturating_sub(snapshot.held))
            .with("available_exact", exactly.saturating_sub(snapshot.held)),
        Err(why) => value
            .with("limit", None::<u64>)
            .with("limit_source", why)
            .with("available", 0u64)
            .with("available_exact", 0u64),
    };
    if group.store().name() == "mem" {
        let jobs = consumer.jobs.sums();
        value = value.with("jobs", jobs.memory_jobs).with("jobs_held", jobs.held).with("jobs_planned", jobs.bytes);
    }
    value
}

/// A group's last operation.
pub(super) fn of_operation(group: &Group, operation: &Operation) -> Value {
    let snapshot = group.snapshot();
    let current = snapshot.operation.as_ref().is_some_and(|current| current.id == operation.id);
    // Another operation may have taken its place.
    object! {
        "group": group.store().name(),
        "id": operation.id.to_string(),
        "state": if current { state(&snapshot) } else { "cancelled" },
        "requested": operation.requested,
        "planned": operation.planned,
        "held": snapshot.held,
        "progress": thousandths(operation.progress.share()),
        "rate": operation.progress.rate().round() as u64,
        "seconds_left": operation.progress.seconds_left().map(thousandths),
    }
}

fn of_snapshot(group: &Group, snapshot: &Snapshot) -> Value {
    let operation = snapshot.operation.as_deref();
    let working = matches!(snapshot.phase, Phase::Pending | Phase::Working);
    let running = operation.filter(|_| working);
    let expiry = operation.and_then(|operation| operation.expires);
    object! {
        "group": group.store().name(),
        "state": state(snapshot),
        "id": operation.map(|operation| operation.id.to_string()),
        "asked": operation.map(|operation| operation.words.as_str()),
        "by": operation.map(|operation| operation.caller.to_string()),
        "requested": operation.map_or(0, |operation| operation.requested),
        "planned": operation.map_or(0, |operation| operation.planned),
        "held": snapshot.held,
        "progress": operation.map_or(1.0, |operation| thousandths(operation.progress.share())),
        "rate": running.map_or(0, |operation| operation.progress.rate().round() as u64),
        "seconds_left": running.and_then(|operation| operation.progress.seconds_left()).map(thousandths),
        "kind": operation.filter(|_| group.store().name() == "mem").map(|operation| operation.options.kind.name()),
        "exact": operation.is_some_and(|operation| operation.options.exact),
        "touch_seconds": operation.and_then(|operation| operation.options.touch).map(|period| period.as_secs_f64()),
        "expires": expiry.map(|expiry| utc_stamp(expiry.shown)),
        "expires_in_seconds": expiry.map(|expiry| thousandths(expiry.at.saturating_duration_since(Instant::now()).as_secs_f64())),
        "error": snapshot.trouble.as_deref(),
    }
}

/// A job that runs.
pub(super) fn of_job(job: &Listed) -> Value {
    let (wanted, used) = if job.kind == "cpu" { ("millicores", "achieved_millicores") } else { ("bytes", "held") };
    let used_value = if job.kind == "cpu" { Value::of(&thousandths(job.used)) } else { Value::of(&(job.used as u64)) };
    let left = job.expires.map(|expiry| expiry.at.saturating_duration_since(Instant::now()).as_secs_f64());
    object! { "id": job.id.to_string(), "kind": job.kind, "asked": job.words.as_str(), "by": job.caller.as_str() }
        .with(wanted, job.wanted)
        .with(used, used_value)
        .with("expires", job.expires.map(|expiry| utc_stamp(expiry.shown)))
        .with("expires_in_seconds", left.map(thousandths))
}

/// All jobs that run.
pub(super) fn job_list(consumer: &Consumer) -> Value {
    list(&mut consumer.jobs.list().iter().map(of_job))
}

/// Everything.
pub(super) fn status(consumer: &Consumer) -> Value {
    let mut groups = object! {};
    for group in consumer.groups() {
        groups.add(group.store().name(), &of_group(consumer, group));
    }
    groups.add("cpu", &consumer.load_status(Loader::Cpu));
    groups.add("io", &consumer.load_status(Loader::Io));
    let mut value = object! {
        "version": env!("CARGO_PKG_VERSION"),
        "now": utc_stamp(std::time::SystemTime::now()),
        "ready": consumer.ready.trouble().is_none(),
        "healthy": consumer.health.trouble().is_none(),
        "ready_in_seconds": consumer.ready.left().map(|left| thousandths(left.as_secs_f64())),
        "healthy_in_seconds": consumer.health.left().map(|left| thousandths(left.as_secs_f64())),
    };
    for (name, known) in consumer.identity.labels() {
        value = value.with(name, known);
    }
    #[cfg(feature = "scenario")]
    value.add("scenario", &consumer.scenario.state());
    let died = list(&mut consumer.died.iter().map(|note| Value::of(note)));
    value
        .with("groups", groups)
        .with("jobs", job_list(consumer))
        .with("container", container(consumer))
        .with("process", process(consumer))
        .joined(&faults(consumer).to_string())
        .with("died_doing", died)
}

/// Faults on request: whether there are any, and those that are active.
pub(super) fn faults(consumer: &Consumer) -> Value {
    let active = consumer.faults.active();
    let in_words = list(&mut active.iter().map(|fault| Value::of(&fault.in_words())));
    let active = list(&mut active.iter().map(|fault| {
        let left = fault.left.map(|left| thousandths(left.as_secs_f64()));
        object! { "fault": fault.name, "words": fault.words.as_str(), "seconds_left": left }
    }));
    object! { "faults_on": consumer.faults_on, "faults": in_words, "active_faults": active }
}

fn container(consumer: &Consumer) -> Value {
    let figures = Container::read(&consumer.kernel);
    let (quota, throttling) = quota(&consumer.kernel);
    let available = consumer.kernel.memory_available();
    let mut value = object! {
        "memory_current": figures.current,
        "memory_max": figures.max,
        "memory_high": figures.high,
        "memory_working_set": figures.working_set,
        "memory_anon": figures.anon,
        "memory_file": figures.file,
        "memory_available": available.bytes,
        "memory_bound_by": available.source,
        "oom_kills": figures.oom_kills,
        "cpu_usage_seconds": figures.cpu_us.map(|us| us as f64 / 1e6),
        "cpu_quota_millicores": quota.map(|quota| quota.millicores),
        "cpu_period_ms": quota.map(|quota| quota.period_us as f64 / 1e3),
        "cpu_periods": throttling.map(|t| t.periods),
        "cpu_throttled_periods": throttling.map(|t| t.throttled_periods),
        "cpu_throttled_seconds": throttling.map(|t| t.throttled_us as f64 / 1e6),
        "pids": figures.pids,
        "pids_max": figures.pids_max,
    };
    let mut pressures = object! {};
    for resource in RESOURCES {
        let Some(found) = pressure(&consumer.kernel, resource) else { continue };
        let pressure = object! {
            "of": if found.is_own { "container" } else { "machine" },
            "some_avg10": found.some_avg10,
            "some_seconds": found.some_us as f64 / 1e6,
            "full_seconds": found.full_us.map(|us| us as f64 / 1e6),
        };
        pressures.add(resource, &pressure);
    }
    value.add("pressure", &pressures);
    value
}

fn process(consumer: &Consumer) -> Value {
    let figures = Figures::read(&consumer.kernel);
    object! {
        "rss": figures.resident,
        "threads": figures.threads,
        "descriptors": consumer.kernel.descriptors_open().ok(),
        "cpu_seconds": figures.cpu_seconds,
        "uptime_seconds": thousandths(consumer.started.at.elapsed().as_secs_f64()),
        "start_time_seconds": consumer.started.since_epoch,
        "pid": std::process::id(),
    }
}
