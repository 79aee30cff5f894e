//! Local time, as the contract writes it.
//!
//! The time zone comes from the C library (`TZ`, `/etc/localtime`); in a scratch image without zone files that is
//! UTC, unless `TZ` spells the rule out as POSIX has it (`CET-1CEST,M3.5.0,M10.5.0/3`).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that is shown: 9999-12-31 23:59:59 UTC. Later times saturate here.
const LAST_SECOND: u64 = 253_402_300_799;

/// `2021/04/04 12:14:04`: what stands in front of every log line.
pub fn log_stamp(time: SystemTime) -> String {
    let t = local(seconds(time));
    format!("{:04}/{:02}/{:02} {:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// `2021-04-05 20:03:13 +0200 CEST`: what `/api/cpu/getact` shows.
pub fn local_date(time: SystemTime) -> String {
    let t = local(seconds(time));
    let sign = if t.offset < 0 { '-' } else { '+' };
    let minutes = t.offset.unsigned_abs() / 60;
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} {sign}{:02}{:02} {}",
        t.year,
        t.month,
        t.day,
        t.hour,
        t.minute,
        t.second,
        minutes / 60,
        minutes % 60,
        t.zone
    )
}

/// `time` + `length`, held at the last second that can be shown instead of wrapping.
pub fn saturating_add(time: SystemTime, length: Duration) -> SystemTime {
    let last = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
    time.checked_add(length).map_or(last, |sum| sum.min(last))
}

/// Whole seconds since the epoch, within what can be shown.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST_SECOND)
}

struct Local {
    year: i64,
    month: i32,
    day: i32,
    hour: i32,
    minute: i32,
    second: i32,
    /// East of Greenwich, in seconds.
    offset: i64,
    zone: String,
}

fn local(seconds: u64) -> Local {
    // What `time_t` is on every target there is; musl's alias of that name is deprecated.
    let time = seconds as i64;
    let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live locals of the right type, and localtime_r keeps neither.
    let done = unsafe { libc::localtime_r(&time, broken_down.as_mut_ptr()) };
    assert!(!done.is_null(), "localtime_r failed for {seconds}, which is within the years 1970 to 9999");
    // SAFETY: localtime_r filled it in, and an all-zero tm is valid too.
    let tm = unsafe { broken_down.assume_init() };
    let zone = if tm.tm_zone.is_null() {
        String::from("UTC")
    } else {
        // SAFETY: a non-null tm_zone points to a NUL-terminated name that the C library keeps for the life of the
        // process: nothing here changes TZ.
        unsafe { CStr::from_ptr(tm.tm_zone) }.to_string_lossy().into_owned()
    };
    Local {
        year: i64::from(tm.tm_year) + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
        offset: tm.tm_gmtoff,
        zone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The zone is the process's own, so the integration tests check zones by running the program under TZ.

    #[test]
    fn a_log_stamp_has_the_contracts_shape() {
        let stamp = log_stamp(UNIX_EPOCH + Duration::from_secs(1_617_538_444));
        let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "9999/99/99 99:99:99");
    }

    #[test]
    fn times_saturate_and_never_wrap() {
        let now = SystemTime::now();
        let end = saturating_add(now, Duration::from_secs(u64::MAX));
        assert!(end > now);
        assert!(local_date(end).contains("9999") || local_date(end).contains("10000"));
    }
}
