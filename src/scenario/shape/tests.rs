//! Each shape is what its name says, within its bounds, and a function of the time alone.

use proptest::prelude::*;

use super::*;
use crate::scenario::amount::MOST_UNITS;
use crate::scenario::amount::TrackAmount::{Share, Units};
use crate::scenario::trace::{GapRule, TraceChoice, read};
use crate::scenario::track::{AtLimit, Track, TrackKind};
use crate::scenario::wave::WaveForm;

const LIMIT: Option<f64> = Some(1000.0);

fn timed(shape: Shape) -> TimedShape {
    TimedShape { shape, begin: 0.0, end: f64::INFINITY }
}

fn at(shape: &TimedShape, s: f64) -> f64 {
    shape.value(s, LIMIT).unwrap()
}

#[test]
fn a_ramp_goes_to_its_end_and_stays_there() {
    let ramp = timed(Shape::Ramp { from: Units(100.0), to: Share(0.5), over: 10.0 });
    assert_eq!([0.0, 5.0, 10.0, 1e9].map(|s| at(&ramp, s)), [100.0, 300.0, 500.0, 500.0]);
    assert_eq!((ramp.length(), ramp.edge_after(5.0, LIMIT), ramp.value(0.0, None)), (Some(10.0), 10.0, None));
}

#[test]
fn steps_hold_until_the_next() {
    let steps = timed(Shape::Steps(vec![(5.0, Units(1.0)), (10.0, Units(2.0))]));
    assert_eq!([0.0, 5.0, 9.9, 10.0, 1e9].map(|s| at(&steps, s)), [0.0, 1.0, 1.0, 2.0, 2.0]);
    assert_eq!([0.0, 5.0, 10.0].map(|s| steps.edge_after(s, None)), [5.0, 10.0, f64::INFINITY]);
}

#[test]
fn a_leak_holds_drops_or_stops() {
    let leak = |then| timed(Shape::Leak(Leak { rate: Units(60.0), per: 60.0, until: Units(50.0), then }));
    assert_eq!([0.0, 10.0, 50.0, 75.0].map(|s| at(&leak(AfterLeak::Hold), s)), [0.0, 10.0, 50.0, 50.0]);
    assert_eq!([0.0, 49.0, 50.0, 75.0].map(|s| at(&leak(AfterLeak::Drop), s)), [0.0, 49.0, 0.0, 25.0]);
    assert_eq!([50.0, 75.0].map(|s| at(&leak(AfterLeak::Stop), s)), [50.0, 50.0]);
    assert_eq!(leak(AfterLeak::Stop).stops_at(None), Some(50.0));
    assert_eq!((leak(AfterLeak::Hold).stops_at(None), leak(AfterLeak::Hold).length()), (None, Some(50.0)));
    assert_eq!((leak(AfterLeak::Drop).length(), leak(AfterLeak::Drop).period()), (None, Some(50.0)));
    let still = timed(Shape::Leak(Leak { rate: Units(0.0), per: 1.0, until: Units(0.0), then: AfterLeak::Drop }));
    assert_eq!((at(&still, 5.0), still.length()), (0.0, None));
}

#[test]
fn a_shape_counts_between_its_begin_and_its_end() {
    let shape = Shape::Ramp { from: Units(0.0), to: Units(100.0), over: 100.0 };
    let shape = TimedShape { shape, begin: 10.0, end: 30.0 };
    assert_eq!([9.9, 10.0, 20.0, 29.0, 30.0].map(|s| at(&shape, s)), [0.0, 0.0, 10.0, 19.0, 0.0]);
    assert_eq!([0.0, 10.0, 30.0].map(|s| shape.edge_after(s, LIMIT)), [10.0, 30.0, f64::INFINITY]);
    assert_eq!(shape.length(), Some(30.0));
}

fn amount() -> impl Strategy<Value = TrackAmount> {
    prop_oneof![(0.0f64..2e19).prop_map(Units), (0.0f64..1e4).prop_map(Units), (0.0f64..2.0).prop_map(Share)]
}

fn seconds() -> impl Strategy<Value = f64> {
    prop_oneof![0.001f64..100.0, 0.001f64..3e8]
}

fn trace() -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(0.0f64..1e18, 1..50),
        prop_oneof![(0.0f64..1e3).prop_map(TraceScale::Times), amount().prop_map(TraceScale::To)],
    )
        .prop_map(|(values, scale)| {
            let mut csv = String::from("seconds,x\n");
            for (second, value) in values.iter().enumerate() {
                csv.push_str(&format!("{second},{value}\n"));
            }
            let choice = TraceChoice { column: "x", unit: 1.0, series: &[], every: None, gaps: GapRule::Line };
            Shape::Trace(TraceShape { points: read(&mut csv.as_bytes(), &choice).unwrap(), scale })
        })
}

fn shape() -> impl Strategy<Value = Shape> {
    let wave = (0..3, 0.0f64..=1.0, amount(), amount(), seconds(), seconds()).prop_map(
        |(form, duty, low, high, period, phase)| {
            let form = [WaveForm::Sine, WaveForm::Sawtooth, WaveForm::Square(duty)][form as usize];
            Shape::Wave(Wave { form, low, high, period, phase })
        },
    );
    let spikes =
        (amount(), amount(), seconds(), 0.0f64..100.0, any::<u64>()).prop_map(|(one, other, length, more, seed)| {
            Shape::Spikes(Spikes {
                height: (one, other),
                length: (length / 2.0, length),
                every: (length, length + more),
                seed,
            })
        });
    let leak = (amount(), seconds(), amount(), 0..3).prop_map(|(rate, per, until, then)| {
        let then = [AfterLeak::Hold, AfterLeak::Drop, AfterLeak::Stop][then as usize];
        Shape::Leak(Leak { rate, per, until, then })
    });
    let walk = (amount(), amount(), amount(), 1e4f64..1e6, any::<u64>())
        .prop_map(|(low, high, step, every, seed)| Shape::Walk(Walk::new(low, high, step, every, seed)));
    prop_oneof![
        amount().prop_map(Shape::Constant),
        (amount(), amount(), seconds()).prop_map(|(from, to, over)| Shape::Ramp { from, to, over }),
        prop::collection::vec((seconds(), amount()), 1..5).prop_map(|mut steps| {
            steps.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            Shape::Steps(steps)
        }),
        wave,
        spikes,
        leak,
        walk,
        trace(),
    ]
}

/// The most that a shape can be.
fn bound(shape: &Shape) -> f64 {
    let mut most = 0.0f64;
    match shape {
        Shape::Trace(TraceShape { points, scale: TraceScale::Times(factor) }) => most = points.largest() * factor,
        shape => shape.each_amount(&mut |amount| most = most.max(amount.resolve(LIMIT).unwrap())),
    }
    most
}

proptest! {
    #[test]
    fn values_are_finite_and_within_their_amounts(shape in shape(), times in prop::collection::vec(0.0f64..3e8, 1..20)) {
        let (most, shape) = (bound(&shape), timed(shape));
        for s in times {
            let value = at(&shape, s);
            prop_assert!(value.is_finite() && value >= 0.0 && value <= most * (1.0 + 1e-6), "{value} of {most} at {s}");
        }
    }

    #[test]
    fn seeking_is_as_playing(shape in shape(), end in 1u32..300, step in 0.1f64..1000.0) {
        let shape = timed(shape);
        let played: Vec<f64> = (0..end).map(|number| at(&shape, f64::from(number) * step)).collect();
        for number in (0..end).rev() {
            prop_assert_eq!(at(&shape, f64::from(number) * step), played[number as usize]);
        }
    }

    #[test]
    fn edges_lie_ahead_of_any_second(shape in shape(), begin in 0.0f64..1e4, s in 0.0f64..3e8) {
        let shape = TimedShape { shape, begin, end: 2e8 };
        prop_assert!(shape.edge_after(s, LIMIT) > s);
    }

    #[test]
    fn a_track_is_the_sum_within_what_can_be_counted(shapes in prop::collection::vec(shape(), 0..5), s in 0.0f64..3e8) {
        let track = Track {
            kind: TrackKind::Memory,
            shapes: shapes.into_iter().map(timed).collect(),
            at_limit: AtLimit::Clip,
            scale: 1.0,
        };
        let sum: f64 = track.shapes.iter().map(|shape| at(shape, s)).sum();
        let wanted = track.wanted(s, LIMIT).unwrap();
        prop_assert!((0.0..=MOST_UNITS).contains(&wanted));
        prop_assert!((wanted - sum.min(MOST_UNITS)).abs() <= sum * 1e-9);
    }
}

proptest! {
    // A walk takes all its steps for a time that is beyond all measure.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn times_that_make_no_sense_make_no_harm(shape in shape()) {
        let track = Track { kind: TrackKind::Memory, shapes: vec![timed(shape)], at_limit: AtLimit::Clip, scale: 1.0 };
        for s in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let wanted = track.wanted(s, LIMIT).unwrap();
            prop_assert!((0.0..=MOST_UNITS).contains(&wanted), "{} at {}", wanted, s);
        }
    }
}
