//! What a program said, in words for people.

use std::process::ExitStatus;

use crate::kernel::program::RunningProgram;

/// The longest of a program's words that are told, in bytes.
const NAME_BYTES: usize = 120;
/// The longest line of it that is told, in bytes.
const LINE_BYTES: usize = 400;

/// Program and arguments, in one line.
pub(super) fn shown_words(words: &[String]) -> String {
    shown(&words.join(" "), NAME_BYTES)
}

/// The last lines that say something, at most so many.
pub(super) fn last_lines(bytes: &[u8], most: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = Vec::new();
    for line in text.lines().rev().filter(|line| !line.trim().is_empty()).take(most) {
        lines.insert(0, shown(line.trim_end(), LINE_BYTES));
    }
    lines
}

/// Why a program cannot tell: how it ended, or that it was too late, and the last that it said.
pub(super) fn trouble(words: &[String], program: &RunningProgram, status: Option<ExitStatus>) -> String {
    let how =
        status.map_or_else(|| String::from("killed, since it had not ended in time"), |status| status.to_string());
    let said = last_lines(&program.printed().err, 1).pop().map_or(String::new(), |line| format!(": {line}"));
    format!("`{}`: {how}{said}", shown_words(words))
}

/// A text without control characters, cut where it is longer.
fn shown(text: &str, most: usize) -> String {
    let end = text.char_indices().map(|(place, _)| place).find(|place| *place > most);
    let line = end.map_or_else(|| text.to_owned(), |end| format!("{}…", &text[..end]));
    line.replace(|character: char| character.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_a_line_and_has_a_bound() {
        assert_eq!(shown_words(&["sh", "-c", "a\nb"].map(str::to_owned)), "sh -c a b");
        assert_eq!(shown_words(&["ä".repeat(200)]).chars().count(), NAME_BYTES / 2 + 2);
        assert_eq!(last_lines(b"one\n\n two\t3 \n   \n", 2), ["one", " two 3"]);
        assert_eq!(last_lines(&[b'x'; 1000], 2)[0].len(), LINE_BYTES + 1 + "…".len());
        assert!(last_lines(b"", 2).is_empty());
    }
}
