//! JSON as we write it (RFC 8259): each value is its text from the beginning, since a tree of them would only be built to
//! be written. We read none here.

use std::fmt::{self, Write as _};

use crate::units::decimal::Plain;

/// A JSON value, written.
#[derive(Clone, Debug, PartialEq)]
pub struct Value(String);

/// What can be written as JSON.
pub trait ToJson {
    /// Appends it.
    fn write(&self, out: &mut String);
}

/// A number to the thousandth: more would be noise.
pub fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// An object from its members: `object! { "a": 1, "b": "two" }`.
#[macro_export]
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "an object may have no members")]
        let mut object = $crate::service::json::Value::object();
        $(object.add($name, &$value);)*
        object
    }};
}

impl Value {
    /// `value`, written.
    pub fn of(value: &dyn ToJson) -> Self {
        let mut text = String::new();
        value.write(&mut text);
        Self(text)
    }

    /// An object without members.
    pub fn object() -> Self {
        Self(String::from("{}"))
    }

    /// One more member of an object.
    #[inline(never)]
    pub fn add(&mut self, name: &str, value: &dyn ToJson) {
        debug_assert!(self.0.ends_with('}'), "{} is no object", self.0);
        self.0.pop();
        if self.0.len() > 1 {
            self.0.push(',');
        }
        name.write(&mut self.0);
        self.0.push(':');
        value.write(&mut self.0);
        self.0.push('}');
    }

    /// The same object with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToJson) -> Self {
        self.add(name, &value);
        self
    }

    /// One object of the members of two; the other one may be text of ours, without blanks at its ends.
    #[must_use]
    pub fn joined(mut self, other: &str) -> Self {
        let members = other.strip_prefix('{').unwrap_or(other);
        self.0.pop();
        if self.0.len() > 1 && members != "}" {
            self.0.push(',');
        }
        self.0.push_str(members);
        self
    }
}

/// A list.
pub fn list(values: &mut dyn Iterator<Item = Value>) -> Value {
    let mut text = String::from("[");
    for (place, Value(value)) in values.enumerate() {
        text.push_str(if place > 0 { "," } else { "" });
        text.push_str(&value);
    }
    text.push(']');
    Value(text)
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl ToJson for Value {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl ToJson for str {
    fn write(&self, out: &mut String) {
        out.push('"');
        let mut plain = 0;
        for (at, byte) in self.bytes().enumerate() {
            // DEL is allowed, and harmless to escape: a log line of JSON stays printable.
            if byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f {
                continue;
            }
            out.push_str(&self[plain..at]);
            plain = at + 1;
            match byte {
                b'"' => out.push_str("\\\""),
                b'\\' => out.push_str("\\\\"),
                b'\n' => out.push_str("\\n"),
                b'\r' => out.push_str("\\r"),
                b'\t' => out.push_str("\\t"),
                other => _ = write!(out, "\\u{other:04x}"),
            }
        }
        out.push_str(&self[plain..]);
        out.push('"');
    }
}

impl ToJson for &str {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

impl ToJson for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

/// A number; what is not finite is written as `null`.
impl ToJson for f64 {
    fn write(&self, out: &mut String) {
        match self.is_finite() {
            true => _ = write!(out, "{}", Plain(*self)),
            false => out.push_str("null"),
        }
    }
}

/// A whole number of any length, in decimal digits.
pub struct Digits(pub String);

impl ToJson for Digits {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

macro_rules! as_displayed {
    ($($type:ty),*) => {
        $(impl ToJson for $type {
            fn write(&self, out: &mut String) {
                _ = write!(out, "{self}");
            }
        })*
    };
}

as_displayed!(bool, u64, u32, i64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json() {
        let value = object! {
            "a": 1u64, "b": -2i64, "c": 1.5, "d": f64::NAN, "e": None::<u64>, "f": true,
            "g": list(&mut [Value::of(&"x"), object! {}].into_iter()), "h": u64::MAX,
        };
        let text = r#"{"a":1,"b":-2,"c":1.5,"d":null,"e":null,"f":true,"g":["x",{}],"h":18446744073709551615}"#;
        assert_eq!(value.to_string(), text);
    }

    #[test]
    fn two_objects_become_one() {
        let (none, one) = (object! {}, object! { "a": 1u64 });
        assert_eq!(one.clone().joined(r#"{"b":2}"#).to_string(), r#"{"a":1,"b":2}"#);
        assert_eq!(one.clone().joined("{}"), one);
        assert_eq!(none.clone().joined(&one.to_string()), one);
        assert_eq!(none.clone().joined("{}"), none);
    }

    #[test]
    fn text_is_escaped() {
        let text = Value::of(&"é\"\\\n\r\t\u{0}\u{1f}\u{7f}😀");
        assert_eq!(text.to_string(), "\"é\\\"\\\\\\n\\r\\t\\u0000\\u001f\\u007f😀\"");
    }

    proptest::proptest! {
        #[test]
        fn no_text_ends_its_string_early(text: String) {
            let written = Value::of(&text).to_string();
            let inside = &written[1..written.len() - 1];
            proptest::prop_assert!(!inside.bytes().any(|byte| byte < 0x20));
            let mut escaped = false;
            for byte in inside.bytes() {
                proptest::prop_assert!(escaped || byte != b'"');
                escaped = !escaped && byte == b'\\';
            }
            proptest::prop_assert!(!escaped);
        }
    }
}
