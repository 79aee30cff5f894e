//! The last ten minutes, a point a second, and what happened in them: what the page draws, and what becomes a recording.
//!
//! ```text
//!  sampler, once a second -- figures --> curves, a number for as long as nothing changes, then 600 points of four bytes
//!                         \- changes --> events, the last hundred
//! ```
//!
//! Nothing of it is written anywhere: it ends with the process.

mod curve;
mod events;
mod sampler;

use std::sync::Mutex;

use crate::sync::lock;

use curve::Curve;
pub use curve::POINTS;
pub use events::Event;
pub use sampler::HistorySampler;

/// The curves there are: a group, and what of it. Amounts are bytes, millicores, numbers, and of `io` bytes a second.
pub const CURVES: [(&str, &str); 18] = [
    ("mem", "held"),
    ("mem", "target"),
    ("mem", "own"),
    ("disk", "held"),
    ("disk", "target"),
    ("cpu", "held"),
    ("cpu", "target"),
    ("cpu", "own"),
    ("cpu", "throttled"),
    ("inode", "held"),
    ("inode", "target"),
    ("pid", "held"),
    ("pid", "target"),
    ("pid", "own"),
    ("fd", "held"),
    ("fd", "target"),
    ("io", "held"),
    ("io", "target"),
];

/// A value for each curve; what is not known is none.
pub type CurveValues = [Option<f64>; CURVES.len()];

/// The most events that are kept.
const EVENTS: usize = 100;

/// What was seen. Seconds are those since the process began.
#[derive(Debug, Default)]
pub struct History(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The first second that was sampled, and the one after the last.
    span: Option<(u64, u64)>,
    curves: [Curve; CURVES.len()],
    events: Vec<Event>,
}

/// A part of what was seen.
#[derive(Debug, PartialEq)]
pub struct Excerpt {
    /// The second of the first point.
    pub from: u64,
    /// The second after the last point.
    pub next: u64,
    /// A curve each, in the order of [`CURVES`].
    pub curves: Vec<Vec<Option<f64>>>,
    /// What happened, the oldest first.
    pub events: Vec<Event>,
}

impl History {
    /// Takes in what a second was like. A second that is there already, or was passed, stays as it is.
    fn put(&self, second: u64, figures: &CurveValues, events: Vec<Event>) {
        let mut seen = lock(&self.0);
        seen.events.extend(events);
        let surplus = seen.events.len().saturating_sub(EVENTS);
        seen.events.drain(..surplus);
        let Some((first, next)) = seen.span else {
            seen.span = Some((second, second + 1));
            for (curve, figure) in seen.curves.iter_mut().zip(figures) {
                *curve = Curve::of(*figure);
            }
            return;
        };
        if second < next {
            return;
        }
        for missed in next.max(second.saturating_sub(POINTS as u64))..second {
            seen.curves.iter_mut().for_each(|curve| curve.put(missed, None));
        }
        for (curve, figure) in seen.curves.iter_mut().zip(figures) {
            curve.put(second, *figure);
        }
        seen.span = Some((first, second + 1));
    }

    /// What was seen from a second on. One that is more than the next is of another process: then it is everything.
    pub fn since(&self, second: u64) -> Excerpt {
        let seen = lock(&self.0);
        let (first, next) = seen.span.unwrap_or((0, 0));
        let oldest = first.max(next.saturating_sub(POINTS as u64));
        let from = if second > next { oldest } else { oldest.max(second) };
        let curves = seen.curves.iter().map(|curve| (from..next).map(|second| curve.at(second)).collect()).collect();
        let events = seen.events.iter().filter(|event| event.second >= from).cloned().collect();
        Excerpt { from, next, curves, events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(memory: f64) -> CurveValues {
        let mut figures = [None; CURVES.len()];
        figures[0] = Some(memory);
        figures
    }

    fn event(second: u64) -> Event {
        Event { second, group: "mem", what: "set", amount: Some(1.0), by: String::new() }
    }

    #[test]
    fn the_last_ten_minutes_are_kept_and_holes_stay_holes() {
        let history = History::default();
        assert_eq!(history.since(0).curves[0], []);
        for second in 5..10 {
            history.put(second, &figures(7.0), Vec::new());
        }
        let excerpt = history.since(0);
        assert_eq!((excerpt.from, excerpt.next), (5, 10));
        assert_eq!((&excerpt.curves[0][..], &excerpt.curves[1][..]), (&[Some(7.0); 5][..], &[None; 5][..]));
        // Two seconds are missed, and one comes twice.
        history.put(12, &figures(8.0), vec![event(12)]);
        history.put(12, &figures(9.0), Vec::new());
        let excerpt = history.since(9);
        assert_eq!(excerpt.curves[0], [Some(7.0), None, None, Some(8.0)]);
        assert_eq!(excerpt.events, [event(12)]);
        assert_eq!(history.since(13).curves[0], []);
        // A second to come is one of another process.
        assert_eq!(history.since(900).from, 5);
        // Longer than all there is: nothing old comes back.
        history.put(5000, &figures(1.0), Vec::new());
        let excerpt = history.since(0);
        assert_eq!((excerpt.from, excerpt.curves[0].len()), (4401, POINTS));
        assert_eq!(excerpt.curves[0].iter().flatten().collect::<Vec<_>>(), [&1.0]);
        assert!(excerpt.events.is_empty());
    }

    #[test]
    fn events_are_bounded() {
        let history = History::default();
        for second in 0..300 {
            history.put(second, &figures(0.0), vec![event(second)]);
        }
        let events = history.since(0).events;
        assert_eq!((events.len(), events[0].second, events[EVENTS - 1].second), (EVENTS, 200, 299));
    }

    proptest::proptest! {
        #[test]
        fn every_point_is_what_was_put_there(
            steps in proptest::collection::vec((1u64..30, proptest::option::of(0u32..4)), 1..900),
        ) {
            let history = History::default();
            let (mut second, mut truth) = (0, Vec::new());
            for (step, value) in steps {
                truth.resize(second as usize, None);
                let value = value.map(f64::from);
                let mut all = figures(0.0);
                all[0] = value;
                history.put(second, &all, Vec::new());
                truth.push(value);
                second += step;
            }
            let from = truth.len().saturating_sub(POINTS);
            let excerpt = history.since(0);
            proptest::prop_assert_eq!(excerpt.from, from as u64);
            proptest::prop_assert_eq!(&excerpt.curves[0], &truth[from..]);
        }
    }
}
