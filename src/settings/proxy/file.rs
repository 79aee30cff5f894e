//! The proxy's file: read, checked in the original's order, and all that is wrong with it said at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::settings::config_reader::{ConfigReader, ConfigValue, text_of};
use crate::settings::proxy::config::{AccessLog, ForwardedStyle, ProxyConfig, ServiceConfig, domain_key};
use crate::settings::proxy::network::Network;
use crate::settings::proxy::service;
use crate::yaml::{self, Node};

const ACCESS_LOGS: [(&str, AccessLog); 3] =
    [("off", AccessLog::Off), ("text", AccessLog::Text), ("json", AccessLog::Json)];
const FORWARDED: [(&str, ForwardedStyle); 4] = [
    ("off", ForwardedStyle::Off),
    ("x-forwarded", ForwardedStyle::XForwarded),
    ("forwarded", ForwardedStyle::Standard),
    ("both", ForwardedStyle::Both),
];

/// Reads the file. With the configuration come warnings, a line each: of keys that nothing knows, and domains that no
/// request can have.
///
/// # Errors
/// All that is wrong, a line each, with its path and line in the file: `proxy.listen.port (line 4): …`. What concerns the
/// whole file begins with the file's name.
pub fn load(path: &Path) -> Result<(ProxyConfig, Vec<String>), Vec<String>> {
    let name = path.display().to_string();
    let whole = |why: String| vec![format!("{name}: {why}")];
    let tree = yaml::parse(&text_of(path).map_err(whole)?).map_err(|fault| whole(fault.to_string()))?;
    let mut reader = ConfigReader::new(&name);
    let config = root(&mut reader, &tree);
    reader.verdict(config)
}

fn root(reader: &mut ConfigReader<'_>, tree: &Node) -> Option<ProxyConfig> {
    let whole = ConfigValue::root(tree);
    if !reader.is_mapping(&whole, &["proxy"]) {
        return None;
    }
    let at = reader.required(&whole, "proxy")?;
    let keys = [
        "listen",
        "services",
        "max_connections",
        "max_connections_per_client",
        "trusted",
        "access_log",
        "forwarded",
        "request_id",
    ];
    if !reader.is_mapping(&at, &keys) {
        return None;
    }
    let listen = reader.required(&at, "listen");
    let services = reader.required(&at, "services");
    let listen = listen.and_then(|listen| self::listen(reader, &listen));
    let services = services.and_then(|services| self::services(reader, &services));
    let max_connections = reader.count(&at, "max_connections", 1);
    let max_connections_per_client = reader.count(&at, "max_connections_per_client", 1);
    let trusted = reader.optional(&at, "trusted").map(|trusted| self::trusted(reader, &trusted));
    let access_log = reader.choice(&at, "access_log", &ACCESS_LOGS);
    let forwarded = reader.choice(&at, "forwarded", &FORWARDED).unwrap_or_default();
    let request_id = reader.flag(&at, "request_id");
    let (listen, expects_proxy_header) = listen?;
    Some(ProxyConfig {
        listen,
        services: services?,
        max_connections,
        max_connections_per_client,
        trusted: trusted.unwrap_or_default(),
        access_log: access_log.unwrap_or_default(),
        expects_proxy_header,
        forwarded,
        request_id,
    })
}

/// Where to listen, and whether connections begin with a header of the PROXY protocol.
fn listen(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> Option<(SocketAddr, bool)> {
    if !reader.is_mapping(at, &["address", "port", "proxy_protocol"]) {
        return None;
    }
    let address = reader.required(at, "address");
    let port = reader.required(at, "port");
    let ip = address.and_then(|address| {
        let ip = reader.address(&address)?.parse::<IpAddr>().ok();
        if ip.is_none() {
            reader.fault(&address, format_args!("{} is not a valid ip address", address.node));
        }
        ip
    });
    let port = port.and_then(|port| reader.port(&port));
    let expects_proxy_header = reader.flag(at, "proxy_protocol");
    Some((SocketAddr::new(ip?, port?), expects_proxy_header))
}

/// The services; `None` where one of them is wrong, or there is none.
fn services(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> Option<Vec<ServiceConfig>> {
    let Some(nodes) = at.node.as_sequence() else {
        reader.fault(at, format_args!("expected a list, instead got {}", at.node));
        return None;
    };
    if nodes.is_empty() {
        reader.fault(at, "service list is empty");
        return None;
    }
    let (mut domains, mut names) = (HashMap::new(), HashMap::new());
    let mut all = Vec::with_capacity(nodes.len());
    for at in at.items(nodes) {
        let service = service::required(reader, &at);
        if let Some((at, domain)) = service.as_ref().and_then(|service| service.domain.as_ref()) {
            if let Some(line) = earlier(&mut domains, domain_key(domain.as_bytes()), at) {
                reader.fault(at, format_args!("duplicate service domain: \"{}\", first in line {line}", at.node));
            }
            if !is_host(domain) {
                reader.warn(at, format_args!("no request has this Host: {}", at.node));
            }
        }
        if let Some((at, name)) = service.as_ref().and_then(|service| service.name.as_ref())
            && let Some(line) = earlier(&mut names, name.as_bytes().to_owned(), at)
        {
            reader.fault(at, format_args!("duplicate service name: \"{}\", first in line {line}", at.node));
        }
        all.push(service.and_then(|service| service.complete(reader, &at)));
    }
    all.into_iter().collect()
}

/// The line where the same was said before, if it was.
fn earlier(seen: &mut HashMap<Vec<u8>, u32>, said: Vec<u8>, at: &ConfigValue<'_>) -> Option<u32> {
    match seen.entry(said) {
        Entry::Occupied(entry) => Some(*entry.get()),
        Entry::Vacant(entry) => {
            entry.insert(at.node.line);
            None
        }
    }
}

/// Whether a request's Host can be this: it is compared without blanks around it, and without a port.
fn is_host(domain: &str) -> bool {
    let is_v6 = domain.starts_with('[') && domain.ends_with(']') || domain.parse::<Ipv6Addr>().is_ok();
    !domain.is_empty() && domain.bytes().all(|b| b > b' ' && b != 0x7f) && (is_v6 || !domain.contains(':'))
}

fn trusted(reader: &mut ConfigReader<'_>, at: &ConfigValue<'_>) -> Vec<Network> {
    let Some(nodes) = at.node.as_sequence() else {
        reader.fault(at, format_args!("expected a list, instead got {}", at.node));
        return Vec::new();
    };
    let network = |at: ConfigValue<'_>| {
        let network = at.node.text().and_then(|text| text.parse().ok());
        if network.is_none() {
            reader.fault(&at, format_args!("expected addresses like 10.0.0.0/8, instead got {}", at.node));
        }
        network
    };
    at.items(nodes).filter_map(network).collect()
}

#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
