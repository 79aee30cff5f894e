//! Crowds: idle, dripping, pipelining, never reading; a probe always gets in.

use super::*;

#[test]
fn http_2_leaks_neither_threads_nor_descriptors() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    for _ in 0..300 {
        let mut client = Client::new(testero.address);
        client.send(b"GET / HTTP/2.0\r\n\r\n");
        assert_eq!(client.answer().status, 505);
    }
    before.is_back(&testero);
}

#[test]
fn connections_reset_in_odd_moments_are_harmless() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let large = GET.repeat(500);
    let moments: [&[u8]; 9] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHos",
        GET,
        &large,
        b"GET /api/mem/set HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\nmore",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..40 {
        for moment in moments {
            let client = Client::new(testero.address);
            reset_on_close(&client.stream);
            client.stream.set_nonblocking(true).unwrap();
            let _ = (&client.stream).write(moment);
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(random.u64(..1500)));
            }
        }
    }
    testero.get("/api/mem/getact");
    before.is_back(&testero);
}

/// So many clients at a time, each made again when the service sent it away, until dropped.
struct Crowd {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Each client sends `first`; then, again and again, takes what came where it `reads`, and sends `then`.
    fn new(testero: &Testero, size: usize, first: &'static [u8], then: Vec<u8>, reads: bool, pause: Duration) -> Self {
        const THREADS: usize = 2;
        raise_descriptors();
        let enough = Arc::new(AtomicBool::new(false));
        let started = Arc::new(AtomicUsize::new(0));
        let address = testero.address;
        let threads = (0..THREADS)
            .map(|_| {
                let (enough, started, then) = (Arc::clone(&enough), Arc::clone(&started), then.clone());
                let new = move || {
                    let mut stream = TcpStream::connect(address).ok()?;
                    let _ = stream.write_all(first);
                    stream.set_nonblocking(true).ok()?;
                    Some(stream)
                };
                thread::spawn(move || {
                    let mut clients: Vec<Option<TcpStream>> = (0..size / THREADS).map(|_| new()).collect();
                    started.fetch_add(1, Ordering::Release);
                    let mut waste = [0; 16384];
                    while !enough.load(Ordering::Acquire) {
                        for client in &mut clients {
                            let mut lost = client.is_none();
                            if let Some(stream) = client {
                                if reads {
                                    loop {
                                        match stream.read(&mut waste) {
                                            Ok(0) => lost = true,
                                            Ok(_) => continue,
                                            Err(error) => lost |= !is_wait(&error),
                                        }
                                        break;
                                    }
                                }
                                if let Err(error) = stream.write(&then) {
                                    lost |= !is_wait(&error);
                                }
                            }
                            if lost {
                                *client = new();
                            }
                        }
                        thread::sleep(pause);
                    }
                })
            })
            .collect();
        let crowd = Self { enough, threads };
        eventually("the crowd is there", || started.load(Ordering::Acquire) == THREADS);
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_probe_gets_in_while_1000_clients_idle() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, b"", Vec::new(), false, Duration::from_millis(50));
    probes_get_in(&testero, Duration::from_secs(2));
    assert!(testero.status("Threads") > 100, "they are held as long as there is room");
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_1000_clients_idle_after_a_request() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, GET, Vec::new(), true, Duration::from_millis(50));
    probes_get_in(&testero, Duration::from_secs(2));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_600_clients_drip() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 600, b"GET / HTTP/1.1\r\nX: ", b"x".to_vec(), false, Duration::from_millis(100));
    probes_get_in(&testero, Duration::from_secs(4));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_600_clients_drip_bodies() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let first = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n";
    let crowd = Crowd::new(&testero, 600, first, b"x".to_vec(), false, Duration::from_millis(100));
    probes_get_in(&testero, Duration::from_secs(3));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn a_probe_gets_in_while_1000_clients_pipeline() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, GET, GET.repeat(20), true, Duration::from_millis(10));
    probes_get_in(&testero, Duration::from_secs(5));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn clients_that_never_read_their_answers_hold_no_more_than_their_places() {
    let testero = Testero::start();
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 1000, GET, GET.repeat(200), false, Duration::from_millis(20));
    probes_get_in(&testero, Duration::from_secs(4));
    drop(crowd);
    memory_stays_small(&testero);
    before.is_back(&testero);
}

#[test]
fn the_number_of_connections_follows_from_the_descriptors() {
    let testero = with_permits(16, &[]);
    let before = Footing::of(&testero);
    let mut clients: Vec<Client> = (0..60).map(|_| Client::new(testero.address)).collect();
    let mut last = Client::new(testero.address);
    assert_eq!(last.ask(GET).status, 200, "the newest gets in");
    assert!(testero.descriptors() <= before.descriptors + 16 + 4);
    // Those that have waited longest gave way, silently; the newest are still there.
    assert_eq!(clients.remove(0).rest(), b"");
    assert_eq!(clients.pop().unwrap().ask(GET).status, 200);
    drop((clients, last));
    before.is_back(&testero);
}

#[test]
fn a_held_burst_does_not_starve_later_connections() {
    let testero = with_permits(4, &[]);
    let before = Footing::of(&testero);
    let crowd = Crowd::new(&testero, 8, GET, GET.repeat(100), true, Duration::ZERO);
    probes_get_in(&testero, Duration::from_secs(2));
    drop(crowd);
    before.is_back(&testero);
}
