//! When a scenario begins, and how pods differ in that.

use crate::scenario::chance::chance_of_name;

/// Seconds of a day; a day of Unix time has no leap seconds.
const DAY: f64 = 86_400.0;

/// When it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum StartTime {
    /// At once.
    #[default]
    Now,
    /// The next time that it is so many seconds after midnight, UTC.
    Daily(f64),
    /// At this second of Unix time; where that is over, the scenario is already that far.
    Instant(f64),
}

/// By how much pods begin later than that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum StartOffset {
    /// All at the same time.
    #[default]
    Same,
    /// So many seconds times the number at the end of the pod's name: `web-3` has 3. Without one, 0.
    Ordinal(f64),
    /// Up to so many seconds, as a hash of the pod's name decides.
    Hash(f64),
}

impl StartTime {
    /// Reads `now`, `HH:MM`, `HH:MM:SS`, or a time of RFC 3339 like `2026-01-31T08:00:00Z`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Now);
        }
        let read = if text.contains('-') { instant(text).map(Self::Instant) } else { clock(text).map(Self::Daily) };
        read.ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            format!("{shown:?} is no time: it is written like now, 08:00, 08:00:30 (UTC) or 2026-01-31T08:00:00Z")
        })
    }

    /// The second of Unix time where a scenario is at its beginning that a pod was given at `given`.
    pub fn zero(self, given: f64, offset: StartOffset, pod: &str) -> f64 {
        let time = match self {
            Self::Now => given,
            Self::Daily(second) => given + (second - given).rem_euclid(DAY),
            Self::Instant(time) => time,
        };
        time + match offset {
            StartOffset::Same => 0.0,
            StartOffset::Ordinal(each) => each * ordinal(pod) as f64,
            StartOffset::Hash(most) => most * chance_of_name(pod),
        }
    }
}

/// A second of Unix time as RFC 3339 has it, to a millisecond: `2026-01-31T08:00:00.250Z`. What is before 1970 or beyond the
/// year 9999 is told as the first or the last second that is written so.
pub fn in_rfc3339(time: f64) -> String {
    /// The last millisecond of the year 9999.
    const LAST: f64 = 253_402_300_799_999.0;
    let millis = (time * 1000.0).round().clamp(0.0, LAST) as u64;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from the first of March of the year 0, in eras of 400 years, so that the day that comes only sometimes is the
    // last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (era * 400 + year, month + 3) } else { (era * 400 + year + 1, month - 9) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The number of a StatefulSet's pod. No set has a billion.
fn ordinal(pod: &str) -> u64 {
    let digits = pod.rsplit_once('-').map_or("", |(_, digits)| digits);
    let is_number = !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().unwrap_or_default() } else { 0 }
}

/// A number of so many digits.
fn digits(text: &str, most: u32) -> Option<u32> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number <= most)
}

/// `HH:MM` or `HH:MM:SS`, in seconds. A leap second counts as the one before.
fn clock(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let hours = digits(parts.next()?, 23)?;
    let minutes = digits(parts.next()?, 59)?;
    let seconds = parts.next().map_or(Some(0), |text| digits(text, 60))?.min(59);
    parts.next().is_none().then_some(f64::from(hours * 3600 + minutes * 60 + seconds))
}

/// `2026-01-31T08:00:00Z`, or with an offset like `+01:00` (RFC 3339), as seconds of Unix time.
fn instant(text: &str) -> Option<f64> {
    let (date, time) = text.get(..10).zip(text.get(11..))?;
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let (time, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0.0),
        None => {
            let (time, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let sign = match offset.as_bytes()[0] {
                b'+' => 1.0,
                b'-' => -1.0,
                _ => return None,
            };
            (time, sign * clock(offset.get(1..)?)?)
        }
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, part(fraction)?),
        None => (time, 0.0),
    };
    if time.len() != 8 {
        return None;
    }
    let mut parts = date.split('-');
    let (century, year) = parts.next()?.split_at_checked(2)?;
    let year = digits(century, 99)? * 100 + digits(year, 99)?;
    let (month, day) = (digits(parts.next()?, 12)?, digits(parts.next()?, 31)?);
    if parts.next().is_some() || month == 0 || day == 0 || day > month_days(year, month) {
        return None;
    }
    // Years begin in March here, so that the day that comes only sometimes is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = i64::from(year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1) - 719_468;
    Some(days as f64 * DAY + clock(time)? - offset + fraction)
}

/// What stands behind the point of seconds. Digits beyond the ninth do not count.
fn part(fraction: &str) -> Option<f64> {
    let mut part = 0.0;
    for (place, byte) in fraction.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            return None;
        }
        if place < 9 {
            part += f64::from(byte - b'0') * 10f64.powi(-(place as i32) - 1);
        }
    }
    Some(part)
}

fn month_days(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, time) in [
            ("now", StartTime::Now),
            ("08:00", StartTime::Daily(28_800.0)),
            ("23:59:59", StartTime::Daily(86_399.0)),
            ("1970-01-01T00:00:00Z", StartTime::Instant(0.0)),
            ("2026-11-28T23:56:00Z", StartTime::Instant(1_795_910_160.0)),
            ("2000-02-29t12:00:00.5z", StartTime::Instant(951_825_600.5)),
            ("2026-11-29 01:56:00+02:00", StartTime::Instant(1_795_910_160.0)),
        ] {
            assert_eq!(StartTime::parse(text), Ok(time), "{text}");
        }
        for text in [
            "",
            "Now",
            "8:00",
            "24:00",
            "08:60",
            "08:00:61",
            "08:00:00:00",
            "+8:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.xZ",
            "0000-01-01T00:00:00Z",
            "2026-01-01T00:00:00~01:00",
            "2026-01-01Té0:00:00Z",
        ] {
            assert!(StartTime::parse(text).unwrap_err().contains("08:00:30"), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for (time, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_825_600.5, "2000-02-29T12:00:00.500Z"),
            (1_795_910_160.0, "2026-11-28T23:56:00.000Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
            (-5.0, "1970-01-01T00:00:00.000Z"),
            (1e300, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(in_rfc3339(time), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_time_is_read_as_it_was(millis in 0u64..253_402_300_800_000) {
            let time = millis as f64 / 1000.0;
            let Ok(StartTime::Instant(read)) = StartTime::parse(&in_rfc3339(time)) else { panic!("{millis}") };
            proptest::prop_assert!((read - time).abs() < 0.0005, "{} {}", read, time);
        }
    }

    #[test]
    fn pods_begin_later_as_their_names_say() {
        let zero = |time: StartTime, offset, pod| time.zero(1_000_000.0, offset, pod);
        assert_eq!(zero(StartTime::Now, StartOffset::Same, "web-3"), 1_000_000.0);
        assert_eq!(zero(StartTime::Now, StartOffset::Ordinal(60.0), "web-3"), 1_000_180.0);
        for pod in ["web", "web-7d9f", "web-", "-", "", "web-99999999999999"] {
            assert_eq!(zero(StartTime::Now, StartOffset::Ordinal(60.0), pod), 1_000_000.0, "{pod}");
        }
        let hashed = |pod| zero(StartTime::Now, StartOffset::Hash(600.0), pod) - 1_000_000.0;
        assert!((0.0..600.0).contains(&hashed("web-1")) && hashed("web-1") != hashed("web-2"));
        // 1,000,000 is 13:46:40.
        assert_eq!(zero(StartTime::Daily(50_400.0), StartOffset::Same, ""), 1_000_800.0);
        assert_eq!(zero(StartTime::Daily(0.0), StartOffset::Same, ""), 1_036_800.0);
        assert_eq!(zero(StartTime::Instant(5.0), StartOffset::Same, ""), 5.0);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_time_or_is_told(text in "[0-9TtZz:+. é-]{0,30}") {
            let _ = StartTime::parse(&text);
        }

        #[test]
        fn times_written_are_read_again(seconds in 0i64..253_402_300_799) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds as u64);
            // The date is written by another hand.
            let text = httpdate::fmt_http_date(time);
            let months = ["Jan","Feb","Mar","Apr","May","Jun","Jul","Aug","Sep","Oct","Nov","Dec"];
            let month = months.iter().position(|month| *month == &text[8..11]).unwrap() + 1;
            let text = format!("{}-{month:02}-{}T{}Z", &text[12..16], &text[5..7], &text[17..25]);
            proptest::prop_assert_eq!(StartTime::parse(&text), Ok(StartTime::Instant(seconds as f64)));
        }
    }
}
