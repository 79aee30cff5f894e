//! Decimal numbers, read and written without more machinery than they need: the standard library's, which is right to
//! the last bit of any `f64`, would be thirty KiB of this binary.

use std::fmt;

/// Digits of a number that count; more than anybody needs, and 2^60 times as much still fits into 128 bits.
const DIGITS: usize = 20;

/// A decimal number: `digits` times ten to the power of `-places`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Its digits as a whole number.
    pub digits: u128,
    /// How many of them stand behind the point.
    pub places: i32,
}

impl Decimal {
    /// Reads the number a text begins with; returns what follows it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn begin(text: &str) -> Result<(Self, &str), String> {
        if text.starts_with('-') {
            return Err(String::from("it is below zero"));
        }
        let text = text.strip_prefix('+').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(String::from("it does not begin with a number"));
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.len() + fraction.len() > DIGITS {
            return Err(format!("it has more than {DIGITS} digits"));
        }
        let digits = [whole, fraction].concat();
        let digits = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| String::from("it is no number"))? };
        Ok((Self { digits, places: fraction.len() as i32 }, rest))
    }

    /// As a floating-point number, right to the last digit or two.
    fn to_f64(self) -> f64 {
        self.digits as f64 / 10f64.powi(self.places)
    }
}

/// Reads a number with sign and exponent: `-1.5e3`. `None` when it is none, or too large to be written again.
pub fn float(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned.starts_with(['+', '-']) {
        return None;
    }
    let (number, rest) = Decimal::begin(unsigned).ok()?;
    let exponent: i32 = match rest.strip_prefix(['e', 'E']) {
        Some(digits) => digits.parse().ok()?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    let value = sign * number.to_f64() * 10f64.powi(exponent);
    (value.abs() <= LARGEST).then_some(value)
}

/// The largest number that is read and written.
const LARGEST: f64 = 1e18;
/// Places behind the point that are written, at most.
const PLACES: usize = 6;

/// A floating-point number as text: up to six places, without zeros at the end. What is not finite, or too large to
/// matter here, shows as the largest there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plain(pub f64);

impl fmt::Display for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = fixed(self.0, PLACES);
        out.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A floating-point number with so many places behind the point.
pub fn fixed(value: f64, places: usize) -> String {
    let unit = 10i128.pow(places as u32);
    let value = value.clamp(-LARGEST, LARGEST);
    // A large number has no places behind the point.
    let scaled = if value.abs() < 1e12 { (value * unit as f64).round() as i128 } else { value as i128 * unit };
    let (sign, size) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
    let (whole, part) = (size / unit.unsigned_abs(), size % unit.unsigned_abs());
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:0places$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_plainly() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (100.0, "100"),
            (0.000_000_4, "0"),
            (1_795_268_597.125, "1795268597.125"),
            (f64::NAN, "0"),
            (f64::INFINITY, "1000000000000000000"),
        ] {
            assert_eq!(Plain(value).to_string(), text);
        }
        assert_eq!((fixed(1.96, 1), fixed(1.96, 0), fixed(-0.04, 1)), ("2.0".into(), "2".into(), "0.0".into()));
    }

    #[test]
    fn numbers_are_read_with_sign_and_exponent() {
        for (text, value) in [("5", 5.0), ("-1.5", -1.5), ("+.5", 0.5), ("1e3", 1000.0), ("25e-1", 2.5), ("0", 0.0)] {
            assert_eq!(float(text), Some(value), "{text}");
        }
        for text in ["", "-", "x", "1x", "--1", "+-1", "1e", "1e99", "nan", "inf", "0x1", "1e999999999999"] {
            assert_eq!(float(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(value in -1e9f64..1e9) {
            let read = float(&Plain(value).to_string()).unwrap();
            proptest::prop_assert!((read - value).abs() < 1e-6);
        }
    }
}
