//! What files come to, and what is said of those with mistakes.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::settings::proxy::config::{
    HealthConfig, MemberAddress, MemberConfig, QueueConfig, ServiceTimeouts, Strategy as Choice,
};

type Loaded = Result<(ProxyConfig, Vec<String>), Vec<String>>;

/// Loads a file with this in it. Its name is `F` in what is said.
fn loaded(text: impl AsRef<[u8]>) -> Loaded {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(file.path())
        .map_err(|faults| faults.iter().map(|line| line.replace(file.path().to_str().unwrap(), "F")).collect())
}

fn faults(text: impl AsRef<[u8]>) -> Vec<String> {
    loaded(text).unwrap_err()
}

const GOOD: &str = "\
proxy:
  listen:
    address: 127.0.0.1
    port: 8080
  services:
    - name: one
      domain: one.example
      hosts:
        - address: 10.0.0.1
          port: 80
        - address: ::1
          port: 81
    - name: two
      domain: two.example
      hosts: [{address: two.internal, port: 82}]
";

/// The sample with the first of a piece replaced.
fn with(piece: &str, other: &str) -> String {
    assert!(GOOD.contains(piece), "{piece}");
    GOOD.replacen(piece, other, 1)
}

#[test]
fn a_file_of_the_originals_is_read() {
    let (config, warnings) = loaded(GOOD).unwrap();
    assert_eq!((config.listen.to_string().as_str(), warnings), ("127.0.0.1:8080", Vec::new()));
    assert_eq!(config.summary(), "2 services, 3 members, on 127.0.0.1:8080");
    let [one, two] = &config.services[..] else { panic!("{config:?}") };
    assert_eq!((one.name.as_str(), one.domain.as_str(), one.strategy), ("one", "one.example", Choice::Random));
    let member = |address: &str, port| MemberConfig {
        address: address.parse().map_or_else(|_| MemberAddress::Name(address.to_owned()), MemberAddress::Ip),
        port,
        weight: 1,
    };
    assert_eq!(one.hosts, [member("10.0.0.1", 80), member("::1", 81)]);
    assert_eq!(two.hosts, [member("two.internal", 82)]);
    assert_eq!((&one.health, &one.timeouts, &one.queue), (&None, &ServiceTimeouts::default(), &QueueConfig::default()));
    assert_eq!((one.max_connections, one.max_requests_per_member, one.retries), (None, None, None));
    assert_eq!((config.max_connections, config.max_connections_per_client), (None, None));
    assert_eq!((config.trusted.len(), config.access_log), (0, AccessLog::Off));
    assert_eq!(loaded(with("127.0.0.1", "'::'")).unwrap().0.listen.to_string(), "[::]:8080");
}

#[test]
fn everything_that_may_be_said_is_read() {
    let text = "\
proxy:
  listen: {address: '::1', port: 0x50}
  max_connections: 1000
  max_connections_per_client: 10
  trusted: [10.0.0.0/8, 'fd00::/8', 192.168.0.1]
  access_log: JSON
  services:
    - name: a
      domain: A.Example.
      strategy: rrobin
      hosts: [{address: 10.0.0.1, port: 80, weight: 0}, {address: a-b_c.d., port: 80, weight: 65535}]
      health: {path: '/up?x=1', interval: 1.5s, timeout: 500ms, healthy: 1, unhealthy: 2, status: 200-204}
      timeouts: {connect: 1, idle: 1m30s, head: '10', answer: 0.5}
      max_connections: 100
      max_requests_per_member: 20
      queue: {length: 0, time: 2s}
      retries: 0
    - {name: b, domain: b, strategy: Least, hosts: [{address: ::1, port: 1}], health: {status: 204}, queue: {length: 5}}
    - {name: c, domain: '[::1]', strategy: RANDOM, hosts: [{address: ::1, port: 1}], health: {}, timeouts: }
";
    let (config, warnings) = loaded(text).unwrap();
    assert_eq!((config.listen.to_string().as_str(), warnings), ("[::1]:80", Vec::new()));
    assert_eq!((config.max_connections, config.max_connections_per_client), (Some(1000), Some(10)));
    let trusted: Vec<String> = config.trusted.iter().map(ToString::to_string).collect();
    assert_eq!(
        (trusted.join(" ").as_str(), config.access_log),
        ("10.0.0.0/8 fd00::/8 192.168.0.1/32", AccessLog::Json)
    );
    let [a, b, c] = &config.services[..] else { panic!("{config:?}") };
    assert_eq!((a.domain.as_str(), domain_key(&a.domain).as_str()), ("A.Example.", "a.example"));
    let strategies = [Choice::RoundRobin, Choice::LeastRequests, Choice::Random];
    assert_eq!([a.strategy, b.strategy, c.strategy], strategies);
    assert_eq!(a.hosts.iter().map(|host| host.weight).collect::<Vec<_>>(), [0, 65535]);
    assert_eq!(a.hosts[1].address, MemberAddress::Name(String::from("a-b_c.d.")));
    let millis = |millis| Duration::from_millis(millis);
    let health = HealthConfig {
        path: String::from("/up?x=1"),
        interval: millis(1500),
        timeout: millis(500),
        healthy: 1,
        unhealthy: 2,
        status: 200..=204,
    };
    assert_eq!(a.health, Some(health));
    let timeouts = ServiceTimeouts {
        connect: Some(millis(1000)),
        idle: Some(millis(90_000)),
        head: Some(millis(10_000)),
        answer: Some(millis(500)),
    };
    assert_eq!(a.timeouts, timeouts);
    assert_eq!((a.max_connections, a.max_requests_per_member, a.retries), (Some(100), Some(20), Some(0)));
    assert_eq!(a.queue, QueueConfig { length: Some(0), time: Some(millis(2000)) });
    assert_eq!(b.health, Some(HealthConfig { status: 204..=204, ..HealthConfig::default() }));
    assert_eq!((b.queue.length, b.queue.time, &c.health), (Some(5), None, &Some(HealthConfig::default())));
}

#[test]
fn what_concerns_the_whole_file_names_it() {
    for (text, expected) in [
        ("", "F: it is empty"),
        (" \n\n", "F: it is empty"),
        ("\u{feff}", "F: it is empty"),
        ("# nothing\n", "F: line 1, column 1: it is empty"),
        ("---\n", "F (line 2): expected a dict, instead got null"),
        ("[proxy]", "F (line 1): expected a dict, instead got [proxy]"),
        ("proxy", "F (line 1): expected a dict, instead got proxy"),
        ("\n{}", "F (line 2): no section proxy in {}"),
        ("other: {a: 1}\n", "F (line 1): no section proxy in {other: {a: 1}}"),
        ("proxy:\n", "proxy (line 1): expected a dict, instead got null"),
        ("proxy: []", "proxy (line 1): expected a dict, instead got []"),
        ("proxy: {a: 1, a: 2}", "F: proxy (line 1, column 15): the key a is given twice, first in line 1"),
        ("proxy: {}\n---\nproxy: {}\n", "F: line 2, column 1: a second document begins"),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
    for text in ["proxy: [", "proxy:\n  listen: {\n", "a: b: c", "\tproxy: 1"] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].starts_with("F: ") && faults[0].contains("line "), "{faults:?}");
    }
    assert_eq!(faults(b"proxy:\n  a: \xff\n"), ["F: line 2: it is not UTF-8"]);
    assert_eq!(faults(b"\xff\xfe{\0}\0"), ["F: line 1: it is not UTF-8"]);
    assert_eq!(faults("#".repeat(MOST_BYTES + 1)), ["F: it is longer than 1048576 bytes"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    assert_eq!(load(folder.path()).unwrap_err(), [format!("{path}: it is a folder")]);
    let missing = load(&folder.path().join("x.yaml")).unwrap_err();
    assert!(missing.len() == 1 && missing[0].starts_with(&format!("{path}/x.yaml: No such file")), "{missing:?}");
}

#[test]
fn each_mistake_is_said_with_path_line_and_value() {
    for (piece, other, expected) in [
        (
            "  listen:\n    address: 127.0.0.1\n    port: 8080\n",
            "",
            "proxy (line 2): no section listen in {services: [",
        ),
        (
            "listen:\n    address: 127.0.0.1\n    port: 8080",
            "listen: x",
            "proxy.listen (line 2): expected a dict, instead got x",
        ),
        ("    address: 127.0.0.1\n", "", "proxy.listen (line 3): no section address in {port: 8080}"),
        ("    port: 8080\n", "", "proxy.listen (line 3): no section port in {address: 127.0.0.1}"),
        ("127.0.0.1", "localhost", "proxy.listen.address (line 3): localhost is not a valid ip address"),
        ("127.0.0.1", "'1.2.3.4.5'", "proxy.listen.address (line 3): 1.2.3.4.5 is not a valid ip address"),
        ("127.0.0.1", "'[::1]'", "proxy.listen.address (line 3): [::1] is not a valid ip address"),
        ("127.0.0.1", "", "proxy.listen.address (line 3): null type is not str; in quotes it is one"),
        ("127.0.0.1", "1.5", "proxy.listen.address (line 3): 1.5 type is not str; in quotes it is one"),
        ("127.0.0.1", "[a]", "proxy.listen.address (line 3): [a] type is not str"),
        ("8080", "x", "proxy.listen.port (line 4): x type is not int"),
        ("8080", "true", "proxy.listen.port (line 4): true type is not int"),
        ("8080", "'8080'", "proxy.listen.port (line 4): 8080 type is not int; without quotes it is one"),
        ("8080", "80.0", "proxy.listen.port (line 4): 80.0 type is not int"),
        ("8080", "{}", "proxy.listen.port (line 4): {} type is not int"),
        ("8080", "0", "proxy.listen.port (line 4): expected a port from 1 to 65535, instead got 0"),
        ("8080", "70000", "proxy.listen.port (line 4): expected a port from 1 to 65535, instead got 70000"),
        ("8080", "-1", "proxy.listen.port (line 4): expected a port from 1 to 65535, instead got -1"),
        ("name: one\n      ", "", "proxy.services[0] (line 6): no section name in {domain: one.example, hosts: ["),
        ("      domain: two.example\n", "", "proxy.services[1] (line 13): no section domain in {name: two, hosts: [{"),
        (
            "      hosts: [{address: two.internal, port: 82}]\n",
            "",
            "proxy.services[1] (line 13): no section hosts in {",
        ),
        ("name: two", "name: 2", "proxy.services[1].name (line 13): 2 type is not str; in quotes it is one"),
        ("two.example", "no", "none"),
        ("two.example", "true", "proxy.services[1].domain (line 14): true type is not str; in quotes it is one"),
        (
            "two.example",
            "one.example",
            "proxy.services[1].domain (line 14): duplicate service domain: \"one.example\", first in line 7",
        ),
        (
            "two.example",
            "ONE.example.",
            "proxy.services[1].domain (line 14): duplicate service domain: \"ONE.example.\", first",
        ),
        (
            "name: two",
            "name: one",
            "proxy.services[1].name (line 13): duplicate service name: \"one\", first in line 6",
        ),
        ("name: two", "name: One", "none"),
        (
            "[{address: two.internal, port: 82}]",
            "[]",
            "proxy.services[1].hosts (line 15): hosts list of service two is empty",
        ),
        (
            "[{address: two.internal, port: 82}]",
            "{}",
            "proxy.services[1].hosts (line 15): expected a list of host for service two, instead got {}",
        ),
        (
            "[{address: two.internal, port: 82}]",
            "",
            "proxy.services[1].hosts (line 15): expected a list of host for service two, instead got null",
        ),
        (
            "{address: two.internal, port: 82}",
            "10.0.0.1",
            "proxy.services[1].hosts[0] (line 15): expected a dict, instead got 10.0.0.1",
        ),
        ("address: two.internal, ", "", "proxy.services[1].hosts[0] (line 15): no section address in {port: 82}"),
        (", port: 82", "", "proxy.services[1].hosts[0] (line 15): no section port in {address: two.internal}"),
        (
            "82",
            "99999999999999999999",
            "proxy.services[1].hosts[0].port (line 15): expected a port from 1 to 65535, instead got 9999",
        ),
        ("port: 81", "port: no", "proxy.services[0].hosts[1].port (line 12): no type is not int"),
        (
            "two.internal",
            "10.0.0.300",
            "proxy.services[1].hosts[0].address (line 15): 10.0.0.300 is not a valid ip address",
        ),
        (
            "two.internal",
            "'http://two'",
            "proxy.services[1].hosts[0].address (line 15): http://two is not a valid ip address",
        ),
        ("two.internal", "-a.b", "proxy.services[1].hosts[0].address (line 15): -a.b is not a valid ip address"),
        ("two.internal", "a..b", "proxy.services[1].hosts[0].address (line 15): a..b is not a valid ip address"),
        ("two.internal", "''", "proxy.services[1].hosts[0].address (line 15):  is not a valid ip address"),
        (
            "port: 82",
            "port: 82, weight: -1",
            "proxy.services[1].hosts[0].weight (line 15): expected a weight from 0 to 65535",
        ),
        ("port: 82", "port: 82, weight: x", "proxy.services[1].hosts[0].weight (line 15): x type is not int"),
        (
            "name: two",
            "name: two\n      strategy: FIRST",
            "proxy.services[1].strategy (line 14): expected one of RANDOM, RROBIN, LEAST, instead got FIRST",
        ),
        (
            "name: two",
            "name: two\n      health: /x",
            "proxy.services[1].health (line 14): expected a dict, instead got /x",
        ),
        (
            "name: two",
            "name: two\n      health: {path: x}",
            "proxy.services[1].health.path (line 14): expected a path like /healthz, instead got x",
        ),
        (
            "name: two",
            "name: two\n      health: {path: \"/x\\r\\ny\"}",
            "proxy.services[1].health.path (line 14): expected a path like /healthz, instead got /x\\r\\ny",
        ),
        (
            "name: two",
            "name: two\n      health: {interval: 0}",
            "proxy.services[1].health.interval (line 14): expected a duration longer than 0",
        ),
        (
            "name: two",
            "name: two\n      health: {timeout: soon}",
            "proxy.services[1].health.timeout (line 14): \"soon\" is no duration",
        ),
        (
            "name: two",
            "name: two\n      health: {timeout: [1]}",
            "proxy.services[1].health.timeout (line 14): expected a duration like",
        ),
        (
            "name: two",
            "name: two\n      health: {healthy: 0}",
            "proxy.services[1].health.healthy (line 14): expected a number from 1",
        ),
        (
            "name: two",
            "name: two\n      health: {status: 2000}",
            "proxy.services[1].health.status (line 14): expected a status like 200",
        ),
        (
            "name: two",
            "name: two\n      health: {status: 299-200}",
            "proxy.services[1].health.status (line 14): expected a status like 200",
        ),
        (
            "name: two",
            "name: two\n      timeouts: 10",
            "proxy.services[1].timeouts (line 14): expected a dict, instead got 10",
        ),
        (
            "name: two",
            "name: two\n      timeouts: {idle: -1s}",
            "proxy.services[1].timeouts.idle (line 14): \"-1s\" is no duration",
        ),
        (
            "name: two",
            "name: two\n      queue: {length: -1}",
            "proxy.services[1].queue.length (line 14): expected a number from 0",
        ),
        (
            "name: two",
            "name: two\n      queue: []",
            "proxy.services[1].queue (line 14): expected a dict, instead got []",
        ),
        ("name: two", "name: two\n      retries: many", "proxy.services[1].retries (line 14): many type is not int"),
        (
            "name: two",
            "name: two\n      max_connections: 0",
            "proxy.services[1].max_connections (line 14): expected a number from 1",
        ),
        (
            "  services:",
            "  max_connections: -1\n  services:",
            "proxy.max_connections (line 5): expected a number from 1",
        ),
        (
            "  services:",
            "  trusted: 10.0.0.0/8\n  services:",
            "proxy.trusted (line 5): expected a list, instead got 10.0.0.0/8",
        ),
        (
            "  services:",
            "  trusted: [::1, 10.0.0.0/33]\n  services:",
            "proxy.trusted[1] (line 5): expected addresses like 10.0.0.0/8, instead got 10.0.0.0/33",
        ),
        (
            "  services:",
            "  access_log: true\n  services:",
            "proxy.access_log (line 5): expected one of off, text, json, instead got true",
        ),
    ] {
        match loaded(with(piece, other)) {
            Ok(_) => assert_eq!(expected, "none", "{piece:?} {other:?}"),
            Err(faults) => assert!(faults.len() == 1 && faults[0].starts_with(expected), "{expected}: {faults:#?}"),
        }
    }
    let text = |services: &str| format!("proxy: {{listen: {{address: ::1, port: 1}}, services: {services}}}");
    assert_eq!(faults(text("[]")), ["proxy.services (line 1): service list is empty"]);
    assert_eq!(faults(text("{a: 1}")), ["proxy.services (line 1): expected a list, instead got {a: 1}"]);
    assert_eq!(faults(text("")), ["proxy.services (line 1): expected a list, instead got null"]);
    assert_eq!(faults(text("[x]")), ["proxy.services[0] (line 1): expected a dict, instead got x"]);
}

#[test]
fn all_mistakes_are_said_in_the_order_of_the_checks() {
    let text = "\
proxy:
  access_log: maybe
  services:
    - hosts: [{port: x, address: 1}, {}]
      domain: 5
    - {name: a, domain: a.b, hosts: [], retries: -1}
    - {name: a, domain: A.B, hosts: 7}
    - {name: a, domain: a.b., hosts: [{address: ::1, port: 1}]}
  listen: {port: 0, address: x}
";
    let starts = [
        "proxy.listen.address (line 9): x is not",
        "proxy.listen.port (line 9): expected a port",
        "proxy.services[0] (line 4): no section name in",
        "proxy.services[0].domain (line 5): 5 type is not str",
        "proxy.services[0].hosts[0].address (line 4): 1 type is not str",
        "proxy.services[0].hosts[0].port (line 4): x type is not int",
        "proxy.services[0].hosts[1] (line 4): no section address in {}",
        "proxy.services[0].hosts[1] (line 4): no section port in {}",
        "proxy.services[1].hosts (line 6): hosts list of service a is empty",
        "proxy.services[1].retries (line 6): expected a number",
        "proxy.services[2].hosts (line 7): expected a list of host for service a, instead got 7",
        "proxy.services[2].domain (line 7): duplicate service domain: \"A.B\", first in line 6",
        "proxy.services[2].name (line 7): duplicate service name: \"a\", first in line 6",
        "proxy.services[3].domain (line 8): duplicate service domain: \"a.b.\", first in line 6",
        "proxy.services[3].name (line 8): duplicate service name: \"a\", first in line 6",
        "proxy.access_log (line 2): expected one of off, text, json, instead got maybe",
    ];
    let faults = faults(text);
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{start}: {fault}");
    }
    assert_eq!(super::tests::faults("proxy: {}").len(), 2);
}

#[test]
fn what_nothing_knows_and_what_no_request_asks_for_is_warned_of() {
    let text = "\
x-common: &c {port: 1, adress: y}
proxy:
  listen: {address: ::1, port: 1, backlog: 5}
  servcies: []
  services:
    - name: a
      domain: 'a:80'
      hosts: [{<<: *c, address: ::1}]
      health: {pth: /}
      'a b': 1
    - {name: b, domain: ' b', hosts: [{address: ::1, port: 1}], timeouts: {}, queue: {size: 1}}
    - {name: c, domain: '', hosts: [{address: ::1, port: 1}], timeouts: {tunnel: 1h}}
";
    let (_, warnings) = loaded(text).unwrap();
    let expected = [
        "x-common (line 1): unknown key",
        "proxy.servcies (line 4): unknown key",
        "proxy.listen.backlog (line 3): unknown key",
        "proxy.services[0][a b] (line 10): unknown key",
        "proxy.services[0].hosts[0].adress (line 1): unknown key",
        "proxy.services[0].domain (line 7): no request has this Host: a:80",
        "proxy.services[0].health.pth (line 9): unknown key",
        "proxy.services[1].domain (line 11): no request has this Host:  b",
        "proxy.services[1].queue.size (line 11): unknown key",
        "proxy.services[2].domain (line 12): no request has this Host: ",
        "proxy.services[2].timeouts.tunnel (line 12): unknown key",
    ];
    assert_eq!(warnings, expected);
}

/// A good configuration, as JSON has it, and what must come of it.
fn configuration() -> impl Strategy<Value = (Json, String)> {
    let port = 1u16..;
    let address = prop_oneof![
        any::<std::net::IpAddr>().prop_map(|ip| ip.to_string()),
        "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{1,10}){0,3}",
    ];
    let member = (address, port.clone(), 0u32..=65_535);
    let strategy = prop::sample::select(&["RANDOM", "RROBIN", "LEAST", "random", "least"][..]);
    let service = (any::<String>(), prop::collection::vec(member, 1..5), strategy);
    (any::<std::net::IpAddr>(), port, prop::collection::vec(service, 1..6)).prop_map(|(ip, port, services)| {
        let mut expected = format!("{}", SocketAddr::new(ip, port));
        let mut all = Vec::new();
        for (number, (name, hosts, strategy)) in services.into_iter().enumerate() {
            let (name, domain) = (format!("{name}{number}"), format!("d{number}.example"));
            expected += &format!("|{name:?} {domain} {}", strategy.to_ascii_uppercase());
            let mut members = Vec::new();
            for (address, port, weight) in hosts {
                expected += &format!(" {address} {port} {weight}");
                members.push(json!({"address": address, "port": port, "weight": weight}));
            }
            all.push(json!({"name": name, "domain": domain, "hosts": members, "strategy": strategy}));
        }
        (json!({"proxy": {"services": all, "listen": {"address": ip.to_string(), "port": port}}}), expected)
    })
}

/// The same of what was read.
fn told(config: &ProxyConfig) -> String {
    let mut told = config.listen.to_string();
    for service in &config.services {
        let strategy = match service.strategy {
            Choice::Random => "RANDOM",
            Choice::RoundRobin => "RROBIN",
            Choice::LeastRequests => "LEAST",
        };
        told += &format!("|{:?} {} {strategy}", service.name, service.domain);
        for host in &service.hosts {
            let address = match &host.address {
                MemberAddress::Ip(ip) => ip.to_string(),
                MemberAddress::Name(name) => name.clone(),
            };
            told += &format!(" {address} {} {}", host.port, host.weight);
        }
    }
    told
}

/// Every value below this one, by its pointer (RFC 6901).
fn pointers(value: &Json, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Json::Object(members) => members.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(place, value)| pointers(value, &format!("{at}/{place}"), all));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_good_file_is_read_as_what_it_says((json, expected) in configuration()) {
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            let (config, warnings) = loaded(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?} {text}")))?;
            prop_assert_eq!(told(&config), expected.clone());
            prop_assert!(warnings.is_empty(), "{:?}", warnings);
        }
    }

    #[test]
    fn a_wrong_value_anywhere_is_found(
        (mut json, _) in configuration(),
        place in any::<prop::sample::Index>(),
        wrong in prop::sample::select(vec![Json::Null, json!([]), json!({}), json!(true), json!(-1), json!(1.5)]),
    ) {
        let mut all = Vec::new();
        pointers(&json, "", &mut all);
        let pointer = place.get(&all).clone();
        // Nothing behind a key that may be missing is as if it were.
        let is_optional = pointer.ends_with("/weight") || pointer.ends_with("/strategy");
        prop_assume!(!(is_optional && wrong.is_null()));
        *json.pointer_mut(&pointer).unwrap() = wrong;
        let faults = faults(json.to_string());
        prop_assert!(!faults.is_empty());
        let own: String = pointer.split('/').skip(1).map(|part| match part.parse::<usize>() {
            Ok(place) => format!("[{place}]"),
            Err(_) => format!(".{part}"),
        }).collect();
        let own = own.trim_start_matches('.');
        let own = if own.is_empty() { "F" } else { own };
        prop_assert!(faults.iter().any(|fault| fault.starts_with(&format!("{own} (line 1): "))), "{} {:?}", own, faults);
    }

    #[test]
    fn nothing_in_a_file_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((0usize..GOOD.len(), 0usize..12, "[-\\[\\]{}:,&*!|>'\"#a0 \n]{0,3}"), 0..5),
    ) {
        let mut text = GOOD.to_owned();
        for (at, removed, inserted) in changes {
            let at = at.min(text.len());
            let end = (at + removed).min(text.len());
            text.replace_range(at..end, &inserted);
        }
        for text in [text.into_bytes(), bytes] {
            if let Err(faults) = loaded(&text) {
                prop_assert!(!faults.is_empty() && faults.iter().all(|fault| fault.lines().count() == 1), "{:?}", faults);
            }
        }
    }
}
