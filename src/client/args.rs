//! The arguments become a job.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::client::call::Call;
use crate::client::commands::{COMMANDS, COMPLETE, SHELLS, Verb, flags_of, verbs_of};
use crate::client::completions::{Shell, glued};
use crate::client::flags::{CONNECTION, Flag, Takes};
use crate::client::help;
use crate::client::http::Http;
use crate::client::output::Output;
use crate::client::said::{Arguments, did_you_mean, unit_of};
#[cfg(feature = "scenario")]
use crate::client::scenario::words::ScenarioCall;
use crate::client::spread::{By, Spread};
use crate::client::status::Show;
use crate::client::top::{Overview, RowOrder};
use crate::client::{Action, ClientCommand, PATIENCE};
use crate::http::client::{Url, with_port};
use crate::parameters::{AMOUNT, MS, STATUS_CODE};
use crate::settings::token::TokenSource;
use crate::units::duration::span;
use crate::units::quantity::Unit;

/// What the words ask for.
#[derive(Debug)]
pub enum Understood {
    /// This text.
    Help(String),
    /// That something is done.
    Do(Box<ClientCommand>),
}

/// Reads what follows a command's first word.
///
/// # Errors
/// One line that says what is wrong and what would be right.
pub fn read(
    command: &str,
    mut parser: Parser,
    variable: &dyn Fn(&str) -> Option<OsString>,
    default_url: &dyn Fn() -> Result<String, String>,
) -> Result<Understood, String> {
    if command == COMPLETE {
        let words = parser.raw_args().map_err(|error| error.to_string())?;
        let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        // Whom the line is about, as far as it is written.
        let (url, token) = whom(&of_connection(&words), variable, default_url).unwrap_or_default();
        return Ok(Understood::Do(Box::new(ClientCommand {
            url,
            token,
            ..ClientCommand::local(Action::Complete(words))
        })));
    }
    let verbs = verbs_of(command);
    let (mut second, mut said): (Option<String>, _) = (None, Arguments::default());
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let known = flags(verbs, second.as_deref());
        let find = |is: &dyn Fn(&Flag) -> bool| known.iter().copied().find(|flag| is(flag));
        let (flag, shown) = match argument {
            Arg::Short('h') | Arg::Long("help") => {
                if second.is_some() {
                    verb_of(command, verbs, second.as_deref())?;
                }
                return Ok(Understood::Help(help::of(command, second.as_deref()).unwrap_or_default()));
            }
            Arg::Value(word) => {
                let word = text(word, "an argument")?;
                if second.is_none() && verbs.len() > 1 {
                    second = Some(word);
                } else {
                    said.words.push(word);
                }
                continue;
            }
            Arg::Short(letter) if letter.is_ascii_digit() => {
                return Err(format!("'-{letter}…': an amount is not below zero"));
            }
            Arg::Short(letter) => (find(&|flag| char::from(flag.letter) == letter), format!("-{letter}")),
            Arg::Long(name) => (find(&|flag| flag.name == name), format!("--{name}")),
        };
        let Some(flag) = flag else {
            let mut names = known.iter().map(|flag| flag.name);
            let near = did_you_mean(shown.trim_start_matches('-'), "--", &mut names);
            return Err(format!("unknown option '{shown}'{near}"));
        };
        let value = match flag.takes {
            Takes::Nothing => String::from("true"),
            _ => text(parser.value().map_err(|_| format!("option '{shown}' needs a value"))?, &shown)?,
        };
        said.add(flag, value);
    }
    if command == "completions" {
        return completions(&said.words).map(|job| Understood::Do(Box::new(job)));
    }
    let verb = verb_of(command, verbs, second.as_deref())?;
    let called = format!("testero {command} {}", verb.word).trim_end().to_owned();
    said.checked(verb, &called)?;
    let what = match command {
        "http" => {
            let timeout = said.value("timeout").map_or(Ok(PATIENCE), span)?;
            Action::Http(Http::parse(&said.words, timeout)?)
        }
        #[cfg(feature = "scenario")]
        "scenario" => {
            let timeout = said.value("timeout").map(span).transpose()?;
            let services = said.services()?;
            Action::Scenario(ScenarioCall::parse(verb.word, &said.words, services, &|flag| said.has(flag), timeout)?)
        }
        _ => {
            said.has_operand(verb, &called)?;
            if verb.word == "load" {
                said.takes_the_amount(command)?;
            }
            what(command, verb.word, &said)?
        }
    };
    let (url, token) = whom(&said, variable, default_url)?;
    let remedy = if said.has("url") { format!(" --url {url}") } else { String::new() };
    let output = said.output();
    Ok(Understood::Do(Box::new(ClientCommand { what, url, token, output, remedy })))
}

/// Whom to ask, and with which token.
fn whom(
    said: &Arguments,
    variable: &dyn Fn(&str) -> Option<OsString>,
    default_url: &dyn Fn() -> Result<String, String>,
) -> Result<(String, Option<TokenSource>), String> {
    let url = match (said.value("url"), variable("TESTERO_URL")) {
        (Some(url), _) => url.to_owned(),
        (None, Some(url)) if !url.is_empty() => text(url, "TESTERO_URL")?,
        _ => default_url()?,
    };
    is_base(&url)?;
    Ok((url, token(said, variable)?))
}

/// Whether paths of ours can be asked for below a URL.
fn is_base(url: &str) -> Result<(), String> {
    // Who is told of it need not see a password.
    if let Some((_, host)) = url.rsplit_once('@') {
        return Err(format!("the URL has a user before {host}, which is never sent: --token says who asks"));
    }
    let parts = Url::parse(url).map_err(|error| format!("'{url}': {error}"))?;
    if url.contains(['?', '#']) {
        return Err(format!("'{url}': a query or fragment cannot stand in front of a path"));
    }
    let place = with_port(parts.authority, 80);
    let (host, port) = place.rsplit_once(':').unwrap_or_default();
    if port.parse::<u16>().is_err() {
        return Err(format!("'{url}': {port} is no port"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!("'{url}': an IPv6 address stands in brackets, like http://[::1]:8080"));
    }
    Ok(())
}

/// The flags among words that say whom to ask.
fn of_connection(words: &[String]) -> Arguments {
    let mut said = Arguments::default();
    let mut words = glued(words).into_iter().filter(|word| word != "=");
    while let Some(word) = words.next() {
        let flag = word.strip_prefix("--").unwrap_or_default();
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        if let Some(flag) = CONNECTION.iter().find(|flag| flag.name == name) {
            said.add(flag, value.or_else(|| words.next()).unwrap_or_default());
        }
    }
    said
}

/// The flags of a verb before those of all: what another verb takes is told as such.
fn flags(verbs: &'static [Verb], second: Option<&str>) -> Vec<&'static Flag> {
    let mut all = Vec::new();
    if let Some(verb) = verbs.iter().find(|verb| second == Some(verb.word)) {
        all.extend(verb.flags());
    }
    all.extend(flags_of(verbs));
    all
}

/// The verb that is meant by the second word.
fn verb_of(command: &str, verbs: &'static [Verb], second: Option<&str>) -> Result<&'static Verb, String> {
    if let ([only], None) = (verbs, second) {
        return Ok(only);
    }
    if let Some(verb) = verbs.iter().find(|verb| verb.word == second.unwrap_or_default()) {
        return Ok(verb);
    }
    let mut known = Vec::new();
    verbs.iter().filter(|verb| !verb.word.is_empty()).for_each(|verb| known.push(verb.word));
    let all = known.join(", ");
    Err(match second {
        Some(word) => {
            // What another command calls it.
            let same = [("set", "load"), ("start", "load"), ("release", "stop"), ("load", "set"), ("stop", "release")];
            let same = same.into_iter().find(|(one, other)| *one == word && known.contains(other));
            let near = match same {
                Some((_, same)) => format!("; did you mean 'testero {command} {same}'?"),
                None => did_you_mean(word, &format!("testero {command} "), &mut known.into_iter()),
            };
            format!("testero {command} {}: there is {all}{near}", word.escape_debug())
        }
        None => format!("testero {command}: say {all}"),
    })
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
    Ok(ClientCommand::local(Action::Completions(shell)))
}

fn what(command: &str, word: &str, said: &Arguments) -> Result<Action, String> {
    let unit = unit_of(if command == "spread" { word } else { command });
    // A plan is told at once: there is nothing to wait for. Of the release of everything no progress is told.
    let wait = said.has("wait") && !said.has("dry-run") && command != "release";
    let call = |method, path: String, parameters: Vec<(&'static str, String)>, done: &str| {
        let done = done.to_owned();
        Ok(Action::Call(Call { method, path, parameters, wait, unit, done }))
    };
    let known = || COMMANDS.iter().map(|known| known.name).find(|known| *known == command);
    match (command, word) {
        ("status", _) => Ok(Action::Show(Show { group: None, watch: said.has("watch") })),
        (_, "get") => Ok(Action::Show(Show { group: known(), watch: false })),
        ("top", _) => Ok(Action::Top(Overview {
            services: said.services()?,
            order: RowOrder::of(said.value("sort-by").unwrap_or("memory")),
            watch: said.has("watch"),
            measures: true,
        })),
        ("spread", _) => spread(word, said),
        ("fault", _) => fault(word, said, &call),
        ("ready", "") | ("health", "show") => {
            Ok(Action::Probe(if command == "ready" { "/readyz" } else { "/healthz" }))
        }
        (group, "set") => {
            said.amount(unit)?;
            let mut parameters = vec![(AMOUNT.name, said.words[0].clone())];
            parameters.extend(said.of_set(group, unit)?);
            call("POST", format!("/api/{group}/set"), parameters, "done")
        }
        (group, "load") => call("POST", format!("/api/{group}/load"), said.of_load(unit)?, "done"),
        (group, "release") => call("DELETE", format!("/api/{group}"), said.parameters(unit)?, "released"),
        (group, "stop") => call("DELETE", format!("/api/{group}"), Vec::new(), "stopped"),
        ("release", _) => {
            let done = if said.has("wait") { "everything is released" } else { "accepted: everything is given back" };
            call("DELETE", String::from("/api"), said.parameters(unit)?, done)
        }
        (probe, verb) => {
            let path = if probe == "ready" { "/readyz" } else { "/healthz" };
            let time = said.value("for").map_or_else(String::new, |time| format!(" for {time}"));
            call("POST", format!("{path}/{verb}"), said.parameters(unit)?, &format!("{path} is {verb}d{time}"))
        }
    }
}

/// Makes a call of a method, a path, parameters, and what is said when it is done.
type CallMaker<'m> = dyn Fn(&'static str, String, Vec<(&'static str, String)>, &str) -> Result<Action, String> + 'm;

fn fault(word: &str, said: &Arguments, call: &CallMaker<'_>) -> Result<Action, String> {
    let operand = said.words.first().map_or("", String::as_str);
    let number = |least: u64, most: u64| match operand.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(operand.to_owned()),
        _ => Err(format!("testero fault {word}: '{operand}' is no number from {least} to {most}")),
    };
    let mut parameters = said.parameters(Unit::Count)?;
    match word {
        "" => return Ok(Action::Faults),
        "end" => {
            let names = verbs_of("fault").iter().map(|verb| verb.word).filter(|word| !matches!(*word, "" | "end"));
            if !operand.is_empty() && !names.clone().any(|name| name == operand) {
                let near = did_you_mean(operand, "testero fault end ", &mut names.clone());
                let all = names.collect::<Vec<_>>().join(", ");
                return Err(format!("testero fault end {operand}: there is {all}{near}"));
            }
            let path = format!("/fault/{operand}");
            return call("DELETE", path.trim_end_matches('/').to_owned(), Vec::new(), "");
        }
        "delay" => {
            let ms = span(operand)?.as_millis();
            if !(1..=60_000).contains(&ms) {
                return Err(format!("testero fault delay: '{operand}' is not from 1ms to 60s"));
            }
            parameters.push((MS.name, ms.to_string()));
        }
        "status" => parameters.push((STATUS_CODE.name, number(400, 599)?)),
        "log" => parameters.push((crate::parameters::LINES.name, number(1, 10_000_000)?)),
        _ => {}
    }
    call("POST", format!("/fault/{word}"), parameters, "")
}

fn spread(group: &str, said: &Arguments) -> Result<Action, String> {
    let (unit, services) = (unit_of(group), said.services()?);
    if services.is_empty() {
        return Err(String::from("testero spread: over which pods? --service testero-headless:8080"));
    }
    let named = |name: &str| ["mem", "disk", "cpu"].into_iter().find(|known| *known == name);
    match group {
        "status" => {
            return Ok(Action::Top(Overview { services, order: RowOrder::Name, watch: false, measures: false }));
        }
        "release" => {
            let group = match said.words.first() {
                Some(word) => named(word).ok_or_else(|| format!("testero spread release {word}: mem, disk or cpu"))?,
                None => "",
            };
            return Ok(Action::SpreadRelease(services, group));
        }
        _ => {}
    }
    let by = if said.value("by") == Some("available") { By::Available } else { By::Even };
    let group = named(group).unwrap_or("mem");
    let parameters = if group == "cpu" { said.of_load(unit)? } else { said.of_set(group, unit)? };
    Ok(Action::Spread(Spread {
        group,
        amount: said.amount(unit)?,
        words: said.words[0].clone(),
        parameters,
        services,
        by,
        // What is held is held at once; a load would be waited for as long as it lasts.
        wait: group != "cpu" || said.has("wait"),
        unit,
    }))
}

fn token(said: &Arguments, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<TokenSource>, String> {
    let named = |name: &str| match variable(name) {
        Some(value) if !value.is_empty() => text(value, name).map(Some),
        _ => Ok(None),
    };
    let file = |path: String| TokenSource::File(PathBuf::from(path));
    let value = |token: String| TokenSource::Value(token.trim().to_owned());
    if let Some(token) = said.value("token") {
        return Ok(Some(value(token.to_owned())));
    }
    if let Some(path) = said.value("token-file") {
        return Ok(Some(file(path.to_owned())));
    }
    // Those that the service itself has: the command runs beside it.
    Ok(named("TOKEN")?.map(value).or(named("TOKENFILE")?.map(file)))
}

impl ClientCommand {
    /// What asks no service.
    fn local(what: Action) -> Self {
        Self { what, url: String::new(), token: None, output: Output::default(), remedy: String::new() }
    }
}

#[cfg(test)]
mod tests;
