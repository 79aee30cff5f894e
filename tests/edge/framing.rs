//! Framing: what is doubtful is refused, and nothing after it is answered.

use super::*;

#[test]
fn doubtful_framing_is_refused_and_nothing_after_it_is_answered() {
    let testero = Testero::start();
    let post = |fields: &str| format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    for (fields, status) in [
        // Transfer-Encoding other than exactly `chunked`.
        ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, gzip\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: chunked,\r\n", 400),
        ("Transfer-Encoding: ,chunked\r\n", 400),
        ("Transfer-Encoding: \"chunked\"\r\n", 400),
        ("Transfer-Encoding: chunked;a=b\r\n", 400),
        ("Transfer-Encoding:\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: \x0bchunked\r\n", 400),
        ("Transfer-Encoding:\x0cchunked\r\n", 400),
        // With Content-Length.
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 0\r\ntransfer-encoding: Chunked\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", 400),
        // Content-Length that differs, or is none.
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 05\r\n", 400),
        ("Content-Length: 5, 5\r\n", 400),
        ("Content-Length: 5,6\r\n", 400),
        ("Content-Length: +5\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x5\r\n", 400),
        ("Content-Length: 5 5\r\n", 400),
        ("Content-Length: 5a\r\n", 400),
        ("Content-Length: 5;\r\n", 400),
        ("Content-Length: \"5\"\r\n", 400),
        ("Content-Length: 1_0\r\n", 400),
        ("Content-Length: 1e1\r\n", 400),
        ("Content-Length: \u{0665}\r\n", 400),
        ("Content-Length:\r\n", 400),
        ("Content-Length: \r\n", 400),
        // obs-fold.
        ("X: a\r\n b\r\n", 400),
        ("X: a\r\n\tb\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n", 400),
        ("X: a\r\n \r\n", 400),
        // White space before the colon, or the name.
        ("Content-Length : 5\r\n", 400),
        ("Transfer-Encoding\t: chunked\r\n", 400),
        ("X : a\r\n", 400),
        ("X\x0b: a\r\n", 400),
        // Bare CR, bare LF, NUL.
        ("X: a\rb\r\n", 400),
        ("X: a\r\r\n", 400),
        ("X: a\rTransfer-Encoding: chunked\r\n", 400),
        ("X: a\nTransfer-Encoding: chunked\r\n", 400),
        ("X: a\n", 400),
        ("X: a\n\r\n", 400),
        ("X: a\n\n", 400),
        ("X: a\0b\r\n", 400),
        ("X\0: a\r\n", 400),
        ("\0\r\n", 400),
        // Names that are none.
        (": a\r\n", 400),
        (":\r\n", 400),
        ("no colon\r\n", 400),
        ("nocolon\r\n", 400),
        ("(x): a\r\n", 400),
        ("\u{e9}: a\r\n", 400),
        ("X: a\x01b\r\n", 400),
        ("X: a\x7fb\r\n", 400),
        // Host.
        ("Host: x\r\n", 400),
        ("hOST: y\r\n", 400),
    ] {
        refused(&testero, post(fields).as_bytes(), status);
    }
    testero.get("/api/mem/getact");
}

#[test]
fn doubtful_request_lines_and_hosts_are_refused() {
    let testero = Testero::start();
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: x\r\n\r\n", 400),
        ("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("\r\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
        ("GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G\0T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G\u{e9}T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/1.1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1\r\nHost: x\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTPS/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/11\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/+1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / ICY/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ] {
        refused(&testero, head.as_bytes(), status);
    }
    // What is not HTTP at all: a TLS hello, a binary protocol.
    refused(&testero, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
    refused(&testero, b"\0\0\0\x12\n", 400);
}

#[test]
fn sound_but_unusual_framing_is_taken() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for (fields, body) in [
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        ("content-length:\t 5 \r\n", "hello"),
        ("Content-Length: 0005\r\n", "hello"),
        ("Content-Length: 0\r\n", ""),
        ("TRANSFER-ENCODING:CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5;a=b;c=\"d\"\r\nhello\r\n000\r\nA: b\r\nB: c\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0000A\r\n0123456789\r\n1\r\n\n\r\n0\r\n\r\n"),
        ("X: \u{e9}\r\nY:\r\nZ: a\tb\r\n", ""),
    ] {
        let request = format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}");
        assert_eq!(client.ask(request.as_bytes()).status, 200, "{}", request.escape_debug());
    }
    for host in ["", "x:80", "x:", "[::1]", "[::1]:8080", "example.com", "127.0.0.1:1"] {
        let request = format!("GET /api/mem/getact HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(client.ask(request.as_bytes()).status, 200, "{host}");
    }
}

#[test]
fn doubtful_chunks_are_refused_and_close() {
    let testero = Testero::start();
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "0\r\nnocolon\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n\n",
        "0\n\n",
    ] {
        let request = format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        refused(&testero, request.as_bytes(), 400);
    }
}

#[test]
fn what_is_longer_than_it_says_is_no_request_and_closes() {
    let testero = Testero::start();
    let long = b"POST /api/mem/getact HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello, world\r\n\r\n";
    let all = answers(&testero.raw(&[long, GET].concat()));
    assert_eq!(all.iter().map(|a| a.status).collect::<Vec<_>>(), [200, 400]);
    // And what is shorter gets no answer made of what follows.
    let mut client = Client::new(testero.address);
    client.send(b"POST /api/mem/getact HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n");
    client.send(GET);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let testero = Testero::start();
    for _ in 0..20 {
        let mut client = Client::new(testero.address);
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        let _ = client.stream.write_all(&[b'x'; 100_000]);
        assert_eq!(answers(&client.rest())[0].status, 413);
    }
}
