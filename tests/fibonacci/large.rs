//! Numbers of a hundred thousand digits, and where they end.

use super::super::cgroup::Cgroup;
use super::*;

/// F(478000) has so many digits.
const FAR: u64 = 478_000;
const DIGITS: usize = 99_896;

#[test]
fn beyond_the_limit_it_says_so_and_what_to_do() {
    let data = folder();
    let testero = start(&data, &["--limit-digits", "3"]);
    for number in &first_numbers(17)[1..] {
        assert_eq!(testero.get("/next").trim_end(), number);
    }
    let before = state(&testero);
    assert_eq!((before.current.as_str(), before.hits), ("987", 16));
    let answer = testero.ask("GET", "/next");
    assert_eq!(answer.status, 409);
    for word in ["LIMITDIGITS", "/previous", "/reset"] {
        assert!(answer.body.contains(word), "{word}: {answer:?}");
    }
    assert_eq!(testero.json("GET", "/next", 409).number("error.status"), 409.0);
    assert_eq!(state(&testero), before);
    assert_eq!((testero.get("/previous"), testero.get("/next")), (String::from("610\n"), String::from("987\n")));
    // Neither a limit below where it stands nor none above stops it.
    terminate(testero);
    let testero = start(&data, &["--limit-digits", "1"]);
    assert_eq!((testero.ask("GET", "/next").status, testero.get("/current")), (409, String::from("987\n")));
    assert_eq!(testero.get("/previous"), "610\n");
    testero.get("/reset");
    assert_eq!(testero.get("/next"), "1\n");
}

#[test]
fn a_number_of_a_hundred_thousand_digits_is_answered_to_64_at_once() {
    let began = Instant::now();
    let testero = start(&folder_at(FAR, FAR), &[]);
    println!("started at position {FAR} after {:?}", began.elapsed());
    let mut clients: Vec<Client> = (0..64).map(|_| Client::new(testero.address).unwrap()).collect();
    let began = Instant::now();
    clients.iter_mut().for_each(|client| client.send("/current").unwrap());
    // Who formats does not hold up who does not.
    assert_eq!(testero.get("/healthz"), "ok\n");
    println!("a probe beside 64 of them took {:?}", began.elapsed());
    for client in &mut clients {
        let answer = client.receive().unwrap();
        let number = answer.body.strip_suffix('\n').unwrap();
        assert_eq!((answer.status, number.len()), (200, DIGITS));
        assert_eq!(remainder(number), number_at(FAR));
    }
    println!("64 of them took {:?}, VmHWM {} KiB", began.elapsed(), testero.status("VmHWM"));
    let answer = testero.ask("GET", "/next?format=json");
    assert_eq!(State::parse(&answer.body).index(), FAR + 1);
    assert!(testero.get("/reset").starts_with("\"{"));
    assert!(!testero.log().contains("panic"), "{}", testero.log());
}

#[test]
fn the_limit_is_met_to_the_number() {
    // φ to the power of the index, divided by the root of 5, tells how many digits there are.
    let digits = |index: u64| {
        let root = 5f64.sqrt();
        (index as f64 * f64::midpoint(1.0, root).log10() - root.log10()) as usize + 1
    };
    let last = (FAR..).find(|index| digits(index + 1) > 100_000).unwrap();
    let testero = start(&folder_at(0, last - 1), &[]);
    let number = testero.get("/next");
    assert_eq!((number.trim_end().len(), remainder(number.trim_end())), (100_000, number_at(last)));
    assert_eq!(testero.ask("GET", "/next").status, 409);
    assert_eq!(testero.get("/previous").trim_end().len(), digits(last - 1));
    assert_eq!(testero.get("/next"), number);
}

#[test]
fn the_originals_file_is_taken_over_at_any_length() {
    let first = start(&folder_at(9, FAR), &[]);
    let file = first.data.path().join(CSV);
    eventually("its file is there", || file.exists());
    let data = folder();
    fs::copy(&file, data.path().join(CSV)).unwrap();
    terminate(first);
    let began = Instant::now();
    let testero = start(&data, &[]);
    println!("taken over at position {FAR} after {:?}", began.elapsed());
    assert!(testero.log().contains("taken over"), "{}", testero.log());
    let found = state(&testero);
    assert_eq!((found.hits, found.position, found.current.len()), (9, FAR, DIGITS));
}

#[test]
fn a_long_journal_is_read_in_no_time() {
    // As long as one gets before it is followed by another, in the smallest batches.
    let steps: Vec<u8> = (0..(4 << 20) / BATCH).map(|step| if step % 3 == 2 { 2 } else { 1 }).collect();
    let data = folder();
    fs::write(data.path().join("fibo.journal.1"), journal(1, 0, 0, &steps)).unwrap();
    let began = Instant::now();
    let testero = start(&data, &[]);
    println!("{} batches were read after {:?}", steps.len(), began.elapsed());
    let found = state(&testero);
    let index = steps.iter().map(|step| if *step == 1 { 1 } else { -1 }).sum::<i64>();
    assert_eq!((found.hits, found.index()), (steps.len() as u64, index as u64));
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn a_number_of_a_million_digits_is_answered() {
    // Its conversion needs more stack than a connection has.
    let testero = start(&folder_at(0, 4_780_000), &["--limit-digits", "1000000"]);
    let number = testero.get("/current");
    assert_eq!(number.trim_end().len(), 998_961);
    assert_eq!(remainder(number.trim_end()), number_at(4_780_000));
    assert_eq!(testero.get("/healthz"), "ok\n");
}

#[test]
fn long_answers_that_nobody_reads_stay_within_a_small_container() {
    let Some(cgroup) = Cgroup::memory("fibonacci", 256 << 20) else { return };
    let data = folder_at(0, 4_780_000);
    let testero = ready(cgroup.spawn(command(data.path(), &["--limit-digits", "1000000"]), data));
    let mut clients: Vec<Client> = (0..250).map(|_| Client::new(testero.address).unwrap()).collect();
    clients.iter_mut().for_each(|client| client.send("/current").unwrap());
    let mut most = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        most = most.max(testero.status("VmRSS"));
        thread::sleep(Duration::from_millis(50));
    }
    println!("{} clients that do not read: VmRSS {most} KiB at most", clients.len());
    assert_eq!((cgroup.oom_kills(), testero.get("/healthz").as_str()), (0, "ok\n"));
    // Those that are gone leave their share to others.
    drop(clients);
    let mut client = Client::new(testero.address).unwrap();
    eventually("a client that reads is served", || client.ask("/current").unwrap().status == 200);
    drop(client);
    terminate(testero);
}
