//! What the user said, and what it means: flags and environment, in one place.
//!
//! Two steps: [`Command::read_as`] takes the words apart (flags win over variables), and the `mean` of each role's settings
//! makes sense of them. What is wrong is a usage error, but for HIGHMEMLIM and HIGHFILELIM: there it is logged and the
//! default used, as the contract has it.

pub mod consumer;
#[cfg(feature = "counter")]
pub mod counter;
#[cfg(feature = "counter")]
mod dot_env;
#[cfg(feature = "fibonacci")]
pub mod fibonacci;
mod help;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser};

use crate::access::TokenSource;
use crate::consumer::number::parse_unsigned;
use crate::consumer::span::span;
use crate::limits::Kernel;

pub use consumer::{CpuLimit, EvictionReserve, Number, Settings, Start, StartWish};

/// What the user wants done.
#[derive(Debug)]
pub enum Command {
    /// Take resources.
    Consume(Box<Settings>),
    /// Count in Fibonacci's numbers.
    #[cfg(feature = "fibonacci")]
    Fibonacci(Box<fibonacci::Settings>),
    /// Count requests.
    #[cfg(feature = "counter")]
    Count(Box<counter::Settings>),
    /// Ask a running service for something.
    #[cfg(feature = "client")]
    Ask(Box<crate::client::Job>),
    /// Ask a running service, at this URL, with this token.
    Health(String, Option<TokenSource>),
    /// Show this text.
    Help(&'static str),
    /// Show the version.
    Version,
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

/// The words that a role understands.
struct Vocabulary {
    /// The flags that take a value, without their dashes, and the variables they win over. A secret, which must not be
    /// seen in a list of processes, has no flag.
    names: &'static [(&'static str, &'static str)],
    /// Whether it listens, and so understands [`COMMON`] as well; if not, it reads those variables all the same.
    serves: bool,
    help: &'static str,
}

/// What every role that serves understands.
const COMMON: [(&str, &str); 8] = [
    ("listen", ""),
    ("shutdown-delay", "SHUTDOWNDELAY"),
    ("log-format", "LOGFORMAT"),
    ("", "IP"),
    ("port", "PORT"),
    ("", "POD_NAME"),
    ("", "NODE_NAME"),
    ("", "POD_NAMESPACE"),
];

/// First words that make it a service.
#[cfg(feature = "client")]
const ROLES: [&str; 5] = ["consumer", "fibonacci", "pex", "counter", "count"];

/// `testero health`.
const HEALTH: Vocabulary = Vocabulary {
    names: &[("url", ""), ("token-file", "TOKENFILE"), ("", "TOKEN")],
    serves: false,
    help: help::CONSUMER,
};

impl Command {
    /// Reads the arguments for a program of this name, with `variable` looking up the environment. One that is called
    /// `consumer` is started as Kubernetes' resource-consumer is: with Go's single dash before a flag, and at any address
    /// of the host, IPv6 as well.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub fn read_as(
        program: Option<OsString>,
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        if program.as_ref().and_then(|path| Path::new(path).file_name()).is_none_or(|name| name != "consumer") {
            return Self::read(arguments.into_iter().collect(), &variable);
        }
        let with_two_dashes = |word: OsString| match word.to_str().and_then(|word| word.strip_prefix('-')) {
            Some(flag) if flag.len() > 1 && !flag.starts_with('-') => format!("--{flag}").into(),
            _ => word,
        };
        let every_address = || Kernel::default().has_ipv6().then(|| "::".into());
        let variable = |name: &str| variable(name).or_else(|| if name == "IP" { every_address() } else { None });
        Self::read(arguments.into_iter().map(with_two_dashes).collect(), &variable).map_err(|problem| {
            let hint = if problem.starts_with("unknown option") {
                "; there are -port=8081 and testero's own, and RUST_LOG chooses what is logged"
            } else {
                ""
            };
            problem + hint
        })
    }

    /// # Errors
    /// One line that says what is wrong and what would be right.
    fn read(arguments: Vec<OsString>, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        // A command may come after its flags.
        #[cfg(feature = "client")]
        let arguments = {
            let mut arguments = arguments;
            let of_service = |flag: &str| {
                let mut flags = consumer::VOCABULARY.names.iter().chain(&COMMON);
                !flag.is_empty() && flags.any(|(name, _)| *name == flag)
            };
            let is_role = |word: &str| ROLES.contains(&word);
            if let Some(place) = crate::client::place::place_after_flags(&arguments, of_service, is_role)? {
                arguments[..=place].rotate_right(1);
            }
            arguments
        };
        // Without a second word, health is the probe.
        #[cfg(feature = "client")]
        let is_probe = !arguments.iter().any(|word| word == "disable" || word == "enable");
        let mut arguments = arguments.into_iter().peekable();
        let first = arguments.peek().and_then(|word| word.to_str()).filter(|word| !word.starts_with('-'));
        let role = first.map_or_else(|| String::from("consumer"), str::to_owned);
        if first.is_some() {
            arguments.next();
        }
        #[cfg(feature = "client")]
        {
            use crate::client::words;
            if words::is_command(&role) && !(role == "health" && is_probe) {
                let here = || Ok(default_url(Said::of_environment(variable)?.listen(consumer::PORT)?, ""));
                let job = words::read(&role, Parser::from_args(arguments), variable, here)?;
                return Ok(job.map_or(Self::Help(help::CLIENT), |job| Self::Ask(Box::new(job))));
            }
        }
        let parser = Parser::from_args(arguments);
        let hear = |parser, vocabulary| Said::hear(parser, vocabulary, variable);
        match role.as_str() {
            "consumer" => {
                hear(parser, &consumer::VOCABULARY)?.means(|said| Settings::mean(said).map(Box::new).map(Self::Consume))
            }
            #[cfg(feature = "fibonacci")]
            "fibonacci" | "pex" => hear(parser, &fibonacci::VOCABULARY)?
                .means(|said| fibonacci::Settings::mean(said).map(Box::new).map(Self::Fibonacci)),
            #[cfg(feature = "counter")]
            "counter" | "count" => {
                let file = counter::dot_env(variable)?;
                let in_file = |name: &str| dot_env::value_of(&file, name).map(OsString::from);
                let said = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
                let another = |name: &str| {
                    counter::SAME.iter().any(|same| same.contains(&name) && same.iter().any(|name| said(name)))
                };
                let either = |name: &str| variable(name).or_else(|| in_file(name).filter(|_| !another(name)));
                Said::hear(parser, &counter::VOCABULARY, &either)?
                    .means(|said| counter::Settings::mean(said).map(Box::new).map(Self::Count))
            }
            "health" => hear(parser, &HEALTH)?.means(|said| {
                let url = match last(&said.flags, "url") {
                    Some(url) => url.clone(),
                    None => match variable("TESTERO_URL").and_then(|url| url.into_string().ok()) {
                        Some(url) if !url.is_empty() => format!("{}/healthz", url.trim_end_matches('/')),
                        _ => default_url(said.listen(consumer::PORT)?, "/healthz"),
                    },
                };
                Ok(Self::Health(url, said.token()?))
            }),
            other => Err(format!("unknown command '{other}'")),
        }
    }
}

/// What was heard.
enum Heard {
    Said(Said),
    /// The user wants to be told something instead.
    Told(Command),
}

impl Heard {
    fn means(self, meaning: impl FnOnce(&Said) -> Result<Command, String>) -> Result<Command, String> {
        match self {
            Self::Said(said) => meaning(&said),
            Self::Told(command) => Ok(command),
        }
    }
}

/// The words said for each setting.
#[derive(Debug)]
struct Said {
    names: &'static [(&'static str, &'static str)],
    flags: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, String)>,
}

/// What was said last of a name.
fn last<'s>(said: &'s [(&'static str, String)], name: &str) -> Option<&'s String> {
    said.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value)
}

impl Said {
    fn hear(
        mut parser: Parser,
        vocabulary: &Vocabulary,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Heard, String> {
        let mut said = Self { names: vocabulary.names, flags: Vec::new(), variables: Vec::new() };
        let common = if vocabulary.serves { &COMMON[..] } else { &[] };
        let flags = || vocabulary.names.iter().chain(common);
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let name = match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Heard::Told(Command::Help(vocabulary.help))),
                Arg::Short('V') | Arg::Long("version") => return Ok(Heard::Told(Command::Version)),
                Arg::Value(word) => return Err(format!("unknown command '{}'", word.display())),
                Arg::Long(name) => match flags().find(|(flag, _)| *flag == name && !name.is_empty()) {
                    Some((flag, _)) => *flag,
                    None => return Err(format!("unknown option '--{name}'")),
                },
                Arg::Short(letter) => return Err(format!("unknown option '-{letter}'")),
            };
            let value = parser.value().map_err(|_| format!("option '--{name}' needs a value"))?;
            let value = value
                .into_string()
                .map_err(|value| format!("option '--{name}': '{}' is not UTF-8", value.display()))?;
            said.flags.push((name, value));
        }
        for name in vocabulary.names.iter().chain(&COMMON).map(|(_, name)| *name).filter(|name| !name.is_empty()) {
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
        Ok(Heard::Said(said))
    }

    /// What every role that serves knows from the environment.
    #[cfg(feature = "client")]
    fn of_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        match Self::hear(Parser::from_args([""; 0]), &HEALTH, &|name| {
            variable(name).filter(|_| !name.starts_with("TOKEN"))
        })? {
            Heard::Said(said) => Ok(said),
            Heard::Told(_) => unreachable!("nothing was asked"),
        }
    }

    /// Where to listen: at this port unless told otherwise, at any address of the host.
    fn listen(&self, port: u16) -> Result<SocketAddr, String> {
        if let Some(text) = last(&self.flags, "listen") {
            if last(&self.flags, "port").is_some() {
                return Err(String::from("--listen and --port are both given: which one counts?"));
            }
            return text.parse().map_err(|_| {
                format!("--listen '{text}' is not an address and a port, like 0.0.0.0:8080 or [::]:8080")
            });
        }
        let mut listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        if let Some(text) = last(&self.variables, "IP") {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            let ip = bare.parse().map_err(|_| format!("IP '{text}' is not an IP address, like 0.0.0.0 or ::"))?;
            listen.set_ip(ip);
        }
        if let Some((name, text)) = self.said("port") {
            listen.set_port(text.parse().map_err(|_| format!("{name} '{text}' is not a port, 0 to 65535"))?);
        }
        Ok(listen)
    }

    /// What was said of a flag or its variable, and under which name.
    fn said(&self, flag: &str) -> Option<(String, &str)> {
        if let Some(text) = last(&self.flags, flag) {
            return Some((format!("--{flag}"), text));
        }
        let (_, variable) = self.names.iter().chain(&COMMON).find(|(name, _)| *name == flag)?;
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

    /// For how long the service goes on, unready, after SIGTERM.
    fn shutdown_delay(&self) -> Result<Duration, String> {
        Ok(self.span("shutdown-delay")?.unwrap_or_default())
    }

    /// Whether log lines are JSON.
    fn json_log(&self) -> Result<bool, String> {
        self.switch("log-format", "json", "text")
    }

    fn data_dir(&self) -> PathBuf {
        self.said("data-dir").map_or_else(|| PathBuf::from("."), |(_, path)| PathBuf::from(path))
    }

    fn token(&self) -> Result<Option<TokenSource>, String> {
        match (last(&self.variables, "TOKEN"), self.said("token-file")) {
            (Some(_), Some((name, _))) => Err(format!("TOKEN and {name} are both set: which one counts?")),
            (Some(token), None) => Ok(Some(TokenSource::Value(token.trim().to_owned()))),
            (None, file) => Ok(file.map(|(_, path)| TokenSource::File(PathBuf::from(path)))),
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

    fn identity(&self) -> Identity {
        let known = |name| last(&self.variables, name).cloned();
        Identity { pod: known("POD_NAME"), node: known("NODE_NAME"), namespace: known("POD_NAMESPACE") }
    }
}

/// Where a service that listens on `listen` can be asked from the same host, for this path.
fn default_url(listen: SocketAddr, path: &str) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}{path}", SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::consumer::DEFAULT_NUMBER;
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, String> {
        let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
        Command::read(arguments.iter().map(OsString::from).collect(), &look_up)
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
    fn the_port_alone_can_be_said() {
        let listen = |arguments: &[&str], variables: &[(&str, &str)]| settings(arguments, variables).listen.to_string();
        assert_eq!(listen(&["--port", "81"], &[("PORT", "82"), ("IP", "::1")]), "[::1]:81");
        assert_eq!(listen(&["--port=81"], &[]), "0.0.0.0:81");
        let error = read(&["--port=81", "--listen=0.0.0.0:80"], &[]).unwrap_err();
        assert!(error.contains("--port") && error.contains("--listen"), "{error}");
    }

    #[test]
    fn as_consumer_it_listens_where_the_resource_consumer_does() {
        let read_as = |program: &str, arguments: &[&str], variables: &[(&str, &str)]| {
            let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
            match Command::read_as(Some(program.into()), arguments.iter().map(OsString::from), look_up) {
                Ok(Command::Consume(settings)) => settings.listen.to_string(),
                other => panic!("{other:?}"),
            }
        };
        // On every address of the host; Linux has IPv6 or it has not.
        let every = if Kernel::default().has_ipv6() { "[::]" } else { "0.0.0.0" };
        assert_eq!(read_as("/consumer", &[], &[]), format!("{every}:8080"));
        assert_eq!(read_as("./consumer", &["-port=8081"], &[]), format!("{every}:8081"));
        assert_eq!(read_as("consumer", &["-port", "8081", "-faults=on"], &[("IP", "127.0.0.1")]), "127.0.0.1:8081");
        for program in ["/testero", "/consumer2", "/consumer/testero"] {
            assert_eq!(read_as(program, &["--port", "8081"], &[]), "0.0.0.0:8081", "{program}");
        }
    }

    #[test]
    fn limits_that_are_no_numbers_are_logged_where_the_contract_has_it_and_zero_means_the_default() {
        let meant = settings(&[], &[("HIGHMEMLIM", "12Gi"), ("HIGHFILELIM", "0"), ("HIGHPIDLIM", "0")]);
        assert_eq!((meant.memory_limit, meant.disk_limit, meant.pid_limit), (None, None, None));
        assert_eq!(meant.warnings.len(), 1);
        assert!(meant.warnings[0].contains("HIGHMEMLIM") && meant.warnings[0].contains("12Gi"));
        let meant =
            settings(&["--fd-limit", "2k"], &[("HIGHPIDLIM", "10k"), ("HIGHCPULIM", "90"), ("CONNECTIONS", "4")]);
        assert_eq!((meant.pid_limit, meant.fd_limit, meant.connections), (Some(10_000), Some(2000), Some(4)));
        assert_eq!(meant.cpu_limit, CpuLimit::Seconds(90));
        for (name, text) in
            [("HIGHCPULIM", "-1"), ("HIGHPIDLIM", "lots"), ("CONNECTIONS", "257"), ("START_DISK", "1,ttl=0")]
        {
            let error = read(&[], &[(name, text)]).unwrap_err();
            assert!(error.contains(name) && error.contains(text) && error.lines().count() == 1, "{error}");
        }
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
    fn what_the_kubelet_keeps_free_is_an_amount_or_a_share_of_each() {
        use crate::consumer::quantity::Amount::{Exactly, Share};
        assert_eq!(settings(&[], &[]).eviction_reserve, EvictionReserve::NONE);
        for (text, memory, disk) in [
            ("memory=100Mi,disk=10pct", Exactly(100 << 20), Share(100_000)),
            ("disk=5%, memory=1.5pct", Share(15_000), Share(50_000)),
            ("disk=1G", Exactly(0), Exactly(1_000_000_000)),
        ] {
            let expected = EvictionReserve { memory, disk };
            assert_eq!(settings(&[], &[("EVICTIONRESERVE", text)]).eviction_reserve, expected, "{text}");
            assert_eq!(settings(&["--eviction-reserve", text], &[]).eviction_reserve, expected, "{text}");
        }
        for text in ["100Mi", "memory", "memory=", "memory=much", "memory=max", "cpu=1", "disk=10pct,", "memory<100Mi"]
        {
            let error = read(&[], &[("EVICTIONRESERVE", text)]).unwrap_err();
            assert!(error.starts_with("EVICTIONRESERVE: '") && error.contains("memory=100Mi,disk=10pct"), "{error}");
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
            (&["health", "--listen", "x"], "--listen"),
            (&["--help=x"], "help"),
        ] {
            let error = match read(arguments, &[]) {
                Err(error) => error,
                // `--help=x` is help all the same.
                Ok(Command::Help(_)) => continue,
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

    #[cfg(feature = "client")]
    #[test]
    fn a_command_comes_before_or_after_its_flags() {
        for words in [
            "status --url http://h:1",
            "--url http://h:1 status",
            "--url=http://h:1 status --json",
            "--json status --url http://h:1",
        ] {
            match read(&words.split(' ').collect::<Vec<_>>(), &[]) {
                Ok(Command::Ask(job)) => assert_eq!(job.url, "http://h:1", "{words}"),
                other => panic!("{words}: {other:?}"),
            }
        }
        match read(&["--url", "http://h/x", "health"], &[]) {
            Ok(Command::Health(url, None)) => assert_eq!(url, "http://h/x"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(read(&["--url", "http://h", "health", "disable"], &[]), Ok(Command::Ask(_))));
        assert!(matches!(read(&["--listen", "127.0.0.1:0", "--token-file", "health"], &[]), Ok(Command::Consume(_))));
        for (words, says) in [
            ("--url http://h", "of which command"),
            ("--listen 127.0.0.1:0 status", "--listen"),
            ("--url http://h stats", "'stats'"),
            ("--url http://h counter", "--url"),
            ("--bogus status", "--bogus"),
        ] {
            let error = read(&words.split(' ').collect::<Vec<_>>(), &[]).unwrap_err();
            assert!(error.contains(says), "{words}: {error}");
        }
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
