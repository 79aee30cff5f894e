//! Metrics beside the original's.

use std::sync::atomic::Ordering;

use crate::proxy::condition::MemberCondition;
use crate::proxy::counts::StatusClasses;
use crate::proxy::members::Member;
use crate::proxy::services::Balancer;
use crate::proxy::world::ProxyState;
use crate::service::exposition::{Exposition, MetricKind, SampleValue};
use crate::settings::Identity;
use crate::sorting::sort_by;
use crate::sync::lock;
use crate::units::decimal::Plain;

/// A member of a service, which may stand there more than once.
struct NamedMember<'m> {
    service: &'m str,
    name: String,
    members: Vec<&'m Member>,
}

/// All of them. The original's format is the classic one, so this is.
pub(super) fn render(shared: &ProxyState, identity: &Identity) -> String {
    let routes = shared.routes();
    let mut services: Vec<_> = routes.all().collect();
    sort_by(&mut services, &|one, other| one.name.cmp(&other.name));
    let mut page = Exposition::new(false);
    let mut labels = vec![("version", env!("CARGO_PKG_VERSION"))];
    labels.extend(identity.labels());
    page.family("testero_proxy_build", MetricKind::Info, "The version, and which pod this is.");
    page.sample("_info", &labels, &1);
    all_together(shared, &mut page);
    by_service(&services, &mut page);
    by_member(&services, &mut page);
    page.finish()
}

fn all_together(shared: &ProxyState, page: &mut Exposition) {
    let metrics = &shared.metrics;
    let clients = metrics.clients.load(Ordering::Relaxed);
    page.gauge("testero_proxy_client_connections", "Connections of clients.", &clients);
    let accepted = metrics.clients_accepted.load(Ordering::Relaxed);
    page.counter("testero_proxy_client_connections_accepted", "Connections of clients so far.", &accepted);
    page.family("testero_proxy_own_answers", MetricKind::Counter, "Answers of the proxy's own, by status.");
    for (code, count) in metrics.pages() {
        page.sample("_total", &[("code", code)], &count);
    }
    let taken = u64::from(!metrics.config_refused.load(Ordering::Relaxed));
    let help = "1 where the configuration was taken when it was read last, 0 where it was refused.";
    page.gauge("testero_proxy_config_last_reload_successful", help, &taken);
    let taken_at = metrics.config_taken.load(Ordering::Relaxed);
    let help = "When the configuration was taken last.";
    page.gauge("testero_proxy_config_last_reload_success_timestamp_seconds", help, &taken_at);
    let unknown = lock(&shared.unknown_names).len();
    page.gauge("testero_proxy_unknown_names", "Names of members that nobody knows an address of.", &unknown);
    let lost = shared.access.as_ref().map_or(0, |access| access.lost());
    page.counter("testero_proxy_access_log_lost_lines", "Lines of the access log that nobody will read.", &lost);
}

fn by_service(services: &[&Balancer], page: &mut Exposition) {
    let name = "testero_proxy_request_duration_seconds";
    page.family(name, MetricKind::Histogram, "From a request's head to the end of its answer.");
    for service in services {
        let (buckets, microseconds) = service.counts.durations.read();
        for (bound, count) in &buckets {
            page.sample("_bucket", &[("service", &service.name), ("le", bound)], count);
        }
        let labels = [("service", service.name.as_str())];
        page.sample("_sum", &labels, &Plain(microseconds as f64 / 1e6));
        page.sample("_count", &labels, &buckets.last().map_or(0, |(_, count)| *count));
    }
    page.family("testero_proxy_requests_waiting", MetricKind::Gauge, "Requests that wait for a member.");
    for service in services {
        page.sample("", &[("service", &service.name)], &service.waiting.load(Ordering::Relaxed));
    }
    let mut counter = |name, help, read: &dyn Fn(&Balancer) -> Box<dyn SampleValue>| {
        page.family(name, MetricKind::Counter, help);
        for service in services {
            page.sample("_total", &[("service", &service.name)], &*read(service));
        }
    };
    counter("testero_proxy_received_bytes", "Bytes of bodies from clients.", &|service| {
        Box::new(service.counts.received.load(Ordering::Relaxed))
    });
    counter("testero_proxy_sent_bytes", "Bytes of bodies to clients.", &|service| {
        Box::new(service.counts.sent.load(Ordering::Relaxed))
    });
    counter("testero_proxy_retries", "Further members that were asked after one had failed.", &|service| {
        Box::new(service.counts.retries.load(Ordering::Relaxed))
    });
    let help =
        "Seconds since the last check, added where the check passes: a member is up, and some request is answered.";
    counter("testero_proxy_available_seconds", help, &|service| {
        Box::new(Plain(service.counts.availability.milliseconds() as f64 / 1e3))
    });
}

fn by_member(services: &[&Balancer], page: &mut Exposition) {
    let all: Vec<_> = services.iter().flat_map(|service| named(service)).collect();
    let help = "Requests by the class of their status; none is that of clients who left before.";
    page.family("testero_proxy_requests", MetricKind::Counter, help);
    let mut classes = |service: &str, member: &str, read: [u64; 6], shows_all: bool| {
        for (label, count) in StatusClasses::LABELS.iter().zip(read) {
            if shows_all || count > 0 {
                page.sample("_total", &[("service", service), ("member", member), ("code", label)], &count);
            }
        }
    };
    for service in services {
        classes(&service.name, "none", service.counts.memberless.read(), false);
    }
    for NamedMember { service, name, members } in &all {
        let mut sum = [0; 6];
        for member in members {
            sum.iter_mut().zip(member.answers.read()).for_each(|(sum, count)| *sum += count);
        }
        classes(service, name, sum, true);
    }
    let mut family = |name, kind, help, read: &dyn Fn(&[&Member]) -> u64| {
        page.family(name, kind, help);
        let suffix = if kind == MetricKind::Counter { "_total" } else { "" };
        for NamedMember { service, name, members } in &all {
            page.sample(suffix, &[("service", service), ("member", name)], &read(members));
        }
    };
    let sum = |members: &[&Member], read: fn(&Member) -> u64| members.iter().map(|member| read(member)).sum::<u64>();
    family("testero_proxy_requests_under_way", MetricKind::Gauge, "Requests not yet answered.", &|members| {
        sum(members, |member| member.under_way.load(Ordering::Relaxed) as u64)
    });
    family("testero_proxy_member_up", MetricKind::Gauge, "1 where a member gets requests.", &|members| {
        u64::from(members.iter().any(|member| MemberCondition::of(member).is_up))
    });
    let help = "How often a member was set aside or found down.";
    family("testero_proxy_member_ejections", MetricKind::Counter, help, &|members| {
        sum(members, |member| member.ejections.load(Ordering::Relaxed))
    });
    family(
        "testero_proxy_member_connections_idle",
        MetricKind::Gauge,
        "Connections to a member without a request.",
        &|members| sum(members, |member| member.connections.read().0 as u64),
    );
    family(
        "testero_proxy_member_connections_in_use",
        MetricKind::Gauge,
        "Connections to a member with a request.",
        &|members| sum(members, |member| member.connections.read().1 as u64),
    );
    family(
        "testero_proxy_member_connections_made",
        MetricKind::Counter,
        "Connections to a member begun so far.",
        &|members| sum(members, |member| member.connections.read().2),
    );
}

/// The members of a service: one that stands there twice is one.
fn named(service: &Balancer) -> Vec<NamedMember<'_>> {
    let mut all: Vec<NamedMember<'_>> = Vec::new();
    for member in &service.members {
        let name = member.address.to_string();
        match all.iter_mut().find(|one| one.name == name) {
            Some(one) => one.members.push(member),
            None => all.push(NamedMember { service: &service.name, name, members: vec![member] }),
        }
    }
    all
}
