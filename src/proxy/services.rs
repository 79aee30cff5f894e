//! Services and their members: who a request is for, and who gets it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proxy::times::MemberTimes;
use crate::settings::proxy::config::Strategy;

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
    /// Requests that it has not answered yet.
    pub(super) under_way: AtomicUsize,
    pub(super) times: MemberTimes,
}

impl Member {
    pub(super) fn new(server: String, port: u16, address: SocketAddr, weight: u32) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (under_way, times) = (AtomicUsize::new(0), MemberTimes::default());
        Self { id, address, server, port, weight, under_way, times }
    }
}

/// A service.
#[derive(Debug)]
pub(super) struct Balancer {
    pub(super) name: String,
    pub(super) strategy: Strategy,
    pub(super) members: Vec<Arc<Member>>,
    turn: AtomicUsize,
}

impl Balancer {
    pub(super) fn new(name: String, strategy: Strategy, members: Vec<Arc<Member>>) -> Self {
        Self { name, strategy, members, turn: AtomicUsize::new(0) }
    }

    /// Chooses among the members that are not `tried` yet, with `draw` giving a number below the one it gets. `None` where all
    /// have been tried.
    pub(super) fn choose(&self, tried: &[usize], mut draw: impl FnMut(usize) -> usize) -> Option<usize> {
        let free = |index: &usize| !tried.contains(index);
        let candidates: Vec<usize> = (0..self.members.len()).filter(free).collect();
        // Those that have no weight get something only where nobody has.
        let has_weight = candidates.iter().any(|&index| self.members[index].weight > 0);
        let weight = |index: usize| if has_weight { self.members[index].weight as usize } else { 1 };
        let total: usize = candidates.iter().map(|&index| weight(index)).sum();
        let at = |mut place: usize| {
            candidates.iter().copied().find(|&index| {
                let is_here = place < weight(index);
                place = place.saturating_sub(weight(index));
                is_here
            })
        };
        if total == 0 {
            return None;
        }
        match self.strategy {
            Strategy::Random => at(draw(total)),
            Strategy::RoundRobin => at(self.turn.fetch_add(1, Ordering::Relaxed) % total),
            Strategy::LeastRequests => {
                let (one, other) = (at(draw(total))?, at(draw(total))?);
                let load = |index: usize| {
                    let under_way = self.members[index].under_way.load(Ordering::Relaxed) + 1;
                    (under_way as f64) / (weight(index) as f64)
                };
                Some(if load(other) < load(one) { other } else { one })
            }
        }
    }
}

/// Which service a host is for.
#[derive(Debug, Default)]
pub(super) struct HostRoutes(HashMap<Vec<u8>, Arc<Balancer>>);

impl HostRoutes {
    pub(super) fn new(services: impl IntoIterator<Item = (String, Balancer)>) -> Self {
        let key = |domain: String| domain_key(domain.as_bytes());
        Self(services.into_iter().map(|(domain, service)| (key(domain), Arc::new(service))).collect())
    }

    /// All services.
    pub(super) fn all(&self) -> impl Iterator<Item = &Balancer> {
        self.0.values().map(|service| &**service)
    }

    /// The service for a Host field's value.
    pub(super) fn find(&self, host: &[u8]) -> Option<&Arc<Balancer>> {
        self.0.get(&domain_key(host_name(host)))
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

/// Names are the same in any case, and with or without the dot at their end.
fn domain_key(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(strategy: Strategy, weights: &[u32]) -> Balancer {
        let member = |(port, &weight): (u16, &u32)| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            Arc::new(Member::new(String::new(), port, address, weight))
        };
        Balancer::new(String::from("s"), strategy, (1..).zip(weights).map(member).collect())
    }

    fn shares(balancer: &Balancer, draws: usize) -> Vec<usize> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut shares = vec![0; balancer.members.len()];
        for _ in 0..draws {
            shares[balancer.choose(&[], |below| random.usize(..below)).unwrap()] += 1;
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
    fn the_first_in_turn_is_the_first_member() {
        let balancer = balancer(Strategy::RoundRobin, &[1, 1, 1]);
        let turns: Vec<_> = (0..4).map(|_| balancer.choose(&[], |_| 0).unwrap()).collect();
        assert_eq!(turns, [0, 1, 2, 0]);
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
            assert_eq!(balancer.choose(&[0, 2], |_| 0), Some(1));
            assert_eq!(balancer.choose(&[0, 1, 2], |_| 0), None);
        }
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
