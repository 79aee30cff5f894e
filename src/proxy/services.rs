//! Services and their members: who a request is for, and who gets it.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::proxy::counts::ServiceCounts;
use crate::proxy::identity::ClientRules;
use crate::proxy::members::{Availability, Member};
use crate::settings::proxy::config::{
    HealthConfig, RequestLimits, ServiceConfig, ServiceTimeouts, Strategy, bare_name, domain_key,
};
use crate::sorting::sort_by;
use crate::sync::lock;

/// What a request adds to the budget for asking again, and what asking again costs: a fifth of the requests may.
const BUDGET_PER_REQUEST: i64 = 20;
const BUDGET_PER_RETRY: i64 = 100;
/// What is saved at most, and there at the start: where there are few requests, a fifth of them is none.
const BUDGET: i64 = 10 * BUDGET_PER_RETRY;

/// How many requests wait for a member at most, and how long, unless the file says so.
const QUEUE_LENGTH: usize = 100;
const QUEUE_TIME: Duration = Duration::from_secs(1);

/// Why no member is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NobodyToChoose {
    AllTried,
    /// All have as many requests as they may.
    AllBusy,
}

/// A service.
#[derive(Debug)]
pub(super) struct Balancer {
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) strategy: Strategy,
    /// How its members are asked how they are, where they are.
    pub(super) health: Option<HealthConfig>,
    pub(super) members: Vec<Arc<Member>>,
    /// Most members that a request is sent to.
    pub(super) most_tried: usize,
    pub(super) counts: Arc<ServiceCounts>,
    pub(super) timeouts: ServiceTimeouts,
    pub(super) limits: RequestLimits,
    /// Most requests at a member at a time.
    most_under_way: usize,
    /// How many requests wait for a member at most, and how long.
    queue: (usize, Duration),
    pub(super) waiting: AtomicUsize,
    /// How far each member is ahead of its share, where they get requests in turn.
    turns: Mutex<Vec<i64>>,
    budget: AtomicI64,
}

impl Balancer {
    pub(super) fn new(config: &ServiceConfig, members: Vec<Arc<Member>>, most_tried: usize) -> Self {
        let ServiceConfig { name, domain, strategy, health, timeouts, limits, .. } = config.clone();
        let (turns, budget) = (Mutex::new(vec![0; members.len()]), AtomicI64::new(BUDGET));
        let most_under_way = config.max_requests_per_member.unwrap_or(usize::MAX);
        let queue = (config.queue.length.unwrap_or(QUEUE_LENGTH), config.queue.time.unwrap_or(QUEUE_TIME));
        let waiting = AtomicUsize::new(0);
        Self {
            name,
            domain,
            strategy,
            health,
            members,
            most_tried,
            counts: Arc::default(),
            timeouts,
            limits,
            most_under_way,
            queue,
            waiting,
            turns,
            budget,
        }
    }

    /// Chooses among the members that are up and not `tried` yet, with `draw` giving a number below the one it gets. Where none
    /// is up, any that is not tried yet is better than none.
    ///
    /// # Errors
    /// When all have been tried, or have as many requests as they may.
    pub(super) fn choose(
        &self,
        tried: &[usize],
        now: u64,
        mut draw: impl FnMut(u64) -> u64,
    ) -> Result<usize, NobodyToChoose> {
        let untried = || (0..self.members.len()).filter(|index| !tried.contains(index));
        let is_up = |index: usize| self.members[index].availability(now) == Availability::Up;
        let any_is_up = untried().any(is_up);
        let has_room = |index: usize| self.members[index].under_way.load(Ordering::Relaxed) < self.most_under_way;
        let candidates = || untried().filter(|&index| (!any_is_up || is_up(index)) && has_room(index));
        let total: u64 = candidates().map(|index| self.members[index].share(now)).sum();
        // Those that have no weight get something only where nobody has.
        let share = |index: usize| if total == 0 { 1 } else { self.members[index].share(now) };
        let total = if total == 0 { candidates().count() as u64 } else { total };
        if total == 0 {
            let all_tried = untried().next().is_none();
            return Err(if all_tried { NobodyToChoose::AllTried } else { NobodyToChoose::AllBusy });
        }
        let at = |mut place: u64| {
            let mut last = None;
            for index in candidates() {
                let share = share(index);
                if place < share {
                    return Some(index);
                }
                place -= share;
                last = Some(index);
            }
            // Somebody has got less of a share meanwhile.
            last
        };
        let chosen = match self.strategy {
            Strategy::Random => at(draw(total)),
            Strategy::RoundRobin => self.next_in_turn(candidates().map(|index| (index, share(index)))),
            Strategy::LeastRequests => at(draw(total)).zip(at(draw(total))).map(|(one, other)| {
                let load = |index: usize| {
                    let under_way = self.members[index].under_way.load(Ordering::Relaxed) as u64 + 1;
                    // As many for its share; a share is 0 only where all are.
                    (under_way << 20) / share(index).max(1)
                };
                if load(other) < load(one) { other } else { one }
            }),
        };
        // Whoever was left has got busy meanwhile.
        chosen.ok_or(NobodyToChoose::AllBusy)
    }

    /// Until when a request may wait for a member that has room, if another one may.
    pub(super) fn queue_up(&self, now: Instant) -> Option<Instant> {
        let (length, time) = self.queue;
        let queued = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| (waiting < length).then_some(waiting + 1));
        queued.is_ok().then(|| now + time)
    }

    /// A request waits no longer.
    pub(super) fn leave_queue(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Who is furthest behind its share. So those with large shares do not get theirs all at once.
    fn next_in_turn(&self, candidates: impl Iterator<Item = (usize, u64)>) -> Option<usize> {
        let mut turns = lock(&self.turns);
        let mut total = 0;
        let mut next: Option<usize> = None;
        for (index, share) in candidates {
            total += share;
            turns[index] += share as i64;
            if share > 0 && next.is_none_or(|next| turns[index] > turns[next]) {
                next = Some(index);
            }
        }
        if let Some(next) = next {
            turns[next] -= total as i64;
        }
        next
    }

    /// A request has come, which adds to the budget for asking again.
    pub(super) fn requested(&self) {
        if self.budget.load(Ordering::Relaxed) < BUDGET {
            self.budget.fetch_add(BUDGET_PER_REQUEST, Ordering::Relaxed);
        }
    }

    /// Whether a request may be sent once more: no more than a fifth of them are, so that asking again does not make an outage
    /// of a member's trouble.
    pub(super) fn may_ask_again(&self) -> bool {
        let taken = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |budget| {
            (budget >= BUDGET_PER_RETRY).then_some(budget - BUDGET_PER_RETRY)
        });
        taken.is_ok()
    }
}

/// Which service a host is for, and what is believed of clients.
#[derive(Debug, Default)]
pub(super) struct HostRoutes {
    /// By [`domain_key`], in its order: looking one up takes no memory.
    services: Vec<(Vec<u8>, Arc<Balancer>)>,
    pub(super) clients: ClientRules,
}

impl HostRoutes {
    pub(super) fn new(services: impl IntoIterator<Item = (String, Balancer)>) -> Self {
        let by_key = |(domain, service): (String, _)| (domain_key(domain.as_bytes()), Arc::new(service));
        let mut services: Vec<_> = services.into_iter().map(by_key).collect();
        sort_by(&mut services, &|(one, _), (other, _)| one.cmp(other));
        Self { services, clients: ClientRules::default() }
    }

    /// All services.
    pub(super) fn all(&self) -> impl Iterator<Item = &Balancer> {
        self.services.iter().map(|(_, service)| &**service)
    }

    /// The service for a Host field's value.
    pub(super) fn find(&self, host: &[u8]) -> Option<&Arc<Balancer>> {
        let name = bare_name(host_name(host));
        let compare = |(key, _): &(Vec<u8>, _)| key.iter().copied().cmp(name.iter().map(u8::to_ascii_lowercase));
        self.services.binary_search_by(compare).ok().map(|place| &self.services[place].1)
    }
}

/// The name in a Host field, without its port.
pub(super) fn host_name(host: &[u8]) -> &[u8] {
    let host = host.trim_ascii();
    let end = match host.first() {
        Some(b'[') => host.iter().position(|&byte| byte == b']').map_or(host.len(), |end| end + 1),
        _ => host.iter().position(|&byte| byte == b':').unwrap_or(host.len()),
    };
    &host[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn balancer(strategy: Strategy, weights: &[u32]) -> Balancer {
        let member = |(port, &weight): (u16, &u32)| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            Arc::new(Member::new(String::new(), port, address, weight, Arc::default(), 0))
        };
        let config = ServiceConfig { strategy, ..ServiceConfig::default() };
        Balancer::new(&config, (1..).zip(weights).map(member).collect(), 3)
    }

    fn shares(balancer: &Balancer, draws: usize) -> Vec<usize> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut shares = vec![0; balancer.members.len()];
        for _ in 0..draws {
            shares[balancer.choose(&[], 1, |below| random.u64(..below)).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn each_gets_its_share() {
        assert_eq!(shares(&balancer(Strategy::RoundRobin, &[1, 2, 0, 1]), 400), [100, 200, 0, 100]);
        assert_eq!(shares(&balancer(Strategy::RoundRobin, &[0, 0]), 400), [200, 200]);
        for (share, wanted) in shares(&balancer(Strategy::Random, &[1, 3]), 40_000).into_iter().zip([10_000, 30_000]) {
            assert!(share.abs_diff(wanted) < 1000, "{share} {wanted}");
        }
    }

    #[test]
    fn the_first_in_turn_is_the_first_member_and_nobody_gets_all_at_once() {
        let turns = |weights: &[u32], count| {
            let balancer = balancer(Strategy::RoundRobin, weights);
            (0..count).map(|_| balancer.choose(&[], 1, |_| 0).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(turns(&[1, 1, 1], 4), [0, 1, 2, 0]);
        assert_eq!(turns(&[4, 1, 1], 6), [0, 0, 1, 0, 2, 0]);
    }

    #[test]
    fn who_has_less_to_do_gets_more() {
        let balancer = balancer(Strategy::LeastRequests, &[1, 1]);
        balancer.members[0].under_way.store(5, Ordering::Relaxed);
        // Who is drawn twice gets it all the same.
        let shares = shares(&balancer, 4000);
        assert!(shares[0].abs_diff(1000) < 150, "{shares:?}");
    }

    #[test]
    fn who_was_tried_is_not_tried_again() {
        for strategy in [Strategy::Random, Strategy::RoundRobin, Strategy::LeastRequests] {
            let balancer = balancer(strategy, &[1, 1, 1]);
            assert_eq!(balancer.choose(&[0, 2], 1, |_| 0), Ok(1));
            assert_eq!(balancer.choose(&[0, 1, 2], 1, |_| 0), Err(NobodyToChoose::AllTried));
        }
    }

    #[test]
    fn who_is_set_aside_gets_nothing_unless_all_are() {
        for strategy in [Strategy::Random, Strategy::RoundRobin, Strategy::LeastRequests] {
            let balancer = balancer(strategy, &[1, 1]);
            let fail = |member: usize| {
                for _ in 0..3 {
                    let _ = balancer.members[member].failed(1);
                }
            };
            fail(0);
            assert!((0..20).all(|_| balancer.choose(&[], 2, |below| below / 2) == Ok(1)));
            fail(1);
            assert!((0..20).any(|draw| balancer.choose(&[], 2, |_| draw % 2) == Ok(0)));
        }
    }

    #[test]
    fn who_has_as_many_requests_as_it_may_gets_no_more() {
        let config = ServiceConfig { max_requests_per_member: Some(2), ..ServiceConfig::default() };
        let balancer = Balancer::new(&config, balancer(Strategy::Random, &[1, 1]).members, 3);
        balancer.members[0].under_way.store(2, Ordering::Relaxed);
        assert!((0..20).all(|draw| balancer.choose(&[], 1, |below| draw % below) == Ok(1)));
        balancer.members[1].under_way.store(2, Ordering::Relaxed);
        assert_eq!(balancer.choose(&[], 1, |_| 0), Err(NobodyToChoose::AllBusy));
        let now = Instant::now();
        assert!((0..QUEUE_LENGTH).all(|_| balancer.queue_up(now) == Some(now + QUEUE_TIME)));
        assert_eq!(balancer.queue_up(now), None);
        balancer.leave_queue();
        assert!(balancer.queue_up(now).is_some());
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_sent_again() {
        let balancer = balancer(Strategy::Random, &[1]);
        while balancer.may_ask_again() {}
        let mut again = 0;
        for _ in 0..1000 {
            balancer.requested();
            again += usize::from(balancer.may_ask_again());
        }
        assert_eq!(again, 200);
    }

    #[test]
    fn hosts_are_names_in_any_case() {
        let routes = HostRoutes::new([
            (String::from("Example.com"), balancer(Strategy::Random, &[1])),
            (String::from("::1"), balancer(Strategy::Random, &[1])),
        ]);
        for host in ["example.com", "EXAMPLE.COM.", " example.com:80 ", "example.com.:1", "[::1]", "[::1]:80"] {
            assert!(routes.find(host.as_bytes()).is_some(), "{host}");
        }
        for host in ["", ":80", "a.example.com", "com", "example.com..", "example.com/", "[::1", "::2"] {
            assert!(routes.find(host.as_bytes()).is_none(), "{host}");
        }
    }
}
