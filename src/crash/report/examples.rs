//! Reports of runs that never were, for the tests of what is made of reports.

use std::time::{Duration, SystemTime};

use crate::crash::input::StreamKey;
use crate::crash::pipeline::store::Offsets;
use crate::crash::report::verdict::{CHECKS, Check, CheckOutcome, Verdict};
use crate::crash::report::{FaultRecord, KeyProgress, Lane, LaneState, RunReport, Sample, Span, Violation};

/// Bytes of an input.
const INPUT: u64 = 250_000 * 49;

const fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// A run of which nothing came.
pub(super) fn empty() -> RunReport {
    RunReport {
        // 2026-11-28T20:00:00Z.
        began: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_896_000),
        took: Duration::ZERO,
        seed: 42,
        arguments: vec![String::from("3")],
        verdict: Verdict::CannotTell,
        checks: Vec::new(),
        faults: Vec::new(),
        keys: Vec::new(),
        coverage: Vec::new(),
        lanes: Vec::new(),
        samples: Vec::new(),
        violation: None,
    }
}

/// A kill of worker 1.
pub(super) fn fault(at: u64) -> FaultRecord {
    FaultRecord {
        at: ms(at),
        kind: "kill",
        target: String::from("worker.1"),
        before: String::from("pid 4711"),
        after: String::from("pid 4712"),
        effect: Some(String::from("ended by signal 9")),
        down: Some(ms(1800)),
        ready: Some(ms(420)),
    }
}

/// A run of so many milliseconds with these keys, in which workers are killed over and over, some paused, and the sink
/// killed.
pub(super) fn of_length(took: u64, keys: &str, workers: u64) -> RunReport {
    let mut report = RunReport { took: ms(took), verdict: Verdict::Passed, ..empty() };
    report.arguments = format!("{workers} crash1 pause2 crash-sink --rate max").split(' ').map(str::to_owned).collect();
    let detail = |name| match name {
        "prefix" => "122,500,000 bytes of 10 keys, each the same as in its input",
        "ready" => "ready within 8 s after each of the restarts, the slowest after 1.372 s",
        "effect" => "each fault did something",
        "ack-progress" => "the longest stand was 4.1 s, of key C, 300 s are allowed",
        _ => "looked at 1,204 times",
    };
    report.checks = CHECKS
        .iter()
        .map(|(name, kind)| Check {
            name,
            kind: *kind,
            outcome: CheckOutcome::Passed,
            detail: detail(*name).to_owned(),
        })
        .collect();
    for worker in 0..workers {
        let period = [u64::MAX, 9300, 14_100, 21_700][worker as usize % 4];
        let name = format!("worker.{worker}");
        lane(&mut report, &name, if worker % 4 == 2 { LaneState::Paused } else { LaneState::Down }, period);
    }
    lane(&mut report, "sink", LaneState::Down, 16_900);
    for key in keys.chars() {
        lane(&mut report, &format!("feed.{key}"), LaneState::Down, u64::MAX);
    }
    report.faults.sort_by_key(|fault| fault.at);
    report.coverage =
        vec![("crashes in doubt", 4), ("torn tails cut", 0), ("fenced", 12), ("stale", 0), ("handovers", 1204)];
    samples(&mut report, keys, (took / 250).min(5000));
    report
}

fn lane(report: &mut RunReport, name: &str, state: LaneState, period: u64) {
    let took = report.took.as_millis() as u64;
    let mut spans = vec![Span { from: ms(0), to: ms(300), state: LaneState::Starting }];
    let (mut from, mut count) = (300, 0);
    while from < took {
        let broken = from.saturating_add(period).min(took);
        spans.push(Span { from: ms(from), to: ms(broken), state: LaneState::Ready });
        if broken == took {
            break;
        }
        count += 1;
        let (down, ready) = (700 + count * 37 % 2900, 150 + count * 53 % 900);
        let back = (broken + down).min(took);
        spans.push(Span { from: ms(broken), to: ms(back), state });
        let is_pause = state == LaneState::Paused;
        if !is_pause {
            spans.push(Span { from: ms(back), to: ms((back + ready).min(took)), state: LaneState::Starting });
        }
        report.faults.push(FaultRecord {
            kind: if is_pause { "pause" } else { "kill" },
            target: name.to_owned(),
            before: format!("pid {}", 4000 + count),
            after: format!("pid {}", 4000 + count + u64::from(!is_pause)),
            effect: Some(String::from(if is_pause { "state T was seen" } else { "ended by signal 9" })),
            down: Some(ms(down)),
            ready: (!is_pause).then(|| ms(ready)),
            ..fault(broken)
        });
        from = if is_pause { back } else { back + ready };
    }
    report.lanes.push(Lane { name: name.to_owned(), spans });
}

fn samples(report: &mut RunReport, keys: &str, count: u64) {
    let took = report.took.as_millis() as u64;
    for (place, key) in keys.bytes().enumerate() {
        let mut last = KeyProgress { key: StreamKey(key), input: INPUT, offsets: Offsets::default(), verified: 0 };
        for step in 0..=count {
            let fed = INPUT.min(INPUT * step * (110 + place as u64) / (count.max(1) * 100));
            // Workers are down now and then.
            let lag = INPUT / 90 * ((step / 20 + place as u64) % 7 + 1);
            let behind =
                |lags: u64, before: u64| if step == count { INPUT } else { fed.saturating_sub(lag * lags).max(before) };
            let offsets = Offsets {
                fed,
                taken: behind(1, last.offsets.taken),
                made: behind(1, last.offsets.made),
                acknowledged: behind(2, last.offsets.acknowledged),
            };
            last = KeyProgress { offsets, verified: behind(3, last.verified), ..last };
            report.samples.push(Sample { at: ms(took * step / count.max(1)), progress: last });
        }
        report.keys.push(last);
    }
    report.samples.sort_by_key(|sample| sample.at);
}

/// A run in which all was right.
pub(super) fn passed() -> RunReport {
    of_length(95_000, "ABCDE", 4)
}

/// A run in which data was wrong, a check cannot tell, and one was left out.
pub(super) fn failed() -> RunReport {
    let mut report = of_length(95_000, "ABC", 3);
    let end = ms(37_250);
    report.took = ms(41_000);
    report.verdict = Verdict::DataWrong;
    report.faults.retain(|fault| fault.at <= end);
    if let Some(fault) = report.faults.last_mut() {
        (fault.effect, fault.ready, fault.down) = (None, None, None);
    }
    report.samples.retain(|sample| sample.at <= end);
    let ends = report.samples[report.samples.len() - report.keys.len()..].iter().map(|sample| sample.progress);
    report.keys = ends.collect();
    report.keys.sort_by_key(|progress| progress.key);
    for lane in &mut report.lanes {
        lane.spans.retain(|span| span.from < end);
        if let Some(span) = lane.spans.last_mut() {
            span.to = end;
        }
        lane.spans.push(Span { from: end, to: ms(41_000), state: LaneState::Paused });
    }
    let wrong = [
        (
            "prefix",
            CheckOutcome::Failed,
            "key A differs from its input at byte 2,205,049 (DUP); 2 other keys are the same",
        ),
        ("registry", CheckOutcome::LeftOut, "by no-registry-process"),
        ("eof", CheckOutcome::Unknown, "the run ended before its input did"),
        ("effect", CheckOutcome::Unknown, "1 of 7 faults had no effect"),
    ];
    for check in &mut report.checks {
        if let Some((_, outcome, detail)) = wrong.iter().find(|(name, ..)| *name == check.name) {
            (check.outcome, check.detail) = (*outcome, (*detail).to_owned());
        }
    }
    let diagnosis = "\
key A, byte 2205049, line 45001 (from 0): DUP, this line was there before as line 44980
expected  A0045001 1f2e 9c04 77ab 0c1d e5f0 4b32 8890 6a6d
found     A0044980 52f1 0b7e 91cc 3a05 d8e4 7f60 1c29 b3a8
transaction A:4:212, bytes 2203040 to 2236800, committed 0:37.102
put out by worker.1 in epoch 9; the entry before by worker.1 in epoch 7
the 10 s before:
  0:28.110  worker.1 killed (pid 4003)
  0:29.021  worker.1 restarted (pid 4004)
  0:29.365  worker.1 ready, owns A C
  0:34.602  sink killed (pid 4001)
  0:35.339  sink restarted (pid 4002), rolled back A:3:211";
    report.violation = Some(Violation { at: end, check: "prefix", diagnosis: diagnosis.to_owned() });
    report
}

/// A run whose every text would like to be more than text.
pub(super) fn hostile() -> RunReport {
    const TEXT: &str = "</pre></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"x' ]]> --> \
                        &amp; {{faults}} \0\u{1}\u{8}\u{b}\u{1b}[2J\u{1b}]0;x\u{7}\t\r\n\u{7f}\u{85}\u{9b}\u{202e}\u{2028}\u{fffe}\u{ffff}é😀 end";
    let mut report = failed();
    report.arguments = vec![String::from("3"), TEXT.to_owned()];
    for check in &mut report.checks {
        check.detail = TEXT.to_owned();
    }
    for fault in &mut report.faults {
        for text in [&mut fault.target, &mut fault.before, &mut fault.after] {
            *text = TEXT.to_owned();
        }
        fault.effect = Some(TEXT.to_owned());
    }
    for lane in &mut report.lanes {
        lane.name = TEXT.to_owned();
    }
    report.keys[0].key = StreamKey(b'<');
    if let Some(violation) = &mut report.violation {
        violation.diagnosis = TEXT.to_owned();
    }
    report
}
