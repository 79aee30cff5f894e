//! Disks that are full.

use std::os::unix::fs::MetadataExt;

use super::super::disk::Mount;
use super::*;

/// Takes all the room there is; gives it back by its removal.
fn fill(folder: &Path) {
    let mut file = fs::File::create(folder.join("filler")).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

fn make_room(folder: &Path) {
    fs::remove_file(folder.join("filler")).unwrap();
}

/// Steps until a step is refused, and says what was said.
fn step_until_refused(testero: &Testero) -> Answer {
    let mut client = Client::new(testero.address).unwrap();
    let mut answer = client.ask("/next").unwrap();
    eventually("a step is refused", || {
        // What is left of a block may take thousands of them.
        (0..100).any(|_| {
            answer = client.ask("/next").unwrap();
            answer.status != 200
        })
    });
    answer
}

#[test]
fn on_a_full_disk_steps_are_refused_until_there_is_room() {
    let data = folder();
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=64k") else { return };
    let testero = start(&data, &[]);
    testero.get("/next");
    fill(data.path());
    let answer = step_until_refused(&testero);
    assert!(answer.status == 507 && answer.body.contains("disk is full"), "{answer:?}");
    let before = state(&testero);
    for step in ["next", "previous", "reset"] {
        assert_eq!(testero.ask("GET", &format!("/{step}")).status, 507, "{step}");
        assert_eq!(testero.json("GET", &format!("/{step}"), 507).number("error.status"), 507.0);
    }
    assert_eq!(state(&testero), before);
    assert_eq!((testero.get("/healthz"), testero.get("/current").trim_end()), (String::from("ok\n"), &*before.current));
    assert!(Page::classic(&testero).value("testero_fibonacci_commit_failures_total", &[]) >= 6.0);
    // What was refused is not on disk either.
    let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
    assert_eq!(state(&testero), before);
    assert_eq!(testero.ask("GET", "/next").status, 507);
    make_room(data.path());
    assert_eq!(State::parse(&testero.get("/next?format=json")).hits, before.hits + 1);
    eventually("the state is kept again", || {
        fs::read_to_string(data.path().join(CSV)).is_ok_and(|line| line.starts_with(&format!("{},", before.hits + 1)))
    });
    let testero = testero.signal_and_restart(libc::SIGTERM, &[]);
    assert_eq!(state(&testero).hits, before.hits + 1);
}

#[test]
fn a_crowd_on_a_full_disk_is_told_the_truth() {
    let data = folder();
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=64k") else { return };
    let testero = start(&data, &[]);
    let (address, clients) = (testero.address, 16);
    let stepping: Vec<JoinHandle<u64>> = (0..clients)
        .map(|_| {
            thread::spawn(move || {
                let mut client = Client::new(address).unwrap();
                let mut made = 0;
                for _ in 0..100 {
                    let answer = client.ask("/next").unwrap();
                    assert!([200, 507].contains(&answer.status), "{answer:?}");
                    made += u64::from(answer.status == 200);
                }
                made
            })
        })
        .collect();
    for _ in 0..5 {
        fill(data.path());
        thread::sleep(Duration::from_millis(20));
        make_room(data.path());
        thread::sleep(Duration::from_millis(5));
    }
    let made: u64 = stepping.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(state(&testero).hits, made);
    let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
    assert_eq!(state(&testero).hits, made);
}

#[test]
fn it_starts_on_a_full_disk_and_serves_what_needs_none() {
    let data = folder();
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=64k") else { return };
    fs::write(data.path().join(CSV), "12,6,5,8,13\n").unwrap();
    fill(data.path());
    let testero = start(&data, &[]);
    assert_eq!((testero.get("/current"), testero.ask("GET", "/next").status), (String::from("8\n"), 507));
    make_room(data.path());
    assert_eq!(testero.get("/next"), "13\n");
    let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
    assert_eq!(testero.get("/current"), "13\n");
}

#[test]
fn a_damaged_file_on_a_full_disk_is_never_overwritten() {
    let data = folder();
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=64k") else { return };
    let content = b"hello, world";
    fs::write(data.path().join(CSV), content).unwrap();
    fill(data.path());
    let testero = start(&data, &[]);
    make_room(data.path());
    testero.get("/next");
    eventually("the file follows", || {
        fs::read_to_string(data.path().join(CSV)).is_ok_and(|line| line == "1,1,0,1,1\n")
    });
    let names = kept(data.path());
    let holds = |name: &String| fs::read(data.path().join(name)).unwrap() == content;
    assert!(names.iter().any(holds), "its bytes are gone: {names:?}: {}", testero.log());
}

#[test]
fn at_intervals_a_full_disk_is_told_within_a_second_and_nothing_is_lost() {
    let data = folder();
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=64k") else { return };
    let testero = start(&data, &["--durability", "interval"]);
    fill(data.path());
    let answer = step_until_refused(&testero);
    assert_eq!(answer.status, 507, "{answer:?}");
    let before = state(&testero);
    make_room(data.path());
    eventually("steps are made again", || testero.ask("GET", "/next").status == 200);
    assert_eq!(state(&testero).hits, before.hits + 1);
    let testero = testero.signal_and_restart(libc::SIGTERM, &[]);
    assert_eq!(state(&testero).hits, before.hits + 1);
}

#[test]
fn a_limit_on_the_size_of_files_is_no_end() {
    let data = folder();
    // Blocks of 512 bytes or of 1024, as the shell has it.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 1; exec \"$@\"", "sh", binary(), "fibonacci", "--listen", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(data.path());
    let testero = ready(Testero::spawn(command, Arc::clone(&data)));
    let answer = step_until_refused(&testero);
    assert_eq!(answer.status, 507, "{answer:?}");
    let before = state(&testero);
    assert!(before.hits > 10 && testero.get("/healthz") == "ok\n");
    let testero = testero.signal_and_restart(libc::SIGKILL, &[]);
    assert_eq!(state(&testero), before);
    testero.get("/next");
}

#[test]
fn a_folder_that_cannot_be_written_is_one_line_and_exit_1() {
    let data = folder();
    let Some(_mount) = Mount::tmpfs(data.path(), libc::MS_RDONLY, "size=64k") else { return };
    let path = data.path().to_str().unwrap();
    fails_with(1, &mut program(&["fibonacci", "--data-dir", path], &[]), &[path, "fibo.lock"]);
}

#[test]
fn the_lock_is_one_file_for_ever() {
    let data = folder();
    let number = || fs::metadata(data.path().join("fibo.lock")).unwrap().ino();
    let testero = start(&data, &[]);
    let before = number();
    let testero = testero.signal_and_restart(libc::SIGTERM, &[]).signal_and_restart(libc::SIGKILL, &[]);
    terminate(testero);
    assert_eq!(number(), before);
}
