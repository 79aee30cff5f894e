//! The file of the total, when somebody else removes, empties or replaces it: no number is handed out twice.

use std::fs;
use std::sync::Arc;

use super::{AWAY, counter, numbers, start, start_in};
use crate::harness::{Testero, eventually};
use crate::process::fails_with;

/// Asserts that there is no total, and that the log says why.
fn is_away(testero: &Testero, why: &str) {
    for _ in 0..3 {
        let answer = testero.ask("GET", "/");
        assert_eq!((answer.status, answer.body.as_str()), (501, AWAY), "{why}");
    }
    assert_eq!(testero.ask("GET", "/readyz?store").status, 503, "{why}");
    eventually(&format!("the log says '{why}'"), || {
        let log = testero.log();
        let mut lines = log.lines().filter(|line| line.contains("The total is away: "));
        lines.any(|line| line.contains("total_count") && line.contains(why))
    });
}

/// Two instances on one folder, which have counted to 6.
fn two_at_six() -> [Testero; 2] {
    let first = start(&[]);
    let second = start_in(&first.data, &[]);
    for total in [1, 3, 5] {
        assert_eq!((numbers(&first).1, numbers(&second).1), (total, total + 1));
    }
    [first, second]
}

#[test]
fn a_file_that_is_removed_is_not_begun_again() {
    let both = two_at_six();
    let path = both[0].data.path().join("total_count");
    let away = both[0].data.path().join("kept");
    fs::rename(&path, &away).unwrap();
    both.iter().for_each(|testero| is_away(testero, "was removed"));
    assert!(!path.exists(), "it is not made again");
    fs::rename(&away, &path).unwrap();
    assert_eq!(both.each_ref().map(|testero| numbers(testero).1), [7, 8]);
}

#[test]
fn a_file_that_is_emptied_is_not_begun_again() {
    let both = two_at_six();
    let path = both[0].data.path().join("total_count");
    fs::write(&path, "").unwrap();
    both.iter().for_each(|testero| is_away(testero, "is empty"));
    // Nor by an instance that starts now.
    let mut command = counter(both[0].data.path(), &["--listen=127.0.0.1:0"], &[]);
    fails_with(1, &mut command, &["total_count", "is empty"]);
    assert_eq!(fs::read(&path).unwrap(), b"");
    fs::write(&path, "6").unwrap();
    assert_eq!(both.each_ref().map(|testero| numbers(testero).1), [7, 8]);
}

#[test]
fn a_file_that_is_replaced_is_not_counted_in() {
    let both = two_at_six();
    let at = |name: &str| both[0].data.path().join(name);
    fs::rename(at("total_count"), at("kept")).unwrap();
    // A higher number, too: another instance may have handed out more from the file before.
    for number in ["0", "6", "100"] {
        fs::write(at("next"), number).unwrap();
        fs::rename(at("next"), at("total_count")).unwrap();
        both.iter().for_each(|testero| is_away(testero, "was replaced"));
        assert_eq!(fs::read_to_string(at("total_count")).unwrap(), number);
    }
    // By a link or something else, too.
    fs::remove_file(at("total_count")).unwrap();
    fs::create_dir(at("total_count")).unwrap();
    both.iter().for_each(|testero| is_away(testero, "was replaced"));
    fs::remove_dir(at("total_count")).unwrap();
    fs::rename(at("kept"), at("total_count")).unwrap();
    assert_eq!(both.each_ref().map(|testero| numbers(testero).1), [7, 8]);
}

#[test]
fn a_file_that_is_set_back_is_not_counted_in() {
    let both = two_at_six();
    let path = both[0].data.path().join("total_count");
    for number in ["0", "1", "4", "00000000000000000004\n"] {
        fs::write(&path, number).unwrap();
        both.iter().for_each(|testero| is_away(testero, "was handed out"));
    }
    fs::write(&path, "7").unwrap();
    assert_eq!(both.each_ref().map(|testero| numbers(testero).1), [8, 9]);
}

#[test]
fn a_number_is_read_whole_or_not_at_all() {
    let testero = start(&[]);
    assert_eq!(numbers(&testero), (1, 1));
    let path = testero.data.path().join("total_count");
    for text in [
        "00000000000000000000200000",
        "000000000000000000002",
        "00000000000000000002\n00000000000000000003\n",
        "18446744073709551616",
        "+5",
        " \n5 x",
        &" ".repeat(5000),
    ] {
        fs::write(&path, text).unwrap();
        is_away(&testero, "");
        let mut command = counter(testero.data.path(), &["--listen=127.0.0.1:0"], &[]);
        fails_with(1, &mut command, &["total_count", "something else"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is kept");
    }
    for (text, total) in [("5", 6), ("7\n", 8), ("00000000000000000010\n\n", 11)] {
        fs::write(&path, text).unwrap();
        assert_eq!(numbers(&testero).1, total);
    }
}

#[test]
fn instances_that_begin_together_make_one_file() {
    for _ in 0..20 {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let all = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| start_in(&folder, &[]))).collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(all.iter().map(|testero| numbers(testero).1).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(all[0].names(), ["total_count"]);
    }
}
