//! Routes, made of a configuration and what DNS says, with the members that there were already.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::proxy::identity::ClientRules;
use crate::proxy::members::Member;
use crate::proxy::services::{Balancer, HostRoutes};
use crate::proxy::times::MemberTimes;
use crate::settings::proxy::config::{MemberAddress, ProxyConfig, ServiceConfig};
use crate::sorting::sort_by;

/// Most members that a request is sent to, unless the file says how often it is sent again.
const MOST_TRIED: usize = 3;

/// Addresses by the name that the file has.
pub(super) type ResolvedNames = HashMap<String, Vec<IpAddr>>;

/// Makes routes. Members that are in `before` as they are to be stay what they are, with all that is known of them; others have
/// come `now`, if there were routes before.
pub(super) fn routes(config: &ProxyConfig, names: &ResolvedNames, before: Option<&HostRoutes>, now: u64) -> HostRoutes {
    let mut times: HashMap<(String, u16), Arc<MemberTimes>> = HashMap::new();
    for member in before.into_iter().flat_map(HostRoutes::all).flat_map(|service| &service.members) {
        times.insert((member.server.clone(), member.port), Arc::clone(&member.times));
    }
    let came = if before.is_some() { now } else { 0 };
    let services = config.services.iter().map(|service| {
        let mut known: Vec<_> = before
            .into_iter()
            .flat_map(HostRoutes::all)
            .filter(|other| other.name == service.name)
            .flat_map(|other| other.members.iter().map(Arc::clone))
            .collect();
        let members = addresses(service, names).map(|(server, address, weight)| {
            let announces = service.proxy_protocol;
            let is_same = |one: &Arc<Member>| {
                let said = (&one.server, one.address, one.weight, one.proxy_protocol);
                said == (&server, address, weight, announces)
            };
            // The same member twice in a file are two.
            if let Some(place) = known.iter().position(is_same) {
                return known.swap_remove(place);
            }
            let times = Arc::clone(times.entry((server.clone(), address.port())).or_default());
            Arc::new(Member::new(server, address.port(), address, weight, times, came).announcing(announces))
        });
        let members = members.collect();
        let most_tried = service.retries.map_or(MOST_TRIED, |retries| retries as usize + 1);
        let mut balancer = Balancer::new(service, members, most_tried);
        // What has been counted of a service goes on, whatever else of it changes.
        if let Some(other) = before.and_then(|before| before.all().find(|other| other.name == service.name)) {
            balancer.counts = Arc::clone(&other.counts);
        }
        (service.domain.clone(), balancer)
    });
    let mut routes = HostRoutes::new(services);
    routes.clients = ClientRules::new(config);
    routes
}

/// Host as in the file, address and weight of each member.
fn addresses<'c>(
    service: &'c ServiceConfig,
    names: &'c ResolvedNames,
) -> impl Iterator<Item = (String, SocketAddr, u32)> + 'c {
    service.hosts.iter().flat_map(|host| {
        let (server, found) = match &host.address {
            MemberAddress::Ip(ip) => (ip.to_string(), vec![*ip]),
            MemberAddress::Name(name) => (name.clone(), names.get(name).cloned().unwrap_or_default()),
        };
        found.into_iter().map(move |ip| (server.clone(), SocketAddr::from((ip, host.port)), host.weight))
    })
}

/// The names that a configuration has.
pub(super) fn names(config: &ProxyConfig) -> Vec<String> {
    let hosts = config.services.iter().flat_map(|service| &service.hosts);
    let mut names: Vec<_> = hosts
        .filter_map(|host| match &host.address {
            MemberAddress::Name(name) => Some(name.clone()),
            MemberAddress::Ip(_) => None,
        })
        .collect();
    sort_by(&mut names, &Ord::cmp);
    names.dedup();
    names
}
