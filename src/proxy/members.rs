//! A member: where it is, and whether it is to be asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::proxy::counts::{ConnectionCounts, StatusClasses};
use crate::proxy::times::MemberTimes;
use crate::settings::proxy::config::ProxyProtocolVersion;

/// So many failures one after the other set a member aside.
const FAILURES: u32 = 3;
/// For how long, at first; each time that it fails at once again, twice as long.
const ASIDE: Duration = Duration::from_secs(10);
/// For how long at most.
const LONGEST_ASIDE: Duration = Duration::from_secs(300);
/// Over how long a member that has come back gets its share.
const SLOW_START: Duration = Duration::from_secs(10);
/// In how many parts a weight is counted, so that a part of it is a number as well.
const PARTS: u64 = 100;

/// A member of a service.
#[derive(Debug)]
pub(super) struct Member {
    /// Its number among all that there ever were.
    pub(super) id: usize,
    pub(super) address: SocketAddr,
    /// Its host as the configuration has it.
    pub(super) server: String,
    pub(super) port: u16,
    pub(super) weight: u32,
    /// Its connections begin with this header, and are never shared between clients.
    pub(super) proxy_protocol: Option<ProxyProtocolVersion>,
    /// Requests that it has not answered yet.
    pub(super) under_way: AtomicUsize,
    /// Of all members with this host and port.
    pub(super) times: Arc<MemberTimes>,
    pub(super) answers: StatusClasses,
    pub(super) connections: Arc<ConnectionCounts>,
    /// How often it was set aside or found down.
    pub(super) ejections: AtomicU64,
    /// Active checks say that it is down.
    is_down: AtomicBool,
    /// Failures one after the other.
    failures: AtomicU32,
    /// How often it was set aside one after the other.
    set_aside: AtomicU32,
    /// Until when, in milliseconds of [`clock`]; 0 is not at all.
    aside_until: AtomicU64,
    /// When it came (back), in milliseconds of [`clock`]; 0 is at the start, when all did.
    came: AtomicU64,
}

/// Whether a member is to be asked, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Up,
    /// It fails its checks.
    Down,
    /// It has failed so many requests one after the other, and is asked again after this time.
    Aside {
        failures: u32,
        left: Duration,
    },
}

/// Milliseconds since the first call.
pub(super) fn clock(now: Instant) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(|| now);
    // At least 1: 0 stands for never.
    let since = now.saturating_duration_since(*start);
    since.as_secs() * 1000 + u64::from(since.subsec_millis()) + 1
}

impl Member {
    /// A member that is up. Where `came` is told, it gets its full share only after a while.
    pub(super) fn new(
        server: String,
        port: u16,
        address: SocketAddr,
        weight: u32,
        times: Arc<MemberTimes>,
        came: u64,
    ) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            address,
            server,
            port,
            weight,
            proxy_protocol: None,
            under_way: AtomicUsize::new(0),
            times,
            answers: StatusClasses::default(),
            connections: Arc::default(),
            ejections: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            set_aside: AtomicU32::new(0),
            aside_until: AtomicU64::new(0),
            came: AtomicU64::new(came),
        }
    }

    /// The same, told who the client is before the first request of a connection.
    pub(super) fn announcing(self, proxy_protocol: Option<ProxyProtocolVersion>) -> Self {
        Self { proxy_protocol, ..self }
    }

    pub(super) fn availability(&self, now: u64) -> Availability {
        let until = self.aside_until.load(Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            Availability::Down
        } else if until > now {
            let left = Duration::from_millis(until - now);
            Availability::Aside { failures: self.failures.load(Ordering::Relaxed), left }
        } else {
            Availability::Up
        }
    }

    /// Its share at this moment, in parts of a weight.
    pub(super) fn share(&self, now: u64) -> u64 {
        let whole = u64::from(self.weight) * PARTS;
        let came = self.came.load(Ordering::Relaxed).max(self.aside_until.load(Ordering::Relaxed));
        let since = now.saturating_sub(came);
        let slow = SLOW_START.as_millis() as u64;
        if came == 0 || since >= slow {
            return whole;
        }
        // A tenth at first, and never nothing of something.
        (whole * since.max(slow / 10) / slow).max(u64::from(self.weight).min(1))
    }

    /// It has answered. Says whether it had been set aside before.
    pub(super) fn succeeded(&self) {
        // Mostly there is nothing to be changed, and a line of memory is not to go from core to core for that.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.set_aside.load(Ordering::Relaxed) != 0 {
            self.set_aside.store(0, Ordering::Relaxed);
        }
    }

    /// It has not answered, or no better than that. Says for how long it is set aside, if it is.
    pub(super) fn failed(&self, now: u64) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // Who was set aside and fails again need not fail three times.
        let is_back = self.set_aside.load(Ordering::Relaxed) > 0;
        if (failures < FAILURES && !is_back) || self.aside_until.load(Ordering::Relaxed) > now {
            return None;
        }
        let times = self.set_aside.fetch_add(1, Ordering::Relaxed).min(10);
        let length = (ASIDE * 2_u32.pow(times)).min(LONGEST_ASIDE);
        self.aside_until.store(now + length.as_millis() as u64, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        Some(length)
    }

    /// What active checks have found. Says whether that is new.
    pub(super) fn checked(&self, is_up: bool, now: u64) -> bool {
        let was_down = self.is_down.swap(!is_up, Ordering::Relaxed);
        if !was_down && !is_up {
            self.ejections.fetch_add(1, Ordering::Relaxed);
        }
        if was_down && is_up {
            self.came.store(now, Ordering::Relaxed);
            self.aside_until.store(0, Ordering::Relaxed);
            self.succeeded();
        }
        was_down == is_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        Member::new("m".into(), 80, address, 2, Arc::default(), 0)
    }

    #[test]
    fn who_fails_is_set_aside_for_longer_and_longer() {
        let member = member();
        let mut now = 1000;
        assert_eq!((member.failed(now), member.failed(now)), (None, None));
        member.succeeded();
        assert_eq!((member.failed(now), member.failed(now)), (None, None));
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(member.failed(now), Some(Duration::from_secs(seconds)));
            assert_eq!(member.failed(now), None, "what was under way says nothing new");
            assert!(matches!(member.availability(now), Availability::Aside { left, .. } if left.as_secs() == seconds));
            now += seconds * 1000;
            assert_eq!(member.availability(now), Availability::Up);
        }
        member.succeeded();
        assert_eq!(member.failed(now), None, "it is as if nothing had been");
    }

    #[test]
    fn who_comes_back_gets_its_share_slowly() {
        let member = member();
        assert_eq!(member.share(1), 200);
        member.checked(false, 500);
        assert_eq!(member.availability(500), Availability::Down);
        member.checked(true, 1000);
        for (now, share) in [(1000, 20), (2000, 20), (6000, 100), (11_000, 200), (90_000, 200)] {
            assert_eq!(member.share(now), share, "{now}");
        }
        member.checked(true, 100_000);
        assert_eq!(member.share(100_000), 200, "it has not been away");
        for _ in 0..FAILURES {
            member.failed(100_000);
        }
        assert_eq!(member.share(115_000), 100);
    }
}
