//! The page for browsers: who gets it, and with what. What it does in a browser is for `.ci/page`.

use crate::harness::{Answer, Testero};
use crate::json::Json;

/// What a browser says of itself.
const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
/// Most bytes of the page.
const PAGE_BYTES: usize = 64 << 10;

fn page(testero: &Testero, method: &str) -> Answer {
    testero.send(method, "/", &[BROWSER], "")
}

#[test]
fn a_browser_gets_one_page_that_asks_nobody_else() {
    let testero = Testero::start();
    let answer = page(&testero, "GET");
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("text/html; charset=utf-8")), "{answer:?}");
    assert!(answer.body.starts_with("<!doctype html>\n<html lang=\"en\">") && answer.body.len() <= PAGE_BYTES);
    assert_eq!(answer.field("Content-Length"), Some(answer.body.len().to_string().as_str()));
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept"),
    ] {
        assert_eq!(answer.field(name), Some(value), "{name}");
    }
    let policy = answer.field("Content-Security-Policy").unwrap();
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    for directive in [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(directives.contains(&directive), "{directive}: {policy}");
    }
    for open in ["script-src 'sha256-", "style-src 'sha256-"] {
        assert!(directives.iter().any(|one| one.starts_with(open) && one.ends_with('\'')), "{open}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    // Namespaces and the origin that curl lines are about are the only addresses.
    let addresses = answer.body.matches("://").count();
    assert_eq!(addresses, answer.body.matches("http://www.w3.org/2000/svg").count());
}

#[test]
fn whoever_does_not_ask_for_html_gets_no_page() {
    let testero = Testero::start();
    for accept in ["*/*", "text/plain", "text/*", "image/png", ""] {
        let answer = testero.send("GET", "/", &[("Accept", accept)], "");
        assert!(
            !answer.body.contains('<') && answer.field("Content-Security-Policy").is_none(),
            "{accept:?}: {answer:?}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let answer = page(&testero, method);
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{method}");
    }
    for path in ["/index.html", "/favicon.ico", "/page"] {
        assert_eq!(testero.send("GET", path, &[BROWSER], "").status, 404, "{path}");
    }
    for (target, accept) in
        [("/?format=json", BROWSER.1), ("/", "application/json"), ("/", "text/html, application/json")]
    {
        let answer = testero.send("GET", target, &[("Accept", accept)], "");
        assert!(!answer.body.contains("<html"), "{target} {accept}: {answer:?}");
        Json::parse(&answer.body);
    }
}

#[test]
fn head_is_the_page_without_its_body() {
    let testero = Testero::start();
    let (get, head) = (page(&testero, "GET"), page(&testero, "HEAD"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["Content-Type", "Content-Length", "Content-Security-Policy", "Vary", "Cache-Control"] {
        assert_eq!(head.field(name), get.field(name), "{name}");
    }
}

#[test]
fn the_page_that_asks_for_the_token_comes_without() {
    let testero = Testero::start_with(&[], &[("TOKEN", "secret"), ("TOKENREADS", "on")]);
    let answer = page(&testero, "GET");
    assert!(answer.status == 200 && !answer.body.contains("secret"), "{answer:?}");
    let status = testero.send("GET", "/api/status?format=json", &[BROWSER], "");
    assert_eq!((status.status, Json::parse(&status.body).text("error.code")), (401, "token-needed"));
    let fields = [BROWSER, ("Authorization", "Bearer secret")];
    assert_eq!(testero.send("GET", "/api/status?format=json", &fields, "").status, 200);
}
