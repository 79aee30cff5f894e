//! What the built-in pipeline is like, and the bugs that can be put into it.

use std::ffi::OsString;
use std::time::Duration;

use crate::settings::crash::given::CrashGiven;
use crate::settings::unknown_word::unknown;

/// How many lines an input has unless told otherwise.
const LINES: u64 = 250_000;
/// A line has seven digits for its number.
const MOST_LINES: u64 = 10_000_000;
/// Bytes a second of each feed unless told otherwise.
const RATE: u64 = 66_000;
/// How long a claim lasts unless told otherwise.
const LEASE: Duration = Duration::from_millis(1500);
/// Shorter leases would end while their holder waits for a processor.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// What the pipeline is like: the same for the tester and for each of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSettings {
    /// First bytes of lines, each the key of a feed.
    pub keys: Vec<u8>,
    /// Lines in each input.
    pub lines: u64,
    /// Bytes a second of each feed; `None` is as fast as it goes.
    pub rate: Option<u64>,
    /// Where streams and checkpoints are.
    pub store: StoreChoice,
    /// How long a claim lasts.
    pub lease: Duration,
    /// What choices and inputs are made from, if it was said.
    pub seed: Option<u64>,
    /// The sink takes back each so-manyth transaction.
    pub abort_every: Option<u64>,
    /// The bug that is put in.
    pub bug: Option<Bug>,
}

/// Where streams and checkpoints are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// In files of the run folder.
    Files,
    /// In a redis-server that the tester starts.
    OwnRedis,
    /// In the Redis at this URL.
    Redis(String),
}

/// A bug that is put in on purpose, to see that the tester finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A worker moves its checkpoint, then puts out.
    AckFirst,
    /// A worker puts out, then moves its checkpoint.
    OutputFirst,
    /// A commit asks neither for the epoch nor for the position.
    NoFence,
    /// A worker looks at its lease, then writes without a guard.
    ClientFence,
    /// A feed goes on where it remembers that it was.
    ForgetfulFeed,
    /// A new owner begins at the newest input.
    SkipBacklog,
    /// A new owner puts out its first two entries in the wrong order.
    NewestFirst,
    /// The sink leaves torn output where it is.
    NoTruncate,
    /// The sink keeps a range that was rolled back.
    WrongOffset,
    /// The sink records 2-ok before the bytes are there.
    LogFirst,
    /// The sink changes a byte that was verified.
    Rewrite,
    /// Workers are alive and commit nothing.
    Stall,
    /// A new owner leaves the torn tail of its file where it is.
    NoTailCut,
}

/// All bugs, by the name of `--break`.
pub const BUGS: [(&str, Bug); 13] = [
    ("ack-first", Bug::AckFirst),
    ("output-first", Bug::OutputFirst),
    ("no-fence", Bug::NoFence),
    ("client-fence", Bug::ClientFence),
    ("forgetful-feed", Bug::ForgetfulFeed),
    ("skip-backlog", Bug::SkipBacklog),
    ("newest-first", Bug::NewestFirst),
    ("no-truncate", Bug::NoTruncate),
    ("wrong-offset", Bug::WrongOffset),
    ("log-first", Bug::LogFirst),
    ("rewrite", Bug::Rewrite),
    ("stall", Bug::Stall),
    ("no-tail-cut", Bug::NoTailCut),
];

impl Bug {
    /// Its name, as `--break` knows it.
    pub fn name(self) -> &'static str {
        BUGS.iter().find(|(_, bug)| *bug == self).map_or("", |(name, _)| name)
    }
}

impl PipelineSettings {
    pub(super) fn mean(given: &CrashGiven, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let keys = match given.said("keys") {
            Some(keys) => keys_of("--keys", keys)?,
            None => match variable("MULTIPLE_KEYS_LIST").filter(|keys| !keys.is_empty()) {
                Some(keys) => {
                    let keys = keys.into_string().map_err(|_| String::from("MULTIPLE_KEYS_LIST is not UTF-8"))?;
                    keys_of("MULTIPLE_KEYS_LIST", &keys)?
                }
                None => (b'A'..=b'J').collect(),
            },
        };
        let rate = match given.said("rate") {
            Some("max") => None,
            _ => Some(given.number("rate", 1, u64::MAX).map_err(|why| why + ", or max")?.unwrap_or(RATE)),
        };
        let lease = given.span("lease")?.unwrap_or(LEASE);
        if lease < SHORTEST_LEASE {
            return Err(format!("--lease is shorter than {} ms", SHORTEST_LEASE.as_millis()));
        }
        let store = match given.said("store") {
            None | Some("files") => StoreChoice::Files,
            Some("redis") => StoreChoice::OwnRedis,
            Some(url) if ["redis://", "unix:"].iter().any(|scheme| url.starts_with(scheme)) => {
                StoreChoice::Redis(url.to_owned())
            }
            Some(other) => {
                return Err(format!("--store '{other}' is none of files, redis, redis://HOST:PORT and unix:PATH"));
            }
        };
        let bug = match given.said("break") {
            None => None,
            Some(name) => match BUGS.iter().find(|(known, _)| *known == name) {
                Some((_, bug)) => Some(*bug),
                None => {
                    let names: Vec<String> = BUGS.iter().map(|(name, _)| (*name).to_owned()).collect();
                    return Err(unknown("bug", name, &names));
                }
            },
        };
        if store == StoreChoice::Files && matches!(bug, Some(Bug::NoFence | Bug::ClientFence)) {
            return Err(format!(
                "--break {} needs --store redis: a paused owner of a file keeps its lock",
                bug.map_or("", Bug::name)
            ));
        }
        if store != StoreChoice::Files && bug == Some(Bug::NoTailCut) {
            return Err(String::from("--break no-tail-cut needs --store files: a Redis has no torn tails"));
        }
        Ok(Self {
            keys,
            lines: given.number("lines", 1, MOST_LINES)?.unwrap_or(LINES),
            rate,
            store,
            lease,
            seed: given.number("seed", 0, u64::MAX)?,
            abort_every: given.number("abort-every", 1, u64::MAX)?,
            bug,
        })
    }

    /// The options that say the same to another process.
    pub fn options(&self) -> Vec<String> {
        let keys: Vec<String> = self.keys.iter().map(|key| char::from(*key).to_string()).collect();
        let mut options = vec![
            format!("--keys={}", keys.join(" ")),
            format!("--lines={}", self.lines),
            format!("--rate={}", self.rate.map_or_else(|| String::from("max"), |rate| rate.to_string())),
            format!("--lease={}ms", self.lease.as_millis()),
        ];
        options.push(match &self.store {
            StoreChoice::Files => String::from("--store=files"),
            StoreChoice::OwnRedis => String::from("--store=redis"),
            StoreChoice::Redis(url) => format!("--store={url}"),
        });
        options.extend(self.seed.map(|seed| format!("--seed={seed}")));
        options.extend(self.abort_every.map(|every| format!("--abort-every={every}")));
        options.extend(self.bug.map(|bug| format!("--break={}", bug.name())));
        options
    }
}

/// `A B C`: letters or digits, none twice.
fn keys_of(name: &str, text: &str) -> Result<Vec<u8>, String> {
    let mut keys = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        match word.as_bytes() {
            [key] if key.is_ascii_alphanumeric() => keys.push(*key),
            _ => return Err(format!("{name}: '{word}' is no key; a key is one letter or digit, as in \"A B C\"")),
        }
    }
    let twice = keys.iter().enumerate().find(|(place, key)| keys[..*place].contains(key));
    if let Some((_, twice)) = twice {
        return Err(format!("{name}: {} is there twice", char::from(*twice)));
    }
    if keys.is_empty() {
        return Err(format!("{name} names no key"));
    }
    Ok(keys)
}
