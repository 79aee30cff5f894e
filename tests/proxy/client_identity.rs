//! Who the client is: what members are told of it, and what is believed.

use std::net::SocketAddr;
use std::time::Duration;

use super::parts::{Member, Proxy, Visit, get, ok};
use crate::edge::Client;
use crate::harness::{eventually, free_address};

/// One service for the host `h1`: with `listen` behind where it listens, and lines of the proxy and of the service.
fn start(member: &Member, listen: &str, proxy: &[&str], service: &str) -> Proxy {
    let port = free_address().port();
    let lines: String = proxy.iter().map(|line| format!("  {line}\n")).collect();
    let SocketAddr::V4(address) = member.address else { panic!("{}", member.address) };
    let (ip, member_port) = (address.ip(), address.port());
    let file = format!(
        "proxy:\n  listen: {{address: 127.0.0.1, port: {port}{listen}}}\n{lines}  services:\n    - name: one\n      domain: h1\n{service}      \
         hosts: [{{address: {ip}, port: {member_port}}}]\n"
    );
    Proxy::of_file(&file, &[])
}

/// What the member got between the request line and the empty line.
fn fields(head: &str) -> Vec<&str> {
    head.lines().skip(1).filter(|line| !line.is_empty()).collect()
}

/// Whether a connection was closed without a byte: maybe with a reset, where it had sent more than was read.
fn is_closed_in_silence(mut client: Client) -> bool {
    match client.more() {
        Ok(()) => false,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

const LIES: &str = "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nForwarded: for=1.1.1.1;proto=https\r\n\
                    X_Forwarded_For: 3.3.3.3\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: first.example\r\n";

#[test]
fn members_are_told_of_the_client_and_not_what_it_makes_up() {
    for (style, own) in [
        ("x-forwarded", &["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: h1:81"][..]),
        ("forwarded", &["Forwarded: for=127.0.0.1;host=\"h1:81\";proto=http"]),
    ] {
        let member = Member::answering(ok("ok"));
        let style = format!("forwarded: {style}");
        // Others are trusted, and this one is not.
        let proxy = start(&member, "", &[style.as_str(), "trusted: [10.0.0.0/8]"], "");
        let mut client = proxy.client();
        // What the proxy says cannot be named away.
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h1:81\r\n{LIES}Connection: X-Forwarded-For, Forwarded, X-Forwarded-Proto\r\nX-A: 1\r\n\r\n"
        );
        assert_eq!(client.ask(request.as_bytes()).status, 200);
        assert_eq!(fields(&member.heads()[0]), [&["Host: h1:81", "X-A: 1"], own].concat());
    }
}

#[test]
fn what_a_trusted_proxy_says_stays_and_the_next_comes_behind_it() {
    let member = Member::answering(ok("ok"));
    let proxy = start(&member, "", &["forwarded: both", "trusted: [127.0.0.0/8]"], "");
    let mut client = proxy.client();
    let request =
        format!("GET / HTTP/1.1\r\nHost: h1\r\n{LIES}Connection: X-Forwarded-For\r\nX-Forwarded-For: 4.4.4.4\r\n\r\n");
    assert_eq!(client.ask(request.as_bytes()).status, 200);
    let kept: Vec<&str> = LIES.lines().collect();
    let own = ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1;host=h1;proto=http"];
    let expected = [&["Host: h1"], &kept[..], &["X-Forwarded-For: 4.4.4.4"], &own].concat();
    assert_eq!(fields(&member.heads()[0]), expected);
}

#[test]
fn nothing_is_added_or_left_out_unless_asked_for() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::of(&[&member]);
    let request = format!("GET / HTTP/1.1\r\nHost: h1\r\n{LIES}X-Request-Id: a b\r\n\r\n");
    let answer = proxy.client().ask(request.as_bytes());
    assert_eq!((answer.status, answer.field("X-Request-Id")), (200, None));
    let expected: Vec<&str> = ["Host: h1"].into_iter().chain(LIES.lines()).chain(["X-Request-Id: a b"]).collect();
    assert_eq!(fields(&member.heads()[0]), expected);
}

#[test]
fn a_changed_file_changes_what_members_are_told() {
    let member = Member::answering(ok("ok"));
    let proxy = start(&member, "", &["request_id: false"], "");
    let mut client = proxy.client();
    client.ask(&get("h1"));
    assert_eq!(fields(&member.heads()[0]), ["Host: h1"]);
    let path = proxy.process.data.path().join("proxy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("request_id: false", "forwarded: forwarded")).unwrap();
    eventually("the file is taken", || {
        client.ask(&get("h1"));
        fields(member.heads().last().unwrap()) == ["Host: h1", "Forwarded: for=127.0.0.1;host=h1;proto=http"]
    });
}

#[test]
fn requests_have_a_name_that_member_and_client_both_know() {
    let member = Member::answering("HTTP/1.1 200 OK\r\nX-Request-Id: mine\r\nContent-Length: 0\r\n\r\n");
    let proxy = start(&member, "", &["request_id: true"], "");
    let mut client = proxy.client();
    let long = "x".repeat(129);
    let mut seen = Vec::new();
    for sent in
        ["", "X-Request-Id: a b\r\n", "X-Request-Id: a\r\nx-request-id: b\r\n", &format!("X-Request-Id: {long}\r\n")]
    {
        client.send(format!("GET / HTTP/1.1\r\nHost: h1\r\n{sent}\r\n").as_bytes());
        let head = String::from_utf8(client.until(b"\r\n\r\n").unwrap()).unwrap();
        let told = fields(&head);
        let ids: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("X-Request-Id: ")).collect();
        let [id] = ids[..] else { panic!("{head}") };
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(fields(member.heads().last().unwrap()), ["Host: h1", &format!("X-Request-Id: {id}")]);
        seen.push(id.to_owned());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "{seen:?}");
    let answer = client.ask(b"GET / HTTP/1.1\r\nHost: h1\r\nX-Request-ID: a/b~1\r\n\r\n");
    assert_eq!(answer.field("X-Request-Id"), Some("a/b~1"));
    assert!(member.heads().last().unwrap().contains("\r\nX-Request-Id: a/b~1\r\n"));
    // So do those that no member answers.
    let answer = client.ask(b"GET / HTTP/1.1\r\nHost: h2\r\nX-Request-Id: c\r\n\r\n");
    assert_eq!((answer.status, answer.field("X-Request-Id")), (400, Some("c")));
    let dead = Member::start(|visit, _| drop(visit.head()));
    let proxy = start(&dead, "", &["request_id: true"], "");
    let answer = proxy.client().ask(b"POST / HTTP/1.1\r\nHost: h1\r\nX-Request-Id: d\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((answer.status, answer.field("X-Request-Id")), (502, Some("d")));
    let (busy, _release) = Member::holding(ok("ok"));
    let proxy = start(&busy, "", &["request_id: true"], "      max_requests_per_member: 1\n      queue: {length: 0}\n");
    let mut first = proxy.client();
    first.send(&get("h1"));
    eventually("the member is busy", || busy.heads().len() == 1);
    let answer = proxy.client().ask(b"GET / HTTP/1.1\r\nHost: h1\r\nX-Request-Id: e\r\n\r\n");
    assert_eq!((answer.status, answer.field("X-Request-Id")), (503, Some("e")));
}

const V2_V6: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x29\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\x12\x34\x00\x50\x04\x00\x02ab";

#[test]
fn a_connection_says_whose_it_is_in_any_pieces() {
    let member = Member::answering(ok("ok"));
    let lines = ["forwarded: x-forwarded", "trusted: [127.0.0.1]"];
    let proxy = start(&member, ", proxy_protocol: true", &lines, "");
    for (header, client_ip) in [
        (&b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 80\r\n"[..], "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 80\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN what ever\r\n", "127.0.0.1"),
        (V2_V6, "2001:db8::7"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "127.0.0.1"),
    ] {
        // At once with the request, or in two pieces, or byte by byte.
        for pieces in [1, 2, header.len()] {
            let mut client = proxy.client();
            let size = header.len().div_ceil(pieces);
            for piece in header.chunks(size).filter(|_| pieces > 1) {
                client.send(piece);
                std::thread::sleep(Duration::from_millis(2));
            }
            let request = if pieces == 1 { [header, &get("h1")[..]].concat() } else { get("h1") };
            assert_eq!(client.ask(&request).status, 200, "{header:?}");
            // It holds for the whole connection.
            assert_eq!(client.ask(&get("h1")).status, 200);
            for head in member.heads().iter().rev().take(2) {
                assert!(head.contains(&format!("\r\nX-Forwarded-For: {client_ip}\r\n")), "{client_ip}: {head}");
            }
        }
    }
    // The client that was named is one that is counted, and nobody is trusted for who named it.
    assert!(proxy.metrics().contains("client=\"203.0.113.7\""));
    let mut client = proxy.client();
    client.send(b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 80\r\n");
    client.ask(b"GET / HTTP/1.1\r\nHost: h1\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n");
    assert!(!member.heads().last().unwrap().contains("9.9.9.9"));
}

#[test]
fn a_connection_that_does_not_say_whose_it_is_is_closed() {
    let member = Member::answering(ok("ok"));
    let proxy = start(&member, ", proxy_protocol: true", &[], "");
    for bytes in [
        &get("h1")[..],
        b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\nGET / HTTP/1.1\r\nHost: h1\r\n\r\n",
        b"PROXY UNKNOWN\nGET / HTTP/1.1\r\nHost: h1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x11\0\0\0GET / HTTP/1.1\r\nHost: h1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\x02\x09",
        "PROXY UNKNOWN ".repeat(10).as_bytes(),
    ] {
        let mut client = proxy.client();
        client.send(bytes);
        assert!(is_closed_in_silence(client), "{}", bytes.escape_ascii());
    }
    assert_eq!(member.heads(), [""; 0]);
    // Anybody may say it where nobody is named, but once.
    let header = &b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n"[..];
    assert_eq!(proxy.client().ask(&[header, &get("h1")[..]].concat()).status, 200);
    assert_eq!(proxy.client().ask(&[header, header, &get("h1")[..]].concat()).status, 400);
}

#[test]
fn who_takes_too_long_to_say_it_is_closed() {
    let member = Member::answering(ok("ok"));
    let proxy = start(&member, ", proxy_protocol: true", &[], "");
    let mut clients = [proxy.client(), proxy.client()];
    clients[1].send(b"PROXY TCP4 1.1");
    for client in clients {
        assert!(is_closed_in_silence(client));
    }
}

#[test]
fn bounds_are_those_of_the_client_that_is_named() {
    let member = Member::answering(ok("ok"));
    let proxy = start(&member, ", proxy_protocol: true", &["max_connections_per_client: 2"], "");
    let header = |last: u8| format!("PROXY TCP4 203.0.113.{last} 10.0.0.1 1 80\r\n").into_bytes();
    let ask = |last: u8| {
        let mut client = proxy.client();
        let answer = client.ask(&[header(last), get("h1")].concat());
        (client, answer.status)
    };
    let clients = [ask(1), ask(2), ask(1), ask(1), ask(3)];
    assert_eq!(clients.each_ref().map(|(_, status)| *status), [200, 200, 200, 503, 200]);
    drop(clients);
    eventually("there is room again", || ask(1).1 == 200);
}

#[test]
fn only_who_is_trusted_says_whose_a_connection_is() {
    let member = Member::answering(ok("ok"));
    let proxy = start(&member, ", proxy_protocol: true", &["trusted: [10.0.0.0/8]"], "");
    assert!(is_closed_in_silence(proxy.client()));
    eventually("the log says why", || proxy.process.log().contains("127.0.0.1"));
    assert_eq!(member.heads(), [""; 0]);
}

/// A member that writes down what a connection begins with, and answers requests with the connection's number.
fn announced(is_binary: bool) -> Member {
    Member::start(move |visit: &mut Visit, number| {
        let header = if is_binary { visit.exactly(28) } else { visit.until(b"\r\n") };
        let Some(header) = header else { return };
        visit.heads_push(&header.iter().copied().map(char::from).collect::<String>());
        while visit.head().is_some() {
            visit.send(ok(&number.to_string()));
        }
    })
}

#[test]
fn members_are_told_before_the_first_request_and_their_connections_are_one_clients() {
    for (version, is_binary) in [("v1", false), ("v2", true)] {
        let member = announced(is_binary);
        let proxy = start(&member, "", &[], &format!("      proxy_protocol: {version}\n"));
        let mut clients = [proxy.client(), proxy.client()];
        let mut numbers = Vec::new();
        for _ in 0..3 {
            numbers.push(clients.each_mut().map(|client| client.ask(&get("h1")).body));
        }
        assert_ne!(numbers[0][0], numbers[0][1], "{numbers:?}");
        assert!(numbers.iter().all(|both| *both == numbers[0]), "each keeps its own: {numbers:?}");
        let headers: Vec<String> = member.heads().into_iter().filter(|head| !head.starts_with("GET ")).collect();
        assert_eq!(headers.len(), 2, "{headers:?}");
        for client in &clients {
            let (from, to) = (client.stream().local_addr().unwrap(), proxy.address);
            let expected = if is_binary {
                let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
                let header = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01"[..], &ports].concat();
                header.into_iter().map(char::from).collect()
            } else {
                format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", from.port(), to.port())
            };
            assert!(headers.contains(&expected), "{expected:?} in {headers:?}");
        }
        // A client that comes after one that has gone gets nothing of its.
        drop(clients);
        let number = proxy.client().ask(&get("h1")).body;
        assert!(!numbers[0].contains(&number), "{number} {numbers:?}");
    }
}

#[test]
fn a_connection_of_a_client_that_is_gone_is_closed() {
    let member = Member::start(|visit, _| {
        visit.until(b"\r\n");
        while visit.head().is_some() {
            visit.send(ok("ok"));
        }
        visit.heads_push("closed");
    });
    let proxy = start(&member, "", &[], "      proxy_protocol: v1\n");
    let mut client = proxy.client();
    assert_eq!(client.ask(&get("h1")).status, 200);
    assert_eq!(member.heads().len(), 1);
    drop(client);
    eventually("the member's connection ends", || member.heads().contains(&String::from("closed")));
}

#[test]
fn a_member_that_closed_its_connection_is_told_again() {
    let member = Member::start(|visit, number| {
        let header = visit.until(b"\r\n").unwrap();
        visit.heads_push(&String::from_utf8(header).unwrap());
        visit.head();
        visit.send(ok(&number.to_string()));
        // The first one reads the second request, and does not answer it.
        if number == 0 {
            visit.head();
        }
    });
    let proxy = start(&member, "", &[], "      proxy_protocol: v1\n");
    let mut client = proxy.client();
    assert_eq!([client.ask(&get("h1")).body, client.ask(&get("h1")).body], ["0", "1"]);
    let headers: Vec<String> = member.heads().into_iter().filter(|head| head.starts_with("PROXY ")).collect();
    assert!(headers.len() == 2 && headers[0] == headers[1], "{headers:?}");
}

#[test]
fn checks_say_that_they_are_the_proxys_own() {
    for (version, header) in [("v1", &b"PROXY UNKNOWN\r\n"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")] {
        let member = Member::start(move |visit, _| {
            let header_came = visit.exactly(header.len()).is_some_and(|bytes| bytes == header);
            visit.heads_push(if header_came { "own" } else { "other" });
            visit.head();
            visit.send(ok("ok"));
        });
        let service = format!("      proxy_protocol: {version}\n      health: {{interval: 100ms}}\n");
        let _proxy = start(&member, "", &[], &service);
        eventually("it is checked", || member.heads().iter().any(|head| head.starts_with("GET ")));
        assert_eq!(member.heads()[0], "own");
    }
}

#[test]
fn what_came_in_goes_out() {
    let member = announced(false);
    let proxy = start(&member, ", proxy_protocol: true", &[], "      proxy_protocol: v1\n");
    let header = &b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 80\r\n"[..];
    assert_eq!(proxy.client().ask(&[header, &get("h1")[..]].concat()).status, 200);
    assert_eq!(member.heads()[0].as_bytes(), header);
}
