//! Members that are real services, killed and started again while they are asked. KILL_SECONDS says for how long.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::parts::Proxy;
use crate::harness::{PATIENCE, binary, eventually, free_address};
use crate::process::Reaped;

/// Time that a member serves before it is the next one's turn.
const BETWEEN_KILLS: Duration = Duration::from_millis(200);

fn duration() -> Duration {
    let seconds = std::env::var("KILL_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

fn service(address: SocketAddr, folder: &tempfile::TempDir) -> Reaped {
    let mut command = Command::new(binary());
    command.args(["--listen", &address.to_string(), "--data-dir"]).arg(folder.path());
    Reaped(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn members_that_are_killed_in_turn_cost_no_request_that_may_be_done_twice() {
    let addresses = [free_address(), free_address(), free_address()];
    let folder = tempfile::tempdir().unwrap();
    let mut members = addresses.map(|address| service(address, &folder));
    eventually("all listen", || addresses.into_iter().all(listens));
    let proxy = Proxy::at(&[("h1", addresses.to_vec())], "      strategy: LEAST\n", &[]);
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut kills, start) = (0, Instant::now());
    thread::scope(|scope| {
        let ask = |number: usize| {
            let (proxy, done, asked) = (&proxy, &done, &asked);
            scope.spawn(move || {
                let mut client = proxy.client();
                while !done.load(Ordering::SeqCst) && start.elapsed() < duration() + 4 * PATIENCE {
                    // Some stay, and some come anew for each request.
                    if number.is_multiple_of(3) {
                        client = proxy.client();
                    }
                    let (head, body, begins) = match number {
                        0 | 1 => ("GET /healthz", "", "ok\n"),
                        2 | 3 => ("GET /api/status", "", "testero "),
                        _ => ("PUT /healthz", "what may be done twice may have a body", "ok\n"),
                    };
                    let fields = format!("Host: h1\r\nContent-Length: {}", body.len());
                    let answer = client.ask(format!("{head} HTTP/1.1\r\n{fields}\r\n\r\n{body}").as_bytes());
                    let before = asked.load(Ordering::SeqCst);
                    assert_eq!(answer.status, 200, "after {before} requests: {answer:?}");
                    assert!(answer.body.starts_with(begins), "{answer:?}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let clients: Vec<_> = (0..6).map(ask).collect();
        while start.elapsed() < duration() && !clients.iter().any(ScopedJoinHandle::is_finished) {
            let turn = kills % members.len();
            // SIGKILL, in the middle of what it does.
            members[turn].0.kill().unwrap();
            members[turn].0.wait().unwrap();
            kills += 1;
            thread::sleep(BETWEEN_KILLS);
            members[turn] = service(addresses[turn], &folder);
            eventually("it listens again", || listens(addresses[turn]));
            thread::sleep(BETWEEN_KILLS);
        }
        done.store(true, Ordering::SeqCst);
    });
    let asked = asked.into_inner();
    let retries = proxy.metrics().lines().filter(|line| line.contains("retries_total")).collect::<Vec<_>>().join("\n");
    eprintln!("{asked} requests, {kills} kills\n{retries}");
    assert!(asked > 100 && kills > 5, "{asked} requests, {kills} kills");
}
