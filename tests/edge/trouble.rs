//! Shortages of descriptors and threads, and handlers that panic.

use super::*;

#[test]
fn a_shortage_of_descriptors_does_not_end_accepting() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let limit = Lowered::new(&testero, descriptor_limit, 3);
    let mut client = Client::new(testero.address);
    client.send(GET);
    eventually("the shortage is told", || testero.log().contains("Cannot accept a connection"));
    let (cpu, lines) = (testero.cpu_time(), testero.log().lines().count());
    thread::sleep(Duration::from_secs(1));
    assert!(testero.cpu_time() - cpu < Duration::from_millis(300), "it backs off");
    assert!(testero.log().lines().count() - lines < 50, "it does not flood the log");
    drop(limit);
    assert_eq!(client.answer().status, 200);
    drop(client);
    before.is_back(&testero);
}

#[test]
fn a_shortage_of_descriptors_is_helped_by_whoever_waits_longest() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let mut idle = Client::new(testero.address);
    assert_eq!(idle.ask(GET).status, 200);
    // The lowest number that is free, which the next descriptor would have.
    let free = |fd: &u64| !std::path::Path::new(&format!("/proc/{}/fd/{fd}", testero.pid())).is_symlink();
    let next = (0..).find(free).unwrap();
    let limit = Lowered::new(&testero, descriptor_limit, next);
    let mut others: Vec<Client> = (0..20).map(|_| Client::new(testero.address)).collect();
    assert_eq!(others.last_mut().unwrap().ask(GET).status, 200);
    assert_eq!(idle.rest(), b"");
    drop(limit);
    drop(others);
    before.is_back(&testero);
}

/// Leaves no room for the stack of one more thread while `test` runs.
fn without_threads(testero: &Testero, test: impl FnOnce()) {
    // What the service's own threads need they have by now, so that the limit takes nothing from them.
    std::thread::sleep(Duration::from_millis(1500));
    // Threads that have ended leave stacks that are used again: none has been started here.
    let used = testero.status("VmSize") << 10;
    // The smallest stack has 64 KiB; musl takes memory for a small text from the kernel at once.
    let limit = Lowered::new(testero, address_limit, used + (48 << 10));
    test();
    drop(limit);
}

#[test]
fn a_thread_that_cannot_be_spawned_is_a_503() {
    let testero = Testero::start();
    without_threads(&testero, || {
        for _ in 0..20 {
            let mut client = Client::new(testero.address);
            client.send(GET);
            let answer = client.answer();
            assert_eq!((answer.status, answer.field("Connection")), (503, Some("close")));
            assert_eq!(client.rest(), b"");
        }
    });
    eventually("it is logged", || testero.log().contains("Cannot start a thread"));
    assert_eq!(testero.ask("GET", "/api/mem/getact").status, 200);
    Footing::of(&testero).is_back(&testero);
}

#[test]
fn the_date_is_there_even_without_a_thread() {
    let testero = Testero::start();
    without_threads(&testero, || {
        // Who sends later than a millisecond after it has connected may be reset before it reads.
        eventually("it is answered", || {
            let mut client = Client::new(testero.address);
            client.send(GET);
            let Ok(answer) = client.try_answer() else { return false };
            assert_eq!(answer.status, 503);
            assert!(answer.field("Date").is_some(), "{answer:?}");
            true
        });
    });
}

#[test]
fn a_handlers_panic_is_a_500_and_harms_nobody_else() {
    let local = Local::start(4, |request| match request.path.as_ref() {
        b"/panic" => panic!("on purpose, in a test of the edge"),
        _ => text(200, "fine").into(),
    });
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        match panic.to_string().contains("on purpose, in a test of the edge") {
            true => drop(count.fetch_add(1, Ordering::AcqRel)),
            false => usual(panic),
        }
    }));
    let mut neighbour = Client::new(local.address);
    assert_eq!(neighbour.ask(GET).body, "fine");
    for round in 1..=20 {
        let mut client = Client::new(local.address);
        client.send(&[b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n", GET].concat());
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("Connection")), (500, Some("close")));
        assert!(answer.field("Date").is_some());
        assert_eq!(client.rest(), b"", "nothing after it is answered");
        assert_eq!(told.load(Ordering::Acquire), round, "it goes through the panic hook, which logs it");
        assert_eq!(neighbour.ask(GET).body, "fine");
    }
    // More panics than places: each gave its place back.
    assert_eq!(Client::new(local.address).ask(GET).body, "fine");
}

#[test]
fn work_that_gets_no_thread_is_told_so_and_leaves_its_group_free() {
    let testero = Testero::start();
    let mut client = Client::new(testero.address);
    // From here on the connection has its thread, and that thread its memory.
    let before = client.ask(b"GET /api/mem/getdef HTTP/1.1\r\nHost: x\r\n\r\n").body;
    // Growing would not get as far: the guard sees that there is no address space left.
    let works = ["/api/mem/set?size=0", "/api/disk/set?size=5", "/api/cpu/load?time=60"];
    without_threads(&testero, || {
        for target in works {
            let answer = client.ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
            assert!(answer.body.starts_with("Could not start the work, try again later: "), "{target}: {answer:?}");
        }
        assert_eq!(client.ask(b"GET /api/mem/getdef HTTP/1.1\r\nHost: x\r\n\r\n").body, before);
        assert_eq!(
            client.ask(b"GET /api/cpu/getact HTTP/1.1\r\nHost: x\r\n\r\n").body,
            "No load request in progress\n"
        );
    });
    for target in works {
        let answer = testero.get(target);
        assert!(answer.contains(" requested for ") || answer.contains(" request sent for "), "{target}: {answer}");
    }
}
