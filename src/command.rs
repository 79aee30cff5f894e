//! The command line: its first word chooses a role, or what a running service is asked for.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use lexopt::Parser;

#[cfg(feature = "client")]
use crate::client::{self, args};
use crate::kernel::Kernel;
#[cfg(feature = "crash")]
use crate::settings::crash;
#[cfg(feature = "fibonacci")]
use crate::settings::fibonacci;
#[cfg(feature = "client")]
use crate::settings::given::COMMON;
use crate::settings::given::{Given, Vocabulary, Words, last};
use crate::settings::help::Help;
#[cfg(feature = "proxy")]
use crate::settings::proxy;
#[cfg(feature = "scenario")]
use crate::settings::scenario::words::ScenarioWords;
use crate::settings::token::TokenSource;
#[cfg(feature = "client")]
use crate::settings::unknown_word::meant;
use crate::settings::{ConsumerSettings, consumer};
#[cfg(feature = "counter")]
use crate::settings::{counter, dot_env};

/// What the user wants done.
#[derive(Debug)]
pub enum Command {
    /// Take resources.
    Consume(Box<ConsumerSettings>),
    /// Count in Fibonacci's numbers.
    #[cfg(feature = "fibonacci")]
    Fibonacci(Box<fibonacci::FibonacciSettings>),
    /// Count requests.
    #[cfg(feature = "counter")]
    Count(Box<counter::CounterSettings>),
    /// Pass requests on to the members of services.
    #[cfg(feature = "proxy")]
    Proxy(Box<proxy::ProxySettings>),
    /// Crash parts of a system, as these words say.
    #[cfg(feature = "crash")]
    Crash(Box<crash::CrashSettings>, Vec<String>),
    /// Look at scenarios.
    #[cfg(feature = "scenario")]
    Scenario(ScenarioWords),
    /// Ask a running service for something.
    #[cfg(feature = "client")]
    Ask(Box<client::ClientCommand>),
    /// Ask a running service, at this URL, with this token.
    Health(String, Option<TokenSource>),
    /// Show this text.
    Help(String),
    /// Show the version.
    Version,
}

/// First words that make it a service.
#[cfg(feature = "client")]
const ROLES: [&str; 8] = ["consumer", "fibonacci", "pex", "counter", "count", "proxy", "crash", "scenario"];

/// `testero health`.
const HEALTH: Vocabulary = Vocabulary {
    names: &[("url", ""), ("token-file", "TOKENFILE"), ("", "TOKEN")],
    serves: false,
    help: Help::Consumer,
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
            let is_role = |word: &str| ROLES.contains(&word);
            // As other programs have it: help of a word, and the version.
            let first = arguments.first().and_then(|word| word.to_str());
            if first == Some("version") && arguments.len() == 1 {
                return Ok(Self::Version);
            }
            let second = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
            let is_asked = matches!(first, Some("-h" | "--help"));
            if first == Some("help") || (is_asked && (client::commands::is_command(second) || is_role(second))) {
                arguments.truncate(3);
                arguments.remove(0);
                // Those two have no help of their own.
                arguments.retain(|word| !matches!(word.to_str(), Some("help" | "version")));
                arguments.push("--help".into());
            }
            let of_service = |flag: &str| {
                let mut flags = consumer::VOCABULARY.names.iter().chain(&COMMON);
                !flag.is_empty() && flags.any(|(name, _)| *name == flag)
            };
            if let Some(place) = client::place::place_after_flags(&arguments, of_service, is_role)? {
                arguments[..=place].rotate_right(1);
            }
            arguments
        };
        // Without a second word, health is the probe.
        #[cfg(feature = "client")]
        let is_probe = !arguments.iter().any(|word| {
            let word = word.to_str().unwrap_or_default();
            matches!(word, "-h" | "--help") || (!word.is_empty() && client::commands::is_verb("health", word))
        });
        let mut arguments = arguments.into_iter().peekable();
        let first = arguments.peek().and_then(|word| word.to_str()).filter(|word| !word.starts_with('-'));
        let role = first.map_or_else(|| String::from("consumer"), str::to_owned);
        if first.is_some() {
            arguments.next();
        }
        #[cfg(feature = "client")]
        {
            let asks = client::commands::is_command(&role) && !(role == "health" && is_probe);
            #[cfg(feature = "scenario")]
            let asks = asks || (role == "scenario" && client::commands::asks_of_scenario(arguments.clone()));
            if asks {
                let here = || Ok(default_url(of_environment(variable)?.listen(consumer::PORT)?, ""));
                return args::read(&role, Parser::from_args(arguments), variable, &here).map(Self::understood);
            }
        }
        #[cfg(feature = "crash")]
        if role == "crash" {
            let words: Vec<OsString> = arguments.collect();
            let said = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            return Ok(match crash::CrashSettings::read(Parser::from_args(words), variable)? {
                crash::CrashWords::Do(settings) => Self::Crash(settings, said),
                crash::CrashWords::Help(text) => Self::Help(text),
                crash::CrashWords::Version => Self::Version,
            });
        }
        #[cfg(feature = "scenario")]
        if role == "scenario" {
            #[cfg(feature = "client")]
            let here = || Ok(default_url(of_environment(variable)?.listen(consumer::PORT)?, ""));
            #[cfg(not(feature = "client"))]
            let here = || Err(String::from("this build cannot ask a service: it has no client"));
            return ScenarioWords::read(Parser::from_args(arguments), variable, &here).map(Self::Scenario);
        }
        #[cfg(feature = "client")]
        let behind = arguments.clone().next().and_then(|word| word.into_string().ok());
        let parser = Parser::from_args(arguments);
        let read = |parser, vocabulary| Given::read(parser, vocabulary, variable);
        match role.as_str() {
            "consumer" => means(read(parser, &consumer::VOCABULARY)?, |said| {
                ConsumerSettings::mean(said).map(Box::new).map(Self::Consume)
            }),
            #[cfg(feature = "fibonacci")]
            "fibonacci" | "pex" => means(read(parser, &fibonacci::VOCABULARY)?, |said| {
                fibonacci::FibonacciSettings::mean(said).map(Box::new).map(Self::Fibonacci)
            }),
            #[cfg(feature = "counter")]
            "counter" | "count" => {
                let file = counter::dot_env(variable)?;
                let in_file = |name: &str| dot_env::value_of(&file, name).map(OsString::from);
                let said = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
                let another = |name: &str| {
                    counter::SAME.iter().any(|same| same.contains(&name) && same.iter().any(|name| said(name)))
                };
                let either = |name: &str| variable(name).or_else(|| in_file(name).filter(|_| !another(name)));
                means(Given::read(parser, &counter::VOCABULARY, &either)?, |said| {
                    counter::CounterSettings::mean(said).map(Box::new).map(Self::Count)
                })
            }
            #[cfg(feature = "proxy")]
            "proxy" => means(proxy::words(parser, variable)?, |said| {
                proxy::ProxySettings::mean(said).map(Box::new).map(Self::Proxy)
            }),
            "health" => means(read(parser, &HEALTH)?, |said| {
                let url = match last(&said.flags, "url") {
                    Some(url) => url.clone(),
                    None => match variable("TESTERO_URL").and_then(|url| url.into_string().ok()) {
                        Some(url) if !url.is_empty() => format!("{}/healthz", url.trim_end_matches('/')),
                        _ => default_url(said.listen(consumer::PORT)?, "/healthz"),
                    },
                };
                Ok(Self::Health(url, said.token()?))
            }),
            #[cfg(feature = "client")]
            other => Err(unknown_command(other, behind.as_deref())),
            #[cfg(not(feature = "client"))]
            other => Err(format!("unknown command '{other}'")),
        }
    }

    /// What the words of a command that asks a service come to.
    #[cfg(feature = "client")]
    fn understood(words: args::Understood) -> Self {
        match words {
            args::Understood::Help(text) => Self::Help(text),
            args::Understood::Do(job) => Self::Ask(job),
        }
    }

    /// The command that tells what would have been right, where `arguments` were wrong.
    pub fn help_for(arguments: &[OsString]) -> String {
        #[cfg(feature = "client")]
        {
            let mut words = arguments.iter().map(|word| word.to_str().unwrap_or_default());
            let is_known = |word: &&str| ROLES.contains(word) || client::commands::is_command(word);
            if let Some(command) = words.find(is_known) {
                let is_verb = |word: &&str| !word.is_empty() && client::commands::is_verb(command, word);
                let verb = words.find(is_verb).map_or_else(String::new, |verb| format!(" {verb}"));
                return format!("testero {command}{verb} --help");
            }
        }
        let _ = arguments;
        String::from("testero --help")
    }
}

/// What somebody may have meant.
#[cfg(feature = "client")]
fn unknown_command(word: &str, behind: Option<&str>) -> String {
    if word.is_empty() {
        return String::from("the command is empty");
    }
    let commands = client::commands::COMMANDS;
    let shown = word.escape_debug();
    let takes_it = |command: &str| client::commands::is_verb(command, word);
    // The verb stands first, as in: set mem 5Mi.
    if let Some(command) = behind.filter(|command| takes_it(command)) {
        return format!("unknown command '{shown}'; did you mean 'testero {command} {word}'?");
    }
    if let Some(command) = commands.iter().find(|command| takes_it(command.name)) {
        let about = command.name;
        return format!("{shown} what? What it is about comes first; did you mean 'testero {about} {word}'?");
    }
    let mut known = commands.iter().map(|command| command.name).chain(ROLES).chain(["completions", "help", "version"]);
    match meant(word, &mut known) {
        Some(name) => {
            let verb = behind.filter(|verb| !verb.is_empty() && client::commands::is_verb(name, verb));
            let verb = verb.map_or_else(String::new, |verb| format!(" {verb}"));
            format!("unknown command '{shown}'; did you mean 'testero {name}{verb}'?")
        }
        None => format!("unknown command '{shown}'"),
    }
}

/// What `meaning` makes of the words, unless they want to be told something.
fn means(words: Words, meaning: impl FnOnce(&Given) -> Result<Command, String>) -> Result<Command, String> {
    match words {
        Words::Given(given) => meaning(&given),
        Words::Help(text) => Ok(Command::Help(text)),
        Words::Version => Ok(Command::Version),
    }
}

/// What every role that serves knows from the environment.
#[cfg(feature = "client")]
fn of_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Given, String> {
    match Given::read(Parser::from_args([""; 0]), &HEALTH, &|name| {
        variable(name).filter(|_| !name.starts_with("TOKEN"))
    })? {
        Words::Given(given) => Ok(given),
        Words::Help(_) | Words::Version => unreachable!("nothing was asked"),
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
mod tests;
