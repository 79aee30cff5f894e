//! The query of a request target, decoded pair by pair, as the contract has it.

use std::borrow::Cow;

use super::target::percent_decode;

/// The raw query of a request target: `size=5&time=3`.
#[derive(Clone, Copy, Debug)]
pub struct Query<'b>(pub &'b [u8]);

/// A name and a value, decoded.
type Pair<'b> = (Cow<'b, [u8]>, Cow<'b, [u8]>);

impl<'b> Query<'b> {
    /// The value of `key`, decoded; of a repeated key the first counts, and an empty value counts as absent.
    ///
    /// A pair with a malformed escape or with a `;` in it is passed over. The value is bytes: it need not be UTF-8.
    pub fn value(self, key: &str) -> Option<Cow<'b, [u8]>> {
        self.pairs().find(|(name, _)| name.as_ref() == key.as_bytes()).map(|(_, value)| value).filter(|v| !v.is_empty())
    }

    /// All sound pairs, decoded, in the order sent.
    pub fn pairs(self) -> impl Iterator<Item = Pair<'b>> {
        self.raw().filter_map(decoded)
    }

    /// The first pair that is passed over, as it was sent.
    pub fn unsound(self) -> Option<&'b [u8]> {
        self.raw().find(|pair| decoded(pair).is_none())
    }

    /// Whether a pair of this name was sent, sound or not, with a value or without.
    pub fn names(self, name: &str) -> bool {
        self.raw().any(|pair| form_decode(halves(pair).0).is_some_and(|key| key.as_ref() == name.as_bytes()))
    }

    /// Whether this name was sent as a word of its own, without `=`.
    pub fn is_bare(self, name: &str) -> bool {
        self.raw().any(|pair| form_decode(pair).is_some_and(|word| word.as_ref() == name.as_bytes()))
    }

    fn raw(self) -> impl Iterator<Item = &'b [u8]> {
        self.0.split(|&b| b == b'&').filter(|pair| !pair.is_empty())
    }
}

/// A pair's name and value; `None` where it is passed over.
fn decoded(pair: &[u8]) -> Option<Pair<'_>> {
    if pair.contains(&b';') {
        return None;
    }
    let (key, value) = halves(pair);
    Some((form_decode(key)?, form_decode(value)?))
}

/// What stands before the first `=` of a pair, and after it.
fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|&b| b == b'=') {
        Some(sign) => (&pair[..sign], &pair[sign + 1..]),
        None => (pair, b""),
    }
}

/// Percent-decoding, where `+` is a space.
fn form_decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.contains(&b'+') {
        return percent_decode(text);
    }
    // The spaces first: a `%2B` must stay a plus sign.
    let spaced: Vec<u8> = text.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    percent_decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(query: &str) -> Option<String> {
        Query(query.as_bytes()).value("size").map(|v| String::from_utf8_lossy(&v).into_owned())
    }

    #[test]
    fn values_are_found_as_the_contract_has_it() {
        for (query, value) in [
            ("size=5", Some("5")),
            ("s%69ze=5", Some("5")),
            ("Size=5", None),
            ("size=", None),
            ("size", None),
            ("", None),
            ("size=&size=5", None),
            ("size=1&size=2", Some("1")),
            ("size=50%&size=7", Some("7")),
            ("a=%zz&size=5", Some("5")),
            ("size=5;a=1&size=6", Some("6")),
            ("a;b&size=6", Some("6")),
            ("size=1+2", Some("1 2")),
            ("size=%2B5", Some("+5")),
            ("&&size=5&&", Some("5")),
            ("size=a=b", Some("a=b")),
            ("x=1&size=%35", Some("5")),
            ("%zz=1&size=5", Some("5")),
        ] {
            assert_eq!(size(query).as_deref(), value, "{query}");
        }
    }

    #[test]
    fn names_are_found_whatever_stands_behind_them() {
        for (query, named, bare) in [
            ("size=5", true, false),
            ("size", true, true),
            ("a&s%69ze", true, true),
            ("size=", true, false),
            ("size=50%", true, false),
            ("size=5;x", true, false),
            ("size;x", false, false),
            ("x=size", false, false),
        ] {
            assert_eq!((Query(query.as_bytes()).names("size"), Query(query.as_bytes()).is_bare("size")), (named, bare));
        }
    }

    #[test]
    fn what_is_passed_over_can_be_told() {
        for (query, pair) in [
            ("", None),
            ("&&size=5&a", None),
            ("size=5&ttl=5m;x&a=%zz", Some("ttl=5m;x")),
            ("size=50%", Some("size=50%")),
            ("%zz=1", Some("%zz=1")),
        ] {
            assert_eq!(Query(query.as_bytes()).unsound(), pair.map(str::as_bytes), "{query}");
        }
    }
}
