//! Numbers as Go's `strconv` reads them, and its words for those it does not.

use std::fmt;

/// A number that could not be read. Displays as Go's `*strconv.NumError` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberError {
    function: &'static str,
    text: Vec<u8>,
    problem: NumberProblem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberProblem {
    Syntax,
    Range,
}

impl fmt::Display for NumberError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            NumberProblem::Syntax => "invalid syntax",
            NumberProblem::Range => "value out of range",
        };
        write!(formatter, "strconv.{}: parsing {}: {problem}", self.function, quote(&self.text))
    }
}

impl std::error::Error for NumberError {}

/// Reads decimal digits into 64 bits, unsigned.
///
/// # Errors
/// When there is anything but digits, or nothing, or more than 2^64-1.
pub fn parse_unsigned(text: &[u8]) -> Result<u64, NumberError> {
    digits(text).map_err(|problem| NumberError { function: "ParseUint", text: text.to_vec(), problem })
}

/// Reads an optional sign and decimal digits into 64 bits, signed.
///
/// # Errors
/// When there is anything else, or it does not fit.
pub fn parse_signed(text: &[u8]) -> Result<i64, NumberError> {
    let fail = |problem| NumberError { function: "ParseInt", text: text.to_vec(), problem };
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = i128::from(digits(unsigned).map_err(fail)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| fail(NumberProblem::Range))
}

/// Reads digit by digit, as Go does: what comes first, a wrong character or one digit too many, is the problem.
fn digits(text: &[u8]) -> Result<u64, NumberProblem> {
    if text.is_empty() {
        return Err(NumberProblem::Syntax);
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit <= 9).ok_or(NumberProblem::Syntax)?;
        number.checked_mul(10).and_then(|number| number.checked_add(u64::from(digit))).ok_or(NumberProblem::Range)
    })
}

/// Quotes text as Go's `%q` does: printable characters as they are, everything else escaped.
pub fn quote(text: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_quoted(&mut quoted, c));
        chunk.invalid().iter().for_each(|byte| quoted.push_str(&format!("\\x{byte:02x}")));
    }
    quoted.push('"');
    quoted
}

fn push_quoted(quoted: &mut String, c: char) {
    let escape = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        c if c < ' ' || c == '\x7f' => return quoted.push_str(&format!("\\x{:02x}", c as u32)),
        c if is_printable(c) => return quoted.push(c),
        c if (c as u32) < 0x1_0000 => return quoted.push_str(&format!("\\u{:04x}", c as u32)),
        c => return quoted.push_str(&format!("\\U{:08x}", c as u32)),
    };
    quoted.push_str(escape);
}

/// Whether Unicode calls `c` a letter, mark, number, punctuation, symbol, or the ASCII space: Go's `IsPrint`.
///
/// The standard library knows (its debug output is made of it) but tells only by escaping. A letter in front keeps it
/// from escaping combining marks, which it does at the start of a text. The Unicode version is the toolchain's, so
/// characters younger than the original's tables come out as they are.
fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    matches!(c, '\'' | '"' | '\\') || pair.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(text: &str) -> String {
        parse_unsigned(text.as_bytes()).map_or_else(|e| e.to_string(), |n| n.to_string())
    }

    fn signed(text: &str) -> String {
        parse_signed(text.as_bytes()).map_or_else(|e| e.to_string(), |n| n.to_string())
    }

    #[test]
    fn digits_only() {
        assert_eq!(unsigned("000012"), "12");
        assert_eq!(unsigned("18446744073709551615"), "18446744073709551615");
        for text in ["abc", "+5", "-1", " 1", "1 ", "1.5", "1e6", "0x10", "1_000", "512Mi", "90s", "", "-", "١"] {
            assert_eq!(unsigned(text), format!("strconv.ParseUint: parsing \"{text}\": invalid syntax"));
        }
        for text in ["18446744073709551616", "99999999999999999999", "99999999999999999999x"] {
            assert_eq!(unsigned(text), format!("strconv.ParseUint: parsing \"{text}\": value out of range"));
        }
        assert!(unsigned("9999999999999999999x").ends_with("invalid syntax"));
    }

    #[test]
    fn signed_numbers_have_signs() {
        assert_eq!(signed("12"), "12");
        assert_eq!(signed("+12"), "12");
        assert_eq!(signed("-12"), "-12");
        assert_eq!(signed("-9223372036854775808"), "-9223372036854775808");
        for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
            assert_eq!(signed(text), format!("strconv.ParseInt: parsing \"{text}\": value out of range"));
        }
        for text in ["zz", "+", "-", "--1", "1-", ""] {
            assert_eq!(signed(text), format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
        }
    }

    #[test]
    fn quoting_is_gos() {
        for (text, quoted) in [
            (&b"abc"[..], r#""abc""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            ("é😀'`\u{301}".as_bytes(), "\"é😀'`\u{301}\""),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\x00\x1f\x7f", r#""\x00\x1f\x7f""#),
            ("\u{200b}\u{a0}\u{ad}\u{80}\u{2028}".as_bytes(), r#""\u200b\u00a0\u00ad\u0080\u2028""#),
            ("\u{e000}\u{feff}\u{ffff}".as_bytes(), r#""\ue000\ufeff\uffff""#),
            ("\u{e0001}\u{10ffff}".as_bytes(), r#""\U000e0001\U0010ffff""#),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\""),
            (b"\xff\xc3", r#""\xff\xc3""#),
            (b"\xe2\x82x\xed\xa0\x80", r#""\xe2\x82x\xed\xa0\x80""#),
            (b" ", "\" \""),
        ] {
            assert_eq!(quote(text), quoted, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(number: u64, negative: i64) {
            proptest::prop_assert_eq!(parse_unsigned(number.to_string().as_bytes()), Ok(number));
            proptest::prop_assert_eq!(parse_signed(negative.to_string().as_bytes()), Ok(negative));
        }

        #[test]
        fn quoted_text_is_one_line(text: Vec<u8>) {
            let quoted = quote(&text);
            proptest::prop_assert!(!quoted.chars().any(char::is_control));
        }
    }
}
