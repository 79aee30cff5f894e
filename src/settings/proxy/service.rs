//! A service of the proxy's file.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::http::bounds::HEAD_LIMIT;
use crate::settings::config_reader::{ConfigReader, ConfigValue};
use crate::settings::proxy::config::{
    HealthConfig, MemberAddress, MemberConfig, ProxyProtocolVersion, QueueConfig, RequestLimits, ServiceConfig,
    ServiceTimeouts, Strategy,
};

const SERVICE_KEYS: [&str; 11] = [
    "name",
    "domain",
    "hosts",
    "strategy",
    "health",
    "timeouts",
    "limits",
    "max_requests_per_member",
    "queue",
    "proxy_protocol",
    "retries",
];
const STRATEGIES: [(&str, Strategy); 3] =
    [("RANDOM", Strategy::Random), ("RROBIN", Strategy::RoundRobin), ("LEAST", Strategy::LeastRequests)];
const PROXY_PROTOCOLS: [(&str, ProxyProtocolVersion); 2] =
    [("v1", ProxyProtocolVersion::V1), ("v2", ProxyProtocolVersion::V2)];
/// So that the sum of all weights fits everywhere.
const MOST_WEIGHT: i64 = 65_535;
/// A request that failed at so many members fails at any.
const MOST_RETRIES: i64 = 100;

/// What a service says of itself, as far as it is right.
pub(super) struct RequiredPart<'n> {
    pub(super) name: Option<(ConfigValue<'n>, &'n str)>,
    pub(super) domain: Option<(ConfigValue<'n>, &'n str)>,
    pub(super) hosts: Option<Vec<MemberConfig>>,
}

/// Reads its required part, in the order that the original checks it in.
pub(super) fn required<'n>(reader: &mut ConfigReader<'_>, at: &ConfigValue<'n>) -> Option<RequiredPart<'n>> {
    if !reader.is_mapping(at, &SERVICE_KEYS) {
        return None;
    }
    let name = reader.required(at, "name");
    let domain = reader.required(at, "domain");
    let hosts = reader.required(at, "hosts");
    let called = name.as_ref().map_or_else(|| String::from("without a name"), |name| name.node.to_string());
    let mut text = |value: Option<ConfigValue<'n>>| value.and_then(|value| Some((value.clone(), reader.text(&value)?)));
    let name = text(name);
    let domain = text(domain);
    let hosts = hosts.and_then(|hosts| members(reader, &hosts, &called));
    Some(RequiredPart { name, domain, hosts })
}

impl RequiredPart<'_> {
    /// Reads what may be missing.
    pub(super) fn complete(self, reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> Option<ServiceConfig> {
        let strategy = reader.choice(at, "strategy", &STRATEGIES).unwrap_or_default();
        let health = reader.optional(at, "health").and_then(|health| self::health(reader, &health));
        let timeouts = reader.optional(at, "timeouts").map(|timeouts| self::timeouts(reader, &timeouts));
        let limits = reader.optional(at, "limits").map(|limits| self::limits(reader, &limits));
        let max_requests_per_member = reader.count(at, "max_requests_per_member", 1);
        let queue = reader.optional(at, "queue").map(|queue| self::queue(reader, &queue));
        let proxy_protocol = reader.choice(at, "proxy_protocol", &PROXY_PROTOCOLS);
        let retries = reader.optional(at, "retries");
        let retries = retries.and_then(|retries| reader.integer(&retries, 0..=MOST_RETRIES, "a number"));
        Some(ServiceConfig {
            name: self.name?.1.to_owned(),
            domain: self.domain?.1.to_owned(),
            hosts: self.hosts?,
            strategy,
            health,
            timeouts: timeouts.unwrap_or_default(),
            limits: limits.unwrap_or_default(),
            max_requests_per_member,
            queue: queue.unwrap_or_default(),
            proxy_protocol,
            retries: retries.map(|retries| retries as u32),
        })
    }
}

/// The members of the service that is called so; `None` where one of them is wrong, or there is none.
fn members(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>, service: &str) -> Option<Vec<MemberConfig>> {
    let Some(nodes) = at.node.as_sequence() else {
        reader.fault(at, format_args!("expected a list of host for service {service}, instead got {}", at.node));
        return None;
    };
    if nodes.is_empty() {
        reader.fault(at, format_args!("hosts list of service {service} is empty"));
        return None;
    }
    let members: Vec<_> = at.items(nodes).map(|host| member(reader, &host)).collect();
    members.into_iter().collect()
}

fn member(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> Option<MemberConfig> {
    if !reader.is_mapping(at, &["address", "port", "weight"]) {
        return None;
    }
    let address = reader.required(at, "address");
    let port = reader.required(at, "port");
    let address = address.and_then(|address| {
        let text = reader.address(&address)?;
        let known = member_address(text);
        if known.is_none() {
            reader.fault(&address, format_args!("{} is not a valid ip address, nor the name of a host", address.node));
        }
        known
    });
    let port = port.and_then(|port| reader.port(&port));
    let weight = match reader.optional(at, "weight") {
        Some(weight) => reader.integer(&weight, 0..=MOST_WEIGHT, "a weight"),
        None => Some(1),
    };
    Some(MemberConfig { address: address?, port: port?, weight: weight? as u32 })
}

/// An address, or a name as DNS has it (RFC 1123, and `_`, which some name servers of clusters have). A name that ends in
/// a number is an address with a mistake in it.
fn member_address(text: &str) -> Option<MemberAddress> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(MemberAddress::Ip(ip));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = name.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit());
    is_name.then(|| MemberAddress::Name(text.to_owned()))
}

fn health(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> Option<HealthConfig> {
    if !reader.is_mapping(at, &["path", "interval", "timeout", "healthy", "unhealthy", "status"]) {
        return None;
    }
    let mut health = HealthConfig::default();
    if let Some(path) = reader.optional(at, "path")
        && let Some(text) = reader.text(&path)
    {
        // It becomes a part of a request as it is.
        if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()) {
            health.path = text.to_owned();
        } else {
            reader.fault(&path, format_args!("expected a path like /healthz, instead got {}", path.node));
        }
    }
    health.interval = reader.span(at, "interval").unwrap_or(health.interval);
    health.timeout = reader.span(at, "timeout").unwrap_or(health.timeout);
    health.healthy = reader.count(at, "healthy", 1).map_or(health.healthy, |count| count as u32);
    health.unhealthy = reader.count(at, "unhealthy", 1).map_or(health.unhealthy, |count| count as u32);
    if let Some(status) = reader.optional(at, "status") {
        match statuses(status.node.text().unwrap_or_default()) {
            Some(range) => health.status = range,
            None => reader.fault(
                &status,
                format_args!("expected a status like 200, or some like 200-299, instead got {}", status.node),
            ),
        }
    }
    Some(health)
}

/// `200`, `200-299`.
fn statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.parse().ok().filter(|code| text.len() == 3 && (100..=599).contains(code));
    let range = status(first.trim())?..=status(last.trim())?;
    (!range.is_empty()).then_some(range)
}

fn timeouts(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> ServiceTimeouts {
    if !reader.is_mapping(at, &["connect", "idle", "head", "answer"]) {
        return ServiceTimeouts::default();
    }
    ServiceTimeouts {
        connect: reader.span(at, "connect"),
        idle: reader.span(at, "idle"),
        head: reader.span(at, "head"),
        answer: reader.span(at, "answer"),
    }
}

fn limits(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> RequestLimits {
    if !reader.is_mapping(at, &["head", "body"]) {
        return RequestLimits::default();
    }
    RequestLimits {
        head: reader.bytes(at, "head", HEAD_LIMIT as u64).map(|bytes| bytes as usize),
        body: reader.bytes(at, "body", u64::MAX),
    }
}

fn queue(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> QueueConfig {
    if !reader.is_mapping(at, &["length", "time"]) {
        return QueueConfig::default();
    }
    QueueConfig { length: reader.count(at, "length", 0), time: reader.span(at, "time") }
}
