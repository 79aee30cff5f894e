//! What a difference is: which line, of which class, and who it came from. All of it is made once, at a finding, so that it
//! may read whole files; it keeps only lines in memory.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::crash::input::StreamKey;
use crate::crash::pipeline::store::Offset;
use crate::crash::verify::finding::{DifferenceClass, Finding, shown};
use crate::crash::verify::lines::{FileLine, find_line, has_line, line_of};
use crate::crash::verify::log_reader::origin;

/// What a diagnosis is made from.
pub struct Evidence<'f> {
    /// Of which key, and where the log of its transactions is; files of a user's own have neither.
    pub key: Option<(StreamKey, &'f Path)>,
    /// What was fed.
    pub input: &'f File,
    /// What was put out, if there is a file.
    pub output: Option<&'f File>,
}

impl Evidence<'_> {
    /// What is wrong at a byte of the output, before which all is right.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn difference(&self, check: &'static str, byte: Offset) -> io::Result<Finding> {
        let mut finding = self.log_fault(check, byte, None)?;
        let expected = FileLine::at(self.input, finding.line_start)?;
        let found = self.line_of_output(finding.line_start)?;
        let (class, note) = self.classify(finding.line_start, expected.as_ref(), found.as_ref())?;
        finding.notes.extend(note);
        self.fill(&mut finding, class, expected, found.as_ref());
        Ok(finding)
    }

    /// The output ends at a byte, and should not.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn short(&self, check: &'static str, byte: Offset, note: String) -> io::Result<Finding> {
        let mut finding = self.log_fault(check, byte, Some(note))?;
        let expected = FileLine::at(self.input, finding.line_start)?;
        let found = self.line_of_output(finding.line_start)?;
        self.fill(&mut finding, DifferenceClass::Short, expected, found.as_ref());
        Ok(finding)
    }

    /// Something about a byte that is not about its value.
    pub(super) fn log_fault(&self, check: &'static str, byte: Offset, note: Option<String>) -> io::Result<Finding> {
        let place = line_of(self.input, byte)?;
        let origin = self.key.map_or(Ok(None), |(_, log)| origin(log, byte))?;
        let piece = origin.and_then(|origin| origin.piece);
        Ok(Finding {
            check,
            key: self.key.map(|(key, _)| key),
            byte,
            line: place.number,
            line_start: place.start,
            expected: None,
            found: None,
            class: None,
            transaction: origin.map(|origin| origin.id),
            worker: piece.map(|piece| piece.worker),
            epoch: piece.map(|piece| piece.epoch),
            notes: note.into_iter().collect(),
            missing: None,
        })
    }

    fn line_of_output(&self, start: Offset) -> io::Result<Option<FileLine>> {
        self.output.map_or(Ok(None), |output| FileLine::at(output, start))
    }

    fn fill(
        &self,
        finding: &mut Finding,
        class: DifferenceClass,
        expected: Option<FileLine>,
        found: Option<&FileLine>,
    ) {
        finding.class = Some(class);
        finding.expected = expected.as_ref().map(|line| shown(&line.head));
        finding.found = found.map(|line| shown(&line.head));
        finding.missing = expected;
    }

    fn classify(
        &self,
        start: Offset,
        expected: Option<&FileLine>,
        found: Option<&FileLine>,
    ) -> io::Result<(DifferenceClass, Option<String>)> {
        let (Some(output), Some(found)) = (self.output, found) else { return Ok((DifferenceClass::Short, None)) };
        let Some(place) = find_line(self.input, found, start)? else {
            let text = found.text();
            let is_other = |(key, _): (StreamKey, &Path)| text.first().is_some_and(|first| *first != key.0);
            let is_foreign = self.key.is_some_and(is_other) || !is_text(text);
            return Ok((if is_foreign { DifferenceClass::Foreign } else { DifferenceClass::Torn }, None));
        };
        let distance = place.start.abs_diff(start);
        let (line, at) = (place.number, place.start);
        if at < start {
            let note = format!("it is line {line} of the input, {distance} bytes back (byte {at})");
            return Ok((DifferenceClass::Dup, Some(note)));
        }
        let is_behind = expected.map_or(Ok(false), |line| has_line(output, line, found.end()..Offset::MAX))?;
        let class = if is_behind { DifferenceClass::Reordered } else { DifferenceClass::Lost };
        Ok((class, Some(format!("it is line {line} of the input, {distance} bytes ahead (byte {at})"))))
    }
}

/// Whether bytes are text; a character that was cut at the end is.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && bytes.iter().all(|byte| *byte == b'\t' || *byte == b'\r' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    /// Line, class, expected and found of the difference at a byte.
    fn told(input: &str, output: &str, byte: Offset) -> (u64, &'static str, Option<String>, Option<String>) {
        let (input, output) = (file(input), file(output));
        let log = Path::new("/nowhere/log");
        let evidence = Evidence { key: Some((StreamKey(b'A'), log)), input: &input, output: Some(&output) };
        let finding = evidence.difference("prefix", byte).unwrap();
        (finding.line, finding.class.unwrap().name(), finding.expected, finding.found)
    }

    #[test]
    fn lines_made_by_hand_are_classed_as_well() {
        let input = "Aa\nAbb\nAccc\nAd\n";
        let classed = |output, byte| told(input, output, byte).1;
        assert_eq!(classed("Aa\nAa\nAbb\n", 4), "DUP");
        assert_eq!(classed("Aa\nAccc\nAd\n", 4), "LOST");
        assert_eq!(classed("Aa\nAccc\nAbb\nAd\n", 4), "REORDERED");
        assert_eq!(classed("Aa\nAccc\nAd\nAbb", 4), "LOST", "a line without its end is not there");
        assert_eq!(classed("Aa\nAb\nAccc\n", 5), "TORN");
        assert_eq!(classed("Aa\nBbb\nAccc\n", 3), "FOREIGN");
        assert_eq!(classed("Aa\nA\u{1}b\nAccc\n", 4), "FOREIGN");
        assert_eq!(classed("Aa\n\nAbb\n", 3), "TORN");
        assert_eq!(classed("Aa\nAbb\nAccc\nAd\nAa\n", 15), "DUP", "behind the input's end");
        assert_eq!(classed("Aa\n", 3), "SHORT");
    }

    #[test]
    fn a_line_that_has_no_end_yet_is_taken_for_the_one_that_begins_like_it() {
        let input = "Aaxy\nAbxy\nAcxy\n";
        assert_eq!(told(input, "Aaxy\nAax", 6).1, "DUP");
        assert_eq!(told(input, "Aaxy\nAcx", 6).1, "LOST");
        assert_eq!(told(input, "Aaxy\nAdx", 6).1, "TORN");
    }

    #[test]
    fn lines_are_shown_and_numbered() {
        let told = told("Aa\nAbb\n", "Aa\nAb\x07\n", 5);
        assert_eq!(told, (2, "FOREIGN", Some(String::from("Abb\\n")), Some(String::from("Ab\\x07\\n"))));
    }
}
