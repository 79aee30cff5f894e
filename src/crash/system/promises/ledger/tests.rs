//! Ledgers by hand, and against a model that keeps texts.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const END: LookTime = LookTime::End { is_complete: true };

struct Ledger {
    folder: tempfile::TempDir,
    order: LedgerOrder,
    duplicates: bool,
}

impl Ledger {
    fn new(order: LedgerOrder, duplicates: bool) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), order, duplicates }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn keeper(&self) -> LedgerKeeper {
        let file = |name| LineSource::File(self.path(name));
        LedgerKeeper::new([&file("sent"), &file("acked"), &file("got")], self.order, self.duplicates)
    }

    /// What is said of these texts, without the folder.
    fn said(&self, sent: &str, acked: &str, got: &str) -> Judgement {
        for (name, text) in [("sent", sent), ("acked", acked), ("got", got)] {
            fs::write(self.path(name), text).unwrap();
        }
        self.look()
    }

    fn look(&self) -> Judgement {
        let said = self.keeper().look(END, Instant::now() + Duration::from_secs(60));
        let plain = |text: String| text.replace(&self.path(""), "");
        match said {
            Judgement::Holds(text) => Judgement::Holds(plain(text)),
            Judgement::Broken(text) => Judgement::Broken(plain(text)),
            Judgement::Unknown(text) => Judgement::Unknown(plain(text)),
        }
    }
}

fn broken(text: &str) -> Judgement {
    Judgement::Broken(text.to_owned())
}

fn is_held(said: &Judgement) -> bool {
    matches!(said, Judgement::Holds(_))
}

#[test]
fn what_was_acknowledged_is_there_and_what_was_tried_may_be() {
    let ledger = Ledger::new(LedgerOrder::Total, false);
    let holds = Judgement::Holds(String::from("2 acknowledged lines are among 3 that are there, of 4 sent"));
    assert_eq!(ledger.said("a\nb\nc\nd\n", "a\nc\n", "a\nb\nc\n"), holds);
    let running = ledger.keeper().look(LookTime::Running, Instant::now());
    assert_eq!(running, Judgement::Unknown(String::from("it is looked at at the end")));
}

#[test]
fn each_kind_of_fault_has_its_class_and_its_line() {
    let ledger = Ledger::new(LedgerOrder::Total, false);
    let lost = "LOST: line 2 of acked was acknowledged, and is not in got: \"b\\t\\xff\"; 1 more";
    let sent = "a\nb\t\u{7f}\nc\nd\n";
    assert_eq!(ledger.said(sent, sent, "a\nc\n"), broken(&lost.replace("\\xff", "\\x7f")));
    let dup = "DUP: line 3 of got is there more often than it was sent, first as line 1: \"a\"; 1 more";
    assert_eq!(ledger.said("a\nb\n", "a\n", "a\nb\na\na\n"), broken(dup));
    let foreign = "FOREIGN: line 2 of got was never sent: \"x\"; 1 more";
    assert_eq!(ledger.said("a\nb\n", "a\n", "a\nx\nb\nx\n"), broken(foreign));
    let reordered = "REORDERED: line 3 of got is line 2 of sent, and comes after line 3 of that: \"b\"";
    assert_eq!(ledger.said("a\nb\nc\nd\n", "a\n", "a\nc\nb\nd\n"), broken(reordered));
    let torn = "LOST: line 2 of acked was acknowledged, and is not in got: \"b\"\n\
                TORN: line 2 of got is the last one, and has no end: \"b\"";
    assert_eq!(ledger.said("a\nb\n", "a\nb\n", "a\nb"), broken(torn));
}

#[test]
fn equal_lines_count_as_often_as_they_were_sent() {
    let ledger = Ledger::new(LedgerOrder::Total, false);
    assert!(is_held(&ledger.said("a\nb\na\n", "a\na\n", "a\nb\na\n")));
    assert!(is_held(&ledger.said("a\nb\na\n", "a\n", "b\na\n")), "the first one may be missing");
    let lost = "LOST: line 2 of acked was acknowledged, and is not in got: \"a\"";
    assert_eq!(ledger.said("a\nb\na\n", "a\na\n", "b\na\n"), broken(lost));
    // What was acknowledged was sent.
    assert!(is_held(&ledger.said("b\n", "a\n", "b\na\n")));
    let many = Ledger::new(LedgerOrder::Total, true);
    assert!(is_held(&many.said("a\nb\nc\n", "a\nb\nc\n", "a\nb\na\nb\nc\na\n")));
    assert!(
        matches!(many.said("a\nb\nc\n", "a\n", "b\na\nb\nc\n"), Judgement::Broken(text) if text.starts_with("REORDERED: line 2 "))
    );
    assert!(matches!(many.said("a\n", "a\n", "a\nx\nx\n"), Judgement::Broken(text) if text.starts_with("FOREIGN")));
}

#[test]
fn the_order_is_that_of_a_key() {
    let ledger = Ledger::new(LedgerOrder::PerKey, false);
    let sent = "k\t1\nl\t1\nk\t2\nl\t2\nalone\n";
    assert!(is_held(&ledger.said(sent, sent, "alone\nl\t1\nl\t2\nk\t1\nk\t2\n")));
    let reordered = "REORDERED: line 3 of got is line 1 of sent, and comes after line 3 of that: \"k\\t1\"";
    assert_eq!(ledger.said(sent, sent, "l\t1\nk\t2\nk\t1\nl\t2\nalone\n"), broken(reordered));
    assert!(is_held(&Ledger::new(LedgerOrder::None, false).said(sent, sent, "l\t1\nk\t2\nk\t1\nl\t2\nalone\n")));
}

#[test]
fn many_keys_are_kept_each_once() {
    let ledger = Ledger::new(LedgerOrder::PerKey, false);
    let mut text = String::new();
    for round in 0..5 {
        for key in 0..40_000 {
            let _ = writeln!(text, "{key}\t{round}");
        }
    }
    assert!(is_held(&ledger.said(&text, &text, &text)));
    let mut keys = Vec::new();
    for number in 0..1_000_000 {
        add_key(&mut keys, [number % 10, 0]);
    }
    assert!(keys.capacity() <= 2 * KEYS_AT_ONCE);
}

#[test]
fn lines_that_are_not_finished_were_neither_sent_nor_acknowledged() {
    let ledger = Ledger::new(LedgerOrder::None, false);
    assert!(is_held(&ledger.said("a\nb\n", "a\nb", "a\n")));
    let foreign =
        "FOREIGN: line 2 of got was never sent: \"b\"\n  note     line 2 of sent has no end, and does not count";
    assert_eq!(ledger.said("a\nb", "a\n", "a\nb\n"), broken(foreign));
}

#[test]
fn what_is_missing_altogether_is_told() {
    let ledger = Ledger::new(LedgerOrder::None, false);
    assert_eq!(ledger.look(), Judgement::Unknown(String::from("sent is not there")));
    assert_eq!(ledger.said("a\n", "", ""), Judgement::Unknown(String::from("acked has no line yet")));
    ledger.said("a\n", "a\n", "");
    fs::remove_file(ledger.path("got")).unwrap();
    assert_eq!(
        ledger.look(),
        broken("LOST: line 1 of acked was acknowledged, and is not in got, which is not there: \"a\"")
    );
    fs::remove_file(ledger.path("acked")).unwrap();
    assert_eq!(ledger.look(), Judgement::Unknown(String::from("acked is not there")));
}

#[test]
fn what_a_program_prints_is_looked_at_as_a_file_is() {
    let ledger = Ledger::new(LedgerOrder::PerKey, false);
    ledger.said("a\nb\n", "a\nb\n", "a\n");
    let keeper = |script: &str| {
        let got = LineSource::Command(["sh", "-c", script].map(str::to_owned).to_vec());
        let file = |name| LineSource::File(ledger.path(name));
        LedgerKeeper::new([&file("sent"), &file("acked"), &got], LedgerOrder::Total, false)
            .look(END, Instant::now() + Duration::from_secs(60))
    };
    assert!(is_held(&keeper("echo a; echo b")));
    assert!(matches!(keeper("echo b; echo a; echo x"), Judgement::Broken(text)
        if text.contains("REORDERED: line 2 of `sh -c echo b; echo a; echo x` is line 1 of") && text.ends_with("never sent: \"x\"")));
    assert!(
        matches!(keeper("echo no table >&2; exit 3"), Judgement::Unknown(text) if text.ends_with("exit status: 3: no table"))
    );
}

/// What a model that keeps texts finds: how many are lost, twice and foreign, and whether all is in order.
fn model(
    sent: &[String],
    acked: &[String],
    got: &[String],
    order: LedgerOrder,
    duplicates: bool,
) -> ([usize; 3], bool) {
    let count = |all: &[String], one: &String| all.iter().filter(|other| *other == one).count();
    let mut counts = [0; 3];
    let mut lines: Vec<&String> = acked.iter().chain(got).collect();
    lines.sort();
    lines.dedup();
    for line in lines {
        let there = count(got, line);
        let most = count(sent, line).max(count(acked, line));
        counts[0] += count(acked, line).saturating_sub(there);
        match most {
            0 => counts[2] += there,
            _ if duplicates => {}
            _ => counts[1] += there.saturating_sub(most),
        }
    }
    let key = |line: &String| match order {
        LedgerOrder::PerKey => line.split('\t').next().unwrap().to_owned(),
        _ => String::new(),
    };
    let mut keys: Vec<String> = sent.iter().map(key).collect();
    keys.dedup();
    let is_in_order = keys.iter().all(|wanted| {
        let mut rest = sent.iter().filter(|line| key(line) == *wanted);
        got.iter().enumerate().filter(|(_, line)| key(line) == *wanted).all(|(place, line)| {
            let before = count(&got[..place], line);
            let is_looked_at = before < count(sent, line) && !(duplicates && before > 0);
            !is_looked_at || rest.any(|next| next == line)
        })
    });
    (counts, is_in_order || order == LedgerOrder::None)
}

fn lines(most: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[kl](\t[1-4])?", 0..most)
}

proptest! {
    #[test]
    fn it_finds_what_a_model_finds(
        sent in lines(12), acked in lines(6), got in lines(12), duplicates in any::<bool>(), edit in 0usize..4,
        order in prop_oneof![Just(LedgerOrder::None), Just(LedgerOrder::PerKey), Just(LedgerOrder::Total)],
        places in any::<[prop::sample::Index; 2]>(),
    ) {
        // Most of what is there is what was sent, with one thing wrong.
        let got = if edit == 0 || sent.is_empty() { got } else {
            let (one, other) = (places[0].index(sent.len()), places[1].index(sent.len()));
            let mut got = sent.clone();
            match edit {
                1 => got.swap(one, other),
                2 => got.insert(one, sent[other].clone()),
                _ => drop(got.remove(one)),
            }
            got
        };
        let acked = if edit == 0 { acked } else { sent.iter().take(acked.len()).cloned().collect() };
        let opened = |lines: &[String]| {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            text
        };
        let ledger = Ledger::new(order, duplicates);
        let said = ledger.said(&opened(&sent), &opened(&acked), &opened(&got));
        let (counts, is_in_order) = model(&sent, &acked, &got, order, duplicates);
        let text = match &said {
            Judgement::Broken(text) => text.as_str(),
            Judgement::Holds(_) => "",
            Judgement::Unknown(text) => {
                prop_assert!(acked.is_empty(), "{}", text);
                ""
            }
        };
        for (class, count) in ["LOST", "DUP", "FOREIGN"].into_iter().zip(counts) {
            let line = text.lines().find(|line| line.starts_with(&format!("{class}: ")));
            prop_assert_eq!(line.is_some(), count > 0, "{} {} in {}", class, count, text);
            let more = line.and_then(|line| line.strip_suffix(" more")?.rsplit("; ").next()?.parse().ok()).unwrap_or(0);
            prop_assert_eq!(more, count.saturating_sub(1), "{}", text);
        }
        prop_assert_eq!(text.contains("REORDERED: "), !is_in_order, "{:?} {:?}: {}", sent, got, text);
    }
}
