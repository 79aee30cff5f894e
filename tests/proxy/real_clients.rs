//! Clients that people use.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::other_proxies::has;
use super::parts::Proxy;
use super::programs::{PythonMember, output, script, websockets_python};
use crate::harness::Testero;

/// A proxy for `h1`, and its members.
fn proxy_of(members: &[SocketAddr]) -> Proxy {
    Proxy::at(&[("h1", members.to_vec())], "", &[])
}

/// Nothing went wrong that would be told.
fn assert_quiet(proxy: &Proxy) {
    let log = proxy.process.log();
    assert!(!log.contains("ERROR - ") && !log.contains("WARN - "), "{log}");
}

/// What curl writes; `@` in an argument stands for where the proxy is.
fn curl(proxy: &Proxy, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail-with-body", "--max-time", "120", "-H", "Host: h1"]).stdin(Stdio::null());
    command.args(arguments.iter().map(|argument| argument.replace('@', &format!("http://{}", proxy.address))));
    output(&mut command)
}

#[test]
fn curl_reads() {
    let Some(member) = has("curl", "--version").then(PythonMember::start).flatten() else { return };
    let proxy = proxy_of(&[member.address]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    let body = path.to_str().unwrap();
    for version in ["1.1", "1.0"] {
        for target in ["@/large?bytes=100000", "@/large?bytes=100000&chunked=1"] {
            let told =
                curl(&proxy, &[&format!("--http{version}"), "-o", body, "-w", "%{http_code} %{num_connects}", target]);
            assert_eq!(told, "200 1", "{version} {target}");
            assert!(std::fs::read(&path).unwrap() == member.pattern[..100_000], "{version} {target}");
        }
    }
    let told = curl(&proxy, &["-I", "@/large?bytes=5", "@/large?bytes=6&chunked=1"]);
    let heads: Vec<_> = told.split_terminator("\r\n\r\n").collect();
    assert!(heads.len() == 2 && heads.iter().all(|head| head.starts_with("HTTP/1.1 200 OK\r\n")), "{told}");
    assert!(heads[0].ends_with("\r\nContent-Length: 5"), "{told}");
    // Two on one connection, whatever the frame of the first one.
    for first in ["@/large?bytes=7", "@/large?bytes=7&chunked=1", "@/_count"] {
        let one = ["-o", "/dev/null", "-w", "%{http_code} %{num_connects}, "];
        let told = curl(&proxy, &[&one[..], &[first, "--next", "-H", "Host: h1"], &one, &["@/_count"]].concat());
        assert_eq!(told, "200 1, 200 0, ", "{first}");
    }
    assert_quiet(&proxy);
}

#[test]
fn curl_writes() {
    let Some(member) = has("curl", "--version").then(PythonMember::start).flatten() else { return };
    let proxy = proxy_of(&[member.address]);
    let body = member.pattern.repeat(20_000_000 / member.pattern.len() + 1);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &body[..20_000_000]).unwrap();
    let path = file.path().to_str().unwrap();
    let whole = r#"{"bytes": 20000000, "right": true}"#;
    let data = format!("@{path}");
    let mut post = Command::new("curl");
    let url = format!("http://{}/large", proxy.address);
    post.args(["-sSv", "--http1.1", "--max-time", "120", "-H", "Host: h1", "--data-binary", &data, &url]);
    let told = output(post.arg("-H").arg("Expect: 100-continue"));
    let asked = told.find("< HTTP/1.1 100 Continue").unwrap_or_else(|| panic!("{told}"));
    let answered = told.find("< HTTP/1.1 200 OK").unwrap_or_else(|| panic!("{told}"));
    assert!(asked < answered && told.contains(whole), "{told}");
    assert_eq!(curl(&proxy, &["--http1.0", "-T", path, "@/large"]), whole);
    assert_eq!(
        curl(&proxy, &["-T", path, "@/large", "--next", "-H", "Host: h1", "-T", path, "@/large"]),
        whole.repeat(2)
    );
    // Of unknown length.
    let mut put = Command::new("curl");
    put.args(["-sS", "--max-time", "120", "-H", "Host: h1", "-T", "-", &url]);
    assert_eq!(output(put.stdin(std::fs::File::open(file.path()).unwrap())), whole);
    assert_quiet(&proxy);
}

/// The number that follows `name` on a line of its own.
fn number(report: &str, name: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.trim().strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn ab_fails_at_nothing() {
    if !has("ab", "-V") {
        return;
    }
    let members = [Testero::start(), Testero::start()];
    let proxy = proxy_of(&members.each_ref().map(|member| member.address));
    let url = format!("http://{}/healthz", proxy.address);
    for keeps in [true, false] {
        let mut command = Command::new("ab");
        command.args(["-q", "-n", "3000", "-c", "16", "-H", "Host: h1"]).args(keeps.then_some("-k")).arg(&url);
        let report = output(&mut command);
        assert_eq!(number(&report, "Complete requests:"), Some(3000), "{report}");
        assert_eq!(number(&report, "Failed requests:"), Some(0), "{report}");
        assert_eq!(number(&report, "Keep-Alive requests:"), keeps.then_some(3000), "{report}");
        assert!(!report.contains("Non-2xx") && !report.contains("Write errors"), "{report}");
    }
    assert_quiet(&proxy);
}

#[test]
fn wrk_sees_no_error() {
    if !has("wrk", "-v") {
        return;
    }
    let members = [Testero::start(), Testero::start()];
    let proxy = proxy_of(&members.each_ref().map(|member| member.address));
    let url = format!("http://{}/healthz", proxy.address);
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", "16", "-d", "2", "--timeout", "60", "-H", "Host: h1", &url]);
    let report = output(&mut command);
    assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
    let requests = report.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse::<u64>().ok());
    assert!(requests.is_some_and(|requests| requests > 100), "{report}");
    assert_quiet(&proxy);
}

#[test]
fn documents_are_posted_many_at_a_time() {
    let Some(member) = PythonMember::start() else { return };
    let proxy = proxy_of(&[member.address]);
    let mut client = Command::new("python3");
    let report = output(client.arg(script("bulk_client.py")).arg(proxy.address.port().to_string()));
    assert!(report.starts_with("32008 documents in bodies of "), "{report}");
    assert_quiet(&proxy);
}

#[test]
fn a_websocket_does_all_that_it_does_without_a_proxy() {
    let Some(python) = websockets_python() else { return };
    let member = PythonMember::run(&python, "websocket_member.py");
    let proxy = proxy_of(&[member.address]);
    let mut client = Command::new(&python);
    let report = output(client.arg(script("websocket_client.py")).arg(proxy.address.port().to_string()));
    assert_eq!(report, "20 at once\n");
    assert_quiet(&proxy);
}
