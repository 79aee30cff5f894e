//! Requests in turn: keep-alive, pipelining, HEAD, targets, what an answer looks like.

use super::*;

#[test]
fn http_1_1_connections_live_on_until_the_client_says_close() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for _ in 0..100 {
        let answer = client.ask(GET);
        assert_eq!(answer.status, 200);
        assert!(answer.head.starts_with("HTTP/1.1 200 OK"));
        assert_eq!(answer.field("Connection"), None);
    }
    for close in ["close", "Close", "foo, CLOSE", "close, keep-alive"] {
        let mut client = Client::new(testero.address);
        let request = format!("GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: {close}\r\n\r\n");
        let answer = client.ask(&[request.as_bytes(), GET].concat());
        assert_eq!(answer.field("Connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn http_1_0_connections_live_on_only_when_asked_to() {
    let testero = Testero::start();
    let all = answers(&testero.raw(&[&b"GET /api/mem/getact HTTP/1.0\r\n\r\n"[..], GET].concat()));
    assert_eq!(all.len(), 1);
    assert!(all[0].head.starts_with("HTTP/1.0 200 OK"));
    let mut client = Client::new(testero.address);
    for _ in 0..10 {
        let answer = client.ask(b"GET /api/mem/getact HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        assert!(answer.head.starts_with("HTTP/1.0 200 OK"));
        assert_eq!(answer.field("Connection").map(str::to_ascii_lowercase).as_deref(), Some("keep-alive"));
    }
    client.send(b"GET /api/mem/getact HTTP/1.0\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.rest(), b"");
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    let paths = ["/api/mem/getact", "/api/disk/getact", "/nowhere", "//api/mem/getdef"];
    let mut burst = String::new();
    for round in 0..50 {
        let path = paths[round % paths.len()];
        burst.push_str(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Round: {round}\r\n\r\n"));
    }
    client.send(burst.as_bytes());
    for round in 0..50 {
        let answer = client.answer();
        let expected = [(200, "Parts of size"), (200, "Files of size"), (404, "404 page"), (301, "<a href")];
        let (status, words) = expected[round % paths.len()];
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(words), "{answer:?}");
    }
    // However the bytes are cut.
    for piece in [1, 3, 7] {
        for bytes in [GET, GET].concat().chunks(piece) {
            client.send(bytes);
        }
        assert_eq!((client.answer().status, client.answer().status), (200, 200));
    }
}

#[test]
fn an_empty_line_before_a_request_is_skipped() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    assert_eq!(client.ask(&[b"\r\n", GET].concat()).status, 200);
    assert_eq!(client.ask(&[b"\r\n\r\n", GET].concat()).status, 200);
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answers() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    client.send(&[GET, GET].concat());
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers(&client.rest()).len(), 2);
}

#[test]
fn head_is_get_without_the_body() {
    let testero = Testero::start();
    for path in ["/api/mem/getact", "/api/disk/getdef", "/nowhere", "//api/mem/getact"] {
        let mut client = Client::new(testero.address);
        client
            .send(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        let (head, get) = (client.head(), client.answer());
        assert_eq!(head.status, get.status);
        for name in ["Content-Length", "Content-Type", "Location"] {
            assert_eq!(head.field(name), get.field(name), "{path}: {name}");
        }
        assert!(head.field("Date").is_some());
    }
}

#[test]
fn head_has_no_body_in_refusals_either() {
    let testero = Testero::start();
    for refused in [
        "HEAD / HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD / HTTP/2.0\r\n\r\n".to_owned(),
        "HEAD /% HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n".to_owned(),
        format!("HEAD / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(70)),
    ] {
        let answer = testero.raw(refused.as_bytes());
        assert!(answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
        assert!(matches!(Answer::parse(&answer).status, 400 | 413 | 431 | 505));
    }
}

#[test]
fn head_has_no_body_in_refusals_found_early_either() {
    let testero = Testero::start();
    for refused in [
        "\r\nHEAD / HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n".to_owned(),
        format!("HEAD / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "x".repeat(20_000)),
    ] {
        let answer = testero.raw(refused.as_bytes());
        assert!(answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
    }
}

#[test]
fn head_never_changes_state() {
    let testero = Testero::start();
    let load = testero.get("/api/cpu/load?time=60");
    let id = load.trim().rsplit(' ').next().unwrap();
    let stop = format!("/api/cpu/stop?id={id}");
    for target in ["/api/mem/set?size=5000000", "/api/mem/add?size=5000000", "/api/disk/set?size=5000000", &stop] {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut client = Client::new(testero.address);
        client.send(request.as_bytes());
        assert_eq!(client.head().status, 200);
        // Nothing of a body comes between.
        assert_eq!(client.ask(GET).status, 200);
    }
    for group in ["mem", "disk"] {
        let held = testero.settled(group);
        assert!(held.starts_with("Last request ID: 0\n") && held.ends_with("Total size: 0 bytes.\n"), "{held}");
        assert!(testero.get(&format!("/api/{group}/getdef")).ends_with("Total size reserved: 0 bytes.\n"));
    }
    assert!(testero.get("/api/cpu/getact").starts_with("Load request sent at"));
    assert_eq!(testero.get(&stop), "CPU load stopped\n");
    eventually("the load is over", || testero.get("/api/cpu/getact") == "No load request in progress\n");
    testero.ask("HEAD", "/api/cpu/load?time=60");
    assert_eq!(testero.get("/api/cpu/getact"), "No load request in progress\n");
}

#[test]
fn any_method_is_served_like_get() {
    let testero = Testero::start();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"] {
        let answer = testero.ask(method, "/api/mem/getact");
        assert_eq!((answer.status, answer.body.starts_with("Last request ID")), (200, true), "{method}");
    }
    assert_eq!(answers(&testero.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))[0].status, 200);
    refused(&testero, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501);
}

#[test]
fn a_client_that_expects_continue_gets_it_before_it_sends() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let head = format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{framing}\r\nExpect: 100-Continue\r\n\r\n");
        client.send(head.as_bytes());
        assert_eq!(client.until(b"\r\n\r\n").unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send(if framing.starts_with('C') { b"hello" } else { b"5\r\nhello\r\n0\r\n\r\n" });
        assert_eq!(client.answer().status, 200);
    }
    // Nothing to continue with, a client of 1.0, or a body that is too long: the final answer at once.
    assert_eq!(client.ask(b"GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n").status, 200);
    let old = b"POST /api/mem/getact HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab";
    assert_eq!(answers(&testero.raw(old))[0].status, 200);
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(answers(&testero.raw(head)).iter().map(|a| a.status).collect::<Vec<_>>(), [413]);
    refused(&testero, b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417);
}

#[test]
fn absolute_form_targets_are_paths() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    // An index, where there is one.
    let index = if cfg!(feature = "openapi") { 200 } else { 404 };
    for (target, status) in [
        ("http://x/api/mem/getact", 200),
        ("HTTP://example.com:8080/api/mem/getact?a=b", 200),
        ("http://[::1]:80/api/mem%2Fgetact", 200),
        ("http://x/", index),
        ("http://x", index),
        ("http://x//api/mem/getact", 301),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
        assert_eq!(client.ask(request.as_bytes()).status, status, "{target}");
    }
    for target in ["ftp://x/", "http://", "http:///a", "http://a@b/", "http://a b/", "api/mem/getact", "x:80", "*", "?"]
    {
        refused(&testero, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), 400);
    }
}

#[test]
fn paths_are_percent_decoded_and_match_exactly() {
    let testero = Testero::start();
    for path in ["/api/mem%2Fgetact", "/%61pi/mem/getac%74", "/api/mem/getact?", "/api/mem/getact?x=%zz"] {
        assert!(testero.get(path).starts_with("Last request ID"), "{path}");
    }
    for path in
        ["/nothing", "/API/mem/getact", "/api/mem/getact/", "/api/mem/getact%00", "/api/mem", "/api/mem/getact%3F"]
    {
        let answer = testero.ask("GET", path);
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
    }
    for path in ["/%", "/api/mem/getact%2", "/%zz", "/%+1"] {
        refused(&testero, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), 400);
    }
}

#[test]
fn unclean_paths_are_sent_to_their_clean_form_with_the_query_kept() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    for (path, location) in [
        ("//api/mem/getact", "/api/mem/getact"),
        ("/api/./mem/../mem//getact", "/api/mem/getact"),
        ("/../api/mem/getact", "/api/mem/getact"),
        ("/api/mem/%2e%2e/mem/getact", "/api/mem/getact"),
        ("/api%2F%2Fmem/getact", "/api/mem/getact"),
        ("/a//", "/a/"),
        ("/a/..", "/"),
        ("/a%0d%0aX-Evil:%20b/..//c%0d%0aX-Evil:%20b", "/c%0D%0AX-Evil:%20b"),
    ] {
        for query in ["", "?size=5&x=%41+b&&y"] {
            let answer = client.ask(format!("GET {path}{query} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
            let to = format!("{location}{query}");
            assert_eq!((answer.status, answer.field("Location")), (301, Some(to.as_str())), "{path}");
            let body = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", to.replace('&', "&amp;"));
            assert_eq!(answer.body, body);
            assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.field("X-Evil"), None);
        }
    }
    // A redirect of a set is not a set.
    client.ask(b"GET //api/mem/set?size=5000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(testero.settled("mem").starts_with("Last request ID: 0\n"));
}

#[test]
fn the_date_is_always_there_and_right() {
    let testero = Testero::start();
    for request in [
        "GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /api/mem/getact HTTP/1.0\r\n\r\n",
        "HEAD /api/mem/set?size=1 HTTP/1.0\r\n\r\n",
        "GET /nowhere HTTP/1.0\r\n\r\n",
        "GET // HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
    ] {
        let answer = Answer::parse(&testero.raw(request.as_bytes()));
        let date = httpdate::parse_http_date(answer.field("Date").unwrap()).unwrap();
        let now = SystemTime::now();
        assert!(date <= now && now.duration_since(date).unwrap() < PATIENCE, "{request}");
        assert_eq!(answer.head.matches("Date:").count(), 1);
    }
}

#[test]
fn head_and_body_leave_in_one_write_and_at_once() {
    let local = Local::start(4, |_| text(200, "x".repeat(3000)).into());
    let mut client = Client::new(local.address);
    for _ in 0..300 {
        client.send(GET);
        let mut piece = [0; 8192];
        let count = client.stream.read(&mut piece).unwrap();
        // One write of less than a segment is one read; two would be seen apart sooner or later.
        assert_eq!(answers(&piece[..count])[0].body.len(), 3000);
    }
    let other = other_end(&client.stream).unwrap();
    let (mut value, mut length) = (0_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: the pointers are to a live i32 and its length.
    let got = unsafe {
        libc::getsockopt(other, libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw mut value).cast(), &raw mut length)
    };
    assert_eq!((got, value), (0, 1), "TCP_NODELAY");
}
