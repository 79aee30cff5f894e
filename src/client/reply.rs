//! What came back, in JSON: an error, a receipt, a line of progress.

use tinyjson::JsonValue;

use crate::client::Trouble;
use crate::client::commands::all_flags;
use crate::http::client::Reply;
use crate::units::quantity::{Unit, in_words as amount};

/// Deepest nesting: a testero's own is 5.
const MOST_LEVELS: usize = 32;

/// An object, or what is none.
pub(super) struct Object(JsonValue);

impl Object {
    /// Reads it; what is no JSON is an object without members.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        // The parser calls itself for each level.
        let value = (depth(bytes) <= MOST_LEVELS).then(|| text.trim().parse().ok()).flatten();
        Self(value.unwrap_or(JsonValue::Null))
    }

    /// A member, by the names on the way to it.
    fn member(&self, path: &[&str]) -> Option<&JsonValue> {
        path.iter()
            .try_fold(&self.0, |value, name| value.get::<std::collections::HashMap<String, JsonValue>>()?.get(*name))
    }

    /// Whether it is one.
    fn is_object(&self) -> bool {
        self.0.get::<std::collections::HashMap<String, JsonValue>>().is_some()
    }

    /// Whether it is anything but what could not be read.
    pub(super) fn is_something(&self) -> bool {
        !self.0.is_null()
    }

    /// Whether there is a member.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.member(path).is_some()
    }

    /// A member that is true.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.member(path).and_then(|value| value.get::<bool>()).copied().unwrap_or_default()
    }

    /// What is in a member that is a list.
    fn items(&self, path: &[&str]) -> &[JsonValue] {
        self.member(path).and_then(|value| value.get::<Vec<JsonValue>>()).map_or(&[], Vec::as_slice)
    }

    /// The texts of a member that is a list of them.
    pub(super) fn texts(&self, path: &[&str]) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.items(path) {
            texts.extend(item.get::<String>().map(|text| printable(text)));
        }
        texts
    }

    /// A text of each object of a member that is a list of them.
    pub(super) fn texts_of(&self, path: &[&str], name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.items(path) {
            let members = item.get::<std::collections::HashMap<String, JsonValue>>();
            let text = members.and_then(|members| members.get(name)?.get::<String>());
            texts.extend(text.map(|text| printable(text)));
        }
        texts
    }

    /// A member that is text.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        self.member(path)?.get::<String>().map(String::as_str)
    }

    /// A member that is a number.
    pub(super) fn number(&self, path: &[&str]) -> Option<f64> {
        self.member(path)?.get::<f64>().copied()
    }

    /// A member that is a whole number.
    pub(super) fn whole(&self, path: &[&str]) -> u64 {
        self.number(path).map_or(0, |number| number as u64)
    }
}

/// The object of a reply that is none of an error.
///
/// # Errors
/// What the service says was wrong.
pub(super) fn good(reply: &Reply) -> Result<Object, Trouble> {
    good_of(reply, "")
}

/// The same, of what was asked of a group.
pub(super) fn good_of(reply: &Reply, group: &str) -> Result<Object, Trouble> {
    let object = Object::read(&reply.body);
    match (reply.status, object.text(&["error", "message"])) {
        // In lines there is no body.
        (200..300, _) if object.is_object() || reply.in_lines => Ok(object),
        (_, Some(message)) => Err(Trouble::Refused(own_words(&printable(message).replace('\n', " "), group))),
        (status, None) => Err(stranger(status)),
    }
}

/// The receipt of a change: of what another service says to it nobody knows what it means.
///
/// # Errors
/// What the service says was wrong, or that it is none of ours.
pub(super) fn receipt_of(reply: &Reply, group: &str) -> Result<Object, Trouble> {
    let object = good_of(reply, group)?;
    let is_ours =
        reply.in_lines || ["id", "ids", "group", "groups", "done", "dry_run"].iter().any(|name| object.has(&[name]));
    if is_ours { Ok(object) } else { Err(stranger(reply.status)) }
}

/// What is wrong with the token, where the answer is 401.
pub(super) fn token_trouble(token: Option<&str>) -> &'static str {
    match token {
        None => "no token was given: --token-file FILE, --token TOKEN or the variable TOKEN",
        Some(_) => "the token was refused: it is not the one that the service wants",
    }
}

/// A service's words as those of the command line: flags for parameters, commands for methods, and bytes as people read
/// them.
pub(super) fn own_words(message: &str, group: &str) -> String {
    let end = match group {
        "cpu" | "io" => format!("testero {group} stop"),
        group => format!("testero {group} release").replace("  ", " "),
    };
    let message = with_a_flag(message)
        .replace("POST gives one", "testero scenario run FILE gives one")
        .replace("; GET /api lists what there is, and /openapi.json describes it", ": does the URL lead to a testero?")
        .replace(
            "this status was asked for, at /fault/status",
            "a fault answers so, as was asked for; testero fault tells which, testero fault end ends it",
        )
        .replace("DELETE", &end)
        .replace("Server busy, try again later", "work of this group runs; testero status tells how far it is")
        .replace("/api/status tells", "testero status tells")
        .replace("/api/disk/set", "testero disk set")
        .replace("rate and over are", "--rate and --over are")
        .replace("with exact=true", "without --rounded");
    let mut words = String::new();
    let mut rest = message.as_str();
    while let Some(place) = rest.find("=true") {
        let (before, behind) = rest.split_at(place);
        let name = before.rfind(|c: char| !c.is_ascii_lowercase() && c != '_').map_or(0, |place| place + 1);
        let flag = before[name..].replace('_', "-");
        words += &format!("{}--{flag}", &before[..name]);
        rest = &behind["=true".len()..];
    }
    in_people_s_units(&(words + rest))
}

/// A message that begins with a parameter, with the flag in its place that became it.
fn with_a_flag(message: &str) -> String {
    let end = message.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(message.len());
    let (name, rest) = message.split_at(end);
    let is_told = rest.starts_with(['=', ':']) || rest.starts_with(" must ");
    match all_flags().into_iter().find(|flag| is_told && !name.is_empty() && flag.parameter == name) {
        Some(flag) => format!("--{}{rest}", flag.name),
        None => message.to_owned(),
    }
}

/// `1073741824 bytes (1.0 GiB)`, and the same without what is in parentheses, as `1.0 GiB`.
fn in_people_s_units(message: &str) -> String {
    let (mut words, mut rest) = (String::new(), message);
    while let Some(place) = rest.find(" bytes") {
        let (before, behind) = rest.split_at(place);
        let digits = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |place| place + 1);
        rest = &behind[" bytes".len()..];
        let Ok(bytes) = before[digits..].parse() else {
            words += before;
            words += " bytes";
            continue;
        };
        let told = amount(bytes, Unit::Bytes);
        rest = rest.strip_prefix(&format!(" ({told})")).unwrap_or(rest);
        words += &before[..digits];
        words += &told;
    }
    words + rest
}

/// What does not answer as a testero does.
pub(super) fn stranger(status: u16) -> Trouble {
    Trouble::Refused(format!("the answer is {status}, and not that of a testero: is this a testero?"))
}

/// Without what would drive a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// How deeply it is nested at most; brackets in strings count as well.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in bytes {
        match byte {
            b'[' | b'{' => now += 1,
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_words_become_the_command_lines() {
        for (said, group, told) in [
            (
                "a load runs; replace=true takes its place, DELETE ends it",
                "cpu",
                "a load runs; --replace takes its place, testero cpu stop ends it",
            ),
            (
                "work of this group runs; /api/status tells how far it is, DELETE ends it",
                "mem",
                "work of this group runs; testero status tells how far it is, testero mem release ends it",
            ),
            (
                "1073741824 bytes (1.0 GiB) is over the limit of 10000000 bytes (9.5 MiB) (HIGHMEMLIM)",
                "mem",
                "1.0 GiB is over the limit of 9.5 MiB (HIGHMEMLIM)",
            ),
            ("Server busy, try again later", "mem", "work of this group runs; testero status tells how far it is"),
            ("ttl must be longer than 0", "mem", "--ttl must be longer than 0"),
            ("percent=\"101\" is no number", "fault", "--percent=\"101\" is no number"),
            ("over the limit: 5", "mem", "over the limit: 5"),
            ("there is no scenario; POST gives one", "", "there is no scenario; testero scenario run FILE gives one"),
            ("only 2048 bytes are left", "", "only 2.0 KiB are left"),
            ("many bytes, dry_run=true", "", "many bytes, --dry-run"),
            ("=true", "", "--"),
        ] {
            assert_eq!(own_words(said, group), told);
        }
    }
}
