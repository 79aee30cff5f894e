//! The words of a role taken apart: its flags, and the variables that they win over.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use crate::settings::Identity;
use crate::settings::help::Help;
use crate::settings::token::TokenSource;
use crate::units::duration::span;
use crate::units::quantity::{Unit, quantity};
use crate::units::strconv::parse_unsigned;

/// The words that a role understands.
pub struct Vocabulary {
    /// The flags that take a value, without their dashes, and the variables they win over. A secret, which must not be
    /// seen in a list of processes, has no flag.
    pub names: &'static [(&'static str, &'static str)],
    /// Whether it listens, and so understands [`COMMON`] as well; if not, it reads those variables all the same.
    pub serves: bool,
    /// What `--help` shows.
    pub help: Help,
}

/// What every role that serves understands.
pub const COMMON: [(&str, &str); 8] = [
    ("listen", ""),
    ("shutdown-delay", "SHUTDOWNDELAY"),
    ("log-format", "LOGFORMAT"),
    ("", "IP"),
    ("port", "PORT"),
    ("", "POD_NAME"),
    ("", "NODE_NAME"),
    ("", "POD_NAMESPACE"),
];

/// What the words of a role come to.
pub enum Words {
    /// Settings.
    Given(Given),
    /// The user wants this text.
    Help(String),
    /// The user wants the version.
    Version,
}

/// The words said for each setting.
#[derive(Debug)]
pub struct Given {
    names: &'static [(&'static str, &'static str)],
    pub(crate) flags: Vec<(&'static str, String)>,
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// What was said last of a name.
pub(crate) fn last<'s>(said: &'s [(&'static str, String)], name: &str) -> Option<&'s String> {
    said.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The flag that may have been meant.
#[cfg(feature = "client")]
fn near(name: &str, flags: &mut dyn Iterator<Item = &'static str>) -> String {
    let meant = crate::settings::unknown_word::meant(name, flags);
    meant.map_or_else(String::new, |meant| format!("; did you mean '--{meant}'?"))
}

/// Nothing, in a consumer alone.
#[cfg(not(feature = "client"))]
fn near(_: &str, _: &mut dyn Iterator<Item = &'static str>) -> &'static str {
    ""
}

impl Given {
    /// Takes the words of a role apart.
    ///
    /// # Errors
    /// When a flag is unknown or has no value, or one of the values is not text.
    pub fn read(
        mut parser: Parser,
        vocabulary: &Vocabulary,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Words, String> {
        let mut given = Self { names: vocabulary.names, flags: Vec::new(), variables: Vec::new() };
        let common = if vocabulary.serves { &COMMON[..] } else { &[] };
        let flags = || vocabulary.names.iter().chain(common);
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let name = match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Words::Help(vocabulary.help.text())),
                Arg::Short('V') | Arg::Long("version") => return Ok(Words::Version),
                Arg::Value(word) => return Err(format!("unknown command '{}'", word.display())),
                Arg::Long(name) => match flags().find(|(flag, _)| *flag == name && !name.is_empty()) {
                    Some((flag, _)) => *flag,
                    None => {
                        let near = near(name, &mut flags().map(|(flag, _)| *flag).filter(|flag| !flag.is_empty()));
                        return Err(format!("unknown option '--{name}'{near}"));
                    }
                },
                Arg::Short(letter) => return Err(format!("unknown option '-{letter}'")),
            };
            let value = parser.value().map_err(|_| format!("option '--{name}' needs a value"))?;
            let value = value
                .into_string()
                .map_err(|value| format!("option '--{name}': '{}' is not UTF-8", value.display()))?;
            given.flags.push((name, value));
        }
        for name in vocabulary.names.iter().chain(&COMMON).map(|(_, name)| *name).filter(|name| !name.is_empty()) {
            let value = variable(name);
            // An empty limit is none; an empty token would be a door left open.
            if name.starts_with("TOKEN") && value.as_ref().is_some_and(|token| token.is_empty()) {
                return Err(format!("{name} is empty"));
            }
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let value = value.into_string().map_err(|_| format!("{name} is not UTF-8"))?;
                given.variables.push((name, value));
            }
        }
        Ok(Words::Given(given))
    }

    /// Where to listen: at this port unless told otherwise, at any address of the host.
    pub(crate) fn listen(&self, port: u16) -> Result<SocketAddr, String> {
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
    pub(crate) fn said(&self, flag: &str) -> Option<(String, &str)> {
        if let Some(text) = last(&self.flags, flag) {
            return Some((format!("--{flag}"), text));
        }
        let (_, variable) = self.names.iter().chain(&COMMON).find(|(name, _)| *name == flag)?;
        last(&self.variables, variable).map(|text| ((*variable).to_owned(), text.as_str()))
    }

    /// One of two words; `false` when nothing was said.
    pub(crate) fn switch(&self, flag: &str, on: &str, off: &str) -> Result<bool, String> {
        match self.said(flag) {
            None => Ok(false),
            Some((_, text)) if text == on => Ok(true),
            Some((_, text)) if text == off => Ok(false),
            Some((name, text)) => Err(format!("{name} '{text}' is neither {on} nor {off}")),
        }
    }

    pub(crate) fn span(&self, flag: &str) -> Result<Option<Duration>, String> {
        self.said(flag).map(|(name, text)| span(text).map_err(|why| format!("{name}: {why}"))).transpose()
    }

    /// For how long the service goes on, unready, after SIGTERM.
    pub(crate) fn shutdown_delay(&self) -> Result<Duration, String> {
        Ok(self.span("shutdown-delay")?.unwrap_or_default())
    }

    /// Whether log lines are JSON.
    pub(crate) fn json_log(&self) -> Result<bool, String> {
        self.switch("log-format", "json", "text")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.said("data-dir").map_or_else(|| PathBuf::from("."), |(_, path)| PathBuf::from(path))
    }

    pub(crate) fn token(&self) -> Result<Option<TokenSource>, String> {
        match (last(&self.variables, "TOKEN"), self.said("token-file")) {
            (Some(_), Some((name, _))) => Err(format!("TOKEN and {name} are both set: which one counts?")),
            (Some(token), None) => Ok(Some(TokenSource::Value(token.trim().to_owned()))),
            (None, file) => Ok(file.map(|(_, path)| TokenSource::File(PathBuf::from(path)))),
        }
    }

    /// A limit: `None` when nothing was said, or nothing that can be used.
    pub(crate) fn limit(&self, flag: &str, variable: &str, warnings: &mut Vec<String>) -> Result<Option<u64>, String> {
        if let Some(text) = last(&self.flags, flag) {
            return quantity(text, Unit::Bytes)
                .map(Some)
                .map_err(|why| format!("--{flag} '{text}': {why}; it is written like 512Mi, or in bytes"));
        }
        Ok(last(&self.variables, variable).and_then(|text| match parse_unsigned(text.as_bytes()) {
            Ok(limit) => Some(limit),
            Err(error) => {
                warnings.push(format!("{variable} is not a number, the default is used: {error}"));
                None
            }
        }))
    }

    pub(crate) fn identity(&self) -> Identity {
        let known = |name| last(&self.variables, name).cloned();
        Identity { pod: known("POD_NAME"), node: known("NODE_NAME"), namespace: known("POD_NAMESPACE") }
    }
}
