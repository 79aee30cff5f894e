//! Two processes on one folder.

use std::process::Stdio;

use super::super::process::Reaped;
use super::*;

/// Starts one that has to wait.
fn waiting(data: &Arc<TempDir>) -> Testero {
    let testero = Testero::spawn(command(data.path(), &[]), Arc::clone(data));
    eventually("it says that it waits", || testero.log().contains("fibo.lock, waiting for it"));
    assert_eq!((testero.get("/healthz").as_str(), testero.ask("GET", "/readyz").status), ("ok\n", 503));
    for path in ["/current", "/next", "/previous", "/reset"] {
        let answer = testero.ask("GET", path);
        assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")), "{path}");
        testero.json("GET", path, 503);
    }
    check_with_promtool(&testero.get("/metrics"));
    assert_eq!(Page::classic(&testero).value("testero_ready", &[]), 0.0);
    testero
}

#[test]
fn the_second_waits_for_the_first_and_goes_on_where_it_stood() {
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let data = folder();
        let first = start(&data, &[]);
        (0..5).for_each(|_| drop(first.get("/next")));
        let second = waiting(&data);
        first.get("/previous");
        let before = state(&first);
        first.signal(signal);
        let _ = first.wait();
        let second = ready(second);
        assert_eq!(state(&second), before);
        assert_eq!(second.get("/next"), "5\n");
        terminate(second);
    }
}

#[test]
fn a_handover_under_load_loses_nothing() {
    let data = folder_at(0, 3000);
    let mut first = start(&data, &[]);
    for round in 0..16 {
        let second = Testero::spawn(command(data.path(), &[]), Arc::clone(&data));
        let before = state(&first);
        let clients = crowd(&first);
        thread::sleep(Duration::from_millis(fastrand::u64(5..80)));
        first.signal(if round % 2 == 0 { libc::SIGTERM } else { libc::SIGKILL });
        let second = ready(second);
        let _ = first.wait();
        check_told(&before, clients, &state(&second));
        first = second;
    }
    assert!(kept(data.path()).iter().all(|name| !name.contains("damaged")), "{:?}", kept(data.path()));
}

#[test]
fn a_signal_ends_the_wait() {
    let data = folder();
    let first = start(&data, &[]);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let second = waiting(&data);
        second.signal(signal);
        let (status, took, log) = second.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(took < PATIENCE / 3, "{took:?}");
    }
    assert_eq!(first.get("/next"), "1\n");
}

#[test]
fn after_half_a_minute_the_wait_is_over() {
    let data = folder();
    let first = start(&data, &[]);
    let mut child = Reaped(command(data.path(), &[]).stderr(Stdio::piped()).spawn().unwrap());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < 3 * PATIENCE, "it waits for ever");
        thread::sleep(Duration::from_millis(50));
    };
    let took = began.elapsed();
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.code() == Some(1) && took > Duration::from_secs(29), "{status} {took:?} {said}");
    let line = said.lines().last().unwrap();
    let lock = data.path().join("fibo.lock");
    for word in ["testero: ", "another process", lock.to_str().unwrap(), "30 s"] {
        assert!(line.contains(word), "{word}: {said}");
    }
    assert_eq!((first.get("/next"), kept(data.path()).len()), (String::from("1\n"), 2));
}
