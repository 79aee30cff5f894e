//! What the user said, and what it means: flags and environment, in one place.
//!
//! Two steps: [`Command::read`] takes the words apart (flags win over variables), `Settings::mean` makes sense of
//! them. A wrong flag is a usage error; a wrong *limit* in a variable is logged and the default used, as the contract
//! has it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lexopt::Arg;

use crate::consumer::number::parse_unsigned;

/// The number factored unless the user sets another.
pub const DEFAULT_NUMBER: u128 = 493_440_589_722_494_743_501;
/// For how long the default number is worked on at most: the upper end of what it took the original, in seconds.
pub const DEFAULT_CPU_LIMIT: u64 = 1500;
/// Where the service listens.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// `testero --help`.
pub const HELP: &str = "\
testero makes a pod really take memory, disk and CPU, on request over HTTP.

Usage: testero [OPTIONS]
       testero health [--url URL]

  curl 'http://localhost:8080/api/mem/set?size=500000000'   take memory (bytes; 0 gives it back)
  curl 'http://localhost:8080/api/mem/getact'               what is held
  curl 'http://localhost:8080/api/disk/set?size=500000000'  take disk
  curl 'http://localhost:8080/api/cpu/load?time=60'         one CPU flat out for 60 seconds
  curl 'http://localhost:8080/api/cpu/stop?id=ID'           stop it

Options, and the variables they win over:
      --listen ADDR      where to listen [0.0.0.0:8080]; [::]:8080 takes IPv4 too  (IP, PORT)
      --data-dir DIR     where files go; must exist [.]                            (DATADIR)
      --mem-limit N      most bytes of memory, 0: what is free at the start        (HIGHMEMLIM)
      --disk-limit N     most bytes of files, 0: what is available at the start    (HIGHFILELIM)
      --cpu-limit N      most seconds of one CPU load [1500], 0: no limit          (HIGHCPULIM)
      --number N         the number to factor, below 2^128                         (NUMTOFACTOR)
  -h, --help             this text
  -V, --version          the version

testero health exits with 0 when the service answers, with 1 when it does not.
      --url URL          where it is asked [http://127.0.0.1:8080/, or as IP and PORT say]

RUST_LOG chooses what is logged: error, warn, info (default), debug.
Exit status: 0 stopped by a signal and all clean, 1 failed, 2 wrong usage.
";

/// What the user wants done.
#[derive(Debug)]
pub enum Command {
    /// Run the service.
    Consume(Box<Settings>),
    /// Ask a running service, at this URL.
    Health(String),
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
    /// The number to factor.
    pub number: Number,
    /// What was wrong and is passed over, for the log.
    pub warnings: Vec<String>,
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
    /// The seconds a load of `seconds` really gets.
    pub fn cap(self, seconds: u64, number: &Number) -> u64 {
        match self {
            Self::Default if number.set_by_user => seconds,
            Self::Default => seconds.min(DEFAULT_CPU_LIMIT),
            Self::Seconds(limit) => seconds.min(limit),
            Self::Unlimited => seconds,
        }
    }
}

/// The words said for each setting.
#[derive(Debug, Default)]
struct Said {
    flags: HashMap<&'static str, String>,
    variables: HashMap<&'static str, String>,
}

/// The flags, without their dashes.
const FLAGS: [&str; 6] = ["listen", "data-dir", "mem-limit", "disk-limit", "cpu-limit", "number"];
/// The variables they win over.
const VARIABLES: [&str; 7] = ["IP", "PORT", "DATADIR", "HIGHMEMLIM", "HIGHFILELIM", "HIGHCPULIM", "NUMTOFACTOR"];

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
                Arg::Long(name) if !health => match FLAGS.iter().find(|flag| **flag == name) {
                    Some(flag) => *flag,
                    None => return Err(format!("unknown option '--{name}'")),
                },
                Arg::Long(name) => return Err(format!("unknown option '--{name}' for health, which has --url")),
                Arg::Short(letter) => return Err(format!("unknown option '-{letter}'")),
            };
            let value = value(&mut parser, name)?;
            said.flags.insert(name, value);
        }
        for name in VARIABLES {
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                let value =
                    value.into_string().map_err(|value| format!("{name} '{}' is not UTF-8", value.display()))?;
                said.variables.insert(name, value);
            }
        }
        if health {
            return Ok(Self::Health(match url {
                Some(url) => url,
                None => default_url(said.listen()?),
            }));
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
    format!("http://{}/", SocketAddr::new(ip, listen.port()))
}

impl Said {
    fn listen(&self) -> Result<SocketAddr, String> {
        if let Some(text) = self.flags.get("listen") {
            return text.parse().map_err(|_| {
                format!("--listen '{text}' is not an address and a port, like 0.0.0.0:8080 or [::]:8080")
            });
        }
        let mut listen = DEFAULT_LISTEN;
        if let Some(text) = self.variables.get("IP") {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            let ip = bare.parse().map_err(|_| format!("IP '{text}' is not an IP address, like 0.0.0.0 or ::"))?;
            listen.set_ip(ip);
        }
        if let Some(text) = self.variables.get("PORT") {
            listen.set_port(text.parse().map_err(|_| format!("PORT '{text}' is not a port, 0 to 65535"))?);
        }
        Ok(listen)
    }

    /// A limit: `None` when nothing was said, or nothing that can be used.
    fn limit(&self, flag: &str, variable: &str, warnings: &mut Vec<String>) -> Result<Option<u64>, String> {
        if let Some(text) = self.flags.get(flag) {
            return parse_unsigned(text.as_bytes())
                .map(Some)
                .map_err(|_| format!("--{flag} '{text}' is not a whole number"));
        }
        Ok(self.variables.get(variable).and_then(|text| match parse_unsigned(text.as_bytes()) {
            Ok(limit) => Some(limit),
            Err(error) => {
                warnings.push(format!("{variable} is not a number, the default is used: {error}"));
                None
            }
        }))
    }

    fn number(&self) -> Result<Number, String> {
        let (name, text) = match (self.flags.get("number"), self.variables.get("NUMTOFACTOR")) {
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
        let data_dir = said.flags.get("data-dir").or_else(|| said.variables.get("DATADIR"));
        let memory_limit = said.limit("mem-limit", "HIGHMEMLIM", &mut warnings)?;
        let disk_limit = said.limit("disk-limit", "HIGHFILELIM", &mut warnings)?;
        let cpu_limit = match said.limit("cpu-limit", "HIGHCPULIM", &mut warnings)? {
            None => CpuLimit::Default,
            Some(0) => CpuLimit::Unlimited,
            Some(seconds) => CpuLimit::Seconds(seconds),
        };
        Ok(Self {
            listen: said.listen()?,
            data_dir: data_dir.map_or_else(|| PathBuf::from("."), PathBuf::from),
            memory_limit: memory_limit.filter(|&limit| limit > 0),
            disk_limit: disk_limit.filter(|&limit| limit > 0),
            cpu_limit,
            number: said.number()?,
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
            Ok(Command::Health(url)) => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(url(&["health"], &[]), "http://127.0.0.1:8080/");
        assert_eq!(url(&["health"], &[("IP", "::"), ("PORT", "90")]), "http://127.0.0.1:90/");
        assert_eq!(url(&["health"], &[("IP", "::1")]), "http://[::1]:8080/");
        assert_eq!(url(&["health", "--url", "http://x/y"], &[]), "http://x/y");
    }

    #[test]
    fn a_load_is_capped_where_the_contract_says() {
        let default = Number { value: DEFAULT_NUMBER, set_by_user: false };
        let own = Number { value: 7, set_by_user: true };
        assert_eq!(CpuLimit::Default.cap(9999, &default), 1500);
        assert_eq!(CpuLimit::Default.cap(9999, &own), 9999);
        assert_eq!(CpuLimit::Seconds(5).cap(9999, &own), 5);
        assert_eq!(CpuLimit::Unlimited.cap(u64::MAX, &default), u64::MAX);
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
