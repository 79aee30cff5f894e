//! Bodies, long ones too, in any frame.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::parts::{Member, Proxy, get, ok};

#[test]
fn bodies_of_any_size_go_both_ways_in_any_frame() {
    const LENGTH: usize = 3_000_000;
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            let mut body = Vec::new();
            if head.contains("\r\nTransfer-Encoding: chunked\r\n") {
                loop {
                    let size = visit.until(b"\r\n").unwrap();
                    let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
                    if size == 0 {
                        break;
                    }
                    body.extend(visit.exactly(size).unwrap());
                    assert_eq!(visit.exactly(2).unwrap(), b"\r\n");
                }
                let trailers = visit.until(b"\r\n").unwrap();
                assert_eq!(trailers, b"X-Sum: 7\r\n", "trailers arrive, and those that would frame it do not");
                assert_eq!(visit.exactly(2).unwrap(), b"\r\n");
            } else {
                body = visit.exactly(LENGTH).unwrap();
            }
            if head.starts_with("POST /length") {
                visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
                visit.send(&body);
            } else if head.starts_with("POST /chunks") {
                visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in body.chunks(70_001) {
                    visit.send(format!("{:X};a=b\r\n", piece.len()));
                    visit.send(piece);
                    visit.send("\r\n");
                }
                visit.send("0\r\nX-After: 1\r\n\r\n");
            } else {
                visit.send("HTTP/1.0 200 OK\r\n\r\n");
                visit.send(&body);
                return;
            }
        }
    });
    let proxy = Proxy::of(&[&member]);
    let data: Vec<u8> = (0..LENGTH).map(|byte| (byte % 251) as u8).collect();
    for path in ["/length", "/chunks", "/close"] {
        for is_chunked in [false, true] {
            let mut client = proxy.client();
            let framing =
                if is_chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LENGTH}") };
            client.send(format!("POST {path} HTTP/1.1\r\nHost: h1\r\n{framing}\r\n\r\n").as_bytes());
            if is_chunked {
                for piece in data.chunks(99_999) {
                    client.send(format!("{:x};x\r\n", piece.len()).as_bytes());
                    client.send(piece);
                    client.send(b"\r\n");
                }
                client.send(b"0\r\nX-Sum: 7\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
            } else {
                client.send(&data);
            }
            let head = client.head();
            assert_eq!(head.status, 200);
            let body = match path {
                "/length" => client.exactly(LENGTH).unwrap(),
                _ => client.chunked_body(),
            };
            assert!(body == data, "{path} {is_chunked}");
        }
    }
}

#[test]
fn long_bodies_are_moved_by_the_kernel_to_readers_that_rest_and_break_off_where_the_member_does() {
    const LENGTH: usize = 20_000_000;
    let data: Arc<Vec<u8>> = Arc::new((0..LENGTH).map(|byte| (byte % 251) as u8).collect());
    let sent = Arc::clone(&data);
    let member = Member::start(move |visit, _| {
        while let Some(head) = visit.head() {
            // What is not sent of what is promised never comes.
            let promised = if head.starts_with("GET /whole") { LENGTH } else { LENGTH + 1 };
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n"));
            visit.send(&*sent);
            if promised > LENGTH {
                return;
            }
        }
    });
    let proxy = Proxy::of(&[&member]);
    let pipes = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", proxy.process.pid())).unwrap();
        let links = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("pipe:")).count()
    };
    let before = pipes();
    for path in ["/whole", "/whole", "/less"] {
        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h1\r\n\r\n").as_bytes());
        assert_eq!(client.head().status, 200);
        let mut body = Vec::new();
        for piece in data.chunks(LENGTH / 7) {
            thread::sleep(Duration::from_millis(20));
            body.extend(client.exactly(piece.len()).unwrap());
        }
        assert!(body == *data, "{path}");
        if path == "/less" {
            assert!(client.exactly(1).is_err(), "it does not look whole");
        }
    }
    assert!(pipes() > before, "no byte of these comes into the proxy's memory");
}

#[test]
fn a_service_may_have_limits_of_its_own() {
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            if head.contains("chunked") {
                let _ = visit.until(b"0\r\n\r\n");
            } else if head.contains("Content-Length: 1000") {
                visit.exactly(1000).unwrap();
            }
            visit.send(ok("ok"));
        }
    });
    let proxy = Proxy::start(&[("h1", &[&member])], "      limits: {head: 200, body: 1k}\n", &[]);
    let ask = |request: String| proxy.client().ask(request.as_bytes());
    let head = |length: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h1\r\nX-A: ";
        format!("{start}{}\r\n\r\n", "a".repeat(length - start.len() - 2))
    };
    assert_eq!(ask(head(200)).status, 200);
    let answer = ask(head(201));
    let too_large = |what: &str, limit: u32| {
        format!("<h1>Error 413: Request Entity Too Large ({what} size must not exceed {limit} bytes)</h1>")
    };
    assert_eq!((answer.status, answer.body), (413, too_large("header", 200)));
    let post = |fields: &str, body: &str| ask(format!("POST / HTTP/1.1\r\nHost: h1\r\n{fields}\r\n\r\n{body}"));
    assert_eq!(post("Content-Length: 1000", &"x".repeat(1000)).status, 200);
    let heads = member.heads().len();
    // Before a byte of it is asked for.
    let answer = post("Content-Length: 1001\r\nExpect: 100-continue", "");
    assert_eq!((answer.status, answer.body, member.heads().len()), (413, too_large("body", 1000), heads));
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    let chunked = |sizes: [usize; 2]| {
        post("Transfer-Encoding: chunked", &format!("{}{}0\r\n\r\n", chunk(sizes[0]), chunk(sizes[1])))
    };
    assert_eq!(chunked([999, 1]).status, 200);
    let answer = chunked([999, 2]);
    assert_eq!((answer.status, answer.body), (413, too_large("body", 1000)));
    // Answers have none.
    let large = Member::answering(ok(&"y".repeat(5000)));
    let proxy = Proxy::start(&[("h1", &[&large])], "      limits: {body: 0}\n", &[]);
    assert_eq!(proxy.client().ask(&get("h1")).body.len(), 5000);
    assert_eq!(proxy.client().ask(b"PUT / HTTP/1.1\r\nHost: h1\r\nContent-Length: 1\r\n\r\nx").status, 413);
    assert!(proxy.metrics().contains("status_total{client=\"127.0.0.1\",error=\"413\",host=\"None\"} 1.0"));
}
