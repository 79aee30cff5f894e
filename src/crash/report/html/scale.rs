//! Times as places on the axis, which is as wide as the window: hundredths of a percent.

use std::time::Duration;

use crate::crash::report::RunReport;

/// The time axis of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeScale {
    /// The whole of it, at least 1 ms.
    pub(super) whole: Duration,
}

/// Steps between labels that people count in, in milliseconds.
const STEPS: [u64; 24] = [
    1, 5, 10, 50, 100, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000,
    1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
];
/// As many labels fit beside each other on a phone.
const MOST_LABELS: u64 = 5;
/// As many fit on a larger screen.
const MOST_WIDE_LABELS: u64 = 13;

/// A pixel of an axis of a thousand or so.
const NARROWEST: u128 = 10;

impl TimeScale {
    /// The one that everything of a run is on.
    pub(super) fn of(report: &RunReport) -> Self {
        let spans = report.lanes.iter().flat_map(|lane| lane.spans.iter().map(|span| span.to));
        let samples = report.samples.iter().map(|sample| sample.at);
        let faults = report.faults.iter().map(|fault| fault.at);
        let violation = report.violation.iter().map(|violation| violation.at);
        let last = spans.chain(samples).chain(faults).chain(violation).max().unwrap_or_default();
        Self { whole: last.max(report.took).max(Duration::from_millis(1)) }
    }

    /// Which of so many equal parts of the axis a time is in.
    pub(super) fn part(self, time: Duration, parts: usize) -> usize {
        let place = time.as_nanos() * parts as u128 / self.whole.as_nanos();
        (place as usize).min(parts.saturating_sub(1))
    }

    /// When a part begins.
    pub(super) fn begin(self, part: usize, parts: usize) -> Duration {
        let nanos = self.whole.as_nanos() * part as u128 / parts.max(1) as u128;
        Duration::from_nanos(nanos as u64)
    }

    /// A time's place: `12.34%`.
    pub(super) fn place(self, time: Duration) -> String {
        percents(self.hundredths(time))
    }

    /// How wide a stretch of time is: up to the place of its end, and never so narrow that it vanishes.
    pub(super) fn width(self, from: Duration, to: Duration) -> String {
        percents(self.hundredths(to).saturating_sub(self.hundredths(from)).max(NARROWEST))
    }

    fn hundredths(self, time: Duration) -> u128 {
        time.as_nanos() * 10_000 / self.whole.as_nanos()
    }

    /// The times that have labels, those labels, and whether there is room for them on a phone.
    pub(super) fn labels(self) -> Vec<(Duration, String, bool)> {
        let whole = self.whole.as_millis() as u64;
        let days = whole.div_ceil(MOST_LABELS * 86_400_000) * 86_400_000;
        let coarse = STEPS.into_iter().find(|step| whole / step < MOST_LABELS).unwrap_or(days);
        let is_fine = |step: &u64| coarse.is_multiple_of(*step) && whole / step < MOST_WIDE_LABELS;
        let step = STEPS.into_iter().find(is_fine).unwrap_or(coarse);
        let label = |at: u64| match (step, whole) {
            (..1000, _) => format!("{}.{:03} s", at / 1000, at % 1000),
            (_, ..120_000) => format!("{} s", at / 1000),
            (_, ..3_600_000) => format!("{}:{:02}", at / 60_000, at / 1000 % 60),
            _ => format!("{}:{:02}:{:02}", at / 3_600_000, at / 60_000 % 60, at / 1000 % 60),
        };
        let times = (0..=whole / step).map(|n| n * step);
        times.map(|at| (Duration::from_millis(at), label(at), at.is_multiple_of(coarse))).collect()
    }
}

fn percents(hundredths: u128) -> String {
    let (percent, rest) = (hundredths / 100, hundredths % 100);
    if rest == 0 { format!("{percent}%") } else { format!("{percent}.{rest:02}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_hundredths_of_a_percent() {
        let scale = TimeScale { whole: Duration::from_secs(3) };
        for (ms, place) in [(0, "0%"), (1000, "33.33%"), (1500, "50%"), (3000, "100%")] {
            assert_eq!(scale.place(Duration::from_millis(ms)), place);
        }
        assert_eq!(scale.width(Duration::from_secs(1), Duration::from_secs(2)), "33.33%");
        assert_eq!(scale.width(Duration::from_secs(1), Duration::from_secs(1)), "0.10%");
        assert_eq!(scale.part(Duration::from_secs(3), 10), 9);
        assert_eq!(scale.part(Duration::from_secs(1), 3), 1);
        assert_eq!(scale.begin(1, 3), Duration::from_secs(1));
    }

    #[test]
    fn labels_are_few_and_round() {
        let labels = |ms| {
            let labels = TimeScale { whole: Duration::from_millis(ms) }.labels().into_iter();
            let labels = labels.map(|(_, label, is_coarse)| if is_coarse { label } else { format!("({label})") });
            labels.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(1), "0.000 s 0.001 s");
        assert_eq!(labels(65_000), "0 s (10 s) 20 s (30 s) 40 s (50 s) 60 s");
        assert_eq!(labels(300_000), "0:00 (0:30) (1:00) (1:30) 2:00 (2:30) (3:00) (3:30) 4:00 (4:30) (5:00)");
        assert_eq!(
            labels(2 * 3_600_000),
            "0:00:00 (0:10:00) (0:20:00) 0:30:00 (0:40:00) (0:50:00) 1:00:00 (1:10:00) (1:20:00) 1:30:00 (1:40:00) (1:50:00) 2:00:00"
        );
        for ms in [7, 999, 1001, 59_999, 3_599_999, 86_400_000, 12 * 86_400_000, 3650 * 86_400_000] {
            let labels = TimeScale { whole: Duration::from_millis(ms) }.labels();
            assert!((2..=MOST_WIDE_LABELS + 1).contains(&(labels.len() as u64)), "{ms}: {labels:?}");
            let coarse = labels.iter().filter(|(.., is_coarse)| *is_coarse).count() as u64;
            assert!((2..=MOST_LABELS + 1).contains(&coarse), "{ms}: {labels:?}");
        }
    }
}
