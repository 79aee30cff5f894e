//! What came back, in JSON: an error, a receipt, a line of progress.

use tinyjson::JsonValue;

use super::Trouble;
use crate::wire::Reply;

/// An object, or what is none.
pub(super) struct Object(JsonValue);

impl Object {
    /// Reads it; what is no JSON is an object without members.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self(text.trim().parse().unwrap_or(JsonValue::Null))
    }

    /// A member, by the names on the way to it.
    fn member(&self, path: &[&str]) -> Option<&JsonValue> {
        path.iter()
            .try_fold(&self.0, |value, name| value.get::<std::collections::HashMap<String, JsonValue>>()?.get(*name))
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
    if reply.status < 400 {
        return Ok(object);
    }
    let words = match object.text(&["error", "message"]) {
        Some(message) => message.to_owned(),
        None => format!("the answer is {}, and does not say why: is this a testero?", reply.status),
    };
    Err(Trouble::Refused(words))
}
