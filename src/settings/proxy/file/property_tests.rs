//! Any good file is read, any mistake is found, and nothing makes it panic.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::tests::{GOOD, faults, loaded};
use crate::settings::proxy::config::{MemberAddress, ProxyConfig, Strategy as Choice};

/// A good configuration, as JSON has it, and what must come of it.
fn configuration() -> impl Strategy<Value = (Json, String)> {
    let port = 1u16..;
    let address = prop_oneof![
        any::<IpAddr>().prop_map(|ip| ip.to_string()),
        "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{1,10}){0,3}",
    ];
    let member = (address, port.clone(), 0u32..=65_535);
    let strategy = prop::sample::select(&["RANDOM", "RROBIN", "LEAST", "random", "least"][..]);
    let service = (any::<String>(), prop::collection::vec(member, 1..5), strategy);
    (any::<IpAddr>(), port, prop::collection::vec(service, 1..6)).prop_map(|(ip, port, services)| {
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
