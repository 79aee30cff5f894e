//! The contract, and what was added beside it.

use super::*;

#[test]
fn the_sequence_goes_on_and_back_as_the_contract_has_it() {
    let testero = fresh();
    assert_eq!(testero.get("/current"), "0\n");
    for (step, number, position) in [
        ("previous", 0, 1),
        ("next", 1, 1),
        ("next", 1, 2),
        ("next", 2, 3),
        ("next", 3, 4),
        ("next", 5, 5),
        ("previous", 3, 4),
        ("next", 5, 5),
        ("previous", 3, 4),
        ("previous", 2, 3),
        ("previous", 1, 2),
        ("previous", 1, 1),
        ("previous", 0, 1),
        ("previous", 0, 1),
        ("next", 1, 1),
    ] {
        assert_eq!(testero.get(&format!("/{step}")), format!("{number}\n"), "{step}");
        let state = state(&testero);
        assert_eq!((state.position, state.current.as_str()), (position, number.to_string().as_str()), "{step}");
        assert_eq!(testero.get("/current"), format!("{number}\n"));
    }
    assert_eq!(state(&testero).hits, 15);
}

#[test]
fn reset_answers_the_state_in_a_string() {
    let testero = fresh();
    for _ in 0..4 {
        testero.get("/next");
    }
    let expected = r#""{\"Current\":0,\"Hitcount\":5,\"Next\":1,\"Position\":1,\"Previous\":0}""#;
    assert_eq!(testero.get("/reset"), format!("{expected}\n"));
    let answer = testero.ask("GET", "/reset");
    assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
    let Json::Text(inside) = Json::parse(&answer.body) else { panic!("{answer:?}") };
    assert_eq!(Json::parse(&inside).number("Hitcount"), 6.0);
    assert_eq!(testero.get("/next"), "1\n");
}

#[test]
fn the_first_thousand_numbers_are_exact() {
    let testero = fresh();
    let mut client = Client::new(testero.address).unwrap();
    let numbers = first_numbers(1002);
    assert_eq!(numbers[300], "222232244629420445529739893461909967206666939096499764990979600");
    for number in &numbers[1..=1000] {
        let answer = client.ask("/next").unwrap();
        assert_eq!((answer.status, answer.body.trim_end()), (200, number.as_str()));
    }
    let state = state(&testero);
    assert_eq!((&state.previous, &state.current, &state.next), (&numbers[999], &numbers[1000], &numbers[1001]));
    assert_eq!((state.hits, state.position), (1000, 1000));
}

#[test]
fn an_answer_is_a_line_of_text_with_its_length() {
    let testero = fresh();
    for target in ["/current", "/next", "/previous"] {
        let bytes = testero.raw(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("Date: ")).collect();
        assert_eq!(lines.remove(0), "HTTP/1.1 200 OK");
        lines.sort_unstable();
        assert_eq!(lines, ["Connection: close", "Content-Length: 2", "Content-Type: text/plain; charset=utf-8"]);
        assert_eq!(body, if target == "/next" { "1\n" } else { "0\n" });
    }
    let bytes = testero.raw(b"GET /current HTTP/1.0\r\n\r\n");
    assert!(bytes.starts_with(b"HTTP/1.") && bytes.ends_with(b"\r\n\r\n0\n"), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn the_first_page_describes_the_endpoints() {
    let testero = fresh();
    let (text, (status, json)) = (testero.get("/"), testero.status_and_json("GET", "/"));
    for path in ["/current", "/next", "/previous", "/reset", "/healthz", "/readyz", "/metrics"] {
        assert!(text.contains(path), "{path}: {text}");
        assert!(format!("{json:?}").contains(&format!("{path:?}")), "{path}: {json:?}");
    }
    assert_eq!(status, 200);
    assert_eq!(state(&testero).hits, 0);
}

#[test]
fn asked_for_json_they_answer_an_object() {
    let testero = fresh();
    for (path, body) in [
        ("/current", r#"{"position":1,"previous":0,"current":0,"next":1,"hits":0}"#),
        ("/next", r#"{"position":1,"previous":0,"current":1,"next":1,"hits":1}"#),
        ("/next", r#"{"position":2,"previous":1,"current":1,"next":2,"hits":2}"#),
        ("/previous", r#"{"position":1,"previous":0,"current":1,"next":1,"hits":3}"#),
        ("/reset", r#"{"position":1,"previous":0,"current":0,"next":1,"hits":4}"#),
    ] {
        let (answer, _) = testero.ask_json("GET", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, format!("{body}\n").as_str()), "{path}");
    }
    assert_eq!(testero.ask("GET", "/next?format=json").field("Content-Type"), Some("application/json"));
}

#[test]
fn other_paths_are_404_and_other_methods_405_and_change_nothing() {
    let testero = fresh();
    for path in ["/nowhere", "/next/", "/NEXT", "/next/next", "//", "/current.json", "/api/mem/set?size=1"] {
        let answer = testero.ask("GET", path);
        assert!(answer.status == 404 && answer.body.starts_with("404 Not Found"), "{path}: {answer:?}");
        testero.json("GET", path, 404);
    }
    for path in ["/", "/current", "/next", "/previous", "/reset", "/metrics", "/healthz", "/readyz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = testero.ask(method, path);
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
        let error = testero.json("POST", path, 405);
        assert_eq!(error.number("error.status"), 405.0);
    }
    assert_eq!(state(&testero).hits, 0);
}

#[test]
fn head_changes_nothing() {
    let testero = fresh();
    testero.get("/next");
    for path in ["/", "/current", "/next", "/previous", "/reset", "/next?format=json", "/metrics"] {
        let answer = testero.ask("HEAD", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    let state = state(&testero);
    assert_eq!((state.hits, state.current.as_str()), (1, "1"));
}

#[test]
fn pex_is_the_same_service() {
    let data = folder();
    let mut command = Command::new(binary());
    command.args(["pex", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    let testero = ready(Testero::spawn(command, Arc::clone(&data)));
    assert_eq!(testero.get("/next"), "1\n");
    terminate(testero);
    assert_eq!(start(&data, &[]).get("/current"), "1\n");
}

#[test]
fn variables_do_without_flags_here_too() {
    let data = folder();
    let mut command = program(&["fibonacci"], &[("LIMITDIGITS", "1"), ("DURABILITY", "interval")]);
    command.env("DATADIR", data.path());
    let testero = ready(Testero::spawn(command, Arc::clone(&data)));
    let answers: Vec<u16> = (0..7).map(|_| testero.ask("GET", "/next").status).collect();
    assert_eq!(answers, [200, 200, 200, 200, 200, 200, 409]);
    eventually("it warns", || testero.log().contains("DURABILITY is interval"));
}

#[test]
fn help_tells_the_port_and_every_option() {
    for arguments in [&["fibonacci", "--help"][..], &["pex", "-h"]] {
        let output = run(&mut program(arguments, &[("PORT", "nonsense")]));
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        for word in [
            "8081",
            "pex",
            "/next",
            "--data-dir",
            "--limit-digits",
            "LIMITDIGITS",
            "--durability",
            "interval",
            "100000",
        ] {
            assert!(help.contains(word), "{word}: {help}");
        }
    }
}

#[test]
fn wrong_settings_are_one_line_and_exit_2() {
    for (arguments, words) in [
        (&["--bogus"][..], &["--bogus"][..]),
        (&["again"], &["again"]),
        (&["--mem-limit", "5"], &["--mem-limit"]),
        (&["--durability"], &["--durability", "value"]),
        (&["--durability", "never"], &["--durability", "never", "interval", "step"]),
        (&["--limit-digits", "0"], &["--limit-digits", "0", "1000000"]),
        (&["--limit-digits", "-5"], &["--limit-digits", "-5"]),
        (&["--limit-digits", "1000001"], &["--limit-digits", "1000001"]),
        (&["--listen", "8081"], &["--listen", "8081"]),
        (&["--log-format", "xml"], &["--log-format", "xml"]),
        (&["--shutdown-delay", "soon"], &["--shutdown-delay"]),
    ] {
        fails_with(2, &mut program(&[&["fibonacci"], arguments].concat(), &[]), words);
    }
    for (name, value) in [
        ("LIMITDIGITS", "many"),
        ("LIMITDIGITS", "1e5"),
        ("DURABILITY", "sometimes"),
        ("PORT", "65536"),
        ("IP", "here"),
    ] {
        fails_with(2, &mut program(&["fibonacci"], &[(name, value)]), &[name, value]);
    }
}

#[test]
fn a_data_folder_that_is_none_is_one_line_and_exit_1() {
    fails_with(1, &mut program(&["fibonacci"], &[("DATADIR", "/does/not/exist")]), &["DATADIR", "/does/not/exist"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    fails_with(1, &mut program(&["fibonacci", "--data-dir", path], &[]), &["DATADIR", path]);
}

#[test]
fn the_probe_for_an_image_without_a_shell_finds_it() {
    let testero = fresh();
    let port = testero.address.port().to_string();
    let url = format!("http://127.0.0.1:{port}/healthz");
    assert!(run(&mut program(&["health", "--url", &url], &[])).status.success());
    assert_eq!((testero.get("/healthz"), testero.get("/readyz")), (String::from("ok\n"), String::from("ok\n")));
}

#[test]
fn metrics_are_sound_in_both_formats() {
    let testero = fresh();
    for target in ["/next", "/next", "/next", "/previous", "/reset", "/current", "/nowhere", "/next?format=json"] {
        testero.ask("GET", target);
    }
    testero.raw(b"nonsense\r\n\r\n");
    let classic = testero.get("/metrics");
    check_with_promtool(&classic);
    let open = testero.send("GET", "/metrics", &[("Accept", PROMETHEUS)], "");
    assert_eq!(open.field("Content-Type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    for page in [Page::check(&classic, false), Page::check(&open.body, true)] {
        let value = |name: &str| page.value(name, &[]);
        assert_eq!((value("testero_fibonacci_hits_total"), value("testero_fibonacci_position")), (6.0, 1.0));
        let (commits, committed) =
            (value("testero_fibonacci_commits_total"), value("testero_fibonacci_committed_total"));
        assert!(committed == 6.0 && commits == 6.0, "{classic}");
        assert!(value("testero_fibonacci_commit_seconds_total") > 0.0);
        assert_eq!(value("testero_fibonacci_commit_failures_total"), 0.0);
        assert_eq!((value("testero_ready"), value("testero_fibonacci_damaged_files")), (1.0, 0.0));
        let steps = page.value("testero_http_requests_total", &[("route", "/next"), ("code", "200")]);
        assert_eq!(steps, 4.0);
    }
}

#[test]
fn idle_it_is_small() {
    let testero = fresh();
    testero.get("/next");
    println!("idle: VmRSS {} KiB, {} threads", testero.status("VmRSS"), testero.status("Threads"));
    assert!(testero.status("VmRSS") < 16 << 10);
}
