//! kill -9, at any moment.

use std::process::Stdio;

use super::super::process::Reaped;
use super::*;

const KILLS: usize = 200;

#[test]
fn no_answered_step_is_lost_or_made_twice_by_a_kill() {
    let began = Instant::now();
    let data = folder_at(0, 2000);
    let mut testero = start(&data, &[]);
    let (mut before, mut steps, mut unanswered) = (state(&testero), 0, 0);
    for _ in 0..KILLS {
        let clients = crowd(&testero);
        thread::sleep(Duration::from_micros(fastrand::u64(0..60_000)));
        testero = testero.signal_and_restart(libc::SIGKILL, &[]);
        let after = state(&testero);
        let answered = check_told(&before, clients, &after);
        steps += answered;
        unanswered += (after.hits - before.hits) as usize - answered;
        before = after;
    }
    let took = began.elapsed();
    println!("{KILLS} kills in {took:?}: {steps} steps were answered, {unanswered} were made and not answered");
    assert!(steps > KILLS);
    assert!(kept(data.path()).len() <= 3, "{:?}", kept(data.path()));
}

#[test]
fn a_kill_at_any_moment_of_the_start_changes_nothing() {
    let data = folder_at(7, 300);
    let mut expected = state(&start(&data, &[]));
    for round in 0..120 {
        let mut command = command(data.path(), &[]);
        let child = Reaped(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        thread::sleep(Duration::from_micros(fastrand::u64(0..12_000)));
        drop(child);
        if round % 20 == 19 {
            let testero = start(&data, &[]);
            assert_eq!(state(&testero), expected, "{}", testero.log());
            assert!(!testero.log().contains("damaged"), "{}", testero.log());
            expected = State::parse(&testero.get("/next?format=json"));
        }
    }
    assert!(kept(data.path()).iter().all(|name| !name.contains("damaged")), "{:?}", kept(data.path()));
}

#[test]
fn a_kill_at_intervals_loses_about_a_second_and_nothing_older() {
    let data = folder_at(0, 1000);
    let mut testero = start(&data, &["--durability", "interval"]);
    for _ in 0..3 {
        let before = state(&testero);
        for _ in 0..20 {
            testero.get("/next");
        }
        let at_disk = state(&testero).hits;
        let line = format!("{at_disk},");
        eventually("they are on disk", || {
            fs::read_to_string(data.path().join(CSV)).unwrap_or_default().starts_with(&line)
        });
        let clients = crowd(&testero);
        thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
        testero = testero.signal_and_restart(libc::SIGKILL, &["--durability", "interval"]);
        let after = state(&testero);
        let told: Vec<Told> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let asked: usize = told.iter().map(|told| told.answered.len() + told.in_flight as usize).sum();
        assert!(before.hits < at_disk && after.hits >= at_disk && after.hits <= at_disk + asked as u64, "{after:?}");
    }
}
