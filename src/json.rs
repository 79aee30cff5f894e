//! JSON as we write it: a tree of values, and its text (RFC 8259). We read none.

use std::fmt;

use crate::decimal::Plain;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A whole number of any length, in decimal digits.
    Digits(String),
    /// Any other number; what is not finite is written as `null`.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object; its members keep their order.
    Object(Vec<(&'static str, Value)>),
}

/// A number to the thousandth: more would be noise.
pub fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// An object from its members: `object! { "a": 1, "b": "two" }`.
#[macro_export]
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => {
        $crate::json::Value::Object(vec![$(($name, $crate::json::Value::from($value))),*])
    };
}

impl Value {
    /// The same object with one more member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if let Self::Object(members) = &mut self {
            members.push((name, value.into()));
        }
        self
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => value.fmt(out),
            Self::Int(value) => value.fmt(out),
            Self::Digits(digits) => out.write_str(digits),
            Self::Float(value) if value.is_finite() => Plain(*value).fmt(out),
            Self::Float(_) => out.write_str("null"),
            Self::Text(text) => write_text(out, text),
            Self::List(values) => {
                out.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    out.write_str(if place > 0 { "," } else { "" })?;
                    value.fmt(out)?;
                }
                out.write_str("]")
            }
            Self::Object(members) => {
                out.write_str("{")?;
                for (place, (name, value)) in members.iter().enumerate() {
                    out.write_str(if place > 0 { "," } else { "" })?;
                    write_text(out, name)?;
                    out.write_str(":")?;
                    value.fmt(out)?;
                }
                out.write_str("}")
            }
        }
    }
}

fn write_text(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        // DEL is allowed, and harmless to escape: a log line of JSON stays printable.
        if byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f {
            continue;
        }
        out.write_str(&text[plain..at])?;
        plain = at + 1;
        match byte {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            other => write!(out, "\\u{other:04x}")?,
        }
    }
    out.write_str(&text[plain..])?;
    out.write_str("\"")
}

macro_rules! from {
    ($($type:ty => $arm:expr),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                ($arm)(value)
            }
        })*
    };
}

from! {
    bool => Value::Bool,
    u64 => |value| Value::Int(i128::from(value)),
    u32 => |value| Value::Int(i128::from(value)),
    i64 => |value| Value::Int(i128::from(value)),
    usize => |value| Value::Int(value as i128),
    f64 => Value::Float,
    &str => |value: &str| Value::Text(value.to_owned()),
    String => Value::Text,
    Vec<Value> => Value::List,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json() {
        let value = object! {
            "a": 1u64, "b": -2i64, "c": 1.5, "d": f64::NAN, "e": None::<u64>, "f": true,
            "g": vec![Value::from("x"), object! {}], "h": u64::MAX,
        };
        let text = r#"{"a":1,"b":-2,"c":1.5,"d":null,"e":null,"f":true,"g":["x",{}],"h":18446744073709551615}"#;
        assert_eq!(value.to_string(), text);
    }

    #[test]
    fn text_is_escaped() {
        let text = Value::from("é\"\\\n\r\t\u{0}\u{1f}\u{7f}😀");
        assert_eq!(text.to_string(), "\"é\\\"\\\\\\n\\r\\t\\u0000\\u001f\\u007f😀\"");
    }

    proptest::proptest! {
        #[test]
        fn no_text_ends_its_string_early(text: String) {
            let written = Value::from(text.as_str()).to_string();
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
