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

/// How far behind the point the last digit of [`significant`] stands, at most.
#[cfg(feature = "scenario")]
const FURTHEST: i32 = 18;

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

/// A number with so many digits at most. What ends far behind the point has an exponent.
#[cfg(feature = "scenario")]
fn significant(value: f64, digits: u32) -> String {
    let size = value.abs().min(LARGEST);
    if size == 0.0 || value.is_nan() {
        return String::from("0");
    }
    let power = size.log10().floor() as i32 + 1 - digits as i32;
    let scaled = if power < 0 { size * 10f64.powi(-power) } else { size / 10f64.powi(power) };
    let (mut number, mut places) = (scaled.round() as u64, -power);
    while number % 10 == 0 && number > 0 {
        (number, places) = (number / 10, places - 1);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    match places {
        // Digits that are further behind the point are not read.
        places if places > FURTHEST => format!("{sign}{number}e-{places}"),
        places if places > 0 => {
            let text = format!("{number:0width$}", width = places as usize + 1);
            let (whole, part) = text.split_at(text.len() - places as usize);
            format!("{sign}{whole}.{part}")
        }
        places => format!("{sign}{number}{}", "0".repeat(places.unsigned_abs() as usize)),
    }
}

/// An `f32` in the fewest digits that bring it back, of six and more.
#[cfg(feature = "scenario")]
pub fn of_f32(value: f32) -> String {
    let text = |digits| significant(f64::from(value), digits);
    let is_same = |digits: &u32| float(&text(*digits)).is_some_and(|read| read as f32 == value);
    text((6..9).find(is_same).unwrap_or(9))
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

    #[cfg(feature = "scenario")]
    #[test]
    fn digits_are_those_that_count() {
        for (value, digits, text) in [
            (0.0, 9, "0"),
            (20_000.0, 9, "20000"),
            (1.5, 9, "1.5"),
            (-0.25, 9, "-0.25"),
            (1.0 / 3.0, 15, "0.333333333333333"),
            (f64::from(0.1_f32), 9, "0.100000001"),
            (1.5e-20, 9, "15e-21"),
            (1e18, 9, "1000000000000000000"),
            (999_999_999.9, 9, "1000000000"),
            (f64::NAN, 9, "0"),
        ] {
            assert_eq!(significant(value, digits), text);
        }
        assert_eq!([of_f32(0.0), of_f32(2e-4), of_f32(100_123.45)], ["0", "0.0002", "100123.45"]);
    }

    #[cfg(feature = "scenario")]
    proptest::proptest! {
        #[test]
        fn digits_bring_back_an_f32(value in 1e-30f32..1e18, few in 0.0f32..0.1) {
            for value in [value, few, few / 1e6] {
                proptest::prop_assert_eq!(float(&of_f32(value)).unwrap() as f32, value);
            }
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
