//! CPU load to measure: any amount, as asked for, told of as it is, and never in the way of the API.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Testero, answers_within, at_least_once, eventually, skip};
use super::json::Json;

fn cores() -> u64 {
    thread::available_parallelism().unwrap().get() as u64
}

/// Starts a load in JSON and returns its receipt.
pub(crate) fn load(testero: &Testero, parameters: &str) -> Json {
    let (status, receipt) = testero.status_and_json("POST", &format!("/api/cpu/load?{parameters}"));
    assert_eq!(status, 202, "{parameters}: {receipt:?}");
    receipt
}

/// What the cpu group says of itself.
pub(crate) fn told(testero: &Testero) -> Json {
    testero.status_and_json("GET", "/api/cpu").1
}

fn becomes_idle(testero: &Testero) {
    eventually("no load runs", || told(testero).text("state") == "idle");
}

/// Time that the load's threads were on a core, and time that they were or wanted to be. The machine is shared: what it
/// does not give is not the program's fault.
fn run_and_wanted(testero: &Testero) -> (f64, f64) {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", testero.pid())).unwrap().flatten();
    let read =
        |task: &std::fs::DirEntry, file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
    tasks.filter(|task| read(task, "comm") == "cpu\n").fold((0.0, 0.0), |(run, wanted), task| {
        let text = read(&task, "schedstat");
        let mut nanos = text.split_whitespace().map(|number| number.parse::<f64>().unwrap());
        let (on, waiting) = (nanos.next().unwrap_or(0.0), nanos.next().unwrap_or(0.0));
        (run + on / 1e9, wanted + (on + waiting) / 1e9)
    })
}

/// Checks that what runs uses so many millicores: not much more, and as many as the machine gives.
fn uses(testero: &Testero, millicores: f64) {
    at_least_once(&format!("{millicores}m are used"), || {
        thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        let before = run_and_wanted(testero);
        let read = Instant::now();
        thread::sleep(Duration::from_secs(3));
        // Reading takes a while, too: the time between the readings lies between these two.
        let shortest = read.elapsed().as_secs_f64();
        let after = run_and_wanted(testero);
        let longest = began.elapsed().as_secs_f64();
        let (run, wanted) = ((after.0 - before.0) * 1000.0, (after.1 - before.1) * 1000.0);
        if run <= (millicores * 1.04 + 15.0) * longest && wanted >= (millicores * 0.96 - 15.0) * shortest {
            return Ok(());
        }
        Err(format!("used {run} and wanted {wanted} ms of CPU time in {shortest} to {longest} s"))
    });
}

/// Checks that the status tells what the load's threads were given in about the last second: all of it, or what the machine
/// had.
pub(crate) fn tells_what_is_achieved(testero: &Testero, target: f64) {
    at_least_once("what is achieved is told", || {
        let (before, began) = (run_and_wanted(testero).0, Instant::now());
        thread::sleep(Duration::from_millis(1200));
        let told = told(testero).number("achieved_millicores");
        let given = (run_and_wanted(testero).0 - before) / began.elapsed().as_secs_f64() * 1000.0;
        let near = |millicores: f64| (told - millicores).abs() <= target * 0.05;
        if near(target) || near(given) { Ok(()) } else { Err(format!("{told}m of {given}m and {target}m")) }
    });
}

/// Sees a load through that goes from one amount to another over so many seconds, and was asked for at `asked`: it is never
/// ahead of the line that begins there, and what is told is on one straight line, whenever it began.
pub(crate) fn follows_a_line(testero: &Testero, from: f64, to: f64, over: f64, asked: Instant) {
    // Seconds on the line from its beginning, and what is told is rounded to.
    let way = |wanted: f64| (wanted - from) / (to - from) * over;
    let rounding = 1.0 / (to - from).abs() * over;
    let mut first: Option<(f64, f64, f64)> = None;
    eventually("the end of the line", || {
        let before = asked.elapsed().as_secs_f64();
        let wanted = told(testero).number("wanted_millicores");
        let after = asked.elapsed().as_secs_f64();
        let way = way(wanted);
        assert!(way <= after + rounding, "{wanted}m are wanted after {after} s: too early");
        if (0.0..over).contains(&way) && wanted != from {
            let (one, its_before, its_after) = *first.get_or_insert((way, before, after));
            let (shortest, longest) = (before - its_after, after - its_before);
            let moved = way - one;
            assert!(
                moved >= shortest - rounding && moved <= longest + rounding,
                "{wanted}m: {moved} s on the line in {shortest} to {longest} s"
            );
        }
        thread::sleep(Duration::from_millis(50));
        wanted == to
    });
}

fn refused(testero: &Testero, parameters: &str, status: u16, code: &str, words: &str) {
    let (is, body) = testero.status_and_json("POST", &format!("/api/cpu/load?{parameters}"));
    assert_eq!((is, body.text("error.code")), (status, code), "{parameters}: {body:?}");
    assert_eq!(body.number("error.status") as u16, status, "{body:?}");
    assert!(body.text("error.message").contains(words), "{parameters}: {body:?}");
}

#[test]
fn a_quarter_of_a_core_is_a_quarter_of_a_core() {
    let testero = Testero::start();
    let answer = testero.get("/api/cpu/load?time=60&cpu=250m");
    assert!(answer.starts_with("CPU load requested for 60 seconds with id: "), "{answer}");
    uses(&testero, 250.0);
}

#[test]
fn more_than_a_core_takes_more_than_one_thread() {
    let testero = Testero::start();
    if cores() < 2 {
        skip("this machine has one core");
        return;
    }
    let receipt = load(&testero, "time=1m&cpu=1500m");
    assert_eq!((receipt.number("target_millicores"), receipt.number("seconds")), (1500.0, 60.0));
    uses(&testero, 1500.0);
}

#[test]
fn millicores_and_shares_are_amounts_as_well() {
    let testero = Testero::start();
    assert_eq!(load(&testero, "time=60&millicores=400").number("target_millicores"), 400.0);
    uses(&testero, 400.0);
    let limit = told(&testero).number("limit_millicores");
    let receipt = load(&testero, "time=60&cpu=10pct&replace=true");
    assert_eq!(receipt.number("target_millicores"), limit / 10.0);
    uses(&testero, limit / 10.0);
    assert_eq!(load(&testero, "time=60&cpu=10%25&replace=true").number("target_millicores"), limit / 10.0);
    assert_eq!(load(&testero, "time=60&cpu=0.5&replace=true").number("target_millicores"), 500.0);
    assert_eq!(load(&testero, "time=60&cpu=max&replace=true").number("target_millicores"), limit);
}

#[test]
fn what_cannot_be_is_refused_and_says_why() {
    let testero = Testero::start();
    let all = cores() * 1000;
    refused(&testero, "time=5&cpu=9m", 400, "invalid", "10m");
    refused(&testero, "time=5&millicores=0", 400, "invalid", "10m");
    refused(&testero, &format!("time=5&cpu={}m", all + 1), 422, "over-limit", &format!("{all}m"));
    refused(&testero, "time=5&cpu=101pct", 422, "over-limit", "cores");
    refused(&testero, "time=5&cpu=lots", 400, "invalid", "250m");
    refused(&testero, "time=5&millicores=-1", 400, "invalid", "millicores");
    refused(&testero, "time=5&cpu=100m&millicores=100", 400, "invalid", "both");
    refused(&testero, "time=5&duration=5&cpu=100m", 400, "invalid", "both");
    refused(&testero, "cpu=100m", 400, "missing-time", "time=");
    refused(&testero, "time=soon&cpu=100m", 400, "invalid", "");
    refused(&testero, "time=5&cpus=100m", 400, "invalid", "cpus");
    refused(&testero, "time=5&cpu=100m&replace=yes", 400, "invalid", "replace");
    refused(&testero, "time=5&cpu=100m&over=x", 400, "invalid", "over");
    assert_eq!(testero.get("/api/cpu/load?cpu=100m"), "No load time specified\n");
    let text = testero.get("/api/cpu/load?time=5&cpu=9m");
    assert!(text.starts_with("Invalid load specification: ") && text.contains("10m"), "{text}");
    let text = testero.get(&format!("/api/cpu/load?time=5&cpu={}m", all + 1));
    assert!(text.starts_with("Load requested is over the limit: ") && text.contains(&format!("{all}m")), "{text}");
    // In text, `time` stays what it was, and `duration` is what people write.
    let text = testero.get("/api/cpu/load?time=5s&cpu=10m");
    assert!(text.starts_with("Invalid time specification: "), "{text}");
    assert_eq!(told(&testero).text("state"), "idle");
    let text = testero.get("/api/cpu/load?duration=1m30s&cpu=10m");
    assert!(text.starts_with("CPU load requested for 90 seconds with id: "), "{text}");
    assert_eq!(testero.ask("HEAD", "/api/cpu/load?time=5&cpu=20m&replace=true").status, 200);
    assert_eq!(told(&testero).number("target_millicores"), 10.0, "HEAD changes nothing");
}

#[test]
fn a_new_load_takes_the_place_of_the_running_one_only_when_it_says_so() {
    let testero = Testero::start();
    let first = load(&testero, "time=60&cpu=100m&replace=true").text("id").to_owned();
    let busy = testero.send("POST", "/api/cpu/load?time=60&cpu=50m", &[("Accept", "application/json")], "");
    assert_eq!((busy.status, busy.field("Retry-After")), (409, Some("1")), "{busy:?}");
    // Until its threads run it is pending.
    let text = "Server busy, try again later\n";
    eventually("it is busy", || testero.get("/api/cpu/load?time=60&cpu=50m") == text);
    // What is refused replaces nothing.
    refused(&testero, "time=60&cpu=9m&replace=true", 400, "invalid", "10m");
    refused(&testero, "time=60&cpu=900000m&replace=true", 422, "over-limit", "cores");
    testero.get("/api/cpu/load?time=60&cpu=9m&replace=true");
    assert_eq!(told(&testero).text("id"), first);
    let second = load(&testero, "time=60&cpu=300m&replace=true").text("id").to_owned();
    assert_ne!(first, second);
    let now = told(&testero);
    assert_eq!((now.text("id"), now.number("target_millicores")), (second.as_str(), 300.0));
    assert_eq!(testero.status_and_json("POST", &format!("/api/cpu/stop?id={first}")).0, 409);
    uses(&testero, 300.0);
    let (status, stopped) = testero.status_and_json("POST", &format!("/api/cpu/stop?id={second}"));
    assert_eq!((status, stopped.text("outcome")), (200, "cancelled"));
    becomes_idle(&testero);
}

#[test]
fn many_replacements_at_once_leave_one_load() {
    let testero = Testero::start();
    thread::scope(|scope| {
        for millicores in 10..18 {
            let testero = &testero;
            scope.spawn(move || {
                for _ in 0..5 {
                    let (status, body) = testero
                        .status_and_json("POST", &format!("/api/cpu/load?time=60&cpu={millicores}m&replace=true"));
                    assert!(status == 202 || status == 409, "{body:?}");
                }
            });
        }
    });
    let target = told(&testero).number("target_millicores");
    eventually("one thread is left", || thread_names(&testero).iter().filter(|name| *name == "cpu").count() == 1);
    assert!((10.0..18.0).contains(&target));
    uses(&testero, target);
}

fn thread_names(testero: &Testero) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", testero.pid())).unwrap().flatten();
    tasks.filter_map(|task| Some(std::fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned())).collect()
}

#[test]
fn over_is_a_straight_line_up_and_from_where_the_last_load_was() {
    let testero = Testero::start();
    let asked = Instant::now();
    load(&testero, "time=60&cpu=600m&over=4s");
    follows_a_line(&testero, 0.0, 600.0, 4.0, asked);
    uses(&testero, 600.0);
    let asked = Instant::now();
    load(&testero, "time=60&cpu=100m&over=5s&replace=true");
    follows_a_line(&testero, 600.0, 100.0, 5.0, asked);
    uses(&testero, 100.0);
}

#[test]
fn a_text_answer_and_a_dry_run_state_the_millicores_of_a_share() {
    // Without a quota, a half of all cores.
    let testero = Testero::start();
    let half = told(&testero).number("limit_millicores") / 2.0;
    let text = testero.get("/api/cpu/load?time=60&cpu=50pct&dry_run=true");
    assert!(text.contains(&format!("{half}m for 60 seconds would be started")), "{text}");
    let preview = testero.json("POST", "/api/cpu/load?time=1m&cpu=50pct&over=5s&dry_run=true", 200);
    let figures = ["target_millicores", "seconds", "over_seconds"].map(|name| preview.number(name));
    assert_eq!(figures, [half, 60.0, 5.0], "{preview:?}");
    let text = testero.get("/api/cpu/load?time=60&cpu=50pct");
    assert!(text.starts_with(&format!("CPU load of {half}m requested for 60 seconds with id: ")), "{text}");
    let text = testero.get("/api/cpu/load?time=60&cpu=10m&dry_run=true");
    assert!(text.starts_with("It would be refused, since a load runs"), "{text}");
    testero.ask("DELETE", "/api/cpu");
    // Who wrote them knows them: there it has the contract's words.
    becomes_idle(&testero);
    for amount in ["", "&cpu=20m", "&millicores=20"] {
        let text = testero.get(&format!("/api/cpu/load?time=1{amount}&wait=true"));
        assert!(text.starts_with("CPU load requested for 1 seconds with id: "), "{text}");
    }
}

#[test]
fn who_waits_is_answered_when_the_load_is_over() {
    let testero = Testero::start();
    let began = Instant::now();
    let (status, body) = testero.status_and_json("POST", "/api/cpu/load?time=1s&cpu=50m&wait=true");
    let took = began.elapsed();
    assert_eq!((status, body.text("outcome")), (200, "done"), "{body:?}");
    assert!((Duration::from_millis(990)..Duration::from_secs(5)).contains(&took), "{took:?}");
    let began = Instant::now();
    let text = testero.get("/api/cpu/load?time=1&cpu=50m&wait=true");
    assert!(text.starts_with("CPU load requested for 1 seconds with id: "), "{text}");
    assert!(began.elapsed() >= Duration::from_millis(990));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| testero.status_and_json("POST", "/api/cpu/load?time=60s&cpu=50m&wait=true").1);
        eventually("it runs", || told(&testero).text("state") == "working");
        testero.status_and_json("DELETE", "/api/cpu");
        assert_eq!(waiting.join().unwrap().text("error.code"), "cancelled");
    });
}

#[test]
fn who_follows_sees_lines_as_it_goes_and_may_leave() {
    let testero = Testero::start();
    let answer = testero.ask("GET", "/api/cpu/load?time=2&cpu=100m&follow=true");
    let lines = answer.chunks();
    assert!(lines.lines().count() >= 3 && lines.lines().all(|line| line.starts_with("cpu  ")), "{lines}");
    assert!(lines.ends_with("done\n"), "{lines}");
    let fields = [("Accept", "application/json")];
    let lines = testero.send("POST", "/api/cpu/load?time=1&cpu=100m&follow=true", &fields, "").chunks();
    let lines: Vec<Json> = lines.lines().map(Json::parse).collect();
    assert!(lines.len() >= 2, "{lines:?}");
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(last.text("outcome"), "done");
    assert!(before.iter().all(|line| line.at("outcome") == &Json::Null), "{lines:?}");
    let mut leaving = testero.connect();
    leaving.write_all(b"GET /api/cpu/load?time=60&cpu=100m&follow=true HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually("it runs", || told(&testero).text("state") == "working");
    drop(leaving);
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(told(&testero).text("state"), "working", "a client that goes away stops nothing");
}

#[test]
fn deleting_stops_what_runs_and_is_never_busy() {
    let testero = Testero::start();
    let threads = testero.status("Threads");
    assert_eq!(testero.ask("DELETE", "/api/cpu").body, "CPU load stopped\n", "nothing runs, nothing is wrong");
    load(&testero, &format!("time=60&cpu={}m", cores() * 1000));
    let (status, body) = testero.status_and_json("DELETE", "/api/cpu");
    assert_eq!((status, body.text("group")), (200, "cpu"), "{body:?}");
    becomes_idle(&testero);
    load(&testero, "time=60&cpu=100m");
    assert_eq!(testero.ask("DELETE", "/api/cpu").body, "CPU load stopped\n");
    becomes_idle(&testero);
    load(&testero, "time=60&cpu=100m");
    assert_eq!(testero.status_and_json("DELETE", "/api").0, 202);
    becomes_idle(&testero);
    eventually("its threads are gone", || testero.status("Threads") <= threads + 2);
    let before = testero.cpu_time();
    thread::sleep(Duration::from_secs(1));
    assert!(testero.cpu_time() - before < Duration::from_millis(50), "it still works");
}

#[test]
fn the_status_tells_what_is_wanted_and_what_is_achieved() {
    let testero = Testero::start();
    let idle = told(&testero);
    assert_eq!((idle.text("state"), idle.is("capped")), ("idle", false));
    assert_eq!(idle.number("cores") as u64, cores());
    let receipt = load(&testero, "time=60&cpu=300m");
    testero.in_state("cpu", "working");
    let cpu = testero.status_and_json("GET", "/api/status").1.at("groups.cpu").clone();
    assert_eq!((cpu.text("state"), cpu.text("id")), ("working", receipt.text("id")));
    assert_eq!((cpu.number("target_millicores"), cpu.number("wanted_millicores")), (300.0, 300.0));
    assert!(cpu.number("seconds_left") <= 60.0 && cpu.number("seconds_left") > 20.0, "{cpu:?}");
    tells_what_is_achieved(&testero, 300.0);
    let text = testero.get("/api/status");
    assert!(text.lines().any(|line| line.starts_with("cpu ") && line.contains("300m wanted")), "{text}");
}

#[test]
fn the_api_answers_while_all_cores_are_loaded() {
    let testero = Testero::start();
    load(&testero, &format!("time=120&cpu={}m", cores() * 1000));
    uses(&testero, cores() as f64 * 1000.0);
    // 50 ms are promised to a machine that has nothing else to do; this one runs other tests as well.
    at_least_once("the API answers", || answers_within(&testero, 200, Duration::from_millis(150)));
}
