//! Text as reports show it: nothing in it acts on who shows it, be that a parser, a browser or a terminal.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// A text with everything escaped that XML 1.0 and HTML give a meaning, for content and for quoted attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                // Not needed in HTML; in XML "]]>" is an error.
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                // A line end in an attribute is read as a blank unless it is a reference.
                '\n' => out.write_str("&#10;")?,
                other => out.write_char(visible(other))?,
            }
        }
        Ok(())
    }
}

/// What stands for a character: a control character has a picture (U+2400 and so on); what XML forbids, or what changes
/// the direction of writing, is replaced. Line ends stay.
pub(super) fn visible(character: char) -> char {
    match character {
        '\n' => '\n',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{fffe}'
        | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// The beginning of a text, with a mark where something was left out: at most so many bytes when it is escaped.
pub(super) fn clipped(text: &str, most: usize) -> std::borrow::Cow<'_, str> {
    let mut bytes = 0;
    for (place, character) in text.char_indices() {
        bytes += match character {
            '&' | '<' | '>' | '"' | '\'' | '\n' => "&quot;".len(),
            other => visible(other).len_utf8(),
        };
        if bytes > most {
            return format!("{} … ({} bytes more)", &text[..place], text.len() - place).into();
        }
    }
    text.into()
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How much of `whole` a part is: `99.9 %`, rounded down, so that less than all is never shown as all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::from(if part == 0 { "100.0 %" } else { "more" });
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A short time: `0.812 s`, `75.250 s`.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

/// A place in a run: `0:07.312`, `1:02:03.004`.
pub(super) fn moment(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    match seconds / 3600 {
        0 => format!("{}:{:02}.{millis:03}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}.{millis:03}", seconds / 60 % 60, seconds % 60),
    }
}

/// A word as a POSIX shell reads it.
pub(super) fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    match word.bytes().all(is_plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let text = Escaped("<a b='c'>&\"]]>\n\t\r\0\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{ffff}é😀").to_string();
        let wanted = "&lt;a b=&#39;c&#39;&gt;&amp;&quot;]]&gt;&#10;␉␍␀␛[31m␡\u{fffd}\u{fffd}\u{fffd}é😀";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_clipped_text_ends_at_a_character() {
        assert_eq!(clipped("abc", 3), "abc");
        assert_eq!(clipped("aéb", 2), "a … (3 bytes more)");
        assert_eq!(clipped("é", 0), " … (2 bytes more)");
        assert_eq!(clipped("<<\0", 15), "<<\0");
        assert_eq!(clipped("<<\0", 14), "<< … (1 bytes more)");
    }

    #[test]
    fn numbers_and_times_are_easy_to_read() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_250_000, "12,250,000")] {
            assert_eq!(grouped(number), text);
        }
        for (part, whole, text) in
            [(0, 7, "0.0 %"), (999_999, 1_000_000, "99.9 %"), (3, 2, "150.0 %"), (0, 0, "100.0 %"), (1, 0, "more")]
        {
            assert_eq!(percent(part, whole), text);
        }
        assert_eq!(seconds(Duration::from_millis(75_050)), "75.050 s");
        assert_eq!(moment(Duration::from_millis(67_312)), "1:07.312");
        assert_eq!(moment(Duration::from_millis(3_723_004)), "1:02:03.004");
    }

    #[test]
    fn a_shell_reads_the_same_word() {
        for (word, text) in
            [("--seed=7", "--seed=7"), ("A B", "'A B'"), ("", "''"), ("it's", r"'it'\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(shell_word(word), text);
        }
    }
}
