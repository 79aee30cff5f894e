//! Members that do not do what they should, and clients that do not.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::parts::{Member, Proxy, get, ok};
use crate::harness::{eventually, free_address};

const BAD_GATEWAY: &str = "<h1>Error 502: Bad Gateway</h1>";
const GATEWAY_TIMEOUT: &str = "<h1>Error 504: Gateway Timeout</h1>";

#[test]
fn a_member_that_is_not_there_is_no_trouble_while_another_is() {
    let member = Member::answering(ok("ok"));
    let services = [("h1", vec![free_address(), member.address, free_address()])];
    let proxy = Proxy::at(&services, "      strategy: RROBIN\n", &[]);
    for _ in 0..12 {
        assert_eq!(proxy.client().ask(&get("h1")).body, "ok");
        // Nothing was sent to who was not there: also what may not be done twice finds its way.
        let mut client = proxy.client();
        client.send(b"POST / HTTP/1.1\r\nHost: h1\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.answer().body, "ok");
    }
}

#[test]
fn where_no_member_is_there_it_says_so() {
    let proxy = Proxy::at(&[("h1", vec![free_address(), free_address()])], "", &[]);
    let answer = proxy.client().ask(&get("h1"));
    assert_eq!((answer.status, answer.body.as_str()), (502, BAD_GATEWAY));
    assert_eq!(answer.field("Connection"), Some("close"));
    let metrics = proxy.metrics();
    assert!(metrics.contains("status_total{client=\"127.0.0.1\",error=\"502\",host=\"h1\"} 1.0"), "{metrics}");
    eventually("it is logged", || proxy.process.log().contains("ERROR - "));
}

#[test]
fn what_is_no_answer_is_a_bad_gateway() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 99 No\r\n\r\n",
    ] {
        let member = Member::start(move |visit, _| {
            visit.head();
            visit.send(answer);
        });
        let proxy = Proxy::of(&[&member]);
        let answered = proxy.client().ask(&get("h1"));
        assert_eq!((answered.status, answered.body.as_str()), (502, BAD_GATEWAY), "{answer:?}");
    }
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(40_000));
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
    for answer in [huge, flood] {
        let member = Member::answering(answer);
        let proxy = Proxy::of(&[&member]);
        let mut client = proxy.client();
        client.send(&get("h1"));
        let answered = String::from_utf8(client.rest()).unwrap();
        // A flood of hints has begun as an answer, and breaks off.
        assert!(answered.ends_with(BAD_GATEWAY) || answered.ends_with("Early Hints\r\n\r\n"), "{answered}");
    }
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome!\r\n0\r\n\r\n",
    ] {
        let member = Member::start(move |visit, _| {
            visit.head();
            visit.send(answer);
        });
        let proxy = Proxy::of(&[&member]);
        let mut client = proxy.client();
        client.send(&get("h1"));
        let answered = String::from_utf8(client.rest()).unwrap();
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n") && answered.contains("some"), "{answered}");
        assert!(!answered.ends_with("0\r\n\r\n") && !answered.contains("Content-Length: 4\r\n"), "{answered}");
    }
}

#[test]
fn who_does_not_answer_in_time_is_a_timeout_and_who_trickles_is_not() {
    let silent = Member::start(|visit, _| {
        visit.head();
        visit.head();
    });
    let trickling = Member::start(|visit, _| {
        visit.head();
        for byte in ok("slow").as_bytes() {
            std::thread::sleep(Duration::from_millis(40));
            visit.send([*byte]);
        }
    });
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::at(
        &[("h1", vec![silent.address]), ("h2", vec![trickling.address]), ("h3", vec![full.local_addr().unwrap()])],
        "",
        &["-t", "1"],
    );
    let start = Instant::now();
    for host in ["h1", "h3"] {
        let answer = proxy.client().ask(&get(host));
        assert_eq!((answer.status, answer.body.as_str()), (504, GATEWAY_TIMEOUT), "{host}");
    }
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(proxy.client().ask(&get("h2")).body, "slow");
    assert!(proxy.metrics().contains("error=\"504\",host=\"h1\"} 1.0"));
}

#[test]
fn a_kept_connection_that_the_member_closes_is_no_error() {
    // It closes each connection after its second answer: at once, or when it is asked again.
    for at_once in [true, false] {
        let member = Member::start(move |visit, _| {
            for _ in 0..2 {
                if visit.head().is_none() {
                    return;
                }
                visit.send(ok("ok"));
            }
            if !at_once {
                visit.head();
            }
        });
        let proxy = Proxy::of(&[&member]);
        let mut client = proxy.client();
        for round in 0..30 {
            assert_eq!(client.ask(&get("h1")).body, "ok", "{round}");
        }
    }
}

#[test]
fn what_may_not_be_done_twice_is_not() {
    let member = Member::start(|visit, _| {
        visit.head();
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(b"POST / HTTP/1.1\r\nHost: h1\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.answer().status, 502);
    assert_eq!(member.heads().len(), 1);
}

#[test]
fn what_may_be_done_twice_is_asked_of_another_one() {
    let (bad, good) = (
        Member::start(|visit, _| drop(visit.head())),
        Member::start(|visit, _| {
            while visit.head().is_some() {
                let body = visit.exactly(3).unwrap();
                visit.send(ok(std::str::from_utf8(&body).unwrap()));
            }
        }),
    );
    let proxy = Proxy::start(&[("h1", &[&bad, &good])], "      strategy: RROBIN\n", &[]);
    for _ in 0..6 {
        let mut client = proxy.client();
        client.send(b"PUT / HTTP/1.1\r\nHost: h1\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(client.answer().body, "abc", "the body is there for the second one, too");
    }
    assert!(!bad.heads().is_empty());
}

#[test]
fn what_comes_behind_an_answer_reaches_nobody() {
    let member = Member::start(|visit, number| {
        while visit.head().is_some() {
            visit.send(format!("{}{}", ok(&number.to_string()), ok("surplus")));
        }
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    for number in 0..5 {
        assert_eq!(client.ask(&get("h1")).body, number.to_string());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_was_told_to_go_on_is_told_when_it_is_in_vain() {
    let silent = Member::start(|visit, _| {
        visit.head();
        // It never asks for the body.
        visit.exactly(5);
    });
    let asking = Member::start(|visit, _| {
        visit.head();
        visit.send("HTTP/1.1 100 Continue\r\n\r\n");
        visit.exactly(5);
    });
    for member in [silent, asking] {
        let proxy = Proxy::of(&[&member]);
        let mut client = proxy.client();
        client.send(b"POST / HTTP/1.1\r\nHost: h1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.head().status, 100);
        client.send(b"hello");
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.as_str()), (502, BAD_GATEWAY));
    }
}

#[test]
fn a_connection_that_may_be_a_tunnel_is_not_used_again() {
    let member = Member::start(|visit, number| {
        while let Some(head) = visit.head() {
            // Who grants a CONNECT takes all that follows for what it is to pass on.
            visit.send(ok(&format!("{number} {}", &head[..3])));
        }
    });
    let proxy = Proxy::of(&[&member]);
    for number in 0..10 {
        let mut client = proxy.client();
        client.send(b"CONNECT h1:80 HTTP/1.1\r\nHost: h1\r\n\r\nGET /hidden HTTP/1.1\r\nHost: h1\r\n\r\n");
        let answers = String::from_utf8(client.rest()).unwrap();
        assert!(answers.ends_with(&format!("\r\n\r\n{number} CON")), "{answers}");
    }
    assert_eq!(proxy.client().ask(&get("h1")).body, "10 GET");
}

#[test]
fn one_slow_member_holds_up_nobody_else() {
    let slow = Member::start(|visit, _| {
        visit.head();
        std::thread::sleep(Duration::from_secs(2));
        visit.send(ok("slow"));
    });
    let fast = Member::answering(ok("fast"));
    let proxy = Proxy::start(&[("h1", &[&slow]), ("h2", &[&fast])], "", &["--threads", "1"]);
    let mut waiting = proxy.client();
    waiting.send(&get("h1"));
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(proxy.client().ask(&get("h2")).body, "fast");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(waiting.answer().body, "slow");
}

#[test]
fn a_head_may_be_long_but_not_longer() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::of(&[&member]);
    let head = |length: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h1\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4)).into_bytes()
    };
    assert_eq!(proxy.client().ask(&head(3968 + 2)).body, "ok");
    assert_eq!(proxy.client().ask(&head(16 * 1024)).body, "ok");
    let answer = proxy.client().ask(&head(16 * 1024 + 1));
    let page = "<h1>Error 413: Request Entity Too Large (header size must not exceed 16382 bytes)</h1>";
    assert_eq!((answer.status, answer.body.as_str()), (413, page));
    // In pieces, as the network has it.
    let mut client = proxy.client();
    for byte in get("h1") {
        client.send(&[byte]);
    }
    assert_eq!(client.answer().body, "ok");
}

#[test]
fn who_never_finishes_a_head_or_a_body_is_told_and_let_go() {
    let member = Member::start(|visit, _| {
        visit.head();
        visit.head();
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(b"GET / HTTP/1.1\r\nHost: h1\r\nX-Slow");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.ends_with("<h1>Error 408: Request Timeout</h1>"), "{answer}");
}

#[test]
fn doubtful_requests_reach_no_member() {
    let member = Member::answering(ok("ok"));
    let proxy = Proxy::of(&[&member]);
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: h1\r\n{fields}\r\n0\r\n\r\n");
    let mut doubtful: Vec<Vec<u8>> = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 1_0\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5 5\r\n",
        "Host: h1\r\n",
        "Host: h2\r\n",
        "Host : h2\r\n",
        "X: a\r\n b\r\n",
        "X: a\rb\r\n",
        "X: a\nY: b\r\n",
        "X\0: a\r\n",
        ": a\r\n",
    ]
    .iter()
    .map(|fields| post(fields).into_bytes())
    .collect();
    doubtful.extend(
        [
            &b"GET / HTTP/1.1\nHost: h1\n\n"[..],
            b"GET /\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: h1\r\n\r\n",
            b"GET / HTTP/1.1 \r\nHost: h1\r\n\r\n",
            b"GET\t/ HTTP/1.1\r\nHost: h1\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: h1\r\n\r\n",
            b"GET x HTTP/1.1\r\nHost: h1\r\n\r\n",
            b"GET http://h2/ HTTP/1.1\r\nHost: h1\r\n\r\n",
            b"GET http://h1?x HTTP/1.1\r\nHost: h1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a@h1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h1/x\r\n\r\n",
            b"POST / HTTP/1.0\r\nHost: h1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ]
        .map(<[u8]>::to_vec),
    );
    for request in doubtful {
        let mut client = proxy.client();
        let smuggled = [&request[..], b"GET /smuggled HTTP/1.1\r\nHost: h1\r\n\r\n"].concat();
        client.send(&smuggled);
        let answered = client.rest();
        let shown = request.escape_ascii();
        assert!(answered.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{shown}: {}", answered.escape_ascii());
        assert!(!answered.windows(11).any(|part| part == b"HTTP/1.1 20"), "{shown}");
    }
    assert_eq!(member.heads(), [""; 0]);
}

#[test]
fn a_body_is_no_request_and_a_request_no_body() {
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            if head.contains("Content-Length: ") {
                visit.exactly(5).unwrap();
            } else if head.contains("chunked") {
                visit.until(b"0\r\n\r\n").unwrap();
            }
            visit.send(ok(head.split(' ').nth(1).unwrap()));
        }
    });
    let proxy = Proxy::of(&[&member]);
    let mut client = proxy.client();
    client.send(
        b"POST /a HTTP/1.1\r\nHost: h1\r\nContent-Length: 5\r\n\r\nGET /GET /b HTTP/1.1\r\nHost: h1\r\n\r\n\
          POST /c HTTP/1.1\r\nHost: h1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\nGET /d HTTP/1.1\r\nHost: h1\r\n\r\n",
    );
    let bodies: Vec<_> = (0..4).map(|_| client.answer().body).collect();
    assert_eq!(bodies, ["/a", "/b", "/c", "/d"]);
}
