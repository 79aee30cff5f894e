//! Members that come and go: set aside, checked, added and removed while the proxy runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::parts::{Member, Proxy, get, ok};
use crate::harness::eventually;

#[test]
fn who_fails_again_and_again_is_set_aside() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let bad = Member::start(move |visit, _| {
        while visit.head().is_some() {
            counted.fetch_add(1, Ordering::SeqCst);
            visit.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let good = Member::answering(ok("ok"));
    let proxy = Proxy::start(&[("h1", &[&bad, &good])], "      strategy: RROBIN\n", &["--threads", "1"]);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(proxy.client().ask(&get("h1")).status);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "{statuses:?}");
    eventually("the log says so", || proxy.process.log().contains("is set aside for 10 s"));
}

#[test]
fn where_all_are_set_aside_they_are_asked_all_the_same() {
    let member = Member::start(|visit, number| {
        visit.head();
        if number >= 3 {
            visit.send(ok("ok"));
        }
    });
    let proxy = Proxy::start(&[("h1", &[&member])], "      retries: 0\n", &["--threads", "1"]);
    let statuses: Vec<_> = (0..5).map(|_| proxy.client().ask(&get("h1")).status).collect();
    assert_eq!(statuses, [502, 502, 502, 200, 200]);
}

#[test]
fn who_fails_its_checks_gets_nothing_until_it_passes_them() {
    let fails = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&fails);
    let sick = Member::start(move |visit, _| {
        while let Some(head) = visit.head() {
            if head.starts_with("GET /check ") {
                assert!(head.contains("\r\nHost: h1\r\n"), "{head}");
                let status = if flag.load(Ordering::SeqCst) { "500 No" } else { "204 Yes" };
                visit.send(format!("HTTP/1.1 {status}\r\n\r\n"));
                return;
            }
            visit.send(ok("sick"));
        }
    });
    let well = Member::answering(ok("well"));
    let health = "      strategy: RROBIN\n      health: {path: /check, interval: 100ms, timeout: 5s, healthy: 2, unhealthy: 2}\n";
    let proxy = Proxy::start(&[("h1", &[&sick, &well])], health, &["--threads", "1"]);
    eventually("it is down", || proxy.process.log().contains("is down: it fails its checks"));
    for _ in 0..10 {
        assert_eq!(proxy.client().ask(&get("h1")).body, "well");
    }
    fails.store(false, Ordering::SeqCst);
    eventually("it is up again", || proxy.process.log().contains("is up again: it passes its checks"));
    eventually("it is asked", || proxy.client().ask(&get("h1")).body == "sick");
}

#[test]
fn a_changed_file_is_taken_and_a_broken_one_is_not() {
    let (one, two) = (Member::answering(ok("one")), Member::answering(ok("two")));
    let proxy = Proxy::of(&[&one]);
    let mut client = proxy.client();
    assert_eq!(client.ask(&get("h1")).body, "one");
    let path = proxy.process.data.path().join("proxy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let port = |member: &Member| format!("port: {}", member.address.port());
    // As a ConfigMap is changed: another file in its place.
    let next = path.with_extension("next");
    std::fs::write(&next, text.replace(&port(&one), &port(&two))).unwrap();
    std::fs::rename(&next, &path).unwrap();
    eventually("the other one answers", || client.ask(&get("h1")).body == "two");
    std::fs::write(&path, "proxy: [").unwrap();
    eventually("it says so", || proxy.process.log().contains("the configuration stays as it was"));
    assert_eq!(client.ask(&get("h1")).body, "two");
    let taken = |is: &str| format!("\ntestero_proxy_config_last_reload_successful {is}\n");
    assert!(proxy.metrics().contains(&taken("0")));
    assert!(proxy.process.get("/status").contains("\nThe configuration file was refused when it was read last"));
    // At once, where it is told to.
    std::fs::write(&path, text).unwrap();
    proxy.process.signal(libc::SIGHUP);
    eventually("the first one answers again", || client.ask(&get("h1")).body == "one");
    assert!(proxy.metrics().contains(&taken("1")));
    assert!(!proxy.process.get("/status").contains("refused"));
}

#[test]
fn no_request_is_lost_while_the_file_changes() {
    let (one, two) = (Member::answering(ok("one")), Member::answering(ok("two")));
    let proxy = Proxy::of(&[&one]);
    let path = proxy.process.data.path().join("proxy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let other = text.replace(&format!("port: {}", one.address.port()), &format!("port: {}", two.address.port()));
    let done = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut answered) = (proxy.client(), 0);
                    while !done.load(Ordering::SeqCst) {
                        let body = client.ask(&get("h1")).body;
                        assert!(["one", "two"].contains(&body.as_str()), "{body}");
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        for round in 1..=100 {
            std::fs::write(&path, if round % 2 == 0 { &text } else { &other }).unwrap();
            proxy.process.signal(libc::SIGHUP);
            eventually("it is taken", || proxy.process.log().matches("read again").count() >= round);
        }
        done.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    assert!(answered >= 100, "{answered}");
}

#[test]
fn a_member_that_is_a_name_is_found_and_one_that_is_not_is_no_end() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::of(&[&member]);
    let path = proxy.process.data.path().join("proxy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let host = "{address: 127.0.0.1, port: ".to_owned() + &member.address.port().to_string();
    let named = text.replace(&host, &host.replace("127.0.0.1", "localhost"));
    assert_ne!(named, text);
    std::fs::write(&path, &named).unwrap();
    proxy.process.signal(libc::SIGHUP);
    eventually("the name is known", || proxy.process.log().contains("member localhost is at"));
    eventually("it answers", || proxy.client().ask(&get("h1")).body == "ok");
    std::fs::write(&path, text.replace(&host, &host.replace("127.0.0.1", "nowhere.invalid"))).unwrap();
    proxy.process.signal(libc::SIGHUP);
    eventually("it is said", || proxy.process.log().contains("member nowhere.invalid: "));
    eventually("nobody is asked", || proxy.client().ask(&get("h1")).status == 502);
    assert!(proxy.process.get("/status").contains("\nnowhere.invalid has no address: nothing goes to it\n"));
    assert!(proxy.metrics().contains("\ntestero_proxy_unknown_names 1\n"));
}
