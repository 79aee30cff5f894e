//! What a track comes to within its length: the largest value, and a drawing of it.

use crate::scenario::track::Track;

/// The most moments that are looked at one by one; what comes after them is looked at now and then.
const MOST_LOOKS: u32 = 200_000;
/// Into how many parts the length is divided at least.
const PARTS: f64 = 4096.0;
/// How long before a jump the value before it is looked at, as a part of the way there.
const BEFORE: f64 = 1e-6;
/// Values that differ by less than this part are the same for a person.
const SAME: f64 = 2e-6;
/// The levels of a drawing, from the least to the most.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most columns of a drawing.
const MOST_COLUMNS: usize = 1000;

/// What a track comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The largest value, in units.
    pub most: f64,
    /// The first second where it is reached.
    pub most_at: f64,
    /// The least value, in units.
    pub least: f64,
    /// The largest value of each column of a drawing.
    columns: Vec<f64>,
}

impl Outlook {
    /// Looks at a track from second 0 to `length`. Jumps and bends are found wherever they are, the rest by looking every
    /// 4096th part. `None` when it depends on a limit that is not known.
    pub fn of(track: &Track, limit: Option<f64>, length: f64, columns: usize) -> Option<Self> {
        let columns = columns.clamp(1, MOST_COLUMNS);
        let start = track.wanted(0.0, limit)?;
        let mut outlook = Self { most: start, most_at: 0.0, least: start, columns: vec![0.0; columns] };
        let part = length / PARTS;
        let (mut s, mut looks) = (0.0, 0);
        while s < length {
            outlook.take(s, length, track.wanted(s, limit)?);
            looks += 1;
            let even = s + part;
            let edge = if looks < MOST_LOOKS { track.edge_after(s, limit).min(length) } else { f64::INFINITY };
            if edge <= even {
                // A value that a jump ends is the largest just before.
                let before = edge - (edge - s) * BEFORE;
                outlook.take(before, length, track.wanted(before, limit)?);
            }
            let next = even.min(edge);
            // Where seconds are lost in large numbers, there is nothing more to see.
            s = if next > s { next } else { length };
        }
        Some(outlook)
    }

    fn take(&mut self, s: f64, length: f64, value: f64) {
        // A peak that comes again is no later one because of how numbers are rounded.
        if value > self.most * (1.0 + SAME) {
            self.most_at = s;
        }
        self.most = self.most.max(value);
        self.least = self.least.min(value);
        let place = (s / length * self.columns.len() as f64) as usize;
        if let Some(column) = self.columns.get_mut(place) {
            *column = column.max(value);
        }
    }

    /// A line of blocks, which stand for values from the least to the most.
    pub fn drawing(&self) -> String {
        let range = self.most - self.least;
        let mut drawing = String::new();
        for value in &self.columns {
            let level = if range > 0.0 { (value - self.least) / range * (LEVELS.len() - 1) as f64 } else { 0.0 };
            drawing.push(LEVELS[(level.round() as usize).min(LEVELS.len() - 1)]);
        }
        drawing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::amount::TrackAmount::{Share, Units};
    use crate::scenario::shape::{Shape, TimedShape};
    use crate::scenario::spikes::Spikes;
    use crate::scenario::track::{AtLimit, TrackKind};
    use crate::scenario::wave::{Wave, WaveForm};

    fn track(shape: Shape) -> Track {
        let shapes = vec![TimedShape { shape, begin: 0.0, end: f64::INFINITY }];
        Track { kind: TrackKind::Memory, shapes, at_limit: AtLimit::Clip, scale: 1.0 }
    }

    fn wave(form: WaveForm) -> Track {
        track(Shape::Wave(Wave { form, low: Units(0.0), high: Units(100.0), period: 80.0, phase: 0.0 }))
    }

    #[test]
    fn the_largest_value_is_found_with_its_time() {
        let outlook = Outlook::of(&wave(WaveForm::Sine), None, 80.0, 16).unwrap();
        assert!((outlook.most - 100.0).abs() < 1e-3 && (outlook.most_at - 40.0).abs() < 0.1, "{outlook:?}");
        assert_eq!(outlook.drawing(), "▁▂▃▄▆▇████▇▆▅▃▂▁");
        let outlook = Outlook::of(&wave(WaveForm::Sawtooth), None, 160.0, 8).unwrap();
        assert!(outlook.most > 99.99 && outlook.most_at > 79.99 && outlook.most_at < 160.0, "{outlook:?}");
        assert_eq!(outlook.drawing(), "▃▄▆█▃▄▆█");
    }

    #[test]
    fn a_spike_of_a_second_in_a_week_is_found() {
        let week = 7.0 * 86_400.0;
        let spikes = Spikes { height: (Units(7.0), Units(7.0)), length: (1.0, 1.0), every: (week, week), seed: 3 };
        let outlook = Outlook::of(&track(Shape::Spikes(spikes)), None, week, 60).unwrap();
        assert_eq!((outlook.most, outlook.most_at, outlook.least), (7.0, week / 2.0, 0.0));
    }

    #[test]
    fn what_depends_on_a_limit_is_not_known_without() {
        let track = track(Shape::Constant(Share(0.5)));
        assert_eq!(Outlook::of(&track, None, 10.0, 4), None);
        let outlook = Outlook::of(&track, Some(10.0), 10.0, 4).unwrap();
        assert_eq!((outlook.most, outlook.drawing().as_str()), (5.0, "▁▁▁▁"));
    }
}
