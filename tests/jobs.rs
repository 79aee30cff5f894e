//! Jobs beside the set amounts: the resource-consumer's interface.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Answer, Testero, binary, eventually};
use crate::json::Json;
use crate::process::{fails_with, run};

const MIB: u64 = 1 << 20;
/// What the resident size may differ by for other reasons, in KiB: pages and stacks of the program itself.
const SLACK: u64 = 4 * 1024;

fn post(testero: &Testero, target: &str) -> Answer {
    testero.ask("POST", target)
}

/// Asks for a job that must be accepted.
fn add(testero: &Testero, target: &str) {
    let answer = post(testero, target);
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
}

fn number(testero: &Testero, path: &str) -> u64 {
    testero.report().number(path) as u64
}

/// Cores, as the service counts them: a quota does not make them fewer.
fn cores(testero: &Testero) -> u64 {
    number(testero, "groups.cpu.cores")
}

#[test]
fn the_answers_are_those_of_the_resource_consumer() {
    let testero = Testero::start();
    for (path, parameters, expected) in [
        ("/ConsumeCPU", "millicores=300&durationSec=600", "ConsumeCPU\n300 millicores\n600 durationSec\n"),
        ("/ConsumeMem", "megabytes=64&durationSec=30", "ConsumeMem\n64 megabytes\n30 durationSec\n"),
        ("/BumpMetric", "metric=qps&delta=5&durationSec=60", "BumpMetric\nqps metric\n5 delta\n60 durationSec\n"),
        ("/BumpMetric", "metric=qps&delta=-1.5&durationSec=60", "BumpMetric\nqps metric\n-1.5 delta\n60 durationSec\n"),
    ] {
        let in_query = post(&testero, &format!("{path}?{parameters}"));
        let in_form = testero.form(path, parameters);
        let (first, rest) = parameters.split_once('&').unwrap();
        let in_both = testero.form(&format!("{path}?{first}"), rest);
        for answer in [in_query, in_form, in_both] {
            assert_eq!((answer.status, answer.body.as_str()), (200, expected), "{answer:?}");
            assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
        }
    }
    let answer = post(&testero, "/GetCurrentStatus");
    assert!(answer.status == 200 && !answer.body.is_empty(), "{answer:?}");
    for status in [answer.body, testero.get("/api/status")] {
        assert!(status.contains("900m wanted") && status.contains("192.0 MiB"), "{status}");
    }
    for unknown in ["/consumecpu", "/ConsumeCPU/", "/ConsumeDisk", "/consumeCPU?millicores=1&durationSec=1"] {
        let answer = post(&testero, unknown);
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{unknown}: {answer:?}");
    }
}

/// A link named `consumer` to the program, as the image has it at `/consumer`.
fn link(folder: &tempfile::TempDir) -> PathBuf {
    let link = folder.path().join("consumer");
    symlink(binary(), &link).unwrap();
    link
}

#[test]
fn it_is_started_as_the_resource_consumer_is() {
    let folder = tempfile::tempdir().unwrap();
    let consumer = link(&folder);
    for arguments in [&["-port=0"][..], &["-port", "0"], &["--port=0"], &["--port", "0"]] {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let mut command = Command::new(&consumer);
        // What is said in a flag wins.
        command.args(arguments).env("DATADIR", data.path()).env("PORT", "1").env_remove("IP");
        let testero = Testero::spawn(command, data);
        let answer = testero.form("/ConsumeCPU", "millicores=10&durationSec=1");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ConsumeCPU\n10 millicores\n1 durationSec\n"));
    }
    // It is the same program.
    let output = run(Command::new(&consumer).arg("-help"));
    assert!(output.status.success() && output.stdout.starts_with(b"testero makes a pod"), "{output:?}");
}

#[test]
fn flags_that_the_resource_consumer_does_not_have_are_told_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let consumer = link(&folder);
    for flag in ["-v=2", "--v=4", "-logtostderr", "-alsologtostderr=true", "--stderrthreshold=0", "-vmodule=a=1"] {
        let words = ["unknown option", flag.trim_matches('-').split('=').next().unwrap(), "-port=8081", "RUST_LOG"];
        fails_with(2, Command::new(&consumer).arg(flag), &words);
    }
    fails_with(2, Command::new(&consumer).arg("-port=http"), &["port", "http", "65535"]);
    fails_with(2, Command::new(&consumer).arg("-port"), &["port", "needs a value"]);
    fails_with(2, Command::new(binary()).arg("-port=8081"), &["unknown option '-p'"]);
}

#[test]
fn what_is_missing_or_wrong_is_told_in_its_words_and_nothing_runs() {
    let testero = Testero::start();
    let (absent, incorrect) = ("not given function argument", "incorrect function argument");
    for (target, words) in [
        ("/ConsumeCPU", absent),
        ("/ConsumeCPU?millicores=300", absent),
        ("/ConsumeCPU?durationSec=10", absent),
        ("/ConsumeCPU?millicores=&durationSec=10", absent),
        ("/ConsumeCPU?Millicores=300&durationSec=10", absent),
        ("/ConsumeCPU?millicores=x", absent),
        ("/ConsumeCPU?millicores=x&durationSec=10", incorrect),
        ("/ConsumeCPU?millicores=300&durationSec=x", incorrect),
        ("/ConsumeCPU?millicores=300m&durationSec=10", incorrect),
        ("/ConsumeCPU?millicores=1.5&durationSec=10", incorrect),
        ("/ConsumeCPU?millicores=-5&durationSec=10", incorrect),
        ("/ConsumeMem", absent),
        ("/ConsumeMem?megabytes=64", absent),
        ("/ConsumeMem?megabytes=64Mi&durationSec=10", incorrect),
        ("/ConsumeMem?megabytes=64&durationSec=10s", incorrect),
        ("/ConsumeMem?megabytes=99999999999999999999&durationSec=10", incorrect),
        ("/BumpMetric", absent),
        ("/BumpMetric?metric=qps&delta=5", absent),
        ("/BumpMetric?metric=qps&durationSec=5", absent),
        ("/BumpMetric?delta=5&durationSec=5", absent),
        ("/BumpMetric?metric=qps&delta=x&durationSec=5", incorrect),
        ("/BumpMetric?metric=qps&delta=5&durationSec=-5", incorrect),
        ("/BumpMetric?metric=5%20qps&delta=5&durationSec=5", incorrect),
        ("/BumpMetric?metric=qps&delta=NaN&durationSec=5", incorrect),
    ] {
        let answer = post(&testero, target);
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
        let exact = answer.body.trim_end() == words;
        // What is wrong with a name of a metric is said besides.
        assert!(exact || answer.body.starts_with(&format!("{words}: ")), "{target}: {answer:?}");
    }
    for target in [
        "/ConsumeCPU?millicores=300&durationSec=10",
        "/ConsumeMem?megabytes=64&durationSec=10",
        "/BumpMetric?metric=qps&delta=5&durationSec=10",
        "/GetCurrentStatus",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = testero.ask(method, target);
            assert_eq!(answer.status, 400, "{method} {target}: {answer:?}");
            assert_eq!(answer.body.trim_end(), "Bad request. Not a POST request", "{method} {target}");
        }
        assert_eq!(testero.ask("HEAD", target).status, 400, "{target}");
    }
    assert_eq!(number(&testero, "groups.cpu.jobs") + number(&testero, "groups.mem.jobs"), 0);
    assert!(!testero.get("/metrics").contains("qps"));
}

#[test]
fn cpu_jobs_add_up_use_cpu_and_go_by_themselves() {
    let testero = Testero::start();
    add(&testero, "/ConsumeCPU?millicores=300&durationSec=600");
    add(&testero, "/ConsumeCPU?millicores=200&durationSec=3");
    let start = Instant::now();
    let report = testero.report();
    assert_eq!((report.number("groups.cpu.jobs"), report.number("groups.cpu.jobs_millicores")), (2.0, 500.0));
    assert!(testero.get("/metrics").contains("\ntestero_cpu_target_cores 0.5\n"));
    eventually("one is over", || number(&testero, "groups.cpu.jobs") == 1);
    assert!(start.elapsed() > Duration::from_secs(2));
    assert_eq!(number(&testero, "groups.cpu.jobs_millicores"), 300);
    // Half a core for three seconds; a busy machine may have had less to give, and gives it in the end.
    eventually("the CPU time is used", || testero.cpu_time() >= Duration::from_secs(1));
    eventually("it is 0.3 cores from now on", || {
        let (used, since) = (testero.cpu_time(), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        (testero.cpu_time() - used).as_secs_f64() < 0.4 * since.elapsed().as_secs_f64()
    });
}

#[test]
fn memory_jobs_really_hold_it_and_give_it_back() {
    let testero = Testero::start();
    testero.get("/api/status");
    let idle = testero.status("VmRSS");
    add(&testero, "/ConsumeMem?megabytes=64&durationSec=600");
    add(&testero, "/ConsumeMem?megabytes=128&durationSec=4");
    let start = Instant::now();
    eventually("both are held", || number(&testero, "groups.mem.jobs_held") == 192 * MIB);
    let resident = testero.status("VmRSS");
    let full = idle + 192 * 1024;
    assert!(start.elapsed() > Duration::from_secs(4) || resident + 64 >= full, "{resident} KiB after {idle}");
    assert!(resident <= full + SLACK, "{resident} KiB after {idle}");
    eventually("one is over", || number(&testero, "groups.mem.jobs") == 1);
    assert!(start.elapsed() > Duration::from_secs(3) && start.elapsed() < Duration::from_secs(15));
    assert_eq!(number(&testero, "groups.mem.jobs_held"), 64 * MIB);
    let full = idle + 64 * 1024;
    eventually("its memory is back", || testero.status("VmRSS") <= full + SLACK);
    assert!(testero.status("VmRSS") >= full, "{} KiB after {idle}", testero.status("VmRSS"));
}

#[test]
fn getact_tells_of_set_amounts_alone_and_the_status_of_both() {
    let testero = Testero::start();
    testero.get("/api/mem/set?size=10000000");
    let before = testero.settled("mem");
    let planned = testero.get("/api/mem/getdef");
    add(&testero, "/ConsumeMem?megabytes=64&durationSec=600");
    add(&testero, "/ConsumeCPU?millicores=50&durationSec=600");
    eventually("it is held", || number(&testero, "groups.mem.jobs_held") == 64 * MIB);
    assert_eq!(testero.get("/api/mem/getact"), before);
    assert_eq!(testero.get("/api/mem/getdef"), planned);
    assert_eq!(testero.get("/api/cpu/getact"), "No load request in progress\n");
    let report = testero.report();
    let set: u64 = before.split_once("Total size: ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(report.number("groups.mem.held") as u64, set);
    assert_eq!(report.number("groups.mem.jobs"), 1.0);
    assert_eq!(report.number("groups.cpu.jobs"), 1.0);
    let status = testero.get("/api/status");
    let jobs = |line: &str| line.starts_with("jobs") && line.contains("64.0 MiB");
    assert!(status.lines().any(jobs) && status.contains("cpu jobs"), "{status}");
    // Neither does a set wait for jobs, nor release them.
    testero.get("/api/mem/set?size=0");
    testero.settled("mem");
    assert_eq!(number(&testero, "groups.mem.jobs_held"), 64 * MIB);
}

#[test]
fn the_memory_limit_binds_the_sum() {
    let testero = Testero::start_with(&["--mem-limit", "104857600"], &[]);
    let refused = |megabytes: u64, most: u64| {
        let answer = post(&testero, &format!("/ConsumeMem?megabytes={megabytes}&durationSec=600"));
        assert_eq!(answer.status, 422, "{megabytes}: {answer:?}");
        assert!(answer.body.contains("limit") && answer.body.contains(&format!(" {most} ")), "{answer:?}");
    };
    refused(101, 100);
    refused(u64::MAX / 2, 100);
    testero.get("/api/mem/set?amount=40Mi&exact=true&wait=true");
    refused(61, 60);
    add(&testero, "/ConsumeMem?megabytes=30&durationSec=600");
    refused(31, 30);
    add(&testero, "/ConsumeMem?megabytes=20&durationSec=600");
    refused(11, 10);
    // The other way round: what jobs hold is not there to be set.
    let answer = testero.get("/api/mem/set?amount=51Mi&exact=true");
    assert!(answer.starts_with("Could not compute memory parts: ") && answer.contains("over the limit"), "{answer}");
    let answer = testero.ask("POST", "/api/mem/set?amount=51Mi&exact=true&format=json");
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(Json::parse(&answer.body).number("error.most"), (50 * MIB) as f64, "{answer:?}");
    let answer = testero.ask("POST", "/api/mem/set?amount=50Mi&exact=true&wait=true&format=json");
    assert_eq!(answer.status, 200, "{answer:?}");
    refused(1, 0);
    let report = testero.report();
    assert_eq!((report.number("groups.mem.held"), report.number("groups.mem.available")), ((50 * MIB) as f64, 0.0));
    eventually("jobs hold theirs", || number(&testero, "groups.mem.jobs_held") == 50 * MIB);
    // Once jobs are gone, there is room again.
    testero.ask("DELETE", "/api");
    eventually("all is released", || number(&testero, "groups.mem.jobs") == 0);
    eventually("there is room", || number(&testero, "groups.mem.available") == 100 * MIB);
    add(&testero, "/ConsumeMem?megabytes=100&durationSec=600");
}

#[test]
fn jobs_never_hold_more_than_the_limit_however_many_ask_at_once() {
    let testero = Testero::start_with(&["--mem-limit", "104857600"], &[]);
    let accepted = std::thread::scope(|scope| {
        let one = || post(&testero, "/ConsumeMem?megabytes=15&durationSec=600").status;
        let all: Vec<_> = (0..12).map(|_| scope.spawn(one)).collect();
        let statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| [200, 422].contains(status)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 200).count()
    });
    assert_eq!(accepted, 6);
    eventually("they hold theirs", || number(&testero, "groups.mem.jobs_held") == 90 * MIB);
}

#[test]
fn without_a_limit_what_there_is_binds_them() {
    let testero = Testero::start();
    let answer = post(&testero, "/ConsumeMem?megabytes=100000000&durationSec=600");
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(number(&testero, "groups.mem.jobs"), 0);
}

#[test]
fn cpu_jobs_together_are_at_most_all_cores() {
    let testero = Testero::start();
    let all = cores(&testero) * 1000;
    assert_eq!(post(&testero, &format!("/ConsumeCPU?millicores={}&durationSec=600", all + 1)).status, 422);
    add(&testero, "/ConsumeCPU?millicores=100&durationSec=600");
    let answer = post(&testero, &format!("/ConsumeCPU?millicores={all}&durationSec=600"));
    assert!(answer.status == 422 && answer.body.contains(&format!(" {} ", all - 100)), "{answer:?}");
    assert_eq!(number(&testero, "groups.cpu.jobs_millicores"), 100);
}

#[test]
fn of_a_ramp_its_end_counts() {
    let testero = Testero::start();
    let all = cores(&testero) * 1000;
    let answer = testero.ask("POST", &format!("/api/cpu/load?duration=1h&cpu={all}m&over=1h&format=json"));
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = post(&testero, "/ConsumeCPU?millicores=100&durationSec=600");
    assert!(answer.status == 422 && answer.body.contains(" 0 "), "{answer:?}");
}

#[test]
fn cpu_jobs_and_the_load_together_are_at_most_all_cores() {
    let testero = Testero::start();
    let all = cores(&testero) * 1000;
    let answer = testero.ask("POST", &format!("/api/cpu/load?duration=60s&cpu={}m&format=json", all - 100));
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = post(&testero, "/ConsumeCPU?millicores=200&durationSec=600");
    assert_eq!(answer.status, 422, "{answer:?}");
    add(&testero, "/ConsumeCPU?millicores=50&durationSec=600");
}

#[test]
fn a_release_of_everything_ends_all_jobs() {
    let testero = Testero::start();
    let idle = testero.status("VmRSS");
    add(&testero, "/ConsumeMem?megabytes=64&durationSec=600");
    add(&testero, "/ConsumeCPU?millicores=100&durationSec=600");
    add(&testero, "/BumpMetric?metric=qps&delta=5&durationSec=600");
    eventually("it is held", || number(&testero, "groups.mem.jobs_held") == 64 * MIB);
    let answer = testero.ask("DELETE", "/api?wait=true");
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = testero.report();
    assert_eq!((report.number("groups.mem.jobs"), report.number("groups.cpu.jobs")), (0.0, 0.0));
    assert!(!testero.get("/metrics").contains("\nqps 5\n"));
    eventually("memory is back", || testero.status("VmRSS") <= idle + SLACK);
    eventually("the CPU is used no more", || {
        let (used, since) = (testero.cpu_time(), Instant::now());
        std::thread::sleep(Duration::from_secs(1));
        (testero.cpu_time() - used) < since.elapsed() / 20
    });
}

#[test]
fn a_release_of_everything_that_is_refused_releases_nothing() {
    let testero = Testero::start();
    add(&testero, "/ConsumeMem?megabytes=4&durationSec=600");
    testero.get("/api/mem/set?amount=4Mi&wait=true");
    for wrong in ["wait=perhaps", "follow=1", "wait=perhaps&format=json"] {
        let answer = testero.ask("DELETE", &format!("/api?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
    let report = testero.report();
    let held = (report.number("groups.mem.held") as u64, report.number("groups.mem.jobs"));
    assert_eq!(held, (4 * MIB, 1.0), "what was refused was done");
}

#[test]
fn no_job_is_longer_than_maxttl() {
    let testero = Testero::start_with(&[], &[("MAXTTL", "1s")]);
    let start = Instant::now();
    add(&testero, "/ConsumeMem?megabytes=4&durationSec=600");
    add(&testero, "/ConsumeCPU?millicores=20&durationSec=600");
    eventually("both are over", || number(&testero, "groups.mem.jobs") + number(&testero, "groups.cpu.jobs") == 0);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn jobs_do_not_hold_up_the_end() {
    let testero = Testero::start();
    add(&testero, "/ConsumeMem?megabytes=64&durationSec=600");
    add(&testero, "/ConsumeCPU?millicores=100&durationSec=600");
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?} {log}");
}

#[test]
fn durations_beyond_any_clock_are_just_long() {
    let testero = Testero::start();
    for target in [
        "/ConsumeMem?megabytes=1&durationSec=9223372036854775807",
        "/ConsumeCPU?millicores=10&durationSec=9223372036854775807",
        "/BumpMetric?metric=qps&delta=5&durationSec=9223372036854775807",
    ] {
        add(&testero, target);
    }
    eventually("all run", || {
        let report = testero.report();
        report.number("groups.mem.jobs_held") as u64 == MIB && report.number("groups.cpu.jobs") == 1.0
    });
    assert!(testero.get("/metrics").contains("\nqps 5\n") && !testero.log().contains("anic"));
}

#[test]
fn jobs_count_what_is_still_held_on_a_ramp_down() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "200000000")]);
    testero.get("/api/mem/set?size=150000000");
    testero.settled("mem");
    testero.get("/api/mem/set?amount=1&over=20s");
    let answer = testero.form("/ConsumeMem", "megabytes=100&durationSec=1");
    assert_eq!(answer.status, 422, "{answer:?}");
}

#[test]
fn jobs_count_what_is_still_held_on_the_way_to_another_kind() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "200000000")]);
    testero.get("/api/mem/set?size=150000000");
    testero.settled("mem");
    testero.get("/api/mem/set?amount=1M&kind=file&over=1h");
    testero.in_state("mem", "working");
    let answer = testero.form("/ConsumeMem", "megabytes=100&durationSec=1");
    assert_eq!(answer.status, 422, "{answer:?}");
    add(&testero, "/ConsumeMem?megabytes=20&durationSec=600");
}

#[test]
fn a_dry_run_takes_nothing_from_jobs() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "200000000")]);
    testero.get("/api/mem/set?amount=190M&dry_run=true");
    let answer = testero.form("/ConsumeMem", "megabytes=100&durationSec=1");
    assert_eq!(answer.status, 200, "{answer:?}");
}
