//! Many at once: each number is given to one, and SIGTERM in the middle of it loses nothing.

use super::*;

#[test]
fn each_number_is_given_out_once() {
    for arguments in [&[][..], &["--durability", "interval"]] {
        let testero = start(&folder(), arguments);
        let (address, clients, steps) = (testero.address, 32, 30);
        let all: Vec<JoinHandle<Vec<String>>> = (0..clients)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = Client::new(address).unwrap();
                    (0..steps).map(|_| client.ask("/next").unwrap().body.trim_end().to_owned()).collect()
                })
            })
            .collect();
        let mut given: Vec<String> = all.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let by_size = |number: &String| (number.len(), number.clone());
        given.sort_by_key(by_size);
        let expected = first_numbers(clients * steps + 1).split_off(1);
        assert_eq!(given, expected);
        assert_eq!(state(&testero).hits, (clients * steps) as u64);
    }
}

#[test]
fn steps_of_all_kinds_at_once_make_one_sequence() {
    let testero = start(&folder_at(10, 5000), &[]);
    let before = state(&testero);
    assert_eq!((before.hits, before.index()), (10, 5000));
    let clients = crowd(&testero);
    thread::sleep(Duration::from_millis(700));
    let at_end = testero.signal_and_restart(libc::SIGTERM, &[]);
    check_told(&before, clients, &state(&at_end));
}

#[test]
fn commits_are_shared_by_those_that_wait() {
    let testero = start(&folder_at(0, 1000), &[]);
    let mut clients: Vec<Client> = (0..64).map(|_| Client::new(testero.address).unwrap()).collect();
    for _ in 0..20 {
        clients.iter_mut().for_each(|client| client.send("/next").unwrap());
        clients.iter_mut().for_each(|client| assert_eq!(client.receive().unwrap().status, 200));
    }
    let page = Page::classic(&testero);
    let value = |name: &str| page.value(&format!("testero_fibonacci_{name}_total"), &[]);
    println!("{} steps in {} commits", value("committed"), value("commits"));
    assert_eq!(value("committed"), 1280.0);
    assert!(value("commits") < 1280.0);
}

#[test]
fn sigterm_in_the_middle_loses_nothing() {
    for arguments in [&[][..], &["--durability", "interval"]] {
        let data = folder_at(0, 5000);
        let mut testero = start(&data, arguments);
        for _ in 0..25 {
            let before = state(&testero);
            let clients = crowd(&testero);
            thread::sleep(Duration::from_millis(fastrand::u64(5..40)));
            testero = testero.signal_and_restart(libc::SIGTERM, arguments);
            check_told(&before, clients, &state(&testero));
        }
    }
}

#[test]
fn sigterm_in_a_large_crowd_loses_nothing_that_was_not_synced_yet() {
    let arguments = ["--durability", "interval"];
    let mut testero = start(&folder_at(0, 5000), &arguments);
    for _ in 0..15 {
        let before = state(&testero);
        let clients = (0..48).map(|_| step_on(testero.address, "next")).collect();
        thread::sleep(Duration::from_millis(fastrand::u64(20..60)));
        testero = testero.signal_and_restart(libc::SIGTERM, &arguments);
        check_told(&before, clients, &state(&testero));
    }
}

#[test]
fn with_a_delay_it_steps_on_unready_until_the_end() {
    let data = folder();
    let testero = start(&data, &["--shutdown-delay", "1s"]);
    testero.get("/next");
    testero.signal(libc::SIGTERM);
    eventually("it is unready", || testero.ask("GET", "/readyz").status == 503);
    assert_eq!((testero.get("/next"), testero.get("/next")), (String::from("1\n"), String::from("2\n")));
    assert_eq!(testero.wait().0.code(), Some(0));
    assert_eq!(start(&data, &[]).get("/current"), "2\n");
}

#[test]
fn at_intervals_files_follow_within_a_second() {
    let data = folder();
    let testero = start(&data, &["--durability", "interval"]);
    for _ in 0..6 {
        testero.get("/next");
    }
    let line = || fs::read_to_string(data.path().join(CSV)).unwrap_or_default();
    let began = Instant::now();
    eventually("the original's file follows", || line() == "6,6,5,8,13\n");
    println!("the file followed after {:?}", began.elapsed());
    // What is on disk survives anything.
    let testero = testero.signal_and_restart(libc::SIGKILL, &["--durability", "interval"]);
    assert_eq!(state(&testero).hits, 6);
    testero.get("/previous");
    terminate(testero);
    assert_eq!(line(), "7,5,3,5,8\n");
}

#[test]
fn the_originals_file_follows_and_is_there_at_the_end() {
    let data = folder();
    let testero = start(&data, &[]);
    let line = || fs::read_to_string(data.path().join(CSV)).unwrap_or_default();
    eventually("it is there", || line() == "0,1,0,0,1\n");
    for _ in 0..3 {
        testero.get("/next");
    }
    eventually("it follows", || line() == "3,3,1,2,3\n");
    testero.get("/reset");
    testero.get("/next");
    terminate(testero);
    assert_eq!(line(), "5,1,0,1,1\n");
}

impl Testero {
    /// Ends it, and starts it again on its folder.
    pub(super) fn signal_and_restart(self, signal: i32, arguments: &[&str]) -> Testero {
        let data = Arc::clone(&self.data);
        self.signal(signal);
        let (status, _, log) = self.wait();
        assert!(signal == libc::SIGKILL || status.code() == Some(0), "{status}: {log}");
        assert!(!log.contains("panic"), "{log}");
        start(&data, arguments)
    }
}
