//! Amounts of a track: so many units, or a share of the limit.

use crate::units::quantity::{Amount, Unit};

/// The largest value of a track, in units: all that 64 bits count.
pub const MOST_UNITS: f64 = u64::MAX as f64;

/// How much a track wants: bytes, millicores, a count or bytes a second, as its kind says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TrackAmount {
    /// So many units.
    Units(f64),
    /// So much of the limit: 0.5 is half of it.
    Share(f64),
}

impl TrackAmount {
    /// Reads `256Mi`, `1.5Gi`, `250m` (of CPU), `50pct` or `50%`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        match Amount::parse(text, unit)? {
            Amount::Exactly(units) => Ok(Self::Units(units as f64)),
            Amount::Share(millionths) => Ok(Self::Share(millionths as f64 / 1e6)),
            Amount::MostLess(_) => Err(format!(
                "{text:?} depends on what is free at the time, and a scenario does not: 100pct is the limit"
            )),
        }
    }

    /// The number of units, where `limit` is the limit in units. `None` for a share of a limit that is not known.
    pub fn resolve(self, limit: Option<f64>) -> Option<f64> {
        match self {
            Self::Units(units) => Some(units),
            Self::Share(share) => limit.map(|limit| (share * limit).clamp(0.0, MOST_UNITS)),
        }
    }
}

/// The number that is so far on the way from one number to another, 0 to 1 of it.
pub(super) fn between(from: f64, to: f64, way: f64) -> f64 {
    from + (to - from) * way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_units_or_shares() {
        let read = |text| TrackAmount::parse(text, Unit::Bytes).unwrap();
        assert_eq!(read("256Mi"), TrackAmount::Units(268_435_456.0));
        assert_eq!(TrackAmount::parse("250m", Unit::Millicores), Ok(TrackAmount::Units(250.0)));
        assert_eq!((read("50pct"), read("12.5%")), (TrackAmount::Share(0.5), TrackAmount::Share(0.125)));
        assert_eq!(read("50pct").resolve(Some(1000.0)), Some(500.0));
        assert_eq!(read("50pct").resolve(None), None);
        assert_eq!(read("64").resolve(None), Some(64.0));
        assert!(TrackAmount::parse("max", Unit::Bytes).unwrap_err().contains("100pct"));
        assert!(TrackAmount::parse("5MX", Unit::Bytes).unwrap_err().contains("512Mi"));
        let huge = TrackAmount::parse("9999999999%", Unit::Bytes).unwrap();
        assert_eq!(huge.resolve(Some(MOST_UNITS)), Some(MOST_UNITS));
    }
}
