//! What is found in the folder: torn, damaged, the original's, or nothing to do with it.

use super::*;

/// A journal of so many steps forward, made by the service itself, one a batch.
fn stepped(steps: usize) -> Vec<u8> {
    let data = folder();
    let testero = start(&data, &[]);
    (0..steps).for_each(|_| drop(testero.get("/next")));
    testero.signal(libc::SIGKILL);
    let _ = testero.wait();
    let bytes = fs::read(data.path().join("fibo.journal.1")).unwrap();
    assert_eq!(bytes, journal_beside(1, 0, 0, [(0, 0); 2], &vec![1; steps]), "the journal's form has changed");
    bytes
}

/// A folder with these files.
fn folder_with(files: &[(&str, &[u8])]) -> Arc<TempDir> {
    let data = folder();
    files.iter().for_each(|(name, bytes)| fs::write(data.path().join(name), bytes).unwrap());
    data
}

/// Asserts that a file is kept with its bytes, and told of, now and after the next start.
fn is_kept(testero: Testero, name: &str, bytes: &[u8], count: f64) {
    let path = testero.data.path().join(name);
    let log = testero.log();
    assert!(log.lines().any(|line| line.contains(path.to_str().unwrap())), "{name}: {log}");
    assert_eq!(Page::classic(&testero).value("testero_fibonacci_damaged_files", &[]), count);
    testero.get("/next");
    let data = Arc::clone(&testero.data);
    terminate(testero);
    let testero = start(&data, &[]);
    assert!(!testero.log().contains("damaged"), "{}", testero.log());
    terminate(testero);
    assert_eq!(fs::read(path).unwrap(), bytes, "{name}");
}

#[test]
fn a_torn_tail_is_cut_off() {
    let whole = stepped(5);
    for garbage in [&b"x"[..], &[0; 4096], b"\xF1\xB0\xCC\x1A\xFF\xFF\xFF\xFF", &[0xFF; 30], &whole[HEADER..][..BATCH]]
    {
        let bytes = [&whole, garbage].concat();
        let testero = start(&folder_with(&[("fibo.journal.1", &bytes)]), &[]);
        assert_eq!(state(&testero).hits, 5, "{}", testero.log());
        assert_eq!(testero.get("/next"), "8\n");
        let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
        assert_eq!(state(&testero).hits, 6);
        assert!(kept(testero.data.path()).iter().all(|name| !name.contains("damaged")), "{garbage:?}");
    }
}

#[test]
fn a_journal_cut_anywhere_keeps_what_stands_before_the_cut() {
    let whole = stepped(3);
    for cut in (HEADER..whole.len()).step_by(5).chain([HEADER + BATCH, HEADER + 2 * BATCH, whole.len()]) {
        let testero = start(&folder_with(&[("fibo.journal.1", &whole[..cut])]), &[]);
        assert_eq!(state(&testero).hits, ((cut - HEADER) / BATCH) as u64, "{cut}");
        assert!(!testero.log().contains("damaged"), "{}", testero.log());
    }
    // Without a whole header there is no journal; what it was is kept.
    let testero = start(&folder_with(&[("fibo.journal.1", &whole[..HEADER - 1])]), &[]);
    assert_eq!(state(&testero).hits, 0);
    is_kept(testero, "fibo.journal.1.damaged.1", &whole[..HEADER - 1], 1.0);
}

#[test]
fn a_journal_damaged_in_its_middle_is_kept_aside() {
    let whole = stepped(6);
    for place in
        [0, 9, 17, 33, 50, HEADER, HEADER + 5, HEADER + BATCH + 9, HEADER + 4 * BATCH + 16, HEADER + 5 * BATCH - 1]
    {
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        let testero = start(&folder_with(&[("fibo.journal.1", &bytes)]), &[]);
        let before = place.saturating_sub(HEADER) / BATCH;
        assert_eq!(state(&testero).hits, before as u64, "{place}");
        is_kept(testero, "fibo.journal.1.damaged.1", &bytes, 1.0);
    }
}

#[test]
fn where_the_originals_file_knows_more_than_a_damaged_journal_it_counts() {
    let mut bytes = stepped(6);
    bytes[HEADER + 2 * BATCH + 3] ^= 1;
    for (line, hits) in [("5,5,3,5,8\n", 5), ("1,1,0,1,1\n", 2)] {
        let testero = start(&folder_with(&[("fibo.journal.1", &bytes), (CSV, line.as_bytes())]), &[]);
        assert_eq!(state(&testero).hits, hits, "{line}");
        is_kept(testero, "fibo.journal.1.damaged.1", &bytes, 1.0);
    }
}

#[test]
fn names_that_are_taken_are_not_taken_again() {
    let (mut bytes, older) = (stepped(3), b"kept before");
    bytes[HEADER] ^= 1;
    let files = [("fibo.journal.1", &bytes[..]), ("fibo.journal.1.damaged.1", older), ("fibo.csv.damaged.1", older)];
    let data = folder_with(&[&files[..], &[(CSV, b"nonsense")]].concat());
    let testero = start(&data, &[]);
    is_kept(testero, "fibo.csv.damaged.2", b"nonsense", 2.0);
    for (name, content) in [("fibo.journal.1.damaged.2", &bytes[..]), (files[1].0, older), (files[2].0, older)] {
        assert_eq!(fs::read(data.path().join(name)).unwrap(), content, "{name}");
    }
}

#[test]
fn the_originals_file_is_taken_over() {
    let numbers = first_numbers(302);
    let far = format!("900,300,{},{},{}\n", numbers[299], numbers[300], numbers[301]);
    // From the 94th on the original's 64 bits are full: F(94) less 2^64, and F(95), too.
    let wrapped = "94,94,12200160415121876738,1293530146158671551,13493690561280548289";
    for (line, hits, position, current) in [
        ("12,6,5,8,13\n", 12, 6, "8"),
        ("12,6,5,8,13", 12, 6, "8"),
        (" 12, 6 ,5,8,13 \r\n", 12, 6, "8"),
        ("0,1,0,0,1\n", 0, 1, "0"),
        ("1,1,0,1,1\n", 1, 1, "1"),
        (&far, 900, 300, numbers[300].as_str()),
        (wrapped, 94, 94, "19740274219868223167"),
    ] {
        let testero = start(&folder_with(&[(CSV, line.as_bytes())]), &[]);
        let found = state(&testero);
        assert_eq!((found.hits, found.position, found.current.as_str()), (hits, position, current), "{line}");
        assert!(testero.log().contains("taken over from fibo.csv"), "{}", testero.log());
        let next = testero.get("/next");
        // From now on the journal counts, unless that file knows of more.
        fs::write(testero.data.path().join(CSV), "0,1,0,0,1\n").unwrap();
        let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
        assert_eq!((testero.get("/current"), state(&testero).hits), (next, hits + 1));
        assert!(!testero.log().contains("taken over"), "{}", testero.log());
    }
}

#[test]
fn a_file_of_that_name_that_is_no_state_is_kept() {
    for content in [
        &b"hello, world"[..],
        b"1,2,3",
        b"9,5,8,13,22\n",
        b"9,5,100,200,300\n",
        b"9,999999999999,1,1,2\n",
        b"1,1,0,1,1,extra",
        b"\xff\xfe\0\0",
        b"hits,position,previous,current,next\n",
    ] {
        let testero = start(&folder_with(&[(CSV, content)]), &[]);
        assert_eq!(state(&testero).hits, 0);
        is_kept(testero, "fibo.csv.damaged.1", content, 1.0);
    }
}

#[test]
fn the_most_hits_there_can_be_do_no_harm() {
    let line = format!("{},6,5,8,13\n", u64::MAX);
    let testero = start(&folder_with(&[(CSV, line.as_bytes())]), &[]);
    let answer = testero.ask("GET", "/next");
    assert!(answer.status == 200 || answer.status == 409, "{answer:?}");
    assert!(!testero.log().to_lowercase().contains("panic"), "{}", testero.log());
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let data = folder_with(&[("notes.txt", b"mine"), ("fibo.journal.old", b"x"), ("fibo.txt", b"y"), ("fibo", b"z")]);
    fs::create_dir(data.path().join("fibo.d")).unwrap();
    let testero = start(&data, &[]);
    testero.get("/next");
    terminate(testero);
    let names = kept(data.path());
    for name in ["notes.txt", "fibo.journal.old", "fibo.txt", "fibo", "fibo.d"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    assert_eq!(names.len(), 7, "{names:?}");
}

#[test]
fn after_many_starts_there_is_one_journal() {
    let data = folder();
    for hits in 0..5 {
        let testero = start(&data, &[]);
        assert_eq!(state(&testero).hits, hits);
        testero.get("/next");
        testero.signal(libc::SIGKILL);
        let _ = testero.wait();
    }
    let journals: Vec<String> = kept(data.path()).into_iter().filter(|name| name.contains("journal")).collect();
    assert_eq!(journals, ["fibo.journal.5"]);
}

#[test]
fn the_originals_file_beside_an_empty_journal_is_taken_over() {
    for (line, hits, current) in [("12,6,5,8,13", 12, "8"), ("0,6,5,8,13\n", 0, "8")] {
        let data = folder();
        terminate(start(&data, &[]));
        fs::write(data.path().join(CSV), line).unwrap();
        let testero = start(&data, &[]);
        let found = state(&testero);
        assert_eq!((found.hits, found.current.as_str()), (hits, current), "{line}");
        assert!(testero.log().contains("taken over from fibo.csv"), "{}", testero.log());
        let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
        assert_eq!(state(&testero), found);
        assert!(kept(data.path()).iter().all(|name| !name.contains("damaged")), "{:?}", kept(data.path()));
    }
}

#[test]
fn a_file_that_the_journal_contradicts_is_kept() {
    // The journal was never at these places.
    for line in ["3,2,1,1,2\n", "5,4,2,3,5\n", "3,0,9,9,9\n"] {
        let data = folder_with(&[("fibo.journal.1", &journal(1, 0, 0, &[1; 5])), (CSV, line.as_bytes())]);
        let testero = start(&data, &[]);
        assert_eq!(state(&testero).hits, 5, "{line}");
        is_kept(testero, "fibo.csv.damaged.1", line.as_bytes(), 1.0);
    }
}

#[test]
fn a_file_ahead_of_the_journal_proves_lost_steps() {
    let bytes = stepped(6);
    let line = "9,9,21,34,55\n";
    for cut in [bytes.len(), HEADER + 2 * BATCH, HEADER + BATCH + 7] {
        let testero = start(&folder_with(&[("fibo.journal.1", &bytes[..cut]), (CSV, line.as_bytes())]), &[]);
        let found = state(&testero);
        assert_eq!((found.hits, found.current.as_str()), (9, "34"), "{cut}: {}", testero.log());
        is_kept(testero, "fibo.journal.1.damaged.1", &bytes[..cut], 1.0);
    }
}

#[test]
fn a_newer_journal_with_fewer_steps_does_not_count() {
    let (older, newer) = (journal(1, 0, 0, &[1; 60]), journal(2, 0, 0, &[1; 10]));
    let testero = start(&folder_with(&[("fibo.journal.1", &older), ("fibo.journal.2", &newer)]), &[]);
    assert_eq!(state(&testero).hits, 60, "{}", testero.log());
    is_kept(testero, "fibo.journal.2.damaged.1", &newer, 1.0);
    // What followed a batch that failed is no such thing.
    let newer = journal(2, 59, 59, &[2]);
    let testero = start(&folder_with(&[("fibo.journal.1", &older), ("fibo.journal.2", &newer)]), &[]);
    assert_eq!((state(&testero).hits, state(&testero).position), (60, 58));
    assert!(!testero.log().contains("kept as"), "{}", testero.log());
}

#[test]
fn two_batches_lost_at_the_end_are_damage() {
    let whole = stepped(6);
    let (last, before) = (HEADER + 5 * BATCH, HEADER + 4 * BATCH);
    // In the steps of both; in the head of the one and the steps of the other.
    for places in [[before + 16, last + 16], [before + 1, last + 16], [before + 16, last + 1]] {
        let mut bytes = whole.clone();
        places.iter().for_each(|place| bytes[*place] ^= 4);
        let testero = start(&folder_with(&[("fibo.journal.1", &bytes)]), &[]);
        assert_eq!(state(&testero).hits, 4, "{places:?}");
        is_kept(testero, "fibo.journal.1.damaged.1", &bytes, 1.0);
    }
    // Longer than any batch.
    let bytes = [&whole[..], &vec![0; 70_000]].concat();
    is_kept(start(&folder_with(&[("fibo.journal.1", &bytes)]), &[]), "fibo.journal.1.damaged.1", &bytes, 1.0);
}

#[test]
fn only_unfinished_files_of_its_own_are_removed() {
    let others = ["fibo.mine.new", "fibo.new", "fibo.journal.x.new", "fibo.journal.+1.new", "fibo.csv.old.new"];
    let own = ["fibo.csv.new", "fibo.journal.1.new"];
    let files: Vec<(&str, &[u8])> = others.iter().chain(&own).map(|name| (*name, &b"content"[..])).collect();
    let testero = start(&folder_with(&files), &[]);
    testero.get("/next");
    let data = Arc::clone(&testero.data);
    terminate(testero);
    others.iter().for_each(|name| assert_eq!(fs::read(data.path().join(name)).unwrap(), b"content", "{name}"));
    own.iter().for_each(|name| assert!(!data.path().join(name).exists(), "{name}"));
}

#[test]
fn the_originals_first_file_is_no_damage() {
    let testero = start(&folder_with(&[(CSV, b"0,0,0,0,0")]), &[]);
    assert_eq!((testero.get("/current"), state(&testero).hits), (String::from("0\n"), 0));
    assert!(!testero.log().contains("damaged"), "{}", testero.log());
    assert_eq!(testero.get("/next"), "1\n");
}

#[test]
fn what_cannot_be_read_is_named() {
    let data = folder();
    fs::create_dir(data.path().join("fibo.journal.7")).unwrap();
    let path = data.path().join("fibo.journal.7");
    fails_with(1, &mut command(data.path(), &[]), &[path.to_str().unwrap()]);
}

#[test]
fn a_file_with_fewer_hits_that_is_not_ours_is_kept() {
    let foreign = "50,10,34,55,89\n";
    for journal in [
        journal(1, 100, 40, &[1; 5]),
        journal_beside(1, 100, 40, [(100, 40); 2], &[1; 5]),
        // As many hits, elsewhere.
        journal_beside(1, 100, 40, [(50, 12), (50, 8)], &[1; 5]),
    ] {
        let testero = start(&folder_with(&[("fibo.journal.1", &journal), (CSV, foreign.as_bytes())]), &[]);
        assert_eq!((state(&testero).hits, state(&testero).position), (105, 45));
        is_kept(testero, "fibo.csv.damaged.1", foreign.as_bytes(), 1.0);
    }
    // The journal tells that these were ours; and one that its own steps passed is.
    for (journal, line) in [
        (journal_beside(1, 100, 40, [(50, 10), (100, 40)], &[1; 5]), foreign),
        (journal_beside(1, 100, 40, [(40, 30), (50, 10)], &[1; 5]), foreign),
        (journal(1, 40, 2, &[1; 70]), "48,10,34,55,89\n"),
    ] {
        let testero = start(&folder_with(&[("fibo.journal.1", &journal), (CSV, line.as_bytes())]), &[]);
        let hits = state(&testero).hits;
        eventually("it is written again", || {
            fs::read_to_string(testero.data.path().join(CSV)).unwrap().starts_with(&format!("{hits},"))
        });
        assert!(!testero.log().contains("kept as"), "{}", testero.log());
        assert_eq!(kept(testero.data.path()).len(), 2);
    }
}

#[test]
fn a_file_put_there_meanwhile_is_kept() {
    let data = folder();
    let testero = start(&data, &[]);
    let file = data.path().join(CSV);
    let (mut hits, mut asides) = (0, 0);
    // Put in its place, or written over it.
    for in_place in [false, true, false, true] {
        for _ in 0..3 {
            testero.get("/next");
        }
        hits += 3;
        eventually("the file follows", || {
            fs::read_to_string(&file).is_ok_and(|line| line.starts_with(&format!("{hits},")))
        });
        let foreign = format!("{asides},10,34,55,89\n");
        if in_place {
            fs::write(&file, &foreign).unwrap();
        } else {
            fs::write(data.path().join("other"), &foreign).unwrap();
            fs::rename(data.path().join("other"), &file).unwrap();
        }
        testero.get("/next");
        hits += 1;
        asides += 1;
        let aside = data.path().join(format!("fibo.csv.damaged.{asides}"));
        eventually("it is kept aside", || fs::read_to_string(&aside).is_ok_and(|line| line == foreign));
        eventually("it is told of", || testero.log().contains(aside.to_str().unwrap()));
        eventually("the file follows again", || {
            fs::read_to_string(&file).is_ok_and(|line| line.starts_with(&format!("{hits},")))
        });
    }
    // What has the content that was written is ours, whoever has copied it.
    fs::copy(&file, data.path().join("other")).unwrap();
    fs::rename(data.path().join("other"), &file).unwrap();
    testero.get("/next");
    terminate(testero);
    assert_eq!(fs::read_to_string(&file).unwrap().split(',').next(), Some("17"));
    assert!(!data.path().join("fibo.csv.damaged.5").exists());
}

#[test]
fn its_own_file_is_never_taken_for_anothers() {
    let data = folder();
    for round in 0..24 {
        let testero = start(&data, &[]);
        (0..3).for_each(|_| drop(testero.get("/next")));
        // Before the file is written, while it is, or after.
        thread::sleep(Duration::from_millis(if round % 4 == 0 {
            fastrand::u64(900..1200)
        } else {
            fastrand::u64(..50)
        }));
        testero.signal(libc::SIGKILL);
        assert!(!testero.wait().2.contains("kept as"));
    }
    assert!(kept(data.path()).iter().all(|name| !name.contains("damaged")), "{:?}", kept(data.path()));
}
