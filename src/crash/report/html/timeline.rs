//! The time axis: a row for each process, then one for each key, and the first violation as a line through all.
//!
//! Places along the axis are percents, and heights are pixels: letters and hatching look the same in each width. Names
//! stand in a drawing of their own beside it, which does not stretch.

use std::fmt::Write as _;

use crate::crash::report::html::lanes::{LANE_HEIGHT, LaneRow, rows};
use crate::crash::report::html::offsets::{CHART_HEIGHT, chart};
use crate::crash::report::html::scale::TimeScale;
use crate::crash::report::text::{Escaped, clipped, moment, percent};
use crate::crash::report::{KeyProgress, RunReport};

/// Above the rows: a line for the violation's label, and one for those of the axis, in pixels.
const HEAD: usize = 40;
/// Between processes and keys, in pixels.
const GAP: usize = 8;
/// The most processes and the most keys that have rows: more do not fit into a page that somebody reads.
const MOST_ROWS: usize = 80;
/// The most characters of a name: what is left of a phone's width is the axis.
const MOST_NAME: usize = 14;

/// Writes the whole of it.
pub(super) fn timeline(out: &mut String, report: &RunReport) {
    let scale = TimeScale::of(report);
    let mut lanes = rows(report);
    let more_lanes = lanes.len().saturating_sub(MOST_ROWS);
    lanes.truncate(MOST_ROWS);
    let keys = &report.keys[..report.keys.len().min(MOST_ROWS)];
    if lanes.is_empty() && keys.is_empty() {
        out.push_str("<p class=soft>Nothing was started.</p>");
        return;
    }
    let keys_from = HEAD + lanes.len() * LANE_HEIGHT + if lanes.is_empty() { 0 } else { GAP };
    let height = keys_from + keys.len() * CHART_HEIGHT;
    out.push_str("<div class=time>");
    names(out, &lanes, keys, height);
    _ = write!(
        out,
        "<svg class=axis width=100% height={height} role=img aria-label=\"Processes and offsets over time\">"
    );
    labels(out, scale, height);
    for (place, lane) in lanes.iter().enumerate() {
        lane.draw(out, scale, HEAD + place * LANE_HEIGHT, lanes.len());
    }
    for (place, progress) in keys.iter().enumerate() {
        chart(out, scale, report, progress, keys_from + place * CHART_HEIGHT, keys.len());
    }
    violation(out, scale, report, height);
    out.push_str("</svg></div>");
    let more_keys = report.keys.len() - keys.len();
    if more_lanes + more_keys > 0 {
        _ = write!(out, "<p class=soft>Not drawn: {more_lanes} more processes, {more_keys} more keys.</p>");
    }
}

/// What each row is.
fn names(out: &mut String, lanes: &[LaneRow<'_>], keys: &[KeyProgress], height: usize) {
    let letters = lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0).clamp(8, MOST_NAME);
    // Letters of 12 pixels are at most 8 wide on the average of a word.
    _ = write!(out, "<svg class=names width={} height={height}>", letters * 8 + 4);
    for (place, lane) in lanes.iter().enumerate() {
        let mut name: String = lane.name.chars().take(MOST_NAME).collect();
        if name.len() < lane.name.len() {
            name.pop();
            name.push('…');
        }
        let y = HEAD + place * LANE_HEIGHT + 20;
        let whole = clipped(lane.name, MOST_NAME * 20);
        _ = write!(out, "<text y={y}>{}<title>{}</title></text>", Escaped(&name), Escaped(&whole));
    }
    let keys_from = height - keys.len() * CHART_HEIGHT;
    for (place, progress) in keys.iter().enumerate() {
        let y = keys_from + place * CHART_HEIGHT;
        _ = write!(
            out,
            "<text y={}><tspan class=key>{}</tspan></text><text y={} class=soft>{}</text>",
            y + 22,
            Escaped(&progress.key.to_string()),
            y + 40,
            percent(progress.verified, progress.input)
        );
    }
    out.push_str("</svg>");
}

/// The axis' labels, with a line through all rows each.
fn labels(out: &mut String, scale: TimeScale, height: usize) {
    for (time, label, is_coarse) in scale.labels() {
        let place = scale.place(time);
        let anchor = match scale.part(time, 100) {
            0 => "start",
            98.. => "end",
            _ => "middle",
        };
        let class = if is_coarse { "coarse" } else { "fine" };
        _ = write!(
            out,
            "<g class={class}><line class=grid x1={place} x2={place} y1=36 y2={height} />\
             <text x={place} y=32 text-anchor={anchor}>{label}</text></g>"
        );
    }
}

fn violation(out: &mut String, scale: TimeScale, report: &RunReport, height: usize) {
    let Some(violation) = &report.violation else { return };
    let place = scale.place(violation.at);
    let (anchor, shift) = if scale.part(violation.at, 2) == 0 { ("start", 5) } else { ("end", -5) };
    let check: String = violation.check.chars().take(MOST_NAME).collect();
    let (check, when) = (Escaped(&check), moment(violation.at));
    _ = write!(
        out,
        "<g class=wrong><line x1={place} x2={place} y1=0 y2={height} />\
         <text x={place} dx={shift} y=13 text-anchor={anchor}>✗ {check} {when}</text></g>"
    );
}
