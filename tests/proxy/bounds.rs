//! How much at a time, and for how long.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::parts::{Member, Proxy, get, ok};
use crate::harness::eventually;

const UNAVAILABLE: &str = "<h1>Error 503: Service Unavailable</h1>";

#[test]
fn requests_wait_for_a_member_that_has_room_and_not_for_ever() {
    let slow = || {
        Member::start(|visit, _| {
            while visit.head().is_some() {
                std::thread::sleep(Duration::from_millis(300));
                visit.send(ok("ok"));
            }
        })
    };
    let member = slow();
    let bounds = "      max_requests_per_member: 1\n      queue: {length: 2, time: 30s}\n";
    let proxy = Proxy::start(&[("h1", &[&member])], bounds, &[]);
    let mut clients: Vec<_> = (0..4)
        .map(|number| {
            let mut client = proxy.client();
            client.send(&get("h1"));
            if number == 0 {
                eventually("the member is busy", || member.heads().len() == 1);
            }
            client
        })
        .collect();
    let mut statuses: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 503], "one is served, two wait, one is too many");
    let member = slow();
    let bounds = "      max_requests_per_member: 1\n      queue: {length: 2, time: 50ms}\n";
    let proxy = Proxy::start(&[("h1", &[&member])], bounds, &[]);
    let mut first = proxy.client();
    first.send(&get("h1"));
    eventually("the member is busy", || member.heads().len() == 1);
    let answer = proxy.client().ask(&get("h1"));
    assert_eq!((answer.status, answer.body.as_str(), answer.field("Retry-After")), (503, UNAVAILABLE, Some("1")));
    assert_eq!(first.answer().status, 200);
}

#[test]
fn a_request_that_waits_is_sent_as_soon_as_there_is_room_whichever_thread_makes_it() {
    const CLIENTS: usize = 8;
    const EACH: usize = 25;
    let member = Member::start(|visit, _| {
        while visit.head().is_some() {
            thread::sleep(Duration::from_millis(2));
            visit.send(ok("ok"));
        }
    });
    let bounds = "      max_requests_per_member: 1\n      queue: {length: 100, time: 60s}\n";
    let proxy = Proxy::start(&[("h1", &[&member])], bounds, &["--threads", "3"]);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = proxy.client();
                for _ in 0..EACH {
                    assert_eq!(client.ask(&get("h1")).status, 200);
                }
            });
        }
    });
    // Nearly each of them finds the member busy. Who was only looked after now and then would take a multiple.
    let took = start.elapsed();
    assert!(took < Duration::from_millis(50) * (CLIENTS * EACH) as u32, "{took:?}");
}

#[test]
fn connections_are_bounded() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::start(&[("h1", &[&member])], "", &[]);
    let path = proxy.process.data.path().join("proxy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    for bound in ["max_connections: 3", "max_connections_per_client: 3"] {
        let before = proxy.process.log().matches("read again").count();
        std::fs::write(&path, text.replace("  services:", &format!("  {bound}\n  services:"))).unwrap();
        proxy.process.signal(libc::SIGHUP);
        eventually("the bound is known", || proxy.process.log().matches("read again").count() > before);
        let mut held: Vec<_> = (0..3).map(|_| proxy.client()).collect();
        held.iter_mut().for_each(|client| assert_eq!(client.ask(&get("h1")).status, 200));
        let answer = String::from_utf8(proxy.client().rest()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with(UNAVAILABLE), "{bound}: {answer}");
        held.pop();
        eventually("who goes makes room", || {
            let mut client = proxy.client();
            let asked = client.stream().write_all(&get("h1")).and_then(|()| client.until(b" "));
            asked.is_ok() && client.exactly(3).is_ok_and(|status| status == b"200") || {
                std::thread::sleep(Duration::from_millis(20));
                false
            }
        });
        held.clear();
        eventually("all are gone", || {
            let log = proxy.process.log();
            log.matches("connection accepted").count() == log.matches("connection closed").count()
        });
    }
}

#[test]
fn a_service_has_its_own_time_outs() {
    let silent = Member::start(|visit, _| {
        visit.head();
        visit.head();
    });
    let timeouts = "      timeouts: {answer: 300ms, idle: 300ms, head: 300ms}\n";
    let proxy = Proxy::start(&[("h1", &[&silent])], timeouts, &[]);
    let start = Instant::now();
    assert_eq!(proxy.client().ask(&get("h1")).status, 504);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::start(&[("h1", &[&member])], timeouts, &[]);
    for partial in ["", "GET / HT"] {
        let mut client = proxy.client();
        assert_eq!(client.ask(&get("h1")).body, "ok");
        client.send(partial.as_bytes());
        let rest = String::from_utf8(client.rest()).unwrap();
        assert_eq!(rest.contains(" 408 "), !partial.is_empty(), "{rest}");
    }
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}
