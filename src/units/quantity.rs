//! Amounts as people write them: Kubernetes quantities, shares of the limit, and "all there is".
//!
//! The grammar of quantities is that of Kubernetes' `resource.Quantity`: a decimal number, then `Ki` … `Ei`, or `n`,
//! `u`, `m`, `k` … `E`, or an exponent (`e9`). What is finer than the unit is rounded up, as Kubernetes does it. And what is
//! printed for people is read: `512.0 MiB`, `1.5 GB`, `0.5 cores`, `50 %`.

use crate::units::decimal::{Decimal, fixed};
use crate::units::{BLANKS, after_blank};

/// What an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, in whole ones: `m` and smaller make no sense.
    Bytes,
    /// Things, in whole ones.
    Count,
    /// CPU: the number is cores, what is counted are millicores.
    Millicores,
}

/// An amount that may depend on what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many units.
    Exactly(u64),
    /// So many millionths of the limit.
    Share(u64),
    /// The most that would be accepted, less so many units.
    MostLess(u64),
}

/// The most was to be lessened by more than it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BelowNothing {
    /// By how many units.
    pub less: u64,
    /// The most that would be accepted, in units.
    pub most: u64,
}

impl BelowNothing {
    /// What is wrong, where `amount` tells a number of units.
    pub fn in_words(self, amount: &dyn Fn(&u64) -> String) -> String {
        format!("max-{} is below nothing: max is {} now", amount(&self.less), amount(&self.most))
    }
}

/// The largest exponent that can make sense.
const EXPONENT: i32 = 30;
/// A whole, in the millionths of [`Amount::Share`].
const WHOLE: u128 = 1_000_000;

impl Amount {
    /// Reads an amount of `unit`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        if let Some(less) = text.strip_prefix("max") {
            return match after_blank(less).strip_prefix('-') {
                None if less.is_empty() => Ok(Self::MostLess(0)),
                Some(less) => {
                    quantity(after_blank(less), unit).map(Self::MostLess).map_err(|why| wrong(text, unit, &why))
                }
                None => Err(wrong(text, unit, "after max comes nothing, or - and a quantity")),
            };
        }
        if let Some(number) = text.strip_suffix("pct").or_else(|| text.strip_suffix('%')) {
            let share = Decimal::begin(without_blank(number)).and_then(|(number, rest)| match rest {
                // A percent is ten thousand millionths.
                "" => scaled(number, 10_000, 0),
                _ => Err(String::from("before pct stands a plain number")),
            });
            return share.map(Self::Share).map_err(|why| wrong(text, unit, &why));
        }
        quantity(text, unit).map(Self::Exactly).map_err(|why| wrong(text, unit, &why))
    }

    /// Whether [`Amount::resolve`] needs to know what there is.
    pub fn is_relative(self) -> bool {
        !matches!(self, Self::Exactly(_))
    }

    /// The number of units, where `limit` is the limit and `most` the most that would be accepted now.
    ///
    /// # Errors
    /// When less than nothing would be left: nothing would be a release of everything, which nobody has asked for.
    pub fn resolve(self, limit: u64, most: u64) -> Result<u64, BelowNothing> {
        match self {
            Self::Exactly(units) => Ok(units),
            Self::Share(share) => Ok(u64::try_from(u128::from(limit) * u128::from(share) / WHOLE).unwrap_or(u64::MAX)),
            Self::MostLess(less) => most.checked_sub(less).ok_or(BelowNothing { less, most }),
        }
    }
}

/// Reads a quantity of `unit` a second, as it is printed too: `20Mi`, `20 MiB/s`.
///
/// # Errors
/// What is wrong with it.
pub fn rate(text: &str, unit: Unit) -> Result<u64, String> {
    quantity(text.strip_suffix("/s").unwrap_or(text), unit).map_err(|why| {
        let example = if unit == Unit::Bytes { "20Mi or 20 MiB/s" } else { "500 or 10k" };
        format!("{why}; it is written like {example}")
    })
}

/// Reads a quantity of `unit`, in units.
///
/// # Errors
/// What is wrong with it.
pub fn quantity(text: &str, unit: Unit) -> Result<u64, String> {
    let text = match unit {
        Unit::Millicores => {
            ["cores", "core"].iter().find_map(|unit| text.strip_suffix(unit)).map_or(text, without_blank)
        }
        _ => text,
    };
    let (number, suffix) = Decimal::begin(text)?;
    let suffix = after_blank(suffix);
    // 512 B, MiB, MB and 512 bytes are bytes; and so is what is written without.
    let suffix = match suffix {
        "bytes" if unit == Unit::Bytes => "",
        suffix if unit == Unit::Bytes => suffix.strip_suffix('B').unwrap_or(suffix),
        suffix => suffix,
    };
    let (multiplier, exponent) = match suffix {
        "" => (1, 0),
        "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" if unit == Unit::Millicores => {
            return Err(format!("{suffix} is for bytes, not for CPU"));
        }
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "n" | "u" | "m" if unit != Unit::Millicores => {
            return Err(format!("{suffix} is for CPU, not for {}", unit.name()));
        }
        "m" => (1, -3),
        "u" => (1, -6),
        "n" => (1, -9),
        _ => match suffix.strip_prefix(['e', 'E']).and_then(|digits| digits.parse::<i32>().ok()) {
            Some(exponent) if exponent.abs() <= EXPONENT => (1, exponent),
            Some(_) => return Err(String::from("the exponent is out of range")),
            None => return Err(format!("{suffix:?} is no suffix")),
        },
    };
    scaled(number, multiplier, exponent + if unit == Unit::Millicores { 3 } else { 0 })
}

fn without_blank(text: &str) -> &str {
    text.strip_suffix(BLANKS).unwrap_or(text)
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Count => "counts",
            Self::Millicores => "CPU",
        }
    }

    fn examples(self) -> &'static str {
        match self {
            Self::Bytes => "512Mi, 1.5Gi, 2G, 1e9, 50pct, max or max-64Mi",
            Self::Count => "500, 10k, 50pct, max or max-100",
            Self::Millicores => "250m, 1500m, 1.5, 50pct or max",
        }
    }
}

fn wrong(text: &str, unit: Unit, why: &str) -> String {
    format!("{text:?} is no amount: {why}; it is written like {}", unit.examples())
}

/// The number times `multiplier` times ten to the power of `exponent`, rounded up.
fn scaled(number: Decimal, multiplier: u64, exponent: i32) -> Result<u64, String> {
    let too_large = || String::from("it is too large");
    if number.digits == 0 {
        return Ok(0);
    }
    let product = number.digits * u128::from(multiplier);
    let shift = exponent - number.places;
    let power = 10u128.checked_pow(shift.unsigned_abs());
    let whole = match power {
        Some(power) if shift >= 0 => product.checked_mul(power).ok_or_else(too_large)?,
        Some(power) => product.div_ceil(power),
        None if shift >= 0 => return Err(too_large()),
        // Less than one of anything, and not nothing.
        None => 1,
    };
    u64::try_from(whole).map_err(|_| too_large())
}

/// An amount as a person reads it: `512.0 MiB`.
pub fn in_words(value: u64, unit: Unit) -> String {
    if unit != Unit::Bytes {
        return if value == u64::MAX { String::from("no limit") } else { value.to_string() };
    }
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut scaled, mut place) = (value as f64, 0);
    while scaled >= 1024.0 && place + 1 < UNITS.len() {
        (scaled, place) = (scaled / 1024.0, place + 1);
    }
    match (value, place) {
        (u64::MAX, _) => String::from("no limit"),
        (_, 0) => format!("{value} B"),
        // Never more than it is: what is told of a limit can be asked for.
        _ => format!("{} {}", fixed((scaled * 10.0).floor() / 10.0, 1), UNITS[place]),
    }
}

/// Two amounts that differ, as a person reads that they do: `1033 MiB` and `1024 MiB` are both 1.0 GiB.
#[cfg(any(feature = "openapi", feature = "client"))]
pub fn apart(one: u64, other: u64, unit: Unit) -> (String, String) {
    // `256 MiB` for `256.0 MiB`.
    let short = |words: String| match words.split_once(' ').and_then(|(n, rest)| Some((n.strip_suffix(".0")?, rest))) {
        Some((whole, rest)) => format!("{whole} {rest}"),
        None => words,
    };
    let in_mebibytes = |amount: u64| short(format!("{} MiB", fixed(amount as f64 / f64::from(1 << 20), 1)));
    let mut told = (short(in_words(one, unit)), short(in_words(other, unit)));
    if told.0 == told.1 {
        told = (in_mebibytes(one), in_mebibytes(other));
    }
    if told.0 == told.1 {
        told = (format!("{one} bytes"), format!("{other} bytes"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, String> {
        quantity(text, Unit::Bytes)
    }

    #[test]
    fn quantities_are_kubernetes_own() {
        for (text, value) in [
            ("0", 0),
            ("512Mi", 512 << 20),
            ("1.5Gi", 3 << 29),
            ("2G", 2_000_000_000),
            ("1e9", 1_000_000_000),
            ("1E3", 1000),
            ("1E", 1_000_000_000_000_000_000),
            ("15e-1", 2),
            ("0.1Ki", 103),
            (".5k", 500),
            ("5.", 5),
            ("+5", 5),
            ("00012", 12),
            ("0.10000000000000000000000000000000000k", 100),
            ("18446744073709551615", u64::MAX),
            ("15.99Ei", 18_435_214_858_663_483_147),
            ("1e-30", 1),
        ] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_told() {
        for text in [
            "", "Mi", ".", "1..5", "1.5.5", "-1", "5mi", "5 ", "5  Mi", " 5", "5BB", "5mB", "5MiB ", "1e", "1e+",
            "1e99", "0x10", "٣", "1_000",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert!(bytes("16Ei").unwrap_err().contains("large"));
        assert!(bytes("1e30").unwrap_err().contains("large"));
        assert!(bytes("250m").unwrap_err().contains("CPU"));
        assert!(bytes("123456789012345678901234").unwrap_err().contains("digits"));
        let error = Amount::parse("5MX", Unit::Bytes).unwrap_err();
        assert!(error.contains("5MX") && error.contains("512Mi"), "{error}");
    }

    #[test]
    fn cpu_is_counted_in_millicores() {
        for (text, value) in
            [("250m", 250), ("1500m", 1500), ("1.5", 1500), ("2", 2000), ("1500000u", 1500), ("0.0001", 1)]
        {
            assert_eq!(quantity(text, Unit::Millicores), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_read() {
        for (text, unit, value) in [
            ("512.0 MiB", Unit::Bytes, 512 << 20),
            ("1023 B", Unit::Bytes, 1023),
            ("5B", Unit::Bytes, 5),
            ("512 Mi", Unit::Bytes, 512 << 20),
            ("1.5\u{a0}GiB", Unit::Bytes, 3 << 29),
            ("2 GB", Unit::Bytes, 2_000_000_000),
            ("7kB", Unit::Bytes, 7000),
            ("20 k", Unit::Count, 20_000),
            ("0.5 cores", Unit::Millicores, 500),
            ("1\u{a0}core", Unit::Millicores, 1000),
            ("2cores", Unit::Millicores, 2000),
            ("250 m", Unit::Millicores, 250),
        ] {
            assert_eq!(quantity(text, unit), Ok(value), "{text}");
        }
        assert_eq!((rate("20 MiB/s", Unit::Bytes), rate("5/s", Unit::Count)), (Ok(20 << 20), Ok(5)));
        assert!(rate("5/m", Unit::Bytes).is_err() && quantity("5/s", Unit::Bytes).is_err());
        for text in ["5B", "5MiB", "1 core"] {
            assert!(quantity(text, Unit::Count).is_err(), "{text}");
        }
        for text in ["s", "core", "1 scores", "1 coress", "5B"] {
            assert!(quantity(text, Unit::Millicores).is_err(), "{text}");
        }
        assert_eq!(Amount::parse("50 %", Unit::Bytes), Ok(Amount::Share(500_000)));
        assert_eq!(Amount::parse("max-64 MiB", Unit::Bytes), Ok(Amount::MostLess(64 << 20)));
    }

    #[test]
    fn shares_and_the_most_depend_on_what_there_is() {
        let resolved = |text: &str| Amount::parse(text, Unit::Bytes).unwrap().resolve(1000, 700).unwrap();
        assert_eq!(resolved("50pct"), 500);
        assert_eq!(resolved("12.5%"), 125);
        assert_eq!(resolved("0.0001pct"), 0);
        assert_eq!(resolved("max"), 700);
        assert_eq!(resolved("max-64"), 636);
        assert_eq!(resolved("max-700"), 0);
        let error = Amount::parse("max-1Ki", Unit::Bytes).unwrap().resolve(1000, 700).unwrap_err();
        assert_eq!(error, BelowNothing { less: 1024, most: 700 });
        assert_eq!(resolved("64"), 64);
        for text in ["max64Mi", "max-", "maxi", "max+5", "pct", "%", "5Mipct", "-5pct"] {
            assert!(Amount::parse(text, Unit::Bytes).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whole_numbers_are_read_as_written(number: u64) {
            proptest::prop_assert_eq!(bytes(&number.to_string()), Ok(number));
        }

        #[test]
        fn what_is_told_of_bytes_is_read_and_near(number in 0u64..u64::MAX / 2) {
            let read = bytes(&in_words(number, Unit::Bytes)).unwrap();
            // Never more: what is told of a limit can be had.
            proptest::prop_assert!(read <= number && number - read <= number / 10, "{} {read}", in_words(number, Unit::Bytes));
        }

        #[test]
        fn suffixes_multiply(number in 0u64..1 << 20, place in 0usize..6) {
            let (suffix, shift) = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("", 0), ("Ki", 10)][place];
            proptest::prop_assert_eq!(bytes(&format!("{number}{suffix}")), Ok(number << shift));
        }

        #[test]
        fn millicores_and_cores_agree(millicores in 0u64..1_000_000) {
            let cores = format!("{}.{:03}", millicores / 1000, millicores % 1000);
            proptest::prop_assert_eq!(quantity(&cores, Unit::Millicores), Ok(millicores));
            proptest::prop_assert_eq!(quantity(&format!("{millicores}m"), Unit::Millicores), Ok(millicores));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.eEkKMmGiTPnuB%pctax cores+-]{0,40}", limit: u64, most: u64) {
            for unit in [Unit::Bytes, Unit::Count, Unit::Millicores] {
                if let Ok(amount) = Amount::parse(&text, unit) {
                    let _ = amount.resolve(limit, most);
                }
            }
        }
    }

    #[test]
    fn amounts_are_read_by_people() {
        for (bytes, words) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (512 << 20, "512.0 MiB"),
            ((1 << 30) - 1, "1023.9 MiB"),
            (18_128_830_464, "16.8 GiB"),
            (u64::MAX, "no limit"),
        ] {
            assert_eq!(in_words(bytes, Unit::Bytes), words);
        }
        assert_eq!(in_words(500, Unit::Count), "500");
    }
}
