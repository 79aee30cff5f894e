//! The access log: a line for each request, on stdout.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::operation::file;
use super::parts::{Member, Proxy, get, ok};
use crate::exposition::Page;
use crate::harness::{PATIENCE, eventually, free_address};
use crate::json::Json;

/// A folder with a file that is stdout.
fn stdout() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stdout");
    (folder, path)
}

/// Waits for so many lines of the access log.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    eventually(&format!("{count} lines"), || {
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        lines = text.lines().map(str::to_owned).collect();
        lines.len() >= count && text.ends_with('\n')
    });
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

#[test]
fn each_request_is_a_line() {
    let member = Member::start(|visit, _| {
        while let Some(head) = visit.head() {
            match head.split(' ').nth(1).unwrap() {
                "/cut" => return visit.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
                "/wait" => std::thread::sleep(PATIENCE),
                "/post" => _ = visit.exactly(5).unwrap(),
                _ => {}
            }
            visit.send(ok("abc"));
        }
    });
    let (_folder, path) = stdout();
    let proxy = Proxy::with(&file("text", &[member.address]), &[], &path);
    let mut client = proxy.client();
    let fields = "X-Request-Id: id-7\r\nUser-Agent: curl/8\r\nReferer: http://r/\r\n";
    client.ask(format!("POST /post HTTP/1.1\r\nHost: h1:80\r\nContent-Length: 5\r\n{fields}\r\nhello").as_bytes());
    client.ask(b"GET /a HTTP/1.0\r\nHost: h1\r\nConnection: keep-alive\r\n\r\n");
    let all = lines(&path, 2);
    let (front, rest) = all[0].split_once(" connected=").unwrap();
    let (time, after) = front.strip_prefix("127.0.0.1 - - [").unwrap().split_once("] ").unwrap();
    assert_eq!((time.len(), &time[20..]), (26, " +0000"), "{time}");
    assert_eq!(
        after,
        format!(
            "\"POST /post HTTP/1.1\" 200 3 \"http://r/\" \"curl/8\" host=\"h1:80\" id=\"id-7\" in=5 service=\"shop\" \
             member=\"{}\" retries=0",
            member.address
        )
    );
    let times: Vec<_> = rest.split(' ').map(|part| part.rsplit('=').next().unwrap()).collect();
    assert_eq!(times[3], "ok", "{rest}");
    let times: Vec<f64> = times[..3].iter().map(|time| time.parse().unwrap()).collect();
    assert!(times[0] <= times[1] && times[1] <= times[2] && times[2] < 30_000.0, "{rest}");
    assert!(all[1].contains("\"GET /a HTTP/1.0\" 200 3 \"-\" \"-\" host=\"h1\" id=\"-\" in=0 "), "{}", all[1]);

    let mut client = proxy.client();
    client.send(b"GET /cut HTTP/1.1\r\nHost: h1\r\n\r\n");
    assert!(client.rest().ends_with(b"\r\n\r\nabc"));
    let all = lines(&path, 3);
    assert!(all[2].contains("\"GET /cut HTTP/1.1\" 200 3 ") && all[2].ends_with(" end=broken-off"), "{}", all[2]);

    let mut client = proxy.client();
    client.send(b"PUT /wait HTTP/1.1\r\nHost: h1\r\nContent-Length: 5\r\n\r\nab");
    eventually("the member has it", || member.heads().iter().any(|head| head.starts_with("PUT /wait")));
    drop(client);
    let all = lines(&path, 4);
    assert!(all[3].contains("\"PUT /wait HTTP/1.1\" 499 - ") && all[3].ends_with(" end=client-gone"), "{}", all[3]);

    assert_eq!(proxy.client().ask(&get("h2")).status, 400);
    assert_eq!(proxy.client().ask(b"\x16\x03\x01\x02 \x1b[2J\"\n\n").status, 400);
    let all = lines(&path, 6);
    let page = "400 31 \"-\" \"-\" host=\"h2\" id=\"-\" in=0 service=\"-\" member=\"-\" retries=0 connected=- first=- ";
    assert!(all[4].contains(page) && all[4].ends_with(" end=400"), "{}", all[4]);
    assert!(all[5].contains("] \"\\x16\\x03\\x01\\x02 \\x1b[2J\\x22\" 400 31 "), "{}", all[5]);
}

#[test]
fn a_request_that_waited_in_vain_is_a_line_and_counts_for_its_service() {
    let (member, release) = Member::holding(ok("abc"));
    let (_folder, path) = stdout();
    let bounds = "strategy: RROBIN, max_requests_per_member: 1, queue: {length: 2, time: 50ms}";
    let text = file("text", &[member.address]).replace("strategy: RROBIN", bounds);
    let proxy = Proxy::with(&text, &[], &path);
    let mut first = proxy.client();
    first.send(&get("h1"));
    eventually("the member is busy", || member.heads().len() == 1);
    assert_eq!(proxy.client().ask(&get("h1")).status, 503);
    let all = lines(&path, 1);
    assert!(all[0].contains("\"GET / HTTP/1.1\" 503 39 ") && all[0].ends_with(" end=503"), "{}", all[0]);
    assert!(all[0].contains(" service=\"shop\" member=\"-\" "), "{}", all[0]);
    let total: f64 = all[0].split_once(" total=").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(total >= 50.0, "{}", all[0]);
    let page = Page::classic(&proxy.process);
    let labels = [("service", "shop"), ("member", "none"), ("code", "5xx")];
    assert_eq!(page.value("testero_proxy_requests_total", &labels), 1.0);
    assert_eq!(page.value("testero_proxy_own_answers_total", &[("code", "503")]), 1.0);
    assert_eq!(page.value("testero_proxy_requests_waiting", &[]), 0.0);
    release.send(()).unwrap();
    assert_eq!(first.answer().body, "abc");
    assert!(lines(&path, 2)[1].ends_with(" end=ok"));
}

#[test]
fn a_line_may_be_an_object() {
    let (_folder, path) = stdout();
    let dead = free_address();
    let member = Member::answering(ok("abc"));
    let proxy = Proxy::with(&file("json", &[dead, member.address]), &[], &path);
    let mut client = proxy.client();
    let agent = "\" \\ \u{202e}\u{9b}[2J";
    client.send(format!("GET /a%0d%0a HTTP/1.1\r\nHost: h1\r\nUser-Agent: {agent}\r\n\r\n").as_bytes());
    assert_eq!(client.answer().body, "abc");
    let all = lines(&path, 1);
    assert!(all[0].bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", all[0]);
    let line = Json::parse(&all[0]);
    assert_eq!(line["user_agent"].string(), agent);
    assert_eq!(line["target"].string(), "/a%0d%0a");
    assert_eq!((line["method"].string(), line["version"].string()), ("GET", "HTTP/1.1"));
    assert_eq!((line["service"].string(), line["end"].string()), ("shop", "ok"));
    assert_eq!(line["member"].string(), member.address.to_string());
    assert_eq!((line["status"].float(), line["bytes_out"].float()), (200.0, 3.0));
    assert_eq!((line["bytes_in"].float(), line["retries"].float()), (0.0, 1.0));
    assert!(line["first_byte_ms"].float() <= line["total_ms"].float());
    assert!(line["time"].string().ends_with('Z'));
    assert_eq!(line["id"], Json::Null);
}

#[test]
fn a_long_target_is_cut() {
    let (_folder, path) = stdout();
    let member = Member::answering(ok("abc"));
    let proxy = Proxy::with(&file("text", &[member.address]), &[], &path);
    let target = "/".repeat(3500);
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: h1\r\n\r\n").as_bytes());
    assert_eq!(client.answer().status, 200);
    let all = lines(&path, 1);
    assert!(all[0].contains("/... HTTP/1.1\" 200 3 ") && all[0].len() < 2500, "{}", all[0]);
}

#[test]
fn who_reads_no_lines_holds_up_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Open for both, so that the proxy can open it, and nobody reads.
    let reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let member = Member::answering(ok("abc"));
    let proxy = Proxy::with(&file("json", &[member.address]), &["--drain", "1"], &path);
    let mut client = proxy.client();
    let request = format!("GET /{} HTTP/1.1\r\nHost: h1\r\n\r\n", "a".repeat(2000));
    for _ in 0..400 {
        client.send(request.as_bytes());
        assert_eq!(client.answer().body, "abc");
    }
    let lost = Page::classic(&proxy.process).value("testero_proxy_access_log_lost_lines_total", &[]);
    assert!(lost > 50.0, "{lost}");
    eventually("it is said", || proxy.process.log().contains(" lines of the access log were lost"));
    assert_eq!(proxy.process.log().matches("lines of the access log").count(), 1);
    // Nor does it hold up the end.
    proxy.process.signal(libc::SIGTERM);
    let (status, ..) = proxy.process.wait();
    assert_eq!(status.code(), Some(0));
    drop(reader);
}

#[test]
fn a_line_is_there_before_the_end() {
    let (_folder, path) = stdout();
    let member = Member::answering(ok("abc"));
    let proxy = Proxy::with(&file("text", &[member.address]), &[], &path);
    let mut client = proxy.client();
    for _ in 0..20 {
        client.ask(&get("h1"));
    }
    drop(client);
    proxy.process.signal(libc::SIGTERM);
    let (status, ..) = proxy.process.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 20);
}
