//! `/api/history`: the last ten minutes. In text it is a recording, as a scenario plays one.

use std::fmt::Write;

use crate::consumer::Consumer;
use crate::consumer::api::params::Params;
use crate::consumer::history::{CURVES, Event, Excerpt};
use crate::http::Answer;
use crate::object;
use crate::parameters::FROM;
use crate::service::json::{Value, list, thousandths};
use crate::service::problem::{Problem, json, say};
use crate::units::decimal::Plain;

/// The columns of a recording, the curve that each is, and what one of its units is in the column's.
const COLUMNS: [(&str, (&str, &str), f64); 7] = [
    ("memory_bytes", ("mem", "held"), 1.0),
    ("cpu_cores", ("cpu", "own"), 1e-3),
    ("disk_bytes", ("disk", "held"), 1.0),
    ("io_bytes_per_second", ("io", "held"), 1.0),
    ("inodes", ("inode", "held"), 1.0),
    ("pids", ("pid", "held"), 1.0),
    ("fds", ("fd", "held"), 1.0),
];

impl Consumer {
    /// `/api/history`
    pub(super) fn history_answer(&self, params: &Params<'_, '_>) -> Answer {
        let from = match params.only().and_then(|()| params.number(const { &FROM.whole() })) {
            Ok(from) => from.unwrap_or_default(),
            Err(why) => return Problem::new(400, "invalid", why).answer(params.json),
        };
        let excerpt = self.history.since(from);
        if params.json { json(200, &value(&excerpt)) } else { say(recording(&excerpt)) }
    }
}

fn value(excerpt: &Excerpt) -> Value {
    let (mut groups, mut group, mut name) = (object! {}, object! {}, CURVES[0].0);
    for ((of, what), points) in CURVES.into_iter().zip(&excerpt.curves) {
        if of != name {
            groups.add(name, &std::mem::replace(&mut group, object! {}));
            name = of;
        }
        group.add(what, &list(&mut points.iter().map(|point| Value::of(&point.map(thousandths)))));
    }
    groups.add(name, &group);
    let events = list(&mut excerpt.events.iter().map(|Event { second, group, what, amount, by }| {
        object! {
            "second": *second,
            "group": Some(*group).filter(|group| !group.is_empty()),
            "what": *what,
            "amount": amount.map(thousandths),
            "by": by.as_str(),
        }
    }));
    object! { "from": excerpt.from, "next": excerpt.next }.with("curves", groups).with("events", events)
}

/// What was held and used, a line a second.
fn recording(excerpt: &Excerpt) -> String {
    let mut text = String::from("seconds");
    let mut columns = Vec::new();
    for (name, curve, unit) in COLUMNS {
        text.push(',');
        text.push_str(name);
        let place = CURVES.iter().position(|known| *known == curve).unwrap_or_default();
        columns.push((&excerpt.curves[place], unit));
    }
    for point in 0..(excerpt.next - excerpt.from) as usize {
        // Writing to a String does not fail.
        let _ = write!(text, "\n{point}");
        for (points, unit) in &columns {
            text.push(',');
            if let Some(value) = points[point] {
                let _ = write!(text, "{}", Plain((value * unit * 1e6).round() / 1e6));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt() -> Excerpt {
        let curve = |what: (&str, &str)| match what {
            ("mem", "held") => vec![Some(536_870_912.0), None],
            ("cpu", "own") => vec![None, Some(1500.0)],
            _ => vec![Some(0.0); 2],
        };
        let by = String::from("\"curl\"");
        let event = Event { second: 8, group: "mem", what: "set", amount: Some(536_870_912.0), by };
        Excerpt { from: 7, next: 9, curves: CURVES.map(curve).to_vec(), events: vec![event] }
    }

    #[test]
    fn every_column_is_a_curve() {
        for (name, curve, _) in COLUMNS {
            assert!(CURVES.contains(&curve), "{name}");
        }
    }

    #[test]
    fn it_is_json_for_programs() {
        let told: serde_json::Value = serde_json::from_str(&value(&excerpt()).to_string()).unwrap();
        assert_eq!((&told["from"], &told["next"]), (&7.into(), &9.into()));
        assert_eq!(told["curves"]["mem"]["held"], serde_json::json!([536_870_912, null]));
        assert_eq!(told["curves"]["cpu"]["own"], serde_json::json!([null, 1500]));
        assert_eq!(told["curves"].as_object().unwrap().len(), 7);
        assert_eq!(told["events"][0]["what"], "set");
    }

    #[test]
    fn in_text_it_is_a_recording() {
        let lines = "seconds,memory_bytes,cpu_cores,disk_bytes,io_bytes_per_second,inodes,pids,fds\n\
                     0,536870912,,0,0,0,0,0\n\
                     1,,1.5,0,0,0,0,0";
        assert_eq!(recording(&excerpt()), lines);
        let nothing = Excerpt { from: 0, next: 0, curves: vec![Vec::new(); CURVES.len()], events: Vec::new() };
        assert_eq!(recording(&nothing).lines().count(), 1);
    }

    #[cfg(feature = "scenario")]
    #[test]
    fn the_columns_are_those_of_a_recording_by_hand() {
        assert_eq!(COLUMNS.map(|(name, ..)| name), crate::scenario::record::page::PAGE_COLUMNS);
    }
}
