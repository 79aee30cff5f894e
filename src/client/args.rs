//! The arguments become a job.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::client::call::Call;
use crate::client::commands::{COMMANDS, COMMON, CPU, Flag, RATE, SERVICE, SHELLS, TIME, Takes, verbs_of};
use crate::client::completions::Shell;
use crate::client::http::Http;
#[cfg(feature = "scenario")]
use crate::client::scenario::words::ScenarioCall;
use crate::client::spread::{By, Spread};
use crate::client::status::Show;
use crate::client::{Action, ClientCommand, PATIENCE};
use crate::http::client::{Url, with_port};
use crate::parameters::AMOUNT;
use crate::settings::consumer;
use crate::settings::token::TokenSource;
use crate::settings::unknown_word::meant;
use crate::sorting::sort_by_key;
use crate::units::duration::span;
use crate::units::quantity::{Amount, Unit, quantity};

/// For how long a load runs that does not say: long enough to see it, too short to be forgotten.
const LOAD_TIME: &str = "60s";

/// What was said to a command.
struct Arguments {
    words: Vec<String>,
    /// Flags that were given, with their values.
    flags: Vec<(&'static Flag, String)>,
}

/// Reads what follows a command's first word.
///
/// # Errors
/// One line that says what is wrong and what would be right.
pub fn read(
    command: &str,
    mut parser: Parser,
    variable: &dyn Fn(&str) -> Option<OsString>,
    default_url: impl FnOnce() -> Result<String, String>,
) -> Result<Option<ClientCommand>, String> {
    let mut second = None;
    let mut said = Arguments { words: Vec::new(), flags: Vec::new() };
    let verbs = verbs_of(command);
    let verb_of = |second: Option<&str>| verbs.iter().find(|(word, ..)| *word == second.unwrap_or_default());
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Value(word) => {
                let word = text(word, "an argument")?;
                if second.is_none() && verb_of(None).is_none() && !verbs.is_empty() {
                    second = Some(word);
                } else {
                    said.words.push(word);
                }
            }
            Arg::Short(letter) => return Err(format!("unknown option '-{letter}'")),
            Arg::Long(name) => {
                let flags = verbs.iter().flat_map(|(_, _, flags)| *flags).chain(&COMMON);
                let name = name.to_owned();
                let flag = flags.clone().find(|flag| flag.name == name).ok_or_else(|| {
                    let meant = meant(&name, &mut flags.clone().map(|flag| flag.name));
                    let meant = meant.map_or_else(String::new, |meant| format!("; the nearest is '--{meant}'"));
                    format!("unknown option '--{name}'{meant}")
                })?;
                let value = match flag.takes {
                    Takes::Nothing => String::from("true"),
                    _ => text(parser.value().map_err(|_| format!("option '--{name}' needs a value"))?, &name)?,
                };
                // The last counts; of services all do.
                said.flags.retain(|(known, _)| known.name != flag.name || flag.name == SERVICE.name);
                said.flags.push((flag, value));
            }
        }
    }
    if command == "completions" {
        return completions(&said.words).map(Some);
    }
    let Some((word, takes_amount, flags)) = verb_of(second.as_deref()) else {
        let known: Vec<&str> = verbs.iter().map(|(word, ..)| *word).collect();
        return Err(match second {
            Some(word) => format!("testero {command} {word}: there is {}", known.join(", ")),
            None => format!("testero {command}: say {}", known.join(", ")),
        });
    };
    said.checked(flags, &format!("testero {command} {word}"))?;
    let what = if command == "http" {
        let timeout = said.value("timeout").map_or(Ok(PATIENCE), span)?;
        Action::Http(Http::parse(&said.words, timeout)?)
    } else {
        if word == &"load" {
            said.takes_the_amount(command)?;
        }
        if command != "scenario" {
            said.has_words(*takes_amount, &format!("testero {command} {word}"))?;
        }
        said.what(command, word)?
    };
    let url = match (said.value("url"), variable("TESTERO_URL")) {
        (Some(url), _) => url.to_owned(),
        (None, Some(url)) if !url.is_empty() => text(url, "TESTERO_URL")?,
        _ => default_url()?,
    };
    Url::parse(&url).map_err(|error| format!("'{url}': {error}"))?;
    Ok(Some(ClientCommand { what, url, token: said.token(variable)? }))
}

fn text(word: OsString, what: &str) -> Result<String, String> {
    word.into_string().map_err(|word| format!("{what}: '{}' is not UTF-8", word.display()))
}

fn completions(words: &[String]) -> Result<ClientCommand, String> {
    let shell = match words {
        [shell] => Shell::parse(shell),
        _ => None,
    };
    let shell = shell.ok_or_else(|| format!("testero completions: for which shell? {}", SHELLS.join(", ")))?;
    Ok(ClientCommand { what: Action::Completions(shell), url: String::new(), token: None })
}

impl Arguments {
    fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag.name == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether every flag is one of this command, and means something.
    fn checked(&self, flags: &[Flag], command: &str) -> Result<(), String> {
        for (flag, value) in &self.flags {
            if !flags.iter().chain(&COMMON).any(|known| known.name == flag.name) {
                return Err(format!("{} takes no --{}", command.trim_end(), flag.name));
            }
            let why = match flag.takes {
                Takes::Span => span(value).err(),
                Takes::OneOf(words) if !words.contains(&value.as_str()) => Some(format!("one of {}", words.join(", "))),
                _ => None,
            };
            if let Some(why) = why {
                return Err(format!("--{} '{value}': {why}", flag.name));
            }
        }
        Ok(())
    }

    /// Whether there is an amount where one belongs, and nothing else.
    fn has_words(&self, takes_amount: bool, command: &str) -> Result<(), String> {
        match self.words.as_slice() {
            [] if takes_amount => Err(format!("{command}: how much? An amount like 512Mi, 50pct or max")),
            [_] if takes_amount => Ok(()),
            [] => Ok(()),
            [.., last] => Err(format!("{}: what is '{last}'?", command.trim_end())),
        }
    }

    /// A load's amount may stand as a word: `cpu load 500m`.
    fn takes_the_amount(&mut self, command: &str) -> Result<(), String> {
        let flag = if command == "cpu" { &CPU } else { &RATE };
        if self.words.len() != 1 {
            return Ok(());
        }
        if self.has(flag.name) {
            return Err(format!("testero {command} load: '{}' and --{} say the same", self.words[0], flag.name));
        }
        self.flags.push((flag, self.words.remove(0)));
        Ok(())
    }

    fn amount(&self, unit: Unit) -> Result<Amount, String> {
        Amount::parse(self.words.first().map_or("", String::as_str), unit)
    }

    /// The parameters that the flags become.
    fn parameters(&self, unit: Unit) -> Result<Vec<(&'static str, String)>, String> {
        let named = self.flags.iter().filter(|(flag, _)| !flag.parameter.is_empty());
        named
            .map(|(flag, value)| {
                if flag.takes == Takes::Amount {
                    match flag.name {
                        "cpu" => Amount::parse(value, Unit::Millicores).map(drop),
                        _ => quantity(value, unit).map(drop),
                    }
                    .map_err(|why| format!("--{} '{value}': {why}", flag.name))?;
                }
                Ok((flag.parameter, value.clone()))
            })
            .collect()
    }

    /// Those of a load: for how long comes first.
    fn of_load(&self, unit: Unit) -> Result<Vec<(&'static str, String)>, String> {
        let mut parameters = self.parameters(unit)?;
        if !self.has("time") {
            parameters.push((TIME.parameter, String::from(LOAD_TIME)));
        }
        sort_by_key(&mut parameters, &|(name, _)| *name != TIME.parameter);
        Ok(parameters)
    }

    fn what(&self, command: &str, word: &str) -> Result<Action, String> {
        let unit = unit_of(if command == "spread" { word } else { command });
        // A plan is told at once: there is nothing to wait for.
        let wait = self.has("wait") && !self.has("dry-run");
        let call = |method, path: String, parameters: Vec<(&'static str, String)>, done: String| {
            Ok(Action::Call(Call { method, path, parameters, wait, unit, done }))
        };
        let show = |group| Ok(Action::Show(Show { group, json: self.has("json"), watch: self.has("watch") }));
        match (command, word) {
            ("status", _) => show(None),
            (group, "get") => show(COMMANDS.iter().map(|(known, _)| *known).find(|known| *known == group)),
            ("spread", group) => self.spread(group),
            #[cfg(feature = "scenario")]
            ("scenario", verb) => self.scenario(verb),
            (group, "set") => {
                self.amount(unit)?;
                let mut parameters = vec![(AMOUNT.name, self.words[0].clone())];
                parameters.extend(self.parameters(unit)?);
                call("POST", format!("/api/{group}/set"), parameters, String::from("done"))
            }
            (group, "load") => call("POST", format!("/api/{group}/load"), self.of_load(unit)?, String::from("done")),
            (group, "release") => {
                call("DELETE", format!("/api/{group}"), self.parameters(unit)?, String::from("released"))
            }
            (group, "stop") => call("DELETE", format!("/api/{group}"), Vec::new(), String::from("stopped")),
            ("release", _) => call("DELETE", String::from("/api"), Vec::new(), String::from("everything is released")),
            (probe, verb) => {
                let path = if probe == "ready" { "/readyz" } else { "/healthz" };
                let done = format!("{path} is {verb}d");
                call("POST", format!("{path}/{verb}"), self.parameters(unit)?, done)
            }
        }
    }

    #[cfg(feature = "scenario")]
    fn scenario(&self, verb: &str) -> Result<Action, String> {
        let timeout = self.value("timeout").map(span).transpose()?;
        ScenarioCall::parse(verb, &self.words, self.services()?, &|flag| self.has(flag), timeout).map(Action::Scenario)
    }

    /// The names that `--service` has, with ports.
    fn services(&self) -> Result<Vec<String>, String> {
        let services: Vec<String> = self
            .flags
            .iter()
            .filter(|(flag, _)| flag.name == "service")
            .flat_map(|(_, value)| value.split(',').map(str::trim))
            .filter(|name| !name.is_empty())
            .map(|name| with_port(name, consumer::PORT))
            .collect();
        if let Some(wrong) = services.iter().find(|name| name.contains('/')) {
            return Err(format!("--service '{wrong}': a name and a port, like testero-headless:8080"));
        }
        Ok(services)
    }

    fn spread(&self, group: &str) -> Result<Action, String> {
        let (unit, services) = (unit_of(group), self.services()?);
        if services.is_empty() {
            return Err(String::from("testero spread: over which pods? --service testero-headless:8080"));
        }
        let by = if self.value("by") == Some("available") { By::Available } else { By::Even };
        let group = ["mem", "disk", "cpu"].into_iter().find(|known| *known == group).unwrap_or("mem");
        let parameters = if group == "cpu" { self.of_load(unit)? } else { self.parameters(unit)? };
        Ok(Action::Spread(Spread {
            group,
            amount: self.amount(unit)?,
            words: self.words[0].clone(),
            parameters,
            services,
            by,
            // What is held is held at once; a load would be waited for as long as it lasts.
            wait: group != "cpu" || self.has("wait"),
            unit,
        }))
    }

    fn token(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<TokenSource>, String> {
        let named = |name: &str| match variable(name) {
            Some(value) if !value.is_empty() => text(value, name).map(Some),
            _ => Ok(None),
        };
        let file = |path: String| TokenSource::File(PathBuf::from(path));
        let value = |token: String| TokenSource::Value(token.trim().to_owned());
        if let Some(token) = self.value("token") {
            return Ok(Some(value(token.to_owned())));
        }
        if let Some(path) = self.value("token-file") {
            return Ok(Some(file(path.to_owned())));
        }
        // Those that the service itself has: the command runs beside it.
        Ok(named("TOKEN")?.map(value).or(named("TOKENFILE")?.map(file)))
    }
}

fn unit_of(group: &str) -> Unit {
    match group {
        "mem" | "disk" | "io" => Unit::Bytes,
        "cpu" => Unit::Millicores,
        _ => Unit::Count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(words: &[&str]) -> Result<Option<ClientCommand>, String> {
        let none = |_: &str| None;
        read(words[0], Parser::from_args(&words[1..]), &none, || Ok(String::from("http://127.0.0.1:8080")))
    }

    fn target(words: &[&str]) -> (&'static str, String) {
        match job(words).unwrap().unwrap().what {
            Action::Call(call) => (call.method, call.target()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_become_requests() {
        for (words, method, path) in [
            ("mem set 512Mi", "POST", "/api/mem/set?format=json&amount=512Mi"),
            ("disk set max-1Gi --wait", "POST", "/api/disk/set?format=json&amount=max-1Gi&follow=true"),
            (
                "mem set 50% --ttl 5m --over=30s --exact",
                "POST",
                "/api/mem/set?format=json&amount=50%25&ttl=5m&over=30s&exact=true",
            ),
            ("pid set 10 --dry-run", "POST", "/api/pid/set?format=json&amount=10&dry_run=true"),
            ("mem release", "DELETE", "/api/mem?format=json"),
            ("fd release --over 3s --wait", "DELETE", "/api/fd?format=json&over=3s&follow=true"),
            ("cpu load --cpu 1500m --time 90s", "POST", "/api/cpu/load?format=json&duration=90s&cpu=1500m"),
            (
                "io load --rate 5Mi --time 1m --replace",
                "POST",
                "/api/io/load?format=json&duration=1m&rate=5Mi&replace=true",
            ),
            ("cpu load", "POST", "/api/cpu/load?format=json&duration=60s"),
            ("cpu load 0.5 --time 9s", "POST", "/api/cpu/load?format=json&duration=9s&cpu=0.5"),
            ("io load 5Mi", "POST", "/api/io/load?format=json&duration=60s&rate=5Mi"),
            ("cpu stop", "DELETE", "/api/cpu?format=json"),
            ("release", "DELETE", "/api?format=json"),
            ("ready disable --for 30s", "POST", "/readyz/disable?format=json&for=30s"),
            ("health enable", "POST", "/healthz/enable?format=json"),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(target(&words), (method, path.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (words, says) in [
            ("mem", "set, get, release"),
            ("mem take", "set, get, release"),
            ("mem set", "how much"),
            ("mem set lots", "lots"),
            ("mem set 1Gi 2Gi", "2Gi"),
            ("mem set 1Gi --ttl soon", "soon"),
            ("mem set 1Gi --fsync", "fsync"),
            ("mem set 1Gi --kind gold", "anon, file, shm"),
            ("mem set 1Gi --rate fast", "fast"),
            ("mem set 1Gi --bogus", "--bogus"),
            ("mem set 1Gi --tll 5s", "unknown option '--tll'; the nearest is '--ttl'"),
            ("cpu load 1 2", "what is '2'"),
            ("cpu load 1 --cpu 2", "'1' and --cpu say the same"),
            ("cpu load much", "much"),
            ("mem set 1Gi --ttl", "needs a value"),
            ("mem set 1Gi --url localhost", "http://"),
            ("mem get --wait", "--wait"),
            ("cpu load --time 5s --cpu much", "much"),
            ("status now", "now"),
            ("spread mem 1Gi", "--service"),
            ("spread gold 1 --service a", "mem, disk, cpu"),
            ("spread mem 1Gi --service a --by luck", "even, available"),
            ("http", "which path"),
            ("http metrics", "begin with /"),
            ("http /metrics --timeout soon", "soon"),
            ("http /metrics --wait", "--wait"),
            ("mem get --timeout 5s", "--timeout"),
            ("completions", "bash, zsh, fish"),
            ("completions tcsh", "bash, zsh, fish"),
        ] {
            let error = job(&words.split(' ').collect::<Vec<_>>()).unwrap_err();
            assert!(error.contains(says) && error.lines().count() == 1, "{words}: {error}");
        }
    }

    #[test]
    fn the_url_and_the_token_are_looked_for_in_their_order() {
        let known = |name: &str| match name {
            "TESTERO_URL" => Some(OsString::from("http://a:1")),
            "TOKEN" => Some(OsString::from("secret")),
            _ => None,
        };
        let read = |words: &[&str]| {
            let job = read("status", Parser::from_args(words), &known, || unreachable!()).unwrap().unwrap();
            (job.url, job.token)
        };
        assert_eq!(read(&[]), (String::from("http://a:1"), Some(TokenSource::Value(String::from("secret")))));
        let words = ["--url", "http://b/x", "--token-file", "/t"];
        assert_eq!(read(&words), (String::from("http://b/x"), Some(TokenSource::File(PathBuf::from("/t")))));
        assert_eq!(read(&["--token=t"]).1, Some(TokenSource::Value(String::from("t"))));
    }

    proptest::proptest! {
        #[test]
        fn no_words_make_it_panic(
            command in proptest::sample::select(COMMANDS.iter().map(|(command, _)| *command).collect::<Vec<_>>()),
            words in proptest::collection::vec("(--)?[a-z=:.0-9-]{0,10}", 0..5),
        ) {
            let words: Vec<&str> = [command].into_iter().chain(words.iter().map(String::as_str)).collect();
            let _ = job(&words);
        }
    }
}
