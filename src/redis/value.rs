//! What a Redis answers.

use std::error;
use std::fmt;
use std::io;

/// A reply, or an element of one, as RESP2 has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisValue {
    /// There is no such thing.
    Nil,
    /// An integer.
    Int(i64),
    /// A string of any bytes.
    BulkString(Vec<u8>),
    /// A line: `OK`, `PONG`. What is not UTF-8 in it is replaced.
    SimpleString(String),
    /// Values of any kind.
    Array(Vec<RedisValue>),
    /// Why the command was not done.
    Error(ServerError),
}

impl RedisValue {
    /// The same value.
    ///
    /// # Errors
    /// When the Redis refused the command: why.
    pub fn accepted(self) -> io::Result<Self> {
        match self {
            Self::Error(error) => Err(io::Error::other(error)),
            value => Ok(value),
        }
    }
}

/// Why a Redis did not do a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The first word: `ERR`, `WRONGTYPE`, `LOADING`.
    pub code: String,
    /// The words behind it, if there are any.
    pub message: Option<String>,
}

impl ServerError {
    /// The line of an error reply.
    pub(super) fn of_line(line: &str) -> Self {
        match line.split_once(' ') {
            Some((code, message)) => Self { code: code.to_owned(), message: Some(message.to_owned()) },
            None => Self { code: line.to_owned(), message: None },
        }
    }

    /// Whether the words behind the code have this among them.
    pub(super) fn says(&self, words: &str) -> bool {
        self.message.as_ref().is_some_and(|message| message.contains(words))
    }
}

/// Codes that are shown by a name. The names are part of the log and of answers, where people and alerts look for them.
const NAMES: [(&str, &str); 14] = [
    ("ERR", "ResponseError"),
    ("EXECABORT", "ExecAbort"),
    ("LOADING", "BusyLoading"),
    ("NOSCRIPT", "NoScript"),
    ("MOVED", "Moved"),
    ("ASK", "Ask"),
    ("TRYAGAIN", "TryAgain"),
    ("CLUSTERDOWN", "ClusterDown"),
    ("CROSSSLOT", "CrossSlot"),
    ("MASTERDOWN", "MasterDown"),
    ("READONLY", "ReadOnly"),
    ("NOTBUSY", "NotBusy"),
    ("NOSUB", "NoSub"),
    ("NOPERM", "NoPerm"),
];

impl fmt::Display for ServerError {
    /// `ResponseError: unknown command`; a code without a name is quoted: `"WRONGPASS": no such user`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(code, _)| *code == self.code) {
            Some((_, name)) => out.write_str(name)?,
            None => write!(out, "{:?}", self.code)?,
        }
        match &self.message {
            Some(message) => write!(out, ": {message}"),
            None => Ok(()),
        }
    }
}

impl error::Error for ServerError {}
