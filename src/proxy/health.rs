//! Active checks: members are asked how they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::client::Exchange;
use crate::kernel::shutdown::Stop;
use crate::proxy::identity::proxy_header;
use crate::proxy::members::{Member, clock};
use crate::proxy::services::Balancer;
use crate::proxy::world::ProxyState;
use crate::settings::proxy::config::HealthConfig;
use crate::sync::spawn_scoped;

/// How long to wait where nobody is to be checked: the routes may change.
const LOOK: Duration = Duration::from_secs(1);
/// A checking thread's stack.
const STACK_BYTES: usize = 64 * 1024;

/// How a member's checks went, the last ones of a kind: passed where it is above 0.
type Streaks = HashMap<usize, i64>;

/// Checks members of all services that want it, until the stop signal.
pub(super) fn run(state: &ProxyState, stop: &Stop) {
    let mut streaks = Streaks::new();
    let mut due: HashMap<String, Instant> = HashMap::new();
    loop {
        let routes = state.routes();
        let now = Instant::now();
        let mut checked = Vec::new();
        for service in routes.all() {
            let Some(health) = &service.health else { continue };
            let at = due.entry(service.name.clone()).or_insert(now);
            if *at <= now {
                *at = now + health.interval;
                checked.extend(service.members.iter().map(|member| (service, health, Arc::clone(member))));
            }
        }
        // Where there is no thread for it, a check says nothing against a member.
        let mut results = vec![true; checked.len()];
        thread::scope(|scope| {
            for ((service, health, member), result) in checked.iter().zip(&mut results) {
                let check = || *result = passes(&service.domain, member, health);
                let _ = spawn_scoped(scope, "check", STACK_BYTES, Box::new(check));
            }
        });
        let known: Vec<usize> = routes.all().flat_map(|service| &service.members).map(|member| member.id).collect();
        streaks.retain(|id, _| known.contains(id));
        due.retain(|name, _| routes.all().any(|service| service.name == *name));
        for ((service, health, member), passed) in checked.into_iter().zip(results) {
            count(service, health, &member, passed, &mut streaks);
        }
        let wait = due.values().map(|at| at.saturating_duration_since(Instant::now())).min();
        if stop.sleep(wait.unwrap_or(LOOK).min(LOOK)) {
            return;
        }
    }
}

fn passes(domain: &str, member: &Member, health: &HealthConfig) -> bool {
    let (patience, deadline) = (health.timeout, Some(Instant::now() + health.timeout));
    let target = health.path.as_str();
    let ask = Exchange { authority: domain, method: "GET", target, token: None, connections: None, patience, deadline };
    // The connection is the proxy's own.
    let greeting = member.proxy_protocol.map(|version| proxy_header::write(version, None)).unwrap_or_default();
    ask.status_after(&greeting, &[member.address]).is_ok_and(|status| health.status.contains(&status))
}

fn count(service: &Balancer, health: &HealthConfig, member: &Member, passed: bool, streaks: &mut Streaks) {
    let streak = streaks.entry(member.id).or_default();
    *streak = match (passed, *streak) {
        (true, streak) => streak.max(0).saturating_add(1),
        (false, streak) => streak.min(0).saturating_sub(1),
    };
    let Member { server, port, .. } = member;
    let now = clock(Instant::now());
    if *streak >= i64::from(health.healthy) && member.checked(true, now) {
        log::info!("member {server}:{port} of {} is up again: it passes its checks", service.name);
    } else if *streak <= -i64::from(health.unhealthy) && member.checked(false, now) {
        log::warn!("member {server}:{port} of {} is down: it fails its checks", service.name);
    }
}
