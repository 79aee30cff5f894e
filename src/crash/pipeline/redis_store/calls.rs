//! Calls to a Redis: what is sent once, what an answer means, and what it means when there is none.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::crash::pipeline::redis_store::scripts::LuaScript;
use crate::crash::pipeline::store::StoreFault;
use crate::redis::connection::RedisConnection;
use crate::redis::server::RedisServer;
use crate::redis::value::RedisValue;

/// How long a call may take, a new connection included. A Redis whose disk is busy takes a second at times.
const PATIENCE: Duration = Duration::from_secs(2);

/// A Redis, and the connection to it while there is one.
pub(super) struct RedisCaller {
    server: RedisServer,
    connection: Option<ScriptConnection>,
}

/// A connection, and the names (SHA-1) by which the Redis knows the scripts that were sent to it.
struct ScriptConnection {
    connection: RedisConnection,
    names: BTreeMap<LuaScript, String>,
}

impl RedisCaller {
    /// Connects when something is called.
    pub(super) fn new(server: RedisServer) -> Self {
        Self { server, connection: None }
    }

    /// Runs a script: the numbers that it answers.
    ///
    /// # Errors
    /// What it answers else; what keeps the Redis from running it.
    pub(super) fn script<const N: usize>(
        &mut self,
        script: LuaScript,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<[u64; N], StoreFault> {
        let numbers = self.script_numbers(script, keys, arguments)?;
        numbers.try_into().map_err(|_| StoreFault::Broken(format!("the answer of {script:?} has other numbers")))
    }

    /// The same where it is not known how many there will be.
    ///
    /// # Errors
    /// As of [`RedisCaller::script`].
    pub(super) fn script_numbers(
        &mut self,
        script: LuaScript,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<Vec<u64>, StoreFault> {
        let count = keys.len().to_string();
        let deadline = Instant::now() + PATIENCE;
        let run = |open: &mut ScriptConnection| {
            let name = open.name(script, deadline)?;
            let mut words: Vec<&[u8]> = vec![b"EVALSHA", name.as_bytes(), count.as_bytes()];
            words.extend(keys.iter().map(String::as_bytes));
            words.extend(arguments);
            open.connection.call(&words, deadline)
        };
        let answer = self.with_connection(deadline, &|open| {
            let answer = run(open)?;
            // A Redis that forgot its scripts did nothing.
            if matches!(&answer, RedisValue::Error(error) if error.code == "NOSCRIPT") {
                open.names.clear();
                return run(open);
            }
            Ok(answer)
        })?;
        meaning(answer)
    }

    /// Calls a command of the Redis, of these words.
    ///
    /// # Errors
    /// What keeps the Redis from doing it.
    pub(super) fn command(&mut self, words: &[&[u8]]) -> Result<RedisValue, StoreFault> {
        let deadline = Instant::now() + PATIENCE;
        self.with_connection(deadline, &|open| open.connection.call(words, deadline))
    }

    /// Sends something once. A connection on which a reply is missing is not used again: that reply may come late, and
    /// would be taken for the next one.
    fn with_connection(
        &mut self,
        deadline: Instant,
        call: &dyn Fn(&mut ScriptConnection) -> io::Result<RedisValue>,
    ) -> Result<RedisValue, StoreFault> {
        let away = |error: io::Error| StoreFault::Away(format!("{}: {error}", self.server));
        let mut open = match self.connection.take() {
            Some(open) => open,
            None => {
                let connection = self.server.open(deadline).map_err(away)?;
                ScriptConnection { connection, names: BTreeMap::new() }
            }
        };
        let value = call(&mut open).map_err(away)?;
        self.connection = Some(open);
        let RedisValue::Error(error) = value else { return Ok(value) };
        let why = format!("{}: {} {}", self.server, error.code, error.message.unwrap_or_default());
        // LOADING, READONLY, MISCONF, OOM and others: it did nothing, and may do it later.
        Err(if error.code == "WRONGTYPE" { StoreFault::Broken(why) } else { StoreFault::Away(why) })
    }
}

impl ScriptConnection {
    /// The name of a script, which is sent where it was not yet.
    fn name(&mut self, script: LuaScript, deadline: Instant) -> io::Result<String> {
        if let Some(name) = self.names.get(&script) {
            return Ok(name.clone());
        }
        let name = match self.connection.call(&[b"SCRIPT", b"LOAD", script.text().as_bytes()], deadline)?.accepted()? {
            RedisValue::BulkString(name) => String::from_utf8_lossy(&name).into_owned(),
            // The name of no script, which the Redis refuses.
            _ => String::new(),
        };
        self.names.insert(script, name.clone());
        Ok(name)
    }
}

/// What the answer of a script means.
fn meaning(answer: RedisValue) -> Result<Vec<u64>, StoreFault> {
    let broken = || StoreFault::Broken(String::from("the answer is none of the script"));
    let RedisValue::Array(parts) = answer else { return Err(broken()) };
    let Some((RedisValue::BulkString(word), rest)) = parts.split_first() else { return Err(broken()) };
    let numbers = || rest.iter().map(|part| number(part).ok_or_else(broken)).collect::<Result<Vec<u64>, _>>();
    let text = || match rest {
        [RedisValue::BulkString(text)] => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Err(broken()),
    };
    match word.as_slice() {
        b"OK" => numbers(),
        b"HELD" => Err(StoreFault::Held(text()?)),
        b"FENCED" => Err(StoreFault::Fenced(text()?)),
        b"STALE" => Err(numbers()?.first().map_or_else(broken, |truth| StoreFault::Stale(*truth))),
        b"FULL" => Err(StoreFault::Full),
        _ => Err(broken()),
    }
}

/// A number, as the Redis says it in a reply or keeps it in a field.
pub(super) fn number(value: &RedisValue) -> Option<u64> {
    match value {
        RedisValue::Int(number) => u64::try_from(*number).ok(),
        RedisValue::BulkString(digits) => str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}
