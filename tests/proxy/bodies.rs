//! Bodies, long ones too, in any frame.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::parts::{Member, Proxy};

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
