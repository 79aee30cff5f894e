//! What ends by DELETE: faults and jobs; and jobs that follow one another.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Testero, eventually};
use crate::json::Json;

fn faulty() -> Testero {
    Testero::start_with(&[], &[("FAULTS", "on")])
}

#[test]
fn faults_are_ended_by_delete_one_by_one_and_all_at_once() {
    let testero = faulty();
    for (fault, path) in [
        ("/fault/status?code=503&for=10m", "/fault/status"),
        ("/fault/delay?ms=50000&for=10m", "/fault/delay"),
        ("/fault/hang?for=10m", "/fault/hang"),
        ("/fault/term?ignore=true", "/fault/term"),
        ("/fault/exit?code=3&after=4s", "/fault/exit"),
        ("/fault/abort?after=4s", "/fault/abort"),
        ("/fault/log?lines=1000000&rate=10", "/fault/log"),
    ] {
        for end in [path, "/fault"] {
            assert_eq!(testero.ask("POST", fault).status, 200, "{fault}");
            let answer = testero.ask("DELETE", end);
            assert_eq!(answer.status, 200, "{end}: {answer:?}");
            assert_eq!(testero.report().at("faults"), &Json::List(vec![]), "{end}");
        }
    }
    let lines = testero.log().matches("Fault: log line").count();
    // Both exits would have come by now; and one that was ended does not stand in the way of another.
    sleep(Duration::from_millis(4500));
    assert_eq!(testero.get("/healthz"), "ok\n");
    assert!(testero.log().matches("Fault: log line").count() <= lines + 2);
    assert_eq!(testero.ask("POST", "/fault/exit?code=3").status, 200);
    assert_eq!(testero.wait().0.code(), Some(3));
}

#[test]
fn a_status_fault_spares_what_ends_things_and_the_page() {
    let testero = faulty();
    assert_eq!(testero.ask("POST", "/fault/status?code=418&for=10m").status, 200);
    assert_eq!(testero.ask("GET", "/api/status").status, 418);
    assert_eq!(testero.ask("GET", "/api/mem/set?amount=1Mi").status, 418);
    for path in ["/api", "/api/mem", "/api/disk", "/api/cpu", "/api/io", "/api/jobs"] {
        let answer = testero.ask("DELETE", path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    #[cfg(feature = "page")]
    assert_eq!(testero.send("GET", "/", &[("Accept", "text/html")], "").status, 200);
    assert_eq!(testero.ask("DELETE", "/fault").status, 200);
    assert_eq!(testero.ask("GET", "/api/status").status, 200);
}

#[test]
fn without_faults_there_is_nothing_to_end() {
    let testero = Testero::start();
    for path in ["/fault", "/fault/delay"] {
        let answer = testero.ask("DELETE", path);
        assert!(answer.status == 404 && answer.body.contains("FAULTS"), "{answer:?}");
    }
    assert_eq!(testero.ask("GET", "/fault").body, "404 page not found\n");
}

fn jobs(testero: &Testero) -> Vec<Json> {
    testero.report()["jobs"].list().to_vec()
}

#[test]
fn jobs_have_ids_and_are_ended_one_by_one_and_all_at_once() {
    let testero = Testero::start();
    let cpu = testero.ask("POST", "/ConsumeCPU?millicores=20&durationSec=600");
    // Where it leads, JSON is told alone.
    let cpu = cpu.field("Location").and_then(|place| place.strip_suffix("?format=json")).unwrap().to_owned();
    let started = testero.json("POST", "/ConsumeMem?megabytes=2&durationSec=300", 200);
    let memory = format!("/api/jobs/{}", started.text("id"));
    assert!(started.text("expires").starts_with("20"), "{started:?}");
    eventually("it is held", || jobs(&testero).iter().any(|job| job.has("held") && job["held"].whole() == 2 << 20));
    let listed = jobs(&testero);
    assert_eq!(listed.len(), 2, "{listed:?}");
    for (job, kind, path, most) in [(&listed[0], "cpu", &cpu, 600.0), (&listed[1], "mem", &memory, 300.0)] {
        assert_eq!((job.text("kind"), &format!("/api/jobs/{}", job.text("id"))), (kind, path));
        let left = job.number("expires_in_seconds");
        assert!(left > most - 200.0 && left <= most, "{job:?}");
        assert!(job.text("asked").contains("durationSec") && job.text("by").contains("127.0.0.1"), "{job:?}");
    }
    assert_eq!(testero.json("GET", "/api/jobs", 200)["jobs"].list().len(), 2);
    assert_eq!(testero.json("GET", &cpu, 200).text("kind"), "cpu");
    assert!(testero.get("/api/status").contains(&cpu["/api/jobs/".len()..]), "{}", testero.get("/api/status"));

    // What stops the load does not stop jobs, and says so.
    let stopped = testero.json("DELETE", "/api/cpu", 200);
    assert_eq!(stopped["jobs_left"].list().len(), 1, "{stopped:?}");
    let stopped = testero.ask("DELETE", "/api/cpu").body;
    assert!(stopped.starts_with("CPU load stopped") && stopped.contains("/api/jobs"), "{stopped}");

    assert_eq!(testero.json("DELETE", &cpu, 200).text("id"), &cpu["/api/jobs/".len()..]);
    eventually("it is gone", || jobs(&testero).len() == 1);
    for gone in [cpu.as_str(), "/api/jobs/1"] {
        assert_eq!(testero.ask_json("DELETE", gone).0.status, 404, "{gone}");
        assert_eq!(testero.ask_json("GET", gone).0.status, 404, "{gone}");
    }
    assert_eq!(testero.ask("DELETE", "/api/cpu").body, "CPU load stopped\n");
    assert_eq!(testero.ask("DELETE", "/api/jobs").status, 200);
    eventually("they are gone", || jobs(&testero).is_empty());
    assert_eq!(testero.ask("POST", "/ConsumeMem?megabytes=2&durationSec=1").status, 200);
    assert_eq!(testero.ask("POST", "/ConsumeMem?megabytes=9999999&durationSec=5").status, 422);
    let counted = |kind: &str, outcome: &str, times: u8| {
        let line = format!("\ntestero_jobs_ended_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {times}\n");
        eventually(&line, || testero.get("/metrics").contains(&line));
    };
    counted("cpu", "cancelled", 1);
    counted("mem", "cancelled", 1);
    counted("mem", "done", 1);
    counted("mem", "refused", 1);
    counted("cpu", "failed", 0);
}

#[test]
fn jobs_that_follow_one_another_at_their_own_period_are_accepted() {
    let testero = Testero::start();
    let cores = testero.report()["groups"]["cpu"]["cores"].whole();
    let all = format!("/ConsumeCPU?millicores={}&durationSec=1", cores * 1000);
    for round in 0..12 {
        let start = Instant::now();
        let answer = testero.ask("POST", &all);
        assert_eq!(answer.status, 200, "{round}: {answer:?}");
        sleep(Duration::from_millis(900).saturating_sub(start.elapsed()));
    }
    // What does not fit even then is told at once.
    let answer = testero.ask("POST", &format!("/ConsumeCPU?millicores={}&durationSec=1", cores * 2000));
    assert_eq!(answer.status, 422, "{answer:?}");

    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "20971520")]);
    for round in 0..4 {
        let answer = testero.ask("POST", "/ConsumeMem?megabytes=19&durationSec=1");
        assert_eq!(answer.status, 200, "{round}: {answer:?}");
        sleep(Duration::from_millis(800));
    }
}
