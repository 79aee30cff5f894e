//! Bodies that are read and written as they come, however long they are.

use super::*;

/// What answers with the request's own body: while it comes, or once it is there.
struct Echo;

impl Service for Echo {
    fn answer(&self, _: &Request<'_>) -> Reply {
        unreachable!("all bodies are streamed")
    }

    fn body_rule(&self, _: &Head<'_>) -> BodyRule {
        BodyRule::Stream
    }

    fn answer_reading(&self, request: &Request<'_>, body: &mut dyn Read) -> Reply {
        match &*request.path {
            b"/count" => match io::copy(body, &mut io::sink()) {
                Ok(count) => text(200, count.to_string()).into(),
                Err(error) => text(500, error.to_string()).into(),
            },
            b"/one" => {
                let mut first = [0];
                body.read_exact(&mut first).unwrap();
                text(200, first).into()
            }
            b"/unread" => text(403, "not now").into(),
            b"/panic" => Reply::written(
                "text/plain",
                Box::new(|_, client| {
                    client.write_all(b"before")?;
                    panic!("on purpose")
                }),
            ),
            _ => Reply::written("text/plain", Box::new(|body, client| io::copy(body, client).map(drop))),
        }
    }
}

fn echo() -> Local {
    Local::serving(8, Arc::new(Echo))
}

/// The head of an answer, and what follows it until the server closes the connection.
fn until_closed(client: &mut Client) -> (String, String) {
    let head = client.until(b"\r\n\r\n").unwrap();
    while client.more().is_ok() {}
    let body = std::mem::take(&mut client.received);
    (String::from_utf8(head).unwrap(), String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn a_piece_is_answered_before_the_next_one_is_sent() {
    let server = echo();
    let mut client = Client::new(server.address);
    for _ in 0..2 {
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let head = client.until(b"\r\n\r\n").unwrap();
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", head.escape_ascii());
        for piece in ["first", "second", "third"] {
            client.send(format!("{:x};x=y\r\n{piece}\r\n", piece.len()).as_bytes());
            let answered = client.until(b"\r\n").and_then(|_| client.until(b"\r\n")).unwrap();
            assert_eq!(answered, format!("{piece}\r\n").into_bytes());
        }
        client.send(b"0\r\nX-Sum: 1\r\n\r\n");
        assert_eq!(client.until(b"\r\n\r\n").unwrap(), b"0\r\n\r\n", "and the connection lives on");
    }
}

#[test]
fn long_bodies_come_and_go_whole() {
    const LENGTH: usize = 40_000_000;
    let server = echo();
    let data: Vec<u8> = (0..LENGTH / 4).flat_map(|number: usize| (number as u32).to_le_bytes()).collect();
    for chunked in [false, true] {
        let mut client = Client::new(server.address);
        let mut sending = client.stream.try_clone().unwrap();
        let sent = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let framing =
                    if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LENGTH}") };
                write!(sending, "POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n")?;
                for piece in data.chunks(if chunked { 100_001 } else { 65_536 }) {
                    if chunked {
                        write!(sending, "{:x}\r\n", piece.len())?;
                    }
                    sending.write_all(piece)?;
                    if chunked {
                        sending.write_all(b"\r\n")?;
                    }
                }
                if chunked { sending.write_all(b"0\r\n\r\n") } else { Ok(()) }
            });
            client.until(b"\r\n\r\n").unwrap();
            let mut at = 0;
            loop {
                let size = String::from_utf8(client.until(b"\r\n").unwrap()).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                while client.received.len() < size + 2 {
                    client.more().unwrap();
                }
                assert!(client.received[..size] == data[at..at + size], "of the bytes from {at} on");
                client.received.drain(..size + 2);
                at += size;
                if size == 0 {
                    break;
                }
            }
            assert_eq!(at, LENGTH);
            sender.join().unwrap()
        });
        sent.unwrap();
        client.send(
            b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /count HTTP/1.1\r\nHost: x\r\n\r\n",
        );
        assert_eq!([client.answer().body, client.answer().body], ["3", "0"], "what follows is the next request");
    }
}

#[test]
fn who_waits_to_be_asked_is_asked_when_the_body_is_read() {
    let server = echo();
    let expecting = |path: &str| {
        let mut client = Client::new(server.address);
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        client.send(head.as_bytes());
        client
    };
    let mut client = expecting("/count");
    assert_eq!(client.until(b"\r\n\r\n").unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"abc");
    assert_eq!(client.answer().body, "3");
    let (head, body) = until_closed(&mut expecting("/unread"));
    assert!(head.starts_with("HTTP/1.1 403 ") && head.contains("\r\nConnection: close\r\n"), "{head}");
    assert_eq!(body, "not now");
}

#[test]
fn what_is_left_of_a_body_is_not_taken_for_a_request() {
    let server = echo();
    for path in ["/unread", "/one"] {
        let mut client = Client::new(server.address);
        let smuggled = "GET /count HTTP/1.1\r\nHost: x\r\n\r\n";
        client.send(
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len())
                .as_bytes(),
        );
        let (head, body) = until_closed(&mut client);
        assert!(head.contains("\r\nConnection: close\r\n") && !body.contains("HTTP/1.1"), "{head}{body}");
    }
}

#[test]
fn a_malformed_body_is_refused_or_breaks_the_answer_off() {
    let server = echo();
    let wire = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n";
    let mut client = Client::new(server.address);
    client.send(&[b"POST /count", &wire[..]].concat());
    let (head, body) = until_closed(&mut client);
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert_eq!(body, "400 Bad Request: a chunk is longer than it says\n");
    let mut client = Client::new(server.address);
    client.send(&[b"POST /echo", &wire[..]].concat());
    let (head, body) = until_closed(&mut client);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "3\r\nabc\r\n", "the chunk that ends a body is missing");
}

#[test]
fn a_body_that_stops_coming_is_a_408_or_breaks_the_answer_off() {
    let server = echo();
    let stalled = |path: &str| {
        let mut client = Client::new(server.address);
        client.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").as_bytes());
        client
    };
    let (mut counted, mut echoed) = (stalled("/count"), stalled("/echo"));
    let (head, body) = until_closed(&mut counted);
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert_eq!(body, "408 Request Timeout: the request body did not come in time\n");
    assert_eq!(until_closed(&mut echoed).1, "3\r\nabc\r\n");
}

#[test]
fn a_panic_in_a_body_breaks_it_off_and_harms_nobody_else() {
    let server = echo();
    let mut client = Client::new(server.address);
    client.send(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(until_closed(&mut client).1, "6\r\nbefore\r\n");
    let mut client = Client::new(server.address);
    client.send(b"GET /count HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer().body, "0");
}

#[test]
fn to_a_client_of_the_old_version_the_end_of_the_connection_ends_the_body() {
    let server = echo();
    let mut client = Client::new(server.address);
    client.send(b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc");
    let (head, body) = until_closed(&mut client);
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n") && !head.contains("chunked"), "{head}");
    assert_eq!(body, "abc");
}
