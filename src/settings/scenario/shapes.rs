//! The shapes of a track.

use crate::scenario::shape::{AfterLeak, Leak, Shape, TimedShape};
use crate::scenario::spikes::Spikes;
use crate::scenario::track::TrackKind;
use crate::scenario::walk::Walk;
use crate::scenario::wave::{Wave, WaveForm};
use crate::settings::config_reader::ConfigValue;
use crate::settings::scenario::traces;
use crate::settings::scenario::values::ScenarioReader;
use crate::units::decimal::float;

/// The most shapes of a track.
const MOST_SHAPES: usize = 64;
/// The most steps of a shape.
const MOST_STEPS: usize = 1000;
/// The largest seed: larger ones are not the same in every reader of JSON.
const MOST_SEED: u64 = 1 << 53;
/// What may stand beside each shape.
const TIMES: [&str; 2] = ["begin", "end"];
/// The shapes by name, and what is theirs in a mapping.
const SHAPES: [(&str, &[&str]); 10] = [
    ("constant", &["amount"]),
    ("ramp", &["from", "to", "over"]),
    ("steps", &[]),
    ("sine", &["low", "high", "period", "phase"]),
    ("sawtooth", &["low", "high", "period", "phase"]),
    ("square", &["low", "high", "period", "phase", "duty"]),
    ("spikes", &["height", "length", "every", "seed"]),
    ("leak", &["rate", "per", "until", "then"]),
    ("walk", &["low", "high", "step", "every", "seed"]),
    ("trace", &["file", "csv", "column", "series", "scale", "every", "gaps"]),
];
const THEN: [(&str, AfterLeak); 3] = [("hold", AfterLeak::Hold), ("drop", AfterLeak::Drop), ("stop", AfterLeak::Stop)];

/// What a track is the sum of: one shape, or those under `sum`.
pub(super) fn all(reader: &mut ScenarioReader<'_, '_>, at: &ConfigValue<'_>, kind: TrackKind) -> Vec<TimedShape> {
    let mut shapes = Vec::new();
    if at.get("sum").is_none() {
        shapes.extend(one(reader, at, kind, &["at_limit", "sum"]));
        return shapes;
    }
    reader.config.keys(at, &["at_limit", "sum"]);
    let parts = reader.config.list(at, "sum", MOST_SHAPES);
    if parts.is_empty() && at.get("sum").is_some_and(|sum| sum.node.as_sequence().is_none_or(<[_]>::is_empty)) {
        reader.config.fault(at, "sum has no shape in it");
    }
    for part in parts {
        shapes.extend(one(reader, &part, kind, &[]));
    }
    shapes
}

/// A shape, and when it counts. Beside it may stand these keys, too.
fn one(
    reader: &mut ScenarioReader<'_, '_>,
    at: &ConfigValue<'_>,
    kind: TrackKind,
    beside: &[&str],
) -> Option<TimedShape> {
    let mut names = [""; SHAPES.len()];
    for (name, (known, _)) in names.iter_mut().zip(SHAPES) {
        *name = known;
    }
    if !reader.config.keys(at, &[&names[..], &TIMES, beside].concat()) {
        return None;
    }
    let begin = reader.optional_seconds(at, "begin", true).unwrap_or_default();
    let end = reader.optional_seconds(at, "end", false).unwrap_or(f64::INFINITY);
    if let Some(value) = at.get("end")
        && end <= begin
    {
        reader.config.fault(&value, "it ends before it begins");
    }
    let (name, value) = reader.config.one_of(at, &names)?;
    let shape = shape(reader, name, &value, kind)?;
    Some(TimedShape { shape, begin, end })
}

fn shape(reader: &mut ScenarioReader<'_, '_>, name: &str, at: &ConfigValue<'_>, kind: TrackKind) -> Option<Shape> {
    match name {
        "steps" => return steps(reader, at, kind),
        // An amount alone is one, too.
        "constant" if at.node.text().is_some() => return Some(Shape::Constant(reader.amount(at, kind))),
        _ => {}
    }
    let keys = SHAPES.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, keys)| keys);
    if !reader.config.keys(at, keys) {
        return None;
    }
    Some(match name {
        "constant" => Shape::Constant(reader.needed_amount(at, "amount", kind)),
        "ramp" => Shape::Ramp {
            from: reader.needed_amount(at, "from", kind),
            to: reader.needed_amount(at, "to", kind),
            over: reader.needed_seconds(at, "over", false),
        },
        "spikes" => spikes(reader, at, kind),
        "leak" => Shape::Leak(Leak {
            rate: reader.needed_amount(at, "rate", kind),
            per: reader.optional_seconds(at, "per", false).unwrap_or(1.0),
            until: reader.needed_amount(at, "until", kind),
            then: reader.config.choice(at, "then", &THEN).unwrap_or_default(),
        }),
        "walk" => {
            let (low, high) = reader.low_and_high(at, kind);
            let step = reader.needed_amount(at, "step", kind);
            let every = reader.needed_seconds(at, "every", false);
            Shape::Walk(Walk::new(low, high, step, every, seed(reader, at)))
        }
        "trace" => return traces::trace(reader, at, kind).map(Shape::Trace),
        _ => {
            let (low, high) = reader.low_and_high(at, kind);
            let period = reader.needed_seconds(at, "period", false);
            let phase = reader.optional_seconds(at, "phase", true).unwrap_or_default();
            let form = match name {
                "sine" => WaveForm::Sine,
                "sawtooth" => WaveForm::Sawtooth,
                _ => WaveForm::Square(duty(reader, at)),
            };
            Shape::Wave(Wave { form, low, high, period, phase })
        }
    })
}

fn seed(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>) -> u64 {
    reader.config.number_or(of, "seed", 0, MOST_SEED, 0)
}

/// Which part of a period is high: half of it where nothing is said.
fn duty(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>) -> f64 {
    let Some(at) = reader.config.optional(of, "duty") else { return 0.5 };
    let text = at.node.text().unwrap_or_default();
    let share = match text.strip_suffix("pct").or_else(|| text.strip_suffix('%')) {
        Some(percent) => float(percent).map(|percent| percent / 100.0),
        None => float(text),
    };
    share.filter(|share| (0.0..=1.0).contains(share)).unwrap_or_else(|| {
        reader.config.fault(&at, format_args!("expected a part like 25pct or 0.25, instead got {}", at.node));
        0.5
    })
}

fn spikes(reader: &mut ScenarioReader<'_, '_>, at: &ConfigValue<'_>, kind: TrackKind) -> Shape {
    let height = reader.needed_amounts(at, "height", kind);
    let length = reader.needed_range(at, "length");
    let every = reader.needed_range(at, "every");
    if let Some(value) = at.get("every")
        && length.1 > every.0
    {
        reader.config.fault(&value, "the next spike may come before the last one is over: length is longer");
    }
    Shape::Spikes(Spikes { height, length, every, seed: seed(reader, at) })
}

fn steps(reader: &mut ScenarioReader<'_, '_>, at: &ConfigValue<'_>, kind: TrackKind) -> Option<Shape> {
    let Some(nodes) = at.node.as_sequence() else {
        reader.config.fault(at, format_args!("expected a list like [{{at: 0, amount: 1}}], instead got {}", at.node));
        return None;
    };
    if nodes.is_empty() || nodes.len() > MOST_STEPS {
        reader.config.fault(at, format_args!("expected 1 to {MOST_STEPS} steps, instead got {}", nodes.len()));
        return None;
    }
    let mut steps: Vec<(f64, _)> = Vec::with_capacity(nodes.len());
    for step in at.items(nodes) {
        if !reader.config.keys(&step, &["at", "amount"]) {
            continue;
        }
        let second = reader.needed_seconds(&step, "at", true);
        let amount = reader.needed_amount(&step, "amount", kind);
        if let (Some(value), Some((last, _))) = (step.get("at"), steps.last())
            && second <= *last
        {
            reader.config.fault(&value, "it is not after the step before it");
        }
        steps.push((second, amount));
    }
    Some(Shape::Steps(steps))
}
