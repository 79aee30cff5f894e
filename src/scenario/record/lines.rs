//! The lines of a recording, one by one, and what they come to.

use crate::scenario::trace::source::{MOST_BYTES, MOST_LINES};
use crate::units::decimal::Plain;

/// The column of time.
const SECONDS: &str = "seconds";

/// Makes the lines of a table whose first column is time. The first of them is second 0; times are kept to the
/// millisecond and values to the millionth. What it makes is within the bounds of what is read again.
#[derive(Debug)]
pub struct RecordLines {
    columns: Vec<&'static str>,
    /// Of each column, the largest value; `None` where there was none.
    largest: Vec<Option<f64>>,
    /// Seconds from one line to the next, as far as it is known.
    every: Option<f64>,
    /// The time of the first line and of the last.
    span: Option<(f64, f64)>,
    /// Whether something is missing before the next line.
    is_missing: bool,
    bytes: u64,
    points: u32,
    gaps: u64,
}

impl RecordLines {
    /// No line is made yet. `every` is how many seconds are between lines, where that is known; else it is what is between
    /// the first two.
    pub fn new(columns: &[&'static str], every: Option<f64>) -> Self {
        let largest = vec![None; columns.len()];
        let columns = columns.to_vec();
        Self { columns, largest, every, span: None, is_missing: false, bytes: 0, points: 0, gaps: 0 }
    }

    /// How many lines there are, that with the names not counted.
    pub fn points(&self) -> u32 {
        self.points
    }

    /// Something is missing here: a gap, if lines follow.
    pub fn missed(&mut self) {
        self.is_missing = true;
    }

    /// The line of a second, from any beginning, with a value for each column or none. Before the first, that with the
    /// names.
    ///
    /// # Errors
    /// When it would be longer than what is read again. Nothing is taken in then.
    pub fn line(&mut self, second: f64, values: &[Option<f64>]) -> Result<String, String> {
        let (first, last) = self.span.unwrap_or((second, second));
        let mut text = String::new();
        if self.span.is_none() {
            text.push_str(SECONDS);
            for column in &self.columns {
                text.push(',');
                text.push_str(column);
            }
            text.push('\n');
        }
        text.push_str(&Plain(((second - first) * 1e3).round() / 1e3).to_string());
        for value in values {
            text.push(',');
            if let Some(value) = value {
                text.push_str(&Plain(*value).to_string());
            }
        }
        text.push('\n');
        let bytes = self.bytes + text.len() as u64;
        // The line with the names, and the place behind the last line's end, are lines as well.
        if bytes > MOST_BYTES || self.points + 2 >= MOST_LINES {
            return Err(format!("a recording has at most {MOST_BYTES} bytes and {MOST_LINES} lines"));
        }
        let passed = second - last;
        // As a reader sees it: what is further apart than two steps.
        let is_far = self.every.is_some_and(|every| passed > 2.0 * every);
        self.gaps += u64::from(self.span.is_some() && (self.is_missing || is_far));
        if self.every.is_none() && passed > 0.0 {
            self.every = Some(passed.round().max(1.0));
        }
        (self.span, self.is_missing) = (Some((first, second)), false);
        (self.bytes, self.points) = (bytes, self.points + 1);
        for (largest, value) in self.largest.iter_mut().zip(values) {
            *largest = value.map(|value| largest.map_or(value, |largest| largest.max(value))).or(*largest);
        }
        Ok(text)
    }

    /// What they come to, in one line for a person.
    pub fn summary(&self) -> String {
        let (first, last) = self.span.unwrap_or_default();
        let named = |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let mut text = format!(
            "{}, {} s, {}; at most",
            named(u64::from(self.points), "point"),
            Plain(((last - first) * 1e3).round() / 1e3),
            named(self.gaps, "gap")
        );
        for (place, (column, largest)) in self.columns.iter().zip(&self.largest).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let largest = largest.map_or_else(|| String::from("unknown"), |largest| Plain(largest).to_string());
            text.push_str(&format!("{comma} {column} {largest}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::trace::{GapRule, TraceChoice, read};
    use proptest::prelude::*;

    #[test]
    fn lines_begin_with_names_and_at_second_0() {
        let mut lines = RecordLines::new(&["memory_bytes", "cpu_cores"], None);
        let mut text = lines.line(1_795_910_160.25, &[Some(1e9), None]).unwrap();
        text += &lines.line(1_795_910_175.251, &[Some(5.0), Some(0.25)]).unwrap();
        lines.missed();
        text += &lines.line(1_795_910_190.25, &[None, Some(0.000_001)]).unwrap();
        text += &lines.line(1_795_910_290.25, &[None, None]).unwrap();
        assert_eq!(text, "seconds,memory_bytes,cpu_cores\n0,1000000000,\n15.001,5,0.25\n30,,0.000001\n130,,\n");
        assert_eq!(lines.summary(), "4 points, 130 s, 2 gaps; at most memory_bytes 1000000000, cpu_cores 0.25");
        let nothing = RecordLines::new(&["fds"], Some(1.0));
        assert_eq!(nothing.summary(), "0 points, 0 s, 0 gaps; at most fds unknown");
    }

    #[test]
    fn what_is_missing_before_the_first_line_and_after_the_last_is_no_gap() {
        let mut lines = RecordLines::new(&["fds"], Some(1.0));
        lines.missed();
        lines.line(7.0, &[Some(1.0)]).unwrap();
        lines.missed();
        assert_eq!(lines.summary(), "1 point, 0 s, 0 gaps; at most fds 1");
    }

    #[test]
    fn a_recording_is_no_longer_than_what_is_read() {
        let mut lines = RecordLines::new(&["fds"], Some(1.0));
        lines.line(0.0, &[None]).unwrap();
        lines.points = MOST_LINES - 3;
        assert!(lines.line(1.0, &[None]).is_ok());
        let why = lines.line(2.0, &[None]).unwrap_err();
        assert!(why.contains("4194304 lines"), "{why}");
        lines.points = 1;
        lines.bytes = MOST_BYTES - 4;
        assert!(lines.line(2.0, &[None]).is_ok() && lines.line(3.0, &[None]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_with_the_same_values(
            rows in prop::collection::vec((1u32..3, prop::option::of(0u64..1 << 40), 0u32..4_000_000), 1..60),
            begin in 0u32..2_000_000_000,
        ) {
            let mut lines = RecordLines::new(&["memory_bytes", "cpu_cores"], None);
            let (mut text, mut second) = (String::new(), f64::from(begin));
            let mut cores = Vec::new();
            let mut written = 0.0f64;
            for (step, memory, millionths) in &rows {
                let core = f64::from(*millionths) / 1e6;
                text += &lines.line(second, &[memory.map(|bytes| bytes as f64), Some(core)]).unwrap();
                cores.push((second - f64::from(begin), core));
                written = written.max(memory.unwrap_or(0) as f64);
                second += f64::from(*step);
            }
            let choice = |column| TraceChoice { column, unit: 1.0, series: &[], every: Some(1.0), gaps: GapRule::Hold };
            let points = read(&mut text.as_bytes(), &choice("cpu_cores")).unwrap();
            for (second, core) in cores {
                prop_assert_eq!(points.value(second) as f32, core as f32);
            }
            prop_assert_eq!(points.points, rows.len() as u64);
            if rows.iter().any(|(_, memory, _)| memory.is_some()) {
                let memory = read(&mut text.as_bytes(), &choice("memory_bytes")).unwrap();
                prop_assert_eq!(memory.largest() as f32, written as f32);
            }
        }
    }
}
