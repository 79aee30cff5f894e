//! Something that is wrong with the data of a key, or of a user's own file, in words.

use std::fmt::{self, Write};

use crate::crash::input::StreamKey;
use crate::crash::pipeline::sink_log::TransactionId;
use crate::crash::pipeline::store::Offset;
use crate::crash::verify::lines::{FileLine, LineSearch};

/// As much of a line is shown, in bytes.
const MOST_SHOWN: usize = 160;

/// What kind of difference there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DifferenceClass {
    /// What was found is no line of the input.
    Torn,
    /// It is an earlier one.
    Dup,
    /// It is a later one, and the expected one is nowhere behind it.
    Lost,
    /// It is a later one, and the expected one comes behind it.
    Reordered,
    /// The file ends before what was promised.
    Short,
    /// It is of another key, where lines have keys, or no text.
    Foreign,
}

impl DifferenceClass {
    /// Its name, as reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Torn => "TORN",
            Self::Dup => "DUP",
            Self::Lost => "LOST",
            Self::Reordered => "REORDERED",
            Self::Short => "SHORT",
            Self::Foreign => "FOREIGN",
        }
    }

    /// What it means for the data.
    fn meaning(self, has_key: bool) -> &'static str {
        match self {
            Self::Lost if !has_key => "the expected line was left out: it is nowhere behind",
            Self::Foreign if !has_key => "what was found is no text",
            Self::Torn => "the line that was found is no line of the input: bytes were cut, changed or mixed",
            Self::Dup => "a line that had been put out before was put out again",
            Self::Lost => {
                "the expected line was left out: it is nowhere behind, neither in the output nor in the outbox"
            }
            Self::Reordered => "a later line came before the expected one, which is behind it",
            Self::Short => "the file ends before all that was promised to be in it",
            Self::Foreign => "what was found is a line of another key, or no text",
        }
    }
}

/// Something that is wrong with the data of a key, or of a user's own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that it breaks, by its name in `CHECKS`.
    pub check: &'static str,
    /// Of which key; a user's own files have none.
    pub key: Option<StreamKey>,
    /// The first byte of the output that is wrong, from 0.
    pub byte: Offset,
    /// The line that it is in, from 1.
    pub line: u64,
    /// Where that line begins, in bytes.
    pub line_start: Offset,
    /// The line that the input has there, escaped and not all of a long one. `None` behind its end, and where no line is
    /// wrong.
    pub expected: Option<String>,
    /// The line that the output has there, likewise.
    pub found: Option<String>,
    /// What kind of difference it is; `None` where the log is wrong and not a line.
    pub class: Option<DifferenceClass>,
    /// The transaction that the byte is of, if the log tells.
    pub transaction: Option<TransactionId>,
    /// The worker that put it out, if the log tells.
    pub worker: Option<u32>,
    /// The epoch in which it did, if the log tells.
    pub epoch: Option<u64>,
    /// What else is known, a sentence each.
    pub notes: Vec<String>,
    /// The expected line of a lost one, to look for it in the outbox.
    pub(super) missing: Option<FileLine>,
}

impl Finding {
    /// Looks for a lost line in what the outbox holds for the sink, piece by piece, of which the first one begins with a
    /// line. If it is there, it was not lost but overtaken.
    pub fn search_outbox(&mut self, pieces: impl IntoIterator<Item = Vec<u8>>) {
        let Some(missing) = self.missing.take_if(|_| self.class == Some(DifferenceClass::Lost)) else { return };
        let mut search = LineSearch::new(&missing);
        let mut is_there = false;
        for piece in pieces {
            search.feed(&piece, &mut |_| is_there = true);
            if is_there {
                self.class = Some(DifferenceClass::Reordered);
                self.notes.push(String::from("the expected line waits in the outbox"));
                return;
            }
        }
    }

    /// All that is known, some lines of text, with what happened in the seconds before.
    pub fn render(&self, events: &[String]) -> String {
        let mut text = self.to_string();
        if !events.is_empty() {
            text.push_str("\n  before");
            for event in events {
                let _ = write!(text, "\n    {event}");
            }
        }
        text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.class.map_or(String::new(), |class| format!(" {}", class.name()));
        let within = self.byte.saturating_sub(self.line_start) + 1;
        let key = self.key.map_or(String::new(), |key| format!(" in key {key}"));
        let (check, byte, line) = (self.check, self.byte, self.line);
        write!(out, "{check}:{class}{key} at byte {byte} (line {line}, byte {within} of it)")?;
        for (title, text) in [("expected", &self.expected), ("found", &self.found)] {
            if self.class.is_some() {
                match text {
                    Some(text) => write!(out, "\n  {title:<9}\"{text}\"")?,
                    None => write!(out, "\n  {title:<9}nothing: the end")?,
                }
            }
        }
        if let Some(id) = self.transaction {
            write!(out, "\n  by       transaction {id}")?;
            if let (Some(worker), Some(epoch)) = (self.worker, self.epoch) {
                write!(out, ", worker {worker}, epoch {epoch}")?;
            }
        }
        if let Some(class) = self.class {
            write!(out, "\n  means    {}", class.meaning(self.key.is_some()))?;
        }
        self.notes.iter().try_for_each(|note| write!(out, "\n  note     {note}"))
    }
}

/// Bytes as they can be shown: escaped, and not all of many.
pub(super) fn shown(bytes: &[u8]) -> String {
    let (head, rest) = bytes.split_at(bytes.len().min(MOST_SHOWN));
    let dots = if rest.is_empty() { "" } else { "…" };
    format!("{}{dots}", head.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn lost() -> Finding {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"A5 x\n").unwrap();
        let key = StreamKey(b'A');
        Finding {
            check: "prefix",
            key: Some(key),
            byte: 26,
            line: 6,
            line_start: 25,
            expected: Some(String::from("A5 x\\n")),
            found: Some(String::from("A6 y\\n")),
            class: Some(DifferenceClass::Lost),
            transaction: Some(TransactionId { key, epoch: 3, number: 12 }),
            worker: Some(1),
            epoch: Some(4),
            notes: vec![String::from("it is so")],
            missing: FileLine::at(&file, 0).unwrap(),
        }
    }

    #[test]
    fn a_finding_says_what_where_by_whom_and_what_was_before() {
        assert_eq!(
            lost().render(&[String::from("12:00:01 kill worker.1")]),
            "prefix: LOST in key A at byte 26 (line 6, byte 2 of it)
  expected \"A5 x\\n\"
  found    \"A6 y\\n\"
  by       transaction A:3:12, worker 1, epoch 4
  means    the expected line was left out: it is nowhere behind, neither in the output nor in the outbox
  note     it is so
  before
    12:00:01 kill worker.1"
        );
        let at_end = Finding { found: None, transaction: None, ..lost() };
        assert!(at_end.to_string().contains("\n  found    nothing: the end\n  means"));
    }

    #[test]
    fn a_line_that_waits_in_the_outbox_is_not_lost() {
        for (pieces, class) in [
            (vec!["A7 x\nA5", " x", "\nA8 x\n"], DifferenceClass::Reordered),
            (vec!["A7 x\nA5 xy\n", "BA5 x\n"], DifferenceClass::Lost),
            (vec![], DifferenceClass::Lost),
        ] {
            let mut finding = lost();
            finding.search_outbox(pieces.into_iter().map(|piece| piece.as_bytes().to_vec()));
            assert_eq!(finding.class, Some(class));
        }
    }

    #[test]
    fn what_is_shown_is_printable_and_bounded() {
        assert_eq!(shown(b"a\x00\xff\"\n"), "a\\x00\\xff\\\"\\n");
        assert!(shown(&[0; 100_000]).len() < 5 * MOST_SHOWN);
    }
}
