//! What it answers.

use std::process::Command;

use super::{AWAY, Client, counter, numbers, start, start_in, told};
use crate::exposition::Page;
use crate::harness::{Testero, binary};
use crate::json::Json;
use crate::metrics::check_with_promtool;
use crate::process::run;

fn host_name() -> String {
    String::from_utf8(run(Command::new("uname").arg("-n")).stdout).unwrap().trim().to_owned()
}

#[test]
fn two_lines_say_which_instance_and_how_many_requests() {
    let testero = start(&[]);
    let name = format!("{}:{}", host_name(), testero.address.port());
    for number in 1..=12 {
        let answer = testero.ask("GET", "/");
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("application/text")));
        let words = format!(
            "You are talking to instance {name}.\nThis is request {number} to this instance and request {number} to \
             the cluster.\n"
        );
        assert_eq!(answer.body, words);
    }
}

#[test]
fn an_instance_counts_its_own_and_all_count_the_total() {
    let first = start(&[]);
    let second = start_in(&first.data, &[]);
    assert_eq!([&first, &second, &second, &first].map(numbers), [(1, 1), (1, 2), (2, 3), (2, 4)]);
    assert_ne!(told(&first).instance, told(&second).instance);
    let folder = first.data.clone();
    drop((first, second));
    // What was counted stays; an instance begins again.
    assert_eq!(numbers(&start_in(&folder, &[])), (1, 7));
}

#[test]
fn programs_are_told_in_json() {
    let testero = start(&[]);
    let port = testero.address.port();
    let (answer, told) = testero.ask_json("GET", "/");
    assert_eq!((answer.status, told["instance"].string()), (200, format!("{}:{port}", host_name()).as_str()));
    assert_eq!((told.number("instance_requests"), told.number("cluster_requests")), (1.0, 1.0));
    let told = Json::parse(&testero.get("/?format=json"));
    assert_eq!((told.number("instance_requests"), told.number("cluster_requests")), (2.0, 2.0));
    // Any other parameter is passed over, as the original does.
    assert!(testero.get("/?x=y").starts_with("You are talking"));
}

#[test]
fn only_what_gets_an_answer_is_counted() {
    let testero = start(&[]);
    for (method, target, status) in [
        ("HEAD", "/", 200),
        ("POST", "/", 405),
        ("PUT", "/", 405),
        ("DELETE", "/", 405),
        ("OPTIONS", "/", 405),
        ("POST", "/metrics", 405),
        ("GET", "/count", 404),
        ("GET", "/api/mem/set?size=1", 404),
        ("GET", "//", 404),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("HEAD", "/readyz?store", 200),
        ("GET", "/metrics", 200),
    ] {
        let answer = testero.ask(method, target);
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert_eq!(answer.field("Allow"), (status == 405).then_some("GET, HEAD"), "{method} {target}");
        assert!(method != "HEAD" || answer.body.is_empty());
        if target == "/" && method == "HEAD" {
            assert_eq!(answer.field("Content-Type"), Some("application/text"), "as GET's");
        }
        if status >= 400 {
            let (_, told) = testero.ask_json(method, target);
            assert_eq!(told.number("error.status"), f64::from(status), "{method} {target}: {told:?}");
        }
    }
    testero.raw(b"nonsense\r\n\r\n");
    assert_eq!(numbers(&testero), (1, 1));
}

#[test]
fn a_connection_is_told_one_number_after_the_other() {
    let testero = start(&[]);
    let mut client = Client::new(testero.address).unwrap();
    for number in 1..=50 {
        let told = super::Told::read(&client.get("/").unwrap().body);
        assert_eq!((told.own, told.total), (number, number));
    }
}

#[test]
fn it_has_two_names_and_help_of_its_own() {
    for name in ["counter", "count"] {
        let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
        let mut command = Command::new(binary());
        command.args([name, "--listen", "127.0.0.1:0"]).current_dir(folder.path());
        assert_eq!(numbers(&Testero::spawn(command, folder)), (1, 1));
        let help = String::from_utf8(run(Command::new(binary()).args([name, "--help"])).stdout).unwrap();
        for word in ["counter", "8083", "REDIS_URL", "CONTAINER_DB_HOST", "SERVICE_PORT", ".env", "DATADIR"] {
            assert!(help.contains(word), "{word}: {help}");
        }
    }
}

#[test]
fn its_port_is_8083_and_its_metrics_are_its_own() {
    // The port may be somebody else's: then it says which one it wanted.
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let mut command = counter(folder.path(), &[], &[("IP", "127.0.0.1")]);
    let taken = std::net::TcpListener::bind("127.0.0.1:8083");
    if taken.is_ok() {
        let output = run(&mut command);
        assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1:8083"), "{output:?}");
        assert_eq!(output.status.code(), Some(1));
    }
    let testero = start(&[("POD_NAME", "counter-0")]);
    assert!(testero.names() == ["total_count"], "{:?}", testero.names());
}

#[test]
fn metrics_tell_what_was_counted_and_whether_the_store_is_there() {
    let testero = start(&[]);
    let fresh = Page::classic(&testero);
    assert_eq!(fresh.value("testero_count_answered_total", &[]), 0.0);
    assert_eq!(fresh.value("testero_count_store_up", &[]), 1.0);
    let other = start_in(&testero.data, &[]);
    for _ in 0..3 {
        other.get("/");
        testero.get("/");
    }
    testero.ask("HEAD", "/");
    testero.ask("POST", "/");
    testero.ask("GET", "/nowhere");
    // The store away: the file is locked by somebody who does not let go of it.
    let file = std::fs::File::open(testero.data.path().join("total_count")).unwrap();
    file.lock().unwrap();
    let answer = testero.ask("GET", "/");
    assert_eq!((answer.status, answer.body.as_str()), (501, AWAY));
    assert_eq!(testero.ask("GET", "/readyz?store").status, 503);
    assert_eq!(testero.get("/readyz"), "ok\n");
    let page = Page::classic(&testero);
    for (name, value) in [
        ("testero_ready", 1.0),
        ("testero_count_answered_total", 3.0),
        ("testero_count_highest", 6.0),
        ("testero_count_store_up", 0.0),
        ("testero_count_store_failures_total", 1.0),
    ] {
        assert_eq!(page.value(name, &[]), value, "{name}");
    }
    for (route, code, count) in
        [("/", "200", 4.0), ("/", "405", 1.0), ("/", "501", 1.0), ("other", "404", 1.0), ("/readyz", "503", 1.0)]
    {
        let labels = [("route", route), ("code", code)];
        assert_eq!(page.find("testero_http_requests_total", &labels), Some(count), "{labels:?}");
    }
    file.unlock().unwrap();
    assert_eq!(numbers(&testero), (4, 7));
    assert_eq!(testero.get("/readyz?store"), "ok\n");
    assert_eq!(Page::classic(&testero).value("testero_count_store_up", &[]), 1.0);
    check_with_promtool(&testero.get("/metrics"));
    let open = testero.send("GET", "/metrics", &[("Accept", "application/openmetrics-text")], "");
    Page::check(&open.body, true);
}
