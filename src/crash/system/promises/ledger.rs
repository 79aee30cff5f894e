//! `ledger`: what was acknowledged is there, and nothing that was not sent.
//!
//! A line that was acknowledged n times is there n times at least, and one that was sent n times, n times at most, unless
//! duplicates are allowed. Only what is whole counts: a line at the end of a file without an end of line was neither sent nor
//! acknowledged, since who writes it down first was cut off before the rest; of what is there, it is torn.
//!
//! In order is what is there when it becomes a part of what was sent by leaving lines out, in total or key by key. Where
//! duplicates are allowed, only the first of several equal lines is looked at for that.
//!
//! Lines are compared by 128-bit hashes. It costs 24 bytes a line of each of the three sources, 24 more for each key with an
//! order per key, and reading them two times with an order: up to 384 MiB for the most lines that are read. What is more than
//! that, or more than a file's most bytes, cannot be told.

use std::fmt::Write;
use std::time::Instant;

use crate::crash::report::text::grouped;
use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::system::promises::lines::{LineHash, LineMark, OpenedLines, PassingLine};
use crate::settings::crash::system::{LedgerOrder, LineSource};

/// Compares what was sent, acknowledged and is there, once all is over.
#[derive(Debug)]
pub(super) struct LedgerKeeper {
    sent: LineSource,
    acked: LineSource,
    got: LineSource,
    order: LedgerOrder,
    duplicates: bool,
}

/// The lines of a source, by their hashes.
#[derive(Debug, Default)]
struct LedgerLines {
    /// In the order of their hashes, equal ones by their numbers.
    marks: Vec<LineMark>,
    /// The number of the last line, where it has no end; it is not among the others.
    torn: Option<u32>,
}

/// Lines that are wrong in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WrongLines {
    count: u64,
    /// The number of the first one.
    number: u32,
    /// The numbers of others that it has to do with.
    others: [u32; 2],
}

/// All that is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LedgerFaults {
    lost: WrongLines,
    twice: WrongLines,
    reordered: WrongLines,
    foreign: WrongLines,
    torn: WrongLines,
}

impl WrongLines {
    fn add(&mut self, number: u32, others: [u32; 2]) {
        if self.count == 0 || number < self.number {
            (self.number, self.others) = (number, others);
        }
        self.count += 1;
    }
}

impl LedgerLines {
    /// Reads all lines. Keys are told of those that count.
    fn read(opened: &OpenedLines, deadline: Instant, key: &mut dyn FnMut(LineHash)) -> Result<Self, String> {
        let mut all = Self::default();
        opened.each(deadline, &mut |line| {
            if line.has_end {
                all.marks.push(line.mark);
                key(line.key);
            } else {
                all.torn = Some(line.mark.number);
            }
            true
        })?;
        all.marks.sort_unstable();
        Ok(all)
    }

    /// The lines that are equal to this one.
    fn like(&self, hash: LineHash) -> &[LineMark] {
        let from = self.marks.partition_point(|mark| mark.hash < hash);
        equal_run(&self.marks[from..], hash)
    }

    /// Takes the lines, a run of equal ones at a time.
    fn each_run(&self, take: &mut dyn FnMut(&[LineMark])) {
        let mut rest = self.marks.as_slice();
        while let Some(first) = rest.first() {
            let run = equal_run(rest, first.hash);
            take(run);
            rest = &rest[run.len()..];
        }
    }
}

fn equal_run(marks: &[LineMark], hash: LineHash) -> &[LineMark] {
    let end = marks.iter().position(|mark| mark.hash != hash).unwrap_or(marks.len());
    &marks[..end]
}

impl LedgerKeeper {
    /// For what was sent, acknowledged, and is there.
    pub(super) fn new([sent, acked, got]: [&LineSource; 3], order: LedgerOrder, duplicates: bool) -> Self {
        Self { sent: sent.clone(), acked: acked.clone(), got: got.clone(), order, duplicates }
    }

    fn judge(&self, deadline: Instant) -> Result<Judgement, String> {
        let open = |source| OpenedLines::open(source, deadline);
        let opened = [open(&self.sent)?, open(&self.acked)?, open(&self.got)?];
        let [from_sent, from_acked, from_got] = &opened;
        // What is there may well be nothing yet; a ledger that is missing says nothing of it.
        if let Some(missing) = [from_sent, from_acked].into_iter().find(|opened| opened.is_nothing()) {
            return Err(format!("{} is not there", missing.name));
        }
        let mut lasts = Vec::new();
        let sent = LedgerLines::read(from_sent, deadline, &mut |hash| {
            if self.order == LedgerOrder::PerKey {
                add_key(&mut lasts, hash);
            }
        })?;
        settle_keys(&mut lasts);
        let acked = LedgerLines::read(from_acked, deadline, &mut |_| {})?;
        let got = LedgerLines::read(from_got, deadline, &mut |_| {})?;
        let mut faults = self.compare(&sent, &acked, &got);
        if self.order != LedgerOrder::None {
            let mut last = 0;
            from_got.each(deadline, &mut |line| {
                let last = match lasts.binary_search_by_key(&line.key, |key| key.hash) {
                    Ok(place) => &mut lasts[place].number,
                    Err(_) => &mut last,
                };
                self.follow_order(line, &sent, &got, last, &mut faults.reordered);
                true
            })?;
        }
        if faults != LedgerFaults::default() {
            return Ok(Judgement::Broken(told(&faults, &opened, [&sent, &acked], deadline)));
        }
        if acked.marks.is_empty() {
            return Err(format!("{} has no line yet", from_acked.name));
        }
        let count = |lines: &LedgerLines| grouped(lines.marks.len() as u64);
        let (acked, got, sent) = (count(&acked), count(&got), count(&sent));
        Ok(Judgement::Holds(format!("{acked} acknowledged lines are among {got} that are there, of {sent} sent")))
    }

    fn compare(&self, sent: &LedgerLines, acked: &LedgerLines, got: &LedgerLines) -> LedgerFaults {
        let mut faults = LedgerFaults::default();
        acked.each_run(&mut |run| {
            for line in run.iter().skip(got.like(run[0].hash).len()) {
                faults.lost.add(line.number, [0; 2]);
            }
        });
        got.each_run(&mut |run| {
            let hash = run[0].hash;
            let most = sent.like(hash).len().max(acked.like(hash).len());
            for line in run.iter().skip(most) {
                if most == 0 {
                    faults.foreign.add(line.number, [0; 2]);
                } else if !self.duplicates {
                    faults.twice.add(line.number, [run[0].number, 0]);
                }
            }
        });
        if let Some(number) = got.torn {
            faults.torn.add(number, [0; 2]);
        }
        faults
    }

    /// Whether a line that is there follows the last one in what was sent.
    fn follow_order(
        &self,
        line: &PassingLine,
        sent: &LedgerLines,
        got: &LedgerLines,
        last: &mut u32,
        reordered: &mut WrongLines,
    ) {
        let LineMark { hash, number } = line.mark;
        let places = sent.like(hash);
        // How many equal ones are before it.
        let before = got.like(hash).partition_point(|mark| mark.number < number);
        let is_repeat = before >= places.len() || self.duplicates && before > 0;
        if is_repeat || !line.has_end {
            return;
        }
        match places.get(places.partition_point(|place| place.number <= *last)) {
            Some(next) => *last = next.number,
            None => {
                reordered.add(number, [places[before].number, *last]);
                // What follows is compared with this one, so that one line counts once.
                *last = places[before].number;
            }
        }
    }
}

/// How many keys are collected before equal ones are dropped.
const KEYS_AT_ONCE: usize = 64 * 1024;

/// Adds a key, with no line of it yet.
fn add_key(keys: &mut Vec<LineMark>, hash: LineHash) {
    // Lines of a key often follow each other.
    if keys.last().is_some_and(|last| last.hash == hash) {
        return;
    }
    // Few keys have many lines: each time the memory is full, only different ones stay.
    if keys.len() >= KEYS_AT_ONCE && keys.len() == keys.capacity() {
        settle_keys(keys);
        keys.reserve(keys.len());
    }
    keys.push(LineMark { hash, number: 0 });
}

/// Sorts keys, each once.
fn settle_keys(keys: &mut Vec<LineMark>) {
    keys.sort_unstable();
    keys.dedup();
}

/// What is wrong, the worst first; a line for each kind.
fn told(faults: &LedgerFaults, opened: &[OpenedLines; 3], read: [&LedgerLines; 2], deadline: Instant) -> String {
    let [sent, acked, got] = opened;
    let [sent_name, acked_name, got_name] = [&sent.name, &acked.name, &got.name];
    let mut text = String::new();
    let mut tell = |class: &str, wrong: &WrongLines, opened: &OpenedLines, what: &dyn Fn([u32; 2]) -> String| {
        if wrong.count == 0 {
            return;
        }
        let end = if text.is_empty() { "" } else { "\n" };
        let (number, name) = (wrong.number, &opened.name);
        let line = opened.shown(number, deadline);
        let _ = write!(text, "{end}{class}: line {number} of {name} {}: {line}", what(wrong.others));
        if wrong.count > 1 {
            let _ = write!(text, "; {} more", grouped(wrong.count - 1));
        }
    };
    let no_file = if got.is_nothing() { ", which is not there" } else { "" };
    tell("LOST", &faults.lost, acked, &|_| format!("was acknowledged, and is not in {got_name}{no_file}"));
    tell("DUP", &faults.twice, got, &|[first, _]| {
        format!("is there more often than it was sent, first as line {first}")
    });
    tell("REORDERED", &faults.reordered, got, &|[own, last]| {
        format!("is line {own} of {sent_name}, and comes after line {last} of that")
    });
    tell("FOREIGN", &faults.foreign, got, &|_| String::from("was never sent"));
    tell("TORN", &faults.torn, got, &|_| String::from("is the last one, and has no end"));
    for (lines, name) in read.into_iter().zip([sent_name, acked_name]) {
        if let Some(number) = lines.torn {
            let _ = write!(text, "\n  note     line {number} of {name} has no end, and does not count");
        }
    }
    text
}

impl PromiseKeeper for LedgerKeeper {
    fn look(&mut self, when: LookTime, deadline: Instant) -> Judgement {
        match when {
            LookTime::Running => Judgement::Unknown(String::from("it is looked at at the end")),
            LookTime::End { .. } => self.judge(deadline).unwrap_or_else(Judgement::Unknown),
        }
    }
}

#[cfg(test)]
mod tests;
