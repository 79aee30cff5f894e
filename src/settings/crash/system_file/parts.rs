//! What is written and started, which pods there are, and what uses the system.

use std::time::Duration;

use crate::http::client::Url;
use crate::settings::config_reader::ConfigValue;
use crate::settings::crash::places::{TextPlace, filled};
use crate::settings::crash::system::{
    FileConfig, HttpLoadConfig, LoadConfig, PartConfig, PodsConfig, ProbeConfig, ReadyConfig,
};
use crate::settings::crash::system_file::values::{MOST_COPIES, MOST_PARTS, SystemReader};

/// The most files.
const MOST_FILES: usize = 16;
/// The longest text of a file, in bytes.
const MOST_FILE_TEXT: usize = 64 * 1024;
/// The most variables of a part.
const MOST_VARIABLES: usize = 64;
/// The longest variable, in bytes.
const MOST_VALUE: usize = 4096;
/// The longest name, so that with a number it is that of a file or a socket.
const MOST_NAME: usize = 40;
/// The most clients of a load: each has a thread.
const MOST_CLIENTS: u64 = 256;
/// More requests a second than this program makes.
const MOST_RATE: u64 = 1_000_000;
/// How many clients there are unless told otherwise.
const CLIENTS: u64 = 4;
/// Within what time a part must be ready unless told otherwise.
const READY: Duration = Duration::from_secs(30);
/// Within what time pods must be ready again unless told otherwise.
const PODS_READY: Duration = Duration::from_secs(60);
/// Within what time an answer must be there unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The files that are written.
pub(super) fn files<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Vec<FileConfig> {
    let mut all = Vec::new();
    let Some(at) = reader.config.optional(of, "files") else { return all };
    for (key, value) in reader.members(&at, MOST_FILES) {
        let path = reader.placed_text(&key, MOST_VALUE, false);
        if path.is_empty() {
            reader.config.fault(&key, "expected the path of a file");
        }
        all.push(FileConfig { path, text: reader.placed_text(&value, MOST_FILE_TEXT, false) });
    }
    all
}

/// The parts.
pub(super) fn run<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Vec<PartConfig> {
    let mut all = Vec::new();
    for at in &reader.list(of, "run", MOST_PARTS) {
        if !reader.keys(at, &["name", "command", "copies", "env", "ready"]) {
            continue;
        }
        let name = name(reader, at);
        let command = reader.command(at, "command", true);
        let copies = reader.number_or(at, "copies", 1, MOST_COPIES, 1) as u32;
        let env = env(reader, at);
        let ready = reader.config.optional(at, "ready").and_then(|ready| self::ready(reader, &ready));
        all.push(PartConfig { name, command, copies, env, ready });
    }
    all
}

/// A name that no other part or pods have. Others are made of it: `db.1`, and files.
fn name<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> String {
    let Some(at) = reader.required(of, "name") else { return String::new() };
    let name = at.node.text().unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.len() <= MOST_NAME;
    if !is_name {
        reader.config.fault(
            &at,
            format_args!(
                "expected a letter, and letters, digits and '-' behind it, {MOST_NAME} in all and none of them large, \
                 instead got {}",
                at.node
            ),
        );
    } else if name == "load" {
        reader.config.fault(&at, "this is the name of the load in reports");
    } else if let Some((_, line)) = reader.seen.iter().find(|(seen, _)| *seen == name) {
        reader.config.fault(&at, format_args!("the name {name} is there twice, first in line {line}"));
    } else {
        reader.seen.push((name, at.node.line));
    }
    name.to_owned()
}

fn env<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let Some(at) = reader.config.optional(of, "env") else { return all };
    for (key, value) in reader.members(&at, MOST_VARIABLES) {
        let name = reader.text(&key, MOST_VALUE);
        if name.is_empty() || name.contains('=') {
            reader.config.fault(&key, "expected the name of a variable, which has no '='");
        }
        all.push((name.to_owned(), reader.placed_text(&value, MOST_VALUE, true)));
    }
    all
}

fn ready<'n>(reader: &mut SystemReader<'_, 'n>, at: &ConfigValue<'n>) -> Option<ReadyConfig> {
    const PROBES: [&str; 4] = ["http", "tcp", "command", "log"];
    if !reader.keys(at, &["http", "tcp", "command", "log", "within"]) {
        return None;
    }
    let within = reader.time(at, "within", READY);
    let (probe, value) = reader.one_of(at, &PROBES)?;
    let probe = match probe {
        "http" => ProbeConfig::Http(url(reader, at, "http", true)),
        "tcp" => {
            let place = reader.placed(at, "tcp", true);
            if !is_address(&stood_in(&place)) {
                let got = value.node;
                reader
                    .config
                    .fault(&value, format_args!("expected a place like 127.0.0.1:{{port}}, instead got {got}"));
            }
            ProbeConfig::Tcp(place)
        }
        "command" => ProbeConfig::Command(reader.command(at, "command", true)),
        _ => ProbeConfig::Log(reader.placed(at, "log", true)),
    };
    Some(ReadyConfig { probe, within })
}

/// An URL with places.
fn url<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>, key: &str, own: bool) -> String {
    let url = reader.placed(of, key, own);
    let Some(at) = of.get(key).filter(|_| !url.is_empty()) else { return url };
    if url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
        reader.config.fault(&at, "there is no TLS here: only http:// can be asked");
    } else if let Err(why) = Url::parse(&stood_in(&url)) {
        reader.config.fault(&at, format_args!("{why}; one is like http://127.0.0.1:{{port}}/readyz"));
    }
    url
}

/// A text with something in its places, to look at its shape.
fn stood_in(text: &str) -> String {
    filled(text, &|place| match place {
        TextPlace::Port | TextPlace::PortOf { .. } | TextPlace::Number => String::from("1"),
        TextPlace::Dir | TextPlace::Program | TextPlace::Log => String::from("/a"),
    })
}

/// `HOST:PORT`.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    // The colons of an IPv6 address are in brackets.
    let is_host = !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
    is_host && !text.contains(|c: char| c.is_whitespace()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Pods that are there already.
pub(super) fn pods<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Vec<PodsConfig> {
    let mut all = Vec::new();
    for at in &reader.list(of, "pods", MOST_PARTS) {
        if !reader.keys(at, &["name", "context", "namespace", "selector", "scale", "within"]) {
            continue;
        }
        let name = name(reader, at);
        let context = reader.optional_word(at, "context");
        let namespace = reader.optional_word(at, "namespace");
        let selector = reader.word(at, "selector");
        let scale = reader.optional_word(at, "scale");
        if let (Some(scale), Some(at)) = (&scale, at.get("scale"))
            && scale.split_once('/').is_none_or(|(kind, name)| kind.is_empty() || name.is_empty() || name.contains('/'))
        {
            reader
                .config
                .fault(&at, format_args!("expected what is scaled, like deployment/web, instead got {}", at.node));
        }
        for key in ["context", "namespace", "selector", "scale"] {
            // kubectl would take it for an option.
            if let Some(at) = at.get(key).filter(|at| at.node.text().is_some_and(|text| text.starts_with('-'))) {
                reader.config.fault(&at, format_args!("it begins with '-', instead got {}", at.node));
            }
        }
        let within = reader.time(at, "within", PODS_READY);
        all.push(PodsConfig { name, context, namespace, selector, scale, within });
    }
    all
}

/// What uses the system.
pub(super) fn load<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Option<LoadConfig> {
    let at = reader.config.optional(of, "load")?;
    if !reader.keys(&at, &["command", "http"]) {
        return None;
    }
    let (kind, value) = reader.one_of(&at, &["command", "http"])?;
    if kind == "command" {
        return Some(LoadConfig::Command(reader.command(&at, "command", false)));
    }
    let at = value;
    if !reader.keys(&at, &["url", "clients", "out", "rate", "timeout"]) {
        return None;
    }
    Some(LoadConfig::Http(HttpLoadConfig {
        url: url(reader, &at, "url", false),
        clients: reader.number_or(&at, "clients", 1, MOST_CLIENTS, CLIENTS) as u32,
        out: reader.placed(&at, "out", false),
        rate: reader.config.optional(&at, "rate").map(|rate| reader.number(&rate, 1, MOST_RATE)),
        timeout: reader.time(&at, "timeout", TIMEOUT),
    }))
}
