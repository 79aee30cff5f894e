//! What there is, for who looks for it: the index, the list of paths, `/docs`, and hints on 404 and 405.

use crate::harness::{Answer, Testero};
use crate::json::Json;

const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

fn browser(testero: &Testero, path: &str) -> Answer {
    testero.send("GET", path, &[BROWSER], "")
}

fn error(answer: &Answer) -> String {
    Json::parse(&answer.body).text("error.message").to_owned()
}

#[test]
fn the_index_has_lines_that_work_as_they_are() {
    let testero = Testero::start();
    let index = testero.ask("GET", "/");
    assert_eq!((index.status, index.field("Content-Type"), index.field("Vary")), (200, TEXT, Some("Accept")));
    assert!(index.body.lines().count() <= 25 && index.body.lines().all(|line| line.len() <= 80), "{}", index.body);
    let mut calls = 0;
    for line in index.body.lines().filter_map(|line| line.strip_prefix("  curl ")) {
        let (method, address) = match line.strip_prefix("-X DELETE ") {
            Some(rest) => ("DELETE", rest),
            None => ("GET", line),
        };
        let address = address.strip_prefix("'http://").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let (host, target) = address.split_at(address.find('/').unwrap());
        assert_eq!(host, "x", "the Host that the harness sends");
        let answer = testero.ask(method, target);
        assert!(answer.status == 200 && !answer.body.starts_with("Invalid"), "{line}: {answer:?}");
        calls += 1;
    }
    assert!((3..=5).contains(&calls), "{calls}");
    for path in index.body.lines().filter_map(|line| line.strip_prefix("  GET ")) {
        let path = path.split(' ').next().unwrap();
        assert_eq!(testero.ask("GET", path).status, 200, "{path}");
    }
    assert_eq!(browser(&testero, "/?format=text").body, index.body);
    let head = testero.ask("HEAD", "/");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn the_lines_of_an_index_show_a_token_where_one_is_wanted() {
    let testero = Testero::start_with(&[], &[("TOKEN", "correct-horse")]);
    let index = testero.ask("GET", "/").body;
    let lines: Vec<&str> = index.lines().filter(|line| line.starts_with("  curl ")).collect();
    let shows = |line: &&str| line.starts_with("  curl -H \"Authorization: Bearer $TOKEN\" ");
    assert!(lines.len() == 4 && lines.iter().all(shows) && !index.contains("correct-horse"), "{index}");
}

#[test]
fn an_index_says_where_it_was_asked_and_repeats_nothing_else() {
    let testero = Testero::start();
    let asked = |host: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        String::from_utf8(testero.raw(head.as_bytes())).unwrap()
    };
    assert!(asked("testero.ci.svc:80").contains("curl 'http://testero.ci.svc:80/api/status'"));
    assert!(asked("[::1]:8080").contains("curl 'http://[::1]:8080/api/status'"));
    for host in ["x'%20;reboot'", "a$b", "<b>", ""] {
        let answer = asked(host);
        assert!(answer.contains("'http://localhost:8080/api/status'") || answer.contains(" 400 "), "{host}: {answer}");
    }
}

#[test]
fn the_list_tells_every_path_that_the_contract_for_machines_tells() {
    let testero = Testero::start();
    let document = testero.json("GET", "/openapi.json", 200);
    let Json::Object(paths) = &document["paths"] else { panic!() };
    let list = testero.json("GET", "/api", 200);
    let text = testero.ask("GET", "/api");
    assert_eq!((text.status, text.field("Content-Type")), (200, TEXT));
    let mut calls = 0;
    for (row, line) in list.list().iter().zip(text.body.lines()) {
        let (path, summary) = (row.text("path"), row.text("summary"));
        assert!(line.starts_with(&format!("{path} ")) && line.ends_with(&format!("  {summary}")), "{line}: {row:?}");
        for method in row["methods"].list() {
            assert!(line.contains(&format!(" {} ", method.string())), "{line}");
            let (_, item) = paths.iter().find(|(known, _)| known == path).unwrap();
            let operation = item.at(&method.string().to_lowercase());
            assert_eq!(operation.text("summary"), summary);
            calls += 1;
        }
    }
    assert_eq!(list.list().len(), text.body.lines().count());
    let told = paths.iter().map(|(_, item)| if let Json::Object(all) = item { all.len() } else { 0 });
    assert_eq!(calls, told.sum::<usize>());
    for same in ["/", "/docs"] {
        assert_eq!(testero.json("GET", same, 200), list, "{same}");
    }
    // It takes nothing away.
    assert_eq!(testero.ask("HEAD", "/api").status, 200);
    assert_eq!(testero.ask("POST", "/api").body, "404 page not found\n");
    assert_eq!(testero.ask_json("POST", "/api").0.status, 405);
}

#[test]
fn the_docs_are_a_page_in_a_browser_and_a_hint_elsewhere() {
    let testero = Testero::start_with(&[], &[("TOKEN", "secret"), ("TOKENREADS", "on")]);
    let page = browser(&testero, "/docs");
    assert_eq!((page.status, page.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with("<!doctype html>\n<html lang=\"en\">") && page.body.len() <= 13 << 10);
    let policy = page.field("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!((page.field("X-Content-Type-Options"), page.field("Vary")), (Some("nosniff"), Some("Accept")));
    for link in ["href=\".\"", "href=\"metrics\"", "href=\"openapi.json\""] {
        assert!(page.body.contains(link), "{link}");
    }
    let text = testero.ask("GET", "/docs");
    assert_eq!((text.status, text.field("Content-Type")), (200, TEXT));
    assert!(text.body.contains("/openapi.json") && text.body.contains("GET /api "), "{}", text.body);
    // The list tells no state, but stands where everything is released.
    assert_eq!(testero.ask("GET", "/api").status, 401);
    assert_eq!(testero.ask("DELETE", "/api").status, 401);
    assert_eq!(testero.ask("GET", "/").status, 200);
}

#[test]
fn who_misspells_a_path_is_told_the_nearest_and_where_all_are() {
    let testero = Testero::start();
    let (answer, _) = testero.ask_json("GET", "/api/men/set?size=5");
    let rest = "GET /api lists what there is, and /openapi.json describes it";
    assert_eq!(error(&answer), format!("there is no /api/men/set; did you mean /api/mem/set? {rest}"));
    let (answer, _) = testero.ask_json("POST", "/no/such/thing");
    assert_eq!((answer.status, error(&answer)), (404, format!("there is no /no/such/thing; {rest}")));
    // The contract's words stay, byte for byte.
    let text = testero.ask("GET", "/api/men/set");
    assert_eq!((text.status, text.body.as_str(), text.field("Content-Type")), (404, "404 page not found\n", TEXT));
    for answer in [answer, text] {
        assert_eq!(answer.field("Link"), Some("</openapi.json>; rel=\"service-desc\""));
    }
}

#[test]
fn who_uses_a_wrong_method_is_told_the_call_that_was_meant() {
    let testero = Testero::start();
    for (method, path, allowed, meant) in [
        ("DELETE", "/api/mem/set", "GET, POST, PUT", "DELETE /api/mem"),
        ("POST", "/api/disk", "GET, HEAD, DELETE", "POST /api/disk/set"),
        ("POST", "/api/cpu", "GET, HEAD, DELETE", "POST /api/cpu/load"),
        ("DELETE", "/api/status", "GET, HEAD", "GET /api/status"),
        ("GET", "/ConsumeCPU", "POST", "POST /ConsumeCPU"),
    ] {
        let (answer, _) = testero.ask_json(method, path);
        assert_eq!((answer.status, answer.field("Allow")), (405, Some(allowed)), "{method} {path}: {answer:?}");
        let why = format!("{method} is not for this path, which takes {allowed}; did you mean {meant}?");
        assert_eq!(error(&answer), why);
    }
    let text = testero.ask("GET", "/readyz/disable");
    assert!(text.status == 405 && text.body.ends_with("; did you mean POST /readyz/disable?\n"), "{text:?}");
}
