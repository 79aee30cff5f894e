//! What was said to the counter, in the original's words and in ours.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::redis::address::REDIS_PORT;
use crate::redis::server::RedisServer;
use crate::settings::given::{Given, Vocabulary, last};
use crate::settings::help::Help;
use crate::settings::{Identity, dot_env};

/// The port it listens on unless told otherwise.
const PORT: u16 = 8083;
/// The file of variables in the working folder.
const DOT_ENV: &str = ".env";

/// The words it understands. SERVICE_HOST is the original's name for itself, and means nothing here: it listens where IP
/// says, and calls itself what the host is called.
pub(crate) const VOCABULARY: Vocabulary = Vocabulary {
    names: &[
        ("data-dir", "DATADIR"),
        ("redis-url", "REDIS_URL"),
        ("", "SERVICE_PORT"),
        ("", "ContainerDBhost"),
        ("", "CONTAINER_DB_HOST"),
        ("", "ContainerDBport"),
        ("", "CONTAINER_DB_PORT"),
    ],
    serves: true,
    help: Help::Counter,
};

/// Names of the same thing: where the environment uses one of them, the file does not say it with the other.
pub(crate) const SAME: [[&str; 2]; 3] =
    [["ContainerDBhost", "CONTAINER_DB_HOST"], ["ContainerDBport", "CONTAINER_DB_PORT"], ["SERVICE_PORT", "PORT"]];

/// Where the total is counted.
#[derive(Clone)]
pub enum StoreSetting {
    /// In a Redis.
    Redis(RedisServer),
    /// In a file in this folder.
    File(PathBuf),
}

impl fmt::Debug for StoreSetting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What else is in it may be a password.
            Self::Redis(server) => write!(out, "Redis({})", server.address()),
            Self::File(folder) => write!(out, "File({})", folder.display()),
        }
    }
}

/// How to run the service.
#[derive(Clone, Debug)]
pub struct CounterSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the total is counted.
    pub store: StoreSetting,
    /// For how long the service goes on, unready, after SIGTERM.
    pub shutdown_delay: Duration,
    /// Whether log lines are JSON.
    pub json_log: bool,
    /// Which pod this is.
    pub identity: Identity,
}

/// The variables of the file `.env` in the working folder; none where there is no such file. Of a name that stands twice,
/// the last one counts.
///
/// # Errors
/// When it cannot be read, or a line is no `NAME=value`.
pub(crate) fn dot_env(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<dot_env::Variables, String> {
    let text = match fs::read_to_string(DOT_ENV) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(dot_env::Variables::new()),
        text => text.map_err(|error| format!("{DOT_ENV}: {error}"))?,
    };
    let environment = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    dot_env::read(&text, &environment).map_err(|known| {
        // There may be a password in the line, and in further lines, so it is not said again.
        let place = known.last().map_or_else(|| String::from("first"), |(name, _)| format!("one after {name}"));
        format!("{DOT_ENV}: the line that is the {place} is no NAME=value, or its quote does not end")
    })
}

impl CounterSettings {
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub(crate) fn mean(said: &Given) -> Result<Self, String> {
        let mut listen = said.listen(PORT)?;
        let flag = last(&said.flags, "listen").or(last(&said.flags, "port")).is_some();
        if let Some(text) = last(&said.variables, "SERVICE_PORT").filter(|_| !flag) {
            listen.set_port(text.parse().map_err(|_| format!("SERVICE_PORT '{text}' is not a port, 0 to 65535"))?);
        }
        let store = match said.said("redis-url") {
            // The URL may have a password in it, so it is not said again.
            Some((name, url)) => StoreSetting::Redis(
                RedisServer::at_url(url)
                    .map_err(|error| format!("{name} is no URL of a Redis, like redis://host:6379/0: {error}"))?,
            ),
            None => match database(said)? {
                Some((host, port)) => StoreSetting::Redis(RedisServer::at_host(host, port)),
                None => StoreSetting::File(said.data_dir()),
            },
        };
        Ok(Self {
            listen,
            store,
            shutdown_delay: said.shutdown_delay()?,
            json_log: said.json_log()?,
            identity: said.identity(),
        })
    }
}

/// The database that the original's variables name.
fn database(said: &Given) -> Result<Option<(String, u16)>, String> {
    let either = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| last(&said.variables, name).map(|text| (name, text.as_str())))
    };
    let host = either(["ContainerDBhost", "CONTAINER_DB_HOST"]).map(|(_, host)| host.to_owned());
    let Some((name, text)) = either(["ContainerDBport", "CONTAINER_DB_PORT"]) else {
        return Ok(host.map(|host| (host, REDIS_PORT)));
    };
    // Where there is a Service of that name, Kubernetes makes a link of it: tcp://10.0.0.1:6379.
    let (linked, port) = match text.strip_prefix("tcp://").and_then(|link| link.rsplit_once(':')) {
        Some((host, port)) => (Some(host.trim_start_matches('[').trim_end_matches(']').to_owned()), port),
        None => (None, text),
    };
    let port = port
        .parse()
        .map_err(|_| format!("{name} '{text}' is not a port, 1 to 65535, nor a link like tcp://10.0.0.1:6379"))?;
    match host.or(linked) {
        Some(host) => Ok(Some((host, port))),
        None => Err(format!("{name} is set, and CONTAINER_DB_HOST is not: at which host?")),
    }
}
