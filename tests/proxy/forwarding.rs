//! What goes to a member and comes back, and what does not.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use super::parts::{Member, Proxy, get, ok};
use crate::harness::eventually;

const BAD_REQUEST: &str = "<h1>Error 400: Bad Request</h1>";

#[test]
fn a_host_is_a_service_in_any_case_and_with_any_port() {
    let members = [Member::answering(ok("one")), Member::answering(ok("two"))];
    let proxy = Proxy::start(&[("h1", &[&members[0]]), ("two.example", &[&members[1]])], "", &[]);
    let mut client = proxy.client();
    for (host, body) in [("h1", "one"), ("TWO.example", "two"), ("h1:81", "one"), ("two.example.:1", "two")] {
        assert_eq!(client.ask(&get(host)).body, body, "{host}");
    }
    for host in ["", ":80", "h2", "x.h1", "two", "h1..", "example"] {
        let answer = proxy.client().ask(&get(host));
        assert_eq!((answer.status, answer.body.as_str()), (400, BAD_REQUEST), "{host}");
        assert_eq!(answer.field("Connection"), Some("close"));
        assert_eq!(answer.field("Content-Type"), Some("text/html"));
    }
    eventually("an unknown host is named in the log", || {
        let log = proxy.process.log();
        log.lines().any(|line| line.contains("WARN - ") && line.contains("two"))
    });
}

#[test]
fn requests_that_come_at_once_go_each_to_its_own_service() {
    let members = [Member::answering(ok("one")), Member::answering(ok("two"))];
    let proxy = Proxy::start(&[("h1", &[&members[0]]), ("h2", &[&members[1]])], "", &[]);
    let mut client = proxy.client();
    client.send(&[get("h1"), get("h2"), get("h2"), get("h1")].concat());
    let bodies: Vec<_> = (0..4).map(|_| client.answer().body).collect();
    assert_eq!(bodies, ["one", "two", "two", "one"]);
}

#[test]
fn what_is_end_to_end_arrives_as_it_was_sent() {
    let answer: &[u8] = b"HTTP/1.1 299 Tr\xe8s bien\r\nServer: m\r\nX-A: 1\r\nDate: never\r\nx-a: \xe9\r\nX-A: 1\r\n\
        Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok";
    let member = Member::answering(answer);
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(
        b"PATCH /a%20b?c=%zz&d HTTP/1.1\r\nX-B: 2\r\nHost: h1\r\nx-b: \xe9\r\nX-B: 2\r\nConnection: keep-alive, x-mine\r\n\
          X-Mine: 1\r\nProxy-Connection: a\r\nTE: gzip\r\n\r\n",
    );
    let head = client.until(b"\r\n\r\n").unwrap();
    assert_eq!(
        head.escape_ascii().to_string(),
        b"HTTP/1.1 299 Tr\xe8s bien\r\nServer: m\r\nX-A: 1\r\nDate: never\r\nx-a: \xe9\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n"
            .escape_ascii()
            .to_string()
    );
    assert_eq!(
        member.heads(),
        ["PATCH /a%20b?c=%zz&d HTTP/1.1\r\nX-B: 2\r\nHost: h1\r\nx-b: \u{e9}\r\nX-B: 2\r\n\r\n"]
    );
}

#[test]
fn answers_without_a_body_have_none_whatever_they_say() {
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            visit.send(match path.as_str() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            });
        }
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    for (method, path) in
        [("GET", "/204"), ("GET", "/304"), ("HEAD", "/head"), ("HEAD", "/chunked"), ("GET", "/chunked")]
    {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: h1\r\n\r\n").as_bytes());
        let head = client.until(b"\r\n\r\n").unwrap();
        assert!(head.starts_with(b"HTTP/1.1 "), "{method} {path}: {}", head.escape_ascii());
        if method == "GET" && path == "/chunked" {
            assert_eq!(client.chunked_body(), b"");
        }
    }
    assert_eq!(member.heads().len(), 5);
}

#[test]
fn clients_and_members_of_the_old_version_are_served() {
    let member = Member::start(|visit, _| {
        visit.head();
        visit.send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(&get("h1"));
    assert_eq!(client.head().field("Transfer-Encoding"), Some("chunked"));
    assert_eq!(client.chunked_body(), b"until the end");
    let mut client = proxy.client();
    client.send(b"GET / HTTP/1.0\r\nHost: h1\r\nConnection: keep-alive\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert_eq!(answer, "HTTP/1.0 200 OK\r\n\r\nuntil the end");
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(b"GET / HTTP/1.0\r\nHost: h1\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.body.as_str(), answer.field("Connection")), ("ok", Some("keep-alive")));
    }
    client.send(b"GET / HTTP/1.0\r\nHost: h1\r\n\r\n");
    assert!(String::from_utf8(client.rest()).unwrap().ends_with("ok"));
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_asked() {
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            match head.split(' ').nth(1).unwrap() {
                "/asked" => {
                    visit.send("HTTP/1.1 100 Continue\r\nX-Hint: 1\r\n\r\n");
                    let body = visit.exactly(3).unwrap();
                    visit.send(ok(std::str::from_utf8(&body).unwrap()));
                }
                "/ignored" => {
                    let body = visit.exactly(3).unwrap();
                    visit.send(ok(std::str::from_utf8(&body).unwrap()));
                }
                _ => {
                    visit.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
                    return;
                }
            }
        }
    });
    let proxy = Proxy::of(&[&member]);
    let expecting = |path: &str| {
        let mut client = proxy.client();
        let head = format!("POST {path} HTTP/1.1\r\nHost: h1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        client.send(head.as_bytes());
        client
    };
    for path in ["/asked", "/ignored"] {
        let mut client = expecting(path);
        let head = client.until(b"\r\n\r\n").unwrap();
        assert!(head.starts_with(b"HTTP/1.1 100 Continue\r\n"), "{path}: {}", head.escape_ascii());
        client.send(b"abc");
        assert_eq!(client.answer().body, "abc", "{path}");
    }
    let answer = expecting("/refused").answer();
    assert_eq!((answer.status, answer.body.as_str()), (417, "no"));
    // Who sends it at once is not asked.
    let mut client = proxy.client();
    client.send(b"POST /ignored HTTP/1.1\r\nHost: h1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
    assert_eq!(client.answer().body, "abc");
    let metrics = proxy.metrics();
    for order in ["None", "1"] {
        assert!(metrics.contains(&format!("socket_exchange_latency_seconds_count{{order=\"{order}\",")), "{metrics}");
    }
}

#[test]
fn hints_that_come_before_an_answer_are_passed_on() {
    let member = Member::start(|visit, _| {
        while visit.head().is_some() {
            visit.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
            visit.send(ok("done"));
        }
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(&get("h1"));
    assert_eq!(client.until(b"\r\n\r\n").unwrap(), b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    assert_eq!(client.answer().body, "done");
    client.send(b"GET / HTTP/1.0\r\nHost: h1\r\n\r\n");
    assert!(String::from_utf8(client.rest()).unwrap().starts_with("HTTP/1.0 200 OK\r\n"), "1.0 knows of none");
}

#[test]
fn a_member_may_answer_before_it_has_read_the_body() {
    let member = Member::start(|visit, _| {
        visit.head();
        visit.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
        // It reads on, as it should; the proxy ends it.
        while visit.exactly(1).is_some() {}
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(b"POST / HTTP/1.1\r\nHost: h1\r\nContent-Length: 100\r\n\r\nsome");
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_str(), answer.field("Connection")), (413, "no", Some("close")));
    assert!(client.more().is_err(), "what is left of the body would be taken for a request");
}

#[test]
fn protocols_are_changed_also_before_the_body_has_ended() {
    let member = Member::start(|visit, number| {
        let head = visit.head().unwrap();
        assert!(head.contains("Connection: Upgrade\r\n") && head.contains("Upgrade: echo\r\n"), "{head}");
        visit.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        if number == 1 {
            assert_eq!(visit.exactly(4).unwrap(), b"body");
        }
        while let Some(line) = visit.until(b"\n") {
            visit.send(line);
        }
        visit.send("end");
    });
    let proxy = Proxy::of(&[&member]);
    for body in ["", "body"] {
        let mut client = proxy.client();
        let length = if body.is_empty() { "" } else { "Content-Length: 4\r\n" };
        client.send(
            format!("GET /x HTTP/1.1\r\nHost: h1\r\n{length}Connection: Upgrade\r\nUpgrade: echo\r\n\r\n").as_bytes(),
        );
        let head = client.until(b"\r\n\r\n").unwrap();
        assert!(head.starts_with(b"HTTP/1.1 101 ") && head.windows(13).any(|part| part == b"Upgrade: echo"));
        client.send(body.as_bytes());
        for line in ["GET / HTTP/1.1\n", "\0\r\n\r\n"] {
            client.send(line.as_bytes());
            assert_eq!(client.exactly(line.len()).unwrap(), line.as_bytes());
        }
        client.stream().shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), b"end", "one side may end before the other");
    }
    // Nobody has asked for it.
    let member = Member::answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n");
    let proxy = Proxy::of(&[&member]);
    assert_eq!(proxy.client().ask(&get("h1")).status, 502);
}

#[test]
fn connections_are_kept_on_both_sides() {
    let member = Member::start(|visit, number| {
        while visit.head().is_some() {
            visit.send(ok(&number.to_string()));
        }
    });
    let proxy = Proxy::start(&[("h1", &[&member])], "", &["--threads", "1"]);
    for _ in 0..3 {
        let mut client = proxy.client();
        for _ in 0..3 {
            assert_eq!(client.ask(&get("h1")).body, "0");
        }
    }
    let mut client = proxy.client();
    client.send(b"GET / HTTP/1.1\r\nHost: h1\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("\r\n\r\n0"), "{answer}");
}

#[test]
fn a_dry_run_asks_nobody() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::start(&[("h1", &[&member])], "", &["-d"]);
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.ask(&get("h1"));
        assert_eq!((answer.status, answer.body.as_str()), (200, "<h1>200 OK (dry-run)</h1>"));
        assert_eq!(answer.field("Connection"), None);
    }
    assert_eq!(client.ask(&get("h2")).body, BAD_REQUEST);
    assert!(member.heads().is_empty());
}

#[test]
fn what_is_under_way_ends_before_it_stops() {
    let member = Member::start(|visit, _| {
        visit.head();
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
        std::thread::sleep(Duration::from_millis(700));
        visit.send("the rest");
    });
    let proxy = Proxy::of(&[&member]);
    let (mut busy, mut idle) = (proxy.client(), proxy.client());
    busy.send(&get("h1"));
    busy.until(b"\r\n\r\n").unwrap();
    idle.send(&get("h2")[..10]);
    let address = proxy.address;
    proxy.process.signal(libc::SIGTERM);
    eventually("nobody is accepted any more", || std::net::TcpStream::connect(address).is_err());
    assert_eq!(busy.rest(), b"the rest");
    drop(idle);
    let (status, _, log) = proxy.process.wait();
    assert!(status.success(), "{status} {log}");
}

#[test]
fn who_asks_a_proxy_that_is_to_end_is_told_to_ask_another_one_next() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::start(&[("h1", &[&member])], "", &["--shutdown-delay", "30s"]);
    let mut kept = proxy.client();
    assert_eq!(kept.ask(&get("h1")).field("Connection"), None);
    proxy.process.signal(libc::SIGTERM);
    eventually("it is unready", || proxy.process.log().contains("Unready"));
    for mut client in [kept, proxy.client()] {
        let answer = client.ask(&get("h1"));
        assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")));
        assert_eq!(client.rest(), b"", "it is closed by then, and not under a request");
    }
    proxy.process.signal(libc::SIGTERM);
}

#[test]
fn a_client_that_goes_away_takes_its_request_with_it() {
    let member = Member::start(|visit, _| {
        visit.head();
        assert_eq!(visit.exactly(4).unwrap(), b"some");
        assert!(visit.exactly(1).is_none(), "the connection ends");
        visit.heads_push("ended");
    });
    let proxy = Proxy::of(&[&member]);
    let client = proxy.client();
    client.stream().write_all(b"POST / HTTP/1.1\r\nHost: h1\r\nContent-Length: 100\r\n\r\nsome").unwrap();
    eventually("the member has it", || !member.heads().is_empty());
    drop(client);
    eventually("it ends at the member, too", || member.heads().len() == 2);
}
