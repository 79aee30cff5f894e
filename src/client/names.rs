//! The addresses behind the name of a Service, all of them: a name server is asked over TCP, as resolv.conf says, and where
//! that leads nowhere, the C library's resolver.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::client::dns;
use crate::http::client::Url;

/// How long name servers have over TCP, all together.
const OVER_TCP: Duration = Duration::from_secs(4);
/// Most servers and domains that count, as in the C library.
const MOST_SERVERS: usize = 3;
const MOST_DOMAINS: usize = 32;
/// The port of name servers.
const PORT: u16 = 53;

/// The addresses behind a host with its port, and whether they are certainly all.
///
/// # Errors
/// When it has none, or its name is not resolved in time.
pub(super) fn addresses(place: &str, until: Instant) -> io::Result<(Vec<SocketAddr>, bool)> {
    if let Some((host, port)) = place.rsplit_once(':')
        && let Ok(port) = port.parse()
        && is_for_name_servers(host)
    {
        let found = over_tcp(host, until.min(Instant::now() + OVER_TCP));
        if !found.is_empty() {
            return Ok((found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), true));
        }
    }
    Ok((Url { authority: place, path: "" }.addresses(until)?, false))
}

/// Whether it is a name that name servers know: no address in any form, and not in /etc/hosts.
fn is_for_name_servers(host: &str) -> bool {
    let is_name = host.ends_with(|c: char| c.is_ascii_alphabetic() || c == '.') && !host.contains(':');
    let hosts = fs::read("/etc/hosts").unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts);
    is_name && !hosts.lines().any(|line| names_of(line).any(|name| name.eq_ignore_ascii_case(host)))
}

/// The names in a line of /etc/hosts.
fn names_of(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or_default().split_whitespace().skip(1)
}

fn over_tcp(host: &str, until: Instant) -> Vec<IpAddr> {
    let config = fs::read("/etc/resolv.conf").unwrap_or_default();
    let config = ResolverConfig::read(&String::from_utf8_lossy(&config));
    for name in config.names(host) {
        let mut found = Vec::new();
        for kind in dns::KINDS {
            // The first server that answers counts.
            let asked = |server: &IpAddr| dns::ask(SocketAddr::new(*server, PORT), &name, kind, until).ok();
            match config.servers.iter().find_map(asked) {
                Some(more) => found.extend(more),
                // The resolver will tell what is wrong.
                None if found.is_empty() => return found,
                None => {}
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// What resolv.conf(5) says.
#[derive(Debug, PartialEq, Eq)]
struct ResolverConfig {
    servers: Vec<IpAddr>,
    domains: Vec<String>,
    /// From how many dots on a name is tried as it is, first.
    dots: usize,
}

impl ResolverConfig {
    fn read(text: &str) -> Self {
        let mut config = Self { servers: Vec::new(), domains: Vec::new(), dots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    config.servers.extend(words.next().and_then(|ip| ip.parse::<IpAddr>().ok()));
                    config.servers.truncate(MOST_SERVERS);
                }
                // The last of these lines counts.
                Some("search" | "domain") => config.domains = words.take(MOST_DOMAINS).map(str::to_owned).collect(),
                Some("options") => {
                    let dots = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    config.dots = dots.unwrap_or(config.dots).min(15);
                }
                _ => {}
            }
        }
        config
    }

    /// The names that are tried for a host, in their order.
    fn names(&self, host: &str) -> Vec<String> {
        let as_it_is = host.to_owned();
        if host.ends_with('.') {
            return vec![as_it_is];
        }
        let mut names = Vec::new();
        for domain in &self.domains {
            names.push(format!("{host}.{}", domain.trim_end_matches('.')));
        }
        let is_first = host.matches('.').count() >= self.dots;
        names.insert(if is_first { 0 } else { names.len() }, as_it_is);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tried_as_the_configuration_says() {
        let config = ResolverConfig::read(
            "# a pod's\nsearch demo.svc.cluster.local svc.cluster.local.\nnameserver 10.96.0.10\nnameserver fe80::1%2\n\
             nameserver ::1\noptions edns0 ndots:5\n",
        );
        assert_eq!(config.servers, ["10.96.0.10", "::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(config.names("pods"), ["pods.demo.svc.cluster.local", "pods.svc.cluster.local", "pods"]);
        assert_eq!(config.names("a.b.c.d.e.f")[0], "a.b.c.d.e.f");
        assert_eq!(config.names("pods."), ["pods."]);
        let none = ResolverConfig::read("");
        assert_eq!((none.names("pods"), none.dots), (vec![String::from("pods")], 1));
    }

    #[test]
    fn addresses_are_no_names() {
        for host in ["127.0.0.1", "127.1", "2130706433", "[::1]", "localhost"] {
            assert!(!is_for_name_servers(host), "{host}");
        }
        for host in ["testero-headless", "a.b.", "a.svc.cluster.local"] {
            assert!(is_for_name_servers(host), "{host}");
        }
        assert_eq!(names_of("10.0.0.1 a b # c").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn an_address_is_what_it_is() {
        let address = "127.0.0.1:80".parse::<SocketAddr>().unwrap();
        assert_eq!(addresses("127.0.0.1:80", Instant::now()).unwrap(), (vec![address], false));
    }
}
