//! The folder, or files in it, taken away, moved or replaced while the service runs.

use super::*;

/// How long the service may take to notice what nobody asks it for.
fn eventually_unready(testero: &Testero) {
    eventually("it is unready", || testero.ask("GET", "/readyz").status == 503);
}

/// The journals in a folder.
fn journals(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.starts_with("fibo.journal.")).collect()
}

#[test]
fn steps_after_the_journal_was_removed_are_not_lost() {
    for durability in ["step", "interval"] {
        for round in 0..12 {
            let data = folder();
            let testero = start(&data, &["--durability", durability]);
            let before = fastrand::u64(0..4);
            (0..before).for_each(|_| drop(testero.get("/next")));
            for name in journals(data.path()) {
                fs::remove_file(data.path().join(name)).unwrap();
            }
            // An empty file under the same name is no journal either.
            if round % 3 == 2 {
                fs::write(data.path().join("fibo.journal.1"), b"").unwrap();
            }
            let answered = (0..3).filter(|_| testero.ask("GET", "/next").status == 200).count() as u64;
            let signal = if durability == "step" { libc::SIGKILL } else { libc::SIGTERM };
            let testero = testero.signal_and_restart(signal, &[]);
            let hits = state(&testero).hits;
            assert!(hits >= before + answered, "{durability}: {before} + {answered} answered, {hits} found");
        }
    }
}

#[test]
fn a_journal_cut_short_while_in_use_is_followed_by_another() {
    let data = folder();
    let testero = start(&data, &[]);
    (0..5).for_each(|_| drop(testero.get("/next")));
    let file = fs::OpenOptions::new().write(true).open(data.path().join(&journals(data.path())[0])).unwrap();
    file.set_len(HEADER as u64 + 7).unwrap();
    assert_eq!(testero.get("/next"), "8\n");
    let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
    assert_eq!((state(&testero).hits, testero.get("/current")), (6, String::from("8\n")));
}

#[test]
fn while_the_folder_is_elsewhere_steps_are_refused() {
    let data = folder();
    let (here, elsewhere) = (data.path().join("state"), data.path().join("elsewhere"));
    fs::create_dir(&here).unwrap();
    let testero = start_on(&data, &here, &[]);
    (0..5).for_each(|_| drop(testero.get("/next")));
    let before = state(&testero);
    fs::rename(&here, &elsewhere).unwrap();
    for step in ["next", "previous", "reset"] {
        let answer = testero.ask("GET", &format!("/{step}"));
        assert!(answer.status == 503 && answer.body.contains(here.to_str().unwrap()), "{step}: {answer:?}");
    }
    assert_eq!((testero.get("/healthz").as_str(), state(&testero)), ("ok\n", before.clone()));
    assert_eq!(testero.ask("GET", "/readyz").status, 503);
    fs::rename(&elsewhere, &here).unwrap();
    eventually("it is ready again", || testero.ask("GET", "/readyz").status == 200);
    assert_eq!((testero.get("/next"), state(&testero).hits), (String::from("8\n"), before.hits + 1));
    testero.signal(libc::SIGKILL);
    let _ = testero.wait();
    assert_eq!(state(&start_on(&data, &here, &[])).hits, before.hits + 1);
}

#[test]
fn a_folder_made_anew_gets_the_state() {
    for durability in ["step", "interval"] {
        let data = folder();
        let here = data.path().join("state");
        fs::create_dir(&here).unwrap();
        let testero = start_on(&data, &here, &["--durability", durability]);
        (0..5).for_each(|_| drop(testero.get("/next")));
        fs::remove_dir_all(&here).unwrap();
        eventually_unready(&testero);
        eventually("steps are refused", || testero.ask("GET", "/next").status == 503);
        let before = state(&testero);
        fs::create_dir(&here).unwrap();
        eventually("it is ready again", || testero.ask("GET", "/readyz").status == 200);
        // It is held, too: a second process waits.
        let second = Testero::spawn(command(&here, &[]), Arc::clone(&data));
        eventually("it says that it waits", || second.log().contains("fibo.lock, waiting for it"));
        drop(second);
        testero.get("/next");
        testero.signal(if durability == "step" { libc::SIGKILL } else { libc::SIGTERM });
        let _ = testero.wait();
        assert_eq!(state(&start_on(&data, &here, &[])).hits, before.hits + 1);
    }
}

#[test]
fn anothers_folder_in_its_place_is_left_alone() {
    let data = folder();
    let (here, elsewhere) = (data.path().join("state"), data.path().join("elsewhere"));
    fs::create_dir(&here).unwrap();
    let testero = start_on(&data, &here, &[]);
    testero.get("/next");
    fs::rename(&here, &elsewhere).unwrap();
    fs::create_dir(&here).unwrap();
    let content = journal(3, 7, 4, &[1, 1]);
    fs::write(here.join("fibo.journal.3"), &content).unwrap();
    assert_eq!(testero.ask("GET", "/next").status, 503);
    eventually_unready(&testero);
    assert_eq!(
        (names(&here), fs::read(here.join("fibo.journal.3")).unwrap()),
        (vec!["fibo.journal.3".into()], content)
    );
    assert_eq!(testero.get("/current"), "1\n");
}

#[test]
fn without_its_lock_file_a_folder_has_still_one_process() {
    for _ in 0..3 {
        let data = folder();
        let first = start(&data, &[]);
        first.get("/next");
        fs::remove_file(data.path().join("fibo.lock")).unwrap();
        let second = Testero::spawn(command(data.path(), &[]), Arc::clone(&data));
        eventually("it waits, or is ready", || {
            second.log().contains("fibo.lock, waiting for it") || second.ask("GET", "/readyz").status == 200
        });
        assert_eq!((second.ask("GET", "/next").status, first.get("/next")), (503, String::from("1\n")));
        terminate(first);
        assert_eq!(ready(second).get("/next"), "2\n");
    }
}
