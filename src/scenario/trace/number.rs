//! Numbers of recordings: what programs print, with as many digits as they like.

use crate::units::decimal::float;

/// Digits that count; a floating-point number has seventeen.
const DIGITS: usize = 19;
/// The longest number as it is written, in bytes.
const MOST_TEXT: usize = 64;

/// A number that is not below zero, and finite.
///
/// # Errors
/// What is wrong with it.
pub(in crate::scenario) fn number(text: &str) -> Result<f64, String> {
    let shown = || text.chars().take(MOST_TEXT).collect::<String>().escape_debug().to_string();
    if text.len() > MOST_TEXT {
        return Err(format!("{:?}… is too long for a number", shown()));
    }
    // Digits behind the point that do not count are left out, for there may be many.
    let end = text.find(['e', 'E']).unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(end);
    let kept = match mantissa.split_once('.') {
        Some((whole, fraction)) if whole.len() < DIGITS && fraction.is_ascii() => {
            mantissa.len() - fraction.len() + fraction.len().min(DIGITS - whole.len())
        }
        _ => mantissa.len(),
    };
    let dropped = &mantissa[kept..];
    if !dropped.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("\"{}\" is no number", shown()));
    }
    match float(&[&mantissa[..kept], exponent].concat()) {
        Some(value) if value < 0.0 => Err(format!("{} is below zero", shown())),
        Some(value) if value.is_finite() => Ok(value.abs()),
        _ => Err(format!("\"{}\" is no number from 0 to 1e18", shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_programs_print() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("1.5", 1.5),
            ("1.2345678901234567e-05", 1.234_567_890_123_456_7e-5),
            ("0.0000012345678901234567", 0.000_001_234_567_890_123),
            ("268435456", 268_435_456.0),
            ("1795268597.781", 1_795_268_597.781),
        ] {
            let read = number(text).unwrap();
            assert!((read - value).abs() <= value * 1e-9, "{text} {read}");
        }
        for text in ["", "1e999", "NaN", "+Inf", "-1", "1,5", "0x10", "1.5.5", "1.", "٣", &"1".repeat(65)] {
            let is_whole = text == "1.";
            assert_eq!(number(text).is_ok(), is_whole, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_is_told(text in ".{0,80}") {
            if let Ok(value) = number(&text) {
                proptest::prop_assert!(value.is_finite() && value >= 0.0);
            }
        }
    }
}
