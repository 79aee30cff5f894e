//! Each bug that is put in is found, and is called what it is.

use std::sync::Mutex;
use std::thread;

use super::{Run, has_redis};

/// How many runs there are at once: they wait more than they work.
const AT_ONCE: usize = 4;

/// A bug: its name, the store, what is done, and which check and class it shows as.
const BUGS: [(&str, &str, &[&str], &str, &str); 20] = [
    ("ack-first", "files", &["crash0", "crash1", "crash2"], "prefix", "LOST"),
    ("ack-first", "redis", &["crash0", "crash1", "crash2"], "prefix", "LOST"),
    ("output-first", "files", &["crash0", "crash1", "crash2"], "prefix", "DUP"),
    ("output-first", "redis", &["crash0", "crash1", "crash2"], "prefix", "DUP"),
    ("no-fence", "redis", &["pause0", "pause1", "pause2"], "prefix", "DUP"),
    ("client-fence", "redis", &["pause0", "pause1", "pause2"], "prefix", "DUP"),
    ("forgetful-feed", "files", &["crash-source"], "prefix", "DUP"),
    ("forgetful-feed", "redis", &["crash-source"], "prefix", "DUP"),
    ("skip-backlog", "files", &["crash0", "crash1", "shrink"], "prefix", "LOST"),
    ("skip-backlog", "redis", &["crash0", "crash1", "shrink"], "prefix", "LOST"),
    ("newest-first", "files", &["crash0", "crash1", "crash2"], "prefix", "REORDERED"),
    ("newest-first", "redis", &["crash0", "crash1", "crash2"], "prefix", "REORDERED"),
    ("no-truncate", "files", &["crash-sink"], "prefix", "TORN DUP"),
    ("no-truncate", "redis", &["crash-sink"], "prefix", "TORN DUP"),
    ("wrong-offset", "files", &["crash-sink", "--abort-every", "9"], "prefix", "DUP"),
    ("wrong-offset", "redis", &["crash-sink", "--abort-every", "9"], "prefix", "DUP"),
    ("log-first", "files", &["crash-sink"], "prefix", "SHORT"),
    ("rewrite", "files", &["--for", "15s"], "stable", ""),
    ("stall", "files", &["crash0", "--ack-within", "15s"], "ack-progress", ""),
    ("no-tail-cut", "files", &["crash0", "crash1", "crash2"], "prefix", "FOREIGN TORN"),
];

#[test]
#[ignore = "takes minutes; tests/run has it of the program that ships"]
fn each_bug_is_found_and_is_called_what_it_is() {
    let has_redis = has_redis();
    let left = Mutex::new(BUGS.iter().filter(|(_, store, ..)| *store == "files" || has_redis).collect::<Vec<_>>());
    let next = || left.lock().unwrap().pop();
    let work = || {
        while let Some(bug) = next() {
            find(bug);
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
}

fn find((name, store, words, check, classes): &(&str, &str, &[&str], &str, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["3", "--keys", "A B C", "--rate", "40000", "--store", store, "--break", name];
    if !words.contains(&"--for") {
        // A minute, and nothing would have been found.
        all.extend(["--for", "60s"]);
    }
    all.extend(*words);
    let run = Run::of(folder.path(), &all);
    assert_eq!(run.outcome(check), "failed", "{name} on {store}: {}", run.output);
    assert_eq!(run.code, if *check == "ack-progress" { 3 } else { 1 }, "{name} on {store}: {}", run.output);
    let diagnosis = run.report["violation"]["diagnosis"].as_str().unwrap();
    let is_named =
        classes.is_empty() || classes.split(' ').any(|class| diagnosis.contains(&format!(": {class} in key ")));
    assert!(is_named, "{name} on {store} is not called {classes}: {diagnosis}");
}
