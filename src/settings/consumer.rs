//! What was said to the consumer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::http::bounds::MOST_CONNECTIONS;
use crate::settings::Identity;
use crate::settings::given::{Given, Vocabulary, last};
use crate::settings::help::Help;
use crate::settings::token::TokenSource;
use crate::units::duration::span;
use crate::units::quantity::{Amount, Unit, quantity};

/// The port it listens on unless told otherwise.
pub const PORT: u16 = 8080;
/// The number factored unless the user sets another.
pub const DEFAULT_NUMBER: u128 = 493_440_589_722_494_743_501;
/// For how long the default number is worked on at most: the upper end of what it took the original, in seconds.
pub const DEFAULT_CPU_LIMIT: u64 = 1500;
/// The words it understands.
pub(crate) const VOCABULARY: Vocabulary = Vocabulary {
    names: &[
        ("data-dir", "DATADIR"),
        ("mem-limit", "HIGHMEMLIM"),
        ("disk-limit", "HIGHFILELIM"),
        ("disk-reserve", "DISKRESERVE"),
        ("eviction-reserve", "EVICTIONRESERVE"),
        ("cpu-limit", "HIGHCPULIM"),
        ("inode-limit", "HIGHINODELIM"),
        ("pid-limit", "HIGHPIDLIM"),
        ("fd-limit", "HIGHFDLIM"),
        ("number", "NUMTOFACTOR"),
        ("max-ttl", "MAXTTL"),
        ("start-mem", "START_MEM"),
        ("start-disk", "START_DISK"),
        ("start-cpu", "START_CPU"),
        ("token-file", "TOKENFILE"),
        ("token-reads", "TOKENREADS"),
        ("faults", "FAULTS"),
        ("connections", "CONNECTIONS"),
        #[cfg(feature = "scenario")]
        ("scenario", "SCENARIO"),
        ("", "TOKEN"),
    ],
    serves: true,
    help: Help::Consumer,
};

/// How to run the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the folder of files is made.
    pub data_dir: PathBuf,
    /// Most bytes of memory, if the user set them.
    pub memory_limit: Option<u64>,
    /// Most bytes of files, if the user set them, without those left to others.
    pub disk_limit: Option<u64>,
    /// Whether any are left to others.
    pub disk_reserved: bool,
    /// What is to stay free on the node.
    pub eviction_reserve: EvictionReserve,
    /// Most seconds of a CPU load.
    pub cpu_limit: CpuLimit,
    /// Most empty files, if the user set them.
    pub inode_limit: Option<u64>,
    /// Most parked threads, if the user set them.
    pub pid_limit: Option<u64>,
    /// Most open descriptors, if the user set them.
    pub fd_limit: Option<u64>,
    /// The number to factor.
    pub number: Number,
    /// For how long something is held at most.
    pub max_ttl: Option<Duration>,
    /// What is taken at the start.
    pub start: Start,
    /// The token that changes need.
    pub token: Option<TokenSource>,
    /// Whether reads need it, too.
    pub token_reads: bool,
    /// Whether there are faults on request.
    pub faults: bool,
    /// Most connections at a time, if the user set them.
    pub connections: Option<usize>,
    /// The file of a scenario that is played.
    #[cfg(feature = "scenario")]
    pub scenario: Option<PathBuf>,
    /// For how long the service goes on, unready, after SIGTERM.
    pub shutdown_delay: Duration,
    /// Whether log lines are JSON.
    pub json_log: bool,
    /// Which pod this is.
    pub identity: Identity,
    /// What was wrong and is passed over, for the log.
    pub warnings: Vec<String>,
}

/// What the kubelet's eviction thresholds keep free on the node, which no container can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvictionReserve {
    /// Bytes of the node's memory, or a share of it.
    pub memory: Amount,
    /// Bytes of DATADIR's file system, or a share of its size.
    pub disk: Amount,
}

impl EvictionReserve {
    /// Nothing is.
    pub const NONE: Self = Self { memory: Amount::Exactly(0), disk: Amount::Exactly(0) };
}

/// What is taken at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Memory.
    pub memory: Option<StartRequest>,
    /// Files.
    pub disk: Option<StartRequest>,
    /// CPU.
    pub cpu: Option<StartRequest>,
}

/// An amount, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRequest {
    /// How much.
    pub amount: Amount,
    /// Until further notice without.
    pub ttl: Option<Duration>,
    /// As the user wrote it.
    pub words: String,
}

/// The number to factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// At least 1.
    pub value: u128,
    /// Whether the user chose it: then the load ends when it is factored.
    pub set_by_user: bool,
}

/// How long a CPU load may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuLimit {
    /// Nothing said: the default number has [`DEFAULT_CPU_LIMIT`], a number of the user's ends by itself.
    Default,
    /// So many seconds, whatever the number.
    Seconds(u64),
    /// As long as asked.
    Unlimited,
}

impl CpuLimit {
    /// For how long a load may run. The default is there for the contract's load alone, which the original ended when
    /// its number was factored.
    pub fn most(self, number: &Number, is_contract: bool) -> Option<Duration> {
        match self {
            Self::Default if is_contract && !number.set_by_user => Some(Duration::from_secs(DEFAULT_CPU_LIMIT)),
            Self::Seconds(limit) => Some(Duration::from_secs(limit)),
            Self::Default | Self::Unlimited => None,
        }
    }
}

impl Given {
    /// `512Mi`, `512Mi,ttl=10m`.
    fn start(&self, flag: &str, unit: Unit) -> Result<Option<StartRequest>, String> {
        let Some((name, text)) = self.said(flag) else { return Ok(None) };
        let (amount, options) = text.split_once(',').map_or((text, None), |(amount, options)| (amount, Some(options)));
        let amount = Amount::parse(amount.trim(), unit).map_err(|why| format!("{name}: {why}"))?;
        let ttl = match options.map(|options| options.trim().strip_prefix("ttl=")) {
            None => None,
            Some(Some(ttl)) => match span(ttl).map_err(|why| format!("{name}: {why}"))? {
                ttl if ttl.is_zero() => return Err(format!("{name} '{text}': ttl must be longer than 0")),
                ttl => Some(ttl),
            },
            Some(None) => {
                return Err(format!("{name} '{text}': after the amount comes nothing, or ,ttl= and a duration"));
            }
        };
        Ok(Some(StartRequest { amount, ttl, words: format!("{name} {text}") }))
    }

    /// A limit that the contract does not have: `500`, `10k`.
    fn quantity(&self, flag: &str) -> Result<Option<u64>, String> {
        let Some((name, text)) = self.said(flag) else { return Ok(None) };
        let wrong = |why| format!("{name} '{text}' is no number: {why}; it is written like 500 or 10k");
        quantity(text, Unit::Count).map(Some).map_err(wrong)
    }

    /// How many connections there are at most.
    fn connections(&self) -> Result<Option<usize>, String> {
        let Some((name, text)) = self.said("connections") else { return Ok(None) };
        match text.parse() {
            Ok(number @ 1..=MOST_CONNECTIONS) => Ok(Some(number)),
            _ => Err(format!("{name} '{text}' is no number from 1 to {MOST_CONNECTIONS}")),
        }
    }

    /// The limit of files, less what is to be left of it for what is written by others: where the limit is the pod's
    /// ephemeral storage, its logs count, too.
    fn disk_limit(&self, warnings: &mut Vec<String>) -> Result<Option<u64>, String> {
        let limit = self.limit("disk-limit", "HIGHFILELIM", warnings)?.filter(|&limit| limit > 0);
        let Some((name, text)) = self.said("disk-reserve") else { return Ok(limit) };
        let reserve = quantity(text, Unit::Bytes).map_err(|why| format!("{name} '{text}': {why}"))?;
        match limit {
            None => {
                warnings.push(format!("{name} is passed over: it is a part of HIGHFILELIM, which is not set"));
                Ok(None)
            }
            Some(limit) if reserve < limit => Ok(Some(limit - reserve)),
            Some(limit) => Err(format!("{name} '{text}' leaves nothing of the limit of {limit} bytes")),
        }
    }

    /// `memory=100Mi,disk=10pct`, or one of them.
    fn eviction_reserve(&self) -> Result<EvictionReserve, String> {
        let mut reserve = EvictionReserve::NONE;
        let Some((name, text)) = self.said("eviction-reserve") else { return Ok(reserve) };
        for part in text.split(',') {
            let (resource, amount) = part.trim().split_once('=').unwrap_or_default();
            let place = match resource {
                "memory" => Some(&mut reserve.memory),
                "disk" => Some(&mut reserve.disk),
                _ => None,
            };
            match (place, Amount::parse(amount, Unit::Bytes)) {
                (Some(place), Ok(amount @ (Amount::Exactly(_) | Amount::Share(_)))) => *place = amount,
                _ => return Err(format!("{name}: '{part}' is none of its parts, like memory=100Mi,disk=10pct")),
            }
        }
        Ok(reserve)
    }

    fn token_reads(&self) -> Result<bool, String> {
        match (self.switch("token-reads", "on", "off")?, self.token()?) {
            (true, None) => Err(String::from("TOKENREADS is on, and there is neither TOKEN nor TOKENFILE")),
            (reads, _) => Ok(reads),
        }
    }

    fn number(&self) -> Result<Number, String> {
        let (name, text) = match (last(&self.flags, "number"), last(&self.variables, "NUMTOFACTOR")) {
            (Some(text), _) => ("--number", text),
            (None, Some(text)) => ("NUMTOFACTOR", text),
            (None, None) => return Ok(Number { value: DEFAULT_NUMBER, set_by_user: false }),
        };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(value) if digits && value > 0 => Ok(Number { value, set_by_user: true }),
            _ => Err(format!("{name} '{text}' is not a positive whole number below 2^128")),
        }
    }
}

impl ConsumerSettings {
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub(crate) fn mean(said: &Given) -> Result<Self, String> {
        let mut warnings = Vec::new();
        let memory_limit = said.limit("mem-limit", "HIGHMEMLIM", &mut warnings)?;
        let disk_limit = said.disk_limit(&mut warnings)?;
        let cpu_limit = match said.quantity("cpu-limit")? {
            None => CpuLimit::Default,
            Some(0) => CpuLimit::Unlimited,
            Some(seconds) => CpuLimit::Seconds(seconds),
        };
        Ok(Self {
            listen: said.listen(PORT)?,
            data_dir: said.data_dir(),
            memory_limit: memory_limit.filter(|&limit| limit > 0),
            disk_limit,
            disk_reserved: disk_limit.is_some() && said.said("disk-reserve").is_some(),
            eviction_reserve: said.eviction_reserve()?,
            cpu_limit,
            inode_limit: said.quantity("inode-limit")?.filter(|&limit| limit > 0),
            pid_limit: said.quantity("pid-limit")?.filter(|&limit| limit > 0),
            fd_limit: said.quantity("fd-limit")?.filter(|&limit| limit > 0),
            number: said.number()?,
            max_ttl: said.span("max-ttl")?.filter(|length| !length.is_zero()),
            start: Start {
                memory: said.start("start-mem", Unit::Bytes)?,
                disk: said.start("start-disk", Unit::Bytes)?,
                cpu: said.start("start-cpu", Unit::Millicores)?,
            },
            token: said.token()?,
            token_reads: said.token_reads()?,
            faults: said.switch("faults", "on", "off")?,
            connections: said.connections()?,
            #[cfg(feature = "scenario")]
            scenario: said.said("scenario").map(|(_, path)| PathBuf::from(path)),
            shutdown_delay: said.shutdown_delay()?,
            json_log: said.json_log()?,
            identity: said.identity(),
            warnings,
        })
    }
}
