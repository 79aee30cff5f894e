//! Bounds and deadlines: each is met, and told.

use super::*;

#[test]
fn a_head_over_16_kib_is_431() {
    let testero = Testero::start();
    let head = |length: usize| {
        let start = "GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    assert_eq!(answers(&testero.raw(head(16 * 1024).as_bytes()))[0].status, 200);
    refused(&testero, head(16 * 1024 + 1).as_bytes(), 431);
    refused(&testero, head(300_000).as_bytes(), 431);
    // Told at once, without waiting for an end that may never come.
    let mut client = Client::new(testero.address);
    client.send(&head(100_000).as_bytes()[..17_000]);
    let start = Instant::now();
    assert_eq!(client.answer().status, 431);
    assert!(start.elapsed() < Duration::from_secs(8));
    testero.get("/api/mem/getact");
}

#[test]
fn more_than_64_fields_are_431() {
    let testero = Testero::start();
    let head = |fields: usize| {
        format!("GET /api/mem/getact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", "A: b\r\n".repeat(fields - 2))
    };
    assert_eq!(answers(&testero.raw(head(64).as_bytes()))[0].status, 200);
    refused(&testero, head(65).as_bytes(), 431);
    refused(&testero, head(2000).as_bytes(), 431);
}

#[test]
fn a_target_over_8_kib_is_414() {
    let testero = Testero::start();
    let head = |length: usize| {
        let path = "/api/mem/getact?";
        let target = format!("{path}{}", "x".repeat(length - path.len()));
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(answers(&testero.raw(head(8 * 1024).as_bytes()))[0].status, 200);
    refused(&testero, head(8 * 1024 + 1).as_bytes(), 414);
    refused(&testero, head(100_000).as_bytes(), 414);
    refused(&testero, &[b'x'; 40_000], 414);
}

#[test]
fn a_body_over_64_kib_is_413() {
    let testero = Testero::start();
    let head = |framing: &str| format!("POST /api/mem/getact HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").into_bytes();
    let whole = |length: usize| [head(&format!("Content-Length: {length}")), vec![b'x'; length]].concat();
    let mut client = Client::new(testero.address);
    assert_eq!(client.ask(&whole(65536)).status, 200);
    assert_eq!(client.ask(&whole(65536)).status, 200);
    refused(&testero, &whole(65537), 413);
    refused(&testero, &head("Content-Length: 1000000000000"), 413);
    refused(&testero, &head("Content-Length: 99999999999999999999999999"), 413);
    let chunk = |length: usize| format!("{length:x}\r\n{}\r\n", "x".repeat(length));
    let chunked = |chunks: &str| [head("Transfer-Encoding: chunked"), chunks.as_bytes().to_vec()].concat();
    assert_eq!(client.ask(&chunked(&format!("{}{}0\r\n\r\n", chunk(65000), chunk(536)))).status, 200);
    refused(&testero, &chunked(&format!("{}{}0\r\n\r\n", chunk(65000), chunk(537))), 413);
    refused(&testero, &chunked("fffffffffffffff\r\n"), 413);
    // Too much between the data is too much, too.
    refused(&testero, &chunked(&chunk(1).repeat(30_000)), 413);
    refused(&testero, &chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(20_000))), 413);
    testero.get("/api/mem/getact");
    memory_stays_small(&testero);
}

#[test]
fn a_handler_may_keep_bodies_of_the_size_it_says() {
    let local = Local::start(4, |request| {
        let words = format!("{} {}", request.body.len(), request.body.iter().map(|&b| u64::from(b)).sum::<u64>());
        text(200, words).into()
    });
    let mut client = Client::new(local.address);
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sum: u64 = body.iter().map(|&b| u64::from(b)).sum();
    let head =
        |target: &str, framing: &str| format!("PUT {target} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").into_bytes();
    let plain = |target: &str, length: usize| {
        [&head(target, &format!("Content-Length: {length}"))[..], &body[..length]].concat()
    };
    assert_eq!(client.ask(&plain("/keep", 200_000)).body, format!("200000 {sum}"));
    let mut chunked = head("/keep", "Transfer-Encoding: chunked");
    for chunk in body.chunks(3001) {
        chunked.extend_from_slice(format!("{:X};x\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nTrailer: t\r\n\r\n");
    assert_eq!(client.ask(&chunked).body, format!("200000 {sum}"));
    // Where it does not ask for them, it does not get them.
    assert_eq!(client.ask(&plain("/discard", 100)).body, "0 0");
    assert_eq!(client.ask(&plain("/keep", 0)).body, "0 0");
    assert_eq!(client.ask(&plain("/discard", 101)).status, 413);
    assert_eq!(Client::new(local.address).ask(&head("/keep", "Content-Length: 200001")).status, 413);
}

/// When the service closes `stream` although nobody reads: a reset is seen at once.
fn closed_after(stream: &TcpStream, start: Instant) -> Duration {
    let mut watched = libc::pollfd { fd: stream.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: the pointer is to one live pollfd.
    assert!(unsafe { libc::poll(&raw mut watched, 1, PATIENCE.as_millis() as i32) } >= 0);
    assert!(watched.revents & (libc::POLLHUP | libc::POLLERR) != 0, "never closed");
    start.elapsed()
}

/// The deadlines take ten seconds each, so they are waited for side by side.
#[test]
fn deadlines_are_absolute_and_a_byte_a_second_does_not_help() {
    const DEADLINE: std::ops::Range<Duration> = Duration::from_millis(9_900)..Duration::from_secs(15);
    let testero = Testero::start();
    let drips = |start: &[u8], drip: &[u8]| {
        let mut client = Client::new(testero.address);
        let begun = Instant::now();
        client.send(start);
        client.stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        let answer = loop {
            match client.try_answer() {
                Err(error) if is_wait(&error) => client.stream.write_all(drip).unwrap(),
                answer => break answer.unwrap(),
            }
        };
        assert_eq!((answer.status, answer.field("Connection")), (408, Some("close")));
        assert!(DEADLINE.contains(&begun.elapsed()), "{:?}", begun.elapsed());
        client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(client.rest(), b"");
    };
    thread::scope(|scope| {
        scope.spawn(|| drips(b"G", b"E"));
        scope.spawn(|| drips(b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"));
        scope.spawn(|| drips(&[GET, b"GET / HTTP/1.1\r\n"].concat()[GET.len()..], b"a"));
        scope.spawn(|| drips(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"x"));
        scope.spawn(|| drips(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"));
    });
    testero.get("/api/mem/getact");
}

#[test]
fn answers_that_nobody_takes_have_a_deadline() {
    let testero = Testero::start();
    let client = Client::new(testero.address);
    client.stream.set_nonblocking(true).unwrap();
    let burst = GET.repeat(1000);
    let mut begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        match (&client.stream).write(&burst) {
            Ok(_) => begun = Instant::now(),
            Err(error) if is_wait(&error) => thread::sleep(Duration::from_millis(20)),
            Err(error) => panic!("{error}"),
        }
    }
    let took = closed_after(&client.stream, begun);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn taking_an_answer_slowly_has_the_same_deadline() {
    let local = Local::start(4, |_| text(200, vec![b'x'; 50_000_000]).into());
    let mut client = Client::new(local.address);
    client.send(GET);
    let begun = Instant::now();
    let mut piece = [0; 20_000];
    eventually("the server knows us", || other_end(&client.stream).is_some());
    while other_end(&client.stream).is_some() {
        assert!(client.stream.read(&mut piece).unwrap() > 0);
        assert!(begun.elapsed() < Duration::from_secs(15), "still sending after {:?}", begun.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_secs(9), "it had its time: {:?}", begun.elapsed());
}
