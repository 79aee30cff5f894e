//! The total in a Redis: one atomic INCR a request, over connections that stay.
//!
//! The connections belong to a few threads, and requests hand these what they want and wait: so nothing in between, not
//! even a name server, holds a request for longer than its time.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use redis::{Client, Connection, RedisConnectionInfo, RedisResult, cmd};

use super::total::{PATIENCE, Total};
use crate::sync::{lock, spawn};

/// What the original calls the number.
const KEY: &str = "total_count";
/// How many connections an instance has at most. A Redis near by answers each of them ten thousand times a second.
const CONNECTIONS: usize = 8;
/// The stack of a thread that has one: name look-ups need most of it.
const STACK_BYTES: usize = 256 * 1024;
/// How often it is tried.
const TRIES: u32 = 2;

/// A Redis.
pub struct Redis {
    asks: Mutex<Sender<Ask>>,
    place: String,
}

/// What a request wants.
struct Ask {
    what: What,
    /// From when on it is not worth while any more.
    deadline: Instant,
    answer: SyncSender<Result<u64, String>>,
}

#[derive(Clone, Copy)]
enum What {
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
        let door = Door::of(client).map_err(io::Error::other)?;
        for _ in 0..CONNECTIONS {
            let (door, waiting) = (door.clone(), Arc::clone(&waiting));
            spawn("redis", STACK_BYTES, Box::new(move || serve(&door, &waiting)))?;
        }
        let place = format!("the Redis at {}, database {}", info.addr(), info.redis_settings().db());
        Ok(Self { asks: Mutex::new(asks), place })
    }

    fn ask(&self, what: What) -> Result<u64, String> {
        let deadline = Instant::now() + PATIENCE * TRIES;
        let (answer, answered) = sync_channel(1);
        // The threads live as long as the process.
        let _ = lock(&self.asks).send(Ask { what, deadline, answer });
        answered
            .recv_timeout(PATIENCE * TRIES)
            .unwrap_or_else(|_| Err(format!("no answer within {} s", (PATIENCE * TRIES).as_secs())))
    }
}

impl Total for Redis {
    fn next(&self) -> Result<u64, String> {
        self.ask(What::Increment)
    }

    fn check(&self) -> Result<(), String> {
        self.ask(What::Check).map(drop)
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

/// How a connection is made.
///
/// A Redis that turns a client away says why, in answer to whatever comes first, and closes. The library sends several
/// commands at once and reports what became of the last, or words of its own; so what is needed is sent here, one by one.
#[derive(Clone)]
struct Door {
    /// Connects, and sends nothing.
    client: Client,
    /// Who counts, and in which database.
    login: RedisConnectionInfo,
}

impl Door {
    fn of(client: &Client) -> RedisResult<Self> {
        let info = client.get_connection_info();
        let mute = RedisConnectionInfo::default().set_skip_set_lib_name();
        Ok(Self { client: Client::open(info.clone().set_redis_settings(mute))?, login: info.redis_settings().clone() })
    }

    fn open(&self) -> RedisResult<Connection> {
        let mut open = self.client.get_connection_with_timeout(PATIENCE)?;
        open.set_read_timeout(Some(PATIENCE))?;
        open.set_write_timeout(Some(PATIENCE))?;
        if let Some(password) = self.login.password() {
            let mut result = cmd("AUTH").arg(self.login.username()).arg(password).query::<()>(&mut open);
            // Before version 6 there are no users.
            if result.as_ref().is_err_and(|error| error.detail().is_some_and(|why| why.contains("number of arguments")))
            {
                result = cmd("AUTH").arg(password).query(&mut open);
            }
            result?;
        }
        if self.login.db() != 0 {
            cmd("SELECT").arg(self.login.db()).query::<()>(&mut open)?;
        }
        Ok(open)
    }
}

/// Answers what is asked, one thing at a time.
fn serve(door: &Door, waiting: &Mutex<Receiver<Ask>>) {
    let mut connection = None;
    loop {
        let next = lock(waiting).recv();
        let Ok(Ask { what, deadline, answer }) = next else { return };
        if Instant::now() >= deadline {
            continue;
        }
        let mut result = attempt(door, &mut connection, what);
        // Once more, over a new connection: the old one may have been of a Redis that was restarted.
        if result.is_err() && Instant::now() < deadline {
            result = attempt(door, &mut connection, what);
        }
        // Who asked may have given up.
        let _ = answer.try_send(result.map_err(|error| error.to_string()));
    }
}

/// One try. What goes wrong costs the connection.
fn attempt(door: &Door, connection: &mut Option<Connection>, what: What) -> RedisResult<u64> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => door.open()?,
    };
    let done = match what {
        What::Increment => cmd("INCR").arg(KEY).query(&mut open)?,
        What::Check => cmd("PING").query::<()>(&mut open).map(|()| 0)?,
    };
    *connection = Some(open);
    Ok(done)
}
