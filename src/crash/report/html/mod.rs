//! A report for a browser: one file that asks for nothing else and runs no script.
//!
//! Whatever a run did, the page stays below 1 MiB: long texts are clipped, long tables cut, and what is close together on the
//! time axis is drawn as one. The JSON report has all of it.
//!
//! ```text
//! timeline    the time axis, and on it a row for each process and each key
//! lanes       what a process was over time, and what was done to it
//! offsets     how far a key was over time
//! scale       times as places on the axis
//! ```

mod lanes;
mod offsets;
mod scale;
mod timeline;

use std::fmt::Write as _;

use crate::crash::report::summary::{FaultCount, Recovery};
use crate::crash::report::text::{Escaped, clipped, grouped, moment, percent, seconds};
use crate::crash::report::verdict::{CheckOutcome, Verdict};
use crate::crash::report::{FaultRecord, RunReport};
use crate::kernel::clock::utc_stamp;
use crate::packed::unpacked_text;
use crate::sorting::sort_by_key;
use crate::units::duration::in_words;

/// The page, with names in double braces where something is filled in. Packed by build.rs.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/report.deflate"));
/// The most rows of the table of faults: more are not read.
const MOST_ROWS: usize = 2000;
/// The most bytes of that table.
const MOST_TABLE_BYTES: usize = 192 << 10;
/// More rows than this are folded.
const MOST_OPEN_ROWS: usize = 50;
/// The most bytes of a diagnosis.
const MOST_DIAGNOSIS: usize = 32 << 10;
/// The most bytes of another text of some lines.
const MOST_TEXT: usize = 2 << 10;
/// The most bytes of a cell of the table of faults.
const MOST_CELL: usize = 120;
/// The most lines of other tables.
const MOST_LINES: usize = 64;

/// The report.
pub fn html(report: &RunReport) -> String {
    let page = unpacked_text(PAGE);
    let mut out = String::with_capacity(page.len() * 4);
    for (place, piece) in page.split("{{").enumerate() {
        match piece.split_once("}}") {
            Some((name, rest)) if place > 0 => {
                fill(&mut out, name, report);
                out.push_str(rest);
            }
            _ => out.push_str(piece),
        }
    }
    out
}

/// What stands in the place of a name.
fn fill(out: &mut String, name: &str, report: &RunReport) {
    let (tone, sign) = match report.verdict {
        Verdict::Passed => ("good", '✓'),
        Verdict::CannotTell | Verdict::Interrupted(_) => ("warn", '?'),
        Verdict::DataWrong | Verdict::NotLive | Verdict::PartDied => ("bad", '✗'),
    };
    match name {
        "tone" => out.push_str(tone),
        "sign" => out.push(sign),
        "colour" => out.push_str(match tone {
            "good" => "13703c",
            "warn" => "8a5200",
            _ => "b3261e",
        }),
        "verdict" => out.push_str(report.verdict.words()),
        "facts" => facts(out, report),
        "command" => command(out, &report.command()),
        "violation" => violation(out, report),
        "checks" => checks(out, report),
        "timeline" => timeline::timeline(out, report),
        // A user's own system has neither.
        "no_keys" if report.keys.is_empty() => out.push_str(" hidden"),
        "no_coverage" if report.coverage.is_empty() => out.push_str(" hidden"),
        "keys" => keys(out, report),
        "recovery" => recovery(out, report),
        "coverage" => coverage(out, report),
        "faults" => faults(out, &report.faults),
        _ => {}
    }
}

fn text(out: &mut String, text: &str, most: usize) {
    _ = write!(out, "{}", Escaped(&clipped(text, most)));
}

/// A command line whose words are not broken at hyphens.
fn command(out: &mut String, command: &str) {
    for word in clipped(command, MOST_TEXT).split(' ') {
        _ = write!(out, "<span>{}</span> ", Escaped(word));
    }
}

fn facts(out: &mut String, report: &RunReport) {
    let passed = report.checks.iter().filter(|check| check.outcome == CheckOutcome::Passed).count();
    for (name, value) in [
        ("Exit code", report.verdict.code().to_string()),
        ("Seed", report.seed.to_string()),
        ("Duration", in_words(report.took)),
        ("Checks passed", format!("{passed} of {}", report.checks.len())),
        ("Faults", grouped(report.faults.len() as u64)),
        ("Began", utc_stamp(report.began).replace('T', " ").replace('Z', " UTC")),
        ("Version", String::from(env!("CARGO_PKG_VERSION"))),
    ] {
        _ = write!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
}

fn violation(out: &mut String, report: &RunReport) {
    let Some(violation) = &report.violation else { return };
    _ = write!(out, "<section class=violation><h2>First violation: ");
    text(out, violation.check, MOST_CELL);
    _ = write!(out, " <span>at {}</span></h2><pre>", moment(violation.at));
    text(out, &violation.diagnosis, MOST_DIAGNOSIS);
    out.push_str("</pre></section>");
}

fn checks(out: &mut String, report: &RunReport) {
    if report.checks.is_empty() {
        out.push_str("<p class=soft>Nothing was checked.</p>");
        return;
    }
    out.push_str("<table class=checks><thead><tr><th>Check<th>Outcome<th>Detail<tbody>");
    for check in report.checks.iter().take(MOST_LINES) {
        let (tone, word) = match check.outcome {
            CheckOutcome::Passed => ("good", "✓ passed"),
            CheckOutcome::Failed => ("bad", "✗ failed"),
            CheckOutcome::Unknown => ("warn", "? unknown"),
            CheckOutcome::LeftOut => ("soft", "– left out"),
        };
        out.push_str("<tr><th scope=row>");
        text(out, check.name, MOST_CELL);
        _ = write!(out, "<td class={tone}>{word}<td>");
        text(out, &check.detail, MOST_TEXT);
    }
    out.push_str("</table>");
}

fn keys(out: &mut String, report: &RunReport) {
    if report.keys.is_empty() {
        out.push_str("<p class=soft>There were no keys.</p>");
        return;
    }
    out.push_str("<table class=\"numbers keys\"><thead><tr><th>Key<th>Input<th>Fed<th>Taken<th>Out<th>Acked<th>Verified<th><tbody>");
    for progress in report.keys.iter().take(MOST_LINES) {
        let offsets = &progress.offsets;
        _ = write!(out, "<tr><th scope=row>{}", Escaped(&progress.key.to_string()));
        for offset in
            [progress.input, offsets.fed, offsets.taken, offsets.made, offsets.acknowledged, progress.verified]
        {
            _ = write!(out, "<td>{}", grouped(offset));
        }
        let tone = if progress.verified == progress.input { "good" } else { "warn" };
        _ = write!(out, "<td class={tone}>{}", percent(progress.verified, progress.input));
    }
    out.push_str("</table>");
}

fn recovery(out: &mut String, report: &RunReport) {
    match Recovery::of(&report.faults) {
        None => out.push_str("<p class=soft>Nothing had to become ready again.</p>"),
        Some(times) => {
            out.push_str("<dl class=figures>");
            for (name, time) in [("p50", times.p50), ("p99", times.p99), ("max", times.max)] {
                _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", seconds(time));
            }
            _ = write!(out, "</dl><p class=soft>From restart to ready, {} times.</p>", grouped(times.count as u64));
        }
    }
    let counts = FaultCount::of(&report.faults);
    if counts.is_empty() {
        return;
    }
    out.push_str("<table class=\"numbers kinds\"><thead><tr><th>Fault<th>Done<th>With effect<tbody>");
    for count in counts.iter().take(MOST_LINES) {
        let tone = if count.effective == count.done { "good" } else { "warn" };
        out.push_str("<tr><th scope=row>");
        text(out, count.kind, MOST_CELL);
        let (done, effective) = (grouped(count.done as u64), grouped(count.effective as u64));
        _ = write!(out, "<td>{done}<td class={tone}>{effective}");
    }
    out.push_str("</table>");
}

fn coverage(out: &mut String, report: &RunReport) {
    if report.coverage.is_empty() {
        out.push_str("<p class=soft>Nothing was counted.</p>");
        return;
    }
    out.push_str("<dl class=coverage>");
    for (name, count) in report.coverage.iter().take(MOST_LINES) {
        out.push_str("<div><dt>");
        text(out, name, MOST_CELL);
        match count {
            0 => out.push_str("</dt><dd class=never>never happened</dd></div>"),
            count => _ = write!(out, "</dt><dd>{}</dd></div>", grouped(*count)),
        }
    }
    out.push_str("</dl>");
}

/// The table of the last faults: those before a violation, which ends the run.
fn faults(out: &mut String, faults: &[FaultRecord]) {
    if faults.is_empty() {
        out.push_str("<p class=soft>There were no faults.</p>");
        return;
    }
    let mut sorted: Vec<&FaultRecord> = faults.iter().collect();
    sort_by_key(&mut sorted, &|fault| fault.at);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for fault in sorted.into_iter().rev().take(MOST_ROWS) {
        let row = fault_row(fault);
        bytes += row.len();
        if bytes > MOST_TABLE_BYTES {
            break;
        }
        rows.push(row);
    }
    let is_folded = rows.len() > MOST_OPEN_ROWS;
    let (shown, left) = (grouped(rows.len() as u64), faults.len() - rows.len());
    if is_folded {
        _ = write!(out, "<details><summary>Show {shown} faults</summary>");
    }
    if left > 0 {
        _ = write!(
            out,
            "<p class=soft>These are the last {shown}; {} before them are in the JSON report.</p>",
            grouped(left as u64)
        );
    }
    out.push_str(
        "<table class=faults><thead><tr><th>At<th>Fault<th>Target<th>Before<th>After<th>Effect<th>Down<th>Ready after<tbody>",
    );
    out.extend(rows.iter().rev().map(String::as_str));
    out.push_str(if is_folded { "</table></details>" } else { "</table>" });
}

fn fault_row(fault: &FaultRecord) -> String {
    let mut row = format!("<tr><td>{}<td>", moment(fault.at));
    for cell in [fault.kind, &fault.target, &fault.before, &fault.after] {
        text(&mut row, cell, MOST_CELL);
        row.push_str("<td>");
    }
    match &fault.effect {
        Some(effect) => text(&mut row, effect, MOST_CELL),
        None => row.push_str("<b class=warn>no effect</b>"),
    }
    for time in [fault.down, fault.ready] {
        _ = write!(row, "<td>{}", time.map(seconds).unwrap_or_else(|| String::from("–")));
    }
    row
}

#[cfg(test)]
mod tests;
