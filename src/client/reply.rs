//! What came back, in JSON: an error, a receipt, a line of progress.

use tinyjson::JsonValue;

use crate::client::Trouble;
use crate::http::client::Reply;

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
    let object = Object::read(&reply.body);
    match (reply.status, object.text(&["error", "message"])) {
        // In lines there is no body.
        (200..300, _) if object.is_object() || reply.in_lines => Ok(object),
        (401, Some(message)) => Err(Trouble::Refused(format!(
            "{}: --token-file FILE, --token TOKEN or the variable TOKEN",
            printable(message)
        ))),
        (_, Some(message)) => Err(Trouble::Refused(printable(message).replace('\n', " "))),
        (status, None) => Err(stranger(status)),
    }
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
