//! Local time, as the contract writes it.
//!
//! The time zone comes from the C library (`TZ`, `/etc/localtime`); in a scratch image without zone files that is
//! UTC, unless `TZ` spells the rule out as POSIX has it (`CET-1CEST,M3.5.0,M10.5.0/3`).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The last second that is shown: 9999-12-31 23:59:59 UTC. Later times saturate here.
const LAST_SECOND: u64 = 253_402_300_799;

/// When a process started, by both clocks: one that never jumps, and that of the world, read once.
#[derive(Clone, Copy, Debug)]
pub struct ProcessStart {
    /// For how long ago it was.
    pub at: Instant,
    /// In seconds since the epoch.
    pub since_epoch: f64,
}

impl ProcessStart {
    /// Now.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), since_epoch: since_epoch.as_secs_f64() }
    }
}

/// `2021/04/04 12:14:04`: what stands in front of every log line.
pub fn log_stamp(time: SystemTime) -> String {
    let t = local(seconds(time));
    format!("{:04}/{:02}/{:02} {:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// `2026-01-31 12:00:00,123`: what stands in front of the proxy's log lines.
#[cfg(any(feature = "crash", feature = "proxy"))]
pub fn millis_stamp(time: SystemTime) -> String {
    let millis = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
    let t = local(seconds(time));
    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02},{millis:03}", t.year, t.month, t.day, t.hour, t.minute, t.second)
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

/// `2021-04-05T18:03:13Z`: what machines read (RFC 3339), in UTC.
pub fn utc_stamp(time: SystemTime) -> String {
    let t = broken_down(seconds(time), libc::gmtime_r);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// CPU time this thread has used.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec. The clock is every thread's own, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

struct BrokenDown {
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

fn local(seconds: u64) -> BrokenDown {
    broken_down(seconds, libc::localtime_r)
}

/// What localtime_r(3) or gmtime_r(3) makes of it.
fn broken_down(seconds: u64, make: unsafe extern "C" fn(*const i64, *mut libc::tm) -> *mut libc::tm) -> BrokenDown {
    // What `time_t` is on every target there is; musl's alias of that name is deprecated.
    let time = seconds as i64;
    let mut tm = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live locals of the right type, and neither function keeps them.
    let done = unsafe { make(&time, tm.as_mut_ptr()) };
    assert!(!done.is_null(), "no date for {seconds}, which is within the years 1970 to 9999");
    // SAFETY: the call filled it in, and an all-zero tm is valid too.
    let tm = unsafe { tm.assume_init() };
    let zone = if tm.tm_zone.is_null() {
        String::from("UTC")
    } else {
        // SAFETY: a non-null tm_zone points to a NUL-terminated name that the C library keeps for the life of the
        // process: nothing here changes TZ.
        unsafe { CStr::from_ptr(tm.tm_zone) }.to_string_lossy().into_owned()
    };
    BrokenDown {
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

    #[cfg(feature = "proxy")]
    #[test]
    fn the_proxys_stamp_has_milliseconds() {
        let stamp = millis_stamp(UNIX_EPOCH + Duration::from_millis(1_617_538_444_007));
        let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!((shape.as_str(), &stamp[20..]), ("9999-99-99 99:99:99,999", "007"));
    }

    #[test]
    fn machines_read_utc() {
        for (second, stamp) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_617_645_793, "2021-04-05T18:03:13Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST_SECOND, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc_stamp(UNIX_EPOCH + Duration::from_secs(second)), stamp);
        }
    }

    #[test]
    fn a_thread_that_works_uses_time() {
        let before = thread_time();
        let began = std::time::Instant::now();
        while thread_time() == before && began.elapsed() < Duration::from_secs(30) {}
        assert!(thread_time() > before);
    }

    #[test]
    fn times_saturate_and_never_wrap() {
        let now = SystemTime::now();
        let end = saturating_add(now, Duration::from_secs(u64::MAX));
        assert!(end > now);
        assert!(local_date(end).contains("9999") || local_date(end).contains("10000"));
    }
}
