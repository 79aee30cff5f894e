//! What a file says, and what is said of one that is wrong.

use std::fs;

use super::*;
use crate::scenario::plan::ScenarioPosition;
use crate::scenario::shape::Shape;
use crate::scenario::track::{FaultInterval, Interval, PlannedFault, ReadyInterval, TrackKind};

fn good(text: &str) -> PodScenario {
    read("a.yaml", text, None).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

#[test]
fn a_file_is_read_as_what_it_says() {
    let scenario = good(
        "version: 1\nspeed: 2.5\nrepeat: 3\nlength: 1h\nstart: {at: '08:00', offset: {ordinal: 5m}}\non_restart: begin\n\
         tracks:\n  memory:\n    at_limit: stop\n    sum:\n    - constant: 64Mi\n    - ramp: {from: 0, to: 50pct, over: 10s}\n      begin: 5\n  \
         cpu: {square: {low: 0, high: 1.5, period: 10s, duty: 30%}}\n  \
         ready: [{at: 1m, for: 30s, is: no}]\n  \
         fault: [{at: 0, kind: status, code: 503, for: 9s}, {at: 1m, kind: exit}, {at: 2m, kind: log, lines: 500}]\n",
    );
    assert_eq!((scenario.speed, scenario.repeat, scenario.length), (2.5, Some(3), Some(3600.0)));
    assert_eq!((scenario.start, scenario.offset), (StartTime::Daily(28_800.0), StartOffset::Ordinal(300.0)));
    assert_eq!((scenario.on_restart, scenario.tracks[0].at_limit), (OnRestart::Begin, AtLimit::Stop));
    let mebi = 1_048_576.0;
    assert_eq!(scenario.wanted(TrackKind::Memory, 10.0, Some(100.0 * mebi)), Some((64.0 + 25.0) * mebi));
    assert_eq!([2.9, 3.0].map(|s| scenario.wanted(TrackKind::Cpu, s, None)), [Some(1500.0), Some(0.0)]);
    assert_eq!(scenario.wanted(TrackKind::Fd, 1.0, None), None);
    assert_eq!(scenario.ready, [ReadyInterval { interval: Interval { at: 60.0, length: 30.0 }, is_ready: false }]);
    assert_eq!((scenario.is_ready(59.0), scenario.is_ready(60.0)), (true, false));
    let fault = |at, length, fault| FaultInterval { interval: Interval { at, length }, fault };
    assert_eq!(
        scenario.faults,
        [
            fault(0.0, 9.0, PlannedFault::Status { code: 503, percent: 100 }),
            fault(60.0, 0.0, PlannedFault::Exit(1)),
            fault(120.0, 5.0, PlannedFault::Log { lines: 500, rate: 100 }),
        ]
    );
}

#[test]
fn json_is_the_same() {
    let scenario = good(r#"{"version": 1, "tracks": {"memory": {"constant": 1000}}}"#);
    assert_eq!(scenario.wanted(TrackKind::Memory, 5.0, None), Some(1000.0));
    assert_eq!((scenario.length, scenario.repeat), (None, Some(1)));
    assert_eq!(scenario.position(50.0, 20.0, ""), ScenarioPosition::At { second: 30.0, round: 0 });
}

#[test]
fn without_a_length_it_lasts_as_long_as_the_longest_part() {
    let scenario =
        good("version: 1\nrepeat: forever\ntracks: {memory: {ramp: {from: 0, to: 5, over: 90s}, begin: 10s}}");
    assert_eq!((scenario.length, scenario.repeat), (Some(100.0), None));
}

#[test]
fn all_mistakes_are_said_at_once_with_line_and_path() {
    let text = "version: 2
speed: fast
lenght: 1h
start: yesterday
tracks:
  memory:
    sum:
      - sine: {low: 2Gi, high: 1Gi, period: 0}
      - constant: 5MX
      - {ramp: {from: 0, to: 1}, end: 5, begin: 6}
      - {constant: 1, walk: {}}
      - steps: [{at: 5, amount: 1}, {at: 5, amount: 2}]
  cpuu: {constant: 1}
  io: {constant: 50pct}
  cpu: {spikes: {height: 5..1, length: 1m, every: 30s, sead: 1}}
  fd: {at_limit: clip}
  ready: [{at: 1, for: 1, is: maybe}]
  fault: [{at: 1, kind: delai}, {at: 1, kind: delay}, {at: 1, kind: abort, for: 5s}]
";
    let faults = read("a.yaml", text, None).unwrap_err();
    let found = faults.join("\n");
    for wanted in [
        "lenght (line 3): unknown key 'lenght'; the nearest is 'length'",
        "version (line 1): expected 1, instead got 2",
        "speed (line 2): expected a factor from 0.001 to 100000, like 60, instead got fast",
        "start (line 4): \"yesterday\" is no time",
        "tracks.memory.sum[0].sine.low (line 8): the low one is larger",
        "tracks.memory.sum[0].sine.period (line 8): expected a duration longer than 0",
        "tracks.memory.sum[1].constant (line 9): \"5MX\" is no amount",
        "tracks.memory.sum[2].end (line 10): it ends before it begins",
        "tracks.memory.sum[2].ramp (line 10): over is missing",
        "tracks.memory.sum[3].walk (line 11): constant and walk do not go together",
        "tracks.memory.sum[4].steps[1].at (line 12): it is not after the step before it",
        "tracks.cpuu (line 13): unknown track 'cpuu'; the nearest is 'cpu'",
        "tracks.io.constant (line 14): io has no limit",
        "tracks.cpu.spikes.sead (line 15): unknown key 'sead'; the nearest is",
        "tracks.cpu.spikes.height (line 15): the low one is larger",
        "tracks.cpu.spikes.every (line 15): the next spike may come before",
        "tracks.fd (line 16): one of constant, ramp, steps, sine,",
        "tracks.ready[0].is (line 17): expected one of yes, true, no, false, instead got maybe",
        "tracks.fault[0].kind (line 18): unknown fault 'delai'; the nearest is 'delay'",
        "tracks.fault[1] (line 18): ms is missing",
        "tracks.fault[2].for (line 18): unknown key 'for'",
    ] {
        assert!(found.contains(wanted), "{wanted}\n\n{found}");
    }
    assert_eq!(faults.len(), 21, "{found}");
}

#[test]
fn what_has_no_end_is_not_repeated() {
    let faults = read("a.yaml", "version: 1\nrepeat: 2\ntracks: {cpu: {constant: 1}}", None).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("repeat (line 2): nothing in it has an end"), "{faults:?}");
    assert_eq!(read("a.yaml", "version: 1\ntracks: {}", None).unwrap_err(), ["tracks (line 2): there is no track"]);
}

#[test]
fn recordings_are_beside_the_file_or_in_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.csv"), "seconds,memory_bytes,cpu_cores\n0,100,0.5\n1,200,1\n").unwrap();
    let text = "version: 1\ntracks:\n  memory: {trace: {file: a.csv, scale: x0.5}}\n  cpu: {trace: {file: a.csv, scale: to 50pct}}\n  \
                fd:\n    trace:\n      csv: |\n        seconds,open\n        0,5\n        60,7\n      column: open\n";
    let scenario = read("a.yaml", text, Some(folder.path())).unwrap();
    let at = |kind, limit| scenario.wanted(kind, 1.0, limit);
    assert_eq!((at(TrackKind::Memory, None), at(TrackKind::Cpu, Some(3000.0))), (Some(100.0), Some(1500.0)));
    assert_eq!((scenario.wanted(TrackKind::Fd, 60.0, None), scenario.length), (Some(7.0), Some(120.0)));
    let Shape::Trace(trace) = &scenario.track(TrackKind::Cpu).unwrap().shapes[0].shape else { panic!("no trace") };
    assert_eq!(trace.points.largest(), 1000.0);
    let nowhere = read("a.yaml", text, None).unwrap_err();
    assert!(nowhere[0].starts_with("tracks.memory.trace.file (line 3): files cannot be named here"), "{nowhere:?}");
    for (name, why) in [("b.csv", "b.csv: No such file"), (".", ".: it is no file")] {
        let text = format!("version: 1\ntracks: {{memory: {{trace: {{file: {name}}}}}}}");
        let faults = read("a.yaml", &text, Some(folder.path())).unwrap_err();
        assert!(faults[0].starts_with(&format!("tracks.memory.trace.file (line 2): {why}")), "{faults:?}");
    }
    let text = "version: 1\ntracks: {memory: {trace: {csv: \"seconds,memory_bytes\\n0,NaN\"}}}";
    let faults = read("a.yaml", text, None).unwrap_err();
    assert!(faults[0].starts_with("tracks.memory.trace.csv (line 2): in line 2: memory_bytes: \"NaN\""), "{faults:?}");
}

#[test]
fn the_recording_that_ships_is_a_day() {
    let csv = examples::EXAMPLES.iter().find(|example| example.name == "day.csv").unwrap().text();
    assert_eq!(csv, include_str!("examples/day.csv"));
    assert_eq!(csv.lines().count(), 2 + 1440);
    assert!(csv.starts_with("# ") && csv.contains("day.py"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(version: 1\ntracks:\n  (memory|cpu|ready|x): (\\{(sine|trace|steps|leak): [\\[\\]{}a-z:, 0-9.%]{0,40}\\}|[^\n]{0,40})\n){0,3}") {
        let _ = read("a.yaml", &text, None);
    }
}
