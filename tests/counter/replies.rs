//! What a Redis may answer that is no total: numbers below 1, replies without end, replies that trickle.
//!
//! The Redis here is a script: it reads a command, and answers what the test says.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{AWAY, numbers, start};
use crate::harness::{PATIENCE, Testero, eventually};

/// Serves every connection with `answer`, each in a thread of its own, until the test process ends. Says where it is.
fn serve(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut command = [0; 1024];
                while stream.read(&mut command).is_ok_and(|length| length > 0) {
                    if answer(&mut stream).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A counter that counts there.
fn counting_at(address: SocketAddr) -> Testero {
    start(&[("REDIS_URL", &format!("redis://{address}"))])
}

/// Asserts that the answer is 501, and that the log says why.
fn is_away(testero: &Testero, why: &str) {
    let answer = testero.ask("GET", "/");
    assert_eq!((answer.status, answer.body.as_str()), (501, AWAY), "{why}");
    eventually(&format!("the log says '{why}'"), || {
        testero.log().lines().any(|line| line.contains("The total is away: ") && line.contains(why))
    });
}

#[test]
fn a_total_below_one_is_no_total() {
    for total in ["0", "-1", "-8", "-9223372036854775808"] {
        let testero = counting_at(serve(move |stream| stream.write_all(format!(":{total}\r\n").as_bytes())));
        is_away(&testero, &format!("total_count is {total}"));
    }
    for none in ["9223372036854775808", "+x", "", "1.5"] {
        let testero = counting_at(serve(move |stream| stream.write_all(format!(":{none}\r\n").as_bytes())));
        is_away(&testero, "");
    }
    let testero = counting_at(serve(|stream| stream.write_all(b":9223372036854775807\r\n")));
    assert_eq!(numbers(&testero), (1, i64::MAX as u64));
}

#[test]
fn a_real_total_below_one_is_counted_up_once_a_request() {
    let Some(redis) = super::database::Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    redis.say("SET total_count -3");
    for total in [-2, -1, 0] {
        let (answer, told) = testero.ask_json("GET", "/");
        assert_eq!(answer.status, 501);
        assert!(told["error"]["message"].string().contains(&format!("total_count is {total}")), "{told:?}");
        assert_eq!(redis.say("GET total_count").lines().nth(1), Some(total.to_string().as_str()));
    }
    assert_eq!(numbers(&testero), (1, 1));
}

#[test]
fn a_reply_that_trickles_holds_no_connection() {
    let address = serve(|stream| {
        loop {
            stream.write_all(b"+")?;
            thread::sleep(Duration::from_millis(300));
        }
    });
    holds_nobody(address);
}

#[test]
fn pushes_without_end_hold_no_connection() {
    let address = serve(|stream| {
        loop {
            stream.write_all(b">2\r\n$10\r\ninvalidate\r\n$1\r\nx\r\n")?;
            thread::sleep(Duration::from_millis(50));
        }
    });
    holds_nobody(address);
}

/// Asserts that more requests than there are connections are all answered in time, twice.
fn holds_nobody(address: SocketAddr) {
    let testero = counting_at(address);
    for _ in 0..2 {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| assert_eq!(testero.ask("GET", "/").status, 501));
            }
        });
        assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    }
    // The table is the machine's; the port of the script is where we are connected to.
    let established = || {
        let port = format!(":{:04X} 01", address.port());
        std::fs::read_to_string(format!("/proc/{}/net/tcp", testero.pid())).unwrap().matches(&port).count()
    };
    eventually("nothing is connected any more", || established() == 0);
}

#[test]
fn a_flood_is_cut_off() {
    for head in [&b"+"[..], b":", b"-ERR ", b">2\r\n", b"$1000000000000\r\n", b"*1000000000\r\n"] {
        let sent_all = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&sent_all);
        let address = serve(move |stream| {
            stream.write_all(head)?;
            let much = [b'1'; 1 << 16];
            for _ in 0..16_384 {
                stream.write_all(&much)?;
            }
            seen.store(true, Ordering::Relaxed);
            Ok(())
        });
        let testero = counting_at(address);
        is_away(&testero, "");
        // In KiB: what a reply may be is 64.
        assert!(testero.status("VmHWM") < 30 << 10, "{head:?}: {} KiB", testero.status("VmHWM"));
        assert!(!sent_all.load(Ordering::Relaxed), "{head:?}: a GiB was read");
    }
}

#[test]
fn a_long_reason_is_a_reason() {
    let testero = counting_at(serve(|stream| {
        let why = "because ".repeat(1000);
        stream.write_all(format!("-ERR {why}\r\n").as_bytes())
    }));
    is_away(&testero, "because because");
}

#[test]
fn what_is_beyond_the_reply_is_no_reply_to_the_next_command() {
    let testero = counting_at(serve(|stream| stream.write_all(b":7\r\n:8\r\n")));
    is_away(&testero, "more than");
}
