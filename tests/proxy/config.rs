//! The configuration: what `--check` says of a file, and that nothing starts with one that is wrong.

use std::fs;
use std::net::TcpListener;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::ended::{Ended, ended, proxy};
use crate::harness::shape;
use crate::json::Json;

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
    - {name: two, domain: two.example, strategy: LEAST, hosts: [{address: two.internal, port: 82, weight: 3}]}
";

/// What `--check` says of a file.
fn checked(text: &str) -> Ended {
    ended(&[("config.yaml", text)], &["--check"], &[])
}

#[test]
fn a_good_file_is_summed_up() {
    let summary = "config.yaml: ok: 2 services, 3 members, on 127.0.0.1:8080\n";
    let end = checked(GOOD);
    assert_eq!((end.code, end.stdout.as_str(), end.stderr.as_str()), (Some(0), summary, ""));
    let end = ended(&[("other.yaml", GOOD)], &["--check", "-f", "other.yaml", "-t", "5"], &[]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), summary.replace("config", "other").as_str()));
    let json = "{\"proxy\":{\"listen\":{\"address\":\"::1\",\"port\":1},\"services\":[{\"name\":\"a\",\"domain\":\"a\",\
                \"hosts\":[{\"address\":\"::1\",\"port\":2}]}]}}";
    let end = checked(json);
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), "config.yaml: ok: 1 service, 1 member, on [::1]:1\n"));
}

#[test]
fn an_unknown_key_is_a_warning_that_names_it() {
    let text = GOOD.replace("    port: 8080", "    port: 8080\n    backlog: 9") + "other: 1\n";
    let end = checked(&text);
    assert_eq!(end.code, Some(0), "{end:?}");
    let warnings = "warning: other (line 15): unknown key\nwarning: proxy.listen.backlog (line 5): unknown key\n";
    assert_eq!(end.stderr, warnings);
}

#[test]
fn every_mistake_is_a_line_with_its_path_and_value() {
    let text = GOOD.replace("127.0.0.1", "localhost").replace("81", "70000").replace("two.example", "One.Example.");
    let end = checked(&text);
    assert_eq!((end.code, end.stdout.as_str()), (Some(1), ""), "{end:?}");
    let expected = "proxy.listen.address (line 3): localhost is not a valid ip address
proxy.services[0].hosts[1].port (line 12): expected a port from 1 to 65535, instead got 70000
proxy.services[1].domain (line 13): duplicate service domain: \"One.Example.\", first in line 7
";
    assert_eq!(end.stderr, expected);
}

/// A file, and how what is said of it begins.
const WRONG: [(&str, &str); 22] = [
    ("", "config.yaml: it is empty"),
    ("# nothing\n", "config.yaml: line 1, column 1: it is empty"),
    ("proxy: [\n", "config.yaml: "),
    ("proxy:\n  a: 1\n b: 2\n", "config.yaml: "),
    ("- proxy", "config.yaml (line 1): expected a dict, instead got [proxy]"),
    ("a: 1", "config.yaml (line 1): no section proxy in {a: 1}"),
    ("proxy: 5", "proxy (line 1): expected a dict, instead got 5"),
    ("proxy: {listen: {}, listen: {}}", "config.yaml: proxy (line 1, column 21): the key listen is given twice"),
    ("proxy: {}", "proxy (line 1): no section listen in {}\nproxy (line 1): no section services in {}"),
    (
        "proxy: {listen: 1, services: [x]}",
        "proxy.listen (line 1): expected a dict, instead got 1\nproxy.services[0] (l",
    ),
    ("proxy: {listen: {}, services: []}", "proxy.listen (line 1): no section address in {}\nproxy.listen (line 1): no"),
    ("proxy: {listen: {address: 1, port: 1}, services: []}", "proxy.listen.address (line 1): 1 type is not str"),
    ("proxy: {listen: {address: a, port: 1}, services: []}", "proxy.listen.address (line 1): a is not a valid ip"),
    ("proxy: {listen: {address: ::1, port: a}, services: []}", "proxy.listen.port (line 1): a type is not int"),
    ("proxy: {listen: {address: ::1, port: on}, services: []}", "proxy.listen.port (line 1): on type is not int"),
    ("proxy: {listen: {address: ::1, port: true}, services: []}", "proxy.listen.port (line 1): true type is not int"),
    ("proxy: {listen: {address: ::1, port: 0}, services: []}", "proxy.listen.port (line 1): expected a port from 1 to"),
    ("proxy: {listen: {address: ::1, port: 1}, services: []}", "proxy.services (line 1): service list is empty"),
    (
        "proxy: {listen: {address: ::1, port: 1}, services: {}}",
        "proxy.services (line 1): expected a list, instead got {}",
    ),
    (
        "proxy: {listen: {address: ::1, port: 1}, services: [{name: n, domain: d, hosts: []}]}",
        "proxy.services[0].hosts (line 1): hosts list of service n is empty",
    ),
    (
        "proxy: {listen: {address: ::1, port: 1}, services: [{name: n, domain: d, hosts: 5}]}",
        "proxy.services[0].hosts (line 1): expected a list of host for service n, instead got 5",
    ),
    (
        "proxy: {listen: {address: ::1, port: 1}, services: [{name: n, domain: d, hosts: [{address: '?', port: 1}]}]}",
        "proxy.services[0].hosts[0].address (line 1): ? is not a valid ip address",
    ),
];

#[test]
fn what_is_wrong_with_a_file_is_said() {
    for (text, expected) in WRONG {
        let end = checked(text);
        assert_eq!((end.code, end.stdout.as_str()), (Some(1), ""), "{text}: {end:?}");
        assert!(end.stderr.starts_with(expected), "{text}: {end:?}");
    }
    let end = ended(&[], &["--check"], &[]);
    assert!(end.code == Some(1) && end.stderr.starts_with("config.yaml: No such file"), "{end:?}");
    let end = ended(&[], &["--check", "-f", "."], &[]);
    assert_eq!((end.code, end.stderr.as_str()), (Some(1), ".: it is a folder\n"));
}

#[test]
fn nothing_starts_with_a_wrong_file_and_the_log_says_why() {
    for (text, expected) in WRONG {
        let end = ended(&[("config.yaml", text)], &["-p", "0"], &[]);
        assert_eq!((end.code, end.stdout.as_str()), (Some(1), ""), "{text}: {end:?}");
        let lines: Vec<&str> = end.stderr.lines().collect();
        assert_eq!(lines.len(), 1 + expected.lines().count().max(checked(text).stderr.lines().count()), "{end:?}");
        assert!(lines[0].ends_with(" -  INFO - configuration file: config.yaml"), "{end:?}");
        let first = expected.lines().next().unwrap();
        for line in &lines[1..] {
            assert!(shape(line).starts_with("#-#-# #:#:#,# -  ERROR - "), "{line}");
        }
        assert!(lines[1].split_once(" -  ERROR - ").unwrap().1.starts_with(first), "{text}: {end:?}");
    }
    for (arguments, expected) in [(&[][..], "config.yaml: No such file"), (&["-f", "/"], "/: it is a folder")] {
        let end = ended(&[], arguments, &[]);
        assert!(end.code == Some(1) && end.stderr.contains(&format!(" -  ERROR - {expected}")), "{end:?}");
    }
}

#[test]
fn a_wrong_file_is_found_before_any_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = GOOD.replace("8080", &port.to_string()).replace("81", "0");
    let end = ended(&[("config.yaml", &text)], &["-p", &port.to_string()], &[]);
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("hosts[1].port (line 12)") && !end.stderr.contains("in use"), "{end:?}");
    // The check looks at the file alone.
    let end = ended(&[("config.yaml", &GOOD.replace("8080", &port.to_string()))], &["--check"], &[]);
    assert_eq!(end.code, Some(0), "{end:?}");
}

#[test]
fn the_level_and_the_form_of_the_log_are_chosen_by_flags() {
    let wrong = [("config.yaml", "proxy: 1")];
    for (level, lines) in [("debug", 2), ("info", 2), ("warn", 1), ("error", 1)] {
        let end = ended(&wrong, &["-l", level], &[("RUST_LOG", "off")]);
        assert_eq!((end.code, end.stderr.lines().count()), (Some(1), lines), "{level}: {end:?}");
    }
    for end in [
        ended(&wrong, &["--log-format=json"], &[("POD_NAME", "p-0")]),
        ended(&wrong, &[], &[("LOGFORMAT", "json"), ("POD_NAME", "p-0")]),
    ] {
        let line = Json::parse(end.stderr.lines().last().unwrap());
        assert_eq!((line["level"].string(), line["pod"].string()), ("error", "p-0"));
        assert_eq!(line["message"].string(), "proxy (line 1): expected a dict, instead got 1");
    }
    let stamp = |zone| ended(&wrong, &[], &[("TZ", zone)]).stderr[..13].to_owned();
    assert_ne!(stamp("UTC0"), stamp("XXX-5"), "the time is local");
}

#[test]
fn no_file_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = "[-\\[\\]{}:,&*!|>'\"#%a0 \t\n\\\\<]{0,4}";
    let changes = prop::collection::vec((0..GOOD.len(), 0usize..20, pieces), 1..8);
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&changes, |changes| {
            let mut text = GOOD.to_owned();
            for (at, removed, inserted) in changes {
                let at = at.min(text.len());
                text.replace_range(at..(at + removed).min(text.len()), &inserted);
            }
            fs::write(folder.path().join("config.yaml"), &text).unwrap();
            let end = Ended::of(proxy(folder.path(), &["--check"]));
            match end.code {
                Some(0) => prop_assert!(end.stdout.starts_with("config.yaml: ok: "), "{text}: {end:?}"),
                Some(1) => {
                    let says_where = |line: &str| {
                        line.starts_with("config.yaml") || (line.starts_with("proxy") && line.contains(" (line "))
                    };
                    prop_assert!(!end.stderr.is_empty() && end.stdout.is_empty(), "{text}: {end:?}");
                    prop_assert!(end.stderr.lines().all(says_where), "{text}: {end:?}");
                }
                _ => prop_assert!(false, "{text}: {end:?}"),
            }
            Ok(())
        })
        .unwrap();
}
