//! The total in a Redis: one atomic INCR a request, over connections that stay.
//!
//! A few threads ask the Redis, and requests hand these what they want and wait: so nothing in between, not even a name
//! server, holds a request for longer than its time. The threads share their connections, so there are as many as were
//! needed at once, and one is enough for requests that follow each other.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::counter::store::{PATIENCE, Total};
use crate::redis::connection::RedisConnection;
use crate::redis::server::RedisServer;
use crate::redis::value::RedisValue;
use crate::sync::{lock, spawn};

/// What the original calls the number.
const KEY: &str = "total_count";
/// How many connections an instance has at most. A Redis near by answers each of them ten thousand times a second.
const CONNECTIONS: usize = 8;
/// The stack of a thread that has one: name look-ups need most of it.
const STACK_BYTES: usize = 256 * 1024;
/// How often it is tried.
const TRIES: u32 = 2;
/// How much longer a request waits than the last try, which knows a better reason than that there is no answer.
const SLACK: Duration = Duration::from_millis(50);

/// A Redis.
pub struct Redis {
    asks: Mutex<Sender<TotalRequest>>,
    place: String,
}

/// What a request wants.
struct TotalRequest {
    what: RedisCommand,
    /// From when on it is not worth while any more.
    deadline: Instant,
    answer: SyncSender<Result<u64, String>>,
}

#[derive(Clone, Copy)]
enum RedisCommand {
    Increment,
    Check,
}

/// What the threads share. There are at most as many connections as threads: one is opened only when none is idle.
struct ConnectionPool {
    server: RedisServer,
    /// Connections over which nothing is on its way: the one that was used last is at the end, and is taken first.
    idle: Mutex<Vec<RedisConnection>>,
    waiting: Mutex<Receiver<TotalRequest>>,
}

impl Redis {
    /// Starts the threads; they connect when they are asked something.
    ///
    /// # Errors
    /// When there are no threads.
    pub fn start(server: &RedisServer) -> io::Result<Self> {
        let (asks, waiting) = channel();
        let pool = ConnectionPool { server: server.clone(), idle: Mutex::default(), waiting: Mutex::new(waiting) };
        let pool = Arc::new(pool);
        for _ in 0..CONNECTIONS {
            let pool = Arc::clone(&pool);
            spawn("redis", STACK_BYTES, Box::new(move || pool.serve()))?;
        }
        Ok(Self { asks: Mutex::new(asks), place: server.to_string() })
    }

    fn ask(&self, what: RedisCommand) -> Result<u64, String> {
        let deadline = Instant::now() + PATIENCE * TRIES;
        let (answer, answered) = sync_channel(1);
        // The threads live as long as the process.
        let _ = lock(&self.asks).send(TotalRequest { what, deadline, answer });
        answered
            .recv_timeout(PATIENCE * TRIES + SLACK)
            .unwrap_or_else(|_| Err(format!("no answer within {} s", (PATIENCE * TRIES).as_secs())))
    }
}

impl Total for Redis {
    fn next(&self) -> Result<u64, String> {
        self.ask(RedisCommand::Increment)
    }

    fn check(&self) -> Result<(), String> {
        self.ask(RedisCommand::Check).map(drop)
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

impl ConnectionPool {
    /// Answers what is asked, one thing at a time.
    fn serve(&self) {
        loop {
            let next = lock(&self.waiting).recv();
            let Ok(TotalRequest { what, deadline, answer }) = next else { return };
            if Instant::now() >= deadline {
                continue;
            }
            let idle = lock(&self.idle).pop();
            let mut result = self.attempt(idle, what, deadline);
            if result.is_err() && Instant::now() < deadline {
                // Once more, over a new connection: the old one may have been of a Redis that was restarted, and so may be
                // all that are idle.
                lock(&self.idle).clear();
                result = self.attempt(None, what, deadline);
            }
            // Who asked may have given up.
            let _ = answer.try_send(match (result, what) {
                (Ok(RedisValue::Int(total)), RedisCommand::Increment) if total > 0 => Ok(total.unsigned_abs()),
                // A further try would count once more.
                (Ok(RedisValue::Int(total)), RedisCommand::Increment) => {
                    Err(format!("{KEY} is {total}, and totals begin at 1"))
                }
                (Ok(_), RedisCommand::Increment) => Err(String::from("the answer to INCR is no number")),
                (Ok(_), RedisCommand::Check) => Ok(0),
                (Err(error), _) => Err(error.to_string()),
            });
        }
    }

    /// One try, within a second. What goes wrong costs the connection.
    fn attempt(&self, idle: Option<RedisConnection>, what: RedisCommand, deadline: Instant) -> io::Result<RedisValue> {
        let deadline = deadline.min(Instant::now() + PATIENCE);
        let mut open = match idle {
            Some(open) => open,
            None => self.server.open(deadline)?,
        };
        let words: &[&[u8]] = match what {
            RedisCommand::Increment => &[b"INCR", KEY.as_bytes()],
            RedisCommand::Check => &[b"PING"],
        };
        let reply = open.ask(words, deadline)?.accepted()?;
        lock(&self.idle).push(open);
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::test_server::TestRedis;
    use std::thread;

    /// How many connections a Redis has, but for the one that asks.
    fn connections(server: &TestRedis) -> usize {
        let RedisValue::BulkString(list) = server.say(&["CLIENT", "LIST"]).unwrap() else { panic!("no list") };
        String::from_utf8(list).unwrap().lines().count() - 1
    }

    /// Waits until that is so: what a test has closed is seen a little later.
    fn eventually(server: &TestRedis, is_so: impl Fn(usize) -> bool) {
        let begin = Instant::now();
        while !is_so(connections(server)) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{}", connections(server));
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn requests_that_follow_each_other_have_one_connection() {
        let Some(server) = TestRedis::start(&[]) else { return };
        let redis = Redis::start(&RedisServer::at(&server.url()).unwrap()).unwrap();
        for _ in 0..40 {
            redis.next().unwrap();
            redis.check().unwrap();
        }
        eventually(&server, |open| open == 1);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..20).for_each(|_| redis.next().map(drop).unwrap()));
            }
        });
        eventually(&server, |open| (1..=CONNECTIONS).contains(&open));
        // All that are idle are of no use any more, and one request finds that out for all.
        server.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        eventually(&server, |open| open == 0);
        redis.next().unwrap();
        eventually(&server, |open| open == 1);
        // At least what was asked: where an answer was late, it was asked once more.
        assert!(redis.next().unwrap() >= 40 + 320 + 2);
    }
}
