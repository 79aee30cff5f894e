//! What happens once a second, whatever requests do.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::kernel::shutdown::Stop;
use crate::proxy::condition::MemberCondition;
use crate::proxy::services::Balancer;
use crate::proxy::world::ProxyState;

/// How often services are checked.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is said that lines of the access log were lost, at most.
const SAID: Duration = Duration::from_secs(60);

/// Checks whether services are available, and says what was lost of the access log, until the stop signal.
pub(super) fn run(shared: &ProxyState, stop: &Stop) {
    let (mut said, mut said_at): (u64, Option<Instant>) = (0, None);
    loop {
        shared.routes().all().for_each(|service| check(service, Instant::now()));
        let lost = shared.access.as_ref().map_or(0, |access| access.lost());
        if lost > said && said_at.is_none_or(|at| at.elapsed() >= SAID) {
            log::warn!("{} lines of the access log were lost: stdout is read too slowly, or not at all", lost - said);
            (said, said_at) = (lost, Some(Instant::now()));
        }
        if stop.sleep(PERIOD) {
            return;
        }
    }
}

fn check(service: &Balancer, now: Instant) {
    let has_member = service.members.iter().any(|member| MemberCondition::of(member).is_up);
    let answered = service.counts.answered();
    let failed = service.counts.failed.load(Ordering::Relaxed);
    service.counts.availability.check(now, has_member, answered, failed);
}
