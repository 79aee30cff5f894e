//! Lengths of time as people write them: `90`, `90s`, `5m`, `1h30m`, `1.5h`, `250ms`; and as they are printed: `4 m 10 s`.

use std::time::Duration;

use crate::units::{BLANKS, after_blank};

/// The longest that is accepted: ten years, more than any test lasts, and no clock overflows.
pub const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Reads a length of time. A bare number is seconds; units may follow one another, as in Go.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = |why: &str| format!("{text:?} is no duration: {why}; it is written like 90, 90s, 5m, 1h30m or 500ms");
    let mut rest = text;
    let mut nanos = 0u128;
    if text.is_empty() {
        return Err(wrong("it is empty"));
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        if number.is_empty() {
            return Err(wrong("a number is missing"));
        }
        let behind = after_blank(behind);
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_end);
        // A blank is also what parts stand apart by.
        let unit = if next.is_empty() { unit } else { unit.strip_suffix(BLANKS).unwrap_or(unit) };
        let factor = match unit {
            "h" => 3_600_000_000_000u128,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "" if rest.len() == text.len() && next.is_empty() => 1_000_000_000,
            "" => return Err(wrong("a number has no unit")),
            _ => return Err(wrong("the units are h, m, s and ms")),
        };
        let part = scaled(number, factor).ok_or_else(|| wrong("a number is too long, or has two points"))?;
        nanos += part;
        if nanos > LONGEST.as_nanos() {
            return Err(wrong("it is longer than ten years"));
        }
        rest = next;
    }
    // Bounded by LONGEST, which is far below 2^64 nanoseconds.
    Ok(Duration::from_nanos(nanos as u64))
}

/// A decimal number times `factor`, rounded down.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // What is finer than a nanosecond of an hour does not count.
    let fraction = &fraction[..fraction.len().min(15)];
    let digits: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction_digits: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(u128::from(digits) * factor + u128::from(fraction_digits) * factor / 10u128.pow(fraction.len() as u32))
}

/// `4 m 10 s`, `1 h 5 m`, `12 s`: for a person.
pub fn in_words(length: Duration) -> String {
    let seconds = length.as_secs() + u64::from(length.subsec_millis() >= 500);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} m {s} s"),
        (h, m, _) => format!("{h} h {m} m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("1m0.5s", 60_500),
            ("0", 0),
            ("0.25", 250),
            (".5s", 500),
            ("1h1m1s1ms", 3_661_001),
            ("5 m", 300_000),
            ("4 m 59 s", 299_000),
            ("1\u{a0}h\u{a0}30\u{a0}m", 5_400_000),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(span(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told() {
        for text in [
            "",
            "s",
            "5x",
            "5  m",
            "5m ",
            " 5m",
            "5m  3s",
            "5 3s",
            "-5s",
            "+5s",
            "1h30",
            "1..5s",
            ".",
            ".s",
            "5S",
            "1d",
            "99999999999999999999s",
            "11m5",
        ] {
            let error = span(text).unwrap_err();
            assert!(error.contains("1h30m") && error.contains(text), "{error}");
        }
        assert!(span("87841h").unwrap_err().contains("ten years"));
        assert!(span("-5").unwrap_err().contains("a number is missing"));
    }

    #[test]
    fn a_person_reads_them() {
        for (seconds, words) in [(0, "0 s"), (59, "59 s"), (250, "4 m 10 s"), (3_900, "1 h 5 m"), (90_000, "25 h 0 m")]
        {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    proptest::proptest! {
        #[test]
        fn parts_add_up(h in 0u64..1000, m in 0u64..1000, s in 0u64..100_000, ms in 0u64..1_000_000) {
            let length = Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + ms);
            proptest::prop_assert_eq!(span(&format!("{h}h{m}m{s}s{ms}ms")), Ok(length));
            proptest::prop_assert_eq!(span(&s.to_string()), Ok(Duration::from_secs(s)));
            // What is printed is read. Hours are told without seconds.
            let printed = Duration::from_secs(if h > 0 { (h * 60 + m) * 60 } else { m % 60 * 60 + s % 60 });
            proptest::prop_assert_eq!(span(&in_words(printed)), Ok(printed));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.hms ü\u{a0}]{0,40}") {
            if let Ok(length) = span(&text) {
                proptest::prop_assert!(length <= LONGEST);
                let _ = in_words(length);
            }
        }
    }
}
