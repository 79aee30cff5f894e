//! What the proxy's file comes to: one typed struct, checked.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::settings::proxy::network::Network;

/// Which requests go where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Where it listens. The port is at least 1.
    pub listen: SocketAddr,
    /// At least one. Neither names nor [`domain_key`]s are there twice.
    pub services: Vec<ServiceConfig>,
    /// Most connections of clients at a time; at least 1.
    pub max_connections: Option<usize>,
    /// The same, from one address.
    pub max_connections_per_client: Option<usize>,
    /// Whose word counts on where a request came from. Nobody's unless some are named.
    pub trusted: Vec<Network>,
    /// Whether every connection begins with a header of the PROXY protocol that says whose it is: accepted from `trusted`
    /// addresses alone, if any are named. Connections without it are closed.
    pub expects_proxy_header: bool,
    /// Which fields tell members who the client is.
    pub forwarded: ForwardedStyle,
    /// Whether each request has an `X-Request-Id`, which its answer has as well: the client's own if it is 1 to 128 visible
    /// ASCII characters, otherwise a new one. Off unless asked for, since without it heads pass as they are.
    pub request_id: bool,
    /// Whether there is a line for each request.
    pub access_log: AccessLog,
}

/// Whether, and how, there is a line for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// There is none.
    #[default]
    Off,
    /// As text.
    Text,
    /// As an object.
    Json,
}

/// Which fields of a request's head tell its member who the client is.
///
/// The default is [`ForwardedStyle::Off`]: a proxy that is put between a client and its member changes no end-to-end field
/// then. With any other, the fields of both kinds that a client sends itself are kept in value, order and repetition
/// where its address is trusted, and what the proxy knows comes behind them in a field of its own. Otherwise they are
/// left out, since anybody can write them. `X-Forwarded-Proto` and `X-Forwarded-Host` tell of the first request: those
/// of a trusted client stay alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedStyle {
    /// None: what the client sends of them passes like any other field, so members must not believe it.
    #[default]
    Off,
    /// `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Standard,
    /// All of them.
    Both,
}

/// Which header of the PROXY protocol a connection to a member begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocolVersion {
    /// `v1`: a line of text.
    V1,
    /// `v2`: binary.
    V2,
}

/// A service, and who serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// As in the file.
    pub name: String,
    /// As in the file: [`domain_key`] makes of it what a request's Host is compared with.
    pub domain: String,
    /// Who is next.
    pub strategy: Strategy,
    /// At least one. The same member may be there twice.
    pub hosts: Vec<MemberConfig>,
    /// Whether members are asked how they are, and how.
    pub health: Option<HealthConfig>,
    /// How long things may take, where it is not as it is for all.
    pub timeouts: ServiceTimeouts,
    /// How large its requests may be.
    pub limits: RequestLimits,
    /// Most requests at one of its members at a time; at least 1.
    pub max_requests_per_member: Option<usize>,
    /// What becomes of requests beyond that.
    pub queue: QueueConfig,
    /// Whether its members are told who the client is before the first request. Each of their connections then carries
    /// requests of one client connection alone.
    pub proxy_protocol: Option<ProxyProtocolVersion>,
    /// On how many further members a request is tried at most.
    pub retries: Option<u32>,
}

/// Which member a request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// `RANDOM`: any of them, by weight.
    #[default]
    Random,
    /// `RROBIN`: in turn, by weight.
    RoundRobin,
    /// `LEAST`: the one of two random ones that has fewer requests.
    LeastRequests,
}

/// A member of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberConfig {
    /// Its host.
    pub address: MemberAddress,
    /// At least 1.
    pub port: u16,
    /// Its share. One of 0 gets nothing, unless all are 0.
    pub weight: u32,
}

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberAddress {
    /// At this address.
    Ip(IpAddr),
    /// At those that DNS knows for this name, which is as in the file.
    Name(String),
}

/// How members are asked how they are. All counts are at least 1, and all times longer than 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// What is asked for: visible ASCII that begins with a slash.
    pub path: String,
    /// From one question to the next.
    pub interval: Duration,
    /// For how long an answer is waited for.
    pub timeout: Duration,
    /// How many good answers in a row bring a member back.
    pub healthy: u32,
    /// How many bad ones set it aside.
    pub unhealthy: u32,
    /// Which status is a good answer.
    pub status: RangeInclusive<u16>,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            path: String::from("/"),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy: 2,
            unhealthy: 3,
            status: 200..=399,
        }
    }
}

/// How long things may take at the members of a service. All are longer than 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTimeouts {
    /// Until a member accepts.
    pub connect: Option<Duration>,
    /// A connection without a request.
    pub idle: Option<Duration>,
    /// The head of a request.
    pub head: Option<Duration>,
    /// Between any two reads of an answer.
    pub answer: Option<Duration>,
}

/// How large a service's requests may be, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// A head, without the empty line that ends it; [`HEAD_LIMIT`](crate::http::bounds::HEAD_LIMIT) at most.
    pub head: Option<usize>,
    /// A body, without its frame.
    pub body: Option<u64>,
}

/// What becomes of requests that no member may take yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueConfig {
    /// How many of them wait at most.
    pub length: Option<usize>,
    /// For how long; longer than 0.
    pub time: Option<Duration>,
}

impl ProxyConfig {
    /// `2 services, 3 members, on 0.0.0.0:8080`: for a person. A member that is there twice counts twice.
    pub fn summary(&self) -> String {
        let plural = |count: usize, of: &str| format!("{count} {of}{}", if count == 1 { "" } else { "s" });
        let members = self.services.iter().map(|service| service.hosts.len()).sum();
        format!("{}, {}, on {}", plural(self.services.len(), "service"), plural(members, "member"), self.listen)
    }
}

/// What domains are compared by: their [`bare_name`], in lower case.
pub fn domain_key(domain: &[u8]) -> Vec<u8> {
    bare_name(domain).to_ascii_lowercase()
}

/// A domain without the dot of a fully qualified name, or the brackets of an IPv6 address.
pub fn bare_name(domain: &[u8]) -> &[u8] {
    let name = domain.strip_suffix(b".").unwrap_or(domain);
    name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).unwrap_or(name)
}
