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
    /// Most connections to its members at a time; at least 1.
    pub max_connections: Option<usize>,
    /// Most requests at one of its members at a time; at least 1.
    pub max_requests_per_member: Option<usize>,
    /// What becomes of requests beyond that.
    pub queue: QueueConfig,
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

/// What domains are compared by: in any case, without the dot of a fully qualified name.
pub fn domain_key(domain: &str) -> String {
    domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase()
}
