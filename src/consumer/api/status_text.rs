//! What there is to know, for people: `/api/status` in text, and lines of progress.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use crate::consumer::Consumer;
use crate::consumer::api::status::state;
use crate::consumer::control::group::{Group, Phase};
use crate::consumer::control::operation::Operation;
use crate::consumer::load::task::Load;
use crate::kernel::container::Container;
use crate::kernel::cpu::quota;
use crate::kernel::process::Figures;
use crate::units::decimal::fixed;
use crate::units::duration;
use crate::units::quantity::{Unit, in_words as amount};

/// One line on a group: what a person watches.
pub(super) fn group_line(group: &Group, of: Option<&Operation>) -> String {
    let snapshot = group.snapshot();
    let unit = group.store().unit();
    let operation = of.or(snapshot.operation.as_deref());
    let planned = operation.map_or(0, |operation| operation.planned);
    let mut line = format!(
        "{:<5}  {:<7}  {:>12} held of {:>12}",
        group.store().name(),
        state(&snapshot),
        amount(snapshot.held, unit),
        amount(planned, unit)
    );
    if let (Some(operation), Phase::Pending | Phase::Working) = (operation, snapshot.phase) {
        let progress = &operation.progress;
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
                duration::in_words(Duration::try_from_secs_f64(seconds).unwrap_or(duration::LONGEST))
            );
        }
    } else if let Some(expiry) = operation.and_then(|operation| operation.expires).filter(|_| snapshot.held > 0) {
        let left = expiry.at.saturating_duration_since(Instant::now());
        let _ = write!(line, "  expires in {}", duration::in_words(left));
    }
    if let Some(trouble) = &snapshot.trouble {
        let _ = write!(line, "  {trouble}");
    }
    line
}

/// A text, written line by line.
#[derive(Default)]
struct TextPage(String);

impl TextPage {
    /// One more line, without blanks at its end.
    #[inline(never)]
    fn add(&mut self, line: fmt::Arguments<'_>) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        // Writing into a string cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.truncate(self.0.trim_end_matches(' ').len());
    }
}

/// Everything, for a person with curl.
pub(super) fn in_words(consumer: &Consumer) -> String {
    let mut page = TextPage::default();
    let ready = consumer.ready.trouble().map_or_else(|| String::from("ready"), |why| format!("not ready: {why}"));
    let up = duration::in_words(consumer.started.at.elapsed());
    page.add(format_args!("testero {}  up {up}  {ready}", env!("CARGO_PKG_VERSION")));
    for (name, value) in consumer.identity.labels() {
        let _ = write!(page.0, "  {name} {value}");
    }
    page.add(format_args!(
        "\n{:<6} {:<8} {:>11} {:>11} {:>11} {:>11}",
        "GROUP", "STATE", "HELD", "PLANNED", "LIMIT", "AVAILABLE"
    ));
    for group in consumer.groups() {
        row(group, &mut page);
    }
    let jobs = consumer.jobs.sums();
    if jobs.memory_jobs > 0 {
        let unit = Unit::Bytes;
        let (held, planned) = (amount(jobs.held, unit), amount(jobs.bytes, unit));
        page.add(format_args!("{:<6} {:<8} {held:>11} {planned:>11}", "jobs", jobs.memory_jobs));
    }
    page.add(format_args!(""));
    #[cfg(feature = "scenario")]
    if let Some(line) = consumer.scenario_line() {
        page.add(format_args!("{line}"));
    }
    loads(consumer, &mut page);
    page.add(format_args!(""));
    surroundings(consumer, &mut page);
    for note in &consumer.died {
        page.add(format_args!("died      the process before this one died doing: {note}"));
    }
    for fault in consumer.faults.active() {
        page.add(format_args!("fault     {}", fault.in_words()));
    }
    page.0
}

fn row(group: &Group, page: &mut TextPage) {
    let (snapshot, unit) = (group.snapshot(), group.store().unit());
    let planned = snapshot.operation.as_ref().map_or(0, |operation| operation.planned);
    let (limit, available) = match group.room() {
        Ok((limit, most, _)) => (amount(limit.most, unit), amount(most.saturating_sub(snapshot.held), unit)),
        Err(_) => (String::from("-"), String::from("-")),
    };
    let held = amount(snapshot.held, unit);
    let (name, state, planned) = (group.store().name(), state(&snapshot), amount(planned, unit));
    page.add(format_args!("{name:<6} {state:<8} {held:>11} {planned:>11} {limit:>11} {available:>11}"));
    let line = &mut page.0;
    if let (Some(operation), Phase::Pending | Phase::Working) = (&snapshot.operation, snapshot.phase) {
        let progress = &operation.progress;
        let _ = write!(line, "  {} %, {}/s", fixed(progress.share() * 100.0, 0), amount(progress.rate() as u64, unit));
        if let Some(seconds) = progress.seconds_left() {
            let _ = write!(
                line,
                ", {} to go",
                duration::in_words(Duration::try_from_secs_f64(seconds).unwrap_or(duration::LONGEST))
            );
        }
    }
    if let Some(expiry) =
        snapshot.operation.as_ref().and_then(|operation| operation.expires).filter(|_| snapshot.held > 0)
    {
        let _ =
            write!(line, "  expires in {}", duration::in_words(expiry.at.saturating_duration_since(Instant::now())));
    }
    if let Some(trouble) = &snapshot.trouble {
        let _ = write!(line, "  {trouble}");
    }
}

fn loads(consumer: &Consumer, page: &mut TextPage) {
    let idle = |trouble: Option<String>| trouble.map_or_else(|| String::from("idle"), |why| format!("failed: {why}"));
    page.add(format_args!(
        "cpu       {}",
        consumer.cpu.load().map_or_else(|| idle(consumer.cpu.trouble()), |load| line(&load))
    ));
    let jobs = consumer.jobs.sums();
    if jobs.cpu_jobs > 0 {
        page.add(format_args!(
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
        page.add(format_args!("job       {kind}  {wanted}  {} to go  id {id}", duration::in_words(left)));
    }
    let wanted = consumer.cpu.load().map_or(0.0, |load| load.task.figures().wanted) + jobs.millicores as f64;
    let (quota, throttling) = quota(&consumer.kernel);
    if let Some(quota) = quota {
        let over = wanted - quota.millicores as f64;
        let capped = if over > 0.0 { format!(", capped by {}m", fixed(over, 0)) } else { String::new() };
        let throttled = throttling
            .map_or_else(String::new, |t| format!(", throttled in {} of {} periods", t.throttled_periods, t.periods));
        page.add(format_args!("quota     {}m{capped}{throttled}", quota.millicores));
    }
    page.add(format_args!(
        "io        {}",
        consumer.io.load().map_or_else(|| idle(consumer.io.trouble()), |load| line(&load))
    ));
}

fn surroundings(consumer: &Consumer, page: &mut TextPage) {
    let figures = Container::read(&consumer.kernel);
    let own = Figures::read(&consumer.kernel);
    let available = consumer.kernel.memory_available();
    let bytes = |value: Option<u64>| value.map_or_else(|| String::from("-"), |value| amount(value, Unit::Bytes));
    let number = |value: Option<u64>| value.map_or_else(|| String::from("-"), |value| value.to_string());
    page.add(format_args!(
        "container  memory {} of {}, working set {}, anon {}, file {}; pids {} of {}",
        bytes(figures.current),
        bytes(figures.max),
        bytes(figures.working_set),
        bytes(figures.anon),
        bytes(figures.file),
        number(figures.pids),
        number(figures.pids_max),
    ));
    let (bytes_left, bound) = (amount(available.bytes, Unit::Bytes), &available.source);
    page.add(format_args!("available  {bytes_left} of memory, bounded by {bound}"));
    page.add(format_args!(
        "process    RSS {}, {} threads, {} descriptors",
        amount(own.resident, Unit::Bytes),
        own.threads,
        number(consumer.kernel.descriptors_open().ok()),
    ));
}

/// What is told of a load, for people.
pub(super) fn line(load: &Load) -> String {
    let left = load.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.map_or_else(|| String::from("until stopped"), |left| format!("{} to go", duration::in_words(left)));
    format!("{}  {left}  id {}", load.task.line(), load.id)
}
