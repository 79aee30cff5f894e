//! What an operator sees: metrics and the status.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::parts::{Member, Proxy, get, ok};
use crate::exposition::Page;
use crate::harness::{at_least_once, eventually, free_address, skip};
use crate::json::Json;

/// A file with a service for `h1` that has these members, and an access log.
pub(super) fn file(access_log: &str, members: &[SocketAddr]) -> String {
    let member = |member: &SocketAddr| format!("{{address: {}, port: {}}}", member.ip(), member.port());
    let members: Vec<_> = members.iter().map(member).collect();
    format!(
        "proxy: {{listen: {{address: 127.0.0.1, port: {}}}, access_log: {access_log},\n  services: [{{name: shop, domain: h1, \
         strategy: RROBIN, hosts: [{}]}}]}}\n",
        free_address().port(),
        members.join(", ")
    )
}

#[test]
fn metrics_tell_of_services_members_and_clients() {
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            if head.starts_with("POST") {
                visit.exactly(5).unwrap();
            }
            visit.send(if head.contains("/no") {
                "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()
            } else {
                ok("abc")
            });
        }
    });
    let dead = free_address();
    let proxy = Proxy::with(&file("off", &[member.address, dead, member.address]), &[], "/dev/null");
    let name = member.address.to_string();
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.ask(b"POST / HTTP/1.1\r\nHost: h1\r\nContent-Length: 5\r\n\r\nhello").status, 200);
    }
    assert_eq!(client.ask(b"GET /no HTTP/1.1\r\nHost: h1\r\n\r\n").status, 404);
    assert_eq!(proxy.client().ask(&get("unknown")).status, 400);
    let shop = ("service", "shop");
    let mine = [shop, ("member", name.as_str())];
    let class = |code| [shop, ("member", name.as_str()), ("code", code)];
    let expected = [
        ("testero_proxy_requests_total", &class("2xx")[..], 3.0),
        ("testero_proxy_requests_total", &class("4xx"), 1.0),
        ("testero_proxy_requests_total", &class("5xx"), 0.0),
        ("testero_proxy_received_bytes_total", &[shop], 15.0),
        ("testero_proxy_sent_bytes_total", &[shop], 9.0),
        ("testero_proxy_request_duration_seconds_count", &[shop], 4.0),
        ("testero_proxy_client_connections", &[], 1.0),
        ("testero_proxy_client_connections_accepted_total", &[], 2.0),
        ("testero_proxy_own_answers_total", &[("code", "400")], 1.0),
        ("testero_proxy_member_connections_in_use", &mine, 0.0),
        ("testero_proxy_member_up", &mine, 1.0),
        ("testero_proxy_requests_under_way", &mine, 0.0),
        ("testero_proxy_access_log_lost_lines_total", &[], 0.0),
        ("testero_proxy_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
    ];
    // Clients have their answers before these are counted, and connections linger.
    at_least_once("all is counted", || {
        let page = Page::classic(&proxy.process);
        let wrong = expected.iter().find(|(name, labels, value)| page.value(name, labels) != *value);
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong:?} is {}", page.value(wrong.0, wrong.1))))
    });
    let text = proxy.metrics();
    let page = Page::check(&text, false);
    assert!(page.value("testero_proxy_member_connections_idle", &mine) >= 1.0, "{text}");
    assert!(page.value("testero_proxy_retries_total", &[shop]) >= 1.0, "{text}");
    assert!(page.value("testero_proxy_member_connections_made_total", &mine) >= 1.0, "{text}");
    // The original's stand beside them.
    let ip = member.address.ip().to_string();
    let port = member.address.port().to_string();
    assert_eq!(page.value("request_processing_seconds_count", &[("server", &ip), ("port", &port)]), 4.0);
    assert_eq!(page.value("status_total", &[("error", "None"), ("host", "h1")]), 4.0);
    assert_eq!(page.value("status_total", &[("error", "400"), ("host", "unknown")]), 1.0);
    assert!(page.families.iter().filter(|(name, _)| name.starts_with("testero_proxy_")).count() >= 16);
    check_with_promtool(&text);
}

/// What Prometheus's own tool says of a page.
fn check_with_promtool(text: &str) {
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else { return skip("there is no promtool") };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("testero_proxy_") && !said.contains("error"), "{said}");
}

#[test]
fn a_member_that_works_is_seen_working() {
    let (member, release) = Member::holding(ok("abc"));
    let proxy = Proxy::with(&file("off", &[member.address]), &[], "/dev/null");
    let mut client = proxy.client();
    client.send(b"POST / HTTP/1.1\r\nHost: h1\r\nContent-Length: 5\r\n\r\nab");
    eventually("the member has it", || !member.heads().is_empty());
    let page = Page::classic(&proxy.process);
    assert_eq!(page.value("testero_proxy_requests_under_way", &[]), 1.0);
    assert_eq!(page.value("testero_proxy_member_connections_in_use", &[]), 1.0);
    drop(client);
    // Who leaves is counted as one who got nothing.
    eventually("the client's leave is seen", || {
        let page = Page::classic(&proxy.process);
        page.value("testero_proxy_requests_total", &[("code", "none")]) == 1.0
            && page.value("testero_proxy_requests_under_way", &[]) == 0.0
            && page.value("testero_proxy_member_connections_in_use", &[]) == 0.0
    });
    drop(release);
}

#[test]
fn a_service_is_available_while_some_request_is_answered() {
    let dead = free_address();
    let member = Member::answering(ok(""));
    let services = [("h1", vec![member.address]), ("h2", vec![dead])];
    let proxy = Proxy::at(&services, "", &[]);
    let available = |service: &str| {
        Page::classic(&proxy.process).value("testero_proxy_available_seconds_total", &[("service", service)])
    };
    // Nobody asks: nothing is known against it.
    eventually("both are available", || available("service-h1") > 0.0 && available("service-h2") > 0.0);
    assert_eq!(proxy.client().ask(&get("h2")).status, 502);
    // The check in whose time that was has failed, and so do those after it.
    std::thread::sleep(Duration::from_millis(2500));
    let [one, two] = ["service-h1", "service-h2"].map(available);
    eventually("the one that answers goes on", || available("service-h1") > one + 2.0);
    assert_eq!(available("service-h2"), two);
    let page = Page::classic(&proxy.process);
    assert_eq!(page.value("testero_proxy_own_answers_total", &[("code", "502")]), 1.0);
}

#[test]
fn the_status_is_a_table_and_an_object() {
    let member = Member::answering(ok("abc"));
    let proxy = Proxy::with(&file("off", &[member.address]), &[], "/dev/null");
    let mut client = proxy.client();
    assert_eq!(client.ask(&get("h1")).status, 200);
    eventually("it is counted", || {
        Page::classic(&proxy.process).value("testero_proxy_member_connections_idle", &[]) == 1.0
    });
    let table = proxy.process.get("/status");
    let row = table.lines().nth(1).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    let name = member.address.to_string();
    assert_eq!(cells, ["shop", &name, "up", "0", "1", "0", "0", "0", "1", "0", "0", "0"], "{table}");
    assert!(table.starts_with("SERVICE  MEMBER"), "{table}");

    let status = proxy.process.json("GET", "/status", 200);
    let by_query = Json::parse(&proxy.process.get("/status?format=json"));
    assert_eq!(by_query["services"].list()[0]["members"].list()[0]["member"].string(), name);
    let shop = &status["services"].list()[0];
    assert_eq!((shop["name"].string(), shop["strategy"].string()), ("shop", "RROBIN"));
    let one = &shop["members"].list()[0];
    assert_eq!((one["state"].string(), one["host"].string()), ("up", "127.0.0.1"));
    assert_eq!(one["answers"]["2xx"].float(), 1.0);
    assert_eq!(one["connections"]["idle"].float(), 1.0);
    assert_eq!(one["requests_under_way"].float(), 0.0);
}

#[test]
fn a_member_that_is_set_aside_is_seen_to_be_and_why() {
    let dead = free_address();
    let proxy = Proxy::with(&file("off", &[dead]), &[], "/dev/null");
    for _ in 0..3 {
        assert_eq!(proxy.client().ask(&get("h1")).status, 502);
    }
    let status = proxy.process.json("GET", "/status", 200);
    let member = &status["services"].list()[0]["members"].list()[0];
    assert_eq!(member["state"].string(), "aside");
    let reason = member["reason"].string();
    assert!(reason.starts_with("3 failures one after the other, is asked again in "), "{reason}");
    let table = proxy.process.get("/status");
    assert!(table.lines().nth(1).unwrap().contains(" aside "), "{table}");
    assert!(table.lines().nth(1).unwrap().contains("  3 failures one after the other, "), "{table}");
    let page = Page::classic(&proxy.process);
    assert_eq!(page.value("testero_proxy_member_up", &[("member", &dead.to_string())]), 0.0);
    assert_eq!(page.value("testero_proxy_member_ejections_total", &[("member", &dead.to_string())]), 1.0);
    // Without a member it is not available, whoever asks or does not.
    let available = || Page::classic(&proxy.process).value("testero_proxy_available_seconds_total", &[]);
    std::thread::sleep(Duration::from_millis(1500));
    let before = available();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(available(), before);
}

#[test]
fn what_was_counted_of_a_service_stays_when_its_file_changes() {
    let member = Member::answering(ok("abc"));
    let text = file("off", &[member.address]);
    let proxy = Proxy::with(&text, &[], "/dev/null");
    assert_eq!(proxy.client().ask(&get("h1")).status, 200);
    let value = |name| Page::classic(&proxy.process).value(name, &[("service", "shop")]);
    eventually("it is counted", || value("testero_proxy_sent_bytes_total") == 3.0);
    std::fs::write(proxy.process.data.path().join("proxy.yaml"), text.replace("RROBIN", "LEAST")).unwrap();
    proxy.process.signal(libc::SIGHUP);
    eventually("the file is read again", || proxy.process.get("/status?format=json").contains("\"LEAST\""));
    assert_eq!(value("testero_proxy_sent_bytes_total"), 3.0);
    assert_eq!(value("testero_proxy_request_duration_seconds_count"), 1.0);
}

#[test]
fn any_path_answers_metrics_and_to_reading_alone() {
    let member = Member::answering(ok("abc"));
    let proxy = Proxy::of(&[&member]);
    for path in ["/", "/metrics", "/any/path?x=y"] {
        let answer = proxy.process.ask("GET", path);
        assert_eq!(answer.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"), "{path}");
        assert!(answer.body.contains("# TYPE status_total counter\n"), "{path}");
        assert!(answer.body.contains("# TYPE testero_proxy_requests_total counter\n"), "{path}");
    }
    for path in ["/", "/status", "/healthz", "/readyz"] {
        let answer = proxy.process.ask("HEAD", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
        for method in ["POST", "PUT", "DELETE"] {
            let answer = proxy.process.ask(method, path);
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
}
