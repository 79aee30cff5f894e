//! What the user said, and what it means: flags and environment, in one place.
//!
//! Two steps: [`Command::read`] takes the words apart (flags win over variables), `Settings::mean` makes sense of
//! them. A wrong flag is a usage error; a wrong *limit* in a variable is logged and the default used, as the contract
//! has it.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use std::time::Duration;

use lexopt::Arg;

use crate::access::TokenSource;
use crate::consumer::number::parse_unsigned;
use crate::consumer::quantity::{Amount, Unit, quantity};
use crate::consumer::span::span;

/// The number factored unless the user sets another.
pub const DEFAULT_NUMBER: u128 = 493_440_589_722_494_743_501;
/// For how long the default number is worked on at most: the upper end of what it took the original, in seconds.
pub const DEFAULT_CPU_LIMIT: u64 = 1500;
/// Where the service listens.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// `testero --help`.
pub const HELP: &str = "\
testero makes a pod really take memory, disk, CPU and more, on request over HTTP.

Usage: testero [OPTIONS]
       testero health [--url URL]

  curl 'http://localhost:8080/api/mem/set?amount=512Mi'     take memory (0 gives it back)
  curl 'http://localhost:8080/api/disk/set?amount=50pct'    take disk
  curl 'http://localhost:8080/api/cpu/load?time=60'         one CPU flat out for 60 seconds
  curl -X DELETE 'http://localhost:8080/api'                give everything back
  curl 'http://localhost:8080/api/status'                   what is held, and what there is

Options, and the variables they win over:
      --listen ADDR      where to listen [0.0.0.0:8080]; [::]:8080 takes IPv4 too  (IP, PORT)
      --data-dir DIR     where files go; must exist [.]                            (DATADIR)
      --mem-limit N      most bytes of memory, 0: what is free at the start        (HIGHMEMLIM)
      --disk-limit N     most bytes of files, 0: what is available at the start    (HIGHFILELIM)
      --disk-reserve AMOUNT   of that limit, left for logs and others, like 64Mi   (DISKRESERVE)
      --cpu-limit N      most seconds of one CPU load [1500], 0: no limit          (HIGHCPULIM)
      --inode-limit N    most empty files, 0: what there is room for               (HIGHINODELIM)
      --pid-limit N      most parked threads, 0: what there is room for            (HIGHPIDLIM)
      --fd-limit N       most open descriptors, 0: what there is room for          (HIGHFDLIM)
      --number N         the number to factor, below 2^128                         (NUMTOFACTOR)
      --max-ttl TIME     nothing is held for longer                                (MAXTTL)
      --start-mem AMOUNT[,ttl=TIME]   taken at the start; also --start-disk        (START_MEM, START_DISK)
      --start-cpu AMOUNT[,ttl=TIME]   used from the start, like 500m               (START_CPU)
      --token-file FILE  changes need this bearer token; or in the variable TOKEN  (TOKENFILE)
      --token-reads on   reads and probes need it, too                             (TOKENREADS)
      --faults on        faults on request: /fault/exit and others                 (FAULTS)
      --shutdown-delay TIME   after SIGTERM, unready and serving for so long [0]   (SHUTDOWNDELAY)
      --log-format json  log lines as JSON                                         (LOGFORMAT)
  -h, --help             this text
  -V, --version          the version

testero health exits with 0 when the service answers, with 1 when it does not.
      --url URL          where it is asked [http://127.0.0.1:8080/healthz, or as IP and PORT say]

RUST_LOG chooses what is logged: error, warn, info (default), debug.
POD_NAME, NODE_NAME and POD_NAMESPACE are told in the status, the metrics and the log.
Exit status: 0 stopped by a signal and all clean, 1 failed, 2 wrong usage.
";

/// What the user wants done.
#[derive(Debug)]
pub enum Command {
    /// Run the service.
    Consume(Box<Settings>),
    /// Ask a running service, at this URL, with this token.
    Health(String, Option<TokenSource>),
    /// Show [`HELP`].
    Help,
    /// Show the version.
    Version,
}

/// How to run the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the folder of files is made.
    pub data_dir: PathBuf,
    /// Most bytes of memory, if the user set them.
    pub memory_limit: Option<u64>,
    /// Most bytes of files, if the user set them.
    pub disk_limit: Option<u64>,
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
    /// For how long the service goes on, unready, after SIGTERM.
    pub shutdown_delay: Duration,
    /// Whether log lines are JSON.
    pub json_log: bool,
    /// Which pod this is.
    pub identity: Identity,
    /// What was wrong and is passed over, for the log.
    pub warnings: Vec<String>,
}

/// What is taken at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Memory.
    pub memory: Option<StartWish>,
    /// Files.
    pub disk: Option<StartWish>,
    /// CPU.
    pub cpu: Option<StartWish>,
}

/// An amount, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartWish {
    /// How much.
    pub amount: Amount,
    /// Until further notice without.
    pub ttl: Option<Duration>,
    /// As the user wrote it.
    pub words: String,
}

/// Which pod this is, as the downward API tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// POD_NAME
    pub pod: Option<String>,
    /// NODE_NAME
    pub node: Option<String>,
    /// POD_NAMESPACE
    pub namespace: Option<String>,
}

impl Identity {
    /// What is known, by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("pod", &self.pod), ("node", &self.node), ("namespace", &self.namespace)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
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

/// The words said for each setting.
#[derive(Debug, Default)]
struct Said {
    flags: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, String)>,
}

/// What was said last of a name.
fn last<'s>(said: &'s [(&'static str, String)], name: &str) -> Option<&'s String> {
    said.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The flags that take a value, without their dashes, and the variables they win over.
const NAMES: [(&str, &str); 20] = [
    ("listen", ""),
    ("data-dir", "DATADIR"),
    ("mem-limit", "HIGHMEMLIM"),
    ("disk-limit", "HIGHFILELIM"),
    ("disk-reserve", "DISKRESERVE"),
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
    ("shutdown-delay", "SHUTDOWNDELAY"),
    ("log-format", "LOGFORMAT"),
    // A flag that does not exist, for a secret that must not be seen in a list of processes.
    ("", "TOKEN"),
];
/// Variables that no flag wins over.
const VARIABLES: [&str; 5] = ["IP", "PORT", "POD_NAME", "NODE_NAME", "POD_NAMESPACE"];

impl Command {
    /// Reads the arguments (without the program's name), with `variable` looking up the environment.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut said = Said::default();
        let mut health = false;
        let mut url = None;
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let name = match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Help),
                Arg::Short('V') | Arg::Long("version") => return Ok(Self::Version),
                Arg::Value(word) if word == "health" && !health && said.flags.is_empty() => {
                    health = true;
                    continue;
                }
                Arg::Value(word) if word == "consumer" && !health && said.flags.is_empty() => continue,
                Arg::Value(word) => return Err(format!("unknown command '{}'", word.display())),
                Arg::Long("url") if health => {
                    url = Some(value(&mut parser, "url")?);
                    continue;
                }
                Arg::Long(name) if !health => match NAMES.iter().find(|(flag, _)| *flag == name && !name.is_empty()) {
                    Some((flag, _)) => *flag,
                    None => return Err(format!("unknown option '--{name}'")),
                },
                Arg::Long(name) => return Err(format!("unknown option '--{name}' for health, which has --url")),
                Arg::Short(letter) => return Err(format!("unknown option '-{letter}'")),
            };
            let value = value(&mut parser, name)?;
            said.flags.push((name, value));
        }
        for name in NAMES.iter().map(|(_, name)| *name).chain(VARIABLES).filter(|name| !name.is_empty()) {
            let value = variable(name);
            // An empty limit is none; an empty token would be a door left open.
            if name.starts_with("TOKEN") && value.as_ref().is_some_and(|token| token.is_empty()) {
                return Err(format!("{name} is empty"));
            }
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let value = value.into_string().map_err(|_| format!("{name} is not UTF-8"))?;
                said.variables.push((name, value));
            }
        }
        if health {
            let url = match url {
                Some(url) => url,
                None => default_url(said.listen()?),
            };
            return Ok(Self::Health(url, said.token()?));
        }
        Settings::mean(&said).map(|settings| Self::Consume(Box::new(settings)))
    }
}

fn value(parser: &mut lexopt::Parser, name: &str) -> Result<String, String> {
    let value = parser.value().map_err(|_| format!("option '--{name}' needs a value"))?;
    value.into_string().map_err(|value| format!("option '--{name}': '{}' is not UTF-8", value.display()))
}

/// Where a service that listens on `listen` can be asked from the same host.
fn default_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}/healthz", SocketAddr::new(ip, listen.port()))
}

impl Said {
    fn listen(&self) -> Result<SocketAddr, String> {
        if let Some(text) = last(&self.flags, "listen") {
            return text.parse().map_err(|_| {
                format!("--listen '{text}' is not an address and a port, like 0.0.0.0:8080 or [::]:8080")
            });
        }
        let mut listen = DEFAULT_LISTEN;
        if let Some(text) = last(&self.variables, "IP") {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            let ip = bare.parse().map_err(|_| format!("IP '{text}' is not an IP address, like 0.0.0.0 or ::"))?;
            listen.set_ip(ip);
        }
        if let Some(text) = last(&self.variables, "PORT") {
            listen.set_port(text.parse().map_err(|_| format!("PORT '{text}' is not a port, 0 to 65535"))?);
        }
        Ok(listen)
    }

    /// What was said of a flag or its variable, and under which name.
    fn said(&self, flag: &str) -> Option<(String, &str)> {
        if let Some(text) = last(&self.flags, flag) {
            return Some((format!("--{flag}"), text));
        }
        let (_, variable) = NAMES.iter().find(|(name, _)| *name == flag)?;
        last(&self.variables, variable).map(|text| ((*variable).to_owned(), text.as_str()))
    }

    /// One of two words; `false` when nothing was said.
    fn switch(&self, flag: &str, on: &str, off: &str) -> Result<bool, String> {
        match self.said(flag) {
            None => Ok(false),
            Some((_, text)) if text == on => Ok(true),
            Some((_, text)) if text == off => Ok(false),
            Some((name, text)) => Err(format!("{name} '{text}' is neither {on} nor {off}")),
        }
    }

    fn span(&self, flag: &str) -> Result<Option<Duration>, String> {
        self.said(flag).map(|(name, text)| span(text).map_err(|why| format!("{name}: {why}"))).transpose()
    }

    /// `512Mi`, `512Mi,ttl=10m`.
    fn start(&self, flag: &str, unit: Unit) -> Result<Option<StartWish>, String> {
        let Some((name, text)) = self.said(flag) else { return Ok(None) };
        let (amount, options) = text.split_once(',').map_or((text, None), |(amount, options)| (amount, Some(options)));
        let amount = Amount::parse(amount.trim(), unit).map_err(|why| format!("{name}: {why}"))?;
        let ttl = match options.map(|options| options.trim().strip_prefix("ttl=")) {
            None => None,
            Some(Some(ttl)) => Some(span(ttl).map_err(|why| format!("{name}: {why}"))?),
            Some(None) => {
                return Err(format!("{name} '{text}': after the amount comes nothing, or ,ttl= and a duration"));
            }
        };
        Ok(Some(StartWish { amount, ttl, words: format!("{name} {text}") }))
    }

    fn token(&self) -> Result<Option<TokenSource>, String> {
        match (last(&self.variables, "TOKEN"), self.said("token-file")) {
            (Some(_), Some((name, _))) => Err(format!("TOKEN and {name} are both set: which one counts?")),
            (Some(token), None) => Ok(Some(TokenSource::Value(token.trim().to_owned()))),
            (None, file) => Ok(file.map(|(_, path)| TokenSource::File(PathBuf::from(path)))),
        }
    }

    fn token_reads(&self) -> Result<bool, String> {
        match (self.switch("token-reads", "on", "off")?, self.token()?) {
            (true, None) => Err(String::from("TOKENREADS is on, and there is neither TOKEN nor TOKENFILE")),
            (reads, _) => Ok(reads),
        }
    }

    /// A limit: `None` when nothing was said, or nothing that can be used.
    fn limit(&self, flag: &str, variable: &str, warnings: &mut Vec<String>) -> Result<Option<u64>, String> {
        if let Some(text) = last(&self.flags, flag) {
            return parse_unsigned(text.as_bytes())
                .map(Some)
                .map_err(|_| format!("--{flag} '{text}' is not a whole number"));
        }
        Ok(last(&self.variables, variable).and_then(|text| match parse_unsigned(text.as_bytes()) {
            Ok(limit) => Some(limit),
            Err(error) => {
                warnings.push(format!("{variable} is not a number, the default is used: {error}"));
                None
            }
        }))
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

impl Settings {
    fn mean(said: &Said) -> Result<Self, String> {
        let mut warnings = Vec::new();
        let data_dir = last(&said.flags, "data-dir").or_else(|| last(&said.variables, "DATADIR"));
        let memory_limit = said.limit("mem-limit", "HIGHMEMLIM", &mut warnings)?;
        let disk_limit = said.disk_limit(&mut warnings)?;
        let cpu_limit = match said.limit("cpu-limit", "HIGHCPULIM", &mut warnings)? {
            None => CpuLimit::Default,
            Some(0) => CpuLimit::Unlimited,
            Some(seconds) => CpuLimit::Seconds(seconds),
        };
        Ok(Self {
            listen: said.listen()?,
            data_dir: data_dir.map_or_else(|| PathBuf::from("."), PathBuf::from),
            memory_limit: memory_limit.filter(|&limit| limit > 0),
            disk_limit,
            cpu_limit,
            inode_limit: said.limit("inode-limit", "HIGHINODELIM", &mut warnings)?.filter(|&limit| limit > 0),
            pid_limit: said.limit("pid-limit", "HIGHPIDLIM", &mut warnings)?.filter(|&limit| limit > 0),
            fd_limit: said.limit("fd-limit", "HIGHFDLIM", &mut warnings)?.filter(|&limit| limit > 0),
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
            shutdown_delay: said.span("shutdown-delay")?.unwrap_or_default(),
            json_log: said.switch("log-format", "json", "text")?,
            identity: Identity {
                pod: last(&said.variables, "POD_NAME").cloned(),
                node: last(&said.variables, "NODE_NAME").cloned(),
                namespace: last(&said.variables, "POD_NAMESPACE").cloned(),
            },
            warnings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, String> {
        let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
        Command::read(arguments.iter().map(OsString::from), look_up)
    }

    fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Settings {
        match read(arguments, variables) {
            Ok(Command::Consume(settings)) => *settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let meant = settings(&[], &[("HIGHMEMLIM", ""), ("PORT", "")]);
        assert_eq!(meant.listen.to_string(), "0.0.0.0:8080");
        assert_eq!((meant.memory_limit, meant.disk_limit), (None, None));
        assert_eq!((meant.data_dir.to_str(), meant.cpu_limit), (Some("."), CpuLimit::Default));
        assert_eq!(meant.number, Number { value: DEFAULT_NUMBER, set_by_user: false });
        assert!(meant.warnings.is_empty());
    }

    #[test]
    fn flags_win_over_variables() {
        let variables = [
            ("HIGHMEMLIM", "1"),
            ("HIGHFILELIM", "2"),
            ("DATADIR", "/a"),
            ("NUMTOFACTOR", "3"),
            ("HIGHCPULIM", "4"),
            ("IP", "127.0.0.1"),
            ("PORT", "5"),
        ];
        let meant = settings(&[], &variables);
        assert_eq!((meant.memory_limit, meant.disk_limit), (Some(1), Some(2)));
        assert_eq!((meant.cpu_limit, meant.number.value), (CpuLimit::Seconds(4), 3));
        assert_eq!(meant.listen.to_string(), "127.0.0.1:5");
        let flags = ["--mem-limit=10", "--disk-limit", "20", "--data-dir", "/b", "--number=30", "--cpu-limit=0"];
        let meant = settings(&[&flags[..], &["--listen", "[::]:50"]].concat(), &variables);
        assert_eq!((meant.memory_limit, meant.disk_limit), (Some(10), Some(20)));
        assert_eq!((meant.cpu_limit, meant.number.value), (CpuLimit::Unlimited, 30));
        assert_eq!((meant.listen.to_string().as_str(), meant.data_dir.to_str()), ("[::]:50", Some("/b")));
    }

    #[test]
    fn limits_that_are_no_numbers_are_logged_and_zero_means_the_default() {
        let meant = settings(&[], &[("HIGHMEMLIM", "12Gi"), ("HIGHFILELIM", "0"), ("HIGHCPULIM", "-1")]);
        assert_eq!((meant.memory_limit, meant.disk_limit, meant.cpu_limit), (None, None, CpuLimit::Default));
        assert_eq!(meant.warnings.len(), 2);
        assert!(meant.warnings[0].contains("HIGHMEMLIM") && meant.warnings[0].contains("12Gi"));
    }

    #[test]
    fn a_reserve_is_taken_off_the_limit_of_files() {
        let meant = settings(&[], &[("HIGHFILELIM", "1073741824"), ("DISKRESERVE", "64Mi")]);
        assert_eq!(meant.disk_limit, Some(960 << 20));
        let meant = settings(&["--disk-reserve=0", "--disk-limit=5"], &[("DISKRESERVE", "64Mi")]);
        assert_eq!(meant.disk_limit, Some(5));
        for lost in [&[("DISKRESERVE", "1")][..], &[("DISKRESERVE", "1"), ("HIGHFILELIM", "0")]] {
            let meant = settings(&[], lost);
            assert_eq!(meant.disk_limit, None);
            assert!(meant.warnings[0].contains("HIGHFILELIM"), "{:?}", meant.warnings);
        }
        for (reserve, words) in [("5", "leaves nothing"), ("50pct", "50pct"), ("much", "much")] {
            let error = read(&["--disk-limit=5"], &[("DISKRESERVE", reserve)]).unwrap_err();
            assert!(error.contains(words) && error.contains("DISKRESERVE"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (arguments, words) in [
            (&["--bogus"][..], "--bogus"),
            (&["-x"], "-x"),
            (&["serve"], "serve"),
            (&["--mem-limit"], "needs a value"),
            (&["--mem-limit", "many"], "many"),
            (&["--listen", "8080"], "0.0.0.0:8080"),
            (&["--number", "0"], "positive"),
            (&["--number", "+5"], "positive"),
            (&["--number", "340282366920938463463374607431768211456"], "2^128"),
            (&["health", "--listen", "x"], "--url"),
            (&["--help=x"], "help"),
        ] {
            let error = match read(arguments, &[]) {
                Err(error) => error,
                // `--help=x` is help all the same.
                Ok(Command::Help) => continue,
                other => panic!("{arguments:?}: {other:?}"),
            };
            assert!(error.contains(words) && error.lines().count() == 1, "{arguments:?}: {error}");
        }
        for (name, value) in [("NUMTOFACTOR", "0"), ("NUMTOFACTOR", "abc"), ("PORT", "65536"), ("IP", "localhost")] {
            let error = read(&[], &[(name, value)]).unwrap_err();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn the_largest_number_is_accepted() {
        let number = settings(&["--number", "340282366920938463463374607431768211455"], &[]).number;
        assert_eq!((number.value, number.set_by_user), (u128::MAX, true));
    }

    #[test]
    fn health_asks_where_the_service_listens() {
        let url = |arguments: &[&str], variables: &[(&str, &str)]| match read(arguments, variables) {
            Ok(Command::Health(url, None)) => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(url(&["health"], &[]), "http://127.0.0.1:8080/healthz");
        assert_eq!(url(&["health"], &[("IP", "::"), ("PORT", "90")]), "http://127.0.0.1:90/healthz");
        assert_eq!(url(&["health"], &[("IP", "::1")]), "http://[::1]:8080/healthz");
        assert_eq!(url(&["health", "--url", "http://x/y"], &[]), "http://x/y");
    }

    #[test]
    fn a_load_is_capped_where_the_contract_says() {
        let default = Number { value: DEFAULT_NUMBER, set_by_user: false };
        let own = Number { value: 7, set_by_user: true };
        let seconds =
            |limit: CpuLimit, number: &Number, is_contract| limit.most(number, is_contract).map(|most| most.as_secs());
        assert_eq!(seconds(CpuLimit::Default, &default, true), Some(1500));
        assert_eq!(seconds(CpuLimit::Default, &default, false), None);
        assert_eq!(seconds(CpuLimit::Default, &own, true), None);
        assert_eq!(seconds(CpuLimit::Seconds(5), &own, false), Some(5));
        assert_eq!(seconds(CpuLimit::Unlimited, &default, true), None);
    }

    proptest::proptest! {
        #[test]
        fn no_words_make_it_panic(words in proptest::collection::vec("(--)?[a-z=:.\\[\\]0-9-]{0,12}", 0..4)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if let Err(error) = read(&words, &[]) {
                proptest::prop_assert!(!error.is_empty());
            }
        }
    }
}
