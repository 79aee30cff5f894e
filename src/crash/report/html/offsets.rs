//! How far a key was over time: a chart of four lines, below the length of its input.

use std::fmt::Write as _;

use crate::crash::report::html::scale::TimeScale;
use crate::crash::report::text::{Escaped, grouped};
use crate::crash::report::{KeyProgress, RunReport, Sample};

/// A chart's height in pixels, the space below it included.
pub(super) const CHART_HEIGHT: usize = 68;
/// Space below a chart, in pixels.
const GAP: usize = 10;
/// The width that a chart's lines are drawn in; the browser stretches it.
const WIDTH: usize = 1000;
/// The height that a chart's lines are drawn in.
const UNITS: u128 = 200;
/// The most points of all charts together: each is up to 8 bytes.
const MOST_POINTS: usize = 30_000;

/// One of the offsets of a key.
type OffsetOf = fn(&KeyProgress) -> u64;

/// The lines, from the one below all: their classes, which say how each looks, and their offsets.
const LINES: [(&str, OffsetOf); 4] = [
    ("fed", |progress| progress.offsets.fed),
    ("out", |progress| progress.offsets.made),
    ("acked", |progress| progress.offsets.acknowledged),
    ("verified", |progress| progress.verified),
];

/// Draws the chart of a key at this height, as one of so many.
pub(super) fn chart(
    out: &mut String,
    scale: TimeScale,
    report: &RunReport,
    end: &KeyProgress,
    y: usize,
    charts: usize,
) {
    let samples: Vec<&Sample> = report.samples.iter().filter(|sample| sample.progress.key == end.key).collect();
    let all = || samples.iter().map(|sample| &sample.progress).chain([end]);
    let top = all().flat_map(|progress| LINES.map(|(_, offset)| offset(progress))).max().unwrap_or(0);
    let top = top.max(end.input).max(1);
    let height = |offset: u64| UNITS - u128::from(offset) * UNITS / u128::from(top);
    _ = write!(
        out,
        "<rect class=well x=0 y={y} width=100% height={0} /><svg x=0 y={y} width=100% height={0} viewBox=\"0 -9 {WIDTH} {1}\" \
         preserveAspectRatio=none><title>{2}: input {3}",
        CHART_HEIGHT - GAP,
        UNITS + 14,
        Escaped(&end.key.to_string()),
        grouped(end.input)
    );
    for (name, offset) in LINES {
        _ = write!(out, ", {name} {}", grouped(offset(end)));
    }
    _ = write!(out, "</title><path class=input d=\"M0 {0}H{WIDTH}\"/>", height(end.input));
    // A line has up to four points in a part.
    let parts = (MOST_POINTS / LINES.len() / 4 / charts.max(1)).clamp(20, WIDTH / 2);
    for (name, offset) in LINES {
        let points = samples.iter().map(|sample| (sample.at, offset(&sample.progress)));
        let points = points.map(|(at, offset)| (scale.part(at, WIDTH + 1), height(offset)));
        let points = thinned(points, |(x, _)| x * parts / (WIDTH + 1));
        if points.is_empty() {
            continue;
        }
        _ = write!(out, "<path class={name} d=\"");
        for (place, (x, y)) in points.iter().enumerate() {
            _ = write!(out, "{}{x} {y}", if place == 0 { 'M' } else { 'L' });
        }
        out.push_str("\"/>");
    }
    out.push_str("</svg>");
}

/// A point of a chart: how far to the right, how far down.
type ChartPoint = (usize, u128);

/// Of the points of each part the first, the lowest, the highest and the last, so that no peak and no fall is lost; and
/// none between two of the same height.
fn thinned(points: impl Iterator<Item = ChartPoint>, part: impl Fn(ChartPoint) -> usize) -> Vec<ChartPoint> {
    let points: Vec<ChartPoint> = points.collect();
    let mut kept: Vec<ChartPoint> = Vec::new();
    for points in points.chunk_by(|one, other| part(*one) == part(*other)) {
        let by_height = |place: &usize| points[*place].1;
        let (lowest, highest) = ((0..points.len()).min_by_key(by_height), (0..points.len()).max_by_key(by_height));
        let mut places = [Some(0), lowest, highest, points.len().checked_sub(1)];
        places.sort_unstable();
        for point in places.into_iter().flatten().map(|place| points[place]) {
            match kept[..] {
                [.., last] if last == point => continue,
                [.., before, last] if before.1 == point.1 && last.1 == point.1 => _ = kept.pop(),
                _ => {}
            }
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_and_falls_are_kept_and_level_stretches_are_two_points() {
        let line = [0, 1, 2, 3, 90, 5, 6, 6, 6, 6, 6, 2, 9].into_iter().enumerate();
        assert_eq!(thinned(line, |(x, _)| x / 6), [(0, 0), (4, 90), (5, 5), (6, 6), (10, 6), (11, 2), (12, 9)],);
        let level = (0..500).map(|x| (x, 7));
        assert_eq!(thinned(level, |(x, _)| x / 10), [(0, 7), (499, 7)]);
        assert_eq!(thinned(std::iter::empty(), |(x, _)| x), []);
    }

    #[test]
    fn a_part_has_at_most_four_points() {
        let wild = (0..10_000).map(|n: usize| (n / 10, (n as u128 * 7919) % 200));
        assert!(thinned(wild, |(x, _)| x / 100).len() <= 40);
    }
}
