//! The store is away, in each way it can be: every wait ends, and it recovers by itself.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use super::database::Redis;
use super::{AWAY, numbers, start};
use crate::exposition::Page;
use crate::harness::{PATIENCE, Testero, at_least_once, eventually, free_address, skip};

/// More at once than there are connections to a Redis.
const CROWD: usize = 40;

/// Asserts that everybody in a crowd is told that there is no total, and nobody is kept.
fn tells_a_crowd(testero: &Testero) {
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let answer = testero.ask("GET", "/");
                assert_eq!((answer.status, answer.body.as_str()), (501, AWAY), "{answer:?}");
            });
        }
    });
    let (answer, told) = testero.ask_json("GET", "/");
    assert_eq!((answer.status, told["error"]["code"].string()), (501, "store-away"));
    assert!(told["error"]["message"].string().starts_with("Increment Transaction Error"), "{told:?}");
    assert_eq!(testero.ask("GET", "/readyz?store").status, 503);
    // It stays ready: an instance that nobody asks shows nobody what is wrong.
    assert_eq!([testero.get("/healthz"), testero.get("/readyz")], ["ok\n", "ok\n"]);
    let page = Page::classic(testero);
    assert_eq!(page.value("testero_count_store_up", &[]), 0.0);
    assert!(page.value("testero_count_store_failures_total", &[]) > CROWD as f64);
}

/// Asserts that it counts by itself again, that only what was answered is counted here, and that it is said once.
fn recovers(testero: &Testero, answered: u64) {
    let mut answer = None;
    eventually("it counts again", || {
        answer = Some(testero.ask("GET", "/")).filter(|answer| answer.status == 200);
        answer.is_some()
    });
    assert_eq!(super::Told::read(&answer.unwrap().body).own, answered + 1);
    assert_eq!(testero.get("/readyz?store"), "ok\n");
    assert_eq!(Page::classic(testero).value("testero_count_store_up", &[]), 1.0);
    // Whose answer came first need not be who says it.
    eventually("it is said that it counts again", || {
        let log = testero.log();
        log.matches("The total is away").count() == log.matches("The total is counted again").count()
    });
}

#[test]
fn a_redis_that_is_stopped_and_goes_on() {
    let Some(redis) = Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    assert_eq!([numbers(&testero), numbers(&testero)], [(1, 1), (2, 2)]);
    redis.signal(libc::SIGSTOP);
    tells_a_crowd(&testero);
    redis.signal(libc::SIGCONT);
    recovers(&testero, 2);
    // What was asked of it meanwhile was counted when it went on.
    let (own, total) = numbers(&testero);
    assert!(own == 4 && total >= 4, "{own} {total}");
}

/// An address of this machine that is none of its loopback: Redis in protected mode refuses those who come from it. None
/// where there is no network.
fn address_of_a_network() -> Option<IpAddr> {
    // Nothing is sent: the kernel says from where it would be.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let found = socket.connect("203.0.113.1:9").and_then(|()| socket.local_addr()).ok().map(|address| address.ip());
    let found = found.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if found.is_none() {
        skip("this machine has no network, so a Redis in protected mode is NOT tested");
    }
    found
}

#[test]
fn what_a_redis_in_protected_mode_says_is_logged() {
    let Some(ip) = address_of_a_network() else { return };
    let here = free_address();
    let binds = [&here.ip().to_string(), &ip.to_string()].map(String::as_str).join(" ");
    let Some(_redis) = Redis::start_at(here, &["--bind", &binds, "--protected-mode", "yes"]) else { return };
    for (user, database) in [("", 0), ("", 3), (":secret@", 0), (":secret@", 3)] {
        let testero = start(&[("REDIS_URL", &format!("redis://{user}{ip}:{}/{database}", here.port()))]);
        for _ in 0..5 {
            assert_eq!(testero.ask("GET", "/").status, 501);
        }
        eventually("something is logged", || testero.log().contains("The total is away: "));
        let log = testero.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("The total is away: ")).collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains("DENIED") && lines[0].contains("Redis is running in protected mode"), "{log}");
        assert!(!log.contains("reset by peer") && lines[0].len() < 1500, "{log}");
    }
}

#[test]
fn what_a_redis_says_of_a_wrong_password_is_logged() {
    let Some(redis) = Redis::start(&["--requirepass", "correct-horse"]) else { return };
    for (login, says) in [(":wrong@", "WRONGPASS"), ("nobody:wrong@", "WRONGPASS"), ("", "NOAUTH")] {
        // On a loaded machine, what it says may come too late, and then that is what is logged.
        at_least_once("what it says is logged", || {
            let testero = start(&[("REDIS_URL", &redis.url().replace("//", &format!("//{login}")))]);
            assert_eq!(testero.ask("GET", "/").status, 501);
            eventually("something is logged", || testero.log().contains("The total is away: "));
            let log = testero.log();
            assert!(!log.contains("wrong@") && !log.contains("correct-horse"), "{log}");
            let is_told = log.lines().any(|line| line.contains("The total is away: ") && line.contains(says));
            if is_told { Ok(()) } else { Err(log) }
        });
    }
    for login in [":correct-horse@", "default:correct-horse@"] {
        let testero = start(&[("REDIS_URL", &format!("{}/5", redis.url().replace("//", &format!("//{login}"))))]);
        numbers(&testero);
    }
    // Both counted, and where they were told to.
    assert_eq!(redis.say("AUTH correct-horse\r\nSELECT 5\r\nGET total_count"), "+OK\r\n+OK\r\n$1\r\n2\r\n");
}

#[test]
fn what_a_redis_with_too_many_clients_says_is_logged() {
    let Some(redis) = Redis::start(&["--maxclients", "1"]) else { return };
    // The one that it takes, once it has let go of those that asked whether it is there.
    let mut only = None;
    eventually("it takes a client", || {
        let mut stream = TcpStream::connect(redis.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 5];
        let is_taken = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut answer)).is_ok();
        only = (is_taken && answer == *b"+PONG").then_some(stream);
        only.is_some()
    });
    let testero = start(&[("REDIS_URL", &redis.url())]);
    let mut log = String::new();
    eventually("it is said", || {
        testero.ask("GET", "/");
        log = testero.log();
        log.contains("The total is away: ")
    });
    assert!(log.contains("max number of clients reached"), "{log}");
}

#[test]
fn a_socket_of_a_redis_that_is_stopped_and_goes_on() {
    let Some(redis) = Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &format!("unix://{}", redis.socket().display()))]);
    assert_eq!(numbers(&testero), (1, 1));
    redis.signal(libc::SIGSTOP);
    tells_a_crowd(&testero);
    redis.signal(libc::SIGCONT);
    recovers(&testero, 1);
}

#[test]
fn a_redis_that_is_killed_and_comes_back() {
    let Some(mut redis) = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    assert_eq!(numbers(&testero), (1, 1));
    for round in 1..4 {
        redis.kill();
        tells_a_crowd(&testero);
        redis.begin();
        recovers(&testero, round);
    }
    // A connection that was refused has counted nothing.
    assert_eq!(numbers(&testero), (5, 5));
}

#[test]
fn one_that_takes_connections_and_never_answers() {
    let address = free_address();
    let silent = TcpListener::bind(address).unwrap();
    let testero = start(&[("REDIS_URL", &format!("redis://{address}"))]);
    tells_a_crowd(&testero);
    let accepting = silent.try_clone().unwrap();
    accepting.set_nonblocking(true).unwrap();
    let mut held = Vec::new();
    while let Ok((stream, _)) = accepting.accept() {
        held.push(stream);
    }
    tells_a_crowd(&testero);
    drop((silent, accepting, held));
    let Some(_redis) = Redis::start_at(address, &[]) else { return };
    recovers(&testero, 0);
}

#[test]
fn one_that_speaks_something_else() {
    let address = free_address();
    let listener = TcpListener::bind(address).unwrap();
    // A testero is no Redis.
    drop(listener);
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let command = super::counter(folder.path(), &["--listen", &address.to_string()], &[]);
    let other = Testero::spawn(command, folder);
    let testero = start(&[("REDIS_URL", &format!("redis://{address}"))]);
    tells_a_crowd(&testero);
    drop(other);
    tells_a_crowd(&testero);
}

#[test]
fn a_name_that_does_not_resolve() {
    let testero = start(&[("CONTAINER_DB_HOST", "there-is-none.invalid")]);
    tells_a_crowd(&testero);
    // Nor does a thread that waits for a name server hold up the end.
    testero.signal(libc::SIGTERM);
    assert!(testero.wait().0.success());
}

#[test]
fn a_key_that_holds_text() {
    let Some(redis) = Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    for wrong in ["SET total_count many", "SET total_count 9223372036854775807"] {
        redis.say(wrong);
        let answer = testero.ask("GET", "/");
        assert_eq!((answer.status, answer.body.as_str()), (501, AWAY), "{wrong}");
        // The Redis itself is there.
        assert_eq!(testero.get("/readyz?store"), "ok\n");
    }
    redis.say("DEL total_count\r\nLPUSH total_count 1");
    assert_eq!(testero.ask("GET", "/").status, 501);
    redis.say("DEL total_count");
    recovers(&testero, 0);
}

#[test]
fn a_redis_that_is_full_or_only_to_be_read() {
    let Some(redis) = Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    redis.say("CONFIG SET min-replicas-to-write 3");
    assert_eq!(testero.ask("GET", "/").status, 501);
    redis.say("CONFIG SET min-replicas-to-write 0\r\nREPLICAOF 127.0.0.1 1");
    assert_eq!(testero.ask("GET", "/").status, 501);
    redis.say("REPLICAOF NO ONE\r\nCONFIG SET maxmemory 1");
    assert_eq!(testero.ask("GET", "/").status, 501);
    redis.say("CONFIG SET maxmemory 0");
    recovers(&testero, 0);
    assert_eq!(numbers(&testero), (2, 2));
}

#[test]
fn a_redis_that_answers_late_but_in_time() {
    let Some(redis) = Redis::start(&[]) else { return };
    let testero = start(&[("REDIS_URL", &redis.url())]);
    assert_eq!(numbers(&testero), (1, 1));
    // On a loaded machine it may be later than it should be: then it is asked again.
    let late = |answered: u64| {
        redis.signal(libc::SIGSTOP);
        let answer = thread::scope(|scope| {
            let asking = scope.spawn(|| testero.ask("GET", "/"));
            thread::sleep(Duration::from_millis(100));
            redis.signal(libc::SIGCONT);
            asking.join().unwrap()
        });
        answer.status == 200 && super::Told::read(&answer.body).own == answered + 1
    };
    assert!((0..5).any(|_| late(1)), "each answer was too late");
}

#[test]
fn a_file_that_somebody_keeps_locked() {
    let testero = start(&[]);
    assert_eq!(numbers(&testero), (1, 1));
    let file = std::fs::File::open(testero.data.path().join("total_count")).unwrap();
    file.lock().unwrap();
    tells_a_crowd(&testero);
    file.unlock().unwrap();
    recovers(&testero, 1);
    assert_eq!(numbers(&testero), (3, 3));
    // And one that holds something else since.
    std::fs::write(testero.data.path().join("total_count"), "many").unwrap();
    tells_a_crowd(&testero);
    std::fs::write(testero.data.path().join("total_count"), "41").unwrap();
    recovers(&testero, 3);
    assert_eq!(numbers(&testero), (5, 43));
}
