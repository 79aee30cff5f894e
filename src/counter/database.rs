//! The total in a Redis: one atomic INCR a request, over connections that stay.
//!
//! The connections belong to a few threads, and requests hand these what they want and wait: so nothing in between, not
//! even a name server, holds a request for longer than its time.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Client, ConnectionAddr, RedisConnectionInfo, RedisResult, Value, cmd};

use crate::counter::connection::RedisConnection;
use crate::counter::store::{PATIENCE, Total};
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

impl Redis {
    /// Starts the threads; they connect when they are asked something.
    ///
    /// # Errors
    /// When there are no threads.
    pub fn start(client: &Client) -> io::Result<Self> {
        let (asks, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let info = client.get_connection_info();
        let door = Door { address: info.addr().clone(), login: info.redis_settings().clone() };
        for _ in 0..CONNECTIONS {
            let (door, waiting) = (door.clone(), Arc::clone(&waiting));
            spawn("redis", STACK_BYTES, Box::new(move || serve(&door, &waiting)))?;
        }
        let place = format!("the Redis at {}, database {}", info.addr(), info.redis_settings().db());
        Ok(Self { asks: Mutex::new(asks), place })
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

/// How a connection is made.
#[derive(Clone)]
struct Door {
    address: ConnectionAddr,
    /// Who counts, and in which database.
    login: RedisConnectionInfo,
}

impl Door {
    /// Connects, logs in, and chooses the database: each step waits for its reply, so that the reason is known when a Redis
    /// turns a client away.
    fn open(&self, deadline: Instant) -> RedisResult<RedisConnection> {
        let mut open = RedisConnection::to(&self.address, deadline)?;
        if let Some(password) = self.login.password() {
            let mut result = open.ask(cmd("AUTH").arg(self.login.username()).arg(password), deadline);
            // Before version 6 there are no users.
            if result.as_ref().is_err_and(|error| error.detail().is_some_and(|why| why.contains("number of arguments")))
            {
                result = open.ask(cmd("AUTH").arg(password), deadline);
            }
            result?;
        }
        if self.login.db() != 0 {
            open.ask(cmd("SELECT").arg(self.login.db()), deadline)?;
        }
        Ok(open)
    }
}

/// Answers what is asked, one thing at a time.
fn serve(door: &Door, waiting: &Mutex<Receiver<TotalRequest>>) {
    let mut connection = None;
    loop {
        let next = lock(waiting).recv();
        let Ok(TotalRequest { what, deadline, answer }) = next else { return };
        if Instant::now() >= deadline {
            continue;
        }
        let mut result = attempt(door, &mut connection, what, deadline);
        // Once more, over a new connection: the old one may have been of a Redis that was restarted.
        if result.is_err() && Instant::now() < deadline {
            result = attempt(door, &mut connection, what, deadline);
        }
        // Who asked may have given up.
        let _ = answer.try_send(match (result, what) {
            (Ok(Value::Int(total)), RedisCommand::Increment) if total > 0 => Ok(total.unsigned_abs()),
            // A further try would count once more.
            (Ok(Value::Int(total)), RedisCommand::Increment) => Err(format!("{KEY} is {total}, and totals begin at 1")),
            (Ok(_), RedisCommand::Increment) => Err(String::from("the answer to INCR is no number")),
            (Ok(_), RedisCommand::Check) => Ok(0),
            (Err(error), _) => Err(error.to_string()),
        });
    }
}

/// One try, within a second. What goes wrong costs the connection.
fn attempt(
    door: &Door,
    connection: &mut Option<RedisConnection>,
    what: RedisCommand,
    deadline: Instant,
) -> RedisResult<Value> {
    let deadline = deadline.min(Instant::now() + PATIENCE);
    let mut open = match connection.take() {
        Some(open) => open,
        None => door.open(deadline)?,
    };
    let reply = match what {
        RedisCommand::Increment => open.ask(cmd("INCR").arg(KEY), deadline)?,
        RedisCommand::Check => open.ask(&cmd("PING"), deadline)?,
    };
    *connection = Some(open);
    Ok(reply)
}
