//! A scenario's file as a service takes it: in one text, in which the recordings stand that the file names.
//!
//! A recording is put in as it is played: one value each `every`, so that a day of a point a second is as short as it can be.

use std::fmt::Write;
use std::path::Path;

use crate::scenario::PodScenario;
use crate::scenario::shape::{Shape, TimedShape};
use crate::scenario::start::in_rfc3339;
use crate::scenario::trace::TracePoints;
use crate::scenario::track::TrackKind;
use crate::settings::scenario::{opened, parsed, read, read_tree};
use crate::units::decimal::of_f32;
use crate::yaml::{MOST_BYTES, Node, NodeKind, flow};

/// The name of a column whose values are millicores.
const MILLICORES: &str = "cpu_millicores";

/// A file that was read, with all that it needs.
#[derive(Debug)]
pub struct ScenarioDocument {
    /// What it says.
    pub scenario: PodScenario,
    tree: Node,
}

impl ScenarioDocument {
    /// Reads a file; `-` is the standard input.
    ///
    /// # Errors
    /// As [`load`](super::load): all that is wrong, a line each.
    pub fn load(path: &Path) -> Result<Self, Vec<String>> {
        let (name, text, folder) = opened(path)?;
        Self::read(&name, &text, folder)
    }

    fn read(name: &str, text: &str, folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let mut tree = parsed(name, text)?;
        let scenario = read_tree(name, &tree, folder)?;
        // What was read has a track each, in the order of the file.
        let mut tracks = scenario.tracks.iter();
        for (key, value) in members(member(&mut tree, "tracks")) {
            if !matches!(key.text(), Some("ready" | "fault"))
                && let Some(track) = tracks.next()
            {
                put_in(value, &track.shapes, track.kind);
            }
        }
        Ok(Self { scenario, tree })
    }

    /// What is sent: the file, which begins at this second of Unix time if one is given, and has so many times the file's
    /// amounts.
    ///
    /// # Errors
    /// When it is longer than a service takes, or would not be read there.
    pub fn text(&self, start: Option<f64>, share: f64) -> Result<String, String> {
        let mut tree = self.tree.clone();
        if let Some(time) = start {
            let at = scalar(in_rfc3339(time));
            let offset = tree.get("start").and_then(|start| start.get("offset")).cloned();
            let start = match offset {
                Some(offset) => mapping(vec![(scalar("at"), at), (scalar("offset"), offset)]),
                None => at,
            };
            set(&mut tree, "start", start);
        }
        if share != 1.0 {
            set(&mut tree, "scale", scalar(format!("x{}", self.scenario.scale * share)));
        }
        let text = flow(&tree);
        if text.len() > MOST_BYTES {
            return Err(format!(
                "with its recordings the scenario is {} bytes long, and a service takes {MOST_BYTES}: every: in a trace keeps \
                 fewer values of it, and a shorter recording has fewer",
                text.len()
            ));
        }
        // Amounts beyond what is read would be refused by every pod.
        read("what is to be sent", &text, None).map_err(|faults| faults.join("\n"))?;
        Ok(text)
    }
}

/// Puts the recordings of a track into it.
fn put_in(track: &mut Node, shapes: &[TimedShape], kind: TrackKind) {
    let has_sum = track.get("sum").is_some();
    let parts = if has_sum { member(track, "sum") } else { Some(track) };
    let parts = match parts {
        Some(Node { kind: NodeKind::Sequence(items), .. }) if has_sum => items.as_mut_slice(),
        Some(one) => std::slice::from_mut(one),
        None => &mut [],
    };
    for (part, shape) in parts.iter_mut().zip(shapes) {
        if let (Some(trace), Shape::Trace(read)) = (member(part, "trace"), &shape.shape)
            && trace.get("file").is_some()
        {
            let kept = ["scale", "every"].into_iter().filter_map(|key| Some((scalar(key), trace.get(key)?.clone())));
            let column = if kind == TrackKind::Cpu { MILLICORES } else { kind.column() };
            let mut pairs: Vec<(Node, Node)> = kept.collect();
            pairs.push((scalar("column"), scalar(column)));
            pairs.push((scalar("csv"), scalar(csv(&read.points, column))));
            trace.kind = NodeKind::Mapping(pairs);
        }
    }
}

/// A recording as CSV. Read with the same `every` it is the same; where none is said, the first two of its rows say it.
fn csv(points: &TracePoints, column: &str) -> String {
    let mut csv = format!("seconds,{column}\n");
    for (step, value) in points.kept().iter().enumerate() {
        let second = step as f64 * points.every();
        // Writing to a String does not fail.
        let _ = writeln!(csv, "{second},{}", of_f32(*value));
    }
    csv
}

fn scalar(text: impl Into<String>) -> Node {
    Node { line: 1, column: 1, kind: NodeKind::Scalar { text: text.into(), is_plain: false } }
}

fn mapping(pairs: Vec<(Node, Node)>) -> Node {
    Node { line: 1, column: 1, kind: NodeKind::Mapping(pairs) }
}

/// The keys and values of a mapping.
fn members(node: Option<&mut Node>) -> &mut [(Node, Node)] {
    match node {
        Some(Node { kind: NodeKind::Mapping(pairs), .. }) => pairs,
        _ => &mut [],
    }
}

/// The value of a key.
fn member<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    members(Some(node)).iter_mut().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
}

/// Gives a key this value, whatever it had.
fn set(node: &mut Node, key: &str, value: Node) {
    if let NodeKind::Mapping(pairs) = &mut node.kind {
        pairs.retain(|(name, _)| name.text() != Some(key));
        pairs.push((scalar(key), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::scenario::start::{StartOffset, StartTime};
    use crate::settings::scenario::examples::EXAMPLES;

    /// All that a scenario says, but for how many points and gaps its recordings had.
    fn said(scenario: &PodScenario) -> String {
        let mut said = String::new();
        for (place, part) in format!("{scenario:?}").split(", points: ").enumerate() {
            let counts = part.find(" }").filter(|end| place > 0 && part[..*end].contains(", gaps: "));
            said.push_str(&part[counts.unwrap_or_default()..]);
        }
        said
    }

    fn is_the_same(text: &str, folder: &Path) -> String {
        let document = ScenarioDocument::read("a", text, Some(folder)).unwrap();
        let sent = document.text(None, 1.0).unwrap();
        let again = read("sent", &sent, None).unwrap_or_else(|faults| panic!("{faults:#?} {sent}"));
        assert_eq!(said(&again), said(&document.scenario), "{sent}");
        assert_eq!(said(&again), said(&read("a", text, Some(folder)).unwrap()));
        sent
    }

    #[test]
    fn every_example_is_the_same_when_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        for example in &EXAMPLES {
            fs::write(folder.path().join(example.name), example.text()).unwrap();
        }
        for example in EXAMPLES.iter().filter(|example| !example.name.ends_with(".csv")) {
            let sent = is_the_same(&example.text(), folder.path());
            assert!(!sent.contains("day.csv") && !sent.contains('\n'), "{sent}");
        }
    }

    #[test]
    fn recordings_stand_in_it_as_they_are_played() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "a.csv",
            "# a\nseconds, other, memory_bytes,cpu_cores\n1000,x,10,0.1\n1001,y,20,0.25\n1005,,55,3\n1006,,,\n",
        );
        write("one.csv", "seconds,fds\n5,7\n");
        write(
            "p.json",
            r#"{"data":{"result":[{"metric":{"pod":"a"},"values":[[5,"1"]]},
            {"metric":{"pod":"b"},"values":[[1795910160,"100.123456789"],[1795910175.781,"2e-7"]]}]}}"#,
        );
        let sent = is_the_same(
            "version: 1\ntracks:\n  memory: {trace: {file: a.csv, gaps: zero}, at_limit: stop}\n  \
             fault: [{at: 1, kind: hang}]\n  \
             cpu: {sum: [{constant: 5m}, {trace: {file: a.csv, every: 1.5s, scale: to 80pct}, begin: 5}, {trace: {file: p.json, \
             series: {pod: b}, column: 'a,b'}}]}\n  ready: []\n  \
             fd: {trace: {file: one.csv}}\n  pid: {trace: {csv: \"seconds,pids\\n0,5\\n\"}}\n",
            folder.path(),
        );
        for part in [
            r#""csv": "seconds,memory_bytes\n0,10\n1,20\n2,0\n3,0\n4,0\n5,55\n""#,
            r#""scale": "to 80pct", "every": "1.5s", "column": "cpu_millicores""#,
            r#""csv": "seconds,fds\n0,7\n""#,
            r#"{"csv": "seconds,pids\n0,5\n"}"#,
            r#"n16,0.0002\n"#,
        ] {
            assert!(sent.contains(part), "{part}: {sent}");
        }
    }

    #[test]
    fn it_begins_when_and_is_as_large_as_told() {
        let sent = |text: &str| {
            let document = ScenarioDocument::read("a", text, None).unwrap();
            let sent = document.text(Some(1_795_910_160.25), 1.0 / 3.0).unwrap();
            read("sent", &sent, None).unwrap()
        };
        let tracks = "version: 1\ntracks: {fd: {constant: 30}, memory: {constant: 60%}}\n";
        let plain = sent(tracks);
        assert_eq!((plain.start, plain.offset), (StartTime::Instant(1_795_910_160.25), StartOffset::Same));
        assert!((plain.scale - 1.0 / 3.0).abs() < 1e-12, "{}", plain.scale);
        let wanted = plain.wanted(TrackKind::Memory, 0.0, Some(1000.0)).unwrap();
        assert!((wanted - 200.0).abs() < 1e-6, "{wanted}");
        let other = sent(&format!("{tracks}start: {{at: now, offset: {{ordinal: 5m}}}}\nscale: x1.5\n"));
        assert_eq!((other.start, other.offset), (plain.start, StartOffset::Ordinal(300.0)));
        assert!((other.scale - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_is_too_long_is_told_with_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = String::from("seconds,memory_bytes\n");
        for second in 0..150_000u32 {
            let _ = writeln!(rows, "{second},{}", second * 20_000);
        }
        fs::write(folder.path().join("long.csv"), rows).unwrap();
        let text = |every: &str| format!("version: 1\ntracks: {{memory: {{trace: {{file: long.csv{every}}}}}}}\n");
        let document = |every| ScenarioDocument::read("a", &text(every), Some(folder.path())).unwrap();
        let why = document("").text(None, 1.0).unwrap_err();
        assert!(why.contains(" bytes long, and a service takes 2097152: every:"), "{why}");
        assert!(document(", every: 2s").text(None, 1.0).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_recording_is_the_same_when_it_was_sent(
            rows in proptest::collection::vec((0.01f64..400.0, 0.0f64..1e12, 0u32..14), 1..40),
            every in proptest::option::of(0.5f64..100.0),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (mut csv, mut second) = (String::from("seconds,memory_bytes\n"), 1e6);
            for (step, value, places) in rows {
                second += step;
                let _ = writeln!(csv, "{second:.3},{:.6e}", value / 10f64.powi(places as i32));
            }
            fs::write(folder.path().join("a.csv"), csv).unwrap();
            let every = every.map_or(String::new(), |every| format!(", every: {every:.3}s"));
            is_the_same(&format!("version: 1\ntracks: {{memory: {{trace: {{file: a.csv{every}}}}}}}\n"), folder.path());
        }
    }
}
