//! All there is to know at this moment: for programs, and for people. Nothing here waits for work.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::loaders::line;
use super::table::Loader;
use crate::clock::utc_stamp;
use crate::consumer::group::{Group, Phase, Snapshot};
use crate::consumer::jobs::Listed;
use crate::consumer::order::Order;
use crate::consumer::quantity::{Unit, in_words as amount};
use crate::consumer::{Consumer, span};
use crate::decimal::fixed;
use crate::json::{Value, list, thousandths};
use crate::limits::container::Container;
use crate::limits::cpu::quota;
use crate::limits::pressure::{RESOURCES, pressure};
use crate::limits::process::Figures;
use crate::object;

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
        Ok((limit, most)) => value
            .with("limit", limit.most)
            .with("limit_source", limit.source)
            .with("available", most.saturating_sub(snapshot.held)),
        Err(why) => value.with("limit", None::<u64>).with("limit_source", why).with("available", 0u64),
    };
    if group.store().name() == "mem" {
        let jobs = consumer.jobs.sums();
        value = value.with("jobs", jobs.memory_jobs).with("jobs_held", jobs.held).with("jobs_planned", jobs.bytes);
    }
    value
}

/// A group's last order.
pub(super) fn of_order(group: &Group, order: &Order) -> Value {
    let snapshot = group.snapshot();
    let current = snapshot.order.as_ref().is_some_and(|current| current.id == order.id);
    // Another order may have taken its place.
    object! {
        "group": group.store().name(),
        "id": order.id.to_string(),
        "state": if current { state(&snapshot) } else { "cancelled" },
        "requested": order.requested,
        "planned": order.planned,
        "held": snapshot.held,
        "progress": thousandths(order.progress.share()),
        "rate": order.progress.rate().round() as u64,
        "seconds_left": order.progress.seconds_left().map(thousandths),
    }
}

fn of_snapshot(group: &Group, snapshot: &Snapshot) -> Value {
    let order = snapshot.order.as_deref();
    let working = matches!(snapshot.phase, Phase::Pending | Phase::Working);
    let running = order.filter(|_| working);
    let expiry = order.and_then(|order| order.expires);
    object! {
        "group": group.store().name(),
        "state": state(snapshot),
        "id": order.map(|order| order.id.to_string()),
        "asked": order.map(|order| order.words.as_str()),
        "by": order.map(|order| order.caller.to_string()),
        "requested": order.map_or(0, |order| order.requested),
        "planned": order.map_or(0, |order| order.planned),
        "held": snapshot.held,
        "progress": order.map_or(1.0, |order| thousandths(order.progress.share())),
        "rate": running.map_or(0, |order| order.progress.rate().round() as u64),
        "seconds_left": running.and_then(|order| order.progress.seconds_left()).map(thousandths),
        "kind": order.filter(|_| group.store().name() == "mem").map(|order| order.how.kind.name()),
        "exact": order.is_some_and(|order| order.how.exact),
        "touch_seconds": order.and_then(|order| order.how.touch).map(|period| period.as_secs_f64()),
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
    list(consumer.jobs.list().iter().map(of_job))
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
    };
    for (name, known) in consumer.identity.labels() {
        value = value.with(name, known);
    }
    let faults = list(consumer.faults.active().into_iter().map(|fault| Value::of(&fault)));
    let died = list(consumer.died.iter().map(|note| Value::of(note)));
    value
        .with("groups", groups)
        .with("jobs", job_list(consumer))
        .with("container", container(consumer))
        .with("process", process(consumer))
        .with("faults_on", consumer.faults_on)
        .with("faults", faults)
        .with("died_doing", died)
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
        "pid": std::process::id(),
    }
}

/// One line on a group: what a person watches.
pub(super) fn group_line(group: &Group, of: Option<&Order>) -> String {
    let snapshot = group.snapshot();
    let unit = group.store().unit();
    let order = of.or(snapshot.order.as_deref());
    let planned = order.map_or(0, |order| order.planned);
    let mut line = format!(
        "{:<5}  {:<7}  {:>12} held of {:>12}",
        group.store().name(),
        state(&snapshot),
        amount(snapshot.held, unit),
        amount(planned, unit)
    );
    if let (Some(order), Phase::Pending | Phase::Working) = (order, snapshot.phase) {
        let progress = &order.progress;
        let _ = write!(
            line,
            "  {:>3} %  {:>12}/s",
            fixed(progress.share() * 100.0, 0),
            amount(progress.rate() as u64, unit)
        );
        if let Some(seconds) = progress.seconds_left() {
            let _ = write!(
                line,
                "  {} to go",
                span::in_words(Duration::try_from_secs_f64(seconds).unwrap_or(span::LONGEST))
            );
        }
    } else if let Some(expiry) = order.and_then(|order| order.expires).filter(|_| snapshot.held > 0) {
        let left = expiry.at.saturating_duration_since(Instant::now());
        let _ = write!(line, "  expires in {}", span::in_words(left));
    }
    if let Some(trouble) = &snapshot.trouble {
        let _ = write!(line, "  {trouble}");
    }
    line
}

/// Everything, for a person with curl.
pub(super) fn in_words(consumer: &Consumer) -> String {
    let mut lines = Vec::new();
    let identity: Vec<String> = consumer.identity.labels().map(|(name, value)| format!("{name} {value}")).collect();
    lines.push(format!(
        "testero {}  up {}  {}{}",
        env!("CARGO_PKG_VERSION"),
        span::in_words(consumer.started.at.elapsed()),
        consumer.ready.trouble().map_or_else(|| String::from("ready"), |why| format!("not ready: {why}")),
        identity.iter().map(|label| format!("  {label}")).collect::<String>(),
    ));
    lines.push(String::new());
    lines.push(format!(
        "{:<6} {:<8} {:>11} {:>11} {:>11} {:>11}",
        "GROUP", "STATE", "HELD", "PLANNED", "LIMIT", "AVAILABLE"
    ));
    for group in consumer.groups() {
        lines.push(row(group));
    }
    let jobs = consumer.jobs.sums();
    if jobs.memory_jobs > 0 {
        let unit = Unit::Bytes;
        lines.push(format!(
            "{:<6} {:<8} {:>11} {:>11}",
            "jobs",
            jobs.memory_jobs,
            amount(jobs.held, unit),
            amount(jobs.bytes, unit)
        ));
    }
    lines.push(String::new());
    lines.extend(loads(consumer));
    lines.push(String::new());
    lines.extend(surroundings(consumer));
    for note in &consumer.died {
        lines.push(format!("died      the process before this one died doing: {note}"));
    }
    for fault in consumer.faults.active() {
        lines.push(format!("fault     {fault}"));
    }
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    // A person need not see what is not there.
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text
}

fn row(group: &Group) -> String {
    let (snapshot, unit) = (group.snapshot(), group.store().unit());
    let planned = snapshot.order.as_ref().map_or(0, |order| order.planned);
    let (limit, available) = match group.room() {
        Ok((limit, most)) => (amount(limit.most, unit), amount(most.saturating_sub(snapshot.held), unit)),
        Err(_) => (String::from("-"), String::from("-")),
    };
    let held = amount(snapshot.held, unit);
    let mut line = format!(
        "{:<6} {:<8} {held:>11} {:>11} {limit:>11} {available:>11}",
        group.store().name(),
        state(&snapshot),
        amount(planned, unit)
    );
    if let (Some(order), Phase::Pending | Phase::Working) = (&snapshot.order, snapshot.phase) {
        let progress = &order.progress;
        let _ = write!(line, "  {} %, {}/s", fixed(progress.share() * 100.0, 0), amount(progress.rate() as u64, unit));
        if let Some(seconds) = progress.seconds_left() {
            let _ = write!(
                line,
                ", {} to go",
                span::in_words(Duration::try_from_secs_f64(seconds).unwrap_or(span::LONGEST))
            );
        }
    }
    if let Some(expiry) = snapshot.order.as_ref().and_then(|order| order.expires).filter(|_| snapshot.held > 0) {
        let _ = write!(line, "  expires in {}", span::in_words(expiry.at.saturating_duration_since(Instant::now())));
    }
    if let Some(trouble) = &snapshot.trouble {
        let _ = write!(line, "  {trouble}");
    }
    line
}

fn loads(consumer: &Consumer) -> Vec<String> {
    let mut lines = Vec::new();
    let idle = |trouble: Option<String>| trouble.map_or_else(|| String::from("idle"), |why| format!("failed: {why}"));
    lines.push(format!(
        "cpu       {}",
        consumer.cpu.load().map_or_else(|| idle(consumer.cpu.trouble()), |load| line(&load))
    ));
    let jobs = consumer.jobs.sums();
    if jobs.cpu_jobs > 0 {
        lines.push(format!(
            "cpu jobs  {}: {}m wanted  {}m achieved",
            jobs.cpu_jobs,
            jobs.millicores,
            fixed(jobs.achieved, 0)
        ));
    }
    for job in consumer.jobs.list() {
        let left = job.expires.map_or(Duration::ZERO, |expiry| expiry.at.saturating_duration_since(Instant::now()));
        let wanted = if job.kind == "cpu" { format!("{}m", job.wanted) } else { amount(job.wanted, Unit::Bytes) };
        let (kind, id) = (job.kind, job.id);
        lines.push(format!("job       {kind}  {wanted}  {} to go  id {id}", span::in_words(left)));
    }
    let wanted = consumer.cpu.load().map_or(0.0, |load| load.task.figures().wanted) + jobs.millicores as f64;
    let (quota, throttling) = quota(&consumer.kernel);
    if let Some(quota) = quota {
        let over = wanted - quota.millicores as f64;
        let capped = if over > 0.0 { format!(", capped by {}m", fixed(over, 0)) } else { String::new() };
        let throttled = throttling
            .map_or_else(String::new, |t| format!(", throttled in {} of {} periods", t.throttled_periods, t.periods));
        lines.push(format!("quota     {}m{capped}{throttled}", quota.millicores));
    }
    lines.push(format!(
        "io        {}",
        consumer.io.load().map_or_else(|| idle(consumer.io.trouble()), |load| line(&load))
    ));
    lines
}

fn surroundings(consumer: &Consumer) -> Vec<String> {
    let figures = Container::read(&consumer.kernel);
    let own = Figures::read(&consumer.kernel);
    let available = consumer.kernel.memory_available();
    let bytes = |value: Option<u64>| value.map_or_else(|| String::from("-"), |value| amount(value, Unit::Bytes));
    let number = |value: Option<u64>| value.map_or_else(|| String::from("-"), |value| value.to_string());
    vec![
        format!(
            "container  memory {} of {}, working set {}, anon {}, file {}; pids {} of {}",
            bytes(figures.current),
            bytes(figures.max),
            bytes(figures.working_set),
            bytes(figures.anon),
            bytes(figures.file),
            number(figures.pids),
            number(figures.pids_max),
        ),
        format!("available  {} of memory, bounded by {}", amount(available.bytes, Unit::Bytes), available.source),
        format!(
            "process    RSS {}, {} threads, {} descriptors",
            amount(own.resident, Unit::Bytes),
            own.threads,
            number(consumer.kernel.descriptors_open().ok()),
        ),
    ]
}
