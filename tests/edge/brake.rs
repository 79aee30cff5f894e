//! The brake: at most half the places wait on us.

use super::*;

/// How many of these have an answer to read.
fn answered(clients: &[Client]) -> usize {
    let has_answer = |client: &&Client| {
        client.stream.set_nonblocking(true).unwrap();
        let has = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        has
    };
    clients.iter().filter(has_answer).count()
}

#[test]
fn braked_answers_hold_at_most_half_the_permits() {
    let delay = Duration::from_secs(600);
    let local = Local::start(16, move |request| {
        let delay = if request.path.as_ref() == b"/late" { delay } else { Duration::ZERO };
        Reply::from(text(200, "done")).after(delay)
    });
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..12).map(|_| Client::new(local.address)).collect();
    for client in &mut clients {
        client.send(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    eventually("those above half are answered at once", || answered(&clients) >= 4);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(answered(&clients), 4, "eight are held");
    // Others get in all the while, and the held ones do not have to give way to a crowd.
    let crowd: Vec<Client> = (0..100).map(|_| Client::new(local.address)).collect();
    assert_eq!(Client::new(local.address).ask(GET).body, "done");
    drop(crowd);
    assert_eq!(Client::new(local.address).ask(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n").body, "done");
    // When the service stops, they leave at once.
    local.stop.stop();
    let mut done = 0;
    for mut client in clients {
        done += usize::from(client.try_answer().is_ok_and(|answer| answer.body == "done"));
    }
    assert!(done >= 8, "the held ones were answered: {done}");
    assert!(start.elapsed() < delay);
}

#[test]
fn the_program_holds_back_mistakes_on_at_least_half_its_permits() {
    let testero = with_permits(16, &[]);
    // One is answered at once only where eight others are held, so whatever the order, eight are late.
    let late = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..14 {
            scope.spawn(|| {
                let mut client = Client::new(testero.address);
                let start = Instant::now();
                assert_eq!(client.ask(b"GET /api/mem/set HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
                late.fetch_add(usize::from(start.elapsed() >= Duration::from_millis(990)), Ordering::Relaxed);
            });
        }
    });
    let late = late.into_inner();
    assert!(late >= 8, "{late} of 14 were late, with 16 permits");
}

#[test]
fn the_program_holds_back_answers_on_at_most_half_its_permits() {
    let testero = with_permits(16, &["--faults", "on"]);
    // Longer than this test takes.
    assert_eq!(testero.ask("POST", "/fault/delay?ms=60000&for=10m").status, 200);
    let mut clients: Vec<Client> = (0..14).map(|_| Client::new(testero.address)).collect();
    clients.iter_mut().for_each(|client| client.send(GET));
    eventually("those above half are answered at once", || answered(&clients) >= 6);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(answered(&clients), 6, "eight are held");
    testero.signal(libc::SIGTERM);
    assert!(clients.iter_mut().all(|client| client.answer().status == 200));
}
