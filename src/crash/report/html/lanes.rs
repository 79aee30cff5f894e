//! What a process was over time, and what was done to it.
//!
//! A lane with few spans shows each one. One with many shows, for each of some equal parts of the time, how much of it the
//! process was down, paused or starting, as heights: nothing short vanishes, and nothing short looks long.

use std::fmt::Write as _;
use std::time::Duration;

use crate::crash::report::html::scale::TimeScale;
use crate::crash::report::text::{Escaped, clipped, moment, seconds};
use crate::crash::report::{FaultRecord, LaneState, RunReport, Span};
use crate::sorting::sort_by_key;

/// A lane's height in pixels: faults' marks, then the bar.
pub(super) const LANE_HEIGHT: usize = 28;
/// Where the bar is in it, and its height.
const BAR: (usize, usize) = (10, 13);
/// The most bars of all lanes together that are drawn one by one: each is about 120 bytes.
const MOST_BARS: usize = 1800;
/// The most parts of all lanes together in which bars are added up: each is up to 300 bytes.
const MOST_PARTS: usize = 800;
/// The most marks of all lanes together: each is up to 250 bytes.
const MOST_MARKS: usize = 800;
/// What a reader of a title needs of a text.
const MOST_TITLE: usize = 60;

/// A process, or what had faults without being one.
#[derive(Debug)]
pub(super) struct LaneRow<'r> {
    /// Which one.
    pub(super) name: &'r str,
    spans: &'r [Span],
    faults: Vec<&'r FaultRecord>,
}

/// The processes, and behind them other targets of faults.
pub(super) fn rows(report: &RunReport) -> Vec<LaneRow<'_>> {
    let lanes = report.lanes.iter();
    let mut rows: Vec<LaneRow<'_>> =
        lanes.map(|lane| LaneRow { name: &lane.name, spans: &lane.spans, faults: Vec::new() }).collect();
    for fault in &report.faults {
        match rows.iter_mut().find(|row| row.name == fault.target) {
            Some(row) => row.faults.push(fault),
            None => rows.push(LaneRow { name: &fault.target, spans: &[], faults: vec![fault] }),
        }
    }
    // A fault may have been recorded when it was over.
    rows.iter_mut().for_each(|row| sort_by_key(&mut row.faults, &|fault| fault.at));
    rows
}

impl LaneRow<'_> {
    /// Draws it at this height, as one of so many.
    pub(super) fn draw(&self, out: &mut String, scale: TimeScale, y: usize, rows: usize) {
        let middle = y + BAR.0 + BAR.1 / 2;
        _ = write!(out, "<line class=base x1=0 x2=100% y1={middle} y2={middle} />");
        if self.spans.len() <= MOST_BARS / rows.max(1) {
            for span in self.spans {
                bar(out, scale, span, (y + BAR.0, BAR.1));
                let (word, length) = (word(span.state), seconds(span.to.saturating_sub(span.from)));
                _ = write!(out, "<title>{word} {} – {}: {length}</title></rect>", moment(span.from), moment(span.to));
            }
        } else {
            self.draw_parts(out, scale, y, (MOST_PARTS / rows.max(1)).max(10));
        }
        self.draw_faults(out, scale, y, (MOST_MARKS / rows.max(1)).clamp(10, 250));
    }

    fn draw_parts(&self, out: &mut String, scale: TimeScale, y: usize, parts: usize) {
        for (part, shares) in self.shares(scale, parts).into_iter().enumerate() {
            let there: u64 = shares.iter().sum();
            if there == 0 {
                continue;
            }
            let (from, to) = (scale.begin(part, parts), scale.begin(part + 1, parts));
            _ = write!(out, "<g><title>{} – {}:", moment(from), moment(to));
            for (state, share) in STATES.into_iter().zip(shares).filter(|(_, share)| *share > 0) {
                _ = write!(out, " {} {}", word(state), seconds(Duration::from_micros(share)));
            }
            out.push_str("</title>");
            let mut bottom = y + BAR.0 + BAR.1;
            let ready = STATES.len() - 1;
            for (place, state) in STATES.into_iter().enumerate() {
                let least = usize::from(shares[place] > 0);
                let height = match place == ready {
                    true => bottom - (y + BAR.0),
                    // A state that was there is a pixel high at least.
                    false => ((shares[place] * BAR.1 as u64 / there) as usize).max(least).min(bottom - (y + BAR.0)),
                };
                bottom -= height;
                if height > 0 && (place != ready || least > 0) {
                    bar(out, scale, &Span { from, to, state }, (bottom, height));
                    out.push_str("</rect>");
                }
            }
            out.push_str("</g>");
        }
    }

    /// For each part of the time, how many microseconds it was in which of the states.
    fn shares(&self, scale: TimeScale, parts: usize) -> Vec<[u64; STATES.len()]> {
        let mut shares = vec![[0; STATES.len()]; parts];
        for span in self.spans.iter().filter(|span| span.from < span.to) {
            let state = STATES.iter().position(|state| *state == span.state).unwrap_or(0);
            for (part, share) in shares.iter_mut().enumerate().skip(scale.part(span.from, parts)) {
                let (from, to) = (scale.begin(part, parts), scale.begin(part + 1, parts));
                if from >= span.to {
                    break;
                }
                share[state] += span.to.min(to).saturating_sub(span.from.max(from)).as_micros() as u64;
            }
        }
        shares
    }

    /// A mark for each fault, or one for those of a part of the time.
    fn draw_faults(&self, out: &mut String, scale: TimeScale, y: usize, parts: usize) {
        for faults in self.faults.chunk_by(|one, other| scale.part(one.at, parts) == scale.part(other.at, parts)) {
            let Some(first) = faults.first() else { continue };
            let symbol = match first.kind {
                "pause" => 'p',
                "kill" | "term" | "crash" | "delete-pod" => 'k',
                _ => 'o',
            };
            let effective = faults.iter().filter(|fault| fault.effect.is_some()).count();
            let tone = if effective == faults.len() { 'f' } else { 'n' };
            _ = write!(out, "<use href=#{symbol} class={tone} x={} y={y}><title>", scale.place(first.at));
            match faults {
                [fault] => title(out, fault),
                [.., last] => {
                    let (from, to) = (moment(first.at), moment(last.at));
                    _ = write!(out, "{} faults {from} – {to}, {effective} with effect", faults.len());
                }
                [] => {}
            }
            out.push_str("</title></use>");
        }
    }
}

/// The states, as they are stacked from below.
const STATES: [LaneState; 4] = [LaneState::Down, LaneState::Paused, LaneState::Starting, LaneState::Ready];

/// Begins a bar, at a height and so high.
fn bar(out: &mut String, scale: TimeScale, span: &Span, (y, height): (usize, usize)) {
    let class = word(span.state);
    let (x, width) = (scale.place(span.from), scale.width(span.from, span.to));
    _ = write!(out, "<rect class={class} x={x} y={y} width={width} height={height}>");
}

/// The word for a state, which is also its class.
fn word(state: LaneState) -> &'static str {
    match state {
        LaneState::Starting => "starting",
        LaneState::Ready => "ready",
        LaneState::Paused => "paused",
        LaneState::Down => "down",
    }
}

fn title(out: &mut String, fault: &FaultRecord) {
    let effect = fault.effect.as_deref().unwrap_or("no effect");
    let (kind, effect) = (clipped(fault.kind, MOST_TITLE), clipped(effect, MOST_TITLE));
    _ = write!(out, "{} {}: {}", Escaped(&kind), moment(fault.at), Escaped(&effect));
    let times: [(&str, Option<Duration>); 2] = [("down", fault.down), ("ready after", fault.ready)];
    for (word, time) in times {
        if let Some(time) = time {
            _ = write!(out, "; {word} {}", seconds(time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(from: u64, to: u64, state: LaneState) -> Span {
        Span { from: Duration::from_millis(from), to: Duration::from_millis(to), state }
    }

    #[test]
    fn parts_add_up_to_what_the_process_was() {
        let spans =
            [span(0, 1500, LaneState::Ready), span(1500, 1600, LaneState::Down), span(2000, 4000, LaneState::Paused)];
        let row = LaneRow { name: "a", spans: &spans, faults: Vec::new() };
        let scale = TimeScale { whole: Duration::from_secs(4) };
        let ms = 1000;
        let wanted = [[0, 0, 0, 1000 * ms], [100 * ms, 0, 0, 500 * ms], [0, 1000 * ms, 0, 0], [0, 1000 * ms, 0, 0]];
        assert_eq!(row.shares(scale, 4), wanted);
    }

    #[test]
    fn a_short_downtime_does_not_vanish_among_many() {
        let cycle = |n: u64| {
            [span(n * 1000, n * 1000 + 999, LaneState::Ready), span(n * 1000 + 999, n * 1000 + 1000, LaneState::Down)]
        };
        let spans: Vec<Span> = (0..5000).flat_map(cycle).collect();
        let row = LaneRow { name: "a", spans: &spans, faults: Vec::new() };
        let mut out = String::new();
        row.draw(&mut out, TimeScale { whole: Duration::from_secs(5000) }, 0, 1);
        assert_eq!(out.matches("<rect class=down").count(), MOST_PARTS);
        assert!(out.contains(": down 0.006 s ready 6.244 s"), "{}", &out[..400]);
        assert!(out.len() < MOST_PARTS * 300, "{}", out.len());
    }
}
