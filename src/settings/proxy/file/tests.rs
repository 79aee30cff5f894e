//! What files come to, and what is said of those with mistakes.

use std::time::Duration;

use super::*;
use crate::settings::proxy::config::{
    HealthConfig, MemberAddress, MemberConfig, QueueConfig, RequestLimits, ServiceTimeouts, Strategy,
};
use crate::yaml::MOST_BYTES;

pub(super) type Loaded = Result<(ProxyConfig, Vec<String>), Vec<String>>;

/// Loads a file with this in it. Its name is `F` in what is said.
pub(super) fn loaded(text: impl AsRef<[u8]>) -> Loaded {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(file.path())
        .map_err(|faults| faults.iter().map(|line| line.replace(file.path().to_str().unwrap(), "F")).collect())
}

pub(super) fn faults(text: impl AsRef<[u8]>) -> Vec<String> {
    loaded(text).unwrap_err()
}

pub(super) const GOOD: &str = "\
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

/// Pieces of it.
const TWO_HOSTS: &str = "      hosts: [{address: two.internal, port: 82}]\n";
const MEMBERS: &str = "[{address: two.internal, port: 82}]";

/// The sample with the first of a piece replaced.
pub(super) fn with(piece: &str, other: &str) -> String {
    assert!(GOOD.contains(piece), "{piece}");
    GOOD.replacen(piece, other, 1)
}

#[test]
fn a_file_of_the_originals_is_read() {
    let (config, warnings) = loaded(GOOD).unwrap();
    assert_eq!((config.listen.to_string().as_str(), warnings), ("127.0.0.1:8080", Vec::new()));
    assert_eq!(config.summary(), "2 services, 3 members, on 127.0.0.1:8080");
    let [one, two] = &config.services[..] else { panic!("{config:?}") };
    assert_eq!((one.name.as_str(), one.domain.as_str(), one.strategy), ("one", "one.example", Strategy::Random));
    let member = |address: &str, port| MemberConfig {
        address: address.parse().map_or_else(|_| MemberAddress::Name(address.to_owned()), MemberAddress::Ip),
        port,
        weight: 1,
    };
    assert_eq!(one.hosts, [member("10.0.0.1", 80), member("::1", 81)]);
    assert_eq!(two.hosts, [member("two.internal", 82)]);
    assert_eq!((&one.health, &one.timeouts, &one.queue), (&None, &ServiceTimeouts::default(), &QueueConfig::default()));
    assert_eq!((one.max_requests_per_member, one.retries), (None, None));
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
      limits: {head: 8Ki, body: 1.5M}
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
    assert_eq!((a.domain.as_str(), domain_key(a.domain.as_bytes()).as_slice()), ("A.Example.", &b"a.example"[..]));
    let strategies = [Strategy::RoundRobin, Strategy::LeastRequests, Strategy::Random];
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
    assert_eq!(a.limits, RequestLimits { head: Some(8192), body: Some(1_500_000) });
    assert_eq!(b.limits, RequestLimits::default());
    assert_eq!((a.max_requests_per_member, a.retries), (Some(20), Some(0)));
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
    for text in ["proxy: [", "proxy:\n  listen: {\n", "a: b: c"] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].starts_with("F: ") && faults[0].contains("line "), "{faults:?}");
    }
    assert_eq!(faults(b"proxy:\n  a: \xff\n"), ["F: line 2: it is not UTF-8"]);
    assert_eq!(faults(b"\xff\xfe{\0}\0"), ["F: line 1: it is not UTF-8"]);
    assert_eq!(faults("#".repeat(MOST_BYTES + 1)), [format!("F: it is longer than {MOST_BYTES} bytes")]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    assert_eq!(load(folder.path()).unwrap_err(), [format!("{path}: it is a folder")]);
    let missing = load(&folder.path().join("x.yaml")).unwrap_err();
    assert!(missing.len() == 1 && missing[0].starts_with(&format!("{path}/x.yaml: No such file")), "{missing:?}");
}

/// What is said of the sample with the first of a piece replaced is one fault, which begins so.
fn says(piece: &str, other: &str, expected: &str) {
    let faults = faults(with(piece, other));
    assert!(faults.len() == 1 && faults[0].starts_with(expected), "{expected}: {faults:#?}");
}

#[test]
fn what_is_missing_is_said_with_what_is_there() {
    for (piece, expected) in [
        ("  listen:\n    address: 127.0.0.1\n    port: 8080\n", "proxy (line 2): no section listen in {services: [{"),
        ("    address: 127.0.0.1\n", "proxy.listen (line 3): no section address in {port: 8080}"),
        ("    port: 8080\n", "proxy.listen (line 3): no section port in {address: 127.0.0.1}"),
        ("name: one\n      ", "proxy.services[0] (line 6): no section name in {domain: one.example, hosts: ["),
        ("      domain: two.example\n", "proxy.services[1] (line 13): no section domain in {name: two, hosts: [{"),
        (TWO_HOSTS, "proxy.services[1] (line 13): no section hosts in {name: two, domain: two.example}"),
        ("address: two.internal, ", "proxy.services[1].hosts[0] (line 15): no section address in {port: 82}"),
        (", port: 82", "proxy.services[1].hosts[0] (line 15): no section port in {address: two.internal}"),
    ] {
        says(piece, "", expected);
    }
    let listen_alone = "proxy: {listen: {address: '::', port: 1}}";
    assert_eq!(faults(listen_alone), ["proxy (line 1): no section services in {listen: {address: ::, port: 1}}"]);
}

#[test]
fn where_it_listens_must_be_an_address_and_a_port() {
    for (other, expected) in [
        ("localhost", "localhost is not a valid ip address"),
        ("'1.2.3.4.5'", "1.2.3.4.5 is not a valid ip address"),
        ("'[::1]'", "[::1] is not a valid ip address"),
        ("", "null type is not str; in quotes it is one"),
        ("1.5", "1.5 type is not str; in quotes it is one"),
        ("[a]", "[a] type is not str"),
    ] {
        says("127.0.0.1", other, &format!("proxy.listen.address (line 3): {expected}"));
    }
    for (other, expected) in [
        ("x", "x type is not int"),
        ("true", "true type is not int"),
        ("'8080'", "8080 type is not int; without quotes it is one"),
        ("80.0", "80.0 type is not int"),
        ("", "null type is not int"),
        ("{}", "{} type is not int"),
        ("0", "expected a port from 1 to 65535, instead got 0"),
        ("70000", "expected a port from 1 to 65535, instead got 70000"),
        ("-1", "expected a port from 1 to 65535, instead got -1"),
        ("99999999999999999999", "expected a port from 1 to 65535, instead got 99999999999999999999"),
    ] {
        says("8080", other, &format!("proxy.listen.port (line 4): {expected}"));
    }
    says(
        "listen:\n    address: 127.0.0.1\n    port: 8080",
        "listen: x",
        "proxy.listen (line 2): expected a dict, instead got x",
    );
}

#[test]
fn an_ipv6_address_is_one_domain_with_and_without_its_brackets() {
    let bare = with("one.example", "::1");
    assert_eq!(loaded(&bare).unwrap().1, Vec::<String>::new());
    let both = bare.replacen("two.example", "'[::1]'", 1);
    assert_eq!(
        faults(both),
        ["proxy.services[1].domain (line 14): duplicate service domain: \"[::1]\", first in line 7"]
    );
}

#[test]
fn services_and_members_must_be_what_they_are_said_to_be() {
    for (piece, other, expected) in [
        ("name: two", "name: 2", ".name (line 13): expected a str, instead got 2; in quotes it is one"),
        ("two.example", "true", ".domain (line 14): expected a str, instead got true; in quotes it is one"),
        ("two.example", "one.example", ".domain (line 14): duplicate service domain: \"one.example\", first in line 7"),
        ("two.example", "ONE.example.", ".domain (line 14): duplicate service domain: \"ONE.example.\", first"),
        ("name: two", "name: one", ".name (line 13): duplicate service name: \"one\", first in line 6"),
        (MEMBERS, "[]", ".hosts (line 15): hosts list of service two is empty"),
        (MEMBERS, "{}", ".hosts (line 15): expected a list of host for service two, instead got {}"),
        (MEMBERS, "", ".hosts (line 15): expected a list of host for service two, instead got null"),
        (MEMBERS, "[10.0.0.1]", ".hosts[0] (line 15): expected a dict, instead got 10.0.0.1"),
        ("82", "no", ".hosts[0].port (line 15): no type is not int"),
        ("82", "65536", ".hosts[0].port (line 15): expected a port from 1 to 65535, instead got 65536"),
        ("82", "82, weight: -1", ".hosts[0].weight (line 15): expected a weight from 0 to 65535, instead got -1"),
        ("82", "82, weight: x", ".hosts[0].weight (line 15): x type is not int"),
    ] {
        says(piece, other, &format!("proxy.services[1]{expected}"));
    }
    for other in ["10.0.0.300", "'http://two'", "-a.b", "a-.b", "a..b", "''", "'two:80'", "'1'", "a b", "'[::1]'", "ä"]
    {
        let shown = other.trim_matches('\'');
        let expected = format!("proxy.services[1].hosts[0].address (line 15): {shown} is not a valid ip address");
        says("two.internal", other, &expected);
    }
    // Names are compared as they are written.
    assert!(loaded(with("name: two", "name: One")).is_ok() && loaded(with("name: two", "name: no")).is_ok());
    for (services, expected) in [
        ("[]", "proxy.services (line 1): service list is empty"),
        ("{a: 1}", "proxy.services (line 1): expected a list, instead got {a: 1}"),
        ("", "proxy.services (line 1): expected a list, instead got null"),
        ("[x]", "proxy.services[0] (line 1): expected a dict, instead got x"),
    ] {
        let text = format!("proxy: {{listen: {{address: ::1, port: 1}}, services: {services}}}");
        assert_eq!(faults(text), [expected]);
    }
}

#[test]
fn what_may_be_missing_must_be_right_where_it_is_said() {
    for (added, expected) in [
        ("strategy: FIRST", "strategy (line 14): expected one of RANDOM, RROBIN, LEAST, instead got FIRST"),
        ("strategy: [LEAST]", "strategy (line 14): expected one of RANDOM, RROBIN, LEAST, instead got [LEAST]"),
        ("health: /x", "health (line 14): expected a dict, instead got /x"),
        ("health: {path: x}", "health.path (line 14): expected a path like /healthz, instead got x"),
        ("health: {path: \"/\\r\\ny\"}", "health.path (line 14): expected a path like /healthz, instead got /\\r\\ny"),
        ("health: {interval: 0}", "health.interval (line 14): expected a duration longer than 0, instead got 0"),
        ("health: {timeout: soon}", "health.timeout (line 14): \"soon\" is no duration"),
        ("health: {timeout: [1]}", "health.timeout (line 14): expected a duration like 10 or 500ms, instead got [1]"),
        ("health: {healthy: 0}", "health.healthy (line 14): expected a number from 1"),
        ("health: {unhealthy: x}", "health.unhealthy (line 14): x type is not int"),
        ("health: {status: 2000}", "health.status (line 14): expected a status like 200"),
        ("health: {status: 299-200}", "health.status (line 14): expected a status like 200"),
        ("health: {status: [200]}", "health.status (line 14): expected a status like 200"),
        ("timeouts: 10", "timeouts (line 14): expected a dict, instead got 10"),
        ("timeouts: {idle: -1s}", "timeouts.idle (line 14): \"-1s\" is no duration"),
        ("timeouts: {head: true}", "timeouts.head (line 14): \"true\" is no duration"),
        ("limits: 1Mi", "limits (line 14): expected a dict, instead got 1Mi"),
        ("limits: {head: 16Ki}", "limits.head (line 14): expected 16382 bytes at most, instead got 16Ki"),
        ("limits: {body: -1}", "limits.body (line 14): -1: "),
        ("limits: {body: 5 MX}", "limits.body (line 14): 5 MX: \"MX\" is no suffix; an amount is like 64Ki or 1000"),
        ("limits: {body: [1]}", "limits.body (line 14): expected an amount like 64Ki or 1000, instead got [1]"),
        ("queue: []", "queue (line 14): expected a dict, instead got []"),
        ("queue: {length: -1}", "queue.length (line 14): expected a number from 0"),
        ("queue: {time: 0s}", "queue.time (line 14): expected a duration longer than 0"),
        ("retries: many", "retries (line 14): many type is not int"),
        ("max_requests_per_member: '5'", "max_requests_per_member (line 14): 5 type is not int; without"),
    ] {
        says("name: two", &format!("name: two\n      {added}"), &format!("proxy.services[1].{expected}"));
    }
    for (added, expected) in [
        ("max_connections: -1", "max_connections (line 5): expected a number from 1"),
        ("max_connections_per_client: 1.0", "max_connections_per_client (line 5): 1.0 type is not int"),
        ("trusted: ::/0", "trusted (line 5): expected a list, instead got ::/0"),
        (
            "trusted: [::1, 1.1.1.1/33]",
            "trusted[1] (line 5): expected addresses like 10.0.0.0/8, instead got 1.1.1.1/33",
        ),
        ("access_log: true", "access_log (line 5): expected one of off, text, json, instead got true"),
    ] {
        says("  services:", &format!("  {added}\n  services:"), &format!("proxy.{expected}"));
    }
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
        "proxy.services[0].domain (line 5): expected a str, instead got 5",
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

#[test]
fn not_more_is_said_than_anybody_reads() {
    let services = "{name: a, domain: b, hosts: [{}]}, ".repeat(500);
    let said = faults(format!("proxy: {{listen: {{address: ::1, port: 1}}, services: [{services}]}}"));
    assert_eq!((said.len(), said[200].as_str()), (201, "and 1798 further faults"));
    let (_, warnings) = loaded(GOOD.to_owned() + &(0..300).map(|n| format!("k{n}: 1\n")).collect::<String>()).unwrap();
    assert_eq!((warnings.len(), warnings[200].as_str()), (201, "and 100 further warnings"));
}
