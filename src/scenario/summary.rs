//! A scenario in words and drawings, for a person who is about to play it.

use std::fmt::Write;
use std::time::Duration;

use crate::scenario::outlook::Outlook;
use crate::scenario::plan::PodScenario;
use crate::scenario::shape::Shape;
use crate::scenario::track::{FaultInterval, LimitNeed, ReadyInterval, Track, TrackKind};
use crate::units::decimal::{Plain, fixed};
use crate::units::duration;
use crate::units::quantity::{Unit, in_words};

/// The most intervals of a kind that are told one by one.
const MOST_TOLD: usize = 10;
/// What stands before a drawing.
const MARGIN: usize = 8;

/// What it takes at most, when, and a drawing of each track, as wide as `columns` at most. `limits` are in units.
pub fn summary(scenario: &PodScenario, limits: &[(TrackKind, f64)], columns: usize) -> String {
    let mut text = String::new();
    let horizon = scenario.horizon();
    let rounds = match scenario.repeat {
        None => String::from(", again and again"),
        Some(1) => String::new(),
        Some(rounds) => format!(", {rounds} times"),
    };
    let length = match scenario.length {
        Some(length) => format!("lasts {}{rounds}", time(length)),
        None => format!("has no end; its first {} are", time(horizon)),
    };
    let speed = if scenario.speed == 1.0 {
        String::new()
    } else {
        let played = time(horizon / scenario.speed);
        format!("; at speed {} these take {played}", Plain(scenario.speed))
    };
    // Writing to a String does not fail, here and below.
    let _ = writeln!(text, "{length}{speed}");
    for track in &scenario.tracks {
        let limit = limits.iter().find(|(kind, _)| *kind == track.kind).map(|(_, limit)| *limit);
        track_in_words(&mut text, track, limit, horizon, columns);
    }
    for ReadyInterval { interval, is_ready } in scenario.ready.iter().take(MOST_TOLD) {
        let what = if *is_ready { "ready" } else { "not ready" };
        let _ = writeln!(text, "{:MARGIN$}{what} from {} for {}", "ready", time(interval.at), time(interval.length));
    }
    for FaultInterval { interval, fault } in scenario.faults.iter().take(MOST_TOLD) {
        let _ = write!(text, "{:MARGIN$}{} at {}", "fault", fault.name(), time(interval.at));
        let length = if interval.length > 0.0 { format!(" for {}", time(interval.length)) } else { String::new() };
        text.push_str(&length);
        text.push('\n');
    }
    for (number, what) in [(scenario.ready.len(), "ready"), (scenario.faults.len(), "fault")] {
        if number > MOST_TOLD {
            let _ = writeln!(text, "{what:MARGIN$}and {} more", number - MOST_TOLD);
        }
    }
    text
}

fn track_in_words(text: &mut String, track: &Track, limit: Option<f64>, horizon: f64, columns: usize) {
    let name = track.kind.name();
    // Shares alone are drawn without a limit, as hundredths of it.
    let are_shares = limit.is_none() && track.need() == LimitNeed::Shares;
    let limit_or_whole = if are_shares { Some(100.0) } else { limit };
    let width = columns.saturating_sub(MARGIN).clamp(1, 60);
    let Some(outlook) = Outlook::of(track, limit_or_whole, horizon, width) else {
        let _ = writeln!(text, "{name:MARGIN$}depends on the limit: --limit {name}=AMOUNT says it");
        return;
    };
    let value = |value| if are_shares { fixed(value, 1) + " pct of the limit" } else { amount(track.kind, value) };
    let (most, at, least) = (value(outlook.most), time(outlook.most_at), value(outlook.least));
    let _ = writeln!(text, "{name:MARGIN$}{most} at most, after {at}; {least} at least");
    if limit.is_some_and(|limit| outlook.most > limit) {
        let _ = writeln!(text, "{:MARGIN$}this is more than the limit", "");
    }
    let _ = writeln!(text, "{:MARGIN$}{}", "", outlook.drawing());
    if let Some(stop) = track.stops_at(limit_or_whole) {
        let _ = writeln!(text, "{:MARGIN$}a leak is full and stops the scenario after {}", "", time(stop));
    }
    for shape in &track.shapes {
        if let Shape::Trace(trace) = &shape.shape {
            let (points, every, gaps) = (trace.points.points, Plain(trace.points.every()), trace.points.gaps);
            let _ = writeln!(text, "{:MARGIN$}trace: {points} points, one kept each {every} s, {gaps} gaps", "");
        }
    }
}

/// An amount of a kind for a person.
pub fn amount(kind: TrackKind, units: f64) -> String {
    match (kind, kind.unit()) {
        (TrackKind::Io, _) => in_words(units.round() as u64, Unit::Bytes) + " a second",
        (TrackKind::Cpu, _) => format!("{}m", units.round() as u64),
        (_, unit) => in_words(units.round() as u64, unit),
    }
}

/// Seconds for a person.
fn time(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{} s", Plain((seconds * 1000.0).round() / 1000.0));
    }
    duration::in_words(Duration::try_from_secs_f64(seconds).unwrap_or(duration::LONGEST))
}
