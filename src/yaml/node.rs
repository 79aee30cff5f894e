//! The tree that a file becomes, and what its scalars mean.

use std::fmt;
use std::fmt::Write;

/// How much of a value a message shows, in characters.
const MOST_SHOWN: usize = 80;

/// A value, and where it stands. What came from an alias stands where its anchor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The value.
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A text that may mean a number, a truth value or nothing.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Whether it has neither quotes nor the tag of a text: only then it may mean something else.
        is_plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the file. All keys are scalars, and no two have the same text.
    Mapping(Vec<(Node, Node)>),
}

/// What a scalar means by the core schema.
enum Meaning<'n> {
    Null,
    Bool(bool),
    Integer(i64),
    Float,
    Text(&'n str),
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The keys and values of a mapping.
    pub fn as_mapping(&self) -> Option<&[(Node, Node)]> {
        if let NodeKind::Mapping(pairs) = &self.kind { Some(pairs) } else { None }
    }

    /// The members of a sequence.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        if let NodeKind::Sequence(items) = &self.kind { Some(items) } else { None }
    }

    /// The text of a scalar, whatever it means.
    pub fn text(&self) -> Option<&str> {
        if let NodeKind::Scalar { text, .. } = &self.kind { Some(text) } else { None }
    }

    /// The text of a scalar that means no more than its text.
    pub fn as_str(&self) -> Option<&str> {
        if let Some(Meaning::Text(text)) = self.meaning() { Some(text) } else { None }
    }

    /// A whole number. One that is beyond 64 bits is the outermost one of them.
    pub fn as_integer(&self) -> Option<i64> {
        if let Some(Meaning::Integer(number)) = self.meaning() { Some(number) } else { None }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Some(Meaning::Bool(value)) = self.meaning() { Some(value) } else { None }
    }

    /// Whether it is the value that is none.
    pub fn is_null(&self) -> bool {
        matches!(self.meaning(), Some(Meaning::Null))
    }

    fn meaning(&self) -> Option<Meaning<'_>> {
        let NodeKind::Scalar { text, is_plain } = &self.kind else { return None };
        if !is_plain {
            return Some(Meaning::Text(text));
        }
        Some(match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Bool(true),
            "false" | "False" | "FALSE" => Meaning::Bool(false),
            text => match integer(text) {
                Some(number) => Meaning::Integer(number),
                None if is_float(text) => Meaning::Float,
                None => Meaning::Text(text),
            },
        })
    }

    /// Appends what a message shows, or enough of it.
    fn show(&self, out: &mut String) {
        let is_full = |out: &String| out.len() > 4 * MOST_SHOWN;
        match &self.kind {
            NodeKind::Scalar { text, is_plain: true } if text.is_empty() => out.push_str("null"),
            NodeKind::Scalar { text, .. } => show_text(text, out),
            NodeKind::Sequence(items) => {
                for (place, item) in items.iter().enumerate().take_while(|(place, _)| *place < MOST_SHOWN) {
                    out.push_str(if place == 0 { "[" } else { ", " });
                    item.show(out);
                    if is_full(out) {
                        return;
                    }
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            NodeKind::Mapping(pairs) => {
                for (place, (key, value)) in pairs.iter().enumerate().take_while(|(place, _)| *place < MOST_SHOWN) {
                    out.push_str(if place == 0 { "{" } else { ", " });
                    key.show(out);
                    out.push_str(": ");
                    value.show(out);
                    if is_full(out) {
                        return;
                    }
                }
                out.push_str(if pairs.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

/// The value in one line, cut short where it is long: for messages. Quotes are left out.
impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = String::new();
        self.show(&mut all);
        out.write_str(&shortened(&all))
    }
}

/// Appends a text with its line ends and control characters escaped, or enough of it.
fn show_text(text: &str, out: &mut String) {
    for c in text.chars().take(MOST_SHOWN + 1) {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `[-+]?[0-9]+`, `0o[0-7]+`, `0x[0-9a-fA-F]+`.
fn integer(text: &str) -> Option<i64> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, 8),
        (_, Some(digits)) => (digits, 16),
        _ => (text.strip_prefix(['-', '+']).unwrap_or(text), 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let is_negative = text.starts_with('-');
    let signed = |size: i64| if is_negative { -size } else { size };
    // All are digits, so it is only too long.
    Some(i64::from_str_radix(digits, radix).map_or(if is_negative { i64::MIN } else { i64::MAX }, signed))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, `[-+]?\.(inf|Inf|INF)`, `\.(nan|NaN|NAN)`.
fn is_float(text: &str) -> bool {
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => are_digits(fraction),
        Some((whole, fraction)) => are_digits(whole) && (fraction.is_empty() || are_digits(fraction)),
        None => are_digits(mantissa),
    };
    is_mantissa && exponent.is_none_or(are_digits)
}

/// Where a value is in the tree: `proxy.services[1].hosts[0].port`. Empty for the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePath(String);

impl NodePath {
    /// The value of this key. One that is more than a word is in brackets.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let is_word = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if is_word && key.len() <= MOST_SHOWN {
            return Self(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) });
        }
        let mut shown = String::new();
        show_text(key, &mut shown);
        Self(format!("{}[{}]", self.0, shortened(&shown)))
    }

    /// The member at this place, from 0.
    #[must_use]
    pub fn index(&self, place: usize) -> Self {
        let mut path = self.0.clone();
        // Writing to a String does not fail.
        let _ = write!(path, "[{place}]");
        Self(path)
    }

    /// Whether it is the root's.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
